//! Content ids as Kubo computes them with `--cid-version=1`: raw leaves of 262,144 bytes, a balanced tree of UnixFS
//! nodes with at most 174 links, SHA-256. A file of one piece is its raw leaf.
//!
//! Reading is strict: exactly one content id in a spelling that a standard knows, nothing around it.

use std::fmt;

use healthsync_core::RoomId;
use sha2::{Digest, Sha256};

use crate::platform;

/// Bytes in a leaf.
pub const CHUNK: usize = 262_144;
/// Links in a node of the tree.
pub const LINKS: usize = 174;
/// Longest text that can be a content id: base16 with its prefix.
const MAX_TEXT: usize = 1 + 2 * 36;

const RAW: u8 = 0x55;
const DAG_PB: u8 = 0x70;
const SHA2_256: [u8; 2] = [0x12, 0x20];

/// Not a content id we can use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum CidError {
    /// Neither version 0 nor version 1 in base 16, 32 or 58.
    #[error("not a content id")]
    Text,
    /// A content id, but not of a file hashed with SHA-256.
    #[error("this content id is not of a file hashed with SHA-256")]
    Kind,
}

/// What the hashed bytes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Codec {
    /// The bytes themselves.
    Raw,
    /// A node of a UnixFS tree.
    DagPb,
}

/// A content id: SHA-256 of raw bytes or of a UnixFS node. [`fmt::Display`] writes version 1 in base 32, so that one
/// content has one text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Cid {
    /// What was hashed.
    pub codec: Codec,
    /// The SHA-256 digest.
    pub digest: [u8; 32],
}

impl Cid {
    /// The content id of `bytes` as one raw block, without a tree.
    pub fn raw(bytes: &[u8]) -> Self {
        Self {
            codec: Codec::Raw,
            digest: Sha256::digest(bytes).into(),
        }
    }

    /// The binary form, version 1: version, codec, hash function, length, digest.
    pub fn to_bytes(&self) -> [u8; 36] {
        let mut bytes = [0; 36];
        let codec = match self.codec {
            Codec::Raw => RAW,
            Codec::DagPb => DAG_PB,
        };
        bytes[..4].copy_from_slice(&[1, codec, SHA2_256[0], SHA2_256[1]]);
        bytes[4..].copy_from_slice(&self.digest);
        bytes
    }

    /// Reads the binary form.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, CidError> {
        let (head, digest) = bytes.split_first_chunk::<4>().ok_or(CidError::Kind)?;
        let codec = match head {
            [1, RAW, hash @ ..] if *hash == SHA2_256 => Codec::Raw,
            [1, DAG_PB, hash @ ..] if *hash == SHA2_256 => Codec::DagPb,
            _ => return Err(CidError::Kind),
        };
        Ok(Self {
            codec,
            digest: digest.try_into().map_err(|_| CidError::Kind)?,
        })
    }
}

impl fmt::Display for Cid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "b{}", base32(&self.to_bytes()))
    }
}

/// Reads a content id: version 0 (`Qm…`), or version 1 in base 32 (`b…`, `B…`), base 58 (`z…`) or base 16 (`f…`, `F…`).
pub fn parse_cid(text: &str) -> Result<Cid, CidError> {
    if text.len() > MAX_TEXT {
        return Err(CidError::Text);
    }
    if text.len() == 46 && text.starts_with("Qm") {
        let bytes = from_base58(text)?;
        let digest = bytes
            .strip_prefix(&SHA2_256)
            .and_then(|digest| digest.try_into().ok())
            .ok_or(CidError::Text)?;
        return Ok(Cid {
            codec: Codec::DagPb,
            digest,
        });
    }
    let mut characters = text.chars();
    let (base, body) = (
        characters.next().ok_or(CidError::Text)?,
        characters.as_str(),
    );
    let one_case = |upper: bool| {
        let wrong = |c: &u8| {
            if upper {
                c.is_ascii_lowercase()
            } else {
                c.is_ascii_uppercase()
            }
        };
        if body.bytes().any(|c| wrong(&c)) {
            Err(CidError::Text)
        } else {
            Ok(())
        }
    };
    let bytes = match base {
        'b' | 'B' => one_case(base == 'B').and_then(|()| from_base32(body))?,
        'f' | 'F' => {
            one_case(base == 'F').and_then(|()| hex::decode(body).map_err(|_| CidError::Text))?
        }
        'z' => from_base58(body)?,
        _ => return Err(CidError::Text),
    };
    Cid::from_bytes(&bytes)
}

