//! A peer's answers, in any order and with any content, into the wanting side of the blob protocol: never a panic, never
//! more asked than the window, never anything kept that is not proved.
#![no_main]

use healthsync_core::RoomId;
use healthsync_net::blob::{
    fetch::{Effect, Fetch, WINDOW},
    wire::{Answer, Ask},
};
use libfuzzer_sys::fuzz_target;
use web_time::Instant;

fuzz_target!(|answers: Vec<(bool, Vec<u8>)>| {
    let mut fetch: Fetch<bool> = Fetch::new(RoomId([0; 32]), [0; 36], 1 << 20, |_, layout| {
        layout.size % 2 == 0
    });
    let now = Instant::now();
    let mut owed = [0_usize; 2];
    let count = |effects: Vec<Effect<bool>>, owed: &mut [usize; 2]| {
        for effect in effects {
            match effect {
                Effect::Send(peer, Ask::Want(_)) => owed[usize::from(peer)] += 1,
                Effect::Drop(peer, _) => owed[usize::from(peer)] = 0,
                Effect::Send(_, Ask::Open { .. }) => {}
            }
        }
        assert!(owed.iter().all(|owed| *owed <= WINDOW));
    };
    for (peer, bytes) in answers {
        count(fetch.joined(peer, now), &mut owed);
        if let Ok(answer) = Answer::decode(&bytes) {
            if matches!(answer, Answer::Chunk(..) | Answer::Missing(_)) {
                owed[usize::from(peer)] = owed[usize::from(peer)].saturating_sub(1);
            }
            count(fetch.received(peer, answer, now), &mut owed);
        }
    }
    let (have, all) = fetch.progress();
    assert!(have <= all && all <= 1 << 20);
});
