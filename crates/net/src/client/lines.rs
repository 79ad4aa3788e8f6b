//! `/healthsync/direct/1`: a room's live traffic on a direct link. Each side opens one stream for what
//! it says; frames are `length u32 ‖ room 32 ‖ gossip message`, the message as in [`crate::gossip`].
//!
//! What is said here is said to the relay as well, as long as it is there; whoever hears something
//! twice takes it once ([`Seen`]).

use std::{collections::VecDeque, io, time::Duration};

use futures::{SinkExt, StreamExt, channel::mpsc};
use healthsync_core::{RoomId, limits};
use libp2p::{PeerId, Stream, StreamProtocol};
use libp2p_stream::Control;
use sha2::{Digest, Sha256};
use web_time::Instant;

use crate::framing::{invalid, read_frame, write_frame};

pub(super) const PROTOCOL: StreamProtocol = StreamProtocol::new("/healthsync/direct/1");
/// Room, kind and the longest content.
const FRAME_BYTES: usize = 32 + 1 + limits::ENVELOPE_BYTES;
/// Frames that may wait for one link; what does not fit goes by the relay alone.
const WAITING: usize = 256;
/// Messages that are remembered, and for how long: as gossipsub does.
const REMEMBERED: usize = 16_384;
const MEMORY: Duration = Duration::from_secs(120);

/// What came over a link: from whom, for which room, the gossip message.
pub(super) type Heard = (PeerId, RoomId, Vec<u8>);

/// Where frames to one peer go in, and the task that writes them; it ends with the link.
pub(super) fn speak(
    peer: PeerId,
    mut control: Control,
) -> (mpsc::Sender<Vec<u8>>, impl Future<Output = ()> + Send) {
    let (frames, mut waiting) = mpsc::channel::<Vec<u8>>(WAITING);
    let write = async move {
        let outcome: io::Result<()> = async {
            let mut stream = control
                .open_stream(peer, PROTOCOL)
                .await
                .map_err(io::Error::other)?;
            while let Some(frame) = waiting.next().await {
                write_frame(&mut stream, &frame, FRAME_BYTES).await?;
            }
            futures::AsyncWriteExt::close(&mut stream).await
        }
        .await;
        if let Err(error) = outcome {
            tracing::debug!(%peer, %error, "a direct link takes nothing more");
        }
    };
    (frames, write)
}

/// One frame, without its length.
pub(super) fn frame(room: &RoomId, message: &[u8]) -> Vec<u8> {
    [&room.0[..], message].concat()
}

/// Reads what `peer` says until its stream ends; waits when nobody takes it.
pub(super) async fn listen(peer: PeerId, mut stream: Stream, mut heard: mpsc::Sender<Heard>) {
    loop {
        let said = match read_frame(&mut stream, FRAME_BYTES).await {
            Ok(frame) => match frame.split_first_chunk() {
                Some((room, message)) => Ok((peer, RoomId(*room), message.to_vec())),
                None => Err(invalid("a frame without a room")),
            },
            Err(error) => Err(error),
        };
        match said {
            Ok(said) => {
                if heard.send(said).await.is_err() {
                    return;
                }
            }
            Err(error) => {
                tracing::debug!(%peer, %error, "a direct link says nothing more");
                return;
            }
        }
    }
}

/// Remembers what was heard, so that a message is taken once by whichever way it comes first.
#[derive(Debug, Default)]
pub(super) struct Seen {
    known: std::collections::HashSet<[u8; 32]>,
    order: VecDeque<([u8; 32], Instant)>,
}

impl Seen {
    /// Whether this message of this room is new; it is known from now on.
    pub(super) fn is_new(&mut self, room: &RoomId, message: &[u8], now: Instant) -> bool {
        while let Some((old, at)) = self.order.front()
            && (self.order.len() >= REMEMBERED || now.saturating_duration_since(*at) > MEMORY)
        {
            self.known.remove(old);
            self.order.pop_front();
        }
        let mut hash = Sha256::new();
        hash.update(room.0);
        hash.update(message);
        let hash: [u8; 32] = hash.finalize().into();
        let new = self.known.insert(hash);
        if new {
            self.order.push_back((hash, now));
        }
        new
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_message_is_new_once_and_memory_is_bounded() {
        let mut seen = Seen::default();
        let (room, other) = (RoomId([1; 32]), RoomId([2; 32]));
        let now = Instant::now();
        assert!(seen.is_new(&room, b"a", now));
        assert!(!seen.is_new(&room, b"a", now));
        assert!(seen.is_new(&other, b"a", now), "another room's");
        assert!(seen.is_new(&room, b"a", now + MEMORY + Duration::from_secs(1)));
        for n in 0..2 * REMEMBERED {
            seen.is_new(&room, &n.to_be_bytes(), now);
        }
        assert!(seen.known.len() <= REMEMBERED && seen.order.len() <= REMEMBERED);
    }
}
