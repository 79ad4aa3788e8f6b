//! Stories of the key node: who gets a share, who does not, and what the official client sent. The store is the
//! in-memory one, the registry a list of members that a test changes.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};

use alloy_primitives::{Address, U256};
use async_trait::async_trait;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use futures::executor::block_on;
use healthsync_core::eth::{eip191_hash, person_of_secret, sign_hash};
use healthsync_core::{
    Delegation, DeviceKey, DeviceSecret, DeviceToken, Millis, Person, Revocation, RoomId, Scope,
    SignedDelegation, SignedRevocation,
};
use proptest::prelude::*;
use serde_json::{Value, json};

use super::*;
use crate::conditions::{ChainError, ChainReader};
use crate::{SealKeyPair, Share, room_key_cid, room_member_condition};

mod official_client;

const CHAIN_ID: u64 = 31337;
const NOW: Millis = Millis(1_700_000_000_000);
const ROOM: RoomId = RoomId([7; 32]);
const OWNER: [u8; 32] = [1; 32];
const MEMBER: [u8; 32] = [2; 32];
const STRANGER: [u8; 32] = [3; 32];

fn person(secret: &[u8; 32]) -> Person {
    person_of_secret(secret).unwrap()
}

/// The registry contract's `isAllowed(bytes32,address)` as a list.
#[derive(Default)]
struct Registry {
    members: Mutex<BTreeSet<Person>>,
    down: Mutex<bool>,
}

#[async_trait]
impl ChainReader for Registry {
    async fn call(&self, _: &str, _: Address, data: Vec<u8>) -> Result<Vec<u8>, ChainError> {
        if *self.down.lock().unwrap() {
            return Err(ChainError::Unavailable("null: fetch failed".into()));
        }
        assert_eq!(data[4..36], ROOM.0);
        let asked = Person(data[48..].try_into().unwrap());
        Ok([
            vec![0; 31],
            vec![self.members.lock().unwrap().contains(&asked).into()],
        ]
        .concat())
    }

    async fn balance(&self, _: &str, _: Address) -> Result<U256, ChainError> {
        Err(ChainError::UnknownChain)
    }

    async fn block_number(&self, _: &str) -> Result<u64, ChainError> {
        Ok(100)
    }
}

/// Five nodes of one server.
struct Nodes {
    authority: Arc<Authority>,
    registry: Arc<Registry>,
    nodes: Vec<KeyNode>,
}

impl Nodes {
    fn new() -> Self {
        let authority = Arc::new(Authority::new(AuthorityConfig {
            jwt_key: [9; 32],
            chain_id: CHAIN_ID,
        }));
        let registry = Arc::new(Registry::default());
        let node = |number| {
            KeyNode::new(
                number,
                Arc::new(MemoryStore::default()),
                registry.clone(),
                authority.clone(),
            )
        };
        Self {
            nodes: (1..=5).map(node).collect(),
            authority,
            registry,
        }
    }

    fn call(&self, node: usize, call: KeyCall, bearer: &str, body: &Value) -> Answer {
        self.call_at(NOW, node, call, bearer, body)
    }

    fn call_at(
        &self,
        now: Millis,
        node: usize,
        call: KeyCall,
        bearer: &str,
        body: &Value,
    ) -> Answer {
        let authorization = format!("Bearer {bearer}");
        let body = body.to_string();
        let request = Request {
            authorization: Some(&authorization),
            body: body.as_bytes(),
            now,
            random: [4; 32],
        };
        block_on(self.nodes[node - 1].handle(call, request))
    }

    /// A fresh signature, as the official client makes one for each operation.
    fn signature(&self, secret: &[u8; 32]) -> String {
        static COUNTER: Mutex<u128> = Mutex::new(0);
        let mut counter = COUNTER.lock().unwrap();
        *counter += 1;
        let answer =
            self.authority
                .message(&person(secret).checksummed(), NOW, counter.to_be_bytes());
        let text = answer.body[0]["message"].as_str().unwrap();
        sign_hash(&eip191_hash(text), secret).unwrap().to_string()
    }

    fn member(&self, secret: &[u8; 32], is: bool) {
        let mut members = self.registry.members.lock().unwrap();
        if is {
            members.insert(person(secret))
        } else {
            members.remove(&person(secret))
        };
    }

