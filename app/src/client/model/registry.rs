//! What the registry says of a room beside its people, and what can be asked of it beside adding and removing them.

use std::sync::Arc;

use healthsync_core::Person;

use super::TxState;
use crate::api::Retention;

/// A transaction on the room's registry, other than adding and removing people.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RegistryIntent {
    SetModerator {
        person: Person,
        on: bool,
    },
    /// Offer the room to a member, who owns it once they accept.
    Offer(Person),
    WithdrawOffer,
    /// Take the room that was offered to this person.
    Accept,
    Leave,
    /// Freeze the list of people for good.
    Archive,
    /// Have the relay forget the room after so many days without a word, or keep it. No transaction.
    Keep(Option<u32>),
}

/// What a transaction with the registry is for, as far as its price goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priced {
    Create,
    Add,
    Remove,
    Role,
    Accept,
    Leave,
    Archive,
}

/// What concerns the room as a whole; changes of one person stand at that person.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RoomAct {
    WithdrawOffer,
    Accept,
    Leave,
    Archive,
}

/// The room as the registry has it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RegistryView {
    /// The list of people does not change any more.
    pub archived: bool,
    /// Whom the owner has offered the room to.
    pub offered: Option<Person>,
    /// How long the relay keeps what is said.
    pub kept: Retention,
    /// How often another `kept` was asked for in vain.
    pub keep_failures: u32,
    /// People on their way onto the list.
    pub adding: Arc<Vec<(Person, TxState)>>,
    /// What was asked for the room, and how far it has come.
    pub act: Option<(RoomAct, TxState)>,
}

/// Why somebody is not in a room.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Absence {
    /// As far as this browser knows, never was.
    NeverIn,
    Removed,
    /// Left on their own.
    Left,
}
