//! The one owner of the client's swarm: carries out the link's orders, answers commands, remembers
//! which rooms were joined and joins them again. What concerns direct links is in `direct`.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use futures::{FutureExt, StreamExt, channel::mpsc, select};
use futures_timer::Delay;
use healthsync_core::{Millis, Request, Response, RoomId, SignedDelegation};
use libp2p::{
    Multiaddr, PeerId, Swarm,
    core::{Transport as _, transport::Boxed},
    gossipsub::{self, IdentTopic, MessageAcceptance, TopicHash},
    identify,
    identity::Keypair,
    request_response::{self, OutboundFailure, OutboundRequestId},
    swarm::{
        DialError, SwarmEvent,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use web_time::{Instant, SystemTime, UNIX_EPOCH};

use super::{
    NetError, NetEvent, NodeConfig, NodeHandle, State, Status,
    direct::Direct,
    handle::{Command, Reply},
    link::{Closed, Dial, Link, Order},
};
use crate::{
    Transport,
    behaviour::{Behaviour, BehaviourEvent},
    blob::Shelf,
    circuit::{
        self, Finish, Linked, STOP,
        transport::{CircuitTransport, Welcome},
    },
    gossip,
    seen::{Content, Seen},
};

/// Commands that may wait for the actor.
const WAITING_COMMANDS: usize = 256;
/// Events that the page has not taken yet; gossip beyond is dropped, history brings it back.
const WAITING_EVENTS: usize = 2_048;
/// Requests without an answer yet.
const MAX_REQUESTS: usize = 256;
/// How long a join waits for the relay to listen to the room.
const LISTENING_LIMIT: Duration = Duration::from_secs(2);
/// A change of the round trip that is worth telling.
const RTT_STEP: u32 = 5;

/// What differs between browsers and tests.
pub struct Parts {
    /// Dials both addresses of the configuration.
    pub transport: Boxed<Linked>,
    /// Makes a direct link of a secured circuit.
    pub finish: Finish,
    /// Names the executor.
    pub swarm: libp2p::swarm::Config,
    /// What this node can give to other members.
    pub shelf: Arc<dyn Shelf>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts").finish_non_exhaustive()
    }
}

/// Prepares a client node: the handle, its events, and the actor's future, which the caller spawns.
pub fn start(
    config: NodeConfig,
    keypair: &Keypair,
    parts: Parts,
) -> (
    NodeHandle,
    mpsc::Receiver<NetEvent>,
    impl Future<Output = ()> + Send + 'static,
) {
    let peer_id = keypair.public().to_peer_id();
    let streams = libp2p_stream::Behaviour::new();
    let mut control = streams.new_control();
    let welcome = Welcome::default();
    let circuits = CircuitTransport {
        relay: config.relay,
        keypair: keypair.clone(),
        control: control.clone(),
        calls: control.accept(STOP).expect("each protocol is taken once"),
        welcome: welcome.clone(),
        finish: parts.finish,
        listener: None,
    };
    let transport = parts
        .transport
        .or_transport(circuits)
        .map(|either, _| either.into_inner())
        .boxed();
    let mut swarm = Swarm::new(
        transport,
        Behaviour::client(keypair, config.relay, streams),
        peer_id,
        parts
            .swarm
            .with_idle_connection_timeout(crate::behaviour::NEVER_IDLE)
            .with_max_negotiating_inbound_streams(crate::behaviour::MAX_NEGOTIATING_STREAMS),
    );
    swarm
        .listen_on(circuit::transport::listening())
        .expect("our own transport takes its own address");
    let (commands, queue) = mpsc::channel(WAITING_COMMANDS);
    let (events, receiver) = mpsc::channel(WAITING_EVENTS);
    let direct = Direct::new(peer_id, control.clone(), welcome, parts.shelf);
    let actor = Actor::new(config, swarm, queue, events, direct);
    let handle = NodeHandle::new(peer_id, commands, control);
    (handle, receiver, actor.run())
}

/// A room that this node is in, or wants back into.
struct Room {
    topic: Option<TopicHash>,
    delegation: SignedDelegation,
    device_signature: [u8; 64],
}

/// Who waits for a response.
enum Asker {
    /// The page; a join is remembered with what it needs to join again.
    Page(Reply, Option<Box<(RoomId, SignedDelegation, [u8; 64])>>),
    /// The node itself, joining a room again.
    Rejoin(RoomId),
    /// Nobody.
    Farewell,
}

/// A join whose answer waits until the relay listens to the topic.
struct Settling {
    topic: TopicHash,
    until: Instant,
    reply: Option<(Reply, Response)>,
}

struct Actor {
    config: NodeConfig,
    swarm: Swarm<Behaviour>,
    commands: mpsc::Receiver<Command>,
    events: mpsc::Sender<NetEvent>,
    link: Link,
    rooms: HashMap<RoomId, Room>,
    topics: HashMap<TopicHash, RoomId>,
    requests: HashMap<OutboundRequestId, Asker>,
    settling: Vec<Settling>,
    /// Topics that the relay listens to.
    relay_listens: HashSet<TopicHash>,
    rtt_ms: Option<u32>,
    /// Whether the rooms are joined again, so that "connected" may be told.
    ready: bool,
    told: Option<Status>,
    direct: Direct,
    seen: Seen,
}

impl Actor {
    fn new(
        config: NodeConfig,
        swarm: Swarm<Behaviour>,
        commands: mpsc::Receiver<Command>,
        events: mpsc::Sender<NetEvent>,
        direct: Direct,
    ) -> Self {
        let link = Link::new(config.prefer, config.webrtc.is_some(), Instant::now());
        Self {
            config,
            swarm,
            commands,
            events,
            link,
            rooms: HashMap::new(),
            topics: HashMap::new(),
            requests: HashMap::new(),
            settling: Vec::new(),
            relay_listens: HashSet::new(),
            rtt_ms: None,
            ready: false,
            told: None,
            direct,
            seen: Seen::default(),
        }
    }

    async fn run(mut self) {
        let mut timer = Delay::new(Duration::ZERO).fuse();
        loop {
            self.tell();
            select! {
                command = self.commands.next() => match command {
                    Some(Command::Close) | None => break,
                    Some(command) => self.on_command(command),
                },
                event = self.swarm.select_next_some() => self.on_swarm(event),
                (from, room, message) = self.direct.next().fuse() => {
                    self.on_direct(from, room, &message);
                }
                () = timer => {}
            }
            let now = Instant::now();
            let usable = self.link.usable().is_some() && self.ready;
            self.direct
                .tick(&mut self.swarm, self.config.relay, usable, now);
            if let Some(order) = self.link.tick(now, jitter()) {
                self.carry_out(order);
            }
            self.settle(now);
            self.retire();
            timer = Delay::new(self.next_tick(now)).fuse();
        }
        self.link.close();
        self.hang_up();
        // Closing takes a few polls: the goodbye has to leave before the swarm is dropped.
        let mut limit = Delay::new(Duration::from_millis(500)).fuse();
        while self.swarm.is_connected(&self.config.relay) {
            select! {
                _ = self.swarm.select_next_some() => {}
                () = limit => break,
            }
        }
    }

    fn next_tick(&self, now: Instant) -> Duration {
        let settle = self
            .settling
            .iter()
            .map(|settling| settling.until.saturating_duration_since(now))
            .min();
        [settle, self.direct.next_tick(now)]
            .into_iter()
            .flatten()
            .fold(self.link.next_tick(now), Duration::min)
    }

    fn carry_out(&mut self, order: Order) {
        match order {
            Order::Dial(dial) => self.dial(dial),
            Order::Upgrade => self.dial(Dial {
                webrtc: true,
                websocket: false,
            }),
            Order::Hangup => self.hang_up(),
        }
    }

    fn dial(&mut self, dial: Dial) {
        let webrtc = self.config.webrtc.iter().filter(|_| dial.webrtc);
        let websocket = Some(&self.config.ws_url_multiaddr).filter(|_| dial.websocket);
        let addresses: Vec<Multiaddr> = webrtc.chain(websocket).cloned().collect();
        let options = DialOpts::peer_id(self.config.relay)
            .condition(PeerCondition::Always)
            .addresses(addresses)
            .build();
        if let Err(error) = self.swarm.dial(options) {
            self.link
                .dial_failed(dial_failure(&error), Instant::now(), jitter());
        }
    }

    fn hang_up(&mut self) {
        // Ends pending dials as well; Err means that nothing was there.
        let _ = self.swarm.disconnect_peer_id(self.config.relay);
        self.offline();
    }

    /// Closes the connection that another has replaced, when no request and no join is under way on it.
    fn retire(&mut self) {
        if self.ready
            && self.requests.is_empty()
            && self.settling.is_empty()
            && let Some(id) = self.link.retire()
        {
            self.swarm.close_connection(id);
        }
    }

    /// Forgets everything that belonged to the connection. The topics have to go before the next
    /// connection: the relay cuts off whoever names a topic that it has not joined.
    fn offline(&mut self) {
        self.ready = false;
        self.rtt_ms = None;
        self.relay_listens.clear();
        let gossip = &mut self.swarm.behaviour_mut().gossip;
        gossip.remove_explicit_peer(&self.config.relay);
        for topic in std::mem::take(&mut self.topics).into_keys() {
            self.unsubscribe(&topic);
        }
        for room in self.rooms.values_mut() {
            room.topic = None;
        }
        for (_, asker) in self.requests.drain() {
            if let Asker::Page(reply, _) = asker {
                let _ = reply.send(Err(NetError::Offline));
            }
        }
        for settling in self.settling.drain(..) {
            if let Some((reply, _)) = settling.reply {
                let _ = reply.send(Err(NetError::Offline));
            }
        }
    }

    fn unsubscribe(&mut self, topic: &TopicHash) {
        self.swarm
            .behaviour_mut()
            .gossip
            .unsubscribe(&IdentTopic::new(topic.as_str()));
    }

    // Commands

    fn on_command(&mut self, command: Command) {
        match command {
            Command::Request(request, reply) => self.request(*request, reply),
            Command::Leave(room) => {
                self.direct
                    .set_room(&mut self.swarm, room, Vec::new(), Instant::now());
                // A join under way lets nobody in any more: the relay cuts off whoever subscribes after leaving.
                for asker in self.requests.values_mut() {
                    if let Asker::Page(_, join) = asker {
                        join.take_if(|join| join.0 == room);
                    }
                }
                if let Some(topic) = self.rooms.remove(&room).and_then(|room| room.topic) {
                    self.topics.remove(&topic);
                    self.unsubscribe(&topic);
                }
                if self.link.usable().is_some() {
                    self.send(Request::Leave { room }, Asker::Farewell);
                }
            }
            Command::Members(room, members) => {
                self.direct
                    .set_room(&mut self.swarm, room, members, Instant::now());
            }
            Command::Linked(room, reply) => {
                // Err means that nobody waits for it any more.
                let _ = reply.send(self.direct.linked(&room));
            }
            Command::Publish(room, data) => {
                self.direct.say(&room, &data);
                let Some(topic) = self.rooms.get(&room).and_then(|room| room.topic.clone()) else {
                    return;
                };
                if let Err(error) = self.swarm.behaviour_mut().gossip.publish(topic, data) {
                    tracing::debug!(%error, "gossip was not sent");
                }
            }
            Command::Wake => self.link.wake(Instant::now()),
            Command::Close => {}
        }
    }

    fn request(&mut self, request: Request, reply: Reply) {
        if self.link.usable().is_none() {
            let _ = reply.send(Err(NetError::Offline));
            return;
        }
        if self.requests.len() >= MAX_REQUESTS {
            let full = "too many requests wait for an answer".to_owned();
            let _ = reply.send(Err(NetError::Protocol(full)));
            return;
        }
        let join = match &request {
            Request::Join {
                room,
                delegation,
                device_signature,
            } => Some(Box::new((*room, delegation.clone(), *device_signature))),
            _ => None,
        };
        self.send(request, Asker::Page(reply, join));
    }

    fn send(&mut self, request: Request, asker: Asker) {
        let id = self
            .swarm
            .behaviour_mut()
            .sync
            .send_request(&self.config.relay, request);
        self.requests.insert(id, asker);
    }

    // The swarm

    fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        let now = Instant::now();
        match event {
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                ..
            } if peer_id != self.config.relay => {
                self.direct
                    .connected(&mut self.swarm, peer_id, connection_id, now);
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                connection_id,
                cause,
                ..
            } if peer_id != self.config.relay => {
                tracing::debug!(peer = %peer_id, ?cause, "a direct link closed");
                self.direct.closed(&peer_id, connection_id, now, jitter());
            }
            SwarmEvent::OutgoingConnectionError {
                peer_id: Some(peer),
                error,
                ..
            } if peer != self.config.relay => {
                tracing::debug!(%peer, %error, "no direct link");
                self.direct.failed(&peer, now, jitter());
            }
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event))
                if event.peer != self.config.relay && event.result.is_ok() =>
            {
                self.direct.heard(&event.peer, now);
            }
            SwarmEvent::ConnectionEstablished {
                connection_id,
                endpoint,
                concurrent_dial_errors,
                ..
            } => {
                let transport =
                    Transport::of(endpoint.get_remote_address()).unwrap_or(Transport::WebSocket);
                let webrtc_failed = concurrent_dial_errors
                    .into_iter()
                    .flatten()
                    .find(|(address, _)| Transport::of(address) == Some(Transport::WebRtc))
                    .map(|(_, error)| innermost(&error));
                let wanted = self
                    .link
                    .established(connection_id, transport, webrtc_failed, now);
                if wanted {
                    let gossip = &mut self.swarm.behaviour_mut().gossip;
                    gossip.add_explicit_peer(&self.config.relay);
                } else {
                    self.swarm.close_connection(connection_id);
                }
            }
            SwarmEvent::ConnectionClosed {
                connection_id,
                cause,
                ..
            } => {
                tracing::debug!(?cause, "the connection closed");
                match self.link.closed(connection_id, now, jitter()) {
                    Closed::Ours => self.hang_up(),
                    Closed::Replaced => self.emit(NetEvent::Missed),
                    Closed::Other => {}
                }
            }
            SwarmEvent::OutgoingConnectionError { error, .. } => {
                self.link.dial_failed(dial_failure(&error), now, jitter());
            }
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => {
                if let Ok(rtt) = event.result {
                    let rtt = u32::try_from(rtt.as_millis()).unwrap_or(u32::MAX);
                    let usable = self.link.pinged(event.connection, now);
                    let step = |old: u32| old.abs_diff(rtt) >= RTT_STEP;
                    if self.link.is_in_use(event.connection) && self.rtt_ms.is_none_or(step) {
                        self.rtt_ms = Some(rtt);
                    }
                    self.join_again(usable);
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Sent {
                connection_id,
                ..
            })) => {
                let usable = self.link.asked(connection_id, now);
                self.join_again(usable);
            }
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => self.on_gossip(event),
            SwarmEvent::Behaviour(BehaviourEvent::Sync(event)) => self.on_sync(event, now),
            _ => {}
        }
    }

    /// Joins the rooms again when the connection has just become usable.
    fn join_again(&mut self, usable: bool) {
        if !usable {
            return;
        }
        let joins: Vec<_> = self
            .rooms
            .iter()
            .map(|(room, known)| (*room, known.delegation.clone(), known.device_signature))
            .collect();
        for (room, delegation, device_signature) in joins {
            let request = Request::Join {
                room,
                delegation,
                device_signature,
            };
            self.send(request, Asker::Rejoin(room));
        }
    }

    fn on_sync(&mut self, event: request_response::Event<Request, Response>, now: Instant) {
        match event {
            request_response::Event::Message {
                connection_id,
                message:
                    request_response::Message::Response {
                        request_id,
                        response,
                    },
                ..
            } => {
                self.link.heard(connection_id, now);
                if let Some(asker) = self.requests.remove(&request_id) {
                    self.on_response(asker, response, now);
                }
            }
            request_response::Event::OutboundFailure {
                request_id, error, ..
            } => {
                let error = match error {
                    OutboundFailure::DialFailure | OutboundFailure::ConnectionClosed => {
                        NetError::Offline
                    }
                    OutboundFailure::Timeout => NetError::Timeout,
                    OutboundFailure::UnsupportedProtocols | OutboundFailure::Io(_) => {
                        NetError::Protocol(error.to_string())
                    }
                };
                if let Some(Asker::Page(reply, _)) = self.requests.remove(&request_id) {
                    let _ = reply.send(Err(error));
                }
            }
            _ => {}
        }
    }

    fn on_response(&mut self, asker: Asker, response: Response, now: Instant) {
        match (asker, response) {
            (Asker::Page(reply, Some(join)), Response::Joined { topic, have }) => {
                let (room, delegation, device_signature) = *join;
                self.rooms.insert(
                    room,
                    Room {
                        topic: None,
                        delegation,
                        device_signature,
                    },
                );
                let response = Response::Joined {
                    topic: topic.clone(),
                    have,
                };
                self.joined(room, &topic, Some((reply, response)), now);
            }
            (Asker::Rejoin(room), Response::Joined { topic, .. }) => {
                self.joined(room, &topic, None, now);
            }
            // For good or until the page asks again; what it then hears is the page's to show.
            (Asker::Rejoin(room), Response::Refused { .. }) => {
                self.rooms.remove(&room);
            }
            (Asker::Page(reply, _), response) => {
                let _ = reply.send(Ok(response));
            }
            (Asker::Rejoin(_) | Asker::Farewell, _) => {}
        }
    }

    fn joined(
        &mut self,
        room: RoomId,
        topic: &str,
        reply: Option<(Reply, Response)>,
        now: Instant,
    ) {
        let Some(known) = self.rooms.get_mut(&room) else {
            return; // Left while the relay was asked.
        };
        let topic = IdentTopic::new(topic);
        known.topic = Some(topic.hash());
        self.topics.insert(topic.hash(), room);
        if let Err(error) = self.swarm.behaviour_mut().gossip.subscribe(&topic) {
            tracing::error!(%error, "the node cannot subscribe to a room");
        }
        self.settling.push(Settling {
            topic: topic.hash(),
            until: now + LISTENING_LIMIT,
            reply,
        });
    }

    /// Answers joins whose topic the relay listens to by now, and finds out whether all rooms are
    /// joined again.
    fn settle(&mut self, now: Instant) {
        let (done, waiting) = std::mem::take(&mut self.settling)
            .into_iter()
            .partition(|s: &Settling| self.relay_listens.contains(&s.topic) || s.until <= now);
        self.settling = waiting;
        for settling in done {
            if let Some((reply, response)) = settling.reply {
                let _ = reply.send(Ok(response));
            }
        }
        let rejoining = self.settling.iter().any(|s| s.reply.is_none())
            || self
                .requests
                .values()
                .any(|asker| matches!(asker, Asker::Rejoin(_)));
        if !self.ready && self.link.usable().is_some() && !rejoining {
            self.ready = true;
            self.link.settled();
        }
    }

    fn on_gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            } => {
                let room = self.topics.get(&message.topic).copied();
                let content = gossip::decode(&message.data);
                let acceptance = match (room, content) {
                    (Some(room), Some((kind, content))) => {
                        if self
                            .seen
                            .is_new(Content::of(&room, &message.data), Instant::now())
                        {
                            let bytes = content.to_vec();
                            self.emit(NetEvent::Gossip { room, kind, bytes });
                        }
                        MessageAcceptance::Accept
                    }
                    (None, _) => MessageAcceptance::Ignore,
                    (Some(_), None) => MessageAcceptance::Reject,
                };
                self.swarm
                    .behaviour_mut()
                    .gossip
                    .report_message_validation_result(&message_id, &propagation_source, acceptance);
            }
            gossipsub::Event::Subscribed { peer_id, topic } if peer_id == self.config.relay => {
                self.relay_listens.insert(topic);
            }
            gossipsub::Event::Unsubscribed { peer_id, topic } if peer_id == self.config.relay => {
                self.relay_listens.remove(&topic);
            }
            _ => {}
        }
    }

    /// A member has said something on a direct link.
    fn on_direct(&mut self, from: PeerId, room: RoomId, message: &[u8]) {
        let now = Instant::now();
        let content = gossip::decode(message);
        if let (Some((kind, content)), true) = (content, self.direct.shares(&from, &room)) {
            self.direct.heard(&from, now);
            if self.seen.is_new(Content::of(&room, message), now) {
                let bytes = content.to_vec();
                self.emit(NetEvent::Gossip { room, kind, bytes });
            }
        }
    }

    // Telling the page

    fn emit(&mut self, event: NetEvent) {
        if self.events.try_send(event).is_err() {
            tracing::warn!("the page takes network events too slowly; one was dropped");
        }
    }

    /// Tells the newest status when it has changed; an earlier one that found no place is skipped.
    fn tell(&mut self) {
        let (state, transport) = match (self.link.usable(), self.ready) {
            (Some(transport), true) => (State::Connected, Some(transport)),
            (Some(_), false) => (State::Connecting, None),
            (None, _) if self.link.failing() => (State::Offline, None),
            (None, _) => (State::Connecting, None),
        };
        let connected = state == State::Connected;
        let mut status = Status {
            state,
            transport,
            rtt_ms: self.rtt_ms.filter(|_| connected),
            relay_peers: u32::from(connected),
            direct_peers: self.direct.count(),
            reason: self.link.reason().map(str::to_owned),
            since: Millis(0),
        };
        if let Some(told) = &self.told {
            status.since = told.since;
            if *told == status {
                return;
            }
            if told.state != status.state {
                status.since = wall_clock();
            }
        } else {
            status.since = wall_clock();
        }
        match self.events.try_send(NetEvent::Status(status.clone())) {
            Ok(()) => self.told = Some(status),
            Err(error) => tracing::debug!(%error, "a status has to wait"),
        }
    }
}

fn wall_clock() -> Millis {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    Millis(u64::try_from(since.as_millis()).unwrap_or(u64::MAX))
}

fn jitter() -> u32 {
    getrandom::u32().unwrap_or(u32::MAX / 2)
}

/// What a failed dial means, as a sentence.
fn dial_failure(error: &DialError) -> String {
    match error {
        DialError::WrongPeerId { .. } => {
            "Another server answers at the relay's address; it is not trusted.".to_owned()
        }
        DialError::Transport(errors) => {
            for (address, error) in errors {
                tracing::debug!(%address, %error, "dial failed");
            }
            "The relay cannot be reached.".to_owned()
        }
        other => format!("The relay cannot be reached ({other})."),
    }
}

/// The error at the root of a chain, which names the cause.
fn innermost(error: &dyn std::error::Error) -> String {
    match error.source() {
        Some(source) => innermost(source),
        None => error.to_string(),
    }
}
