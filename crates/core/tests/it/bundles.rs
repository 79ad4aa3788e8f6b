//! Vote bundles: a good one verifies, every change to one is found and named by its rule.

use healthsync_core::{
    EventId, Kind, OptionId, Person, RegistryAt, Reveal, RoomLog, SignedEvent, Signing, WalletVote,
    bundle::{
        BundleError, CheckState, FORMAT, Part, Report, Rule, SignedBytes, VoteBundle, verify,
    },
    eth, limits,
};
use proptest::prelude::*;

use crate::people::{CHAIN, Device, ROOM, case, close, delegate, log_of, message, poll, vote};

/// A room in which person 0 asks, three colleagues vote (one of them twice), one adds an option, one is late.
struct Closed {
    log: RoomLog,
    events: Vec<SignedEvent>,
    asker: Device,
    colleagues: [Device; 3],
    poll: EventId,
}

fn closed(signing: Signing) -> Closed {
    let mut asker = Device::new(0, 0);
    let mut colleagues = [1, 2, 3].map(|p| Device::new(p, 0));
    let mut events = vec![asker.enter(), asker.say(case())];
    let ask = match poll(events[1].id(), true) {
        Kind::Poll {
            case,
            question,
            options,
            open_options,
            ..
        } => Kind::Poll {
            case,
            question,
            options,
            open_options,
            signing,
            reveal: Reveal::Voted,
        },
        other => other,
    };
    events.push(asker.say(ask));
    let poll = events[2].id();
    events.extend(colleagues.iter_mut().map(Device::enter));
    events.push(colleagues[0].say(message("A word that is nobody's business")));
    let text = "Lymphoma".to_owned();
    events.push(colleagues[2].say(Kind::Option { poll, text }));
    let added = OptionId {
        event: events.last().unwrap().id(),
        index: 0,
    };
    let first = |index| OptionId { event: poll, index };
    for device in &mut colleagues {
        device.lamport = 10;
    }
    for (who, option) in [(0, first(0)), (1, first(1)), (0, added), (2, added)] {
        let kind = ballot(&log_of(&events), poll, &colleagues[who], who as u8, option);
        events.push(colleagues[who].say(kind));
    }
    let log = log_of(&events);
    let view = log.state().poll(&poll).unwrap();
    let counted: Vec<_> = view
        .votes
        .iter()
        .filter(|(person, _)| **person != colleagues[1].person)
        .map(|(_, (event, _))| *event)
        .collect();
    asker.lamport = 30;
    events.push(asker.say(Kind::Close {
        poll,
        counted,
        options: Some(view.added_options()),
        registry: Some(RegistryAt {
            address: Person([0x5f; 20]),
            block: 4_812_077,
        }),
    }));
    Closed {
        log: log_of(&events),
        events,
        asker,
        colleagues,
        poll,
    }
}

fn ballot(log: &RoomLog, poll: EventId, device: &Device, who: u8, option: OptionId) -> Kind {
    let view = log.state().poll(&poll).unwrap();
    if view.signing == Signing::Device {
        return vote(poll, option);
    }
    let number = log.next_lamport();
    let ballot = view
        .ballot(ROOM, CHAIN, device.person, number, option)
        .unwrap();
    let signature = eth::sign_hash(&ballot.signing_hash(), &[who + 2; 32]).unwrap();
    Kind::Vote {
        poll,
        option,
        wallet: Some(WalletVote { number, signature }),
    }
}

fn bundle(signing: Signing) -> VoteBundle {
    let room = closed(signing);
    VoteBundle::of(&room.log, &room.poll).unwrap()
}

fn rules(report: &Report) -> Vec<Rule> {
    let mut rules: Vec<_> = report.failures.iter().map(|failure| failure.rule).collect();
    rules.dedup();
    rules
}

fn failing(change: impl FnOnce(&mut VoteBundle)) -> Report {
    let mut bundle = bundle(Signing::Device);
    change(&mut bundle);
    let report = verify(&bundle.encode()).unwrap();
    assert!(!report.verified && !report.failures.is_empty());
    report
}

#[test]
fn a_good_bundle_verifies_and_says_what_it_cannot_know() {
    for signing in [Signing::Device, Signing::Wallet] {
        let room = closed(signing);
        let bytes = VoteBundle::of(&room.log, &room.poll).unwrap().encode();
        let report = verify(&bytes).unwrap();
        assert_eq!(report.failures, []);
        assert!(report.verified);
        assert_eq!(report.headline(), "Verified: 2 of 2 votes count");
        assert_eq!(report.counts(), "0, 0, 2");
        assert_eq!(report.registry.unwrap().block, 4_812_077);
        for check in &report.checks {
            let expected = match check.rule {
                Rule::Membership => CheckState::NotChecked,
                _ => CheckState::Good,
            };
            assert_eq!(check.state, expected, "{:?}", check.rule);
        }
        let wallet = report.checks.iter().any(|check| check.rule == Rule::Wallet);
        assert_eq!(wallet, signing == Signing::Wallet);
        // The vote that the close leaves out is there for everybody to see.
        assert_eq!(report.late.len(), 1);
        assert_eq!(report.late[0].person, room.colleagues[1].person);
        // Nothing else of the room is in it.
        let text = String::from_utf8(bytes).unwrap();
        assert!(!text.contains("nobody's business") && !text.contains("bafkrei"));
    }
}

