//! From an address to a proved peer (libp2p/specs, webrtc/webrtc-direct.md): an offer, an answer made up from
//! the server's address, and noise over channel 0, bound to both certificates.
//!
//! Version 2 leaves the browser's offer as it is. A server that speaks only version 1 does not answer it;
//! that shows in nothing but silence, so after [`SILENCE`] version 1 is tried beside it, and whichever is
//! connected first is taken. A browser that forbids to rewrite the offer fails version 1 at once, which
//! costs nothing.

use std::{future::poll_fn, io, net::SocketAddr, pin::pin, task::Poll, time::Duration};

use futures::future::{Either, select};
use futures_timer::Delay;
use js_sys::Reflect;
use libp2p::{PeerId, identity::Keypair};
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
use crate::{
    framing::invalid,
    webrtc::{
        Fingerprint, Side,
        credentials::{self, Version},
        prove, sdp, stream,
    },
};

/// A server that speaks version 2 has connected by then, on all but the slowest paths.
const SILENCE: Duration = Duration::from_millis(1_500);

pub(super) async fn dial(
    server: SocketAddr,
    certificate: Fingerprint,
    keypair: Keypair,
) -> io::Result<(PeerId, Connection)> {
    let second = pin!(attempt(Version::V2, server, certificate, &keypair));
    let first = pin!(async {
        Delay::new(SILENCE).await;
        attempt(Version::V1, server, certificate, &keypair).await
    });
    match select(second, first).await {
        // It has answered, or it is somebody else: that will not change.
        Either::Left((Err(error), first)) if error.kind() != io::ErrorKind::InvalidData => {
            first.await.map_err(|_| error)
        }
        Either::Left((outcome, _)) => outcome,
        Either::Right((Ok(connected), _)) => Ok(connected),
        Either::Right((Err(_), second)) => second.await,
    }
}

async fn attempt(
    version: Version,
    server: SocketAddr,
    certificate: Fingerprint,
    keypair: &Keypair,
) -> io::Result<(PeerId, Connection)> {
    let peer = Peer::new(&[], version.max_frame())?;
    let init = RtcDataChannelInit::new();
    init.set_negotiated(true);
    init.set_id(0);
    let channel = peer
        .connection
        .create_data_channel_with_data_channel_dict("", &init);
    let handshake = Channel::new(channel, version.max_frame());

    let (credentials, ours) = offer(version, &peer.connection).await?;
    let answer = sdp::answer(server, certificate, &credentials);
    describe(&peer.connection, Whose::Theirs, RtcSdpType::Answer, &answer).await?;

    poll_fn(|cx| match peer.poll_failed(cx) {
        Poll::Ready(error) => Poll::Ready(Err(error)),
        Poll::Pending => handshake.poll_open(cx),
    })
    .await?;
    let (stream, keeper) = stream::open(handshake.clone());
    let proved = prove(keypair, stream, Side::Client, ours, certificate).await?;
    Ok((proved, Connection::proved(peer, handshake, keeper)))
}

/// Describes our side. Gives the server's credentials and the fingerprint of our certificate.
async fn offer(
    version: Version,
    connection: &RtcPeerConnection,
) -> io::Result<(String, Fingerprint)> {
    let mut offer = create_offer(connection).await?;
    let mut shared = None;
    if version == Version::V1 {
        let mut random = [0; 32];
        getrandom::fill(&mut random).map_err(io::Error::other)?;
        let credentials = credentials::of_both(random);
        offer = sdp::with_credentials(&offer, &credentials);
        shared = Some(credentials);
    }
    describe(connection, Whose::Ours, RtcSdpType::Offer, &offer).await?;
    // What the browser really uses, not what was asked for.
    let ours = connection
        .local_description()
        .as_ref()
        .map(RtcSessionDescription::sdp)
        .ok_or_else(|| io::Error::other("the browser has no description of its own"))?;
    let certificate = sdp::fingerprint(&ours)
        .ok_or_else(|| io::Error::other("the browser names no SHA-256 certificate"))?;
    let credentials = match shared {
        Some(credentials) => credentials,
        None => {
            let password = sdp::password(&ours)
                .ok_or_else(|| io::Error::other("the browser names no ICE password"))?;
            credentials::server_of(password).map_err(invalid)?
        }
    };
    Ok((credentials, certificate))
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
