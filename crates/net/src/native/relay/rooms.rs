//! Who is admitted to which room on this relay. Pure bookkeeping; the swarm is elsewhere.

use std::{
    collections::{HashMap, HashSet},
    time::Instant,
};

use healthsync_core::{DeviceKey, Person, RoomId};
use libp2p::{
    PeerId,
    gossipsub::{IdentTopic, TopicHash},
};

/// Person and device that a connection has proved.
pub(super) type Admitted = (Person, DeviceKey);

/// Rooms with at least one member connected.
#[derive(Debug, Default)]
pub(super) struct Rooms {
    rooms: HashMap<RoomId, Room>,
    topics: HashMap<TopicHash, RoomId>,
}

#[derive(Debug)]
struct Room {
    topic: String,
    members: HashMap<PeerId, Member>,
}

#[derive(Debug)]
struct Member {
    who: Admitted,
    /// When the device's delegation ends; `None` is beyond what a clock can say.
    until: Option<Instant>,
}

impl Rooms {
    /// Number of rooms with somebody in them.
    pub(super) fn len(&self) -> usize {
        self.rooms.len()
    }

    /// Number of admissions over all rooms.
    pub(super) fn admissions(&self) -> usize {
        self.rooms.values().map(|room| room.members.len()).sum()
    }

    pub(super) fn contains(&self, room: RoomId) -> bool {
        self.rooms.contains_key(&room)
    }

    /// Lets `peer` in. Returns the topic that the room uses; the second value is true when the room
    /// has just come to life, so that the relay has to subscribe.
    pub(super) fn admit(
        &mut self,
        peer: PeerId,
        room: RoomId,
        who: Admitted,
        until: Option<Instant>,
        topic: String,
    ) -> (String, bool) {
        let mut first = false;
        let entry = self.rooms.entry(room).or_insert_with(|| {
            first = true;
            self.topics
                .insert(IdentTopic::new(topic.clone()).hash(), room);
            Room {
                topic,
                members: HashMap::new(),
            }
        });
        entry.members.insert(peer, Member { who, until });
        (entry.topic.clone(), first)
    }

    /// Takes `peer` out of `room`. Returns the topic when that left the room empty.
    pub(super) fn leave(&mut self, peer: PeerId, room: RoomId) -> Option<String> {
        let entry = self.rooms.get_mut(&room)?;
        entry.members.remove(&peer);
        if !entry.members.is_empty() {
            return None;
        }
        let topic = self.rooms.remove(&room)?.topic;
        self.topics.remove(&IdentTopic::new(topic.clone()).hash());
        Some(topic)
    }

    /// Takes `peer` out of every room. Returns the topics of rooms that are empty now.
    pub(super) fn leave_all(&mut self, peer: PeerId) -> Vec<String> {
        let rooms: Vec<RoomId> = self
            .rooms
            .iter()
            .filter(|(_, room)| room.members.contains_key(&peer))
            .map(|(id, _)| *id)
            .collect();
        rooms
            .into_iter()
            .filter_map(|room| self.leave(peer, room))
            .collect()
    }

    /// Whether `peer` is in any room.
    pub(super) fn is_anywhere(&self, peer: &PeerId) -> bool {
        self.rooms
            .values()
            .any(|room| room.members.contains_key(peer))
    }

    /// Whether both are in one room.
    pub(super) fn are_together(&self, one: &PeerId, other: &PeerId) -> bool {
        self.rooms
            .values()
            .any(|room| room.members.contains_key(one) && room.members.contains_key(other))
    }

    /// Whom `peer` has proved to be in `room`.
    pub(super) fn admitted(&self, peer: PeerId, room: RoomId) -> Option<Admitted> {
        Some(self.rooms.get(&room)?.members.get(&peer)?.who)
    }

    pub(super) fn topic(&self, room: RoomId) -> Option<&str> {
        self.rooms.get(&room).map(|room| room.topic.as_str())
    }

    pub(super) fn of_topic(&self, topic: &TopicHash) -> Option<RoomId> {
        self.topics.get(topic).copied()
    }

    /// Connections of `person` in `room`.
    pub(super) fn peers_of(&self, room: RoomId, person: Person) -> Vec<PeerId> {
        self.rooms.get(&room).map_or_else(Vec::new, |room| {
            room.members
                .iter()
                .filter(|(_, member)| member.who.0 == person)
                .map(|(peer, _)| *peer)
                .collect()
        })
    }

    /// Connections of this very device in any room.
    pub(super) fn peers_as(&self, who: Admitted) -> HashSet<PeerId> {
        self.peers_with(|member| member.who == who)
    }

    /// Connections that are in a room by a delegation that has ended.
    pub(super) fn over(&self, now: Instant) -> HashSet<PeerId> {
        self.peers_with(|member| member.until.is_some_and(|until| until <= now))
    }

    fn peers_with(&self, wanted: impl Fn(&Member) -> bool) -> HashSet<PeerId> {
        let members = self.rooms.values().flat_map(|room| &room.members);
        members
            .filter(|(_, member)| wanted(member))
            .map(|(peer, _)| *peer)
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn a_room_lives_as_long_as_somebody_is_in_it() {
        let mut rooms = Rooms::default();
        let (a, b) = (PeerId::random(), PeerId::random());
        let room = RoomId([1; 32]);
        let who = (Person([2; 20]), DeviceKey([3; 32]));
        assert_eq!(
            rooms.admit(a, room, who, None, "t".into()),
            ("t".to_owned(), true)
        );
        assert_eq!(
            rooms.admit(b, room, who, None, "t".into()),
            ("t".to_owned(), false)
        );
        assert_eq!(rooms.of_topic(&IdentTopic::new("t").hash()), Some(room));
        assert_eq!(rooms.peers_of(room, who.0).len(), 2);
        assert!(rooms.are_together(&a, &b) && rooms.is_anywhere(&a));
        assert!(!rooms.are_together(&a, &PeerId::random()));
        assert_eq!(rooms.leave(a, room), None);
        assert_eq!(rooms.admitted(a, room), None);
        assert_eq!(rooms.admitted(b, room), Some(who));
        assert_eq!(rooms.leave_all(b), vec!["t".to_owned()]);
        assert_eq!(rooms.len(), 0);
        assert_eq!(rooms.of_topic(&IdentTopic::new("t").hash()), None);
    }

    #[test]
    fn an_admission_ends_with_its_delegation_and_a_newer_one_prolongs_it() {
        let mut rooms = Rooms::default();
        let (peer, room) = (PeerId::random(), RoomId([1; 32]));
        let who = (Person([2; 20]), DeviceKey([3; 32]));
        let end = Instant::now();
        let later = end + Duration::from_secs(1);
        rooms.admit(peer, room, who, Some(end), "t".into());
        assert_eq!(rooms.over(end), HashSet::from([peer]));
        rooms.admit(peer, room, who, Some(later), "t".into());
        assert!(rooms.over(end).is_empty());
        assert_eq!(rooms.over(later), HashSet::from([peer]));
        assert_eq!(rooms.peers_as(who), HashSet::from([peer]));
        assert!(rooms.peers_as((who.0, DeviceKey([4; 32]))).is_empty());
    }
}
