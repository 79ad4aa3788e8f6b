//! The session descriptions of a browser that dials webrtc-direct: what is read from its own offer, and the
//! answer that it makes up for the server (libp2p/specs, webrtc/webrtc-direct.md).

use std::net::SocketAddr;

use super::Fingerprint;

/// The server's answer ("v2", step 3; "v1", step 4): ICE Lite, the DTLS server, one address.
pub fn answer(server: SocketAddr, certificate: Fingerprint, credentials: &str) -> String {
    let (ip, port) = (server.ip(), server.port());
    let family = if server.is_ipv4() { "IP4" } else { "IP6" };
    let fingerprint = certificate.to_sdp();
    [
        "v=0".to_owned(),
        format!("o=- 0 0 IN {family} {ip}"),
        "s=-".to_owned(),
        "t=0 0".to_owned(),
        "a=ice-lite".to_owned(),
        format!("m=application {port} UDP/DTLS/SCTP webrtc-datachannel"),
        format!("c=IN {family} {ip}"),
        "a=mid:0".to_owned(),
        "a=ice-options:ice2".to_owned(),
        format!("a=ice-ufrag:{credentials}"),
        format!("a=ice-pwd:{credentials}"),
        format!("a=fingerprint:sha-256 {fingerprint}"),
        "a=setup:passive".to_owned(),
        "a=sctp-port:5000".to_owned(),
        "a=max-message-size:16384".to_owned(),
        format!("a=candidate:1 1 UDP 2113937151 {ip} {port} typ host"),
        "a=end-of-candidates".to_owned(),
        String::new(),
    ]
    .join("\r\n")
}

/// The offer with its credentials replaced ("v1", step 5).
pub fn with_credentials(offer: &str, credentials: &str) -> String {
    let line = |line: &str| match line.split_once(':') {
        Some((name @ ("a=ice-ufrag" | "a=ice-pwd"), _)) => format!("{name}:{credentials}\r\n"),
        _ => format!("{line}\r\n"),
    };
    offer.lines().map(line).collect()
}

/// The ICE password of a description ("v2", step 3).
pub fn password(sdp: &str) -> Option<&str> {
    sdp.lines().find_map(|line| line.strip_prefix("a=ice-pwd:"))
}

/// The SHA-256 fingerprint of a description.
pub fn fingerprint(sdp: &str) -> Option<Fingerprint> {
    let hex = sdp.lines().find_map(|line| {
        let (algorithm, hex) = line.strip_prefix("a=fingerprint:")?.split_once(' ')?;
        algorithm.eq_ignore_ascii_case("sha-256").then_some(hex)
    })?;
    Fingerprint::from_sdp(hex.trim())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_says_what_was_put_in() {
        let certificate = Fingerprint::of_certificate(b"a certificate");
        let sdp = answer(
            "[2001:db8::1]:9000".parse().unwrap(),
            certificate,
            "credentials",
        );
        assert_eq!(fingerprint(&sdp), Some(certificate));
        assert_eq!(password(&sdp), Some("credentials"));
        assert!(sdp.contains("c=IN IP6 2001:db8::1\r\n"), "{sdp}");
    }

    #[test]
    fn only_the_credentials_of_an_offer_are_replaced() {
        let offer = "v=0\r\na=ice-ufrag:abcd\r\na=ice-pwd:secret\r\na=ice-options:trickle\r\n";
        assert_eq!(
            with_credentials(offer, "new"),
            "v=0\r\na=ice-ufrag:new\r\na=ice-pwd:new\r\na=ice-options:trickle\r\n"
        );
    }
}
