//! Rooms in the browser: the one on screen, the list of all, and what travels between them and the relay.
//!
//! What a room means is decided by `core::RoomLog` alone; this folder moves events between storage, relay and log,
//! and turns the log's state into the rows that views show.

pub(crate) mod copies;
pub(crate) mod create;
pub(crate) mod epochs;
pub(crate) mod key;
pub(crate) mod list;
pub(crate) mod members;
pub(crate) mod open;
pub(crate) mod outbox;
pub(crate) mod presence;
pub(crate) mod registry;
pub(crate) mod revoke;
pub(crate) mod ring;
pub(crate) mod space;
pub(crate) mod sync;
pub(crate) mod talk;
pub(crate) mod view;
pub(crate) mod votes;
pub(crate) mod write;

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    sync::Arc,
};

use futures::{channel::oneshot, future::AbortHandle};
use healthsync_core::{EventId, Kind, Person, RoomId, RoomLog, TokenId};

use super::{
    files::{
        attach::Attached,
        photos::{self, Photos},
        upload::Stored,
    },
    http::within,
    runtime::{Task, trouble},
};
use crate::{
    api::RoomFacts,
    client::model::{
        Casting, Delivery, ImageLock, MessageRow, MintWork, RoomAct, RoomPhase, Trouble, TxState,
    },
};

/// An own event that the relay has not stored.
#[derive(Clone, Debug)]
pub(crate) struct Unsent {
    pub id: EventId,
    /// The message that it changes.
    pub about: Option<EventId>,
    pub envelope: Vec<u8>,
    pub delivery: Delivery,
    /// The relay may have it already: it goes there again only as it is.
    pub tried: bool,
}

impl Unsent {
    /// Whether a person sees it as part of the thing with this id.
    pub(crate) fn shows_at(&self, id: EventId) -> bool {
        self.id == id || self.about == Some(id)
    }
}

/// What an event changes, if it says nothing new of its own.
pub(crate) fn about(kind: &Kind) -> Option<EventId> {
    match kind {
        Kind::Edit { of, .. } | Kind::Retract { of } | Kind::Pin { of, .. } => Some(*of),
        Kind::Reaction { to, .. } => Some(*to),
        _ => None,
    }
}

