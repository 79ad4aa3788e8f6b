//! Key shares as Kavach makes them: plain Shamir secret sharing over the scalar field of BLS12-381.
//!
//! A polynomial of degree `threshold - 1` has the key as its value at 0; share `i` is its value at a random index.
//! Scalars are 32 bytes big-endian, as text 64 lower-case hexadecimal digits. Nothing here decides whether a key
//! opens a file: a wrong or missing share gives another valid-looking key, so callers prove the key with the file's
//! authentication tag (see [`recover_consistent`]).

use std::collections::BTreeSet;
use std::fmt;

use bls12_381::Scalar;
use serde::{Deserialize, Deserializer, Serialize, Serializer};
use zeroize::{Zeroize, ZeroizeOnDrop, Zeroizing};

/// More shares than this are refused: trying combinations must stay cheap.
pub const MAX_SHARES: usize = 16;
/// How often a draw may be repeated before the source of randomness is called broken.
const MAX_DRAWS: usize = 64;

/// Why a key could not be split or put together.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ShareError {
    /// The threshold is 0, above the number of shares, or there are too many shares.
    #[error(
        "{threshold} of {count} is not a split: at least 1, at most {MAX_SHARES} shares, and no more needed than made"
    )]
    Threshold {
        /// Shares needed.
        threshold: usize,
        /// Shares made or given.
        count: usize,
    },
    /// The random source keeps giving values that cannot be used.
    #[error("the source of randomness repeats itself")]
    Randomness,
    /// Not 64 hexadecimal digits of a number below the field's modulus.
    #[error("a key or share is 64 hexadecimal digits below the field's modulus")]
    NotAScalar,
    /// A share index is zero; index zero would be the key itself.
    #[error("a share has the index zero")]
    ZeroIndex,
    /// Two shares have the same index.
    #[error("two shares have the same index")]
    SameIndex,
    /// Fewer distinct shares than needed.
    #[error("{have} of {need} key shares")]
    TooFew {
        /// Distinct shares given.
        have: usize,
        /// Shares needed.
        need: usize,
    },
    /// No combination of the given shares gives a key that the proof accepts.
    #[error("no {need} of the key shares give the right key")]
    NoneFits {
        /// Shares needed.
        need: usize,
    },
}

/// A file key: a scalar of the field, erased from memory when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct MasterKey([u8; 32]);

impl MasterKey {
    /// Reads 64 hexadecimal digits (either case) of a number below the modulus.
    pub fn from_hex(text: &str) -> Result<Self, ShareError> {
        Ok(Self(to_big_endian(&parse_scalar(text)?)))
    }

    /// 64 lower-case hexadecimal digits: the password of the file cipher.
    pub fn hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(self.0))
    }

    /// The 32 bytes, big-endian.
    pub fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(..)")
    }
}

/// One share: the value of the polynomial (`key`) at `index`. Erased from memory when dropped.
#[derive(Clone, PartialEq, Eq, Zeroize, ZeroizeOnDrop)]
pub struct Share {
    key: [u8; 32],
    index: [u8; 32],
}

/// The JSON of a share: `{"key": …, "index": …}`, as it travels to a key node.
#[derive(Serialize, Deserialize)]
struct ShareText {
    key: String,
    index: String,
}

impl Share {
    /// Reads the two texts of a share strictly: 64 hexadecimal digits below the modulus, index not zero.
    pub fn from_hex(key: &str, index: &str) -> Result<Self, ShareError> {
        Self::new(parse_scalar(key)?, parse_scalar(index)?)
    }

    /// Reads `key ‖ index`, 64 bytes big-endian.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, ShareError> {
        let (key, index) = bytes.split_at_checked(32).ok_or(ShareError::NotAScalar)?;
        let array = |half: &[u8]| half.try_into().map_err(|_| ShareError::NotAScalar);
        Self::new(
            from_big_endian(array(key)?)?,
            from_big_endian(array(index)?)?,
        )
    }

    /// `key ‖ index`, 64 bytes big-endian.
    pub fn to_bytes(&self) -> Zeroizing<[u8; 64]> {
        let mut bytes = Zeroizing::new([0; 64]);
        bytes[..32].copy_from_slice(&self.key);
        bytes[32..].copy_from_slice(&self.index);
        bytes
    }

    /// The value, 64 lower-case hexadecimal digits.
    pub fn key_hex(&self) -> Zeroizing<String> {
        Zeroizing::new(hex::encode(self.key))
    }

    /// The index, 64 lower-case hexadecimal digits.
    pub fn index_hex(&self) -> String {
        hex::encode(self.index)
    }

    fn new(key: Scalar, index: Scalar) -> Result<Self, ShareError> {
        if index == Scalar::zero() {
            return Err(ShareError::ZeroIndex);
        }
        Ok(Self {
            key: to_big_endian(&key),
            index: to_big_endian(&index),
        })
    }

    fn point(&self) -> Point {
        let scalar =
            |bytes| from_big_endian(bytes).expect("a Share holds only values below the modulus");
        Point {
            x: scalar(self.index),
            y: scalar(self.key),
        }
    }
}

