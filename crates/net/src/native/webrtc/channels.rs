//! SCTP and its data channels, without I/O. Decrypted packets and the time go in, packets come out; streams
//! read and write through it.
//!
//! Nothing is copied into a queue of ours: what a stream has not read yet stays in SCTP's receive buffer,
//! whose free space the peer is told, so that a slow reader slows the writer.

use std::{
    collections::{HashMap, VecDeque},
    io,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    task::{Context, Poll, Waker},
    time::Instant,
};

use bytes::Bytes;
use sctp_proto::{
    Association, AssociationHandle, DatagramEvent, Endpoint, Event, Payload,
    PayloadProtocolIdentifier as Kind, Stream, StreamEvent, StreamId, Transmit,
};

use super::{
    dcep::{self, DcepError},
    error::SessionError,
    limits::Limits,
};
use crate::webrtc::stream::Next;

/// The number of the handshake's channel.
const HANDSHAKE: StreamId = 0;
/// Channels that one connection may have, those that are closing included.
const MAX_CHANNELS: usize = 1_024;
/// Channels of the peer that may wait to be taken.
const MAX_WAITING: usize = 64;
/// What may wait in one channel to be sent before writing stops …
const HIGH_WATER: usize = 128 * 1024;
/// … and how far it has to drain before writing goes on.
const LOW_WATER: usize = 32 * 1024;
/// SCTP wants an address and never looks at it.
const SOMEWHERE: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 5_000);

/// One channel. Numbers are used again, so that a number alone does not name one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ChannelId {
    stream: StreamId,
    generation: u64,
}

/// Who waits for what on a channel.
#[derive(Debug, Default)]
struct Entry {
    generation: u64,
    reader: Option<Waker>,
    writer: Option<Waker>,
}

/// See the module.
pub(super) struct Channels {
    endpoint: Endpoint,
    association: Option<(AssociationHandle, Association)>,
    /// The first number of our own channels: odd ones are the server's (RFC 8832, section 6).
    first: StreamId,
    entries: HashMap<StreamId, Entry>,
    generations: u64,
    /// The channel of the noise handshake.
    handshake: Option<ChannelId>,
    /// Channels that the peer has opened and nobody has taken yet.
    waiting: VecDeque<ChannelId>,
    /// Waits for the association first, and for the peer's channels later.
    acceptor: Option<Waker>,
    /// What [`Channels::packets`] has to say next time.
    fault: Option<SessionError>,
    ended: Option<SessionError>,
}

impl Channels {
    pub(super) fn new(limits: &Limits) -> Self {
        Self {
            endpoint: Endpoint::new(limits.endpoint.clone(), Some(limits.server.clone())),
            association: None,
            first: 1,
            entries: HashMap::new(),
            generations: 0,
            handshake: None,
            waiting: VecDeque::new(),
            acceptor: None,
            fault: None,
            ended: None,
        }
    }

    /// The dialling side, which our tests need.
    #[cfg(test)]
    pub(super) fn dialling(limits: &Limits) -> Self {
        let mut channels = Self::new(limits);
        let mut config = sctp_proto::ClientConfig::new();
        config.transport = limits.server.transport.clone();
        let connected = channels.endpoint.connect(config, SOMEWHERE);
        channels.association = Some(connected.expect("the address is never looked at"));
        channels.first = 2;
        channels
    }

    /// Channels that are open or closing.
    #[cfg(test)]
    pub(super) fn count(&self) -> usize {
        self.entries.len()
    }

    /// A packet that DTLS has decrypted.
    pub(super) fn receive(&mut self, now: Instant, packet: &[u8]) {
        let packet = Bytes::copy_from_slice(packet);
        match self.endpoint.handle(now, SOMEWHERE, None, None, packet) {
            // A second one is a repetition on a slow path, or a mistake; WebRTC has one.
            Some((handle, DatagramEvent::NewAssociation(new))) if self.association.is_none() => {
                self.association = Some((handle, new));
            }
            Some((of, DatagramEvent::AssociationEvent(event))) => {
                if let Some((handle, association)) = &mut self.association
                    && of == *handle
                {
                    association.handle_event(event);
                }
            }
            Some(_) | None => {}
        }
    }

