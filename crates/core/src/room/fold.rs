//! The fold from events to [`RoomState`], one event at a time, each of which can be taken back. It holds
//! what the state alone does not say: names that are not the latest, polls whose case has not come yet.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Key,
    marks::Marks,
    measurements::Measurements,
    mint::Mints,
    new_keys::NewKeys,
    poll::Poll,
    state::{
        CaseView, DeviceView, EpochView, Fork, Gap, MeasurementView, MessageView, PendingView,
        PersonView, ProfileView, RoomState, Waits,
    },
};
use crate::{
    delegation::Delegation,
    epoch,
    event::{Kind, SignedEvent},
    ids::{DeviceKey, EventId, Millis, Person},
    revocation::Revocation,
};

#[derive(Debug, Clone)]
pub(super) struct Fold {
    owner: Person,
    chain_id: u64,
    pub(super) state: RoomState,
    names: BTreeMap<Key, String>,
    profiles: BTreeMap<Person, BTreeMap<Key, ProfileView>>,
    /// Lamport clocks of the messages that count.
    pub(super) messages: BTreeMap<EventId, u64>,
    /// Lamport clocks of the cases that count.
    pub(super) cases: BTreeMap<EventId, u64>,
    pub(super) marks: BTreeMap<EventId, Marks>,
    /// Place of the pin that is shown, by what it pins.
    pub(super) pinned: BTreeMap<EventId, Key>,
    polls: BTreeMap<EventId, Poll>,
    polls_of: BTreeMap<EventId, BTreeSet<EventId>>,
    mints: Mints,
    measurements: Measurements,
    new_keys: NewKeys,
}

impl Fold {
    pub(super) fn new(owner: Person, chain_id: u64) -> Self {
        Self {
            owner,
            chain_id,
            state: RoomState::default(),
            names: BTreeMap::new(),
            profiles: BTreeMap::new(),
            messages: BTreeMap::new(),
            cases: BTreeMap::new(),
            marks: BTreeMap::new(),
            pinned: BTreeMap::new(),
            polls: BTreeMap::new(),
            polls_of: BTreeMap::new(),
            mints: Mints::default(),
            measurements: Measurements::default(),
            new_keys: NewKeys::default(),
        }
    }

