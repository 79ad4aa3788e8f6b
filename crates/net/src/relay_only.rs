//! Gossipsub on the connection to the relay only. On direct links between browsers the room's traffic
//! has a protocol of its own ([`crate::client`]): there, gossipsub would announce topics and forward
//! every message once more to everybody who has it already.

use std::{
    ops::{Deref, DerefMut},
    task::{Context, Poll},
};

use libp2p::{
    Multiaddr, PeerId,
    core::{Endpoint, transport::PortUse},
    gossipsub,
    swarm::{
        ConnectionDenied, ConnectionId, FromSwarm, NetworkBehaviour, THandler, THandlerInEvent,
        THandlerOutEvent, ToSwarm, derive_prelude::Either, dummy,
    },
};

use crate::{eager::Eager, gossip::Gossip};

/// Gossipsub that sees connections to one peer; with `None`, to all.
pub(crate) struct RelayOnly {
    inner: Gossip,
    relay: Option<PeerId>,
}

impl RelayOnly {
    pub(crate) fn new(inner: Gossip, relay: Option<PeerId>) -> Self {
        Self { inner, relay }
    }

    fn sees(&self, peer: &PeerId) -> bool {
        self.relay.as_ref().is_none_or(|relay| relay == peer)
    }
}

impl Deref for RelayOnly {
    type Target = Gossip;

    fn deref(&self) -> &Gossip {
        &self.inner
    }
}

impl DerefMut for RelayOnly {
    fn deref_mut(&mut self) -> &mut Gossip {
        &mut self.inner
    }
}

impl NetworkBehaviour for RelayOnly {
    type ConnectionHandler = Either<Eager, dummy::ConnectionHandler>;
    type ToSwarm = gossipsub::Event;

    fn handle_established_inbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        local: &Multiaddr,
        remote: &Multiaddr,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !self.sees(&peer) {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        self.inner
            .handle_established_inbound_connection(id, peer, local, remote)
            .map(|handler| Either::Left(Eager::new(handler)))
    }

    fn handle_established_outbound_connection(
        &mut self,
        id: ConnectionId,
        peer: PeerId,
        address: &Multiaddr,
        role: Endpoint,
        port: PortUse,
    ) -> Result<THandler<Self>, ConnectionDenied> {
        if !self.sees(&peer) {
            return Ok(Either::Right(dummy::ConnectionHandler));
        }
        self.inner
            .handle_established_outbound_connection(id, peer, address, role, port)
            .map(|handler| Either::Left(Eager::new(handler)))
    }

    fn on_swarm_event(&mut self, event: FromSwarm) {
        let peer = match &event {
            FromSwarm::ConnectionEstablished(event) => Some(event.peer_id),
            FromSwarm::ConnectionClosed(event) => Some(event.peer_id),
            FromSwarm::AddressChange(event) => Some(event.peer_id),
            _ => None,
        };
        if peer.is_none_or(|peer| self.sees(&peer)) {
            self.inner.on_swarm_event(event);
        }
    }

    fn on_connection_handler_event(
        &mut self,
        peer: PeerId,
        id: ConnectionId,
        event: THandlerOutEvent<Self>,
    ) {
        match event {
            Either::Left(event) => self.inner.on_connection_handler_event(peer, id, event),
            Either::Right(never) => match never {},
        }
    }

    fn poll(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<ToSwarm<Self::ToSwarm, THandlerInEvent<Self>>> {
        self.inner.poll(cx).map(|event| event.map_in(Either::Left))
    }
}
