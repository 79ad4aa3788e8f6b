//! The browser's side: transports made of `web-sys` objects, and the node that runs on the page's
//! main thread. (`RTCPeerConnection` does not exist in workers.)
//!
//! Everything here holds JavaScript objects and stays on one thread; `SendWrapper` says so to
//! libp2p, whose bounds want `Send`.

mod overlap;
mod webrtc;
mod websocket;

use futures::channel::mpsc;
use libp2p::{
    Transport as _,
    core::{muxing::StreamMuxerBox, upgrade::Version},
    identity::Keypair,
    noise, yamux,
};

use crate::{
    behaviour::MAX_STREAMS,
    client::{self, NetEvent, NodeConfig, NodeHandle},
};
use overlap::Overlap;

/// The browser's node. See [`Node::start`].
#[derive(Debug)]
pub struct Node;

impl Node {
    /// Starts a node with a fresh identity on the page's main thread. It connects by itself and
    /// keeps trying until [`NodeHandle::close`].
    pub fn start(config: NodeConfig) -> (NodeHandle, mpsc::Receiver<NetEvent>) {
        let keypair = Keypair::generate_ed25519();
        let noise = noise::Config::new(&keypair).expect("an Ed25519 key signs noise keys");
        let mut yamux = yamux::Config::default();
        yamux.set_max_num_streams(MAX_STREAMS);
        let websocket = websocket::WebSocketTransport
            .upgrade(Version::V1Lazy)
            .authenticate(noise)
            .multiplex(yamux)
            .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
            .boxed();
        let webrtc = webrtc::WebRtcTransport::new(keypair.clone())
            .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)))
            .boxed();
        let (handle, events, actor) = client::start(
            config,
            &keypair,
            Overlap::new(webrtc, websocket).boxed(),
            libp2p::swarm::Config::with_wasm_executor(),
        );
        wasm_bindgen_futures::spawn_local(actor);
        (handle, events)
    }
}
