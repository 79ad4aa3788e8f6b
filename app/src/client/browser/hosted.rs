//! Key nodes of Lighthouse's kind: one host, one wallet's signature for a visit, bare shares that go to this page alone.
//!
//! The tokens that the signature gives are kept for the tab (`sessionStorage`), so that a reload asks for nothing. Who
//! declines is not asked again until they do something that needs a key.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use futures::{
    StreamExt,
    channel::oneshot,
    future::{Either, select},
    stream::FuturesUnordered,
};
use healthsync_core::{Person, Signature65, eth};
use healthsync_lighthouse::{
    Share, SignInError, Tokens, Visit, Way,
    kavach::{Call, Refusal, is_done, read_share},
};
use leptos::prelude::Set;
use serde_json::Value;
use wasm_bindgen_futures::spawn_local;

use super::{
    http::{HttpError, get_json, send_json, within},
    platform::{now, sleep, window},
    rooms::key::{NEEDED, NoKey, Said},
    runtime::{Me, Runtime, trouble},
};
use crate::client::model::{Client, KeyNodeInfo, KeySignIn, NodeShare};

/// Where the tokens are kept, by host.
const KEPT: &str = "healthsync-key-nodes/";
const ANSWER_MS: u32 = 15_000;
/// For one node's share.
const SHARE_MS: u32 = 5_000;
/// For the other nodes once there are enough, so that a wrong share among the first can be told.
const GRACE_MS: u32 = 300;
/// Times a node is called that cannot be reached, with growing pauses between.
const TRIES: u32 = 3;
const PAUSE_MS: u32 = 250;

/// The sign-in at the host, as far as it has come.
#[derive(Debug, Default)]
pub(crate) struct Hosted {
    visit: RefCell<Option<Rc<Visit>>>,
    declined: Cell<bool>,
    /// Goes on, or when it is dropped, does not.
    answer: RefCell<Option<oneshot::Sender<()>>>,
}

impl Hosted {
    /// They may be asked again.
    pub(crate) fn forgive(&self) {
        self.declined.set(false);
    }

    /// The person said yes, and the wallet may open.
    pub(crate) fn agree(&self) {
        if let Some(answer) = self.answer.take() {
            let _ = answer.send(());
        }
    }

    /// Whether something waited for the person or the wallet; it does no more.
    pub(crate) fn cancel(&self) -> bool {
        self.answer.take().is_some()
    }

    fn wait(&self) -> oneshot::Receiver<()> {
        let (tell, told) = oneshot::channel();
        self.answer.replace(Some(tell));
        told
    }
}

/// Who signs there.
#[derive(Clone, Debug)]
pub(crate) enum Signer {
    Wallet(Rc<Me>),
    /// An account that is made for one key and thrown away.
    Secret([u8; 32]),
}

/// The way to the host for one signer.
#[derive(Clone, Debug)]
pub(crate) struct AtHost<'a> {
    runtime: &'a Rc<Runtime>,
    signer: Signer,
    visit: Rc<Visit>,
}

/// Takes the question off the screen, also when nobody waits for its answer any more.
struct Shown(Client);

impl Drop for Shown {
    fn drop(&mut self) {
        self.0.key_sign_in.set(KeySignIn::None);
    }
}

impl From<SignInError> for HttpError {
    fn from(error: SignInError) -> Self {
        HttpError::NotSigned(error.to_string())
    }
}

impl Way for AtHost<'_> {
    type Error = HttpError;

    async fn send(&self, call: &Call, bearer: Option<&str>) -> Result<Value, HttpError> {
        let base = self.runtime.host_node().map_or("", KeyNodeInfo::base);
        let url = format!("{base}{}", call.path);
        let Some(body) = &call.body else {
            return get_json(&url, ANSWER_MS).await;
        };
        let patience = if call.path.starts_with("/api/retrieve") {
            SHARE_MS
        } else {
            ANSWER_MS
        };
        send_json(call.method, &url, body, bearer, patience).await
    }

    async fn sign(
        &self,
        text: impl Future<Output = Result<String, HttpError>>,
    ) -> Result<(String, Signature65), HttpError> {
        match &self.signer {
            Signer::Wallet(me) => self.runtime.sign_at_host(me, text).await,
            Signer::Secret(secret) => {
                let text = text.await?;
                let signature = eth::sign_hash(&eth::eip191_hash(&text), secret);
                let signature = signature.map_err(|error| not_signed(&error))?;
                Ok((text, signature))
            }
        }
    }

    fn keep(&self, tokens: &Tokens) {
        let Signer::Wallet(me) = &self.signer else {
            return;
        };
        if let (Some(storage), Ok(text)) = (
            session_storage(),
            serde_json::to_string(&(me.person, tokens)),
        ) {
            // Without it a reload asks for a signature again.
            let _ = storage.set_item(&self.runtime.kept_at(), &text);
        }
        let runtime = self.runtime.clone();
        spawn_local(async move { runtime.save_leftover_shares().await });
    }

    fn refusal(error: &HttpError) -> Option<Refusal> {
        match error {
            HttpError::Status { status, text } => Some(Refusal::read(*status, text)),
            HttpError::Unreachable(_)
            | HttpError::Timeout(_)
            | HttpError::Cancelled
            | HttpError::NotSigned(_)
            | HttpError::Unreadable(_) => None,
        }
    }
}