    /// The owner saves the room's key with the room's condition at node 1.
    fn save_room_key(&self) -> String {
        let cid = room_key_cid(&ROOM, 0);
        let bearer = token(&OWNER, saving(&cid, 1), 255);
        let answer = self.call(
            1,
            KeyCall::SaveWithConditions,
            &bearer,
            &room_key(&OWNER, &cid),
        );
        assert_eq!(
            answer,
            Answer {
                status: 200,
                body: json!({ "message": "success" })
            }
        );
        cid
    }
}

fn share() -> Share {
    Share::from_hex(&"1".repeat(64), &"2".repeat(64)).unwrap()
}

fn room_key(secret: &[u8; 32], cid: &str) -> Value {
    json!({
        "address": person(secret), "cid": cid, "payload": share(), "aggregator": "([1])", "chainType": "evm",
        "conditions": room_member_condition("anvil", Address::ZERO, &ROOM),
    })
}

fn asking(secret: &[u8; 32], cid: &str) -> Value {
    json!({ "address": person(secret), "cid": cid, "dynamicData": {} })
}

/// As our own client asks: the answer sealed.
fn sealed(secret: &[u8; 32], cid: &str) -> Value {
    let mut body = asking(secret, cid);
    body["sealTo"] = json!(BASE64_STANDARD.encode(SealKeyPair::from_seed([5; 32]).public()));
    body
}

fn saving(cid: &str, node: u8) -> Scope {
    Scope::SaveKey {
        cid: cid.to_owned(),
        node,
    }
}

/// A token of a device of this person.
fn token(secret: &[u8; 32], scope: Scope, nonce: u8) -> String {
    let device = DeviceSecret::from_bytes([secret[0] + 100; 32]);
    let issued_at = NOW.0 / 1000 - 60;
    let delegation = Delegation {
        person: person(secret),
        device: device.public(),
        issued_at,
        expires_at: issued_at + 3600,
        chain_id: CHAIN_ID,
    };
    let signature = sign_hash(&delegation.signing_hash(), secret).unwrap();
    DeviceToken::sign(
        SignedDelegation {
            delegation,
            signature,
        },
        scope,
        NOW,
        [nonce; 16],
        &device,
    )
    .to_bearer()
}

fn get(secret: &[u8; 32], cid: &str, nonce: u8) -> String {
    let seal_to = SealKeyPair::from_seed([5; 32]).digest();
    token(
        secret,
        Scope::GetKey {
            cid: cid.into(),
            seal_to,
        },
        nonce,
    )
}

fn opened(answer: &Answer, node: u8, cid: &str) -> Share {
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["payload"]["index"], node);
    let bytes = BASE64_STANDARD
        .decode(answer.body["payload"]["sealed"].as_str().unwrap())
        .unwrap();
    SealKeyPair::from_seed([5; 32])
        .open(&bytes, node, cid)
        .unwrap()
}

fn denied(answer: &Answer, reason: &str) {
    assert_eq!(answer.status, 406);
    assert_eq!(
        answer.body["message"],
        json!({ "message": { "message": "Access Denied" } })
    );
    assert_eq!(answer.body["reason"], reason);
}

fn no_entry(answer: &Answer) {
    assert_eq!(
        *answer,
        Answer {
            status: 401,
            body: json!({ "message": "Invalid Signature", "code": "invalid_signature" })
        }
    );
}

#[test]
fn owner_and_members_get_the_share_and_nobody_else() {
    let nodes = Nodes::new();
    let cid = nodes.save_room_key();
    let ask = |secret: &[u8; 32], nonce| {
        nodes.call(
            1,
            KeyCall::Retrieve,
            &get(secret, &cid, nonce),
            &sealed(secret, &cid),
        )
    };
    assert_eq!(opened(&ask(&OWNER, 1), 1, &cid), share());
    denied(&ask(&MEMBER, 1), "not allowed");
    nodes.member(&MEMBER, true);
    assert_eq!(opened(&ask(&MEMBER, 2), 1, &cid), share());
    denied(&ask(&STRANGER, 1), "not allowed");
    nodes.member(&MEMBER, false);
    denied(&ask(&MEMBER, 3), "not allowed");
}

#[test]
fn a_chain_that_is_down_denies_and_says_so() {
    let nodes = Nodes::new();
    let cid = nodes.save_room_key();
    nodes.member(&MEMBER, true);
    *nodes.registry.down.lock().unwrap() = true;
    let answer = nodes.call(
        1,
        KeyCall::Retrieve,
        &get(&MEMBER, &cid, 1),
        &sealed(&MEMBER, &cid),
    );
    denied(&answer, "undecided");
    let text = answer.body.to_string();
    assert!(!text.contains("null") && !text.contains("fetch"));
}

