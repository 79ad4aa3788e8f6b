//! `/healthsync/sync/1`: how a browser joins a room at a relay, hands over envelopes and asks for those
//! it misses. One version byte, then postcard; trailing bytes are refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize, de::DeserializeOwned};

use crate::{
    delegation::SignedDelegation,
    ids::{DeviceKey, RoomId},
    limits::{self, LimitError},
};

/// The protocol's name for libp2p.
pub const PROTOCOL: &str = "/healthsync/sync/1";

const VERSION: u8 = 1;

/// For each device the number up to which all its events are there, without a gap.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct VersionVector(pub BTreeMap<DeviceKey, u64>);

impl VersionVector {
    /// The device's number; 0 when nothing of it is there.
    pub fn get(&self, device: &DeviceKey) -> u64 {
        self.0.get(device).copied().unwrap_or(0)
    }

    /// Whether event `seq` of `device` is among those counted.
    pub fn has(&self, device: &DeviceKey, seq: u64) -> bool {
        seq <= self.get(device)
    }

    /// Whether everything in `other` is here.
    pub fn covers(&self, other: &Self) -> bool {
        other.0.iter().all(|(device, seq)| self.has(device, *seq))
    }
}

/// What a browser asks of a relay.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Request {
    /// Lets this connection into a room.
    Join {
        /// The room.
        room: RoomId,
        /// Who asks, on which device.
        delegation: SignedDelegation,
        /// By that device, over [`join_message`]: proves that it is at this connection's other end.
        #[serde(with = "crate::bytes")]
        device_signature: [u8; 64],
    },
    /// Hands over envelopes to keep.
    Push {
        /// The room.
        room: RoomId,
        /// Encoded envelopes.
        envelopes: Vec<Vec<u8>>,
    },
    /// Asks for envelopes beyond `have`.
    Pull {
        /// The room.
        room: RoomId,
        /// What the browser has.
        have: VersionVector,
        /// The most envelopes to answer with.
        limit: u32,
    },
    /// Takes this connection out of a room.
    Leave {
        /// The room.
        room: RoomId,
    },
    /// Asks for a part of the history, what arrived last first. With it comes the first envelope of each device
    /// that the browser has nothing of: it brings the delegation, without which the others do not count.
    Newest {
        /// The room.
        room: RoomId,
        /// For each device the number after which something is wanted; 0 for those not named.
        after: VersionVector,
        /// For each device the last number that is wanted; nothing of those not named.
        upto: VersionVector,
        /// The most envelopes to answer with.
        limit: u32,
    },
}

/// What a relay answers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Response {
    /// To `Join`.
    Joined {
        /// The gossip topic of the room.
        topic: String,
        /// What the relay has.
        have: VersionVector,
    },
    /// To `Push`: all that is not in `rejected` is kept.
    Stored {
        /// What the relay has now.
        have: VersionVector,
        /// Index in the push, and why.
        rejected: Vec<(u32, String)>,
    },
    /// To `Pull` and `Newest`.
    Page {
        /// Encoded envelopes.
        envelopes: Vec<Vec<u8>>,
        /// Whether there is more to ask for.
        more: bool,
    },
    /// To `Leave`.
    Left,
    /// To anything.
    Refused {
        /// Why, for programs.
        code: RefusalCode,
        /// Why, as a sentence.
        message: String,
    },
}

/// Why a relay refuses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RefusalCode {
    /// The registry does not list the person.
    NotAllowed,
    /// The registry has no such room.
    NoSuchRoom,
    /// The delegation is wrong or has ended, or the device's signature is wrong.
    BadDelegation,
    /// Join first.
    NotJoined,
    /// Beyond a limit.
    TooLarge,
    /// Too much in too short a time.
    RateLimited,
    /// The relay's chain or storage does not answer; try again.
    Unavailable,
    /// The person's wallet has ended the device's right to speak for it.
    Revoked,
}

