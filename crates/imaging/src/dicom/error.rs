//! Why a DICOM file, or one frame of it, is refused: each in one sentence that a person can read.

/// Why a file or a frame is not taken. Every reason lies in the file; the text may be shown as it is. It names
/// tags and numbers and never a value, because values identify patients.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImagingError {
    /// 0 bytes.
    #[error("The file is empty: it has 0 bytes.")]
    Empty,
    /// Nothing in the file looks like DICOM.
    #[error("This file is not DICOM: {0}.")]
    NotDicom(&'static str),
    /// The file ends inside something that it announced.
    #[error("This DICOM file is cut off: {what} needs {needed} bytes and {left} are left.")]
    Truncated {
        /// What was being read.
        what: String,
        /// Bytes that it needs.
        needed: u64,
        /// Bytes that are there.
        left: u64,
    },
    /// The file contradicts itself or the standard.
    #[error("This DICOM file is damaged: {0}.")]
    Damaged(String),
    /// More than this program takes: nesting, elements, pixels, inflated bytes.
    #[error("This DICOM file is refused: {0}.")]
    Limit(String),
    /// A DICOM file without a picture: a report, a dose table, a waveform, a directory.
    #[error("This DICOM file holds no picture: it is {0}.")]
    NoPixels(String),
    /// A kind of coding that is not read here.
    #[error("This DICOM file uses {0}, which is not read here.")]
    Unsupported(String),
    /// The frame asked for is not in the file.
    #[error("Frame {asked} was asked for and the file has {frames}.")]
    NoSuchFrame {
        /// From 0.
        asked: u32,
        /// How many there are.
        frames: u32,
    },
    /// A frame's coded data do not decode.
    #[error("Frame {frame} does not decode ({coding}): {what}.")]
    Frame {
        /// From 1, as people count.
        frame: u32,
        /// The coding's name.
        coding: &'static str,
        /// What the decoder found.
        what: String,
    },
}
