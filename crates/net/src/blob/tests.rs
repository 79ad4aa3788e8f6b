//! Laws of the blob protocol: with one honest peer everything arrives, whatever others do; nothing
//! wrong is ever kept; no peer owes more than its window.

use std::time::Duration;

use healthsync_core::RoomId;
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use web_time::Instant;

use super::{
    fetch::{Effect, Fault, Fetch, SILENT, SLOW, WINDOW},
    serve::{Serve, Step},
    wire::{Answer, Ask, Refusal, WireError},
    *,
};

const ROOM: RoomId = RoomId([3; 32]);

/// A content id of the tests' own: the hash of the digests.
fn id_of(layout: &Layout) -> ContentId {
    let mut id = [0; 36];
    id[..8].copy_from_slice(&layout.size.to_be_bytes());
    id[4..].copy_from_slice(&Sha256::digest(layout.digests.as_flattened()));
    id
}

fn proves(id: &ContentId, layout: &Layout) -> bool {
    id_of(layout) == *id
}

fn content(size: usize) -> (Vec<u8>, Layout, ContentId) {
    let bytes: Vec<u8> = (0..size as u64)
        .map(|n| (n.wrapping_mul(2_654_435_761) >> 13) as u8)
        .collect();
    let pieces: Vec<&[u8]> = match size {
        0 => vec![&[]],
        _ => bytes.chunks(CHUNK).collect(),
    };
    let layout = Layout {
        size: size as u64,
        digests: pieces.iter().map(|c| Sha256::digest(c).into()).collect(),
    };
    let id = id_of(&layout);
    (bytes, layout, id)
}

fn chunk(bytes: &[u8], index: u32) -> Vec<u8> {
    bytes
        .chunks(CHUNK)
        .nth(index as usize)
        .unwrap_or(&[])
        .to_vec()
}

/// How a peer behaves.
#[derive(Debug, Clone, Copy)]
enum Manner {
    Honest,
    Corrupts,
    Lies,
    Refuses,
    Silent,
    /// Answers this many questions, then its stream breaks; it comes back.
    Breaks(u8),
    LacksOdd,
}

fn manner() -> impl Strategy<Value = Manner> {
    prop_oneof![
        Just(Manner::Honest),
        Just(Manner::Corrupts),
        Just(Manner::Lies),
        Just(Manner::Refuses),
        Just(Manner::Silent),
        (0_u8..6).prop_map(Manner::Breaks),
        Just(Manner::LacksOdd),
    ]
}

