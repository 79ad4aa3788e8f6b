//! `/healthsync/sync/1`: one request and one response on a stream of its own, each framed by a
//! 4-byte big-endian length. The messages themselves are `healthsync_core::sync`.

use std::{io, time::Duration};

use futures::{AsyncRead, AsyncWrite};
use healthsync_core::{Request, Response, limits, sync};
use libp2p::{
    StreamProtocol,
    request_response::{self, ProtocolSupport},
};

use crate::framing::{invalid, read_frame, write_frame};

/// The protocol's name.
pub const PROTOCOL: StreamProtocol = StreamProtocol::new(sync::PROTOCOL);
/// How long a request may take, from opening its stream to the last byte of the answer.
pub const REQUEST_TIMEOUT: Duration = Duration::from_secs(15);
/// Requests that one connection may have under way at once.
pub const MAX_CONCURRENT: usize = 32;

pub(crate) type History = request_response::Behaviour<SyncCodec>;

pub(crate) fn behaviour(support: ProtocolSupport) -> History {
    request_response::Behaviour::with_codec(
        SyncCodec,
        [(PROTOCOL, support)],
        request_response::Config::default()
            .with_request_timeout(REQUEST_TIMEOUT)
            .with_max_concurrent_streams(MAX_CONCURRENT),
    )
}

/// Length prefix and limits around the encodings of `healthsync_core::sync`.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct SyncCodec;

impl request_response::Codec for SyncCodec {
    type Protocol = StreamProtocol;
    type Request = Request;
    type Response = Response;

    async fn read_request<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Request>
    where
        T: AsyncRead + Unpin + Send,
    {
        let bytes = read_frame(io, limits::REQUEST_BYTES).await?;
        Request::decode(&bytes).map_err(invalid)
    }

    async fn read_response<T>(&mut self, _: &StreamProtocol, io: &mut T) -> io::Result<Response>
    where
        T: AsyncRead + Unpin + Send,
    {
        let bytes = read_frame(io, limits::RESPONSE_BYTES).await?;
        Response::decode(&bytes).map_err(invalid)
    }

    async fn write_request<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        request: Request,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write_frame(io, &request.encode(), limits::REQUEST_BYTES).await
    }

    async fn write_response<T>(
        &mut self,
        _: &StreamProtocol,
        io: &mut T,
        response: Response,
    ) -> io::Result<()>
    where
        T: AsyncWrite + Unpin + Send,
    {
        write_frame(io, &response.encode(), limits::RESPONSE_BYTES).await
    }
}
