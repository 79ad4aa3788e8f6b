//! Laws of the fold over rooms that proptest makes up: devices that do not see each other all the time,
//! forks, missing events, devices of one person, votes from everywhere at once.

use std::collections::{BTreeMap, BTreeSet};

use healthsync_core::{
    EventId, Inserted, Kind, Millis, OptionId, Person, RoomLog, Sign, SignedEvent, epoch, limits,
};
use proptest::{collection::vec, prelude::*, sample::Index};

use crate::people::{
    Device, OUTCOME, ROOM, T0, case, log, log_of, message, outcome, poll, renewed, revoke, story,
    vote,
};

#[derive(Debug, Clone)]
enum Act {
    See,
    Name,
    Message,
    Case,
    Poll,
    Option,
    Vote,
    /// Certifies the votes that the closer sees.
    Close,
    Edit,
    Retract,
    React,
    Pin,
    NewKey,
    Profile,
    Epoch,
    /// Tells of the end of the first device: its person's other one, that device itself, or somebody else in that
    /// person's name.
    Revoke,
    /// Says something with a clock from far ahead.
    Ahead,
    /// Says something in place of its last event.
    Fork,
    /// Goes on without its last event ever being sent.
    Lose,
}

type Script = Vec<(Index, Act, Index, Index)>;

fn script() -> impl Strategy<Value = Script> {
    let act = prop_oneof![
        3 => Just(Act::See),
        1 => Just(Act::Name),
        1 => Just(Act::Message),
        2 => Just(Act::Case),
        3 => Just(Act::Poll),
        3 => Just(Act::Option),
        8 => Just(Act::Vote),
        1 => Just(Act::Close),
        3 => Just(Act::Edit),
        1 => Just(Act::Retract),
        3 => Just(Act::React),
        2 => Just(Act::Pin),
        3 => Just(Act::NewKey),
        1 => Just(Act::Profile),
        1 => Just(Act::Epoch),
        1 => Just(Act::Revoke),
        1 => Just(Act::Ahead),
        1 => Just(Act::Fork),
        1 => Just(Act::Lose),
    ];
    vec((any::<Index>(), act, any::<Index>(), any::<Index>()), 1..60)
}

fn pick<T: Copy>(from: &[T], index: Index) -> Option<T> {
    (!from.is_empty()).then(|| from[index.index(from.len())])
}

