//! Addresses of the relay: the WebSocket on the page's own origin, and which transport an address
//! means.

use std::{borrow::Cow, net::IpAddr};

use libp2p::{Multiaddr, PeerId, multiaddr::Protocol};
use serde::{Deserialize, Serialize};

/// How a connection travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Transport {
    /// WebRTC-direct over UDP.
    WebRtc,
    /// WebSocket over the page's own origin.
    WebSocket,
}

impl Transport {
    /// `webrtc` or `websocket`, as shown and counted.
    pub fn name(self) -> &'static str {
        match self {
            Self::WebRtc => "webrtc",
            Self::WebSocket => "websocket",
        }
    }

    /// Which transport an address uses, if it is one of ours.
    pub fn of(address: &Multiaddr) -> Option<Self> {
        address.iter().find_map(|part| match part {
            Protocol::WebRTCDirect => Some(Self::WebRtc),
            Protocol::Ws(_) | Protocol::Wss(_) => Some(Self::WebSocket),
            _ => None,
        })
    }
}

/// An Ed25519 peer id in binary is this and the public key: a multihash that contains the key as it is
/// (libp2p/specs, peer-ids/peer-ids.md, section "Peer Ids").
const ED25519: [u8; 6] = [0x00, 0x24, 0x08, 0x01, 0x12, 0x20];

/// The peer id of an Ed25519 public key; `None` only if libp2p no longer writes peer ids so.
pub fn peer_of_key(key: &[u8; 32]) -> Option<PeerId> {
    PeerId::from_bytes(&[&ED25519[..], key].concat()).ok()
}

/// The Ed25519 public key of a peer id; `None` for keys of other kinds.
pub fn key_of_peer(peer: &PeerId) -> Option<[u8; 32]> {
    peer.to_bytes().strip_prefix(&ED25519)?.try_into().ok()
}

/// The address of the relay's WebSocket on the page's origin.
///
/// `page_host` is `location.hostname` (a name, an IPv4 address, or an IPv6 address with or without
/// brackets), `port` the origin's port, `tls` whether the page came by https, `path` the route with
/// its slash, `/p2p`.
pub fn websocket_multiaddr(page_host: &str, port: u16, tls: bool, path: &str) -> Multiaddr {
    let bare = page_host.trim_start_matches('[').trim_end_matches(']');
    let host = match bare.parse() {
        Ok(IpAddr::V4(ip)) => Protocol::Ip4(ip),
        Ok(IpAddr::V6(ip)) => Protocol::Ip6(ip),
        Err(_) => Protocol::Dns(Cow::Borrowed(page_host)),
    };
    let mut address = Multiaddr::empty().with(host).with(Protocol::Tcp(port));
    if tls {
        address.push(Protocol::Tls);
    }
    address.with(Protocol::Ws(Cow::Borrowed(path)))
}

/// The URL that a WebSocket address means; `None` for any other address.
pub fn websocket_url(address: &Multiaddr) -> Option<String> {
    let mut parts = address.iter();
    let host = match parts.next()? {
        Protocol::Ip4(ip) => ip.to_string(),
        Protocol::Ip6(ip) => format!("[{ip}]"),
        Protocol::Dns(name) | Protocol::Dns4(name) | Protocol::Dns6(name) => name.into_owned(),
        _ => return None,
    };
    let Protocol::Tcp(port) = parts.next()? else {
        return None;
    };
    let (scheme, path) = match (parts.next()?, parts.next()) {
        (Protocol::Ws(path), _) => ("ws", path),
        (Protocol::Tls, Some(Protocol::Ws(path))) => ("wss", path),
        (Protocol::Wss(path), _) => ("wss", path),
        _ => return None,
    };
    Some(format!("{scheme}://{host}:{port}{path}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_origins_become_the_right_urls() {
        for (host, port, tls, url) in [
            ("127.0.0.1", 3000, false, "ws://127.0.0.1:3000/p2p"),
            ("[::1]", 3000, false, "ws://[::1]:3000/p2p"),
            ("localhost", 80, false, "ws://localhost:80/p2p"),
            ("health.example", 443, true, "wss://health.example:443/p2p"),
        ] {
            let address = websocket_multiaddr(host, port, tls, "/p2p");
            assert_eq!(websocket_url(&address).as_deref(), Some(url));
            assert_eq!(Transport::of(&address), Some(Transport::WebSocket));
            // The text form survives, so the address may travel as JSON.
            assert_eq!(address.to_string().parse::<Multiaddr>().unwrap(), address);
        }
    }

    #[test]
    fn peer_ids_and_their_keys_lead_to_each_other() {
        let keypair = libp2p::identity::Keypair::generate_ed25519();
        let peer = keypair.public().to_peer_id();
        let key = keypair.try_into_ed25519().unwrap().public().to_bytes();
        assert_eq!(peer_of_key(&key), Some(peer));
        assert_eq!(key_of_peer(&peer), Some(key));
        assert_eq!(key_of_peer(&PeerId::random()), None);
    }

    #[test]
    fn webrtc_addresses_are_told_apart() {
        let address: Multiaddr = "/ip4/192.0.2.1/udp/9000/webrtc-direct".parse().unwrap();
        assert_eq!(Transport::of(&address), Some(Transport::WebRtc));
        assert_eq!(websocket_url(&address), None);
        assert_eq!(
            Transport::of(&"/ip4/192.0.2.1/tcp/80".parse().unwrap()),
            None
        );
    }
}
