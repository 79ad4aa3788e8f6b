//! A relay with a mailbox in memory, and people who connect to it.

use std::{
    collections::{BTreeMap, HashSet},
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicU8, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use axum::{
    Router, extract::ws::WebSocketUpgrade, http::StatusCode, routing::get, serve::ListenerExt,
};
use futures::{FutureExt, StreamExt, channel::mpsc, future};
use healthsync_core::{
    Delegation, DeviceKey, DeviceSecret, Envelope, Event, EventId, Kind, Millis, Person,
    RefusalCode, Revocation, RoomId, RoomKey, SignedDelegation, SignedEvent, SignedRevocation,
    VersionVector, eth, join_message,
};
use healthsync_net::{
    Admission, Keypair, NetEvent, NodeConfig, NodeHandle, Outcome, Page, PeerIdBytes, Policy,
    Prefer, Refusal, Relay, RelayConfig, RelayHandle, State, Status, Taken, blob, circuit::Finish,
    client, native::Dialer, websocket_multiaddr,
};
use libp2p::{
    Multiaddr, Transport,
    core::{muxing::StreamMuxerBox, transport::Boxed, upgrade::Version},
    noise, yamux,
};
use tokio::{net::TcpListener, task::JoinHandle};

pub(crate) const CHAIN: u64 = 31_337;
pub(crate) const NOW: Millis = Millis(1_900_000_000_000);
pub(crate) const ROOM: RoomId = RoomId([7; 32]);

/// Long enough for a loaded machine; reached only by a failure.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

pub(crate) type Kept = BTreeMap<(DeviceKey, u64), Vec<u8>>;

/// A wallet ends what a device may write.
pub(crate) fn revocation(wallet: u8, device: DeviceKey) -> SignedRevocation {
    let wallet = [wallet; 32];
    let revocation = Revocation {
        person: eth::person_of_secret(&wallet).unwrap(),
        device,
        revoked_at: NOW.seconds(),
        chain_id: CHAIN,
    };
    let signature = eth::sign_hash(&revocation.signing_hash(), &wallet).unwrap();
    SignedRevocation {
        revocation,
        signature,
    }
}

/// The registry's list and the mailbox, in memory.
#[derive(Default)]
pub(crate) struct Mailbox {
    allowed: Mutex<HashSet<(RoomId, Person)>>,
    rooms: Mutex<BTreeMap<RoomId, Kept>>,
    proofs: Mutex<BTreeMap<DeviceKey, SignedDelegation>>,
    revoked: Mutex<Vec<SignedRevocation>>,
    /// Nothing can be checked.
    pub(crate) is_busy: AtomicBool,
    /// Nothing more can be kept.
    pub(crate) disk_is_full: AtomicBool,
    /// Each device's envelopes are kept without a gap only, as the server's mailbox does.
    pub(crate) in_order: AtomicBool,
    /// Each relay has topics of its own; 0 for tests with one relay.
    pub(crate) topics: AtomicU8,
    /// How long delegations last from the join on; 0 for an hour.
    pub(crate) seconds_left: AtomicU8,
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

    /// What is kept of `room`, by device and number.
    pub(crate) fn kept(&self, room: RoomId) -> Kept {
        let rooms = self.rooms.lock().unwrap();
        rooms.get(&room).cloned().unwrap_or_default()
    }

    /// Keeps these bytes unseen, as a mailbox in wrong hands may.
    pub(crate) fn plant(&self, room: RoomId, device: DeviceKey, seq: u64, bytes: Vec<u8>) {
        let mut rooms = self.rooms.lock().unwrap();
        rooms.entry(room).or_default().insert((device, seq), bytes);
    }

    pub(crate) fn revoked(&self) -> Vec<SignedRevocation> {
        self.revoked.lock().unwrap().clone()
    }

    pub(crate) fn introduce(&self, proof: SignedDelegation) {
        let device = proof.delegation.device;
        self.proofs.lock().unwrap().insert(device, proof);
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
        let of_this = |signed: &SignedRevocation| signed.revocation.device == device;
        if self.revoked().iter().any(of_this) {
            let text = "This device is revoked.";
            return Err(Refusal::new(RefusalCode::Revoked, text));
        }
        if !self.allowed.lock().unwrap().contains(&(room, person)) {
            let text = "You are not a member of this room.";
            return Err(Refusal::new(RefusalCode::NotAllowed, text));
        }
        self.introduce(delegation.clone());
        Ok(Admission {
            person,
            device,
            lasts: match self.seconds_left.load(Ordering::Relaxed) {
                0 => Duration::from_secs(3_600),
                seconds => Duration::from_secs(seconds.into()),
            },
            topic: match self.topics.load(Ordering::Relaxed) {
                0 => Self::topic(room),
                n => format!("{n}-{}", Self::topic(room)),
            },
            have: self.heads_of(room),
        })
    }

    async fn check(
        &self,
        _: (Person, DeviceKey),
        _: RoomId,
        envelope: &[u8],
    ) -> Result<(), Refusal> {
        if self.is_busy.load(Ordering::Relaxed) {
            let text = "The mailbox is busy.";
            return Err(Refusal::new(RefusalCode::Unavailable, text));
        }
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
        let head = self.heads_of(decoded.room).get(&decoded.device);
        if self.in_order.load(Ordering::Relaxed) && decoded.seq > head + 1 {
            let text = "Something before it is missing.";
            return Err(Refusal::new(RefusalCode::NotAllowed, text));
        }
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

    async fn rooms(
        &self,
        after: Option<RoomId>,
        limit: u32,
    ) -> Result<Vec<(RoomId, [u8; 32])>, Refusal> {
        let rooms: Vec<RoomId> = self.rooms.lock().unwrap().keys().copied().collect();
        Ok(rooms
            .into_iter()
            .filter(|room| after.is_none_or(|after| *room > after))
            .take(limit as usize)
            .map(|room| (room, self.heads_of(room).digest()))
            .collect())
    }

    async fn delegation(&self, device: DeviceKey) -> Result<Option<SignedDelegation>, Refusal> {
        Ok(self.proofs.lock().unwrap().get(&device).cloned())
    }

    async fn check_relayed(
        &self,
        room: RoomId,
        envelope: &[u8],
        proof: Option<&SignedDelegation>,
        _: Taken,
    ) -> Result<(Person, DeviceKey), Refusal> {
        let bad = |text: String| Refusal::new(RefusalCode::BadDelegation, text);
        let decoded = Envelope::decode(envelope).map_err(|error| bad(error.to_string()))?;
        let known = self.delegation(decoded.device).await?;
        let Some(proof) = known.or(proof.cloned()) else {
            return Err(bad("Nobody has said whose device this is.".into()));
        };
        proof
            .verify(CHAIN)
            .map_err(|error| bad(error.to_string()))?;
        let person = proof.delegation.person;
        if proof.delegation.device != decoded.device {
            return Err(bad("The delegation is of another device.".into()));
        }
        if !self.allowed.lock().unwrap().contains(&(room, person)) {
            let text = "Not a member of this room.";
            return Err(Refusal::new(RefusalCode::NotAllowed, text));
        }
        self.introduce(proof);
        Ok((person, decoded.device))
    }

    async fn revocations(&self) -> Result<Vec<SignedRevocation>, Refusal> {
        Ok(self.revoked())
    }

    async fn revoke(&self, revocation: SignedRevocation) -> Result<(), Refusal> {
        let checked = revocation.verify(CHAIN);
        checked.map_err(|error| Refusal::new(RefusalCode::BadDelegation, error.to_string()))?;
        let mut revoked = self.revoked.lock().unwrap();
        if !revoked.contains(&revocation) {
            revoked.push(revocation);
        }
        Ok(())
    }
}

/// A relay, and two members who are in one room by it.
pub(crate) async fn two_in_a_room() -> (Clinic, Visitor, Visitor) {
    let clinic = Clinic::open().await;
    let (ada, ben) = (clinic.member(1).await, clinic.member(2).await);
    ada.enter(ROOM).await;
    ben.enter(ROOM).await;
    (clinic, ada, ben)
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
            get(async move |upgrade: WebSocketUpgrade| {
                let here = Ipv4Addr::LOCALHOST.into();
                for_route
                    .upgrade(upgrade, here)
                    .map_err(|_| StatusCode::TOO_MANY_REQUESTS)
            }),
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
