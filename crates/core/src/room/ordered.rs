//! A list in the room's order, (Lamport clock, event id), in which an item finds its place in logarithmic
//! time wherever it belongs: history comes in from the front as well as from the end.

use std::{
    collections::{BTreeMap, btree_map},
    iter::Map,
};

use serde::{Serialize, Serializer};

use super::Key;

/// Something that has a place in the room's order.
pub trait Placed {
    /// (Lamport clock, event id).
    fn key(&self) -> Key;
}

/// Items in the room's order, at most one for each place. Boxed, because much of an ordered map that grows at its end is
/// empty room.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ordered<T>(BTreeMap<Key, Box<T>>);

/// Items by their places.
type Iter<'a, T> = Map<btree_map::Values<'a, Key, Box<T>>, fn(&Box<T>) -> &T>;

impl<T> Default for Ordered<T> {
    fn default() -> Self {
        Self(BTreeMap::new())
    }
}

impl<T: Placed> Ordered<T> {
    pub(super) fn put(&mut self, item: T) {
        self.0.insert(item.key(), Box::new(item));
    }
}

impl<T> Ordered<T> {
    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The item at this place.
    pub fn get(&self, key: &Key) -> Option<&T> {
        Some(self.0.get(key)?)
    }

    /// The first one.
    pub fn first(&self) -> Option<&T> {
        Some(self.0.first_key_value()?.1)
    }

    /// The last one.
    pub fn last(&self) -> Option<&T> {
        Some(self.0.last_key_value()?.1)
    }

    /// All, in order; can be read from the end.
    pub fn iter(&self) -> Iter<'_, T> {
        self.0.values().map(|item| item)
    }

    /// Those after this place, in order.
    pub fn after(&self, key: Key) -> impl DoubleEndedIterator<Item = &T> {
        let after = (std::ops::Bound::Excluded(key), std::ops::Bound::Unbounded);
        self.0.range(after).map(|(_, item)| &**item)
    }

    pub(super) fn get_mut(&mut self, key: &Key) -> Option<&mut T> {
        Some(self.0.get_mut(key)?)
    }

    pub(super) fn remove(&mut self, key: &Key) {
        self.0.remove(key);
    }
}

impl<'a, T> IntoIterator for &'a Ordered<T> {
    type Item = &'a T;
    type IntoIter = Iter<'a, T>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

impl<T: Serialize> Serialize for Ordered<T> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_seq(self.0.values())
    }
}
