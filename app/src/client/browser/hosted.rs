//! Key nodes of Lighthouse's kind: one host, one wallet's signature for a visit, bare shares that go to this page alone.
//!
//! The tokens that the signature gives are kept for the tab (`sessionStorage`), so that a reload asks for nothing. Who
//! declines is not asked again until they do something that needs a key.

use std::{
    cell::{Cell, RefCell},
    fmt::Display,
    rc::Rc,
};

use futures::{
    FutureExt,
    channel::oneshot,
    future::{Either, select, select_all},
};
use healthsync_core::{Person, Signature65, eth};
use healthsync_lighthouse::{
    Share, SignInError, Tokens, Visit, Way,
    kavach::{Call, Refusal, is_done, read_share},
};
use leptos::prelude::Update;
use serde_json::{Value, json};

use super::{
    http::{HttpError, place, send_json, within},
    platform::{now, sleep, window},
    rooms::key::{NEEDED, Said},
    runtime::Runtime,
    wallet::Wallet,
};
use crate::client::model::{KeyNodeInfo, NodeShare, Session};

/// Where the tokens are kept, by host.
const KEPT: &str = "healthsync-key-nodes/";
const ANSWER_MS: u32 = 10_000;
/// For the other nodes once there are enough, so that a wrong share among the first can be told.
const GRACE_MS: u32 = 300;
/// For all of it: each call has its own time, and a wallet may be asked once more.
const PATIENCE_MS: u32 = 600_000;
/// Times a node is asked that cannot be reached, with growing pauses between.
const TRIES: u32 = 3;
const PAUSE_MS: u32 = 250;
const MISSING: &str = "your signature is missing";

/// The sign-in at the host, as far as it has come.
#[derive(Debug, Default)]
pub(crate) struct Hosted {
    visit: RefCell<Option<Rc<Visit>>>,
    declined: Cell<Option<Person>>,
    /// The person is asked; dropped, it means no.
    asked: RefCell<Option<oneshot::Sender<()>>>,
    /// The wallet is open; dropped, nobody waits for it any more.
    signing: RefCell<Option<oneshot::Sender<()>>>,
}

impl Hosted {
    /// They may be asked again.
    pub(crate) fn forgive(&self) {
        self.declined.set(None);
    }

    /// The person said yes, and the wallet may open. False: nothing was asked.
    pub(crate) fn agree(&self) -> bool {
        match self.asked.take() {
            Some(asked) => asked.send(()).is_ok(),
            None => self.signing.borrow().is_some(),
        }
    }

    /// Not to be asked again by itself.
    fn no(&self, who: Person, why: &dyn Display) -> HttpError {
        self.declined.set(Some(who));
        HttpError::NotSigned(why.to_string())
    }

    /// Whether something waited for the person or the wallet; it does no more.
    pub(crate) fn cancel(&self) -> bool {
        self.asked.take().is_some() | self.signing.take().is_some()
    }
}

/// The way to the host for one signer.
#[derive(Debug)]
pub(crate) struct AtHost {
    runtime: Rc<Runtime>,
    wallet: Wallet,
    visit: Rc<Visit>,
}

/// Takes the question off the screen, also when nobody waits for its answer any more.
struct Shown<'a>(&'a Runtime);

impl Drop for Shown<'_> {
    fn drop(&mut self) {
        self.0.hosted.cancel();
        self.0.show_key_sign_in(None);
    }
}

impl From<SignInError> for HttpError {
    fn from(error: SignInError) -> Self {
        HttpError::NotSigned(error.to_string())
    }
}

impl Way for AtHost {
    type Error = HttpError;

    async fn send(&self, call: &Call, bearer: Option<&str>) -> Result<Value, HttpError> {
        let base = self.runtime.bootstrap.hosted.as_deref().unwrap_or_default();
        let url = format!("{base}{}", call.path);
        send_json(call.method, &url, &call.body, bearer, ANSWER_MS).await
    }

    async fn sign(
        &self,
        text: impl Future<Output = Result<String, HttpError>>,
    ) -> Result<(String, Signature65), HttpError> {
        let (hosted, person) = (&self.runtime.hosted, self.visit.person());
        let injected = match &self.wallet {
            Wallet::Injected(injected) => injected,
            Wallet::Demo(demo) => {
                let text = text.await?;
                let signature = demo.sign(&eth::eip191_hash(&text));
                return Ok((text, signature.map_err(|error| hosted.no(person, &error))?));
            }
        };
        if hosted.declined.get() == Some(person) {
            return Err(hosted.no(person, &MISSING));
        }
        let _shown = Shown(&self.runtime);
        let (agree, agreed) = oneshot::channel();
        hosted.asked.replace(Some(agree));
        let host = self.runtime.key_host();
        self.runtime.show_key_sign_in(Some(format!(
            "The keys are kept at {host}, which gives them for your wallet's signature, once in each visit. \
             {} shows a short text. Signing costs nothing and moves nothing.",
            injected.name
        )));
        agreed.await.map_err(|_| hosted.no(person, &MISSING))?;
        let (stop, stopped) = oneshot::channel();
        hosted.signing.replace(Some(stop));
        let text = text.await?;
        let signing = injected.sign_text(person, &text).boxed_local();
        let signed = match select(signing, stopped).await {
            Either::Left((signed, _)) => signed.map_err(|error| hosted.no(person, &error))?,
            Either::Right(_) => return Err(hosted.no(person, &MISSING)),
        };
        // What is no signature is nobody's.
        let signature = signed.parse().unwrap_or(Signature65([0; 65]));
        Ok((text, signature))
    }

