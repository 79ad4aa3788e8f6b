//! Members with direct links: live traffic and content between them, with and without the relay.

use std::{sync::Arc, time::Duration};

use healthsync_core::RoomId;
use healthsync_net::{
    GossipKind, NetEvent, NodeConfig, Prefer, State, Status,
    blob::{CHUNK, fetch::Fetch},
};
use libp2p::PeerId;

use crate::{
    clinic::{Clinic, ROOM, Visitor, websocket_transport},
    links::{Memory, Switchboard, proves},
};

/// More than any content here.
const LIMIT: u64 = 64 * 1024 * 1024;

/// A member whose node can have direct links, and what it can give away.
struct Colleague {
    visitor: Visitor,
    shelf: Arc<Memory>,
}

async fn colleague(clinic: &Clinic, board: &Switchboard, n: u8) -> Colleague {
    let config = NodeConfig {
        ws_url_multiaddr: clinic.websocket(),
        webrtc: None,
        prefer: Prefer::WebSocket,
        relay: clinic.relay.peer_id(),
    };
    let shelf = Arc::new(Memory::default());
    let visitor = Visitor::connect_with(
        n,
        config,
        websocket_transport,
        |keypair| board.finish(keypair.public().to_peer_id()),
        shelf.clone(),
    )
    .await;
    clinic.mailbox.allow(ROOM, visitor.person);
    Colleague { visitor, shelf }
}

impl Colleague {
    fn id(&self) -> PeerId {
        self.visitor.node.peer_id().expect("a node of its own")
    }

    /// Waits until so many direct links are there.
    async fn linked(&mut self, links: u32) -> Status {
        loop {
            if let NetEvent::Status(status) = self.visitor.event().await
                && status.direct_peers == links
            {
                return status;
            }
        }
    }

    async fn fetch(&self, content: [u8; 36]) -> Fetch<PeerId> {
        self.fetch_within(content, None).await
    }

    async fn fetch_within(&self, content: [u8; 36], patience: Option<Duration>) -> Fetch<PeerId> {
        let mut fetch = Fetch::new(ROOM, content, LIMIT, proves);
        let node = &self.visitor.node;
        node.fetch(&mut fetch, patience, |_, _| {}).await;
        fetch
    }
}

/// Everybody knows everybody, as the page would tell the node.
fn introduce(colleagues: &[&Colleague]) {
    for one in colleagues {
        let others = colleagues.iter().map(|other| other.id()).collect();
        one.visitor.node.set_members(ROOM, others);
    }
}

async fn pair(clinic: &Clinic, board: &Switchboard) -> (Colleague, Colleague) {
    let mut ada = colleague(clinic, board, 1).await;
    let mut ben = colleague(clinic, board, 2).await;
    ada.visitor.enter(ROOM).await;
    ben.visitor.enter(ROOM).await;
    introduce(&[&ada, &ben]);
    ada.linked(1).await;
    ben.linked(1).await;
    (ada, ben)
}

fn study(size: usize) -> Vec<u8> {
    (0..size as u32)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 11) as u8)
        .collect()
}

#[tokio::test]
async fn what_is_said_arrives_once_and_goes_on_without_the_relay() {
    let clinic = Clinic::open().await;
    let board = Switchboard::default();
    let (mut ada, mut ben) = pair(&clinic, &board).await;

    for n in 0..20 {
        let envelope = ada.visitor.say(ROOM, &format!("message {n}"));
        ada.visitor
            .node
            .publish(ROOM, GossipKind::Envelope, &envelope)
            .unwrap();
        assert_eq!(ben.visitor.hears().await, envelope, "each once, in order");
    }

    let (mailbox, keypair, address) = clinic.crash().await;
    let alone = ada.visitor.until(State::Offline).await;
    assert_eq!(alone.direct_peers, 1);
    ben.visitor.until(State::Offline).await;
    ada.visitor
        .node
        .publish(ROOM, GossipKind::Ephemeral, b"still here")
        .unwrap();
    assert_eq!(ben.visitor.hears().await, b"still here");
    let content = ada.shelf.put(ROOM, study(3 * CHUNK));
    assert!(ben.fetch(content).await.is_done());

    let clinic = Clinic::reopen(mailbox, keypair, address, None).await;
    ada.visitor.node.wake();
    ben.visitor.node.wake();
    let back = ada.visitor.until(State::Connected).await;
    assert_eq!(back.direct_peers, 1, "the link has lived through it");
    ben.visitor.until(State::Connected).await;
    let answer = ben.visitor.say(ROOM, "both roads again");
    ben.visitor
        .node
        .push(ROOM, vec![answer.clone()])
        .await
        .unwrap();
    assert_eq!(ada.visitor.hears().await, answer);
    assert_eq!(clinic.relay.metrics().gossip_rejected, 0);
}

#[tokio::test]
async fn a_link_that_breaks_is_made_again_and_the_relay_carries_on_meanwhile() {
    let clinic = Clinic::open().await;
    let board = Switchboard::default();
    let (mut ada, mut ben) = pair(&clinic, &board).await;
    board.cut();
    ada.linked(0).await;
    let envelope = ada.visitor.say(ROOM, "by the relay");
    ada.visitor
        .node
        .push(ROOM, vec![envelope.clone()])
        .await
        .unwrap();
    assert_eq!(ben.visitor.hears().await, envelope);
    ada.linked(1).await;
    ada.visitor
        .node
        .publish(ROOM, GossipKind::Ephemeral, b"again")
        .unwrap();
    assert_eq!(ben.visitor.hears().await, b"again");
}

