//! Dials WebRTC and WebSocket overlapping: the swarm polls both dials and takes the first that
//! proves the relay's identity; this transport gives WebRTC its head start.

use std::{
    convert::Infallible,
    io,
    pin::Pin,
    task::{Context, Poll},
    time::Duration,
};

use futures::{
    FutureExt,
    channel::oneshot,
    future::{BoxFuture, select},
};
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

use crate::{address, circuit::client::within};

/// How much earlier WebRTC starts. In Chromium it is usable after 0.2 to 0.35 s and a WebSocket after
/// 0.05 to 0.25 s, so that a shorter start would leave the choice to chance.
const HEAD_START: Duration = Duration::from_millis(350);
/// Dials that belong together are asked for in one go.
const TOGETHER: Duration = Duration::from_millis(50);

/// What WebRTC has not brought about by then comes to nothing; a path that swallows everything says no more.
const LIMIT: Duration = Duration::from_secs(12);

type Secured = (PeerId, StreamMuxerBox);

pub(super) struct Overlap {
    webrtc: Boxed<Secured>,
    websocket: Boxed<Secured>,
    /// When WebRTC was dialled last, and a channel that ends with that attempt.
    attempt: Option<(Instant, oneshot::Receiver<Infallible>)>,
}

impl Overlap {
    pub(super) fn new(webrtc: Boxed<Secured>, websocket: Boxed<Secured>) -> Self {
        Self {
            webrtc,
            websocket,
            attempt: None,
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
                let attempt = self.attempt.take();
                let Some((_, ended)) = attempt.filter(|(at, _)| at.elapsed() < TOGETHER) else {
                    return Ok(dial.boxed());
                };
                Ok(async move {
                    // Whichever is first: the head start is over, or WebRTC has failed before.
                    select(Delay::new(HEAD_START), ended).await;
                    dial.await
                }
                .boxed())
            }
            Some(address::Transport::WebRtc) => {
                let dial = self.webrtc.dial(address, options)?;
                let (attempt, ended) = oneshot::channel();
                self.attempt = Some((Instant::now(), ended));
                Ok(async move {
                    let outcome = within(LIMIT, dial.boxed())
                        .await
                        .and_then(|dialled| dialled);
                    drop(attempt);
                    outcome
                }
                .boxed())
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
