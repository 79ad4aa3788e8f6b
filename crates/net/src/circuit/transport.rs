//! Direct links as a libp2p transport: dials `/p2p-circuit/webrtc/p2p/PEER` and takes calls, through
//! the relay that the node is connected to. What a secured circuit becomes is the platform's to say:
//! in browsers a WebRTC connection ([`Finish`]).

use std::{
    collections::BTreeSet,
    io,
    net::Ipv4Addr,
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};

use futures::{FutureExt, StreamExt, future::BoxFuture};
use libp2p::{
    Multiaddr, PeerId,
    core::{
        Transport,
        muxing::StreamMuxerBox,
        transport::{DialOpts, ListenerId, TransportError, TransportEvent},
    },
    identity::Keypair,
    multiaddr::Protocol,
};
use libp2p_stream::{Control, IncomingStreams};

use super::client::{self, Secured};
use crate::signal::Role;

/// A connection that is proved and multiplexed.
pub type Linked = (PeerId, StreamMuxerBox);

/// Turns a secured circuit into the connection that stays.
pub type Finish =
    Arc<dyn Fn(Secured, Role) -> BoxFuture<'static, io::Result<Linked>> + Send + Sync>;

/// Whose calls are taken: members of a common room. Shared with the actor, which keeps it up to date.
#[derive(Debug, Clone, Default)]
pub(crate) struct Welcome(Arc<Mutex<BTreeSet<PeerId>>>);

impl Welcome {
    pub(crate) fn set(&self, peers: BTreeSet<PeerId>) {
        *self.lock() = peers;
    }

    fn contains(&self, peer: &PeerId) -> bool {
        self.lock().contains(peer)
    }

    /// A lock whose holder only copies and cannot panic.
    fn lock(&self) -> std::sync::MutexGuard<'_, BTreeSet<PeerId>> {
        self.0
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// The address of a link's other end. It begins with a host, though with nobody's: identify tells the other end
/// its address as we see it, and js-libp2p takes no identify in which that begins with none.
fn somewhere() -> Multiaddr {
    Multiaddr::from(Ipv4Addr::UNSPECIFIED)
        .with(Protocol::P2pCircuit)
        .with(Protocol::WebRTC)
}

/// The address by which `peer` is dialled.
pub(crate) fn address(peer: PeerId) -> Multiaddr {
    somewhere().with(Protocol::P2p(peer))
}

/// The address that takes calls.
pub(crate) fn listening() -> Multiaddr {
    Multiaddr::empty()
        .with(Protocol::P2pCircuit)
        .with(Protocol::WebRTC)
}

/// See the module.
pub(crate) struct CircuitTransport {
    pub(crate) relay: PeerId,
    pub(crate) keypair: Keypair,
    pub(crate) control: Control,
    pub(crate) calls: IncomingStreams,
    pub(crate) welcome: Welcome,
    pub(crate) finish: Finish,
    pub(crate) listener: Option<ListenerId>,
}

impl Transport for CircuitTransport {
    type Output = Linked;
    type Error = io::Error;
    type ListenerUpgrade = BoxFuture<'static, io::Result<Linked>>;
    type Dial = BoxFuture<'static, io::Result<Linked>>;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        if address != listening() {
            return Err(TransportError::MultiaddrNotSupported(address));
        }
        self.listener = Some(id);
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.listener.take_if(|listener| *listener == id).is_some()
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        _: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        let last = address.iter().last();
        let Some(peer) = last.and_then(|part| match part {
            Protocol::P2p(peer) => (address == self::address(peer)).then_some(peer),
            _ => None,
        }) else {
            return Err(TransportError::MultiaddrNotSupported(address));
        };
        let (relay, keypair, mut control, finish) = (
            self.relay,
            self.keypair.clone(),
            self.control.clone(),
            self.finish.clone(),
        );
        Ok(async move {
            let call = client::call(&mut control, relay, peer).boxed();
            let stream = client::within(client::LIMIT, call)
                .await?
                .map_err(io::Error::other)?;
            let secured = client::secure(stream, &keypair, peer, true)
                .await
                .map_err(io::Error::other)?;
            finish(secured, Role::Caller).await
        }
        .boxed())
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        loop {
            let Poll::Ready(Some((from, stream))) = self.calls.poll_next_unpin(cx) else {
                return Poll::Pending;
            };
            // Only the relay puts calls through, and only a node that listens takes them.
            let Some(listener_id) = self.listener.filter(|_| from == self.relay) else {
                continue;
            };
            let (keypair, welcome, finish) = (
                self.keypair.clone(),
                self.welcome.clone(),
                self.finish.clone(),
            );
            let upgrade = async move {
                let take = client::take(stream, |caller| welcome.contains(caller)).boxed();
                let (caller, stream) = client::within(client::LIMIT, take)
                    .await?
                    .map_err(io::Error::other)?;
                let secured = client::secure(stream, &keypair, caller, false)
                    .await
                    .map_err(io::Error::other)?;
                finish(secured, Role::Called).await
            }
            .boxed();
            return Poll::Ready(TransportEvent::Incoming {
                listener_id,
                upgrade,
                local_addr: listening(),
                send_back_addr: somewhere(),
            });
        }
    }
}
