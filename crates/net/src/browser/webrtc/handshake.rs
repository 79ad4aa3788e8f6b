//! From an address to a proved peer: an offer with our own ICE credentials, an answer made up from
//! the relay's address, and noise over channel 0, bound to both certificates.

use std::{future::poll_fn, io, net::SocketAddr, task::Poll};

use js_sys::Reflect;
use libp2p::{PeerId, identity::Keypair};
use libp2p_webrtc_utils::{Fingerprint, Stream, noise, sdp};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::JsFuture;
use web_sys::{
    RtcDataChannelInit, RtcPeerConnection, RtcSdpType, RtcSessionDescription,
    RtcSessionDescriptionInit,
};

use super::{
    channel::Channel,
    connection::{Connection, Peer},
    thrown,
};

pub(super) async fn dial(
    server: SocketAddr,
    server_fingerprint: Fingerprint,
    keypair: Keypair,
) -> io::Result<(PeerId, Connection)> {
    let peer = Peer::new(&[])?;
    let init = RtcDataChannelInit::new();
    init.set_negotiated(true);
    init.set_id(0);
    let handshake = Channel::new(
        peer.connection
            .create_data_channel_with_data_channel_dict("", &init),
    );

    let ufrag = sdp::random_ufrag();
    let offer = with_ice_credentials(&create_offer(&peer.connection).await?, &ufrag);
    describe(&peer.connection, Whose::Ours, RtcSdpType::Offer, &offer).await?;
    let client_fingerprint = peer
        .connection
        .local_description()
        .as_ref()
        .map(RtcSessionDescription::sdp)
        .and_then(|sdp| fingerprint(&sdp))
        .ok_or_else(|| io::Error::other("the browser names no SHA-256 certificate"))?;
    let answer = sdp::answer(server, server_fingerprint, &ufrag);
    describe(&peer.connection, Whose::Theirs, RtcSdpType::Answer, &answer).await?;

    poll_fn(|cx| match peer.poll_failed(cx) {
        Poll::Ready(error) => Poll::Ready(Err(error)),
        Poll::Pending => handshake.poll_open(cx),
    })
    .await?;
    let (stream, dropped) = Stream::new(handshake.clone());
    drop(dropped);
    let proved = noise::outbound(keypair, stream, server_fingerprint, client_fingerprint)
        .await
        .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))?;
    Ok((proved, Connection::new(peer, Some(handshake))))
}

async fn create_offer(connection: &RtcPeerConnection) -> io::Result<String> {
    text_of(connection.create_offer(), "the browser makes no offer").await
}

/// The text of a session description that the browser is making.
pub(super) async fn text_of(promise: js_sys::Promise, what: &str) -> io::Result<String> {
    let description = JsFuture::from(promise)
        .await
        .map_err(|error| thrown(what, &error))?;
    Reflect::get(&description, &JsValue::from_str("sdp"))
        .ok()
        .and_then(|sdp| sdp.as_string())
        .ok_or_else(|| io::Error::other("the browser's session description has no text"))
}

/// Which of the two descriptions.
#[derive(Clone, Copy)]
pub(super) enum Whose {
    Ours,
    Theirs,
}

pub(super) async fn describe(
    connection: &RtcPeerConnection,
    whose: Whose,
    kind: RtcSdpType,
    sdp: &str,
) -> io::Result<()> {
    let description = RtcSessionDescriptionInit::new(kind);
    description.set_sdp(sdp);
    let (what, promise) = match whose {
        Whose::Ours => (
            "the browser refuses our description",
            connection.set_local_description(&description),
        ),
        Whose::Theirs => (
            "the browser refuses the other side's description",
            connection.set_remote_description(&description),
        ),
    };
    JsFuture::from(promise)
        .await
        .map(drop)
        .map_err(|error| thrown(what, &error))
}

/// The offer with user fragment and password replaced, as the specification wants it: the server
/// learns both from the first STUN message.
fn with_ice_credentials(offer: &str, ufrag: &str) -> String {
    let mut sdp = String::with_capacity(offer.len() + 2 * ufrag.len());
    for line in offer.lines() {
        match line {
            _ if line.starts_with("a=ice-ufrag:") => {
                sdp.push_str("a=ice-ufrag:");
                sdp.push_str(ufrag);
            }
            _ if line.starts_with("a=ice-pwd:") => {
                sdp.push_str("a=ice-pwd:");
                sdp.push_str(ufrag);
            }
            line => sdp.push_str(line),
        }
        sdp.push_str("\r\n");
    }
    sdp
}

/// The SHA-256 fingerprint of our own certificate.
fn fingerprint(sdp: &str) -> Option<Fingerprint> {
    let hex = sdp.lines().find_map(|line| {
        let (algorithm, hex) = line.strip_prefix("a=fingerprint:")?.split_once(' ')?;
        algorithm.eq_ignore_ascii_case("sha-256").then_some(hex)
    })?;
    let mut digest = [0; 32];
    let mut bytes = hex.trim().split(':');
    for byte in &mut digest {
        *byte = u8::from_str_radix(bytes.next()?, 16).ok()?;
    }
    bytes.next().is_none().then(|| Fingerprint::raw(digest))
}
