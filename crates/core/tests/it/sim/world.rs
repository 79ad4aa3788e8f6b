//! The network between the peers, the registry that all of them read now and then, and the key nodes.

use std::collections::{BTreeMap, BTreeSet};

use healthsync_core::{Kind, Person, RoomLog, epoch};

use super::peer::{Peer, Sealed};
use crate::people::{Device, log};

const PEERS: u8 = 20;

/// SplitMix64: small, and the same everywhere.
pub(super) struct Rng(u64);

impl Rng {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    pub(super) fn below(&mut self, end: u64) -> u64 {
        self.next() % end.max(1)
    }

    pub(super) fn one_in(&mut self, of: u64) -> bool {
        self.below(of) == 0
    }

    pub(super) fn pick(&mut self, from: usize) -> Option<usize> {
        (from > 0).then(|| self.below(from as u64) as usize)
    }
}

/// The room registry, or what somebody has read of it.
#[derive(Clone, Default)]
pub(super) struct Registry {
    pub(super) members: BTreeSet<Person>,
    pub(super) removed: BTreeSet<Person>,
    /// Block of the last removal.
    pub(super) removal: u64,
    pub(super) block: u64,
}

pub(super) struct World {
    rng: Rng,
    now: u64,
    peers: Vec<Peer>,
    registry: Registry,
    /// Keys that the nodes hold.
    nodes: BTreeSet<u32>,
    /// What is under way: when it comes, to whom, and what.
    flying: Vec<(u64, usize, Sealed)>,
    /// Of each key, who was known to be removed by somebody who sealed with it.
    kept_out: BTreeMap<u32, BTreeSet<Person>>,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let mut rng = Rng(seed.wrapping_mul(0x2545_f491_4f6c_dd1d) ^ 0x5eed);
        let mut registry = Registry {
            block: 1,
            ..Registry::default()
        };
        // Most are there from the beginning.
        for p in 0..18 {
            if p < 4 || !rng.one_in(4) {
                registry.members.insert(Device::new(p, 0).person);
            }
        }
        let peers = (0..PEERS)
            .map(|n| Peer::new(n, &mut rng, registry.clone()))
            .collect();
        Self {
            rng,
            now: 0,
            peers,
            registry,
            nodes: [epoch::FIRST].into(),
            flying: Vec::new(),
            kept_out: BTreeMap::new(),
        }
    }

    pub(super) fn acts(&mut self) -> u64 {
        120 + self.rng.below(180)
    }

    /// One thing happens.
    pub(super) fn act(&mut self) {
        self.now += self.rng.below(30);
        self.registry.block += self.rng.below(2);
        let who = self.rng.below(u64::from(PEERS)) as usize;
        match self.rng.below(24) {
            0 => self.cut_off(),
            1 => self.peers.iter_mut().for_each(|peer| peer.group = 0),
            2 if self.rng.one_in(3) => self.change_members(),
            3 | 4 => self.read_registry(who),
            5 | 6 => {
                let other = self.rng.below(u64::from(PEERS)) as usize;
                if self.peers[who].group == self.peers[other].group {
                    self.pull(who, other);
                }
            }
            7..=12 => self.send_out(who),
            13..=17 => self.deliver(),
            _ => {
                if self.peers[who]
                    .registry
                    .members
                    .contains(&self.peers[who].person())
                {
                    self.peers[who].say_something(&mut self.rng, self.now);
                    if self.rng.one_in(2) {
                        self.send_out(who);
                    }
                }
            }
        }
    }

    fn cut_off(&mut self) {
        let groups = 2 + self.rng.below(3);
        for peer in &mut self.peers {
            peer.group = self.rng.below(groups) as u8;
        }
    }

    /// The owner adds or removes somebody. Who was removed stays out.
    fn change_members(&mut self) {
        let person = Device::new(4 + self.rng.below(14) as u8, 0).person;
        self.registry.block += 1;
        if self.registry.members.remove(&person) {
            self.registry.removed.insert(person);
            self.registry.removal = self.registry.block;
        } else if !self.registry.removed.contains(&person) {
            self.registry.members.insert(person);
        }
    }

    fn read_registry(&mut self, who: usize) {
        // Group 1 has no way to the chain.
        if self.peers[who].group != 1 {
            self.peers[who].registry = self.registry.clone();
        }
    }

    /// Seals what waits with the current key and sends it to everybody; begins an epoch where one is due.
    fn send_out(&mut self, who: usize) {
        let peer = &mut self.peers[who];
        let is_in = peer.registry.members.contains(&peer.person());
        if !is_in || peer.outbox.is_empty() || peer.group == 1 {
            return;
        }
        if peer.current().is_none() {
            self.read_registry(who);
            self.begin_epoch(who);
        }
        let peer = &mut self.peers[who];
        let Some(epoch) = peer.current() else { return };
        self.kept_out
            .entry(epoch)
            .or_default()
            .extend(&peer.registry.removed);
        for event in std::mem::take(&mut peer.outbox) {
            // What begins an epoch is sealed with that epoch's own key.
            let epoch = match &event.event.kind {
                Kind::Epoch { epoch, .. } => *epoch,
                _ => epoch,
            };
            let sealed = Sealed { event, epoch };
            self.peers[who].take(&sealed);
            for to in (0..self.peers.len()).filter(|to| *to != who) {
                let copies = match self.rng.below(10) {
                    0..=2 => 0,
                    3 => 2,
                    _ => 1,
                };
                for _ in 0..copies {
                    let when = self.now + self.rng.below(90);
                    self.flying.push((when, to, sealed.clone()));
                }
            }
        }
    }

    fn begin_epoch(&mut self, who: usize) {
        let (tag, now) = (self.rng.below(1 << 16) as u16, self.now);
        let peer = &mut self.peers[who];
        let allowed = self.registry.members.contains(&peer.person());
        let reached = epoch::reached(&peer.log.state().epochs);
        let Some(epoch) = epoch::next(reached, tag).filter(|_| allowed) else {
            return;
        };
        if !self.nodes.insert(epoch) {
            return;
        }
        peer.keys.insert(epoch);
        let kind = Kind::Epoch {
            epoch,
            block: peer.registry.block,
            removed: peer.registry.removed.iter().copied().collect(),
            readers: peer.registry.members.len() as u32,
        };
        peer.say(kind, now);
    }

    /// Some of what is under way arrives, unless its way is cut.
    fn deliver(&mut self) {
        let now = self.now;
        let due: Vec<usize> = (0..self.flying.len())
            .filter(|i| self.flying[*i].0 <= now)
            .collect();
        for at in due.into_iter().rev().take(40) {
            let (_, to, sealed) = self.flying.swap_remove(at);
            let from = self
                .peers
                .iter()
                .find(|p| p.device.secret.public() == sealed.event.event.device);
            if from.is_some_and(|from| from.group == self.peers[to].group) {
                self.receive(to, &sealed);
            }
        }
    }

    /// With a key that it does not have, the peer asks the nodes, who ask the registry.
    fn receive(&mut self, to: usize, sealed: &Sealed) {
        let peer = &mut self.peers[to];
        if self.registry.members.contains(&peer.person()) && self.nodes.contains(&sealed.epoch) {
            peer.keys.insert(sealed.epoch);
        }
        peer.take(sealed);
    }

    /// What `from` has and `who` misses, by version vector.
    fn pull(&mut self, who: usize, from: usize) {
        let have = self.peers[who].log.heads();
        let missing: Vec<Sealed> = self.peers[from]
            .kept
            .iter()
            .filter(|((device, seq), _)| !have.has(device, *seq))
            .map(|(_, sealed)| sealed.clone())
            .collect();
        for sealed in missing {
            self.receive(who, &sealed);
        }
    }

    fn members(&self) -> Vec<usize> {
        let is_in = |peer: &Peer| self.registry.members.contains(&peer.person());
        (0..self.peers.len())
            .filter(|i| is_in(&self.peers[*i]))
            .collect()
    }

    /// Everybody is online again and everything that anybody can still send gets through.
    pub(super) fn heal(&mut self) {
        self.peers.iter_mut().for_each(|peer| peer.group = 0);
        for _ in 0..3 {
            for who in self.members() {
                self.read_registry(who);
                // Whoever is in makes the key that is due, also with nothing to say: a clock that is wrong by more than
                // half a day makes none that counts, and waits for another's.
                if self.peers[who].current().is_none() {
                    self.begin_epoch(who);
                }
                self.send_out(who);
            }
            // The relay stands for all: whatever a member has, it gets, and every member gets it.
            let hub = self.members()[0];
            for who in self.members() {
                self.pull(hub, who);
            }
            for who in self.members() {
                self.pull(who, hub);
            }
        }
    }

    pub(super) fn all_hold_the_same(&self) -> Result<(), String> {
        let members = self.members();
        let first = &self.peers[members[0]];
        let whole: RoomLog = first.log.events().fold(log(), |mut log, event| {
            log.insert_kept(event).unwrap();
            log
        });
        if whole.state().to_bytes() != first.log.state().to_bytes() {
            return Err("the fold step by step is not the whole fold".into());
        }
        for who in &members {
            let peer = &self.peers[*who];
            if !peer.outbox.is_empty() {
                return Err(format!("peer {who} could not send everything"));
            }
            if peer.log.heads() != first.log.heads() {
                return Err(format!("peer {who} has other events"));
            }
            if peer.log.state().to_bytes() != first.log.state().to_bytes() {
                return Err(format!("peer {who} has another state"));
            }
            if peer.log.next_lamport() != first.log.next_lamport() {
                return Err(format!("peer {who} has another clock"));
            }
            if peer.current().is_some() && peer.current() != first.current() {
                return Err(format!("peer {who} seals with another key"));
            }
        }
        Ok(())
    }

    pub(super) fn the_removed_hold_no_key(&self) -> Result<(), String> {
        for (epoch, out) in &self.kept_out {
            for peer in &self.peers {
                if out.contains(&peer.person()) && peer.keys.contains(epoch) {
                    return Err(format!("removed peer {} has key {epoch:#x}", peer.number));
                }
            }
        }
        Ok(())
    }
}
