//! WebSockets as a libp2p transport: an upgraded socket becomes a byte stream, and sockets that axum
//! hands over become the incoming connections of a listener.
//!
//! Each write is one binary message of bounded size. Back-pressure is the sink's own: nothing is
//! queued here beyond the message that is being read.

use std::{
    io,
    net::Ipv6Addr,
    pin::Pin,
    task::{Context, Poll, ready},
};

use axum::extract::ws::{Message, WebSocket};
use bytes::{Buf, Bytes};
use futures::{AsyncRead, AsyncWrite, Sink, Stream, channel::mpsc, future};
use libp2p::{
    Multiaddr,
    core::{
        Transport,
        transport::{DialOpts, ListenerId, TransportError, TransportEvent},
    },
    multiaddr::Protocol,
};

use super::callers::Seat;

/// Longest message that we send.
const MAX_WRITE: usize = 32 * 1024;
/// Longest message that we take; browsers may send a whole yamux frame at once.
pub const MAX_WEBSOCKET_MESSAGE: usize = 1024 * 1024;

/// A WebSocket as a byte stream. `S` is a stream and sink of axum's messages.
#[derive(Debug)]
pub struct WebSocketStream<S> {
    socket: S,
    unread: Bytes,
    ended: bool,
    /// Held as long as the socket, and never looked at.
    _seat: Option<Seat>,
}

impl<S> WebSocketStream<S> {
    /// Around an open socket.
    pub fn new(socket: S) -> Self {
        Self {
            socket,
            unread: Bytes::new(),
            ended: false,
            _seat: None,
        }
    }
}

impl<S, E> AsyncRead for WebSocketStream<S>
where
    S: Stream<Item = Result<Message, E>> + Unpin,
    E: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        while self.unread.is_empty() {
            if self.ended {
                return Poll::Ready(Ok(0));
            }
            match ready!(Pin::new(&mut self.socket).poll_next(cx)) {
                Some(Ok(Message::Binary(bytes))) => self.unread = bytes,
                // The socket answers pings by itself.
                Some(Ok(Message::Ping(_) | Message::Pong(_))) => {}
                Some(Ok(Message::Close(_))) | None => self.ended = true,
                Some(Ok(Message::Text(_))) => {
                    self.ended = true;
                    let text = "a text message on a binary WebSocket";
                    return Poll::Ready(Err(io::Error::new(io::ErrorKind::InvalidData, text)));
                }
                Some(Err(error)) => {
                    self.ended = true;
                    return Poll::Ready(Err(io::Error::other(error)));
                }
            }
        }
        let n = buf.len().min(self.unread.len());
        self.unread.copy_to_slice(&mut buf[..n]);
        Poll::Ready(Ok(n))
    }
}

impl<S> AsyncWrite for WebSocketStream<S>
where
    S: Sink<Message> + Unpin,
    S::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut socket = Pin::new(&mut self.socket);
        ready!(socket.as_mut().poll_ready(cx)).map_err(io::Error::other)?;
        let n = buf.len().min(MAX_WRITE);
        socket
            .start_send(Message::Binary(Bytes::copy_from_slice(&buf[..n])))
            .map_err(io::Error::other)?;
        Poll::Ready(Ok(n))
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket)
            .poll_flush(cx)
            .map_err(io::Error::other)
    }

    fn poll_close(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.socket)
            .poll_close(cx)
            .map_err(io::Error::other)
    }
}

/// The listening side: sockets come through a bounded channel instead of from a port of our own, so
/// that a hospital has to open only the port of the page.
#[derive(Debug)]
pub(super) struct HandedOver {
    sockets: mpsc::Receiver<(WebSocket, Seat)>,
    listener: Option<ListenerId>,
    announced: bool,
    count: u64,
}

impl HandedOver {
    pub(super) fn new(sockets: mpsc::Receiver<(WebSocket, Seat)>) -> Self {
        Self {
            sockets,
            listener: None,
            announced: false,
            count: 0,
        }
    }

    /// The address to listen on. It stands for "whatever axum accepts" and is never published.
    pub(super) fn address() -> Multiaddr {
        Self::numbered(1)
    }

    /// In the range that leads nowhere (RFC 6666). Identify tells the other side this as its own address, and
    /// js-libp2p does not identify a peer that names an address of a kind which it does not know, such as
    /// `/memory`.
    fn numbered(n: u64) -> Multiaddr {
        const DISCARD: u128 = 0x0100 << 112;
        Multiaddr::from(Ipv6Addr::from(DISCARD | u128::from(n)))
            .with(Protocol::Tcp(0))
            .with(Protocol::Ws("/".into()))
    }
}

impl Transport for HandedOver {
    type Output = WebSocketStream<WebSocket>;
    type Error = io::Error;
    type ListenerUpgrade = future::Ready<io::Result<Self::Output>>;
    type Dial = future::Pending<io::Result<Self::Output>>;

    fn listen_on(
        &mut self,
        id: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        if address != Self::address() || self.listener.is_some() {
            return Err(TransportError::MultiaddrNotSupported(address));
        }
        self.listener = Some(id);
        Ok(())
    }

    fn remove_listener(&mut self, id: ListenerId) -> bool {
        self.listener.take_if(|listener| *listener == id).is_some()
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        _: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        Err(TransportError::MultiaddrNotSupported(address))
    }

    fn poll(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        let Some(listener_id) = self.listener else {
            return Poll::Pending;
        };
        if !std::mem::replace(&mut self.announced, true) {
            return Poll::Ready(TransportEvent::NewAddress {
                listener_id,
                listen_addr: Self::address(),
            });
        }
        match ready!(Pin::new(&mut self.sockets).poll_next(cx)) {
            Some((socket, seat)) => {
                self.count += 1;
                let stream = WebSocketStream {
                    _seat: Some(seat),
                    ..WebSocketStream::new(socket)
                };
                Poll::Ready(TransportEvent::Incoming {
                    listener_id,
                    upgrade: future::ready(Ok(stream)),
                    local_addr: Self::address(),
                    // Told apart by number only: the swarm needs an address, not the visitor's.
                    send_back_addr: Self::numbered(self.count.wrapping_add(1)),
                })
            }
            None => {
                self.listener = None;
                Poll::Ready(TransportEvent::ListenerClosed {
                    listener_id,
                    reason: Ok(()),
                })
            }
        }
    }
}
