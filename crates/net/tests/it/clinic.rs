//! A relay with a mailbox in memory, and people who connect to it.

use std::{
    collections::{BTreeMap, HashSet},
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Router,
    extract::ws::{Message, WebSocketUpgrade},
    routing::get,
    serve::ListenerExt,
};
use futures::{
    FutureExt, SinkExt, StreamExt,
    channel::mpsc,
    future::{self, BoxFuture},
};
use healthsync_core::{
    Delegation, DeviceKey, DeviceSecret, Envelope, Event, EventId, Kind, Millis, Person,
    RefusalCode, RoomId, RoomKey, SignedDelegation, SignedEvent, VersionVector, eth, join_message,
};
use healthsync_net::{
    Admission, Keypair, NetEvent, NodeConfig, NodeHandle, Outcome, Page, PeerIdBytes, Policy,
    Prefer, Refusal, Relay, RelayConfig, RelayHandle, State, Status, address, blob,
    circuit::Finish, client, native::WebSocketStream, websocket_multiaddr,
};
use libp2p::{
    Multiaddr, Transport,
    core::{
        muxing::StreamMuxerBox,
        transport::{Boxed, DialOpts, ListenerId, TransportError, TransportEvent},
        upgrade::Version,
    },
    noise, yamux,
};
use tokio::{net::TcpListener, task::JoinHandle};
use tokio_tungstenite::tungstenite;

pub(crate) const CHAIN: u64 = 31_337;
pub(crate) const NOW: Millis = Millis(1_900_000_000_000);
pub(crate) const ROOM: RoomId = RoomId([7; 32]);

/// Long enough for a loaded machine; reached only by a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

type Kept = BTreeMap<(DeviceKey, u64), Vec<u8>>;

/// The registry's list and the mailbox, in memory.
#[derive(Default)]
pub(crate) struct Mailbox {
    allowed: Mutex<HashSet<(RoomId, Person)>>,
    rooms: Mutex<BTreeMap<RoomId, Kept>>,
    /// Nothing more can be kept.
    pub(crate) disk_is_full: AtomicBool,
}

impl Mailbox {
    pub(crate) fn allow(&self, room: RoomId, person: Person) {
        self.allowed.lock().unwrap().insert((room, person));
    }

    pub(crate) fn forbid(&self, room: RoomId, person: Person) {
        self.allowed.lock().unwrap().remove(&(room, person));
    }

    pub(crate) fn topic(room: RoomId) -> String {
        format!("topic-{}", &room.to_string()[2..18])
    }

    fn heads_of(&self, room: RoomId) -> VersionVector {
        let mut heads = VersionVector::default();
        for (device, seq) in self.rooms.lock().unwrap().entry(room).or_default().keys() {
            let head = heads.0.entry(*device).or_default();
            *head = (*head).max(*seq);
        }
        heads
    }
}

#[async_trait]
impl Policy for Mailbox {
    async fn join(
        &self,
        peer: PeerIdBytes,
        room: RoomId,
        delegation: &SignedDelegation,
        device_signature: &[u8; 64],
    ) -> Result<Admission, Refusal> {
        let person = delegation.delegation.person;
        let device = delegation.delegation.device;
        let bad = |text: &str| Refusal::new(RefusalCode::BadDelegation, text);
        delegation
            .verify(CHAIN)
            .map_err(|error| bad(&error.to_string()))?;
        if !delegation.covers(NOW) {
            return Err(bad("The delegation has ended."));
        }
        let message = join_message(&room, &peer);
        if !healthsync_core::device::verify(&device, &message, device_signature) {
            return Err(bad("The device has not signed for this connection."));
        }
        if !self.allowed.lock().unwrap().contains(&(room, person)) {
            let text = "You are not a member of this room.";
            return Err(Refusal::new(RefusalCode::NotAllowed, text));
        }
        Ok(Admission {
            person,
            device,
            topic: Self::topic(room),
            have: self.heads_of(room),
        })
    }

    async fn check(
        &self,
        _: (Person, DeviceKey),
        _: RoomId,
        envelope: &[u8],
    ) -> Result<(), Refusal> {
        Envelope::decode(envelope)
            .map(drop)
            .map_err(|error| Refusal::new(RefusalCode::BadDelegation, error.to_string()))
    }

