//! A browser WebSocket as a libp2p transport.
//!
//! Differs from `libp2p-websocket-websys` 0.6 in what a person notices: flushing does not wait for a
//! 100 ms timer, so a handshake takes as long as its round trips; and a closed socket wakes whoever
//! reads, so a relay that goes away is noticed at once and not with the next ping.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Buf, BytesMut};
use futures::{
    AsyncRead, AsyncWrite, Future, FutureExt,
    future::{BoxFuture, poll_fn},
};
use futures_timer::Delay;
use libp2p::{
    Multiaddr,
    core::{
        Transport,
        transport::{DialOpts, ListenerId, TransportError, TransportEvent},
    },
};
use send_wrapper::SendWrapper;
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{BinaryType, CloseEvent, MessageEvent, WebSocket};

use crate::address::websocket_url;

/// Longest message that we send.
const MAX_WRITE: usize = 32 * 1024;
/// What may wait in the browser to be sent before writing stops.
const MAX_BUFFERED: u32 = 512 * 1024;
/// Browsers do not tell when their buffer drains, so it is looked at this often.
const LOOK_AGAIN: Duration = Duration::from_millis(10);
/// What may wait here to be read. Browsers cannot hold a WebSocket back, yamux's windows do; beyond
/// this the relay breaks the rules.
const MAX_UNREAD: usize = 16 * 1024 * 1024;

/// Dials `ws` and `wss` addresses.
#[derive(Debug, Clone, Copy)]
pub(super) struct WebSocketTransport;

impl Transport for WebSocketTransport {
    type Output = SocketStream;
    type Error = io::Error;
    type ListenerUpgrade = futures::future::Pending<io::Result<SocketStream>>;
    type Dial = BoxFuture<'static, io::Result<SocketStream>>;

    fn listen_on(
        &mut self,
        _: ListenerId,
        address: Multiaddr,
    ) -> Result<(), TransportError<io::Error>> {
        Err(TransportError::MultiaddrNotSupported(address))
    }

    fn remove_listener(&mut self, _: ListenerId) -> bool {
        false
    }

    fn dial(
        &mut self,
        address: Multiaddr,
        _: DialOpts,
    ) -> Result<Self::Dial, TransportError<io::Error>> {
        let url = websocket_url(&address).ok_or(TransportError::MultiaddrNotSupported(address))?;
        Ok(SendWrapper::new(async move {
            let mut stream = SocketStream::open(&url)?;
            poll_fn(|cx| stream.poll_open(cx)).await?;
            Ok(stream)
        })
        .boxed())
    }

    fn poll(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Poll::Pending
    }
}

/// What the socket's events leave for the stream.
#[derive(Default)]
struct Inbox {
    unread: BytesMut,
    /// The socket has closed; with the reason unless it was in order.
    closed: Option<Result<(), String>>,
    reader: Option<Waker>,
    opener: Option<Waker>,
    closer: Option<Waker>,
}

impl Inbox {
    fn wake_all(&mut self) {
        for waker in [&mut self.reader, &mut self.opener, &mut self.closer] {
            if let Some(waker) = waker.take() {
                waker.wake();
            }
        }
    }

    fn close(&mut self, reason: Result<(), String>) {
        self.closed.get_or_insert(reason);
        self.wake_all();
    }
}

/// A browser WebSocket as a byte stream.
pub(super) struct SocketStream(SendWrapper<Socket>);

struct Socket {
    socket: WebSocket,
    inbox: Rc<RefCell<Inbox>>,
    drained: Option<Delay>,
    // Kept alive for as long as the socket may call them; `Drop` detaches them first.
    _on_open: Closure<dyn FnMut()>,
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_close: Closure<dyn FnMut(CloseEvent)>,
}

