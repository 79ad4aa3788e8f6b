//! Which key seals what is said: one rule, the same for everybody who reads the same registry.

use std::collections::BTreeSet;

use healthsync_core::{Kind, Person, RoomLog, SignedEvent, epoch};

use crate::people::{Device, log_of};

fn begin(device: &mut Device, order: u32, tag: u16, block: u64) -> SignedEvent {
    device.say(Kind::Epoch {
        epoch: epoch::next(order - 1, tag).unwrap(),
        block,
        removed: vec![Device::new(3, 0).person],
        readers: 3,
    })
}

fn room() -> (Device, Device, Vec<SignedEvent>) {
    let (mut ada, mut ben) = (Device::new(1, 0), Device::new(2, 0));
    let events = vec![ada.enter(), ben.enter()];
    (ada, ben, events)
}

fn people(all: &[&Device]) -> BTreeSet<Person> {
    all.iter().map(|device| device.person).collect()
}

fn current(log: &RoomLog, members: &BTreeSet<Person>, removal: u64, block: u64) -> Option<u32> {
    epoch::current(&log.state().epochs, members, removal, block)
}

#[test]
fn numbers_are_an_order_and_a_tag() {
    assert_eq!(epoch::next(0, 0xabcd), Some(0x1_abcd));
    assert_eq!(epoch::number(0x1_abcd), 1);
    assert_eq!((epoch::number(epoch::FIRST), epoch::number(0xffff)), (0, 0));
    assert_eq!(epoch::next(epoch::MAX_ORDER, 1), None);
}

#[test]
fn a_room_of_which_nobody_was_removed_keeps_its_first_key() {
    let (ada, ben, events) = room();
    let log = log_of(&events);
    assert_eq!(
        current(&log, &people(&[&ada, &ben]), 0, 9),
        Some(epoch::FIRST)
    );
}

#[test]
fn after_a_removal_only_a_key_made_after_it_serves() {
    let (mut ada, ben, mut events) = room();
    let both = people(&[&ada, &ben]);
    assert_eq!(current(&log_of(&events), &both, 7, 9), None);
    events.push(begin(&mut ada, 1, 5, 8));
    let log = log_of(&events);
    assert_eq!(current(&log, &both, 7, 9), Some(0x1_0005));
    // The next removal, and one that the reader of an older block does not know yet.
    assert_eq!(current(&log, &both, 9, 9), None);
    assert_eq!(current(&log, &both, 0, 7), Some(epoch::FIRST));
}

#[test]
fn of_two_keys_made_at_once_everybody_takes_the_same() {
    let (mut ada, mut ben, mut events) = room();
    let both = people(&[&ada, &ben]);
    events.push(begin(&mut ada, 1, 5, 8));
    events.push(begin(&mut ben, 1, 3, 8));
    let (straight, back) = (log_of(&events), log_of(events.iter().rev()));
    let taken = current(&straight, &both, 7, 9);
    assert_eq!(taken, current(&back, &both, 7, 9));
    // The first in the room's order: the clocks are equal, so the lower id.
    let first = if events[2].id() < events[3].id() {
        0x1_0005
    } else {
        0x1_0003
    };
    assert_eq!(taken, Some(first));
    // A later order beats both.
    events.push(begin(&mut ben, 2, 0, 8));
    assert_eq!(current(&log_of(&events), &both, 7, 9), Some(0x2_0000));
}

#[test]
fn a_key_by_somebody_who_was_removed_does_not_serve() {
    let (mut ada, mut ben, mut events) = room();
    events.push(begin(&mut ben, 1, 3, 8));
    let only_ada = people(&[&ada]);
    assert_eq!(current(&log_of(&events), &only_ada, 8, 9), None);
    events.push(begin(&mut ada, 1, 5, 8));
    assert_eq!(current(&log_of(&events), &only_ada, 8, 9), Some(0x1_0005));
}

#[test]
fn a_key_that_claims_a_block_of_the_future_does_not_serve() {
    let (mut ada, ben, mut events) = room();
    let both = people(&[&ada, &ben]);
    events.push(begin(&mut ada, 1, 5, 1_000_000));
    assert_eq!(current(&log_of(&events), &both, 7, 9), None);
    assert_eq!(current(&log_of(&events), &both, 0, 9), Some(epoch::FIRST));
}

#[test]
fn nobody_uses_up_all_orders_at_once() {
    let (mut ada, mut ben, mut events) = room();
    let both = people(&[&ada, &ben]);
    events.push(begin(&mut ben, epoch::MAX_ORDER, 3, 8));
    let log = log_of(&events);
    assert_eq!(epoch::reached(&log.state().epochs), 0);
    assert_eq!(current(&log, &both, 7, 9), None);
    events.push(begin(&mut ada, 1, 5, 8));
    assert_eq!(current(&log_of(&events), &both, 7, 9), Some(0x1_0005));
}
