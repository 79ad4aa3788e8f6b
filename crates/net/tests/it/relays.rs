//! Two relays whose operators have named each other, with people at both; and relays that nobody has named.

use std::{
    collections::HashSet,
    sync::atomic::{AtomicU8, Ordering},
    time::Duration,
};

use futures::FutureExt;
use healthsync_core::{DeviceSecret, limits};
use healthsync_net::{FollowError, GossipKind, Keypair, Policy, State};
use tokio::task::JoinHandle;

use crate::clinic::{Clinic, PATIENCE, ROOM, Visitor, revocation};

/// A relay whose mailbox takes each device's envelopes in order only, as the server's does, and with topics of its own.
async fn open() -> Clinic {
    static TOPICS: AtomicU8 = AtomicU8::new(1);
    let clinic = Clinic::open().await;
    let topics = TOPICS.fetch_add(1, Ordering::Relaxed);
    clinic.mailbox.topics.store(topics, Ordering::Relaxed);
    clinic.mailbox.in_order.store(true, Ordering::Relaxed);
    clinic
}

/// As the server does it: follows again whenever it has ended, at once when somebody knocks.
fn keep_following(from: &Clinic, to: &Clinic) -> JoinHandle<()> {
    let (relay, peer, address) = (from.relay.clone(), to.relay.peer_id(), to.websocket());
    tokio::spawn(async move {
        let mut knocks = relay.knocks();
        loop {
            let ended = relay.follow("the other", peer, address.clone()).await;
            if matches!(ended, FollowError::Stopped) {
                return;
            }
            let pause = tokio::time::sleep(Duration::from_millis(200));
            tokio::select! {
                () = pause => {}
                _ = knocks.changed() => {}
            }
        }
    })
}

