//! A session as libp2p sees it: a stream multiplexer, each of whose streams is a data channel. And the task
//! that moves datagrams between a session and the socket.

use std::{
    fmt, io,
    net::SocketAddr,
    pin::Pin,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use futures::{StreamExt, stream::FuturesUnordered};
use libp2p::{
    PeerId,
    core::muxing::{StreamMuxer, StreamMuxerEvent},
    identity::Keypair,
};
use tokio::sync::{Notify, mpsc};

use super::{
    channels::ChannelId,
    error::SessionError,
    session::{Session, Settings},
    socket::Socket,
};
use crate::webrtc::{
    self, Fingerprint, Side,
    credentials::Version,
    stream::{self, Keeper, Next},
};

/// From the first connectivity check to the end of DTLS. Until then the address may be forged.
const ENCRYPTED_WITHIN: Duration = Duration::from_secs(5);
/// From the first connectivity check to the proved peer.
const PROVED_WITHIN: Duration = Duration::from_secs(10);

/// What the socket has for a session.
#[derive(Debug)]
pub(super) enum Arrival {
    /// A connectivity check that was answered.
    Checked { from: SocketAddr, nominated: bool },
    /// A datagram of DTLS.
    Datagram(Vec<u8>),
}

/// A session that several hold: its task, its multiplexer, its streams.
#[derive(Clone)]
pub(super) struct Shared(Arc<Inner>);

struct Inner {
    session: Mutex<Session>,
    /// Somebody has written, read or closed: there may be something to send.
    changed: Notify,
    version: Version,
    side: Side,
    knows_fin_ack: AtomicBool,
    /// Of our own certificate.
    certificate: Fingerprint,
    socket: Socket,
    path: Mutex<SocketAddr>,
}

impl Shared {
    pub(super) fn new(
        settings: &Settings,
        version: Version,
        socket: Socket,
        from: SocketAddr,
    ) -> Self {
        Self(Arc::new(Inner {
            session: Mutex::new(Session::new(settings, Instant::now())),
            changed: Notify::new(),
            version,
            side: Side::Server,
            knows_fin_ack: AtomicBool::new(version == Version::V2),
            certificate: settings.fingerprint(),
            socket,
            path: Mutex::new(from),
        }))
    }

    /// The dialling side, which our tests need.
    #[cfg(test)]
    pub(super) fn dialling(settings: &Settings, socket: Socket, to: SocketAddr) -> Self {
        Self(Arc::new(Inner {
            session: Mutex::new(Session::dialling(settings, Instant::now())),
            changed: Notify::new(),
            version: Version::V2,
            side: Side::Client,
            knows_fin_ack: AtomicBool::new(true),
            certificate: settings.fingerprint(),
            socket,
            path: Mutex::new(to),
        }))
    }

    fn lock(&self) -> MutexGuard<'_, Session> {
        lock(&self.0.session)
    }

    fn path(&self) -> SocketAddr {
        *lock(&self.0.path)
    }

    /// Ends the session; what tells the peer leaves at once, if the socket takes it.
    pub(super) fn close(&self, why: SessionError) {
        let path = self.path();
        let mut session = self.lock();
        session.close(Instant::now(), why);
        while let Some(datagram) = session.next_datagram() {
            self.0.socket.try_send(&datagram, path);
        }
        self.0.changed.notify_one();
    }

    fn take_in(&self, arrival: Arrival) {
        match arrival {
            Arrival::Datagram(datagram) => self.lock().receive(Instant::now(), &datagram),
            Arrival::Checked { from, nominated } => {
                self.lock().hear(Instant::now());
                if nominated {
                    *lock(&self.0.path) = from;
                }
            }
        }
    }

    /// Moves datagrams until the session is over. `encrypted` is called once the peer has completed DTLS
    /// and so has proved that it receives what is sent to its address; what it is given keeps the session.
    pub(super) async fn drive(
        self,
        mut arrivals: mpsc::Receiver<Arrival>,
        encrypted: impl FnOnce(Held, SocketAddr),
    ) {
        let deadline = tokio::time::Instant::now() + ENCRYPTED_WITHIN;
        let mut encrypted = Some(encrypted);
        loop {
            let (datagrams, next, proved, over) = {
                let mut session = self.lock();
                session.tick(Instant::now());
                let datagrams: Vec<_> = std::iter::from_fn(|| session.next_datagram()).collect();
                let over = session.is_over();
                (datagrams, session.next_tick(), session.is_encrypted(), over)
            };
            let path = self.path();
            for datagram in datagrams {
                // UDP may lose it anywhere; DTLS and SCTP send again.
                self.0.socket.send(&datagram, path).await;
            }
            if over {
                return;
            }
            if proved && let Some(encrypted) = encrypted.take() {
                encrypted(Held(self.clone()), path);
            }
            tokio::select! {
                arrival = arrivals.recv() => match arrival {
                    Some(arrival) => {
                        self.take_in(arrival);
                        // Datagrams come in bursts; one round of answers for all.
                        while let Ok(arrival) = arrivals.try_recv() {
                            self.take_in(arrival);
                        }
                    }
                    // The listener is gone.
                    None => self.close(SessionError::Closed),
                },
                () = self.0.changed.notified() => {}
                () = tokio::time::sleep_until(next.into()) => {}
                () = tokio::time::sleep_until(deadline), if encrypted.is_some() => {
                    self.close(SessionError::HandshakeTime);
                }
            }
        }
    }

    fn channel(&self, id: ChannelId) -> DataChannel {
        DataChannel {
            shared: self.clone(),
            id,
        }
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("path", &self.path())
            .field("version", &self.0.version)
            .finish_non_exhaustive()
    }
}

