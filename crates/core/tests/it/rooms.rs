//! Single rules of a room: who counts, what is refused, what is listed.

use healthsync_core::{
    DelegationError, Event, Inserted, Kind, Millis, Rejected, RoomId, RoomLog, SignedEvent,
};

use crate::people::{CHAIN, Device, ROOM, T0, case, delegate, log, log_of, message};

#[test]
fn events_wait_for_their_delegation_and_are_not_lost() {
    let mut ada = Device::new(1, 0);
    let enter = ada.enter();
    let hello = ada.say(message("Hello"));
    let mut log = log();
    assert_eq!(log.insert(hello.clone()), Ok(Inserted::Pending));
    assert_eq!(log.state().pending.first().unwrap().id, hello.id());
    assert!(log.state().messages.is_empty());
    assert_eq!(log.insert(enter), Ok(Inserted::New));
    assert!(log.state().pending.is_empty());
    assert_eq!(log.state().messages.first().unwrap().text, "Hello");
    assert!(log.delegated(&ada.person, &ada.secret.public(), hello.event.at));
}

#[test]
fn an_event_after_the_delegation_has_ended_waits_for_a_renewal() {
    let mut ada = Device::new(1, 0);
    let enter = ada.enter();
    let late = ada.say_at(message("Late"), Millis::from_seconds(T0 + 86_400));
    let mut log = log_of([&enter]);
    assert_eq!(log.insert(late.clone()), Ok(Inserted::Pending));
    let delegation = delegate(&[2; 32], &ada.secret, T0 + 86_000, T0 + 90_000, CHAIN);
    let renewal = ada.say(Kind::Delegation { delegation });
    log.insert(renewal.clone()).unwrap();
    assert_eq!(log.state().messages.first().unwrap().text, "Late");
    let devices = &log.state().people[&ada.person].devices;
    let until = devices[&ada.secret.public()].until;
    assert_eq!(until, Millis::from_seconds(T0 + 90_000));

    // A delegation that comes and does not cover it leaves it waiting for the one that does.
    let again = log_of([&late, &enter]);
    assert_eq!(again.state().pending.first().unwrap().id, late.id());
    let again = log_of([&late, &enter, &renewal]);
    assert_eq!(again.state().to_bytes(), log.state().to_bytes());
}

#[test]
fn a_device_speaks_for_nobody_else() {
    let (mut ada, ben) = (Device::new(1, 0), Device::new(2, 0));
    let enter = ada.enter();
    ada.person = ben.person;
    let forged = ada.say(message("I am Ben"));
    let mut log = log_of([&enter]);
    assert_eq!(log.insert(forged), Ok(Inserted::Pending));
    assert!(log.state().messages.is_empty());
}

#[test]
fn replays_from_another_room_or_chain_are_refused() {
    let mut ada = Device::new(1, 0);
    ada.room = RoomId([8; 32]);
    assert_eq!(log().insert(ada.enter()), Err(Rejected::OtherRoom));

    let enter = Device::new(1, 0).enter();
    let mut elsewhere = RoomLog::new(ROOM, ada.person, 314_159);
    assert_eq!(
        elsewhere.insert(enter),
        Err(Rejected::Delegation(DelegationError::Chain {
            expected: 314_159,
            found: CHAIN
        }))
    );
    assert_eq!(elsewhere.events().count(), 0);
}

#[test]
fn a_delegation_with_a_bad_signature_is_refused() {
    let mut ada = Device::new(1, 0);
    ada.delegation.signature.0[10] ^= 1;
    let enter = ada.enter();
    assert!(matches!(log().insert(enter), Err(Rejected::Delegation(_))));
}

#[test]
fn only_the_owner_names_the_room_and_the_latest_name_counts() {
    let (mut owner, mut ada) = (Device::new(0, 0), Device::new(1, 0));
    let name = |name: &str| Kind::Room { name: name.into() };
    let events = [
        owner.enter(),
        owner.say(name("Chest")),
        owner.say(name("Chest, Lagos")),
        ada.enter(),
        ada.say(message("1")),
        ada.say(message("2")),
        ada.say(name("Mine")),
    ];
    assert_eq!(
        log_of(&events).state().name.as_deref(),
        Some("Chest, Lagos")
    );
}

