//! Signing in: wallet → account → chain → delegation → ready, and following what the wallet does afterwards.
//!
//! Nothing here asks for a signature by itself: only a press of a button does. Whatever waits for the wallet runs in
//! `Runtime::signing_in`, so that cancelling drops it and a late answer is not used.

use std::rc::Rc;

use healthsync_core::{Delegation, DelegationError, Millis, Person, SignedDelegation};
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

use super::{
    http::within,
    platform::{now, sleep},
    runtime::{Me, Runtime, storage_trouble, trouble},
    storage::{keys, schema},
    wallet::{DEMO, DemoWallet, Wallet, WalletError, provider::WalletChange},
};
use crate::client::model::{Session, ToastKind, Trouble};

/// How long a delegation runs: the longest that peers accept.
const LIFE_SECONDS: u64 = healthsync_core::delegation::MAX_LIFE;

/// What is remembered for the next visit.
#[derive(Serialize, Deserialize)]
struct Remembered {
    wallet: String,
    person: Person,
}

impl Runtime {
    fn set_session(&self, session: Session) {
        if self.client.session.with_untracked(|now| *now != session) {
            self.client.session.set(session);
        }
    }

    /// At page load: who was here before, without opening any window. Whoever connects a wallet meanwhile comes first.
    pub(crate) fn restore(self: &Rc<Self>) {
        let runtime = self.clone();
        self.signing_in
            .run(async move { runtime.restore_session().await });
    }

    async fn restore_session(self: &Rc<Self>) {
        let remembered: Option<Remembered> = self
            .db
            .get_json(schema::SETTINGS, "session")
            .await
            .unwrap_or(None);
        let Some(remembered) = remembered else {
            return self.forget_me();
        };
        let Some(wallet) = self.remembered_wallet(&remembered.wallet).await else {
            return self.forget_me();
        };
        // A wallet that is locked or slow must not hold the page up; when it is unlocked, or answers later, that counts.
        let mut account = Box::pin(wallet.account(false));
        let mut answer = within(5_000, &mut account).await;
        if !matches!(answer, Some(Ok(Some(_)))) {
            self.forget_me();
        }
        self.watch(&wallet);
        if answer.is_none() {
            answer = Some(account.await);
        }
        if let Some(Ok(Some(person))) = answer {
            self.become_person(wallet.clone(), person).await;
        }
    }

    async fn remembered_wallet(&self, id: &str) -> Option<Wallet> {
        if id == DEMO {
            return self.demo_wallet().await.ok().map(Wallet::Demo);
        }
        // Extensions announce themselves when asked, some a moment late.
        for _ in 0..20 {
            if let Some(wallet) = self.wallets.find(id) {
                return Some(Wallet::Injected(wallet));
            }
            self.wallets.look();
            sleep(100).await;
        }
        None
    }

    async fn demo_wallet(&self) -> Result<DemoWallet, Trouble> {
        let secret = keys::demo_wallet(&self.db)
            .await
            .map_err(|error| storage_trouble("The demo wallet's key could not be kept", &error))?;
        DemoWallet::new(secret)
            .map_err(|error| error.trouble("The demo wallet cannot be used.", None))
    }

    pub(crate) fn connect(self: &Rc<Self>, id: String) {
        let runtime = self.clone();
        self.signing_in
            .run(async move { runtime.connect_to(&id).await });
    }

