//! The one UDP socket, and who gets what comes in.
//!
//! Everything here is decided by the first bytes of a datagram (RFC 7983). A connectivity check is answered
//! at once, because it carries all that its answer needs; it is also what makes a session. Other datagrams
//! go to the session of their address, or nowhere.

use std::{
    collections::HashMap,
    future::poll_fn,
    io,
    net::SocketAddr,
    sync::{Arc, Weak},
    task::Poll,
    time::{Duration, Instant},
};

use tokio::{
    io::ReadBuf,
    net::UdpSocket,
    sync::mpsc::{self, error::TrySendError},
};

use super::{
    connection::{Arrival, Held, Shared},
    session::Settings,
    stun::Request,
};

/// The longest datagram that we read: Ethernet's and a little.
const DATAGRAM: usize = 2_048;
/// Datagrams that may wait for a session's task; more are lost, as UDP may.
const WAITING_DATAGRAMS: usize = 256;
/// Sessions that live, and of these how many whose peer has not proved yet that it is where it seems to be.
const MAX_SESSIONS: usize = 2_304;
const MAX_UNPROVED: usize = 256;
/// The same for one IP address; a clinic's browsers share one.
const MAX_UNPROVED_PER_IP: usize = 64;
/// Addresses from which one session may be reached: a browser's interfaces.
const MAX_PATHS: usize = 8;
/// For so long the checks of a session that is over are not answered, so that a browser whose session we
/// have lost or closed notices that, and does not begin another one under the same name.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(30);
/// How many such sessions are remembered.
const MAX_REMEMBERED: usize = 4_096;

/// The socket, which lives as long as the listener; whoever sends holds it weakly.
#[derive(Debug, Clone)]
pub(super) struct Socket(Weak<UdpSocket>);

impl Socket {
    pub(super) fn of(socket: &Arc<UdpSocket>) -> Self {
        Self(Arc::downgrade(socket))
    }

    async fn receive(&self, buffer: &mut [u8]) -> io::Result<(usize, SocketAddr)> {
        poll_fn(|cx| {
            let Some(socket) = self.0.upgrade() else {
                return Poll::Ready(Err(io::ErrorKind::NotConnected.into()));
            };
            let mut buffer = ReadBuf::new(buffer);
            socket
                .poll_recv_from(cx, &mut buffer)
                .map_ok(|from| (buffer.filled().len(), from))
        })
        .await
    }

    /// Sends when there is room. An error is a lost datagram.
    pub(super) async fn send(&self, datagram: &[u8], to: SocketAddr) {
        let sent = poll_fn(|cx| match self.0.upgrade() {
            Some(socket) => socket.poll_send_to(cx, datagram, to),
            None => Poll::Ready(Ok(0)),
        })
        .await;
        if let Err(error) = sent {
            tracing::debug!(%error, %to, "a datagram is lost");
        }
    }

    /// Sends if there is room now.
    pub(super) fn try_send(&self, datagram: &[u8], to: SocketAddr) {
        if let Some(socket) = self.0.upgrade() {
            // Best effort: it only tells the peer sooner what it would notice anyway.
            let _ = socket.try_send_to(datagram, to);
        }
    }
}

/// A session whose peer has completed DTLS.
#[derive(Debug)]
pub(super) struct Incoming {
    pub(super) session: Held,
    pub(super) from: SocketAddr,
}

/// A task's view of what it routes.
pub(super) struct Router {
    settings: Settings,
    socket: Socket,
    incoming: mpsc::Sender<Incoming>,
    sessions: HashMap<Box<str>, Route>,
    by_address: HashMap<SocketAddr, Box<str>>,
}

struct Route {
    arrivals: mpsc::Sender<Arrival>,
    paths: Vec<SocketAddr>,
    /// Cleared by the session's task once DTLS is done.
    unproved: Weak<()>,
    over: Option<Instant>,
}

impl Router {
    pub(super) fn new(
        settings: Settings,
        socket: Socket,
        incoming: mpsc::Sender<Incoming>,
    ) -> Self {
        Self {
            settings,
            socket,
            incoming,
            sessions: HashMap::new(),
            by_address: HashMap::new(),
        }
    }