    async fn keep(&self, _: (Person, DeviceKey), envelope: Vec<u8>) -> Result<Outcome, Refusal> {
        if self.disk_is_full.load(Ordering::Relaxed) {
            let text = "The disk is full.";
            return Err(Refusal::new(RefusalCode::Unavailable, text));
        }
        let decoded = Envelope::decode_unverified(&envelope).expect("it was checked");
        let mut rooms = self.rooms.lock().unwrap();
        let kept = rooms
            .entry(decoded.room)
            .or_default()
            .insert((decoded.device, decoded.seq), envelope);
        Ok(match kept {
            None => Outcome::New,
            Some(_) => Outcome::Known,
        })
    }

    async fn heads(&self, room: RoomId) -> Result<VersionVector, Refusal> {
        Ok(self.heads_of(room))
    }

    async fn page(&self, room: RoomId, have: VersionVector, limit: u32) -> Result<Page, Refusal> {
        let mut rooms = self.rooms.lock().unwrap();
        let missing: Vec<_> = rooms
            .entry(room)
            .or_default()
            .iter()
            .filter(|((device, seq), _)| !have.has(device, *seq))
            .map(|(_, envelope)| envelope.clone())
            .collect();
        let limit = limit as usize;
        Ok(Page {
            more: missing.len() > limit,
            envelopes: missing.into_iter().take(limit).collect(),
        })
    }

    async fn newest(
        &self,
        room: RoomId,
        after: VersionVector,
        upto: VersionVector,
        limit: u32,
    ) -> Result<Page, Refusal> {
        let mut rooms = self.rooms.lock().unwrap();
        let mut wanted: Vec<_> = rooms
            .entry(room)
            .or_default()
            .iter()
            .filter(|((device, seq), _)| !after.has(device, *seq) && upto.has(device, *seq))
            .map(|(_, envelope)| envelope.clone())
            .collect();
        // It keeps no times of arrival; a device's last number came last.
        wanted.reverse();
        let limit = limit as usize;
        Ok(Page {
            more: wanted.len() > limit,
            envelopes: wanted.into_iter().take(limit).collect(),
        })
    }
}

/// A relay behind axum.
pub(crate) struct Clinic {
    pub(crate) mailbox: Arc<Mailbox>,
    pub(crate) keypair: Keypair,
    pub(crate) relay: RelayHandle,
    pub(crate) address: SocketAddr,
    tasks: Vec<JoinHandle<()>>,
}

impl Clinic {
    pub(crate) async fn open() -> Self {
        Self::reopen(
            Arc::default(),
            Keypair::generate_ed25519(),
            SocketAddr::from(([127, 0, 0, 1], 0)),
            None,
        )
        .await
    }

    pub(crate) async fn reopen(
        mailbox: Arc<Mailbox>,
        keypair: Keypair,
        address: SocketAddr,
        webrtc: Option<(SocketAddr, String)>,
    ) -> Self {
        // RUST_LOG=debug shows what happens; a second test in this process finds it set up.
        let _ = tracing_subscriber::fmt()
            .with_env_filter(tracing_subscriber::EnvFilter::from_default_env())
            .with_test_writer()
            .try_init();
        let config = RelayConfig {
            keypair: keypair.clone(),
            webrtc,
        };
        let (relay, task) = Relay::start(config, mailbox.clone()).await.unwrap();
        let listener = TcpListener::bind(address).await.unwrap();
        let address = listener.local_addr().unwrap();
        let for_route = relay.clone();
        let app = Router::new().route(
            "/p2p",
            get(async move |upgrade: WebSocketUpgrade| for_route.upgrade(upgrade)),
        );
        let listener = listener.tap_io(|tcp| tcp.set_nodelay(true).expect("a live socket"));
        let server = tokio::spawn(async move { axum::serve(listener, app).await.unwrap() });
        Self {
            mailbox,
            keypair,
            relay,
            address,
            tasks: vec![task, server],
        }
    }

    /// As a crash would: everything stops, nothing is said.
    pub(crate) async fn crash(self) -> (Arc<Mailbox>, Keypair, SocketAddr) {
        for task in self.tasks {
            task.abort();
            // Aborted is what was asked for.
            let _ = task.await;
        }
        (self.mailbox, self.keypair, self.address)
    }

