//! Who may enter a room and what the mailbox takes: the relay asks, this answers. Cheap checks come before costly
//! ones, and the chain is asked last.

mod relayed;

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use healthsync_core::{
    DeviceKey, Envelope, Person, RefusalCode, RoomId, SignedDelegation, SignedRevocation,
    VersionVector, device, join_message,
};
use healthsync_net::{Admission, Outcome, PeerIdBytes, Policy, Refusal, Taken};
use sha2::{Digest, Sha256};

use crate::chain::{Chain, ChainError, Membership, RegistryIndex};
use crate::clock;
use crate::http::rate::RateLimit;
use crate::mailbox::{KnownDevice, Mailbox, StoreError, Stored};

/// The relay's rules over chain and mailbox.
pub struct RoomPolicy {
    chain: Arc<Chain>,
    mailbox: Mailbox,
    topic_secret: [u8; 32],
    /// By connection first: the devices' keys are no secret, so anybody can name one.
    asking: RateLimit<PeerIdBytes>,
    /// By device once it has signed.
    joins: RateLimit<DeviceKey>,
    writes: RateLimit<Person>,
    index: RegistryIndex,
    /// Who was on a room's list, and when the chain said so.
    let_in: Mutex<HashMap<(RoomId, Person), Instant>>,
}

impl std::fmt::Debug for RoomPolicy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RoomPolicy")
            .field("chain", &self.chain)
            .finish_non_exhaustive()
    }
}

impl RoomPolicy {
    /// `topic_secret` must stay the same over restarts, or tabs that stay open talk past new ones.
    pub fn new(chain: Arc<Chain>, mailbox: Mailbox, topic_secret: [u8; 32]) -> Self {
        Self {
            index: RegistryIndex::new(mailbox.database().clone()),
            let_in: Mutex::default(),
            chain,
            mailbox,
            topic_secret,
            asking: RateLimit::new(60, 2.0),
            joins: RateLimit::new(60, 2.0),
            // A returning laptop hands over everything it wrote while away.
            writes: RateLimit::new(2_000, 50.0),
        }
    }

    /// Nobody who was not let in can guess it from the room's id, which is public.
    fn topic(&self, room: RoomId) -> String {
        let digest = Sha256::new()
            .chain_update(b"healthsync/topic/1\0")
            .chain_update(self.topic_secret)
            .chain_update(room.0)
            .finalize();
        hex::encode(digest)
    }

    fn let_in(&self) -> MutexGuard<'_, HashMap<(RoomId, Person), Instant>> {
        self.let_in.lock().unwrap_or_else(PoisonError::into_inner)
    }

    async fn not_revoked(&self, device: DeviceKey, person: Person) -> Result<(), Refusal> {
        let revoked = self.mailbox.is_revoked(device, person).await;
        if revoked.map_err(unavailable)? {
            return Err(Refusal::new(
                RefusalCode::Revoked,
                "Your wallet has revoked this device. Sign in again: the browser gets a new key; what you wrote is kept.",
            ));
        }
        Ok(())
    }

    /// Whether an envelope by `device` may come from somebody admitted as `(person, admitted)`: her own device,
    /// or another one that has proved to be hers.
    async fn may_hand_over(
        &self,
        (person, admitted): (Person, DeviceKey),
        device: DeviceKey,
    ) -> Result<(), Refusal> {
        let known = self.mailbox.device(device).await.map_err(unavailable)?;
        match known {
            Some(known) if known.person != person => Err(Refusal::new(
                RefusalCode::NotAllowed,
                "This event is by somebody else's device; everybody hands over their own.",
            )),
            Some(known) if !known.covers(clock::now()) => Err(delegation_ended()),
            Some(_) => self.not_revoked(device, person).await,
            None if device == admitted => Err(delegation_ended()),
            None => Err(Refusal::new(
                RefusalCode::BadDelegation,
                "This event is by a device that has not joined here yet.",
            )),
        }
    }
}