#[test]
fn a_token_is_for_one_call_one_file_and_one_use() {
    let nodes = Nodes::new();
    let cid = nodes.save_room_key();
    let other = room_key_cid(&ROOM, 1);
    let ask = |node, bearer: &str, body: &Value| nodes.call(node, KeyCall::Retrieve, bearer, body);
    let wrong = Answer {
        status: 401,
        body: json!({ "message": "This token is for another call", "code": "wrong_scope" }),
    };

    assert_eq!(
        ask(1, &get(&OWNER, &other, 1), &sealed(&OWNER, &cid)),
        wrong
    );
    assert_eq!(
        ask(1, &token(&OWNER, saving(&cid, 1), 2), &asking(&OWNER, &cid)),
        wrong
    );
    assert_eq!(
        ask(1, &token(&OWNER, Scope::Rooms, 3), &asking(&OWNER, &cid)),
        wrong
    );
    let transfer = json!({ "address": person(&OWNER), "cid": cid, "newOwner": person(&MEMBER) });
    let save = token(&OWNER, saving(&cid, 1), 4);
    assert_eq!(nodes.call(1, KeyCall::Transfer, &save, &transfer), wrong);

    let mut elsewhere = sealed(&OWNER, &cid);
    let other_key = SealKeyPair::from_seed([6; 32]);
    elsewhere["sealTo"] = json!(BASE64_STANDARD.encode(other_key.public()));
    assert_eq!(ask(1, &get(&OWNER, &cid, 5), &elsewhere), wrong);

    let bearer = get(&OWNER, &cid, 6);
    no_entry(&ask(1, &bearer, &sealed(&MEMBER, &cid)));
    assert_eq!(
        ask(1, &bearer, &asking(&OWNER, &cid)),
        wrong,
        "a device gets no share that is not sealed"
    );
    assert_eq!(ask(1, &bearer, &sealed(&OWNER, &cid)).status, 200);
    no_entry(&ask(1, &bearer, &sealed(&OWNER, &cid)));
    // The same token goes to all five nodes, once to each.
    assert_eq!(
        ask(2, &bearer, &sealed(&OWNER, &cid)),
        Answer::unknown_key()
    );
    no_entry(&ask(2, &bearer, &sealed(&OWNER, &cid)));
    let late = Millis(NOW.0 + 6 * 60 * 1000);
    no_entry(&nodes.call_at(
        late,
        1,
        KeyCall::Retrieve,
        &get(&OWNER, &cid, 7),
        &sealed(&OWNER, &cid),
    ));
}

#[test]
fn the_first_save_makes_the_owner() {
    let nodes = Nodes::new();
    let cid = nodes.save_room_key();
    for (call, bearer) in [
        (
            KeyCall::SaveWithConditions,
            token(&MEMBER, saving(&cid, 1), 1),
        ),
        (KeyCall::Save, token(&MEMBER, saving(&cid, 1), 2)),
        (KeyCall::SetConditions, token(&MEMBER, saving(&cid, 1), 3)),
        (KeyCall::Save, nodes.signature(&MEMBER)),
    ] {
        let answer = nodes.call(1, call, &bearer, &room_key(&MEMBER, &cid));
        assert_eq!(
            answer,
            Answer {
                status: 406,
                body: json!({ "message": "Access Denied", "code": "denied" })
            }
        );
    }
    // Another spelling of the same content id is the same file.
    let upper = cid.to_uppercase();
    let answer = nodes.call(
        1,
        KeyCall::Save,
        &nodes.signature(&MEMBER),
        &room_key(&MEMBER, &upper),
    );
    assert_eq!(answer.status, 406);
    let again = token(&OWNER, saving(&cid, 1), 5);
    assert_eq!(
        nodes
            .call(
                1,
                KeyCall::SaveWithConditions,
                &again,
                &room_key(&OWNER, &cid)
            )
            .status,
        200
    );
}

