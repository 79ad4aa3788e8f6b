//! What a page and the imaging worker say to each other. Each message is one [`Ask`] or [`Answer`] as JSON text, with
//! files, bitmaps and buffers beside it; every ask has a number and gets exactly one answer with that number.
//!
//! Files are kept in sets. A set's files are sorted into series, a series is a row of slices; a slice is one frame.

use serde::{Deserialize, Serialize};

use crate::{
    intake::Identifying,
    measure::{Measured, Scale, Shape},
    render::{Axis, Plane, VOLUME_BYTES, Window},
};

/// Parsed files that the worker keeps take this many bytes, a CT of 140 slices, or are the last [`PARSED_FEW`]. What is
/// beyond is read again, which is felt: with 40 MiB, one step in ten took twice as long.
pub const PARSED_ENOUGH: usize = 72 * 1024 * 1024;
/// As many as are looked at side by side; of large ones, such as mammograms, reading takes long.
pub const PARSED_FEW: usize = 4;
/// The most that these few may take.
pub const PARSED_BYTES: usize = 256 * 1024 * 1024;
/// Decoded frames likewise, where they are more than a copy of the file's bytes.
pub const FRAME_BYTES: usize = 96 * 1024 * 1024;
/// The most that the worker keeps of pictures: files, frames and one volume.
pub const MOST_BYTES: usize = PARSED_BYTES + FRAME_BYTES + VOLUME_BYTES;

/// One slice of one series of one set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct At {
    /// The set.
    pub set: u32,
    /// The series in it.
    pub series: u32,
    /// The slice in that, or the plane along another axis.
    pub slice: u32,
}

/// How a slice is to be drawn.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Look {
    /// `None`: as the file says, or all of its values.
    pub window: Option<Window>,
    /// Black and white exchanged by the reader.
    pub inverted: bool,
    /// Which way the volume is cut.
    pub axis: Axis,
    /// Planes of a maximum intensity projection; 1 for none.
    pub slab: u32,
    /// With what the file draws over it.
    pub overlays: bool,
}

/// What the page asks.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case")]
pub enum Ask {
    /// Files (blobs beside it) join a set, which begins with its first file.
    Add {
        /// The set.
        set: u32,
        /// Their names, for sentences about them.
        names: Vec<String>,
        /// They are one series in the order given, over all `Add`s; otherwise they are sorted.
        in_order: bool,
    },
    /// Forget a set.
    Close {
        /// The set.
        set: u32,
    },
    /// Draw; the picture comes back as a bitmap.
    Show {
        /// What.
        at: At,
        /// How.
        look: Look,
        /// By WebGL2 where it can be had.
        gpu: bool,
    },
    /// The value of a pixel.
    Value {
        /// Where.
        at: At,
        /// Column and row.
        pixel: [u32; 2],
        /// Along which axis.
        axis: Axis,
        /// As in [`Look`]: of a projection, the value that is shown.
        slab: u32,
    },
    /// Measure a shape.
    Measure {
        /// On which slice.
        at: At,
        /// What.
        shape: Shape,
        /// Pixel coordinates.
        points: Vec<[f64; 2]>,
    },
    /// De-identify a series; its cleaned files come back as buffers, in the series' order.
    Clean {
        /// The set.
        set: u32,
        /// The series in it.
        series: u32,
        /// Boxes to paint over in every frame: left, top, right, bottom, the last two exclusive.
        masks: Vec<[u32; 4]>,
        /// Outlines of areas to paint over likewise.
        outlines: Vec<Vec<[u32; 2]>>,
        /// A person has looked at the pixels.
        reviewed: bool,
        /// What she wants kept.
        keep: Keep,
    },
    /// All elements of the file.
    Tags {
        /// Of the slice.
        at: At,
    },
    /// These measurements as a DICOM structured report; it comes back as a buffer.
    Report {
        /// On slices as they were taken.
        marks: Vec<Placed>,
    },
    /// The measurements of a report (a blob beside it) on the slices that are open.
    ReadReport,
}

/// What a person keeps that the Basic Profile takes out. Dates that are moved are no choice here: by how many days is in
/// the receipt, which everybody reads who reads the series.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Keep {
    /// Sex, age, size, weight, ethnic group, smoking, pregnancy.
    pub patient: bool,
    /// Maker, model, station and serial number.
    pub device: bool,
    /// Name and address of the institution.
    pub institution: bool,
    /// All dates and times but those of birth.
    pub dates: bool,
}

/// A measurement on a slice.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Placed {
    /// The slice.
    pub at: At,
    /// What is drawn.
    pub shape: Shape,
    /// Pixel coordinates.
    pub points: Vec<[f64; 2]>,
    /// What its author calls it; may be empty.
    pub text: String,
}

