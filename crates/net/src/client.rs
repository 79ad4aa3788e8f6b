//! The client node: one actor owns the swarm, keeps one connection to the relay usable and direct links
//! to other members where they come about, and answers typed commands. It knows nothing of browsers;
//! the transports are passed in.

mod actor;
mod direct;
mod handle;
mod lines;
mod link;
mod neighbours;

use healthsync_core::{Millis, RefusalCode, RoomId, VersionVector};
use libp2p::{Multiaddr, PeerId};

use crate::{GossipKind, Transport};
pub use actor::{Parts, start};
pub use handle::{Command, NodeHandle, Reply};
pub(crate) use neighbours::MOST as MOST_DIRECT;

/// Which transport to use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Prefer {
    /// WebRTC with a short head start, WebSocket overlapping; the first that connects is used.
    #[default]
    Auto,
    /// WebSocket only.
    WebSocket,
    /// WebRTC only.
    WebRtc,
}

/// Where the relay is.
#[derive(Debug, Clone)]
pub struct NodeConfig {
    /// The relay's WebSocket on the page's origin, see [`crate::websocket_multiaddr`].
    pub ws_url_multiaddr: Multiaddr,
    /// The relay's WebRTC-direct address, when it has one.
    pub webrtc: Option<Multiaddr>,
    /// Which of the two to use.
    pub prefer: Prefer,
    /// Who must be at the other end.
    pub relay: PeerId,
}

/// What the node reports.
#[derive(Debug, Clone, PartialEq)]
pub enum NetEvent {
    /// The connection has changed.
    Status(Status),
    /// Somebody in a joined room sent something. Not verified beyond its size and kind.
    Gossip {
        /// The room whose topic it came by.
        room: RoomId,
        /// What it carries.
        kind: GossipKind,
        /// The sealed bytes.
        bytes: Vec<u8>,
    },
    /// A better connection has replaced the one in use. Gossip that was under way on the old one may be
    /// lost: pull.
    Missed,
}

/// How the connection is.
#[derive(Debug, Clone, PartialEq)]
pub struct Status {
    /// In one word.
    pub state: State,
    /// The transport in use.
    pub transport: Option<Transport>,
    /// Newest round trip in milliseconds.
    pub rtt_ms: Option<u32>,
    /// Relays that are connected: 0 or 1.
    pub relay_peers: u32,
    /// Members with a direct link, whatever the state of the relay.
    pub direct_peers: u32,
    /// Why it is offline, or why not the preferred transport is used: a sentence for a person.
    pub reason: Option<String>,
    /// When the state began.
    pub since: Millis,
}

/// The connection in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum State {
    /// On the way.
    Connecting,
    /// Usable: data went both ways, and the rooms joined before are joined again.
    Connected,
    /// Not there; the node tries again by itself.
    Offline,
}

/// A room that was joined.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Joined {
    /// The room's gossip topic.
    pub topic: String,
    /// What the relay's mailbox holds.
    pub have: VersionVector,
}

/// Envelopes that the relay has stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stored {
    /// What the relay's mailbox holds now.
    pub have: VersionVector,
    /// Index in the push, and why that envelope was not taken.
    pub rejected: Vec<(u32, String)>,
}

/// A part of a room's history.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// Encoded envelopes, each device's in order.
    pub envelopes: Vec<Vec<u8>>,
    /// Whether there is more to ask for.
    pub more: bool,
}

/// Why something could not be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NetError {
    /// No usable connection now; the environment's doing.
    #[error("There is no connection to the relay.")]
    Offline,
    /// The relay did not answer in time. Whether it has acted is not known.
    #[error("The relay did not answer in time.")]
    Timeout,
    /// The relay answered no.
    #[error("{message}")]
    Refused {
        /// Why, for code.
        code: RefusalCode,
        /// Why, for a person.
        message: String,
    },
    /// The relay does not speak as agreed, or the request cannot be sent: a defect.
    #[error("The relay and this page do not understand each other: {0}")]
    Protocol(String),
}
