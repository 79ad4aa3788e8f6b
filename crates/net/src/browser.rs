//! The browser's side: transports made of `web-sys` objects, and the node that runs on the page's
//! main thread. (`RTCPeerConnection` does not exist in workers.)
//!
//! Everything here holds JavaScript objects and stays on one thread; `SendWrapper` says so to
//! libp2p, whose bounds want `Send`.

mod overlap;
mod webrtc;
mod websocket;

use std::sync::Arc;

use futures::channel::mpsc;
use libp2p::{
    PeerId, Transport as _,
    core::{
        muxing::{StreamMuxerBox, SubstreamBox},
        transport::Boxed,
        upgrade::Version,
    },
    identity::Keypair,
    noise, yamux,
};

use crate::{
    behaviour::MAX_STREAMS,
    blob::Shelf,
    client::{self, NetEvent, NodeConfig, NodeHandle},
};
use overlap::Overlap;

/// WebRTC-direct as a browser dials it, versions 1 and 2: a transport for any libp2p node on a page's main thread.
pub fn webrtc(keypair: Keypair) -> Boxed<(PeerId, StreamMuxerBox)> {
    webrtc::WebRtcTransport::new(keypair)
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)))
        .boxed()
}

/// A WebSocket as a browser dials it, with noise and yamux: a transport for any libp2p node on a page's main thread.
pub fn websocket(keypair: &Keypair) -> Boxed<(PeerId, StreamMuxerBox)> {
    let noise = noise::Config::new(keypair).expect("an Ed25519 key signs noise keys");
    let mut yamux = yamux::Config::default();
    yamux.set_max_num_streams(MAX_STREAMS);
    websocket::WebSocketTransport
        .map(|socket, _| SubstreamBox::new(socket))
        .upgrade(Version::V1Lazy)
        .authenticate(noise)
        .multiplex(yamux)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .boxed()
}

/// The browser's node. See [`Node::start`].
#[derive(Debug)]
pub struct Node;

impl Node {
    /// Starts a node with a fresh identity on the page's main thread. It connects by itself and
    /// keeps trying until [`NodeHandle::close`]. `stun` are URLs of servers that help browsers behind
    /// different routers to find each other; `shelf` is what other members may fetch from here.
    pub fn start(
        config: NodeConfig,
        stun: Vec<String>,
        shelf: Arc<dyn Shelf>,
    ) -> (NodeHandle, mpsc::Receiver<NetEvent>) {
        let keypair = Keypair::generate_ed25519();
        let parts = client::Parts {
            transport: Overlap::new(webrtc(keypair.clone()), websocket(&keypair)).boxed(),
            finish: webrtc::direct::finish(stun),
            swarm: libp2p::swarm::Config::with_wasm_executor(),
            shelf,
        };
        let (handle, events, actor) = client::start(config, &keypair, parts);
        wasm_bindgen_futures::spawn_local(actor);
        (handle, events)
    }
}
