//! What has been used and may not be used again: a bounded set whose entries end by themselves.

use std::collections::HashMap;
use std::hash::Hash;

use healthsync_core::Millis;

/// A set of at most `limit` keys, each until its own time.
#[derive(Debug)]
pub(super) struct Used<K> {
    until: HashMap<K, Millis>,
    limit: usize,
}

/// Whether something could be marked as used.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Marked {
    /// It was new.
    New,
    /// It has been used before.
    Again,
    /// Too many are remembered; nothing is forgotten before its time, so nothing more is taken.
    Full,
}

impl<K: Eq + Hash> Used<K> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            until: HashMap::new(),
            limit,
        }
    }

    /// Marks `key` as used until `until`.
    pub(super) fn mark(&mut self, key: K, until: Millis, now: Millis) -> Marked {
        if self.until.len() >= self.limit {
            self.until.retain(|_, end| *end > now);
        }
        if self.until.get(&key).is_some_and(|end| *end > now) {
            return Marked::Again;
        }
        if self.until.len() >= self.limit {
            return Marked::Full;
        }
        self.until.insert(key, until);
        Marked::New
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_until_the_time_and_not_more_than_the_limit() {
        let mut used = Used::new(2);
        assert_eq!(used.mark('a', Millis(10), Millis(0)), Marked::New);
        assert_eq!(used.mark('a', Millis(10), Millis(9)), Marked::Again);
        assert_eq!(used.mark('b', Millis(20), Millis(9)), Marked::New);
        assert_eq!(used.mark('c', Millis(20), Millis(9)), Marked::Full);
        assert_eq!(used.mark('c', Millis(20), Millis(10)), Marked::New);
        assert_eq!(used.mark('b', Millis(20), Millis(19)), Marked::Again);
    }
}