    async fn connect_to(self: &Rc<Self>, id: &str) {
        // Nobody is being restored any more.
        if self
            .client
            .session
            .with_untracked(|now| *now == Session::Restoring)
        {
            self.forget_me();
        }
        let wallet = if id == DEMO {
            match self.demo_wallet().await {
                Ok(demo) => Wallet::Demo(demo),
                Err(trouble) => return self.toast_trouble(&trouble),
            }
        } else if let Some(injected) = self.wallets.find(id) {
            Wallet::Injected(injected)
        } else {
            self.wallets.look();
            return self.toast(
                ToastKind::Bad,
                "This wallet is no longer there. Choose another one.",
            );
        };
        self.set_session(Session::Connecting {
            wallet: wallet.name(),
        });
        let person = match wallet.account(true).await {
            Ok(Some(person)) => person,
            // A change of mind needs no comment.
            Err(WalletError::Declined) => return self.forget_me(),
            Ok(None) => {
                self.forget_me();
                return self.toast(
                    ToastKind::Bad,
                    "The wallet gave no account. Unlock it, then connect again.",
                );
            }
            Err(error) => {
                self.forget_me();
                return self.toast_trouble(&error.trouble("The wallet did not connect.", None));
            }
        };
        self.watch(&wallet);
        self.remember(&wallet, person).await;
        self.sign_in(wallet, person).await;
    }

    /// The chain, then the delegation, unless a good one is kept here.
    async fn sign_in(self: &Rc<Self>, wallet: Wallet, person: Person) {
        let switching = Session::Switching {
            wallet: wallet.name(),
            person,
        };
        if let Err(error) = wallet
            .ensure_chain(&self.chain, || self.set_session(switching))
            .await
        {
            let what = format!(
                "The wallet is on another chain than {}.",
                self.bootstrap.chain.name
            );
            return self
                .read_only(wallet, person, error.trouble(&what, None))
                .await;
        }
        match keys::delegation(&self.db, self.bootstrap.chain.id, person, now()).await {
            Ok(Some(_)) => self.become_person(wallet, person).await,
            Ok(None) => self.delegate(wallet, person).await,
            Err(error) => {
                let why = storage_trouble(
                    "This browser could not look for an earlier signature",
                    &error,
                );
                self.read_only(wallet, person, why).await;
            }
        }
    }

    async fn delegate(self: &Rc<Self>, wallet: Wallet, person: Person) {
        let device = match keys::device(&self.db, person).await {
            Ok(device) => device,
            Err(error) => {
                let why = storage_trouble("A key for this browser could not be kept", &error);
                return self.read_only(wallet, person, why).await;
            }
        };
        let issued_at = now().seconds();
        let delegation = Delegation {
            person,
            device: device.public(),
            issued_at,
            expires_at: issued_at + LIFE_SECONDS,
            chain_id: self.bootstrap.chain.id,
        };
        self.set_session(Session::Signing {
            wallet: wallet.name(),
            person,
            device: delegation.device,
            issued_at: Millis::from_seconds(delegation.issued_at),
            expires_at: Millis::from_seconds(delegation.expires_at),
        });
        let why = match wallet.sign_delegation(&delegation).await {
            Ok(signature) => {
                let signed = SignedDelegation {
                    delegation,
                    signature,
                };
                match signed.verify(self.bootstrap.chain.id) {
                    Ok(()) => match keys::keep_delegation(&self.db, &signed).await {
                        Ok(()) => return self.become_person(wallet, person).await,
                        Err(error) => storage_trouble("The signature could not be kept", &error),
                    },
                    Err(DelegationError::Signer { signer, .. }) => trouble(
                        format!(
                            "The wallet signed with {}, not with {}. The signature is not used.",
                            signer.short(),
                            person.short()
                        ),
                        None,
                        Some("Choose the right account in the wallet, then sign again."),
                    ),
                    Err(error) => trouble(
                        format!("The wallet's signature is not usable: {error}."),
                        None,
                        Some("Sign again, or connect another wallet."),
                    ),
                }
            }
            Err(error) => {
                error.trouble("This browser has no permission to sign for you yet.", None)
            }
        };
        self.read_only(wallet, person, why).await;
    }

