//! What the page knows and what a person can ask for: the contract between the views and the runtime.
//!
//! Views read the signals of [`Client`] and call [`Client::send`] with an [`Intent`]; they never talk to the
//! network, the wallet or storage. In the browser the runtime (`client::browser`) handles intents and writes the
//! signals; on the server the signals keep their first values, so that both builds render the same first page.

mod cases;
mod copies;
mod files;
mod intent;
mod mint;
mod readers;
mod registry;
mod rooms;
mod session;
mod talk;
mod votes;

use std::{collections::BTreeMap, sync::Arc};

pub use cases::{
    Attachment, CaseRow, ImageLock, ImageRow, KeyProgress, NodeShare, OptionRow, PollRow, Stage,
};
pub use copies::{CopyIntent, CopyReport, CopyWork, KeptRoom, Space};
pub use files::{Blobs, Files};
use healthsync_core::{EventId, Millis, Person};
use healthsync_imaging::stage::Pointer;
pub use intent::Intent;
use leptos::prelude::*;
pub use mint::{
    Answer, ConsentRow, MintPlan, MintPreview, MintRow, MintWork, OpenCase, TokenCase, TokenIntent,
    TokenList, TokenView,
};
pub use readers::{ReaderRow, Readers};
pub use registry::{Absence, Priced, RegistryIntent, RegistryView, RoomAct};
pub use rooms::{MemberRow, NewRoom, Role, RoomCard, RoomList, RoomPhase, RoomView};
use serde::{Deserialize, Serialize};
pub use session::{Network, Session, Transport, WalletChoice};
pub use talk::{
    DeviceRow, LeftOut, MessageRow, PinRow, Profile, Quote, ReactionRow, Talk, TurnRow,
};
pub use votes::{Casting, PollRules};

/// What this deployment is, as the server says in `/api/bootstrap` and in each page's head.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Bootstrap {
    pub peer_id: String,
    pub addresses: Vec<String>,
    pub chain: ChainInfo,
    pub contracts: Contracts,
    pub key_nodes: Vec<KeyNodeInfo>,
    /// What goes before the path of the page's own calls to key nodes of Lighthouse's kind; `None`: they are ours.
    #[serde(default)]
    pub hosted: Option<String>,
    /// Said where one operator has enough key nodes to put a key together; else empty.
    #[serde(default)]
    pub key_warning: String,
    pub storage: StorageInfo,
    /// URLs of STUN servers for links between browsers; none means that only browsers that see each other directly
    /// find one.
    #[serde(default)]
    pub stun: Vec<String>,
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

impl Trouble {
    /// The same, and where the words are that somebody wrote for it.
    #[must_use]
    pub fn keeping(self, kept: &str) -> Self {
        Self {
            kept: Some(kept.to_owned()),
            ..self
        }
    }
}

/// A transaction, from the button to the chain.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TxState {
    /// The wallet shows it; the number is for [`Intent::StopWaiting`].
    Wallet(u32),
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

impl TxState {
    /// The number to stop waiting for the wallet with, while the wallet shows it.
    pub(crate) fn waits_for_wallet(&self) -> Option<u32> {
        match self {
            Self::Wallet(ask) => Some(*ask),
            Self::Pending { .. } | Self::Confirmed { .. } | Self::Failed(_) => None,
        }
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

type Handler = Arc<dyn Fn(Intent) + Send + Sync>;

/// The handle that views get from context. All fields are signals, so it is `Copy` and cheap.
#[derive(Clone, Copy, Debug)]
pub struct Client {
    pub bootstrap: RwSignal<Option<Arc<Bootstrap>>>,
    pub network: RwSignal<Network>,
    /// Browsers of other members with a direct link to this one.
    pub direct: RwSignal<u32>,
    pub wallets: RwSignal<Vec<WalletChoice>>,
    pub session: RwSignal<Session>,
    /// Why nothing but reading works on this page, and nobody can sign in.
    pub broken: RwSignal<Option<Trouble>>,
    pub rooms: RwSignal<RoomList>,
    pub new_room: RwSignal<NewRoom>,
    /// What transactions with the registry would cost, as far as it was asked for.
    pub prices: RwSignal<BTreeMap<Priced, String>>,
    pub room: RwSignal<Option<RoomView>>,
    /// Who was given the key of the case for which that was asked last.
    pub readers: RwSignal<Option<(EventId, Readers)>>,
    /// What minting the case in the open form would be about.
    pub mint_preview: RwSignal<MintPreview>,
    /// The token on screen.
    pub token: RwSignal<Option<TokenView>>,
    pub tokens: RwSignal<TokenList>,
    /// What came of the copy of a room that was chosen last.
    pub copy_work: RwSignal<CopyWork>,
    /// What this browser keeps, once it was asked for.
    pub space: RwSignal<Option<Space>>,
    pub toasts: RwSignal<Vec<Toast>>,
    /// What could not be said, on its way back into the message field, which takes it.
    pub returned: RwSignal<String>,
    /// Where colleagues in the open room point, by case.
    pub pointers: RwSignal<Vec<(EventId, Pointer)>>,
    /// False until the page reacts to clicks (the WebAssembly has taken it over): buttons that need it are disabled till then.
    pub live: RwSignal<bool>,
    handler: StoredValue<Option<Handler>>,
}

/// Adds text to a draft, unless it is just that.
pub fn put_above(draft: &mut String, text: &str) {
    if text.is_empty() || draft.trim() == text.trim() {
        return;
    }
    *draft = match draft.trim().is_empty() {
        true => text.to_owned(),
        false => [text, "\n\n", draft].concat(),
    };
}

impl Client {
    /// The state before anything has happened, the same on server and browser.
    pub fn new(bootstrap: Option<Bootstrap>) -> Self {
        Self {
            bootstrap: RwSignal::new(bootstrap.map(Arc::new)),
            network: RwSignal::new(Network::Starting),
            direct: RwSignal::new(0),
            wallets: RwSignal::new(Vec::new()),
            session: RwSignal::new(Session::Restoring),
            broken: RwSignal::new(None),
            rooms: RwSignal::new(RoomList::Loading),
            new_room: RwSignal::new(NewRoom::Form),
            prices: RwSignal::new(BTreeMap::new()),
            room: RwSignal::new(None),
            readers: RwSignal::new(None),
            mint_preview: RwSignal::new(MintPreview::default()),
            token: RwSignal::new(None),
            tokens: RwSignal::new(TokenList::Loading),
            copy_work: RwSignal::new(CopyWork::None),
            space: RwSignal::new(None),
            toasts: RwSignal::new(Vec::new()),
            returned: RwSignal::new(String::new()),
            pointers: RwSignal::new(Vec::new()),
            live: RwSignal::new(false),
            handler: StoredValue::new(None),
        }
    }

    /// Called by the runtime, when it begins to listen and where it cannot start.
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
