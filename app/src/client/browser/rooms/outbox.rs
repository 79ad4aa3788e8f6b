//! Pushing what this browser has written to the relay's mailbox until the relay says that it holds it.

use std::rc::Rc;

use healthsync_core::{EventId, RefusalCode, SignedEvent, VersionVector};
use healthsync_net::{GossipKind, NetError, NodeHandle, Stored};
use wasm_bindgen_futures::spawn_local;

use super::{OpenRoom, Unsent, about};
use crate::client::{
    browser::{
        http::within,
        platform::sleep,
        runtime::{Me, Runtime, trouble},
        storage::outbox,
    },
    model::Delivery,
};

/// A relay that has not answered by then is asked again.
const ANSWER_MS: u32 = 15_000;
const RETRY_MS: u32 = 1_500;

impl Runtime {
    /// Starts pushing unless it is under way; what is added meanwhile goes with the next round.
    pub(crate) fn push_outbox(self: &Rc<Self>, room: &Rc<OpenRoom>) {
        if !room.joined.get() || room.pushing.replace(true) {
            return;
        }
        let (runtime, room) = (self.clone(), room.clone());
        spawn_local(async move {
            let again = runtime.push_all(&room).await;
            room.pushing.set(false);
            if again && !room.closed.get() {
                sleep(RETRY_MS).await;
                runtime.push_outbox(&room);
            }
        });
    }

    /// Says whether to try again by itself; a lost connection starts again when it is back.
    async fn push_all(self: &Rc<Self>, room: &Rc<OpenRoom>) -> bool {
        loop {
            let Some(me) = self.me() else { return false };
            if room.unsent.borrow().is_empty() || !room.turn.fresh.get() {
                return false;
            }
            if room.sealing().is_none() {
                // Somebody was removed, and may have the key that it is sealed with. It goes out with the new one.
                self.mind_epoch(room);
                return false;
            }
            self.reseal_unsent(room, &me).await;
            let batch: Vec<(u64, Vec<u8>)> = room
                .unsent
                .borrow()
                .iter()
                .filter(|(_, unsent)| unsent.delivery == Delivery::Waiting)
                .map(|(seq, unsent)| (*seq, unsent.envelope.clone()))
                .collect();
            let envelopes: Vec<Vec<u8>> =
                batch.iter().map(|(_, envelope)| envelope.clone()).collect();
            let fitting = NodeHandle::fitting(&envelopes);
            if fitting == 0 || room.closed.get() {
                return false;
            }
            let envelopes = envelopes[..fitting].to_vec();
            for (seq, _) in &batch[..fitting] {
                if let Some(unsent) = room.unsent.borrow_mut().get_mut(seq) {
                    unsent.tried = true;
                }
            }
            let pushed = within(ANSWER_MS, self.node.push(room.id, envelopes))
                .await
                .unwrap_or(Err(NetError::Timeout));
            match pushed {
                Ok(stored) => {
                    let seqs: Vec<u64> = batch[..fitting].iter().map(|(seq, _)| *seq).collect();
                    self.acknowledge(room, &me, &seqs, &stored).await;
                }
                Err(NetError::Offline | NetError::Protocol(_)) => return false,
                Err(NetError::Timeout) => return true,
                Err(NetError::Refused { code, message }) => match code {
                    RefusalCode::RateLimited | RefusalCode::Unavailable => return true,
                    RefusalCode::NotJoined => {
                        room.joined.set(false);
                        self.sync(room);
                        return false;
                    }
                    RefusalCode::NotAllowed => {
                        self.refresh_facts(room);
                        return false;
                    }
                    RefusalCode::Revoked => {
                        self.forget_revoked_device();
                        return false;
                    }
                    RefusalCode::BadDelegation
                    | RefusalCode::NoSuchRoom
                    | RefusalCode::TooLarge => {
                        for (seq, _) in &batch[..fitting] {
                            self.refuse(room, &me, *seq, &message).await;
                        }
                    }
                },
            }
        }
    }

