//! The wanting side, without I/O: peers come, go and answer; questions to ask come out. Nothing is
//! taken that does not hash to what the content id promises, whoever sends it.
//!
//! Each peer has a few questions open, so that a slow one slows nobody else; a chunk that one peer owes
//! for long is asked of another; what was proved stays when all peers go, and the next one continues.

use std::{
    collections::{BTreeMap, BTreeSet},
    time::Duration,
};

use healthsync_core::RoomId;
use sha2::{Digest, Sha256};
use web_time::Instant;

use super::{
    CHUNK, ContentId, Layout, Proof,
    wire::{Answer, Ask, Refusal},
};

/// Questions that one peer may owe answers to: 1 MiB under way.
pub const WINDOW: usize = 4;
/// After this long, another peer is asked for the same chunk as well.
pub const SLOW: Duration = Duration::from_secs(3);
/// A peer that owes something and has sent nothing for so long is let go.
pub const SILENT: Duration = Duration::from_secs(15);

/// What the shell has to do.
#[derive(Debug, PartialEq, Eq)]
pub enum Effect<P> {
    /// Ask this peer.
    Send(P, Ask),
    /// Close the stream to this peer.
    Drop(P, Fault),
}

/// Why a peer is let go.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Its layout does not give the content id.
    #[error("a layout that is not of this content")]
    WrongLayout,
    /// The content is larger than it may be.
    #[error("content that is too large")]
    TooLarge,
    /// A chunk does not hash to what the layout promises.
    #[error("bytes that are not of this content")]
    WrongBytes,
    /// It answers what was not asked.
    #[error("an answer to no question")]
    Unasked,
    /// It says no.
    #[error("refused: {0:?}")]
    Refused(Refusal),
    /// It owes answers and sends nothing.
    #[error("no answer")]
    Silent,
}

impl Fault {
    /// Whether the same peer may be asked for the same content again.
    pub fn may_return(self) -> bool {
        match self {
            Self::WrongLayout | Self::TooLarge | Self::WrongBytes | Self::Unasked => false,
            Self::Refused(refusal) => match refusal {
                Refusal::Busy => true,
                Refusal::NotMember | Refusal::Unknown | Refusal::Malformed => false,
            },
            Self::Silent => true,
        }
    }
}

#[derive(Debug)]
struct Peer {
    /// Its layout has come.
    ready: bool,
    /// Chunks that it owes, and since when.
    owes: BTreeMap<u32, Instant>,
    /// Chunks that it does not have.
    lacks: BTreeSet<u32>,
    heard: Instant,
}

/// One content on its way. `P` names peers.
#[derive(Debug)]
pub struct Fetch<P> {
    room: RoomId,
    content: ContentId,
    proof: Proof,
    limit: u64,
    layout: Option<Layout>,
    bytes: Vec<u8>,
    have: Vec<bool>,
    missing: usize,
    peers: BTreeMap<P, Peer>,
    /// Peers that are not asked again.
    gone: BTreeSet<P>,
}

impl<P: Ord + Copy> Fetch<P> {
    /// Wants `content` of `room`, at most `limit` bytes.
    pub fn new(room: RoomId, content: ContentId, limit: u64, proof: Proof) -> Self {
        Self {
            room,
            content,
            proof,
            limit,
            layout: None,
            bytes: Vec::new(),
            have: Vec::new(),
            missing: 0,
            peers: BTreeMap::new(),
            gone: BTreeSet::new(),
        }
    }

    /// The room whose members are asked.
    pub fn room(&self) -> RoomId {
        self.room
    }

    /// The most bytes that are taken.
    pub fn limit(&self) -> u64 {
        self.limit
    }

    /// Whether this peer is worth a stream.
    pub fn wants(&self, peer: &P) -> bool {
        !self.is_done() && !self.peers.contains_key(peer) && !self.gone.contains(peer)
    }

