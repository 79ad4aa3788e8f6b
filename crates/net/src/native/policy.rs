//! What the relay asks of the server: who may enter a room, and the mailbox of sealed events.

use std::time::Duration;

use async_trait::async_trait;
use healthsync_core::{
    DeviceKey, Person, RefusalCode, RoomId, SignedDelegation, SignedRevocation, VersionVector,
};

/// A libp2p peer id in its binary form, as it goes into `join_message`.
pub type PeerIdBytes = Vec<u8>;

pub use crate::client::Page;

/// The server's side of the relay. Calls of one peer come one after another, in the order in which
/// the peer sent them; calls of different peers overlap.
#[async_trait]
pub trait Policy: Send + Sync + 'static {
    /// Decides whether the device may enter: the delegation and `device_signature` over
    /// `join_message(room, peer)` hold, and the registry allows the person.
    async fn join(
        &self,
        peer: PeerIdBytes,
        room: RoomId,
        delegation: &SignedDelegation,
        device_signature: &[u8; 64],
    ) -> Result<Admission, Refusal>;

    /// Verifies one encoded envelope, with everything but the place in its device's history. The relay
    /// has checked its size. What passes goes to the room before it is on disk, so this should not wait
    /// for one.
    async fn check(
        &self,
        admitted: (Person, DeviceKey),
        room: RoomId,
        envelope: &[u8],
    ) -> Result<(), Refusal>;

    /// Keeps an envelope that has passed [`Policy::check`]; returns only once it is durable.
    async fn keep(
        &self,
        admitted: (Person, DeviceKey),
        envelope: Vec<u8>,
    ) -> Result<Outcome, Refusal>;

    /// Both.
    async fn store(
        &self,
        admitted: (Person, DeviceKey),
        room: RoomId,
        envelope: Vec<u8>,
    ) -> Result<Outcome, Refusal> {
        self.check(admitted, room, &envelope).await?;
        self.keep(admitted, envelope).await
    }

    /// The newest sequence number of each device in the mailbox of `room`.
    async fn heads(&self, room: RoomId) -> Result<VersionVector, Refusal>;

    /// Envelopes that `have` misses, each device's in order, at most `limit`. The relay cuts a page
    /// that would not fit into one response.
    async fn page(&self, room: RoomId, have: VersionVector, limit: u32) -> Result<Page, Refusal>;

    /// Envelopes with a number beyond that in `after` and up to that in `upto`, the last that arrived first, and the first
    /// envelope of each device of which `after` has nothing; about `limit`. Cut likewise.
    async fn newest(
        &self,
        room: RoomId,
        after: VersionVector,
        upto: VersionVector,
        limit: u32,
    ) -> Result<Page, Refusal>;

    /// Rooms of the mailbox with an id greater than `after`, in the order of their ids, at most `limit`, each with
    /// the digest of its heads.
    async fn rooms(
        &self,
        after: Option<RoomId>,
        limit: u32,
    ) -> Result<Vec<(RoomId, [u8; 32])>, Refusal>;

    /// By which wallet's word a device may write here, for other relays.
    async fn delegation(&self, device: DeviceKey) -> Result<Option<SignedDelegation>, Refusal>;

    /// As [`Policy::check`], for an envelope that another relay hands over. Whose device has sealed it is known here,
    /// or `proof` says so.
    async fn check_relayed(
        &self,
        room: RoomId,
        envelope: &[u8],
        proof: Option<&SignedDelegation>,
        taken: Taken,
    ) -> Result<(Person, DeviceKey), Refusal>;

    /// Every revocation that is known, for other relays.
    async fn revocations(&self) -> Result<Vec<SignedRevocation>, Refusal>;

    /// Checks a revocation of which another relay tells, and remembers it.
    async fn revoke(&self, revocation: SignedRevocation) -> Result<(), Refusal>;
}

/// When the relay that hands an envelope over has taken it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Taken {
    /// Just now: who wrote it must be allowed to write now.
    Now,
    /// At some time: who wrote it was allowed to write then, by that relay's word.
    Before,
}

/// A device that may enter.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Admission {
    /// The wallet behind the device.
    pub person: Person,
    /// The device itself.
    pub device: DeviceKey,
    /// How long its delegation lasts; then the relay closes the connection.
    pub lasts: Duration,
    /// The room's gossip topic: the same for everybody in the room, not guessable from outside, at
    /// most 64 bytes.
    pub topic: String,
    /// What the mailbox holds.
    pub have: VersionVector,
}

/// What became of an envelope.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outcome {
    /// It is stored now.
    New,
    /// It was stored before.
    Known,
}

/// Why the relay refuses, in a sentence for a person.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Refusal {
    /// The kind of refusal, for code.
    pub code: RefusalCode,
    /// What happened and what to do.
    pub message: String,
    /// Whether it concerns this envelope only, so that the others of a push go on.
    pub about_envelope: bool,
}

impl Refusal {
    /// A refusal of this kind with this text.
    pub fn new(code: RefusalCode, message: impl Into<String>) -> Self {
        let about_envelope = match code {
            RefusalCode::BadDelegation | RefusalCode::TooLarge | RefusalCode::Revoked => true,
            RefusalCode::NotAllowed
            | RefusalCode::NoSuchRoom
            | RefusalCode::NotJoined
            | RefusalCode::RateLimited
            | RefusalCode::Unavailable => false,
        };
        Self {
            code,
            message: message.into(),
            about_envelope,
        }
    }

    /// One that concerns an envelope only, whatever the code says of others.
    pub fn of_envelope(code: RefusalCode, message: impl Into<String>) -> Self {
        Self {
            about_envelope: true,
            ..Self::new(code, message)
        }
    }
}
