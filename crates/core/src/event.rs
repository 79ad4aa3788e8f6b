//! Events: everything that is said in a room. A device signs an event's exact JSON bytes; their SHA-256
//! is the event's id. `seq` and `prev` make each device's events a hash chain, so that a dropped or
//! forked history is seen.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use sha2::{Digest, Sha256};

use crate::{
    ballot::{RegistryAt, Reveal, Signing, WalletVote},
    conversation::Terms,
    delegation::SignedDelegation,
    device::{self, DeviceSecret},
    epoch,
    ids::{DeviceKey, EventId, Millis, ParseIdError, Person, RoomId},
    limits::{self, LimitError},
    measurement::Measurement,
    revocation::SignedRevocation,
};

/// The version of the event format.
pub const VERSION: u32 = 1;

const DOMAIN: &[u8] = b"healthsync/event/1\0";

/// One thing said by one device for one person in one room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Event {
    /// Format version, [`VERSION`].
    pub v: u32,
    /// Where it is said; an event of one room is refused in every other.
    pub room: RoomId,
    /// Who says it.
    pub person: Person,
    /// On which device; signs the event.
    pub device: DeviceKey,
    /// Number of this event among the device's events in this room, from 1.
    pub seq: u64,
    /// The device's event before this one; `None` exactly when `seq` is 1.
    pub prev: Option<EventId>,
    /// One more than the largest Lamport clock that the device had seen in the room.
    pub lamport: u64,
    /// When, by the device's clock. Shown to people; never decides an order.
    pub at: Millis,
    /// What is said.
    pub kind: Kind,
}

/// What can be said. A kind that this version does not know is kept and forwarded, and means nothing.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum Kind {
    /// The person's wallet lets this device speak for it: a device's first event in a room, and again
    /// when renewed.
    Delegation {
        /// Of the event's person and device.
        delegation: SignedDelegation,
    },
    /// The room's name. Only the owner's counts.
    Room {
        /// The new name.
        name: String,
    },
    /// A message.
    Message {
        /// Plain text.
        text: String,
        /// The message or case that it answers.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        to: Option<EventId>,
        /// Whom it wants to reach above all.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        mentions: Vec<Person>,
    },
    /// Other words for a message, or for the caption of a case. Only its author's counts.
    Edit {
        /// The message or case.
        of: EventId,
        /// The new text.
        text: String,
    },
    /// Takes a message back. Only its author's counts, and for good.
    Retract {
        /// The message.
        of: EventId,
    },
    /// A sign on a message, given or taken back.
    Reaction {
        /// The message.
        to: EventId,
        /// Which.
        sign: Sign,
        /// Given, or taken back.
        on: bool,
    },
    /// Puts a message or case where everybody finds it, or takes it from there.
    Pin {
        /// The message or case.
        of: EventId,
        /// Put, or taken away.
        on: bool,
    },
    /// How a person wants to be shown. The latest counts.
    Profile {
        /// Name to be called by; may be empty.
        name: String,
        /// What she is: “Radiologist”; may be empty.
        role: String,
        /// Where: “Lagos”; may be empty.
        city: String,
    },
    /// The person's wallet ends a device's right to speak for her.
    Revocation {
        /// Of the event's person.
        revocation: SignedRevocation,
        /// The last event of that device which the writer knows: later numbers do not count, whatever
        /// time they bear.
        last: u64,
    },
    /// A new key for the room: what is said from now on is sealed with it.
    Epoch {
        /// The key's number: see [`crate::epoch`].
        epoch: u32,
        /// The block at which the writer read the list of members.
        block: u64,
        /// Who was taken off the list, as far as the writer knows.
        removed: Vec<Person>,
        /// How many people could read what was said before.
        readers: u32,
    },
    /// Images to look at together.
    Case {
        /// Plain text, may be empty.
        caption: String,
        /// At least one.
        images: Vec<ImageRef>,
    },
    /// Images of a case have new keys, and with them new encrypted files. Only the case's author's counts.
    NewKey {
        /// The case's event.
        case: EventId,
        /// Those that have one.
        images: Vec<Renewed>,
    },
    /// A question on a case.
    Poll {
        /// The case's event.
        case: EventId,
        /// What is asked.
        question: String,
        /// The options that it starts with.
        options: Vec<String>,
        /// Whether anybody may add options.
        open_options: bool,
        /// Who signs its votes.
        #[serde(default, skip_serializing_if = "is_default")]
        signing: Signing,
        /// When its counts are shown.
        #[serde(default, skip_serializing_if = "is_default")]
        reveal: Reveal,
    },
    /// One more option for a poll with open options.
    Option {
        /// The poll's event.
        poll: EventId,
        /// The option.
        text: String,
    },
    /// A vote, or a changed vote.
    Vote {
        /// The poll's event.
        poll: EventId,
        /// The choice.
        option: OptionId,
        /// In a poll with [`Signing::Wallet`].
        #[serde(default, skip_serializing_if = "Option::is_none")]
        wallet: Option<WalletVote>,
    },
    /// The asker ends a poll and certifies which votes count.
    Close {
        /// The poll's event.
        poll: EventId,
        /// The votes that count.
        counted: Vec<EventId>,
        /// The added options that are part of the poll. `None`, as older programs wrote it: those that come
        /// before the close in the room's order.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        options: Option<Vec<EventId>>,
        /// Who was a member, as far as the closer could look.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        registry: Option<RegistryAt>,
    },
    /// Somebody asks the contributors of a case to let it become a token.
    MintProposal(Box<MintProposal>),
    /// A contributor's answer; the latest counts.
    MintConsent {
        /// The proposal's event.
        proposal: EventId,
        /// What they say.
        answer: MintAnswer,
    },
    /// A transaction has minted the proposal, says whoever sent it.
    Minted {
        /// The proposal's event.
        proposal: EventId,
        /// `0x` and 64 lower-case hex digits.
        transaction: String,
    },
    /// A shape on an image, to be seen and measured by everybody.
    Measure {
        /// Where and what.
        measurement: Measurement,
    },
    /// Its author takes a measurement back.
    Unmeasure {
        /// The measurement's event.
        measurement: EventId,
    },
    /// A kind of a later version.
    #[serde(other)]
    Unknown,
}

