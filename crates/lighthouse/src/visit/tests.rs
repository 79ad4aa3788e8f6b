//! Visits at five real nodes that share one authority, as Lighthouse's do; time passes by hand, and the network lies as told.

use std::cell::{Cell, RefCell};
use std::sync::{Arc, Mutex as Shared};

use alloy_primitives::{Address, U256};
use async_trait::async_trait;
use futures::executor::block_on;
use futures::future::join_all;
use healthsync_core::eth::{eip191_hash, person_of_secret, sign_hash};
use healthsync_core::{Millis, RoomId};
use serde_json::json;

use super::*;
use crate::conditions::{ChainError, ChainReader};
use crate::kavach::{is_done, read_share, rules};
use crate::node::{Authority, AuthorityConfig, KeyCall, KeyNode, MemoryStore, Request};
use crate::shares::{candidates, generate};
use crate::{MasterKey, Share, room_key_cid, room_member_condition};

const ADA: [u8; 32] = [1; 32];
const BEN: [u8; 32] = [2; 32];
const ROOM: RoomId = RoomId([7; 32]);
const HOUR: u64 = 3_600_000;
const WEEK: u64 = 7 * 24 * HOUR;

/// Ben alone is on the list.
struct Registry(Arc<Shared<Vec<Person>>>);

#[async_trait]
impl ChainReader for Registry {
    async fn call(&self, _: &str, _: Address, data: Vec<u8>) -> Result<Vec<u8>, ChainError> {
        let asked = Person(data[48..].try_into().unwrap());
        let is = data[4..36] == ROOM.0 && self.0.lock().unwrap().contains(&asked);
        Ok([vec![0; 31], vec![is.into()]].concat())
    }

    async fn balance(&self, _: &str, _: Address) -> Result<U256, ChainError> {
        Err(ChainError::UnknownChain)
    }

    async fn block_number(&self, _: &str) -> Result<u64, ChainError> {
        Err(ChainError::UnknownChain)
    }
}

#[derive(Debug, PartialEq)]
enum Failure {
    Refused(u16, String),
    Away,
    Declined,
    SignIn(SignInError),
}

impl From<SignInError> for Failure {
    fn from(error: SignInError) -> Self {
        Self::SignIn(error)
    }
}

/// The host, the network before it, and one person's wallet.
struct World {
    authority: Arc<Authority>,
    nodes: Vec<KeyNode>,
    members: Arc<Shared<Vec<Person>>>,
    wallet: Cell<[u8; 32]>,
    now: Cell<u64>,
    /// Calls in order, and signatures.
    calls: RefCell<Vec<String>>,
    signed: Cell<u32>,
    declines: Cell<bool>,
    away: Cell<bool>,
    text: RefCell<Option<&'static str>>,
    kept: RefCell<Option<Tokens>>,
    random: Cell<u8>,
}

impl World {
    fn new() -> Self {
        let authority = Arc::new(Authority::new(AuthorityConfig {
            jwt_key: [9; 32],
            chain_id: 1,
        }));
        let members = Arc::new(Shared::new(Vec::new()));
        let chain = Arc::new(Registry(members.clone()));
        let node = |number| {
            let store = Arc::new(MemoryStore::default());
            KeyNode::new(number, store, chain.clone(), authority.clone())
        };
        Self {
            nodes: (1..=5).map(node).collect(),
            authority,
            members,
            wallet: Cell::new(ADA),
            now: Cell::new(1_700_000_000_000),
            calls: RefCell::default(),
            signed: Cell::new(0),
            declines: Cell::new(false),
            away: Cell::new(false),
            text: RefCell::new(None),
            kept: RefCell::new(None),
            random: Cell::new(0),
        }
    }

    fn later(&self, ms: u64) {
        self.now.set(self.now.get() + ms);
    }

    fn count(&self, what: &str) -> usize {
        let calls = self.calls.borrow();
        calls.iter().filter(|call| call.starts_with(what)).count()
    }

