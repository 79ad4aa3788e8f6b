//! The signed events of a bundle, each checked on its own: form, signature, room, poll, kind, place,
//! delegation. What passes is what the count is made of.

use std::collections::BTreeMap;

use sha2::{Digest, Sha256};

use super::{Failure, Part, Rule, SignedBytes, VoteBundle, covers};
use crate::{
    delegation::SignedDelegation,
    event::{Event, EventError, Kind, SignedEvent},
    ids::{DeviceKey, EventId, Person},
};

/// One signed event of the file.
pub(super) struct Entry {
    pub(super) part: Part,
    /// Of the bytes as they are in the file.
    pub(super) id: EventId,
    /// What it claims, if it can be read at all.
    pub(super) person: Option<Person>,
    /// Set when form and signature hold.
    pub(super) signed: Option<SignedEvent>,
    /// Whether everything holds.
    pub(super) good: bool,
}

impl Entry {
    fn new(part: Part, bytes: &SignedBytes, failures: &mut Vec<Failure>) -> Self {
        let event = bytes.event.as_bytes();
        let mut entry = Self {
            part,
            id: EventId(Sha256::digest(event).into()),
            person: None,
            signed: None,
            good: true,
        };
        match SignedEvent::decode(event.to_vec(), bytes.signature) {
            Ok(signed) => {
                entry.person = Some(signed.event.person);
                entry.signed = Some(signed);
            }
            Err(error) => {
                let claimed: Option<Event> = serde_json::from_slice(event).ok();
                entry.person = claimed.as_ref().map(|event| event.person);
                let what = match (error, claimed) {
                    (EventError::Signature, Some(event)) => format!(
                        "{} of {}, event {} of its device: the bytes don't match the signature.",
                        capital(part),
                        event.person.short(),
                        event.seq
                    ),
                    (error, _) => format!("{}: {error}.", capital(part)),
                };
                entry.fail(Rule::Signature, what, failures);
            }
        }
        entry
    }

    pub(super) fn fail(&mut self, rule: Rule, what: String, failures: &mut Vec<Failure>) {
        self.good = false;
        failures.push(Failure {
            rule,
            part: Some(self.part),
            event: Some(self.id),
            person: self.person,
            what,
        });
    }
}

/// Reads all events and fails those that do not hold on their own.
pub(super) fn entries(bundle: &VoteBundle, failures: &mut Vec<Failure>) -> Vec<Entry> {
    let listed = |list: &'_ [SignedBytes], part: fn(usize) -> Part| -> Vec<(Part, SignedBytes)> {
        (1..)
            .zip(list)
            .map(|(n, bytes)| (part(n), bytes.clone()))
            .collect()
    };
    let mut all = vec![Entry::new(Part::Poll, &bundle.poll, failures)];
    for (list, part) in [
        (&bundle.options, Part::Option as fn(usize) -> Part),
        (&bundle.votes, Part::Vote),
        (&bundle.closes, Part::Close),
    ] {
        for (part, bytes) in listed(list, part) {
            all.push(Entry::new(part, &bytes, failures));
        }
    }
    belong(bundle, &mut all, failures);
    places(&mut all, failures);
    delegated(bundle, &mut all, failures);
    all
}

/// Room, kind and poll.
fn belong(bundle: &VoteBundle, all: &mut [Entry], failures: &mut Vec<Failure>) {
    let poll = all[0].id;
    for entry in all {
        let Some(signed) = &entry.signed else {
            continue;
        };
        let named = match (&signed.event.kind, entry.part) {
            (Kind::Poll { .. }, Part::Poll) => Some(poll),
            (Kind::Option { poll, .. }, Part::Option(_))
            | (Kind::Vote { poll, .. }, Part::Vote(_))
            | (Kind::Close { poll, .. }, Part::Close(_)) => Some(*poll),
            _ => None,
        };
        let what = match named {
            _ if signed.event.room != bundle.room => "was signed for another room",
            None => "is another kind of event",
            Some(named) if named != poll => {
                "was signed for another question, or for another wording of this one"
            }
            Some(_) => continue,
        };
        let what = format!("{} {what}.", capital(entry.part));
        entry.fail(Rule::Belongs, what, failures);
    }
}

/// One event for one number of a device, and each following the one before as far as both are here.
fn places(all: &mut [Entry], failures: &mut Vec<Failure>) {
    let mut taken: BTreeMap<(DeviceKey, u64), (EventId, Part)> = BTreeMap::new();
    for entry in all.iter_mut() {
        let Some(signed) = &entry.signed else {
            continue;
        };
        let at = (signed.event.device, signed.event.seq);
        if let Some((_, first)) = taken.get(&at) {
            let what = format!(
                "{} and {first} are both event {} of one device.",
                capital(entry.part),
                at.1
            );
            entry.fail(Rule::Place, what, failures);
        } else {
            taken.insert(at, (entry.id, entry.part));
        }
    }
    for entry in all {
        let Some(signed) = &entry.signed else {
            continue;
        };
        let before = (signed.event.device, signed.event.seq - 1);
        if let Some((id, first)) = taken.get(&before)
            && signed.event.prev != Some(*id)
        {
            let what = format!(
                "{} follows {first} by its number and names another event: the device's history has two branches.",
                capital(entry.part)
            );
            entry.fail(Rule::Place, what, failures);
        }
    }
}

/// Delegations themselves, then one for each event.
fn delegated(bundle: &VoteBundle, all: &mut [Entry], failures: &mut Vec<Failure>) {
    let mut good: Vec<&SignedDelegation> = Vec::new();
    for (number, delegation) in (1..).zip(&bundle.delegations) {
        match delegation.verify(bundle.chain_id) {
            Ok(()) => good.push(delegation),
            Err(error) => failures.push(Failure {
                rule: Rule::Delegation,
                part: Some(Part::Delegation(number)),
                event: None,
                person: Some(delegation.delegation.person),
                what: format!("{}: {error}.", capital(Part::Delegation(number))),
            }),
        }
    }
    for entry in all {
        let Some(signed) = &entry.signed else {
            continue;
        };
        if !good.iter().any(|delegation| covers(delegation, signed)) {
            let what = format!(
                "{}: no wallet signature in the file lets this device speak for {} at that time.",
                capital(entry.part),
                signed.event.person.short()
            );
            entry.fail(Rule::Delegation, what, failures);
        }
    }
}

/// As the start of a sentence.
pub(super) fn capital(part: Part) -> String {
    let text = part.to_string();
    let mut chars = text.chars();
    chars
        .next()
        .map(|first| first.to_uppercase().chain(chars).collect())
        .unwrap_or_default()
}
