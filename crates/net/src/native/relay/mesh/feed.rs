//! The answering end: one task for each relay that follows this one.

use std::{
    collections::{BTreeSet, HashMap},
    io,
    pin::pin,
    sync::Arc,
};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, StreamExt, io::WriteHalf, stream};
use healthsync_core::{
    DeviceKey, Envelope, MeshAnswer, MeshAsk, RoomId, SignedDelegation, VersionVector, limits,
};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use super::Live;
use crate::{
    GossipKind,
    framing::{invalid, read_frame, write_frame},
    gossip,
    native::{Policy, Refusal},
};

/// Rooms in one answer.
const ROOMS: u32 = 1_000;
/// Envelopes in one page; with a delegation for each it still fits.
const PAGE: u32 = 512;
/// Bytes of an answer that are not envelopes: version, tags, counts, and the length before each envelope.
const OVERHEAD: usize = 64;
const ENVELOPE_OVERHEAD: usize = 4;
/// A delegation as encoded: ids 54, times and chain at most 30, signature 66, and lengths.
const PROOF_BYTES: usize = 160;
/// Devices of which one follower has been told; beyond that it is told anew.
const TOLD: usize = 10_000;

/// Answers and tells until the stream ends, which is the error.
pub(super) async fn feed<S>(
    stream: S,
    policy: Arc<dyn Policy>,
    mut live: Receiver<Live>,
) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Send + Unpin,
{
    let (reader, writer) = stream.split();
    // Reading goes on where it was when something live came in between.
    let mut asks = pin!(stream::unfold(reader, async |mut reader| {
        let ask = read_frame(&mut reader, limits::REQUEST_BYTES).await;
        let ask = ask.and_then(|bytes| MeshAsk::decode(&bytes).map_err(invalid));
        Some((ask, reader))
    }));
    let mut feed = Feed {
        writer,
        policy,
        told: HashMap::new(),
    };
    match feed.policy.revocations().await {
        Ok(all) => {
            for revocation in all {
                feed.say(&MeshAnswer::Revoked(revocation)).await?;
            }
        }
        Err(refusal) => tracing::warn!(%refusal, "a relay is not told of revoked devices"),
    }
    loop {
        tokio::select! {
            Some(ask) = asks.next() => {
                let answer = match ask? {
                    MeshAsk::Rooms { after } => feed.rooms(after).await,
                    MeshAsk::Pull { room, have } => feed.page(room, have).await,
                };
                feed.say(&answer.unwrap_or(MeshAnswer::Unavailable)).await?;
            }
            live = live.recv() => match live {
                Ok(Live::Said(room, message)) => feed.live(room, &message).await?,
                Ok(Live::Revoked(revocation)) => {
                    feed.say(&MeshAnswer::Revoked((*revocation).clone())).await?;
                }
                Err(RecvError::Lagged(_)) => feed.say(&MeshAnswer::Behind).await?,
                Err(RecvError::Closed) => return Ok(()),
            }
        }
    }
}

struct Feed<S> {
    writer: WriteHalf<S>,
    policy: Arc<dyn Policy>,
    /// What the follower was told last of a device.
    told: HashMap<DeviceKey, SignedDelegation>,
}

impl<S: AsyncWrite + Unpin> Feed<S> {
    async fn say(&mut self, answer: &MeshAnswer) -> io::Result<()> {
        write_frame(&mut self.writer, &answer.encode(), limits::RESPONSE_BYTES).await
    }

    async fn live(&mut self, room: RoomId, message: &[u8]) -> io::Result<()> {
        let proof = match gossip::decode(message) {
            Some((GossipKind::Envelope, envelope)) => self.new_proof(envelope).await,
            _ => None,
        };
        let message = message.to_vec();
        self.say(&MeshAnswer::Live {
            room,
            message,
            proof,
        })
        .await
    }

    /// Whose the envelope's device is, when that is not what the follower was told last. Asking is cheap: the device
    /// has just been asked for, to let the envelope in.
    async fn new_proof(&mut self, envelope: &[u8]) -> Option<SignedDelegation> {
        let device = Envelope::decode_unverified(envelope).ok()?.device;
        let proof = self.policy.delegation(device).await.ok()??;
        if self.told.get(&device) == Some(&proof) {
            return None;
        }
        if self.told.len() >= TOLD {
            self.told.clear();
        }
        self.told.insert(device, proof.clone());
        Some(proof)
    }

    async fn rooms(&self, after: Option<RoomId>) -> Result<MeshAnswer, Refusal> {
        let rooms = self.policy.rooms(after, ROOMS).await?;
        let more = rooms.len() >= ROOMS as usize;
        Ok(MeshAnswer::Rooms { rooms, more })
    }

    async fn page(&self, room: RoomId, have: VersionVector) -> Result<MeshAnswer, Refusal> {
        let page = self.policy.page(room, have, PAGE).await?;
        let mut left = limits::RESPONSE_BYTES - OVERHEAD;
        let (mut envelopes, mut devices) = (Vec::new(), BTreeSet::new());
        let mut more = page.more;
        for envelope in page.envelopes {
            let device = Envelope::decode_unverified(&envelope).map(|envelope| envelope.device);
            let proof = match device {
                Ok(device) if !devices.contains(&device) => PROOF_BYTES,
                _ => 0,
            };
            let size = envelope.len() + ENVELOPE_OVERHEAD + proof;
            if size > left {
                more = true;
                break;
            }
            left -= size;
            devices.extend(device);
            envelopes.push(envelope);
        }
        let mut proofs = Vec::new();
        for device in devices {
            proofs.extend(self.policy.delegation(device).await?);
        }
        Ok(MeshAnswer::Page {
            envelopes,
            proofs,
            more,
        })
    }
}
