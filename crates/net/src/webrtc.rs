//! What both ends of WebRTC share, native and browser: certificates' fingerprints, the proof of who is at
//! the other end, and libp2p streams on data channels.
//!
//! Specification: libp2p/specs, webrtc/README.md ("Multiplexing", "Closing an `RTCDataChannel`") and
//! webrtc/webrtc-direct.md.

pub mod credentials;
pub mod frame;
pub mod sdp;
pub mod stream;

use std::{
    fmt, io,
    net::{IpAddr, SocketAddr},
};

use futures::{AsyncRead, AsyncWrite, AsyncWriteExt};
use libp2p::{
    Multiaddr, PeerId,
    core::{
        UpgradeInfo,
        multihash::Multihash,
        upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade},
    },
    identity::Keypair,
    multiaddr::Protocol,
    noise,
};
use sha2::{Digest as _, Sha256};

/// SHA-256 in the table of multihashes.
const SHA_256: u64 = 0x12;
/// What the noise prologue starts with (webrtc-direct.md, "Connection Security", step 2).
const PROLOGUE: &[u8] = b"libp2p-webrtc-noise:";

/// The SHA-256 of a DTLS certificate, the only kind that we speak.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Fingerprint([u8; 32]);

impl Fingerprint {
    /// Of a certificate in DER.
    pub fn of_certificate(der: &[u8]) -> Self {
        Self(Sha256::digest(der).into())
    }

    /// From an address; `None` for other hashes.
    pub fn from_multihash(hash: &Multihash<64>) -> Option<Self> {
        let digest = hash.digest().try_into().ok()?;
        (hash.code() == SHA_256).then_some(Self(digest))
    }

    /// As it stands in an address and in the prologue.
    pub fn to_multihash(self) -> Multihash<64> {
        Multihash::wrap(SHA_256, &self.0).expect("32 bytes fit into 64")
    }

    /// From `7D:E3:…` as in a session description (RFC 8122, section 5).
    pub fn from_sdp(text: &str) -> Option<Self> {
        let mut digest = [0; 32];
        let mut bytes = text.split(':');
        for byte in &mut digest {
            *byte = u8::from_str_radix(bytes.next()?, 16).ok()?;
        }
        bytes.next().is_none().then_some(Self(digest))
    }

    /// As [`Fingerprint::from_sdp`] reads it.
    pub fn to_sdp(self) -> String {
        self.0.map(|byte| format!("{byte:02X}")).join(":")
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.to_sdp())
    }
}

/// Who proves itself first. The server does, because it can send first after a DTLS 1.2 handshake
/// (webrtc-direct.md, "FAQ").
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Side {
    /// Dials.
    Client,
    /// Listens.
    Server,
}

/// The noise handshake on channel 0, bound to both certificates (webrtc-direct.md, "Connection
/// Security"). Gives the proved peer.
pub async fn prove<T>(
    keypair: &Keypair,
    stream: T,
    side: Side,
    client: Fingerprint,
    server: Fingerprint,
) -> io::Result<PeerId>
where
    T: AsyncRead + AsyncWrite + Unpin + Send + 'static,
{
    let invalid = |error: noise::Error| io::Error::new(io::ErrorKind::InvalidData, error);
    let config = noise::Config::new(keypair)
        .map_err(invalid)?
        .with_prologue(prologue(client, server));
    let name = config
        .protocol_info()
        .next()
        .expect("noise has a protocol name");
    let (peer, mut secured) = match side {
        Side::Server => config.upgrade_outbound(stream, name).await,
        Side::Client => config.upgrade_inbound(stream, name).await,
    }
    .map_err(invalid)?;
    secured.close().await?;
    Ok(peer)
}

fn prologue(client: Fingerprint, server: Fingerprint) -> Vec<u8> {
    let fingerprints = [client, server].map(|one| one.to_multihash().to_bytes());
    [PROLOGUE, &fingerprints[0], &fingerprints[1]].concat()
}

/// The socket address and the certificate that `/ip4/…/udp/…/webrtc-direct/certhash/…` names
/// (webrtc-direct.md, "Addressing").
pub fn parse_address(address: &Multiaddr) -> Option<(SocketAddr, Fingerprint)> {
    let mut parts = address.iter();
    let ip: IpAddr = match parts.next()? {
        Protocol::Ip4(ip) => ip.into(),
        Protocol::Ip6(ip) => ip.into(),
        _ => return None,
    };
    let (Protocol::Udp(port), Protocol::WebRTCDirect, Protocol::Certhash(hash)) =
        (parts.next()?, parts.next()?, parts.next()?)
    else {
        return None;
    };
    match (parts.next(), parts.next()) {
        (None | Some(Protocol::P2p(_)), None) => {}
        _ => return None,
    }
    Some(((ip, port).into(), Fingerprint::from_multihash(&hash)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fingerprint(hex: &str) -> Fingerprint {
        let pairs: Vec<_> = hex
            .as_bytes()
            .chunks(2)
            .map(|pair| std::str::from_utf8(pair).unwrap())
            .collect();
        Fingerprint::from_sdp(&pairs.join(":")).unwrap()
    }

    /// webrtc-direct.md, "Test vectors".
    #[test]
    fn the_prologue_is_that_of_the_specification() {
        let client =
            fingerprint("3e79af40d6059617a0d83b83a52ce73b0c1f37a72c6043ad2969e2351bdca870");
        let server =
            fingerprint("30fc9f469c207419dfdd0aab5f27a86c973c94e40548db9375cca2e915973b99");
        let hex: String = prologue(client, server)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        assert_eq!(
            hex,
            "6c69627032702d7765627274632d6e6f6973653a\
             12203e79af40d6059617a0d83b83a52ce73b0c1f37a72c6043ad2969e2351bdca870\
             122030fc9f469c207419dfdd0aab5f27a86c973c94e40548db9375cca2e915973b99"
        );
    }

    #[test]
    fn fingerprints_survive_their_two_forms() {
        let one = Fingerprint::of_certificate(b"a certificate");
        assert_eq!(Fingerprint::from_sdp(&one.to_sdp()), Some(one));
        assert_eq!(Fingerprint::from_multihash(&one.to_multihash()), Some(one));
        assert_eq!(Fingerprint::from_sdp(&format!("{}:00", one.to_sdp())), None);
        assert_eq!(Fingerprint::from_sdp("7D:E3"), None);
    }

    #[test]
    fn addresses_need_all_their_parts_and_no_more() {
        let one = Fingerprint::of_certificate(b"a certificate");
        let whole = "/ip4/192.0.2.1/udp/9000/webrtc-direct"
            .parse::<Multiaddr>()
            .unwrap()
            .with(Protocol::Certhash(one.to_multihash()));
        let wanted = Some((([192, 0, 2, 1], 9000).into(), one));
        assert_eq!(parse_address(&whole), wanted);
        let with_peer = whole.clone().with(Protocol::P2p(PeerId::random()));
        assert_eq!(parse_address(&with_peer), wanted);
        for wrong in [
            "/ip4/192.0.2.1/udp/9000/webrtc-direct".parse().unwrap(),
            "/ip4/192.0.2.1/tcp/9000/ws".parse().unwrap(),
            with_peer.with(Protocol::P2pCircuit),
        ] {
            assert_eq!(parse_address(&wrong), None, "{wrong}");
        }
    }
}