    pub(crate) fn websocket(&self) -> Multiaddr {
        let host = self.address.ip().to_string();
        websocket_multiaddr(&host, self.address.port(), false, "/p2p")
    }

    /// A member of [`ROOM`] whose node is connected.
    pub(crate) async fn member(&self, n: u8) -> Visitor {
        let visitor = self.visitor(n).await;
        self.mailbox.allow(ROOM, visitor.person);
        visitor
    }

    /// Somebody whose node is connected.
    pub(crate) async fn visitor(&self, n: u8) -> Visitor {
        let config = NodeConfig {
            ws_url_multiaddr: self.websocket(),
            webrtc: self.relay.addresses().first().cloned(),
            prefer: Prefer::WebSocket,
            relay: self.relay.peer_id(),
        };
        Visitor::connect(n, config, websocket_transport).await
    }
}

/// A person with a device and a node.
pub(crate) struct Visitor {
    pub(crate) person: Person,
    pub(crate) device: DeviceSecret,
    pub(crate) delegation: SignedDelegation,
    pub(crate) node: NodeHandle,
    pub(crate) events: mpsc::Receiver<NetEvent>,
    seq: u64,
    prev: Option<EventId>,
}

impl Visitor {
    pub(crate) async fn connect(
        n: u8,
        config: NodeConfig,
        transport: impl FnOnce(&Keypair) -> Boxed<(libp2p::PeerId, StreamMuxerBox)>,
    ) -> Self {
        Self::connect_with(n, config, transport, |_| no_links(), Arc::new(blob::Empty)).await
    }

    pub(crate) async fn connect_with(
        n: u8,
        config: NodeConfig,
        transport: impl FnOnce(&Keypair) -> Boxed<(libp2p::PeerId, StreamMuxerBox)>,
        finish: impl FnOnce(&Keypair) -> Finish,
        shelf: Arc<dyn blob::Shelf>,
    ) -> Self {
        let wallet = [n; 32];
        let person = eth::person_of_secret(&wallet).unwrap();
        let device = DeviceSecret::from_bytes([n; 32]);
        let delegation = Delegation {
            person,
            device: device.public(),
            issued_at: NOW.seconds() - 60,
            expires_at: NOW.seconds() + 3_600,
            chain_id: CHAIN,
        };
        let signature = eth::sign_hash(&delegation.signing_hash(), &wallet).unwrap();
        let keypair = Keypair::generate_ed25519();
        let parts = client::Parts {
            transport: transport(&keypair),
            finish: finish(&keypair),
            swarm: libp2p::swarm::Config::with_tokio_executor(),
            shelf,
        };
        let (node, events, actor) = client::start(config, &keypair, parts);
        tokio::spawn(actor);
        let mut visitor = Self {
            person,
            device,
            delegation: SignedDelegation {
                delegation,
                signature,
            },
            node,
            events,
            seq: 0,
            prev: None,
        };
        visitor.until(State::Connected).await;
        visitor
    }

    pub(crate) async fn join(
        &self,
        room: RoomId,
    ) -> Result<healthsync_net::Joined, client::NetError> {
        self.node
            .join(room, self.delegation.clone(), &self.device)
            .await
    }

    /// Joins and asks for what is there, as a page does: from then on it misses nothing.
    pub(crate) async fn enter(&self, room: RoomId) {
        self.join(room).await.unwrap();
        let everything = VersionVector::default();
        self.node.pull(room, everything, 100).await.unwrap();
    }

    /// The next event of this device in `room`, sealed.
    pub(crate) fn say(&mut self, room: RoomId, text: &str) -> Vec<u8> {
        self.seq += 1;
        let event = Event {
            v: 1,
            room,
            person: self.person,
            device: self.device.public(),
            seq: self.seq,
            prev: self.prev,
            lamport: self.seq,
            at: NOW,
            kind: Kind::message(text),
        };
        let signed = SignedEvent::sign(event, &self.device);
        self.prev = Some(signed.id());
        let key = RoomKey::from_master(&[9; 32], &room, 0);
        let mut nonce = [0; 12];
        nonce[..8].copy_from_slice(&self.seq.to_be_bytes());
        Envelope::seal(&signed, &key, 0, nonce, &self.device).encode()
    }

