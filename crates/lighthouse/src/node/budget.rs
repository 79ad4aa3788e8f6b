//! How often one person may call one node: a bucket of calls that fills again with time, in bounded memory. It counts
//! people, not network addresses, because many browsers come through one server or one hospital.

use std::collections::HashMap;

use healthsync_core::{Millis, Person};

/// Calls at once: a case of 64 images, shared and opened, with room to spare.
const BURST: u64 = 300;
/// Milliseconds until one more is allowed.
const REFILL: u64 = 100;
/// People remembered at the same time.
const CAPACITY: usize = 20_000;

/// All buckets.
#[derive(Debug, Default)]
pub(super) struct Budget {
    /// When a bucket will be full again, in milliseconds: the one number that a bucket is.
    full_at: HashMap<(u8, Person), u64>,
}

impl Budget {
    /// Takes one call out of the bucket of `person` at `node`; false when it is empty.
    pub(super) fn take(&mut self, node: u8, person: Person, now: Millis) -> bool {
        if self.full_at.len() >= CAPACITY && !self.full_at.contains_key(&(node, person)) {
            self.full_at.retain(|_, full_at| *full_at > now.0);
            // More people than are remembered: forget rather than grow or lock everybody out.
            if self.full_at.len() >= CAPACITY {
                self.full_at.clear();
            }
        }
        let full_at = self.full_at.entry((node, person)).or_insert(now.0);
        let after = (*full_at).max(now.0) + REFILL;
        let allowed = after - now.0 <= BURST * REFILL;
        if allowed {
            *full_at = after;
        }
        allowed
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bucket_empties_and_fills_again_for_each_person_and_node() {
        let (ada, ben) = (Person([1; 20]), Person([2; 20]));
        let mut budget = Budget::default();
        for _ in 0..BURST {
            assert!(budget.take(1, ada, Millis(1000)));
        }
        assert!(!budget.take(1, ada, Millis(1000)));
        assert!(budget.take(2, ada, Millis(1000)) && budget.take(1, ben, Millis(1000)));
        assert!(budget.take(1, ada, Millis(1000 + REFILL)));
        assert!(!budget.take(1, ada, Millis(1000 + REFILL)));
    }

    #[test]
    fn memory_is_bounded() {
        let mut budget = Budget::default();
        for number in 0..3 * CAPACITY as u64 {
            let mut person = Person([0; 20]);
            person.0[..8].copy_from_slice(&number.to_be_bytes());
            assert!(budget.take(1, person, Millis(1)));
        }
        assert!(budget.full_at.len() <= CAPACITY);
    }
}
