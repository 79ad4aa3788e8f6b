//! Against a real chain: an anvil of our own, when `ANVIL` names the program.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use alloy_primitives::{Address, B256};
use alloy_provider::Provider;
use alloy_sol_types::SolCall;
use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use healthsync_app::api::{Backend, ChainRole, KeyShareRequest, NodeResult, Retention, Standing};
use healthsync_core::registry::{RoomRegistry, room_id};
use healthsync_core::{RefusalCode, Scope, join_message};
use healthsync_lighthouse::{SealKeyPair, room_key_cid, room_member_condition};
use healthsync_net::{Policy, Taken};
use serde_json::{Value, json};
use sqlx::{Connection, SqliteConnection};

use super::watcher::{ChainStatus, WatchError, Watcher};
use super::*;
use crate::mailbox::Mailbox;
use crate::policy::RoomPolicy;
use crate::test_support::{Someone, TestServer};

/// Ends with the test.
pub(super) struct Anvil(Child);

impl Drop for Anvil {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Returns when anvil says that it listens; what it says later is read and dropped, so that it never waits for us.
fn listens(anvil: &mut Child) {
    let mut lines = BufReader::new(anvil.stdout.take().expect("its output")).lines();
    let said = lines.by_ref().map_while(Result::ok);
    let listening = said.into_iter().any(|line| line.contains("Listening on"));
    assert!(listening, "anvil ended before it listened");
    std::thread::spawn(move || lines.for_each(drop));
}

pub(super) struct LocalChain {
    _anvil: Anvil,
    rpc: String,
    provider: RootProvider,
    pub(super) account: Address,
    pub(super) registry: Address,
}

impl LocalChain {
    /// The program to start, when there is one.
    pub(super) fn program() -> Option<String> {
        let program = std::env::var("ANVIL").ok();
        if program.is_none() {
            eprintln!("skipped: ANVIL names no program");
        }
        program
    }

    /// With the registry deployed.
    pub(super) async fn start(program: &str) -> Self {
        let _ = rustls::crypto::ring::default_provider().install_default();
        let port = std::net::TcpListener::bind("127.0.0.1:0")
            .and_then(|l| l.local_addr())
            .expect("a port")
            .port();
        let mut anvil = Command::new(program)
            .args([
                "--port",
                &port.to_string(),
                "--chain-id",
                "31337",
                "--hardfork",
                "cancun",
                // Blocks come when `send` asks for them, so that a receipt need not be waited for.
                "--no-mining",
            ])
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("anvil starts");
        listens(&mut anvil);
        let rpc = format!("http://127.0.0.1:{port}");
        let provider = ProviderBuilder::new()
            .disable_recommended_fillers()
            .connect_reqwest(reqwest::Client::new(), rpc.parse().expect("a URL"));
        let account = provider.get_accounts().await.expect("accounts")[0];
        let mut chain = Self {
            _anvil: Anvil(anvil),
            rpc,
            provider,
            account,
            registry: Address::ZERO,
        };
        chain.registry = chain.deploy("RoomRegistry").await;
        chain
    }

    /// Deploys a contract from its artifact.
    pub(super) async fn deploy(&self, contract: &str) -> Address {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../contracts/artifacts");
        let artifact = std::fs::read_to_string(format!("{folder}/{contract}.json"));
        let artifact: Value = serde_json::from_str(&artifact.expect("the artifact")).expect("JSON");
        let receipt = self.send(json!({ "data": artifact["bytecode"] })).await;
        let address = receipt["contractAddress"].as_str().expect("an address");
        address.parse().expect("an address")
    }

    /// The chain as the server sees it.
    pub(super) fn chain(&self) -> Chain {
        let rpc = self.rpc.parse().expect("a URL");
        let registry = Person(self.registry.into_array());
        Chain::new(reqwest::Client::new(), rpc, 31337, Some(registry))
    }

