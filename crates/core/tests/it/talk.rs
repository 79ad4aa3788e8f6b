//! What is said about what was said: replies, edits, retractions, reactions, pins, profiles. And who may.

use healthsync_core::{Kind, Sign, SignedEvent, Waits, Wording};

use crate::people::{Device, T0, case, log_of, message, revoke};

fn edit(of: &SignedEvent, text: &str) -> Kind {
    Kind::Edit {
        of: of.id(),
        text: text.into(),
    }
}

fn react(to: &SignedEvent, sign: Sign, on: bool) -> Kind {
    Kind::Reaction {
        to: to.id(),
        sign,
        on,
    }
}

fn pin(of: &SignedEvent, on: bool) -> Kind {
    Kind::Pin { of: of.id(), on }
}

/// Ada and Ben in the room, with one message by Ada.
fn room() -> (Device, Device, Vec<SignedEvent>, SignedEvent) {
    let (mut ada, mut ben) = (Device::new(1, 0), Device::new(2, 0));
    let mut events = vec![ada.enter(), ben.enter()];
    let said = ada.say(message("Nodule, 8 mm"));
    events.push(said.clone());
    ben.lamport = said.event.lamport;
    (ada, ben, events, said)
}

#[test]
fn a_reply_names_what_it_answers_and_whom_it_wants() {
    let (ada, mut ben, mut events, said) = room();
    events.push(ben.say(Kind::Message {
        text: "Which lobe?".into(),
        to: Some(said.id()),
        mentions: vec![ada.person],
    }));
    let log = log_of(&events);
    let reply = log.state().messages.last().unwrap();
    assert_eq!(
        (reply.to, &reply.mentions[..]),
        (Some(said.id()), &[ada.person][..])
    );
}

#[test]
fn only_the_author_edits_and_the_latest_wording_counts() {
    let (mut ada, mut ben, mut events, said) = room();
    events.push(ada.say(edit(&said, "Nodule, 9 mm")));
    events.push(ben.say(edit(&said, "Nothing there")));
    events.push(ada.say(edit(&said, "Nodule, 9 mm, right")));
    let log = log_of(&events);
    let view = log.message(&said.id()).unwrap();
    assert_eq!(view.text, "Nodule, 9 mm, right");
    assert_eq!(view.edited, Some(events.last().unwrap().event.at));
    assert_eq!(log.state().messages.len(), 1);
    let texts: Vec<_> = log
        .wordings(&said.id())
        .into_iter()
        .map(|w| w.text)
        .collect();
    assert_eq!(
        texts,
        ["Nodule, 8 mm", "Nodule, 9 mm", "Nodule, 9 mm, right"]
    );
}

#[test]
fn another_device_of_the_author_may_edit_too() {
    let (_, _, mut events, said) = room();
    let mut tablet = Device::new(1, 1);
    events.push(tablet.enter());
    events.push(tablet.say(edit(&said, "Nodule, 9 mm")));
    let log = log_of(&events);
    assert_eq!(log.message(&said.id()).unwrap().text, "Nodule, 9 mm");
}

#[test]
fn what_was_taken_back_stays_taken_back() {
    let (mut ada, mut ben, mut events, said) = room();
    events.push(ben.say(Kind::Retract { of: said.id() }));
    assert!(
        log_of(&events)
            .message(&said.id())
            .unwrap()
            .retracted
            .is_none()
    );
    events.push(ben.say(react(&said, Sign::Agree, true)));
    events.push(ben.say(pin(&said, true)));
    events.push(ada.say(Kind::Retract { of: said.id() }));
    events.push(ada.say(edit(&said, "Second thoughts")));
    let log = log_of(&events);
    let view = log.message(&said.id()).unwrap();
    assert_eq!((view.text.as_str(), view.edited), ("", None));
    assert!(view.retracted.is_some() && view.reactions.is_empty());
    assert!(log.state().pins.is_empty());
    assert!(log.wordings(&said.id()).is_empty());
}