/// Plays a whole transfer; `order` decides whose turn it is.
fn play(
    size: usize,
    manners: &[Manner],
    order: &[u8],
) -> (Fetch<usize>, Vec<u8>, Vec<(usize, Fault)>) {
    let (bytes, layout, id) = content(size);
    let mut fetch = Fetch::new(ROOM, id, size as u64, proves);
    let mut now = Instant::now();
    let mut asked: Vec<Vec<Ask>> = vec![Vec::new(); manners.len()];
    let mut answered = vec![0_u8; manners.len()];
    let mut faults = Vec::new();
    let carry = |effects: Vec<Effect<usize>>, asked: &mut Vec<Vec<Ask>>, faults: &mut Vec<_>| {
        for effect in effects {
            match effect {
                Effect::Send(peer, ask) => {
                    asked[peer].push(ask);
                    assert!(asked[peer].len() <= WINDOW + 1, "a window was exceeded");
                }
                Effect::Drop(peer, fault) => {
                    asked[peer].clear();
                    faults.push((peer, fault));
                }
            }
        }
    };
    let mut turns = order.iter().cycle();
    for _ in 0..20_000 {
        if fetch.is_done() {
            break;
        }
        let peer = usize::from(*turns.next().unwrap()) % manners.len();
        if fetch.wants(&peer) {
            let effects = fetch.joined(peer, now);
            carry(effects, &mut asked, &mut faults);
        }
        if asked[peer].is_empty() {
            now += Duration::from_millis(100);
            let effects = fetch.tick(now);
            carry(effects, &mut asked, &mut faults);
            continue;
        }
        if matches!(manners[peer], Manner::Silent) {
            now += SLOW / 2;
            let effects = fetch.tick(now);
            carry(effects, &mut asked, &mut faults);
            continue;
        }
        if let Manner::Breaks(after) = manners[peer]
            && answered[peer] >= after
        {
            answered[peer] = 0;
            asked[peer].clear();
            let effects = fetch.left(peer, now);
            carry(effects, &mut asked, &mut faults);
            continue;
        }
        answered[peer] += 1;
        let answer = match (asked[peer].remove(0), manners[peer]) {
            (_, Manner::Refuses) => Answer::No(Refusal::Unknown),
            (Ask::Open { .. }, Manner::Lies) => Answer::Layout(Layout {
                digests: vec![[9; 32]; layout.digests.len()],
                ..layout.clone()
            }),
            (Ask::Open { .. }, _) => Answer::Layout(layout.clone()),
            (Ask::Want(index), Manner::LacksOdd) if index % 2 == 1 => Answer::Missing(index),
            (Ask::Want(index), Manner::Corrupts) => {
                let mut wrong = chunk(&bytes, index);
                match wrong.first_mut() {
                    Some(byte) => *byte ^= 1,
                    None => wrong.push(0),
                }
                Answer::Chunk(index, wrong)
            }
            (Ask::Want(index), _) => Answer::Chunk(index, chunk(&bytes, index)),
        };
        let effects = fetch.received(peer, answer, now);
        carry(effects, &mut asked, &mut faults);
    }
    (fetch, bytes, faults)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn one_honest_peer_is_enough(
        size in 0_usize..12 * CHUNK,
        mut others in proptest::collection::vec(manner(), 0..5),
        order in proptest::collection::vec(any::<u8>(), 1..64),
        place: prop::sample::Index,
    ) {
        others.insert(place.index(others.len() + 1), Manner::Honest);
        // Everybody gets a turn now and then.
        let order: Vec<u8> = order.into_iter().chain(0..others.len() as u8).collect();
        let (mut fetch, bytes, faults) = play(size, &others, &order);
        prop_assert!(fetch.is_done());
        prop_assert_eq!(fetch.progress(), (size as u64, size as u64));
        prop_assert_eq!(fetch.take_bytes().unwrap().1, bytes);
        for (peer, fault) in faults {
            let deserved = match others[peer] {
                Manner::Honest | Manner::LacksOdd | Manner::Breaks(_) => fault == Fault::Silent,
                Manner::Corrupts => fault == Fault::WrongBytes,
                Manner::Lies => fault == Fault::WrongLayout,
                Manner::Refuses => fault == Fault::Refused(Refusal::Unknown),
                Manner::Silent => fault == Fault::Silent,
            };
            prop_assert!(deserved, "{:?} was let go for {:?}", others[peer], fault);
        }
    }

    #[test]
    fn messages_survive(index: u32, bytes in proptest::collection::vec(any::<u8>(), 0..64), room: [u8; 32], content: [u8; 32]) {
        let mut id = [1; 36];
        id[4..].copy_from_slice(&content);
        for ask in [Ask::Want(index), Ask::Open { room: RoomId(room), content: id }] {
            prop_assert_eq!(Ask::decode(&ask.encode()), Ok(ask));
        }
        for answer in [Answer::Chunk(index, bytes), Answer::Missing(index), Answer::No(Refusal::Busy)] {
            prop_assert_eq!(Answer::decode(&answer.encode()), Ok(answer));
        }
    }

    #[test]
    fn any_bytes_are_read_or_refused(bytes: Vec<u8>) {
        let _ = Ask::decode(&bytes);
        let _ = Answer::decode(&bytes);
    }
}

#[test]
fn the_bytes_are_those_of_the_documentation() {
    let open = Ask::Open {
        room: ROOM,
        content: [5; 36],
    };
    let expected = [&[1][..], &[3; 32], &[5; 36]].concat();
    assert_eq!(open.encode(), expected);
    assert_eq!(Ask::Want(258).encode(), [2, 0, 0, 1, 2]);
    let layout = Layout {
        size: 3,
        digests: vec![[7; 32]],
    };
    let expected = [&[129, 0, 0, 0, 0, 0, 0, 0, 3][..], &[7; 32]].concat();
    assert_eq!(Answer::Layout(layout).encode(), expected);
    assert_eq!(Answer::Chunk(1, vec![9]).encode(), [130, 0, 0, 0, 1, 9]);
    assert_eq!(Answer::No(Refusal::NotMember).encode(), [131, 1]);
    assert_eq!(Answer::Missing(1).encode(), [132, 0, 0, 0, 1]);
}