#[test]
fn an_open_poll_has_no_bundle() {
    let room = closed(Signing::Device);
    let open = log_of(&room.events[..room.events.len() - 1]);
    assert_eq!(VoteBundle::of(&open, &room.poll), None);
    assert_eq!(VoteBundle::of(&room.log, &EventId([9; 32])), None);
}

#[test]
fn a_changed_vote_is_named() {
    let report = failing(|bundle| {
        let vote = &mut bundle.votes[3].event;
        *vote = vote.replace("\"at\":17", "\"at\":16");
    });
    assert_eq!(
        rules(&report),
        [Rule::Signature, Rule::Certified, Rule::Tally]
    );
    let first = &report.failures[0];
    assert_eq!(first.part, Some(Part::Vote(4)));
    assert!(first.person.is_some());
    assert!(first.what.contains("the bytes don't match the signature"));
    assert_eq!(report.headline(), "Not verified: vote 4 was changed");
    assert_eq!(report.counts(), "0, 0, 1");
}

type Change = fn(&mut VoteBundle);

#[test]
fn each_rule_is_named_where_it_fails() {
    let cases: [(Change, Rule); 9] = [
        (|b| b.closes.clear(), Rule::Close),
        (|b| drop(b.votes.remove(3)), Rule::Certified),
        (|b| b.delegations.truncate(1), Rule::Delegation),
        (
            |b| b.delegations[0].delegation.expires_at += 1,
            Rule::Delegation,
        ),
        (|b| b.result.options[0].count = 7, Rule::Tally),
        (|b| b.result.question.push('!'), Rule::Tally),
        (|b| b.result.late.clear(), Rule::Tally),
        (|b| b.room.0[0] ^= 1, Rule::Belongs),
        (|b| b.options.push(b.votes[0].clone()), Rule::Belongs),
    ];
    for (change, rule) in cases {
        let report = failing(change);
        assert!(
            rules(&report).contains(&rule),
            "{rule:?}: {:?}",
            report.failures
        );
        let check = report
            .checks
            .iter()
            .find(|check| check.rule == rule)
            .unwrap();
        assert_eq!(check.state, CheckState::Bad, "{rule:?}");
    }
}

#[test]
fn another_chain_makes_every_delegation_worthless() {
    let report = failing(|bundle| bundle.chain_id = 314);
    let failed = report
        .failures
        .iter()
        .filter(|f| f.rule == Rule::Delegation);
    assert!(failed.count() >= report.checks[1].of);
}

#[test]
fn a_second_close_and_a_close_by_somebody_else_are_named() {
    let mut room = closed(Signing::Device);
    let second = room.asker.say(close(room.poll, vec![]));
    let third = room.colleagues[1].say(close(room.poll, vec![]));
    let mut log = room.log.clone();
    log.insert(second.clone()).unwrap();
    let bundle = VoteBundle::of(&log, &room.poll).unwrap();
    let report = verify(&bundle.encode()).unwrap();
    assert_eq!(rules(&report), [Rule::Close]);
    assert_eq!(report.failures[0].event, Some(second.id()));

    let mut bundle = VoteBundle::of(&room.log, &room.poll).unwrap();
    bundle.closes.push(SignedBytes {
        event: String::from_utf8(third.bytes).unwrap(),
        signature: third.signature,
    });
    let report = verify(&bundle.encode()).unwrap();
    assert_eq!(rules(&report), [Rule::Close]);
    assert_eq!(report.failures[0].part, Some(Part::Close(2)));
}

#[test]
fn two_events_in_one_place_and_a_branch_are_named() {
    let mut room = closed(Signing::Device);
    let text = |event: &SignedEvent| SignedBytes {
        event: String::from_utf8(event.bytes.clone()).unwrap(),
        signature: event.signature,
    };
    let option = OptionId {
        event: room.poll,
        index: 0,
    };
    let mut twin = room.colleagues[1].clone();
    twin.seq -= 1;
    twin.prev = Some(EventId([8; 32]));
    let fork = twin.say(vote(room.poll, option));
    let mut bundle = VoteBundle::of(&room.log, &room.poll).unwrap();
    bundle.votes.push(text(&fork));
    let report = verify(&bundle.encode()).unwrap();
    assert_eq!(rules(&report), [Rule::Place]);

    room.colleagues[1].prev = Some(EventId([8; 32]));
    let branch = room.colleagues[1].say(vote(room.poll, option));
    let mut bundle = VoteBundle::of(&room.log, &room.poll).unwrap();
    bundle.votes.push(text(&branch));
    let report = verify(&bundle.encode()).unwrap();
    assert!(rules(&report).contains(&Rule::Place));
}

