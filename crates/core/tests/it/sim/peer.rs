//! One peer: a device with its own log, its keys, and its own idea of the registry.

use std::collections::{BTreeMap, BTreeSet};

use healthsync_core::{Kind, Millis, Person, RoomLog, Sign, SignedEvent, epoch};

use super::world::{Registry, Rng};
use crate::people::{Device, T0, case, log, message, poll, revoke};

/// A sealed event as it travels: whoever has the key of its epoch can read it.
#[derive(Clone)]
pub(super) struct Sealed {
    pub(super) event: SignedEvent,
    pub(super) epoch: u32,
}

#[derive(Clone)]
pub(super) struct Peer {
    pub(super) number: u8,
    pub(super) device: Device,
    pub(super) log: RoomLog,
    pub(super) keys: BTreeSet<u32>,
    /// Seconds that its clock is wrong by.
    skew: i64,
    pub(super) group: u8,
    /// As it last read it.
    pub(super) registry: Registry,
    /// What it has read or said, to pass on.
    pub(super) kept: BTreeMap<(healthsync_core::DeviceKey, u64), Sealed>,
    /// What it has said and nobody has heard, in order: sealed when it goes out.
    pub(super) outbox: Vec<SignedEvent>,
}

impl Peer {
    pub(super) fn new(number: u8, rng: &mut Rng, registry: Registry) -> Self {
        // Two of the twenty are second devices of others.
        let device = if number < 18 {
            Device::new(number, 0)
        } else {
            Device::new(number - 16, 1)
        };
        // Most clocks are wrong by minutes, some by a day: what they date counts late, or never.
        let skew = if rng.one_in(8) {
            rng.below(172_800) as i64 - 86_400
        } else {
            rng.below(1_200) as i64 - 600
        };
        Self {
            number,
            device,
            log: log(),
            keys: [epoch::FIRST].into(),
            skew,
            group: 0,
            registry,
            kept: BTreeMap::new(),
            outbox: Vec::new(),
        }
    }

    pub(super) fn person(&self) -> Person {
        self.device.person
    }

    /// Its own registry's word on the key to seal with.
    pub(super) fn current(&self) -> Option<u32> {
        let Registry {
            members,
            removal,
            block,
            ..
        } = &self.registry;
        epoch::current(&self.log.state().epochs, members, *removal, *block)
            .filter(|epoch| self.keys.contains(epoch))
    }

    pub(super) fn say(&mut self, kind: Kind, now: u64) {
        let at = (T0 + 40_000 + now).saturating_add_signed(self.skew);
        self.device.lamport = self.device.lamport.max(self.log.next_lamport() - 1) + 1;
        let event = self.device.say_at(kind, Millis::from_seconds(at));
        self.log.insert_kept(event.clone()).unwrap();
        self.outbox.push(event);
    }

    /// Says anything that can be said, mostly about what it has seen.
    pub(super) fn say_something(&mut self, rng: &mut Rng, now: u64) {
        if self.device.seq == 0 {
            let delegation = self.device.delegation.clone();
            return self.say(Kind::Delegation { delegation }, now);
        }
        let state = self.log.state();
        let said = rng
            .pick(state.messages.len())
            .and_then(|i| state.messages.iter().nth(i));
        let said = said.map(|message| message.id);
        let picture = rng.pick(state.cases.len()).map(|i| &state.cases[i]);
        let asked = picture.and_then(|case| rng.pick(case.polls.len()).map(|i| &case.polls[i]));
        let kind = match (rng.below(16), said, picture, asked) {
            (0, ..) => case(),
            (1 | 2, _, Some(case), _) => poll(case.id, rng.one_in(2)),
            (3, .., Some(poll)) => Kind::Option {
                poll: poll.id,
                text: format!("Option {now}"),
            },
            (4..=6, .., Some(poll)) => {
                let option = poll.options[rng.below(poll.options.len() as u64) as usize].id;
                Kind::Vote {
                    poll: poll.id,
                    option,
                    wallet: None,
                }
            }
            (7, .., Some(poll)) if rng.one_in(3) => Kind::Close {
                poll: poll.id,
                counted: poll.counted(),
                options: Some(poll.added_options()),
                registry: None,
            },
            (8, Some(of), ..) => Kind::Edit {
                of,
                text: format!("Other words {now}"),
            },
            (9, Some(of), ..) if rng.one_in(2) => Kind::Retract { of },
            (10, Some(to), ..) => {
                let sign = Sign::ALL[rng.below(5) as usize];
                Kind::Reaction {
                    to,
                    sign,
                    on: rng.one_in(2),
                }
            }
            (11, Some(of), ..) => Kind::Pin {
                of,
                on: rng.one_in(2),
            },
            (12, ..) if rng.one_in(2) => Kind::Profile {
                name: format!("Name {now}"),
                role: "Radiologist".into(),
                city: String::new(),
            },
            // Out of spite: a clock from the end of time.
            (13, ..) if rng.one_in(4) => {
                let honest = self.device.lamport;
                self.device.lamport = honest + rng.below(1 << 50);
                self.say(message("Me last"), now);
                self.device.lamport = honest;
                return;
            }
            // A second device ends the first one's right.
            (14, ..) if self.number >= 18 && rng.one_in(3) => {
                let p = self.number - 16;
                let other = Device::new(p, 0).secret.public();
                let last = self.log.heads().get(&other);
                Kind::Revocation {
                    revocation: revoke(p, other, 40_000 + now),
                    last,
                }
            }
            (15, ..) if self.number == 0 => Kind::Room {
                name: format!("Room {now}"),
            },
            (_, Some(to), ..) if rng.one_in(3) => Kind::Message {
                text: format!("Answer {now}"),
                to: Some(to),
                mentions: vec![self.person()],
            },
            _ => message(&format!("Message {now}")),
        };
        self.say(kind, now);
    }

    /// Reads what came, if it can.
    pub(super) fn take(&mut self, sealed: &Sealed) {
        if !self.keys.contains(&sealed.epoch) {
            return;
        }
        let at = (sealed.event.event.device, sealed.event.event.seq);
        self.kept.entry(at).or_insert_with(|| sealed.clone());
        self.log.insert_kept(sealed.event.clone()).unwrap();
    }
}