/// The room on screen. Lives from `OpenRoom` to `CloseRoom`; tasks of a room that was closed see `closed` and stop.
#[derive(Debug)]
pub(crate) struct OpenRoom {
    pub id: RoomId,
    pub closed: Cell<bool>,
    pub phase: RefCell<RoomPhase>,
    /// For whom the parts below were loaded.
    pub person: Cell<Option<Person>>,
    pub keys: RefCell<ring::KeyRing>,
    pub turn: epochs::Turn,
    pub log: RefCell<Option<RoomLog>>,
    pub facts: RefCell<Option<RoomFacts>>,
    /// By sequence number of this browser's device.
    pub unsent: RefCell<BTreeMap<u64, Unsent>>,
    pub presence: presence::Presence,
    /// Messages that the page shows.
    pub shown: Cell<usize>,
    /// Their rows as they were painted last.
    pub rows: RefCell<Arc<Vec<Arc<MessageRow>>>>,
    /// Place of the last thing before what is new, and of the last thing that was on screen.
    pub seen: Cell<u64>,
    pub looked: Cell<u64>,
    pub notifies: Cell<bool>,
    /// Events that the relay has of this room.
    pub wanted: Cell<u64>,
    /// No older part of the history is still on its way: what is counted here is all there is.
    pub whole: Cell<bool>,
    /// The log was told where the room's clock stands, before all that says so was here.
    pub guessed: Cell<bool>,
    pub changes: RefCell<BTreeMap<Person, TxState>>,
    /// What was asked of the registry for the room as a whole.
    pub act: RefCell<Option<(RoomAct, TxState)>>,
    pub member_error: RefCell<Option<String>>,
    /// How often the relay was asked in vain to keep the room for another time.
    pub keep_failures: Cell<u32>,
    /// Locks of images by CID; absent means locked.
    pub locks: RefCell<BTreeMap<String, ImageLock>>,
    /// Those of them that are photographs.
    pub photos: RefCell<Photos>,
    /// What is being done for a case or a proposal that is to become a token.
    pub mint_work: RefCell<BTreeMap<EventId, MintWork>>,
    /// Proposing and answering, by the case or proposal: one answer does not end the wait for another.
    pub minting: RefCell<BTreeMap<EventId, AbortHandle>>,
    /// Mints that are on their way to the chain, by proposal.
    pub following: RefCell<BTreeMap<EventId, AbortHandle>>,
    /// Tokens that the chain has.
    pub minted: RefCell<BTreeSet<TokenId>>,
    /// Tokens that the chain is being asked for.
    pub looking: RefCell<BTreeSet<TokenId>>,
    /// Images that are being unlocked, by content id, and what stops that.
    pub unlocking: RefCell<Vec<(String, AbortHandle)>>,
    pub attached: RefCell<Vec<Attached>>,
    /// The caption of the images that are on their way.
    pub going_caption: RefCell<String>,
    /// The row of which the image is on its way, and what stops that.
    pub going: RefCell<Option<(u32, AbortHandle)>>,
    /// Attached things that storage has, while the room knows nothing of them: by row of the composer.
    pub stored: RefCell<BTreeMap<u32, Stored>>,
    /// The vote that the wallet was asked for, and its poll.
    pub casting: RefCell<Option<(EventId, Casting)>>,
    /// As the registry said last; also for those who may not read.
    pub owner: Cell<Option<Person>>,
    pub draft: RefCell<String>,
    /// Whether the database has a draft.
    pub draft_kept: Cell<bool>,
    /// Whether the database was asked for a draft.
    pub draft_read: Cell<bool>,
    /// Whether the relay has let this connection in.
    pub joined: Cell<bool>,
    pub pushing: Cell<bool>,
    /// The relay is being asked for what is missing, and whether more was missed since it was.
    pub pulling: Cell<bool>,
    pub missed: Cell<bool>,
    /// What another tab has written is being read, and whether it has written since.
    pub reading: Cell<bool>,
    pub wrote: Cell<bool>,
    pub asking_facts: Cell<bool>,
    pub loading: Task,
    pub syncing: Task,
    pub sharing: Task,
    pub renewing: Task,
    /// Content ids whose keys the nodes were told, or are being told, to give to nobody else.
    pub retired: RefCell<BTreeSet<String>>,
    pub keeping_draft: Task,
    pub casting_task: Task,
    pub noting: Task,
    /// Whether `noting` is about to write.
    pub note_due: Cell<bool>,
    /// Whether `keeping_draft` is about to read what is unsaid.
    pub draft_due: Cell<bool>,
    /// Texts that have left the field and are no event yet.
    pub unsaid: RefCell<Vec<String>>,
    /// A caption and its pictures wait for the room, or the pictures to be checked.
    pub case_waits: Cell<bool>,
    /// How often files were picked of which nothing is on screen yet.
    pub arriving: Cell<u32>,
    /// Whoever wants to say something as soon as the log is there.
    waiting: RefCell<Vec<oneshot::Sender<()>>>,
    /// A repaint is under way already.
    repaint: Cell<bool>,
}

impl OpenRoom {
    pub(crate) fn new(id: RoomId) -> Self {
        Self {
            id,
            closed: Cell::new(false),
            phase: RefCell::new(RoomPhase::Loading),
            person: Cell::new(None),
            keys: RefCell::default(),
            turn: epochs::Turn::default(),
            log: RefCell::default(),
            facts: RefCell::default(),
            unsent: RefCell::default(),
            presence: presence::Presence::default(),
            shown: Cell::new(talk::SHOWN),
            rows: RefCell::default(),
            seen: Cell::new(0),
            looked: Cell::new(0),
            notifies: Cell::new(false),
            wanted: Cell::new(0),
            whole: Cell::new(true),
            guessed: Cell::new(false),
            changes: RefCell::default(),
            act: RefCell::default(),
            member_error: RefCell::default(),
            keep_failures: Cell::new(0),
            locks: RefCell::default(),
            photos: RefCell::default(),
            mint_work: RefCell::default(),
            minting: RefCell::default(),
            following: RefCell::default(),
            minted: RefCell::default(),
            looking: RefCell::default(),
            unlocking: RefCell::default(),
            attached: RefCell::default(),
            going_caption: RefCell::default(),
            going: RefCell::default(),
            stored: RefCell::default(),
            casting: RefCell::default(),
            owner: Cell::new(None),
            draft: RefCell::default(),
            draft_kept: Cell::new(false),
            draft_read: Cell::new(false),
            joined: Cell::new(false),
            pushing: Cell::new(false),
            pulling: Cell::new(false),
            missed: Cell::new(false),
            reading: Cell::new(false),
            wrote: Cell::new(false),
            asking_facts: Cell::new(false),
            loading: Task::default(),
            syncing: Task::default(),
            sharing: Task::default(),
            renewing: Task::default(),
            retired: RefCell::default(),
            keeping_draft: Task::default(),
            casting_task: Task::default(),
            noting: Task::default(),
            note_due: Cell::default(),
            draft_due: Cell::default(),
            unsaid: RefCell::default(),
            case_waits: Cell::default(),
            arriving: Cell::default(),
            waiting: RefCell::default(),
            repaint: Cell::new(false),
        }
    }

