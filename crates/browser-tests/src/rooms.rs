//! `core`: the laws of the fold, sealing, and hostile bytes.

use healthsync_core::{
    Envelope, Kind, OptionId, Request, Response, RoomKey, SealError, SignedEvent, open_ephemeral,
};
use wasm_bindgen::prelude::wasm_bindgen;

use crate::people::{Device, OUTCOME, ROOM, case, log_of, message, outcome, poll, story, vote};

/// Small and the same everywhere, so that a seed says it all.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: usize) -> usize {
        self.0 = self
            .0
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1);
        (self.0 >> 33) as usize % limit
    }

    fn bytes(&mut self, length: usize) -> Vec<u8> {
        (0..length).map(|_| self.below(256) as u8).collect()
    }

    fn shuffle<T>(&mut self, list: &mut [T]) {
        for i in (1..list.len()).rev() {
            let j = self.below(i + 1);
            list.swap(i, j);
        }
    }
}

/// Four people who talk, ask and vote without always seeing each other.
fn events(dice: &mut Dice) -> Vec<SignedEvent> {
    let mut devices: Vec<Device> = (0..4).map(|person| Device::new(person, 0)).collect();
    let mut all: Vec<SignedEvent> = devices.iter_mut().map(Device::enter).collect();
    let first_case = devices[0].say(case());
    let first_poll = devices[1].say(poll(first_case.id(), true));
    let asked = first_poll.id();
    all.extend([first_case, first_poll]);
    for _ in 0..dice.below(40) {
        let who = dice.below(devices.len());
        if dice.below(3) == 0 {
            devices[who].lamport = log_of(&all).next_lamport() - 1;
        }
        let kind = match dice.below(5) {
            0 => message("Hilar nodes?"),
            1 => Kind::Option {
                poll: asked,
                text: format!("Option {}", dice.below(9)),
            },
            _ => vote(
                asked,
                OptionId {
                    event: asked,
                    index: dice.below(3) as u16,
                },
            ),
        };
        all.push(devices[who].say(kind));
    }
    all
}

#[wasm_bindgen]
pub fn test_any_order_and_any_duplicates_give_the_same_bytes() {
    for seed in 1..=24 {
        let mut dice = Dice(seed);
        let events = events(&mut dice);
        let straight = log_of(&events);
        let mut other: Vec<&SignedEvent> = events.iter().collect();
        for _ in 0..dice.below(20) {
            other.push(&events[dice.below(events.len())]);
        }
        dice.shuffle(&mut other);
        let shuffled = log_of(other);
        assert_eq!(
            straight.state().to_bytes(),
            shuffled.state().to_bytes(),
            "seed {seed}"
        );
        assert_eq!(straight.heads(), shuffled.heads(), "seed {seed}");
    }
}

#[wasm_bindgen]
pub fn test_every_vote_counts_once() {
    for seed in 1..=24 {
        let log = log_of(&events(&mut Dice(seed)));
        for poll in log.state().cases.iter().flat_map(|case| &case.polls) {
            let counts: u32 = poll.options.iter().map(|option| option.count).sum();
            assert_eq!(counts as usize, poll.total(), "seed {seed}");
            assert_eq!(poll.votes.len(), poll.voted(), "seed {seed}");
        }
    }
}

/// A browser computes the very state that the server and every other browser does.
#[wasm_bindgen]
pub fn test_a_story_ends_as_in_a_native_build() {
    assert_eq!(outcome(&log_of(&story())), OUTCOME);
}

fn sealed() -> (SignedEvent, RoomKey, Envelope) {
    let mut device = Device::new(1, 0);
    device.enter();
    let event = device.say(message("Sarcoidosis, I'd say."));
    let key = RoomKey::from_master(&[5; 32], &ROOM, 0);
    let envelope = Envelope::seal(&event, &key, 0, [9; 12], &device.secret);
    (event, key, envelope)
}

#[wasm_bindgen]
pub fn test_an_envelope_opens_with_its_rooms_key_only() {
    let (event, key, envelope) = sealed();
    let travelled = Envelope::decode(&envelope.encode()).unwrap();
    assert_eq!(travelled.open(&key).unwrap().id(), event.id());
    let other = RoomKey::from_master(&[6; 32], &ROOM, 0);
    assert!(matches!(travelled.open(&other), Err(SealError::Key)));
    let later = RoomKey::from_master(&[5; 32], &ROOM, 1);
    assert!(matches!(travelled.open(&later), Err(SealError::Key)));
}

#[wasm_bindgen]
pub fn test_no_changed_bit_of_an_envelope_passes() {
    let (_, key, envelope) = sealed();
    let bytes = envelope.encode();
    for position in (0..bytes.len()).step_by(7) {
        let mut changed = bytes.clone();
        changed[position] ^= 1;
        let opened = Envelope::decode(&changed).and_then(|envelope| envelope.open(&key));
        assert!(opened.is_err(), "byte {position}");
    }
}

#[wasm_bindgen]
pub fn test_hostile_bytes_are_refused_without_a_panic() {
    let (_, key, envelope) = sealed();
    let good = envelope.encode();
    let mut dice = Dice(77);
    for _ in 0..400 {
        let length = dice.below(300);
        let noise = dice.bytes(length);
        let mut broken = good[..dice.below(good.len())].to_vec();
        broken.extend(&noise);
        for bytes in [&noise, &broken] {
            assert!(Envelope::decode(bytes).is_err());
            assert!(open_ephemeral(bytes, &ROOM, &key).is_err());
            assert!(SignedEvent::decode(bytes.clone(), [1; 64]).is_err());
            // Noise may be a request by chance; it must not be a panic.
            let _ = Request::decode(bytes);
            let _ = Response::decode(bytes);
        }
    }
}
