//! The holder's book: whose node it is, and which tab has which room open with which members. A room stays joined as
//! long as any tab has it.

use std::collections::{BTreeMap, BTreeSet};

use healthsync_core::{Person, RoomId};
use libp2p::PeerId;

use super::TabId;

/// See the module.
#[derive(Debug, Default)]
pub struct Desk {
    person: Option<Person>,
    rooms: BTreeMap<RoomId, BTreeMap<TabId, BTreeSet<PeerId>>>,
}

impl Desk {
    /// Whose node it is: that of the first person who joined a room by it. Others would have their accounts linked by
    /// the peer id, and the relay admits one person for each peer and room.
    pub fn person(&self) -> Option<Person> {
        self.person
    }

    /// `tab` is about to join `room`. Says whether the node serves that person.
    pub fn joins(&mut self, tab: TabId, person: Person, room: RoomId) -> bool {
        if *self.person.get_or_insert(person) != person {
            return false;
        }
        self.rooms.entry(room).or_default().entry(tab).or_default();
        true
    }

    /// The holder's own page belongs to `person` now. Returns the rooms to leave: those that only other tabs have
    /// open, for whoever had the node before.
    pub fn takes_over(&mut self, holder: TabId, person: Person) -> Vec<RoomId> {
        if self
            .person
            .replace(person)
            .is_none_or(|before| before == person)
        {
            return Vec::new();
        }
        for tabs in self.rooms.values_mut() {
            tabs.retain(|tab, _| *tab == holder);
        }
        self.empty()
    }

    /// `tab` has left `room`. Says whether nobody has it any more.
    pub fn leaves(&mut self, tab: TabId, room: RoomId) -> bool {
        if let Some(tabs) = self.rooms.get_mut(&room) {
            tabs.remove(&tab);
            if !tabs.is_empty() {
                return false;
            }
        }
        self.rooms.remove(&room);
        true
    }

    /// `tab` has gone without a word. Returns the rooms that nobody has any more.
    pub fn gone(&mut self, tab: TabId) -> Vec<RoomId> {
        for tabs in self.rooms.values_mut() {
            tabs.remove(&tab);
        }
        self.empty()
    }

    /// `tab` knows these members of `room`. Returns those that all its tabs know together.
    pub fn members(
        &mut self,
        tab: TabId,
        room: RoomId,
        members: impl IntoIterator<Item = PeerId>,
    ) -> Vec<PeerId> {
        let members: BTreeSet<PeerId> = members.into_iter().collect();
        let tabs = self.rooms.entry(room).or_default();
        if !members.is_empty() || tabs.contains_key(&tab) {
            tabs.insert(tab, members);
        }
        let all: BTreeSet<PeerId> = tabs.values().flatten().copied().collect();
        if tabs.is_empty() {
            self.rooms.remove(&room);
        }
        all.into_iter().collect()
    }

    /// Whether another tab than `holder` has `room` open.
    pub fn others(&self, holder: TabId, room: &RoomId) -> bool {
        self.rooms
            .get(room)
            .is_some_and(|tabs| tabs.keys().any(|tab| *tab != holder))
    }

    fn empty(&mut self) -> Vec<RoomId> {
        let empty: Vec<RoomId> = self
            .rooms
            .iter()
            .filter(|(_, tabs)| tabs.is_empty())
            .map(|(room, _)| *room)
            .collect();
        for room in &empty {
            self.rooms.remove(room);
        }
        empty
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLDER: TabId = TabId(1);
    const GUEST: TabId = TabId(2);
    const ADA: Person = Person([1; 20]);
    const BEN: Person = Person([2; 20]);
    const ROOM: RoomId = RoomId([3; 32]);
    const OTHER: RoomId = RoomId([4; 32]);

    #[test]
    fn a_room_is_left_after_the_last_tab_only() {
        let mut desk = Desk::default();
        assert!(desk.leaves(HOLDER, ROOM), "nobody ever had it");
        assert!(desk.joins(HOLDER, ADA, ROOM));
        assert!(!desk.others(HOLDER, &ROOM));
        for _ in 0..2 {
            assert!(desk.joins(GUEST, ADA, ROOM));
        }
        assert!(desk.others(HOLDER, &ROOM));
        assert!(!desk.leaves(HOLDER, ROOM));
        assert!(desk.others(HOLDER, &ROOM));
        assert!(desk.leaves(GUEST, ROOM));
        assert!(!desk.others(HOLDER, &ROOM));
    }

    #[test]
    fn a_tab_that_vanished_keeps_nothing() {
        let mut desk = Desk::default();
        desk.joins(HOLDER, ADA, ROOM);
        desk.joins(GUEST, ADA, ROOM);
        desk.joins(GUEST, ADA, OTHER);
        assert_eq!(desk.gone(GUEST), vec![OTHER]);
        assert_eq!(desk.gone(GUEST), vec![]);
        assert!(desk.leaves(HOLDER, ROOM));
    }

    #[test]
    fn the_node_belongs_to_the_first_person_until_its_own_page_changes() {
        let mut desk = Desk::default();
        assert!(desk.joins(GUEST, ADA, ROOM));
        assert!(!desk.joins(GUEST, BEN, OTHER));
        assert_eq!(desk.takes_over(HOLDER, ADA), vec![]);
        assert!(desk.joins(HOLDER, ADA, ROOM));
        assert!(desk.joins(GUEST, ADA, OTHER));
        assert_eq!(desk.takes_over(HOLDER, BEN), vec![OTHER]);
        assert_eq!(desk.person(), Some(BEN));
        assert!(!desk.joins(GUEST, ADA, OTHER));
        assert!(!desk.others(HOLDER, &ROOM));
        assert!(desk.joins(HOLDER, BEN, ROOM));
    }

    #[test]
    fn the_members_of_all_tabs_are_reached() {
        let mut desk = Desk::default();
        let mut peers: Vec<PeerId> = (0..3).map(|_| PeerId::random()).collect();
        peers.sort();
        assert_eq!(desk.members(GUEST, ROOM, []), vec![]);
        assert!(!desk.others(HOLDER, &ROOM), "nobody is not somebody");
        desk.members(HOLDER, ROOM, peers[..2].to_vec());
        assert_eq!(desk.members(GUEST, ROOM, peers[1..].to_vec()), peers);
        assert_eq!(desk.members(HOLDER, ROOM, []), peers[1..].to_vec());
        assert_eq!(desk.members(GUEST, ROOM, []), vec![]);
    }
}