/// Whoever holds this uses the session; it ends with this.
#[derive(Debug)]
pub(super) struct Held(Shared);

impl Held {
    /// The rest of the handshake (webrtc-direct.md, "Connection Security").
    pub(super) async fn upgrade(self, keypair: Keypair) -> io::Result<(PeerId, Connection)> {
        tokio::time::timeout(PROVED_WITHIN, self.prove(&keypair))
            .await
            .map_err(|_| SessionError::HandshakeTime)?
    }

    async fn prove(self, keypair: &Keypair) -> io::Result<(PeerId, Connection)> {
        let shared = &self.0;
        let channel =
            std::future::poll_fn(|cx| shared.lock().channels.poll_established(cx)).await?;
        let theirs = shared.lock().peer().ok_or(SessionError::NoCertificate)?;
        let (ours, side) = (shared.0.certificate, shared.0.side);
        let (client, server) = match side {
            Side::Server => (theirs, ours),
            Side::Client => (ours, theirs),
        };
        let (stream, keeper) = stream::open(shared.channel(channel));
        let peer = webrtc::prove(keypair, stream, side, client, server).await?;
        let keepers = FuturesUnordered::new();
        keepers.push(keeper.keep_open());
        let connection = Connection {
            held: self,
            keepers,
            idle: None,
        };
        Ok((peer, connection))
    }

    /// The certificate that the other side has shown.
    #[cfg(test)]
    pub(super) fn peer(&self) -> Option<Fingerprint> {
        self.0.lock().peer()
    }
}

impl Drop for Held {
    fn drop(&mut self) {
        self.0.close(SessionError::Closed);
    }
}

/// The multiplexer. Dropping it ends the session.
pub struct Connection {
    held: Held,
    keepers: FuturesUnordered<Keeper<DataChannel>>,
    /// Called when there is a stream to look after.
    idle: Option<Waker>,
}

/// A stream of a [`Connection`].
pub type Stream = stream::Stream<DataChannel>;

impl Connection {
    #[cfg(test)]
    pub(super) fn channels(&self) -> usize {
        self.held.0.lock().channels.count()
    }

    fn stream(&mut self, id: ChannelId) -> Stream {
        let (stream, keeper) = stream::open(self.held.0.channel(id));
        self.keepers.push(keeper);
        if let Some(waker) = self.idle.take() {
            waker.wake();
        }
        stream
    }
}

impl fmt::Debug for Connection {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Connection").field(&self.held.0).finish()
    }
}

impl StreamMuxer for Connection {
    type Substream = Stream;
    type Error = io::Error;

    fn poll_inbound(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        let accepted = self.held.0.lock().channels.poll_accept(cx);
        accepted.map_ok(|id| self.stream(id))
    }

    fn poll_outbound(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<Stream>> {
        let opened = self.held.0.lock().channels.open();
        self.held.0.0.changed.notify_one();
        Poll::Ready(opened.map(|id| self.stream(id)))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.held.0.close(SessionError::Closed);
        Poll::Ready(Ok(()))
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        if let Poll::Ready(error) = self.held.0.lock().poll_over(cx) {
            return Poll::Ready(Err(error.into()));
        }
        loop {
            match self.keepers.poll_next_unpin(cx) {
                Poll::Ready(Some(Ok(()))) => {}
                Poll::Ready(Some(Err(error))) => {
                    tracing::debug!(%error, "a stream did not end in order");
                }
                Poll::Ready(None) => {
                    self.idle = Some(cx.waker().clone());
                    return Poll::Pending;
                }
                Poll::Pending => return Poll::Pending,
            }
        }
    }
}

/// A channel of a session, as [`stream`] wants it.
#[derive(Debug)]
pub struct DataChannel {
    shared: Shared,
    id: ChannelId,
}

impl stream::Channel for DataChannel {
    fn next(&self, waker: Option<&Waker>) -> Next {
        let next = self.shared.lock().channels.read(self.id, waker);
        if matches!(next, Next::Message(_)) {
            // There is room again for the peer to fill.
            self.shared.0.changed.notify_one();
        }
        next
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.shared.lock().channels.poll_writable(self.id, cx)
    }

    fn send(&self, message: &[u8]) -> io::Result<()> {
        self.shared.lock().channels.write(self.id, message)?;
        self.shared.0.changed.notify_one();
        Ok(())
    }

    fn close(&self) {
        self.shared.lock().channels.close(self.id);
        self.shared.0.changed.notify_one();
    }

    fn max_frame(&self) -> usize {
        self.shared.0.version.max_frame()
    }

    fn closes_first(&self) -> bool {
        self.shared.0.side == Side::Client
    }

    fn knows_fin_ack(&self) -> bool {
        self.shared.0.knows_fin_ack.load(Ordering::Relaxed)
    }

    fn learn_fin_ack(&self) {
        self.shared.0.knows_fin_ack.store(true, Ordering::Relaxed);
    }
}

/// A lock under which nothing panics.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