impl AtHost<'_> {
    /// Has a node do something, and confirm it.
    pub(crate) async fn tell(&self, call: &Call) -> Result<(), HttpError> {
        match self.visit.call(self, call).await {
            Ok(answer) if is_done(&answer) => Ok(()),
            Ok(_) => Err(HttpError::Unreadable("no confirmation".into())),
            Err(error) if Self::refusal(&error) == Some(Refusal::SignIn) => {
                Err(not_signed(&Refusal::SignIn.words()))
            }
            Err(error) => Err(error),
        }
    }

    /// Saves a share and says who else may have it.
    pub(crate) async fn save(
        &self,
        cid: &str,
        node: u8,
        share: &Share,
        (conditions, aggregator): (&Value, &str),
    ) -> Result<(), HttpError> {
        let person = self.visit.person();
        self.tell(&Call::save(person, cid, node, share)).await?;
        let rules = Call::set_conditions(person, cid, node, conditions, aggregator);
        self.tell(&rules).await
    }

    pub(crate) async fn set_conditions(
        &self,
        cid: &str,
        node: u8,
        (conditions, aggregator): (&Value, &str),
    ) -> Result<(), HttpError> {
        let person = self.visit.person();
        let rules = Call::set_conditions(person, cid, node, conditions, aggregator);
        self.tell(&rules).await
    }

    async fn share_of(&self, node: &KeyNodeInfo, cid: &str) -> Said {
        let call = Call::retrieve(self.visit.person(), cid, node.id);
        let started = now().0;
        let mut tried = 1;
        let answer = loop {
            match self.visit.call(self, &call).await {
                Err(HttpError::Unreachable(_)) if tried < TRIES => {
                    sleep(PAUSE_MS * tried).await;
                    tried += 1;
                }
                other => break other,
            }
        };
        let ms = u32::try_from(now().0.saturating_sub(started)).unwrap_or(u32::MAX);
        let (state, share) = match answer {
            Ok(answer) => match read_share(&answer) {
                Some(share) => (NodeShare::Good { ms }, Some(share)),
                None => (NodeShare::Wrong, None),
            },
            Err(error) => {
                let refusal = Self::refusal(&error);
                let reason = refusal.map_or_else(|| error.to_string(), |why| why.words().into());
                let state = match refusal {
                    Some(Refusal::Denied) => NodeShare::Denied { reason },
                    _ => NodeShare::Down { reason },
                };
                (state, None)
            }
        };
        Said {
            node: node.id,
            name: node.name.clone(),
            state,
            share,
        }
    }
}

impl Runtime {
    /// The nodes' host, if they are of that kind.
    fn host_node(&self) -> Option<&KeyNodeInfo> {
        let node = self.bootstrap.key_nodes.first()?;
        node.kind.is_lighthouse().then_some(node)
    }

    fn kept_at(&self) -> String {
        format!("{KEPT}{}", self.host_node().map_or("", KeyNodeInfo::host))
    }

