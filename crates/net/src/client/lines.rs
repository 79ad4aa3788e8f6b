//! `/healthsync/direct/1`: a room's live traffic on a direct link. Each side opens one stream for what
//! it says; frames are `length u32 ‖ room 32 ‖ gossip message`, the message as in [`crate::gossip`].
//!
//! What is said here is said to the relay as well, as long as it is there; whoever hears something
//! twice takes it once ([`crate::seen::Seen`]).

use std::io;

use futures::{SinkExt, StreamExt, channel::mpsc};
use healthsync_core::{RoomId, limits};
use libp2p::{PeerId, Stream, StreamProtocol};
use libp2p_stream::Control;

use crate::framing::{invalid, read_frame, write_frame};

pub(super) const PROTOCOL: StreamProtocol = StreamProtocol::new("/healthsync/direct/1");
/// Room, kind and the longest content.
const FRAME_BYTES: usize = 32 + 1 + limits::ENVELOPE_BYTES;
/// Frames that may wait for one link; what does not fit goes by the relay alone.
const WAITING: usize = 256;

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