    pub(super) fn apply(&mut self, signed: &SignedEvent) {
        let (event, id) = (&signed.event, signed.id());
        let key = (event.lamport, id);
        match &event.kind {
            // Delegations and revocations prove themselves: see `RoomLog`.
            Kind::Delegation { .. } | Kind::Revocation { .. } | Kind::Unknown => {}
            Kind::Room { name } => {
                if event.person == self.owner {
                    self.names.insert(key, name.clone());
                    self.refresh_name();
                }
            }
            Kind::Message { text, to, mentions } => {
                self.state.messages.put(MessageView {
                    id,
                    person: event.person,
                    device: event.device,
                    lamport: event.lamport,
                    at: event.at,
                    text: text.clone(),
                    to: *to,
                    mentions: mentions.clone(),
                    edited: None,
                    retracted: None,
                    reactions: BTreeMap::new(),
                });
                self.messages.insert(id, event.lamport);
                self.dress(id);
                self.refresh_pin(id);
            }
            Kind::Edit { of, text } => self.edit(*of, event, key, Some(text)),
            Kind::Retract { of } => self.retract(*of, event, key, true),
            Kind::Reaction { to, sign, on } => {
                self.react(*to, (*sign, event.person), key, Some(*on));
            }
            Kind::Pin { of, on } => self.pin(*of, event, key, Some(*on)),
            Kind::Profile { name, role, city } => {
                let profile = ProfileView {
                    name: name.clone(),
                    role: role.clone(),
                    city: city.clone(),
                };
                let profiles = self.profiles.entry(event.person).or_default();
                profiles.insert(key, profile);
                self.refresh_profile(event.person);
            }
            Kind::Epoch {
                epoch,
                block,
                removed,
                readers,
            } => {
                let view = EpochView {
                    id,
                    epoch: *epoch,
                    person: event.person,
                    lamport: event.lamport,
                    at: event.at,
                    block: *block,
                    removed: removed.clone(),
                    readers: *readers,
                };
                put(&mut self.state.epochs, view, epoch_key);
            }
            Kind::Case { caption, images } => {
                let view = CaseView {
                    id,
                    person: event.person,
                    device: event.device,
                    lamport: event.lamport,
                    at: event.at,
                    caption: caption.clone(),
                    edited: None,
                    images: images.clone(),
                    new_keys: Vec::new(),
                    polls: Vec::new(),
                    measurements: self.measurements.of(&id),
                };
                put(&mut self.state.cases, view, |c| (c.lamport, c.id));
                self.cases.insert(id, event.lamport);
                for poll in self.polls_of.get(&id).cloned().unwrap_or_default() {
                    self.show(&poll);
                }
                self.renew(&id);
                self.dress(id);
                self.refresh_pin(id);
            }
            Kind::NewKey { case, images } => {
                self.new_keys.add(*case, event, key, images);
                self.renew(case);
            }
            Kind::Poll { case, .. } => {
                self.polls_of.entry(*case).or_default().insert(id);
                self.tell(id, signed);
                self.show(&id);
            }
            Kind::Option { poll, .. } | Kind::Close { poll, .. } => {
                self.tell(*poll, signed);
                self.show(poll);
            }
            Kind::Vote { poll, .. } => {
                self.tell(*poll, signed);
                self.recount(poll, event.person);
            }
            Kind::MintProposal(proposal) => {
                (self.mints).propose(&mut self.state.mints, event, id, proposal);
            }
            Kind::MintConsent { proposal, answer } => {
                let by = (event.person, key);
                (self.mints).answer(&mut self.state.mints, proposal, by, answer.clone());
            }
            Kind::Minted {
                proposal,
                transaction,
            } => {
                let transaction = transaction.clone();
                (self.mints).minted(&mut self.state.mints, proposal, key, transaction);
            }
            Kind::Measure { measurement } => {
                let view = MeasurementView {
                    id,
                    person: event.person,
                    at: event.at,
                    measurement: measurement.clone(),
                };
                let case = self.measurements.add(key, view);
                self.remeasure(Some(case));
            }
            Kind::Unmeasure { measurement } => {
                let case = self.measurements.remove(*measurement, event.person, id);
                self.remeasure(case);
            }
        }
    }