/// All events that the script makes, in the order in which they were made.
fn play(script: Script) -> Vec<SignedEvent> {
    let mut devices: Vec<Device> = [(0, 0), (0, 1), (1, 0), (2, 0), (3, 0)]
        .map(|(p, d)| Device::new(p, d))
        .into();
    let mut seen: Vec<RoomLog> = devices.iter().map(|_| log()).collect();
    let mut all: Vec<SignedEvent> = devices.iter_mut().map(Device::enter).collect();
    let (mut cases, mut polls, mut options, mut said) = (vec![], vec![], vec![], vec![]);
    for (who, act, one, two) in script {
        let who = who.index(devices.len());
        let (device, seen) = (&mut devices[who], &mut seen[who]);
        let before = device.clone();
        let kind = match act {
            Act::See => {
                for event in &all {
                    seen.insert(event.clone()).unwrap();
                }
                device.lamport = seen.next_lamport() - 1;
                continue;
            }
            Act::Name => Kind::Room {
                name: format!("Room {}", one.index(9)),
            },
            Act::Message | Act::Lose => message("Hilar nodes?"),
            Act::Edit => match pick(&said, one) {
                Some(of) => Kind::Edit {
                    of,
                    text: format!("Other words {}", two.index(9)),
                },
                None => continue,
            },
            Act::Retract => match pick(&said, one) {
                Some(of) => Kind::Retract { of },
                None => continue,
            },
            Act::React => match pick(&said, one) {
                Some(to) => Kind::Reaction {
                    to,
                    sign: Sign::ALL[two.index(2)],
                    on: two.index(3) > 0,
                },
                None => continue,
            },
            Act::Pin => match pick(&said, one) {
                Some(of) => Kind::Pin {
                    of,
                    on: two.index(3) > 0,
                },
                None => continue,
            },
            Act::NewKey => match pick(&cases, one) {
                Some(case) => Kind::NewKey {
                    case,
                    images: vec![renewed(two.index(3), one.index(4))],
                },
                None => continue,
            },
            Act::Profile => Kind::Profile {
                name: format!("Name {}", one.index(9)),
                role: String::new(),
                city: String::new(),
            },
            Act::Epoch => Kind::Epoch {
                epoch: epoch::next(one.index(2) as u32, two.index(3) as u16).unwrap(),
                block: 1,
                removed: vec![],
                readers: 1,
            },
            Act::Revoke => {
                let first = Device::new(0, 0);
                device.person = first.person;
                Kind::Revocation {
                    revocation: revoke(0, first.secret.public(), one.index(40) as u64),
                    last: two.index(20) as u64,
                }
            }
            Act::Ahead => {
                device.lamport += limits::CLOCK_STEP * (1 + one.index(3) as u64);
                let event = device.say_at(message("Ahead"), Millis::from_seconds(T0 + 1));
                device.lamport = before.lamport;
                all.push(event);
                continue;
            }
            Act::Case => case(),
            Act::Poll => match pick(&cases, one) {
                Some(case) => poll(case, two.index(2) == 0),
                None => continue,
            },
            Act::Option => match pick(&polls, one) {
                Some(poll) => Kind::Option {
                    poll,
                    text: format!("Option {}", two.index(9)),
                },
                None => continue,
            },
            Act::Vote => match (pick(&polls, one), pick(&options, two)) {
                (Some(poll), Some(option)) if one.index(9) == 0 => vote(poll, option),
                (Some(event), _) => {
                    let index = two.index(3) as u16;
                    vote(event, OptionId { event, index })
                }
                _ => continue,
            },
            Act::Close => match pick(&polls, one) {
                Some(poll) => {
                    let view = seen.state().poll(&poll);
                    Kind::Close {
                        poll,
                        counted: view.map_or(vec![], |view| view.counted()),
                        options: view
                            .filter(|_| two.index(2) == 0)
                            .map(|view| view.added_options()),
                        registry: None,
                    }
                }
                None => continue,
            },
            Act::Fork => match all.iter().rposition(|e| Some(e.id()) == device.prev) {
                Some(last) if device.seq > 1 => {
                    device.seq -= 1;
                    device.prev = all[last].event.prev;
                    vote(
                        pick(&polls, one).unwrap_or(EventId([0; 32])),
                        pick(&options, two).unwrap_or(OptionId {
                            event: EventId([0; 32]),
                            index: 0,
                        }),
                    )
                }
                _ => continue,
            },
        };
        let event = device.say(kind);
        device.person = before.person;
        match &event.event.kind {
            Kind::Message { .. } => said.push(event.id()),
            Kind::Case { .. } => {
                cases.push(event.id());
                said.push(event.id());
            }
            Kind::Poll { .. } => polls.push(event.id()),
            Kind::Option { .. } => options.push(OptionId {
                event: event.id(),
                index: 0,
            }),
            _ => {}
        }
        if matches!(act, Act::Lose) {
            continue;
        }
        if matches!(act, Act::Fork) && one.index(2) == 0 {
            // Goes on from the first of the two.
            device.prev = before.prev;
        }
        all.push(event);
    }
    all
}

/// The events that count, in order, as the rules say: from the whole list at once, with no regard to speed.
fn counting(events: &[SignedEvent]) -> Vec<&SignedEvent> {
    let mut kept: BTreeMap<_, &SignedEvent> = BTreeMap::new();
    for event in events {
        let slot = kept
            .entry((event.event.device, event.event.seq))
            .or_insert(event);
        if event.id() < slot.id() {
            *slot = event;
        }
    }
    let mut clocks: Vec<u64> = events.iter().map(|e| e.event.lamport).collect();
    clocks.sort_unstable();
    let clock = clocks.into_iter().fold(0, |clock, next| {
        if next <= clock + limits::CLOCK_STEP {
            next
        } else {
            clock
        }
    });
    let delegated = |person, device| {
        let mut kinds = events.iter().map(|e| &e.event.kind);
        kinds.any(|kind| match kind {
            Kind::Delegation { delegation } => {
                (delegation.delegation.person, delegation.delegation.device) == (person, device)
            }
            _ => false,
        })
    };
    let ends: Vec<_> = events
        .iter()
        .filter_map(|e| match &e.event.kind {
            Kind::Revocation { revocation, last } => {
                let revocation = &revocation.revocation;
                let by = e.event.device;
                let says = by != revocation.device && delegated(revocation.person, by);
                Some((revocation, says.then_some(*last)))
            }
            _ => None,
        })
        .collect();
    let revoked = |e: &SignedEvent| {
        let ends = ends.iter().filter(|(end, _)| end.device == e.event.device);
        let from = ends.clone().map(|(end, _)| end.from()).min();
        let last = ends.filter_map(|(_, last)| *last).max();
        from.is_some_and(|from| e.event.at >= from) || last.is_some_and(|last| e.event.seq > last)
    };
    let mut kept: Vec<_> = kept.into_values().collect();
    kept.sort_by_key(|e| (e.event.lamport, e.id()));
    kept.retain(|e| e.event.lamport <= clock + limits::CLOCK_STEP && !revoked(e));
    kept.retain(|e| delegated(e.event.person, e.event.device));
    kept
}

