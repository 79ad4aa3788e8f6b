//! A key share sealed to one browser: HPKE (RFC 9180) base mode with X-Wing (ML-KEM-768 and X25519 together),
//! HKDF-SHA256, ChaCha20-Poly1305. The server that passes a key node's answer on cannot read it, and neither can
//! somebody who records it today and has a quantum computer in twenty years: a patient's lifetime is longer.
//!
//! Sealed bytes are `enc(1120) ‖ ciphertext`; the plain text is `key(32) ‖ index(32)` of the share. The node's number
//! and the content id are bound in, so an answer of one node or for one file is no answer for another.

use std::convert::Infallible;
use std::fmt;

use hpke::aead::ChaCha20Poly1305;
use hpke::kdf::HkdfSha256;
use hpke::kem::XWing;
use hpke::rand_core::{TryCryptoRng, TryRng};
use hpke::{
    Deserializable, Kem, OpModeR, OpModeS, Serializable, single_shot_open,
    single_shot_seal_with_rng,
};
use sha2::{Digest, Sha256};
use zeroize::{Zeroize, Zeroizing};

use crate::cid::{CidError, parse_cid};
use crate::shares::Share;

const DOMAIN: &[u8] = b"healthsync/share/2";
/// Length of the key that shares are sealed to.
pub const PUBLIC_KEY: usize = 1216;
/// Length of the encapsulated key.
const ENC: usize = 1120;
/// Length of a sealed share: encapsulated key, two scalars, tag.
pub const SEALED_SHARE: usize = ENC + 64 + 16;

/// Why a share could not be sealed or opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// The recipient's key is not a usable X-Wing public key.
    #[error("the key to seal to is not an X-Wing public key")]
    Recipient,
    /// Sealed to somebody else, by another node, for another file, or changed on the way.
    #[error("the sealed key share does not open")]
    DoesNotOpen,
    /// It opened, but what is inside is no share.
    #[error("the sealed answer holds no key share")]
    NotAShare,
    /// Not a content id.
    #[error(transparent)]
    Cid(#[from] CidError),
}

/// A browser's key pair for one lookup. Make a new one each time, so that a recorded answer stays closed for good.
pub struct SealKeyPair {
    secret: <XWing as Kem>::PrivateKey,
    public: Vec<u8>,
}

impl SealKeyPair {
    /// Derives the pair from 32 random bytes.
    pub fn from_seed(mut seed: [u8; 32]) -> Self {
        let (secret, public) = XWing::derive_keypair(&seed);
        seed.zeroize();
        Self {
            secret,
            public: public.to_bytes().to_vec(),
        }
    }

    /// What the nodes are asked to seal to: [`PUBLIC_KEY`] bytes.
    pub fn public(&self) -> &[u8] {
        &self.public
    }

    /// What a device's token binds the answer to.
    pub fn digest(&self) -> [u8; 32] {
        key_digest(&self.public)
    }

    /// Opens what `node` sealed for `cid`.
    pub fn open(&self, sealed: &[u8], node: u8, cid: &str) -> Result<Share, SealError> {
        let (enc, ciphertext) = sealed.split_at_checked(ENC).ok_or(SealError::DoesNotOpen)?;
        let enc = Deserializable::from_bytes(enc).map_err(|_| SealError::DoesNotOpen)?;
        let plain = single_shot_open::<ChaCha20Poly1305, HkdfSha256, XWing>(
            &OpModeR::Base,
            &self.secret,
            &enc,
            &info(node, cid)?,
            ciphertext,
            b"",
        )
        .map(Zeroizing::new)
        .map_err(|_| SealError::DoesNotOpen)?;
        Share::from_bytes(&plain).map_err(|_| SealError::NotAShare)
    }
}

impl fmt::Debug for SealKeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SealKeyPair")
            .field("digest", &hex::encode(self.digest()))
            .finish_non_exhaustive()
    }
}

/// SHA-256 of a public key: 32 bytes that stand for its 1216 where space is short.
pub fn key_digest(public: &[u8]) -> [u8; 32] {
    Sha256::digest(public).into()
}

/// Seals `share` of `node` for `cid` to the key `to`. `randomness` is fresh from a cryptographic source each time.
pub fn seal(
    share: &Share,
    to: &[u8],
    node: u8,
    cid: &str,
    randomness: [u8; 32],
) -> Result<Vec<u8>, SealError> {
    let to = Deserializable::from_bytes(to).map_err(|_| SealError::Recipient)?;
    let (enc, ciphertext) = single_shot_seal_with_rng::<ChaCha20Poly1305, HkdfSha256, XWing>(
        &OpModeS::Base,
        &to,
        &info(node, cid)?,
        share.to_bytes().as_slice(),
        b"",
        &mut PassedIn {
            seed: randomness,
            block: 0,
        },
    )
    .map_err(|_| SealError::Recipient)?;
    Ok([enc.to_bytes().as_slice(), &ciphertext].concat())
}

/// The content id is bound in its one canonical text, however it was written.
fn info(node: u8, cid: &str) -> Result<Vec<u8>, SealError> {
    let cid = parse_cid(cid)?.to_string();
    Ok([DOMAIN, &[node], cid.as_bytes()].concat())
}

/// Randomness that was passed in, stretched: block `n` is SHA-256(seed ‖ n).
struct PassedIn {
    seed: [u8; 32],
    block: u64,
}

impl PassedIn {
    fn next(&mut self) -> [u8; 32] {
        self.block += 1;
        Sha256::new()
            .chain_update(self.seed)
            .chain_update(self.block.to_be_bytes())
            .finalize()
            .into()
    }
}

impl TryRng for PassedIn {
    type Error = Infallible;

    fn try_next_u32(&mut self) -> Result<u32, Infallible> {
        let [a, b, c, d, ..] = self.next();
        Ok(u32::from_le_bytes([a, b, c, d]))
    }

    fn try_next_u64(&mut self) -> Result<u64, Infallible> {
        let [a, b, c, d, e, f, g, h, ..] = self.next();
        Ok(u64::from_le_bytes([a, b, c, d, e, f, g, h]))
    }

    fn try_fill_bytes(&mut self, out: &mut [u8]) -> Result<(), Infallible> {
        for piece in out.chunks_mut(32) {
            piece.copy_from_slice(&self.next()[..piece.len()]);
        }
        Ok(())
    }
}

impl TryCryptoRng for PassedIn {}

impl Drop for PassedIn {
    fn drop(&mut self) {
        self.seed.zeroize();
    }
}

#[cfg(test)]
mod tests;
