//! What the room and the viewer say to each other, as JSON text. The room owns what is kept (pictures, measurements);
//! the viewer owns what is only looked at (slice, window, zoom).

use serde::{Deserialize, Serialize};

use crate::{measure::Shape, render::Window};

/// The type of the blob among a series' files that is no file of it but the receipt of its de-identification.
pub const RECEIPT_MIME: &str = "application/json";

/// What the room tells the viewer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "tell", rename_all = "snake_case")]
pub enum Tell {
    /// The case's pictures, and which of them is to be shown.
    Pictures {
        /// In the case's order.
        pictures: Vec<PictureFacts>,
        /// Index.
        chosen: usize,
    },
    /// Files (blobs beside it) of a series: more of them, in the series' order; and its receipt, of [`RECEIPT_MIME`].
    Files {
        /// Index of the picture.
        picture: usize,
        /// How many slices there will be in the end.
        expected: u32,
    },
    /// All measurements of the case, in order.
    Marks {
        /// Replaces those before.
        marks: Vec<Mark>,
    },
    /// Where colleagues point. Replaces those before.
    Pointers {
        /// One a person.
        pointers: Vec<Pointer>,
    },
}

/// One picture of a case.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PictureFacts {
    /// For the choice among several.
    pub title: String,
    /// A photograph's `blob:` address; `None` for a series, whose files are told, and for what is locked.
    pub url: Option<String>,
    /// Columns and rows.
    pub size: [u32; 2],
    /// A photograph's; its file has been checked against it.
    pub receipt: Option<PhotoReceipt>,
}

/// What cleaning took out of a photograph.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct PhotoReceipt {
    /// Program and version that cleaned it.
    pub tool: String,
    /// Media type.
    pub format: String,
    /// Kinds of data, in short ([`crate::removed_by`]).
    pub removed: Vec<String>,
}

/// A measurement, an arrow or a note.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Mark {
    /// Names it; empty while it is being drawn.
    pub id: String,
    /// Index of the picture.
    pub picture: usize,
    /// Slice, from 0.
    pub slice: u32,
    /// What it is.
    pub shape: Shape,
    /// Pixel coordinates.
    pub points: Vec<[f64; 2]>,
    /// What its author calls it; may be empty.
    pub text: String,
    /// Whose: as the list shows it.
    pub by: String,
    /// The reader's own, which she may delete.
    pub own: bool,
}

/// A colleague's pointer.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Pointer {
    /// Who, as shown beside it.
    pub by: String,
    /// Index of the picture.
    pub picture: usize,
    /// Slice, from 0.
    pub slice: u32,
    /// Pixel coordinates; `None` when the pointer has left the picture.
    pub at: Option<[f64; 2]>,
    /// The window that they see; `None` for the file's own.
    pub window: Option<Window>,
}

/// What the viewer asks of the room.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Say {
    /// Another picture of the case.
    Choose {
        /// Index.
        picture: usize,
    },
    /// Keep a mark. `id`, `by` and `own` are the room's to give.
    Mark(Mark),
    /// Take back an own mark.
    Unmark {
        /// Its id.
        id: String,
    },
    /// The reader's pointer, slice and window now.
    Point {
        /// Index of the picture.
        picture: usize,
        /// Slice, from 0.
        slice: u32,
        /// Pixel coordinates; `None` outside.
        at: Option<[f64; 2]>,
        /// The window that she has chosen.
        window: Option<Window>,
    },
    /// A sentence that the page shows for a while.
    Note {
        /// The sentence.
        text: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_read_as_they_are_written() {
        let say = Say::Mark(Mark {
            id: String::new(),
            picture: 0,
            slice: 83,
            shape: Shape::Length,
            points: vec![[1.0, 2.5], [3.0, 4.0]],
            text: "Nodule".into(),
            by: String::new(),
            own: true,
        });
        let text = serde_json::to_string(&say).unwrap();
        assert!(
            text.starts_with(
                r#"{"mark":{"id":"","picture":0,"slice":83,"shape":"length","points":[[1.0,2.5]"#
            ),
            "{text}"
        );
        assert_eq!(serde_json::from_str::<Say>(&text).unwrap(), say);
        let tell = Tell::Pointers {
            pointers: Vec::new(),
        };
        let text = serde_json::to_string(&tell).unwrap();
        assert_eq!(serde_json::from_str::<Tell>(&text).unwrap(), tell);
    }
}