#[test]
fn a_certified_vote_without_its_wallet_is_named() {
    let mut room = closed(Signing::Wallet);
    room.events.pop();
    let option = OptionId {
        event: room.poll,
        index: 0,
    };
    let bare = room.colleagues[1].say(vote(room.poll, option));
    let counted = vec![bare.id()];
    room.events.push(bare);
    room.asker = Device {
        seq: 3,
        prev: Some(room.events[2].id()),
        ..room.asker
    };
    room.events.push(room.asker.say(close(room.poll, counted)));
    let log = log_of(&room.events);
    let bundle = VoteBundle::of(&log, &room.poll).unwrap();
    let report = verify(&bundle.encode()).unwrap();
    assert_eq!(rules(&report), [Rule::Wallet]);
    assert!(report.failures[0].what.contains("no wallet signature"));
}

#[test]
fn a_registry_is_asked_for_everybody_and_names_who_is_missing() {
    let room = closed(Signing::Device);
    let bytes = VoteBundle::of(&room.log, &room.poll).unwrap().encode();
    let mut report = verify(&bytes).unwrap();
    assert_eq!(report.people.len(), 4);
    report.enter_membership(None);
    assert!(report.verified);
    report.enter_membership(Some(&[room.colleagues[2].person]));
    assert!(!report.verified);
    assert_eq!(rules(&report), [Rule::Membership]);
    assert!(report.failures[0].what.contains("at block 4812077"));
    report.enter_membership(Some(&[]));
    assert!(report.verified);
}

#[test]
fn delegations_of_other_wallets_or_times_do_not_cover() {
    let secret = Device::new(1, 0).secret;
    let report = failing(|bundle| {
        for delegation in &mut bundle.delegations {
            if delegation.delegation.device == secret.public() {
                *delegation = delegate(&[2; 32], &secret, 1, 2, CHAIN);
            }
        }
    });
    assert!(rules(&report).contains(&Rule::Delegation));
}

#[test]
fn what_is_no_bundle_is_refused() {
    let bundle = bundle(Signing::Device);
    let bytes = bundle.encode();
    assert_eq!(VoteBundle::decode(&bytes).unwrap(), bundle);
    for cut in [0, 1, bytes.len() / 2, bytes.len() - 2] {
        assert!(matches!(verify(&bytes[..cut]), Err(BundleError::Form(_))));
    }
    for tail in ["x", "{}", "\0", "null"] {
        let longer = [&bytes[..], tail.as_bytes()].concat();
        assert!(matches!(verify(&longer), Err(BundleError::Form(_))));
    }
    let text = String::from_utf8(bytes).unwrap();
    let extra = text.replacen("{\"format\"", "{\"extra\":1,\"format\"", 1);
    assert!(matches!(
        verify(extra.as_bytes()),
        Err(BundleError::Form(_))
    ));
    let twice = text.replacen("{\"format\"", "{\"v\":1,\"format\"", 1);
    assert!(matches!(
        verify(twice.as_bytes()),
        Err(BundleError::Form(_))
    ));
    let other = text.replacen(FORMAT, "healthsync/something", 1);
    assert!(matches!(
        verify(other.as_bytes()),
        Err(BundleError::Format(_))
    ));
    let newer = text.replacen("\"v\":1,", "\"v\":2,", 1);
    assert!(matches!(
        verify(newer.as_bytes()),
        Err(BundleError::Version(2))
    ));
    let huge = vec![b' '; limits::BUNDLE_BYTES + 1];
    assert!(matches!(verify(&huge), Err(BundleError::TooLarge(_))));
    let mut many = bundle;
    many.votes = vec![many.votes[0].clone(); limits::BUNDLE_EVENTS];
    assert!(matches!(
        verify(&many.encode()),
        Err(BundleError::TooMany(_))
    ));
}

#[test]
fn the_form_of_the_file() {
    let bundle = bundle(Signing::Wallet);
    insta::assert_json_snapshot!("vote_bundle", bundle);
    let report = verify(&bundle.encode()).unwrap();
    insta::assert_json_snapshot!("vote_bundle_report", report);
    insta::assert_snapshot!(VoteBundle::file_name(&EventId([0xab; 32])), @"healthsync-result-abababababab.json");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    /// One byte changed anywhere: the file is refused, or a rule is named, or the bytes mean exactly the same.
    #[test]
    fn no_changed_byte_goes_unnoticed(at in any::<prop::sample::Index>(), byte in 0x20..0x7fu8, wallet in any::<bool>()) {
        let good = bundle(if wallet { Signing::Wallet } else { Signing::Device });
        let mut bytes = good.encode();
        let at = at.index(bytes.len());
        prop_assume!(bytes[at] != byte);
        bytes[at] = byte;
        match verify(&bytes) {
            Err(_) => {}
            Ok(report) if !report.verified => prop_assert!(!report.failures.is_empty()),
            Ok(_) => prop_assert_eq!(VoteBundle::decode(&bytes).unwrap(), good),
        }
    }
}