    pub(crate) async fn event(&mut self) -> NetEvent {
        tokio::time::timeout(PATIENCE, self.events.next())
            .await
            .expect("an event in time")
            .expect("the node runs")
    }

    /// Waits for this state.
    pub(crate) async fn until(&mut self, state: State) -> Status {
        loop {
            if let NetEvent::Status(status) = self.event().await
                && status.state == state
            {
                return status;
            }
        }
    }

    /// The next gossip, skipping changes of status.
    pub(crate) async fn hears(&mut self) -> Vec<u8> {
        loop {
            if let NetEvent::Gossip { bytes, .. } = self.event().await {
                return bytes;
            }
        }
    }
}

/// For visitors who only talk to the relay.
fn no_links() -> Finish {
    Arc::new(|_, _| {
        let unsupported = std::io::ErrorKind::Unsupported;
        future::ready(Err(unsupported.into())).boxed()
    })
}

/// Noise and yamux over a WebSocket of tungstenite, as a browser would dial.
pub(crate) fn websocket_transport(keypair: &Keypair) -> Boxed<(libp2p::PeerId, StreamMuxerBox)> {
    Dialer
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(keypair).unwrap())
        .multiplex(yamux::Config::default())
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .boxed()
}

struct Dialer;

type Socket = WebSocketStream<Box<dyn AxumSocket>>;

trait AxumSocket:
    futures::Stream<Item = Result<Message, tungstenite::Error>>
    + futures::Sink<Message, Error = tungstenite::Error>
    + Send
    + Unpin
{
}
impl<T> AxumSocket for T where
    T: futures::Stream<Item = Result<Message, tungstenite::Error>>
        + futures::Sink<Message, Error = tungstenite::Error>
        + Send
        + Unpin
{
}

impl Transport for Dialer {
    type Output = Socket;
    type Error = std::io::Error;
    type ListenerUpgrade = future::Pending<std::io::Result<Socket>>;
    type Dial = BoxFuture<'static, std::io::Result<Socket>>;

    fn listen_on(
        &mut self,
        _: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<std::io::Error>> {
        Err(TransportError::MultiaddrNotSupported(address))
    }

    fn remove_listener(&mut self, _: ListenerId) -> bool {
        false
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        _: DialOpts,
    ) -> Result<Self::Dial, TransportError<std::io::Error>> {
        let url = address::websocket_url(&address)
            .ok_or(TransportError::MultiaddrNotSupported(address))?;
        Ok(async move {
            let (socket, _) = tokio_tungstenite::connect_async_with_config(url, None, true)
                .await
                .map_err(std::io::Error::other)?;
            let socket = socket
                .map(|message| message.map(to_axum))
                .with(|message| future::ready(Ok(to_tungstenite(message))));
            Ok(WebSocketStream::new(Box::new(socket) as Box<dyn AxumSocket>))
        }
        .boxed())
    }

    fn poll(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<TransportEvent<Self::ListenerUpgrade, std::io::Error>> {
        std::task::Poll::Pending
    }
}

fn to_axum(message: tungstenite::Message) -> Message {
    match message {
        tungstenite::Message::Binary(bytes) => Message::Binary(bytes),
        tungstenite::Message::Text(text) => Message::Text(text.as_str().into()),
        tungstenite::Message::Ping(bytes) => Message::Ping(bytes),
        tungstenite::Message::Pong(bytes) => Message::Pong(bytes),
        tungstenite::Message::Close(_) => Message::Close(None),
        tungstenite::Message::Frame(_) => Message::Binary(Default::default()),
    }
}

fn to_tungstenite(message: Message) -> tungstenite::Message {
    match message {
        Message::Binary(bytes) => tungstenite::Message::Binary(bytes),
        Message::Text(text) => tungstenite::Message::Text(text.as_str().into()),
        Message::Ping(bytes) => tungstenite::Message::Ping(bytes),
        Message::Pong(bytes) => tungstenite::Message::Pong(bytes),
        Message::Close(_) => tungstenite::Message::Close(None),
    }
}
