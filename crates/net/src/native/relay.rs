//! The relay's outside: how to start it, and the handle with which the server talks to it.

mod actor;
mod circuits;
mod jobs;
mod mesh;
mod rate;
mod rooms;

use std::{
    net::{IpAddr, SocketAddr},
    sync::{Arc, Mutex},
    time::Duration,
};

use axum::{
    extract::ws::{WebSocket, WebSocketUpgrade},
    response::Response,
};
use futures::channel::mpsc;
use healthsync_core::{DeviceKey, Person, RoomId, SignedRevocation};
use libp2p::{
    Multiaddr, PeerId, Swarm, Transport as _,
    core::{
        muxing::StreamMuxerBox,
        transport::{OptionalTransport, timeout::TransportTimeout},
        upgrade::Version,
    },
    identity::Keypair,
    multiaddr::Protocol,
    noise, yamux,
};
use tokio::{
    sync::{oneshot, watch},
    task::JoinHandle,
    time::timeout,
};

use super::{
    Dialer, Policy,
    callers::{Callers, Seat},
    webrtc::{SetupError, WebRtcListener, generate_certificate},
    websocket::{HandedOver, MAX_WEBSOCKET_MESSAGE},
};
use crate::{
    GossipKind,
    behaviour::{Behaviour, MAX_NEGOTIATING_STREAMS, MAX_STREAMS, NEVER_IDLE},
};
use actor::Actor;
pub use mesh::FollowError;
use mesh::{Follower, HEAL, PROTOCOL};

/// Connections that one relay holds.
const MAX_CONNECTIONS: u32 = 2_048;
/// From the first byte to a proved peer id.
const HANDSHAKE: Duration = Duration::from_secs(10);
/// What is read from a WebSocket at once. Each connection holds so much for ever: the usual 128 KiB were half of its weight.
const READ_BUFFER: usize = 16 * 1024;
/// Upgraded sockets that may wait for the swarm to take them.
const WAITING_SOCKETS: usize = 32;
/// To reach another relay and open a stream to it.
const REACH: Duration = Duration::from_secs(20);
/// Commands that may wait for the actor.
const WAITING_COMMANDS: usize = 256;

/// What a relay needs to start.
#[derive(Debug)]
pub struct RelayConfig {
    /// The relay's identity; keep it, so that its peer id survives a restart.
    pub keypair: Keypair,
    /// A concrete address for WebRTC-direct and the certificate as PEM ([`new_certificate`]); keep
    /// it, because its hash is part of the published address.
    pub webrtc: Option<(SocketAddr, String)>,
}

/// Why a relay cannot start. All but the last are the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum RelayError {
    /// The certificate is not what [`new_certificate`] writes.
    #[error(transparent)]
    Certificate(#[from] SetupError),
    /// WebRTC needs to know which address browsers reach.
    #[error("WebRTC needs a concrete address to listen on, not {0}")]
    Unspecified(SocketAddr),
    /// The address is taken or does not exist.
    #[error("WebRTC cannot listen on {address}: {reason}")]
    Listen {
        /// What was asked for.
        address: SocketAddr,
        /// What the system said.
        reason: String,
    },
    /// The identity cannot be used for encryption.
    #[error("the relay's identity key cannot be used: {0}")]
    Identity(String),
}

/// A fresh certificate with its private key as PEM, for [`RelayConfig::webrtc`].
pub fn new_certificate() -> Result<String, RelayError> {
    Ok(generate_certificate().map_err(SetupError::Certificate)?)
}

/// So many WebSockets of one address are open that this one is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("too many connections come from one address; this one was refused")]
pub struct Overloaded;

/// Numbers for `/metrics`. Counters only grow; `connections`, `webrtc`, `websocket`, `rooms`,
/// `admissions`, `relays` and `circuits` are what is there now, the last as of a few seconds ago.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RelayMetrics {
    /// Connections that have proved a peer id.
    pub connections: u64,
    /// Of these, over WebRTC.
    pub webrtc: u64,
    /// Of these, over WebSocket.
    pub websocket: u64,
    /// Rooms with somebody in them.
    pub rooms: u64,
    /// Devices in rooms, each room counted.
    pub admissions: u64,
    /// Gossip that was passed on.
    pub gossip_accepted: u64,
    /// Gossip that was dropped without blame: known, or too much of it.
    pub gossip_ignored: u64,
    /// Gossip that was wrong.
    pub gossip_rejected: u64,
    /// Requests answered.
    pub requests: u64,
    /// Requests refused.
    pub refused: u64,
    /// Connections closed for cause: silence, strangers in a topic, wrong messages.
    pub cut: u64,
    /// Calls between browsers that are being put through.
    pub circuits: u64,
    /// Calls refused.
    pub circuits_refused: u64,
    /// Bytes that such calls have carried.
    pub circuit_bytes: u64,
    /// Other relays that are being followed.
    pub relays: u64,
    /// Envelopes that came from other relays and were new.
    pub relayed: u64,
    /// Envelopes that came from other relays and were refused.
    pub relayed_refused: u64,
}

