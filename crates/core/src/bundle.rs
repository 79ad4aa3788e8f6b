//! Vote bundles: the result of a closed poll as a JSON file that anybody can re-count, with no server and no
//! key. `docs/vote-bundle.md` describes the format for other implementers.
//!
//! [`VoteBundle::of`] makes one from a room; [`verify`] re-counts one and lists everything that fails. The
//! count itself is the room's own ([`crate::room`]), so that room and file cannot disagree about a rule.

use serde::{Deserialize, Serialize};

use crate::{
    bytes,
    delegation::SignedDelegation,
    event::{Kind, OptionId, SignedEvent},
    ids::{EventId, Millis, Person, RoomId},
    limits,
    room::{PollView, RoomLog},
};

mod entries;
mod report;
mod verify;

pub use report::{Check, CheckState, Failure, Part, Report, Rule};
pub use verify::verify;

/// The value of `format`.
pub const FORMAT: &str = "healthsync/vote-bundle";
/// The version of the format.
pub const VERSION: u32 = 1;

/// A closed poll with everything that its count rests on, and nothing else that was said in the room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct VoteBundle {
    /// [`FORMAT`].
    pub format: String,
    /// [`VERSION`].
    pub v: u32,
    /// The room; every event names it.
    pub room: RoomId,
    /// The chain that delegations are for, and whose registry lists the members.
    pub chain_id: u64,
    /// The question.
    pub poll: SignedBytes,
    /// Added options.
    pub options: Vec<SignedBytes>,
    /// Every vote in the poll, those that were changed and those that came too late included.
    pub votes: Vec<SignedBytes>,
    /// What the asker has declared as the end: one, unless the asker contradicts herself.
    pub closes: Vec<SignedBytes>,
    /// Wallets' signatures for the devices that signed all this.
    pub delegations: Vec<SignedDelegation>,
    /// The count as whoever made the file had it.
    pub result: Tally,
}

/// An event as it was signed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedBytes {
    /// The exact text that was signed; its UTF-8 bytes are hashed and verified as they are.
    pub event: String,
    /// By the event's device, in hex.
    #[serde(with = "bytes")]
    pub signature: [u8; 64],
}

/// A count, for people to read and for [`verify`] to compare.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Tally {
    /// What was asked.
    pub question: String,
    /// By the closer's clock.
    pub closed_at: Millis,
    /// In the poll's order.
    pub options: Vec<TallyOption>,
    /// Votes that do not count because the close does not certify them, by person.
    pub late: Vec<LateVote>,
}

/// One option's count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct TallyOption {
    /// What votes name.
    pub id: OptionId,
    /// Its words.
    pub text: String,
    /// Votes that count.
    pub count: u32,
    /// Whose they are, by address.
    pub voters: Vec<Person>,
}

/// A vote that would count, had it been certified.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct LateVote {
    /// Whose.
    pub person: Person,
    /// Its event.
    pub event: EventId,
    /// Its choice.
    pub option: OptionId,
}

