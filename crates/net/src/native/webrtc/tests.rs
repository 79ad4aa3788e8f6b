//! The listener with a dialler of version 2 made of the same parts: streams, flow control, and peers that
//! move, vanish or crowd.

use std::sync::{
    Mutex,
    atomic::{AtomicBool, Ordering},
};

use futures::{AsyncReadExt, AsyncWriteExt, future::poll_fn};
use libp2p::core::muxing::StreamMuxerExt;

use super::{
    connection::{Arrival, Shared},
    *,
};
use crate::webrtc::credentials;

const PASSWORD: &str = "the+password+of+the+client";

/// A listener on loopback and its first address.
async fn listener() -> (WebRtcListener, SocketAddr) {
    let certificate = generate_certificate().unwrap();
    let keypair = Keypair::generate_ed25519();
    let mut listener = WebRtcListener::new(keypair, &certificate).unwrap();
    let address = udp(([127, 0, 0, 1], 0).into());
    listener.listen_on(ListenerId::next(), address).unwrap();
    let event = next(&mut listener).await;
    let address = event.into_new_address().unwrap();
    let (address, fingerprint) = crate::webrtc::parse_address(&address).unwrap();
    assert_eq!(fingerprint, listener.settings.fingerprint());
    (listener, address)
}

type Event = TransportEvent<BoxFuture<'static, io::Result<(PeerId, Connection)>>, io::Error>;

async fn next(listener: &mut WebRtcListener) -> Event {
    poll_fn(|cx| Pin::new(&mut *listener).poll(cx)).await
}

/// A browser: its socket, whose place another one can take, and what it calls itself.
struct Dialler {
    socket: Arc<Mutex<Arc<UdpSocket>>>,
    server: SocketAddr,
    username: String,
    password: String,
    gone: Arc<AtomicBool>,
}

impl Dialler {
    async fn new(server: SocketAddr, name: &str) -> Self {
        let socket = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        let password = credentials::server_of(PASSWORD).unwrap();
        Self {
            socket: Arc::new(Mutex::new(Arc::new(socket))),
            server,
            username: format!("{password}:{name}"),
            password,
            gone: Arc::default(),
        }
    }

    fn socket(&self) -> Arc<UdpSocket> {
        self.socket.lock().unwrap().clone()
    }

    /// Sends a connectivity check; the answer comes to whoever reads the socket.
    async fn check(&self) {
        let check = stun::request(&self.username, &self.password, true);
        self.socket().send_to(&check, self.server).await.unwrap();
    }

    /// Connects as a browser does.
    async fn connect(&self, certificate: crate::webrtc::Fingerprint) -> (PeerId, Connection) {
        self.check().await;
        let mut answer = [0; 256];
        let (length, _) = self.socket().recv_from(&mut answer).await.unwrap();
        assert_eq!(answer[..2], [1, 1], "success");
        assert!(length < stun::request(&self.username, &self.password, true).len());

        let settings =
            Settings::new(Certificate::from_pem(&generate_certificate().unwrap()).unwrap());
        let settings = settings.unwrap();
        let held = self.socket();
        let shared = Shared::dialling(&settings, Socket::of(&held), self.server);
        let (sender, arrivals) = mpsc::channel(64);
        let (encrypted, held_session) = tokio::sync::oneshot::channel();
        let driven = shared.drive(arrivals, |held, _| encrypted.send(held).unwrap());
        tokio::spawn(driven);
        let (socket, gone) = (self.socket.clone(), self.gone.clone());
        tokio::spawn(async move {
            // Keeps the first socket for sending; the session holds it weakly.
            let _held = held;
            let mut datagram = vec![0; 2_048];
            loop {
                let socket = socket.lock().unwrap().clone();
                let Ok((length, _)) = socket.recv_from(&mut datagram).await else {
                    continue;
                };
                if gone.load(Ordering::Relaxed) || sender.is_closed() {
                    return;
                }
                if (20..=63).contains(&datagram[0]) {
                    let datagram = datagram[..length].to_vec();
                    let _ = sender.try_send(Arrival::Datagram(datagram));
                }
            }
        });
        let keypair = Keypair::generate_ed25519();
        let session = held_session.await.unwrap();
        assert_eq!(session.peer(), Some(certificate));
        session.upgrade(keypair).await.unwrap()
    }
}

