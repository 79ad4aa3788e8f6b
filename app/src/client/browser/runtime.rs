//! The runtime's shared state: one `Rc<Runtime>` a page, handed to every task.
//!
//! JS handles are not `Send`, so nothing here is; the page has one thread. Borrows of cells never live across an
//! `await`.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeSet,
    rc::Rc,
};

use futures::{
    channel::oneshot,
    future::{AbortHandle, abortable},
};
use healthsync_core::{DeviceKey, DeviceSecret, Person, SignedDelegation};
use healthsync_net::NodeHandle;
use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;

use super::{
    chain::Chain,
    node::Share,
    platform::{now, sleep},
    rooms::OpenRoom,
    storage::{Database, StorageError},
    wallet::{Wallet, eip6963::Wallets, provider::Watch},
};
use crate::client::model::{Bootstrap, Client, Toast, ToastKind, Trouble};

const TOASTS: usize = 5;
/// Long enough to read twice.
const TOAST_MS: u32 = 9_000;

/// Who uses this browser now.
#[derive(Clone, Debug)]
pub(crate) struct Me {
    pub person: Person,
    pub wallet: Wallet,
    pub device: DeviceSecret,
    /// `None`: may read what is kept here, and sign nothing.
    pub delegation: Option<SignedDelegation>,
}

pub(crate) struct Runtime {
    pub client: Client,
    pub bootstrap: Rc<Bootstrap>,
    pub chain: Chain,
    pub db: Database,
    /// The libp2p node, here or in another tab.
    pub node: NodeHandle,
    /// Encrypted files that other members may fetch from this browser.
    pub shelf: Share,
    pub wallets: Wallets,
    /// Whether the relay can be used right now.
    pub online: Cell<bool>,
    /// The node's last word on its connection.
    pub network_said: RefCell<Option<healthsync_net::Status>>,
    pub me: RefCell<Option<Rc<Me>>>,
    pub room: RefCell<Option<Rc<OpenRoom>>>,
    pub list: super::rooms::list::ListState,
    /// Listeners of the connected wallet.
    pub watch: RefCell<Option<Watch>>,
    /// What waits for the wallet to connect or sign; at most one.
    pub signing_in: Task,
    /// The creation of a room; at most one.
    pub creating: Task,
    /// Transactions that the wallet shows, with whom to tell that nobody waits for it any more.
    pub at_wallet: RefCell<Vec<(u32, oneshot::Sender<()>)>>,
    /// Looks at the chain for the token on screen.
    pub watching_token: Task,
    /// Opens the conversation of the token on screen.
    pub opening_token: Task,
    /// Revoked devices that the relay has been told of.
    pub told_revoked: Rc<RefCell<BTreeSet<DeviceKey>>>,
    /// The sign-in at key nodes of Lighthouse's kind.
    pub hosted: super::hosted::Hosted,
    /// Pages of other tabs that have written to the same database.
    pub tabs: super::tabs::Tabs,
    go: Box<dyn Fn(&str)>,
    next_id: Cell<u32>,
}

impl std::fmt::Debug for Runtime {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Runtime").finish_non_exhaustive()
    }
}

/// A task of which only the newest run counts: starting it again, or stopping it, drops the one before, and with it
/// whatever it was waiting for.
#[derive(Debug, Default)]
pub(crate) struct Task(RefCell<Option<AbortHandle>>);

impl Task {
    pub(crate) fn run(&self, future: impl Future<Output = ()> + 'static) {
        let (future, handle) = abortable(future);
        if let Some(before) = self.0.replace(Some(handle)) {
            before.abort();
        }
        spawn_local(async move {
            // Aborted means that nobody waits for it any more.
            let _ = future.await;
        });
    }

    pub(crate) fn stop(&self) {
        if let Some(handle) = self.0.take() {
            handle.abort();
        }
    }
}

/// What a [`Runtime`] is made of.
pub(crate) struct Parts {
    pub client: Client,
    pub bootstrap: Rc<Bootstrap>,
    pub db: Database,
    pub node: NodeHandle,
    pub shelf: Share,
    pub wallets: Wallets,
    /// Changes the page without loading it anew.
    pub go: Box<dyn Fn(&str)>,
}