    /// There is a stream to this peer.
    pub fn joined(&mut self, peer: P, now: Instant) -> Vec<Effect<P>> {
        if !self.wants(&peer) {
            return Vec::new();
        }
        let state = Peer {
            ready: false,
            owes: BTreeMap::new(),
            lacks: BTreeSet::new(),
            heard: now,
        };
        self.peers.insert(peer, state);
        let (room, content) = (self.room, self.content);
        vec![Effect::Send(peer, Ask::Open { room, content })]
    }

    /// The stream to this peer is gone; what it owed is asked of others.
    pub fn left(&mut self, peer: P, now: Instant) -> Vec<Effect<P>> {
        self.peers.remove(&peer);
        self.ask(now)
    }

    /// All streams are gone; what was proved stays, and the same peers may be asked again.
    pub fn left_all(&mut self) {
        self.peers.clear();
    }

    /// This peer has sent something that cannot be read.
    pub fn malformed(&mut self, peer: P, now: Instant) -> Vec<Effect<P>> {
        self.part(peer, Fault::Unasked, now)
    }

    /// This peer has answered.
    pub fn received(&mut self, peer: P, answer: Answer, now: Instant) -> Vec<Effect<P>> {
        let Some(state) = self.peers.get_mut(&peer) else {
            return Vec::new(); // Let go a moment ago.
        };
        state.heard = now;
        let fault = match answer {
            Answer::Layout(_) if state.ready => Some(Fault::Unasked),
            Answer::Layout(layout) => {
                state.ready = true;
                self.adopt(layout).err()
            }
            Answer::Chunk(index, bytes) => match state.owes.remove(&index) {
                None => Some(Fault::Unasked),
                Some(_) => self.keep(index, &bytes).err(),
            },
            Answer::Missing(index) => match state.owes.remove(&index) {
                None => Some(Fault::Unasked),
                Some(_) => {
                    state.lacks.insert(index);
                    None
                }
            },
            Answer::No(refusal) => Some(Fault::Refused(refusal)),
        };
        match fault {
            Some(fault) => self.part(peer, fault, now),
            None => self.ask(now),
        }
    }

    /// Time has passed: lets silent peers go and asks others for what is owed too long.
    pub fn tick(&mut self, now: Instant) -> Vec<Effect<P>> {
        let silent: Vec<P> = self
            .peers
            .iter()
            .filter(|(_, peer)| !peer.ready || !peer.owes.is_empty())
            .filter(|(_, peer)| now.saturating_duration_since(peer.heard) > SILENT)
            .map(|(name, _)| *name)
            .collect();
        let mut effects = Vec::new();
        for peer in silent {
            effects.extend(self.part(peer, Fault::Silent, now));
        }
        effects.extend(self.ask(now));
        effects
    }

    /// Bytes that are proved, and of how many; before a layout is known, of 0.
    pub fn progress(&self) -> (u64, u64) {
        let Some(layout) = &self.layout else {
            return (0, 0);
        };
        let have = (0_u32..)
            .zip(&self.have)
            .filter(|(_, have)| **have)
            .map(|(index, _)| layout.chunk_bytes(index) as u64)
            .sum();
        (have, layout.size)
    }

    /// Whether everything is there.
    pub fn is_done(&self) -> bool {
        self.layout.is_some() && self.missing == 0
    }

    /// Whether anybody is left who may have something.
    pub fn has_peers(&self) -> bool {
        !self.peers.is_empty()
    }

    /// The ranges of bytes that are missing, each a run of whole chunks: for whoever else has them.
    /// `None` before a layout is known.
    pub fn gaps(&self) -> Option<Vec<std::ops::Range<u64>>> {
        let layout = self.layout.as_ref()?;
        let mut gaps: Vec<std::ops::Range<u64>> = Vec::new();
        for (index, _) in (0_u32..).zip(&self.have).filter(|(_, have)| !**have) {
            let start = u64::from(index) * CHUNK as u64;
            let end = start + layout.chunk_bytes(index) as u64;
            match gaps.last_mut() {
                Some(last) if last.end == start => last.end = end,
                _ => gaps.push(start..end),
            }
        }
        Some(gaps)
    }