/// The content id of a file that is in memory.
pub fn cid_v1(bytes: &[u8]) -> String {
    let mut builder = CidBuilder::new();
    builder.update(bytes);
    builder.finish().cid.to_string()
}

/// The content id of a file that is in memory; in browsers the pieces are hashed by WebCrypto, off the page's thread.
pub async fn cid_of(bytes: &[u8]) -> String {
    cid_and_leaves(bytes).await.0.to_string()
}

/// SHA-256 of a file that is in memory, computed where [`cid_of`] computes.
pub async fn sha256(bytes: &[u8]) -> [u8; 32] {
    platform::digests(bytes, bytes.len()).await[0]
}

/// As [`cid_of`], with the SHA-256 of each leaf: what lets a part of the file be checked alone.
pub async fn cid_and_leaves(bytes: &[u8]) -> (Cid, Vec<[u8; 32]>) {
    let digests = platform::digests(bytes, CHUNK).await;
    (cid_of_leaves(bytes.len() as u64, &digests), digests)
}

/// The content id of a file of `size` bytes whose leaves have these digests. All leaves but the last are full.
pub fn cid_of_leaves(size: u64, digests: &[[u8; 32]]) -> Cid {
    let left = |position: usize| size.saturating_sub(position as u64 * CHUNK as u64);
    let leaves = digests
        .iter()
        .enumerate()
        .map(|(position, digest)| leaf(*digest, left(position).min(CHUNK as u64) as usize));
    root(leaves.collect()).cid
}

/// Under which content id the key of a room's epoch lies at the key nodes. Nothing is stored under it; it only has
/// the form that key nodes ask for.
pub fn room_key_cid(room: &RoomId, epoch: u32) -> String {
    Cid::raw(
        &[
            b"healthsync/room-key/1\0".as_slice(),
            &room.0,
            &epoch.to_be_bytes(),
        ]
        .concat(),
    )
    .to_string()
}

/// A finished file.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct File {
    /// Its content id.
    pub cid: Cid,
    /// Bytes of the file.
    pub size: u64,
    /// Bytes of all blocks of its tree together (what Kubo and Lighthouse call `Size`).
    pub dag_size: u64,
}

/// Computes the content id of a file that comes in pieces of any size, with one leaf's hash state in memory.
#[derive(Debug, Clone, Default)]
pub struct CidBuilder {
    leaves: Vec<Node>,
    hasher: Sha256,
    filled: usize,
}

impl CidBuilder {
    /// An empty file.
    pub fn new() -> Self {
        Self::default()
    }

    /// Appends bytes.
    pub fn update(&mut self, mut bytes: &[u8]) {
        while !bytes.is_empty() {
            let (piece, rest) = bytes.split_at(bytes.len().min(CHUNK - self.filled));
            self.hasher.update(piece);
            self.filled += piece.len();
            bytes = rest;
            if self.filled == CHUNK {
                self.close_leaf();
            }
        }
    }

    /// Ends the file.
    pub fn finish(mut self) -> File {
        if self.filled > 0 || self.leaves.is_empty() {
            self.close_leaf();
        }
        root(self.leaves)
    }

    fn close_leaf(&mut self) {
        let digest = self.hasher.finalize_reset().into();
        self.leaves.push(leaf(digest, self.filled));
        self.filled = 0;
    }
}

/// A block of the tree as its parent sees it.
#[derive(Debug, Clone)]
struct Node {
    cid: Cid,
    /// Bytes of the file below.
    size: u64,
    /// Bytes of all blocks below, this one included.
    dag_size: u64,
}

fn leaf(digest: [u8; 32], size: usize) -> Node {
    Node {
        cid: Cid {
            codec: Codec::Raw,
            digest,
        },
        size: size as u64,
        dag_size: size as u64,
    }
}

