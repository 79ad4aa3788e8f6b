//! SCTP's settings.

use std::sync::Arc;

use sctp_proto::{EndpointConfig, ServerConfig, TransportConfig};

/// Longest message on a channel. The specification's limit is 16 KiB; libp2p-webrtc joins some.
const MAX_MESSAGE: u32 = 64 * 1024;
/// What may wait to be read on one connection.
const RECEIVE_BUFFER: u32 = 1024 * 1024;
/// Bytes of user data in a packet: with SCTP's, DTLS's, UDP's and IPv6's headers (28, 37, 8, 40) it stays
/// below 1,280 bytes, which every path carries.
const PACKET: u32 = 1_160;

/// What all sessions of a listener share.
#[derive(Debug, Clone)]
pub(super) struct Limits {
    pub(super) endpoint: Arc<EndpointConfig>,
    pub(super) server: Arc<ServerConfig>,
}

impl Default for Limits {
    fn default() -> Self {
        let mut endpoint = EndpointConfig::default();
        endpoint.max_payload_size(PACKET);
        let mut server = ServerConfig::default();
        server.transport = Arc::new(
            TransportConfig::default()
                .with_max_init_retransmits(None)
                .with_max_receive_buffer_size(RECEIVE_BUFFER)
                .with_max_receive_message_size(MAX_MESSAGE),
        );
        Self {
            endpoint: Arc::new(endpoint),
            server: Arc::new(server),
        }
    }
}
