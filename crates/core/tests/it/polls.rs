//! Single rules of polls.

use healthsync_core::{
    EventId, Kind, Millis, OptionId, PollView, SignedEvent, Signing, WalletVote, eth,
};
use proptest::{collection::vec, prelude::*};

use crate::people::{CHAIN, Device, ROOM, T0, case, close, log_of, poll, vote};

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
            .push(self.colleagues[who].say(vote(poll, option)));
        self.events.last().unwrap().id()
    }

    fn close(&mut self, counted: Vec<EventId>) {
        let poll = self.poll;
        self.asker.lamport = self.asker.lamport.max(50);
        self.events.push(self.asker.say(close(poll, counted)));
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
    room.events.push(second.say(vote(poll, option)));
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
    let late: Vec<_> = view.late.keys().copied().collect();
    let mut expected = vec![room.colleagues[0].person, room.colleagues[1].person];
    expected.sort();
    assert_eq!(late, expected);
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
        .push(room.colleagues[1].say(close(poll, counted)));
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

#[test]
fn a_back_dated_close_or_option_changes_nothing_and_is_seen() {
    let mut room = Room::new(true);
    let (first, second) = (room.vote(0, 0), room.vote(1, 1));
    room.close(vec![first, second]);
    let closed = room.view();
    // The asker's own device, with a clock that goes back: its earlier word stands.
    room.asker.lamport = 11;
    let back = room.asker.say(close(room.poll, vec![second]));
    let back_id = back.id();
    room.events.push(back);
    room.colleagues[2].lamport = 1;
    let (poll, text) = (room.poll, "Lymphoma".to_owned());
    let added = room.colleagues[2].say(Kind::Option { poll, text });
    room.events.push(added);
    let view = room.view();
    assert_eq!(view.votes, closed.votes);
    let end = view.closed.unwrap();
    assert_eq!(end.id, closed.closed.unwrap().id);
    assert_eq!(end.contradicted_by, [back_id]);
}

#[test]
fn a_close_certifies_added_options_whatever_their_clocks() {
    let mut room = Room::new(true);
    let poll = room.poll;
    let mut add = |who: usize, lamport, text: &str| {
        room.colleagues[who].lamport = lamport;
        let text = text.to_owned();
        let event = room.colleagues[who].say(Kind::Option { poll, text });
        room.events.push(event.clone());
        event.id()
    };
    let (seen, unseen) = (add(0, 90, "Lymphoma"), add(1, 11, "Fibrosis"));
    let vote = room.vote_for(
        2,
        OptionId {
            event: seen,
            index: 0,
        },
    );
    room.asker.lamport = 50;
    room.events.push(room.asker.say(Kind::Close {
        poll,
        counted: vec![vote],
        options: Some(vec![seen]),
        registry: None,
    }));
    let view = room.view();
    assert_eq!(room.counts(), [0, 0, 1]);
    assert!(view.options.iter().all(|option| option.id.event != unseen));
    assert_eq!(view.added_options(), [seen]);
}

/// Votes by wallet: a poll of colleagues' wallets 1 to 3, as [`Device::new`] makes them.
struct Wallets {
    room: Room,
    view: PollView,
}

impl Wallets {
    fn new() -> Self {
        let mut room = Room::new(false);
        let Kind::Poll {
            case,
            question,
            options,
            open_options,
            reveal,
            ..
        } = poll(room.events[1].id(), false)
        else {
            unreachable!("a poll is one");
        };
        let ask = room.asker.say(Kind::Poll {
            case,
            question,
            options,
            open_options,
            signing: Signing::Wallet,
            reveal,
        });
        room.poll = ask.id();
        room.events.push(ask);
        let view = room.view();
        Self { room, view }
    }

    fn sign(&self, who: u8, index: u16, number: u64) -> WalletVote {
        let option = OptionId {
            event: self.room.poll,
            index,
        };
        let person = self.room.colleagues[usize::from(who)].person;
        let ballot = self
            .view
            .ballot(ROOM, CHAIN, person, number, option)
            .unwrap();
        let signature = eth::sign_hash(&ballot.signing_hash(), &[who + 2; 32]).unwrap();
        WalletVote { number, signature }
    }

    fn cast(&mut self, who: u8, index: u16, wallet: Option<WalletVote>) -> EventId {
        let poll = self.room.poll;
        let option = OptionId { event: poll, index };
        let event = self.room.colleagues[usize::from(who)].say(Kind::Vote {
            poll,
            option,
            wallet,
        });
        self.room.events.push(event);
        self.room.events.last().unwrap().id()
    }
}

#[test]
fn where_wallets_sign_only_their_own_signature_over_the_choice_counts() {
    let mut poll = Wallets::new();
    poll.cast(0, 0, None);
    let (other_choice, other_person) = (poll.sign(0, 1, 3), poll.sign(1, 0, 3));
    poll.cast(0, 0, Some(other_choice));
    poll.cast(0, 0, Some(other_person));
    let mut other_number = poll.sign(0, 0, 3);
    other_number.number = 4;
    poll.cast(0, 0, Some(other_number));
    assert_eq!(
        (poll.room.counts(), poll.room.view().voted()),
        (vec![0, 0], 0)
    );
    let good = poll.sign(0, 0, 5);
    poll.cast(0, 0, Some(good));
    assert_eq!(poll.room.counts(), [1, 0]);
}

#[test]
fn an_earlier_wallet_signature_sent_again_does_not_undo_a_changed_vote() {
    let mut poll = Wallets::new();
    let (first, changed) = (poll.sign(0, 0, 3), poll.sign(0, 1, 9));
    poll.cast(0, 0, Some(first));
    poll.cast(0, 1, Some(changed));
    poll.cast(0, 0, Some(first));
    assert_eq!(poll.room.counts(), [0, 1]);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Whatever anybody but the asker signs after a close, and with whatever clocks: the result stays.
    #[test]
    fn nothing_that_others_say_changes_a_closed_poll(
        before in vec((0..3usize, 0..3u16), 0..9),
        after in vec((0..3usize, 0..4u16, 1..200u64, 0..20u64), 1..20),
        seen in any::<u16>(),
        certify_options in any::<bool>(),
    ) {
        let mut room = Room::new(true);
        let votes: Vec<_> = before.into_iter().map(|(who, index)| room.vote(who, index)).collect();
        let counted: Vec<_> = room.view().counted().into_iter()
            .enumerate().filter(|(i, _)| seen >> i & 1 == 1).map(|(_, id)| id).collect();
        let poll = room.poll;
        room.asker.lamport = 50;
        room.events.push(room.asker.say(Kind::Close {
            poll,
            counted: counted.clone(),
            options: certify_options.then(Vec::new),
            registry: None,
        }));
        let closed = room.view();
        for (who, index, lamport, at) in after {
            let kind = match index {
                3 => Kind::Option { poll, text: "Late".into() },
                2 => close(poll, votes.clone()),
                _ => vote(poll, OptionId { event: poll, index }),
            };
            room.colleagues[who].lamport = lamport;
            let event = room.colleagues[who].say_at(kind, Millis::from_seconds(T0 + at));
            room.events.push(event);
        }
        let view = room.view();
        prop_assert_eq!(&view.votes, &closed.votes);
        prop_assert_eq!(view.closed, closed.closed);
        let counts = |view: &[healthsync_core::OptionView]| -> Vec<u32> { view.iter().take(2).map(|o| o.count).collect() };
        prop_assert_eq!(counts(&view.options), counts(&closed.options));
        // A vote that was there and is not certified can be shown: it is listed as late.
        for (person, (event, _)) in &closed.late {
            prop_assert!(!counted.contains(event));
            prop_assert!(closed.votes.get(person).is_none_or(|(counts, _)| counts != event));
        }
    }
}