#[test]
fn two_events_with_one_number_are_a_fork_that_everybody_sees_alike() {
    let mut ada = Device::new(1, 0);
    let enter = ada.enter();
    let mut twin = ada.clone();
    let (one, two) = (ada.say(message("one")), twin.say(message("two")));
    let mut log = log_of([&enter, &one]);
    assert_eq!(log.insert(two.clone()), Ok(Inserted::Fork));
    let state = log.state();
    let (kept, other) = if one.id() < two.id() {
        (&one, &two)
    } else {
        (&two, &one)
    };
    assert_eq!(state.messages.len(), 1);
    assert_eq!(state.messages.first().unwrap().id, kept.id());
    assert_eq!(
        (
            state.forks[0].seq,
            state.forks[0].kept,
            state.forks[0].other
        ),
        (2, kept.id(), other.id())
    );
    assert_eq!(
        state.to_bytes(),
        log_of([&two, &one, &enter]).state().to_bytes()
    );
}

#[test]
fn an_event_that_follows_an_unknown_one_shows_a_fork() {
    let mut ada = Device::new(1, 0);
    let enter = ada.enter();
    let mut twin = ada.clone();
    let (one, two) = (ada.say(message("one")), twin.say(message("two")));
    let after = twin.say(message("after two"));
    let log = log_of([&enter, &one, &after]);
    assert_eq!(log.state().forks.len(), 1);
    assert_eq!(log.state().forks[0].kept, one.id());
    assert_eq!(log.state().forks[0].other, two.id());
    assert_eq!(log.state().messages.len(), 2);
}

#[test]
fn unknown_kinds_are_kept_and_mean_nothing() {
    let mut ada = Device::new(1, 0);
    let enter = ada.enter();
    let known = ada.say(message("x"));
    let text = String::from_utf8(known.bytes).unwrap();
    let bytes = text.replace(
        r#""type":"message""#,
        r#""type":"pointer","xy":[1,{"z":2}]"#,
    );
    let message = [b"healthsync/event/1\0", bytes.as_bytes()].concat();
    let signature = ada.secret.sign(&message);
    let event = SignedEvent::decode(bytes.clone().into_bytes(), signature).unwrap();
    assert_eq!(event.event.kind, Kind::Unknown);
    assert_eq!(event.bytes, bytes.as_bytes());
    let log = log_of([&enter, &event]);
    assert_eq!(log.heads().get(&ada.secret.public()), 2);
    assert!(log.state().pending.is_empty());
}

#[test]
fn events_come_out_of_a_log_with_the_bytes_that_were_signed() {
    let mut ada = Device::new(1, 0);
    let (enter, said) = (ada.enter(), ada.say(message("x")));
    let text = String::from_utf8(said.bytes).unwrap();
    let ways = [
        (r#""text":"x""#, r#""text":"as this program writes it""#),
        (r#""type":"message""#, r#""of":[1],"type":"later""#),
        (r#"{"v":1"#, r#"{ "v":1"#),
        (r#""seq":2"#, r#""seq": 2"#),
        (r#""kind":{"#, r#""more":"","kind":{"#),
    ];
    for (from, to) in ways {
        let bytes = text.replacen(from, to, 1).into_bytes();
        let message = [b"healthsync/event/1\0", &bytes[..]].concat();
        let signature = ada.secret.sign(&message);
        let event = SignedEvent::decode(bytes, signature).unwrap();
        let log = log_of([&enter, &event]);
        let out: Vec<SignedEvent> = log.events().collect();
        assert_eq!(out, [enter.clone(), event]);
    }
}

#[test]
fn next_event_follows_everything_seen() {
    let (mut ada, mut ben) = (Device::new(1, 0), Device::new(2, 0));
    let mut log = log();
    assert_eq!(
        (log.next_lamport(), log.head_of(&ada.secret.public())),
        (1, None)
    );
    ben.lamport = 40;
    log.insert(ben.enter()).unwrap();
    let enter = ada.enter();
    log.insert(enter.clone()).unwrap();
    assert_eq!(log.next_lamport(), 42);
    assert_eq!(log.head_of(&ada.secret.public()), Some((1, enter.id())));
}

#[test]
fn an_event_signed_by_another_device_is_refused() {
    let (mut ada, ben) = (Device::new(1, 0), Device::new(2, 0));
    let event: Event = ada.say(case()).event;
    let forged = SignedEvent::sign(event, &ben.secret);
    assert!(SignedEvent::decode(forged.bytes, forged.signature).is_err());
}