#[test]
fn sharing_and_revoking_by_name() {
    let nodes = Nodes::new();
    let cid = nodes.save_room_key();
    let list = |field: &str, secret: &[u8; 32]| {
        let mut body = json!({ "address": person(secret), "cid": cid });
        body[field] = json!([person(&STRANGER).checksummed()]);
        body
    };
    let retrieve = || {
        nodes.call(
            1,
            KeyCall::Retrieve,
            &nodes.signature(&STRANGER),
            &asking(&STRANGER, &cid),
        )
    };
    denied(&retrieve(), "not allowed");
    let share_it = |secret| {
        nodes.call(
            1,
            KeyCall::Share,
            &nodes.signature(secret),
            &list("shareTo", secret),
        )
    };
    assert_eq!(
        share_it(&MEMBER).body,
        json!({ "message": "Access Denied", "code": "denied" })
    );
    assert_eq!(
        share_it(&OWNER).body,
        json!({ "message": "success", "data": [] })
    );
    assert_eq!(retrieve().body, json!({ "payload": share() }));
    let revoke = |secret| {
        nodes.call(
            1,
            KeyCall::Revoke,
            &nodes.signature(secret),
            &list("revokeTo", secret),
        )
    };
    denied(&revoke(&STRANGER), "not allowed");
    assert_eq!(
        revoke(&OWNER).body,
        json!({ "message": "success", "data": [] })
    );
    denied(&retrieve(), "not allowed");
    let wrong_word = nodes.call(
        1,
        KeyCall::Share,
        &nodes.signature(&OWNER),
        &list("sharedTo", &OWNER),
    );
    assert_eq!(wrong_word.status, 400);
}

#[test]
fn transfer_moves_the_key_and_closes_the_list() {
    let nodes = Nodes::new();
    let cid = nodes.save_room_key();
    let share_to = json!({ "address": person(&OWNER), "cid": cid, "shareTo": [person(&STRANGER)] });
    assert_eq!(
        nodes
            .call(1, KeyCall::Share, &nodes.signature(&OWNER), &share_to)
            .status,
        200
    );
    let transfer = json!({ "address": person(&OWNER), "cid": cid, "newOwner": person(&MEMBER), "resetSharedTo": true });
    let answer = nodes.call(1, KeyCall::Transfer, &nodes.signature(&OWNER), &transfer);
    assert_eq!(answer.body, json!({ "message": "success" }));
    for (secret, allowed) in [(&MEMBER, true), (&OWNER, false), (&STRANGER, false)] {
        let answer = nodes.call(
            1,
            KeyCall::Retrieve,
            &nodes.signature(secret),
            &asking(secret, &cid),
        );
        assert_eq!(answer.status == 200, allowed);
    }
}

#[test]
fn a_signature_serves_one_operation() {
    let nodes = Nodes::new();
    let cid = nodes.save_room_key();
    let signature = nodes.signature(&OWNER);
    for _ in 0..3 {
        assert_eq!(
            nodes
                .call(1, KeyCall::Retrieve, &signature, &asking(&OWNER, &cid))
                .status,
            200
        );
    }
    no_entry(&nodes.call(1, KeyCall::Retrieve, &signature, &asking(&OWNER, &cid)));
    no_entry(&nodes.call(1, KeyCall::Save, &signature, &room_key(&OWNER, &cid)));
    no_entry(&nodes.call(
        1,
        KeyCall::Retrieve,
        &nodes.signature(&MEMBER),
        &asking(&OWNER, &cid),
    ));
    for bearer in ["", "0x00", "0x", "nonsense", "device:AAAA", "jwt:a.b.c"] {
        no_entry(&nodes.call(1, KeyCall::Retrieve, bearer, &asking(&OWNER, &cid)));
    }
}

#[test]
fn web_tokens_are_for_their_owner_and_renew_once() {
    let nodes = Nodes::new();
    let cid = nodes.save_room_key();
    let body =
        json!({ "address": person(&OWNER), "signature": nodes.signature(&OWNER), "chain": "ALL" });
    let pair = nodes
        .authority
        .get_jwt(body.to_string().as_bytes(), NOW, [6; 32])
        .body;
    let access = pair["token"].as_str().unwrap();
    assert_eq!(
        nodes
            .call(1, KeyCall::Retrieve, access, &asking(&OWNER, &cid))
            .status,
        200
    );
    no_entry(&nodes.call(1, KeyCall::Retrieve, access, &asking(&MEMBER, &cid)));
    let two_hours = Millis(NOW.0 + 2 * 3_600_000);
    no_entry(&nodes.call_at(
        two_hours,
        1,
        KeyCall::Retrieve,
        access,
        &asking(&OWNER, &cid),
    ));

    let renew =
        json!({ "address": person(&OWNER), "refreshToken": pair["refreshToken"] }).to_string();
    let renewed = nodes
        .authority
        .refresh_jwt(renew.as_bytes(), two_hours, [7; 32]);
    let access = renewed.body["token"].as_str().unwrap();
    assert_eq!(
        nodes
            .call_at(
                two_hours,
                1,
                KeyCall::Retrieve,
                access,
                &asking(&OWNER, &cid)
            )
            .status,
        200
    );
    no_entry(
        &nodes
            .authority
            .refresh_jwt(renew.as_bytes(), two_hours, [8; 32]),
    );
    let theft =
        json!({ "address": person(&MEMBER), "refreshToken": pair["refreshToken"] }).to_string();
    no_entry(&nodes.authority.refresh_jwt(theft.as_bytes(), NOW, [8; 32]));
}