    /// What the relay holds leaves the outbox; what it will not take stays, marked.
    async fn acknowledge(
        self: &Rc<Self>,
        room: &Rc<OpenRoom>,
        me: &Me,
        seqs: &[u64],
        stored: &Stored,
    ) {
        let mut held = Vec::with_capacity(seqs.len());
        for (index, seq) in seqs.iter().enumerate() {
            let reason = stored
                .rejected
                .iter()
                .find(|(rejected, _)| *rejected as usize == index);
            match reason {
                Some((_, reason)) => self.refuse(room, me, *seq, reason).await,
                None => {
                    room.unsent.borrow_mut().remove(seq);
                    held.push(*seq);
                }
            }
        }
        self.repaint(room);
        // On an error the entries are pushed once more after a reload, and the relay knows them already.
        let _ = outbox::stored(&self.db, room.id, me.device.public(), held).await;
        self.retire_old_keys(room);
    }

    async fn refuse(self: &Rc<Self>, room: &Rc<OpenRoom>, me: &Me, seq: u64, reason: &str) {
        if let Some(unsent) = room.unsent.borrow_mut().get_mut(&seq) {
            unsent.delivery = refused(reason);
        }
        // On an error it is tried, and refused, again after a reload.
        let _ = outbox::refused(
            &self.db,
            room.id,
            me.device.public(),
            seq,
            Some(reason.to_owned()),
        )
        .await;
        self.repaint(room);
    }

    /// Sends again what the relay refused: what shows at `id`, or all of it.
    pub(crate) fn retry(self: &Rc<Self>, id: Option<EventId>) {
        let (Some(room), Some(me)) = (self.open_room(), self.me()) else {
            return;
        };
        let mut again = Vec::new();
        for (seq, unsent) in room.unsent.borrow_mut().iter_mut() {
            let meant = id.is_none_or(|id| unsent.shows_at(id));
            if meant && matches!(unsent.delivery, Delivery::Refused(_)) {
                unsent.delivery = Delivery::Waiting;
                again.push(*seq);
            }
        }
        if again.is_empty() {
            return;
        }
        self.repaint(&room);
        let runtime = self.clone();
        spawn_local(async move {
            for seq in again {
                // On an error it stands as refused after a reload, unless the relay takes it now.
                let _ = outbox::refused(&runtime.db, room.id, me.device.public(), seq, None).await;
            }
            runtime.push_outbox(&room);
        });
    }

    /// Gossips again what others may have missed while this browser was away. The relay passes on what it has not seen.
    pub(crate) async fn publish_unsent(&self, room: &OpenRoom) {
        let Some(me) = self.me() else { return };
        if room.sealing().is_none() {
            return;
        }
        self.reseal_unsent(room, &me).await;
        for unsent in room
            .unsent
            .borrow()
            .values()
            .filter(|unsent| unsent.delivery == Delivery::Waiting)
            .take(32)
        {
            let _ = self
                .node
                .publish(room.id, GossipKind::Envelope, &unsent.envelope);
        }
    }

    /// The relay's heads show that it holds these already: the answer to an earlier push was lost.
    pub(crate) async fn drop_held(self: &Rc<Self>, room: &Rc<OpenRoom>, held: &VersionVector) {
        let Some(me) = self.me() else { return };
        let device = me.device.public();
        let held: Vec<u64> = room
            .unsent
            .borrow()
            .iter()
            // What was refused is not what the relay has under that number.
            .filter(|(seq, unsent)| {
                unsent.delivery == Delivery::Waiting && held.has(&device, **seq)
            })
            .map(|(seq, _)| *seq)
            .collect();
        for seq in &held {
            room.unsent.borrow_mut().remove(seq);
        }
        // Now it is known that the relay has none of the others.
        for unsent in room.unsent.borrow_mut().values_mut() {
            unsent.tried = false;
        }
        // As above.
        let _ = outbox::stored(&self.db, room.id, device, held).await;
    }
}

pub(crate) fn refused(reason: &str) -> Delivery {
    Delivery::Refused(trouble(
        format!(
            "The relay did not take it: {}.",
            reason.trim_end_matches('.')
        ),
        Some("It is kept in this browser."),
        Some("Send it again."),
    ))
}

/// An entry of the outbox as it is after a reload.
pub(crate) fn kept(event: &SignedEvent, envelope: Vec<u8>, entry: &outbox::OutboxEntry) -> Unsent {
    let delivery = entry.refused.as_deref().map_or(Delivery::Waiting, refused);
    Unsent {
        id: event.id(),
        about: about(&event.event.kind),
        envelope,
        delivery,
        tried: false,
    }
}
