//! What another relay hands over, checked as if its writer had brought it: size, room, whose device it is by the wallet's
//! own signature, the registry's list, the outer signature. The other relay's word counts for one thing only: that what
//! it has kept was written when its writer was allowed to.

use std::time::{Duration, Instant};

use healthsync_core::{
    DeviceKey, Envelope, Person, RefusalCode, RoomId, SignedDelegation, SignedRevocation,
};
use healthsync_net::{Refusal, Taken};

use super::{
    RoomPolicy, chain_unavailable, clock, delegation_ended, rate_limited, unavailable, unreadable,
};
use crate::chain::Membership;
use crate::mailbox::KnownDevice;

/// How long the chain's yes is taken without asking again; a removal ends it at once ([`RoomPolicy::removed`]).
const LET_IN: Duration = Duration::from_secs(60);
/// Answers kept at the same time.
const ANSWERS: usize = 10_000;

impl RoomPolicy {
    /// The registry has taken a person off a room's list.
    pub fn removed(&self, room: RoomId, person: Person) {
        self.let_in().remove(&(room, person));
    }

    pub(super) async fn relayed(
        &self,
        room: RoomId,
        bytes: &[u8],
        proof: Option<&SignedDelegation>,
        taken: Taken,
    ) -> Result<(Person, DeviceKey), Refusal> {
        let envelope = Envelope::decode_unverified(bytes).map_err(unreadable)?;
        if envelope.room != room {
            return Err(Refusal::new(
                RefusalCode::NotAllowed,
                "The event belongs to another room.",
            ));
        }
        let device = envelope.device;
        let before = self.mailbox.device(device).await.map_err(unavailable)?;
        let known = self.whose(device, before, proof)?;
        let person = known.person;
        if taken == Taken::Now {
            if !self.writes.allow(person) {
                return Err(rate_limited());
            }
            if !known.covers(clock::now()) {
                return Err(delegation_ended());
            }
            self.not_revoked(device, person).await?;
        }
        self.on_the_list(room, person, taken).await?;
        Envelope::decode(bytes).map_err(|error| {
            Refusal::new(
                RefusalCode::BadDelegation,
                format!("The event is refused: {error}."),
            )
        })?;
        if before != Some(known) {
            let remembered = self.mailbox.remember_device(device, known).await;
            remembered.map_err(unavailable)?;
        }
        Ok((person, device))
    }

    /// Whose device it is. A proof makes a device known and prolongs its right; it never gives a known device to
    /// somebody else, since a wallet can sign for any device.
    fn whose(
        &self,
        device: DeviceKey,
        before: Option<KnownDevice>,
        proof: Option<&SignedDelegation>,
    ) -> Result<KnownDevice, Refusal> {
        let Some(proof) = proof.filter(|proof| proof.delegation.device == device) else {
            return before.ok_or_else(|| {
                Refusal::new(
                    RefusalCode::BadDelegation,
                    "Nobody has shown whose device has sealed this event.",
                )
            });
        };
        let told = KnownDevice::of(proof);
        match before {
            Some(before) if before.person != told.person => {
                return Err(Refusal::new(
                    RefusalCode::NotAllowed,
                    "Here, this device is somebody else's.",
                ));
            }
            Some(before) if before.expires_at >= told.expires_at => return Ok(before),
            Some(_) | None => {}
        }
        proof.verify(self.chain.chain_id()).map_err(|error| {
            Refusal::new(
                RefusalCode::BadDelegation,
                format!("The wallet's signature is refused: {error}."),
            )
        })?;
        Ok(told)
    }

    /// On the registry's list now; for what was taken before, also whoever was on it once.
    async fn on_the_list(&self, room: RoomId, person: Person, taken: Taken) -> Result<(), Refusal> {
        let asked = Instant::now();
        let let_in = self.let_in().get(&(room, person)).copied();
        if let_in.is_some_and(|at| at.elapsed() < LET_IN) {
            return Ok(());
        }
        let membership = self.chain.membership(room, person).await;
        let refusal = match membership.map_err(|error| chain_unavailable(&error))? {
            Membership::Allowed => {
                let mut answers = self.let_in();
                if answers.len() >= ANSWERS {
                    answers.clear();
                }
                answers.insert((room, person), asked);
                return Ok(());
            }
            Membership::NotAllowed => RefusalCode::NotAllowed,
            Membership::NoSuchRoom => RefusalCode::NoSuchRoom,
        };
        let was =
            taken == Taken::Before && self.index.was_in(room, person).await.map_err(unavailable)?;
        if was {
            return Ok(());
        }
        Err(Refusal::new(
            refusal,
            "Whoever has sealed this event is not on the room's list.",
        ))
    }

    pub(super) async fn take_revocation(&self, signed: SignedRevocation) -> Result<(), Refusal> {
        let (device, person) = (signed.revocation.device, signed.revocation.person);
        let known = self.mailbox.is_revoked(device, person).await;
        if known.map_err(unavailable)? {
            return Ok(());
        }
        signed.verify(self.chain.chain_id()).map_err(|error| {
            Refusal::new(
                RefusalCode::BadDelegation,
                format!("The revocation is refused: {error}."),
            )
        })?;
        let taken = self.mailbox.revoke_any_device(&signed).await;
        if taken.map_err(unavailable)? {
            Ok(())
        } else {
            Err(Refusal::new(
                RefusalCode::TooLarge,
                "This person has too many revoked devices.",
            ))
        }
    }
}
