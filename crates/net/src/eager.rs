//! Opens gossipsub's stream on a connection at once, instead of with the first message.
//!
//! Connections to one peer share one queue, and gossipsub's handler waits for what comes into it only where
//! its stream is open. Of two connections, as there are while one replaces the other, the later one would
//! have none; when the earlier one closes, nobody would wait, and messages would lie until something else
//! woke the connection, or be dropped as too old.

use std::task::{Context, Poll};

use libp2p::swarm::{
    ConnectionHandler, ConnectionHandlerEvent, SubstreamProtocol, THandler, derive_prelude::Either,
    handler::ConnectionEvent,
};

use crate::gossip::Gossip;

type Inner = THandler<Gossip>;
type Inbound = <Inner as ConnectionHandler>::InboundProtocol;
type Outbound = <Inner as ConnectionHandler>::OutboundProtocol;

/// See the module.
pub(crate) struct Eager {
    inner: Inner,
    state: State,
}

enum State {
    Fresh,
    /// A stream is being opened, though the handler has not asked for it.
    Opening,
    Done,
}

impl Eager {
    pub(crate) fn new(inner: Inner) -> Self {
        Self {
            inner,
            state: State::Fresh,
        }
    }
}

impl ConnectionHandler for Eager {
    type FromBehaviour = <Inner as ConnectionHandler>::FromBehaviour;
    type ToBehaviour = <Inner as ConnectionHandler>::ToBehaviour;
    type InboundProtocol = Inbound;
    type OutboundProtocol = Outbound;
    type InboundOpenInfo = ();
    type OutboundOpenInfo = ();

    fn listen_protocol(&self) -> SubstreamProtocol<Self::InboundProtocol> {
        self.inner.listen_protocol()
    }

    fn connection_keep_alive(&self) -> bool {
        self.inner.connection_keep_alive()
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ConnectionHandlerEvent<Outbound, (), Self::ToBehaviour>> {
        if let State::Fresh = self.state {
            self.state = State::Done;
            if let (Either::Left(protocol), ()) = self.inner.listen_protocol().into_upgrade() {
                self.state = State::Opening;
                return Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest {
                    protocol: SubstreamProtocol::new(protocol, ()),
                });
            }
        }
        loop {
            match (self.inner.poll(cx), &self.state) {
                // It waits from now on for the stream that is being opened.
                (
                    Poll::Ready(ConnectionHandlerEvent::OutboundSubstreamRequest { .. }),
                    State::Opening,
                ) => {}
                (event, _) => return event,
            }
        }
    }

    fn poll_close(&mut self, cx: &mut Context<'_>) -> Poll<Option<Self::ToBehaviour>> {
        self.inner.poll_close(cx)
    }

    fn on_behaviour_event(&mut self, event: Self::FromBehaviour) {
        self.inner.on_behaviour_event(event);
    }

    fn on_connection_event(&mut self, event: ConnectionEvent<Inbound, Outbound>) {
        if event.is_outbound() {
            self.state = State::Done;
        }
        self.inner.on_connection_event(event);
    }
}