/// Why bytes are no message of this protocol. Always the other side's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SyncError {
    /// Too long, or too many of something.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// A format of another version, or nothing at all.
    #[error("the message has no version that this program reads")]
    Version,
    /// Not readable.
    #[error("the message cannot be read")]
    Form,
    /// Readable, with something after it.
    #[error("the message has {0} bytes too many at its end")]
    Trailing(usize),
}

impl Request {
    /// The bytes to send.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads and checks lengths and counts.
    pub fn decode(bytes: &[u8]) -> Result<Self, SyncError> {
        let request: Self = decode("The request", bytes, limits::REQUEST_BYTES)?;
        match &request {
            Request::Push { envelopes, .. } => check_envelopes(envelopes)?,
            Request::Pull { have, .. } => check_vector(have)?,
            Request::Newest { after, upto, .. } => {
                check_vector(after)?;
                check_vector(upto)?;
            }
            Request::Join { .. } | Request::Leave { .. } => {}
        }
        Ok(request)
    }

    /// The room that it is about.
    pub fn room(&self) -> RoomId {
        match self {
            Request::Join { room, .. }
            | Request::Push { room, .. }
            | Request::Pull { room, .. }
            | Request::Leave { room }
            | Request::Newest { room, .. } => *room,
        }
    }
}

impl Response {
    /// The bytes to send.
    pub fn encode(&self) -> Vec<u8> {
        encode(self)
    }

    /// Reads and checks lengths and counts.
    pub fn decode(bytes: &[u8]) -> Result<Self, SyncError> {
        let response: Self = decode("The response", bytes, limits::RESPONSE_BYTES)?;
        match &response {
            Response::Joined { topic, have } => {
                check_reason("The topic", topic)?;
                check_vector(have)?;
            }
            Response::Stored { have, rejected } => {
                check_vector(have)?;
                limits::check_count("The answer", "refusals", rejected.len(), limits::ENVELOPES)?;
                for (_, reason) in rejected {
                    check_reason("The reason", reason)?;
                }
            }
            Response::Page { envelopes, .. } => check_envelopes(envelopes)?,
            Response::Refused { message, .. } => check_reason("The reason", message)?,
            Response::Left => {}
        }
        Ok(response)
    }
}

/// What the device signs to join `room` on the connection of the libp2p peer with these id bytes:
/// signed for one room and one peer, it cannot be used for another.
pub fn join_message(room: &RoomId, peer_id: &[u8]) -> Vec<u8> {
    [b"healthsync/join/1\0", &room.0[..], peer_id].concat()
}

fn encode<T: Serialize>(message: &T) -> Vec<u8> {
    postcard::to_extend(message, vec![VERSION]).expect("plain values always encode")
}

fn decode<T: DeserializeOwned>(
    what: &'static str,
    bytes: &[u8],
    limit: usize,
) -> Result<T, SyncError> {
    limits::check_count(what, "bytes", bytes.len(), limit)?;
    let Some((&VERSION, rest)) = bytes.split_first() else {
        return Err(SyncError::Version);
    };
    let (message, after) = postcard::take_from_bytes(rest).map_err(|_| SyncError::Form)?;
    if !after.is_empty() {
        return Err(SyncError::Trailing(after.len()));
    }
    Ok(message)
}

fn check_envelopes(envelopes: &[Vec<u8>]) -> Result<(), LimitError> {
    limits::check_count(
        "The message",
        "envelopes",
        envelopes.len(),
        limits::ENVELOPES,
    )?;
    envelopes.iter().try_for_each(|envelope| {
        limits::check_count(
            "The envelope",
            "bytes",
            envelope.len(),
            limits::ENVELOPE_BYTES,
        )
    })
}

fn check_vector(have: &VersionVector) -> Result<(), LimitError> {
    limits::check_count(
        "The version vector",
        "devices",
        have.0.len(),
        limits::DEVICES,
    )
}

fn check_reason(what: &'static str, text: &str) -> Result<(), LimitError> {
    limits::check_count(what, "bytes", text.len(), limits::REASON_BYTES)
}
