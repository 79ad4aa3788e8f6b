//! Direct links for native tests. Two members agree through a real circuit; then, where browsers would
//! have a WebRTC connection, both get one end of a pipe, and the circuit goes.

use std::{
    collections::HashMap,
    io,
    sync::{Arc, Mutex},
};

use futures::{FutureExt, channel::oneshot, future::BoxFuture};
use healthsync_core::RoomId;
use healthsync_net::{
    blob::{CHUNK, ContentId, Layout, Shelf},
    circuit::{Finish, Linked, client::Secured},
    signal::Role,
};
use libp2p::{
    PeerId,
    core::{
        muxing::StreamMuxerBox,
        upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade},
    },
    yamux,
};
use sha2::{Digest, Sha256};
use tokio::{io::DuplexStream, sync::watch, task::AbortHandle};
use tokio_util::compat::TokioAsyncReadCompatExt;

/// What a pipe holds before its writer has to wait.
const PIPE: usize = 64 * 1024;

/// Joins the two ends of a link.
#[derive(Clone, Default)]
pub(crate) struct Switchboard(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    /// By caller and called.
    waiting: HashMap<(PeerId, PeerId), oneshot::Sender<DuplexStream>>,
    early: HashMap<(PeerId, PeerId), DuplexStream>,
    pumps: Vec<AbortHandle>,
}

impl Switchboard {
    /// How the node `me` finishes its links.
    pub(crate) fn finish(&self, me: PeerId) -> Finish {
        let board = self.clone();
        Arc::new(move |secured, role| board.clone().join(me, secured, role))
    }

    fn join(
        self,
        me: PeerId,
        (peer, circuit): Secured,
        role: Role,
    ) -> BoxFuture<'static, io::Result<Linked>> {
        async move {
            let (pipe, caller) = match role {
                Role::Caller => (self.offer(me, peer), true),
                Role::Called => {
                    let gone = |_| io::Error::from(io::ErrorKind::ConnectionAborted);
                    (self.wait(peer, me).await.map_err(gone)?, false)
                }
            };
            drop(circuit);
            let yamux = yamux::Config::default();
            let muxer = match caller {
                true => {
                    yamux
                        .upgrade_outbound(pipe.compat(), "/yamux/1.0.0")
                        .await?
                }
                false => yamux.upgrade_inbound(pipe.compat(), "/yamux/1.0.0").await?,
            };
            Ok((peer, StreamMuxerBox::new(muxer)))
        }
        .boxed()
    }

    /// Two pipes with a pump between, so that a link can be cut from outside.
    fn offer(&self, caller: PeerId, called: PeerId) -> DuplexStream {
        let (near, mut middle) = tokio::io::duplex(PIPE);
        let (mut other, far) = tokio::io::duplex(PIPE);
        let pump = tokio::spawn(async move {
            let _ = tokio::io::copy_bidirectional(&mut middle, &mut other).await;
        });
        let mut state = self.0.lock().unwrap();
        state.pumps.push(pump.abort_handle());
        match state.waiting.remove(&(caller, called)) {
            Some(waiting) => drop(waiting.send(far)),
            None => drop(state.early.insert((caller, called), far)),
        }
        near
    }

    fn wait(&self, caller: PeerId, called: PeerId) -> oneshot::Receiver<DuplexStream> {
        let (there, wait) = oneshot::channel();
        let mut state = self.0.lock().unwrap();
        match state.early.remove(&(caller, called)) {
            Some(far) => drop(there.send(far)),
            None => drop(state.waiting.insert((caller, called), there)),
        }
        wait
    }

    /// Cuts every link.
    pub(crate) fn cut(&self) {
        for pump in self.0.lock().unwrap().pumps.drain(..) {
            pump.abort();
        }
    }
}

type Content = (RoomId, Layout, Vec<u8>);

/// Contents in memory, with a content id of the tests' own.
#[derive(Default)]
pub(crate) struct Memory {
    contents: Mutex<HashMap<ContentId, Content>>,
    /// Whether chunks are kept back.
    held: watch::Sender<bool>,
}

impl Memory {
    /// Gives no chunk until the sender says `false`.
    pub(crate) fn hold(&self) -> watch::Sender<bool> {
        self.held.send_replace(true);
        self.held.clone()
    }

    pub(crate) fn put(&self, room: RoomId, bytes: Vec<u8>) -> ContentId {
        let layout = Layout {
            size: bytes.len() as u64,
            digests: bytes
                .chunks(CHUNK)
                .map(|c| Sha256::digest(c).into())
                .collect(),
        };
        let id = id_of(&layout);
        self.contents
            .lock()
            .unwrap()
            .insert(id, (room, layout, bytes));
        id
    }
}

pub(crate) fn id_of(layout: &Layout) -> ContentId {
    let mut id = [0; 36];
    id[4..].copy_from_slice(&Sha256::digest(layout.digests.as_flattened()));
    id
}

pub(crate) fn proves(id: &ContentId, layout: &Layout) -> bool {
    id_of(layout) == *id
}

impl Shelf for Memory {
    fn layout(&self, room: &RoomId, content: &ContentId) -> Option<Layout> {
        let shelf = self.contents.lock().unwrap();
        let (of, layout, _) = shelf.get(content)?;
        (of == room).then(|| layout.clone())
    }

    fn chunk(&self, content: &ContentId, index: u32) -> BoxFuture<'static, Option<Vec<u8>>> {
        let shelf = self.contents.lock().unwrap();
        let chunk = shelf
            .get(content)
            .and_then(|(_, _, bytes)| bytes.chunks(CHUNK).nth(index as usize))
            .map(<[u8]>::to_vec);
        let mut held = self.held.subscribe();
        async move {
            held.wait_for(|held| !held).await.ok()?;
            chunk
        }
        .boxed()
    }
}
