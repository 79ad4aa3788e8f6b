//! The relay's WebRTC-direct listener, with libp2p's own dialler at the other end: version 1.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
};

use healthsync_net::{
    GossipKind, Keypair, NetEvent, NodeConfig, Prefer, Relay, RelayConfig, RelayError, Transport,
    new_certificate,
};
use libp2p::{
    PeerId, Transport as _,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, ListenerId},
    },
};
use libp2p_webrtc::tokio::Certificate;
use tokio::net::UdpSocket;

use crate::{
    clinic::{Clinic, Mailbox, ROOM, Visitor, websocket_transport},
    pieces::Pieces,
};

fn loopback() -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], 0))
}

/// libp2p-webrtc dials only from a socket that it also listens on.
fn webrtc_transport(keypair: &Keypair) -> Boxed<(PeerId, StreamMuxerBox)> {
    let certificate = Certificate::from_pem(&new_certificate().unwrap()).unwrap();
    let mut transport = libp2p_webrtc::tokio::Transport::new(keypair.clone(), certificate);
    transport
        .listen_on(
            ListenerId::next(),
            "/ip4/127.0.0.1/udp/0/webrtc-direct".parse().unwrap(),
        )
        .unwrap();
    transport
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(Pieces(connection))))
        .boxed()
}

#[tokio::test]
async fn members_on_both_transports_are_in_one_room() {
    let webrtc = Some((loopback(), new_certificate().unwrap()));
    let clinic = Clinic::reopen(
        Default::default(),
        Keypair::generate_ed25519(),
        loopback(),
        webrtc,
    )
    .await;
    let config = NodeConfig {
        ws_url_multiaddr: clinic.websocket(),
        webrtc: clinic.relay.addresses().first().cloned(),
        prefer: Prefer::WebRtc,
        relay: clinic.relay.peer_id(),
    };
    let mut ada = Visitor::connect(1, config, webrtc_transport).await;
    clinic.mailbox.allow(ROOM, ada.person);
    let mut ben = clinic.member(2).await;
    ada.enter(ROOM).await;
    ben.enter(ROOM).await;
    assert_eq!(clinic.relay.metrics().webrtc, 1);
    assert_eq!(clinic.relay.metrics().websocket, 1);
    let text = ada.say(ROOM, "by another road");
    ada.node.publish(ROOM, GossipKind::Envelope, &text).unwrap();
    assert_eq!(ben.hears().await, text);
    let answer = ben.say(ROOM, "it holds");
    ben.node
        .publish(ROOM, GossipKind::Envelope, &answer)
        .unwrap();
    assert_eq!(ada.hears().await, answer);

    // Longer than one data-channel message, in both directions.
    let long = "x".repeat(healthsync_core::limits::MESSAGE_CHARS);
    let sent: Vec<_> = (0..20).map(|_| ada.say(ROOM, &long)).collect();
    let stored = ada.node.push(ROOM, sent.clone()).await.unwrap();
    assert_eq!(stored.have.get(&ada.device.public()), 21);
    for envelope in &sent {
        assert_eq!(&ben.hears().await, envelope);
    }
    assert_eq!(stored.have.get(&ben.device.public()), 1);
    let page = ada.node.pull(ROOM, Default::default(), 100).await.unwrap();
    assert_eq!(page.envelopes.len(), 22);
}

/// Passes one sender's datagrams on to `relay` and the answers back, once it is open.
async fn line_to(relay: SocketAddr) -> (SocketAddr, Arc<AtomicBool>) {
    let (front, back) = (
        UdpSocket::bind(loopback()).await.unwrap(),
        UdpSocket::bind(loopback()).await.unwrap(),
    );
    let address = front.local_addr().unwrap();
    let open = Arc::new(AtomicBool::new(false));
    let passes = open.clone();
    tokio::spawn(async move {
        let (mut asked, mut answered) = ([0; 2_048], [0; 2_048]);
        let mut sender = None;
        loop {
            tokio::select! {
                Ok((length, from)) = front.recv_from(&mut asked) => {
                    sender = Some(from);
                    if passes.load(Ordering::Relaxed) {
                        back.send_to(&asked[..length], relay).await.unwrap();
                    }
                }
                Ok((length, _)) = back.recv_from(&mut answered) => {
                    front.send_to(&answered[..length], sender.unwrap()).await.unwrap();
                }
            }
        }
    });
    (address, open)
}

