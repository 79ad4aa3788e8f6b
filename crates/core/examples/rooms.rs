//! Measures the room's fold: `cargo run --release -p healthsync-core --example rooms`. One JSON line; the table is made by
//! `end2end/bench/rooms.mjs`, which measures others beside it.

use std::{
    hint::black_box,
    time::{Duration, Instant},
};

use healthsync_core::{
    Delegation, DeviceSecret, Envelope, Event, EventId, Kind, Millis, RoomId, RoomKey, RoomLog,
    SignedDelegation, SignedEvent, eth,
};

const ROOM: RoomId = RoomId([7; 32]);
const CHAIN: u64 = 31337;
const T0: u64 = 1_790_000_000;
/// Events of the whole history, and of the one that is joined.
const WHOLE: usize = 100_000;
const JOINED: usize = 10_000;

struct Device {
    secret: DeviceSecret,
    delegation: SignedDelegation,
    seq: u64,
    prev: Option<EventId>,
}

impl Device {
    fn new(number: u8) -> Self {
        let secret = DeviceSecret::from_bytes([number + 1; 32]);
        let wallet = [number + 1; 32];
        let delegation = Delegation {
            person: eth::person_of_secret(&wallet).expect("a small number is a key"),
            device: secret.public(),
            issued_at: T0,
            expires_at: T0 + 86_400,
            chain_id: CHAIN,
        };
        let signature = eth::sign_hash(&delegation.signing_hash(), &wallet).expect("the same key");
        Self {
            secret,
            delegation: SignedDelegation {
                delegation,
                signature,
            },
            seq: 0,
            prev: None,
        }
    }

    fn say(&mut self, lamport: u64, kind: Kind) -> SignedEvent {
        self.seq += 1;
        let event = Event {
            v: 1,
            room: ROOM,
            person: self.delegation.delegation.person,
            device: self.secret.public(),
            seq: self.seq,
            prev: self.prev,
            lamport,
            at: Millis::from_seconds(T0 + lamport % 80_000),
            kind,
        };
        let signed = SignedEvent::sign(event, &self.secret);
        self.prev = Some(signed.id());
        signed
    }
}

/// Twenty people who talk: messages, and now and then a sign or other words.
fn history(count: usize) -> (Vec<SignedEvent>, Vec<Device>) {
    let mut devices: Vec<Device> = (0..20).map(Device::new).collect();
    let mut events: Vec<SignedEvent> = Vec::with_capacity(count);
    for lamport in 1..=count as u64 {
        let at = (lamport as usize * 7) % devices.len();
        let device = &mut devices[at];
        let kind = match (device.seq, lamport % 10, events.last()) {
            (0, ..) => Kind::Delegation {
                delegation: device.delegation.clone(),
            },
            (_, 3, Some(last)) => Kind::Reaction {
                to: last.id(),
                sign: healthsync_core::Sign::Agree,
                on: true,
            },
            _ => Kind::message(format!(
                "Message {lamport}: solid nodule in the right upper lobe, found before a hip operation."
            )),
        };
        events.push(device.say(lamport, kind));
    }
    (events, devices)
}

fn log() -> RoomLog {
    RoomLog::new(ROOM, Device::new(0).delegation.delegation.person, CHAIN)
}

/// Folds all, and says how long the last thousand took.
fn fold<'a>(events: impl Iterator<Item = &'a SignedEvent>, count: usize) -> (Duration, Duration) {
    let mut log = log();
    let started = Instant::now();
    let mut tail = started;
    for (at, event) in events.enumerate() {
        if at + 1_000 == count {
            tail = Instant::now();
        }
        log.insert(event.clone()).expect("a good event");
    }
    assert!(log.state().pending.is_empty());
    black_box(log.state().messages.len());
    (started.elapsed(), tail.elapsed())
}

fn main() {
    let (events, _) = history(WHOLE);
    let (whole, last) = fold(events.iter(), WHOLE);
    let (backwards, first) = fold(events.iter().rev(), WHOLE);
    let bytes: usize = events.iter().map(|event| event.bytes.len() + 64).sum();

    let (events, devices) = history(JOINED);
    let key = RoomKey::from_master(&[3; 32], &ROOM, 0);
    let envelopes: Vec<Vec<u8>> = events
        .iter()
        .map(|event| {
            let by = devices
                .iter()
                .find(|device| device.secret.public() == event.event.device);
            let secret = &by.expect("one of them").secret;
            Envelope::seal_anew(event, &key, 0, secret).encode()
        })
        .collect();
    let sealed: usize = envelopes.iter().map(Vec::len).sum();
    let started = Instant::now();
    let mut joined = log();
    for bytes in &envelopes {
        let envelope = Envelope::decode(bytes).expect("a good envelope");
        joined
            .insert(envelope.open(&key).expect("the right key"))
            .expect("a good event");
    }
    let join = started.elapsed();
    let per_second = (2 * JOINED) as f64 / join.as_secs_f64();
    println!(
        "{{\"fold_ms\": {}, \"last_thousand_ms\": {:.3}, \"backwards_ms\": {}, \"first_thousand_ms\": {:.3}, \"event_bytes\": {}, \"join_ms\": {}, \"sealed_bytes\": {}, \"signatures_per_s\": {:.0}}}",
        whole.as_millis(),
        last.as_secs_f64() * 1e3,
        backwards.as_millis(),
        first.as_secs_f64() * 1e3,
        bytes / WHOLE,
        join.as_millis(),
        sealed / JOINED,
        per_second,
    );
}
