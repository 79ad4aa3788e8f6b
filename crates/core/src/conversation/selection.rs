//! Which of a room's events make up the conversation about a case: the case, its questions and all answers to them,
//! what was written about it and measured on its images, later changes of those, and the delegations that prove who said it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{
    event::{Kind, SignedEvent},
    ids::{EventId, Person},
    room::RoomLog,
};

/// The events in the room's order, (Lamport clock, id). Everything by a person in `leave_out` is missing, questions
/// with their answers included. Empty when the case is not there.
///
/// Written about a case is a message that answers it or something that does, and, with `discussion`, also one that
/// answers nothing and stands between this case and the next one. A message that was taken back is left out with
/// everything about it but the answers to it: its words are nobody's to sell. So is a measurement that was taken back.
pub fn conversation(
    log: &RoomLog,
    case: &EventId,
    discussion: bool,
    leave_out: &BTreeSet<Person>,
) -> Vec<SignedEvent> {
    let cases = &log.state().cases;
    let Some(place) = cases.iter().position(|view| view.id == *case) else {
        return Vec::new();
    };
    let begins = (cases[place].lamport, cases[place].id);
    let ends = cases.get(place + 1).map(|next| (next.lamport, next.id));
    let measured: BTreeSet<EventId> = {
        let measurements = cases[place].measurements.iter();
        measurements.map(|view| view.id).collect()
    };
    let within = |key: &(u64, EventId)| *key > begins && ends.is_none_or(|ends| *key < ends);

    let taken_back = taken_back(log);
    // What a later event may refer to, once it is in.
    let mut chosen = BTreeSet::new();
    let mut authors = BTreeSet::new();
    let mut events: Vec<SignedEvent> = Vec::new();
    for event in log.counting() {
        if leave_out.contains(&event.event.person) {
            continue;
        }
        let key = (event.event.lamport, event.id());
        let about = match &event.event.kind {
            Kind::Case { .. } => event.id() == *case,
            Kind::Message { to: Some(to), .. } => chosen.contains(to),
            Kind::Message { to: None, .. } => discussion && within(&key),
            Kind::Poll { case: of, .. } | Kind::NewKey { case: of, .. } => of == case,
            Kind::Measure { .. } => measured.contains(&event.id()),
            Kind::Option { poll: of, .. }
            | Kind::Vote { poll: of, .. }
            | Kind::Close { poll: of, .. }
            | Kind::Edit { of, .. }
            | Kind::Retract { of, .. }
            | Kind::Reaction { to: of, .. } => chosen.contains(of),
            Kind::Delegation { .. } | Kind::Revocation { .. } => {
                events.push(event);
                continue;
            }
            _ => false,
        };
        if about {
            chosen.insert(event.id());
            if !is_of(&event, &taken_back) {
                authors.insert((event.event.person, event.event.device));
                events.push(event);
            }
        }
    }
    // Delegations, revocations and how people call themselves: only of those who say something in it.
    events.retain(|event| {
        let said = &event.event;
        match &said.kind {
            Kind::Delegation { .. } => authors.contains(&(said.person, said.device)),
            Kind::Revocation { .. } => authors.iter().any(|(person, _)| *person == said.person),
            _ => true,
        }
    });
    events
}

/// Whether a conversation that was chosen before holds a message that its author has taken back since.
pub fn holds_taken_back(log: &RoomLog, events: &[EventId]) -> bool {
    let taken_back = taken_back(log);
    events.iter().any(|id| taken_back.contains(id))
}

fn taken_back(log: &RoomLog) -> BTreeSet<EventId> {
    let messages = log.state().messages.iter();
    let taken_back = messages.filter(|message| message.retracted.is_some());
    taken_back.map(|message| message.id).collect()
}

/// One of these messages, other words for it, a sign on it, or its being taken back.
fn is_of(event: &SignedEvent, messages: &BTreeSet<EventId>) -> bool {
    match &event.event.kind {
        Kind::Message { .. } => messages.contains(&event.id()),
        Kind::Edit { of, .. } | Kind::Retract { of } | Kind::Reaction { to: of, .. } => {
            messages.contains(of)
        }
        _ => false,
    }
}

/// Who contributed to these events, with how many entries each: everybody but those who are only proved by them.
pub fn contributors(events: &[SignedEvent]) -> BTreeMap<Person, usize> {
    let mut people = BTreeMap::new();
    for event in events {
        let proof = matches!(
            event.event.kind,
            Kind::Delegation { .. } | Kind::Revocation { .. }
        );
        if !proof {
            *people.entry(event.event.person).or_insert(0) += 1;
        }
    }
    people
}