/// What shows of a message: its text, whether it was taken back, and who has given which sign.
type Shown = (String, bool, BTreeSet<(Sign, Person)>);

/// Messages and pins as the rules say.
fn retell(events: &[SignedEvent]) -> (Vec<(EventId, Shown)>, Vec<EventId>) {
    let kept = counting(events);
    let mut messages: Vec<(EventId, Shown)> = Vec::new();
    let mut pins: Vec<EventId> = Vec::new();
    for said in &kept {
        let (id, author) = (said.id(), said.event.person);
        let shown = match &said.event.kind {
            Kind::Message { text, .. } => {
                let mut shown: Shown = (text.clone(), false, BTreeSet::new());
                for later in &kept {
                    match &later.event.kind {
                        Kind::Edit { of, text } if *of == id && later.event.person == author => {
                            shown.0.clone_from(text);
                        }
                        Kind::Retract { of } if *of == id && later.event.person == author => {
                            shown.1 = true;
                        }
                        Kind::Reaction { to, sign, on } if *to == id => {
                            let given = (*sign, later.event.person);
                            if *on {
                                shown.2.insert(given)
                            } else {
                                shown.2.remove(&given)
                            };
                        }
                        _ => {}
                    }
                }
                if shown.1 {
                    shown = (String::new(), true, BTreeSet::new());
                }
                messages.push((id, shown.clone()));
                !shown.1
            }
            Kind::Case { .. } => true,
            _ => false,
        };
        let pin = kept.iter().rev().find_map(|later| match &later.event.kind {
            Kind::Pin { of, on } if *of == id => Some((*on, later.id())),
            _ => None,
        });
        if let Some((true, pin)) = pin
            && shown
        {
            pins.push(pin);
        }
    }
    pins.sort();
    (messages, pins)
}

/// The counts as the rules say.
fn recount(events: &[SignedEvent]) -> BTreeMap<EventId, BTreeMap<Person, OptionId>> {
    let kept = counting(events);
    let cases: BTreeSet<EventId> = kept
        .iter()
        .filter(|e| matches!(e.event.kind, Kind::Case { .. }))
        .map(|e| e.id())
        .collect();
    let mut tallies = BTreeMap::new();
    for ask in &kept {
        let Kind::Poll {
            case,
            options,
            open_options,
            ..
        } = &ask.event.kind
        else {
            continue;
        };
        if !cases.contains(case) {
            continue;
        }
        let id = ask.id();
        let closes = kept.iter().filter_map(|e| match &e.event.kind {
            Kind::Close {
                poll,
                counted,
                options,
                ..
            } if *poll == id && e.event.person == ask.event.person => Some((e, counted, options)),
            _ => None,
        });
        let close = closes
            .clone()
            .find(|(e, ..)| {
                let earlier = |(other, ..): (&&SignedEvent, _, _)| {
                    other.event.device == e.event.device && other.event.seq < e.event.seq
                };
                !closes.clone().any(earlier)
            })
            .map(|(e, counted, options)| ((e.event.lamport, e.id()), counted, options));
        let known = |option: OptionId| {
            if option.event == id {
                return usize::from(option.index) < options.len();
            }
            *open_options
                && option.index == 0
                && kept.iter().any(|e| {
                    e.id() == option.event
                        && matches!(e.event.kind, Kind::Option { poll, .. } if poll == id)
                        && close.is_none_or(|(end, _, options)| match options {
                            Some(options) => options.contains(&e.id()),
                            None => (e.event.lamport, e.id()) < end,
                        })
                })
        };
        let mut tally = BTreeMap::new();
        for vote in &kept {
            if let Kind::Vote { poll, option, .. } = vote.event.kind
                && poll == id
                && known(option)
                && close.is_none_or(|(_, counted, _)| counted.contains(&vote.id()))
            {
                tally.insert(vote.event.person, option);
            }
        }
        tallies.insert(id, tally);
    }
    tallies
}

