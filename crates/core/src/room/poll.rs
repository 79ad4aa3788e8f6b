//! One poll: all that was ever said about it, and the count that follows. Everything is kept, whatever
//! the order it came in: votes before the poll, options before the votes for them, closes by others.
//!
//! The rules of a count, which rooms and result files share:
//! - A vote counts for an option that the poll has. Where wallets sign, it also needs the person's wallet
//!   under question and answer, and the higher number counts; elsewhere the later in the room's order.
//! - Only the asker closes. What a device says first about the end is what it says: of one device the close
//!   with the lowest number, of several devices the earliest of those in the room's order.
//! - Once closed, nothing counts but what the close certifies. A vote's id can't be known before the vote is
//!   signed, so a certified vote was there before the close, whatever its clocks say, and any other is late.

use std::{
    collections::{BTreeMap, BTreeSet},
    sync::OnceLock,
};

use super::{
    Key,
    fold::{drop_at, put},
    state::{Closed, OptionView, PollView},
};
use crate::{
    ballot::{RegistryAt, Reveal, Signing, WalletVote},
    event::{Kind, OptionId, SignedEvent},
    ids::{DeviceKey, EventId, Millis, Person, RoomId},
};

/// The poll's own event.
#[derive(Debug, Clone)]
pub(crate) struct Ask {
    pub(crate) id: EventId,
    room: RoomId,
    chain_id: u64,
    pub(crate) case: EventId,
    pub(crate) asker: Person,
    pub(crate) lamport: u64,
    at: Millis,
    question: String,
    options: Vec<String>,
    open_options: bool,
    signing: Signing,
    reveal: Reveal,
}

/// A vote as it was cast.
#[derive(Debug, Clone)]
struct Cast {
    option: OptionId,
    wallet: Option<WalletVote>,
    /// Whether the wallet's signature is good: found out once. It can't change, because poll and option are
    /// named by the hash of their words.
    signed: OnceLock<bool>,
}

/// An end as it was declared, by whomever.
#[derive(Debug, Clone)]
struct Close {
    by: Person,
    device: DeviceKey,
    seq: u64,
    at: Millis,
    counted: Vec<EventId>,
    options: Option<Vec<EventId>>,
    registry: Option<RegistryAt>,
}

impl Close {
    fn certifies_the_same(&self, other: &Self) -> bool {
        let set = |ids: &[EventId]| ids.iter().copied().collect::<BTreeSet<_>>();
        set(&self.counted) == set(&other.counted)
            && self.options.as_deref().map(set) == other.options.as_deref().map(set)
    }
}

#[derive(Debug, Clone, Default)]
pub(crate) struct Poll {
    pub(crate) ask: Option<Ask>,
    added: BTreeMap<Key, (Person, String)>,
    closes: BTreeMap<Key, Close>,
    votes: BTreeMap<Person, BTreeMap<Key, Cast>>,
    /// Of the last [`Self::view`]: where each option is in the list.
    places: BTreeMap<OptionId, usize>,
    /// Of the last [`Self::view`]: what the close certifies.
    certified: Option<BTreeSet<EventId>>,
}

impl Poll {
    /// Takes an event that is this poll's or names it; others leave it as it is.
    pub(crate) fn take(&mut self, signed: &SignedEvent, chain_id: u64) {
        let (event, id) = (&signed.event, signed.id());
        let key = (event.lamport, id);
        match &event.kind {
            Kind::Poll {
                case,
                question,
                options,
                open_options,
                signing,
                reveal,
            } => {
                self.ask = Some(Ask {
                    id,
                    room: event.room,
                    chain_id,
                    case: *case,
                    asker: event.person,
                    lamport: event.lamport,
                    at: event.at,
                    question: question.clone(),
                    options: options.clone(),
                    open_options: *open_options,
                    signing: *signing,
                    reveal: *reveal,
                });
            }
            Kind::Option { text, .. } => {
                self.added.insert(key, (event.person, text.clone()));
            }
            Kind::Vote { option, wallet, .. } => {
                let cast = Cast {
                    option: *option,
                    wallet: *wallet,
                    signed: OnceLock::new(),
                };
                self.votes
                    .entry(event.person)
                    .or_default()
                    .insert(key, cast);
            }
            Kind::Close {
                counted,
                options,
                registry,
                ..
            } => {
                let close = Close {
                    by: event.person,
                    device: event.device,
                    seq: event.seq,
                    at: event.at,
                    counted: counted.clone(),
                    options: options.clone(),
                    registry: *registry,
                };
                self.closes.insert(key, close);
            }
            _ => {}
        }
    }

    /// Undoes [`Self::take`] of the same event.
    pub(crate) fn untake(&mut self, signed: &SignedEvent) {
        let (event, key) = (&signed.event, (signed.event.lamport, signed.id()));
        match &event.kind {
            Kind::Poll { .. } => self.ask = None,
            Kind::Option { .. } => drop(self.added.remove(&key)),
            Kind::Close { .. } => drop(self.closes.remove(&key)),
            Kind::Vote { .. } => {
                if let Some(votes) = self.votes.get_mut(&event.person) {
                    votes.remove(&key);
                }
            }
            _ => {}
        }
    }

