//! What members of a room do.

use std::{collections::HashSet, sync::atomic::Ordering};

use futures::StreamExt;
use healthsync_core::{RefusalCode, RoomId, VersionVector, limits};
use healthsync_net::{GossipKind, NetError, State};

use crate::clinic::{Clinic, Mailbox, PATIENCE, ROOM, two_in_a_room};

#[tokio::test]
async fn two_members_talk_live_and_the_mailbox_keeps_it() {
    let clinic = Clinic::open().await;
    let mut ada = clinic.member(1).await;
    let mut ben = clinic.member(2).await;
    let joined = ada.join(ROOM).await.unwrap();
    assert_eq!(joined.topic, Mailbox::topic(ROOM));
    assert_eq!(joined.have, VersionVector::default());
    ben.enter(ROOM).await;

    // As the page does it: gossip first, then the push that acknowledges.
    let first = ada.say(ROOM, "A second pair of eyes?");
    ada.node
        .publish(ROOM, GossipKind::Envelope, &first)
        .unwrap();
    let stored = ada.node.push(ROOM, vec![first.clone()]).await.unwrap();
    assert_eq!(stored.rejected, vec![]);
    assert_eq!(stored.have.get(&ada.device.public()), 1);
    assert_eq!(ben.hears().await, first);

    // A push alone reaches the others as well.
    let second = ben.say(ROOM, "Looks like a lipoma.");
    ben.node.push(ROOM, vec![second.clone()]).await.unwrap();
    assert_eq!(ada.hears().await, second);

    // Presence is passed on and not kept.
    ben.node
        .publish(ROOM, GossipKind::Ephemeral, b"typing")
        .unwrap();
    assert_eq!(ada.hears().await, b"typing");

    let page = ada
        .node
        .pull(ROOM, VersionVector::default(), 10)
        .await
        .unwrap();
    assert_eq!(
        page.envelopes.into_iter().collect::<HashSet<_>>(),
        HashSet::from([first, second])
    );
    assert!(!page.more);

    let metrics = clinic.relay.metrics();
    assert_eq!(
        (metrics.connections, metrics.websocket, metrics.rooms),
        (2, 2, 1)
    );
    assert_eq!((metrics.admissions, metrics.gossip_rejected), (2, 0));
}

#[tokio::test]
async fn what_is_said_is_heard_before_it_is_kept_and_stored_only_after() {
    let (clinic, mut ada, mut ben) = two_in_a_room().await;
    clinic.mailbox.disk_is_full.store(true, Ordering::Relaxed);
    let said = ada.say(ROOM, "Is anybody there?");
    ada.node.publish(ROOM, GossipKind::Envelope, &said).unwrap();
    assert_eq!(ben.hears().await, said);
    let refused = ada.node.push(ROOM, vec![said.clone()]).await.unwrap_err();
    assert!(
        matches!(
            refused,
            NetError::Refused {
                code: RefusalCode::Unavailable,
                ..
            }
        ),
        "{refused:?}"
    );
    // What does not hold is heard by nobody, disk or not.
    let mut forged = ada.say(ROOM, "from somebody else");
    *forged.last_mut().expect("not empty") ^= 1;
    ada.node
        .publish(ROOM, GossipKind::Envelope, &forged)
        .unwrap();
    clinic.mailbox.disk_is_full.store(false, Ordering::Relaxed);
    let stored = ada.node.push(ROOM, vec![said]).await.unwrap();
    assert_eq!(stored.have.get(&ada.device.public()), 1);
    clinic
        .relay
        .publish(ROOM, GossipKind::Ephemeral, b"after that")
        .await;
    assert_eq!(ben.hears().await, b"after that", "heard twice, or forged");
}

#[tokio::test]
async fn what_could_not_be_checked_when_it_was_said_is_told_when_it_is_stored() {
    let (clinic, mut ada, mut ben) = two_in_a_room().await;
    clinic.mailbox.is_busy.store(true, Ordering::Relaxed);
    let said = ada.say(ROOM, "Is anybody there?");
    ada.node.publish(ROOM, GossipKind::Envelope, &said).unwrap();
    while clinic.relay.metrics().gossip_ignored == 0 {
        tokio::task::yield_now().await;
    }
    clinic.mailbox.is_busy.store(false, Ordering::Relaxed);
    ada.node.push(ROOM, vec![said.clone()]).await.unwrap();
    assert_eq!(ben.hears().await, said);
    // Once, however often it is pushed.
    ada.node.push(ROOM, vec![said]).await.unwrap();
    clinic
        .relay
        .publish(ROOM, GossipKind::Ephemeral, b"after that")
        .await;
    assert_eq!(ben.hears().await, b"after that");
}

#[tokio::test]
async fn long_and_many_envelopes_arrive_once_each() {
    let (_clinic, mut ada, mut ben) = two_in_a_room().await;
    let long = "x".repeat(limits::MESSAGE_CHARS);
    let sent: Vec<_> = (0..100).map(|_| ada.say(ROOM, &long)).collect();
    let mut rest = &sent[..];
    while !rest.is_empty() {
        let (now, later) = rest.split_at(healthsync_net::NodeHandle::fitting(rest));
        for envelope in now {
            ada.node
                .publish(ROOM, GossipKind::Envelope, envelope)
                .unwrap();
        }
        ada.node.push(ROOM, now.to_vec()).await.unwrap();
        rest = later;
    }
    let mut heard = HashSet::new();
    for _ in 0..sent.len() {
        assert!(heard.insert(ben.hears().await), "shown twice");
    }
    assert_eq!(heard, HashSet::from_iter(sent));

    // History comes in pages that fit into one response.
    let mut have = VersionVector::default();
    let mut total = 0;
    loop {
        let page = ben.node.pull(ROOM, have.clone(), 4_000).await.unwrap();
        total += page.envelopes.len() as u64;
        have.0.insert(ada.device.public(), total);
        if !page.more {
            break;
        }
    }
    assert_eq!(total, 100);
}

