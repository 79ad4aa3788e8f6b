//! The one owner of the relay's swarm. Order of work for anything that a peer sends: size and form
//! (the codecs), room and membership, rate, then the policy with its signatures and storage.

use std::{
    collections::{HashMap, HashSet, VecDeque},
    sync::{Arc, Mutex},
    time::{Duration, Instant},
};

use futures::{FutureExt, StreamExt, future::BoxFuture, stream::FuturesUnordered};
use healthsync_core::{Person, RefusalCode, Request, Response, Revocation, RoomId};
use libp2p::{
    Multiaddr, PeerId, Swarm,
    gossipsub::{self, IdentTopic, MessageAcceptance, MessageId, PublishError, TopicHash},
    multiaddr::Protocol,
    request_response::{self, ResponseChannel},
    swarm::{ConnectionId, SwarmEvent},
};
use tokio::sync::{mpsc, oneshot, watch};

use super::{
    Command, RelayMetrics,
    circuits::{Circuits, Question},
    jobs::{Done, Job, names_room, refused},
    lock,
    mesh::{Live, Mesh},
    rate::Bucket,
    rooms::{Admitted, Rooms},
};
use crate::{
    GossipKind, Transport,
    behaviour::{Behaviour, BehaviourEvent},
    gossip,
    native::{Policy, Refusal},
    seen::{Content, Seen},
};

/// A connection that has not answered for this long is closed.
const SILENCE: Duration = Duration::from_secs(20);
/// The same for a connection whose peer has just made another one: it misses a ping, and does so because it is dead.
const REPLACED: Duration = Duration::from_secs(9);
const SWEEP: Duration = Duration::from_secs(4);
/// Jobs of one peer that may wait.
const WAITING_JOBS: usize = 256;
/// Gossip per peer: a burst, then so many per second.
const GOSSIP_RATE: (u32, u32) = (1_000, 200);
/// Requests per peer: a burst, then so many per second.
const REQUEST_RATE: (u32, u32) = (1_000, 200);
/// Wrong messages after which a peer is cut off.
const STRIKES: u32 = 3;

struct Peer {
    connections: HashMap<ConnectionId, Connection>,
    waiting: VecDeque<Job>,
    busy: bool,
    gossip: Bucket,
    requests: Bucket,
    strikes: u32,
}

struct Connection {
    transport: Option<Transport>,
    heard: Instant,
}

/// Connections from which nothing has come for longer than `limit`.
fn silent(
    connections: &HashMap<ConnectionId, Connection>,
    now: Instant,
    limit: Duration,
) -> Vec<ConnectionId> {
    let silent = |connection: &Connection| now.saturating_duration_since(connection.heard) > limit;
    let all = connections.iter();
    all.filter(|(_, connection)| silent(connection))
        .map(|(id, _)| *id)
        .collect()
}

/// A gossip message that nobody else was told yet.
struct Undecided {
    from: PeerId,
    content: Content,
}

pub(super) struct Actor {
    swarm: Swarm<Behaviour>,
    policy: Arc<dyn Policy>,
    commands: mpsc::Receiver<Command>,
    metrics: Arc<Mutex<RelayMetrics>>,
    listening: Option<oneshot::Sender<Multiaddr>>,
    peers: HashMap<PeerId, Peer>,
    rooms: Rooms,
    circuits: Circuits,
    mesh: Mesh,
    jobs: FuturesUnordered<BoxFuture<'static, (PeerId, u64, Done)>>,
    /// Gossip that waits for the mailbox.
    undecided: HashMap<MessageId, Undecided>,
    /// What rooms were told.
    told: Seen,
    /// Number of kicks so far, and who was kicked at which of them while jobs were running: an
    /// admission that was asked for before a kick must not undo it.
    kicks: u64,
    kicked: HashMap<(RoomId, Person), u64>,
    /// The same for devices that were ended.
    ended: HashMap<Admitted, u64>,
    /// Who was seen at the last sweep listening to a topic without being in its room.
    strangers: HashSet<(PeerId, TopicHash)>,
}

