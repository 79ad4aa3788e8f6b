//! Dials WebRTC and WebSocket overlapping: the swarm polls both dials and takes the first that
//! proves the relay's identity; this transport gives WebRTC its head start.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures::{FutureExt, future::BoxFuture};
use futures_timer::Delay;
use libp2p::{
    Multiaddr, PeerId,
    core::{
        Transport,
        muxing::StreamMuxerBox,
        transport::{Boxed, DialOpts, ListenerId, TransportError, TransportEvent},
    },
};
use web_time::Instant;

use crate::address;

/// How much earlier WebRTC starts.
const HEAD_START: Duration = Duration::from_millis(150);
/// Dials that belong together are asked for in one go.
const TOGETHER: Duration = Duration::from_millis(50);

type Secured = (PeerId, StreamMuxerBox);

pub(super) struct Overlap {
    webrtc: Boxed<Secured>,
    websocket: Boxed<Secured>,
    webrtc_dialled: Option<Instant>,
}

impl Overlap {
    pub(super) fn new(webrtc: Boxed<Secured>, websocket: Boxed<Secured>) -> Self {
        Self {
            webrtc,
            websocket,
            webrtc_dialled: None,
        }
    }
}

impl Transport for Overlap {
    type Output = Secured;
    type Error = io::Error;
    type ListenerUpgrade = BoxFuture<'static, io::Result<Secured>>;
    type Dial = BoxFuture<'static, io::Result<Secured>>;

    fn listen_on(
        &mut self,
        _: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        Err(TransportError::MultiaddrNotSupported(address))
    }

    fn remove_listener(&mut self, _: ListenerId) -> bool {
        false
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        options: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        match address::Transport::of(&address) {
            Some(address::Transport::WebSocket) => {
                let dial = self.websocket.dial(address, options)?;
                let with_webrtc = self
                    .webrtc_dialled
                    .take()
                    .is_some_and(|at| at.elapsed() < TOGETHER);
                if !with_webrtc {
                    return Ok(dial.boxed());
                }
                Ok(async move {
                    Delay::new(HEAD_START).await;
                    dial.await
                }
                .boxed())
            }
            Some(address::Transport::WebRtc) => {
                let dial = self.webrtc.dial(address, options)?;
                self.webrtc_dialled = Some(Instant::now());
                Ok(dial.boxed())
            }
            None => Err(TransportError::MultiaddrNotSupported(address)),
        }
    }

    fn poll(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Poll::Pending
    }
}
