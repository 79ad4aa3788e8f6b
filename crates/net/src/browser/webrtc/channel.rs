//! One data channel of the browser, as [`stream`](crate::webrtc::stream) wants it.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use send_wrapper::SendWrapper;
use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{MessageEvent, RtcDataChannel, RtcDataChannelState, RtcDataChannelType};

use crate::webrtc::{
    frame::MAX_FRAME,
    stream::{self, Next},
};

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
    max_frame: usize,
    inbox: Rc<RefCell<Inbox>>,
    // Kept alive for as long as the channel may call them; `Drop` detaches them first.
    _on_message: Closure<dyn FnMut(MessageEvent)>,
    _on_change: Closure<dyn FnMut()>,
}

#[derive(Default)]
struct Inbox {
    messages: VecDeque<Bytes>,
    unread: usize,
    overrun: bool,
    reader: Option<Waker>,
    writer: Option<Waker>,
    watcher: Option<Waker>,
}

impl Channel {
    /// Takes a channel over. For an inbound channel this has to happen inside the event that
    /// announces it: whatever comes before there is a handler is lost. `max_frame` is the longest message
    /// that the other side takes.
    pub(super) fn new(channel: RtcDataChannel, max_frame: usize) -> Self {
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
                let unread = inbox.unread + bytes.length() as usize;
                if unread > MAX_UNREAD {
                    inbox.overrun = true;
                } else if !inbox.overrun {
                    inbox.unread = unread;
                    inbox.messages.push_back(bytes.to_vec().into());
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
            max_frame,
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

impl stream::Channel for Channel {
    fn next(&self, waker: Option<&Waker>) -> Next {
        let mut inbox = self.0.inbox.borrow_mut();
        if let Some(message) = inbox.messages.pop_front() {
            inbox.unread -= message.len();
            return Next::Message(message);
        }
        if inbox.overrun {
            let text = "more arrived than was read";
            return Next::Failed(io::Error::new(io::ErrorKind::OutOfMemory, text));
        }
        match self.0.channel.ready_state() {
            RtcDataChannelState::Open | RtcDataChannelState::Connecting => {
                if let Some(waker) = waker {
                    inbox.reader = Some(waker.clone());
                }
                Next::Nothing
            }
            _ => Next::Closed,
        }
    }

    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        let channel = &self.0.channel;
        match channel.ready_state() {
            RtcDataChannelState::Open if channel.buffered_amount() < HIGH_WATER => {
                Poll::Ready(Ok(()))
            }
            RtcDataChannelState::Open | RtcDataChannelState::Connecting => {
                self.0.inbox.borrow_mut().writer = Some(cx.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    fn send(&self, message: &[u8]) -> io::Result<()> {
        if self.0.channel.ready_state() != RtcDataChannelState::Open {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        self.0
            .channel
            .send_with_u8_array(message)
            .map_err(|error| super::thrown("a data channel does not send", &error))
    }

    fn close(&self) {
        // What is still in the browser's buffer is sent before the channel closes.
        self.0.channel.close();
    }

    fn max_frame(&self) -> usize {
        self.0.max_frame
    }

    /// We dial, and a listener waits for us. Between two browsers both do it, which browsers take well.
    fn closes_first(&self) -> bool {
        true
    }

    /// Who speaks version 2 knows it, and other pages do.
    fn knows_fin_ack(&self) -> bool {
        self.0.max_frame == MAX_FRAME
    }

    fn learn_fin_ack(&self) {}
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
