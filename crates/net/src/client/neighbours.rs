//! Direct links to other members, without I/O: who may be linked, whom to dial and when, who is linked.
//!
//! Of two members the one with the smaller peer id dials, so that they do not dial each other at the
//! same time. What fails is tried again later and later; a room larger than [`MOST`] is linked in part,
//! and the rest of it is reached through the relay as before.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use healthsync_core::RoomId;
use libp2p::{PeerId, swarm::ConnectionId};
use web_time::Instant;

/// Direct links of one page.
pub(crate) const MOST: usize = 8;
const FIRST_BACKOFF: Duration = Duration::from_secs(2);
const LONGEST_BACKOFF: Duration = Duration::from_secs(120);
/// A link that says nothing for so long is dead: two pings without an answer.
const SILENCE: Duration = Duration::from_secs(10);

#[derive(Debug)]
enum State {
    Waiting { until: Instant },
    Dialing,
    Linked { id: ConnectionId, heard: Instant },
}

#[derive(Debug)]
struct Neighbour {
    state: State,
    failures: u32,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Neighbours {
    me: PeerId,
    rooms: BTreeMap<RoomId, BTreeSet<PeerId>>,
    peers: BTreeMap<PeerId, Neighbour>,
}

impl Neighbours {
    pub(super) fn new(me: PeerId) -> Self {
        Self {
            me,
            rooms: BTreeMap::new(),
            peers: BTreeMap::new(),
        }
    }

    /// The members of `room` that are here now; nobody when the room was left. Returns links that have
    /// lost their reason and are to be closed.
    pub(super) fn set_room(
        &mut self,
        room: RoomId,
        members: impl IntoIterator<Item = PeerId>,
        now: Instant,
    ) -> Vec<ConnectionId> {
        let members: BTreeSet<PeerId> = members.into_iter().filter(|p| *p != self.me).collect();
        if members.is_empty() {
            self.rooms.remove(&room);
        } else {
            self.rooms.insert(room, members);
        }
        let members = self.members();
        for peer in &members {
            self.peers.entry(*peer).or_insert(Neighbour {
                state: State::Waiting { until: now },
                failures: 0,
            });
        }
        let mut close = Vec::new();
        self.peers.retain(|peer, neighbour| {
            let stays = members.contains(peer);
            if let (false, State::Linked { id, .. }) = (stays, &neighbour.state) {
                close.push(*id);
            }
            stays
        });
        close
    }

    /// Everybody who shares a room with this node.
    pub(super) fn members(&self) -> BTreeSet<PeerId> {
        self.rooms.values().flatten().copied().collect()
    }

    /// Whether `peer` is in `room`.
    pub(super) fn shares(&self, peer: &PeerId, room: &RoomId) -> bool {
        self.rooms
            .get(room)
            .is_some_and(|members| members.contains(peer))
    }

    /// Whom to dial now; they count as being dialled from here on.
    pub(super) fn due(&mut self, now: Instant) -> Vec<PeerId> {
        let busy = |n: &&mut Neighbour| !matches!(n.state, State::Waiting { .. });
        let mut free = MOST.saturating_sub(self.peers.values_mut().filter(busy).count());
        let me = self.me;
        let mut due = Vec::new();
        for (peer, neighbour) in &mut self.peers {
            let waits = matches!(neighbour.state, State::Waiting { until } if until <= now);
            if waits && me < *peer && free > 0 {
                free -= 1;
                neighbour.state = State::Dialing;
                due.push(*peer);
            }
        }
        due
    }

    /// When [`Neighbours::due`] or [`Neighbours::silent`] may have something next.
    pub(super) fn next_tick(&self, now: Instant) -> Option<Duration> {
        self.peers
            .values()
            .filter_map(|neighbour| match neighbour.state {
                State::Waiting { until } => Some(until.saturating_duration_since(now)),
                State::Linked { .. } => Some(Duration::ZERO),
                State::Dialing => None,
            })
            .min()
            .map(|wait| wait.max(Duration::from_secs(1)))
    }

    /// A connection to `peer` is there. `false`: it is not wanted and has to be closed.
    pub(super) fn linked(&mut self, peer: &PeerId, id: ConnectionId, now: Instant) -> bool {
        let links = self.up_count();
        match self.peers.get_mut(peer) {
            Some(Neighbour {
                state: State::Linked { .. },
                ..
            })
            | None => false,
            // Those who dial count the same way; a few more may come in than go out.
            Some(_) if links >= 2 * MOST => false,
            Some(neighbour) => {
                neighbour.state = State::Linked { id, heard: now };
                true
            }
        }
    }

    /// Something came over the link to `peer`.
    pub(super) fn heard(&mut self, peer: &PeerId, now: Instant) {
        if let Some(neighbour) = self.peers.get_mut(peer)
            && let State::Linked { heard, .. } = &mut neighbour.state
        {
            *heard = now;
            neighbour.failures = 0;
        }
    }

    /// Links that have died without a word.
    pub(super) fn silent(&self, now: Instant) -> Vec<ConnectionId> {
        self.peers
            .values()
            .filter_map(|neighbour| match neighbour.state {
                State::Linked { id, heard } if now.saturating_duration_since(heard) > SILENCE => {
                    Some(id)
                }
                _ => None,
            })
            .collect()
    }

    /// The attempt to dial `peer` came to nothing. `jitter` is random.
    pub(super) fn failed(&mut self, peer: &PeerId, now: Instant, jitter: u32) {
        if let Some(neighbour) = self.peers.get_mut(peer)
            && matches!(neighbour.state, State::Dialing)
        {
            neighbour.wait(now, jitter);
        }
    }