    /// Undoes [`Self::apply`] of the same event.
    pub(super) fn unapply(&mut self, signed: &SignedEvent) {
        let (event, id) = (&signed.event, signed.id());
        let key = (event.lamport, id);
        match &event.kind {
            Kind::Delegation { .. } | Kind::Revocation { .. } | Kind::Unknown => {}
            Kind::Room { .. } => {
                self.names.remove(&key);
                self.refresh_name();
            }
            Kind::Message { .. } => {
                self.state.messages.remove(&key);
                self.messages.remove(&id);
                self.undress(id);
            }
            Kind::Edit { of, .. } => self.edit(*of, event, key, None),
            Kind::Retract { of } => self.retract(*of, event, key, false),
            Kind::Reaction { to, sign, .. } => {
                self.react(*to, (*sign, event.person), key, None);
            }
            Kind::Pin { of, .. } => self.pin(*of, event, key, None),
            Kind::Profile { .. } => {
                if let Some(profiles) = self.profiles.get_mut(&event.person) {
                    profiles.remove(&key);
                }
                self.refresh_profile(event.person);
            }
            Kind::Epoch { epoch, .. } => {
                let place = (epoch::number(*epoch), event.lamport, id);
                drop_at(&mut self.state.epochs, place, epoch_key);
            }
            Kind::Case { .. } => {
                self.cases.remove(&id);
                self.new_keys.forget(&id);
                drop_at(&mut self.state.cases, key, |c| (c.lamport, c.id));
                self.undress(id);
            }
            Kind::NewKey { case, .. } => {
                self.new_keys.drop(*case, event, key);
                self.renew(case);
            }
            Kind::Poll { case, .. } => {
                self.hide(&id);
                if let Some(polls) = self.polls_of.get_mut(case) {
                    polls.remove(&id);
                }
                self.poll(id).untake(signed);
            }
            Kind::Option { poll, .. } | Kind::Close { poll, .. } => {
                self.poll(*poll).untake(signed);
                self.show(poll);
            }
            Kind::Vote { poll, .. } => {
                self.poll(*poll).untake(signed);
                self.recount(poll, event.person);
            }
            Kind::MintProposal(_) => self.mints.unpropose(&mut self.state.mints, key),
            Kind::MintConsent { proposal, .. } => {
                let by = (event.person, key);
                self.mints.unanswer(&mut self.state.mints, proposal, by);
            }
            Kind::Minted { proposal, .. } => {
                self.mints.unminted(&mut self.state.mints, proposal, key);
            }
            Kind::Measure { .. } => {
                let case = self.measurements.drop(key);
                self.remeasure(case);
            }
            Kind::Unmeasure { measurement } => {
                let case = self.measurements.restore(*measurement, event.person, id);
                self.remeasure(case);
            }
        }
    }

    pub(super) fn wait(&mut self, signed: &SignedEvent, waits: Waits) {
        self.state.pending.put(PendingView {
            id: signed.id(),
            person: signed.event.person,
            device: signed.event.device,
            lamport: signed.event.lamport,
            at: signed.event.at,
            waits,
        });
    }

    pub(super) fn wait_no_more(&mut self, signed: &SignedEvent) {
        let key = (signed.event.lamport, signed.id());
        self.state.pending.remove(&key);
    }

    pub(super) fn delegate(&mut self, delegation: &Delegation) {
        let until = Millis::from_seconds(delegation.expires_at);
        let view = self.device(delegation.person, delegation.device);
        view.until = view.until.max(until);
    }

    pub(super) fn revoke(&mut self, revocation: &Revocation, from: Millis) {
        let view = self.device(revocation.person, revocation.device);
        view.revoked = Some(from);
    }

    fn device(&mut self, person: Person, device: DeviceKey) -> &mut DeviceView {
        let PersonView { devices, .. } = self.state.people.entry(person).or_default();
        devices.entry(device).or_default()
    }

    fn refresh_profile(&mut self, person: Person) {
        let profiles = self.profiles.get(&person);
        let newest = profiles.and_then(|all| all.last_key_value());
        let newest = newest.map(|(_, profile)| profile.clone());
        if let Some(view) = self.state.people.get_mut(&person) {
            view.profile = newest;
        }
    }

    /// Where the case is in the list.
    pub(super) fn case_at(&self, id: &EventId) -> Option<usize> {
        let place = (*self.cases.get(id)?, *id);
        let found = self
            .state
            .cases
            .binary_search_by_key(&place, |c| (c.lamport, c.id));
        found.ok()
    }

    pub(super) fn note_fork(
        &mut self,
        device: DeviceKey,
        seq: u64,
        kept: EventId,
        other: Option<EventId>,
    ) {
        drop_at(&mut self.state.forks, (device, seq), |f| (f.device, f.seq));
        if let Some(other) = other {
            let fork = Fork {
                device,
                seq,
                kept,
                other,
            };
            put(&mut self.state.forks, fork, |f| (f.device, f.seq));
        }
    }