    pub(super) async fn send(&self, mut transaction: Value) -> Value {
        transaction["from"] = json!(self.account);
        // An estimate made at block 0 is too low for what block 1 stores.
        transaction["gas"] = json!("0x7a1200");
        let hash: Value = self
            .provider
            .raw_request("eth_sendTransaction".into(), (transaction,))
            .await
            .expect("sent");
        let _: Value = self
            .provider
            .raw_request("evm_mine".into(), ())
            .await
            .expect("a block");
        let receipt: Value = self
            .provider
            .raw_request("eth_getTransactionReceipt".into(), (&hash,))
            .await
            .expect("a receipt");
        assert_eq!(receipt["status"], "0x1");
        receipt
    }

    /// What `replace` goes back to.
    pub(super) async fn snapshot(&self) -> Value {
        self.provider
            .raw_request("evm_snapshot".into(), ())
            .await
            .expect("a snapshot")
    }

    /// Replaces every block since the snapshot by so many others, which are empty.
    pub(super) async fn replace(&self, snapshot: &Value, blocks: u64) {
        let gone: bool = self
            .provider
            .raw_request("evm_revert".into(), (snapshot,))
            .await
            .expect("reverted");
        assert!(gone, "the snapshot is known");
        for _ in 0..blocks {
            let _: Value = self
                .provider
                .raw_request("evm_mine".into(), ())
                .await
                .expect("a block");
        }
    }

