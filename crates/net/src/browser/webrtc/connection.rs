//! A peer connection as a stream multiplexer: each stream is a data channel.

use std::{
    cell::RefCell,
    collections::VecDeque,
    io,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker, ready},
};

use futures::{StreamExt, stream::FuturesUnordered};
use libp2p::core::muxing::{StreamMuxer, StreamMuxerEvent};
use send_wrapper::SendWrapper;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use web_sys::{
    EventTarget, RtcConfiguration, RtcDataChannelEvent, RtcIceConnectionState, RtcIceServer,
    RtcPeerConnection, RtcPeerConnectionIceEvent, RtcPeerConnectionState,
};

use super::{channel::Channel, thrown};
use crate::webrtc::stream::{self, Keeper, Stream};

/// Channels of the other side that may wait to be taken; it opens a handful at the start.
const MAX_WAITING: usize = 64;
/// Candidates of our own that may wait to be sent.
const MAX_CANDIDATES: usize = 64;
/// The label of the channel that makes browsers describe a data session at all; it carries nothing.
pub(super) const INIT: &str = "init";

/// An `RTCPeerConnection` whose handlers are attached, from before the handshake until it is
/// dropped.
pub(super) struct Peer {
    pub(super) connection: RtcPeerConnection,
    max_frame: usize,
    events: Rc<RefCell<Events>>,
    // Kept alive for as long as the connection may call them; `Drop` detaches them first.
    _on_channel: Closure<dyn FnMut(RtcDataChannelEvent)>,
    on_state: Closure<dyn FnMut()>,
    _on_candidate: Closure<dyn FnMut(RtcPeerConnectionIceEvent)>,
}

#[derive(Default)]
struct Events {
    waiting: VecDeque<Channel>,
    inbound: Option<Waker>,
    state: Option<Waker>,
    /// The caller's [`INIT`] channel, at both ends: held, because dropping it would close it. Others close it
    /// once they are connected, and mean nothing by that.
    init: Option<Channel>,
    /// What carries the data channels: it tells at once that the other side has closed the connection, which
    /// the connection itself does not.
    sctp: Option<EventTarget>,
    candidates: VecDeque<String>,
    candidate: Option<Waker>,
}

impl Peer {
    /// `stun` are URLs of servers that tell a browser its outside address; `max_frame` is the longest
    /// message that the other side takes.
    pub(super) fn new(stun: &[String], max_frame: usize) -> io::Result<Self> {
        let configuration = RtcConfiguration::new();
        let servers = js_sys::Array::new();
        for url in stun {
            let server = RtcIceServer::new();
            server.set_urls(&JsValue::from_str(url));
            servers.push(&server);
        }
        configuration.set_ice_servers(&servers);
        let connection = RtcPeerConnection::new_with_configuration(&configuration)
            .map_err(|error| thrown("this browser offers no WebRTC", &error))?;
        let events = Rc::new(RefCell::new(Events::default()));
        let on_channel = Closure::new({
            let events = events.clone();
            move |event: RtcDataChannelEvent| {
                // Its handlers are attached here and now: the first bytes follow right behind.
                let label = event.channel().label();
                let channel = Channel::new(event.channel(), max_frame);
                let mut events = events.borrow_mut();
                if label == INIT {
                    events.init = Some(channel);
                    return;
                }
                if events.waiting.len() >= MAX_WAITING {
                    tracing::warn!("a peer opens streams faster than they are taken");
                    return;
                }
                events.waiting.push_back(channel);
                if let Some(waker) = events.inbound.take() {
                    waker.wake();
                }
            }
        });
        let on_state = Closure::new({
            let events = events.clone();
            move || {
                if let Some(waker) = events.borrow_mut().state.take() {
                    waker.wake();
                }
            }
        });
        let on_candidate = Closure::new({
            let events = events.clone();
            move |event: RtcPeerConnectionIceEvent| {
                // None: there are no more.
                let Some(candidate) = event.candidate() else {
                    return;
                };
                let json = js_sys::JSON::stringify(&candidate.to_json())
                    .ok()
                    .and_then(|json| json.as_string());
                let mut events = events.borrow_mut();
                if let Some(json) = json
                    && events.candidates.len() < MAX_CANDIDATES
                {
                    events.candidates.push_back(json);
                }
                if let Some(waker) = events.candidate.take() {
                    waker.wake();
                }
            }
        });
        connection.set_ondatachannel(Some(on_channel.as_ref().unchecked_ref()));
        connection.set_onicecandidate(Some(on_candidate.as_ref().unchecked_ref()));
        connection.set_onconnectionstatechange(Some(on_state.as_ref().unchecked_ref()));
        Ok(Self {
            connection,
            max_frame,
            events,
            _on_channel: on_channel,
            on_state,
            _on_candidate: on_candidate,
        })
    }

