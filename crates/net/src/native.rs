//! The relay: a libp2p node inside the server that forwards gossip, answers history requests and
//! asks the server's [`Policy`] about everything that needs the chain or the mailbox.
//!
//! Incoming connections are WebSockets that axum has upgraded ([`RelayHandle::upgrade`]) and, when
//! an address is configured, WebRTC-direct over UDP. Other relays are reached by WebSocket too
//! ([`RelayHandle::follow`]).

mod callers;
mod dial;
mod policy;
mod relay;
pub mod webrtc;
mod websocket;

pub use dial::{Dialer, Socket};
pub use policy::{Admission, Outcome, Page, PeerIdBytes, Policy, Refusal, Taken};
pub use relay::{
    FollowError, Overloaded, Relay, RelayConfig, RelayError, RelayHandle, RelayMetrics,
    new_certificate,
};
pub use websocket::{MAX_WEBSOCKET_MESSAGE, WebSocketStream};