    /// `person` uses this browser now: ready with a good delegation, else reading only.
    async fn become_person(self: &Rc<Self>, wallet: Wallet, person: Person) {
        let found = keys::delegation(&self.db, self.bootstrap.chain.id, person, now()).await;
        let device = keys::device(&self.db, person).await;
        let (delegation, device) = match (found, device) {
            (Ok(delegation), Ok(device)) => (delegation, device),
            (Err(error), _) | (_, Err(error)) => {
                self.forget_me();
                return self.storage_failed("This browser's keys could not be read", &error);
            }
        };
        // A delegation for a device key that was lost is worth nothing.
        let Some(delegation) =
            delegation.filter(|signed| signed.delegation.device == device.public())
        else {
            let why = trouble(
                format!(
                    "{} has not signed for this browser yet, or the signature has ended.",
                    person.short()
                ),
                None,
                Some("Sign in the wallet to write and vote."),
            );
            return self.read_only(wallet, person, why).await;
        };
        self.remember(&wallet, person).await;
        super::platform::keep_storage();
        let ready = Session::Ready {
            wallet: wallet.name(),
            person,
            device: device.public(),
            expires_at: Millis::from_seconds(delegation.delegation.expires_at),
            demo: wallet.is_demo(),
            keys: None,
        };
        self.set_me(Some(Me {
            person,
            wallet,
            device,
            delegation: Some(delegation),
        }));
        self.set_session(ready);
        self.person_changed();
    }

    pub(crate) async fn read_only(self: &Rc<Self>, wallet: Wallet, person: Person, why: Trouble) {
        let session = Session::ReadOnly {
            wallet: wallet.name(),
            person,
            why,
        };
        match keys::device(&self.db, person).await {
            Ok(device) => {
                self.set_me(Some(Me {
                    person,
                    wallet,
                    device,
                    delegation: None,
                }));
                self.set_session(session);
                self.person_changed();
            }
            Err(error) => {
                self.forget_me();
                self.storage_failed("This browser's keys could not be read", &error);
            }
        }
    }

    pub(crate) fn sign_again(self: &Rc<Self>) {
        let Some(me) = self.me() else { return };
        let runtime = self.clone();
        self.signing_in.run(async move {
            // The wallet may be on another account by now, or may have forgotten the page.
            match me.wallet.account(true).await {
                Ok(Some(person)) => runtime.sign_in(me.wallet.clone(), person).await,
                Ok(None) | Err(WalletError::Declined) => {}
                Err(error) => {
                    runtime.toast_trouble(&error.trouble("The wallet did not connect.", None))
                }
            }
        });
    }

    pub(crate) fn cancel_wallet(self: &Rc<Self>) {
        // Whoever asked for a key says what is missing.
        if self.hosted.cancel() {
            return;
        }
        self.signing_in.stop();
        self.cancel_create();
        match self.client.session.get_untracked() {
            Session::Restoring | Session::Connecting { .. } => self.forget_me(),
            Session::Switching { person, .. } | Session::Signing { person, .. } => {
                let Some(wallet) = self.watched_wallet() else {
                    return self.forget_me();
                };
                let why = trouble(
                    "This browser stopped waiting for the wallet. A late signature is not used.",
                    None,
                    Some("Sign in the wallet when you want to write or vote."),
                );
                let runtime = self.clone();
                self.signing_in
                    .run(async move { runtime.read_only(wallet, person, why).await });
            }
            Session::SignedOut | Session::ReadOnly { .. } | Session::Ready { .. } => {}
        }
    }

    fn sign_out(self: &Rc<Self>) {
        self.signing_in.stop();
        self.cancel_create();
        self.end_visit();
        self.forget_me();
    }

    pub(crate) fn disconnect(self: &Rc<Self>) {
        self.sign_out();
        let runtime = self.clone();
        wasm_bindgen_futures::spawn_local(async move {
            if let Err(error) = runtime.db.delete(schema::SETTINGS, "session").await {
                runtime.storage_failed("The connection is forgotten in this page only", &error);
            }
        });
    }

    fn set_me(self: &Rc<Self>, me: Option<Me>) {
        let person = me.as_ref().map(|me| me.person);
        let before = self.me.replace(me.map(Rc::new));
        if before.is_some_and(|before| Some(before.person) != person) {
            self.forget_shown();
        }
    }

