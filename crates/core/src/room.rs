//! A room: the set of its valid events, and what that set means.
//!
//! [`RoomLog`] takes events one by one, in any order, any number of times; [`RoomState`] is a pure
//! function of the set: same set, same state, byte by byte. An event costs a few searches in ordered
//! maps; only a fork (two events with one number) takes something back.
//!
//! - An event counts when a delegation in the room covers its person, device and time, no revocation ends it
//!   before, and its Lamport clock is not far beyond everybody else's. Until then it is kept and listed as
//!   pending, with what it waits for.
//! - Of two events with one device and number, the one with the lower id is kept, and the fork is listed.
//! - Order is always (Lamport clock, event id); clocks of devices decide nothing.
//!
//! What it does not know: who is in the room. Relay and key nodes ask the registry.
//!
//! The rules in words are in `docs/rooms.md`.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    delegation::DelegationError,
    event::{Kind, SignedEvent},
    ids::{DeviceKey, EventId, Millis, Person, RoomId},
    limits,
    sync::VersionVector,
};

mod clock;
mod fold;
mod kept;
mod marks;
mod measurements;
mod mint;
mod new_keys;
mod ordered;
mod people;
pub(crate) mod poll;
mod state;

pub use mint::MintView;
pub use ordered::{Ordered, Placed};
pub use state::{
    CaseView, Closed, DeviceView, EpochView, Fork, Gap, MeasurementView, MessageView, NewKeyView,
    OptionView, PendingView, PersonView, PinView, PollView, ProfileView, RoomState, Waits, Wording,
};

/// Place in the room's order: Lamport clock, then event id.
pub type Key = (u64, EventId);

/// A device and one of its numbers.
type At = (DeviceKey, u64);

/// What became of an event that was inserted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Inserted {
    /// New, and it counts.
    New,
    /// New; it does not count yet, and is listed as pending with what it waits for.
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
    /// The delegation or revocation that it brings is not good.
    #[error(transparent)]
    Delegation(#[from] DelegationError),
}

/// The events of one device under one number.
#[derive(Debug, Clone)]
struct Slot {
    kept: kept::Kept,
    /// The next lower id of another event with this number: the evidence of a fork.
    rival: Option<EventId>,
    /// What the kept event waits for; `None`: it counts.
    waits: Option<Waits>,
}

// A page has one for each event of its room.
const _: () = assert!(size_of::<Slot>() <= 224);

