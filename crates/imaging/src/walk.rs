//! What a walk through a file found: its size, which of its bytes stay, what takes the place of
//! others, and what goes.

use std::ops::Range;

use crate::Removed;

/// What was removed, in the words of the receipt.
pub(crate) mod kind {
    pub(crate) const EXIF: &str = "Exif (camera, place, time, thumbnail)";
    pub(crate) const XMP: &str = "XMP (description, history)";
    pub(crate) const IPTC: &str = "Photoshop and IPTC data (caption, names)";
    pub(crate) const TEXT: &str = "Text and comments";
    pub(crate) const TIME: &str = "Time of the last change";
    pub(crate) const THUMBNAIL: &str = "Thumbnail";
    pub(crate) const COLOUR_TEXT: &str = "Names in the colour profile";
    pub(crate) const BROKEN_PROFILE: &str = "Unreadable colour profile";
    pub(crate) const OTHER: &str = "Data that is not needed to show the picture";
    pub(crate) const TRAILING: &str = "Data after the end of the picture";

    /// Each with its short form.
    pub(crate) const ALL: [(&str, &str); 10] = [
        ("exif", EXIF),
        ("xmp", XMP),
        ("iptc", IPTC),
        ("text", TEXT),
        ("time", TIME),
        ("thumbnail", THUMBNAIL),
        ("colour-text", COLOUR_TEXT),
        ("broken-profile", BROKEN_PROFILE),
        ("other", OTHER),
        ("trailing", TRAILING),
    ];
}

#[derive(Debug)]
enum Piece {
    Kept(Range<usize>),
    Made(Vec<u8>),
}

#[derive(Debug)]
pub(crate) struct Walk {
    /// Stored size in pixels.
    pub(crate) width: u32,
    pub(crate) height: u32,
    /// 1 to 8.
    pub(crate) orientation: u8,
    pieces: Vec<Piece>,
    removed: Vec<Removed>,
}

impl Walk {
    pub(crate) fn new() -> Self {
        Walk {
            width: 0,
            height: 0,
            orientation: 1,
            pieces: Vec::new(),
            removed: Vec::new(),
        }
    }

    /// These bytes stay as they are, after what was kept or made so far.
    pub(crate) fn keep(&mut self, range: Range<usize>) {
        if let Some(Piece::Kept(last)) = self.pieces.last_mut()
            && last.end == range.start
        {
            last.end = range.end;
        } else if !range.is_empty() {
            self.pieces.push(Piece::Kept(range));
        }
    }

    /// New bytes, after what was kept or made so far.
    pub(crate) fn make(&mut self, bytes: Vec<u8>) {
        self.pieces.push(Piece::Made(bytes));
    }

    /// A piece to be made once the rest is known; [`Walk::fill`] gives its bytes.
    pub(crate) fn reserve(&mut self) -> usize {
        self.make(Vec::new());
        self.pieces.len() - 1
    }

    pub(crate) fn fill(&mut self, reserved: usize, bytes: Vec<u8>) {
        self.pieces[reserved] = Piece::Made(bytes);
    }

    /// Notes that `bytes` bytes of this kind do not stay.
    pub(crate) fn remove(&mut self, what: &str, bytes: usize) {
        match self.removed.iter_mut().find(|removed| removed.what == what) {
            _ if bytes == 0 => {}
            Some(removed) => removed.bytes += bytes,
            None => self.removed.push(Removed {
                what: what.to_owned(),
                bytes,
            }),
        }
    }

    /// Length of the new file so far.
    pub(crate) fn len(&self) -> usize {
        let length = |piece: &Piece| match piece {
            Piece::Kept(range) => range.len(),
            Piece::Made(bytes) => bytes.len(),
        };
        self.pieces.iter().map(length).sum()
    }

    /// The new file, from the bytes that were walked.
    pub(crate) fn assemble(&self, bytes: &[u8]) -> Vec<u8> {
        let mut out = Vec::with_capacity(self.len());
        for piece in &self.pieces {
            match piece {
                Piece::Kept(range) => out.extend_from_slice(&bytes[range.clone()]),
                Piece::Made(made) => out.extend_from_slice(made),
            }
        }
        out
    }

    pub(crate) fn into_removed(self) -> Vec<Removed> {
        self.removed
    }
}