    /// The way to the nodes of Lighthouse's kind as whoever is signed in; `None` where nodes are ours, or nobody is.
    pub(crate) fn at_host(self: &Rc<Self>) -> Option<AtHost<'_>> {
        self.host_node()?;
        let me = self.me()?;
        let visit = self.visit_of(me.person);
        Some(AtHost {
            runtime: self,
            signer: Signer::Wallet(me),
            visit,
        })
    }

    /// The same as an account that nobody will have again.
    pub(crate) fn at_host_as(self: &Rc<Self>, person: Person, secret: [u8; 32]) -> AtHost<'_> {
        AtHost {
            runtime: self,
            signer: Signer::Secret(secret),
            visit: Rc::new(Visit::new(person, None)),
        }
    }

    fn visit_of(&self, person: Person) -> Rc<Visit> {
        let mut visit = self.hosted.visit.borrow_mut();
        match visit.as_ref().filter(|visit| visit.person() == person) {
            Some(visit) => visit.clone(),
            None => {
                let kept = session_storage()
                    .and_then(|storage| storage.get_item(&self.kept_at()).ok().flatten())
                    .and_then(|text| serde_json::from_str::<(Person, Tokens)>(&text).ok())
                    .filter(|(of, _)| *of == person);
                let new = Rc::new(Visit::new(person, kept.map(|(_, tokens)| tokens)));
                visit.insert(new).clone()
            }
        }
    }

    /// Whether a call to the key nodes would have to ask the person, who may have asked for nothing.
    pub(crate) fn would_ask(&self) -> bool {
        let Some(me) = self.me().filter(|_| self.host_node().is_some()) else {
            return false;
        };
        !me.wallet.is_demo() && !self.visit_of(me.person).has_begun()
    }

    /// Forgets the visit, in this tab.
    pub(crate) fn end_visit(&self) {
        self.hosted.visit.take();
        if let Some(storage) = session_storage() {
            let _ = storage.remove_item(&self.kept_at());
        }
    }

    /// Asks the person, then the wallet. What the wallet shows is on the page, too.
    async fn sign_at_host(
        &self,
        me: &Me,
        text: impl Future<Output = Result<String, HttpError>>,
    ) -> Result<(String, Signature65), HttpError> {
        const DECLINED: &str = "your signature is missing";
        if self.hosted.declined.get() {
            return Err(not_signed(&DECLINED));
        }
        let _shown = Shown(self.client);
        let wallet = me.wallet.name();
        let asks = !me.wallet.is_demo();
        if asks {
            let told = self.hosted.wait();
            let host = self.host_node().map_or("", KeyNodeInfo::host).to_owned();
            let wallet = wallet.clone();
            (self.client.key_sign_in).set(KeySignIn::Asked { wallet, host });
            if told.await.is_err() {
                self.hosted.declined.set(true);
                return Err(not_signed(&DECLINED));
            }
        }
        let text = text.await?;
        let told = self.hosted.wait();
        if asks {
            let text = text.clone();
            (self.client.key_sign_in).set(KeySignIn::Signing { wallet, text });
        }
        let signed = {
            let signing = std::pin::pin!(me.wallet.sign_message(me.person, &text));
            match select(signing, told).await {
                Either::Left((Ok(signature), _)) => Ok(signature),
                Either::Left((Err(error), _)) => Err(not_signed(&error)),
                Either::Right(_) => Err(not_signed(&DECLINED)),
            }
        };
        self.hosted.answer.take();
        self.hosted.declined.set(signed.is_err());
        Ok((text, signed?))
    }

    /// Asks all nodes of the host for their share of the key under `cid`; `all`: and waits for each.
    pub(super) async fn ask_host(
        self: &Rc<Self>,
        host: &AtHost<'_>,
        cid: &str,
        all: bool,
    ) -> Result<Vec<Said>, NoKey> {
        // First, so that no node's time runs while the wallet is open.
        host.visit.begin(host).await.map_err(|error| {
            NoKey::Failed(trouble(
                format!("The key nodes could not be asked: {error}."),
                None,
                Some("Try again, and sign in the wallet if it asks."),
            ))
        })?;
        let nodes = &self.bootstrap.key_nodes;
        let mut asked: FuturesUnordered<_> =
            nodes.iter().map(|node| host.share_of(node, cid)).collect();
        let mut said: Vec<Said> = Vec::new();
        loop {
            let good = said.iter().filter(|said| said.share.is_some()).count();
            let next = if good >= NEEDED && !all {
                within(GRACE_MS, asked.next()).await.flatten()
            } else {
                asked.next().await
            };
            match next {
                Some(one) => said.push(one),
                None => return Ok(said),
            }
        }
    }
}

fn not_signed(why: &dyn std::fmt::Display) -> HttpError {
    HttpError::NotSigned(why.to_string())
}

fn session_storage() -> Option<web_sys::Storage> {
    window().session_storage().ok().flatten()
}
