//! A room: the set of its valid events, and what that set means.
//!
//! [`RoomLog`] takes events one by one, in any order, any number of times; [`RoomState`] is a pure
//! function of the set: same set, same state, byte by byte. An event costs a few searches in ordered
//! maps; only a fork (two events with one number) takes something back.
//!
//! - An event counts when a delegation in the room covers its person, device and time. Until then it is
//!   kept and listed as pending.
//! - Of two events with one device and number, the one with the lower id is kept, and the fork is listed.
//! - Order is always (Lamport clock, event id); clocks of devices decide nothing.
//!
//! What it does not know: who is in the room. Relay and key nodes ask the registry.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    delegation::{Delegation, DelegationError},
    event::{Kind, SignedEvent},
    ids::{DeviceKey, EventId, Millis, Person, RoomId},
    limits,
    sync::VersionVector,
};

mod fold;
mod poll;
mod state;

pub use state::{
    CaseView, Closed, DeviceView, Fork, Gap, MessageView, OptionView, PendingView, PersonView,
    PollView, RoomState,
};

/// What became of an event that was inserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// New, and it counts.
    New,
    /// New; it counts once its device's delegation arrives.
    Pending,
    /// It was there before.
    Known,
    /// Its device has signed another event with the same number. One of the two is kept, the same one by
    /// everybody; the state lists the fork.
    Fork,
}

/// Why an event is not taken. Nothing has changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Rejected {
    /// Signed for another room: a replay.
    #[error("the event is of another room")]
    OtherRoom,
    /// The delegation that it brings is not good.
    #[error(transparent)]
    Delegation(#[from] DelegationError),
}

/// The events of one device under one number.
#[derive(Debug, Clone)]
struct Slot {
    kept: SignedEvent,
    /// The next lower id of another event with this number: the evidence of a fork.
    rival: Option<EventId>,
}

/// The set of a room's valid events, with its fold kept up to date.
#[derive(Debug, Clone)]
pub struct RoomLog {
    room: RoomId,
    chain_id: u64,
    slots: BTreeMap<(DeviceKey, u64), Slot>,
    heads: BTreeMap<DeviceKey, u64>,
    delegations: BTreeMap<(Person, DeviceKey), BTreeSet<Delegation>>,
    waiting: BTreeMap<(Person, DeviceKey), BTreeSet<u64>>,
    lamport: u64,
    fold: fold::Fold,
}

impl RoomLog {
    /// An empty log. `owner` is the room's creator, whose name for the room counts; delegations must be
    /// for `chain_id`.
    pub fn new(room: RoomId, owner: Person, chain_id: u64) -> Self {
        Self {
            room,
            chain_id,
            slots: BTreeMap::new(),
            heads: BTreeMap::new(),
            delegations: BTreeMap::new(),
            waiting: BTreeMap::new(),
            lamport: 0,
            fold: fold::Fold::new(owner),
        }
    }

    /// The room.
    pub fn room(&self) -> RoomId {
        self.room
    }

    /// Takes an event. Inserting one again changes nothing.
    pub fn insert(&mut self, event: SignedEvent) -> Result<Inserted, Rejected> {
        if event.event.room != self.room {
            return Err(Rejected::OtherRoom);
        }
        let at = (event.event.device, event.event.seq);
        let known = self.slots.get(&at);
        if known.is_some_and(|slot| slot.kept.id() == event.id() || slot.rival == Some(event.id()))
        {
            return Ok(Inserted::Known);
        }
        let delegation = match &event.event.kind {
            Kind::Delegation { delegation } => {
                delegation.verify(self.chain_id)?;
                Some(delegation.delegation.clone())
            }
            _ => None,
        };

        self.lamport = self.lamport.max(event.event.lamport);
        let who = (event.event.person, event.event.device);
        let inserted = if known.is_some() {
            self.fork(at, event);
            Inserted::Fork
        } else {
            self.number(at);
            let counts = self.count(&event);
            self.slots.insert(
                at,
                Slot {
                    kept: event,
                    rival: None,
                },
            );
            if counts {
                Inserted::New
            } else {
                Inserted::Pending
            }
        };
        self.note_forks(at);
        // A delegation proves itself, whichever event of a fork brought it.
        match delegation {
            Some(delegation) => {
                self.delegate(delegation);
                let waits = self
                    .waiting
                    .get(&who)
                    .is_some_and(|seqs| seqs.contains(&at.1));
                Ok(match inserted {
                    Inserted::Pending if !waits => Inserted::New,
                    other => other,
                })
            }
            None => Ok(inserted),
        }
    }

    /// What the set of events means.
    pub fn state(&self) -> &RoomState {
        &self.fold.state
    }

    /// For each device the number up to which there is no gap.
    pub fn heads(&self) -> VersionVector {
        VersionVector(self.heads.clone())
    }