    /// Routes until the listener is gone. An error is the system's.
    pub(super) async fn run(mut self) -> io::Result<()> {
        let mut buffer = [0; DATAGRAM];
        let mut sweep = tokio::time::interval(Duration::from_secs(1));
        loop {
            tokio::select! {
                received = self.socket.receive(&mut buffer) => match received {
                    Ok((length, from)) => self.arrived(from, &buffer[..length]).await,
                    Err(error) if error.kind() == io::ErrorKind::NotConnected => return Ok(()),
                    // What an earlier datagram of ours met (ICMP); the socket is as good as before.
                    Err(error) if error.kind() == io::ErrorKind::ConnectionReset => {}
                    Err(error) => return Err(error),
                },
                _ = sweep.tick() => self.sweep(),
            }
        }
    }

    async fn arrived(&mut self, from: SocketAddr, datagram: &[u8]) {
        match datagram.first() {
            Some(0..=3) => match Request::parse(datagram) {
                Ok(request) => self.checked(from, &request).await,
                Err(error) => tracing::trace!(%error, %from, "a datagram is dropped"),
            },
            Some(20..=63) => {
                if let Some(route) = self
                    .by_address
                    .get(&from)
                    .and_then(|name| self.sessions.get(name))
                {
                    route.give(Arrival::Datagram(datagram.to_vec()));
                }
            }
            _ => {}
        }
    }

    async fn checked(&mut self, from: SocketAddr, request: &Request<'_>) {
        // An address belongs to whoever has it, as long as that session lives: the sender of a request may
        // be forged.
        let owner = self.by_address.get(&from);
        if owner.is_some_and(|name| **name != *request.username && self.lives(name)) {
            return;
        }
        if !self.sessions.contains_key(request.username) && !self.begin(from, request) {
            return;
        }
        let Some(route) = self.sessions.get_mut(request.username) else {
            return;
        };
        let nominated = request.nominated;
        if !route.give(Arrival::Checked { from, nominated }) {
            return;
        }
        if !route.paths.contains(&from) {
            if route.paths.len() >= MAX_PATHS {
                return;
            }
            route.paths.push(from);
            self.by_address.insert(from, request.username.into());
        }
        self.socket.send(&request.answer(from), from).await;
    }

    fn lives(&self, name: &str) -> bool {
        self.sessions.get(name).is_some_and(Route::lives)
    }

    /// A session for somebody new, if there is room.
    fn begin(&mut self, from: SocketAddr, request: &Request<'_>) -> bool {
        let (mut living, mut unproved, mut same) = (0, 0, 0);
        for route in self.sessions.values().filter(|route| route.lives()) {
            living += 1;
            if route.unproved.strong_count() > 0 {
                unproved += 1;
                same += usize::from(route.paths.iter().any(|path| path.ip() == from.ip()));
            }
        }
        if living >= MAX_SESSIONS || unproved >= MAX_UNPROVED || same >= MAX_UNPROVED_PER_IP {
            tracing::debug!(%from, living, unproved, same, "a connection is refused: there are too many");
            return false;
        }
        let (arrivals, waiting) = mpsc::channel(WAITING_DATAGRAMS);
        let session = Shared::new(&self.settings, request.version, self.socket.clone(), from);
        let unproved = Arc::new(());
        let route = Route {
            arrivals,
            paths: Vec::new(),
            unproved: Arc::downgrade(&unproved),
            over: None,
        };
        let incoming = self.incoming.clone();
        let encrypted = move |session, from| {
            drop(unproved);
            // What is not taken is dropped, and so is closed.
            if incoming.try_send(Incoming { session, from }).is_err() {
                tracing::debug!(%from, "a connection is closed: too many wait to be taken");
            }
        };
        tokio::spawn(session.drive(waiting, encrypted));
        self.sessions.insert(request.username.into(), route);
        true
    }

    /// Forgets the sessions that are over, their addresses at once and their names later.
    fn sweep(&mut self) {
        let now = Instant::now();
        let by_address = &mut self.by_address;
        let mut remembered = 0;
        self.sessions.retain(|name, route| {
            if route.lives() {
                return true;
            }
            for path in route.paths.drain(..) {
                if by_address.get(&path).is_some_and(|of| of == name) {
                    by_address.remove(&path);
                }
            }
            remembered += 1;
            let since = *route.over.get_or_insert(now);
            now < since + FORGOTTEN_AFTER && remembered <= MAX_REMEMBERED
        });
    }
}

impl Route {
    /// Its task is there.
    fn lives(&self) -> bool {
        !self.arrivals.is_closed()
    }

    /// `false`: the session is over.
    fn give(&self, arrival: Arrival) -> bool {
        // A full queue loses a datagram, as UDP may.
        !matches!(
            self.arrivals.try_send(arrival),
            Err(TrySendError::Closed(_))
        )
    }
}
