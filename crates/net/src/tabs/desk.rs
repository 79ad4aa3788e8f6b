//! The host's book: which tab has which room open, and whom it can reach there. The node stays in a room as long as
//! any tab has it.

use healthsync_core::RoomId;
use libp2p::PeerId;

use super::TabId;

/// See the module.
#[derive(Debug, Default)]
pub struct Desk(Vec<Open>);

#[derive(Debug)]
struct Open {
    tab: TabId,
    room: RoomId,
    members: Vec<PeerId>,
}

impl Desk {
    /// `tab` joins `room`.
    pub fn joins(&mut self, tab: TabId, room: RoomId) {
        self.open(tab, room);
    }

    /// `tab` can reach these members of `room`. Returns those that all its tabs can reach.
    pub fn members(&mut self, tab: TabId, room: RoomId, members: Vec<PeerId>) -> Vec<PeerId> {
        let its = |open: &Open| open.tab == tab && open.room == room;
        // Nobody is what a page says of a room that it is about to leave, or has never joined.
        if !members.is_empty() || self.0.iter().any(its) {
            self.open(tab, room).members = members;
        }
        self.reached(room)
    }

    /// `tab` has left `room`. `None` when no tab has it any more, else whom the others can reach.
    pub fn leaves(&mut self, tab: TabId, room: RoomId) -> Option<Vec<PeerId>> {
        self.0.retain(|open| open.tab != tab || open.room != room);
        self.is_open(room).then(|| self.reached(room))
    }

    /// The rooms that `tab` has open: it has gone without a word.
    pub fn rooms_of(&self, tab: TabId) -> Vec<RoomId> {
        let its = self.0.iter().filter(|open| open.tab == tab);
        its.map(|open| open.room).collect()
    }

    /// Whether another tab than `host` has `room` open.
    pub fn has_guest(&self, host: TabId, room: RoomId) -> bool {
        let mut all = self.0.iter();
        all.any(|open| open.room == room && open.tab != host)
    }

    fn is_open(&self, room: RoomId) -> bool {
        self.0.iter().any(|open| open.room == room)
    }

    fn reached(&self, room: RoomId) -> Vec<PeerId> {
        let its = self.0.iter().filter(|open| open.room == room);
        its.flat_map(|open| open.members.iter().copied()).collect()
    }

    fn open(&mut self, tab: TabId, room: RoomId) -> &mut Open {
        let known = |open: &Open| open.tab == tab && open.room == room;
        let at = self.0.iter().position(known).unwrap_or_else(|| {
            self.0.push(Open {
                tab,
                room,
                members: Vec::new(),
            });
            self.0.len() - 1
        });
        &mut self.0[at]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOST: TabId = 1;
    const GUEST: TabId = 2;
    const ROOM: RoomId = RoomId([3; 32]);
    const OTHER: RoomId = RoomId([4; 32]);

    #[test]
    fn a_room_is_left_after_the_last_tab_only() {
        let mut desk = Desk::default();
        assert_eq!(desk.leaves(HOST, ROOM), None, "nobody ever had it");
        desk.joins(HOST, ROOM);
        assert!(!desk.has_guest(HOST, ROOM));
        for _ in 0..2 {
            desk.joins(GUEST, ROOM);
        }
        assert!(desk.has_guest(HOST, ROOM) && !desk.has_guest(HOST, OTHER));
        assert_eq!(desk.leaves(HOST, ROOM), Some(vec![]));
        assert!(desk.has_guest(HOST, ROOM));
        assert_eq!(desk.leaves(GUEST, ROOM), None);
        assert!(!desk.has_guest(HOST, ROOM));
    }

    #[test]
    fn a_tab_that_vanished_had_these_rooms() {
        let mut desk = Desk::default();
        desk.joins(HOST, ROOM);
        desk.joins(GUEST, ROOM);
        desk.joins(GUEST, OTHER);
        assert_eq!(desk.rooms_of(GUEST), vec![ROOM, OTHER]);
        assert_eq!(desk.leaves(GUEST, ROOM), Some(vec![]));
        assert_eq!(desk.leaves(GUEST, OTHER), None);
        assert_eq!(desk.rooms_of(GUEST), vec![]);
    }

    #[test]
    fn whom_any_tab_can_reach_is_reached() {
        let mut desk = Desk::default();
        let [a, b, c] = std::array::from_fn(|_| PeerId::random());
        assert_eq!(desk.members(HOST, ROOM, vec![a, b]), vec![a, b]);
        assert_eq!(desk.members(GUEST, ROOM, vec![c]), vec![a, b, c]);
        assert_eq!(desk.members(GUEST, OTHER, vec![]), vec![]);
        assert_eq!(desk.rooms_of(GUEST), vec![ROOM]);
        assert_eq!(desk.members(GUEST, OTHER, vec![b]), vec![b]);
        assert_eq!(desk.members(HOST, ROOM, vec![]), vec![c]);
        assert_eq!(desk.members(HOST, ROOM, vec![a]), vec![a, c]);
        assert_eq!(desk.leaves(GUEST, ROOM), Some(vec![a]));
    }
}