impl Actor {
    pub(super) fn new(
        swarm: Swarm<Behaviour>,
        policy: Arc<dyn Policy>,
        commands: mpsc::Receiver<Command>,
        metrics: Arc<Mutex<RelayMetrics>>,
        listening: oneshot::Sender<Multiaddr>,
        knocks: watch::Sender<u64>,
    ) -> Self {
        let circuits = Circuits::new(swarm.behaviour().streams.new_control());
        let mesh = Mesh::new(swarm.behaviour().streams.new_control(), knocks);
        Self {
            swarm,
            circuits,
            mesh,
            policy,
            commands,
            metrics,
            listening: Some(listening),
            peers: HashMap::new(),
            rooms: Rooms::default(),
            jobs: FuturesUnordered::new(),
            undecided: HashMap::new(),
            told: Seen::default(),
            kicks: 0,
            kicked: HashMap::new(),
            ended: HashMap::new(),
            strangers: HashSet::new(),
        }
    }

    pub(super) async fn run(mut self) {
        let mut sweep = tokio::time::interval(SWEEP);
        sweep.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                event = self.swarm.select_next_some() => self.on_swarm(event),
                Some((peer, kicks, done)) = self.jobs.next() => self.on_done(peer, kicks, done),
                question = self.circuits.next() => self.on_circuit(question),
                (peer, stream) = self.mesh.next() => {
                    if !self.mesh.answer(peer, stream, self.policy.clone()) {
                        self.strike(peer, "is no relay that the operator has named");
                    }
                }
                command = self.commands.recv() => match command {
                    Some(Command::Kick(room, person)) => self.kick(room, person),
                    Some(Command::Publish(room, data)) => {
                        self.publish(room, data);
                    }
                    Some(Command::Name { origin, peer, address, named }) => {
                        self.swarm.add_peer_address(peer, address);
                        self.mesh.name(origin, peer);
                        // Err means that nobody waits any more.
                        let _ = named.send(());
                    }
                    Some(Command::Ended(person, device)) => self.end((person, device)),
                    Some(Command::Revoked(revocation)) => {
                        let Revocation { person, device, .. } = revocation.revocation;
                        self.end((person, device));
                        self.mesh.tell(Live::Revoked(Arc::new(revocation)));
                    }
                    Some(Command::Stop) | None => return,
                },
                _ = sweep.tick() => self.sweep(),
            }
        }
    }

    fn on_swarm(&mut self, event: SwarmEvent<BehaviourEvent>) {
        match event {
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(event)) => self.on_gossip(event),
            SwarmEvent::Behaviour(BehaviourEvent::Sync(event)) => self.on_sync(event),
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => {
                let answered = event.result.is_ok();
                if answered {
                    self.heard(event.peer, event.connection);
                }
            }
            SwarmEvent::ConnectionEstablished {
                peer_id,
                connection_id,
                endpoint,
                ..
            } => {
                // A listener of several transports reports which one by its own address.
                let local = match &endpoint {
                    libp2p::core::ConnectedPoint::Listener { local_addr, .. } => local_addr,
                    libp2p::core::ConnectedPoint::Dialer { address, .. } => address,
                };
                self.connected(peer_id, connection_id, Transport::of(local));
            }
            SwarmEvent::ConnectionClosed {
                peer_id,
                connection_id,
                cause,
                ..
            } => {
                tracing::debug!(peer = %peer_id, ?cause, "connection closed");
                self.disconnected(peer_id, connection_id);
            }
            SwarmEvent::NewListenAddr { address, .. }
                if Transport::of(&address) == Some(Transport::WebRtc) =>
            {
                if let Some(listening) = self.listening.take() {
                    // The receiver waits in `Relay::start`; if that was cancelled, nobody asks.
                    let _ = listening.send(address);
                }
            }
            SwarmEvent::IncomingConnectionError { error, .. } => {
                tracing::debug!(%error, "an incoming connection did not come about");
            }
            SwarmEvent::ListenerError { error, .. } => {
                tracing::warn!(%error, "a listener reports an error");
            }
            SwarmEvent::ListenerClosed {
                addresses, reason, ..
            } => {
                tracing::error!(?addresses, ?reason, "a listener closed");
                self.listening = None;
            }
            _ => {}
        }
    }

    fn connected(&mut self, peer: PeerId, id: ConnectionId, transport: Option<Transport>) {
        let now = Instant::now();
        let entry = self.peers.entry(peer).or_insert_with(|| Peer {
            connections: HashMap::new(),
            waiting: VecDeque::new(),
            busy: false,
            gossip: Bucket::new(GOSSIP_RATE.0, GOSSIP_RATE.1, now),
            requests: Bucket::new(REQUEST_RATE.0, REQUEST_RATE.1, now),
            strikes: 0,
        });
        let dead = silent(&entry.connections, now, REPLACED);
        entry.connections.insert(
            id,
            Connection {
                transport,
                heard: now,
            },
        );
        // What is said goes to one connection of a peer, and must not go to one that nobody reads any more.
        self.close(dead);
        self.count_connections();
    }

    fn disconnected(&mut self, peer: PeerId, id: ConnectionId) {
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.connections.remove(&id);
            if entry.connections.is_empty() {
                self.peers.remove(&peer);
                self.circuits.forget(&peer);
                self.swarm
                    .behaviour_mut()
                    .gossip
                    .remove_explicit_peer(&peer);
                self.undecided.retain(|_, waiting| waiting.from != peer);
                for topic in self.rooms.leave_all(peer) {
                    self.unsubscribe(&topic);
                }
                self.count_rooms();
            }
        }
        self.count_connections();
    }

    fn heard(&mut self, peer: PeerId, id: ConnectionId) {
        if let Some(connection) = self
            .peers
            .get_mut(&peer)
            .and_then(|peer| peer.connections.get_mut(&id))
        {
            connection.heard = Instant::now();
        }
    }

    fn sweep(&mut self) {
        self.cut_the_silent();
        self.cut_the_strangers();
        for peer in self.rooms.over(Instant::now()) {
            self.expel(peer, "its delegation has ended");
        }
        self.count_circuits();
        if self.jobs.is_empty() {
            self.kicked.clear();
            self.ended.clear();
        }
    }

    /// Neither WebRTC nor a half-open TCP connection tells reliably that the other side is gone
    /// (rust-libp2p issue 5213), so silence decides.
    fn cut_the_silent(&mut self) {
        let now = Instant::now();
        let peers = self.peers.values();
        let dead = peers
            .flat_map(|peer| silent(&peer.connections, now, SILENCE))
            .collect();
        self.close(dead);
    }

    /// Whoever leaves a room ends the subscription as well, on another stream, so it may take a moment. Gossipsub
    /// goes on sending to whoever does not.
    fn cut_the_strangers(&mut self) {
        let strangers = self.listening_strangers();
        let still: HashSet<PeerId> = strangers
            .intersection(&self.strangers)
            .map(|(peer, _)| *peer)
            .collect();
        for peer in still {
            self.cut(peer, "listens to a topic whose room it has left");
        }
        self.strangers = strangers;
    }

    fn listening_strangers(&self) -> HashSet<(PeerId, TopicHash)> {
        let mut strangers = HashSet::new();
        for (peer, topics) in self.swarm.behaviour().gossip.all_peers() {
            let foreign = topics
                .into_iter()
                .filter(|topic| !self.may_hear(peer, topic));
            strangers.extend(foreign.map(|topic| (*peer, topic.clone())));
        }
        strangers
    }

    /// Another relay has topics of its own, which lead nowhere here.
    fn may_hear(&self, peer: &PeerId, topic: &TopicHash) -> bool {
        let room = self.rooms.of_topic(topic);
        room.is_some_and(|room| self.rooms.admitted(*peer, room).is_some()) || self.mesh.knows(peer)
    }

    fn close(&mut self, dead: Vec<ConnectionId>) {
        for id in dead {
            self.swarm.close_connection(id);
            lock(&self.metrics).cut += 1;
        }
    }

    fn cut(&mut self, peer: PeerId, why: &str) {
        tracing::debug!(%peer, why, "closing a connection for cause");
        lock(&self.metrics).cut += 1;
        // Err means that it is gone already.
        let _ = self.swarm.disconnect_peer_id(peer);
    }

    // Gossip

    fn on_gossip(&mut self, event: gossipsub::Event) {
        match event {
            gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            } => self.on_message(propagation_source, message_id, message),
            gossipsub::Event::Subscribed { peer_id, topic } => {
                if !self.may_hear(&peer_id, &topic) {
                    self.cut(peer_id, "subscribed to a topic that it has not joined");
                }
            }
            gossipsub::Event::GossipsubNotSupported { peer_id } => {
                self.cut(peer_id, "does not speak gossipsub");
            }
            gossipsub::Event::SlowPeer { peer_id, .. } => {
                tracing::debug!(peer = %peer_id, "a peer takes its messages too slowly");
            }
            gossipsub::Event::Unsubscribed { .. } => {}
        }
    }

    fn on_message(&mut self, from: PeerId, id: MessageId, message: gossipsub::Message) {
        let room = self.rooms.of_topic(&message.topic);
        let Some(room) = room.filter(|room| self.rooms.admitted(from, *room).is_some()) else {
            self.decide(&id, from, MessageAcceptance::Reject);
            self.cut(from, "sent to a room that it has not joined");
            return;
        };
        // A room is a star: members send what they wrote themselves, others' only by push.
        if message.source != Some(from) {
            return self.blame(&id, from, "passed on somebody else's message");
        }
        let Some((kind, content)) = gossip::decode(&message.data) else {
            return self.blame(&id, from, "sent gossip of no known form");
        };
        if kind == GossipKind::Envelope && !names_room(content, room) {
            return self.blame(&id, from, "sent an envelope of another room");
        }
        let Some(peer) = self.peers.get_mut(&from) else {
            return self.ignore(&id, from);
        };
        if !peer.gossip.take(Instant::now()) || peer.waiting.len() >= WAITING_JOBS {
            return self.ignore(&id, from);
        }
        match kind {
            GossipKind::Ephemeral => {
                self.decide(&id, from, MessageAcceptance::Accept);
                self.mesh.tell(Live::Said(room, message.data.into()));
            }
            GossipKind::Envelope => {
                let of = Content::of(&room, &message.data);
                // A push of it was quicker.
                if self.told.knows(&of) {
                    return self.ignore(&id, from);
                }
                self.undecided
                    .insert(id.clone(), Undecided { from, content: of });
                let envelope = content.to_vec();
                self.enqueue(
                    from,
                    Job::Gossip {
                        room,
                        message: id,
                        envelope,
                    },
                );
            }
        }
    }

    /// Says whether gossipsub still has the message: it keeps what was not decided for a few seconds only.
    fn decide(&mut self, id: &MessageId, from: PeerId, acceptance: MessageAcceptance) -> bool {
        {
            let mut metrics = lock(&self.metrics);
            match acceptance {
                MessageAcceptance::Accept => metrics.gossip_accepted += 1,
                MessageAcceptance::Ignore => metrics.gossip_ignored += 1,
                MessageAcceptance::Reject => metrics.gossip_rejected += 1,
            }
        }
        self.swarm
            .behaviour_mut()
            .gossip
            .report_message_validation_result(id, &from, acceptance)
    }

    fn ignore(&mut self, id: &MessageId, from: PeerId) {
        self.decide(id, from, MessageAcceptance::Ignore);
    }

    /// Rejects a message; the third time the connection goes as well.
    fn blame(&mut self, id: &MessageId, from: PeerId, why: &str) {
        self.decide(id, from, MessageAcceptance::Reject);
        self.strike(from, why);
    }

    fn strike(&mut self, peer: PeerId, why: &str) {
        let Some(entry) = self.peers.get_mut(&peer) else {
            return;
        };
        entry.strikes += 1;
        if entry.strikes >= STRIKES {
            self.cut(peer, why);
        }
    }

    /// Tells the room, and says whether this was the first that anybody was told of it.
    fn publish(&mut self, room: RoomId, data: Vec<u8>) -> bool {
        let Some(topic) = self.rooms.topic(room).map(IdentTopic::new) else {
            return true; // Nobody is there to hear it.
        };
        let content = Content::of(&room, &data);
        if !self.told.is_new(content, Instant::now()) {
            return false;
        }
        // It came by gossip too and waits for the mailbox, which knows it by now.
        let mut undecided = self.undecided.iter();
        let waiting = undecided.find(|(_, waiting)| waiting.content == content);
        if let Some((id, from)) = waiting.map(|(id, waiting)| (id.clone(), waiting.from)) {
            self.undecided.remove(&id);
            if self.decide(&id, from, MessageAcceptance::Accept) {
                return true;
            }
        }
        match self.swarm.behaviour_mut().gossip.publish(topic, data) {
            Ok(_) | Err(PublishError::NoPeersSubscribedToTopic) => {}
            Err(error) => tracing::debug!(%error, "an envelope was not published"),
        }
        true
    }

    // Requests

    fn on_sync(&mut self, event: request_response::Event<Request, Response>) {
        match event {
            request_response::Event::Message {
                peer,
                connection_id,
                message:
                    request_response::Message::Request {
                        request, channel, ..
                    },
            } => {
                self.heard(peer, connection_id);
                self.on_request(peer, request, channel);
            }
            request_response::Event::InboundFailure { peer, error, .. } => {
                tracing::debug!(%peer, %error, "a request was not answered");
                // Too long or not decodable: the codec has closed the stream.
                if let request_response::InboundFailure::Io(error) = error
                    && error.kind() == std::io::ErrorKind::InvalidData
                {
                    self.strike(peer, "sent requests that cannot be read");
                }
            }
            _ => {}
        }
    }

    fn on_request(&mut self, peer: PeerId, request: Request, channel: ResponseChannel<Response>) {
        let now = Instant::now();
        let Some(entry) = self.peers.get_mut(&peer) else {
            return; // Disconnected meanwhile; the channel leads nowhere.
        };
        if !entry.requests.take(now) || entry.waiting.len() >= WAITING_JOBS {
            let refusal = Refusal::new(
                RefusalCode::RateLimited,
                "Too many requests in a short time. Nothing is lost; wait a moment.",
            );
            return self.answer(refused(refusal), channel);
        }
        let job = match request {
            Request::Join {
                room,
                delegation,
                device_signature,
            } => {
                if !self.rooms.contains(room) && self.rooms.len() >= gossip::MAX_TOPICS {
                    let refusal = Refusal::new(
                        RefusalCode::Unavailable,
                        "This relay has too many rooms open. Try again later.",
                    );
                    return self.answer(refused(refusal), channel);
                }
                Job::Join {
                    room,
                    delegation,
                    signature: device_signature,
                    channel,
                }
            }
            Request::Push { room, envelopes } => Job::Push {
                room,
                envelopes,
                channel,
            },
            Request::Pull { room, have, limit } => Job::Pull {
                room,
                have,
                upto: None,
                limit,
                channel,
            },
            Request::Newest {
                room,
                after,
                upto,
                limit,
            } => Job::Pull {
                room,
                have: after,
                upto: Some(upto),
                limit,
                channel,
            },
            Request::Leave { room } => Job::Leave { room, channel },
        };
        self.enqueue(peer, job);
    }

    fn answer(&mut self, response: Response, channel: ResponseChannel<Response>) {
        {
            let mut metrics = lock(&self.metrics);
            metrics.requests += 1;
            if matches!(response, Response::Refused { .. }) {
                metrics.refused += 1;
            }
        }
        // Err means that the asker is gone.
        let _ = self
            .swarm
            .behaviour_mut()
            .sync
            .send_response(channel, response);
    }

    // Circuits

    /// Calls are put through between people of a common room only.
    fn on_circuit(&mut self, question: Question) {
        let from = question.from;
        let own = *self.swarm.local_peer_id();
        let addresses = self
            .swarm
            .listeners()
            .filter(|address| Transport::of(address) == Some(Transport::WebRtc))
            .map(|address| address.clone().with(Protocol::P2p(own)).to_vec())
            .collect();
        let rooms = &self.rooms;
        let together = |to: &PeerId| rooms.are_together(&from, to);
        self.circuits
            .answer(question, rooms.is_anywhere(&from), together, addresses);
        self.count_circuits();
    }

    fn count_circuits(&self) {
        let mut metrics = lock(&self.metrics);
        metrics.circuits = self.circuits.open() as u64;
        metrics.circuits_refused = self.circuits.refused();
        metrics.circuit_bytes = self.circuits.carried();
    }

    // Jobs

    fn enqueue(&mut self, peer: PeerId, job: Job) {
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.waiting.push_back(job);
            self.start_next(peer);
        }
    }

    fn start_next(&mut self, peer: PeerId) {
        let Some(entry) = self.peers.get_mut(&peer) else {
            return;
        };
        if entry.busy {
            return;
        }
        let Some(job) = entry.waiting.pop_front() else {
            return;
        };
        entry.busy = true;
        // Looked up when the job starts, not when it came: a kick may lie between.
        let admitted = job
            .needs_admission()
            .and_then(|room| self.rooms.admitted(peer, room));
        let kicks = self.kicks;
        let run = job.run(peer, admitted, self.policy.clone());
        self.jobs
            .push(run.map(move |done| (peer, kicks, done)).boxed());
    }

    fn on_done(&mut self, peer: PeerId, kicks: u64, done: Done) {
        match done {
            Done::Join {
                room,
                result,
                channel,
            } => self.joined(peer, kicks, room, result, channel),
            Done::Push {
                room,
                new,
                response,
                channel,
            } => {
                for envelope in new {
                    if let Some(data) = gossip::encode(GossipKind::Envelope, &envelope)
                        && self.publish(room, data.clone())
                    {
                        self.mesh.tell(Live::Said(room, data.into()));
                    }
                }
                self.answer(response, channel);
            }
            Done::Answer { response, channel } => self.answer(response, channel),
            Done::Leave { room, channel } => {
                if let Some(topic) = self.rooms.leave(peer, room) {
                    self.unsubscribe(&topic);
                }
                self.count_rooms();
                self.answer(Response::Left, channel);
            }
            Done::Gossip {
                room,
                message,
                result,
            } => self.checked(peer, room, &message, result),
            Done::Kept => {}
        }
        if let Some(entry) = self.peers.get_mut(&peer) {
            entry.busy = false;
            self.start_next(peer);
        }
    }

    fn joined(
        &mut self,
        peer: PeerId,
        kicks: u64,
        room: RoomId,
        result: Result<crate::native::Admission, Refusal>,
        channel: ResponseChannel<Response>,
    ) {
        let admission = match result {
            Ok(admission) => admission,
            Err(refusal) => return self.answer(refused(refusal), channel),
        };
        if !self.peers.contains_key(&peer) {
            return; // Gone while the chain was asked.
        }
        let who = (admission.person, admission.device);
        let since = |at: Option<&u64>| at.is_some_and(|at| *at > kicks);
        let refusal = if since(self.kicked.get(&(room, admission.person))) {
            let text = "The room's owner has just removed this person.";
            Some(Refusal::new(RefusalCode::NotAllowed, text))
        } else if since(self.ended.get(&who)) {
            let text = "Your wallet has just revoked this device.";
            Some(Refusal::new(RefusalCode::Revoked, text))
        } else {
            None
        };
        if let Some(refusal) = refusal {
            return self.answer(refused(refusal), channel);
        }
        let until = Instant::now().checked_add(admission.lasts);
        // From here on everything in the topics that it subscribes to goes to it at once.
        self.swarm.behaviour_mut().gossip.add_explicit_peer(&peer);
        let (topic, first) = self.rooms.admit(peer, room, who, until, admission.topic);
        if first
            && let Err(error) = self
                .swarm
                .behaviour_mut()
                .gossip
                .subscribe(&IdentTopic::new(topic.clone()))
        {
            tracing::error!(%error, "the relay cannot subscribe to a room");
        }
        self.count_rooms();
        let response = Response::Joined {
            topic,
            have: admission.have,
        };
        self.answer(response, channel);
    }

    /// What holds goes to the room at once, and to disk after it: the sender counts it as stored only
    /// when the push of the same envelope is answered.
    fn checked(
        &mut self,
        from: PeerId,
        room: RoomId,
        id: &MessageId,
        result: Result<(Admitted, Vec<u8>), Refusal>,
    ) {
        // Not there any more: a push of the same envelope was quicker and has passed it on.
        let Some(Undecided { content, .. }) = self.undecided.remove(id) else {
            return;
        };
        match result {
            Ok((admitted, envelope)) => {
                let passed_on = self.decide(id, from, MessageAcceptance::Accept);
                if passed_on {
                    self.told.is_new(content, Instant::now());
                }
                if let Some(data) = gossip::encode(GossipKind::Envelope, &envelope) {
                    if !passed_on {
                        self.publish(room, data.clone());
                    }
                    self.mesh.tell(Live::Said(room, data.into()));
                }
                self.enqueue(from, Job::Keep { admitted, envelope });
            }
            Err(refusal) => match refusal.code {
                RefusalCode::Unavailable
                | RefusalCode::RateLimited
                | RefusalCode::NotJoined
                | RefusalCode::NotAllowed
                | RefusalCode::Revoked
                | RefusalCode::NoSuchRoom => self.ignore(id, from),
                RefusalCode::BadDelegation | RefusalCode::TooLarge => {
                    self.blame(id, from, "sent an envelope that does not hold");
                }
            },
        }
    }

    fn kick(&mut self, room: RoomId, person: Person) {
        self.kicks += 1;
        self.kicked.insert((room, person), self.kicks);
        // Who has left the room and listens on is in it no more, and may be that person. A room that is empty has no
        // topic to know it by.
        let strangers = self.listening_strangers().into_iter();
        let of_this = |topic: &TopicHash| self.rooms.of_topic(topic).is_none_or(|of| of == room);
        let mut gone: HashSet<PeerId> = strangers
            .filter(|(_, topic)| of_this(topic))
            .map(|(peer, _)| peer)
            .collect();
        for peer in self.rooms.peers_of(room, person) {
            if let Some(topic) = self.rooms.leave(peer, room) {
                self.unsubscribe(&topic);
            }
            gone.insert(peer);
        }
        for peer in gone {
            // Gossipsub cannot be told to drop one topic of a peer, so the connection goes.
            self.cut(peer, "removed from a room");
        }
        self.count_rooms();
    }

    /// A wallet has ended a device's right to act for it.
    fn end(&mut self, who: Admitted) {
        self.kicks += 1;
        if !self.jobs.is_empty() {
            self.ended.insert(who, self.kicks);
        }
        for peer in self.rooms.peers_as(who) {
            self.expel(peer, "its device was revoked");
        }
    }

    /// Out of every room, and off.
    fn expel(&mut self, peer: PeerId, why: &str) {
        for topic in self.rooms.leave_all(peer) {
            self.unsubscribe(&topic);
        }
        self.count_rooms();
        self.cut(peer, why);
    }

    fn unsubscribe(&mut self, topic: &str) {
        self.swarm
            .behaviour_mut()
            .gossip
            .unsubscribe(&IdentTopic::new(topic));
    }

    fn count_connections(&self) {
        let mut metrics = lock(&self.metrics);
        let all = || self.peers.values().flat_map(|p| p.connections.values());
        let over = |transport| {
            all()
                .filter(|connection| connection.transport == Some(transport))
                .count() as u64
        };
        metrics.connections = all().count() as u64;
        metrics.webrtc = over(Transport::WebRtc);
        metrics.websocket = over(Transport::WebSocket);
    }

    fn count_rooms(&self) {
        let mut metrics = lock(&self.metrics);
        metrics.rooms = self.rooms.len() as u64;
        metrics.admissions = self.rooms.admissions() as u64;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_comes_again_leaves_no_dead_connection_and_keeps_one_that_answers() {
        let start = Instant::now();
        let (lost, alive) = (
            ConnectionId::new_unchecked(1),
            ConnectionId::new_unchecked(2),
        );
        let after = |seconds| start + Duration::from_secs(seconds);
        let heard = |heard| Connection {
            transport: Some(Transport::WebRtc),
            heard,
        };
        let connections = HashMap::from([(lost, heard(start)), (alive, heard(after(8)))]);
        assert_eq!(silent(&connections, after(12), REPLACED), [lost]);
        assert!(silent(&connections, after(12), SILENCE).is_empty());
    }
}