    async fn call(&self, call: impl SolCall) {
        let data = format!("0x{}", hex::encode(call.abi_encode()));
        self.send(json!({ "to": self.registry, "data": data }))
            .await;
    }
}

/// The secret of anvil's first account, which everybody knows.
const FIRST: [u8; 32] = [
    0xac, 0x09, 0x74, 0xbe, 0xc3, 0x9a, 0x17, 0xe3, 0x6b, 0xa4, 0xa6, 0xb4, 0xd2, 0x38, 0xff, 0x94,
    0x4b, 0xac, 0xb4, 0x78, 0xcb, 0xed, 0x5e, 0xfc, 0xae, 0x78, 0x4d, 0x7b, 0xf4, 0xf2, 0xff, 0x80,
];

#[tokio::test]
async fn only_the_owner_says_how_long_a_room_is_kept() {
    let Some(program) = LocalChain::program() else {
        return;
    };
    let local = LocalChain::start(&program).await;
    let registry = local.registry.to_string();
    let settings = ["--chain-rpc", &local.rpc, "--registry", &registry];
    let server = TestServer::start(&[&settings[..], &["--retention-days", "400"]].concat()).await;
    let services = &server.services;
    let (owner, member) = (Someone::with_wallet(FIRST, 7), Someone::new(1));
    assert_eq!(owner.person.0, local.account.into_array());
    let room = room_id(&owner.person, &[5; 32]);
    local
        .call(RoomRegistry::createRoomCall {
            salt: B256::from([5; 32]),
            members: vec![address(member.person)],
        })
        .await;
    let kept = async || services.room_facts(room).await.expect("facts").kept;
    let unset = Retention {
        days: None,
        at_most: Some(400),
    };
    assert_eq!(kept().await, unset);
    let keep = |who: &Someone, days| who.bearer(Scope::Retention { room, days });
    let refused = async |bearer: String, why: &str| {
        let error = services.keep_room(&bearer).await.expect_err(why);
        assert!(error.to_string().contains(why), "{error}");
    };
    refused(keep(&member, Some(30)), "owner").await;
    refused(keep(&owner, Some(0)), "1 to 3650 days").await;
    refused(keep(&owner, Some(4_000)), "1 to 3650 days").await;
    refused(owner.bearer(Scope::Rooms), "not for this").await;
    refused("device:nothing".into(), "not a device token").await;
    assert_eq!(kept().await, unset);
    let first = keep(&owner, Some(30));
    services.keep_room(&first).await.expect("taken");
    assert_eq!(kept().await.days, Some(30));
    services
        .keep_room(&keep(&owner, None))
        .await
        .expect("taken");
    services.keep_room(&first).await.expect("old, and no error");
    assert_eq!(kept().await, unset, "nobody brings an old wish back");
    let revocation = owner.revokes(owner.device.public());
    let known = crate::mailbox::KnownDevice {
        person: owner.person,
        expires_at: revocation.revocation.revoked_at + 60,
        proof: None,
    };
    let (mailbox, device) = (&services.mailbox, owner.device.public());
    mailbox.remember_device(device, known).await.expect("kept");
    services.end_device(revocation).await.expect("taken");
    refused(keep(&owner, Some(30)), "revoked").await;
}

#[tokio::test]
async fn membership_follows_the_registry_everywhere() {
    let Some(program) = LocalChain::program() else {
        return;
    };
    let local = LocalChain::start(&program).await;
    let registry = local.registry.to_string();
    let server = TestServer::start(&["--chain-rpc", &local.rpc, "--registry", &registry]).await;
    let services = &server.services;
    let (ada, eve) = (Someone::new(1), Someone::new(2));
    let owner = Person(local.account.into_array());
    let salt = [5; 32];
    let room = room_id(&owner, &salt);

    assert_eq!(
        services
            .chain
            .membership(room, ada.person)
            .await
            .expect("an answer"),
        Membership::NoSuchRoom
    );
    assert!(!services.room_facts(room).await.expect("facts").exists);
    local
        .call(RoomRegistry::createRoomCall {
            salt: B256::from(salt),
            members: vec![address(ada.person)],
        })
        .await;

    // The watcher of this test, so that it is known when it has run.
    let removed = Arc::new(Mutex::new(Vec::new()));
    let seen = removed.clone();
    let watcher = Watcher::new(
        services.chain.clone(),
        services.index.clone(),
        Arc::new(ChainStatus::default()),
        move |room, person| seen.lock().expect("not poisoned").push((room, person)),
    );
    watcher.round().await.expect("a round");
    let rooms = services.rooms_of(ada.person).await.expect("rooms");
    assert_eq!(
        rooms
            .iter()
            .map(|r| (r.room, r.owner, r.members))
            .collect::<Vec<_>>(),
        [(room, owner, 2)]
    );
    assert!(
        services
            .rooms_of(eve.person)
            .await
            .expect("rooms")
            .is_empty()
    );

    let facts = services.room_facts(room).await.expect("facts");
    assert_eq!(facts.owner, Some(owner));
    let role = |person| {
        facts
            .members
            .iter()
            .find(|member| member.person == person)
            .map(|member| member.role)
    };
    assert_eq!(
        (role(owner), role(ada.person)),
        (Some(ChainRole::Owner), Some(ChainRole::Member))
    );

    // Key nodes release a room's key to members only.
    let cid = room_key_cid(&room, 0);
    let condition = room_member_condition(&services.bootstrap.chain.name, local.registry, &room);
    let maker = Someone::new(3);
    crate::key_nodes::tests::save(&server, &maker, &cid, Some(condition)).await;
    let pair = SealKeyPair::from_seed([9; 32]);
    let ask = |who: &Someone| KeyShareRequest {
        cid: cid.clone(),
        bearer: who.bearer(Scope::GetKey {
            cid: cid.clone(),
            seal_to: pair.digest(),
        }),
        seal_to: BASE64_STANDARD.encode(pair.public()),
        all: false,
    };
    let good = services.key_shares(ask(&ada)).await.expect("answers");
    assert!(
        good.iter()
            .filter(|a| matches!(a.result, NodeResult::Share { .. }))
            .count()
            >= 3,
        "{good:?}"
    );
    let denied = services.key_shares(ask(&eve)).await.expect("answers");
    assert!(
        denied
            .iter()
            .all(|a| matches!(a.result, NodeResult::Denied { .. })),
        "{denied:?}"
    );

    // The relay admits members, and stores what they say.
    let policy = RoomPolicy::new(services.chain.clone(), services.mailbox.clone(), [1; 32]);
    let peer = b"a peer".to_vec();
    let join = async |who: &Someone| {
        let signature = who.device.sign(&join_message(&room, &peer));
        policy
            .join(peer.clone(), room, &who.delegation, &signature)
            .await
    };
    let admission = join(&ada).await.expect("admitted");
    assert_eq!((admission.person, admission.topic.len()), (ada.person, 64));
    assert_eq!(
        join(&eve).await.expect_err("refused").code,
        RefusalCode::NotAllowed
    );

    // Another relay hands over what members say, and nobody else.
    let said = Someone::new(1)
        .says(room, "by way of another relay")
        .encode();
    let uninvited = Someone::new(2).says(room, "uninvited").encode();
    let relayed = async |bytes: &[u8], taken| {
        let proof = Some(&eve.delegation);
        policy.check_relayed(room, bytes, proof, taken).await
    };
    let admitted = (ada.person, ada.device.public());
    assert_eq!(relayed(&said, Taken::Now).await, Ok(admitted));
    let refused = relayed(&uninvited, Taken::Before).await;
    assert_eq!(refused.expect_err("refused").code, RefusalCode::NotAllowed);

    // Removal: the index knows, the relay is told, the next question goes to the chain.
    local
        .call(RoomRegistry::removeMembersCall {
            room: B256::from(room.0),
            persons: vec![address(ada.person)],
        })
        .await;
    watcher.round().await.expect("a round");
    services.chain.forget(room, ada.person);
    assert_eq!(
        join(&ada).await.expect_err("refused").code,
        RefusalCode::NotAllowed
    );
    let rooms = services.rooms_of(ada.person).await.expect("rooms");
    assert_eq!(rooms[0].standing, Standing::Removed);
    policy.removed(room, ada.person);
    let refused = relayed(&said, Taken::Now).await;
    assert_eq!(refused.expect_err("refused").code, RefusalCode::NotAllowed);
    assert_eq!(
        relayed(&said, Taken::Before).await,
        Ok(admitted),
        "she was on the list once, and the other relay has taken it then"
    );
    let facts = services.room_facts(room).await.expect("facts");
    let gone: Vec<_> = facts
        .removed
        .iter()
        .map(|gone| (gone.person, gone.left))
        .collect();
    assert_eq!(gone, [(ada.person, false)]);
    assert!(facts.removed[0].block <= facts.block);
    let noticed = removed.lock().expect("not poisoned").clone();
    assert!(
        noticed.is_empty() || noticed == [(room, ada.person)],
        "{noticed:?}"
    );
}

#[tokio::test]
async fn what_the_chain_has_replaced_has_not_happened() {
    let Some(program) = LocalChain::program() else {
        return;
    };
    let local = LocalChain::start(&program).await;
    let (ada, eve) = (Person([1; 20]), Person([2; 20]));
    let owner = Person(local.account.into_array());
    let (kept, undone) = ([5; 32], [6; 32]);
    let (room, other) = (room_id(&owner, &kept), room_id(&owner, &undone));
    let create = |salt, members: &[Person]| RoomRegistry::createRoomCall {
        salt: B256::from(salt),
        members: members.iter().map(|person| address(*person)).collect(),
    };
    let folder = tempfile::tempdir().expect("a folder");
    let mailbox = Mailbox::open(&folder.path().join("m.db"))
        .await
        .expect("opens");
    let index = RegistryIndex::new(mailbox.database().clone());
    let removed = Arc::new(Mutex::new(Vec::new()));
    let seen = removed.clone();
    let watcher = Watcher::new(
        Arc::new(local.chain()),
        index.clone(),
        Arc::new(ChainStatus::default()),
        move |room, person| seen.lock().expect("not poisoned").push((room, person)),
    );
    let round = async || watcher.round().await.expect("a round");
    let rooms = async |person| -> Vec<(RoomId, Standing)> {
        let rooms = index.rooms_of(person).await.expect("rooms");
        rooms
            .iter()
            .map(|room| (room.room, room.standing))
            .collect()
    };
    local.call(create(kept, &[ada])).await;
    round().await;

    let before = local.snapshot().await;
    local.call(create(undone, &[eve])).await;
    local
        .call(RoomRegistry::removeMembersCall {
            room: B256::from(room.0),
            persons: vec![address(ada)],
        })
        .await;
    round().await;
    assert_eq!(rooms(ada).await, [(room, Standing::Removed)]);
    assert_eq!(rooms(eve).await, [(other, Standing::Member)]);
    removed.lock().expect("not poisoned").clear();

    // A shorter chain is waited for; the blocks in place of those hold nothing.
    local.replace(&before, 1).await;
    round().await;
    assert_eq!(rooms(eve).await, [(other, Standing::Member)]);
    local
        .call(RoomRegistry::setModeratorCall {
            room: B256::from(room.0),
            person: address(ada),
            on: true,
        })
        .await;
    local.send(json!({ "to": local.account })).await;
    round().await;
    assert_eq!(rooms(ada).await, [(room, Standing::Member)]);
    assert_eq!(rooms(eve).await, []);
    assert_eq!(index.count().await.expect("answers"), 1);
    assert_eq!(index.moderators(room).await.expect("answers"), [ada]);
    // Whoever was in only by what is gone has to leave.
    assert_eq!(
        *removed.lock().expect("not poisoned"),
        [(other, owner), (other, eve)]
    );
}

#[tokio::test]
async fn another_chain_is_refused_and_an_empty_address_turns_rooms_off() {
    let Ok(program) = std::env::var("ANVIL") else {
        eprintln!("skipped: ANVIL names no program");
        return;
    };
    let local = LocalChain::start(&program).await;
    let empty = Address::repeat_byte(0x11).to_string();
    let server = TestServer::start(&["--chain-rpc", &local.rpc, "--registry", &empty]).await;
    assert_eq!(server.services.bootstrap.contracts.registry, None);
    let chain = Chain::new(
        reqwest::Client::new(),
        local.rpc.parse().expect("a URL"),
        1,
        None,
    );
    assert!(matches!(
        chain.check().await,
        Err(ChainError::WrongChain {
            expected: 1,
            found: 31337
        })
    ));
}

#[tokio::test]
async fn a_chain_that_answers_only_later_is_asked_for_the_contracts_code_then() {
    let Some(program) = LocalChain::program() else {
        return;
    };
    let mut local = LocalChain::start(&program).await;
    let server = TestServer::start(&[]).await;
    let services = &server.services;
    let watcher = |chain: Chain, status: &Arc<ChainStatus>| {
        let (chain, index) = (Arc::new(chain), services.index.clone());
        Watcher::new(chain, index, status.clone(), |_, _| {})
    };
    let good = Arc::new(ChainStatus::default());
    let round = watcher(local.chain(), &good).round().await;
    round.expect("a round");
    assert_eq!(good.contracts(), "checked");

    // Another contract is where the registry should be, and its events are not read.
    let index = &services.index;
    let known = index.block(31337, local.registry).await.expect("answers");
    local.registry = local.deploy("ConversationToken").await;
    let watcher = watcher(local.chain(), &services.chain_status);
    for _ in 0..2 {
        let Err(WatchError::OtherCode(other)) = watcher.round().await else {
            panic!("other code is followed");
        };
        let why = other.to_string();
        assert!(why.contains("HEALTHSYNC_REGISTRY is 0x"), "{why}");
    }
    assert!(known.is_some());
    let other = index.block(31337, local.registry).await.expect("answers");
    assert_eq!(other, None);
    let health = crate::test_support::json(server.get("/healthz").await).await;
    assert_eq!(
        (health.0, &health.1["chain"]["contracts"]),
        (http::StatusCode::SERVICE_UNAVAILABLE, &json!("other"))
    );
}

#[tokio::test]
async fn the_index_waits_for_what_the_mailbox_writes_into_the_same_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("one.db");
    let mailbox = Mailbox::open(&file).await.expect("opens");
    let index = RegistryIndex::new(mailbox.database().clone());
    index.reset(31337, Address::ZERO, 1).await.expect("begun");
    let url = format!("sqlite://{}", file.display());
    let mut other = SqliteConnection::connect(&url).await.expect("opens");
    for statement in ["BEGIN IMMEDIATE", "UPDATE registry_state SET block = 0"] {
        let done = sqlx::query(statement).execute(&mut other).await;
        done.expect("written");
    }
    let mut applying = std::pin::pin!(index.apply(1, 2, &[]));
    let soon = tokio::time::timeout(Duration::from_millis(300), &mut applying);
    assert!(soon.await.is_err(), "it waits");
    let done = sqlx::query("COMMIT").execute(&mut other).await;
    done.expect("committed");
    applying.await.expect("taken in");
    let block = index.block(31337, Address::ZERO).await.expect("answers");
    assert_eq!(block, Some(2));
}
