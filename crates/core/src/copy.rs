//! A room's data as one file, to be kept or taken to another browser: the sealed events as they are, and, only where it
//! was asked for, the keys that open them. Reading one proves nothing: whoever takes events from it checks each of them
//! as if it came from the network.
//!
//! The file: the line `healthsync/room-copy/1`, a line of JSON (the [`Head`]), then each sealed event as its length
//! (32 bits, big endian) and its bytes.

use serde::{Deserialize, Serialize};

use crate::{
    ids::{Millis, Person, RoomId},
    limits,
};

/// The file's first line.
const MAGIC: &[u8] = b"healthsync/room-copy/1\n";
/// Bytes of a file. A room has at most 1 GiB at the relay; a browser does not read that at once.
pub const MAX_BYTES: usize = 256 * 1024 * 1024;
/// Bytes of the line with the head.
const HEAD_BYTES: usize = 256 * 1024;
/// Keys of one room in a file.
const KEYS: usize = 1_024;

/// What the file says of itself, in the clear.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Head {
    /// Whose events these are.
    pub room: RoomId,
    /// The room's creator.
    pub owner: Person,
    /// The chain that the room is on.
    pub chain_id: u64,
    /// By the clock of the browser that made it.
    pub made_at: Millis,
    /// The room's master keys; none: its reader asks the key nodes.
    pub keys: Vec<Key>,
}

/// A key that opens the events of one epoch. Whoever has it reads them all.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Key {
    /// The number of the epoch.
    pub epoch: u32,
    /// The master key, as the key nodes' shares give it.
    #[serde(with = "crate::bytes")]
    pub master: [u8; 32],
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Key")
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

/// Why a file is no copy of a room: whoever chose it chose another, or it is damaged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    /// Another kind of file.
    #[error("this file is not a copy of a room")]
    Form,
    /// A copy of this version that ends too early, or goes on after its end.
    #[error("the copy is damaged: it is cut short or has been changed")]
    Damaged,
    /// More than anybody needs.
    #[error("the copy is larger than 256 MiB")]
    TooLarge,
}

/// Writes the file.
pub fn write<'a>(head: &Head, envelopes: impl IntoIterator<Item = &'a [u8]>) -> Vec<u8> {
    let mut file = MAGIC.to_vec();
    file.extend(serde_json::to_vec(head).expect("a head has only text keys"));
    file.push(b'\n');
    for envelope in envelopes {
        let length = u32::try_from(envelope.len()).expect("an envelope has at most 40,960 bytes");
        file.extend(length.to_be_bytes());
        file.extend(envelope);
    }
    file
}

/// Takes the file apart; the events are as somebody has written them there.
///
/// # Errors
/// See [`CopyError`]: a damaged file gives nothing at all.
pub fn read(file: &[u8]) -> Result<(Head, Vec<&[u8]>), CopyError> {
    if file.len() > MAX_BYTES {
        return Err(CopyError::TooLarge);
    }
    let rest = file.strip_prefix(MAGIC).ok_or(CopyError::Form)?;
    let line = rest.iter().take(HEAD_BYTES).position(|byte| *byte == b'\n');
    let (line, rest) = rest.split_at(line.ok_or(CopyError::Damaged)?);
    let head: Head = serde_json::from_slice(line).map_err(|_| CopyError::Damaged)?;
    if head.keys.len() > KEYS {
        return Err(CopyError::Damaged);
    }
    let mut rest = &rest[1..];
    let mut envelopes = Vec::new();
    while !rest.is_empty() {
        let (length, after) = rest.split_first_chunk::<4>().ok_or(CopyError::Damaged)?;
        let length = u32::from_be_bytes(*length) as usize;
        if length == 0 || length > limits::ENVELOPE_BYTES {
            return Err(CopyError::Damaged);
        }
        let (envelope, after) = after.split_at_checked(length).ok_or(CopyError::Damaged)?;
        envelopes.push(envelope);
        rest = after;
    }
    Ok((head, envelopes))
}
