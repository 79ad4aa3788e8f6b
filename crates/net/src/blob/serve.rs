//! The giving side of one stream, without I/O: question in, what to do out. Questions are worked on
//! one after another, so that a slow reader holds back the reading and nothing queues up here.

use healthsync_core::RoomId;

use super::{
    ContentId, Layout,
    wire::{Answer, Ask, Refusal},
};

/// What the shell has to do for a question.
#[derive(Debug, PartialEq, Eq)]
pub enum Step {
    /// Look the content up, and tell [`Serve::found`].
    Look {
        /// The room that the asker claims to share.
        room: RoomId,
        /// What is wanted.
        content: ContentId,
    },
    /// Read this chunk and send it, or [`Answer::Missing`].
    Read {
        /// Of what.
        content: ContentId,
        /// Which chunk.
        index: u32,
    },
    /// Send this and end the stream.
    End(Answer),
}

/// One stream's state.
#[derive(Debug, Default)]
pub struct Serve {
    content: Option<ContentId>,
    chunks: Option<u32>,
}

impl Serve {
    /// The asker has sent this.
    pub fn asked(&mut self, ask: Ask) -> Step {
        match (ask, self.content, self.chunks) {
            (Ask::Open { room, content }, None, None) => {
                self.content = Some(content);
                Step::Look { room, content }
            }
            (Ask::Want(index), Some(content), Some(chunks)) if index < chunks => {
                Step::Read { content, index }
            }
            _ => Step::End(Answer::No(Refusal::Malformed)),
        }
    }

    /// What looking up has found; the answer to send. Anything but a layout ends the stream.
    pub fn found(&mut self, found: Result<Layout, Refusal>) -> Answer {
        match found {
            Ok(layout) => {
                self.chunks = u32::try_from(layout.digests.len()).ok();
                Answer::Layout(layout)
            }
            Err(refusal) => Answer::No(refusal),
        }
    }
}
