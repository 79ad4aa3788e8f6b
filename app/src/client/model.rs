//! What the page knows and what a person can ask for: the contract between the views and the runtime.
//!
//! Views read the signals of [`Client`] and call [`Client::send`] with an [`Intent`]; they never talk to the
//! network, the wallet or storage. In the browser the runtime (`client::browser`) handles intents and writes the
//! signals; on the server the signals keep their first values, so that both builds render the same first page.

use std::sync::Arc;

use healthsync_core::{DeviceKey, EventId, Millis, OptionId, Person, RoomId, SeriesRef};
use healthsync_imaging::stage::{Mark, Pointer, Say};
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// What this deployment is, as the server says in `/api/bootstrap` and in each page's head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bootstrap {
    pub peer_id: String,
    pub addresses: Vec<String>,
    pub chain: ChainInfo,
    pub contracts: Contracts,
    pub key_nodes: Vec<KeyNodeInfo>,
    pub storage: StorageInfo,
    pub version: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct ChainInfo {
    pub id: u64,
    pub name: String,
    pub rpc: String,
    pub currency: String,
    pub explorer: Option<String>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Contracts {
    /// `None`: no registry is configured, rooms cannot be created, and the page says so.
    pub registry: Option<Person>,
    pub token: Option<Person>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyNodeInfo {
    pub id: u8,
    pub name: String,
    /// Empty: on the page's own origin.
    pub url: String,
    pub embedded: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StorageInfo {
    /// Empty: on the page's own origin.
    pub url: String,
    /// Largest encrypted upload in bytes.
    pub max_upload: u64,
}

/// A sentence for a person: what happened, what was kept, what to do next.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Trouble {
    pub what: String,
    pub kept: Option<String>,
    pub next: Option<String>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Transport {
    WebRtc,
    WebSocket,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Network {
    /// Before the script has started, and while the first connection is being made.
    Starting,
    Connected {
        transport: Transport,
        rtt_ms: Option<u32>,
        /// Why the preferred transport is not used.
        fallback: Option<String>,
        since: Millis,
    },
    Offline {
        since: Millis,
        reason: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct WalletChoice {
    /// EIP-6963 uuid, `window.ethereum`, or `demo`.
    pub id: String,
    pub name: String,
    /// Only `data:` URLs get here.
    pub icon: Option<String>,
    pub demo: bool,
}

/// Who is using this browser, and how far the sign-in has come.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Session {
    /// Server rendering, and the first moments in the browser.
    Restoring,
    SignedOut,
    /// The wallet has been asked for its accounts.
    Connecting {
        wallet: String,
    },
    /// The wallet is on another chain and has been asked to switch (or to add ours).
    Switching {
        wallet: String,
        person: Person,
    },
    /// The wallet shows the delegation; these are the values to compare.
    Signing {
        wallet: String,
        person: Person,
        device: DeviceKey,
        issued_at: Millis,
        expires_at: Millis,
    },
    /// Connected, but this browser may not sign: it can read, and what is written waits.
    ReadOnly {
        wallet: String,
        person: Person,
        why: Trouble,
    },
    Ready {
        wallet: String,
        person: Person,
        device: DeviceKey,
        expires_at: Millis,
        demo: bool,
    },
}

impl Session {
    pub fn person(&self) -> Option<Person> {
        match self {
            Session::Switching { person, .. }
            | Session::Signing { person, .. }
            | Session::ReadOnly { person, .. }
            | Session::Ready { person, .. } => Some(*person),
            Session::Restoring | Session::SignedOut | Session::Connecting { .. } => None,
        }
    }

    pub fn is_ready(&self) -> bool {
        matches!(self, Session::Ready { .. })
    }
}

/// A transaction, from the button to the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TxState {
    /// The wallet shows it.
    Wallet,
    Pending {
        hash: String,
        since: Millis,
    },
    Confirmed {
        hash: String,
        block: u64,
    },
    Failed(Trouble),
}

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
    pub unread: u32,
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
        removed: bool,
    },
    /// Waiting for the room's key.
    Key(KeyProgress),
    Syncing,
    Open,
    Failed(Trouble),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum NodeShare {
    Asked,
    Good {
        ms: u32,
    },
    Denied {
        reason: String,
    },
    Down {
        reason: String,
    },
    /// Its share does not fit the others.
    Wrong,
}

/// Shares of one key: one entry a node, in node order.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KeyProgress {
    pub needed: u8,
    pub nodes: Vec<(KeyNodeInfo, NodeShare)>,
}

impl KeyProgress {
    pub fn good(&self) -> usize {
        self.nodes
            .iter()
            .filter(|(_, s)| matches!(s, NodeShare::Good { .. }))
            .count()
    }
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// In this browser's outbox.
    Waiting,
    /// The relay's log holds it.
    Stored,
    Refused(Trouble),
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

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MessageRow {
    pub id: EventId,
    pub author: Person,
    pub you: bool,
    pub text: String,
    pub at: Millis,
    pub delivery: Delivery,
}

/// The lock on one image.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ImageLock {
    Locked,
    Shares(KeyProgress),
    Fetching {
        received: u64,
        total: u64,
    },
    Decrypting,
    /// `wrong_nodes` names key nodes whose share was left out.
    Open {
        /// A `blob:` URL of a photograph; empty for a series.
        url: String,
        /// Files of a series, as far as they have come.
        files: Blobs,
        wrong_nodes: Vec<String>,
    },
    Denied {
        person: Person,
    },
    Failed(Trouble),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageRow {
    pub cid: String,
    pub name: String,
    pub mime: String,
    pub size: u64,
    pub width: u32,
    pub height: u32,
    pub series: Option<SeriesRef>,
    pub lock: ImageLock,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OptionRow {
    pub id: OptionId,
    pub text: String,
    pub by: Person,
    pub count: u32,
    pub voters: Vec<Person>,
    pub mine: bool,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PollRow {
    pub id: EventId,
    pub case: EventId,
    pub asker: Person,
    pub you_asked: bool,
    pub question: String,
    pub options: Vec<OptionRow>,
    pub voted: u32,
    pub open_options: bool,
    pub closed_at: Option<Millis>,
    pub my_vote: Option<OptionId>,
    /// Of this person's newest vote (or of the poll itself while it is new).
    pub delivery: Delivery,
}

#[derive(Clone, Debug, PartialEq)]
pub struct CaseRow {
    pub id: EventId,
    pub author: Person,
    pub you: bool,
    pub caption: String,
    pub at: Millis,
    pub images: Vec<ImageRow>,
    pub polls: Vec<PollRow>,
    /// Measurements on its images.
    pub marks: Arc<Vec<Mark>>,
    pub delivery: Delivery,
}

/// Stage of one attached image, from picking to shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Stage {
    /// Cleaned of metadata; `removed` counts what was taken out.
    Ready {
        removed: u32,
    },
    Checking,
    Encrypting,
    Uploading {
        sent: u64,
        total: u64,
    },
    SavingShares {
        stored: u8,
        of: u8,
    },
    Done,
    Failed(Trouble),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attachment {
    pub id: u32,
    pub name: String,
    pub size: u64,
    /// A `blob:` URL of the cleaned picture.
    pub preview: Option<String>,
    pub stage: Stage,
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
    /// Of the field "add a colleague".
    pub member_error: Option<String>,
    pub cases: Arc<Vec<CaseRow>>,
    pub messages: Arc<Vec<MessageRow>>,
    pub attachments: Arc<Vec<Attachment>>,
    /// Things kept in this browser that the relay has not stored yet.
    pub unsent: u32,
    /// Text of the composer as last kept, for the first fill.
    pub draft: String,
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
            member_error: None,
            cases: Arc::default(),
            messages: Arc::default(),
            attachments: Arc::default(),
            unsent: 0,
            draft: String::new(),
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ToastKind {
    Info,
    Good,
    Bad,
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toast {
    pub id: u32,
    pub kind: ToastKind,
    pub text: String,
}

/// What a person asks for. Every one of them is answered by a change of a signal.
#[derive(Clone, Debug)]
pub enum Intent {
    /// Look for wallets again (the choice was opened).
    FindWallets,
    /// Connect and go straight on to the delegation.
    Connect {
        wallet: String,
    },
    /// Ask for the delegation again after it was declined or has ended.
    SignAgain,
    CancelWallet,
    Disconnect,
    LoadRooms,
    CreateRoom {
        name: String,
        members: Vec<Person>,
    },
    ResetNewRoom,
    OpenRoom(RoomId),
    CloseRoom(RoomId),
    AddMembers(Vec<Person>),
    RemoveMember(Person),
    DismissMemberError,
    KeepDraft(String),
    Typing,
    /// Text alone is a message; with attachments it is the caption of a new case.
    Send {
        text: String,
    },
    /// Send again what the relay refused.
    Retry(EventId),
    Attach(Files),
    Detach(u32),
    CancelUpload,
    Unlock {
        case: EventId,
    },
    CancelUnlock {
        case: EventId,
    },
    /// Something that the picture workspace of a case asks.
    Look {
        case: EventId,
        say: Say,
    },
    Ask {
        case: EventId,
        question: String,
        options: Vec<String>,
        open_options: bool,
    },
    AddOption {
        poll: EventId,
        text: String,
    },
    Vote {
        poll: EventId,
        option: OptionId,
    },
    ClosePoll {
        poll: EventId,
    },
    DismissToast(u32),
    CopyText(String),
}

/// Files from the picker, a drop or the clipboard. JS objects: made and read in the browser only.
#[derive(Clone, Debug)]
pub struct Files(
    #[cfg(feature = "hydrate")] pub send_wrapper::SendWrapper<Vec<web_sys::File>>,
    #[cfg(not(feature = "hydrate"))] (),
);

/// Files of a series. JS objects: made and read in the browser only.
#[derive(Clone, Debug)]
pub struct Blobs(
    #[cfg(feature = "hydrate")] pub Arc<send_wrapper::SendWrapper<Vec<web_sys::Blob>>>,
    #[cfg(not(feature = "hydrate"))] (),
);

impl PartialEq for Blobs {
    /// A series only grows, so its length says whether it is the same.
    fn eq(&self, other: &Self) -> bool {
        self.len() == other.len()
    }
}

impl Eq for Blobs {}

impl Default for Blobs {
    #[cfg(feature = "hydrate")]
    fn default() -> Self {
        Self::new(Vec::new())
    }

    #[cfg(not(feature = "hydrate"))]
    fn default() -> Self {
        Self(())
    }
}

#[cfg(feature = "hydrate")]
impl Blobs {
    pub(crate) fn new(blobs: Vec<web_sys::Blob>) -> Self {
        Self(Arc::new(send_wrapper::SendWrapper::new(blobs)))
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// Without the first ones.
    pub(crate) fn after(&self, first: usize) -> Self {
        Self::new(self.0.iter().skip(first).cloned().collect())
    }
}

#[cfg(not(feature = "hydrate"))]
impl Blobs {
    pub(crate) fn len(&self) -> usize {
        0
    }

    pub(crate) fn after(&self, _first: usize) -> Self {
        Self::default()
    }
}

type Handler = Arc<dyn Fn(Intent) + Send + Sync>;

/// The handle that views get from context. All fields are signals, so it is `Copy` and cheap.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    pub bootstrap: RwSignal<Option<Arc<Bootstrap>>>,
    pub network: RwSignal<Network>,
    pub wallets: RwSignal<Vec<WalletChoice>>,
    pub session: RwSignal<Session>,
    pub rooms: RwSignal<RoomList>,
    pub new_room: RwSignal<NewRoom>,
    pub room: RwSignal<Option<RoomView>>,
    pub toasts: RwSignal<Vec<Toast>>,
    /// Where colleagues in the open room point, by case.
    pub pointers: RwSignal<Vec<(EventId, Pointer)>>,
    /// False until the page reacts to clicks (WASM has hydrated): buttons that need it are disabled till then.
    pub live: RwSignal<bool>,
    handler: StoredValue<Option<Handler>>,
}

impl Client {
    /// The state before anything has happened, the same on server and browser.
    pub fn new(bootstrap: Option<Bootstrap>) -> Self {
        Self {
            bootstrap: RwSignal::new(bootstrap.map(Arc::new)),
            network: RwSignal::new(Network::Starting),
            wallets: RwSignal::new(Vec::new()),
            session: RwSignal::new(Session::Restoring),
            rooms: RwSignal::new(RoomList::Loading),
            new_room: RwSignal::new(NewRoom::Form),
            room: RwSignal::new(None),
            toasts: RwSignal::new(Vec::new()),
            pointers: RwSignal::new(Vec::new()),
            live: RwSignal::new(false),
            handler: StoredValue::new(None),
        }
    }

    /// Called once by the runtime.
    pub fn set_handler(&self, handler: impl Fn(Intent) + Send + Sync + 'static) {
        self.handler.set_value(Some(Arc::new(handler)));
    }

    /// Hands an intent to the runtime; before it has started, nothing can be asked for (see `live`).
    pub fn send(&self, intent: Intent) {
        if let Some(handler) = self.handler.with_value(Clone::clone) {
            handler(intent);
        }
    }
}

/// The client of this page.
pub fn use_client() -> Client {
    expect_context::<Client>()
}