    /// Lets time pass.
    pub(super) fn tick(&mut self, now: Instant) {
        if let Some((_, association)) = &mut self.association {
            association.handle_timeout(now);
        }
    }

    /// When [`Channels::tick`] is due.
    pub(super) fn next_tick(&self) -> Option<Instant> {
        self.association.as_ref()?.1.poll_timeout()
    }

    /// Handles what has happened and gives the packets to send. An error ends the session.
    pub(super) fn packets(&mut self, now: Instant) -> Result<Vec<Bytes>, SessionError> {
        self.handle_events();
        if let Some(fault) = self.fault.take() {
            return Err(fault);
        }
        let mut packets = Vec::new();
        let mut take = |transmit: Transmit| {
            if let Payload::RawEncode(encoded) = transmit.payload {
                packets.extend(encoded);
            }
        };
        while let Some(transmit) = self.endpoint.poll_transmit() {
            take(transmit);
        }
        if let Some((handle, association)) = &mut self.association {
            while let Some(transmit) = association.poll_transmit(now) {
                take(transmit);
            }
            while let Some(event) = association.poll_endpoint_event() {
                if let Some(event) = self.endpoint.handle_event(*handle, event) {
                    association.handle_event(event);
                }
            }
        }
        Ok(packets)
    }

    /// Nothing comes or goes any more.
    pub(super) fn end(&mut self, why: SessionError) {
        self.ended = Some(why);
        self.association = None;
        for entry in self.entries.values_mut() {
            wake(&mut entry.reader);
            wake(&mut entry.writer);
        }
        wake(&mut self.acceptor);
    }

    fn handle_events(&mut self) {
        while let Some((_, association)) = &mut self.association {
            match association.poll() {
                None => break,
                Some(Event::Connected) => {
                    // The peer may have been first to use it; then it exists already.
                    let _ = association.open_stream(HANDSHAKE, Kind::Binary);
                    self.handshake = Some(self.add(HANDSHAKE));
                    wake(&mut self.acceptor);
                }
                Some(Event::HandshakeFailed { reason }) => {
                    self.fault = Some(SessionError::Sctp(reason.to_string()));
                }
                Some(Event::AssociationLost { reason }) => {
                    tracing::debug!(%reason, "SCTP is over");
                    self.fault = Some(SessionError::ClosedByPeer);
                }
                Some(Event::Stream(event)) => self.handle_stream_event(event),
                Some(_) => {}
            }
        }
    }

    fn handle_stream_event(&mut self, event: StreamEvent) {
        match event {
            StreamEvent::Readable { id } => match self.entries.get_mut(&id) {
                Some(entry) => wake(&mut entry.reader),
                None => self.opened_by_peer(id),
            },
            StreamEvent::BufferedAmountLow { id } | StreamEvent::Writable { id } => {
                if let Some(entry) = self.entries.get_mut(&id) {
                    wake(&mut entry.writer);
                }
            }
            // All of it has been read. Its number may be another channel's from now on.
            StreamEvent::Finished { id } => {
                if let Some(mut entry) = self.entries.remove(&id) {
                    wake(&mut entry.reader);
                    wake(&mut entry.writer);
                }
            }
            _ => {}
        }
    }

    /// The first message of a stream that we do not know: an opening, or a mistake.
    fn opened_by_peer(&mut self, id: StreamId) {
        let full = self.entries.len() >= MAX_CHANNELS || self.waiting.len() >= MAX_WAITING;
        let Some((_, association)) = &mut self.association else {
            return;
        };
        // Otherwise it is gone again already, or closed on this side.
        let Ok(mut stream) = association.stream(id) else {
            return;
        };
        let Ok(Some(message)) = stream.read_sctp() else {
            return;
        };
        let opening = match message.ppi {
            Kind::Dcep => dcep::check_opening(&collect(&message)),
            _ => Err(DcepError::Type),
        };
        let refused = match opening {
            Err(error) => Some(error.to_string()),
            Ok(()) => full.then(|| "there are too many".to_owned()),
        };
        if let Some(reason) = refused {
            tracing::debug!(reason, id, "a channel is refused");
            // An error here means that the association is ending, which is heard of soon.
            let _ = stream.close();
        } else if stream
            .write_with_ppi(&dcep::ACKNOWLEDGE, Kind::Dcep)
            .is_ok()
        {
            let channel = self.add(id);
            self.waiting.push_back(channel);
            wake(&mut self.acceptor);
        }
    }

