//! A link between two browsers (libp2p/specs, webrtc/webrtc.md, section "Connection Establishment",
//! steps 4 to 9): offer, answer and candidates over a secured circuit, then data channels between the
//! two. The circuit has proved who is at the other end, and its descriptions name the certificates, so
//! no handshake is needed on the link itself (section "FAQ").

use std::{future::poll_fn, io, sync::Arc, time::Duration};

use futures::{
    AsyncReadExt, AsyncWriteExt, FutureExt, StreamExt,
    stream::{self, Fuse, LocalBoxStream},
};
use libp2p::core::muxing::StreamMuxerBox;
use send_wrapper::SendWrapper;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{RtcIceCandidateInit, RtcSdpType};

use super::{
    channel::Channel,
    connection::{Connection, INIT, Peer},
    handshake::{Whose, describe, text_of},
    thrown,
};
use crate::{
    circuit::{
        Finish, Linked,
        client::{self, Secured},
    },
    framing::{invalid, read_varint_frame, write_varint_frame},
    signal::{self, Action, Exchange, MESSAGE_BYTES, Message, Role},
    webrtc::frame::MAX_FRAME,
};

/// From the first message to a connection.
const LIMIT: Duration = Duration::from_secs(20);

/// For the other side to see that the link stands, and close the signalling.
const PARTING: Duration = Duration::from_secs(5);

/// What the other side says, in order.
type Said = Fuse<LocalBoxStream<'static, io::Result<Message>>>;

/// How a browser makes a link of a secured circuit.
pub(in crate::browser) fn finish(stun: Vec<String>) -> Finish {
    let stun = Arc::new(stun);
    Arc::new(move |secured, role| {
        let stun = stun.clone();
        let link = SendWrapper::new(async move { link(secured, role, &stun).await }).boxed();
        async move { client::within(LIMIT, link).await? }.boxed()
    })
}

async fn link((remote, mut circuit): Secured, role: Role, stun: &[String]) -> io::Result<Linked> {
    let caller = role == Role::Caller;
    let signals = client::signalling(&mut circuit, signal::PROTOCOL, caller).await?;
    let peer = Peer::new(stun, MAX_FRAME)?;
    // Without a channel a browser describes no data session.
    if caller {
        let init = peer.connection.create_data_channel(INIT);
        peer.hold(Channel::new(init, MAX_FRAME));
    }
    let said = client::drive(&mut circuit, agree(signals, role, &peer)).await??;
    spawn_local(part(circuit, said));
    Ok((remote, StreamMuxerBox::new(Connection::new(peer))))
}

/// Leaves the circuit to the other side until it has closed the stream as well: cut off in its last words, it
/// might give up the link with them.
async fn part(mut circuit: StreamMuxerBox, mut said: Said) {
    let heard_out = async move { while let Some(Ok(_)) = said.next().await {} };
    let parting = SendWrapper::new(client::drive(&mut circuit, heard_out)).boxed();
    if let Err(error) = client::within(PARTING, parting).await {
        tracing::debug!(%error, "the other side does not close the signalling");
    }
}

/// What may happen next while the two agree.
enum Next {
    Said(io::Result<Message>),
    Candidate(String),
    Connected(io::Result<()>),
}

/// Until the two are connected; gives what the other side may say yet.
async fn agree<S>(signals: S, role: Role, peer: &Peer) -> io::Result<Said>
where
    S: futures::AsyncRead + futures::AsyncWrite + Unpin + Send + 'static,
{
    let (reader, mut writer) = signals.split();
    let mut said = stream::unfold(reader, |mut reader| async {
        let said = match read_varint_frame(&mut reader, MESSAGE_BYTES).await {
            Ok(bytes) => Message::decode(&bytes).map_err(invalid),
            Err(error) => Err(error),
        };
        Some((said, reader))
    })
    .boxed_local()
    .fuse();
    let mut exchange = Exchange::new(role);
    if role == Role::Caller {
        let offer = text_of(peer.connection.create_offer(), "the browser makes no offer").await?;
        describe(&peer.connection, Whose::Ours, RtcSdpType::Offer, &offer).await?;
        write_varint_frame(&mut writer, &Message::Offer(offer).encode()).await?;
    }
    let mut listening = true;
    loop {
        let next = futures::select_biased! {
            connected = poll_fn(|cx| peer.poll_connected(cx)).fuse() => Next::Connected(connected),
            candidate = poll_fn(|cx| peer.poll_candidate(cx)).fuse() => Next::Candidate(candidate),
            message = next_message(&mut said, listening).fuse() => Next::Said(message),
        };
        match next {
            Next::Connected(Ok(())) => break,
            Next::Connected(Err(error)) => return Err(error),
            Next::Candidate(json) => {
                let message = Message::Candidate(json).encode();
                // The other side may be done and gone; whether there is a path shows by itself.
                listening &= write_varint_frame(&mut writer, &message).await.is_ok();
            }
            Next::Said(Ok(message)) => {
                for action in exchange.received(message).map_err(invalid)? {
                    act(action, role, peer, &mut writer).await?;
                }
            }
            Next::Said(Err(error)) if error.kind() == io::ErrorKind::InvalidData => {
                return Err(error);
            }
            // The other side is connected already and has closed the stream, or it is gone.
            Next::Said(Err(_)) => listening = false,
        }
    }
    // Step 8: a link that stands needs the circuit no longer. An error means that it is gone.
    let _ = writer.close().await;
    Ok(said)
}

async fn next_message<S>(said: &mut S, listening: bool) -> io::Result<Message>
where
    S: futures::Stream<Item = io::Result<Message>> + futures::stream::FusedStream + Unpin,
{
    let said = match listening {
        true => said.next().await,
        false => None,
    };
    match said {
        Some(message) => message,
        None => std::future::pending().await,
    }
}

async fn act<W>(action: Action, role: Role, peer: &Peer, writer: &mut W) -> io::Result<()>
where
    W: futures::AsyncWrite + Unpin,
{
    let connection = &peer.connection;
    match action {
        Action::Describe(sdp) if role == Role::Caller => {
            describe(connection, Whose::Theirs, RtcSdpType::Answer, &sdp).await
        }
        Action::Describe(sdp) => {
            describe(connection, Whose::Theirs, RtcSdpType::Offer, &sdp).await?;
            let answer = text_of(connection.create_answer(), "the browser makes no answer").await?;
            describe(connection, Whose::Ours, RtcSdpType::Answer, &answer).await?;
            write_varint_frame(writer, &Message::Answer(answer).encode()).await
        }
        Action::Add(json) => {
            let candidate = js_sys::JSON::parse(&json)
                .map_err(|_| invalid("a candidate that is no JSON"))?
                .dyn_into::<js_sys::Object>()
                .map_err(|_| invalid("a candidate that is no object"))?
                .unchecked_into::<RtcIceCandidateInit>();
            let add =
                connection.add_ice_candidate_with_opt_rtc_ice_candidate_init(Some(&candidate));
            // One that this browser cannot use (another address family, say) is no reason to give up.
            if let Err(error) = JsFuture::from(add).await {
                let error = thrown("a candidate is of no use here", &error);
                tracing::debug!(%error);
            }
            Ok(())
        }
    }
}
