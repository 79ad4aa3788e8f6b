//! Which messages went by of late, so that each is taken, and told, once, whichever way it comes.

use std::{
    collections::{HashSet, VecDeque},
    time::Duration,
};

use healthsync_core::RoomId;
use sha2::{Digest, Sha256};
use web_time::Instant;

/// Messages that are remembered, and for how long: as gossipsub does.
const REMEMBERED: usize = 16_384;
const MEMORY: Duration = Duration::from_secs(120);

/// A message of a room, by its hash.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Content([u8; 32]);

impl Content {
    /// `message` is a gossip message, its kind included.
    pub(crate) fn of(room: &RoomId, message: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(room.0);
        hash.update(message);
        Self(hash.finalize().into())
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Seen {
    known: HashSet<Content>,
    order: VecDeque<(Content, Instant)>,
}

impl Seen {
    /// Whether this is new; it is known from now on.
    pub(crate) fn is_new(&mut self, content: Content, now: Instant) -> bool {
        while let Some((old, at)) = self.order.front()
            && (self.order.len() >= REMEMBERED || now.saturating_duration_since(*at) > MEMORY)
        {
            self.known.remove(old);
            self.order.pop_front();
        }
        let new = self.known.insert(content);
        if new {
            self.order.push_back((content, now));
        }
        new
    }

    /// Whether this is known. What has aged out may still be, until something new comes.
    #[cfg_attr(target_arch = "wasm32", allow(dead_code))]
    pub(crate) fn knows(&self, content: &Content) -> bool {
        self.known.contains(content)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_new_once_and_memory_is_bounded() {
        let mut seen = Seen::default();
        let (room, other) = (RoomId([1; 32]), RoomId([2; 32]));
        let now = Instant::now();
        assert!(!seen.knows(&Content::of(&room, b"a")));
        assert!(seen.is_new(Content::of(&room, b"a"), now));
        assert!(seen.knows(&Content::of(&room, b"a")));
        assert!(!seen.is_new(Content::of(&room, b"a"), now));
        assert!(
            seen.is_new(Content::of(&other, b"a"), now),
            "another room's"
        );
        let later = now + MEMORY + Duration::from_secs(1);
        assert!(seen.is_new(Content::of(&room, b"a"), later));
        for n in 0..2 * REMEMBERED {
            seen.is_new(Content::of(&room, &n.to_be_bytes()), now);
        }
        assert!(seen.known.len() <= REMEMBERED && seen.order.len() <= REMEMBERED);
    }
}
