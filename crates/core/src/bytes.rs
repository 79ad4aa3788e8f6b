//! Serde for fixed byte arrays: lower-case hex where a human may read it (JSON), raw bytes where not
//! (postcard). Use with `#[serde(with = "crate::bytes")]`.

use serde::{Deserializer, Serializer, de};

pub(crate) fn serialize<const N: usize, S: Serializer>(
    bytes: &[u8; N],
    to: S,
) -> Result<S::Ok, S::Error> {
    if to.is_human_readable() {
        to.serialize_str(&hex::encode(bytes))
    } else {
        to.serialize_bytes(bytes)
    }
}

pub(crate) fn deserialize<'de, const N: usize, D: Deserializer<'de>>(
    from: D,
) -> Result<[u8; N], D::Error> {
    if from.is_human_readable() {
        from.deserialize_str(Hex::<N>)
    } else {
        from.deserialize_bytes(Raw::<N>)
    }
}

struct Hex<const N: usize>;

impl<const N: usize> de::Visitor<'_> for Hex<N> {
    type Value = [u8; N];

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} lower-case hex digits", N * 2)
    }

    fn visit_str<E: de::Error>(self, text: &str) -> Result<[u8; N], E> {
        lower_hex(text).ok_or_else(|| E::invalid_value(de::Unexpected::Str(text), &self))
    }
}

struct Raw<const N: usize>;

impl<const N: usize> de::Visitor<'_> for Raw<N> {
    type Value = [u8; N];

    fn expecting(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{N} bytes")
    }

    fn visit_bytes<E: de::Error>(self, bytes: &[u8]) -> Result<[u8; N], E> {
        bytes
            .try_into()
            .map_err(|_| E::invalid_length(bytes.len(), &self))
    }
}

/// Exactly `N` bytes in lower-case hex: one text form per value, so that what is signed or compared
/// as text cannot be written in two ways.
pub(crate) fn lower_hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    if text.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    let mut bytes = [0; N];
    hex::decode_to_slice(text, &mut bytes).ok()?;
    Some(bytes)
}
