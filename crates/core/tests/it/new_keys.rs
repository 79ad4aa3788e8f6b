//! New keys for a case's images: by its author only, in the room's order whatever came first, bounded.

use std::collections::BTreeSet;

use healthsync_core::{Kind, SignedEvent, conversation::conversation, limits};

use crate::people::{Device, case, log_of, renewed};

fn new_key(case: &SignedEvent, was: usize, now: usize) -> Kind {
    Kind::NewKey {
        case: case.id(),
        images: vec![renewed(was, now)],
    }
}

/// The image's content id after these events, in both orders of their coming.
fn shown(events: &[SignedEvent]) -> String {
    let log = log_of(events);
    let backwards = log_of(events.iter().rev());
    assert_eq!(log.state().to_bytes(), backwards.state().to_bytes());
    log.state().cases[0].images[0].cid.clone()
}

#[test]
fn the_authors_new_key_counts_and_nobody_elses() {
    let (mut ada, mut ben) = (Device::new(1, 0), Device::new(2, 0));
    let mut events = vec![ada.enter(), ben.enter(), ada.say(case())];
    let case = events[2].clone();
    ben.lamport = ada.lamport;
    events.push(ben.say(new_key(&case, 0, 9)));
    assert_eq!(shown(&events), renewed(9, 0).cid);
    events.push(ada.say(new_key(&case, 0, 1)));
    events.push(ada.say(new_key(&case, 1, 2)));
    assert_eq!(shown(&events), renewed(0, 2).cid);
    let log = log_of(&events);
    let view = &log.state().cases[0];
    assert_eq!(view.images[0].size, 2);
    assert_eq!(view.images[0].name, "chest.png");
    let steps: Vec<_> = view.new_keys.iter().flat_map(|key| &key.images).collect();
    assert_eq!(steps, [&renewed(0, 1), &renewed(1, 2)]);
}

#[test]
fn of_two_at_once_the_first_in_the_rooms_order_counts() {
    let (mut one, mut two) = (Device::new(1, 0), Device::new(1, 1));
    let mut events = vec![one.enter(), two.enter(), one.say(case())];
    let case = events[2].clone();
    two.lamport = one.lamport;
    events.push(one.say(new_key(&case, 0, 1)));
    events.push(two.say(new_key(&case, 0, 2)));
    let first = events[3..]
        .iter()
        .min_by_key(|event| (event.event.lamport, event.id()));
    let Kind::NewKey { images, .. } = &first.unwrap().event.kind else {
        unreachable!("only new keys were said");
    };
    assert_eq!(shown(&events), images[0].cid);
}

#[test]
fn a_content_id_that_was_given_up_does_not_come_back() {
    let mut ada = Device::new(1, 0);
    let mut events = vec![ada.enter(), ada.say(case())];
    let case = events[1].clone();
    events.push(ada.say(new_key(&case, 0, 1)));
    events.push(ada.say(new_key(&case, 1, 0)));
    events.push(ada.say(new_key(&case, 1, 1)));
    assert_eq!(shown(&events), renewed(0, 1).cid);
}

#[test]
fn a_case_has_so_many_and_no_more() {
    let mut ada = Device::new(1, 0);
    let mut events = vec![ada.enter(), ada.say(case())];
    let case = events[1].clone();
    for step in 0..=limits::NEW_KEYS {
        events.push(ada.say(new_key(&case, step, step + 1)));
    }
    assert_eq!(shown(&events), renewed(0, limits::NEW_KEYS).cid);
}

#[test]
fn what_is_minted_opens_with_the_newest_key() {
    let mut ada = Device::new(1, 0);
    let mut events = vec![ada.enter(), ada.say(case())];
    let case = events[1].clone();
    events.push(ada.say(new_key(&case, 0, 1)));
    let log = log_of(&events);
    let minted = conversation(&log, &case.id(), false, &BTreeSet::new());
    assert_eq!(shown(&minted), renewed(0, 1).cid);
}
