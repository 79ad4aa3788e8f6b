//! What has been used and may not be used again: a bounded set whose entries end by themselves.

use std::collections::BTreeSet;

use healthsync_core::Millis;

/// A set of at most `limit` keys, each with the time until which it counts, which is part of the key. When it is full,
/// what would end first is forgotten before its time: refusing would let one caller lock all others out.
#[derive(Debug)]
pub(super) struct Used<K> {
    ends: BTreeSet<(Millis, K)>,
    limit: usize,
    forgotten: Millis,
}

impl<K: Ord> Used<K> {
    pub(super) fn new(limit: usize) -> Self {
        Self {
            ends: BTreeSet::new(),
            limit,
            forgotten: Millis(0),
        }
    }

    /// Whether it is remembered as used.
    pub(super) fn has(&self, key: &(Millis, K)) -> bool {
        self.ends.contains(key)
    }

    /// What ends by then may have been used without being remembered.
    pub(super) fn forgotten(&self) -> Millis {
        self.forgotten
    }

    /// Marks `key` as used; false if it was.
    pub(super) fn mark(&mut self, key: (Millis, K), now: Millis) -> bool {
        while self.ends.first().is_some_and(|(until, _)| *until <= now) {
            self.ends.pop_first();
        }
        let new = self.ends.insert(key);
        if self.ends.len() > self.limit
            && let Some((until, _)) = self.ends.pop_first()
        {
            self.forgotten = until;
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn remembers_until_the_time_and_not_more_than_the_limit() {
        let mut used = Used::new(2);
        let (a, b, c) = ((Millis(10), 'a'), (Millis(20), 'b'), (Millis(30), 'c'));
        assert!(used.mark(a, Millis(0)) && !used.mark(a, Millis(9)));
        assert!(used.mark(b, Millis(9)) && used.has(&a));
        assert!(
            !used.mark(b, Millis(10)) && !used.has(&a),
            "its time is over"
        );
        assert!(used.mark(c, Millis(10)));
        assert_eq!(used.forgotten(), Millis(0));
        // Full: the one that would end first goes, and it is known that it may have been used.
        assert!(used.mark((Millis(40), 'd'), Millis(10)));
        assert!(!used.has(&b) && used.has(&c));
        assert_eq!(used.forgotten(), Millis(20));
    }
}