#[test]
fn conditions_are_readable_and_bad_ones_are_refused() {
    let nodes = Nodes::new();
    let cid = nodes.save_room_key();
    let answer = block_on(nodes.nodes[0].conditions(&cid));
    assert_eq!(
        answer.body,
        json!({
            "aggregator": "([1])", "cid": cid, "conditionsSolana": [], "owner": person(&OWNER), "sharedTo": [],
            "conditions": room_member_condition("anvil", Address::ZERO, &ROOM),
        })
    );
    let unknown = block_on(nodes.nodes[1].conditions(&cid));
    assert_eq!(unknown.status, 400);
    assert!(!unknown.body.to_string().contains("null"));
    assert_eq!(block_on(nodes.nodes[0].conditions("nope")).status, 400);

    for (field, value) in [
        ("conditions", json!({})),
        ("conditions", json!([{ "id": 1, "fetch": 1 }])),
        ("chainType", json!("null")),
        ("payload", json!({ "key": "k", "index": "i" })),
        (
            "payload",
            json!({ "key": "1".repeat(64), "index": "0".repeat(64) }),
        ),
        ("decryptionType", json!("NONE")),
        ("sharedTo", json!(vec![person(&MEMBER); MAX_ADDRESSES + 1])),
        ("sharedTo", json!(["0x12"])),
        ("address", json!("0x12")),
        ("cid", json!("nope")),
    ] {
        let mut body = room_key(&OWNER, &cid);
        body[field] = value;
        let answer = nodes.call(1, KeyCall::SaveWithConditions, "0x00", &body);
        let text = answer.body.to_string();
        assert_eq!(answer.status, 400, "{text}");
        assert!(!text.contains("null") && !text.contains("fetch"), "{text}");
    }
    let address = nodes.authority.message("0x12", NOW, [0; 16]);
    assert_eq!(
        address,
        Answer {
            status: 400,
            body: json!({ "message": "Invalid address", "code": "invalid_address" })
        }
    );
}

#[test]
fn too_many_conditions_and_too_deep_brackets_are_refused_at_once() {
    let nodes = Nodes::new();
    let cid = room_key_cid(&ROOM, 0);
    let one = room_member_condition("anvil", Address::ZERO, &ROOM)[0].clone();
    let many: Vec<Value> = (1..=1000)
        .map(|id| {
            let mut condition = one.clone();
            condition["id"] = json!(id);
            condition
        })
        .collect();
    let blocks: Vec<Value> = (1..=100)
        .map(|id| {
            json!({ "id": id, "chain": "c", "method": "getBlockNumber", "standardContractType": "",
            "returnValueTest": { "comparator": "==", "value": "1" } })
        })
        .collect();
    let mut deep = json!(1);
    for _ in 0..100 {
        deep = json!([deep]);
    }
    let mut parameters = one.clone();
    parameters["parameters"] = json!([deep, ":userAddress"]);
    let save = |conditions: Value, aggregator: String, nonce| {
        let mut body = room_key(&OWNER, &cid);
        body["conditions"] = conditions;
        body["aggregator"] = json!(aggregator);
        let bearer = token(&OWNER, saving(&cid, 1), nonce);
        nodes.call(1, KeyCall::SaveWithConditions, &bearer, &body)
    };
    assert_eq!(save(json!(many), "[1] and [2]".into(), 1).status, 400);
    let answer = save(json!(blocks), "[1] and [2]".into(), 2);
    assert_eq!(answer.body["code"], "invalid_conditions");
    // The official client takes these, so they can be stored; nobody gets in by them.
    nodes.member(&MEMBER, true);
    let brackets = "(".repeat(1000) + "[1]" + &")".repeat(1000);
    for (nonce, conditions, aggregator, reason) in [
        (3, json!([one]), brackets, "conditions"),
        (4, json!([parameters]), "([1])".into(), "undecided"),
    ] {
        assert_eq!(save(conditions, aggregator, nonce).status, 200);
        let bearer = get(&MEMBER, &cid, nonce);
        let answer = nodes.call(1, KeyCall::Retrieve, &bearer, &sealed(&MEMBER, &cid));
        denied(&answer, reason);
    }
}

