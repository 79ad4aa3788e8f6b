//! A libp2p stream on a data channel: two halves that close by themselves, as the framing of
//! [`frame`](super::frame) allows (libp2p/specs, webrtc/README.md, "Multiplexing" and "Closing an
//! `RTCDataChannel`").
//!
//! Beside each stream its multiplexer has a [`Keeper`]. It answers the other side while the user does not look
//! (libp2p's ping lets a stream lie for seconds, and js-libp2p waits for its FIN_ACK), and when the user has
//! dropped the stream it waits until the other side has confirmed what was sent; only then the channel is
//! closed, and its number is free for another stream.

use std::{
    io,
    pin::Pin,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    task::{Context, Poll, Waker, ready},
    time::Duration,
};

use bytes::{Buf, Bytes};
use futures::{AsyncRead, AsyncWrite, FutureExt};
use futures_timer::Delay;

use super::frame::{Decoder, Flag, Frame};
use crate::framing::invalid;

/// How long a dropped stream waits for the other side's FIN and FIN_ACK. Peers that know no FIN_ACK
/// exist (libp2p-webrtc 0.10); what they were sent arrives all the same, because a channel is reset
/// behind its data.
const LINGER: Duration = Duration::from_secs(5);

/// What a channel has for its reader.
#[derive(Debug)]
pub enum Next {
    /// A message, of whatever length.
    Message(Bytes),
    /// Nothing now; the waker, if there was one, is called when that changes.
    Nothing,
    /// Nothing ever again.
    Closed,
    /// Nothing ever again, and something is lost.
    Failed(io::Error),
}

/// A data channel of either platform: reliable, ordered, open.
pub trait Channel: Unpin {
    /// Takes the next message.
    fn next(&self, waker: Option<&Waker>) -> Next;
    /// Ready when a message may be sent; pending while too much waits to leave.
    fn poll_ready(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>>;
    /// Sends a message. Flags go without asking [`Channel::poll_ready`] first.
    fn send(&self, message: &[u8]) -> io::Result<()>;
    /// Closes the channel behind what was sent. More than once is no mistake.
    fn close(&self);
    /// The longest message that the other side takes.
    fn max_frame(&self) -> usize;
    /// Whether it is this side that closes channels when both are done; the other one only when nothing
    /// happens. Where both do it at the same time, SCTP stacks may reset a number twice (sctp-proto 0.10 does), and
    /// the second time hits the next stream that has it.
    fn closes_first(&self) -> bool;
    /// Whether the other side is known to know FIN_ACK.
    fn knows_fin_ack(&self) -> bool;
    /// The other side has sent one.
    fn learn_fin_ack(&self);
}

/// What has come from the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Incoming {
    Open,
    /// FIN: there is no more.
    Ended,
    /// RESET_STREAM, or the channel closed without a FIN.
    Reset,
}

/// What the other side wants of us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Outgoing {
    Open,
    /// STOP_SENDING: nobody reads.
    Stopped,
    /// FIN is sent.
    Finished,
    /// FIN_ACK has come.
    Acknowledged,
    /// RESET_STREAM is sent.
    Reset,
}

#[derive(Debug)]
struct Halves<C> {
    channel: C,
    decoder: Decoder,
    unread: Bytes,
    incoming: Incoming,
    outgoing: Outgoing,
    /// FIN_ACK is sent.
    confirmed: bool,
    /// STOP_SENDING is sent.
    refused: bool,
    /// What went wrong and the user has not heard yet.
    failed: Option<io::Error>,
    /// The user, while it waits for something to read.
    reader: Option<Waker>,
    /// The keeper, once it is polled. From then on the channel wakes it, and it wakes the reader.
    keeper: Option<Waker>,
    dropped: bool,
}

impl<C: Channel> Halves<C> {
    /// Takes one message in. `false`: there is none now, and `waker` or the keeper is called when there is.
    fn step(&mut self, waker: Option<&Waker>) -> bool {
        self.try_step(waker).unwrap_or_else(|error| {
            self.failed = Some(error);
            self.incoming = Incoming::Reset;
            if matches!(self.outgoing, Outgoing::Open | Outgoing::Finished) {
                self.outgoing = Outgoing::Stopped;
            }
            true
        })
    }