#[tokio::test]
async fn a_study_of_fifty_megabytes_crosses_from_two_members_at_once() {
    let clinic = Clinic::open().await;
    let board = Switchboard::default();
    let (ada, mut ben) = pair(&clinic, &board).await;
    let mut eve = colleague(&clinic, &board, 3).await;
    eve.visitor.enter(ROOM).await;
    introduce(&[&ada, &ben, &eve]);
    eve.linked(2).await;
    ben.linked(2).await;

    let bytes = study(50_000_000);
    let content = ada.shelf.put(ROOM, bytes.clone());
    assert_eq!(ben.shelf.put(ROOM, bytes.clone()), content);
    let mut told = Vec::new();
    let node = eve.visitor.node.clone();
    let mut fetch = Fetch::new(ROOM, content, LIMIT, proves);
    node.fetch(&mut fetch, None, |have, all| told.push((have, all)))
        .await;
    let (layout, fetched) = fetch.take_bytes().expect("everything came");
    assert!(fetched == bytes, "the bytes are the same");
    assert_eq!(layout.size, 50_000_000);
    assert!(told.is_sorted() && told.last() == Some(&(50_000_000, 50_000_000)));
    // Nothing of it went through the relay: calls carry a few kilobytes each.
    assert!(clinic.relay.metrics().circuit_bytes < 64 * 1024);
}

#[tokio::test]
async fn content_is_for_its_room_only_and_nobody_having_it_is_said_at_once() {
    let clinic = Clinic::open().await;
    let board = Switchboard::default();
    let (ada, ben) = pair(&clinic, &board).await;
    let at_once = Some(Duration::MAX);
    let elsewhere = ada.shelf.put(RoomId([8; 32]), study(CHUNK));
    let fetched = ben.fetch_within(elsewhere, at_once).await;
    assert_eq!(fetched.progress(), (0, 0));
    let fetched = ben.fetch_within([7; 36], at_once).await;
    assert_eq!(fetched.progress(), (0, 0));
    // In the room by the relay's word, but not among the members that Ada knows.
    let content = ada.shelf.put(ROOM, study(CHUNK));
    ada.visitor.node.set_members(ROOM, Vec::new());
    let fetched = ben.fetch_within(content, at_once).await;
    assert_eq!(fetched.progress(), (0, 0));
}

#[tokio::test]
async fn the_patient_wait_for_a_member_who_is_not_linked_yet() {
    let clinic = Clinic::open().await;
    let board = Switchboard::default();
    let ada = colleague(&clinic, &board, 1).await;
    let ben = colleague(&clinic, &board, 2).await;
    ada.visitor.enter(ROOM).await;
    ben.visitor.enter(ROOM).await;
    let content = ada.shelf.put(ROOM, study(2 * CHUNK));
    let hurried = ben.fetch_within(content, Some(Duration::MAX)).await;
    assert_eq!(hurried.progress(), (0, 0), "nobody is there");
    let (patient, ()) = tokio::join!(ben.fetch(content), async {
        introduce(&[&ada, &ben]);
    });
    assert!(patient.is_done());
}

#[tokio::test]
async fn nobody_is_called_by_a_stranger() {
    let clinic = Clinic::open().await;
    let board = Switchboard::default();
    let (ada, ben) = pair(&clinic, &board).await;
    let stranger = colleague(&clinic, &board, 3).await;
    clinic.mailbox.forbid(ROOM, stranger.visitor.person);
    let other = RoomId([8; 32]);
    clinic.mailbox.allow(other, stranger.visitor.person);
    stranger.visitor.enter(other).await;
    // Those two it dials itself if its peer id is the smaller; to be called it needs a common room.
    stranger
        .visitor
        .node
        .set_members(other, vec![ada.id(), ben.id()]);
    ada.visitor.node.set_members(other, vec![stranger.id()]);
    ben.visitor.node.set_members(other, vec![stranger.id()]);
    while clinic.relay.metrics().circuits_refused < 2 {
        tokio::task::yield_now().await;
    }
    assert_eq!(stranger.visitor.node.linked(other).await, []);
    ada.visitor
        .node
        .publish(ROOM, GossipKind::Ephemeral, b"between us")
        .unwrap();
    let mut ben = ben;
    assert_eq!(ben.visitor.hears().await, b"between us");
    assert_eq!(ada.visitor.node.linked(ROOM).await, [ben.id()]);
    ada.visitor.node.close();
    ben.linked(0).await;
}

#[tokio::test]
async fn a_member_that_says_nothing_keeps_only_the_patient_waiting() {
    let clinic = Clinic::open().await;
    let board = Switchboard::default();
    let (ada, ben) = pair(&clinic, &board).await;
    let bytes = study(3 * CHUNK);
    let content = ada.shelf.put(ROOM, bytes.clone());
    let release = ada.shelf.hold();

    let mut hurried = Fetch::new(ROOM, content, LIMIT, proves);
    let node = &ben.visitor.node;
    let patient = ben.fetch(content);
    let hurry = node.fetch(&mut hurried, Some(Duration::from_millis(200)), |_, _| {});
    tokio::select! {
        biased;
        _ = patient => panic!("nothing was given yet"),
        () = hurry => {}
    }
    let all = 0..3 * CHUNK as u64;
    assert_eq!(hurried.gaps(), Some(vec![all]), "how it is cut is known");

    // What another had is kept; the same member gives the rest when asked again.
    hurried.fill(0, &bytes[..CHUNK]).unwrap();
    release.send_replace(false);
    node.fetch(&mut hurried, None, |_, _| {}).await;
    assert!(
        hurried
            .take_bytes()
            .is_some_and(|(_, fetched)| fetched == bytes)
    );
}