impl SocketStream {
    fn open(url: &str) -> io::Result<Self> {
        let socket = WebSocket::new(url)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidInput, "not a WebSocket address"))?;
        socket.set_binary_type(BinaryType::Arraybuffer);
        let inbox = Rc::new(RefCell::new(Inbox::default()));

        let on_open = Closure::new({
            let inbox = inbox.clone();
            move || {
                if let Some(waker) = inbox.borrow_mut().opener.take() {
                    waker.wake();
                }
            }
        });
        let on_message = Closure::new({
            let inbox = inbox.clone();
            move |event: MessageEvent| {
                let mut inbox = inbox.borrow_mut();
                let bytes = match event.data().dyn_into::<js_sys::ArrayBuffer>() {
                    Ok(buffer) => js_sys::Uint8Array::new(&buffer),
                    Err(_) => return inbox.close(Err("the relay sent text".to_owned())),
                };
                let length = bytes.length() as usize;
                if inbox.closed.is_some() {
                    return;
                }
                if inbox.unread.len() + length > MAX_UNREAD {
                    return inbox.close(Err("the relay sends more than agreed".to_owned()));
                }
                let start = inbox.unread.len();
                inbox.unread.resize(start + length, 0);
                bytes.copy_to(&mut inbox.unread[start..]);
                if let Some(waker) = inbox.reader.take() {
                    waker.wake();
                }
            }
        });
        // An `error` event says nothing and is always followed by `close`.
        let on_close = Closure::new({
            let inbox = inbox.clone();
            move |event: CloseEvent| {
                let reason = match event.was_clean() {
                    true => Ok(()),
                    false => Err(format!("the WebSocket broke (code {})", event.code())),
                };
                inbox.borrow_mut().close(reason);
            }
        });
        socket.set_onopen(Some(on_open.as_ref().unchecked_ref()));
        socket.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        socket.set_onclose(Some(on_close.as_ref().unchecked_ref()));
        Ok(Self(SendWrapper::new(Socket {
            socket,
            inbox,
            drained: None,
            _on_open: on_open,
            _on_message: on_message,
            _on_close: on_close,
        })))
    }

    fn poll_open(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inbox = self.0.inbox.borrow_mut();
        if inbox.closed.is_some() {
            let text = "the WebSocket could not be opened";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionRefused, text)));
        }
        if self.0.socket.ready_state() == WebSocket::OPEN {
            return Poll::Ready(Ok(()));
        }
        inbox.opener = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Socket {
    /// An error once the socket can no longer send.
    fn check_open(&self) -> io::Result<()> {
        if self.inbox.borrow().closed.is_some() || self.socket.ready_state() != WebSocket::OPEN {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        Ok(())
    }

    fn poll_room(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        loop {
            self.check_open()?;
            if self.socket.buffered_amount() < MAX_BUFFERED {
                self.drained = None;
                return Poll::Ready(Ok(()));
            }
            let delay = self.drained.get_or_insert_with(|| Delay::new(LOOK_AGAIN));
            ready!(Pin::new(delay).poll(cx));
            self.drained = None;
        }
    }
}

impl AsyncRead for SocketStream {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut inbox = self.0.inbox.borrow_mut();
        if inbox.unread.is_empty() {
            return match &inbox.closed {
                Some(Ok(())) => Poll::Ready(Ok(0)),
                Some(Err(reason)) => {
                    let reason = reason.clone();
                    Poll::Ready(Err(io::Error::new(io::ErrorKind::ConnectionReset, reason)))
                }
                None => {
                    inbox.reader = Some(cx.waker().clone());
                    Poll::Pending
                }
            };
        }
        let n = buf.len().min(inbox.unread.len());
        inbox.unread.copy_to_slice(&mut buf[..n]);
        Poll::Ready(Ok(n))
    }
}

impl AsyncWrite for SocketStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        ready!(self.0.poll_room(cx))?;
        let n = buf.len().min(MAX_WRITE);
        match self.0.socket.send_with_u8_array(&buf[..n]) {
            Ok(()) => Poll::Ready(Ok(n)),
            Err(_) => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// What was written is the browser's to send; there is nothing to wait for.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(self.0.check_open())
    }

    fn poll_close(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut inbox = self.0.inbox.borrow_mut();
        if inbox.closed.is_some() {
            return Poll::Ready(Ok(()));
        }
        if self.0.socket.ready_state() <= WebSocket::OPEN {
            // Throws only for bad codes, and none is given.
            let _ = self.0.socket.close();
        }
        inbox.closer = Some(cx.waker().clone());
        Poll::Pending
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.socket.set_onopen(None);
        self.socket.set_onmessage(None);
        self.socket.set_onclose(None);
        let _ = self.socket.close();
    }
}