#[test]
fn a_token_for_one_node_saves_nothing_at_another() {
    let nodes = Nodes::new();
    let cid = room_key_cid(&ROOM, 0);
    let for_node_2 = token(&OWNER, saving(&cid, 2), 1);
    let save = |node| nodes.call(node, KeyCall::Save, &for_node_2, &room_key(&OWNER, &cid));
    // What a dishonest node 2 could try at node 3.
    assert_eq!(save(3).body["code"], "wrong_scope");
    assert_eq!(save(2).status, 200);
}

#[test]
fn a_delegate_gets_every_key_of_the_owner_who_named_her_and_no_other() {
    let nodes = Nodes::new();
    let cid = nodes.save_room_key();
    let ask = |of: Option<&[u8; 32]>| {
        let mut body = asking(&STRANGER, &cid);
        if let Some(owner) = of {
            body["ownerAddress"] = json!(person(owner).checksummed());
        }
        nodes.call(1, KeyCall::Retrieve, &nodes.signature(&STRANGER), &body)
    };
    let name = |people: &[Person]| {
        let body = json!({ "address": person(&OWNER), "allFilesAccess": people });
        nodes.call(1, KeyCall::DelegateAll, &nodes.signature(&OWNER), &body)
    };
    denied(&ask(Some(&OWNER)), "not allowed");
    assert_eq!(
        name(&[person(&STRANGER)]).body,
        json!({ "message": "success" })
    );
    assert_eq!(ask(Some(&OWNER)).status, 200);
    denied(&ask(None), "not allowed");
    denied(&ask(Some(&MEMBER)), "not allowed");
    assert_eq!(name(&[]).status, 200);
    denied(&ask(Some(&OWNER)), "not allowed");
    let nobody = json!({ "address": person(&OWNER) });
    let answer = nodes.call(1, KeyCall::DelegateAll, &nodes.signature(&OWNER), &nobody);
    assert_eq!(answer.status, 400);
}

#[test]
fn the_owner_reads_who_was_given_the_share_and_when_and_nobody_else_does() {
    let nodes = Nodes::new();
    let cid = nodes.save_room_key();
    nodes.member(&MEMBER, true);
    let get_it = |secret, nonce| {
        let bearer = get(secret, &cid, nonce);
        nodes.call(1, KeyCall::Retrieve, &bearer, &sealed(secret, &cid))
    };
    assert_eq!(get_it(&MEMBER, 1).status, 200);
    assert_eq!(get_it(&MEMBER, 2).status, 200);
    denied(&get_it(&STRANGER, 1), "not allowed");
    let read = |secret| {
        let bearer = token(secret, Scope::KeyLog { cid: cid.clone() }, 9);
        nodes.call(1, KeyCall::ReadLog, &bearer, &asking(secret, &cid))
    };
    let answer = read(&OWNER);
    let line = |who: &[u8; 32], action: &str, times: u64| json!({ "person": person(who), "action": action, "first": NOW, "last": NOW, "times": times });
    let log = answer.body["log"].as_array().unwrap();
    assert_eq!(log.len(), 2, "{}", answer.body);
    assert!(log.contains(&line(&MEMBER, "given_by_condition", 2)));
    assert!(log.contains(&line(&OWNER, "saved", 1)));
    assert_eq!(
        read(&MEMBER).body,
        json!({ "message": "Access Denied", "code": "denied" })
    );
    let of_nothing = json!({ "address": person(&MEMBER), "cid": room_key_cid(&ROOM, 9) });
    let answer = nodes.call(1, KeyCall::ReadLog, &nodes.signature(&MEMBER), &of_nothing);
    assert_eq!(
        answer.body["code"], "denied",
        "no hint whether there is such a file"
    );
}

#[test]
fn a_retired_key_is_for_its_owner_alone() {
    let nodes = Nodes::new();
    let cid = nodes.save_room_key();
    nodes.member(&MEMBER, true);
    let retire = |secret, nonce| {
        let body = json!({ "address": person(secret), "cid": cid });
        nodes.call(
            1,
            KeyCall::Retire,
            &token(secret, saving(&cid, 1), nonce),
            &body,
        )
    };
    assert_eq!(retire(&MEMBER, 1).body["code"], "denied");
    assert_eq!(retire(&OWNER, 1).body, json!({ "message": "success" }));
    let get_it = |secret| {
        nodes.call(
            1,
            KeyCall::Retrieve,
            &get(secret, &cid, 5),
            &sealed(secret, &cid),
        )
    };
    denied(&get_it(&MEMBER), "not allowed");
    assert_eq!(get_it(&OWNER).status, 200);
}