    /// Fills a gap, from its first byte on, with bytes that somebody else had.
    pub fn fill(&mut self, start: u64, bytes: &[u8]) -> Result<(), Fault> {
        let first = u32::try_from(start / CHUNK as u64).map_err(|_| Fault::WrongBytes)?;
        if !start.is_multiple_of(CHUNK as u64) {
            return Err(Fault::WrongBytes);
        }
        (first..)
            .zip(bytes.chunks(CHUNK))
            .try_for_each(|(index, chunk)| self.keep(index, chunk))
    }

    /// The content, once done; afterwards nothing is here any more.
    pub fn take_bytes(&mut self) -> Option<(Layout, Vec<u8>)> {
        let layout = self.layout.take_if(|_| self.missing == 0)?;
        self.have.clear();
        Some((layout, std::mem::take(&mut self.bytes)))
    }

    fn adopt(&mut self, layout: Layout) -> Result<(), Fault> {
        if layout.size > self.limit {
            return Err(Fault::TooLarge);
        }
        if self.layout.as_ref() == Some(&layout) {
            return Ok(());
        }
        // Two layouts of one content id would be a broken hash function.
        if self.layout.is_some() || !layout.is_sound() || !(self.proof)(&self.content, &layout) {
            return Err(Fault::WrongLayout);
        }
        self.missing = layout.digests.len();
        self.have = vec![false; self.missing];
        self.bytes = vec![0; layout.size as usize];
        self.layout = Some(layout);
        Ok(())
    }

    fn keep(&mut self, index: u32, chunk: &[u8]) -> Result<(), Fault> {
        let layout = self.layout.as_ref().ok_or(Fault::Unasked)?;
        let at = index as usize;
        let digest = layout.digests.get(at).ok_or(Fault::Unasked)?;
        if self.have[at] {
            return Ok(()); // Another peer was quicker.
        }
        let right = chunk.len() == layout.chunk_bytes(index)
            && Sha256::digest(chunk).as_slice() == digest.as_slice();
        if !right {
            return Err(Fault::WrongBytes);
        }
        self.bytes[at * CHUNK..][..chunk.len()].copy_from_slice(chunk);
        self.have[at] = true;
        self.missing -= 1;
        Ok(())
    }

    fn part(&mut self, peer: P, fault: Fault, now: Instant) -> Vec<Effect<P>> {
        self.peers.remove(&peer);
        if !fault.may_return() {
            self.gone.insert(peer);
        }
        let mut effects = vec![Effect::Drop(peer, fault)];
        effects.extend(self.ask(now));
        effects
    }

    /// Fills the windows of all peers: first with chunks that nobody owes, then with those that
    /// somebody owes for long.
    fn ask(&mut self, now: Instant) -> Vec<Effect<P>> {
        let mut effects = Vec::new();
        if self.layout.is_none() || self.missing == 0 {
            return effects;
        }
        let mut owed: BTreeMap<u32, Instant> = BTreeMap::new();
        for peer in self.peers.values() {
            for (index, since) in &peer.owes {
                let newest = owed.entry(*index).or_insert(*since);
                *newest = (*newest).max(*since);
            }
        }
        for (name, peer) in &mut self.peers {
            if !peer.ready {
                continue;
            }
            for (index, _) in (0_u32..).zip(&self.have).filter(|(_, have)| !**have) {
                if peer.owes.len() >= WINDOW {
                    break;
                }
                let waits = owed
                    .get(&index)
                    .is_some_and(|since| now.saturating_duration_since(*since) < SLOW);
                if waits || peer.owes.contains_key(&index) || peer.lacks.contains(&index) {
                    continue;
                }
                peer.owes.insert(index, now);
                owed.insert(index, now);
                effects.push(Effect::Send(*name, Ask::Want(index)));
            }
        }
        effects
    }
}
