//! What the holder of a token opens: the conversation's signed events and the ids of its files, as one file that is
//! encrypted like an image. The holder needs nobody's word for it: events carry their signatures, and the whole is
//! what the chain's commitment says.

use serde::{Deserialize, Serialize};

use super::commitment;
use crate::{
    event::{EventError, SignedEvent},
    ids::{EventId, Person, RoomId},
    room::{Rejected, RoomLog},
};

/// Bytes of a bundle before encryption.
pub const MAX_BYTES: usize = 16 * 1024 * 1024;
/// Events in a bundle.
pub const MAX_EVENTS: usize = 4_096;
/// The version of the format.
const VERSION: u32 = 1;

/// A conversation to go. UTF-8 JSON.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Bundle {
    v: u32,
    /// The room that it was held in.
    pub room: RoomId,
    /// The room's creator, whose name for it counts.
    pub owner: Person,
    /// The chain that the devices' delegations are for.
    pub chain_id: u64,
    /// The case that it is about.
    pub case: EventId,
    /// See [`commitment()`].
    #[serde(with = "crate::bytes")]
    pub salt: [u8; 32],
    events: Vec<Said>,
    /// CIDs of the case's encrypted images.
    pub files: Vec<String>,
}

/// An event as signed: its exact bytes are UTF-8 text.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Said {
    event: String,
    #[serde(with = "crate::bytes")]
    signature: [u8; 64],
}

/// Why a bundle is not the conversation that the token stands for.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Too large, or no bundle of this version.
    #[error("the file cannot be read as a conversation")]
    Form,
    /// An event in it is not what somebody signed.
    #[error("an entry is not what its author signed: {0}")]
    Event(#[from] EventError),
    /// An event in it does not belong to the room.
    #[error("an entry does not belong to the conversation: {0}")]
    Rejected(#[from] Rejected),
    /// Everything is signed, and it is not what the contributors committed to.
    #[error("the conversation is not the one that the token was minted for")]
    Commitment,
}

impl Bundle {
    /// Packs `events` (in the room's order, the delegations of their devices included) and the case's `files`.
    pub fn new(
        (room, owner, chain_id): (RoomId, Person, u64),
        case: EventId,
        salt: [u8; 32],
        events: &[SignedEvent],
        files: Vec<String>,
    ) -> Self {
        let said = |event: &SignedEvent| Said {
            event: String::from_utf8_lossy(&event.bytes).into_owned(),
            signature: event.signature,
        };
        Self {
            v: VERSION,
            room,
            owner,
            chain_id,
            case,
            salt,
            events: events.iter().map(said).collect(),
            files,
        }
    }

    /// The bytes to encrypt.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("a bundle has only text keys")
    }

    /// Reads a bundle and the conversation in it. `root` is the token's commitment, `own_cid` the CID that the
    /// encrypted bundle was found under.
    pub fn open(
        bytes: &[u8],
        root: &[u8; 32],
        own_cid: &str,
    ) -> Result<(Self, RoomLog), BundleError> {
        if bytes.len() > MAX_BYTES {
            return Err(BundleError::Form);
        }
        let bundle: Self = serde_json::from_slice(bytes).map_err(|_| BundleError::Form)?;
        if bundle.v != VERSION || bundle.events.len() > MAX_EVENTS {
            return Err(BundleError::Form);
        }
        let mut ids = Vec::new();
        let mut events = Vec::new();
        let mut log = RoomLog::new(bundle.room, bundle.owner, bundle.chain_id);
        for said in &bundle.events {
            let event = SignedEvent::decode(said.event.clone().into_bytes(), said.signature)?;
            ids.push(event.id());
            events.push(event);
        }
        let mut files = bundle.files.clone();
        files.push(own_cid.to_owned());
        if commitment(&bundle.salt, &ids, &files) != *root {
            return Err(BundleError::Commitment);
        }
        // A part of a history: what is between its events is not here to move the room's clock.
        let clock = events.iter().map(|event| event.event.lamport).max();
        log.clock_is_at(clock.unwrap_or_default());
        for event in events {
            log.insert(event)?;
        }
        Ok((bundle, log))
    }
}
