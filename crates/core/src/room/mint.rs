//! Proposals to mint a case, and what their contributors answered. The chain decides what is minted and who owns it;
//! this says what people in the room have to decide, and who has.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{
    Key,
    fold::{drop_at, put},
};
use crate::{
    conversation::Terms,
    event::{Event, MintAnswer, MintProposal},
    ids::{EventId, Millis, Person},
};

/// A proposal, and how far it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MintView {
    /// The event.
    pub id: EventId,
    /// Who proposes.
    pub person: Person,
    /// Place in the room's order.
    pub lamport: u64,
    /// By the proposer's device's clock.
    pub at: Millis,
    /// What is proposed.
    pub proposal: MintProposal,
    /// The latest answer of each contributor who has given one.
    pub answers: BTreeMap<Person, MintAnswer>,
    /// The latest transaction that somebody says has minted it. The chain says whether it has.
    pub transaction: Option<String>,
}

impl MintView {
    /// What is to be signed.
    pub fn terms(&self) -> &Terms {
        &self.proposal.terms
    }

    /// Whether this person's consent is needed.
    pub fn needs(&self, person: &Person) -> bool {
        let mut contributors = self.terms().contributors.iter();
        contributors.any(|contributor| contributor.person == *person)
    }

    /// The signatures in the order of the contributors; `None` until all have signed.
    pub fn signatures(&self) -> Option<Vec<Vec<u8>>> {
        let signed = |person: &Person| match self.answers.get(person) {
            Some(MintAnswer::Signed { signature }) => hex::decode(signature).ok(),
            Some(MintAnswer::Declined) | None => None,
        };
        let contributors = self.terms().contributors.iter();
        contributors
            .map(|contributor| signed(&contributor.person))
            .collect()
    }

    /// Who has declined.
    pub fn declined(&self) -> impl Iterator<Item = &Person> {
        let declined =
            |(_, answer): &(&Person, &MintAnswer)| matches!(answer, MintAnswer::Declined);
        self.answers
            .iter()
            .filter(declined)
            .map(|(person, _)| person)
    }
}

/// Answers and transactions by the proposal that they are about, which may come later.
#[derive(Debug, Clone, Default)]
pub(super) struct Mints {
    places: BTreeMap<EventId, u64>,
    answers: BTreeMap<EventId, BTreeMap<Person, BTreeMap<Key, MintAnswer>>>,
    transactions: BTreeMap<EventId, BTreeMap<Key, String>>,
}

impl Mints {
    pub(super) fn propose(
        &mut self,
        shown: &mut Vec<MintView>,
        event: &Event,
        id: EventId,
        proposal: &MintProposal,
    ) {
        self.places.insert(id, event.lamport);
        let view = MintView {
            id,
            person: event.person,
            lamport: event.lamport,
            at: event.at,
            proposal: proposal.clone(),
            answers: BTreeMap::new(),
            transaction: None,
        };
        put(shown, view, |view| (view.lamport, view.id));
        self.refresh(shown, &id);
    }

    pub(super) fn unpropose(&mut self, shown: &mut Vec<MintView>, key: Key) {
        self.places.remove(&key.1);
        drop_at(shown, key, |view| (view.lamport, view.id));
    }

    pub(super) fn answer(
        &mut self,
        shown: &mut [MintView],
        proposal: &EventId,
        by: (Person, Key),
        answer: MintAnswer,
    ) {
        let answers = self.answers.entry(*proposal).or_default();
        answers.entry(by.0).or_default().insert(by.1, answer);
        self.refresh(shown, proposal);
    }

    pub(super) fn unanswer(
        &mut self,
        shown: &mut [MintView],
        proposal: &EventId,
        by: (Person, Key),
    ) {
        let answers = self
            .answers
            .get_mut(proposal)
            .and_then(|all| all.get_mut(&by.0));
        if let Some(answers) = answers {
            answers.remove(&by.1);
        }
        self.refresh(shown, proposal);
    }

    pub(super) fn minted(
        &mut self,
        shown: &mut [MintView],
        proposal: &EventId,
        key: Key,
        transaction: String,
    ) {
        self.transactions
            .entry(*proposal)
            .or_default()
            .insert(key, transaction);
        self.refresh(shown, proposal);
    }

    pub(super) fn unminted(&mut self, shown: &mut [MintView], proposal: &EventId, key: Key) {
        if let Some(transactions) = self.transactions.get_mut(proposal) {
            transactions.remove(&key);
        }
        self.refresh(shown, proposal);
    }

    fn refresh(&self, shown: &mut [MintView], proposal: &EventId) {
        let Some(lamport) = self.places.get(proposal) else {
            return;
        };
        let place = (*lamport, *proposal);
        let Ok(at) = shown.binary_search_by_key(&place, |view| (view.lamport, view.id)) else {
            return;
        };
        let view = &mut shown[at];
        let latest = |(person, answers): (&Person, &BTreeMap<Key, MintAnswer>)| {
            let (_, answer) = answers.last_key_value()?;
            Some((*person, answer.clone()))
        };
        let answers = self.answers.get(proposal).into_iter().flatten();
        let answers = answers
            .filter(|(person, _)| view.needs(person))
            .filter_map(latest)
            .collect();
        view.answers = answers;
        let transactions = self.transactions.get(proposal);
        view.transaction = transactions
            .and_then(|all| all.last_key_value())
            .map(|(_, transaction)| transaction.clone());
    }
}
