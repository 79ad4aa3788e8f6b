//! The dialling side of a WebSocket: how a relay reaches another one. Everybody else is dialled by browsers only.

use std::{
    io,
    pin::Pin,
    task::{Context, Poll},
};

use axum::extract::ws::Message;
use futures::{
    FutureExt, Sink, SinkExt, Stream, StreamExt,
    future::{self, BoxFuture},
};
use libp2p::{
    Multiaddr,
    core::{
        Transport,
        transport::{DialOpts, ListenerId, TransportError, TransportEvent},
    },
};
use tokio_tungstenite::tungstenite::{self, protocol::WebSocketConfig};

use super::websocket::{MAX_WEBSOCKET_MESSAGE, WebSocketStream};
use crate::address;

/// A socket of tungstenite that speaks axum's messages.
pub trait Socket:
    Stream<Item = Result<Message, tungstenite::Error>>
    + Sink<Message, Error = tungstenite::Error>
    + Send
    + Unpin
{
}

impl<T> Socket for T where
    T: Stream<Item = Result<Message, tungstenite::Error>>
        + Sink<Message, Error = tungstenite::Error>
        + Send
        + Unpin
{
}

/// Dials `/…/ws` and `/…/tls/ws`; listens nowhere. Certificates are checked against the system's list.
#[derive(Debug, Clone, Copy, Default)]
pub struct Dialer;

impl Transport for Dialer {
    type Output = WebSocketStream<Box<dyn Socket>>;
    type Error = io::Error;
    type ListenerUpgrade = future::Pending<io::Result<Self::Output>>;
    type Dial = BoxFuture<'static, io::Result<Self::Output>>;

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
        let url = address::websocket_url(&address)
            .ok_or(TransportError::MultiaddrNotSupported(address))?;
        Ok(async move {
            let config = WebSocketConfig::default()
                .max_message_size(Some(MAX_WEBSOCKET_MESSAGE))
                .max_frame_size(Some(MAX_WEBSOCKET_MESSAGE));
            // True: without TCP_NODELAY each round trip waits some 40 ms.
            let (socket, _) = tokio_tungstenite::connect_async_with_config(url, Some(config), true)
                .await
                .map_err(io::Error::other)?;
            let socket = socket
                .map(|message| message.map(to_axum))
                .with(|message| future::ready(Ok(to_tungstenite(message))));
            Ok(WebSocketStream::new(Box::new(socket) as Box<dyn Socket>))
        }
        .boxed())
    }

    fn poll(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<TransportEvent<Self::ListenerUpgrade, io::Error>> {
        Poll::Pending
    }
}

fn to_axum(message: tungstenite::Message) -> Message {
    match message {
        tungstenite::Message::Binary(bytes) => Message::Binary(bytes),
        tungstenite::Message::Text(text) => Message::Text(text.as_str().into()),
        tungstenite::Message::Ping(bytes) => Message::Ping(bytes),
        tungstenite::Message::Pong(bytes) => Message::Pong(bytes),
        tungstenite::Message::Close(_) => Message::Close(None),
        tungstenite::Message::Frame(_) => Message::Binary(Default::default()),
    }
}

fn to_tungstenite(message: Message) -> tungstenite::Message {
    match message {
        Message::Binary(bytes) => tungstenite::Message::Binary(bytes),
        Message::Text(text) => tungstenite::Message::Text(text.as_str().into()),
        Message::Ping(bytes) => tungstenite::Message::Ping(bytes),
        Message::Pong(bytes) => tungstenite::Message::Pong(bytes),
        Message::Close(_) => tungstenite::Message::Close(None),
    }
}