    fn try_step(&mut self, waker: Option<&Waker>) -> io::Result<bool> {
        loop {
            if self.incoming == Incoming::Reset && self.outgoing == Outgoing::Stopped {
                return Ok(false);
            }
            if let Some(frame) = self.decoder.frame().map_err(invalid)? {
                self.take(frame)?;
                return Ok(true);
            }
            match self.channel.next(self.keeper.as_ref().or(waker)) {
                Next::Message(bytes) => self.decoder.push(&bytes),
                Next::Nothing => return Ok(false),
                Next::Closed => {
                    if self.incoming == Incoming::Open {
                        self.incoming = Incoming::Reset;
                    }
                    if matches!(self.outgoing, Outgoing::Open | Outgoing::Finished) {
                        self.outgoing = Outgoing::Stopped;
                    }
                    return Ok(false);
                }
                Next::Failed(error) => return Err(error),
            }
        }
    }

    /// Whether there is something for the user to read, be it the end.
    fn is_readable(&self) -> bool {
        !self.unread.is_empty() || self.incoming != Incoming::Open
    }

    fn take(&mut self, frame: Frame) -> io::Result<()> {
        if self.incoming == Incoming::Open {
            self.unread = frame.payload;
        }
        match frame.flag {
            Some(Flag::Fin) if self.incoming == Incoming::Open => {
                self.incoming = Incoming::Ended;
            }
            Some(Flag::Reset) => {
                self.unread = Bytes::new();
                self.incoming = Incoming::Reset;
            }
            Some(Flag::StopSending) if self.outgoing == Outgoing::Open => {
                self.outgoing = Outgoing::Stopped;
            }
            Some(Flag::FinAck) => {
                self.channel.learn_fin_ack();
                if self.outgoing == Outgoing::Finished {
                    self.outgoing = Outgoing::Acknowledged;
                }
            }
            Some(_) | None => {}
        }
        self.confirm()
    }

    /// Answers a FIN. Not before our own half is done if the other side may be libp2p-webrtc 0.10: that takes
    /// a FIN_ACK for a broken message while it still reads.
    fn confirm(&mut self) -> io::Result<()> {
        let due = self.outgoing != Outgoing::Open || self.channel.knows_fin_ack();
        let owed = self.incoming == Incoming::Ended && !self.confirmed;
        if due && owed {
            self.confirmed = true;
            self.channel.send(&Frame::encode_flag(Flag::FinAck))?;
        }
        Ok(())
    }

    /// The user is gone: says so, as far as the other side has to know, and as libp2p's yamux does. Whoever has
    /// read everything to the end breaks nothing off. Whoever has said everything hears the rest out: the other side
    /// may be about to close by itself, and is told to stop only if it goes on.
    fn abandon(&mut self) -> io::Result<()> {
        let heard_all = self.incoming == Incoming::Ended && self.unread.is_empty();
        self.unread = Bytes::new();
        match self.outgoing {
            Outgoing::Open if heard_all => {
                self.outgoing = Outgoing::Finished;
                self.channel.send(&Frame::encode_flag(Flag::Fin))?;
            }
            Outgoing::Open => {
                self.outgoing = Outgoing::Reset;
                self.channel.send(&Frame::encode_flag(Flag::Reset))?;
                self.refuse()?;
            }
            _ => {}
        }
        self.confirm()
    }

    /// Nobody reads here any more.
    fn refuse(&mut self) -> io::Result<()> {
        if self.incoming == Incoming::Open && !self.refused {
            self.refused = true;
            self.channel.send(&Frame::encode_flag(Flag::StopSending))?;
        }
        Ok(())
    }

    /// Reads on for the flags alone, until both sides are done.
    fn poll_done(&mut self) -> Poll<()> {
        loop {
            if !self.unread.is_empty() {
                self.unread = Bytes::new();
                // An error means that the channel is gone; that shows below.
                let _ = self.refuse();
            }
            let done = match self.outgoing {
                Outgoing::Open | Outgoing::Finished => false,
                Outgoing::Stopped | Outgoing::Acknowledged => self.incoming != Incoming::Open,
                Outgoing::Reset => true,
            };
            if done {
                return Poll::Ready(());
            }
            let before = (self.incoming, self.outgoing);
            if !self.step(None) && before == (self.incoming, self.outgoing) {
                return Poll::Pending;
            }
        }
    }

    /// Waits for the other side to close the channel.
    fn poll_closed(&self, cx: &mut Context<'_>) -> Poll<()> {
        loop {
            match self.channel.next(Some(cx.waker())) {
                Next::Message(_) => {}
                Next::Nothing => return Poll::Pending,
                Next::Closed | Next::Failed(_) => return Poll::Ready(()),
            }
        }
    }
}

type Shared<C> = Arc<Mutex<Halves<C>>>;

/// A lock under which nothing panics.
fn lock<C>(halves: &Shared<C>) -> MutexGuard<'_, Halves<C>> {
    halves.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A libp2p stream.