/// What a reaction says. A closed list: a sign is a shape and a word, the same for everybody.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Sign {
    /// “I see it that way, too.”
    Agree,
    /// “I see it otherwise.”
    Disagree,
    /// “I am not sure.”
    Unsure,
    /// “I have seen it.”
    Seen,
    /// “Thank you.”
    Thanks,
    /// A sign of a later version.
    #[serde(other)]
    Unknown,
}

impl Sign {
    /// All that can be given, in the order to show them.
    pub const ALL: [Self; 5] = [
        Self::Agree,
        Self::Disagree,
        Self::Unsure,
        Self::Seen,
        Self::Thanks,
    ];
}

fn is_default<T: Default + PartialEq>(value: &T) -> bool {
    *value == T::default()
}

/// An image of a case: where its ciphertext is, and what to expect inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ImageRef {
    /// CID of the encrypted file.
    pub cid: String,
    /// What it is called: by its kind and size, since the name of its file may hold a patient's.
    pub name: String,
    /// Media type of the plain file.
    pub mime: String,
    /// Bytes of the plain file.
    pub size: u64,
    /// Pixels.
    pub width: u32,
    /// Pixels.
    pub height: u32,
    /// Set when the plain file is not a picture but the list of a series' pieces.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub series: Option<SeriesRef>,
    /// Of a photograph, unless a release wrote it that knew no receipts. A series has its own among its files.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub receipt: Option<PhotoReceipt>,
}

/// What cleaning took out of a photograph, and how to tell that the file is the cleaned one. There is no digest of the
/// file before: who has the cleaned one could guess what was removed, and try.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhotoReceipt {
    /// Program and version that cleaned it.
    pub tool: String,
    /// SHA-256 of the plain file, lower-case hex.
    pub sha256: String,
    /// Kinds of data that were in the file, in short: `exif`.
    pub removed: Vec<String>,
}

impl PhotoReceipt {
    /// Whether it speaks of the plain file with this SHA-256.
    pub fn is_of(&self, sha256: &[u8; 32]) -> bool {
        self.sha256 == hex::encode(sha256)
    }