/// Both ends of a connection, each driven by a task of its own.
async fn connected() -> (Arc<Mutex<Connection>>, Arc<Mutex<Connection>>, Dialler) {
    let (mut listener, address) = listener().await;
    let fingerprint = listener.settings.fingerprint();
    let peer = listener.keypair.public().to_peer_id();
    let dialler = Dialler::new(address, "ufrag").await;
    let serve = async {
        let (upgrade, _) = next(&mut listener).await.into_incoming().unwrap();
        upgrade.await.unwrap().1
    };
    let ((proved, dialled), accepted) = tokio::join!(dialler.connect(fingerprint), serve);
    assert_eq!(proved, peer);
    let both = [dialled, accepted].map(|connection| Arc::new(Mutex::new(connection)));
    for connection in &both {
        let connection = Arc::downgrade(connection);
        tokio::spawn(poll_fn(move |cx| match connection.upgrade() {
            Some(connection) => connection.lock().unwrap().poll_unpin(cx).map(drop),
            None => Poll::Ready(()),
        }));
    }
    // The listener has to outlive the test.
    std::mem::forget(listener);
    let [dialled, accepted] = both;
    (dialled, accepted, dialler)
}

async fn open(connection: &Mutex<Connection>) -> Stream {
    poll_fn(|cx| connection.lock().unwrap().poll_outbound_unpin(cx))
        .await
        .unwrap()
}

async fn accept(connection: &Mutex<Connection>) -> Stream {
    poll_fn(|cx| connection.lock().unwrap().poll_inbound_unpin(cx))
        .await
        .unwrap()
}

fn channels(connection: &Mutex<Connection>) -> usize {
    connection.lock().unwrap().channels()
}

#[tokio::test]
async fn a_megabyte_crosses_in_both_directions() {
    let (dialled, accepted, _) = connected().await;
    let sent: Vec<u8> = (0..1_048_576_u32).map(|n| (n * 7) as u8).collect();
    for (from, to) in [(&dialled, &accepted), (&accepted, &dialled)] {
        let mut one = open(from).await;
        let write = async {
            one.write_all(&sent).await.unwrap();
            one.close().await.unwrap();
        };
        let read = async {
            let mut other = accept(to).await;
            let mut read = Vec::new();
            other.read_to_end(&mut read).await.unwrap();
            read
        };
        let ((), read) = tokio::join!(write, read);
        assert!(read == sent);
    }
}

#[tokio::test]
async fn five_thousand_streams_leave_nothing_behind() {
    let (dialled, accepted, _) = connected().await;
    let server = accepted.clone();
    tokio::spawn(async move {
        loop {
            let mut stream = accept(&server).await;
            let mut question = Vec::new();
            stream.read_to_end(&mut question).await.unwrap();
            stream.write_all(&question).await.unwrap();
            stream.close().await.unwrap();
        }
    });
    for n in 0..5_000_u32 {
        let mut stream = open(&dialled).await;
        stream.write_all(&n.to_be_bytes()).await.unwrap();
        stream.close().await.unwrap();
        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();
        assert_eq!(answer, n.to_be_bytes());
        let most = channels(&dialled).max(channels(&accepted));
        assert!(most < 32, "{most} channels after {n} streams");
    }
}