    fn add(&mut self, id: StreamId) -> ChannelId {
        self.generations += 1;
        let entry = Entry {
            generation: self.generations,
            ..Entry::default()
        };
        self.entries.insert(id, entry);
        if let Some((_, association)) = &mut self.association
            && let Ok(mut stream) = association.stream(id)
        {
            // It fails only for a stream that does not exist.
            let _ = stream.set_buffered_amount_low_threshold(LOW_WATER);
        }
        ChannelId {
            stream: id,
            generation: self.generations,
        }
    }

    /// A channel that is still there. Whoever reads its last message ends it, and SCTP may have the next channel of that
    /// number waiting behind it: what has ended is asked for first, or else the old one's user takes the new one's opening.
    fn get(&mut self, channel: ChannelId) -> Option<(Stream<'_>, &mut Entry)> {
        self.handle_events();
        let (_, association) = self.association.as_mut()?;
        let entry = self.entries.get_mut(&channel.stream);
        let entry = entry.filter(|entry| entry.generation == channel.generation)?;
        Some((association.stream(channel.stream).ok()?, entry))
    }

    /// The channel of the noise handshake, once channels can be opened.
    pub(super) fn poll_established(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<ChannelId>> {
        match (&self.ended, self.handshake) {
            (Some(error), _) => Poll::Ready(Err(error.clone().into())),
            (None, Some(handshake)) => Poll::Ready(Ok(handshake)),
            (None, None) => {
                self.acceptor = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// The next channel that the peer has opened.
    pub(super) fn poll_accept(&mut self, cx: &mut Context<'_>) -> Poll<io::Result<ChannelId>> {
        match (&self.ended, self.waiting.pop_front()) {
            (Some(error), _) => Poll::Ready(Err(error.clone().into())),
            (None, Some(id)) => Poll::Ready(Ok(id)),
            (None, None) => {
                self.acceptor = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Opens a channel. The lowest free number is taken, because some peers have room for a thousand only.
    pub(super) fn open(&mut self) -> io::Result<ChannelId> {
        let Some((_, association)) = &mut self.association else {
            return Err(self.ended.clone().unwrap_or(SessionError::Closed).into());
        };
        if self.entries.len() >= MAX_CHANNELS {
            return Err(io::Error::other("too many channels on one connection"));
        }
        for id in (self.first..StreamId::MAX).step_by(2) {
            if self.entries.contains_key(&id) {
                continue;
            }
            // Refused while the reset of an earlier channel of this number is not confirmed.
            if let Ok(mut stream) = association.open_stream(id, Kind::Binary) {
                let opened = stream.write_with_ppi(&dcep::OPENING, Kind::Dcep);
                opened.map_err(io::Error::other)?;
                return Ok(self.add(id));
            }
        }
        Err(io::Error::other("no number is free for a channel"))
    }

    /// What a channel has to read.
    pub(super) fn read(&mut self, channel: ChannelId, waker: Option<&Waker>) -> Next {
        loop {
            let Some((mut stream, entry)) = self.get(channel) else {
                return Next::Closed;
            };
            match stream.read_sctp() {
                // Not text, not the confirmation of an opening, not the dummy byte of an empty message.
                Ok(Some(message)) if message.ppi != Kind::Binary => {}
                Ok(Some(message)) => return Next::Message(collect(&message)),
                Ok(None) => {
                    if let Some(waker) = waker {
                        entry.reader = Some(waker.clone());
                    }
                    return Next::Nothing;
                }
                Err(_) => return Next::Closed,
            }
        }
    }

    /// Ready when a channel takes a message.
    pub(super) fn poll_writable(
        &mut self,
        channel: ChannelId,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<()>> {
        let Some((stream, entry)) = self.get(channel) else {
            return Poll::Ready(Err(io::ErrorKind::BrokenPipe.into()));
        };
        match stream.buffered_amount() {
            Ok(bytes) if stream.is_writable() && bytes < HIGH_WATER => Poll::Ready(Ok(())),
            Ok(_) if stream.is_writable() => {
                entry.writer = Some(cx.waker().clone());
                Poll::Pending
            }
            _ => Poll::Ready(Err(io::ErrorKind::BrokenPipe.into())),
        }
    }

    /// Sends a message on a channel.
    pub(super) fn write(&mut self, channel: ChannelId, message: &[u8]) -> io::Result<()> {
        let broken = || io::Error::from(io::ErrorKind::BrokenPipe);
        let (mut stream, _) = self.get(channel).ok_or_else(broken)?;
        let written = stream.write_with_ppi(message, Kind::Binary);
        written.map(drop).map_err(|_| broken())
    }

    /// Closes a channel behind what was written.
    pub(super) fn close(&mut self, channel: ChannelId) {
        if let Some((mut stream, _)) = self.get(channel) {
            // An error means that the association is ending, and all channels with it.
            let _ = stream.close();
            self.entries.remove(&channel.stream);
        }
    }
}

fn collect(message: &sctp_proto::Chunks) -> Bytes {
    let mut bytes = vec![0; message.len()];
    // It fails only when the buffer is too short.
    let _ = message.read(&mut bytes);
    bytes.into()
}

fn wake(waker: &mut Option<Waker>) {
    if let Some(waker) = waker.take() {
        waker.wake();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Two ends and the time that they share.
    struct Line {
        client: Channels,
        server: Channels,
        now: Instant,
    }

    impl Line {
        fn new() -> Self {
            let limits = Limits::default();
            let mut line = Self {
                client: Channels::dialling(&limits),
                server: Channels::new(&limits),
                now: Instant::now(),
            };
            line.settle();
            line
        }

        /// Carries packets to and fro; timers that delay acknowledgements run out a few times.
        fn settle(&mut self) {
            for _ in 0..8 {
                loop {
                    let up = self.client.packets(self.now).unwrap();
                    let down = self.server.packets(self.now).unwrap();
                    if up.is_empty() && down.is_empty() {
                        break;
                    }
                    up.iter()
                        .for_each(|packet| self.server.receive(self.now, packet));
                    down.iter()
                        .for_each(|packet| self.client.receive(self.now, packet));
                }
                let due = [self.client.next_tick(), self.server.next_tick()];
                self.now = due.into_iter().flatten().min().unwrap_or(self.now);
                self.client.tick(self.now);
                self.server.tick(self.now);
            }
        }

        fn accept(&mut self) -> ChannelId {
            let mut cx = Context::from_waker(Waker::noop());
            match self.server.poll_accept(&mut cx) {
                Poll::Ready(accepted) => accepted.unwrap(),
                Poll::Pending => panic!("no channel was opened"),
            }
        }

        fn reads(&mut self, channel: ChannelId, wanted: &[u8]) {
            match self.server.read(channel, None) {
                Next::Message(message) => assert_eq!(message, wanted),
                other => panic!("{other:?} in place of {wanted:?}"),
            }
        }
    }

    #[test]
    fn a_number_that_is_used_again_belongs_to_the_new_channel_alone() {
        let mut line = Line::new();
        let first = line.client.open().unwrap();
        line.settle();
        let old = line.accept();
        line.client.write(first, b"the last word").unwrap();
        line.client.close(first);
        line.settle();
        // The other side has confirmed the reset, though nobody has read that word there.
        let second = line.client.open().unwrap();
        assert_eq!(second.stream, first.stream);
        line.client.write(second, b"a new beginning").unwrap();
        line.settle();

        line.reads(old, b"the last word");
        assert!(matches!(line.server.read(old, None), Next::Closed));
        assert!(line.server.write(old, b"too late").is_err());
        line.server.close(old);
        let new = line.accept();
        line.reads(new, b"a new beginning");
        assert!(matches!(line.server.read(new, None), Next::Nothing));
    }
}
