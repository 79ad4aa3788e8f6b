//! One data channel as a byte stream; message boundaries do not matter to libp2p's framing.

use std::{
    cell::RefCell,
    io,
    pin::Pin,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::{Buf, BytesMut};
use futures::{AsyncRead, AsyncWrite};
use send_wrapper::SendWrapper;
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{MessageEvent, RtcDataChannel, RtcDataChannelState, RtcDataChannelType};

/// Longest message, framing included: the relay reads with a buffer of this size, and a longer
/// message breaks its stream.
const MAX_WRITE: usize = 8 * 1024;
/// What may wait in the browser to be sent before writing stops …
const HIGH_WATER: u32 = 256 * 1024;
/// … and how far it has to drain before writing goes on.
const LOW_WATER: u32 = 64 * 1024;
/// What may wait here to be read. A browser cannot hold a data channel back, so this is far above
/// anything that our protocols send in one go; beyond it the stream ends with an error.
const MAX_UNREAD: usize = 4 * 1024 * 1024;

/// A data channel. Clones are the same channel; it closes when the last one goes.
#[derive(Clone)]
pub(in crate::browser) struct Channel(Arc<SendWrapper<Inner>>);

struct Inner {
    channel: RtcDataChannel,
    inbox: Rc<RefCell<Inbox>>,
    // Kept alive for as long as the channel may call them; `Drop` detaches them first.
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_change: Closure<dyn FnMut()>,
}

#[derive(Default)]
struct Inbox {
    unread: BytesMut,
    overrun: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    watcher: Option<Waker>,
}

impl Channel {
    /// Takes a channel over. For an inbound channel this has to happen inside the event that
    /// announces it: whatever comes before there is a handler is lost.
    pub(super) fn new(channel: RtcDataChannel) -> Self {
        channel.set_binary_type(RtcDataChannelType::Arraybuffer);
        channel.set_buffered_amount_low_threshold(LOW_WATER);
        let inbox = Rc::new(RefCell::new(Inbox::default()));
        let on_message = Closure::new({
            let inbox = inbox.clone();
            move |event: MessageEvent| {
                let Ok(buffer) = event.data().dyn_into::<js_sys::ArrayBuffer>() else {
                    return; // Text; libp2p sends none.
                };
                let bytes = js_sys::Uint8Array::new(&buffer);
                let mut inbox = inbox.borrow_mut();
                let start = inbox.unread.len();
                let end = start + bytes.length() as usize;
                if end > MAX_UNREAD {
                    inbox.overrun = true;
                } else if !inbox.overrun {
                    inbox.unread.resize(end, 0);
                    bytes.copy_to(&mut inbox.unread[start..]);
                }
                if let Some(waker) = inbox.reader.take() {
                    waker.wake();
                }
            }
        });
        // Opened, drained, failed or closed: whoever waits looks at the channel again.
        let on_change = Closure::new({
            let inbox = inbox.clone();
            move || {
                let mut inbox = inbox.borrow_mut();
                let inbox = &mut *inbox;
                for waker in [&mut inbox.reader, &mut inbox.writer, &mut inbox.watcher] {
                    if let Some(waker) = waker.take() {
                        waker.wake();
                    }
                }
            }
        });
        let changed = Some(on_change.as_ref().unchecked_ref());
        channel.set_onmessage(Some(on_message.as_ref().unchecked_ref()));
        channel.set_onopen(changed);
        channel.set_onbufferedamountlow(changed);
        channel.set_onerror(changed);
        channel.set_onclose(changed);
        Self(Arc::new(SendWrapper::new(Inner {
            channel,
            inbox,
            _on_message: on_message,
            _on_change: on_change,
        })))
    }

    /// Ready once bytes can be sent.
    pub(super) fn poll_open(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.0.channel.ready_state() {
            RtcDataChannelState::Open => Poll::Ready(Ok(())),
            RtcDataChannelState::Connecting => {
                self.0.inbox.borrow_mut().watcher = Some(cx.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// Ready once the channel is closed, by whichever side.
    pub(super) fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        match self.0.channel.ready_state() {
            RtcDataChannelState::Open | RtcDataChannelState::Connecting => {
                self.0.inbox.borrow_mut().watcher = Some(cx.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(()),
        }
    }
}

impl AsyncRead for Channel {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut inbox = self.0.inbox.borrow_mut();
        if !inbox.unread.is_empty() {
            let n = buf.len().min(inbox.unread.len());
            inbox.unread.copy_to_slice(&mut buf[..n]);
            return Poll::Ready(Ok(n));
        }
        if inbox.overrun {
            let text = "more arrived than was read";
            return Poll::Ready(Err(io::Error::new(io::ErrorKind::OutOfMemory, text)));
        }
        match self.0.channel.ready_state() {
            RtcDataChannelState::Open | RtcDataChannelState::Connecting => {
                inbox.reader = Some(cx.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(Ok(0)),
        }
    }
}

impl AsyncWrite for Channel {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let channel = &self.0.channel;
        match channel.ready_state() {
            RtcDataChannelState::Open if channel.buffered_amount() < HIGH_WATER => {
                let n = buf.len().min(MAX_WRITE);
                channel
                    .send_with_u8_array(&buf[..n])
                    .map_err(|error| super::thrown("a data channel does not send", &error))?;
                Poll::Ready(Ok(n))
            }
            RtcDataChannelState::Open | RtcDataChannelState::Connecting => {
                self.0.inbox.borrow_mut().writer = Some(cx.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// What was written is the browser's to send; there is nothing to wait for.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.0.channel.close();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.channel.set_onmessage(None);
        self.channel.set_onopen(None);
        self.channel.set_onbufferedamountlow(None);
        self.channel.set_onerror(None);
        self.channel.set_onclose(None);
        // What is still in the browser's buffer is sent before the channel closes.
        self.channel.close();
    }
}