#[test]
fn what_others_have_caught_costs_the_person_none_of_her_calls() {
    let nodes = Nodes::new();
    let cid = nodes.save_room_key();
    nodes.member(&MEMBER, true);
    let read = |now, nonce| {
        let (bearer, body) = (get(&MEMBER, &cid, nonce), sealed(&MEMBER, &cid));
        nodes.call_at(now, 1, KeyCall::Retrieve, &bearer, &body)
    };
    let revocation = Revocation {
        person: person(&MEMBER),
        device: DeviceSecret::from_bytes([200; 32]).public(),
        revoked_at: NOW.0 / 1000,
        chain_id: CHAIN_ID,
    };
    let signature = sign_hash(&revocation.signing_hash(), &MEMBER).unwrap();
    let signed = SignedRevocation {
        revocation,
        signature,
    };
    let signed = serde_json::to_vec(&signed).unwrap();
    assert_eq!(read(NOW, 0).status, 200);
    for _ in 0..400 {
        assert_eq!(
            block_on(nodes.nodes[0].end_device(&signed, NOW)).status,
            200
        );
        assert_eq!(read(NOW, 0).body["code"], "invalid_signature");
    }
    assert_eq!(read(NOW, 1).status, 200);
}

#[test]
fn a_token_beyond_the_budget_is_not_used_up() {
    let nodes = Nodes::new();
    let cid = nodes.save_room_key();
    nodes.member(&MEMBER, true);
    let signed = json!({
        "address": person(&MEMBER),
        "signature": nodes.signature(&MEMBER),
    });
    let pair = nodes
        .authority
        .get_jwt(signed.to_string().as_bytes(), NOW, [1; 32]);
    let jwt = pair.body["token"].as_str().unwrap();
    let body = sealed(&MEMBER, &cid);
    let read = |now, bearer: &str| {
        nodes
            .call_at(now, 1, KeyCall::Retrieve, bearer, &body)
            .status
    };
    while read(NOW, jwt) == 200 {}
    let token = get(&MEMBER, &cid, 1);
    assert_eq!(read(NOW, &token), 429);
    assert_eq!(read(Millis(NOW.0 + 1000), &token), 200);
    assert_ne!(read(Millis(NOW.0 + 2000), &token), 200, "once");
}

#[test]
fn a_device_that_its_wallet_has_ended_gets_nothing_from_that_node() {
    let nodes = Nodes::new();
    let cid = nodes.save_room_key();
    nodes.member(&MEMBER, true);
    let read = |nonce| {
        let (bearer, body) = (get(&MEMBER, &cid, nonce), sealed(&MEMBER, &cid));
        nodes.call(1, KeyCall::Retrieve, &bearer, &body)
    };
    assert_eq!(read(1).status, 200);
    let revocation = Revocation {
        person: person(&MEMBER),
        device: DeviceSecret::from_bytes([MEMBER[0] + 100; 32]).public(),
        revoked_at: NOW.0 / 1000,
        chain_id: CHAIN_ID,
    };
    let end = |by: &[u8; 32], revocation: &Revocation| {
        let signed = SignedRevocation {
            revocation: revocation.clone(),
            signature: sign_hash(&revocation.signing_hash(), by).unwrap(),
        };
        block_on(nodes.nodes[0].end_device(&serde_json::to_vec(&signed).unwrap(), NOW))
    };
    assert_eq!(
        end(&STRANGER, &revocation).body["code"],
        "invalid_signature"
    );
    let elsewhere = Revocation {
        chain_id: 1,
        ..revocation.clone()
    };
    assert_eq!(end(&MEMBER, &elsewhere).body["code"], "invalid_signature");
    let nonsense = block_on(nodes.nodes[0].end_device(b"{}", NOW));
    assert_eq!(nonsense.body["code"], "bad_request");
    assert_eq!(read(2).status, 200);
    for _ in 0..2 {
        assert_eq!(
            end(&MEMBER, &revocation).body,
            json!({ "message": "success" })
        );
    }
    assert_eq!(read(3).body["code"], "device_ended");
    // The wallet itself may, and so may another device of the same person.
    let by_wallet = nodes.call(
        1,
        KeyCall::Retrieve,
        &nodes.signature(&MEMBER),
        &sealed(&MEMBER, &cid),
    );
    assert_eq!(by_wallet.status, 200);
    for n in 0..MAX_ENDED as u8 {
        let other = Revocation {
            device: DeviceSecret::from_bytes([n; 32]).public(),
            ..revocation.clone()
        };
        let most = usize::from(n) + 1 == MAX_ENDED;
        assert_eq!(end(&MEMBER, &other).body["code"] == "too_many", most);
    }
}