impl fmt::Debug for Share {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Share(..)")
    }
}

impl Serialize for Share {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        ShareText {
            key: hex::encode(self.key),
            index: hex::encode(self.index),
        }
        .serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for Share {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = ShareText::deserialize(deserializer)?;
        Self::from_hex(&text.key, &text.index).map_err(serde::de::Error::custom)
    }
}

/// Draws a fresh key and splits it: any `threshold` of the `count` shares give it back.
///
/// `random` fills 32 bytes per call from a cryptographic source. The draws are used exactly as Kavach uses them
/// (`threshold` coefficients first, the key being the first; then `count` indices), so the same bytes give the same
/// shares. Share `i` is meant for node `i + 1`.
pub fn generate(
    threshold: usize,
    count: usize,
    mut random: impl FnMut(&mut [u8; 32]),
) -> Result<(MasterKey, Vec<Share>), ShareError> {
    if threshold == 0 || threshold > count || count > MAX_SHARES {
        return Err(ShareError::Threshold { threshold, count });
    }
    let mut coefficients = Zeroizing::new(Vec::with_capacity(threshold));
    for _ in 0..threshold {
        coefficients.push(draw(&mut random, |_| true)?);
    }
    let mut indices: Vec<Scalar> = Vec::with_capacity(count);
    for _ in 0..count {
        let index = draw(&mut random, |index| !indices.contains(index))?;
        indices.push(index);
    }
    let shares = deal(&coefficients, &indices)?;
    Ok((MasterKey(to_big_endian(&coefficients[0])), shares))
}

/// Interpolates at zero over **all** given shares. With fewer shares than the split needs, or with a wrong one,
/// the result is a wrong key and no error: the mathematics cannot tell.
pub fn recover(shares: &[Share]) -> Result<MasterKey, ShareError> {
    if shares.is_empty() || shares.len() > MAX_SHARES {
        return Err(ShareError::TooFew {
            have: shares.len(),
            need: 1,
        });
    }
    let points: Vec<Point> = shares.iter().map(Share::point).collect();
    Ok(MasterKey(to_big_endian(&interpolate(
        &points,
        Scalar::zero(),
    )?)))
}

/// A key that some of the shares agree on.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// The key these shares give.
    pub key: MasterKey,
    /// Nodes whose shares lie on this key's polynomial.
    pub agreeing: Vec<usize>,
    /// Nodes whose shares do not.
    pub bad_nodes: Vec<usize>,
}

/// What [`recover_consistent`] found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovered {
    /// The key.
    pub key: MasterKey,
    /// Nodes that gave a share that does not belong to this key.
    pub bad_nodes: Vec<usize>,
    /// True if the proof accepted the key. False without a proof, however many shares agree.
    pub proven: bool,
}

/// Every key that some `threshold` of the shares give, those with most agreeing shares first. For proofs that are
/// asynchronous (the file's authentication tag in a browser): try them in this order and take the first that opens.
///
/// `shares` are (node number, share). Repeated indices count once.
pub fn candidates(
    shares: &[(usize, Share)],
    threshold: usize,
) -> Result<std::vec::IntoIter<Candidate>, ShareError> {
    if threshold == 0 || shares.len() > MAX_SHARES {
        return Err(ShareError::Threshold {
            threshold,
            count: shares.len(),
        });
    }
    let distinct: BTreeSet<&[u8; 32]> = shares.iter().map(|(_, share)| &share.index).collect();
    if distinct.len() < threshold {
        return Err(ShareError::TooFew {
            have: distinct.len(),
            need: threshold,
        });
    }
    let points: Vec<(usize, Point)> = shares
        .iter()
        .map(|(node, share)| (*node, share.point()))
        .collect();
    let mut found: Vec<Candidate> = Vec::new();
    let mut seen: BTreeSet<Vec<usize>> = BTreeSet::new();
    for chosen in combinations(points.len(), threshold) {
        // A combination inside an agreement that is already listed gives the same polynomial.
        if seen
            .iter()
            .any(|agreement| chosen.iter().all(|position| agreement.contains(position)))
        {
            continue;
        }
        let base: Vec<Point> = chosen.iter().map(|&position| points[position].1).collect();
        let Ok(key) = interpolate(&base, Scalar::zero()) else {
            continue;
        };
        let on_polynomial =
            |point: &Point| interpolate(&base, point.x).is_ok_and(|value| value == point.y);
        let (agreeing, bad): (Vec<usize>, Vec<usize>) =
            (0..points.len()).partition(|&position| on_polynomial(&points[position].1));
        let nodes = |positions: &[usize]| {
            positions
                .iter()
                .map(|&position| points[position].0)
                .collect()
        };
        found.push(Candidate {
            key: MasterKey(to_big_endian(&key)),
            agreeing: nodes(&agreeing),
            bad_nodes: nodes(&bad),
        });
        seen.insert(agreeing);
    }
    found.sort_by_key(|candidate| std::cmp::Reverse(candidate.agreeing.len()));
    Ok(found.into_iter())
}

