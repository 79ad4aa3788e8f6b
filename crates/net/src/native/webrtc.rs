//! WebRTC-direct as a listener, versions 1 and 2 (libp2p/specs, webrtc/webrtc-direct.md): a libp2p
//! [`Transport`] on one UDP socket.
//!
//! ```text
//! UDP socket ── socket.rs ── stun.rs       who is it, and may it come in (ICE Lite)
//!                   │
//!                   └─ session.rs          DTLS (dimpl), without I/O
//!                      channels.rs         SCTP (sctp-proto) and its channels, without I/O
//!                      dcep.rs             how a channel opens
//!                   connection.rs          the session's task; streams for libp2p
//! ```
//!
//! Version 1 makes a browser rewrite its own offer, which Chromium is about to forbid; version 2 does not.
//! Both come in on the same port and differ only in the user name of the first connectivity check.

mod certificate;
mod channels;
mod connection;
mod dcep;
mod error;
mod limits;
mod session;
mod socket;
pub mod stun;

use std::{
    io,
    net::{IpAddr, SocketAddr},
    pin::Pin,
    sync::Arc,
    task::{Context, Poll, ready},
};

use futures::{FutureExt, future::BoxFuture};
use libp2p::{
    Multiaddr, PeerId,
    core::{
        Transport,
        transport::{DialOpts, ListenerId, TransportError, TransportEvent},
    },
    identity::Keypair,
    multiaddr::Protocol,
};
use tokio::{net::UdpSocket, sync::mpsc, task::JoinHandle};

pub use certificate::CertificateError;
pub(super) use certificate::generate as generate_certificate;
pub use connection::{Connection, Stream};
pub use error::SessionError;

use certificate::Certificate;
use session::Settings;
use socket::{Incoming, Router, Socket};

/// Connections that may wait for the swarm to take them.
const WAITING: usize = 64;

/// Why there is no listener. The operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The certificate is not what [`new_certificate`](super::new_certificate) writes.
    #[error("the WebRTC certificate cannot be used: {0}")]
    Certificate(#[from] CertificateError),
    /// DTLS refuses its settings.
    #[error("DTLS cannot be set up: {0}")]
    Dtls(String),
}

/// Listens on one address; dials nobody.
#[derive(Debug)]
pub struct WebRtcListener {
    keypair: Keypair,
    settings: Settings,
    listening: Option<Listening>,
}

#[derive(Debug)]
struct Listening {
    id: ListenerId,
    address: SocketAddr,
    announced: bool,
    incoming: mpsc::Receiver<Incoming>,
    router: JoinHandle<io::Result<()>>,
    /// The only strong reference: when it goes, the port is free.
    _socket: Arc<UdpSocket>,
}

impl Drop for Listening {
    fn drop(&mut self) {
        self.router.abort();
    }
}

impl WebRtcListener {
    /// `certificate` as PEM.
    pub fn new(keypair: Keypair, certificate: &str) -> Result<Self, SetupError> {
        let certificate = Certificate::from_pem(certificate)?;
        let settings =
            Settings::new(certificate).map_err(|error| SetupError::Dtls(error.to_string()))?;
        Ok(Self {
            keypair,
            settings,
            listening: None,
        })
    }

    fn listen(&self, id: ListenerId, address: SocketAddr) -> io::Result<Listening> {
        let socket = std::net::UdpSocket::bind(address)?;
        socket.set_nonblocking(true)?;
        let socket = Arc::new(UdpSocket::from_std(socket)?);
        let (sender, incoming) = mpsc::channel(WAITING);
        let router = Router::new(self.settings.clone(), Socket::of(&socket), sender);
        Ok(Listening {
            id,
            address: socket.local_addr()?,
            announced: false,
            incoming,
            router: tokio::spawn(router.run()),
            _socket: socket,
        })
    }

    fn address(&self, socket: SocketAddr) -> Multiaddr {
        udp(socket).with(Protocol::Certhash(
            self.settings.fingerprint().to_multihash(),
        ))
    }
}

fn udp(socket: SocketAddr) -> Multiaddr {
    Multiaddr::from(socket.ip())
        .with(Protocol::Udp(socket.port()))
        .with(Protocol::WebRTCDirect)
}

/// The socket address of `/ip4/…/udp/…/webrtc-direct`.
fn parse(address: &Multiaddr) -> Option<SocketAddr> {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    match (parts.next()?, parts.next()?, parts.next()) {
        (Protocol::Udp(port), Protocol::WebRTCDirect, None) => Some((ip, port).into()),
        _ => None,
    }
}

impl Transport for WebRtcListener {
    type Output = (PeerId, Connection);
    type Error = io::Error;
    type ListenerUpgrade = BoxFuture<'static, io::Result<Self::Output>>;
    type Dial = futures::future::Pending<io::Result<Self::Output>>;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        let socket =
            parse(&address).ok_or_else(|| TransportError::MultiaddrNotSupported(address))?;
        if self.listening.is_some() {
            let text = "this transport listens on one address only";
            return Err(TransportError::Other(io::Error::other(text)));
        }
        self.listening = Some(self.listen(id, socket).map_err(TransportError::Other)?);
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.listening
            .take_if(|listening| listening.id == id)
            .is_some()
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        _: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        Err(TransportError::MultiaddrNotSupported(address))
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        let Some(listening) = &mut self.listening else {
            return Poll::Pending;
        };
        let listener_id = listening.id;
        let socket = listening.address;
        if !std::mem::replace(&mut listening.announced, true) {
            return Poll::Ready(TransportEvent::NewAddress {
                listener_id,
                listen_addr: self.address(socket),
            });
        }
        if let Poll::Ready(Some(Incoming { session, from })) = listening.incoming.poll_recv(cx) {
            return Poll::Ready(TransportEvent::Incoming {
                listener_id,
                upgrade: session.upgrade(self.keypair.clone()).boxed(),
                local_addr: self.address(socket),
                send_back_addr: udp(from),
            });
        }
        let reason = match ready!(listening.router.poll_unpin(cx)) {
            Ok(outcome) => outcome,
            Err(panicked) => Err(io::Error::other(panicked)),
        };
        self.listening = None;
        Poll::Ready(TransportEvent::ListenerClosed {
            listener_id,
            reason,
        })
    }
}

#[cfg(test)]
mod tests;