#[tokio::test]
async fn a_websocket_is_replaced_by_webrtc_when_that_becomes_possible_and_nothing_is_lost() {
    let webrtc = Some((loopback(), new_certificate().unwrap()));
    let keypair = Keypair::generate_ed25519();
    let clinic = Clinic::reopen(Default::default(), keypair, loopback(), webrtc).await;
    let address = clinic.relay.addresses()[0].to_string();
    let port = address.split('/').nth(4).unwrap().parse().unwrap();
    let (line, open) = line_to(([127, 0, 0, 1], port).into()).await;
    let by_the_line = address.replace(&format!("/udp/{port}/"), &format!("/udp/{}/", line.port()));
    let config = NodeConfig {
        ws_url_multiaddr: clinic.websocket(),
        webrtc: Some(by_the_line.parse().unwrap()),
        prefer: Prefer::Auto,
        relay: clinic.relay.peer_id(),
    };
    let both = |keypair: &Keypair| {
        webrtc_transport(keypair)
            .or_transport(websocket_transport(keypair))
            .map(|either, _| either.into_inner())
            .boxed()
    };
    let mut ada = Visitor::connect(1, config, both).await;
    clinic.mailbox.allow(ROOM, ada.person);
    let mut ben = clinic.member(2).await;
    ada.enter(ROOM).await;
    ben.enter(ROOM).await;
    assert_eq!(clinic.relay.metrics().websocket, 2);

    open.store(true, Ordering::Relaxed);
    ada.node.wake();
    let (mut sent, mut heard) = (Vec::new(), Vec::new());
    let (mut missed, mut webrtc) = (false, false);
    while !(missed && webrtc) {
        let envelope = ben.say(ROOM, "on the way");
        ben.node.push(ROOM, vec![envelope.clone()]).await.unwrap();
        sent.push(envelope);
        // One request of ours is always under way: the old connection waits for its answer.
        ada.node.pull(ROOM, Default::default(), 1).await.unwrap();
        while let Ok(event) = ada.events.try_recv() {
            match event {
                NetEvent::Status(status) => webrtc = status.transport == Some(Transport::WebRtc),
                NetEvent::Gossip { bytes, .. } => heard.push(bytes),
                NetEvent::Missed => missed = true,
            }
        }
    }
    assert_eq!(clinic.relay.metrics().webrtc, 1);
    let page = ada
        .node
        .pull(ROOM, Default::default(), 10_000)
        .await
        .unwrap();
    heard.extend(page.envelopes);
    assert!(sent.iter().all(|envelope| heard.contains(envelope)));

    // It goes on over what is left.
    while clinic.relay.metrics().websocket > 1 {
        tokio::task::yield_now().await;
    }
    let last = ben.say(ROOM, "arrived");
    ben.node.publish(ROOM, GossipKind::Envelope, &last).unwrap();
    while ada.hears().await != last {}
}

#[tokio::test]
async fn the_certificate_keeps_the_address_over_a_restart() {
    let pem = new_certificate().unwrap();
    let keypair = Keypair::generate_ed25519();
    let mut addresses = Vec::new();
    let mut port = loopback();
    for _ in 0..2 {
        let config = RelayConfig {
            keypair: keypair.clone(),
            webrtc: Some((port, pem.clone())),
        };
        let policy = std::sync::Arc::new(Mailbox::default());
        let (relay, task) = Relay::start(config, policy).await.unwrap();
        let address = relay.addresses()[0].clone();
        assert_eq!(Transport::of(&address), Some(Transport::WebRtc));
        let udp = address.iter().find_map(|part| match part {
            libp2p::multiaddr::Protocol::Udp(udp) => Some(udp),
            _ => None,
        });
        port.set_port(udp.unwrap());
        addresses.push(address);
        relay.stop().await;
        task.await.unwrap();
    }
    assert_eq!(addresses[0], addresses[1]);
}

/// Data folders hold certificates that libp2p-webrtc wrote.
#[tokio::test]
async fn a_certificate_of_libp2p_keeps_its_address() {
    let certificate = Certificate::generate(&mut rand::rng()).unwrap();
    let config = RelayConfig {
        keypair: Keypair::generate_ed25519(),
        webrtc: Some((loopback(), certificate.serialize_pem())),
    };
    let policy = std::sync::Arc::new(Mailbox::default());
    let (relay, _task) = Relay::start(config, policy).await.unwrap();
    let hash = relay.addresses()[0].iter().find_map(|part| match part {
        libp2p::multiaddr::Protocol::Certhash(hash) => Some(hash),
        _ => None,
    });
    assert_eq!(hash, Some(certificate.fingerprint().to_multihash()));
}

#[tokio::test]
async fn a_wildcard_address_is_refused_by_name() {
    let config = RelayConfig {
        keypair: Keypair::generate_ed25519(),
        webrtc: Some((
            SocketAddr::from(([0, 0, 0, 0], 9_000)),
            new_certificate().unwrap(),
        )),
    };
    let policy = std::sync::Arc::new(Mailbox::default());
    let error = Relay::start(config, policy).await.unwrap_err();
    assert!(matches!(error, RelayError::Unspecified(_)), "{error}");
}
