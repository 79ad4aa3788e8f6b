//! What a browser does with circuits: reserve a place at the relay, call somebody, and take calls.
//! A circuit is a plain byte stream; [`secure`] puts noise and a multiplexer on it, and from then on
//! the relay sees sizes only.

use std::{collections::VecDeque, future::poll_fn, io, pin::Pin, task::Poll, time::Duration};

use futures::{AsyncRead, AsyncWrite, FutureExt, future::BoxFuture};
use futures_timer::Delay;
use libp2p::{
    PeerId, Stream,
    core::{
        muxing::{StreamMuxer, StreamMuxerBox, SubstreamBox},
        upgrade::{InboundConnectionUpgrade, OutboundConnectionUpgrade, UpgradeInfo, Version},
    },
    identity::Keypair,
    noise, yamux,
};
use libp2p_stream::{Control, OpenStreamError};
use multistream_select::{Negotiated, dialer_select_proto, listener_select_proto};

use super::{HOP, HopMessage, MESSAGE_BYTES, Status, StopMessage};
use crate::framing::{invalid, read_varint_frame, write_varint_frame};

/// From calling to a multiplexed connection.
pub const LIMIT: Duration = Duration::from_secs(10);

/// A secured circuit: who is at the other end, and the multiplexer.
pub type Secured = (PeerId, StreamMuxerBox);