    async fn answer(&self, call: &Call, bearer: Option<&str>) -> crate::node::Answer {
        let now = Millis(self.now.get());
        let body = call.body.to_string();
        let random = [self.random.replace(self.random.get() + 1); 32];
        let authorization = bearer.map(|token| format!("Bearer {token}"));
        let (path, last) = call.path.rsplit_once('/').unwrap();
        let node = |kind| {
            let number: usize = last.parse().unwrap();
            let request = Request {
                authorization: authorization.as_deref(),
                body: body.as_bytes(),
                now,
                random,
            };
            self.nodes[number - 1].handle(kind, request)
        };
        match (call.method, path) {
            ("GET", "/api/message") => self.authority.message(last, now, [random[0]; 16]),
            ("POST", "/api/message") => self.authority.get_jwt(body.as_bytes(), now, random),
            ("PUT", "/api/message") => self.authority.refresh_jwt(body.as_bytes(), now, random),
            ("POST", "/api/setSharedKey") => node(KeyCall::Save).await,
            ("PUT", "/api/fileAccessConditions") => node(KeyCall::SetConditions).await,
            ("POST", "/api/retrieveSharedKey") => node(KeyCall::Retrieve).await,
            other => panic!("no such call: {other:?}"),
        }
    }
}

impl Way for World {
    type Error = Failure;

    async fn send(&self, call: &Call, bearer: Option<&str>) -> Result<Value, Failure> {
        let named = format!("{} {}", call.method, call.path);
        self.calls.borrow_mut().push(named);
        if self.away.get() {
            return Err(Failure::Away);
        }
        let mut answer = self.answer(call, bearer).await;
        if let Some(text) = *self.text.borrow()
            && call.method == "GET"
        {
            answer.body = json!([{ "message": text }]);
        }
        if answer.status == 200 {
            return Ok(answer.body);
        }
        let mut text = &answer.body;
        while let Some(inner) = text.get("message") {
            text = inner;
        }
        let text = text.as_str().unwrap_or_default().to_owned();
        Err(Failure::Refused(answer.status, text))
    }

    async fn sign(
        &self,
        text: impl Future<Output = Result<String, Failure>>,
    ) -> Result<(String, Signature65), Failure> {
        if self.declines.get() {
            return Err(Failure::Declined);
        }
        let text = text.await?;
        self.signed.set(self.signed.get() + 1);
        let signature = sign_hash(&eip191_hash(&text), &self.wallet.get()).unwrap();
        Ok((text, signature))
    }

    fn keep(&self, tokens: &Tokens) {
        self.kept.replace(Some(tokens.clone()));
    }

    fn refusal(error: &Failure) -> Option<Refusal> {
        match error {
            Failure::Refused(status, text) => Some(Refusal::read(*status, text)),
            Failure::Away | Failure::Declined | Failure::SignIn(_) => None,
        }
    }
}

fn person(secret: &[u8; 32]) -> Person {
    person_of_secret(secret).unwrap()
}

fn visit(secret: &[u8; 32]) -> Visit {
    Visit::new(person(secret), None)
}

/// Ada saves a key's shares for whoever is in the room.
fn save(world: &World, ada: &Visit) -> (String, MasterKey, Vec<Share>) {
    let seed = Cell::new(0);
    let random = |bytes: &mut [u8; 32]| *bytes = [seed.replace(seed.get() + 1) + 1; 32];
    let (key, shares) = generate(3, 5, random).unwrap();
    let cid = room_key_cid(&ROOM, 1);
    let conditions = room_member_condition("Filecoin", Address::ZERO, &ROOM);
    for (node, share) in (1..).zip(&shares) {
        let rules = rules(ada.person(), &cid, &conditions, "([1])");
        for call in Call::saving(node, &rules, Some(share)) {
            assert!(is_done(&block_on(ada.call(world, &call)).unwrap()));
        }
    }
    (cid, key, shares)
}