/// A store that takes the reader off the list right after it was read for the first time.
struct RevokedMeanwhile(MemoryStore, Mutex<bool>);

#[async_trait]
impl ShareStore for RevokedMeanwhile {
    async fn get(&self, cid: &str) -> Result<Option<(Record, u64)>, StoreError> {
        let found = self.0.get(cid).await?;
        let first = !std::mem::replace(&mut *self.1.lock().unwrap(), true);
        if let (true, Some((mut record, revision))) = (first, found.clone()) {
            record.shared_to.clear();
            let entry = Entry {
                person: record.owner,
                action: Action::Revoked,
                at: NOW,
            };
            assert!(self.0.put(cid, &record, revision, entry).await?);
        }
        Ok(found)
    }

    async fn put(
        &self,
        cid: &str,
        record: &Record,
        was: u64,
        entry: Entry,
    ) -> Result<bool, StoreError> {
        self.0.put(cid, record, was, entry).await
    }

    async fn log(&self, cid: &str, entry: Entry) -> Result<(), StoreError> {
        self.0.log(cid, entry).await
    }

    async fn read_log(&self, cid: &str) -> Result<Vec<Logged>, StoreError> {
        self.0.read_log(cid).await
    }

    async fn delegates(&self, owner: Person) -> Result<BTreeSet<Person>, StoreError> {
        self.0.delegates(owner).await
    }

    async fn set_delegates(
        &self,
        owner: Person,
        delegates: &BTreeSet<Person>,
    ) -> Result<(), StoreError> {
        self.0.set_delegates(owner, delegates).await
    }

    async fn is_ended(&self, device: DeviceKey, person: Person) -> Result<bool, StoreError> {
        self.0.is_ended(device, person).await
    }

    async fn end_device(&self, device: DeviceKey, person: Person) -> Result<bool, StoreError> {
        self.0.end_device(device, person).await
    }
}

#[test]
fn what_is_revoked_while_a_node_decides_is_not_given() {
    let cid = room_key_cid(&ROOM, 0);
    let inner = MemoryStore::default();
    let record = Record {
        owner: person(&OWNER),
        share: share(),
        shared_to: BTreeSet::from([person(&STRANGER)]),
        rules: None,
        decryption_type: None,
    };
    let saved = Entry {
        person: person(&OWNER),
        action: Action::Saved,
        at: NOW,
    };
    assert!(block_on(inner.put(&cid, &record, 0, saved)).unwrap());
    let mut nodes = Nodes::new();
    let store = RevokedMeanwhile(inner, Mutex::new(false));
    nodes.nodes[0] = KeyNode::new(
        1,
        Arc::new(store),
        nodes.registry.clone(),
        nodes.authority.clone(),
    );
    let bearer = get(&STRANGER, &cid, 1);
    denied(
        &nodes.call(1, KeyCall::Retrieve, &bearer, &sealed(&STRANGER, &cid)),
        "not allowed",
    );
}

proptest! {
    #[test]
    fn no_body_and_no_bearer_makes_a_node_panic(
        body in prop_oneof![
            prop::collection::vec(any::<u8>(), 0..200),
            "\\{\"address\":\"0x[0-9a-f]{40}\",\"cid\":\"[a-z]{0,9}\",\"(payload|conditions|sealTo)\":[\\[\\]{}1n\"]{0,6}\\}"
                .prop_map(String::into_bytes),
        ],
        authorization in prop::option::of("(Bearer |)(0x|jwt:|device:|r:|)\\PC{0,40}"),
    ) {
        let nodes = Nodes::new();
        for call in [KeyCall::Save, KeyCall::Share, KeyCall::Revoke, KeyCall::Retrieve, KeyCall::SetConditions,
            KeyCall::SaveWithConditions, KeyCall::Transfer, KeyCall::DelegateAll, KeyCall::Retire, KeyCall::ReadLog] {
            let request = Request { authorization: authorization.as_deref(), body: &body, now: NOW, random: [0; 32] };
            let answer = block_on(nodes.nodes[0].handle(call, request));
            prop_assert!(answer.status >= 400 && answer.status != 404 && answer.body.is_object());
        }
        let _ = nodes.authority.get_jwt(&body, NOW, [0; 32]);
        let _ = nodes.authority.refresh_jwt(&body, NOW, [0; 32]);
    }
}