    pub(crate) fn set_phase(&self, phase: RoomPhase) {
        self.phase.replace(phase);
        self.wake_if_settled();
    }

    /// Waits until something can be said in the room; false when that takes too long or the room was left. While what was
    /// said before is on its way, too: whatever is said without knowing it would stand above it, where nobody looks.
    pub(crate) async fn ready(&self) -> bool {
        if !self.is_settled() {
            let (there, wait) = oneshot::channel();
            self.waiting.borrow_mut().push(there);
            // A dropped sender means that the room was left.
            let _ = within(20_000, wait).await;
        }
        !self.closed.get() && self.log.borrow().is_some()
    }

    fn is_settled(&self) -> bool {
        self.log.borrow().is_some() && self.is_open()
    }

    fn wake_if_settled(&self) {
        if self.is_settled() {
            for there in self.waiting.take() {
                // Whoever has given up waiting does not hear it.
                let _ = there.send(());
            }
        }
    }

    pub(crate) fn set_log(&self, log: RoomLog) {
        self.log.replace(Some(log));
        self.wake_if_settled();
    }

    /// Who made the room, as the registry says.
    pub(crate) fn maker(&self) -> Option<Person> {
        let facts = self.facts.borrow();
        facts.as_ref().and_then(RoomFacts::named_by)
    }

    /// What certifies or chooses from the whole history waits until it is here.
    pub(crate) fn needs_whole(&self) -> Result<(), Trouble> {
        if self.whole.get() {
            return Ok(());
        }
        let log = self.log.borrow();
        let here = log.as_ref().map_or(0, RoomLog::len);
        Err(trouble(
            format!(
                "The older part of this room is still coming: {here} of {} events are here. This needs all of them.",
                self.wanted.get()
            ),
            Some("Nothing was changed."),
            Some("Try again in a moment."),
        ))
    }

    /// Whether this text has left the field and is no event yet.
    pub(crate) fn has_unsaid(&self, text: &str) -> bool {
        self.unsaid.borrow().iter().any(|waiting| waiting == text)
    }

    pub(crate) fn is_open(&self) -> bool {
        *self.phase.borrow() == RoomPhase::Open
    }

    /// Forgets everything that only somebody who may read the room should see.
    pub(crate) fn forget_content(&self) {
        self.syncing.stop();
        self.sharing.stop();
        self.renewing.stop();
        self.retired.take();
        self.casting_task.stop();
        self.casting.take();
        self.mint_work.take();
        for tasks in [&self.minting, &self.following] {
            for handle in tasks.take().into_values() {
                handle.abort();
            }
        }
        for (_, handle) in self.unlocking.take() {
            handle.abort();
        }
        for lock in self.locks.take().into_values() {
            photos::forget(&lock);
        }
        self.photos.take();
        self.stored.take();
        for attached in self.attached.take() {
            attached.forget();
        }
        self.joined.set(false);
        self.whole.set(true);
        self.guessed.set(false);
        self.pushing.set(false);
        self.keys.take();
        self.turn.clear();
        self.log.take();
        self.rows.take();
        self.facts.take();
        self.unsent.take();
        self.changes.take();
        self.act.take();
        self.member_error.take();
        self.draft.take();
        self.draft_due.set(false);
        self.draft_read.set(false);
        self.presence.clear();
    }
}