async fn until(what: &str, mut holds: impl FnMut() -> bool) {
    let all = async {
        while !holds() {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    let in_time = tokio::time::timeout(PATIENCE, all).await;
    in_time.unwrap_or_else(|_| panic!("not in time: {what}"));
}

async fn until_equal(one: &Clinic, other: &Clinic, count: usize) {
    until("both hold the same", || {
        let kept = one.mailbox.kept(ROOM);
        kept.len() == count && kept == other.mailbox.kept(ROOM)
    })
    .await;
}

/// The same list of members at both, as the chain has it.
async fn members(one: &Clinic, other: &Clinic) -> (Visitor, Visitor) {
    let (ada, ben) = (one.member(1).await, other.member(2).await);
    for person in [ada.person, ben.person] {
        one.mailbox.allow(ROOM, person);
        other.mailbox.allow(ROOM, person);
    }
    ada.enter(ROOM).await;
    ben.enter(ROOM).await;
    (ada, ben)
}

async fn write(who: &mut Visitor, count: usize) {
    for n in 0..count {
        let envelope = who.say(ROOM, &format!("number {n}"));
        who.node.push(ROOM, vec![envelope]).await.unwrap();
    }
}

#[tokio::test]
async fn what_is_said_at_one_relay_is_heard_at_the_other_once() {
    let (a, b) = (open().await, open().await);
    let (mut ada, mut ben) = members(&a, &b).await;
    let _both = (keep_following(&a, &b), keep_following(&b, &a));
    // As the page does it: gossip first, then the push that acknowledges.
    let first = ada.say(ROOM, "Heard over there?");
    ada.node
        .publish(ROOM, GossipKind::Envelope, &first)
        .unwrap();
    ada.node.push(ROOM, vec![first.clone()]).await.unwrap();
    assert_eq!(ben.hears().await, first);
    let second = ben.say(ROOM, "Loud and clear.");
    ben.node
        .publish(ROOM, GossipKind::Envelope, &second)
        .unwrap();
    ben.node.push(ROOM, vec![second.clone()]).await.unwrap();
    assert_eq!(ada.hears().await, second);
    until_equal(&a, &b, 2).await;
    // Both are in both mailboxes; from here on nothing is healed, all is live.
    for n in 0..20_u8 {
        let envelope = ada.say(ROOM, &format!("and {n}"));
        ada.node
            .publish(ROOM, GossipKind::Envelope, &envelope)
            .unwrap();
        assert_eq!(ben.hears().await, envelope, "heard twice, or not at all");
        ben.node
            .publish(ROOM, GossipKind::Ephemeral, &[n + 1])
            .unwrap();
        assert_eq!(ada.hears().await, [n + 1], "heard twice, or not at all");
    }
    until_equal(&a, &b, 22).await;
    assert_eq!(a.relay.metrics().relays, 1);
    assert_eq!(b.relay.metrics().relayed_refused, 0);
}

#[tokio::test]
async fn what_a_relay_missed_while_it_was_down_it_gets_from_the_other() {
    let (a, b) = (open().await, open().await);
    let (mut ada, mut ben) = members(&a, &b).await;
    let following = [keep_following(&a, &b), keep_following(&b, &a)];
    write(&mut ada, 1).await;
    until_equal(&a, &b, 1).await;
    for task in following {
        task.abort();
    }
    let (mailbox, keypair, address) = b.crash().await;
    write(&mut ada, 50).await;
    let b = Clinic::reopen(mailbox, keypair, address, None).await;
    let _both = (keep_following(&a, &b), keep_following(&b, &a));
    until_equal(&a, &b, 51).await;
    // Ben's node has come back by itself, and what Ada says reaches him.
    ben.until(State::Offline).await;
    ben.until(State::Connected).await;
    ben.enter(ROOM).await;
    let after = ada.say(ROOM, "Back again?");
    ada.node.push(ROOM, vec![after.clone()]).await.unwrap();
    while ben.hears().await != after {}
    until_equal(&a, &b, 52).await;
}

#[tokio::test]
async fn two_relays_that_were_cut_off_heal_each_other() {
    let (a, b) = (open().await, open().await);
    let (mut ada, mut ben) = members(&a, &b).await;
    write(&mut ada, 3).await;
    // More than one page, and whoever is connected is told.
    write(&mut ben, 600).await;
    let following = [keep_following(&a, &b), keep_following(&b, &a)];
    let mut heard = HashSet::new();
    for _ in 0..600 {
        assert!(heard.insert(ada.hears().await), "heard twice");
    }
    until_equal(&a, &b, 603).await;
    for task in following {
        task.abort();
        let _ = task.await;
    }
    write(&mut ada, 20).await;
    write(&mut ben, 30).await;
    assert_ne!(a.mailbox.kept(ROOM), b.mailbox.kept(ROOM));
    let _both = (keep_following(&a, &b), keep_following(&b, &a));
    until_equal(&a, &b, 653).await;
    assert_eq!(a.relay.metrics().relayed, 630);
    assert_eq!(b.relay.metrics().relayed, 23);
}

#[tokio::test]
async fn a_relay_that_is_not_named_neither_reads_nor_writes() {
    let (a, b) = (open().await, open().await);
    let (mut ada, mut ben) = members(&a, &b).await;
    write(&mut ada, 1).await;
    write(&mut ben, 1).await;
    let one_sided = b.relay.follow("A", a.relay.peer_id(), a.websocket());
    let ended = tokio::time::timeout(PATIENCE, one_sided).await.unwrap();
    assert!(matches!(ended, FollowError::Refused), "{ended}");
    assert_eq!(
        (a.mailbox.kept(ROOM).len(), b.mailbox.kept(ROOM).len()),
        (1, 1)
    );
    // Nor is one that the operator has replaced by another under the same name.
    let ended = a.relay.follow("B", b.relay.peer_id(), b.websocket());
    drop(ended.now_or_never());
    let somebody = Keypair::generate_ed25519().public().to_peer_id();
    let nowhere = "/ip4/127.0.0.1/tcp/9/ws".parse().unwrap();
    let replaced = a.relay.follow("B", somebody, nowhere);
    let unreachable = tokio::time::timeout(PATIENCE, replaced).await.unwrap();
    assert!(
        matches!(unreachable, FollowError::Unreachable(_)),
        "{unreachable}"
    );
    let one_sided = b.relay.follow("A", a.relay.peer_id(), a.websocket());
    let ended = tokio::time::timeout(PATIENCE, one_sided).await.unwrap();
    assert!(matches!(ended, FollowError::Refused), "{ended}");
    assert_eq!(b.mailbox.kept(ROOM).len(), 1);
}

#[tokio::test]
async fn a_relay_in_wrong_hands_changes_nothing() {
    let (a, b) = (open().await, open().await);
    let (mut ada, _ben) = members(&a, &b).await;
    write(&mut ada, 2).await;
    let before = a.mailbox.kept(ROOM);
    // Forged under Ada's name, and by a device of which nobody has said whose it is.
    let mut forged = ada.say(ROOM, "never said");
    *forged.last_mut().unwrap() ^= 1;
    b.mailbox.plant(ROOM, ada.device.public(), 3, forged);
    let (mut stranger, mut uninvited) = (b.visitor(3).await, b.visitor(4).await);
    let said = stranger.say(ROOM, "whose device is this?");
    b.mailbox.plant(ROOM, stranger.device.public(), 1, said);
    b.mailbox.introduce(uninvited.delegation.clone());
    let said = uninvited.say(ROOM, "I am not on the list");
    b.mailbox.plant(ROOM, uninvited.device.public(), 1, said);
    let (a_follows, b_follows) = (keep_following(&a, &b), keep_following(&b, &a));
    until("all of it was refused", || {
        a.relay.metrics().relayed_refused >= 3
    })
    .await;
    assert_eq!(a.mailbox.kept(ROOM), before);
    a_follows.abort();
    b_follows.abort();

    // Longer than any envelope: the page is not read at all.
    let c = open().await;
    let long = vec![7; limits::ENVELOPE_BYTES + 1];
    c.mailbox.plant(ROOM, stranger.device.public(), 1, long);
    let _named = keep_following(&c, &a);
    let ended = loop {
        let ended = a.relay.follow("C", c.relay.peer_id(), c.websocket());
        match tokio::time::timeout(PATIENCE, ended).await.unwrap() {
            FollowError::Refused => {} // Not named there yet.
            ended => break ended,
        }
    };
    assert!(matches!(ended, FollowError::Unreadable(_)), "{ended}");
    assert_eq!(a.mailbox.kept(ROOM), before);
}

#[tokio::test]
async fn a_relay_hears_which_devices_may_write_no_more() {
    let (a, b) = (open().await, open().await);
    let revoked = |n: u8| revocation(n, DeviceSecret::from_bytes([n; 32]).public());
    a.mailbox.revoke(revoked(1)).await.unwrap();
    let _both = (keep_following(&a, &b), keep_following(&b, &a));
    until("what was known before", || {
        b.mailbox.revoked() == [revoked(1)]
    })
    .await;
    a.relay.tell_revoked(revoked(2)).await;
    until("and what is new", || {
        b.mailbox.revoked() == [revoked(1), revoked(2)]
    })
    .await;
}
