//! New keys for a case's images: which encrypted file stands for which image now. The picture is the same, or so its
//! author says; what everybody has seen stays in the log under the content id of that time.

use std::collections::BTreeMap;

use super::{
    Key,
    state::{CaseView, NewKeyView},
};
use crate::{
    event::{Event, ImageRef, Renewed},
    ids::{EventId, Millis, Person},
    limits,
};

type Said = BTreeMap<Key, (Millis, Vec<Renewed>)>;

#[derive(Debug, Clone, Default)]
pub(super) struct NewKeys {
    /// By case and by whoever says so, which counts for the case's author only.
    said: BTreeMap<EventId, BTreeMap<Person, Said>>,
    /// Images as their case came with them, from when they may differ.
    originals: BTreeMap<EventId, Vec<ImageRef>>,
}

impl NewKeys {
    pub(super) fn add(&mut self, case: EventId, event: &Event, key: Key, images: &[Renewed]) {
        let said = self.said.entry(case).or_default();
        let said = said.entry(event.person).or_default();
        said.insert(key, (event.at, images.to_vec()));
    }

    /// Undoes [`Self::add`].
    pub(super) fn drop(&mut self, case: EventId, event: &Event, key: Key) {
        if let Some(said) = self.said.get_mut(&case)
            && let Some(said) = said.get_mut(&event.person)
        {
            said.remove(&key);
        }
    }

    /// The case counts no more; what is said about it waits for it to come again.
    pub(super) fn forget(&mut self, case: &EventId) {
        self.originals.remove(case);
    }

    /// Brings a case up to date. In the room's order, each renewal counts for the images that have its old content id at
    /// that place: of two at once the first. None brings back a content id that the case has had.
    pub(super) fn renew(&mut self, case: &mut CaseView) {
        let said = self.said.get(&case.id);
        let Some(said) = said.and_then(|all| all.get(&case.person)) else {
            return;
        };
        let originals = self.originals.entry(case.id);
        let originals = originals.or_insert_with(|| case.images.clone());
        case.images.clone_from(originals);
        case.new_keys.clear();
        for ((_, id), (at, images)) in said.iter().take(limits::NEW_KEYS) {
            let mut counted = Vec::new();
            for renewed in images {
                let had = |cid: &String| *cid == renewed.cid;
                let before = case.new_keys.iter().flat_map(|view| &view.images);
                let mut before = before.chain(&counted).map(|earlier| &earlier.was);
                if before.any(had) || case.images.iter().any(|image| had(&image.cid)) {
                    continue;
                }
                let mut found = false;
                for image in &mut case.images {
                    if image.cid == renewed.was {
                        image.cid.clone_from(&renewed.cid);
                        image.size = renewed.size;
                        found = true;
                    }
                }
                if found {
                    counted.push(renewed.clone());
                }
            }
            if !counted.is_empty() {
                case.new_keys.push(NewKeyView {
                    id: *id,
                    at: *at,
                    images: counted,
                });
            }
        }
    }
}