/// The set of a room's valid events, with its fold kept up to date.
#[derive(Debug, Clone)]
pub struct RoomLog {
    room: RoomId,
    chain_id: u64,
    /// Boxed, because much of an ordered map that grows at its end is empty room.
    slots: BTreeMap<At, Box<Slot>>,
    heads: BTreeMap<DeviceKey, u64>,
    devices: people::Devices,
    /// Numbers of events that wait for a delegation.
    undelegated: BTreeMap<people::Who, BTreeSet<u64>>,
    /// Events that wait for the clock, nearest first.
    ahead: BTreeSet<(u64, At)>,
    clock: clock::Clock,
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
            devices: people::Devices::default(),
            undelegated: BTreeMap::new(),
            ahead: BTreeSet::new(),
            clock: clock::Clock::default(),
            fold: fold::Fold::new(owner, chain_id),
        }
    }

    /// The room.
    pub fn room(&self) -> RoomId {
        self.room
    }

    /// The chain that delegations are for.
    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    /// Takes an event. Inserting one again changes nothing.
    pub fn insert(&mut self, event: SignedEvent) -> Result<Inserted, Rejected> {
        self.take(event, true)
    }

    /// Takes an event that this program has taken with [`Self::insert`] before, and has kept itself: what
    /// wallets have signed is not checked again, which is most of the work of reading a room.
    pub fn insert_kept(&mut self, event: SignedEvent) -> Result<Inserted, Rejected> {
        self.take(event, false)
    }

    fn take(&mut self, event: SignedEvent, verify: bool) -> Result<Inserted, Rejected> {
        if event.event.room != self.room {
            return Err(Rejected::OtherRoom);
        }
        let at = (event.event.device, event.event.seq);
        let known = self.slots.get(&at);
        if known.is_some_and(|slot| slot.kept.id == event.id() || slot.rival == Some(event.id())) {
            return Ok(Inserted::Known);
        }
        match &event.event.kind {
            Kind::Delegation { delegation } if verify => delegation.verify(self.chain_id)?,
            Kind::Revocation { revocation, .. } if verify => revocation.verify(self.chain_id)?,
            _ => {}
        }

        let moved = self.clock.see(event.event.lamport);
        let (device, kind) = (event.event.device, event.event.kind.clone_proof());
        let fork = known.is_some();
        if fork {
            self.fork(at, event);
        } else {
            self.number(at);
            let waits = self.standing(&event);
            self.enlist(&event, waits);
            let slot = Slot {
                kept: kept::Kept::new(&event),
                rival: None,
                waits,
            };
            self.slots.insert(at, Box::new(slot));
        }
        self.note_forks(at);
        // Delegations and revocations prove themselves, whichever event of a fork brought them, and whether or
        // not it counts.
        match kind {
            Some(Kind::Delegation { delegation }) => self.delegate(delegation.delegation),
            Some(Kind::Revocation { revocation, last }) => {
                self.revoke(&revocation.revocation, device, last);
            }
            _ => {}
        }
        if moved {
            self.catch_up();
        }
        let waits = self.slots.get(&at).is_some_and(|slot| slot.waits.is_some());
        Ok(match (fork, waits) {
            (true, _) => Inserted::Fork,
            (false, true) => Inserted::Pending,
            (false, false) => Inserted::New,
        })
    }

    /// Says that the room's clock stands at least at `lamport`, when the newest part of a history comes before
    /// the rest. Once all of it is there, this changes nothing.
    pub fn clock_is_at(&mut self, lamport: u64) {
        if self.clock.start_at(lamport) {
            self.catch_up();
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

    /// How many events are here.
    pub fn len(&self) -> usize {
        self.slots.len()
    }

    /// Whether nothing is here.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty()
    }

    /// What is missing here of a history that goes up to `heads`: for each device the newest stretch of numbers without
    /// anything, as the number before it and its last one. Empty when nothing is missing.
    pub fn newest_missing(&self, heads: &VersionVector) -> (VersionVector, VersionVector) {
        let (mut after, mut upto) = (VersionVector::default(), VersionVector::default());
        for (device, head) in &heads.0 {
            let contiguous = self.heads.get(device).copied().unwrap_or(0);
            if contiguous >= *head {
                continue;
            }
            let mut last = *head;
            let before = self.slots.range((*device, 0)..=(*device, *head)).rev();
            let mut before = before.map(|((_, seq), _)| *seq);
            let low = loop {
                match before.next() {
                    Some(seq) if seq == last => last -= 1,
                    Some(seq) => break seq,
                    None => break 0,
                }
            };
            if low < last {
                after.0.insert(*device, low);
                upto.0.insert(*device, last);
            }
        }
        (after, upto)
    }

    /// The Lamport clock for the next event that is made here.
    pub fn next_lamport(&self) -> u64 {
        (self.clock.now() + 1).min(limits::CLOCK)
    }

    /// All wordings of a message or caption, oldest first; none when it is not there or was taken back.
    pub fn wordings(&self, of: &EventId) -> Vec<Wording> {
        self.fold.wordings(of)
    }

    /// The message with this id, if it counts.
    pub fn message(&self, id: &EventId) -> Option<&MessageView> {
        let lamport = self.fold.messages.get(id)?;
        self.fold.state.messages.get(&(*lamport, *id))
    }

    /// Number and id of the device's last event: what its next event follows.
    pub fn head_of(&self, device: &DeviceKey) -> Option<(u64, EventId)> {
        let (&(_, seq), slot) = self.of(device).next_back()?;
        Some((seq, slot.kept.id))
    }

    /// Whether `device` may speak for `person` at that time, by a delegation in the room and no revocation.
    pub fn delegated(&self, person: &Person, device: &DeviceKey, at: Millis) -> bool {
        let who = (*person, *device);
        self.devices.delegated(&who, at) && !self.devices.revoked(&who, at, 0)
    }

    /// The kept events, by device and number, pending ones included. Each is read anew from its bytes.
    pub fn events(&self) -> impl Iterator<Item = SignedEvent> {
        let slots = self.slots.iter();
        slots.map(|(at, slot)| slot.kept.event(self.room, *at))
    }

    /// Their ids.
    pub fn ids(&self) -> impl Iterator<Item = EventId> {
        self.slots.values().map(|slot| slot.kept.id)
    }

    /// The kept events that count, in the room's order. Each is read anew from its bytes.
    pub fn counting(&self) -> impl Iterator<Item = SignedEvent> {
        let counts = self.slots.iter().filter(|(_, slot)| slot.waits.is_none());
        let mut sorted: Vec<(&At, &kept::Kept)> =
            counts.map(|(at, slot)| (at, &slot.kept)).collect();
        sorted.sort_unstable_by_key(|(_, kept)| (kept.lamport, kept.id));
        let sorted = sorted.into_iter();
        sorted.map(|(at, kept)| kept.event(self.room, *at))
    }

    fn of(
        &self,
        device: &DeviceKey,
    ) -> impl DoubleEndedIterator<Item = (&(DeviceKey, u64), &Box<Slot>)> {
        self.slots.range((*device, 0)..=(*device, u64::MAX))
    }

    /// What the event waits for, as things are.
    fn standing(&self, event: &SignedEvent) -> Option<Waits> {
        let inner = &event.event;
        let who = (inner.person, inner.device);
        if self.devices.revoked(&who, inner.at, inner.seq) {
            Some(Waits::Revoked)
        } else if !self.devices.delegated(&who, inner.at) {
            Some(Waits::Delegation)
        } else if !self.clock.reaches(inner.lamport) {
            Some(Waits::Clock)
        } else {
            None
        }
    }

    /// Counts the event, or lists it as pending.
    fn enlist(&mut self, event: &SignedEvent, waits: Option<Waits>) {
        let inner = &event.event;
        match waits {
            None => return self.fold.apply(event),
            Some(Waits::Delegation) => {
                let who = (inner.person, inner.device);
                self.undelegated.entry(who).or_default().insert(inner.seq);
            }
            Some(Waits::Clock) => {
                self.ahead
                    .insert((inner.lamport, (inner.device, inner.seq)));
            }
            Some(Waits::Revoked) => {}
        }
        if let Some(waits) = waits {
            self.fold.wait(event, waits);
        }
    }

    /// Undoes [`Self::enlist`] with the same arguments.
    fn delist(&mut self, event: &SignedEvent, waits: Option<Waits>) {
        let inner = &event.event;
        match waits {
            None => return self.fold.unapply(event),
            Some(Waits::Delegation) => {
                let who = (inner.person, inner.device);
                if let Some(seqs) = self.undelegated.get_mut(&who) {
                    seqs.remove(&inner.seq);
                }
            }
            Some(Waits::Clock) => {
                self.ahead
                    .remove(&(inner.lamport, (inner.device, inner.seq)));
            }
            Some(Waits::Revoked) => {}
        }
        self.fold.wait_no_more(event);
    }

    /// Something that decides about the event there has changed.
    fn settle(&mut self, at: At) {
        let Some(slot) = self.slots.get(&at) else {
            return;
        };
        let (event, before) = (slot.kept.event(self.room, at), slot.waits);
        let now = self.standing(&event);
        if now == before {
            return;
        }
        self.delist(&event, before);
        self.enlist(&event, now);
        if let Some(slot) = self.slots.get_mut(&at) {
            slot.waits = now;
        }
    }

    /// A second event with a number that is taken: keeps the lower id, remembers the next.
    fn fork(&mut self, at: At, event: SignedEvent) {
        let Some(slot) = self.slots.get_mut(&at) else {
            return;
        };
        if event.id() > slot.kept.id {
            slot.rival = Some(slot.rival.map_or(event.id(), |rival| rival.min(event.id())));
            return;
        }
        slot.rival = Some(slot.kept.id);
        let before = std::mem::replace(&mut slot.kept, kept::Kept::new(&event));
        let (before, waited) = (before.event(self.room, at), slot.waits);
        self.delist(&before, waited);
        let waits = self.standing(&event);
        self.enlist(&event, waits);
        if let Some(slot) = self.slots.get_mut(&at) {
            slot.waits = waits;
        }
    }

    /// A number that was not there before: moves the head on, and keeps the list of gaps.
    fn number(&mut self, (device, seq): At) {
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
    fn note_forks(&mut self, (device, seq): At) {
        for seq in [seq - 1, seq] {
            let Some(slot) = self.slots.get(&(device, seq)) else {
                continue;
            };
            let kept = slot.kept.id;
            let next = self.slots.get(&(device, seq + 1));
            let named = next.and_then(|next| next.kept.prev);
            let other = slot.rival.or(named.filter(|named| *named != kept));
            self.fold.note_fork(device, seq, kept, other);
        }
    }

    /// A proven delegation: what waited for it counts from now on, and what the device has certified.
    fn delegate(&mut self, delegation: crate::Delegation) {
        let who = (delegation.person, delegation.device);
        self.fold.delegate(&delegation);
        for (revoked, last) in self.devices.delegate(delegation) {
            let again = self.devices.certify((who.0, revoked), last);
            self.settle_again(revoked, again);
        }
        let seqs = self.undelegated.get(&who).cloned().unwrap_or_default();
        for seq in seqs {
            self.settle((who.1, seq));
        }
    }

    /// A proven revocation: what the device has said after it counts no more.
    fn revoke(&mut self, revocation: &crate::Revocation, by: DeviceKey, last: u64) {
        let (again, end) = self.devices.revoke(revocation, by, last);
        self.fold.revoke(revocation, end.at);
        self.settle_again(revocation.device, again);
    }

    fn settle_again(&mut self, device: DeviceKey, again: Option<std::ops::RangeInclusive<u64>>) {
        let Some(again) = again else { return };
        let range = (device, *again.start())..=(device, *again.end());
        let seqs: Vec<u64> = self.slots.range(range).map(|((_, seq), _)| *seq).collect();
        for seq in seqs {
            self.settle((device, seq));
        }
    }

    /// The clock has moved: what was beyond its reach may count now.
    fn catch_up(&mut self) {
        while let Some(&(lamport, at)) = self.ahead.first()
            && self.clock.reaches(lamport)
        {
            self.settle(at);
            // Settled as waiting for something else, it is out of this list, too.
            self.ahead.remove(&(lamport, at));
        }
    }
}