#[tokio::test]
async fn a_slow_reader_slows_the_writer_and_loses_nothing() {
    let (dialled, accepted, _) = connected().await;
    let mut one = open(&accepted).await;
    one.write_all(&[0]).await.unwrap();
    let mut other = accept(&dialled).await;
    let piece = vec![1; 16_000];
    let mut written = 1;
    // Until nothing moves any more: the receive buffer is full, and what may wait to leave is there.
    loop {
        let patience = std::time::Duration::from_millis(500);
        match tokio::time::timeout(patience, one.write(&piece)).await {
            Ok(n) => written += n.unwrap(),
            Err(_) => break,
        }
        assert!(written < 2 * 1_048_576, "the writer is not slowed");
    }
    let reader = tokio::spawn(async move {
        let mut read = Vec::new();
        other.read_to_end(&mut read).await.unwrap();
        read.len()
    });
    one.close().await.unwrap();
    assert_eq!(reader.await.unwrap(), written);
}

#[tokio::test]
async fn a_browser_that_moves_keeps_its_connection() {
    let (dialled, accepted, dialler) = connected().await;
    let mut one = open(&dialled).await;
    one.write_all(b"here").await.unwrap();
    let mut other = accept(&accepted).await;
    let mut read = [0; 4];
    other.read_exact(&mut read).await.unwrap();
    // What the server sends now comes to another port of ours.
    let moved = Arc::new(UdpSocket::bind("127.0.0.1:0").await.unwrap());
    let before = std::mem::replace(&mut *dialler.socket.lock().unwrap(), moved);
    let _ = before
        .send_to(b"wakes the reader", before.local_addr().unwrap())
        .await;
    dialler.check().await;
    // A check that is answered has been heard; only then the server knows the new place.
    other.write_all(b"found").await.unwrap();
    let mut read = [0; 5];
    one.read_exact(&mut read).await.unwrap();
    assert_eq!(&read, b"found");
}

#[tokio::test]
async fn a_closed_connection_is_noticed_at_once() {
    let (dialled, accepted, _) = connected().await;
    poll_fn(|cx| accepted.lock().unwrap().poll_close_unpin(cx))
        .await
        .unwrap();
    let error = poll_fn(|cx| dialled.lock().unwrap().poll_unpin(cx))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), SessionError::ClosedByPeer.to_string());
}

#[tokio::test]
async fn one_address_cannot_crowd_the_others_out() {
    let (_listener, address) = listener().await;
    let password = credentials::server_of(PASSWORD).unwrap();
    let check = |name: usize| stun::request(&format!("{password}:name{name}"), &password, true);
    let crowd: Vec<_> = (0..100)
        .map(|name| {
            let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
            socket.set_nonblocking(true).unwrap();
            socket.send_to(&check(name), address).unwrap();
            socket
        })
        .collect();
    // Somebody else's name from an address that is taken is not answered either.
    crowd[0].send_to(&check(1), address).unwrap();
    // Requests are handled in their order: once a known one is answered, all others were.
    crowd[63].send_to(&check(63), address).unwrap();
    let mut answer = [0; 256];
    let mut receive = |name: usize| crowd[name].recv(&mut answer).is_ok();
    for _ in 0..2 {
        while !receive(63) {
            tokio::task::yield_now().await;
        }
    }
    assert!((0..63).all(&mut receive), "there is room for 64");
    assert!(!(0..100).any(receive), "and for no more");
}

#[test]
fn silence_ends_a_session() {
    let certificate = Certificate::from_pem(&generate_certificate().unwrap()).unwrap();
    let settings = Settings::new(certificate).unwrap();
    let start = std::time::Instant::now();
    let mut session = session::Session::new(&settings, start);
    session.tick(start + error::SILENCE / 2);
    session.hear(start + error::SILENCE / 2);
    session.tick(start + error::SILENCE);
    assert!(!session.is_over());
    session.tick(start + error::SILENCE * 3 / 2);
    let waker = futures::task::noop_waker();
    let over = session.poll_over(&mut Context::from_waker(&waker));
    assert_eq!(over, Poll::Ready(SessionError::Silent));
}
