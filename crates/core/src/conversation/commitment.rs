//! What a token commits to: the ids of a conversation's signed events and of its files, as a salted Merkle root.
//! An event's id is the hash of what its device signed, so the root fixes every word, and says none.

use alloy_primitives::keccak256;

use crate::ids::EventId;

const LEAF: &[u8] = b"healthsync/conversation-leaf/1\0";
const NODE: &[u8] = b"healthsync/conversation-node/1\0";
const ROOT: &[u8] = b"healthsync/conversation/1\0";

/// The root over `events` in the room's order and then `files` (CIDs, the sealed bundle's last).
///
/// Each leaf has a salt of its own, made of `salt` and its place, so that one entry can be shown to somebody without
/// giving them a way to guess at the others. A node without a neighbour moves up as it is; the count is in the root,
/// so no two lists share one.
pub fn commitment(salt: &[u8; 32], events: &[EventId], files: &[String]) -> [u8; 32] {
    let events = events.iter().map(|id| (b'e', id.0.as_slice()));
    let files = files.iter().map(|cid| (b'f', cid.as_bytes()));
    let mut level: Vec<[u8; 32]> = events
        .chain(files)
        .zip(0_u64..)
        .map(|((kind, content), place)| leaf(salt, place, kind, content))
        .collect();
    let count = level.len() as u64;
    while level.len() > 1 {
        level = level
            .chunks(2)
            .map(|pair| match pair {
                [left, right] => hash(&[NODE, left, right]),
                [alone, ..] => *alone,
                [] => [0; 32],
            })
            .collect();
    }
    let root = level.first().copied().unwrap_or_default();
    hash(&[ROOT, &count.to_be_bytes(), &root])
}

fn leaf(salt: &[u8; 32], place: u64, kind: u8, content: &[u8]) -> [u8; 32] {
    let own = hash(&[salt, &place.to_be_bytes()]);
    hash(&[LEAF, &own, &[kind], content])
}

fn hash(parts: &[&[u8]]) -> [u8; 32] {
    keccak256(parts.concat()).0
}