#[test]
fn a_caption_can_be_reworded_within_its_own_limit() {
    let (mut ada, _, mut events, _) = room();
    let said = ada.say(case());
    events.push(said.clone());
    events.push(ada.say(edit(&said, "Chest, 45 y")));
    events.push(ada.say(edit(&said, &"x".repeat(2_001))));
    let log = log_of(&events);
    let view = log.state().case(&said.id()).unwrap();
    assert_eq!(view.caption, "Chest, 45 y");
    assert_eq!(view.edited, Some(events[4].event.at));
    let first = Wording {
        at: said.event.at,
        text: "Chest, 54 y".into(),
    };
    assert_eq!(log.wordings(&said.id())[0], first);
}

#[test]
fn a_person_gives_each_sign_once_and_can_take_it_back() {
    let (mut ada, mut ben, mut events, said) = room();
    events.push(ben.say(react(&said, Sign::Agree, true)));
    events.push(ben.say(react(&said, Sign::Agree, true)));
    events.push(ada.say(react(&said, Sign::Agree, true)));
    events.push(ada.say(react(&said, Sign::Thanks, true)));
    events.push(ada.say(react(&said, Sign::Thanks, false)));
    events.push(ada.say(react(&said, Sign::Unknown, true)));
    let log = log_of(&events);
    let reactions = &log.message(&said.id()).unwrap().reactions;
    assert_eq!(reactions.len(), 1);
    assert_eq!(
        reactions[&Sign::Agree],
        [ada.person, ben.person].into_iter().collect()
    );
}

#[test]
fn signs_of_later_versions_are_kept_and_not_shown() {
    let kind: Kind = serde_json::from_str(&format!(
        r#"{{"type":"reaction","to":"0x{}","sign":"confetti","on":true}}"#,
        "ab".repeat(32)
    ))
    .unwrap();
    assert!(matches!(
        kind,
        Kind::Reaction {
            sign: Sign::Unknown,
            ..
        }
    ));
}

#[test]
fn anybody_pins_and_unpins() {
    let (mut ada, mut ben, mut events, said) = room();
    let picture = ada.say(case());
    events.push(picture.clone());
    events.push(ben.say(pin(&said, true)));
    events.push(ada.say(pin(&picture, true)));
    // What nobody has heard of is not shown.
    let later = ada.clone().say(message("later"));
    events.push(ada.say(pin(&later, true)));
    let pinned = |events: &[SignedEvent]| -> Vec<_> {
        log_of(events)
            .state()
            .pins
            .iter()
            .map(|pin| pin.of)
            .collect()
    };
    assert_eq!(pinned(&events), [said.id(), picture.id()]);
    ben.lamport = 20;
    events.push(ben.say(pin(&picture, false)));
    assert_eq!(pinned(&events), [said.id()]);
}

#[test]
fn the_latest_profile_shows() {
    let (mut ada, _, mut events, _) = room();
    for city in ["Ibadan", "Lagos"] {
        events.push(ada.say(Kind::Profile {
            name: "A. Okafor".into(),
            role: "Radiologist".into(),
            city: city.into(),
        }));
    }
    let log = log_of(&events);
    let profile = log.state().people[&ada.person].profile.clone().unwrap();
    assert_eq!(
        (profile.role.as_str(), profile.city.as_str()),
        ("Radiologist", "Lagos")
    );
}

#[test]
fn marks_wait_for_what_they_are_about() {
    let (mut ada, mut ben, mut events, said) = room();
    events.push(ada.say(edit(&said, "Nodule, 9 mm")));
    events.push(ben.say(react(&said, Sign::Seen, true)));
    events.push(ben.say(pin(&said, true)));
    let straight = log_of(&events);
    let back = log_of(events.iter().rev());
    assert_eq!(straight.state().to_bytes(), back.state().to_bytes());
    assert_eq!(back.state().pins.len(), 1);
}

