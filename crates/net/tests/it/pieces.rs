//! libp2p-webrtc 0.10.0-alpha joins what is written between two flushes into one data-channel message, and
//! its stream breaks when that becomes longer than 16 KiB ("outbound packet larger than maximum message
//! size", rust-libp2p issue 6557). So its streams are made to write small pieces, each flushed before the
//! next.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll, ready},
};

use futures::{AsyncRead, AsyncWrite};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};

/// Longest piece.
const PIECE: usize = 8 * 1024 - 32;

/// A multiplexer whose streams write in pieces.
#[derive(Debug)]
pub(crate) struct Pieces<M>(pub(crate) M);

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
pub(crate) struct PieceStream<S> {
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
