//! The relay's WebRTC-direct listener, with libp2p's own dialler at the other end.

use std::net::SocketAddr;

use healthsync_net::{
    GossipKind, Keypair, NodeConfig, Prefer, Relay, RelayConfig, RelayError, Transport,
    native::Pieces, new_certificate,
};
use libp2p::{
    PeerId, Transport as _,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, ListenerId},
    },
};
use libp2p_webrtc::tokio::Certificate;

use crate::clinic::{Clinic, Mailbox, ROOM, Visitor};

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
