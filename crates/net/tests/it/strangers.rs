//! Who is not let in, and who behaves badly.

use std::{pin::pin, sync::atomic::Ordering, time::Duration};

use futures::{AsyncReadExt, AsyncWriteExt, StreamExt};
use healthsync_core::{RefusalCode, Request, Response, VersionVector, join_message};
use healthsync_net::{GossipKind, Keypair, NetError, Policy, State};
use libp2p::{
    PeerId, StreamProtocol, Swarm,
    gossipsub::{self, IdentTopic, MessageAuthenticity},
    swarm::{NetworkBehaviour, SwarmEvent, dial_opts::DialOpts},
};

use crate::clinic::{
    Clinic, Mailbox, PATIENCE, ROOM, Visitor, revocation, two_in_a_room, websocket_transport,
};

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

async fn until_cut(swarm: &mut Swarm<impl NetworkBehaviour>) {
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

/// Joins and leaves as it should, and listens as long as it likes.
#[derive(NetworkBehaviour)]
struct Lurking {
    gossip: gossipsub::Behaviour,
    streams: libp2p_stream::Behaviour,
}

struct Lurker {
    swarm: Swarm<Lurking>,
    relay: PeerId,
}

impl Lurker {
    /// In the room as `who`, whose own node stays outside.
    async fn enter(clinic: &Clinic, who: &Visitor) -> Self {
        let keypair = Keypair::generate_ed25519();
        let config = gossipsub::Config::default();
        let gossip = MessageAuthenticity::Signed(keypair.clone());
        let behaviour = Lurking {
            gossip: gossipsub::Behaviour::new(gossip, config).unwrap(),
            streams: libp2p_stream::Behaviour::new(),
        };
        let me = keypair.public().to_peer_id();
        let mut swarm = Swarm::new(
            websocket_transport(&keypair),
            behaviour,
            me,
            libp2p::swarm::Config::with_tokio_executor().with_idle_connection_timeout(PATIENCE),
        );
        let relay = clinic.relay.peer_id();
        let dial = DialOpts::peer_id(relay).addresses(vec![clinic.websocket()]);
        swarm.dial(dial.build()).unwrap();
        while !matches!(
            swarm.select_next_some().await,
            SwarmEvent::ConnectionEstablished { .. }
        ) {}
        let mut lurker = Self { swarm, relay };
        let signature = who.device.sign(&join_message(&ROOM, &me.to_bytes()));
        let joined = lurker.ask(Request::Join {
            room: ROOM,
            delegation: who.delegation.clone(),
            device_signature: signature,
        });
        assert!(matches!(joined.await, Response::Joined { .. }));
        let topic = IdentTopic::new(Mailbox::topic(ROOM));
        lurker
            .swarm
            .behaviour_mut()
            .gossip
            .subscribe(&topic)
            .unwrap();
        lurker
    }

    async fn ask(&mut self, request: Request) -> Response {
        let mut control = self.swarm.behaviour().streams.new_control();
        let relay = self.relay;
        let mut answer = pin!(async move {
            let protocol = StreamProtocol::new(healthsync_core::sync::PROTOCOL);
            let mut stream = control.open_stream(relay, protocol).await.unwrap();
            let request = request.encode();
            let length = u32::try_from(request.len()).unwrap();
            stream.write_all(&length.to_be_bytes()).await.unwrap();
            stream.write_all(&request).await.unwrap();
            stream.close().await.unwrap();
            let mut length = [0; 4];
            stream.read_exact(&mut length).await.unwrap();
            let mut answer = vec![0; u32::from_be_bytes(length) as usize];
            stream.read_exact(&mut answer).await.unwrap();
            Response::decode(&answer).unwrap()
        });
        loop {
            tokio::select! {
                answer = &mut answer => return answer,
                _ = self.swarm.select_next_some() => {}
            }
        }
    }

    /// Says things in the room until one of them arrives.
    async fn hears(&mut self, clinic: &Clinic) {
        let mut clock = tokio::time::interval(Duration::from_millis(50));
        let mut said = 0_u64;
        let heard = async {
            loop {
                tokio::select! {
                    _ = clock.tick() => {
                        said += 1;
                        let words = said.to_be_bytes();
                        clinic.relay.publish(ROOM, GossipKind::Ephemeral, &words).await;
                    }
                    event = self.swarm.select_next_some() => {
                        let SwarmEvent::Behaviour(LurkingEvent::Gossip(event)) = event else {
                            continue;
                        };
                        if let gossipsub::Event::Message { .. } = event {
                            return;
                        }
                    }
                }
            }
        };
        tokio::time::timeout(PATIENCE, heard).await.expect("heard");
    }
}

#[tokio::test]
async fn whoever_leaves_and_listens_on_is_cut_off_with_the_removal() {
    let clinic = Clinic::open().await;
    let ada = clinic.member(1).await;
    ada.enter(ROOM).await;
    let eve = clinic.member(2).await;
    let mut lurker = Lurker::enter(&clinic, &eve).await;
    lurker.hears(&clinic).await;
    let left = lurker.ask(Request::Leave { room: ROOM }).await;
    assert_eq!(left, Response::Left);
    clinic.relay.kick(ROOM, eve.person).await;
    let cut = until_cut(&mut lurker.swarm);
    // Not only when somebody sweeps, some seconds later.
    let at_once = tokio::time::timeout(Duration::from_secs(3), cut);
    at_once.await.expect("cut off at once");
}

/// Takes two sweeps, some eight seconds.
#[tokio::test]
async fn whoever_leaves_and_listens_on_is_cut_off_after_a_moment_also_when_the_room_was_empty() {
    let clinic = Clinic::open().await;
    let eve = clinic.member(2).await;
    let mut lurker = Lurker::enter(&clinic, &eve).await;
    lurker.hears(&clinic).await;
    let left = lurker.ask(Request::Leave { room: ROOM }).await;
    assert_eq!(left, Response::Left);
    let ada = clinic.member(1).await;
    ada.enter(ROOM).await;
    until_cut(&mut lurker.swarm).await;
    assert_eq!(clinic.relay.metrics().admissions, 1);
}

#[tokio::test]
async fn a_revoked_device_is_cut_off_and_does_not_come_back() {
    let (clinic, mut ada, _ben) = two_in_a_room().await;
    // Somebody else's wallet ends nothing of hers.
    let [by_ben, by_ada] = [2, 1].map(|wallet| revocation(wallet, ada.device.public()));
    clinic.relay.tell_revoked(by_ben).await;
    ada.node
        .pull(ROOM, VersionVector::default(), 10)
        .await
        .unwrap();
    Policy::revoke(&*clinic.mailbox, by_ada.clone())
        .await
        .unwrap();
    clinic.relay.tell_revoked(by_ada).await;
    ada.until(State::Offline).await;
    assert_eq!(clinic.relay.metrics().cut, 1);
    ada.until(State::Connected).await;
    let refused = ada.join(ROOM).await.unwrap_err();
    assert!(
        matches!(
            refused,
            NetError::Refused {
                code: RefusalCode::Revoked,
                ..
            }
        ),
        "{refused:?}"
    );
    assert_eq!(clinic.relay.metrics().admissions, 1, "Ben stays");
}

/// Takes the delegation's three seconds and a sweep.
#[tokio::test]
async fn whose_delegation_ends_is_cut_off() {
    let clinic = Clinic::open().await;
    let ada = clinic.member(1).await;
    ada.enter(ROOM).await;
    clinic.mailbox.seconds_left.store(3, Ordering::Relaxed);
    let mut ben = clinic.member(2).await;
    ben.enter(ROOM).await;
    clinic.mailbox.seconds_left.store(0, Ordering::Relaxed);
    ben.until(State::Offline).await;
    assert_eq!(clinic.relay.metrics().cut, 1);
}

#[tokio::test]
async fn sockets_that_never_say_who_they_are_keep_nobody_out() {
    let clinic = Clinic::open().await;
    let url = format!("ws://{}/p2p", clinic.address);
    let mut silent = Vec::new();
    for _ in 0..100 {
        let (socket, _) = tokio_tungstenite::connect_async(&url).await.unwrap();
        silent.push(socket);
    }
    // She is in before the relay gives the first of them up.
    let given_up = silent[0].next();
    tokio::select! {
        biased;
        _ = given_up => panic!("nobody got in until a silent socket was closed"),
        ada = clinic.member(1) => ada.enter(ROOM).await,
    }
}
