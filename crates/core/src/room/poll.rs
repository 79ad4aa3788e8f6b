//! One poll: all that was ever said about it, and the count that follows. Everything is kept, whatever
//! the order it came in: votes before the poll, options before the votes for them, closes by others.

use std::collections::{BTreeMap, BTreeSet};

use super::{
    Key,
    fold::{drop_at, put},
    state::{Closed, OptionView, PollView},
};
use crate::{
    event::OptionId,
    ids::{EventId, Millis, Person},
};

/// The poll's own event.
#[derive(Debug, Clone)]
pub(super) struct Ask {
    pub(super) id: EventId,
    pub(super) case: EventId,
    pub(super) asker: Person,
    pub(super) lamport: u64,
    pub(super) at: Millis,
    pub(super) question: String,
    pub(super) options: Vec<String>,
    pub(super) open_options: bool,
}

#[derive(Debug, Clone, Default)]
pub(super) struct Poll {
    pub(super) ask: Option<Ask>,
    pub(super) added: BTreeMap<Key, (Person, String)>,
    pub(super) closes: BTreeMap<Key, (Person, Millis, Vec<EventId>)>,
    votes: BTreeMap<Person, BTreeMap<Key, OptionId>>,
    /// Of the last [`Self::view`]: where each option is in the list.
    places: BTreeMap<OptionId, usize>,
    /// Of the last [`Self::view`]: what the close certifies.
    certified: Option<BTreeSet<EventId>>,
}

impl Poll {
    pub(super) fn vote(&mut self, person: Person, key: Key, option: OptionId) {
        self.votes.entry(person).or_default().insert(key, option);
    }

    pub(super) fn unvote(&mut self, person: Person, key: Key) {
        if let Some(votes) = self.votes.get_mut(&person) {
            votes.remove(&key);
        }
    }

    /// The whole poll, counted from the start; nothing before its own event has come.
    pub(super) fn view(&mut self) -> Option<PollView> {
        let ask = self.ask.as_ref()?;
        // Nobody but the asker closes, and closes but once.
        let close = self.closes.iter().find(|(_, (by, ..))| *by == ask.asker);
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
        let added = self
            .added
            .iter()
            // What is added after the close is no option of this poll.
            .filter(|(key, _)| ask.open_options && close.is_none_or(|(end, _)| *key < end))
            .map(|(&(_, event), (by, text))| option(OptionId { event, index: 0 }, text, *by));
        let options: Vec<_> = first.chain(added).collect();

        self.places = (0..).zip(&options).map(|(at, o)| (o.id, at)).collect();
        self.certified = close.map(|(_, (.., counted))| counted.iter().copied().collect());
        let mut view = PollView {
            id: ask.id,
            case: ask.case,
            asker: ask.asker,
            lamport: ask.lamport,
            at: ask.at,
            question: ask.question.clone(),
            options,
            votes: BTreeMap::new(),
            uncounted: Vec::new(),
            closed: close.map(|(&(_, id), (_, at, counted))| Closed {
                id,
                at: *at,
                counted: counted.clone(),
            }),
            open_options: ask.open_options,
        };
        for person in self.votes.keys() {
            self.recount(&mut view, *person);
        }
        Some(view)
    }

    /// Brings `person`'s vote in `view`, made by the last [`Self::view`], up to date.
    pub(super) fn recount(&self, view: &mut PollView, person: Person) {
        if let Some((_, option)) = view.votes.remove(&person)
            && let Some(&at) = self.places.get(&option)
        {
            let option = &mut view.options[at];
            drop_at(&mut option.voters, person, |voter| *voter);
            option.count -= 1;
        }
        drop_at(&mut view.uncounted, person, |voter| *voter);

        let Some(votes) = self.votes.get(&person) else {
            return;
        };
        let mut valid = votes
            .iter()
            .rev()
            .filter_map(|(&(_, event), option)| Some((event, *option, *self.places.get(option)?)))
            .peekable();
        let has_voted = valid.peek().is_some();
        let counts = valid.find(|(event, ..)| {
            self.certified
                .as_ref()
                .is_none_or(|certified| certified.contains(event))
        });
        if let Some((event, option, at)) = counts {
            view.votes.insert(person, (event, option));
            put(&mut view.options[at].voters, person, |voter| *voter);
            view.options[at].count += 1;
        } else if has_voted {
            put(&mut view.uncounted, person, |voter| *voter);
        }
    }
}