/// What the worker answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// The set as it is now.
    Added {
        /// Its series.
        series: Vec<SeriesFacts>,
        /// Files that were not taken, of this `Add`.
        refused: Vec<Refused>,
    },
    /// Done, and nothing to tell.
    Done,
    /// Drawn.
    Shown(Shown),
    /// The value there, in the modality's unit.
    Value {
        /// `None` outside and for colour.
        value: Option<f64>,
    },
    /// The result.
    Measured {
        /// `None` for points that make no shape.
        measured: Option<Measured>,
    },
    /// All files of the series are clean.
    Cleaned {
        /// How many values were removed or replaced.
        removed: u32,
        /// The receipt, JSON.
        receipt: String,
        /// What the files said of people.
        identifying: Vec<Identifying>,
    },
    /// Not cleaned: somebody has to look at the pixels first.
    Look {
        /// Why, one for each rule.
        reasons: Vec<String>,
        /// Boxes that are painted over anyhow.
        boxes: Vec<[u32; 4]>,
    },
    /// The elements.
    Tags {
        /// In the file's order.
        rows: Vec<TagRow>,
    },
    /// The report is written.
    Reported {
        /// How many of the measurements are in it: those on DICOM images.
        written: u32,
    },
    /// The report is read.
    Read {
        /// Measurements on slices that are open.
        marks: Vec<Placed>,
        /// How many are on images that are not.
        elsewhere: u32,
        /// How many are drawn in a way that has no counterpart here.
        others: u32,
    },
    /// It did not work; a sentence that names the file.
    Failed {
        /// The sentence.
        what: String,
    },
}

/// A file that was not taken.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Refused {
    /// Its name.
    pub name: String,
    /// A sentence.
    pub why: String,
}

/// A series, as a viewer needs it before anything is decoded.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct SeriesFacts {
    /// The modality's code, `CT`; the format of what is no DICOM.
    pub modality: String,
    /// The series' own words, where there are any.
    pub description: Option<String>,
    /// How many slices.
    pub slices: u32,
    /// Columns and rows of the first.
    pub size: [u32; 2],
    /// Size of a pixel.
    pub scale: Option<Scale>,
    /// Unit of the values.
    pub unit: Option<String>,
    /// No grey values: no window, no statistics.
    pub colour: bool,
    /// Files of it draw something over their images.
    pub overlays: bool,
    /// Windows of the file.
    pub windows: Vec<NamedWindow>,
    /// Milliseconds from frame to frame of a cine.
    pub frame_time: Option<f64>,
    /// Where each slice is, when all say so.
    pub planes: Vec<Plane>,
    /// Whether other planes can be cut; else the reason.
    pub volume: Result<(), String>,
    /// The files it is made of, as numbers in the order in which they were added.
    pub files: Vec<u32>,
    /// Bytes of these files.
    pub bytes: u64,
}

/// A window that a file brings.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct NamedWindow {
    /// The file's name for it.
    pub name: Option<String>,
    /// Centre and width.
    pub window: Window,
}

/// What was drawn.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Shown {
    /// The slice, or the plane along the axis.
    pub slice: u32,
    /// Which way the volume was cut.
    pub axis: Axis,
    /// Planes of a maximum intensity projection; 1 for none.
    pub slab: u32,
    /// Columns and rows of the bitmap.
    pub size: [u32; 2],
    /// The window that was used; `None` for colour, and for a table of the file's own.
    pub window: Option<Window>,
    /// Where such a table was used: the window of all values, from which a reader's own begins.
    pub range: Option<Window>,
    /// Where it is.
    pub plane: Option<Plane>,
    /// Letters of the sides to which its rows and its columns go, where it has no plane.
    pub sides: Option<[String; 2]>,
    /// How many planes there are along this axis.
    pub count: u32,
    /// Size of a pixel.
    pub scale: Option<Scale>,
    /// Milliseconds from the message to the pixels.
    pub took: f64,
    /// Bytes that the worker keeps.
    pub memory: u64,
}

/// One element of a data set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TagRow {
    /// `0010,0010`, indented by two spaces a level of nesting.
    pub tag: String,
    /// Its name in words.
    pub name: String,
    /// Its value, cut after 200 characters.
    pub value: String,
    /// The basic confidentiality profile changes or removes it: it identifies, or could.
    pub identifies: bool,
}

/// `PatientName` as `Patient Name`.
pub fn words(keyword: &str) -> String {
    let mut words = String::with_capacity(keyword.len() + 8);
    let mut before = 'A';
    for letter in keyword.chars() {
        if letter.is_uppercase() && before.is_lowercase() {
            words.push(' ');
        }
        words.push(letter);
        before = letter;
    }
    words
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_read_as_they_are_written() {
        let ask = Ask::Measure {
            at: At {
                set: 1,
                series: 0,
                slice: 84,
            },
            shape: Shape::Length,
            points: vec![[1.5, 2.0], [3.0, 4.0]],
        };
        let text = serde_json::to_string(&ask).unwrap();
        assert_eq!(
            text,
            r#"{"ask":"measure","at":{"set":1,"series":0,"slice":84},"shape":"length","points":[[1.5,2.0],[3.0,4.0]]}"#
        );
        assert_eq!(serde_json::from_str::<Ask>(&text).unwrap(), ask);
        assert_eq!(words("PatientName"), "Patient Name");
        assert_eq!(words("SOPInstanceUID"), "SOPInstance UID");
        let answer = Answer::Failed {
            what: "a.dcm: empty.".into(),
        };
        let text = serde_json::to_string(&answer).unwrap();
        assert_eq!(serde_json::from_str::<Answer>(&text).unwrap(), answer);
    }
}