    fn keep(&self, tokens: &Tokens) {
        let person = self.visit.person();
        // An account that is thrown away comes to no second call.
        if self.runtime.me().is_none_or(|me| me.person != person) {
            return;
        }
        if let Some(storage) = session_storage() {
            let kept = json!([person.to_string(), tokens.to_json()]).to_string();
            // Without it a reload asks for a signature again.
            let _ = storage.set_item(&self.runtime.kept_at(), &kept);
        }
        self.runtime.bring_leftover_shares();
    }

    fn refusal(error: &HttpError) -> Option<Refusal> {
        match error {
            HttpError::Status { status, text } => Some(Refusal::read(*status, text)),
            HttpError::Unreachable(_)
            | HttpError::Timeout(_)
            | HttpError::Stalled(_)
            | HttpError::NoSigner
            | HttpError::NotSigned(_)
            | HttpError::Unreadable(_) => None,
        }
    }
}

impl AtHost {
    /// Has a node keep this, and confirm it.
    pub(crate) async fn save(
        &self,
        node: u8,
        rules: &Value,
        share: Option<&Share>,
    ) -> Result<Value, HttpError> {
        let mut answer = Value::Null;
        for call in Call::saving(node, rules, share) {
            answer = self.visit.call(self, &call).await?;
            if !is_done(&answer) {
                return Err(HttpError::Unreadable("no confirmation".into()));
            }
        }
        Ok(answer)
    }

    /// Asks all nodes for their share of the key under `cid`; `all`: and waits for each.
    pub(crate) async fn ask(&self, cid: &str, all: bool) -> Result<Vec<Said>, HttpError> {
        // First, so that no node's time runs while the wallet is open.
        self.visit.begin(self).await?;
        let nodes = &self.runtime.bootstrap.key_nodes;
        let mut asked: Vec<_> = nodes
            .iter()
            .map(|node| self.share_of(node, cid).boxed_local())
            .collect();
        let mut said: Vec<Said> = Vec::new();
        while !asked.is_empty() {
            let good = said.iter().filter(|said| said.share.is_some()).count();
            let patience = if good < NEEDED || all {
                PATIENCE_MS
            } else {
                GRACE_MS
            };
            let Some((one, _, others)) = within(patience, select_all(asked)).await else {
                break;
            };
            said.push(one);
            asked = others;
        }
        Ok(said)
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
        let share = answer.as_ref().ok().and_then(read_share);
        let state = match answer {
            Ok(_) if share.is_some() => NodeShare::Good {
                ms: now().0.saturating_sub(started) as u32,
            },
            Ok(_) => NodeShare::Wrong,
            Err(error) => match Self::refusal(&error) {
                Some(Refusal::Denied) => NodeShare::Denied {
                    reason: Refusal::Denied.words().into(),
                },
                Some(why) => NodeShare::Down {
                    reason: why.words().into(),
                },
                None => NodeShare::Down {
                    reason: error.to_string(),
                },
            },
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
    /// The same whichever way the calls go there.
    fn key_host(&self) -> String {
        let node = self.bootstrap.key_nodes.first();
        node.map(|node| place(&node.url)).unwrap_or_default()
    }

    fn kept_at(&self) -> String {
        format!("{KEPT}{}", self.key_host())
    }

    /// The way to the nodes of Lighthouse's kind as whoever is signed in; `None` where nodes are ours, or nobody is.
    pub(crate) fn at_host(self: &Rc<Self>) -> Option<AtHost> {
        let me = self.me()?;
        self.at_host_as(me.person, &me.wallet)
    }

    /// The same as any account.
    pub(crate) fn at_host_as(self: &Rc<Self>, person: Person, wallet: &Wallet) -> Option<AtHost> {
        self.bootstrap.hosted.as_ref()?;
        Some(AtHost {
            runtime: self.clone(),
            wallet: wallet.clone(),
            visit: self.visit_of(person),
        })
    }

    fn visit_of(&self, person: Person) -> Rc<Visit> {
        let mut visit = self.hosted.visit.borrow_mut();
        if let Some(visit) = visit.as_ref().filter(|visit| visit.person() == person) {
            return visit.clone();
        }
        let kept = || {
            let kept = session_storage()?.get_item(&self.kept_at()).ok()??;
            let kept: Value = serde_json::from_str(&kept).ok()?;
            let of = kept[0].as_str()?;
            (of == person.to_string()).then(|| Tokens::read(&kept[1]))?
        };
        let new = Rc::new(Visit::new(person, kept()));
        if self.me().is_some_and(|me| me.person == person) {
            visit.replace(new.clone());
        }
        new
    }

    /// Whether a call to the key nodes would have to ask the person, who may have asked for nothing.
    pub(crate) fn would_ask(self: &Rc<Self>) -> bool {
        self.at_host()
            .is_some_and(|host| !host.wallet.is_demo() && !host.visit.has_begun())
    }

    /// Forgets the visit, in this tab.
    pub(crate) fn end_visit(&self) {
        self.hosted.visit.take();
        if let Some(storage) = session_storage() {
            let _ = storage.remove_item(&self.kept_at());
        }
    }

    /// What the person is asked before the wallet opens, and while it is open.
    fn show_key_sign_in(&self, asks: Option<String>) {
        self.client.session.update(|session| {
            if let Session::Ready { keys, .. } = session {
                *keys = asks;
            }
        });
    }
}

fn session_storage() -> Option<web_sys::Storage> {
    window().session_storage().ok().flatten()
}