#[tokio::test]
async fn known_envelopes_do_not_travel_again() {
    let (_clinic, mut ada, mut ben) = two_in_a_room().await;
    let first = ada.say(ROOM, "once");
    ada.node.push(ROOM, vec![first.clone()]).await.unwrap();
    assert_eq!(ben.hears().await, first);
    ada.node.push(ROOM, vec![first.clone()]).await.unwrap();
    let second = ada.say(ROOM, "next");
    ada.node
        .push(ROOM, vec![first, second.clone()])
        .await
        .unwrap();
    assert_eq!(ben.hears().await, second);
}

#[tokio::test]
async fn what_is_too_long_or_of_another_room_is_refused_with_a_reason() {
    let clinic = Clinic::open().await;
    let mut ada = clinic.member(1).await;
    ada.enter(ROOM).await;
    let too_long = vec![0; limits::ENVELOPE_BYTES + 1];
    for refused in [
        ada.node.push(ROOM, vec![too_long.clone()]).await.map(drop),
        ada.node.publish(ROOM, GossipKind::Envelope, &too_long),
        ada.node.publish(
            ROOM,
            GossipKind::Ephemeral,
            &vec![0; limits::EPHEMERAL_BYTES + 1],
        ),
    ] {
        assert!(
            matches!(
                refused,
                Err(NetError::Refused {
                    code: RefusalCode::TooLarge,
                    ..
                })
            ),
            "{refused:?}"
        );
    }
    let elsewhere = ada.say(RoomId([8; 32]), "wrong door");
    let good = ada.say(ROOM, "right door");
    let stored = ada
        .node
        .push(ROOM, vec![b"noise".to_vec(), elsewhere, good])
        .await
        .unwrap();
    let indices: Vec<_> = stored.rejected.iter().map(|(index, _)| *index).collect();
    assert_eq!(indices, [0, 1]);
    assert_eq!(stored.have.0.len(), 1);
}

#[tokio::test]
async fn what_follows_an_envelope_that_was_not_taken_does_not_hide_why() {
    let clinic = Clinic::open().await;
    clinic.mailbox.in_order.store(true, Ordering::Relaxed);
    let mut ada = clinic.member(1).await;
    ada.enter(ROOM).await;
    let mut broken = ada.say(ROOM, "first");
    *broken.last_mut().unwrap() ^= 1;
    let next = ada.say(ROOM, "second");
    let stored = ada.node.push(ROOM, vec![broken, next.clone()]).await;
    let rejected = stored.unwrap().rejected;
    assert!(
        matches!(&rejected[..], [(0, first), (1, gap)] if first.contains("signature") && gap.contains("missing")),
        "{rejected:?}"
    );
    // What is missing may still come from elsewhere: then it is asked for again, and not marked.
    let refused = ada.node.push(ROOM, vec![next]).await.map(drop);
    assert!(
        matches!(
            refused,
            Err(NetError::Refused {
                code: RefusalCode::NotAllowed,
                ..
            })
        ),
        "{refused:?}"
    );
}

#[tokio::test]
async fn whoever_is_removed_is_out_and_stays_out() {
    let clinic = Clinic::open().await;
    let mut ada = clinic.member(1).await;
    let mut ben = clinic.member(2).await;
    let other = RoomId([8; 32]);
    clinic.mailbox.allow(other, ben.person);
    ada.enter(ROOM).await;
    ben.enter(ROOM).await;
    ben.enter(other).await;

    clinic.mailbox.forbid(ROOM, ben.person);
    clinic.relay.kick(ROOM, ben.person).await;
    ben.until(State::Offline).await;
    ben.until(State::Connected).await;
    // The node has tried to return by itself: into the other room, and not into this one.
    let secret = ada.say(ROOM, "among us");
    ada.node.push(ROOM, vec![secret]).await.unwrap();
    let refused = |result| {
        matches!(
            result,
            Err(NetError::Refused {
                code: RefusalCode::NotAllowed | RefusalCode::NotJoined,
                ..
            })
        )
    };
    assert!(refused(ben.join(ROOM).await.map(drop)));
    let pull = ben.node.pull(ROOM, VersionVector::default(), 10).await;
    assert!(refused(pull.map(drop)));
    clinic
        .relay
        .publish(other, GossipKind::Ephemeral, b"still here")
        .await;
    assert_eq!(ben.hears().await, b"still here");
}

#[tokio::test]
async fn leaving_and_returning_works_at_once() {
    let clinic = Clinic::open().await;
    let mut ada = clinic.member(1).await;
    let mut ben = clinic.member(2).await;
    ada.enter(ROOM).await;
    for round in 0..3 {
        ben.enter(ROOM).await;
        let text = ada.say(ROOM, &format!("round {round}"));
        ada.node.push(ROOM, vec![text.clone()]).await.unwrap();
        assert_eq!(ben.hears().await, text);
        ben.node.leave(ROOM).await.unwrap();
    }
}

#[tokio::test]
async fn closing_ends_the_node_and_tells_the_relay() {
    let (clinic, ada, mut ben) = two_in_a_room().await;
    ada.node.close();
    let ended = ada.events.collect::<Vec<_>>();
    tokio::time::timeout(PATIENCE, ended)
        .await
        .expect("the node ends");
    // The answer comes after whatever came before on the relay's side.
    let text = ben.say(ROOM, "alone now");
    ben.node.push(ROOM, vec![text]).await.unwrap();
    assert_eq!(clinic.relay.metrics().connections, 1);
}
