//! The relay goes away and comes back.

use healthsync_core::VersionVector;
use healthsync_net::{GossipKind, NetError, State, Transport};

use crate::clinic::{Clinic, ROOM, two_in_a_room};

#[tokio::test]
async fn after_a_crash_the_rooms_are_joined_again_and_history_fills_the_gap() {
    let (clinic, mut ada, mut ben) = two_in_a_room().await;
    let relay_before = clinic.relay.peer_id();

    let (mailbox, keypair, address) = clinic.crash().await;
    let lost = ada.until(State::Offline).await;
    assert!(lost.reason.is_some());
    ben.until(State::Offline).await;
    let unsent = ada.say(ROOM, "typed in a tunnel");
    assert_eq!(
        ada.node.push(ROOM, vec![unsent.clone()]).await,
        Err(NetError::Offline)
    );

    let clinic = Clinic::reopen(mailbox, keypair, address, None).await;
    assert_eq!(clinic.relay.peer_id(), relay_before);
    ada.node.wake();
    ben.node.wake();
    let back = ada.until(State::Connected).await;
    assert_eq!(back.transport, Some(Transport::WebSocket));
    assert_eq!(back.relay_peers, 1);
    ben.until(State::Connected).await;
    let page = ben.node.pull(ROOM, VersionVector::default(), 10).await;
    assert_eq!(page.unwrap().envelopes, Vec::<Vec<u8>>::new());

    // Nobody has called `join` again.
    ada.node.push(ROOM, vec![unsent.clone()]).await.unwrap();
    assert_eq!(ben.hears().await, unsent);
    // A push without gossip before it comes back to its sender as well.
    assert_eq!(ada.hears().await, unsent);
    ben.node
        .publish(ROOM, GossipKind::Ephemeral, b"here")
        .unwrap();
    assert_eq!(ada.hears().await, b"here");
    let page = ben
        .node
        .pull(ROOM, VersionVector::default(), 10)
        .await
        .unwrap();
    assert_eq!(page.envelopes, vec![unsent]);
}

#[tokio::test]
async fn another_server_at_the_same_address_is_not_trusted() {
    let clinic = Clinic::open().await;
    let mut ada = clinic.member(1).await;
    let (mailbox, _, address) = clinic.crash().await;
    ada.until(State::Offline).await;
    let impostor = healthsync_net::Keypair::generate_ed25519();
    let _clinic = Clinic::reopen(mailbox, impostor, address, None).await;
    ada.node.wake();
    loop {
        let status = ada.until(State::Offline).await;
        if status.reason.is_some_and(|why| why.contains("not trusted")) {
            break;
        }
    }
}
