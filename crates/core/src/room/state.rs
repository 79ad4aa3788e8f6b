//! What a set of events means, as plain data for views and for comparing. Everything that is listed is
//! in order of (Lamport clock, event id) unless it says otherwise.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;

use super::{
    Key,
    mint::MintView,
    ordered::{Ordered, Placed},
};
use crate::{
    ballot::{Ballot, RegistryAt, Reveal, Signing},
    event::{ImageRef, OptionId, Renewed, Sign},
    ids::{DeviceKey, EventId, Millis, Person, RoomId},
    limits,
    measurement::Measurement,
};

/// The state of a room: a pure function of the set of its events.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct RoomState {
    /// The owner's latest name for the room.
    pub name: Option<String>,
    /// All messages, those that were taken back included.
    pub messages: Ordered<MessageView>,
    /// All cases, each with its polls.
    pub cases: Vec<CaseView>,
    /// What somebody has pinned, in the order of pinning.
    pub pins: Vec<PinView>,
    /// The room's keys after its first one, by order and then in the room's order.
    pub epochs: Vec<EpochView>,
    /// Proposals to mint a case.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mints: Vec<MintView>,
    /// Everybody who has brought a delegation.
    pub people: BTreeMap<Person, PersonView>,
    /// Events that are kept and do not count, with what they wait for.
    pub pending: Ordered<PendingView>,
    /// Devices that signed two different events with one number, by device and number.
    pub forks: Vec<Fork>,
    /// Events that are missing although later ones of the same device are there, by device and number.
    pub gaps: Vec<Gap>,
}

impl RoomState {
    /// A canonical form: equal exactly when the states are equal.
    pub fn to_bytes(&self) -> Vec<u8> {
        serde_json::to_vec(self).expect("all keys are text")
    }

    /// The case with this id.
    pub fn case(&self, id: &EventId) -> Option<&CaseView> {
        self.cases.iter().find(|case| case.id == *id)
    }

    /// The poll with this id, in whichever case it is.
    pub fn poll(&self, id: &EventId) -> Option<&PollView> {
        let mut polls = self.cases.iter().flat_map(|case| &case.polls);
        polls.find(|poll| poll.id == *id)
    }
}

/// A message.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MessageView {
    /// The event.
    pub id: EventId,
    /// Who wrote it.
    pub person: Person,
    /// On which device.
    pub device: DeviceKey,
    /// Place in the room's order.
    pub lamport: u64,
    /// By the device's clock.
    pub at: Millis,
    /// Plain text, as its author last worded it; empty when it was taken back.
    pub text: String,
    /// The message or case that it answers.
    pub to: Option<EventId>,
    /// Whom it wants to reach above all.
    pub mentions: Vec<Person>,
    /// When its author last changed the words.
    pub edited: Option<Millis>,
    /// When its author took it back.
    pub retracted: Option<Millis>,
    /// Who has given which sign.
    pub reactions: BTreeMap<Sign, BTreeSet<Person>>,
}

impl Placed for MessageView {
    fn key(&self) -> Key {
        (self.lamport, self.id)
    }
}

/// One wording of a message or caption.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Wording {
    /// By the clock of the device that it was written on.
    pub at: Millis,
    /// Plain text.
    pub text: String,
}

/// Something that is pinned.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PinView {
    /// The message or case.
    pub of: EventId,
    /// The pinning event.
    pub id: EventId,
    /// Who pinned it.
    pub person: Person,
    /// Place of the pinning in the room's order.
    pub lamport: u64,
    /// By the device's clock.
    pub at: Millis,
}

/// A key of the room after its first one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EpochView {
    /// The event.
    pub id: EventId,
    /// The key's number.
    pub epoch: u32,
    /// Who made it.
    pub person: Person,
    /// Place in the room's order.
    pub lamport: u64,
    /// By the device's clock.
    pub at: Millis,
    /// At which block its maker read the list of members.
    pub block: u64,
    /// Who was taken off the list, as its maker knew.
    pub removed: Vec<Person>,
    /// How many people could read what was said before, as its maker knew.
    pub readers: u32,
}

/// A case: images, and the polls on them.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CaseView {
    /// The event.
    pub id: EventId,
    /// Who brought it.
    pub person: Person,
    /// On which device.
    pub device: DeviceKey,
    /// Place in the room's order.
    pub lamport: u64,
    /// By the device's clock.
    pub at: Millis,
    /// Plain text as its author last worded it, may be empty.
    pub caption: String,
    /// When its author last changed the caption.
    pub edited: Option<Millis>,
    /// At least one, each as it is encrypted now.
    pub images: Vec<ImageRef>,
    /// When they got new keys.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub new_keys: Vec<NewKeyView>,
    /// Questions on this case.
    pub polls: Vec<PollView>,
    /// Measurements on its images, without those that were taken back.
    pub measurements: Vec<MeasurementView>,
}

/// New keys for images of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewKeyView {
    /// The event.
    pub id: EventId,
    /// By its author's device's clock.
    pub at: Millis,
    /// Which images, as far as it counts.
    pub images: Vec<Renewed>,
}

/// A measurement.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct MeasurementView {
    /// The event.
    pub id: EventId,
    /// Who drew it.
    pub person: Person,
    /// By the device's clock.
    pub at: Millis,
    /// What and where.
    pub measurement: Measurement,
}