#[async_trait]
impl Policy for RoomPolicy {
    async fn join(
        &self,
        peer: PeerIdBytes,
        room: RoomId,
        delegation: &SignedDelegation,
        device_signature: &[u8; 64],
    ) -> Result<Admission, Refusal> {
        let person = delegation.delegation.person;
        let device = delegation.delegation.device;
        if !self.asking.allow(peer.clone()) {
            return Err(rate_limited());
        }
        if !delegation.covers(clock::now()) {
            return Err(delegation_ended());
        }
        if !device::verify(&device, &join_message(&room, &peer), device_signature) {
            return Err(Refusal::new(
                RefusalCode::BadDelegation,
                "The device's signature does not fit this connection. Reload the page.",
            ));
        }
        if !self.joins.allow(device) {
            return Err(rate_limited());
        }
        delegation.verify(self.chain.chain_id()).map_err(|error| {
            Refusal::new(
                RefusalCode::BadDelegation,
                format!("The wallet's signature is refused: {error}. Sign in again."),
            )
        })?;
        self.not_revoked(device, person).await?;
        match self.chain.membership(room, person).await {
            Ok(Membership::Allowed) => {}
            Ok(Membership::NotAllowed) => {
                return Err(Refusal::new(
                    RefusalCode::NotAllowed,
                    "You are not on this room's list.",
                ));
            }
            Ok(Membership::NoSuchRoom) => {
                return Err(Refusal::new(
                    RefusalCode::NoSuchRoom,
                    "The registry has no such room.",
                ));
            }
            Err(error) => return Err(chain_unavailable(&error)),
        }
        self.mailbox
            .remember_device(device, KnownDevice::of(delegation))
            .await
            .map_err(unavailable)?;
        let have = self.mailbox.heads(room).await.map_err(unavailable)?;
        tracing::debug!("a device joined a room");
        Ok(Admission {
            person,
            device,
            lasts: Duration::from_secs(
                (delegation.delegation.expires_at).saturating_sub(clock::now().seconds()),
            ),
            topic: self.topic(room),
            have,
        })
    }

    async fn check(
        &self,
        admitted: (Person, DeviceKey),
        room: RoomId,
        bytes: &[u8],
    ) -> Result<(), Refusal> {
        if !self.writes.allow(admitted.0) {
            return Err(rate_limited());
        }
        let envelope = Envelope::decode_unverified(bytes).map_err(unreadable)?;
        if envelope.room != room {
            return Err(Refusal::new(
                RefusalCode::NotAllowed,
                "The event belongs to another room.",
            ));
        }
        self.may_hand_over(admitted, envelope.device).await?;
        // The costly part, with the signature.
        Envelope::decode(bytes).map_err(|error| {
            Refusal::new(
                RefusalCode::BadDelegation,
                format!("The event is refused: {error}."),
            )
        })?;
        Ok(())
    }

    async fn keep(
        &self,
        admitted: (Person, DeviceKey),
        bytes: Vec<u8>,
    ) -> Result<Outcome, Refusal> {
        let envelope = Envelope::decode_unverified(&bytes).map_err(unreadable)?;
        match self
            .mailbox
            .store(admitted.0, &envelope, &bytes, clock::now())
            .await
        {
            Ok(Stored::New) => Ok(Outcome::New),
            Ok(Stored::Known) => Ok(Outcome::Known),
            // What is missing may still come, from another relay.
            Err(error @ StoreError::Gap { .. }) => Err(Refusal::new(
                RefusalCode::NotAllowed,
                crate::storage::sentence(&error),
            )),
            // This one will never fit; what follows it may.
            Err(error @ StoreError::Fork { .. }) => Err(Refusal::of_envelope(
                RefusalCode::NotAllowed,
                crate::storage::sentence(&error),
            )),
            Err(StoreError::Quota(why)) => Err(Refusal::new(
                RefusalCode::TooLarge,
                crate::storage::sentence(&why),
            )),
            Err(StoreError::Full) => {
                tracing::error!("the disk of the mailbox is full");
                Err(Refusal::new(
                    RefusalCode::Unavailable,
                    "The server's disk is full. What you wrote is kept in this browser and sent again.",
                ))
            }
            Err(StoreError::Database(error)) => Err(unavailable(error)),
        }
    }

