//! The libp2p node: one set of protocols, a client actor (the browser tab) and a relay actor (the
//! server), each the single owner of its swarm.
//!
//! Shared by both sides: [`gossip`] (what travels live), [`sync`] (history by request and response),
//! [`circuit`] and [`signal`] (how two browsers find a direct link), [`blob`] (content between them),
//! [`address`] and the [`client`] actor, which knows nothing of browsers and therefore runs in native
//! tests as well; [`tabs`] is what the tabs of a browser that share a node say to each other. What
//! differs by platform lives in one folder each: `browser` (transports made of `web-sys` objects) and
//! `native` (the relay and its listeners).

#![cfg_attr(test, allow(clippy::unwrap_used))]

pub mod address;
mod behaviour;
pub mod blob;
pub mod circuit;
pub mod client;
mod eager;
mod framing;
pub mod gossip;
pub mod protobuf;
mod relay_only;
mod seen;
pub mod signal;
pub mod sync;
pub mod tabs;
pub mod webrtc;

#[cfg(target_arch = "wasm32")]
pub mod browser;
#[cfg(not(target_arch = "wasm32"))]
pub mod native;

pub use address::{Transport, key_of_peer, peer_of_key, websocket_multiaddr};
pub use blob::{ContentId, Layout, Shelf};
pub use client::{
    Joined, NetError, NetEvent, NodeConfig, NodeHandle, Page, Prefer, State, Status, Stored,
};
pub use gossip::GossipKind;
pub use libp2p::{Multiaddr, PeerId, identity::Keypair};

#[cfg(target_arch = "wasm32")]
pub use browser::Node;
#[cfg(not(target_arch = "wasm32"))]
pub use native::{
    Admission, FollowError, Outcome, PeerIdBytes, Policy, Refusal, Relay, RelayConfig, RelayError,
    RelayHandle, RelayMetrics, Taken, new_certificate,
};