/// `crates/browser-tests` expects the same of a browser.
#[test]
fn a_story_ends_the_same_everywhere() {
    assert_eq!(outcome(&log_of(&story())), OUTCOME);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(128))]

    #[test]
    fn any_order_and_any_duplicates_give_the_same_bytes(
        (events, again) in script().prop_map(play).prop_flat_map(|events| {
            let again = vec(0..events.len(), 0..20);
            (Just(events), again)
        }),
        seed in any::<u64>(),
    ) {
        let straight = log_of(&events);
        let mut other: Vec<_> = events.iter().chain(again.iter().map(|i| &events[*i])).collect();
        shuffle(&mut other, seed);
        let shuffled = log_of(other.iter().copied());
        prop_assert_eq!(straight.state().to_bytes(), shuffled.state().to_bytes());
        prop_assert_eq!(straight.heads(), shuffled.heads());
        prop_assert_eq!(straight.next_lamport(), shuffled.next_lamport());

        // And the kept events alone give all but the evidence of forks, where the others had moved no clock and
        // brought no proof.
        let moved = events.iter().any(|e| e.event.lamport > limits::CLOCK_STEP || matches!(e.event.kind, Kind::Revocation { .. }));
        if moved {
            return Ok(());
        }
        let kept: Vec<_> = shuffled.events().collect();
        let kept = log_of(&kept);
        let (mut a, mut b) = (kept.state().clone(), straight.state().clone());
        a.forks.clear();
        b.forks.clear();
        prop_assert_eq!(a.to_bytes(), b.to_bytes());
    }

    #[test]
    fn every_vote_counts_once_and_none_is_lost(events in script().prop_map(play), seed in any::<u64>()) {
        let mut shuffled: Vec<_> = events.iter().collect();
        shuffle(&mut shuffled, seed);
        let log = log_of(shuffled);
        let mut counted = BTreeMap::new();
        for poll in log.state().cases.iter().flat_map(|case| &case.polls) {
            let votes: BTreeMap<_, _> = poll.votes.iter().map(|(who, (_, o))| (*who, *o)).collect();
            for option in &poll.options {
                let voters: Vec<_> = votes.iter().filter(|(_, o)| **o == option.id).map(|(p, _)| *p).collect();
                prop_assert_eq!(&option.voters, &voters);
                prop_assert_eq!(option.count as usize, voters.len());
            }
            let sum: u32 = poll.options.iter().map(|option| option.count).sum();
            prop_assert_eq!(sum as usize, poll.total());
            counted.insert(poll.id, votes);
        }
        prop_assert_eq!(counted, recount(&events));
    }

    #[test]
    fn messages_show_as_their_authors_last_worded_them(events in script().prop_map(play), seed in any::<u64>()) {
        let mut shuffled: Vec<_> = events.iter().collect();
        shuffle(&mut shuffled, seed);
        let log = log_of(shuffled);
        let state = log.state();
        let messages: Vec<(EventId, Shown)> = state.messages.iter().map(|m| {
            let signs = m.reactions.iter().flat_map(|(sign, all)| all.iter().map(|p| (*sign, *p)));
            (m.id, (m.text.clone(), m.retracted.is_some(), signs.collect()))
        }).collect();
        let mut pins: Vec<EventId> = state.pins.iter().map(|pin| pin.id).collect();
        pins.sort();
        prop_assert_eq!((messages, pins), retell(&events));
        let counting = counting(&events).len();
        prop_assert_eq!(counting + state.pending.len(), log.len());
    }

    #[test]
    fn heads_and_gaps_say_what_is_there(events in script().prop_map(play), keep in any::<u64>(), seed in any::<u64>()) {
        let mut some: Vec<_> = events.iter().enumerate().filter(|(i, _)| keep >> (i % 64) & 1 == 1).map(|(_, e)| e).collect();
        shuffle(&mut some, seed);
        let log = log_of(some.iter().copied());
        let mut there: BTreeMap<_, BTreeSet<u64>> = BTreeMap::new();
        for event in some {
            there.entry(event.event.device).or_default().insert(event.event.seq);
        }
        let mut missing = BTreeSet::new();
        for (device, seqs) in &there {
            let last = *seqs.last().unwrap();
            let head = (1..).find(|seq| !seqs.contains(seq)).unwrap() - 1;
            prop_assert_eq!(log.heads().get(device), head);
            prop_assert_eq!(log.head_of(device).unwrap().0, last);
            missing.extend((1..last).filter(|seq| !seqs.contains(seq)).map(|seq| (*device, seq)));
        }
        let gaps = &log.state().gaps;
        let listed: Vec<_> = gaps.iter().flat_map(|g| (g.from..=g.to).map(|seq| (g.device, seq))).collect();
        prop_assert_eq!(listed, missing.into_iter().collect::<Vec<_>>());
        // Each gap is as long as it can be.
        for pair in gaps.windows(2) {
            prop_assert!(pair[0].device != pair[1].device || pair[0].to + 1 < pair[1].from);
        }
    }

    #[test]
    fn inserting_again_changes_nothing(events in script().prop_map(play)) {
        let mut log = log_of(&events);
        let before = log.state().to_bytes();
        for event in &events {
            let result = log.insert(event.clone()).unwrap();
            prop_assert!(matches!(result, Inserted::Known | Inserted::Fork));
            prop_assert_eq!(event.event.room, ROOM);
        }
        prop_assert_eq!(before, log.state().to_bytes());
    }
}

/// Fisher-Yates with a small generator of its own, so that a seed says it all.
fn shuffle<T>(list: &mut [T], seed: u64) {
    let mut state = seed | 1;
    for i in (1..list.len()).rev() {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        list.swap(i, (state >> 33) as usize % (i + 1));
    }
}
