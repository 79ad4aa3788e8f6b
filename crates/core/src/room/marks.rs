//! What is said about something that was said: edits, retractions, reactions and pins, kept by their target
//! whether or not it has come yet.

use std::collections::BTreeMap;

use super::{
    Key,
    fold::Fold,
    state::{PinView, Wording},
};
use crate::{
    event::{Event, Sign},
    ids::{EventId, Millis, Person},
    limits,
};

/// Everything about one target.
#[derive(Debug, Clone, Default)]
pub(super) struct Marks {
    edits: BTreeMap<Person, BTreeMap<Key, (Millis, String)>>,
    retractions: BTreeMap<Person, BTreeMap<Key, Millis>>,
    reactions: BTreeMap<(Sign, Person), BTreeMap<Key, bool>>,
    pins: BTreeMap<Key, (Person, Millis, bool)>,
    /// The target's own text and time, kept from when the shown text may differ.
    original: Option<(Millis, String)>,
}

impl Marks {
    fn retracted_by(&self, author: Person) -> Option<Millis> {
        let all = self.retractions.get(&author)?;
        all.first_key_value().map(|(_, at)| *at)
    }

    /// The author's newest edit that is not too long for its target.
    fn newest_edit(&self, author: Person, chars: usize) -> Option<&(Millis, String)> {
        let all = self.edits.get(&author)?;
        let mut fitting = all.values().rev();
        fitting.find(|(_, text)| text.chars().count() <= chars)
    }
}

impl Fold {
    fn marks(&mut self, of: EventId) -> &mut Marks {
        self.marks.entry(of).or_default()
    }

    /// `there`: the edit is said; else it is taken back.
    pub(super) fn edit(&mut self, of: EventId, event: &Event, key: Key, text: Option<&String>) {
        let edits = self.marks(of).edits.entry(event.person).or_default();
        match text {
            Some(text) => drop(edits.insert(key, (event.at, text.clone()))),
            None => drop(edits.remove(&key)),
        }
        self.dress(of);
    }

    pub(super) fn retract(&mut self, of: EventId, event: &Event, key: Key, there: bool) {
        let retractions = self.marks(of).retractions.entry(event.person).or_default();
        if there {
            retractions.insert(key, event.at);
        } else {
            retractions.remove(&key);
        }
        self.dress(of);
        self.refresh_pin(of);
    }

    /// `on` is `None` when the reaction's event no longer counts.
    pub(super) fn react(
        &mut self,
        to: EventId,
        (sign, person): (Sign, Person),
        key: Key,
        on: Option<bool>,
    ) {
        if sign == Sign::Unknown {
            return;
        }
        let said = self.marks(to).reactions.entry((sign, person)).or_default();
        match on {
            Some(on) => said.insert(key, on),
            None => said.remove(&key),
        };
        let given = said.last_key_value().is_some_and(|(_, on)| *on);
        let Some(lamport) = self.messages.get(&to) else {
            return;
        };
        if let Some(view) = self.state.messages.get_mut(&(*lamport, to)) {
            let people = view.reactions.entry(sign).or_default();
            if given && view.retracted.is_none() {
                people.insert(person);
            } else {
                people.remove(&person);
            }
            view.reactions.retain(|_, people| !people.is_empty());
        }
    }

    pub(super) fn pin(&mut self, of: EventId, event: &Event, key: Key, on: Option<bool>) {
        let pins = &mut self.marks(of).pins;
        match on {
            Some(on) => pins.insert(key, (event.person, event.at, on)),
            None => pins.remove(&key),
        };
        self.refresh_pin(of);
    }