    /// A connection has closed. Says whether it was a link.
    pub(super) fn closed(
        &mut self,
        peer: &PeerId,
        closed: ConnectionId,
        now: Instant,
        jitter: u32,
    ) -> bool {
        match self.peers.get_mut(peer) {
            Some(neighbour) if matches!(neighbour.state, State::Linked { id, .. } if id == closed) =>
            {
                neighbour.wait(now, jitter);
                true
            }
            _ => false,
        }
    }

    /// The relay is back: whoever could not be called is tried again now.
    pub(super) fn relay_is_back(&mut self, now: Instant) {
        for neighbour in self.peers.values_mut() {
            if let State::Waiting { until } = &mut neighbour.state {
                *until = (*until).min(now);
                neighbour.failures = 0;
            }
        }
    }

    /// Who is linked in `room`.
    pub(super) fn up(&self, room: &RoomId) -> Vec<PeerId> {
        self.rooms.get(room).map_or_else(Vec::new, |members| {
            members
                .iter()
                .filter(|peer| self.is_linked(peer))
                .copied()
                .collect()
        })
    }

    /// Links in all.
    pub(super) fn up_count(&self) -> usize {
        self.peers
            .keys()
            .filter(|peer| self.is_linked(peer))
            .count()
    }

    fn is_linked(&self, peer: &PeerId) -> bool {
        self.peers
            .get(peer)
            .is_some_and(|neighbour| matches!(neighbour.state, State::Linked { .. }))
    }
}

impl Neighbour {
    fn wait(&mut self, now: Instant, jitter: u32) {
        let longest = FIRST_BACKOFF
            .saturating_mul(1 << self.failures.min(8))
            .min(LONGEST_BACKOFF);
        let wait = longest / 2 + (longest / 2).mul_f64(f64::from(jitter) / f64::from(u32::MAX));
        self.failures = self.failures.saturating_add(1);
        self.state = State::Waiting { until: now + wait };
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ROOM: RoomId = RoomId([1; 32]);
    const OTHER: RoomId = RoomId([2; 32]);

    fn sorted(count: usize) -> Vec<PeerId> {
        let mut peers: Vec<PeerId> = (0..count).map(|_| PeerId::random()).collect();
        peers.sort();
        peers
    }

    fn id(n: usize) -> ConnectionId {
        ConnectionId::new_unchecked(n)
    }

    #[test]
    fn of_two_the_smaller_dials_and_both_accept() {
        let peers = sorted(2);
        let now = Instant::now();
        let mut first = Neighbours::new(peers[0]);
        let mut second = Neighbours::new(peers[1]);
        first.set_room(ROOM, peers.clone(), now);
        second.set_room(ROOM, peers.clone(), now);
        assert_eq!(first.due(now), [peers[1]]);
        assert_eq!(first.due(now), [], "it is under way");
        assert_eq!(second.due(now), []);
        assert!(first.linked(&peers[1], id(1), now));
        assert!(second.linked(&peers[0], id(2), now));
        assert!(!second.linked(&peers[0], id(3), now), "one link is enough");
        assert_eq!(second.up(&ROOM), [peers[0]]);
        assert_eq!(second.up(&OTHER), []);
    }

    #[test]
    fn only_people_of_a_common_room_are_linked() {
        let peers = sorted(3);
        let now = Instant::now();
        let mut me = Neighbours::new(peers[0]);
        me.set_room(ROOM, [peers[1]], now);
        assert!(!me.linked(&peers[2], id(1), now), "a stranger");
        assert!(me.linked(&peers[1], id(2), now));
        me.set_room(OTHER, [peers[1]], now);
        assert_eq!(
            me.set_room(ROOM, [], now),
            [],
            "the other room still holds it"
        );
        assert!(me.shares(&peers[1], &OTHER) && !me.shares(&peers[1], &ROOM));
        assert_eq!(me.set_room(OTHER, [], now), [id(2)]);
        assert_eq!(me.up_count(), 0);
    }

    #[test]
    fn failures_wait_longer_each_time_and_a_large_room_is_linked_in_part() {
        let peers = sorted(30);
        let start = Instant::now();
        let mut me = Neighbours::new(peers[0]);
        me.set_room(ROOM, peers.clone(), start);
        let due = me.due(start);
        assert_eq!(due.len(), MOST);
        let mut now = start;
        let mut waits = Vec::new();
        for _ in 0..10 {
            me.failed(&due[0], now, u32::MAX);
            let neighbour = &me.peers[&due[0]];
            let State::Waiting { until } = neighbour.state else {
                panic!("it waits");
            };
            waits.push(until - now);
            now = until;
            me.peers.get_mut(&due[0]).unwrap().state = State::Dialing;
        }
        assert_eq!(waits[0], FIRST_BACKOFF);
        assert_eq!(waits[9], LONGEST_BACKOFF);
        assert!(waits.is_sorted());
    }

    #[test]
    fn a_link_that_says_nothing_is_dead_within_twelve_seconds() {
        let peers = sorted(2);
        let start = Instant::now();
        let mut me = Neighbours::new(peers[0]);
        me.set_room(ROOM, peers.clone(), start);
        me.due(start);
        me.linked(&peers[1], id(1), start);
        let later = start + SILENCE;
        me.heard(&peers[1], later);
        assert_eq!(me.silent(later + SILENCE), []);
        assert_eq!(me.silent(later + Duration::from_secs(12)), [id(1)]);
        assert!(me.next_tick(later).unwrap() <= Duration::from_secs(1));
        assert!(me.closed(&peers[1], id(1), later, 0));
        assert_eq!(me.due(later), [], "it waits a moment");
        me.relay_is_back(later);
        assert_eq!(me.due(later), [peers[1]]);
    }
}