fn fetch(world: &World, who: &Visit, cid: &str) -> Vec<Result<Value, Failure>> {
    let calls: Vec<Call> = (1..=5)
        .map(|node| Call::retrieve(who.person(), cid, node))
        .collect();
    block_on(join_all(calls.iter().map(|call| who.call(world, call))))
}

fn as_ben(world: &World) -> Visit {
    world.wallet.set(BEN);
    visit(&BEN)
}

#[test]
fn one_signature_serves_a_visit() {
    let world = World::new();
    let ada = visit(&ADA);
    assert!(!ada.has_begun());
    let (cid, key, _) = save(&world, &ada);
    assert!(ada.has_begun());
    let got = fetch(&world, &ada, &cid);
    let good: Vec<(usize, Share)> = (1..)
        .zip(got)
        .map(|(node, answer)| (node, read_share(&answer.unwrap()).unwrap()))
        .collect();
    let found = candidates(&good, 3).unwrap().next().unwrap();
    assert_eq!((found.key, found.bad_nodes), (key, vec![]));
    assert_eq!(
        (world.signed.get(), world.count("POST /api/message")),
        (1, 1)
    );

    // The same visit after a reload, by the tokens that were kept.
    let again = Visit::new(person(&ADA), world.kept.borrow().clone());
    assert!(fetch(&world, &again, &cid).iter().all(Result::is_ok));
    assert_eq!(world.signed.get(), 1);
}

#[test]
fn calls_that_begin_together_ask_the_wallet_once() {
    let world = World::new();
    let ada = visit(&ADA);
    let (cid, _, _) = save(&world, &ada);
    let new = visit(&ADA);
    assert!(fetch(&world, &new, &cid).iter().all(Result::is_ok));
    assert_eq!(world.signed.get(), 2);
}

#[test]
fn an_ended_token_is_renewed_once_for_all_calls_and_without_the_wallet() {
    let world = World::new();
    let ada = visit(&ADA);
    let (cid, _, _) = save(&world, &ada);
    world.later(2 * HOUR);
    assert!(fetch(&world, &ada, &cid).iter().all(Result::is_ok));
    assert_eq!(
        (world.signed.get(), world.count("PUT /api/message")),
        (1, 1)
    );
    let kept = world.kept.borrow().clone().unwrap();
    assert_eq!(block_on(ada.token(&world, None)).unwrap(), kept.access);
}

#[test]
fn when_the_refresh_token_has_ended_too_the_wallet_signs_again() {
    let world = World::new();
    let ada = visit(&ADA);
    let (cid, _, _) = save(&world, &ada);
    world.later(WEEK + HOUR);
    assert!(fetch(&world, &ada, &cid).iter().all(Result::is_ok));
    assert_eq!(world.signed.get(), 2);
}

#[test]
fn a_host_that_is_away_is_no_reason_to_sign_again() {
    let world = World::new();
    let ada = visit(&ADA);
    let (cid, _, _) = save(&world, &ada);
    world.away.set(true);
    let away = |answer: &Result<Value, Failure>| *answer == Err(Failure::Away);
    assert!(fetch(&world, &ada, &cid).iter().all(away));
    let stale = block_on(ada.token(&world, None)).unwrap();
    assert_eq!(
        block_on(ada.token(&world, Some(&stale))),
        Err(Failure::Away)
    );
    assert!(ada.has_begun());
    world.away.set(false);
    assert!(fetch(&world, &ada, &cid).iter().all(Result::is_ok));
    assert_eq!(world.signed.get(), 1);
}

#[test]
fn who_declines_gets_nothing_and_may_sign_later() {
    let world = World::new();
    let ada = visit(&ADA);
    let (cid, _, _) = save(&world, &ada);
    let new = visit(&ADA);
    world.declines.set(true);
    let declined = |answer: &Result<Value, Failure>| *answer == Err(Failure::Declined);
    assert!(fetch(&world, &new, &cid).iter().all(declined));
    assert!(!new.has_begun());
    world.declines.set(false);
    assert!(fetch(&world, &new, &cid).iter().all(Result::is_ok));
}