    fn check(&self) -> Result<(), LimitError> {
        limits::check_chars("The receipt's tool", &self.tool, limits::RECEIPT_CHARS)?;
        let hex = |byte: u8| byte.is_ascii_digit() || (b'a'..=b'f').contains(&byte);
        if self.sha256.len() != 64 || !self.sha256.bytes().all(hex) {
            return Err(LimitError::Wrong(
                "A receipt's SHA-256 is 64 lower-case hex digits.",
            ));
        }
        limits::check_count(
            "The receipt",
            "kinds of data",
            self.removed.len(),
            limits::RECEIPT_KINDS,
        )?;
        self.removed
            .iter()
            .try_for_each(|kind| limits::check_chars("A kind of data", kind, limits::RECEIPT_CHARS))
    }
}

/// An image under a new key.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Renewed {
    /// CID of the encrypted file before.
    pub was: String,
    /// CID of the encrypted file now.
    pub cid: String,
    /// Bytes of the plain file: those of a series' list may be others than before.
    pub size: u64,
}

/// What to expect of a series before it is unlocked.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct SeriesRef {
    /// Slices or frames.
    pub slices: u32,
    /// Bytes of all its plain files.
    pub bytes: u64,
    /// DICOM's code: `CT`.
    pub modality: String,
}

/// A case as it is to be minted. Whoever is asked can compute the commitment from what is in the room.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MintProposal {
    /// The case's event.
    pub case: EventId,
    /// The token contract.
    pub contract: Person,
    /// What is to be signed.
    pub terms: Terms,
    /// The commitment's salt.
    #[serde(with = "crate::bytes")]
    pub salt: [u8; 32],
    /// What becomes part of the token, in the room's order.
    pub events: Vec<EventId>,
    /// CID of the sealed bundle.
    pub bundle: String,
}

/// What a contributor says to a proposal.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case")]
pub enum MintAnswer {
    /// Agrees: the wallet's EIP-712 signature of the terms.
    Signed {
        /// Lower-case hex.
        signature: String,
    },
    /// Does not agree.
    Declined,
}

/// An option of a poll: the `index`-th of the poll event, or 0 of the event that added it.
/// Text form `0x…/3`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct OptionId {
    /// The poll, or the event of kind [`Kind::Option`].
    pub event: EventId,
    /// Position in the poll's own options; 0 for an added one.
    pub index: u16,
}

impl fmt::Display for OptionId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.event, self.index)
    }
}

impl FromStr for OptionId {
    type Err = ParseIdError;

    fn from_str(text: &str) -> Result<Self, ParseIdError> {
        let parsed = text.split_once('/').and_then(|(event, index)| {
            Some(Self {
                event: event.parse().ok()?,
                index: index.parse().ok()?,
            })
        });
        match parsed {
            Some(id) if id.to_string() == text => Ok(id),
            _ => Err(ParseIdError::new(
                "An option is an event id, a slash and a number.",
            )),
        }
    }
}

impl Serialize for OptionId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for OptionId {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = String::deserialize(from)?;
        text.parse().map_err(de::Error::custom)
    }
}

/// Why an event is refused. Always the fault of whoever made it.
#[derive(Debug, thiserror::Error)]
pub enum EventError {
    /// Something in it is too long, too many or empty.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// No event of a form that this version reads.
    #[error("the event cannot be read: {0}")]
    Form(#[from] serde_json::Error),
    /// A format of another version.
    #[error("the event has version {0}; this program reads version {VERSION}")]
    Version(u32),
    /// `seq`, `lamport`, the number of a wallet's vote or that of a block is 0 or too large, or `prev` does
    /// not fit `seq`.
    #[error("the event's place in its device's history is impossible")]
    Place,
    /// A delegation for another person or device than the event's, or a revocation by another person.
    #[error("the delegation in the event is not for the event's person and device")]
    Delegation,
    /// No epoch that anybody could have begun.
    #[error("the event begins an impossible epoch")]
    Epoch,
    /// Not signed by the event's device.
    #[error("the event's signature is wrong")]
    Signature,
}

impl Event {
    /// The bytes to sign: compact UTF-8 JSON, fields in the order of the struct.
    pub fn encode(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("an event has only text keys and finite numbers")
    }

    /// Checks everything that needs neither the signature nor the room; run it before signing.
    pub fn check(&self) -> Result<(), EventError> {
        self.check_fields()?;
        Ok(check_size(&self.encode())?)
    }

