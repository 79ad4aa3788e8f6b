//! `/healthsync/mesh/1`: how one relay follows another whose operator has named it, and is named there. On one stream
//! the follower asks and the other answers; what happens live comes in between, unasked. Encoded as [`crate::sync`] is.
//!
//! Nothing here is believed: wallets sign delegations and revocations, devices sign envelopes, and the follower checks
//! each as if a browser had brought it.

use serde::{Deserialize, Serialize};

use crate::{
    delegation::SignedDelegation,
    ids::RoomId,
    limits,
    revocation::SignedRevocation,
    sync::{self, SyncError, VersionVector},
};

/// The protocol's name for libp2p.
pub const PROTOCOL: &str = "/healthsync/mesh/1";

/// The kind of a live message and the longest content, as gossip has them.
const LIVE_BYTES: usize = 1 + limits::ENVELOPE_BYTES;

/// What the follower asks. Each question is answered before the next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MeshAsk {
    /// Which rooms there are, and whether they hold the same as here.
    Rooms {
        /// Those with a greater id; all, without.
        after: Option<RoomId>,
    },
    /// Envelopes beyond `have`.
    Pull {
        /// The room.
        room: RoomId,
        /// What is here.
        have: VersionVector,
    },
}

/// What the relay that is followed says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum MeshAnswer {
    /// Unasked: somebody who is connected there has said this in a room.
    Live {
        /// The room.
        room: RoomId,
        /// Kind and content, as in gossip.
        message: Vec<u8>,
        /// Whose the device is that has sealed it, when that has not been said on this stream.
        proof: Option<SignedDelegation>,
    },
    /// Unasked: live messages were lost on the way here, so it is time to ask for what is missing.
    Behind,
    /// Unasked: a device's right to speak for a person has ended. All that are known are said at the beginning.
    Revoked(SignedRevocation),
    /// To `Rooms`, in the order of their ids.
    Rooms {
        /// Each room with the digest of its heads ([`VersionVector::digest`]).
        rooms: Vec<(RoomId, [u8; 32])>,
        /// Whether there are more after these.
        more: bool,
    },
    /// To `Pull`.
    Page {
        /// Encoded envelopes, each device's in order.
        envelopes: Vec<Vec<u8>>,
        /// Whose the devices are that have sealed them.
        proofs: Vec<SignedDelegation>,
        /// Whether there is more to ask for.
        more: bool,
    },
    /// To anything: the mailbox does not answer; ask later.
    Unavailable,
}

impl MeshAsk {
    /// The bytes to send.
    pub fn encode(&self) -> Vec<u8> {
        sync::encode(self)
    }

    /// Reads and checks lengths and counts.
    pub fn decode(bytes: &[u8]) -> Result<Self, SyncError> {
        let ask: Self = sync::decode("The question", bytes, limits::REQUEST_BYTES)?;
        if let MeshAsk::Pull { have, .. } = &ask {
            sync::check_vector(have)?;
        }
        Ok(ask)
    }
}

impl MeshAnswer {
    /// The bytes to send.
    pub fn encode(&self) -> Vec<u8> {
        sync::encode(self)
    }

    /// Reads and checks lengths and counts.
    pub fn decode(bytes: &[u8]) -> Result<Self, SyncError> {
        let answer: Self = sync::decode("The answer", bytes, limits::RESPONSE_BYTES)?;
        match &answer {
            MeshAnswer::Live { message, .. } => {
                limits::check_count("The live message", "bytes", message.len(), LIVE_BYTES)?;
            }
            MeshAnswer::Rooms { rooms, .. } => {
                limits::check_count("The answer", "rooms", rooms.len(), limits::MESH_ROOMS)?;
            }
            MeshAnswer::Page {
                envelopes, proofs, ..
            } => {
                sync::check_envelopes(envelopes)?;
                limits::check_count("The page", "delegations", proofs.len(), envelopes.len())?;
            }
            MeshAnswer::Behind | MeshAnswer::Revoked(_) | MeshAnswer::Unavailable => {}
        }
        Ok(answer)
    }
}
