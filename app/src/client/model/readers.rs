//! Who was given the key of a case, as its author sees it.

use healthsync_core::{Millis, Person};

use super::Trouble;

#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Readers {
    Asking,
    Known {
        /// Whoever came first, first.
        rows: Vec<ReaderRow>,
        /// Who was given a key that the images had before.
        before: Vec<ReaderRow>,
        /// What has to be known beside them.
        hint: String,
        /// Why the images cannot get new keys, if so.
        keeps: Option<&'static str>,
    },
    /// The images get new keys: how many of them have one. When all have, the room is told.
    Renewing {
        done: usize,
        of: usize,
    },
    Failed(Trouble),
}

#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReaderRow {
    pub person: Person,
    /// When a key node gave a share for the first time, and when last.
    pub first: Millis,
    pub last: Millis,
    /// How many key nodes have given theirs: fewer than three open nothing.
    pub nodes: usize,
}
