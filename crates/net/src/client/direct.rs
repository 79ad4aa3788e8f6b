//! Direct links to other members: dials and closes them as [`Neighbours`] decides, speaks and listens
//! on them, gives blobs to whoever may have them, and keeps this node callable at the relay.

use std::{
    collections::{BTreeSet, HashMap},
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use futures::{
    FutureExt, StreamExt,
    channel::mpsc,
    future::BoxFuture,
    stream::{Fuse, FuturesUnordered},
};
use healthsync_core::RoomId;
use libp2p::{
    PeerId, Stream, Swarm,
    swarm::{
        ConnectionId,
        dial_opts::{DialOpts, PeerCondition},
    },
};
use libp2p_stream::{Control, IncomingStreams};
use web_time::Instant;

use super::{
    lines::{self, Heard},
    neighbours::Neighbours,
};
use crate::{
    behaviour::Behaviour,
    blob::{self, Shelf},
    circuit::{
        client,
        transport::{Welcome, address},
    },
};

/// What was heard and not taken yet; a link waits when it is full.
const WAITING: usize = 64;
/// Streams on which blobs are being given away.
const GIVING: usize = 24;
/// The relay forgets a reservation after an hour.
const RESERVE_AGAIN: Duration = Duration::from_secs(30 * 60);
/// After a failure: at first soon, because of questions that come at the same moment the relay hears only one, then less
/// and less often.
const RESERVE_SOON: Duration = Duration::from_millis(500);
const RESERVE_LATER: Duration = Duration::from_secs(10);

/// Members by room, for the tasks that give blobs away: the question is asked when it is answered.
type Rooms = Arc<Mutex<Vec<(RoomId, BTreeSet<PeerId>)>>>;

pub(super) struct Direct {
    neighbours: Neighbours,
    control: Control,
    welcome: Welcome,
    shelf: Arc<dyn Shelf>,
    rooms: Rooms,
    speaking: HashMap<PeerId, mpsc::Sender<Vec<u8>>>,
    said: Fuse<IncomingStreams>,
    wanted: Fuse<IncomingStreams>,
    heard: (mpsc::Sender<Heard>, mpsc::Receiver<Heard>),
    tasks: FuturesUnordered<BoxFuture<'static, ()>>,
    giving: Arc<AtomicUsize>,
    reservation: Reservation,
}

/// Whether the relay puts calls through to us.
struct Reservation {
    usable: bool,
    again: Instant,
    failures: u32,
    done: (mpsc::Sender<bool>, mpsc::Receiver<bool>),
}

impl Reservation {
    /// How long until the relay is asked again.
    fn wait(&mut self, reserved: bool) -> Duration {
        if reserved {
            self.failures = 0;
            return RESERVE_AGAIN;
        }
        let wait = RESERVE_SOON.saturating_mul(1 << self.failures.min(8));
        self.failures = self.failures.saturating_add(1);
        wait.min(RESERVE_LATER)
    }
}

impl Direct {
    pub(super) fn new(
        me: PeerId,
        mut control: Control,
        welcome: Welcome,
        shelf: Arc<dyn Shelf>,
    ) -> Self {
        let mut accept = |protocol| {
            control
                .accept(protocol)
                .expect("each protocol is taken once")
                .fuse()
        };
        Self {
            neighbours: Neighbours::new(me),
            said: accept(lines::PROTOCOL),
            wanted: accept(blob::PROTOCOL),
            control,
            welcome,
            shelf,
            rooms: Rooms::default(),
            speaking: HashMap::new(),
            heard: mpsc::channel(WAITING),
            tasks: FuturesUnordered::new(),
            giving: Arc::default(),
            reservation: Reservation {
                usable: false,
                again: Instant::now(),
                failures: 0,
                done: mpsc::channel(1),
            },
        }
    }

    /// The next message that a member has said; everything else on the links is done meanwhile.
    pub(super) async fn next(&mut self) -> Heard {
        loop {
            futures::select! {
                heard = self.heard.1.select_next_some() => return heard,
                (peer, stream) = self.said.select_next_some() => {
                    let listen = lines::listen(peer, stream, self.heard.0.clone());
                    self.tasks.push(listen.boxed());
                }
                (peer, stream) = self.wanted.select_next_some() => {
                    self.give(peer, stream);
                }
                reserved = self.reservation.done.1.select_next_some() => {
                    self.reservation.again = Instant::now() + self.reservation.wait(reserved);
                }
                () = self.tasks.select_next_some() => {}
            }
        }
    }

    fn give(&mut self, peer: PeerId, stream: Stream) {
        if self.giving.load(Ordering::Relaxed) >= GIVING {
            let decline = blob::shell::decline(stream).map(drop);
            self.tasks.push(decline.boxed());
            return;
        }
        let (shelf, rooms, giving) = (self.shelf.clone(), self.rooms.clone(), self.giving.clone());
        giving.fetch_add(1, Ordering::Relaxed);
        let give = async move {
            let allowed = |room: &RoomId| {
                lock(&rooms)
                    .iter()
                    .any(|(id, members)| id == room && members.contains(&peer))
            };
            if let Err(error) = blob::shell::give(stream, shelf, allowed).await {
                tracing::debug!(%peer, %error, "giving a blob broke off");
            }
            giving.fetch_sub(1, Ordering::Relaxed);
        };
        self.tasks.push(give.boxed());
    }

    /// See [`Neighbours::set_room`].
    pub(super) fn set_room(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        room: RoomId,
        members: Vec<PeerId>,
        now: Instant,
    ) {
        {
            let mut rooms = lock(&self.rooms);
            rooms.retain(|(id, _)| *id != room);
            if !members.is_empty() {
                rooms.push((room, members.iter().copied().collect()));
            }
        }
        for id in self.neighbours.set_room(room, members, now) {
            swarm.close_connection(id);
        }
        let members = self.neighbours.members();
        self.speaking.retain(|peer, _| members.contains(peer));
        self.welcome.set(members);
    }

    /// Dials, closes what is dead, and keeps the reservation. `usable`: the relay can be used.
    pub(super) fn tick(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        relay: PeerId,
        usable: bool,
        now: Instant,
    ) {
        for id in self.neighbours.silent(now) {
            swarm.close_connection(id);
        }
        let came_back = usable && !self.reservation.usable;
        self.reservation.usable = usable;
        if came_back {
            self.reservation.again = now;
            self.reservation.failures = 0;
            self.neighbours.relay_is_back(now);
        }
        if !usable || self.neighbours.members().is_empty() {
            return;
        }
        if self.reservation.again <= now {
            // Until the answer is there.
            self.reservation.again = now + RESERVE_AGAIN;
            let (mut control, mut done) = (self.control.clone(), self.reservation.done.0.clone());
            let reserve = async move {
                let reserve = client::reserve(&mut control, relay).boxed();
                let outcome = client::within(client::LIMIT, reserve).await;
                let reserved = match outcome {
                    Ok(Ok(_)) => true,
                    Ok(Err(error)) => {
                        tracing::debug!(%error, "the relay puts no calls through");
                        false
                    }
                    Err(_) => false,
                };
                // Full means that another answer waits already.
                let _ = done.try_send(reserved);
            };
            self.tasks.push(reserve.boxed());
        }
        for peer in self.neighbours.due(now) {
            let options = DialOpts::peer_id(peer)
                .condition(PeerCondition::Always)
                .addresses(vec![address(peer)])
                .build();
            if let Err(error) = swarm.dial(options) {
                tracing::debug!(%peer, %error, "a direct link cannot be dialled");
                self.neighbours.failed(&peer, now, u32::MAX);
            }
        }
    }

    pub(super) fn next_tick(&self, now: Instant) -> Option<Duration> {
        self.neighbours.next_tick(now)
    }

    pub(super) fn connected(
        &mut self,
        swarm: &mut Swarm<Behaviour>,
        peer: PeerId,
        id: ConnectionId,
        now: Instant,
    ) {
        if !self.neighbours.linked(&peer, id, now) {
            swarm.close_connection(id);
            return;
        }
        let (speaking, write) = lines::speak(peer, self.control.clone());
        self.speaking.insert(peer, speaking);
        self.tasks.push(write.boxed());
    }

    pub(super) fn closed(&mut self, peer: &PeerId, id: ConnectionId, now: Instant, jitter: u32) {
        if self.neighbours.closed(peer, id, now, jitter) {
            self.speaking.remove(peer);
        }
    }

    pub(super) fn failed(&mut self, peer: &PeerId, now: Instant, jitter: u32) {
        self.neighbours.failed(peer, now, jitter);
    }

    pub(super) fn heard(&mut self, peer: &PeerId, now: Instant) {
        self.neighbours.heard(peer, now);
    }

    pub(super) fn shares(&self, peer: &PeerId, room: &RoomId) -> bool {
        self.neighbours.shares(peer, room)
    }

    pub(super) fn linked(&self, room: &RoomId) -> Vec<PeerId> {
        self.neighbours.up(room)
    }

    pub(super) fn count(&self) -> u32 {
        u32::try_from(self.neighbours.up_count()).unwrap_or(u32::MAX)
    }

    /// Says a gossip message to everybody in `room` with a direct link.
    pub(super) fn say(&mut self, room: &RoomId, message: &[u8]) {
        let linked = self.neighbours.up(room);
        if linked.is_empty() {
            return;
        }
        let frame = lines::frame(room, message);
        for peer in linked {
            let speaking = self.speaking.get_mut(&peer);
            if speaking.is_none_or(|frames| frames.try_send(frame.clone()).is_err()) {
                tracing::debug!(%peer, "a direct link is full; the relay carries this");
            }
        }
    }
}

/// A lock whose holder only reads and copies and cannot panic.
fn lock<T>(shared: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    shared
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}
