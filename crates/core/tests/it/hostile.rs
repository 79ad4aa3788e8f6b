//! Members and outsiders who do not keep to the rules: each has a rule against it, and an outcome to see.

use healthsync_core::{
    EventError, Inserted, Kind, Millis, Rejected, RoomId, RoomLog, SignedEvent, VersionVector,
    Waits, limits,
};
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::people::{CHAIN, Device, ROOM, T0, log_of, message, poll};

fn two() -> (Device, Device, Vec<SignedEvent>) {
    let (mut ada, mut eve) = (Device::new(1, 0), Device::new(2, 0));
    let events = vec![ada.enter(), eve.enter()];
    (ada, eve, events)
}

#[test]
fn a_member_cannot_push_the_clock_to_its_end() {
    let (mut ada, mut eve, mut events) = two();
    for lamport in [limits::CLOCK, limits::CLOCK - 1, limits::CLOCK_STEP * 3] {
        eve.lamport = lamport;
        events.push(eve.say_at(message("Me last, for ever"), Millis::from_seconds(T0)));
    }
    let log = log_of(&events);
    assert_eq!(log.next_lamport(), 2);
    assert!(log.state().messages.is_empty());
    let waits: Vec<_> = log.state().pending.iter().map(|p| p.waits).collect();
    assert_eq!(waits, [Waits::Clock; 3]);
    // Others go on, in their own order, and after the highest clock that is possible.
    events.push(ada.say(message("Going on")));
    let log = log_of(&events);
    assert_eq!(log.state().messages.len(), 1);
    assert_eq!(log.next_lamport(), 3);
}

#[test]
fn a_clock_that_runs_ahead_in_steps_costs_an_event_each() {
    let (_, mut eve, mut events) = two();
    for step in 1..=40 {
        eve.lamport = 1 + step * limits::CLOCK_STEP;
        events.push(eve.say_at(message("Faster"), Millis::from_seconds(T0)));
    }
    let log = log_of(events.iter().rev());
    assert_eq!(log.next_lamport(), 2 + 40 * limits::CLOCK_STEP);
    assert_eq!(log.state().messages.len(), 40);
    assert!(log.state().pending.is_empty());
    // To the end of the clock it takes more events than any relay takes from a room.
    let (room_bytes, smallest_envelope) = (1u64 << 30, 400);
    assert!(limits::CLOCK / limits::CLOCK_STEP > 1_000 * room_bytes / smallest_envelope);
}

#[test]
fn an_event_beyond_the_clock_counts_once_the_others_have_come_that_far() {
    let (mut ada, mut eve, mut events) = two();
    eve.lamport = 3 * limits::CLOCK_STEP;
    let far = eve.say_at(message("Early"), Millis::from_seconds(T0));
    events.push(far.clone());
    assert_eq!(log_of(&events).state().pending.len(), 1);
    for step in 1..=2 {
        ada.lamport = step * limits::CLOCK_STEP;
        events.push(ada.say(message("Later")));
    }
    let log = log_of(&events);
    assert!(log.message(&far.id()).is_some() && log.state().pending.is_empty());
    assert_eq!(
        log.state().to_bytes(),
        log_of(events.iter().rev()).state().to_bytes()
    );
}

#[test]
fn the_newest_part_of_a_history_can_be_read_first() {
    let (mut ada, _, mut events) = two();
    ada.lamport = 90_000;
    let newest = ada.say(message("The newest"));
    events.push(newest.clone());
    let mut log = log_of(&events);
    assert_eq!(log.state().pending.len(), 1);
    log.clock_is_at(newest.event.lamport);
    assert!(log.message(&newest.id()).is_some());
    assert_eq!(log.next_lamport(), 90_002);
}

#[test]
fn what_is_missing_is_named_newest_stretch_first() {
    let (mut ada, eve, mut events) = two();
    events.extend((0..9).map(|n| ada.say(message(&n.to_string()))));
    let log = log_of(&events);
    let heads = log.heads();
    let (device, last) = (ada.secret.public(), heads.get(&ada.secret.public()));
    let without = |gone: &[u64]| {
        let kept = events
            .iter()
            .filter(|event| event.event.device != device || !gone.contains(&event.event.seq));
        let (after, upto) = log_of(kept).newest_missing(&heads);
        let known = |vector: &VersionVector| vector.0.get(&device).copied();
        (known(&after), known(&upto))
    };
    assert_eq!(without(&[]), (None, None));
    assert_eq!(without(&[last]), (Some(last - 1), Some(last)));
    assert_eq!(without(&[1, 2, 5, 6]), (Some(4), Some(6)));
    assert_eq!(without(&[1, 2]), (Some(0), Some(2)));
    let all: Vec<u64> = (1..=last).collect();
    assert_eq!(without(&all), (Some(0), Some(last)));
    // Whoever the relay has nothing of is not asked for.
    let mut fewer = heads.clone();
    fewer.0.remove(&device);
    let eves = eve.secret.public();
    let (_, upto) = log_of(&[]).newest_missing(&fewer);
    assert_eq!(upto.0.keys().collect::<Vec<_>>(), [&eves]);
}

