//! Single rules of polls.

use healthsync_core::{EventId, Kind, OptionId, PollView, SignedEvent};

use crate::people::{Device, case, log_of, poll};

/// A case and a poll on it by person 0, and three colleagues who have come in.
struct Room {
    events: Vec<SignedEvent>,
    asker: Device,
    colleagues: [Device; 3],
    poll: EventId,
}

impl Room {
    fn new(open_options: bool) -> Self {
        let mut asker = Device::new(0, 0);
        let mut colleagues = [1, 2, 3].map(|p| Device::new(p, 0));
        let mut events = vec![asker.enter(), asker.say(case())];
        let case = events[1].id();
        events.push(asker.say(poll(case, open_options)));
        events.extend(colleagues.iter_mut().map(Device::enter));
        for device in &mut colleagues {
            device.lamport = 10;
        }
        asker.lamport = 10;
        let poll = events[2].id();
        Self {
            events,
            asker,
            colleagues,
            poll,
        }
    }

    fn vote(&mut self, who: usize, index: u16) -> EventId {
        let event = self.poll;
        self.vote_for(who, OptionId { event, index })
    }

    fn vote_for(&mut self, who: usize, option: OptionId) -> EventId {
        let poll = self.poll;
        self.events
            .push(self.colleagues[who].say(Kind::Vote { poll, option }));
        self.events.last().unwrap().id()
    }

    fn close(&mut self, counted: Vec<EventId>) {
        let poll = self.poll;
        self.asker.lamport = self.asker.lamport.max(50);
        self.events
            .push(self.asker.say(Kind::Close { poll, counted }));
    }

    /// The same whichever way round the events come.
    fn view(&self) -> PollView {
        let log = log_of(&self.events);
        let reversed = log_of(self.events.iter().rev());
        assert_eq!(log.state().to_bytes(), reversed.state().to_bytes());
        log.state().poll(&self.poll).unwrap().clone()
    }

    fn counts(&self) -> Vec<u32> {
        self.view()
            .options
            .iter()
            .map(|option| option.count)
            .collect()
    }
}

#[test]
fn a_changed_vote_replaces_the_one_before() {
    let mut room = Room::new(false);
    room.vote(0, 0);
    room.vote(1, 0);
    assert_eq!(room.counts(), [2, 0]);
    room.vote(0, 1);
    assert_eq!(room.counts(), [1, 1]);
    let (poll, colleague) = (room.view(), room.colleagues[0].person);
    assert_eq!(poll.vote_of(&colleague).unwrap().index, 1);
    assert_eq!(poll.options[1].voters, [colleague]);
    assert_eq!((poll.total(), poll.voted()), (2, 2));
}

#[test]
fn concurrent_votes_of_one_persons_two_devices_count_as_one() {
    let mut room = Room::new(false);
    let mut second = Device::new(1, 1);
    room.events.push(second.enter());
    second.lamport = 10;
    room.vote(0, 0);
    let (poll, event) = (room.poll, room.poll);
    let option = OptionId { event, index: 1 };
    room.events.push(second.say(Kind::Vote { poll, option }));
    assert_eq!(room.view().total(), 1);
}

#[test]
fn votes_for_what_is_no_option_do_not_count() {
    let mut room = Room::new(false);
    room.vote(0, 1);
    room.vote(0, 2);
    room.vote_for(
        1,
        OptionId {
            event: EventId([9; 32]),
            index: 0,
        },
    );
    assert_eq!(room.counts(), [0, 1]);
    assert_eq!(room.view().voted(), 1);
}

#[test]
fn anybody_adds_options_when_they_are_open_and_nobody_when_not() {
    for open in [true, false] {
        let mut room = Room::new(open);
        let (poll, text) = (room.poll, "Lymphoma".to_owned());
        let added = room.colleagues[2].say(Kind::Option { poll, text });
        let option = OptionId {
            event: added.id(),
            index: 0,
        };
        room.vote_for(0, option);
        room.events.push(added);
        room.vote_for(1, OptionId { index: 1, ..option });
        let view = room.view();
        if open {
            assert_eq!(room.counts(), [0, 0, 1]);
            assert_eq!(
                (view.options[2].id, view.options[2].by),
                (option, room.colleagues[2].person)
            );
        } else {
            assert_eq!(room.counts(), [0, 0]);
        }
    }
}

#[test]
fn after_the_close_only_certified_votes_count() {
    let mut room = Room::new(true);
    let counted = room.vote(0, 0);
    room.close(vec![counted]);
    // Before the close by its clock, but the asker had not seen it; and a vote changed afterwards.
    room.vote(1, 1);
    room.vote(0, 1);
    let view = room.view();
    assert_eq!(room.counts(), [1, 0]);
    assert_eq!(view.uncounted, [room.colleagues[1].person]);
    assert_eq!((view.total(), view.voted()), (1, 2));
    assert_eq!(view.closed.unwrap().counted, [counted]);
}

#[test]
fn the_asker_closes_once_and_nobody_else_does() {
    let mut room = Room::new(true);
    let vote = room.vote(0, 0);
    let poll = room.poll;
    let counted = vec![];
    room.events
        .push(room.colleagues[1].say(Kind::Close { poll, counted }));
    assert_eq!(room.view().closed, None);
    room.close(vec![vote]);
    room.close(vec![]);
    assert_eq!(room.counts(), [1, 0]);
    // An option that comes after the close is none.
    room.colleagues[1].lamport = 60;
    let text = "Too late".to_owned();
    room.events
        .push(room.colleagues[1].say(Kind::Option { poll, text }));
    assert_eq!(room.view().options.len(), 2);
}
