//! What a re-count found: the result, which rules hold for how many, and each failure with its place. All of
//! it serializes, for `healthsync verify --json`.

use std::fmt;

use serde::Serialize;

use crate::{
    ballot::{RegistryAt, Signing},
    ids::{EventId, Millis, Person, RoomId},
};

use super::LateVote;

/// What must hold for a result to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Rule {
    /// Each event is signed by its device, over exactly these bytes.
    Signature,
    /// A wallet let the device speak for the person at that time.
    Delegation,
    /// Where the poll asks for it: the reader's wallet signed question and answer.
    Wallet,
    /// Events are of this room and this poll, and of the kind that they are listed as.
    Belongs,
    /// No two events claim the same place in a device's history.
    Place,
    /// The asker closed the poll, once.
    Close,
    /// Each vote that the close certifies is there, and counts.
    Certified,
    /// People who took part were on the room's list.
    Membership,
    /// The count equals the one in the file.
    Tally,
}

impl Rule {
    /// The name that it has in JSON.
    pub fn name(self) -> &'static str {
        match self {
            Rule::Signature => "signature",
            Rule::Delegation => "delegation",
            Rule::Wallet => "wallet",
            Rule::Belongs => "belongs",
            Rule::Place => "place",
            Rule::Close => "close",
            Rule::Certified => "certified",
            Rule::Membership => "membership",
            Rule::Tally => "tally",
        }
    }

    /// The rule as a sentence that holds.
    pub fn sentence(self) -> &'static str {
        match self {
            Rule::Signature => "Every event is signed by its device",
            Rule::Delegation => "Every device was delegated by a wallet at that time",
            Rule::Wallet => "Every counted vote is signed by its reader's wallet",
            Rule::Belongs => "Everything belongs to this poll",
            Rule::Place => "No event takes the place of another",
            Rule::Close => "The asker closed the poll, once",
            Rule::Certified => "Every vote that the close certifies is here and counts",
            Rule::Membership => "Readers were on the room's list",
            Rule::Tally => "The tally equals the one in the file",
        }
    }
}

/// Where in the file something is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case", tag = "list", content = "number")]
pub enum Part {
    /// `poll`.
    Poll,
    /// In `options`, from 1.
    Option(usize),
    /// In `votes`, from 1.
    Vote(usize),
    /// In `closes`, from 1.
    Close(usize),
    /// In `delegations`, from 1.
    Delegation(usize),
}

impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Poll => f.write_str("the question"),
            Part::Option(number) => write!(f, "added option {number}"),
            Part::Vote(number) => write!(f, "vote {number}"),
            Part::Close(number) => write!(f, "close {number}"),
            Part::Delegation(number) => write!(f, "delegation {number}"),
        }
    }
}

/// One thing that does not hold.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Failure {
    /// Which rule.
    pub rule: Rule,
    /// Where in the file, if at one place.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub part: Option<Part>,
    /// The event's id as computed from the bytes in the file, or as the close names it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event: Option<EventId>,
    /// Whom it claims to speak for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub person: Option<Person>,
    /// What is wrong, as a sentence.
    pub what: String,
}

/// How a rule fared.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// It holds for all.
    Good,
    /// It fails for some.
    Bad,
    /// It can't be known from the file alone.
    NotChecked,
}

/// A rule with the number of things it holds for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Check {
    /// Which rule.
    pub rule: Rule,
    /// How it fared.
    pub state: CheckState,
    /// For so many it holds.
    pub good: usize,
    /// Of so many.
    pub of: usize,
}

/// A re-count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Report {
    /// Whether nothing fails. What was not checked is not counted as failing.
    pub verified: bool,
    /// SHA-256 of the file.
    #[serde(with = "crate::bytes")]
    pub digest: [u8; 32],
    /// The room.
    pub room: RoomId,
    /// The chain of registry and delegations.
    pub chain_id: u64,
    /// Where and when the closer says who was a member; `None` if the closer could not look.
    pub registry: Option<RegistryAt>,
    /// What was asked; `None` if the question itself does not hold.
    pub question: Option<String>,
    /// Who asked, and closed.
    pub asker: Option<Person>,
    /// Who signed the votes.
    pub signing: Signing,
    /// By the closer's clock.
    pub closed_at: Option<Millis>,
    /// Text and count of each option, as re-counted.
    pub options: Vec<(String, u32)>,
    /// Who voted for which option (by its position), as re-counted.
    pub ballots: Vec<(Person, usize)>,
    /// Votes that the close certifies.
    pub certified: usize,
    /// Votes that are in the file and do not count, because the close does not certify them.
    pub late: Vec<LateVote>,
    /// Everybody whose word was used: asker, voters, those who added options.
    pub people: Vec<Person>,
    /// The rules, in order.
    pub checks: Vec<Check>,
    /// All that fails, in the order of the rules.
    pub failures: Vec<Failure>,
}

impl Report {
    /// Enters what a registry says about [`Self::people`] at [`Self::registry`]'s block: who is not on the
    /// room's list there. `None`: it could not be asked, and stays unchecked.
    pub fn enter_membership(&mut self, missing: Option<&[Person]>) {
        let (Some(missing), Some(at)) = (missing, self.registry) else {
            return;
        };
        self.failures
            .retain(|failure| failure.rule != Rule::Membership);
        let failures = missing.iter().map(|person| Failure {
            rule: Rule::Membership,
            part: None,
            event: None,
            person: Some(*person),
            what: format!(
                "{} was not on the room's list at block {}.",
                person.checksummed(),
                at.block
            ),
        });
        self.failures.extend(failures);
        self.failures.sort_by_key(|failure| failure.rule);
        let of = self.people.len();
        for check in &mut self.checks {
            if check.rule == Rule::Membership {
                check.good = of.saturating_sub(missing.len());
                check.of = of;
                check.state = state(check.good, of);
            }
        }
        self.verified = self.failures.is_empty();
    }

    /// The counts in the file's order, as `5, 1, 1, 0`.
    pub fn counts(&self) -> String {
        let counts: Vec<_> = self.options.iter().map(|(_, n)| n.to_string()).collect();
        counts.join(", ")
    }

    /// The whole verdict in a few words.
    pub fn headline(&self) -> String {
        let counted = self.ballots.len();
        if self.verified {
            return format!("Verified: {counted} of {} votes count", self.certified);
        }
        match self.failures.first() {
            Some(Failure {
                rule: Rule::Signature,
                part: Some(part),
                ..
            }) => format!("Not verified: {part} was changed"),
            Some(Failure {
                rule,
                part: Some(part),
                ..
            }) => format!("Not verified: {part} fails “{}”", rule.sentence()),
            Some(failure) => format!("Not verified: it fails “{}”", failure.rule.sentence()),
            None => "Not verified".to_owned(),
        }
    }
}

pub(super) fn state(good: usize, of: usize) -> CheckState {
    if good == of {
        CheckState::Good
    } else {
        CheckState::Bad
    }
}