/// The device's clock: no order depends on it.
#[test]
fn a_clock_wrong_by_a_day_changes_no_order() {
    let (mut ada, mut eve, mut events) = two();
    let times = [T0 + 86_000, T0 + 10, T0 + 43_000];
    for (i, at) in times.into_iter().enumerate() {
        let device = if i == 1 { &mut eve } else { &mut ada };
        device.lamport = 10 + i as u64;
        events.push(device.say_at(message(&i.to_string()), Millis::from_seconds(at)));
    }
    let texts: Vec<_> = log_of(&events)
        .state()
        .messages
        .iter()
        .map(|m| m.text.clone())
        .collect();
    assert_eq!(texts, ["0", "1", "2"]);
}

#[test]
fn dated_outside_the_delegation_it_does_not_count() {
    let (mut ada, _, mut events) = two();
    for at in [T0 - 86_400, T0 - 301, T0 + 86_400, T0 + 90 * 86_400] {
        events.push(ada.say_at(message("When?"), Millis::from_seconds(at)));
    }
    let log = log_of(&events);
    assert!(log.state().messages.is_empty());
    assert_eq!(log.state().pending.len(), 4);
}

/// A vote after the close, dated and numbered as if it had come before.
#[test]
fn a_back_dated_vote_does_not_change_a_closed_poll() {
    let (mut ada, mut eve, mut events) = two();
    let picture = ada.say(crate::people::case());
    let asked = ada.say(poll(picture.id(), false));
    let option = |index| healthsync_core::OptionId {
        event: asked.id(),
        index,
    };
    let vote = |index| Kind::Vote {
        poll: asked.id(),
        option: option(index),
        wallet: None,
    };
    let mine = ada.say(vote(0));
    let close = ada.say(Kind::Close {
        poll: asked.id(),
        counted: vec![mine.id()],
        options: None,
        registry: None,
    });
    eve.lamport = 2;
    let late = eve.say_at(vote(1), Millis::from_seconds(T0));
    events.extend([picture, asked.clone(), mine, close, late]);
    let log = log_of(&events);
    let view = log.state().poll(&asked.id()).unwrap();
    assert_eq!((view.total(), view.options[1].count), (1, 0));
    assert!(view.late.keys().eq([&eve.person]));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// Forged and replayed events, a hundred thousand in the whole run's worth of attempts: none is accepted.
    /// An attempt is a good event with something changed, or sent where it does not belong.
    #[test]
    fn no_forged_or_replayed_event_is_accepted(
        attempts in vec((any::<Index>(), 0u8..7, any::<Index>(), any::<u8>()), 1_600),
    ) {
        let (mut ada, mut eve, mut events) = two();
        for i in 0..12 {
            let device = if i % 3 == 0 { &mut eve } else { &mut ada };
            events.push(device.say(message(&format!("Message {i}"))));
        }
        let mut log = log_of(&events);
        let before = log.state().to_bytes();
        let mut elsewhere = RoomLog::new(RoomId([8; 32]), ada.person, CHAIN);
        let mut other_chain = RoomLog::new(ROOM, ada.person, 1);
        for (which, how, place, byte) in attempts {
            let good = &events[which.index(events.len())];
            let (mut bytes, mut signature) = (good.bytes.clone(), good.signature);
            let byte = byte.max(1);
            match how {
                // Replayed as it is: known, and nothing changes.
                0 => prop_assert_eq!(log.insert(good.clone()), Ok(Inserted::Known)),
                1 => prop_assert_eq!(elsewhere.insert(good.clone()), Err(Rejected::OtherRoom)),
                2 => if matches!(good.event.kind, Kind::Delegation { .. }) {
                    prop_assert!(matches!(other_chain.insert(good.clone()), Err(Rejected::Delegation(_))));
                } else {
                    prop_assert_eq!(other_chain.insert(good.clone()).is_ok_and(|i| i == Inserted::New), false);
                },
                _ => {
                    match how {
                        3 => { let at = place.index(bytes.len()); bytes[at] ^= byte; }
                        4 => { let at = place.index(64); signature[at] ^= byte; }
                        5 => bytes.truncate(place.index(bytes.len())),
                        // Signed by somebody else's device.
                        _ => signature = Device::new(3, 0).secret.sign(&[b"healthsync/event/1\0", &bytes[..]].concat()),
                    }
                    let read = SignedEvent::decode(bytes, signature);
                    prop_assert!(matches!(read, Err(EventError::Signature | EventError::Form(_) | EventError::Limit(_) | EventError::Version(_) | EventError::Place | EventError::Delegation)));
                }
            }
        }
        prop_assert_eq!(before, log.state().to_bytes());
        prop_assert!(elsewhere.state().messages.is_empty() && other_chain.state().messages.is_empty());
    }
}