enum Command {
    Kick(RoomId, Person),
    Publish(RoomId, Vec<u8>),
    /// The operator's name for another relay, and where it is.
    Name {
        origin: String,
        peer: PeerId,
        address: Multiaddr,
        named: oneshot::Sender<()>,
    },
    /// A visitor has brought this: the other relays are told, and the device is cut off.
    Revoked(SignedRevocation),
    /// Another relay has told of it: the device is cut off.
    Ended(Person, DeviceKey),
    Stop,
}

/// The relay. See [`Relay::start`].
#[derive(Debug)]
pub struct Relay;

/// How the server talks to the relay. Cheap to clone.
#[derive(Clone)]
pub struct RelayHandle {
    peer_id: PeerId,
    addresses: Vec<Multiaddr>,
    sockets: mpsc::Sender<(WebSocket, Seat)>,
    callers: Callers,
    commands: tokio::sync::mpsc::Sender<Command>,
    metrics: Arc<Mutex<RelayMetrics>>,
    follower: Follower,
    control: libp2p_stream::Control,
    knocks: watch::Receiver<u64>,
}

impl std::fmt::Debug for RelayHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("RelayHandle")
            .field("peer_id", &self.peer_id)
            .finish_non_exhaustive()
    }
}

impl Relay {
    /// Starts the relay on the current tokio runtime. Returns once it listens; the task ends after
    /// [`RelayHandle::stop`] or when all handles are gone.
    pub async fn start(
        config: RelayConfig,
        policy: Arc<dyn Policy>,
    ) -> Result<(RelayHandle, JoinHandle<()>), RelayError> {
        let RelayConfig { keypair, webrtc } = config;
        let (sockets, waiting) = mpsc::channel(WAITING_SOCKETS);
        let listen = webrtc
            .as_ref()
            .map(|(address, _)| webrtc_address(*address))
            .transpose()?;
        let mut swarm = swarm(
            &keypair,
            waiting,
            webrtc.as_ref().map(|(_, pem)| pem.as_str()),
        )?;
        let peer_id = *swarm.local_peer_id();
        swarm
            .listen_on(HandedOver::address())
            .expect("our own transport takes its own address");
        let cannot_listen = |reason: String| match webrtc {
            Some((address, _)) => RelayError::Listen { address, reason },
            None => RelayError::Identity(reason),
        };
        if let Some(listen) = listen.clone() {
            swarm
                .listen_on(listen)
                .map_err(|e| cannot_listen(e.to_string()))?;
        }

        let metrics = Arc::new(Mutex::new(RelayMetrics::default()));
        let (commands, command_queue) = tokio::sync::mpsc::channel(WAITING_COMMANDS);
        let (listening, addresses) = oneshot::channel();
        let control = swarm.behaviour().streams.new_control();
        let (knocking, knocks) = watch::channel(0);
        let follower = Follower {
            policy: policy.clone(),
            commands: commands.clone(),
            metrics: metrics.clone(),
        };
        let actor = Actor::new(
            swarm,
            policy,
            command_queue,
            metrics.clone(),
            listening,
            knocking,
        );
        let task = tokio::spawn(actor.run());
        let addresses = match listen {
            Some(_) => {
                let address = addresses
                    .await
                    .map_err(|_| cannot_listen("the listener closed at once".to_owned()))?;
                vec![address.with(Protocol::P2p(peer_id))]
            }
            None => Vec::new(),
        };
        let handle = RelayHandle {
            peer_id,
            addresses,
            sockets,
            callers: Callers::default(),
            commands,
            metrics,
            follower,
            control,
            knocks,
        };
        Ok((handle, task))
    }
}

impl RelayHandle {
    /// The relay's peer id.
    pub fn peer_id(&self) -> PeerId {
        self.peer_id
    }

    /// WebRTC-direct addresses with certificate hash and `/p2p`; none when it is not configured.
    /// The WebSocket has no address of its own: browsers use the page's.
    pub fn addresses(&self) -> &[Multiaddr] {
        &self.addresses
    }

    /// What the relay counts.
    pub fn metrics(&self) -> RelayMetrics {
        *lock(&self.metrics)
    }

    /// The whole of `GET /p2p`: bounds the socket, upgrades it and hands it to the relay. `from` is whose socket it is:
    /// one address has so many at most.
    ///
    /// The listener below axum should set `TCP_NODELAY` (`axum::serve::ListenerExt::tap_io`):
    /// without it each round trip waits some 40 ms for a delayed acknowledgement.
    pub fn upgrade(&self, upgrade: WebSocketUpgrade, from: IpAddr) -> Result<Response, Overloaded> {
        let seat = self.callers.enter(from).ok_or(Overloaded)?;
        let mut sockets = self.sockets.clone();
        Ok(upgrade
            .max_message_size(MAX_WEBSOCKET_MESSAGE)
            .max_frame_size(MAX_WEBSOCKET_MESSAGE)
            .read_buffer_size(READ_BUFFER)
            .write_buffer_size(32 * 1024)
            .max_write_buffer_size(MAX_WEBSOCKET_MESSAGE)
            .on_upgrade(async move |socket| {
                if sockets.try_send((socket, seat)).is_err() {
                    tracing::warn!("too many connections are waiting; this one was closed");
                }
            }))
    }

