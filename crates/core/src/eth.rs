//! Ethereum signatures: 65 bytes `r ‖ s ‖ v`, EIP-191 text hashing, recovery of the signer.
//! Smart-contract wallets (EIP-1271) are not supported here: that needs a chain.

use std::{fmt, str::FromStr};

use alloy_primitives::keccak256;
use k256::ecdsa::{RecoveryId, Signature, SigningKey, VerifyingKey};
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{
    bytes::lower_hex,
    ids::{ParseIdError, Person},
};

/// Why a wallet signature is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SignatureError {
    /// `v` is none of 0, 1, 27, 28.
    #[error("the signature's recovery byte is {0}; only 0, 1, 27 and 28 are known")]
    RecoveryByte(u8),
    /// `r` or `s` is zero or beyond the curve's order.
    #[error("the signature is out of range")]
    OutOfRange,
    /// `s` is in the upper half: the same signature could be written in two ways (EIP-2).
    #[error("the signature is not in its low-s form")]
    HighS,
    /// No public key belongs to this signature and hash.
    #[error("no signer belongs to the signature")]
    NoSigner,
    /// A secret key that is zero or beyond the curve's order.
    #[error("the secret key is out of range")]
    BadSecret,
}

/// A wallet's signature as wallets return it: `r ‖ s ‖ v`. Text form `0x` and 130 hex digits.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Signature65(pub [u8; 65]);

impl Signature65 {
    /// The raw bytes.
    pub fn as_bytes(&self) -> &[u8; 65] {
        &self.0
    }
}

impl From<[u8; 65]> for Signature65 {
    fn from(bytes: [u8; 65]) -> Self {
        Self(bytes)
    }
}

impl fmt::Display for Signature65 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "0x{}", hex::encode(self.0))
    }
}

impl fmt::Debug for Signature65 {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Signature65({self})")
    }
}

impl FromStr for Signature65 {
    type Err = ParseIdError;

    /// Takes either letter case, because wallets differ.
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        text.strip_prefix("0x")
            .and_then(|digits| lower_hex(&digits.to_ascii_lowercase()))
            .map(Self)
            .ok_or_else(|| ParseIdError::new("A wallet signature is 0x and 130 hex digits."))
    }
}

impl Serialize for Signature65 {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        if to.is_human_readable() {
            to.collect_str(self)
        } else {
            to.serialize_bytes(&self.0)
        }
    }
}

impl<'de> Deserialize<'de> for Signature65 {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        if !from.is_human_readable() {
            return crate::bytes::deserialize(from).map(Self);
        }
        let text = String::deserialize(from)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// The hash that `personal_sign` signs for a text: keccak256 of the EIP-191 prefix, the length in
/// bytes, and the UTF-8 bytes.
pub fn eip191_hash(text: &str) -> [u8; 32] {
    let mut message = format!("\x19Ethereum Signed Message:\n{}", text.len()).into_bytes();
    message.extend_from_slice(text.as_bytes());
    keccak256(&message).0
}

/// Who signed `text` with `personal_sign`.
pub fn recover_eip191(text: &str, signature: &Signature65) -> Result<Person, SignatureError> {
    recover(&eip191_hash(text), signature)
}

/// Who signed `hash`. Refuses other recovery bytes than 0, 1, 27, 28, zero and high-s.
pub fn recover(hash: &[u8; 32], signature: &Signature65) -> Result<Person, SignatureError> {
    let v = signature.0[64];
    let parity = match v {
        0 | 27 => 0,
        1 | 28 => 1,
        _ => return Err(SignatureError::RecoveryByte(v)),
    };
    let rs = Signature::from_slice(&signature.0[..64]).map_err(|_| SignatureError::OutOfRange)?;
    if rs.normalize_s().is_some() {
        return Err(SignatureError::HighS);
    }
    let key = VerifyingKey::recover_from_prehash(hash, &rs, RecoveryId::new(parity == 1, false))
        .map_err(|_| SignatureError::NoSigner)?;
    Ok(person_of(&key))
}

/// Signs `hash` with an account's secret key: what a wallet made and kept in this browser does.
/// Deterministic (RFC 6979), low-s, `v` 27 or 28.
pub fn sign_hash(hash: &[u8; 32], secret: &[u8; 32]) -> Result<Signature65, SignatureError> {
    let key = SigningKey::from_slice(secret).map_err(|_| SignatureError::BadSecret)?;
    let (rs, id) = key
        .sign_prehash_recoverable(hash)
        .map_err(|_| SignatureError::OutOfRange)?;
    let mut bytes = [0; 65];
    bytes[..64].copy_from_slice(&rs.to_bytes());
    bytes[64] = 27 + id.to_byte();
    Ok(Signature65(bytes))
}

/// The address of an account's secret key.
pub fn person_of_secret(secret: &[u8; 32]) -> Result<Person, SignatureError> {
    let key = SigningKey::from_slice(secret).map_err(|_| SignatureError::BadSecret)?;
    Ok(person_of(key.verifying_key()))
}

fn person_of(key: &VerifyingKey) -> Person {
    let point = key.to_encoded_point(false);
    let hash = keccak256(&point.as_bytes()[1..]);
    let mut address = [0; 20];
    address.copy_from_slice(&hash[12..]);
    Person(address)
}