#[test]
fn impossible_messages_are_refused_by_the_rule_they_break() {
    assert_eq!(Ask::decode(&[]), Err(WireError::Kind));
    assert_eq!(Ask::decode(&[1, 2]), Err(WireError::Length));
    assert_eq!(Ask::decode(&[2, 0, 0, 0, 1, 0]), Err(WireError::Length));
    let mut layout = vec![129];
    layout.extend_from_slice(&u64::MAX.to_be_bytes());
    assert_eq!(Answer::decode(&layout), Err(WireError::Layout));
    let mut odd = Answer::Layout(Layout {
        size: 1,
        digests: vec![[0; 32]],
    })
    .encode();
    odd.push(0);
    assert_eq!(Answer::decode(&odd), Err(WireError::Layout));
    let long = Answer::Chunk(0, vec![0; CHUNK + 1]).encode();
    assert_eq!(Answer::decode(&long), Err(WireError::Length));
}

#[test]
fn content_that_is_too_large_is_refused_before_memory_is_taken() {
    let (_, layout, id) = content(2 * CHUNK);
    let mut fetch = Fetch::new(ROOM, id, CHUNK as u64, proves);
    let now = Instant::now();
    fetch.joined(1, now);
    let effects = fetch.received(1, Answer::Layout(layout), now);
    assert_eq!(effects, [Effect::Drop(1, Fault::TooLarge)]);
    assert!(!fetch.wants(&1), "it is not asked again");
}

#[test]
fn an_answer_to_no_question_ends_it() {
    let (bytes, layout, id) = content(9 * CHUNK);
    let mut fetch = Fetch::new(ROOM, id, u64::MAX, proves);
    let now = Instant::now();
    fetch.joined(1, now);
    fetch.received(1, Answer::Layout(layout), now);
    let effects = fetch.received(1, Answer::Chunk(8, chunk(&bytes, 8)), now);
    assert_eq!(effects[0], Effect::Drop(1, Fault::Unasked));
}

#[test]
fn what_is_proved_outlives_the_peers_and_gaps_can_be_filled_from_elsewhere() {
    let (bytes, layout, id) = content(3 * CHUNK + 5);
    let mut fetch = Fetch::new(ROOM, id, u64::MAX, proves);
    let now = Instant::now();
    assert_eq!(fetch.gaps(), None);
    fetch.joined(1, now);
    fetch.received(1, Answer::Layout(layout), now);
    fetch.received(1, Answer::Chunk(1, chunk(&bytes, 1)), now);
    fetch.left(1, now);
    let chunk_size = CHUNK as u64;
    let gaps = vec![0..chunk_size, 2 * chunk_size..3 * chunk_size + 5];
    assert_eq!(fetch.gaps(), Some(gaps.clone()));
    assert_eq!(fetch.fill(0, &[0; CHUNK]), Err(Fault::WrongBytes));
    for gap in gaps {
        let part = &bytes[gap.start as usize..gap.end as usize];
        assert_eq!(fetch.fill(gap.start, part), Ok(()));
    }
    assert_eq!(fetch.take_bytes().unwrap().1, bytes);
}

#[test]
fn a_silent_peer_is_let_go_and_may_return() {
    let (_, _, id) = content(1);
    let mut fetch = Fetch::new(ROOM, id, u64::MAX, proves);
    let start = Instant::now();
    fetch.joined(1, start);
    assert_eq!(fetch.tick(start + SILENT), []);
    let later = start + SILENT + Duration::from_secs(1);
    assert_eq!(fetch.tick(later), [Effect::Drop(1, Fault::Silent)]);
    assert!(fetch.wants(&1));
}

#[test]
fn the_giving_side_takes_questions_in_order_only() {
    let (_, layout, id) = content(2 * CHUNK);
    let open = Ask::Open {
        room: ROOM,
        content: id,
    };
    let malformed = || Step::End(Answer::No(Refusal::Malformed));
    assert_eq!(Serve::default().asked(Ask::Want(0)), malformed());
    let mut serve = Serve::default();
    let look = Step::Look {
        room: ROOM,
        content: id,
    };
    assert_eq!(serve.asked(open), look);
    assert_eq!(serve.found(Ok(layout.clone())), Answer::Layout(layout));
    let read = Step::Read {
        content: id,
        index: 1,
    };
    assert_eq!(serve.asked(Ask::Want(1)), read);
    assert_eq!(serve.asked(Ask::Want(2)), malformed());
    assert_eq!(serve.asked(open), malformed());
}