/// Why a call did not come about.
#[derive(Debug, thiserror::Error)]
pub enum CallError {
    /// The relay, or the peer that was called, said no.
    #[error("the relay answered {0:?}")]
    Refused(Status),
    /// The relay offers no circuits.
    #[error("the relay offers no circuits")]
    Unsupported,
    /// Somebody else answered.
    #[error("another peer answered the call")]
    WrongPeer,
    /// The other side does not keep to the protocol, or the connection broke.
    #[error("the call broke off: {0}")]
    Io(#[from] io::Error),
}

impl From<OpenStreamError> for CallError {
    fn from(error: OpenStreamError) -> Self {
        match error {
            OpenStreamError::UnsupportedProtocol(_) => Self::Unsupported,
            OpenStreamError::Io(error) => Self::Io(error),
            other => Self::Io(io::Error::other(other)),
        }
    }
}

/// Tells the relay that this client may be called, for as long as the connection lives. Returns for
/// how many seconds, counted by the relay's clock from 1970.
pub async fn reserve(control: &mut Control, relay: PeerId) -> Result<u64, CallError> {
    let mut stream = control.open_stream(relay, HOP).await?;
    write_varint_frame(&mut stream, &HopMessage::Reserve.encode()).await?;
    match answer(&mut stream).await? {
        HopMessage::Status {
            status: Status::Ok,
            reservation,
            ..
        } => Ok(reservation.map_or(0, |reservation| reservation.expire)),
        HopMessage::Status { status, .. } => Err(CallError::Refused(status)),
        HopMessage::Reserve | HopMessage::Connect(_) => Err(unexpected()),
    }
}

/// Calls `peer` through `relay`. The stream that comes back leads to it; who really answers is found
/// out by [`secure`].
pub async fn call(control: &mut Control, relay: PeerId, peer: PeerId) -> Result<Stream, CallError> {
    let mut stream = control.open_stream(relay, HOP).await?;
    write_varint_frame(&mut stream, &HopMessage::Connect(peer).encode()).await?;
    match answer(&mut stream).await? {
        HopMessage::Status {
            status: Status::Ok, ..
        } => Ok(stream),
        HopMessage::Status { status, .. } => Err(CallError::Refused(status)),
        HopMessage::Reserve | HopMessage::Connect(_) => Err(unexpected()),
    }
}

async fn answer(stream: &mut Stream) -> io::Result<HopMessage> {
    let message = read_varint_frame(stream, MESSAGE_BYTES).await?;
    HopMessage::decode(&message).map_err(invalid)
}

fn unexpected() -> CallError {
    CallError::Io(invalid("the relay answered with a question"))
}

/// Answers a call: `welcome` decides by the caller's peer id.
pub async fn take(
    mut stream: Stream,
    welcome: impl FnOnce(&PeerId) -> bool,
) -> Result<(PeerId, Stream), CallError> {
    let message = read_varint_frame(&mut stream, MESSAGE_BYTES).await?;
    let StopMessage::Connect { from, .. } = StopMessage::decode(&message).map_err(invalid)? else {
        return Err(unexpected());
    };
    let status = if welcome(&from) {
        Status::Ok
    } else {
        Status::PermissionDenied
    };
    write_varint_frame(&mut stream, &StopMessage::Status(status).encode()).await?;
    match status {
        Status::Ok => Ok((from, stream)),
        refused => Err(CallError::Refused(refused)),
    }
}

/// Noise and yamux over a circuit, and proof that `expected` is at its other end.
pub async fn secure(
    stream: Stream,
    keypair: &Keypair,
    expected: PeerId,
    caller: bool,
) -> Result<Secured, CallError> {
    let noise = noise::Config::new(keypair).map_err(io::Error::other)?;
    let mut yamux = yamux::Config::default();
    yamux.set_max_num_streams(8);
    let upgrade = async {
        // Boxed as the WebSocket's stream is, so that noise and yamux are in the page once and not twice.
        let (peer, stream) = apply(SubstreamBox::new(stream), noise, caller).await?;
        if peer != expected {
            return Err(CallError::WrongPeer);
        }
        let muxer = apply(stream, yamux, caller).await?;
        Ok((peer, StreamMuxerBox::new(muxer)))
    };
    within(LIMIT, upgrade.boxed()).await?
}

async fn apply<S, U, O, E>(stream: S, upgrade: U, caller: bool) -> io::Result<O>
where
    S: AsyncRead + AsyncWrite + Unpin,
    U: UpgradeInfo
        + InboundConnectionUpgrade<Negotiated<S>, Output = O, Error = E>
        + OutboundConnectionUpgrade<Negotiated<S>, Output = O, Error = E>,
    E: std::error::Error + Send + Sync + 'static,
{
    if caller {
        let (info, stream) = dialer_select_proto(stream, upgrade.protocol_info(), Version::V1)
            .await
            .map_err(io::Error::other)?;
        OutboundConnectionUpgrade::upgrade_outbound(upgrade, stream, info)
            .await
            .map_err(invalid)
    } else {
        let (info, stream) = listener_select_proto(stream, upgrade.protocol_info())
            .await
            .map_err(io::Error::other)?;
        InboundConnectionUpgrade::upgrade_inbound(upgrade, stream, info)
            .await
            .map_err(invalid)
    }
}

/// The stream for `protocol` on a secured circuit: opened by the caller, awaited by the called side,
/// which declines every other protocol meanwhile.
pub async fn signalling(
    muxer: &mut StreamMuxerBox,
    protocol: &'static str,
    caller: bool,
) -> io::Result<Negotiated<SubstreamBox>> {
    if caller {
        let stream = poll_fn(|cx| {
            if let Poll::Ready(Err(error)) = Pin::new(&mut *muxer).poll(cx) {
                return Poll::Ready(Err(error));
            }
            Pin::new(&mut *muxer).poll_outbound(cx)
        })
        .await
        .map_err(io::Error::other)?;
        let select = dialer_select_proto(stream, [protocol], Version::V1);
        let (_, stream) = drive(muxer, select).await?.map_err(io::Error::other)?;
        return Ok(stream);
    }
    // js-libp2p opens identify's stream and this one in one go.
    let mut waiting = VecDeque::new();
    loop {
        let stream = match waiting.pop_front() {
            Some(stream) => stream,
            None => next_stream(muxer).await?,
        };
        let select = listener_select_proto(stream, [protocol]);
        match drive_with(muxer, select, |stream| waiting.push_back(stream)).await? {
            Ok((_, stream)) => return Ok(stream),
            Err(error) => tracing::debug!(%error, "another protocol was declined"),
        }
    }
}

async fn next_stream(muxer: &mut StreamMuxerBox) -> io::Result<SubstreamBox> {
    poll_fn(|cx| {
        if let Poll::Ready(Err(error)) = Pin::new(&mut *muxer).poll(cx) {
            return Poll::Ready(Err(error));
        }
        Pin::new(&mut *muxer).poll_inbound(cx)
    })
    .await
    .map_err(io::Error::other)
}

/// Runs `work`, which uses a stream of `muxer`, and keeps the multiplexer going meanwhile. Streams that
/// the other side opens are dropped.
pub async fn drive<T>(muxer: &mut StreamMuxerBox, work: impl Future<Output = T>) -> io::Result<T> {
    drive_with(muxer, work, drop).await
}

/// Likewise; `opened` takes the streams that the other side opens. There are only as many as [`secure`] allows.
async fn drive_with<T>(
    muxer: &mut StreamMuxerBox,
    work: impl Future<Output = T>,
    mut opened: impl FnMut(SubstreamBox),
) -> io::Result<T> {
    let mut work = std::pin::pin!(work);
    poll_fn(|cx| {
        if let Poll::Ready(value) = work.as_mut().poll(cx) {
            return Poll::Ready(Ok(value));
        }
        if let Poll::Ready(Err(error)) = Pin::new(&mut *muxer).poll(cx) {
            return Poll::Ready(Err(io::Error::other(error)));
        }
        while let Poll::Ready(stream) = Pin::new(&mut *muxer).poll_inbound(cx) {
            opened(stream.map_err(io::Error::other)?);
        }
        Poll::Pending
    })
    .await
}

/// The future's value, or an error when the time is over.
pub(crate) async fn within<T>(limit: Duration, future: BoxFuture<'_, T>) -> io::Result<T> {
    match futures::future::select(future, Delay::new(limit)).await {
        futures::future::Either::Left((value, _)) => Ok(value),
        futures::future::Either::Right(_) => Err(io::ErrorKind::TimedOut.into()),
    }
}