#[test]
fn a_revoked_device_says_nothing_more() {
    let (mut ada, _, mut events, said) = room();
    let mut phone = Device::new(1, 1);
    events.push(phone.enter());
    let laptop = ada.secret.public();
    let kind = |last| Kind::Revocation {
        revocation: revoke(1, laptop, 1_000),
        last,
    };
    // The thief dates back what he writes on the laptop, but not its number.
    let stolen = ada.say(message("Give him opioids"));
    let ends = phone.say(kind(said.event.seq));
    events.extend([stolen.clone(), ends]);
    let log = log_of(&events);
    assert_eq!(log.state().messages.len(), 1);
    let pending = log.state().pending.first().unwrap();
    assert_eq!((pending.id, pending.waits), (stolen.id(), Waits::Revoked));
    let device = &log.state().people[&ada.person].devices[&laptop];
    assert_eq!(
        device.revoked,
        Some(healthsync_core::Millis::from_seconds(T0 + 1_000))
    );
    assert!(!log.delegated(
        &ada.person,
        &laptop,
        healthsync_core::Millis::from_seconds(T0 + 1_000)
    ));

    // The laptop itself cannot certify what the thief has written on it, nor renew its right.
    events.push(ada.say(kind(99)));
    events.push(ada.enter());
    events.push(ada.say(message("Still here")));
    let late = log_of(&events);
    assert_eq!(late.state().messages.len(), 1);
    assert_eq!(late.state().pending.len(), 4);
    let back = log_of(events.iter().rev());
    assert_eq!(late.state().to_bytes(), back.state().to_bytes());
}

#[test]
fn only_the_persons_own_devices_certify_what_a_revoked_one_has_said() {
    let (mut ada, mut ben, mut events, said) = room();
    let laptop = ada.secret.public();
    let kind = |last| Kind::Revocation {
        revocation: revoke(1, laptop, 1_000),
        last,
    };
    // Ben passes on what Ada's wallet has signed, in her name and with a number of his own.
    let name = ben.person;
    ben.person = ada.person;
    let stolen = ada.say(message("Give him opioids"));
    let nothing = [ben.say(kind(0))];
    let all = [ben.say(kind(healthsync_core::limits::CLOCK))];
    ben.person = name;
    events.extend([ada.say(kind(0)), stolen.clone()]);
    let texts = |events: &[SignedEvent], more: &[SignedEvent]| {
        let there = log_of(events.iter().chain(more));
        let back = log_of(more.iter().rev().chain(events.iter().rev()));
        assert_eq!(there.state().to_bytes(), back.state().to_bytes());
        let messages = there.state().messages.iter();
        messages.map(|message| message.id).collect::<Vec<_>>()
    };
    // Only the laptop itself has told of its end: what bears an earlier time counts, whatever Ben says.
    assert_eq!(texts(&events, &[]), [said.id(), stolen.id()]);
    assert_eq!(texts(&events, &nothing), [said.id(), stolen.id()]);
    // Her phone's word counts, also where the phone's delegation comes last, and Ben's lifts nothing.
    let mut phone = Device::new(1, 1);
    let enters = phone.enter();
    events.push(phone.say(kind(said.event.seq)));
    assert_eq!(texts(&events, &all), [said.id(), stolen.id()]);
    events.push(enters);
    assert_eq!(texts(&events, &[]), [said.id()]);
    assert_eq!(texts(&events, &all), [said.id()]);
    assert_eq!(texts(&events, &nothing), [said.id()]);
}

#[test]
fn what_was_said_before_a_revocation_stays() {
    let (mut ada, _, mut events, _) = room();
    let laptop = ada.secret.public();
    let more = ada.say(message("Seen by my other device, too"));
    let (mut phone, mut tablet) = (Device::new(1, 1), Device::new(1, 2));
    let revocation = revoke(1, laptop, 1_000);
    events.extend([more.clone(), phone.enter(), tablet.enter()]);
    // One device has not got the last message yet, the other has: what either has seen, counts.
    for (device, last) in [(&mut phone, 2), (&mut tablet, more.event.seq)] {
        events.push(device.say(Kind::Revocation {
            revocation: revocation.clone(),
            last,
        }));
    }
    let log = log_of(&events);
    assert_eq!(log.state().messages.len(), 2);
    assert_eq!(
        log.state().to_bytes(),
        log_of(events.iter().rev()).state().to_bytes()
    );
}

#[test]
fn a_revocation_that_no_wallet_has_signed_is_refused() {
    let (ada, _, events, _) = room();
    let mut phone = Device::new(1, 1);
    let mut revocation = revoke(1, ada.secret.public(), 1_000);
    revocation.revocation.device = Device::new(1, 3).secret.public();
    let mut log = log_of(&events);
    let bad = phone.say(Kind::Revocation {
        revocation,
        last: 1,
    });
    assert!(matches!(
        log.insert(bad),
        Err(healthsync_core::Rejected::Delegation(_))
    ));
}
