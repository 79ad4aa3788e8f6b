//! Other relays: which ones the operator has named, who of them follows this one, and what they are told live.
//! The protocol is [`healthsync_core::mesh`]. A relay tells the others only what it has from its own visitors, never
//! what it has from another relay, so nothing goes round in circles; what a relay misses it asks for by itself.

mod feed;
mod follow;
#[cfg(test)]
mod tests;

use std::{collections::HashMap, sync::Arc};

use futures::StreamExt;
use healthsync_core::{RoomId, SignedRevocation, mesh};
use libp2p::{PeerId, Stream, StreamProtocol};
use libp2p_stream::{Control, IncomingStreams};
use tokio::{
    sync::{broadcast, watch},
    task::{AbortHandle, JoinSet},
};

use crate::native::Policy;

pub use follow::FollowError;
pub(super) use follow::{Follower, HEAL};

pub(super) const PROTOCOL: StreamProtocol = StreamProtocol::new(mesh::PROTOCOL);
/// Live messages that may wait for a slow follower; beyond that it has to ask.
const WAITING: usize = 1_024;

/// What followers are told live.
#[derive(Debug, Clone)]
pub(super) enum Live {
    /// A gossip message: kind and content.
    Said(RoomId, Arc<[u8]>),
    Revoked(Arc<SignedRevocation>),
}

/// The relay's side that is followed.
pub(super) struct Mesh {
    incoming: IncomingStreams,
    /// By the name under which the operator knows it.
    named: HashMap<String, PeerId>,
    feeds: JoinSet<()>,
    followers: HashMap<PeerId, AbortHandle>,
    live: broadcast::Sender<Live>,
    /// Counts knocks, so that whoever waits to follow tries again at once.
    knocks: watch::Sender<u64>,
}

impl Mesh {
    pub(super) fn new(mut control: Control, knocks: watch::Sender<u64>) -> Self {
        Self {
            incoming: control
                .accept(PROTOCOL)
                .expect("the relay takes each protocol once"),
            named: HashMap::new(),
            feeds: JoinSet::new(),
            followers: HashMap::new(),
            live: broadcast::channel(WAITING).0,
            knocks,
        }
    }

    /// Somebody who wants to follow.
    pub(super) async fn next(&mut self) -> (PeerId, Stream) {
        loop {
            tokio::select! {
                Some(knock) = self.incoming.next() => return knock,
                Some(_) = self.feeds.join_next() => {}
                else => std::future::pending().await,
            }
        }
    }

    /// `origin` is this peer, whoever it was before.
    pub(super) fn name(&mut self, origin: String, peer: PeerId) {
        if let Some(before) = self.named.insert(origin, peer)
            && !self.knows(&before)
            && let Some(feed) = self.followers.remove(&before)
        {
            feed.abort();
        }
    }

    /// Whether the operator has named this peer.
    pub(super) fn knows(&self, peer: &PeerId) -> bool {
        self.named.values().any(|named| named == peer)
    }

    /// Lets a named relay follow, and says no to everybody else.
    pub(super) fn answer(&mut self, peer: PeerId, stream: Stream, policy: Arc<dyn Policy>) -> bool {
        self.knocks.send_modify(|knocks| *knocks += 1);
        if !self.knows(&peer) {
            return false;
        }
        let live = self.live.subscribe();
        let feed = self.feeds.spawn(async move {
            if let Err(error) = feed::feed(stream, policy, live).await {
                tracing::debug!(%peer, %error, "a relay follows no longer");
            }
        });
        // Who comes again has lost the stream of before.
        if let Some(before) = self.followers.insert(peer, feed) {
            before.abort();
        }
        true
    }

    /// Tells all followers. Nobody may be there to hear it.
    pub(super) fn tell(&self, live: Live) {
        let _ = self.live.send(live);
    }
}