    /// The Lamport clock for the next event that is made here.
    pub fn next_lamport(&self) -> u64 {
        (self.lamport + 1).min(limits::CLOCK)
    }

    /// Number and id of the device's last event: what its next event follows.
    pub fn head_of(&self, device: &DeviceKey) -> Option<(u64, EventId)> {
        let (&(_, seq), slot) = self.of(device).next_back()?;
        Some((seq, slot.kept.id()))
    }

    /// Whether `device` may speak for `person` at that time, by a delegation in the room.
    pub fn delegated(&self, person: &Person, device: &DeviceKey, at: Millis) -> bool {
        self.delegations
            .get(&(*person, *device))
            .is_some_and(|all| all.iter().any(|delegation| delegation.covers(at)))
    }

    /// The kept events, by device and number, pending ones included.
    pub fn events(&self) -> impl Iterator<Item = &SignedEvent> {
        self.slots.values().map(|slot| &slot.kept)
    }

    fn of(
        &self,
        device: &DeviceKey,
    ) -> impl DoubleEndedIterator<Item = (&(DeviceKey, u64), &Slot)> {
        self.slots.range((*device, 0)..=(*device, u64::MAX))
    }

    /// Counts the event now, or lists it as pending; says which.
    fn count(&mut self, event: &SignedEvent) -> bool {
        let inner = &event.event;
        let counts = self.delegated(&inner.person, &inner.device, inner.at);
        if counts {
            self.fold.apply(event);
        } else {
            self.waiting
                .entry((inner.person, inner.device))
                .or_default()
                .insert(inner.seq);
            self.fold.wait(event);
        }
        counts
    }

    fn discount(&mut self, event: &SignedEvent) {
        let inner = &event.event;
        let who = (inner.person, inner.device);
        let waited = self
            .waiting
            .get_mut(&who)
            .is_some_and(|seqs| seqs.remove(&inner.seq));
        if waited {
            self.fold.wait_no_more(event);
        } else {
            self.fold.unapply(event);
        }
    }

    /// A second event with a number that is taken: keeps the lower id, remembers the next.
    fn fork(&mut self, at: (DeviceKey, u64), event: SignedEvent) {
        let Some(slot) = self.slots.get_mut(&at) else {
            return;
        };
        if event.id() > slot.kept.id() {
            slot.rival = Some(slot.rival.map_or(event.id(), |rival| rival.min(event.id())));
            return;
        }
        slot.rival = Some(slot.kept.id());
        let before = std::mem::replace(&mut slot.kept, event.clone());
        self.discount(&before);
        self.count(&event);
    }

    /// A number that was not there before: moves the head on, and keeps the list of gaps.
    fn number(&mut self, (device, seq): (DeviceKey, u64)) {
        let before = self.slots.range((device, 0)..(device, seq)).next_back();
        let before = before.map_or(0, |((_, seq), _)| *seq);
        let after = self.slots.range((device, seq)..=(device, u64::MAX)).next();
        let after = after.map(|((_, seq), _)| *seq);
        self.fold.split_gap(device, before, seq, after);

        let head = self.heads.get(&device).copied().unwrap_or(0);
        if seq == head + 1 {
            let follow = self.slots.range((device, seq)..=(device, u64::MAX));
            let mut head = seq;
            for ((_, next), _) in follow {
                if *next != head + 1 {
                    break;
                }
                head = *next;
            }
            self.heads.insert(device, head);
        }
    }

    /// Lists or clears forks at this number and at the one before, which this event's `prev` may show.
    fn note_forks(&mut self, (device, seq): (DeviceKey, u64)) {
        for seq in [seq - 1, seq] {
            let Some(slot) = self.slots.get(&(device, seq)) else {
                continue;
            };
            let kept = slot.kept.id();
            let next = self.slots.get(&(device, seq + 1));
            let named = next.and_then(|next| next.kept.event.prev);
            let other = slot.rival.or(named.filter(|named| *named != kept));
            self.fold.note_fork(device, seq, kept, other);
        }
    }

    /// A proven delegation: what waited for it counts from now on.
    fn delegate(&mut self, delegation: Delegation) {
        let who = (delegation.person, delegation.device);
        self.fold.person(&delegation);
        self.delegations
            .entry(who)
            .or_default()
            .insert(delegation.clone());
        let Some(seqs) = self.waiting.remove(&who) else {
            return;
        };
        let mut still = BTreeSet::new();
        for seq in seqs {
            let Some(slot) = self.slots.get(&(who.1, seq)) else {
                continue;
            };
            if delegation.covers(slot.kept.event.at) {
                self.fold.wait_no_more(&slot.kept);
                self.fold.apply(&slot.kept);
            } else {
                still.insert(seq);
            }
        }
        if !still.is_empty() {
            self.waiting.insert(who, still);
        }
    }
}