impl Runtime {
    pub(crate) fn new(parts: Parts) -> Rc<Self> {
        let Parts {
            client,
            bootstrap,
            db,
            node,
            shelf,
            wallets,
            go,
        } = parts;
        Rc::new(Self {
            client,
            chain: Chain {
                bootstrap: bootstrap.clone(),
            },
            bootstrap,
            db,
            node,
            shelf,
            wallets,
            online: Cell::new(false),
            network_said: RefCell::new(None),
            go,
            me: RefCell::default(),
            room: RefCell::default(),
            list: Default::default(),
            watch: RefCell::default(),
            signing_in: Task::default(),
            creating: Task::default(),
            at_wallet: RefCell::default(),
            watching_token: Task::default(),
            opening_token: Task::default(),
            told_revoked: Rc::default(),
            hosted: Default::default(),
            tabs: super::tabs::Tabs::open(),
            next_id: Cell::new(1),
        })
    }

    pub(crate) fn me(&self) -> Option<Rc<Me>> {
        self.me.borrow().clone()
    }

    /// Who may sign here: a person with a delegation that still runs.
    pub(crate) fn signer(&self) -> Option<(Rc<Me>, SignedDelegation)> {
        let me = self.me()?;
        let delegation = me
            .delegation
            .clone()
            .filter(|delegation| delegation.covers(now()))?;
        Some((me, delegation))
    }

    pub(crate) fn open_room(&self) -> Option<Rc<OpenRoom>> {
        self.room.borrow().clone()
    }

    pub(crate) fn navigate(&self, path: &str) {
        (self.go)(path);
    }

    /// A number that this page has not used yet.
    pub(crate) fn fresh_id(&self) -> u32 {
        let id = self.next_id.get();
        self.next_id.set(id.wrapping_add(1));
        id
    }

    /// A short note: at most five at once, the same text once. It goes by itself, but for what is lost or refused: that stays
    /// until it is dismissed or there is more of it than has a place.
    pub(crate) fn toast(&self, kind: ToastKind, text: impl Into<String>) {
        let text = text.into();
        let toasts = self.client.toasts;
        if toasts.with_untracked(|shown| shown.iter().any(|toast| toast.text == text)) {
            return;
        }
        let id = self.fresh_id();
        toasts.update(|shown| {
            shown.push(Toast { id, kind, text });
            if shown.len() > TOASTS {
                let passing = |toast: &Toast| toast.kind != ToastKind::Bad;
                shown.remove(shown.iter().position(passing).unwrap_or(0));
            }
        });
        if kind != ToastKind::Bad {
            spawn_local(async move {
                sleep(TOAST_MS).await;
                toasts.update(|shown| shown.retain(|toast| toast.id != id));
            });
        }
    }

    pub(crate) fn toast_trouble(&self, trouble: &Trouble) {
        self.toast(ToastKind::Bad, trouble_text(trouble));
    }

    /// Says that the browser could not keep something, where nothing else can be said.
    pub(crate) fn storage_failed(&self, what: &str, error: &StorageError) {
        self.toast_trouble(&storage_trouble(what, error));
    }
}

pub(crate) fn trouble_text(trouble: &Trouble) -> String {
    [
        Some(trouble.what.as_str()),
        trouble.kept.as_deref(),
        trouble.next.as_deref(),
    ]
    .into_iter()
    .flatten()
    .collect::<Vec<_>>()
    .join(" ")
}

pub(crate) fn trouble(what: impl Into<String>, kept: Option<&str>, next: Option<&str>) -> Trouble {
    Trouble {
        what: what.into(),
        kept: kept.map(str::to_owned),
        next: next.map(str::to_owned),
    }
}

pub(crate) fn storage_trouble(what: &str, error: &StorageError) -> Trouble {
    let next = match error {
        StorageError::Refused(_) => {
            "Open the page in a normal window, with storage allowed for this site."
        }
        StorageError::Full => {
            "Open Rooms and choose what this browser forgets, or free some space on this device; then try again."
        }
        StorageError::Taken | StorageError::Failed(_) => "Reload the page and try again.",
    };
    Trouble {
        what: format!("{what}: {error}."),
        kept: None,
        next: Some(next.to_owned()),
    }
}
