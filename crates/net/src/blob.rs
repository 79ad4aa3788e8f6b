//! `/healthsync/blob/1`: content by its id, in chunks that are each proved, from several peers at
//! once. What travels is the encrypted file, never the plain one. `docs/network.md` has the wire format.
//!
//! [`wire`] are the messages, [`fetch`] and [`serve`] the two sides as state machines without I/O,
//! [`shell`] ties them to libp2p streams. What is content and who may have it is the page's to say,
//! through [`Shelf`] and a [`Proof`].

pub mod fetch;
pub mod serve;
pub mod shell;
pub mod wire;

use futures::future::BoxFuture;
use healthsync_core::RoomId;
use libp2p::StreamProtocol;
use serde::{Deserialize, Serialize};

/// The protocol's name.
pub const PROTOCOL: StreamProtocol = StreamProtocol::new("/healthsync/blob/1");
/// Bytes in a chunk: the leaf size of the content ids that we compute.
pub const CHUNK: usize = 262_144;
/// Chunks of the longest content: 2 GiB.
pub const CHUNKS: usize = 8_192;

/// A content id in binary, version 1 with SHA-256: version, codec, hash function, length, digest.
pub type ContentId = [u8; 36];

/// Says whether a layout is that of a content id, by computing the id from it.
pub type Proof = fn(&ContentId, &Layout) -> bool;

/// How content is cut: what lets a part of it be checked alone.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Layout {
    /// Bytes of the whole.
    pub size: u64,
    /// SHA-256 of each chunk, in order; all chunks but the last have [`CHUNK`] bytes.
    pub digests: Vec<[u8; 32]>,
}

impl Layout {
    /// Whether there are as many digests as the size needs, and no more than allowed.
    pub fn is_sound(&self) -> bool {
        let chunks = self.size.div_ceil(CHUNK as u64).max(1);
        chunks <= CHUNKS as u64 && self.digests.len() as u64 == chunks
    }

    /// Bytes of chunk `index`, which exists.
    pub fn chunk_bytes(&self, index: u32) -> usize {
        let start = u64::from(index) * CHUNK as u64;
        self.size.saturating_sub(start).min(CHUNK as u64) as usize
    }
}

/// The encrypted contents that this node can give away.
pub trait Shelf: Send + Sync + 'static {
    /// How `content` is cut, if it is here and belongs to `room`.
    fn layout(&self, room: &RoomId, content: &ContentId) -> Option<Layout>;

    /// The bytes of one chunk, if they are still here.
    fn chunk(&self, content: &ContentId, index: u32) -> BoxFuture<'static, Option<Vec<u8>>>;
}

/// A shelf with nothing on it.
#[derive(Debug, Clone, Copy, Default)]
pub struct Empty;

impl Shelf for Empty {
    fn layout(&self, _: &RoomId, _: &ContentId) -> Option<Layout> {
        None
    }

    fn chunk(&self, _: &ContentId, _: u32) -> BoxFuture<'static, Option<Vec<u8>>> {
        Box::pin(std::future::ready(None))
    }
}

#[cfg(test)]
mod tests;
