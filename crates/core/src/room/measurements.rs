//! Measurements of all cases, and which of them their authors have taken back.

use std::collections::{BTreeMap, BTreeSet};

use super::{Key, state::MeasurementView};
use crate::ids::{EventId, Person};

#[derive(Debug, Clone, Default)]
pub(super) struct Measurements {
    /// By case, in the room's order.
    of_case: BTreeMap<EventId, BTreeMap<Key, MeasurementView>>,
    case_of: BTreeMap<EventId, EventId>,
    /// By measurement: who takes it back, and with which event.
    removals: BTreeMap<EventId, BTreeSet<(Person, EventId)>>,
}

impl Measurements {
    /// Takes one; gives its case.
    pub(super) fn add(&mut self, key: Key, view: MeasurementView) -> EventId {
        let case = view.measurement.case;
        self.case_of.insert(view.id, case);
        self.of_case.entry(case).or_default().insert(key, view);
        case
    }

    /// Undoes [`Self::add`].
    pub(super) fn drop(&mut self, key: Key) -> Option<EventId> {
        let case = self.case_of.remove(&key.1)?;
        self.of_case.get_mut(&case)?.remove(&key);
        Some(case)
    }

    /// Somebody takes it back, which counts for its author only; gives its case, if it has come.
    pub(super) fn remove(&mut self, id: EventId, by: Person, event: EventId) -> Option<EventId> {
        self.removals.entry(id).or_default().insert((by, event));
        self.case_of.get(&id).copied()
    }

    /// Undoes [`Self::remove`].
    pub(super) fn restore(&mut self, id: EventId, by: Person, event: EventId) -> Option<EventId> {
        if let Some(removals) = self.removals.get_mut(&id) {
            removals.remove(&(by, event));
        }
        self.case_of.get(&id).copied()
    }

    /// Those of a case that stand, in the room's order.
    pub(super) fn of(&self, case: &EventId) -> Vec<MeasurementView> {
        let removed = |view: &MeasurementView| {
            self.removals
                .get(&view.id)
                .is_some_and(|all| all.iter().any(|(by, _)| *by == view.person))
        };
        let all = self
            .of_case
            .get(case)
            .into_iter()
            .flat_map(BTreeMap::values);
        all.filter(|view| !removed(view)).cloned().collect()
    }
}
