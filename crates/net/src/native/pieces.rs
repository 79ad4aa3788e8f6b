//! Streams that write small pieces, each flushed before the next.
//!
//! libp2p-webrtc 0.10.0-alpha joins what is written between two flushes into one data-channel
//! message; beyond 16 KiB the sender's stream breaks ("outbound packet larger than maximum message
//! size", rust-libp2p issue 6557), and beyond 8 KiB that of a receiver on webrtc-rs, whose buffer is
//! no longer ("Short buffer").

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};

/// Longest piece; with its framing it stays below 8 KiB.
const PIECE: usize = 8 * 1024 - 32;

/// A multiplexer whose streams write in pieces.
#[derive(Debug)]
pub struct Pieces<M>(pub M);

impl<M> StreamMuxer for Pieces<M>
where
    M: StreamMuxer<Substream: Unpin> + Unpin,
{
    type Substream = PieceStream<M::Substream>;
    type Error = M::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        Pin::new(&mut self.0)
            .poll_inbound(cx)
            .map_ok(PieceStream::new)
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<Self::Substream, Self::Error>> {
        Pin::new(&mut self.0)
            .poll_outbound(cx)
            .map_ok(PieceStream::new)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Pin::new(&mut self.0).poll_close(cx)
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Result<StreamMuxerEvent, Self::Error>> {
        Pin::new(&mut self.0).poll(cx)
    }
}

/// A stream that writes in pieces.
#[derive(Debug)]
pub struct PieceStream<S> {
    stream: S,
    unflushed: bool,
}

impl<S> PieceStream<S> {
    fn new(stream: S) -> Self {
        Self {
            stream,
            unflushed: false,
        }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for PieceStream<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_read(cx, buf)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for PieceStream<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        if self.unflushed {
            ready!(self.as_mut().poll_flush(cx))?;
        }
        let piece = &buf[..buf.len().min(PIECE)];
        let n = ready!(Pin::new(&mut self.stream).poll_write(cx, piece))?;
        self.unflushed = true;
        Poll::Ready(Ok(n))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(cx))?;
        self.unflushed = false;
        Poll::Ready(Ok(()))
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_close(cx)
    }
}

#[cfg(test)]
mod tests {
    use futures::{AsyncWriteExt, executor::block_on};

    use super::*;

    /// Keeps what came between two flushes as one message.
    #[derive(Default)]
    struct Joining {
        buffer: Vec<u8>,
        messages: Vec<Vec<u8>>,
    }

    impl AsyncWrite for Joining {
        fn poll_write(
            mut self: Pin<&mut Self>,
            _: &mut Context<'_>,
            buf: &[u8],
        ) -> Poll<io::Result<usize>> {
            self.buffer.extend_from_slice(buf);
            Poll::Ready(Ok(buf.len()))
        }

        fn poll_flush(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
            let message = std::mem::take(&mut self.buffer);
            if !message.is_empty() {
                self.messages.push(message);
            }
            Poll::Ready(Ok(()))
        }

        fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
            self.poll_flush(cx)
        }
    }

    #[test]
    fn no_message_is_longer_than_a_piece() {
        let mut stream = PieceStream::new(Joining::default());
        let sent: Vec<u8> = (0..100_000_u32).map(|n| n.to_be_bytes()[3]).collect();
        block_on(async {
            stream.write_all(&sent[..4]).await.unwrap();
            stream.write_all(&sent[4..]).await.unwrap();
            stream.close().await.unwrap();
        });
        let messages = stream.stream.messages;
        assert!(messages.iter().all(|message| message.len() <= PIECE));
        assert_eq!(messages.concat(), sent);
    }
}
