//! `net`: the page's node against relays that are none. A server beside the page answers at `globalThis.badRelay`; its
//! path says how it misbehaves.

use std::sync::Arc;

use futures::StreamExt;
use healthsync_core::RoomId;
use healthsync_net::{
    Keypair, NetError, NetEvent, Node, NodeConfig, NodeHandle, Prefer, State, Status, blob,
    websocket_multiaddr,
};
use wasm_bindgen::{JsValue, prelude::wasm_bindgen};

fn port() -> u16 {
    let port = js_sys::Reflect::get(&js_sys::global(), &JsValue::from_str("badRelay")).unwrap();
    port.as_f64().unwrap() as u16
}

/// Dials until the node says that it is offline.
async fn offline_after(path: &str) -> (NodeHandle, Status) {
    let config = NodeConfig {
        ws_url_multiaddr: websocket_multiaddr("127.0.0.1", port(), false, path),
        webrtc: None,
        prefer: Prefer::WebSocket,
        relay: Keypair::generate_ed25519().public().to_peer_id(),
    };
    let (handle, mut events) = Node::start(config, Vec::new(), Arc::new(blob::Empty));
    loop {
        match events.next().await.unwrap() {
            NetEvent::Status(status) if status.state == State::Offline => return (handle, status),
            NetEvent::Status(status) => assert_ne!(status.state, State::Connected),
            NetEvent::Gossip { .. } | NetEvent::Missed => panic!("gossip from nobody"),
        }
    }
}

async fn is_refused(path: &str) {
    let (handle, status) = offline_after(path).await;
    let reason = status.reason.unwrap();
    assert!(reason.ends_with('.'), "no sentence: {reason}");
    let pulled = handle.pull(RoomId([1; 32]), Default::default(), 1).await;
    assert_eq!(pulled, Err(NetError::Offline));
}

#[wasm_bindgen]
pub async fn test_a_relay_that_sends_text_is_left() {
    is_refused("/text").await;
}

#[wasm_bindgen]
pub async fn test_a_relay_that_sends_noise_is_left() {
    is_refused("/noise").await;
}

#[wasm_bindgen]
pub async fn test_a_relay_that_hangs_up_is_left() {
    is_refused("/hangs-up").await;
}

#[wasm_bindgen]
pub async fn test_an_address_without_a_relay_is_left() {
    is_refused("/nobody").await;
}