#[test]
fn the_condition_alone_decides_for_others() {
    let world = World::new();
    let (cid, key, _) = save(&world, &visit(&ADA));
    let ben = as_ben(&world);
    let refused = |answer: &Result<Value, Failure>| {
        let error = answer.as_ref().unwrap_err();
        World::refusal(error) == Some(Refusal::Denied)
    };
    assert!(fetch(&world, &ben, &cid).iter().all(refused));
    world.members.lock().unwrap().push(person(&BEN));
    let shares = fetch(&world, &ben, &cid).into_iter();
    let shares: Vec<Share> = shares
        .map(|answer| read_share(&answer.unwrap()).unwrap())
        .collect();
    assert_eq!(crate::recover(&shares[..3]).unwrap(), key);
    // Removed while the token still runs.
    world.members.lock().unwrap().clear();
    assert!(fetch(&world, &ben, &cid).iter().all(refused));
    assert_eq!(world.signed.get(), 2);
}

#[test]
fn a_wrong_share_is_found_and_its_node_named() {
    let world = World::new();
    let ada = visit(&ADA);
    let (cid, key, shares) = save(&world, &ada);
    let wrong = Share::from_hex(&"05".repeat(32), &shares[3].index_hex()).unwrap();
    let rules = rules(ada.person(), &cid, &json!([]), "");
    let lie = &Call::saving(4, &rules, Some(&wrong))[0];
    block_on(ada.call(&world, lie)).unwrap();
    let good: Vec<(usize, Share)> = (1..)
        .zip(fetch(&world, &ada, &cid))
        .map(|(node, answer)| (node, read_share(&answer.unwrap()).unwrap()))
        .collect();
    let found = candidates(&good, 3).unwrap().next().unwrap();
    assert_eq!((found.key, found.bad_nodes), (key, vec![4]));
}

#[test]
fn an_unknown_key_is_named_as_such() {
    let world = World::new();
    let ada = visit(&ADA);
    let answers = fetch(&world, &ada, &room_key_cid(&ROOM, 9));
    for answer in answers {
        assert_eq!(World::refusal(&answer.unwrap_err()), Some(Refusal::NoShare));
    }
    assert_eq!(world.signed.get(), 1);
}

#[test]
fn nothing_but_a_sign_in_is_signed() {
    let world = World::new();
    for text in [
        "",
        "app.example wants you to sign in with your Ethereum account",
        "Please sign this message to prove you are owner of this account: a\nURI: https://app.example",
        "Please sign this message to prove you are owner of this account: to example",
    ] {
        world.text.replace(Some(text));
        let new = visit(&ADA);
        assert_eq!(
            block_on(new.begin(&world)),
            Err(Failure::SignIn(SignInError::OtherText)),
            "{text}"
        );
        assert!(!new.has_begun());
    }
    assert_eq!(world.signed.get(), 0);
}

#[test]
fn a_signature_of_another_account_goes_nowhere() {
    let world = World::new();
    world.wallet.set(BEN);
    assert_eq!(
        block_on(visit(&ADA).begin(&world)),
        Err(Failure::SignIn(SignInError::OtherAccount))
    );
    assert_eq!(world.count("POST /api/message"), 0);
}

#[test]
fn tokens_that_fit_no_header_are_none() {
    for odd in [
        json!({}),
        json!({ "token": "jwt:a" }),
        json!({ "token": "jwt:a b", "refreshToken": "r:b" }),
        json!({ "token": "jwt:a\r\nx: y", "refreshToken": "r:b" }),
        json!({ "token": "", "refreshToken": "r:b" }),
        json!({ "token": "j".repeat(LONGEST_TOKEN + 1), "refreshToken": "r:b" }),
    ] {
        assert_eq!(Tokens::read(&odd), None, "{odd}");
    }
    let good = Tokens::read(&json!({ "token": "jwt:a", "refreshToken": "r:b" })).unwrap();
    assert_eq!(Tokens::read(&good.to_json()).as_ref(), Some(&good));
    assert_eq!(format!("{good:?}"), "Tokens(..)");
}
