//! Minting a conversation: what is signed, what is committed to, what a holder opens, and how far a proposal is.

use std::collections::{BTreeMap, BTreeSet};

use healthsync_core::{
    Bundle, BundleError, Contributor, EventId, Kind, LimitError, MintAnswer, MintProposal,
    OptionId, Person, SignedEvent, Terms, TokenId,
    conversation::{commitment, contributors, conversation, holds_taken_back, pointer},
};
use proptest::prelude::*;

use crate::people::{CHAIN, Device, ROOM, case, log_of, message, poll};

const CONTRACT: Person = Person([0xcc; 20]);
const BUNDLE: &str = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy";

fn terms() -> Terms {
    Terms {
        commitment: [1; 32],
        pointer: [2; 32],
        contributors: vec![contributor(0x11, 6_000), contributor(0x22, 4_000)],
        holder: Person([0x11; 20]),
        editions: vec![Person([0x33; 20])],
        quorum: 2,
        royalty: 750,
        deadline: 1_790_000_000,
        nonce: [3; 32],
    }
}

fn contributor(byte: u8, share: u16) -> Contributor {
    Contributor {
        person: Person([byte; 20]),
        share,
    }
}

fn proposal_of(terms: Terms) -> MintProposal {
    MintProposal {
        case: EventId([0xab; 32]),
        contract: CONTRACT,
        terms,
        salt: [4; 32],
        events: vec![EventId([0xab; 32])],
        bundle: BUNDLE.into(),
    }
}

fn propose(proposal: MintProposal) -> Kind {
    Kind::MintProposal(Box::new(proposal))
}

/// Computed with viem's `hashTypedData`.
#[test]
fn the_hash_is_the_one_that_other_implementations_sign() {
    let hash = terms().signing_hash(314_159, &CONTRACT);
    assert_eq!(
        hex::encode(hash),
        "57323dda7b44bc70c93660f6077e5d08fb8338eed1a004497777a4ccb44d1821"
    );
    let token = terms().token(314_159, &CONTRACT);
    assert_eq!(token.0[..30], hash[..30]);
    assert_eq!((token.edition(), token.conversation()), (0, token));
    assert_eq!(token.to_string().parse(), Ok(token));
    assert!(TokenId([0xff; 32]).edition() == 0xffff);
    assert!("0xFF".parse::<TokenId>().is_err());
}

#[test]
fn every_term_the_chain_and_the_contract_are_in_the_hash() {
    let of = |terms: &Terms| terms.signing_hash(1, &CONTRACT);
    let changes: [fn(&mut Terms); 9] = [
        |terms| terms.commitment[0] ^= 1,
        |terms| terms.pointer[31] ^= 1,
        |terms| terms.contributors[0].person.0[0] ^= 1,
        |terms| (terms.contributors[0].share, terms.contributors[1].share) = (5_000, 5_000),
        |terms| terms.holder.0[0] ^= 1,
        |terms| terms.editions.clear(),
        |terms| terms.quorum = 1,
        |terms| terms.royalty += 1,
        |terms| terms.nonce[0] ^= 1,
    ];
    for change in changes {
        let mut changed = terms();
        change(&mut changed);
        assert_ne!(of(&changed), of(&terms()));
    }
    assert_ne!(terms().signing_hash(2, &CONTRACT), of(&terms()));
    assert_ne!(terms().signing_hash(1, &ROOM_OWNER), of(&terms()));
}

const ROOM_OWNER: Person = Person([1; 20]);

