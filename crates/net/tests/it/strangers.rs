//! Who is not let in, and who behaves badly.

use futures::StreamExt;
use healthsync_core::{RefusalCode, VersionVector};
use healthsync_net::{GossipKind, Keypair, NetError};
use libp2p::{
    Swarm,
    gossipsub::{self, IdentTopic, MessageAuthenticity},
    swarm::{SwarmEvent, dial_opts::DialOpts},
};

use crate::clinic::{Clinic, Mailbox, PATIENCE, ROOM, websocket_transport};

#[tokio::test]
async fn who_is_not_a_member_neither_joins_nor_reads_nor_writes() {
    let clinic = Clinic::open().await;
    let ada = clinic.member(1).await;
    ada.enter(ROOM).await;
    let mut eve = clinic.visitor(3).await;
    let refusal = eve.join(ROOM).await.unwrap_err();
    assert_eq!(
        refusal,
        NetError::Refused {
            code: RefusalCode::NotAllowed,
            message: "You are not a member of this room.".into()
        }
    );
    let not_joined = |result: Result<(), NetError>| match result {
        Err(NetError::Refused { code, .. }) => assert_eq!(code, RefusalCode::NotJoined),
        other => panic!("{other:?}"),
    };
    let envelope = eve.say(ROOM, "let me in");
    not_joined(eve.node.push(ROOM, vec![envelope]).await.map(drop));
    let pull = eve.node.pull(ROOM, VersionVector::default(), 10).await;
    not_joined(pull.map(drop));
}

#[tokio::test]
async fn a_join_signed_for_another_connection_is_refused() {
    let clinic = Clinic::open().await;
    let ada = clinic.member(1).await;
    let thief = clinic.visitor(2).await;
    // The thief has seen Ada's delegation, but has not her device key.
    let refusal = thief
        .node
        .join(ROOM, ada.delegation.clone(), &thief.device)
        .await
        .unwrap_err();
    assert!(
        matches!(
            refusal,
            NetError::Refused {
                code: RefusalCode::BadDelegation,
                ..
            }
        ),
        "{refusal:?}"
    );
}

/// Speaks gossipsub only, and does not ask before it subscribes or sends.
fn intruder() -> Swarm<gossipsub::Behaviour> {
    let keypair = Keypair::generate_ed25519();
    let config = gossipsub::ConfigBuilder::default()
        .message_id_fn(|message| gossipsub::MessageId::new(&sha2::Sha256::digest(&message.data)))
        .build()
        .unwrap();
    use sha2::Digest;
    Swarm::new(
        websocket_transport(&keypair),
        gossipsub::Behaviour::new(MessageAuthenticity::Signed(keypair.clone()), config).unwrap(),
        keypair.public().to_peer_id(),
        libp2p::swarm::Config::with_tokio_executor().with_idle_connection_timeout(PATIENCE),
    )
}

async fn until_cut(swarm: &mut Swarm<gossipsub::Behaviour>) {
    let cut = async {
        while !matches!(
            swarm.select_next_some().await,
            SwarmEvent::ConnectionClosed { .. }
        ) {}
    };
    tokio::time::timeout(PATIENCE, cut).await.expect("cut off");
}

#[tokio::test]
async fn whoever_listens_to_a_topic_without_joining_is_cut_off() {
    let clinic = Clinic::open().await;
    let ada = clinic.member(1).await;
    ada.enter(ROOM).await;
    let mut eve = intruder();
    eve.behaviour_mut()
        .subscribe(&IdentTopic::new(Mailbox::topic(ROOM)))
        .unwrap();
    eve.dial(
        DialOpts::peer_id(clinic.relay.peer_id())
            .addresses(vec![clinic.websocket()])
            .build(),
    )
    .unwrap();
    until_cut(&mut eve).await;
    assert_eq!(clinic.relay.metrics().cut, 1);
}

#[tokio::test]
async fn whoever_sends_to_a_room_without_joining_is_not_heard_and_cut_off() {
    let clinic = Clinic::open().await;
    let mut ada = clinic.member(1).await;
    ada.enter(ROOM).await;
    let mut eve = intruder();
    eve.dial(
        DialOpts::peer_id(clinic.relay.peer_id())
            .addresses(vec![clinic.websocket()])
            .build(),
    )
    .unwrap();
    // The relay tells which topics it listens to; then the message leaves.
    let topic = IdentTopic::new(Mailbox::topic(ROOM));
    let told = async {
        while !matches!(
            eve.select_next_some().await,
            SwarmEvent::Behaviour(gossipsub::Event::Subscribed { .. })
        ) {}
    };
    tokio::time::timeout(PATIENCE, told).await.expect("told");
    eve.behaviour_mut()
        .publish(topic, b"\x02hello".to_vec())
        .unwrap();
    until_cut(&mut eve).await;
    let metrics = clinic.relay.metrics();
    assert_eq!((metrics.gossip_rejected, metrics.gossip_accepted), (1, 0));
    clinic
        .relay
        .publish(ROOM, GossipKind::Ephemeral, b"from the relay")
        .await;
    assert_eq!(ada.hears().await, b"from the relay");
}

#[tokio::test]
async fn three_wrong_messages_end_the_connection() {
    let clinic = Clinic::open().await;
    let mut eve = clinic.member(1).await;
    eve.enter(ROOM).await;
    for n in 0..3 {
        eve.node
            .publish(ROOM, GossipKind::Envelope, &[n; 300])
            .unwrap();
    }
    eve.until(healthsync_net::State::Offline).await;
    assert_eq!(clinic.relay.metrics().gossip_rejected, 3);
}