    /// Number `seq` has come; `before` and `after` are its nearest neighbours (0: none before).
    pub(super) fn split_gap(
        &mut self,
        device: DeviceKey,
        before: u64,
        seq: u64,
        after: Option<u64>,
    ) {
        let gaps = &mut self.state.gaps;
        let at = |gap: &Gap| (gap.device, gap.from);
        drop_at(gaps, (device, before + 1), at);
        let left = (before + 1, seq - 1);
        let right = after.map_or((1, 0), |after| (seq + 1, after - 1));
        for (from, to) in [left, right] {
            if from <= to {
                put(gaps, Gap { device, from, to }, at);
            }
        }
    }

    fn refresh_name(&mut self) {
        self.state.name = self.names.last_key_value().map(|(_, name)| name.clone());
    }

    fn poll(&mut self, id: EventId) -> &mut Poll {
        self.polls.entry(id).or_default()
    }

    fn tell(&mut self, poll: EventId, signed: &SignedEvent) {
        let chain_id = self.chain_id;
        self.poll(poll).take(signed, chain_id);
    }

    /// Puts the poll, counted anew, into its case, if both are there.
    fn show(&mut self, id: &EventId) {
        let Some(poll) = self.polls.get_mut(id) else {
            return;
        };
        let Some(view) = poll.view() else { return };
        if let Some(at) = self.case_at(&view.case) {
            let polls = &mut self.state.cases[at].polls;
            drop_at(polls, (view.lamport, view.id), |p| (p.lamport, p.id));
            put(polls, view, |p| (p.lamport, p.id));
        }
    }

    /// Lists a case's measurements anew, if the case is there.
    fn remeasure(&mut self, case: Option<EventId>) {
        let Some(case) = case else { return };
        let Some(lamport) = self.cases.get(&case) else {
            return;
        };
        if let Ok(at) =
            (self.state.cases).binary_search_by_key(&(*lamport, case), |c| (c.lamport, c.id))
        {
            self.state.cases[at].measurements = self.measurements.of(&case);
        }
    }

    /// Puts the encrypted files that stand for a case's images now into it, if it is there.
    fn renew(&mut self, case: &EventId) {
        if let Some(at) = self.case_at(case) {
            self.new_keys.renew(&mut self.state.cases[at]);
        }
    }

    /// Takes the poll out of its case.
    fn hide(&mut self, id: &EventId) {
        let Some(ask) = self.polls.get(id).and_then(|poll| poll.ask.as_ref()) else {
            return;
        };
        if let Some(at) = self.case_at(&ask.case) {
            let place = (ask.lamport, ask.id);
            drop_at(&mut self.state.cases[at].polls, place, |p| {
                (p.lamport, p.id)
            });
        }
    }

    /// Brings one person's vote in the shown poll up to date.
    fn recount(&mut self, id: &EventId, person: Person) {
        let Some(poll) = self.polls.get(id) else {
            return;
        };
        let Some(ask) = &poll.ask else { return };
        let Some(case) = self.case_at(&ask.case) else {
            return;
        };
        let polls = &mut self.state.cases[case].polls;
        if let Ok(at) = polls.binary_search_by_key(&(ask.lamport, ask.id), |p| (p.lamport, p.id)) {
            poll.recount(&mut polls[at], person);
        }
    }
}

fn epoch_key(view: &EpochView) -> (u32, u64, EventId) {
    (epoch::number(view.epoch), view.lamport, view.id)
}

/// Puts `item` at its place in an ordered list.
pub(crate) fn put<T, K: Ord>(list: &mut Vec<T>, item: T, key: impl Fn(&T) -> K) {
    let place = key(&item);
    // New things mostly belong at the end.
    if list.last().is_none_or(|last| key(last) < place) {
        list.push(item);
    } else if let Err(at) = list.binary_search_by_key(&place, key) {
        list.insert(at, item);
    }
}

/// Takes the item with this key out of an ordered list, if it is there.
pub(crate) fn drop_at<T, K: Ord>(list: &mut Vec<T>, place: K, key: impl Fn(&T) -> K) {
    if let Ok(at) = list.binary_search_by_key(&place, key) {
        list.remove(at);
    }
}