    /// The whole poll, counted from the start; nothing before its own event has come.
    pub(crate) fn view(&mut self) -> Option<PollView> {
        let ask = self.ask.as_ref()?;
        let close = self.close(ask);
        let option = |id, text: &String, by| OptionView {
            id,
            text: text.clone(),
            by,
            count: 0,
            voters: Vec::new(),
        };
        let first = (0u16..).zip(&ask.options).map(|(index, text)| {
            let event = ask.id;
            option(OptionId { event, index }, text, ask.asker)
        });
        let in_poll = |key: &Key| match close {
            None => true,
            Some((end, close)) => match &close.options {
                Some(certified) => certified.contains(&key.1),
                None => key < end,
            },
        };
        let added = self
            .added
            .iter()
            .filter(|(key, _)| ask.open_options && in_poll(key))
            .map(|(&(_, event), (by, text))| option(OptionId { event, index: 0 }, text, *by));
        let options: Vec<_> = first.chain(added).collect();

        let mut view = PollView {
            id: ask.id,
            case: ask.case,
            asker: ask.asker,
            lamport: ask.lamport,
            at: ask.at,
            question: ask.question.clone(),
            options,
            votes: BTreeMap::new(),
            late: BTreeMap::new(),
            closed: close.map(|(&(_, id), close)| Closed {
                id,
                at: close.at,
                counted: close.counted.clone(),
                registry: close.registry,
                contradicted_by: self.contradictions(ask, close),
            }),
            open_options: ask.open_options,
            signing: ask.signing,
            reveal: ask.reveal,
        };
        let certified = close.map(|(_, close)| close.counted.iter().copied().collect());
        self.places = (0..).zip(&view.options).map(|(at, o)| (o.id, at)).collect();
        self.certified = certified;
        for person in self.votes.keys() {
            self.recount(&mut view, *person);
        }
        Some(view)
    }

    /// Brings `person`'s vote in `view`, made by the last [`Self::view`], up to date.
    pub(crate) fn recount(&self, view: &mut PollView, person: Person) {
        if let Some((_, option)) = view.votes.remove(&person)
            && let Some(&at) = self.places.get(&option)
        {
            let option = &mut view.options[at];
            drop_at(&mut option.voters, person, |voter| *voter);
            option.count -= 1;
        }
        view.late.remove(&person);

        let latest = self.best(view, person, None);
        let counts = match &self.certified {
            Some(certified) => self.best(view, person, Some(certified)),
            None => latest,
        };
        if let Some((event, option)) = counts
            && let Some(&at) = self.places.get(&option)
        {
            view.votes.insert(person, (event, option));
            put(&mut view.options[at].voters, person, |voter| *voter);
            view.options[at].count += 1;
        }
        if let Some(latest) = latest
            && counts != Some(latest)
        {
            view.late.insert(person, latest);
        }
    }

    /// Of the person's valid votes (among those certified, if given) the one that replaces the others.
    fn best(
        &self,
        view: &PollView,
        person: Person,
        certified: Option<&BTreeSet<EventId>>,
    ) -> Option<(EventId, OptionId)> {
        let ask = self.ask.as_ref()?;
        let mut valid = self
            .votes
            .get(&person)?
            .iter()
            .rev()
            .filter(|((_, event), _)| certified.is_none_or(|certified| certified.contains(event)))
            .filter_map(|(key, cast)| {
                self.places.get(&cast.option)?;
                Some((ask.rank(view, person, cast)?, key, cast))
            });
        let (_, key, cast) = match ask.signing {
            // In the room's order: the first from the end.
            Signing::Device => valid.next(),
            Signing::Wallet => valid.max_by_key(|(number, key, _)| (*number, **key)),
        }?;
        Some((key.1, cast.option))
    }

    /// The close that counts.
    fn close(&self, ask: &Ask) -> Option<(&Key, &Close)> {
        let mut first: BTreeMap<DeviceKey, (&Key, &Close)> = BTreeMap::new();
        for (key, close) in self.closes.iter().filter(|(_, c)| c.by == ask.asker) {
            let known = first.entry(close.device).or_insert((key, close));
            if close.seq < known.1.seq {
                *known = (key, close);
            }
        }
        first.into_values().min_by_key(|(key, _)| **key)
    }

    /// The asker's other closes, where they certify something else.
    fn contradictions(&self, ask: &Ask, counts: &Close) -> Vec<EventId> {
        self.closes
            .iter()
            .filter(|(_, close)| close.by == ask.asker && !close.certifies_the_same(counts))
            .map(|((_, id), _)| *id)
            .collect()
    }
}

impl Ask {
    /// The number by which one vote replaces another; `None` if the vote lacks the signature that it needs.
    fn rank(&self, view: &PollView, person: Person, cast: &Cast) -> Option<u64> {
        if self.signing == Signing::Device {
            return Some(0);
        }
        let wallet = cast.wallet.as_ref()?;
        let good = cast.signed.get_or_init(|| {
            view.ballot(self.room, self.chain_id, person, wallet.number, cast.option)
                .is_some_and(|ballot| ballot.verify(&wallet.signature).is_ok())
        });
        good.then_some(wallet.number)
    }
}