/// Recovers the key from more shares than needed and names the nodes whose share is wrong.
///
/// With `verify` the first candidate it accepts is taken; without, the one on which most shares agree, which is
/// certain only if more than `threshold` agree (with five shares and a threshold of three, one wrong share is found
/// without any proof, two are not).
pub fn recover_consistent(
    shares: &[(usize, Share)],
    threshold: usize,
    verify: Option<&dyn Fn(&MasterKey) -> bool>,
) -> Result<Recovered, ShareError> {
    let mut found = candidates(shares, threshold)?;
    let accepted = match verify {
        Some(accepts) => found.find(|candidate| accepts(&candidate.key)),
        None => found.next(),
    };
    let Candidate { key, bad_nodes, .. } =
        accepted.ok_or(ShareError::NoneFits { need: threshold })?;
    Ok(Recovered {
        key,
        bad_nodes,
        proven: verify.is_some(),
    })
}

#[derive(Clone, Copy)]
struct Point {
    x: Scalar,
    y: Scalar,
}

/// The shares of the polynomial with these coefficients, lowest power first.
fn deal(coefficients: &[Scalar], indices: &[Scalar]) -> Result<Vec<Share>, ShareError> {
    let value_at = |x: &Scalar| {
        coefficients
            .iter()
            .rev()
            .fold(Scalar::zero(), |sum, coefficient| sum * x + coefficient)
    };
    indices
        .iter()
        .map(|index| Share::new(value_at(index), *index))
        .collect()
}

/// Lagrange interpolation: the value at `at` of the polynomial through all `points`.
fn interpolate(points: &[Point], at: Scalar) -> Result<Scalar, ShareError> {
    let mut sum = Scalar::zero();
    for (i, point) in points.iter().enumerate() {
        let (mut numerator, mut denominator) = (point.y, Scalar::one());
        for (j, other) in points.iter().enumerate() {
            if i != j {
                numerator *= at - other.x;
                denominator *= point.x - other.x;
            }
        }
        let inverse = Option::<Scalar>::from(denominator.invert()).ok_or(ShareError::SameIndex)?;
        sum += numerator * inverse;
    }
    Ok(sum)
}

/// All ascending choices of `size` positions out of `count`.
fn combinations(count: usize, size: usize) -> Vec<Vec<usize>> {
    let mut all = vec![Vec::new()];
    for _ in 0..size {
        all = all
            .into_iter()
            .flat_map(|chosen: Vec<usize>| {
                let start = chosen.last().map_or(0, |last| last + 1);
                (start..count).map(move |next| chosen.iter().copied().chain([next]).collect())
            })
            .collect();
    }
    all
}

/// One scalar by Kavach's rule (bls-eth-wasm `setLittleEndianMask`): 32 bytes little-endian, masked to 255 bits and,
/// if that is not below the modulus, to 254. Zero is drawn again; so is what `usable` refuses.
fn draw(
    random: &mut impl FnMut(&mut [u8; 32]),
    usable: impl Fn(&Scalar) -> bool,
) -> Result<Scalar, ShareError> {
    for _ in 0..MAX_DRAWS {
        let mut bytes = Zeroizing::new([0; 32]);
        random(&mut bytes);
        bytes[31] &= 0x7f;
        let mut scalar = Option::<Scalar>::from(Scalar::from_bytes(&bytes));
        if scalar.is_none() {
            bytes[31] &= 0x3f;
            scalar = Scalar::from_bytes(&bytes).into();
        }
        if let Some(scalar) = scalar.filter(|scalar| *scalar != Scalar::zero() && usable(scalar)) {
            return Ok(scalar);
        }
    }
    Err(ShareError::Randomness)
}

fn parse_scalar(text: &str) -> Result<Scalar, ShareError> {
    let mut bytes = Zeroizing::new([0; 32]);
    hex::decode_to_slice(text, bytes.as_mut_slice()).map_err(|_| ShareError::NotAScalar)?;
    from_big_endian(*bytes)
}

fn from_big_endian(mut bytes: [u8; 32]) -> Result<Scalar, ShareError> {
    bytes.reverse();
    let scalar = Option::<Scalar>::from(Scalar::from_bytes(&bytes)).ok_or(ShareError::NotAScalar);
    bytes.zeroize();
    scalar
}

fn to_big_endian(scalar: &Scalar) -> [u8; 32] {
    let mut bytes = scalar.to_bytes();
    bytes.reverse();
    bytes
}

#[cfg(test)]
mod tests;