/// Why a file is no vote bundle. Nothing in it was checked then.
#[derive(Debug, thiserror::Error)]
pub enum BundleError {
    /// Larger than any bundle.
    #[error("The file has {0} bytes; a result file has at most {limit}.", limit = limits::BUNDLE_BYTES)]
    TooLarge(usize),
    /// No JSON of the right form, or something after its end.
    #[error("The file is not a result file that this program can read: {0}.")]
    Form(#[from] serde_json::Error),
    /// Another kind of file.
    #[error("The file calls itself “{0}”, not “{FORMAT}”.")]
    Format(String),
    /// Of another version.
    #[error("The file has version {0}; this program reads version {VERSION}.")]
    Version(u32),
    /// More signatures than a poll can have.
    #[error("The file has {0} signed events; a result file has at most {limit}.", limit = limits::BUNDLE_EVENTS)]
    TooMany(usize),
}

impl Tally {
    /// `None` while the poll is open.
    pub fn of(poll: &PollView) -> Option<Self> {
        let option = |option: &crate::room::OptionView| TallyOption {
            id: option.id,
            text: option.text.clone(),
            count: option.count,
            voters: option.voters.clone(),
        };
        let late = |(person, (event, option)): (&Person, &(EventId, OptionId))| LateVote {
            person: *person,
            event: *event,
            option: *option,
        };
        Some(Self {
            question: poll.question.clone(),
            closed_at: poll.closed.as_ref()?.at,
            options: poll.options.iter().map(option).collect(),
            late: poll.late.iter().map(late).collect(),
        })
    }
}

impl VoteBundle {
    /// The bundle of a closed poll in `log`; `None` if there is no such poll, or it is open.
    pub fn of(log: &RoomLog, poll: &EventId) -> Option<Self> {
        let view = log.state().poll(poll)?;
        let result = Tally::of(view)?;
        let in_result = |id: &EventId| view.options.iter().any(|option| option.id.event == *id);
        let mut ask = None;
        let (mut options, mut votes, mut closes) = (vec![], vec![], vec![]);
        // A delegation proves itself, whether or not the event that brought it counts.
        let proofs = log.events().filter_map(|other| match other.event.kind {
            Kind::Delegation { delegation } => Some(delegation),
            _ => None,
        });
        let proofs: Vec<SignedDelegation> = proofs.collect();
        let mut delegations: Vec<SignedDelegation> = Vec::new();
        for signed in log.counting() {
            let list = match &signed.event.kind {
                Kind::Poll { .. } if signed.id() == *poll => {
                    ask = Some(SignedBytes::of(&signed)?);
                    None
                }
                Kind::Option { poll: of, .. } if of == poll && in_result(&signed.id()) => {
                    Some(&mut options)
                }
                Kind::Vote { poll: of, .. } if of == poll => Some(&mut votes),
                Kind::Close { poll: of, .. } if of == poll && signed.event.person == view.asker => {
                    Some(&mut closes)
                }
                _ => continue,
            };
            if let Some(list) = list {
                list.push(SignedBytes::of(&signed)?);
            }
            let covers = |d: &&SignedDelegation| covers(d, &signed);
            if !delegations.iter().any(|d| covers(&d)) {
                delegations.extend(proofs.iter().find(covers).cloned());
            }
        }
        Some(Self {
            format: FORMAT.to_owned(),
            v: VERSION,
            room: log.room(),
            chain_id: log.chain_id(),
            poll: ask?,
            options,
            votes,
            closes,
            delegations,
            result,
        })
    }

    /// The file: compact JSON and a line feed.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = serde_json::to_vec(self).expect("only text keys and finite numbers");
        bytes.push(b'\n');
        bytes
    }

    /// Reads a file. White space between values is taken, anything else after the end is not.
    ///
    /// # Errors
    /// See [`BundleError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, BundleError> {
        if bytes.len() > limits::BUNDLE_BYTES {
            return Err(BundleError::TooLarge(bytes.len()));
        }
        let bundle: Self = serde_json::from_slice(bytes)?;
        if bundle.format != FORMAT {
            let shown = bundle.format.chars().take(60).collect();
            return Err(BundleError::Format(shown));
        }
        if bundle.v != VERSION {
            return Err(BundleError::Version(bundle.v));
        }
        let events = 1 + bundle.options.len() + bundle.votes.len() + bundle.closes.len();
        let signatures = events + bundle.delegations.len();
        if signatures > limits::BUNDLE_EVENTS {
            return Err(BundleError::TooMany(signatures));
        }
        Ok(bundle)
    }

    /// A name for the file that says nothing about a patient: the poll's id, shortened.
    pub fn file_name(poll: &EventId) -> String {
        format!("healthsync-result-{}.json", &poll.to_string()[2..14])
    }
}

impl SignedBytes {
    fn of(signed: &SignedEvent) -> Option<Self> {
        Some(Self {
            event: String::from_utf8(signed.bytes.clone()).ok()?,
            signature: signed.signature,
        })
    }
}

/// Whether this delegation, if it is good, lets the event's device speak for the event's person.
fn covers(delegation: &SignedDelegation, signed: &SignedEvent) -> bool {
    let (inner, event) = (&delegation.delegation, &signed.event);
    inner.person == event.person && inner.device == event.device && inner.covers(event.at)
}