    /// Brings text and signs of the target up to date, once it is there.
    pub(super) fn dress(&mut self, of: EventId) {
        let Some(marks) = self.marks.get_mut(&of) else {
            return;
        };
        if let Some(lamport) = self.messages.get(&of)
            && let Some(view) = self.state.messages.get_mut(&(*lamport, of))
        {
            let (_, original) = marks.original.get_or_insert((view.at, view.text.clone()));
            let original = original.clone();
            view.retracted = marks.retracted_by(view.person);
            let edit = marks.newest_edit(view.person, limits::MESSAGE_CHARS);
            view.edited = edit.map(|(at, _)| *at);
            view.text = edit.map_or(original, |(_, text)| text.clone());
            view.reactions.clear();
            if view.retracted.is_some() {
                view.edited = None;
                view.text.clear();
                return;
            }
            for ((sign, person), said) in &marks.reactions {
                if said.last_key_value().is_some_and(|(_, on)| *on) {
                    view.reactions.entry(*sign).or_default().insert(*person);
                }
            }
        } else if let Some(at) = self.case_at(&of) {
            let (view, marks) = (&mut self.state.cases[at], self.marks.entry(of).or_default());
            let (_, original) = marks
                .original
                .get_or_insert((view.at, view.caption.clone()));
            let original = original.clone();
            let edit = marks.newest_edit(view.person, limits::CAPTION_CHARS);
            view.edited = edit.map(|(at, _)| *at);
            view.caption = edit.map_or(original, |(_, text)| text.clone());
        }
    }

    /// The target counts no more; what is said about it waits for it to come again.
    pub(super) fn undress(&mut self, of: EventId) {
        if let Some(marks) = self.marks.get_mut(&of) {
            marks.original = None;
        }
        self.refresh_pin(of);
    }

    /// A pin shows while its target is there and not taken back.
    pub(super) fn refresh_pin(&mut self, of: EventId) {
        let pins = &mut self.state.pins;
        if let Some(key) = self.pinned.remove(&of)
            && let Ok(at) = pins.binary_search_by_key(&key, |pin| (pin.lamport, pin.id))
        {
            pins.remove(at);
        }
        let message = self.messages.get(&of).map(|lamport| (*lamport, of));
        let shown = match message.and_then(|key| self.state.messages.get(&key)) {
            Some(message) => message.retracted.is_none(),
            None => self.cases.contains_key(&of),
        };
        let newest = self
            .marks
            .get(&of)
            .and_then(|marks| marks.pins.last_key_value());
        let Some((&(lamport, id), &(person, at, true))) = newest.filter(|_| shown) else {
            return;
        };
        self.pinned.insert(of, (lamport, id));
        let pin = PinView {
            of,
            id,
            person,
            lamport,
            at,
        };
        super::fold::put(&mut self.state.pins, pin, |pin| (pin.lamport, pin.id));
    }

    /// All wordings of a message or caption, oldest first; one of them while it was never edited, none when it
    /// is not there or was taken back.
    pub(super) fn wordings(&self, of: &EventId) -> Vec<Wording> {
        let message = self.messages.get(of).map(|lamport| (*lamport, *of));
        let message = message.and_then(|key| self.state.messages.get(&key));
        let (author, at, text, chars) = match (message, self.case_at(of)) {
            (Some(view), _) if view.retracted.is_some() => return Vec::new(),
            (Some(view), _) => (view.person, view.at, &view.text, limits::MESSAGE_CHARS),
            (None, Some(at)) => {
                let view = &self.state.cases[at];
                (view.person, view.at, &view.caption, limits::CAPTION_CHARS)
            }
            (None, None) => return Vec::new(),
        };
        let marks = self.marks.get(of);
        let original = marks.and_then(|marks| marks.original.clone());
        let (at, text) = original.unwrap_or((at, text.clone()));
        let edits = marks.and_then(|marks| marks.edits.get(&author));
        let edits = edits.into_iter().flat_map(BTreeMap::values);
        let edits = edits.filter(|(_, text)| text.chars().count() <= chars);
        std::iter::once((at, text))
            .chain(edits.cloned())
            .map(|(at, text)| Wording { at, text })
            .collect()
    }
}
