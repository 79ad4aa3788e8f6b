//! The identifiers that everything shares: rooms, events, envelopes, persons, devices, points in time.
//! Each has exactly one text form, which is also its serde form where a human may read it; in binary
//! formats they are raw bytes.

use std::{fmt, str::FromStr};

use alloy_primitives::Address;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::bytes::lower_hex;

/// Why a text is no identifier; the sentence can be shown to the person who typed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct ParseIdError(String);

impl ParseIdError {
    pub(crate) fn new(sentence: impl Into<String>) -> Self {
        Self(sentence.into())
    }
}

macro_rules! byte_id {
    ($(#[$doc:meta])* $name:ident, $len:literal, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl $name {
            /// The raw bytes.
            pub fn as_bytes(&self) -> &[u8; $len] {
                &self.0
            }
        }

        impl From<[u8; $len]> for $name {
            fn from(bytes: [u8; $len]) -> Self {
                Self(bytes)
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str($prefix)?;
                f.write_str(&hex::encode(self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                write!(f, "{}({self})", stringify!($name))
            }
        }

        impl Serialize for $name {
            fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                if to.is_human_readable() {
                    to.collect_str(self)
                } else {
                    to.serialize_bytes(&self.0)
                }
            }
        }

        impl<'de> Deserialize<'de> for $name {
            fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                if !from.is_human_readable() {
                    return crate::bytes::deserialize(from).map(Self);
                }
                struct Text;
                impl de::Visitor<'_> for Text {
                    type Value = $name;
                    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                        f.write_str(concat!("the text form of a ", stringify!($name)))
                    }
                    fn visit_str<E: de::Error>(self, text: &str) -> Result<$name, E> {
                        text.parse().map_err(E::custom)
                    }
                }
                from.deserialize_str(Text)
            }
        }
    };
}

macro_rules! parse_strict {
    ($name:ident, $prefix:literal, $sentence:literal) => {
        impl FromStr for $name {
            type Err = ParseIdError;

            fn from_str(text: &str) -> Result<Self, ParseIdError> {
                text.strip_prefix($prefix)
                    .and_then(lower_hex)
                    .map(Self)
                    .ok_or_else(|| ParseIdError::new($sentence))
            }
        }
    };
}

byte_id!(
    /// A room: `keccak256(abi.encode(creator, salt))`, as the registry contract computes it.
    RoomId, 32, "0x"
);
byte_id!(
    /// An event: SHA-256 of its signed bytes.
    EventId, 32, "0x"
);
byte_id!(
    /// A sealed event as it travels: SHA-256 of the envelope's encoding.
    EnvelopeId, 32, "0x"
);
byte_id!(
    /// A person: the address of an Ethereum account. Compared by its 20 bytes, never as text.
    Person, 20, "0x"
);
byte_id!(
    /// A device: the Ed25519 public key made once per browser.
    DeviceKey, 32, ""
);

parse_strict!(
    RoomId,
    "0x",
    "A room id is 0x and 64 lower-case hex digits."
);
parse_strict!(
    EventId,
    "0x",
    "An event id is 0x and 64 lower-case hex digits."
);
parse_strict!(
    EnvelopeId,
    "0x",
    "An envelope id is 0x and 64 lower-case hex digits."
);
parse_strict!(DeviceKey, "", "A device key is 64 lower-case hex digits.");

impl Person {
    /// The address with its EIP-55 checksum, the form to show in full.
    pub fn checksummed(&self) -> String {
        Address::from(self.0).to_checksum(None)
    }

    /// `0x58d2…6b10`, the form for tight places.
    pub fn short(&self) -> String {
        let text = hex::encode(self.0);
        format!("0x{}…{}", &text[..4], &text[36..])
    }
}

impl FromStr for Person {
    type Err = ParseIdError;

    /// Takes lower case, upper case, or mixed case with a right EIP-55 checksum; the error says what
    /// is wrong with the text.
    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let text = text.trim();
        if text.is_empty() {
            return Err(ParseIdError::new("The address is empty."));
        }
        let Some(digits) = text.strip_prefix("0x") else {
            return Err(ParseIdError::new(
                "An address starts with 0x; this one does not.",
            ));
        };
        let count = text.chars().count();
        if count != 42 {
            return Err(ParseIdError::new(format!(
                "An address has 42 characters; this one has {count}."
            )));
        }
        if let Some(wrong) = digits.chars().find(|c| !c.is_ascii_hexdigit()) {
            return Err(ParseIdError::new(format!(
                "After 0x an address has only the digits 0 to 9 and the letters a to f; this one has “{wrong}”."
            )));
        }
        let mut bytes = [0; 20];
        hex::decode_to_slice(digits, &mut bytes)
            .map_err(|_| ParseIdError::new("This is not an address."))?;
        let person = Self(bytes);
        let mixed = digits.bytes().any(|b| b.is_ascii_lowercase())
            && digits.bytes().any(|b| b.is_ascii_uppercase());
        if mixed && person.checksummed() != text {
            return Err(ParseIdError::new(
                "The checksum of this address is wrong: a character is mistyped. Copy it again.",
            ));
        }
        Ok(person)
    }
}

impl From<Address> for Person {
    fn from(address: Address) -> Self {
        Self(address.into_array())
    }
}

impl From<Person> for Address {
    fn from(person: Person) -> Self {
        Address::from(person.0)
    }
}

impl DeviceKey {
    /// `3b6a…da29`, the form for tight places.
    pub fn short(&self) -> String {
        let text = hex::encode(self.0);
        format!("{}…{}", &text[..4], &text[60..])
    }
}

/// A point in time: milliseconds since 1970-01-01T00:00:00Z, by the clock of whoever says it.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(transparent)]
pub struct Millis(pub u64);

impl Millis {
    /// Whole seconds, rounded down.
    pub fn seconds(self) -> u64 {
        self.0 / 1000
    }

    /// From whole seconds; stops at the largest representable time.
    pub fn from_seconds(seconds: u64) -> Self {
        Self(seconds.saturating_mul(1000))
    }
}

impl fmt::Display for Millis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl FromStr for Millis {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        text.parse()
            .map(Self)
            .map_err(|_| ParseIdError::new("A time is a whole number of milliseconds."))
    }
}