    async fn heads(&self, room: RoomId) -> Result<VersionVector, Refusal> {
        self.mailbox.heads(room).await.map_err(unavailable)
    }

    async fn page(
        &self,
        room: RoomId,
        have: VersionVector,
        limit: u32,
    ) -> Result<healthsync_net::Page, Refusal> {
        let page = self
            .mailbox
            .page(room, &have, limit)
            .await
            .map_err(unavailable)?;
        Ok(sent(page))
    }

    async fn newest(
        &self,
        room: RoomId,
        after: VersionVector,
        upto: VersionVector,
        limit: u32,
    ) -> Result<healthsync_net::Page, Refusal> {
        let page = self.mailbox.newest(room, &after, &upto, limit).await;
        page.map(sent).map_err(unavailable)
    }

    async fn rooms(
        &self,
        after: Option<RoomId>,
        limit: u32,
    ) -> Result<Vec<(RoomId, [u8; 32])>, Refusal> {
        let rooms = self.mailbox.rooms(after, limit).await;
        Ok(rooms
            .map_err(unavailable)?
            .into_iter()
            .map(|(room, heads)| (room, heads.digest()))
            .collect())
    }

    async fn delegation(&self, device: DeviceKey) -> Result<Option<SignedDelegation>, Refusal> {
        let known = self.mailbox.device(device).await.map_err(unavailable)?;
        Ok(known.and_then(|known| known.delegation(device, self.chain.chain_id())))
    }

    async fn check_relayed(
        &self,
        room: RoomId,
        envelope: &[u8],
        proof: Option<&SignedDelegation>,
        taken: Taken,
    ) -> Result<(Person, DeviceKey), Refusal> {
        self.relayed(room, envelope, proof, taken).await
    }

    async fn revocations(&self) -> Result<Vec<SignedRevocation>, Refusal> {
        let all = self.mailbox.revocations(self.chain.chain_id()).await;
        all.map_err(unavailable)
    }

    async fn revoke(&self, revocation: SignedRevocation) -> Result<(), Refusal> {
        self.take_revocation(revocation).await
    }
}

fn sent(page: crate::mailbox::Page) -> healthsync_net::Page {
    healthsync_net::Page {
        envelopes: page.envelopes,
        more: page.more,
    }
}

fn rate_limited() -> Refusal {
    Refusal::new(
        RefusalCode::RateLimited,
        "Too much at once. Wait a few seconds; nothing is lost.",
    )
}

fn delegation_ended() -> Refusal {
    Refusal::new(
        RefusalCode::BadDelegation,
        "This device's delegation has ended. Sign in again; what you wrote is kept.",
    )
}

fn chain_unavailable(error: &ChainError) -> Refusal {
    tracing::warn!(%error, "membership could not be checked");
    let message = match error {
        ChainError::NoRegistry => "This server has no room registry configured.",
        ChainError::NoToken
        | ChainError::Rpc(_)
        | ChainError::Answer(_)
        | ChainError::WrongChain { .. } => {
            "The chain does not answer, so membership cannot be checked. It is tried again."
        }
    };
    Refusal::new(RefusalCode::Unavailable, message)
}

fn unreadable(error: healthsync_core::SealError) -> Refusal {
    Refusal::new(
        RefusalCode::TooLarge,
        format!("The event cannot be read: {error}."),
    )
}

fn unavailable(error: sqlx::Error) -> Refusal {
    tracing::error!(%error, "the mailbox does not answer");
    Refusal::new(
        RefusalCode::Unavailable,
        "The server's mailbox does not answer. What you wrote is kept and sent again.",
    )
}

#[cfg(test)]
mod tests;
