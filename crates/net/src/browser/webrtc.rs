//! WebRTC for browsers: WebRTC-direct, versions 1 and 2, as the dialling side, and links between two
//! browsers (`direct`), which agree through a circuit.
//!
//! Written here because the published browser transport loses data (measured): it attaches the handlers of
//! an inbound channel only when somebody polls it, resets a stream when 16 KiB wait to be read, and sends
//! larger messages than the other side takes. Here a channel has its handlers before its first byte can
//! arrive, a large bounded inbox, messages of a length that the other side takes, writes that respect the
//! browser's buffer, and handlers that are detached before their closures go.

mod channel;
mod connection;
pub(super) mod direct;
mod handshake;

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use futures::{FutureExt, future::BoxFuture};
use libp2p::{
    Multiaddr, PeerId,
    core::{
        Transport,
        transport::{DialOpts, ListenerId, TransportError, TransportEvent},
    },
    identity::Keypair,
};
use send_wrapper::SendWrapper;
use wasm_bindgen::{JsCast, JsValue};

use crate::webrtc::parse_address;
use connection::Connection;

/// Dials `/ip4/…/udp/…/webrtc-direct/certhash/…`.
#[derive(Debug, Clone)]
pub(super) struct WebRtcTransport {
    keypair: Keypair,
}

impl WebRtcTransport {
    pub(super) fn new(keypair: Keypair) -> Self {
        Self { keypair }
    }
}

impl Transport for WebRtcTransport {
    type Output = (PeerId, Connection);
    type Error = io::Error;
    type ListenerUpgrade = futures::future::Pending<io::Result<Self::Output>>;
    type Dial = BoxFuture<'static, io::Result<Self::Output>>;

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
        _: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        let (server, fingerprint) =
            parse_address(&address).ok_or(TransportError::MultiaddrNotSupported(address))?;
        let keypair = self.keypair.clone();
        Ok(SendWrapper::new(handshake::dial(server, fingerprint, keypair)).boxed())
    }

    fn poll(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Poll::Pending
    }
}

/// What JavaScript threw, as an error.
fn thrown(what: &str, value: &JsValue) -> io::Error {
    let reason = value.dyn_ref::<js_sys::Error>().map_or_else(
        || value.as_string().unwrap_or_default(),
        |error| String::from(error.message()),
    );
    io::Error::other(format!("{what}: {reason}"))
}