/// A poll with its count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PollView {
    /// The event.
    pub id: EventId,
    /// The case that it is about.
    pub case: EventId,
    /// Who asks, and may close.
    pub asker: Person,
    /// Place in the room's order.
    pub lamport: u64,
    /// By the asker's device's clock.
    pub at: Millis,
    /// What is asked.
    pub question: String,
    /// First those that the poll began with, then the added ones.
    pub options: Vec<OptionView>,
    /// Per person the one vote that counts: the vote's event, and its choice.
    pub votes: BTreeMap<Person, (EventId, OptionId)>,
    /// Once closed: per person the vote that would count, had the close not come before it (and not
    /// certified another one).
    pub late: BTreeMap<Person, (EventId, OptionId)>,
    /// Set once the asker has closed it.
    pub closed: Option<Closed>,
    /// Whether anybody may add options (while it is open).
    pub open_options: bool,
    /// Who signs its votes.
    pub signing: Signing,
    /// When its counts are to be shown.
    pub reveal: Reveal,
}

impl PollView {
    /// Votes that count; at most one for each person.
    pub fn total(&self) -> usize {
        self.votes.len()
    }

    /// People who have voted, whether or not it counts after the close.
    pub fn voted(&self) -> usize {
        let only_late = self.late.keys().filter(|who| !self.votes.contains_key(who));
        self.votes.len() + only_late.count()
    }

    /// What `person` has voted for, as it counts.
    pub fn vote_of(&self, person: &Person) -> Option<OptionId> {
        self.votes.get(person).map(|(_, option)| *option)
    }

    /// The events of the votes that count: what a close certifies.
    pub fn counted(&self) -> Vec<EventId> {
        self.votes.values().map(|(event, _)| *event).collect()
    }

    /// The added options for a close to certify: all of them, or as many as it can hold, those with the
    /// most votes first.
    pub fn added_options(&self) -> Vec<EventId> {
        let mut added: Vec<_> = self
            .options
            .iter()
            .filter(|o| o.id.event != self.id)
            .collect();
        added.sort_by_key(|option| std::cmp::Reverse(option.count));
        added.truncate(limits::CERTIFIED_OPTIONS);
        added.iter().map(|option| option.id.event).collect()
    }

    /// What the person's wallet is asked to sign for a vote, if there is that option.
    pub fn ballot(
        &self,
        room: RoomId,
        chain_id: u64,
        person: Person,
        number: u64,
        option: OptionId,
    ) -> Option<Ballot<'_>> {
        let answer = &self.options.iter().find(|o| o.id == option)?.text;
        Some(Ballot {
            question: &self.question,
            answer,
            person,
            number,
            room,
            poll: self.id,
            option,
            chain_id,
        })
    }
}

/// An option of a poll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct OptionView {
    /// What a vote names.
    pub id: OptionId,
    /// Plain text.
    pub text: String,
    /// Who put it there.
    pub by: Person,
    /// Votes that count.
    pub count: u32,
    /// Whose votes they are, by address.
    pub voters: Vec<Person>,
}

/// The end of a poll.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Closed {
    /// The event.
    pub id: EventId,
    /// By the asker's device's clock.
    pub at: Millis,
    /// The votes that it certifies.
    pub counted: Vec<EventId>,
    /// Who was a member, as far as the closer could look.
    pub registry: Option<RegistryAt>,
    /// Other closes by the asker that certify something else: evidence of a result that was to be changed.
    pub contradicted_by: Vec<EventId>,
}

/// A person who has brought a delegation into the room.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct PersonView {
    /// Devices that speak, or spoke, for the person, by key.
    pub devices: BTreeMap<DeviceKey, DeviceView>,
    /// How the person last wanted to be shown.
    pub profile: Option<ProfileView>,
}

/// How a person wants to be shown. Nobody has checked it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct ProfileView {
    /// Name to be called by; may be empty.
    pub name: String,
    /// What she is; may be empty.
    pub role: String,
    /// Where; may be empty.
    pub city: String,
}

/// A device of a person.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct DeviceView {
    /// When its last delegation ends.
    pub until: Millis,
    /// From when on the person's wallet has revoked it.
    pub revoked: Option<Millis>,
}

/// What an event that does not count waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Waits {
    /// For a delegation that covers its person, device and time.
    Delegation,
    /// For nothing: the person's wallet has revoked the device before it was made.
    Revoked,
    /// For the room's clock, which is far behind its own.
    Clock,
}

/// An event that is kept and does not count.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PendingView {
    /// The event.
    pub id: EventId,
    /// Whom it claims to speak for.
    pub person: Person,
    /// The device that signed it.
    pub device: DeviceKey,
    /// Place in the room's order.
    pub lamport: u64,
    /// By the device's clock.
    pub at: Millis,
    /// What it waits for.
    pub waits: Waits,
}

impl Placed for PendingView {
    fn key(&self) -> Key {
        (self.lamport, self.id)
    }
}

/// A device that signed two different events with one number.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fork {
    /// The device.
    pub device: DeviceKey,
    /// The number.
    pub seq: u64,
    /// The event that counts: the lowest id.
    pub kept: EventId,
    /// Another one: the next lowest id, or the one that the device's next event follows.
    pub other: EventId,
}

/// Missing events of a device.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Gap {
    /// The device.
    pub device: DeviceKey,
    /// First number that is missing.
    pub from: u64,
    /// Last number that is missing.
    pub to: u64,
}