#[test]
fn terms_that_the_contract_would_refuse_are_refused_here() {
    assert_eq!(terms().check(), Ok(()));
    let refused: [fn(&mut Terms); 9] = [
        |terms| terms.contributors.clear(),
        |terms| terms.contributors.swap(0, 1),
        |terms| terms.contributors[1].person = terms.contributors[0].person,
        |terms| terms.contributors[0].share -= 1,
        |terms| (terms.contributors[0].share, terms.contributors[1].share) = (10_000, 0),
        |terms| terms.quorum = 0,
        |terms| terms.quorum = 3,
        |terms| terms.royalty = 1_001,
        |terms| terms.editions = vec![Person([1; 20]); 65],
    ];
    for change in refused {
        let mut changed = terms();
        change(&mut changed);
        assert!(changed.check().is_err(), "{changed:?}");
    }
    let mut long = proposal_of(terms());
    long.events = vec![EventId([1; 32]); 321];
    assert!(matches!(
        propose(long).check(),
        Err(LimitError::TooLong {
            limit: 320,
            found: 321,
            ..
        })
    ));
    let answer = |signature: &str| Kind::MintConsent {
        proposal: EventId([1; 32]),
        answer: MintAnswer::Signed {
            signature: signature.into(),
        },
    };
    assert!(answer("ab01").check().is_ok());
    for bad in ["", "abc", "AB", "0x01", "zz"] {
        assert!(answer(bad).check().is_err(), "{bad}");
    }
    assert!(answer(&"ab".repeat(4_097)).check().is_err());
    let minted = |transaction: &str| Kind::Minted {
        proposal: EventId([1; 32]),
        transaction: transaction.into(),
    };
    assert!(minted(&format!("0x{}", "ab".repeat(32))).check().is_ok());
    assert!(minted("0x12").check().is_err());
}

/// The largest proposal that passes its checks fits into an event.
#[test]
fn the_largest_proposal_fits_an_event() {
    let mut large = proposal_of(terms());
    large.terms.contributors = (1..=32)
        .map(|i| contributor(i, if i == 32 { 10_000 - 31 * 312 } else { 312 }))
        .collect();
    large.terms.editions = vec![Person([0xee; 20]); 64];
    large.events = vec![EventId([0xab; 32]); 320];
    let mut device = Device::new(1, 0);
    device.enter();
    let signed = device.say(propose(large));
    assert!(SignedEvent::decode(signed.bytes.clone(), signed.signature).is_ok());
}