    fn forget_me(self: &Rc<Self>) {
        self.watch.take();
        self.set_me(None);
        self.set_session(Session::SignedOut);
        self.person_changed();
    }

    async fn remember(&self, wallet: &Wallet, person: Person) {
        let remembered = Remembered {
            wallet: wallet.lasting_id(),
            person,
        };
        // Only comfort: without it the next visit begins with the choice of wallets.
        let _ = self
            .db
            .put_json(schema::SETTINGS, "session", &remembered)
            .await;
    }

    fn watch(self: &Rc<Self>, wallet: &Wallet) {
        let Wallet::Injected(injected) = wallet else {
            self.watch.take();
            return;
        };
        let runtime = Rc::downgrade(self);
        let watch = injected.watch(move |change| {
            if let Some(runtime) = runtime.upgrade() {
                runtime.follow(change);
            }
        });
        self.watch.replace(Some(watch));
    }

    fn watched_wallet(&self) -> Option<Wallet> {
        match self.me() {
            Some(me) => Some(me.wallet.clone()),
            None => self
                .watch
                .borrow()
                .as_ref()
                .map(|watch| Wallet::Injected(watch.wallet.clone())),
        }
    }

    /// The person has changed something in the wallet itself.
    fn follow(self: &Rc<Self>, change: WalletChange) {
        let session = self.client.session.get_untracked();
        match change {
            // A wallet that is still locked.
            WalletChange::Account(None) if session == Session::SignedOut => {}
            // Disconnected there, or locked: then it says so when it is unlocked.
            WalletChange::Account(None) => {
                let wallet = self.watched_wallet();
                self.sign_out();
                if let Some(wallet) = wallet {
                    self.watch(&wallet);
                }
            }
            WalletChange::Account(Some(person)) => {
                if session.person() == Some(person) || matches!(session, Session::Connecting { .. })
                {
                    return;
                }
                let Some(wallet) = self.watched_wallet() else {
                    return;
                };
                self.cancel_create();
                let runtime = self.clone();
                self.signing_in.run(async move {
                    runtime.remember(&wallet, person).await;
                    runtime.become_person(wallet, person).await;
                });
            }
            WalletChange::Chain(id) if id != self.bootstrap.chain.id => {
                let name = self.bootstrap.chain.name.clone();
                match session {
                    // A signature for our chain cannot come from there any more.
                    Session::Signing { person, .. } => {
                        let Some(wallet) = self.watched_wallet() else { return };
                        let why = trouble(
                            format!("The wallet went to another chain (id {id}) before it signed."),
                            None,
                            Some(&format!("Sign again: the wallet is asked to go back to {name}.")),
                        );
                        let runtime = self.clone();
                        self.signing_in.run(async move { runtime.read_only(wallet, person, why).await });
                    }
                    Session::Ready { .. } | Session::ReadOnly { .. } => self.toast(
                        ToastKind::Info,
                        format!(
                            "The wallet is on another chain (id {id}). Messages and votes go on; for a transaction it is asked to switch to {name}."
                        ),
                    ),
                    Session::Restoring | Session::SignedOut | Session::Connecting { .. } | Session::Switching { .. } => {}
                }
            }
            WalletChange::Chain(_) => {}
        }
    }

    /// Turns `Ready` into `ReadOnly` when the delegation has run out.
    pub(crate) fn check_expiry(self: &Rc<Self>) {
        let Some(me) = self.me() else { return };
        if me
            .delegation
            .as_ref()
            .is_some_and(|delegation| !delegation.covers(now()))
        {
            let why = trouble(
                "The permission of this browser to sign for you has ended.",
                Some("What you write stays here."),
                Some("Sign again in the wallet."),
            );
            let runtime = self.clone();
            self.signing_in
                .run(async move { runtime.read_only(me.wallet.clone(), me.person, why).await });
        }
    }
}