    fn check_fields(&self) -> Result<(), EventError> {
        if self.v != VERSION {
            return Err(EventError::Version(self.v));
        }
        let numbers = 1..=limits::CLOCK;
        let in_kind = match &self.kind {
            Kind::Vote { wallet, .. } => wallet.map(|wallet| wallet.number),
            Kind::Close { registry, .. } => registry.map(|registry| registry.block),
            _ => None,
        };
        if !numbers.contains(&self.seq)
            || !numbers.contains(&self.lamport)
            || self.prev.is_none() != (self.seq == 1)
            || in_kind.is_some_and(|number| !numbers.contains(&number))
        {
            return Err(EventError::Place);
        }
        if let Kind::Delegation { delegation } = &self.kind
            && (delegation.delegation.person != self.person
                || delegation.delegation.device != self.device)
        {
            return Err(EventError::Delegation);
        }
        if let Kind::Revocation { revocation, last } = &self.kind
            && (revocation.revocation.person != self.person || *last > limits::CLOCK)
        {
            return Err(EventError::Delegation);
        }
        if let Kind::Epoch { epoch, block, .. } = &self.kind
            && (epoch::number(*epoch) == 0 || *block > limits::CLOCK)
        {
            return Err(EventError::Epoch);
        }
        Ok(self.kind.check()?)
    }
}

impl Kind {
    /// A message that answers nothing and mentions nobody.
    pub fn message(text: impl Into<String>) -> Self {
        Self::Message {
            text: text.into(),
            to: None,
            mentions: Vec::new(),
        }
    }

    /// What a wallet has signed, if the event brings that; it counts by itself.
    pub(crate) fn clone_proof(&self) -> Option<Self> {
        match self {
            Self::Delegation { .. } | Self::Revocation { .. } => Some(self.clone()),
            _ => None,
        }
    }

