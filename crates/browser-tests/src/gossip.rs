//! Gossip over the browser's WebRTC, against `crates/net/examples/echo.rs`, whose address is `globalThis.echo`.
//! Messages of the product are shorter than what the transport has to carry.

use std::collections::HashSet;

use futures::StreamExt;
use healthsync_net::{Keypair, Multiaddr, browser, gossip};
use libp2p::{
    Swarm,
    gossipsub::{Event, IdentTopic, MessageAcceptance},
    swarm::{Config, SwarmEvent},
};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

const MESSAGES: u32 = 500;
const BYTES: usize = 60_000;
/// Sent and not answered yet: more than WebRTC's buffers hold on their way, so that both sides have to wait.
const UNDER_WAY: u32 = 40;

/// The `n`th message: its number, then bytes that no other has.
fn message(n: u32) -> Vec<u8> {
    let mut bytes = vec![0; BYTES];
    let mut state = n.wrapping_mul(2_654_435_761).wrapping_add(1);
    for byte in &mut bytes {
        state ^= state << 13;
        state ^= state >> 17;
        state ^= state << 5;
        *byte = state.to_le_bytes()[0];
    }
    bytes[..4].copy_from_slice(&n.to_be_bytes());
    bytes
}

#[wasm_bindgen]
pub async fn test_five_hundred_gossip_messages_of_60_kb_go_and_come_over_webrtc() {
    let address = js_sys::Reflect::get(&js_sys::global(), &JsValue::from_str("echo")).unwrap();
    let address: Multiaddr = address.as_string().unwrap().parse().unwrap();
    let keypair = Keypair::generate_ed25519();
    let config = Config::with_wasm_executor()
        .with_idle_connection_timeout(std::time::Duration::from_secs(3_600));
    let mut swarm = Swarm::new(
        browser::webrtc(keypair.clone()),
        gossip::behaviour(&keypair),
        keypair.public().to_peer_id(),
        config,
    );
    let topic = IdentTopic::new("echo");
    swarm.behaviour_mut().subscribe(&topic).unwrap();
    swarm.dial(address).unwrap();
    let (mut sent, mut came) = (0, HashSet::new());
    while (came.len() as u32) < MESSAGES {
        match swarm.select_next_some().await {
            SwarmEvent::Behaviour(Event::Subscribed { peer_id, .. }) => {
                swarm.behaviour_mut().add_explicit_peer(&peer_id);
            }
            SwarmEvent::Behaviour(Event::Message {
                propagation_source,
                message_id,
                message: answer,
            }) => {
                let data: Vec<u8> = answer.data.iter().map(|byte| !byte).collect();
                let n = u32::from_be_bytes(*data.first_chunk().unwrap());
                assert!(data == message(n), "message {n} has come back changed");
                assert!(came.insert(n), "message {n} has come twice");
                swarm.behaviour_mut().report_message_validation_result(
                    &message_id,
                    &propagation_source,
                    MessageAcceptance::Accept,
                );
            }
            SwarmEvent::ConnectionClosed { cause, .. } => {
                panic!("cut after {} messages: {cause:?}", came.len())
            }
            SwarmEvent::OutgoingConnectionError { error, .. } => panic!("{error}"),
            _ => continue,
        }
        while sent < MESSAGES && sent < came.len() as u32 + UNDER_WAY {
            let gossip = swarm.behaviour_mut();
            gossip.publish(topic.clone(), message(sent)).unwrap();
            sent += 1;
        }
    }
}
