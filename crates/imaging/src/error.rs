//! Why a file is refused, each in one sentence that a person can read.

use crate::Format;

/// Why a file is not taken. Every reason lies in the file, and its text may be shown as it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ImageError {
    /// 0 bytes.
    #[error("The file is empty: it has 0 bytes.")]
    Empty,
    /// No format that is known.
    #[error("This file is not a PNG, JPEG or WebP image.")]
    NotAnImage,
    /// A format that is known and not read.
    #[error("This file is a {0}: save it as PNG, JPEG or WebP.")]
    OtherFormat(&'static str),
    /// DICOM, which is opened in another way.
    #[error("This is a DICOM file and no photograph (PNG, JPEG, WebP).")]
    Dicom,
    /// A format that is read, in a kind that browsers do not show.
    #[error("This {} uses {what}, which browsers do not show: save it again as PNG or JPEG.", format.name())]
    Unsupported {
        /// The format.
        format: Format,
        /// What is not supported.
        what: String,
    },
    /// More than [`crate::MAX_PIXELS`].
    #[error("The picture has {width} × {height} pixels, {} megapixels: the limit is {}.",
        megapixels(*width, *height), crate::MAX_PIXELS / 1_000_000)]
    TooManyPixels {
        /// Stored width in pixels.
        width: u32,
        /// Stored height in pixels.
        height: u32,
    },
    /// The file ends before the picture does.
    #[error("This {} is cut off after {bytes} bytes: {missing}.", format.name())]
    Truncated {
        /// The format.
        format: Format,
        /// Length of the file.
        bytes: usize,
        /// What should have followed.
        missing: &'static str,
    },
    /// The file contradicts itself or its format.
    #[error("This {} is damaged: {what}.", format.name())]
    Damaged {
        /// The format.
        format: Format,
        /// What is wrong and where.
        what: String,
    },
}

/// Rounded up, so that a refused picture never seems to be exactly at the limit.
fn megapixels(width: u32, height: u32) -> u64 {
    (u64::from(width) * u64::from(height)).div_ceil(1_000_000)
}