    /// Checks lengths and counts; run it before signing, the error is a sentence for the writer.
    pub fn check(&self) -> Result<(), LimitError> {
        match self {
            Kind::Delegation { .. }
            | Kind::Revocation { .. }
            | Kind::Vote { .. }
            | Kind::Retract { .. }
            | Kind::Reaction { .. }
            | Kind::Pin { .. }
            | Kind::Unmeasure { .. }
            | Kind::Unknown => Ok(()),
            Kind::MintProposal(proposal) => proposal.check(),
            Kind::MintConsent { answer, .. } => answer.check(),
            Kind::Minted { transaction, .. } => match EventId::from_str(transaction) {
                Ok(_) => Ok(()),
                Err(_) => Err(LimitError::Wrong(
                    "A transaction is 0x and 64 lower-case hex digits.",
                )),
            },
            Kind::Measure { measurement } => measurement.check(),
            Kind::Room { name } => limits::check_name(name),
            Kind::Message { text, mentions, .. } => {
                limits::check_message(text)?;
                let found = mentions.len();
                limits::check_count("The message", "mentions", found, limits::MENTIONS)
            }
            Kind::Edit { text, .. } => limits::check_message(text),
            Kind::Profile { name, role, city } => limits::check_profile(name, role, city),
            Kind::Epoch { removed, .. } => {
                limits::check_count("The epoch", "people", removed.len(), limits::REMOVED)
            }
            Kind::Case { caption, images } => {
                limits::check_caption(caption)?;
                limits::check_images(images.len())?;
                images.iter().try_for_each(ImageRef::check)
            }
            Kind::NewKey { images, .. } => {
                limits::check_images(images.len())?;
                images.iter().try_for_each(Renewed::check)
            }
            Kind::Poll {
                question, options, ..
            } => {
                limits::check_question(question)?;
                limits::check_options(options)
            }
            Kind::Option { text, .. } => limits::check_option(text),
            Kind::Close {
                counted, options, ..
            } => {
                let options = options.as_ref().map_or(0, Vec::len);
                limits::check_count("The result", "votes", counted.len(), limits::COUNTED_VOTES)?;
                limits::check_count(
                    "The result",
                    "added options",
                    options,
                    limits::CERTIFIED_OPTIONS,
                )
            }
        }
    }
}

impl MintProposal {
    fn check(&self) -> Result<(), LimitError> {
        self.terms.check()?;
        limits::check_count(
            "The bundle's CID",
            "bytes",
            self.bundle.len(),
            limits::CID_BYTES,
        )?;
        limits::check_count(
            "The proposal",
            "entries",
            self.events.len(),
            limits::MINTED_EVENTS,
        )
    }
}

impl MintAnswer {
    fn check(&self) -> Result<(), LimitError> {
        let MintAnswer::Signed { signature } = self else {
            return Ok(());
        };
        let hex = signature.len().is_multiple_of(2)
            && signature
                .bytes()
                .all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f'));
        if !hex || signature.is_empty() {
            return Err(LimitError::Wrong("A signature is lower-case hex digits."));
        }
        limits::check_count(
            "The signature",
            "bytes",
            signature.len() / 2,
            limits::CONSENT_BYTES,
        )
    }
}

impl Renewed {
    fn check(&self) -> Result<(), LimitError> {
        check_cid(&self.was)?;
        check_cid(&self.cid)
    }
}

fn check_cid(cid: &str) -> Result<(), LimitError> {
    limits::check_count("The image's CID", "bytes", cid.len(), limits::CID_BYTES)
}

impl ImageRef {
    fn check(&self) -> Result<(), LimitError> {
        check_cid(&self.cid)?;
        limits::check_chars("The image's name", &self.name, limits::NAME_CHARS)?;
        limits::check_count(
            "The file's type",
            "bytes",
            self.mime.len(),
            limits::MIME_BYTES,
        )?;
        if let Some(receipt) = &self.receipt {
            receipt.check()?;
        }
        let Some(series) = &self.series else {
            return Ok(());
        };
        limits::check_count(
            "The series",
            "slices",
            series.slices as usize,
            limits::SLICES,
        )?;
        limits::check_count(
            "The series' modality",
            "bytes",
            series.modality.len(),
            limits::MODALITY_BYTES,
        )
    }
}

/// An event with its exact bytes and a signature that has been checked: it can only be made by
/// [`Self::sign`] and [`Self::decode`].
#[derive(Clone, PartialEq, Eq)]
pub struct SignedEvent {
    /// What was signed.
    pub bytes: Vec<u8>,
    /// By `event.device`, over the domain separator and `bytes`.
    pub signature: [u8; 64],
    /// `bytes`, decoded.
    pub event: Event,
    id: EventId,
}

impl SignedEvent {
    /// Signs `event`. The caller has run [`Event::check`]; peers refuse what does not pass it.
    pub fn sign(event: Event, secret: &DeviceSecret) -> Self {
        let bytes = event.encode();
        Self {
            signature: secret.sign(&signed_message(&bytes)),
            id: id_of(&bytes),
            bytes,
            event,
        }
    }

    /// Reads and checks an event: size, form, version, limits, signature.
    pub fn decode(bytes: Vec<u8>, signature: [u8; 64]) -> Result<Self, EventError> {
        check_size(&bytes)?;
        let event: Event = serde_json::from_slice(&bytes)?;
        event.check_fields()?;
        if !device::verify(&event.device, &signed_message(&bytes), &signature) {
            return Err(EventError::Signature);
        }
        Ok(Self {
            signature,
            id: id_of(&bytes),
            bytes,
            event,
        })
    }

    /// An event that was read or signed before, from its bytes.
    pub(crate) fn again(bytes: Vec<u8>, signature: [u8; 64], id: EventId) -> Self {
        Self {
            event: serde_json::from_slice(&bytes).expect("they were read before"),
            bytes,
            signature,
            id,
        }
    }

    /// SHA-256 of the bytes.
    pub fn id(&self) -> EventId {
        self.id
    }
}

impl fmt::Debug for SignedEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SignedEvent")
            .field("id", &self.id)
            .field("event", &self.event)
            .finish_non_exhaustive()
    }
}

fn check_size(bytes: &[u8]) -> Result<(), LimitError> {
    limits::check_count("The event", "bytes", bytes.len(), limits::EVENT_BYTES)
}

fn signed_message(bytes: &[u8]) -> Vec<u8> {
    [DOMAIN, bytes].concat()
}

fn id_of(bytes: &[u8]) -> EventId {
    EventId(Sha256::digest(bytes).into())
}
