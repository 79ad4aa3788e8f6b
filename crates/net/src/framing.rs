//! Length-prefixed messages on a byte stream: libp2p's (unsigned varint) and our own (4 bytes, big
//! endian). Memory grows with what really arrives, so that a length alone costs nothing.

use std::io;

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::protobuf::put_varint;

/// Longest length prefix that we read: more than 64 MiB is never announced.
const PREFIX: usize = 4;

pub(crate) fn invalid(error: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, error)
}

/// Reads one message after a varint of its length; refuses more than `limit` bytes.
pub(crate) async fn read_varint_frame<T>(io: &mut T, limit: usize) -> io::Result<Vec<u8>>
where
    T: AsyncRead + Unpin,
{
    let mut length = 0_usize;
    for index in 0.. {
        if index == PREFIX {
            return Err(invalid("the length of a message never ends"));
        }
        let mut byte = [0];
        io.read_exact(&mut byte).await?;
        length |= usize::from(byte[0] & 0x7f) << (7 * index);
        if byte[0] & 0x80 == 0 {
            break;
        }
    }
    read_body(io, length, limit).await
}

/// Writes one message after a varint of its length.
pub(crate) async fn write_varint_frame<T>(io: &mut T, message: &[u8]) -> io::Result<()>
where
    T: AsyncWrite + Unpin,
{
    let mut bytes = Vec::with_capacity(message.len() + PREFIX);
    put_varint(&mut bytes, message.len() as u64);
    bytes.extend_from_slice(message);
    io.write_all(&bytes).await?;
    io.flush().await
}

/// Reads one message after four bytes of its length; refuses more than `limit` bytes.
pub(crate) async fn read_frame<T>(io: &mut T, limit: usize) -> io::Result<Vec<u8>>
where
    T: AsyncRead + Unpin,
{
    let mut length = [0; 4];
    io.read_exact(&mut length).await?;
    read_body(io, u32::from_be_bytes(length) as usize, limit).await
}

/// Writes one message after four bytes of its length; refuses to send more than `limit` bytes.
pub(crate) async fn write_frame<T>(io: &mut T, bytes: &[u8], limit: usize) -> io::Result<()>
where
    T: AsyncWrite + Unpin,
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

async fn read_body<T>(io: &mut T, length: usize, limit: usize) -> io::Result<Vec<u8>>
where
    T: AsyncRead + Unpin,
{
    if length > limit {
        return Err(invalid(format!(
            "{length} bytes announced, {limit} allowed"
        )));
    }
    let mut bytes = Vec::new();
    io.take(length as u64).read_to_end(&mut bytes).await?;
    if bytes.len() < length {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(bytes)
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
            let read = async |bytes: &[u8], limit| read_frame(&mut Cursor::new(bytes), limit).await;
            assert_eq!(read(&bytes, 5).await.unwrap(), b"hello");
            let too_long = read(&bytes, 4).await.unwrap_err();
            assert_eq!(too_long.kind(), io::ErrorKind::InvalidData);
            let cut = read(&bytes[..7], 5).await.unwrap_err();
            assert_eq!(cut.kind(), io::ErrorKind::UnexpectedEof);
            let mut nowhere = Cursor::new(Vec::new());
            assert!(write_frame(&mut nowhere, b"hello", 4).await.is_err());
        });
    }

    #[test]
    fn varint_frames_survive_and_limits_hold() {
        block_on(async {
            let message = vec![7; 300];
            let mut wire = Cursor::new(Vec::new());
            write_varint_frame(&mut wire, &message).await.unwrap();
            let bytes = wire.into_inner();
            let read =
                async |bytes: &[u8], limit| read_varint_frame(&mut Cursor::new(bytes), limit).await;
            assert_eq!(read(&bytes, 300).await.unwrap(), message);
            assert!(read(&bytes, 299).await.is_err());
            let endless = read(&[0xff; 64], usize::MAX).await.unwrap_err();
            assert_eq!(endless.kind(), io::ErrorKind::InvalidData);
        });
    }
}
