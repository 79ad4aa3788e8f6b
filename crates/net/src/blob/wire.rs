//! The messages of `/healthsync/blob/1`, each framed by four bytes of its length, big endian.

use healthsync_core::RoomId;

use super::{CHUNK, CHUNKS, ContentId, Layout};

/// Longest question: tag, room, content id.
pub const ASK_BYTES: usize = 1 + 32 + 36;
/// Longest answer: a chunk or a layout with its head.
pub const ANSWER_BYTES: usize = 1
    + 8
    + if CHUNK > 32 * CHUNKS {
        CHUNK
    } else {
        32 * CHUNKS
    };

/// What the side that wants content says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Ask {
    /// Tag 1, first and once: "I am in this room and want this content."
    Open {
        /// The room that both are in.
        room: RoomId,
        /// What is wanted.
        content: ContentId,
    },
    /// Tag 2: "Send me this chunk."
    Want(u32),
}

/// What the side that has content says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// Tag 129, to `Open`.
    Layout(Layout),
    /// Tag 130, to `Want`.
    Chunk(u32, Vec<u8>),
    /// Tag 131, to anything; nothing follows.
    No(Refusal),
    /// Tag 132, to `Want`: not here any more.
    Missing(u32),
}

/// Why nothing is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// 1: the asker is not known to be in the room.
    NotMember,
    /// 2: this content is not here, or not of this room.
    Unknown,
    /// 3: too much is being given away already.
    Busy,
    /// 4: the question breaks a rule.
    Malformed,
}

/// Which rule a message breaks. All are the peer's fault.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WireError {
    /// Empty, or a tag that does not exist.
    #[error("a blob message of unknown kind")]
    Kind,
    /// Shorter or longer than its kind.
    #[error("a blob message of wrong length")]
    Length,
    /// A layout whose size and digests do not fit each other, or too large a content.
    #[error("a layout that cannot be")]
    Layout,
}

impl Ask {
    /// Without the length prefix.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Open { room, content } => [&[1], &room.0[..], content].concat(),
            Self::Want(index) => [&[2], &index.to_be_bytes()[..]].concat(),
        }
    }

    /// Reads one, without the length prefix.
    pub fn decode(message: &[u8]) -> Result<Self, WireError> {
        let (tag, rest) = message.split_first().ok_or(WireError::Kind)?;
        match tag {
            1 => {
                let (room, content) = rest.split_first_chunk().ok_or(WireError::Length)?;
                Ok(Self::Open {
                    room: RoomId(*room),
                    content: content.try_into().map_err(|_| WireError::Length)?,
                })
            }
            2 => Ok(Self::Want(number(rest)?)),
            _ => Err(WireError::Kind),
        }
    }
}

impl Answer {
    /// Without the length prefix.
    pub fn encode(&self) -> Vec<u8> {
        match self {
            Self::Layout(layout) => [
                &[129],
                &layout.size.to_be_bytes()[..],
                layout.digests.as_flattened(),
            ]
            .concat(),
            Self::Chunk(index, bytes) => [&[130], &index.to_be_bytes()[..], bytes].concat(),
            Self::No(refusal) => vec![
                131,
                match refusal {
                    Refusal::NotMember => 1,
                    Refusal::Unknown => 2,
                    Refusal::Busy => 3,
                    Refusal::Malformed => 4,
                },
            ],
            Self::Missing(index) => [&[132], &index.to_be_bytes()[..]].concat(),
        }
    }

    /// Reads one, without the length prefix.
    pub fn decode(message: &[u8]) -> Result<Self, WireError> {
        let (tag, rest) = message.split_first().ok_or(WireError::Kind)?;
        match tag {
            129 => {
                let (size, digests) = rest.split_first_chunk().ok_or(WireError::Length)?;
                let (digests, over) = digests.as_chunks::<32>();
                let layout = Layout {
                    size: u64::from_be_bytes(*size),
                    digests: digests.to_vec(),
                };
                if !over.is_empty() || !layout.is_sound() {
                    return Err(WireError::Layout);
                }
                Ok(Self::Layout(layout))
            }
            130 => {
                let (index, bytes) = rest.split_first_chunk().ok_or(WireError::Length)?;
                if bytes.len() > CHUNK {
                    return Err(WireError::Length);
                }
                Ok(Self::Chunk(u32::from_be_bytes(*index), bytes.to_vec()))
            }
            131 => match rest {
                [1] => Ok(Self::No(Refusal::NotMember)),
                [2] => Ok(Self::No(Refusal::Unknown)),
                [3] => Ok(Self::No(Refusal::Busy)),
                [4] => Ok(Self::No(Refusal::Malformed)),
                [_] => Err(WireError::Kind),
                _ => Err(WireError::Length),
            },
            132 => Ok(Self::Missing(number(rest)?)),
            _ => Err(WireError::Kind),
        }
    }
}

fn number(bytes: &[u8]) -> Result<u32, WireError> {
    let bytes = bytes.try_into().map_err(|_| WireError::Length)?;
    Ok(u32::from_be_bytes(bytes))
}
