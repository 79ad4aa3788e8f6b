//! One entry for every file whose picture browsers do not show by themselves: DICOM, TIFF, NIfTI. A viewer gets an
//! [`Instance`] of each, and whoever passes files on gets them cleaned.

use std::fmt;

use bytes::Bytes;
use serde::{Deserialize, Serialize};

use crate::dicom::{ImagingError, Instance, looks_like_dicom};
use crate::{Removed, nifti, tiff};

/// A format, from a file's first bytes and never from its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum Kind {
    /// DICOM, cleaned by [`deid`](crate::deid).
    #[serde(rename = "DICOM")]
    Dicom,
    /// TIFF and BigTIFF.
    #[serde(rename = "TIFF")]
    Tiff,
    /// NIfTI-1 and NIfTI-2 in one file, packed by gzip or not.
    #[serde(rename = "NIfTI")]
    Nifti,
}

impl Kind {
    /// The usual ending of a file name, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Kind::Dicom => "dcm",
            Kind::Tiff => "tif",
            Kind::Nifti => "nii",
        }
    }
}

impl fmt::Display for Kind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Kind::Dicom => "DICOM",
            Kind::Tiff => "TIFF",
            Kind::Nifti => "NIfTI",
        })
    }
}

/// Why a file is refused, in one sentence that may be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// A DICOM file.
    #[error(transparent)]
    Dicom(#[from] ImagingError),
    /// The file ends early or contradicts itself.
    #[error("This {0} file is damaged: {1}.")]
    Damaged(Kind, String),
    /// A kind of the format that is not read here.
    #[error("This {0} file uses {1}, which is not read here.")]
    Unsupported(Kind, String),
    /// More than is taken.
    #[error("This {0} file is refused: {1}.")]
    Limit(Kind, String),
    /// None of the formats.
    #[error("This file is not DICOM, TIFF or NIfTI.")]
    Unknown,
}

/// What a file is; `None` for what is none of these, photographs too.
pub fn kind_of(bytes: &[u8]) -> Option<Kind> {
    if tiff::looks_like_tiff(bytes) && bytes.get(128..132) != Some(b"DICM") {
        Some(Kind::Tiff)
    } else if nifti::looks_like_nifti(bytes) {
        Some(Kind::Nifti)
    } else if looks_like_dicom(bytes) {
        Some(Kind::Dicom)
    } else {
        None
    }
}

/// Opens a file for a viewer. TIFF and NIfTI come as an instance in memory, their pixels decoded and whole.
///
/// # Errors
/// [`OpenError`].
pub fn open(bytes: impl Into<Bytes>) -> Result<Instance, OpenError> {
    let bytes = bytes.into();
    match kind_of(&bytes) {
        Some(Kind::Tiff) => tiff::open(&bytes),
        Some(Kind::Nifti) => nifti::open(&bytes),
        Some(Kind::Dicom) => Ok(Instance::parse(bytes)?),
        None => Err(OpenError::Unknown),
    }
}

/// A cleaned file, and what was taken out.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanedImage {
    /// What it is.
    pub kind: Kind,
    /// The new file.
    pub bytes: Vec<u8>,
    /// One entry for each field, and for each kind of thing that is no field.
    pub removed: Vec<Removed>,
    /// What a person should know before sharing.
    pub warnings: Vec<String>,
    /// What the fields said. It is for the search of what is left, and stays here.
    pub(crate) said: Vec<Said>,
    /// All of the new file but its pixels, unpacked: what is searched.
    pub(crate) rest: Vec<u8>,
}

/// The value of a field that does not stay.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Said {
    /// As in [`Removed::what`].
    pub(crate) field: String,
    pub(crate) value: Vec<u8>,
}

/// What a format's cleaning took out, field by field.
#[derive(Debug, Default)]
pub(crate) struct Taken {
    pub(crate) removed: Vec<Removed>,
    pub(crate) said: Vec<Said>,
}

impl Taken {
    /// Something that is no field, or says nothing; no bytes are no removal.
    pub(crate) fn add(&mut self, what: &str, bytes: usize) {
        match self.removed.iter_mut().find(|one| one.what == what) {
            _ if bytes == 0 => {}
            Some(one) => one.bytes += bytes,
            None => self.removed.push(Removed {
                what: what.to_owned(),
                bytes,
            }),
        }
    }

    /// A field with its value; `overhead` bytes go with it.
    pub(crate) fn field(&mut self, field: &str, value: &[u8], overhead: usize) {
        self.add(field, value.len() + overhead);
        if !value.is_empty() {
            self.said.push(Said {
                field: field.to_owned(),
                value: value.to_vec(),
            });
        }
    }
}

/// Writes a TIFF or NIfTI file anew with nothing in it but pictures; coded pixels are copied byte for byte.
///
/// # Errors
/// [`OpenError`]; [`OpenError::Unknown`] for DICOM too, which [`Study`](crate::deid::Study) cleans.
pub fn clean_image(bytes: &[u8]) -> Result<CleanedImage, OpenError> {
    match kind_of(bytes) {
        Some(Kind::Tiff) => tiff::clean(bytes),
        Some(Kind::Nifti) => nifti::clean(bytes),
        Some(Kind::Dicom) | None => Err(OpenError::Unknown),
    }
}

/// A file that [`clean_image`] gave, with other pixels in it: frame after frame as
/// [`Instance::stored_frame`] gives them.
pub(crate) fn with_pixels(
    bytes: &[u8],
    instance: &Instance,
    frames: Vec<Vec<u8>>,
) -> Result<Vec<u8>, OpenError> {
    match kind_of(bytes) {
        Some(Kind::Tiff) => tiff::with_pixels(bytes, instance, frames),
        Some(Kind::Nifti) => nifti::with_pixels(bytes, frames),
        Some(Kind::Dicom) | None => Err(OpenError::Unknown),
    }
}
