//! Measurements: shown with their case in any order of arrival, taken back by their author only, bounded.

use std::collections::BTreeSet;

use healthsync_core::{
    EventId, Kind, Measurement, Shape, SignedEvent,
    conversation::{contributors, conversation},
};
use proptest::prelude::*;

use crate::people::{Device, case, log_of};

fn length(case: healthsync_core::EventId, to: i32) -> Measurement {
    Measurement {
        case,
        image: 0,
        slice: 83,
        shape: Shape::Length,
        points: vec![[0, 0], [to, 100]],
        text: String::new(),
    }
}

/// A case, two measurements by Ada, one of which she takes back, and Ben's attempt at the other.
fn story() -> Vec<SignedEvent> {
    let (mut ada, mut ben) = (Device::new(1, 0), Device::new(2, 0));
    let mut events = vec![ada.enter(), ben.enter()];
    let case = ada.say(case());
    let kept = ada.say(Kind::Measure {
        measurement: length(case.id(), 500),
    });
    let taken_back = ada.say(Kind::Measure {
        measurement: length(case.id(), 700),
    });
    events.push(ada.say(Kind::Unmeasure {
        measurement: taken_back.id(),
    }));
    events.push(ben.say(Kind::Unmeasure {
        measurement: kept.id(),
    }));
    events.extend([case, kept, taken_back]);
    events
}

#[test]
fn what_is_minted_holds_the_measurements_that_were_not_taken_back() {
    let log = log_of(&story());
    let case = &log.state().cases[0];
    let events = conversation(&log, &case.id, true, &BTreeSet::new());
    let measured: Vec<EventId> = events
        .iter()
        .filter(|event| {
            matches!(
                event.event.kind,
                Kind::Measure { .. } | Kind::Unmeasure { .. }
            )
        })
        .map(SignedEvent::id)
        .collect();
    assert_eq!(measured, [case.measurements[0].id]);
    assert_eq!(contributors(&events).values().sum::<usize>(), 2);
}

#[test]
fn stands_until_its_author_takes_it_back() {
    let log = log_of(&story());
    let shown = &log.state().cases[0].measurements;
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].measurement.points[1], [500, 100]);
    assert_eq!(shown[0].person, Device::new(1, 0).person);
}

#[test]
fn counts_and_lengths_have_ends() {
    let case = story()[4].id();
    let check = |change: fn(&mut Measurement)| {
        let mut measurement = length(case, 10);
        change(&mut measurement);
        measurement.check()
    };
    assert!(check(|_| {}).is_ok());
    assert_eq!(
        check(|m| m.points.truncate(1)).unwrap_err().to_string(),
        "The measurement needs at least 2 points; there are 1."
    );
    assert!(check(|m| m.points.push([1, 1])).is_err());
    assert!(check(|m| m.text = "x".repeat(121)).is_err());
    let outline = |m: &mut Measurement| {
        m.shape = Shape::Freehand;
        m.points = vec![[0, 0]; 257];
    };
    assert!(check(outline).is_err());
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_order_gives_the_same_state(order in Just(story()).prop_shuffle()) {
        prop_assert_eq!(log_of(&order).state().to_bytes(), log_of(&story()).state().to_bytes());
    }
}