/// Builds the tree level by level, each full from the left, as Kubo's balanced layout does.
fn root(mut level: Vec<Node>) -> File {
    while level.len() > 1 {
        level = level.chunks(LINKS).map(parent).collect();
    }
    let Node {
        cid,
        size,
        dag_size,
    } = level.pop().expect("a file has at least one leaf");
    File {
        cid,
        size,
        dag_size,
    }
}

/// One UnixFS file node in dag-pb: links first (field 2), then the UnixFS data (field 1); see the IPLD dag-pb and
/// UnixFS specifications.
fn parent(children: &[Node]) -> Node {
    let size = children.iter().map(|child| child.size).sum();
    let mut block = Vec::new();
    for child in children {
        let mut link = Vec::new();
        put_bytes(&mut link, 1, &child.cid.to_bytes());
        put_bytes(&mut link, 2, b"");
        put_number(&mut link, 3, child.dag_size);
        put_bytes(&mut block, 2, &link);
    }
    let mut data = Vec::new();
    put_number(&mut data, 1, 2);
    put_number(&mut data, 3, size);
    for child in children {
        put_number(&mut data, 4, child.size);
    }
    put_bytes(&mut block, 1, &data);
    let dag_size = block.len() as u64 + children.iter().map(|child| child.dag_size).sum::<u64>();
    Node {
        cid: Cid {
            codec: Codec::DagPb,
            digest: Sha256::digest(&block).into(),
        },
        size,
        dag_size,
    }
}

fn put_number(out: &mut Vec<u8>, field: u8, value: u64) {
    out.push(field << 3);
    put_varint(out, value);
}

fn put_bytes(out: &mut Vec<u8>, field: u8, bytes: &[u8]) {
    out.push(field << 3 | 2);
    put_varint(out, bytes.len() as u64);
    out.extend_from_slice(bytes);
}

fn put_varint(out: &mut Vec<u8>, mut value: u64) {
    while value > 0x7f {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

const BASE32: &[u8; 32] = b"abcdefghijklmnopqrstuvwxyz234567";
const BASE58: &[u8; 58] = b"123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz";

fn base32(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len().div_ceil(5) * 8);
    let (mut buffer, mut bits) = (0_u32, 0);
    for &byte in bytes {
        buffer = buffer << 8 | u32::from(byte);
        bits += 8;
        while bits >= 5 {
            bits -= 5;
            text.push(BASE32[(buffer >> bits & 31) as usize].into());
        }
        buffer &= (1 << bits) - 1;
    }
    if bits > 0 {
        text.push(BASE32[(buffer << (5 - bits) & 31) as usize].into());
    }
    text
}

/// Strict: bits that carry nothing must be zero, else one content would have several texts.
fn from_base32(text: &str) -> Result<Vec<u8>, CidError> {
    let mut bytes = Vec::with_capacity(text.len() * 5 / 8);
    let (mut buffer, mut bits) = (0_u32, 0);
    for character in text.bytes() {
        let character = character.to_ascii_lowercase();
        let value = BASE32
            .iter()
            .position(|&digit| digit == character)
            .ok_or(CidError::Text)?;
        buffer = buffer << 5 | value as u32;
        bits += 5;
        if bits >= 8 {
            bits -= 8;
            bytes.push((buffer >> bits) as u8);
            buffer &= (1 << bits) - 1;
        }
    }
    if bits >= 5 || buffer != 0 {
        Err(CidError::Text)
    } else {
        Ok(bytes)
    }
}

fn from_base58(text: &str) -> Result<Vec<u8>, CidError> {
    let mut bytes: Vec<u8> = Vec::with_capacity(text.len());
    for character in text.bytes() {
        let mut carry = BASE58
            .iter()
            .position(|&digit| digit == character)
            .ok_or(CidError::Text)? as u32;
        for byte in bytes.iter_mut().rev() {
            carry += u32::from(*byte) * 58;
            *byte = carry as u8;
            carry >>= 8;
        }
        if carry > 0 {
            bytes.insert(0, carry as u8);
        }
    }
    // No content id begins with a zero byte, so leading zeros (the digit 1) need no care beyond refusing them.
    if text.starts_with('1') {
        Err(CidError::Text)
    } else {
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests;
