//! Epochs: which key seals what is said now.
//!
//! A room starts with key 0. Whoever sees that somebody was taken off the room's list, and that no newer key
//! is there yet, makes one, has it split among the key nodes, and says so with an event of kind `epoch` that
//! is itself sealed with the new key: nobody follows a key that the nodes do not give.
//!
//! A key's number (`u32`, in every envelope) is `order << 16 | tag`: `order` counts the epochs of a room, `tag`
//! is random, so that two people who act at once make two keys with two ids and both stay readable. Of several
//! keys of one order everybody seals with the same one: see [`current`].

use std::collections::BTreeSet;

use crate::{ids::Person, room::EpochView};

const TAG_BITS: u32 = 16;

/// The key that a room begins with.
pub const FIRST: u32 = 0;

/// The most epochs that a room can have.
pub const MAX_ORDER: u32 = (1 << (u32::BITS - TAG_BITS)) - 1;

/// The place of a key in the order of the room's keys; 0 is the first one's.
pub fn number(epoch: u32) -> u32 {
    epoch >> TAG_BITS
}

/// The highest order that the room has come to, step by step: a member who claims the last of all orders
/// leaves none for others, so an order counts only when the one before it is there.
pub fn reached(epochs: &[EpochView]) -> u32 {
    epochs.iter().fold(0, |reached, epoch| {
        let order = number(epoch.epoch);
        if order == reached + 1 { order } else { reached }
    })
}

/// The id of a new key, of the order after `reached`, with 16 random bits. `None` at the end of all orders.
pub fn next(reached: u32, tag: u16) -> Option<u32> {
    (reached < MAX_ORDER).then(|| ((reached + 1) << TAG_BITS) | u32::from(tag))
}

/// The key to seal with, for somebody who reads in the registry at `block` that `members` are in the room and
/// that the last removal was in block `removal` (0: never). `None`: there is none that keeps out everybody who
/// was removed; somebody has to begin a new epoch before anything is said.
///
/// A key serves when whoever began it is still in the room (else a person who was removed could have begun it)
/// and had seen the last removal. One that claims a block of the future does not serve: it would outlast
/// removals to come. Among those that serve, the highest order wins, then the first in the room's order.
pub fn current(
    epochs: &[EpochView],
    members: &BTreeSet<Person>,
    removal: u64,
    block: u64,
) -> Option<u32> {
    let reached = reached(epochs);
    let serving = epochs.iter().filter(|epoch| {
        number(epoch.epoch) <= reached
            && members.contains(&epoch.person)
            && (removal..=block).contains(&epoch.block)
    });
    // Of each order the list has the first one first.
    let best = serving.reduce(|best, epoch| {
        if number(epoch.epoch) > number(best.epoch) {
            epoch
        } else {
            best
        }
    });
    match best {
        Some(epoch) => Some(epoch.epoch),
        None => (removal == 0).then_some(FIRST),
    }
}
