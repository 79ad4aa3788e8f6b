//! `/healthsync/sync/1`: one request and one response on a stream of its own, each framed by a
//! 4-byte big-endian length. The messages themselves are `healthsync_core::sync`.

use std::{io, time::Duration};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use healthsync_core::{Request, Response, limits, sync};
use libp2p::{
    StreamProtocol,
    request_response::{self, ProtocolSupport},
};

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

fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

async fn read_frame<T>(io: &mut T, limit: usize) -> io::Result<Vec<u8>>
where
    T: AsyncRead + Unpin + Send,
{
    let mut length = [0; 4];
    io.read_exact(&mut length).await?;
    let length = u32::from_be_bytes(length) as usize;
    if length > limit {
        return Err(invalid(format!(
            "{length} bytes announced, {limit} allowed"
        )));
    }
    // Grows with what really arrives, so that a length alone costs no memory.
    let mut bytes = Vec::new();
    io.take(length as u64).read_to_end(&mut bytes).await?;
    if bytes.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
}

async fn write_frame<T>(io: &mut T, bytes: &[u8], limit: usize) -> io::Result<()>
where
    T: AsyncWrite + Unpin + Send,
{
    if bytes.len() > limit {
        return Err(invalid(format!(
            "{} bytes to send, {limit} allowed",
            bytes.len()
        )));
    }
    let length = u32::try_from(bytes.len()).map_err(invalid)?;
    io.write_all(&length.to_be_bytes()).await?;
    io.write_all(bytes).await?;
    io.flush().await
}

#[cfg(test)]
mod tests {
    use futures::{executor::block_on, io::Cursor};

    use super::*;

    #[test]
    fn frames_survive_and_limits_hold() {
        block_on(async {
            let mut wire = Cursor::new(Vec::new());
            write_frame(&mut wire, b"hello", 5).await.unwrap();
            let bytes = wire.into_inner();
            assert_eq!(
                read_frame(&mut Cursor::new(&bytes), 5).await.unwrap(),
                b"hello"
            );
            assert_eq!(
                read_frame(&mut Cursor::new(&bytes), 4)
                    .await
                    .unwrap_err()
                    .kind(),
                io::ErrorKind::InvalidData
            );
            assert_eq!(
                read_frame(&mut Cursor::new(&bytes[..7]), 5)
                    .await
                    .unwrap_err()
                    .kind(),
                io::ErrorKind::UnexpectedEof
            );
            assert!(
                write_frame(&mut Cursor::new(Vec::new()), b"hello", 4)
                    .await
                    .is_err()
            );
        });
    }
}
