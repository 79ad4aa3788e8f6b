//! What has been said, as the page knows it: messages with everything that is said about them, keys that changed,
//! names of people, and what is left out and why.

use std::sync::Arc;

use healthsync_core::{DeviceKey, EventId, Millis, Person, Sign};

use super::Delivery;

/// What a reply shows of the message that it answers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quote {
    pub id: EventId,
    pub author: Person,
    /// The beginning of the text; `None`: taken back, or not here.
    pub text: Option<String>,
}

/// One sign on a message, with everybody who has given it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReactionRow {
    pub sign: Sign,
    pub people: Vec<Person>,
    pub mine: bool,
}

/// One message.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRow {
    pub id: EventId,
    /// Place in the room's order.
    pub order: u64,
    pub author: Person,
    pub you: bool,
    pub text: String,
    pub at: Millis,
    pub to: Option<Quote>,
    /// It wants to reach this person above all.
    pub for_you: bool,
    pub edited: Option<Millis>,
    /// Earlier wordings, oldest first.
    pub earlier: Vec<(Millis, String)>,
    pub retracted: bool,
    pub pinned: bool,
    pub reactions: Vec<ReactionRow>,
    /// The clock of the device that it was written on cannot be right.
    pub wrong_clock: bool,
    pub delivery: Delivery,
}

/// The room's key was changed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TurnRow {
    pub id: EventId,
    pub order: u64,
    pub at: Millis,
    pub removed: Vec<Person>,
    /// How many people could read what was said before.
    pub readers: u32,
}

/// Something that is pinned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PinRow {
    pub of: EventId,
    pub by: Person,
    /// The beginning of what it says.
    pub text: String,
    pub case: bool,
}

/// How a person wants to be shown; each part may be empty.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Profile {
    pub name: String,
    pub role: String,
    pub city: String,
}

impl Profile {
    /// `A. Okafor, Radiology, Lagos`; `None` when nothing is said.
    pub fn label(&self) -> Option<String> {
        let parts = [&self.name, &self.role, &self.city];
        let said: Vec<&str> = parts
            .into_iter()
            .map(|part| part.trim())
            .filter(|part| !part.is_empty())
            .collect();
        (!said.is_empty()).then(|| said.join(", "))
    }
}

/// A browser that writes for this person in the room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DeviceRow {
    pub device: DeviceKey,
    /// This very browser.
    pub here: bool,
    pub until: Millis,
    pub revoked: Option<Millis>,
}

/// Events that do not count, by what they wait for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftOut {
    /// No wallet lets the device speak.
    pub undelegated: u32,
    /// The device was revoked.
    pub revoked: u32,
    /// The device claims a place far beyond everybody else's.
    pub ahead: u32,
    /// Numbers under which a device has written two different things.
    pub forks: u32,
    /// Keys that did not come.
    pub keyless: u32,
}

impl LeftOut {
    pub fn is_nothing(&self) -> bool {
        *self == Self::default()
    }
}

/// The discussion.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Talk {
    /// The newest ones, in the room's order. A row that has not changed is the same `Arc` as before, so that views compare
    /// addresses and not texts.
    pub messages: Arc<Vec<Arc<MessageRow>>>,
    /// How many older ones there are.
    pub older: usize,
    /// While history comes: events that are here, and all that there are.
    pub fetching: Option<(u64, u64)>,
    pub turns: Arc<Vec<TurnRow>>,
    pub pins: Arc<Vec<PinRow>>,
    /// Who wants to be shown how.
    pub people: Arc<Vec<(Person, Profile)>>,
    /// Place of the last thing that this person had seen when the room was opened, or left in the background.
    pub seen: u64,
    pub left_out: LeftOut,
    pub devices: Arc<Vec<DeviceRow>>,
    /// Whether the browser tells of news while the page is in the background.
    pub notifies: bool,
}
