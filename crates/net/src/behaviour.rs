//! The protocols that every HealthSync node speaks, as one libp2p behaviour.

use std::time::Duration;

use libp2p::{
    PeerId,
    connection_limits::{self, ConnectionLimits},
    identify,
    identity::Keypair,
    ping,
    request_response::ProtocolSupport,
    swarm::NetworkBehaviour,
};

use crate::{client::MOST_DIRECT, gossip, relay_only::RelayOnly, sync};

/// How often each side asks the other whether it is there.
pub(crate) const PING_INTERVAL: Duration = Duration::from_secs(4);
const PING_TIMEOUT: Duration = Duration::from_secs(5);
/// The swarm's idle timeout must never cut a waiting room; 20 days still fit a browser timer.
pub(crate) const NEVER_IDLE: Duration = Duration::from_secs(20 * 24 * 60 * 60);
/// Connections that may be in their handshake at a relay. WebRTC has a bound of its own, 256.
pub(crate) const MAX_PENDING: u32 = 1_024;
/// Streams a peer may be opening at once on one connection.
pub(crate) const MAX_NEGOTIATING_STREAMS: usize = 32;
/// Streams one multiplexed connection may hold open.
pub(crate) const MAX_STREAMS: usize = 96;

/// Gossip, history, liveness, streams and limits. The generated event type is `BehaviourEvent`.
#[derive(NetworkBehaviour)]
pub(crate) struct Behaviour {
    pub(crate) limits: connection_limits::Behaviour,
    pub(crate) ping: ping::Behaviour,
    pub(crate) identify: identify::Behaviour,
    pub(crate) gossip: RelayOnly,
    pub(crate) sync: sync::History,
    pub(crate) streams: libp2p_stream::Behaviour,
}

impl Behaviour {
    pub(crate) fn client(
        keypair: &Keypair,
        relay: PeerId,
        streams: libp2p_stream::Behaviour,
    ) -> Self {
        let direct = u32::try_from(MOST_DIRECT).unwrap_or(u32::MAX);
        let limits = ConnectionLimits::default()
            .with_max_pending_outgoing(Some(2 + direct))
            .with_max_pending_incoming(Some(direct))
            .with_max_established_per_peer(Some(2))
            .with_max_established_incoming(Some(2 * direct));
        Self::new(
            ProtocolSupport::Outbound,
            limits,
            keypair,
            Some(relay),
            streams,
        )
    }

    #[cfg_attr(target_arch = "wasm32", allow(dead_code))]
    pub(crate) fn relay(keypair: &Keypair, max_connections: u32) -> Self {
        let limits = ConnectionLimits::default()
            .with_max_pending_incoming(Some(MAX_PENDING))
            .with_max_established_per_peer(Some(2))
            .with_max_established(Some(max_connections));
        let streams = libp2p_stream::Behaviour::new();
        Self::new(ProtocolSupport::Inbound, limits, keypair, None, streams)
    }

    fn new(
        support: ProtocolSupport,
        limits: ConnectionLimits,
        keypair: &Keypair,
        relay: Option<PeerId>,
        streams: libp2p_stream::Behaviour,
    ) -> Self {
        // Identify tells everybody these texts and would tell listen addresses: say nothing more
        // than the protocol.
        let identify = identify::Config::new("healthsync/1".to_owned(), keypair.public())
            .with_agent_version("healthsync".to_owned())
            .with_interval(Duration::from_secs(3_600))
            .with_cache_size(0)
            .with_hide_listen_addrs(true);
        let gossip = match relay {
            Some(_) => gossip::behaviour(keypair),
            None => gossip::behaviour_of_relay(keypair),
        };
        Self {
            limits: connection_limits::Behaviour::new(limits),
            ping: ping::Behaviour::new(
                ping::Config::new()
                    .with_interval(PING_INTERVAL)
                    .with_timeout(PING_TIMEOUT),
            ),
            identify: identify::Behaviour::new(identify),
            gossip: RelayOnly::new(gossip, relay),
            sync: sync::behaviour(support),
            streams,
        }
    }
}