#[derive(Debug)]
pub struct Stream<C: Channel>(Shared<C>);

/// What a multiplexer has to poll for each of its streams; see the module. Resolves when the channel is closed
/// in order, some time after the stream was dropped.
#[derive(Debug)]
pub struct Keeper<C> {
    halves: Shared<C>,
    limit: Option<Delay>,
    keep_open: bool,
}

/// Makes a stream of an open channel.
pub fn open<C: Channel>(channel: C) -> (Stream<C>, Keeper<C>) {
    let halves = Arc::new(Mutex::new(Halves {
        channel,
        decoder: Decoder::default(),
        unread: Bytes::new(),
        incoming: Incoming::Open,
        outgoing: Outgoing::Open,
        confirmed: false,
        refused: false,
        failed: None,
        reader: None,
        keeper: None,
        dropped: false,
    }));
    let keeper = Keeper {
        halves: halves.clone(),
        limit: None,
        keep_open: false,
    };
    (Stream(halves), keeper)
}

impl<C: Channel> AsyncRead for Stream<C> {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut [u8],
    ) -> Poll<io::Result<usize>> {
        let mut halves = lock(&self.0);
        while !halves.is_readable() {
            if !halves.step(Some(cx.waker())) && !halves.is_readable() {
                halves.reader = Some(cx.waker().clone());
                return Poll::Pending;
            }
        }
        if !halves.unread.is_empty() {
            let n = buf.len().min(halves.unread.len());
            halves.unread.copy_to_slice(&mut buf[..n]);
            return Poll::Ready(Ok(n));
        }
        match halves.incoming {
            Incoming::Open | Incoming::Ended => Poll::Ready(Ok(0)),
            Incoming::Reset => {
                let error = halves.failed.take();
                Poll::Ready(Err(error.unwrap_or(io::ErrorKind::ConnectionReset.into())))
            }
        }
    }
}

impl<C: Channel> AsyncWrite for Stream<C> {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let mut halves = lock(&self.0);
        // Whoever only writes has to hear of STOP_SENDING too.
        while halves.unread.is_empty() && halves.step(None) {}
        if halves.outgoing != Outgoing::Open {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        }
        ready!(halves.channel.poll_ready(cx))?;
        let n = buf.len().min(Frame::room(halves.channel.max_frame()));
        halves.channel.send(&Frame::encode(&buf[..n]))?;
        Poll::Ready(Ok(n))
    }

    /// What was written is the channel's to send; there is nothing to wait for.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    /// Sends FIN. For the FIN_ACK waits the [`Keeper`], because some peers send none.
    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        let mut halves = lock(&self.0);
        if halves.outgoing == Outgoing::Open {
            halves.channel.send(&Frame::encode_flag(Flag::Fin))?;
            halves.outgoing = Outgoing::Finished;
            halves.confirm()?;
        }
        Poll::Ready(Ok(()))
    }
}

impl<C: Channel> Drop for Stream<C> {
    fn drop(&mut self) {
        let mut halves = lock(&self.0);
        halves.dropped = true;
        if let Some(keeper) = halves.keeper.take() {
            keeper.wake();
        }
    }
}

impl<C: Channel> Keeper<C> {
    /// Leaves the channel open at the end. For the channel of the handshake: to close it can block later
    /// ones in peers (rust-libp2p issue 5986).
    pub fn keep_open(mut self) -> Self {
        self.keep_open = true;
        self
    }
}

impl<C: Channel> Future for Keeper<C> {
    type Output = io::Result<()>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        let this = self.get_mut();
        let mut halves = lock(&this.halves);
        halves.keeper = Some(cx.waker().clone());
        if !halves.dropped {
            while halves.unread.is_empty() && halves.step(None) {}
            if halves.is_readable()
                && let Some(reader) = halves.reader.take()
            {
                reader.wake();
            }
            return Poll::Pending;
        }
        let limit = match &mut this.limit {
            Some(limit) => limit,
            None => {
                // An error means that the channel is gone; that shows below.
                let _ = halves.abandon();
                this.limit.insert(Delay::new(LINGER))
            }
        };
        let ended = match limit.poll_unpin(cx) {
            Poll::Ready(()) => Err(io::ErrorKind::TimedOut.into()),
            Poll::Pending => {
                ready!(halves.poll_done());
                if !this.keep_open && !halves.channel.closes_first() {
                    ready!(halves.poll_closed(cx));
                }
                Ok(())
            }
        };
        if !this.keep_open {
            halves.channel.close();
        }
        Poll::Ready(ended)
    }
}

#[cfg(test)]
mod tests;
