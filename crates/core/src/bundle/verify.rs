//! The re-count: entries that hold on their own go into the room's own poll, and what comes out is compared
//! with what the close certifies and with what the file says.

use std::collections::{BTreeMap, BTreeSet};

use sha2::{Digest, Sha256};

use super::{
    BundleError, Check, CheckState, Failure, Part, Report, Rule, Tally, VoteBundle,
    entries::{Entry, capital, entries},
    report::state,
};
use crate::{
    ballot::Signing,
    event::Kind,
    ids::{EventId, Person},
    room::{PollView, poll::Poll},
};

/// Re-counts a file. Everything that fails is in the report, not only the first thing.
///
/// # Errors
/// When the file is no bundle at all.
pub fn verify(bytes: &[u8]) -> Result<Report, BundleError> {
    let bundle = VoteBundle::decode(bytes)?;
    let mut failures = Vec::new();
    let mut all = entries(&bundle, &mut failures);

    let mut poll = Poll::default();
    for entry in all.iter().filter(|entry| entry.good) {
        if let Some(signed) = &entry.signed {
            poll.take(signed, bundle.chain_id);
        }
    }
    let view = poll.view();
    closes(view.as_ref(), &mut all, &mut failures);
    let certified = certified(&all, view.as_ref(), &bundle, &mut failures);
    tally(view.as_ref(), &bundle, &mut failures);
    failures.sort_by_key(|failure| failure.rule);
    Ok(report(bytes, &bundle, view, &all, certified, failures))
}

/// One close, by the asker.
fn closes(view: Option<&PollView>, all: &mut [Entry], failures: &mut Vec<Failure>) {
    let Some(view) = view else { return };
    for entry in all.iter_mut() {
        if matches!(entry.part, Part::Close(_)) && entry.good && entry.person != Some(view.asker) {
            let what = format!("{} is not by the asker.", capital(entry.part));
            entry.fail(Rule::Close, what, failures);
        }
    }
    let failure = |event, what: &str| Failure {
        rule: Rule::Close,
        part: None,
        event,
        person: Some(view.asker),
        what: what.to_owned(),
    };
    match &view.closed {
        None => failures.push(failure(
            None,
            "No close by the asker holds, so the poll is open and has no result.",
        )),
        Some(closed) => failures.extend(closed.contradicted_by.iter().map(|id| {
            failure(
                Some(*id),
                "The asker has signed another close that certifies other votes.",
            )
        })),
    }
}

/// What the close certifies is there and counts. Gives the number of certified votes and of those that fail.
fn certified(
    all: &[Entry],
    view: Option<&PollView>,
    bundle: &VoteBundle,
    failures: &mut Vec<Failure>,
) -> (usize, usize, usize) {
    let Some((view, closed)) = view.and_then(|view| Some((view, view.closed.as_ref()?))) else {
        return (0, 0, 0);
    };
    let votes: BTreeMap<EventId, &Entry> = all
        .iter()
        .filter(|entry| matches!(entry.part, Part::Vote(_)))
        .map(|entry| (entry.id, entry))
        .collect();
    let wanted: BTreeSet<EventId> = closed.counted.iter().copied().collect();
    let (mut missing, mut unsigned) = (0, 0);
    for id in &wanted {
        let (part, person, rule, what) = match votes.get(id) {
            None => (
                None,
                None,
                Rule::Certified,
                format!("The close certifies vote {id}, which is not in the file."),
            ),
            // Said already.
            Some(entry) if !entry.good => {
                missing += 1;
                continue;
            }
            Some(entry) => match why_not(entry, view, bundle) {
                None => continue,
                Some((rule, what)) => (Some(entry.part), entry.person, rule, what),
            },
        };
        if rule == Rule::Wallet {
            unsigned += 1;
        } else {
            missing += 1;
        }
        failures.push(Failure {
            rule,
            part,
            event: Some(*id),
            person,
            what,
        });
    }
    (wanted.len(), missing, unsigned)
}

/// Why a certified vote that holds on its own does not count.
fn why_not(entry: &Entry, view: &PollView, bundle: &VoteBundle) -> Option<(Rule, String)> {
    let event = &entry.signed.as_ref()?.event;
    let Kind::Vote { option, wallet, .. } = &event.kind else {
        return None;
    };
    let what = capital(entry.part);
    if !view.options.iter().any(|known| known.id == *option) {
        return Some((
            Rule::Certified,
            format!("{what} is for an option that the poll does not have."),
        ));
    }
    if view.signing == Signing::Device {
        return None;
    }
    let Some(wallet) = wallet else {
        return Some((
            Rule::Wallet,
            format!("{what} has no wallet signature; this poll asks for one."),
        ));
    };
    let ballot = view.ballot(
        bundle.room,
        bundle.chain_id,
        event.person,
        wallet.number,
        *option,
    )?;
    let error = ballot.verify(&wallet.signature).err()?;
    Some((Rule::Wallet, format!("{what}: {error}.")))
}