    /// Keeps the caller's [`INIT`] channel.
    pub(super) fn hold(&self, init: Channel) {
        self.events.borrow_mut().init = Some(init);
    }

    /// From now on [`Peer::poll_failed`] knows when the other side closes the connection. For when there is
    /// one; a browser without this learns it from silence.
    fn watch(&self) {
        let sctp = js_sys::Reflect::get(&self.connection, &JsValue::from_str("sctp"));
        let Some(sctp) = sctp.ok().and_then(|it| it.dyn_into::<EventTarget>().ok()) else {
            return;
        };
        let on_state = self.on_state.as_ref().unchecked_ref();
        // Throws for nothing that could be given here.
        let _ = sctp.add_event_listener_with_callback("statechange", on_state);
        self.events.borrow_mut().sctp = Some(sctp);
    }

    fn is_closed_there(&self) -> bool {
        let events = self.events.borrow();
        let state = events
            .sctp
            .as_ref()
            .and_then(|sctp| js_sys::Reflect::get(sctp, &JsValue::from_str("state")).ok());
        state.is_some_and(|state| state == "closed")
    }

    /// The next candidate of our own, as JSON.
    pub(super) fn poll_candidate(&self, cx: &mut Context<'_>) -> Poll<String> {
        let mut events = self.events.borrow_mut();
        match events.candidates.pop_front() {
            Some(json) => Poll::Ready(json),
            None => {
                events.candidate = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }

    /// Ready once there is a path and DTLS has proved the certificates.
    pub(super) fn poll_connected(&self, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.connection.connection_state() == RtcPeerConnectionState::Connected {
            return Poll::Ready(Ok(()));
        }
        self.poll_failed(cx).map(Err)
    }

    /// Ready once the connection is beyond repair.
    pub(super) fn poll_failed(&self, cx: &mut Context<'_>) -> Poll<io::Error> {
        match self.connection.connection_state() {
            RtcPeerConnectionState::Failed => {
                // Where there is a path, only DTLS can have failed, and we check nothing but this.
                let (kind, text) = match self.connection.ice_connection_state() {
                    RtcIceConnectionState::Connected | RtcIceConnectionState::Completed => (
                        io::ErrorKind::InvalidData,
                        "the other side's certificate is not the one that was named",
                    ),
                    _ => (io::ErrorKind::NotConnected, "no UDP path to the other side"),
                };
                Poll::Ready(io::Error::new(kind, text))
            }
            RtcPeerConnectionState::Closed => {
                Poll::Ready(io::Error::from(io::ErrorKind::ConnectionAborted))
            }
            _ if self.is_closed_there() => Poll::Ready(closed_there()),
            _ => {
                self.events.borrow_mut().state = Some(cx.waker().clone());
                Poll::Pending
            }
        }
    }
}

fn closed_there() -> io::Error {
    let text = "the other side closed the connection";
    io::Error::new(io::ErrorKind::ConnectionReset, text)
}

impl Drop for Peer {
    fn drop(&mut self) {
        if let Some(sctp) = self.events.borrow_mut().sctp.take() {
            let on_state = self.on_state.as_ref().unchecked_ref();
            let _ = sctp.remove_event_listener_with_callback("statechange", on_state);
        }
        self.connection.set_ondatachannel(None);
        self.connection.set_onicecandidate(None);
        self.connection.set_onconnectionstatechange(None);
        self.connection.close();
    }
}

/// The multiplexer that libp2p sees.
pub(in crate::browser) struct Connection {
    // Dropped in this order: the channels first, so that their handlers go before the connection.
    opening: Option<Channel>,
    keepers: FuturesUnordered<Keeper<Channel>>,
    idle: Option<Waker>,
    /// The channel of WebRTC-direct's handshake. It stays open: closing it can block later
    /// ones (rust-libp2p issue 5986), and when the other side closes, it is the first to tell.
    handshake: Option<Channel>,
    peer: SendWrapper<Peer>,
}

impl Connection {
    /// A connection whose other side was proved in another way.
    pub(super) fn new(peer: Peer) -> Self {
        peer.watch();
        Self {
            opening: None,
            keepers: FuturesUnordered::new(),
            idle: None,
            handshake: None,
            peer: SendWrapper::new(peer),
        }
    }

    /// A connection after noise on channel 0, which `keeper` looks after.
    pub(super) fn proved(peer: Peer, handshake: Channel, keeper: Keeper<Channel>) -> Self {
        let mut connection = Self::new(peer);
        connection.handshake = Some(handshake);
        connection.keepers.push(keeper.keep_open());
        connection
    }

    fn stream(&mut self, channel: Channel) -> Stream<Channel> {
        let (stream, keeper) = stream::open(channel);
        self.keepers.push(keeper);
        if let Some(waker) = self.idle.take() {
            waker.wake();
        }
        stream
    }
}

impl StreamMuxer for Connection {
    type Substream = Stream<Channel>;
    type Error = io::Error;

    fn poll_inbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Self::Substream>> {
        let channel = {
            let mut events = self.peer.events.borrow_mut();
            match events.waiting.pop_front() {
                Some(channel) => channel,
                None => {
                    events.inbound = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
        };
        Poll::Ready(Ok(self.stream(channel)))
    }

    fn poll_outbound(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<io::Result<Self::Substream>> {
        // `createDataChannel` throws nothing before the connection is closed or its ids are used up.
        let channel = match self.opening.take() {
            Some(channel) => channel,
            None if self.peer.connection.connection_state() == RtcPeerConnectionState::Closed => {
                return Poll::Ready(Err(io::ErrorKind::ConnectionAborted.into()));
            }
            None => {
                let channel = self.peer.connection.create_data_channel("");
                Channel::new(channel, self.peer.max_frame)
            }
        };
        match channel.poll_open(cx) {
            Poll::Pending => {
                self.opening = Some(channel);
                Poll::Pending
            }
            Poll::Ready(Err(error)) => Poll::Ready(Err(error)),
            Poll::Ready(Ok(())) => Poll::Ready(Ok(self.stream(channel))),
        }
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.peer.connection.close();
        Poll::Ready(Ok(()))
    }

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<StreamMuxerEvent>> {
        if let Poll::Ready(error) = self.peer.poll_failed(cx) {
            return Poll::Ready(Err(error));
        }
        let handshake = self.handshake.as_ref();
        if handshake.is_some_and(|channel| channel.poll_closed(cx).is_ready()) {
            return Poll::Ready(Err(closed_there()));
        }
        loop {
            match ready!(self.keepers.poll_next_unpin(cx)) {
                Some(Ok(())) => {}
                Some(Err(error)) => tracing::debug!(%error, "a stream did not end in order"),
                None => {
                    self.idle = Some(cx.waker().clone());
                    return Poll::Pending;
                }
            }
        }
    }
}