#[test]
fn wire_forms() {
    insta::assert_snapshot!(serde_json::to_string(&propose(proposal_of(terms()))).unwrap(), @r#"{"type":"mint_proposal","case":"0xabababababababababababababababababababababababababababababababab","contract":"0xcccccccccccccccccccccccccccccccccccccccc","terms":{"commitment":"0101010101010101010101010101010101010101010101010101010101010101","pointer":"0202020202020202020202020202020202020202020202020202020202020202","contributors":[{"person":"0x1111111111111111111111111111111111111111","share":6000},{"person":"0x2222222222222222222222222222222222222222","share":4000}],"holder":"0x1111111111111111111111111111111111111111","editions":["0x3333333333333333333333333333333333333333"],"quorum":2,"royalty":750,"deadline":1790000000,"nonce":"0303030303030303030303030303030303030303030303030303030303030303"},"salt":"0404040404040404040404040404040404040404040404040404040404040404","events":["0xabababababababababababababababababababababababababababababababab"],"bundle":"bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"}"#);
    let declined = Kind::MintConsent {
        proposal: EventId([0xab; 32]),
        answer: MintAnswer::Declined,
    };
    insta::assert_snapshot!(serde_json::to_string(&declined).unwrap(), @r#"{"type":"mint_consent","proposal":"0xabababababababababababababababababababababababababababababababab","answer":{"type":"declined"}}"#);
    let signed = Kind::MintConsent {
        proposal: EventId([0xab; 32]),
        answer: MintAnswer::Signed {
            signature: "0102".into(),
        },
    };
    insta::assert_snapshot!(serde_json::to_string(&signed).unwrap(), @r#"{"type":"mint_consent","proposal":"0xabababababababababababababababababababababababababababababababab","answer":{"type":"signed","signature":"0102"}}"#);
    let minted = Kind::Minted {
        proposal: EventId([0xab; 32]),
        transaction: format!("0x{}", "cd".repeat(32)),
    };
    insta::assert_snapshot!(serde_json::to_string(&minted).unwrap(), @r#"{"type":"minted","proposal":"0xabababababababababababababababababababababababababababababababab","transaction":"0xcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcdcd"}"#);
    let root = commitment(&[4; 32], &[EventId([0xab; 32])], &[BUNDLE.into()]);
    insta::assert_snapshot!(hex::encode(root), @"402ff38bbc1326aed7d335cd2a0446ad27015d78cef65dba11df346b1e71ab88");
    insta::assert_snapshot!(hex::encode(terms().token(1, &CONTRACT).key_digest(1, &CONTRACT)), @"3b4ca3a2479a5fb907be36c05a7b69436b6f4ceb0d08f0a82ed18bd40b2a9ec4");
    insta::assert_snapshot!(hex::encode(pointer(&[5; 32], b"key")), @"4607ead0bdfa94918fb63f9158d003a44591ae379dfb3c1bccd4e3e8cb5c1351");
}

/// Two contributors, their case and discussion; the proposer is the first.
fn held() -> (Device, Device, Vec<SignedEvent>) {
    let (mut ana, mut ben) = (Device::new(0, 0), Device::new(1, 0));
    let entered = [ana.enter(), ben.enter()];
    let shared = ana.say(case());
    ben.lamport = ana.lamport;
    let answer = ben.say(message("Hilar nodes?"));
    let events = entered.into_iter().chain([shared, answer]).collect();
    (ana, ben, events)
}

fn bundled(events: &[SignedEvent]) -> (Bundle, [u8; 32]) {
    let ids: Vec<EventId> = events.iter().map(SignedEvent::id).collect();
    let files = vec!["bafyimage".to_owned()];
    let origin = (ROOM, Device::new(0, 0).person, CHAIN);
    let bundle = Bundle::new(origin, events[2].id(), [4; 32], events, files.clone());
    let files = [files, vec![BUNDLE.to_owned()]].concat();
    (bundle, commitment(&[4; 32], &ids, &files))
}

#[test]
fn a_holder_opens_exactly_what_was_committed_to() {
    let (_, _, events) = held();
    let (bundle, root) = bundled(&events);
    let bytes = bundle.encode();
    let (opened, log) = Bundle::open(&bytes, &root, BUNDLE).unwrap();
    assert_eq!(opened, bundle);
    assert_eq!(
        log.state().case(&bundle.case).unwrap().caption,
        "Chest, 54 y"
    );
    assert_eq!(log.state().messages.len(), 1);
    assert_eq!(log.state().to_bytes(), log_of(&events).state().to_bytes());

    let commitment = |result| matches!(result, Err(BundleError::Commitment));
    assert!(commitment(Bundle::open(&bytes, &[0; 32], BUNDLE).map(drop)));
    assert!(commitment(
        Bundle::open(&bytes, &root, "bafyother").map(drop)
    ));
    // One entry less, though every entry is signed.
    let (shorter, _) = bundled(&events[..3]);
    assert!(commitment(
        Bundle::open(&shorter.encode(), &root, BUNDLE).map(drop)
    ));
    // A changed word.
    let text = String::from_utf8(bytes.clone()).unwrap();
    let changed = text.replace("Hilar nodes?", "Hilar mass??");
    let changed = Bundle::open(changed.as_bytes(), &root, BUNDLE);
    assert!(matches!(changed, Err(BundleError::Event(_))));
    let later = text.replacen("\"v\":1", "\"v\":2", 1);
    assert!(matches!(
        Bundle::open(later.as_bytes(), &root, BUNDLE),
        Err(BundleError::Form)
    ));
    assert!(matches!(
        Bundle::open(b"{}", &root, BUNDLE),
        Err(BundleError::Form)
    ));
}

#[test]
fn answers_are_counted_by_their_contributor_and_the_latest_stands() {
    let (mut ana, mut ben, mut events) = held();
    let mut carl = Device::new(2, 0);
    events.push(carl.enter());
    let mut terms = terms();
    let mut people = [ana.person, ben.person];
    people.sort();
    terms.contributors = vec![
        Contributor {
            person: people[0],
            share: 5_000,
        },
        Contributor {
            person: people[1],
            share: 5_000,
        },
    ];
    let proposed = ana.say(propose(proposal_of(terms)));
    let id = proposed.id();
    let answer = |answer| Kind::MintConsent {
        proposal: id,
        answer,
    };
    let signed = || MintAnswer::Signed {
        signature: "aa".into(),
    };
    events.push(ana.say(answer(signed())));
    events.push(ben.say(answer(MintAnswer::Declined)));
    events.push(carl.say(answer(signed())));
    events.push(proposed);
    let view = log_of(&events).state().mints[0].clone();
    assert_eq!(view.answers.len(), 2, "carl is no contributor");
    assert_eq!(view.declined().collect::<Vec<_>>(), [&ben.person]);
    assert_eq!(view.signatures(), None);

    events.push(ben.say(answer(signed())));
    let transaction = format!("0x{}", "cd".repeat(32));
    events.push(carl.say(Kind::Minted {
        proposal: id,
        transaction: transaction.clone(),
    }));
    let state = log_of(&events);
    let view = &state.state().mints[0];
    assert_eq!(view.signatures(), Some(vec![vec![0xaa], vec![0xaa]]));
    assert_eq!(view.transaction, Some(transaction));
    // Whatever the order in which events come.
    let backwards = log_of(events.iter().rev());
    assert_eq!(backwards.state().to_bytes(), state.state().to_bytes());
}

#[test]
fn a_conversation_is_a_case_and_what_was_said_about_it() {
    let (mut ana, mut ben) = (Device::new(0, 0), Device::new(1, 0));
    let mut carl = Device::new(2, 0);
    let entered = [ana.enter(), ben.enter(), carl.enter()];
    let before = ana.say(message("Good morning"));
    let first = ana.say(case());
    ben.lamport = ana.lamport;
    let asked = ben.say(poll(first.id(), true));
    let option = OptionId {
        event: asked.id(),
        index: 0,
    };
    carl.lamport = ben.lamport;
    let vote = carl.say(Kind::Vote {
        poll: asked.id(),
        option,
        wallet: None,
    });
    ben.lamport = carl.lamport;
    let said = ben.say(message("Hilar nodes?"));
    ana.lamport = ben.lamport;
    let second = ana.say(case());
    ben.lamport = ana.lamport;
    let answer = ben.say(Kind::Message {
        text: "As I said".into(),
        to: Some(first.id()),
        mentions: vec![],
    });
    let edit = ben.say(Kind::Edit {
        of: answer.id(),
        text: "As Ana said".into(),
    });
    let other = ben.say(message("And this one?"));
    let all: Vec<SignedEvent> = entered
        .iter()
        .chain([
            &before, &first, &asked, &vote, &said, &second, &answer, &edit, &other,
        ])
        .cloned()
        .collect();
    let log = log_of(&all);
    let ids = |discussion, without: &[Person]| -> BTreeSet<EventId> {
        let without = without.iter().copied().collect();
        let events = conversation(&log, &first.id(), discussion, &without);
        assert!(events.is_sorted_by_key(|event| (event.event.lamport, event.id())));
        events.iter().map(SignedEvent::id).collect()
    };
    let set = |events: &[&SignedEvent]| -> BTreeSet<EventId> {
        events.iter().map(|event| event.id()).collect()
    };
    let [a, b, c] = &entered;
    assert_eq!(
        ids(true, &[]),
        set(&[a, b, c, &first, &asked, &vote, &said, &answer, &edit])
    );
    assert_eq!(
        ids(false, &[]),
        set(&[a, b, c, &first, &asked, &vote, &answer, &edit])
    );
    // Without the asker there is no question, and no vote on it.
    assert_eq!(ids(true, &[ben.person]), set(&[a, &first]));
    assert!(conversation(&log, &said.id(), true, &BTreeSet::new()).is_empty());

    let events = conversation(&log, &first.id(), true, &BTreeSet::new());
    let people = contributors(&events);
    assert_eq!(
        people,
        BTreeMap::from([(ana.person, 1), (ben.person, 4), (carl.person, 1)])
    );
    let files = vec!["bafyimage".to_owned()];
    let list: Vec<EventId> = events.iter().map(SignedEvent::id).collect();
    let bundle = Bundle::new(
        (ROOM, ana.person, CHAIN),
        first.id(),
        [4; 32],
        &events,
        files.clone(),
    );
    let root = commitment(&[4; 32], &list, &[files, vec![BUNDLE.to_owned()]].concat());
    let (_, opened) = Bundle::open(&bundle.encode(), &root, BUNDLE).unwrap();
    assert_eq!(
        opened.state().case(&first.id()).unwrap().polls[0].total(),
        1
    );
    assert_eq!(opened.state().messages.len(), 2);
    assert!(opened.state().pending.is_empty());
}

#[test]
fn what_was_taken_back_is_not_minted_and_what_answers_it_is() {
    let (mut ana, mut ben) = (Device::new(0, 0), Device::new(1, 0));
    let mut all = vec![ana.enter(), ben.enter()];
    let shared = ana.say(case());
    ben.lamport = ana.lamport;
    let slip = ben.say(message("Her name is on the film"));
    let edit = ben.say(Kind::Edit {
        of: slip.id(),
        text: "Her initials are on the film".into(),
    });
    ana.lamport = ben.lamport;
    let answer = ana.say(Kind::Message {
        text: "Please take that back".into(),
        to: Some(slip.id()),
        mentions: vec![],
    });
    all.extend([shared.clone(), slip.clone(), edit, answer.clone()]);
    let chosen = |all: &[SignedEvent]| {
        let log = log_of(all);
        let events = conversation(&log, &shared.id(), true, &BTreeSet::new());
        (log, events)
    };
    let (_, before) = chosen(&all);
    let earlier: Vec<EventId> = before.iter().map(SignedEvent::id).collect();
    assert!(earlier.contains(&slip.id()));

    ben.lamport = ana.lamport;
    all.push(ben.say(Kind::Retract { of: slip.id() }));
    let (log, events) = chosen(&all);
    assert!(holds_taken_back(&log, &earlier), "an earlier proposal");
    let words: String = events
        .iter()
        .map(|event| String::from_utf8_lossy(&event.bytes))
        .collect();
    assert!(!words.contains("on the film"), "{words}");
    let people = contributors(&events);
    assert_eq!(
        people,
        BTreeMap::from([(ana.person, 2)]),
        "nothing of Ben's"
    );

    let ids: Vec<EventId> = events.iter().map(SignedEvent::id).collect();
    assert!(!holds_taken_back(&log, &ids));
    let origin = (ROOM, ana.person, CHAIN);
    let bundle = Bundle::new(origin, shared.id(), [4; 32], &events, vec![]);
    let root = commitment(&[4; 32], &ids, &[BUNDLE.to_owned()]);
    let (_, opened) = Bundle::open(&bundle.encode(), &root, BUNDLE).unwrap();
    let said: Vec<_> = opened.state().messages.iter().map(|said| said.id).collect();
    assert_eq!(said, [answer.id()]);
    assert!(opened.state().pending.is_empty());
}

/// What a fork takes back is taken back whole.
#[test]
fn a_fork_leaves_no_trace_of_the_event_that_lost() {
    let (mut ana, _, mut events) = held();
    let proposed = ana.say(propose(proposal_of(terms())));
    let id = proposed.id();
    events.push(proposed);
    let kinds = [
        propose(proposal_of(terms())),
        Kind::MintConsent {
            proposal: id,
            answer: MintAnswer::Declined,
        },
        Kind::Minted {
            proposal: id,
            transaction: format!("0x{}", "cd".repeat(32)),
        },
    ];
    for kind in kinds {
        let rivals = [ana.clone().say(kind), ana.clone().say(message("instead"))];
        let both = [&events[..], &rivals].concat();
        let winner = rivals
            .iter()
            .min_by_key(|event| event.id())
            .unwrap()
            .clone();
        let alone = [&events[..], &[winner]].concat();
        let (both, alone) = (log_of(&both), log_of(&alone));
        assert_eq!(both.state().mints, alone.state().mints);
        assert_eq!(both.state().messages, alone.state().messages);
    }
}

proptest! {
    #[test]
    fn no_two_lists_share_a_commitment(
        events in proptest::collection::vec(any::<[u8; 32]>(), 1..9),
        files in proptest::collection::vec("[a-z]{0,8}", 0..5),
        place in any::<prop::sample::Index>(),
    ) {
        let ids: Vec<EventId> = events.iter().copied().map(EventId).collect();
        let root = commitment(&[4; 32], &ids, &files);
        prop_assert_eq!(root, commitment(&[4; 32], &ids, &files));
        prop_assert_ne!(root, commitment(&[5; 32], &ids, &files));
        let mut more = files.clone();
        more.push(String::new());
        prop_assert_ne!(root, commitment(&[4; 32], &ids, &more));
        if !ids.is_empty() {
            let at = place.index(ids.len());
            let mut changed = ids.clone();
            changed[at].0[0] ^= 1;
            prop_assert_ne!(root, commitment(&[4; 32], &changed, &files));
            changed.remove(at);
            prop_assert_ne!(root, commitment(&[4; 32], &changed, &files));
        }
    }

    #[test]
    fn the_pointer_leads_back(digest in any::<[u8; 32]>(), key in proptest::collection::vec(any::<u8>(), 1..64)) {
        let on_chain = pointer(&digest, &key);
        prop_assert_eq!(pointer(&on_chain, &key), digest);
        prop_assert_ne!(on_chain, digest);
    }
}