/// The count in the file.
fn tally(view: Option<&PollView>, bundle: &VoteBundle, failures: &mut Vec<Failure>) {
    let counted = view.and_then(Tally::of);
    if counted.as_ref() == Some(&bundle.result) {
        return;
    }
    let counts = |tally: &Tally| {
        let counts: Vec<_> = tally.options.iter().map(|o| o.count.to_string()).collect();
        counts.join(", ")
    };
    let (said, found) = (counts(&bundle.result), counted.as_ref().map(counts));
    let what = match found {
        None => format!("The file says {said}; nothing can be counted."),
        Some(found) if found != said => {
            format!("The file says {said}; the signatures add up to {found}.")
        }
        Some(_) => "The numbers agree, but words, voters or late votes in the file's result differ from what was signed.".to_owned(),
    };
    failures.push(Failure {
        rule: Rule::Tally,
        part: None,
        event: None,
        person: None,
        what,
    });
}

fn report(
    bytes: &[u8],
    bundle: &VoteBundle,
    view: Option<PollView>,
    all: &[Entry],
    (certified, missing, unsigned): (usize, usize, usize),
    failures: Vec<Failure>,
) -> Report {
    let closed = view.as_ref().and_then(|view| view.closed.as_ref());
    let registry = closed.and_then(|closed| closed.registry);
    let failed = |rule: Rule| {
        let parts: BTreeSet<_> = failures
            .iter()
            .filter(|f| f.rule == rule && !matches!(f.part, Some(Part::Delegation(_))))
            .map(|f| (f.part, f.event))
            .collect();
        parts.len()
    };
    let readable = all.iter().filter(|entry| entry.signed.is_some()).count();
    let check = |rule, good, of| Check {
        rule,
        state: state(good, of),
        good,
        of,
    };
    let of_all = |rule, of: usize| check(rule, of.saturating_sub(failed(rule)), of);
    let mut delegation = of_all(Rule::Delegation, readable);
    if failures.iter().any(|f| f.rule == Rule::Delegation) {
        delegation.state = CheckState::Bad;
    }
    let people: BTreeSet<Person> = all
        .iter()
        .filter(|e| e.good)
        .filter_map(|e| e.person)
        .collect();
    let mut checks = vec![of_all(Rule::Signature, all.len()), delegation];
    if view
        .as_ref()
        .is_some_and(|view| view.signing == Signing::Wallet)
    {
        checks.push(check(
            Rule::Wallet,
            certified.saturating_sub(missing + unsigned),
            certified,
        ));
    }
    checks.push(of_all(Rule::Belongs, readable));
    checks.push(of_all(Rule::Place, readable));
    checks.push(check(
        Rule::Close,
        usize::from(closed.is_some() && failed(Rule::Close) == 0),
        1,
    ));
    let mut all_there = check(
        Rule::Certified,
        certified.saturating_sub(missing),
        certified,
    );
    if closed.is_none() {
        all_there.state = CheckState::Bad;
    }
    checks.push(all_there);
    checks.push(Check {
        rule: Rule::Membership,
        state: CheckState::NotChecked,
        good: 0,
        of: people.len(),
    });
    checks.push(check(Rule::Tally, usize::from(failed(Rule::Tally) == 0), 1));

    let options = view.iter().flat_map(|view| &view.options);
    let place = |id| options.clone().position(|option| option.id == id);
    let votes = view.iter().flat_map(|view| &view.votes);
    Report {
        verified: failures.is_empty(),
        digest: Sha256::digest(bytes).into(),
        room: bundle.room,
        chain_id: bundle.chain_id,
        registry,
        asker: view.as_ref().map(|view| view.asker),
        signing: view.as_ref().map_or(Signing::Device, |view| view.signing),
        closed_at: closed.map(|closed| closed.at),
        options: options.clone().map(|o| (o.text.clone(), o.count)).collect(),
        ballots: votes
            .filter_map(|(person, (_, option))| Some((*person, place(*option)?)))
            .collect(),
        certified,
        late: view
            .as_ref()
            .and_then(Tally::of)
            .map(|tally| tally.late)
            .unwrap_or_default(),
        people: people.into_iter().collect(),
        question: view.map(|view| view.question),
        checks,
        failures,
    }
}