    /// Closes the connections of `person` that are in `room`, because the registry no longer allows
    /// it. They may come back; the policy then decides anew.
    pub async fn kick(&self, room: RoomId, person: Person) {
        // The actor is gone only when the relay has stopped, and then nobody is connected.
        let _ = self.commands.send(Command::Kick(room, person)).await;
    }

    /// Sends to everybody in `room`. Returns false when it is too long to send.
    pub async fn publish(&self, room: RoomId, kind: GossipKind, content: &[u8]) -> bool {
        let Some(data) = crate::gossip::encode(kind, content) else {
            return false;
        };
        let _ = self.commands.send(Command::Publish(room, data)).await;
        true
    }

    /// Follows another relay for as long as the connection lasts: takes what is said there, and asks it for what is
    /// missing here. From now on `peer`, which the operator knows as `origin`, may follow this relay as well; a peer
    /// that was known under that name before may not any more.
    pub async fn follow(&self, origin: &str, peer: PeerId, address: Multiaddr) -> FollowError {
        let (named, done) = oneshot::channel();
        let name = Command::Name {
            origin: origin.to_owned(),
            peer,
            address,
            named,
        };
        if self.commands.send(name).await.is_err() || done.await.is_err() {
            return FollowError::Stopped;
        }
        // Dials when there is no connection.
        let mut control = self.control.clone();
        let stream = match timeout(REACH, control.open_stream(peer, PROTOCOL)).await {
            Ok(Ok(stream)) => stream,
            Ok(Err(error)) => return FollowError::Unreachable(error.to_string()),
            Err(_) => return FollowError::Silent,
        };
        let Err(ended) = self.follower.follow(stream, HEAL).await;
        ended
    }

    /// Changes whenever a relay, named or not, wants to follow this one: a good moment to try and follow it.
    pub fn knocks(&self) -> watch::Receiver<u64> {
        self.knocks.clone()
    }

    /// Closes the connections of a device whose right to speak has ended, and tells the relays that follow this one.
    /// The policy must refuse its next join by now.
    pub async fn tell_revoked(&self, revocation: SignedRevocation) {
        let _ = self.commands.send(Command::Revoked(revocation)).await;
    }

    /// Closes all connections and ends the relay's task.
    pub async fn stop(&self) {
        let _ = self.commands.send(Command::Stop).await;
    }
}

/// One relay that is being followed, while this lives.
struct Counted(Arc<Mutex<RelayMetrics>>);

impl Counted {
    fn new(metrics: &Arc<Mutex<RelayMetrics>>) -> Self {
        lock(metrics).relays += 1;
        Self(metrics.clone())
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        lock(&self.0).relays -= 1;
    }
}

/// A lock whose holder only copies numbers and cannot panic.
fn lock(metrics: &Mutex<RelayMetrics>) -> std::sync::MutexGuard<'_, RelayMetrics> {
    metrics
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

fn webrtc_address(address: SocketAddr) -> Result<Multiaddr, RelayError> {
    if address.ip().is_unspecified() {
        return Err(RelayError::Unspecified(address));
    }
    Ok(Multiaddr::from(address.ip())
        .with(Protocol::Udp(address.port()))
        .with(Protocol::WebRTCDirect))
}

fn swarm(
    keypair: &Keypair,
    sockets: mpsc::Receiver<(WebSocket, Seat)>,
    certificate: Option<&str>,
) -> Result<Swarm<Behaviour>, RelayError> {
    let noise = noise::Config::new(keypair).map_err(|e| RelayError::Identity(e.to_string()))?;
    let mut yamux = yamux::Config::default();
    yamux.set_max_num_streams(MAX_STREAMS);
    let websocket = HandedOver::new(sockets)
        .upgrade(Version::V1)
        .authenticate(noise.clone())
        .multiplex(yamux.clone())
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let dialer = Dialer
        .upgrade(Version::V1)
        .authenticate(noise)
        .multiplex(yamux)
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)));
    let webrtc = match certificate {
        Some(pem) => OptionalTransport::some(
            WebRtcListener::new(keypair.clone(), pem)?
                .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection))),
        ),
        None => OptionalTransport::none(),
    };
    let listeners = websocket
        .or_transport(webrtc)
        .map(|either, _| either.into_inner());
    let transport = TransportTimeout::new(listeners.or_transport(dialer), HANDSHAKE)
        .map(|either, _| either.into_inner())
        .boxed();
    Ok(Swarm::new(
        transport,
        Behaviour::relay(keypair, MAX_CONNECTIONS),
        keypair.public().to_peer_id(),
        libp2p::swarm::Config::with_tokio_executor()
            .with_idle_connection_timeout(NEVER_IDLE)
            .with_max_negotiating_inbound_streams(MAX_NEGOTIATING_STREAMS),
    ))
}
