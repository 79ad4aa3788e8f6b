//! Rooms in lists, and the one on screen.

use std::sync::Arc;

use healthsync_core::{EventId, Millis, Person, RoomId};

use super::{
    Absence, Attachment, CaseRow, KeyProgress, MintRow, MintWork, RegistryView, Talk, Trouble,
    TxState,
};
use crate::api::Standing;

/// `/rooms/new`, step by step. On success the runtime navigates to the room's page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NewRoom {
    Form,
    /// The room's key is being split; so many of five nodes have confirmed their share.
    StoringKey {
        stored: u8,
        of: u8,
    },
    Chain(TxState),
    /// The form keeps what was typed.
    Failed(Trouble),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomCard {
    pub id: RoomId,
    /// `None` until the room's key has been fetched.
    pub name: Option<String>,
    pub owner: Person,
    pub members: u32,
    /// Its list of people does not change any more.
    pub archived: bool,
    /// Whether this person is in it, or was.
    pub standing: Standing,
    pub unread: u32,
    /// Something unread is addressed to this person.
    pub mentioned: bool,
    /// An open poll in which this person has not voted.
    pub needs_opinion: bool,
    pub last: Option<Millis>,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomList {
    Loading,
    Loaded(Vec<RoomCard>),
    /// The cards known to this browser, with why the list could not be refreshed.
    Stale(Vec<RoomCard>, Trouble),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Role {
    Member,
    Moderator,
    Owner,
}

/// How far the open room's page has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RoomPhase {
    Loading,
    NeedsWallet,
    NoSuchRoom,
    /// Not on the list (or no longer).
    NotAllowed {
        person: Person,
        why: Absence,
    },
    /// Waiting for the room's key.
    Key(KeyProgress),
    Syncing,
    Open,
    Failed(Trouble),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MemberRow {
    pub person: Person,
    pub role: Role,
    pub you: bool,
    pub here: bool,
    pub typing: bool,
    /// A change to this row on its way to the chain.
    pub change: Option<TxState>,
}

/// Everything about the open room.
#[derive(Clone, Debug, PartialEq)]
pub struct RoomView {
    pub id: RoomId,
    pub phase: RoomPhase,
    pub name: Option<String>,
    pub owner: Option<Person>,
    pub my_role: Option<Role>,
    pub members: Arc<Vec<MemberRow>>,
    pub registry: RegistryView,
    /// Of the field "add a colleague".
    pub member_error: Option<String>,
    pub cases: Arc<Vec<CaseRow>>,
    pub talk: Talk,
    pub attachments: Arc<Vec<Attachment>>,
    /// Proposals to mint, oldest first.
    pub mints: Arc<Vec<MintRow>>,
    /// What is being done for cases that are to be proposed.
    pub mint_work: Arc<Vec<(EventId, MintWork)>>,
    /// Things kept in this browser that go out by themselves.
    pub unsent: u32,
    /// Things kept in this browser that the relay refused: how many, and what happened to the last of them.
    pub refused: Option<(u32, String)>,
    /// Text of the composer as last kept, for the first fill.
    pub draft: String,
    /// Send was pressed, and the images go out when they are checked and the room is open.
    pub case_waits: bool,
}

impl RoomView {
    pub fn new(id: RoomId) -> Self {
        Self {
            id,
            phase: RoomPhase::Loading,
            name: None,
            owner: None,
            my_role: None,
            members: Arc::default(),
            registry: RegistryView::default(),
            member_error: None,
            cases: Arc::default(),
            talk: Talk::default(),
            attachments: Arc::default(),
            mints: Arc::default(),
            mint_work: Arc::default(),
            unsent: 0,
            refused: None,
            draft: String::new(),
            case_waits: false,
        }
    }
}
