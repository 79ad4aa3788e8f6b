//! The room's Lamport clock, as a pure function of the set of events: how far it goes on without a gap.
//!
//! Whoever follows the rules numbers an event one higher than the highest one seen, so the numbers of a whole
//! history have no gaps, and those of a history with holes only small ones. A number that is more than
//! [`limits::CLOCK_STEP`] beyond all others was made up: it does not move the clock, and its event does not
//! count until the others have come that far.

use std::collections::BTreeSet;

use crate::limits::CLOCK_STEP;

#[derive(Debug, Clone, Default)]
pub(super) struct Clock {
    now: u64,
    beyond: BTreeSet<u64>,
}

impl Clock {
    /// Takes an event's number; says whether the clock has moved.
    pub(super) fn see(&mut self, lamport: u64) -> bool {
        if !self.reaches(lamport) {
            self.beyond.insert(lamport);
            return false;
        }
        let before = self.now;
        self.now = self.now.max(lamport);
        while let Some(&next) = self.beyond.first()
            && self.reaches(next)
        {
            self.beyond.pop_first();
            self.now = self.now.max(next);
        }
        self.now != before
    }

    /// The clock stands at least here: for a history of which the newest part came first.
    pub(super) fn start_at(&mut self, lamport: u64) -> bool {
        self.beyond.insert(lamport);
        let before = self.now;
        self.now = self.now.max(lamport);
        self.see(lamport);
        self.now != before
    }

    /// Whether an event with this number counts.
    pub(super) fn reaches(&self, lamport: u64) -> bool {
        lamport <= self.now.saturating_add(CLOCK_STEP)
    }

    pub(super) fn now(&self) -> u64 {
        self.now
    }
}
