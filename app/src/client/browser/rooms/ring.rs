//! The keys of one room by their numbers, and what can be read with them.

use std::collections::BTreeMap;

use healthsync_core::{Envelope, Ephemeral, RoomId, RoomKey, SignedEvent, open_ephemeral};

/// Keys that a passing message is tried with: it does not say which one seals it.
const TRIED: usize = 8;

/// A room has one key more for each time that somebody was removed.
#[derive(Clone, Debug, Default)]
pub(crate) struct KeyRing(BTreeMap<u32, RoomKey>);

/// A good envelope, as far as it can be read.
#[derive(Debug)]
pub(crate) enum Read {
    Event(Box<SignedEvent>),
    /// Sealed with the key of this number, which is not here.
    NoKey(u32),
}

impl KeyRing {
    pub(crate) fn add(&mut self, epoch: u32, key: RoomKey) {
        self.0.insert(epoch, key);
    }

    pub(crate) fn add_all(&mut self, others: Self) {
        for (epoch, key) in others.0 {
            self.add(epoch, key);
        }
    }

    pub(crate) fn get(&self, epoch: u32) -> Option<(u32, RoomKey)> {
        self.0.get(&epoch).map(|key| (epoch, key.clone()))
    }

    /// The key of the highest number.
    pub(crate) fn newest(&self) -> Option<(u32, RoomKey)> {
        let (epoch, key) = self.0.last_key_value()?;
        Some((*epoch, key.clone()))
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn len(&self) -> usize {
        self.0.len()
    }

    /// From the network: every signature is checked. `None`: forged, cut, or of another room.
    pub(crate) fn open(&self, bytes: &[u8], room: RoomId) -> Option<Read> {
        let envelope = Envelope::decode(bytes)
            .ok()
            .filter(|envelope| envelope.room == room)?;
        match self.0.get(&envelope.epoch) {
            Some(key) => envelope.open(key).ok().map(Box::new).map(Read::Event),
            None => Some(Read::NoKey(envelope.epoch)),
        }
    }

    /// From this browser's own storage, where only checked envelopes go.
    pub(crate) fn open_kept(&self, bytes: &[u8], room: RoomId) -> Option<SignedEvent> {
        let envelope = Envelope::decode_unverified(bytes)
            .ok()
            .filter(|envelope| envelope.room == room)?;
        envelope.open(self.0.get(&envelope.epoch)?).ok()
    }

    pub(crate) fn open_ephemeral(&self, bytes: &[u8], room: &RoomId) -> Option<Ephemeral> {
        let newest_first = self.0.values().rev().take(TRIED);
        newest_first
            .filter_map(|key| open_ephemeral(bytes, room, key).ok())
            .next()
    }
}

/// The number of the key that seals an envelope, read from its head.
pub(crate) fn epoch_of(envelope: &[u8]) -> Option<u32> {
    Envelope::decode_unverified(envelope)
        .ok()
        .map(|envelope| envelope.epoch)
}
