//! The messages that make a libp2p stream out of a data channel (libp2p/specs, webrtc/README.md,
//! "Multiplexing"): `{ optional Flag flag = 1; optional bytes message = 2; }` in protocol buffers, with
//! its length in front.
//!
//! A message may come in any number of pieces, and several may come in one: peers differ in that.

use bytes::{Buf, Bytes, BytesMut};

use crate::protobuf::{self, ProtobufError, Reader, Value};

/// Longest message, its length prefix included: "MUST NOT exceed 16kiB".
pub const MAX_FRAME: usize = 16 * 1024;
/// Two bytes of length, a field's key, two bytes of that field's length.
const OVERHEAD: usize = 5;

/// What a message says beside its bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Flag {
    /// The sender will no longer send.
    Fin,
    /// The sender will no longer read.
    StopSending,
    /// The sender abandons its sending part.
    Reset,
    /// The sender has had everything up to a FIN.
    FinAck,
}

/// One message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Frame {
    /// At most one flag; values that we do not know count as none.
    pub flag: Option<Flag>,
    /// Bytes of the stream, possibly none.
    pub payload: Bytes,
}

/// Why bytes are no message. The sender's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum FrameError {
    /// It announces more than [`MAX_FRAME`].
    #[error("a message of {0} bytes on a data channel, {MAX_FRAME} allowed")]
    Long(u64),
    /// It is not the message of the specification.
    #[error("a message on a data channel: {0}")]
    Protobuf(#[from] ProtobufError),
}

impl Frame {
    /// The most bytes that fit into a message of `frame` bytes.
    pub const fn room(frame: usize) -> usize {
        frame - OVERHEAD
    }

    /// A message of bytes alone.
    pub fn encode(payload: &[u8]) -> Vec<u8> {
        let mut body = Vec::with_capacity(payload.len() + OVERHEAD);
        protobuf::put_bytes(&mut body, 2, payload);
        prefixed(&body)
    }

    /// A message of a flag alone.
    pub fn encode_flag(flag: Flag) -> Vec<u8> {
        let number = match flag {
            Flag::Fin => 0,
            Flag::StopSending => 1,
            Flag::Reset => 2,
            Flag::FinAck => 3,
        };
        let mut body = Vec::with_capacity(2);
        protobuf::put_number(&mut body, 1, number);
        prefixed(&body)
    }

    fn decode(body: &Bytes) -> Result<Self, FrameError> {
        let mut frame = Self {
            flag: None,
            payload: Bytes::new(),
        };
        let mut reader = Reader::new(body);
        while let Some(field) = reader.field()? {
            match field {
                (1, Value::Number(number)) => {
                    frame.flag = match number {
                        0 => Some(Flag::Fin),
                        1 => Some(Flag::StopSending),
                        2 => Some(Flag::Reset),
                        3 => Some(Flag::FinAck),
                        _ => None,
                    };
                }
                (2, Value::Bytes(bytes)) => frame.payload = body.slice_ref(bytes),
                _ => {}
            }
        }
        Ok(frame)
    }
}

fn prefixed(body: &[u8]) -> Vec<u8> {
    let mut message = Vec::with_capacity(body.len() + 2);
    protobuf::put_varint(&mut message, body.len() as u64);
    message.extend_from_slice(body);
    message
}

/// Puts messages together. Holds at most what was pushed and one unfinished message.
#[derive(Debug, Default)]
pub struct Decoder(BytesMut);

impl Decoder {
    /// Adds what came in. Whoever pushes only after [`Decoder::frame`] has given `None` keeps the
    /// memory below [`MAX_FRAME`] and one piece.
    pub fn push(&mut self, piece: &[u8]) {
        self.0.extend_from_slice(piece);
    }

    /// The next message, if it is complete.
    pub fn frame(&mut self) -> Result<Option<Frame>, FrameError> {
        let (length, prefix) = match protobuf::varint(&self.0) {
            Ok(read) => read,
            Err(ProtobufError::Short) => return Ok(None),
            Err(error) => return Err(error.into()),
        };
        let whole = usize::try_from(length)
            .ok()
            .and_then(|length| length.checked_add(prefix))
            .filter(|&whole| whole <= MAX_FRAME)
            .ok_or(FrameError::Long(length))?;
        if self.0.len() < whole {
            return Ok(None);
        }
        let mut message = self.0.split_to(whole).freeze();
        message.advance(prefix);
        Frame::decode(&message).map(Some)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn the_longest_payload_makes_the_longest_message() {
        let payload = vec![7; Frame::room(MAX_FRAME)];
        let message = Frame::encode(&payload);
        assert_eq!(message.len(), MAX_FRAME);
        let mut decoder = Decoder::default();
        decoder.push(&message);
        assert_eq!(decoder.frame().unwrap().unwrap().payload, payload);
        assert_eq!(decoder.frame(), Ok(None));
    }

    #[test]
    fn what_breaks_a_rule_is_refused_by_name() {
        let refused = |bytes: &[u8]| {
            let mut decoder = Decoder::default();
            decoder.push(bytes);
            decoder.frame().unwrap_err()
        };
        assert_eq!(refused(&[0xff, 0xff, 0x03]), FrameError::Long(65_535));
        assert_eq!(
            refused(&[0xff; 16]),
            FrameError::Protobuf(ProtobufError::Varint)
        );
        // A field that is longer than its message.
        assert_eq!(
            refused(&[3, 0x12, 9, 0]),
            FrameError::Protobuf(ProtobufError::Short)
        );
    }

    #[test]
    fn an_announced_length_costs_nothing() {
        let mut decoder = Decoder::default();
        decoder.push(&[0xfd, 0x7f]);
        assert_eq!(decoder.frame(), Ok(None));
        assert!(decoder.0.capacity() < 1_024);
    }

    #[test]
    fn a_flag_from_the_future_is_no_flag() {
        let mut decoder = Decoder::default();
        decoder.push(&[2, 0x08, 9]);
        assert_eq!(decoder.frame().unwrap().unwrap().flag, None);
    }

    proptest! {
        #[test]
        fn messages_survive_any_cut(
            payloads in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 0..300), 1..6),
            cut in 1_usize..64,
        ) {
            let mut wire = Vec::new();
            for payload in &payloads {
                wire.extend(Frame::encode(payload));
                wire.extend(Frame::encode_flag(Flag::FinAck));
            }
            let mut decoder = Decoder::default();
            let mut read = Vec::new();
            for piece in wire.chunks(cut) {
                decoder.push(piece);
                while let Some(frame) = decoder.frame().unwrap() {
                    read.push(frame);
                }
            }
            prop_assert_eq!(read.len(), 2 * payloads.len());
            for (pair, payload) in read.chunks(2).zip(&payloads) {
                prop_assert_eq!(&pair[0].payload, payload);
                prop_assert_eq!(pair[1].flag, Some(Flag::FinAck));
            }
        }

        #[test]
        fn any_bytes_are_read_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..512)) {
            let mut decoder = Decoder::default();
            decoder.push(&bytes);
            while let Ok(Some(frame)) = decoder.frame() {
                prop_assert!(frame.payload.len() <= bytes.len());
            }
        }
    }
}
