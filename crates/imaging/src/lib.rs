//! Images before they leave the browser: recognised, bounded, checked for completeness and freed of
//! everything that is not the picture. With the feature `dicom` also DICOM, TIFF and NIfTI: opened by `open`,
//! decoded, shown, measured and de-identified.
//!
//! Of photographs (PNG, JPEG, WebP), [`inspect`] reads a file's structure to its end without decoding a pixel; [`clean`] writes it anew
//! with nothing in it but what a decoder needs. Coded picture data is copied byte for byte, so a
//! cleaned picture looks exactly as before. Both are pure and work in a Web Worker.
//!
//! What is *in* a photograph (a face, a wristband, a burnt-in name) is not looked at here, and these two
//! refuse DICOM with a sentence that says that it is no photograph.

mod error;
mod exif;
mod icc;
mod jpeg;
mod png;
mod walk;
mod webp;

#[cfg(feature = "dicom")]
pub mod archive;
#[cfg(feature = "dicom")]
mod codec;
#[cfg(feature = "decode")]
pub mod decode;
#[cfg(feature = "dicom")]
pub mod deid;
pub mod desk;
#[cfg(feature = "dicom")]
pub mod dicom;
pub mod intake;
pub mod measure;
#[cfg(feature = "dicom")]
mod nifti;
#[cfg(feature = "dicom")]
mod open;
#[cfg(feature = "dicom")]
mod raster;
pub mod render;
#[cfg(feature = "dicom")]
pub mod report;
pub mod stage;
#[cfg(feature = "dicom")]
mod tiff;

pub use error::ImageError;
#[cfg(feature = "dicom")]
pub use open::{CleanedImage, Kind, OpenError, clean_image, kind_of, open};

use serde::{Deserialize, Serialize};
use walk::{Walk, kind};

/// The most pixels a picture may have: beyond it a browser tab runs out of memory on decoding
/// (4 bytes a pixel, twice while it is drawn).
pub const MAX_PIXELS: u64 = 100_000_000;

/// A file format that is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// PNG and animated PNG.
    Png,
    /// JPEG in its baseline, extended and progressive kinds with 8 bits.
    Jpeg,
    /// WebP: lossy, lossless, animated.
    WebP,
}

impl Format {
    /// The media type.
    pub fn mime(self) -> &'static str {
        match self {
            Format::Png => "image/png",
            Format::Jpeg => "image/jpeg",
            Format::WebP => "image/webp",
        }
    }

    /// The usual ending of a file name, without the dot.
    pub fn extension(self) -> &'static str {
        match self {
            Format::Png => "png",
            Format::Jpeg => "jpg",
            Format::WebP => "webp",
        }
    }

    fn name(self) -> &'static str {
        match self {
            Format::Png => "PNG",
            Format::Jpeg => "JPEG",
            Format::WebP => "WebP",
        }
    }
}

/// What a file's structure says about the picture in it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Photo {
    /// The file format, from the bytes and never from a name.
    pub format: Format,
    /// Width in pixels as a browser shows it, that is with the orientation applied.
    pub width: u32,
    /// Height in pixels as a browser shows it.
    pub height: u32,
    /// How the stored pixels are turned or mirrored to be shown: Exif's 1 (as stored) to 8.
    pub orientation: u8,
    /// Length of the file in bytes.
    pub bytes: usize,
    /// The media type.
    pub mime: &'static str,
}

/// One kind of thing that [`clean`] took out.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Removed {
    /// Its kind in plain words, never its content: "Exif (camera, place, time)".
    pub what: String,
    /// How many bytes of the file it took.
    pub bytes: usize,
}

impl Removed {
    /// Its kind's short form, for receipts that have to be small: "exif".
    pub fn code(&self) -> &'static str {
        let kind = kind::ALL.iter().find(|(_, what)| *what == self.what);
        kind.map_or("other", |(code, _)| code)
    }
}

/// What a short form stands for, in plain words.
pub fn removed_by(code: &str) -> &'static str {
    let kind = kind::ALL.iter().find(|(known, _)| *known == code);
    kind.map_or(kind::OTHER, |(_, what)| what)
}

/// A picture without metadata.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Cleaned {
    /// The new file.
    pub bytes: Vec<u8>,
    /// What is in it.
    pub photo: Photo,
    /// What was taken out, one entry for each kind; empty when there was nothing.
    pub removed: Vec<Removed>,
}

/// Reads a file's structure to its end.
///
/// # Errors
/// An [`ImageError`], whose text is one sentence for the person who chose the file: it is empty, not a
/// picture of a format that is read, cut off, damaged, or larger than [`MAX_PIXELS`].
pub fn inspect(bytes: &[u8]) -> Result<Photo, ImageError> {
    let (format, walk) = read(bytes)?;
    Ok(photo(format, &walk, bytes.len()))
}

/// Writes a file anew with nothing in it but the picture, its colours and its orientation.
///
/// # Errors
/// As [`inspect`]: what does not parse to its end is refused, never passed on half cleaned.
pub fn clean(bytes: &[u8]) -> Result<Cleaned, ImageError> {
    let (format, walk) = read(bytes)?;
    let out = walk.assemble(bytes);
    Ok(Cleaned {
        photo: photo(format, &walk, out.len()),
        bytes: out,
        removed: walk.into_removed(),
    })
}

fn read(bytes: &[u8]) -> Result<(Format, Walk), ImageError> {
    let format = recognise(bytes)?;
    let walk = match format {
        Format::Png => png::walk(bytes),
        Format::Jpeg => jpeg::walk(bytes),
        Format::WebP => webp::walk(bytes),
    }?;
    Ok((format, walk))
}

fn photo(format: Format, walk: &Walk, bytes: usize) -> Photo {
    let (width, height) = if walk.orientation >= 5 {
        (walk.height, walk.width)
    } else {
        (walk.width, walk.height)
    };
    Photo {
        format,
        width,
        height,
        orientation: walk.orientation,
        bytes,
        mime: format.mime(),
    }
}

/// Refuses a picture without pixels or with more than [`MAX_PIXELS`].
fn check_size(format: Format, width: u32, height: u32) -> Result<(), ImageError> {
    if width == 0 || height == 0 {
        return Err(ImageError::Damaged {
            format,
            what: format!("it says that it is {width} × {height} pixels large"),
        });
    }
    if u64::from(width) * u64::from(height) > MAX_PIXELS {
        return Err(ImageError::TooManyPixels { width, height });
    }
    Ok(())
}

fn recognise(bytes: &[u8]) -> Result<Format, ImageError> {
    let at = |offset: usize, magic: &[u8]| {
        bytes
            .get(offset..)
            .is_some_and(|rest| rest.starts_with(magic))
    };
    if bytes.is_empty() {
        Err(ImageError::Empty)
    } else if at(0, png::SIGNATURE) {
        Ok(Format::Png)
    } else if at(0, &[0xFF, 0xD8]) {
        Ok(Format::Jpeg)
    } else if at(0, b"RIFF") && at(8, b"WEBP") {
        Ok(Format::WebP)
    } else if at(128, b"DICM") {
        Err(ImageError::Dicom)
    } else if at(4, b"ftyp")
        && [b"heic", b"heix", b"mif1", b"hevc"]
            .iter()
            .any(|brand| at(8, *brand))
    {
        Err(ImageError::OtherFormat("HEIC"))
    } else if at(4, b"ftypavif") {
        Err(ImageError::OtherFormat("AVIF"))
    } else if at(0, b"GIF8") {
        Err(ImageError::OtherFormat("GIF"))
    } else if at(0, b"II*\0") || at(0, b"MM\0*") {
        Err(ImageError::OtherFormat("TIFF"))
    } else if at(0, b"%PDF") {
        Err(ImageError::OtherFormat("PDF"))
    } else {
        Err(ImageError::NotAnImage)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_data_has_a_short_form_of_its_own() {
        for (_, what) in kind::ALL {
            let removed = Removed {
                what: what.to_owned(),
                bytes: 1,
            };
            assert_eq!(removed_by(removed.code()), what);
        }
        assert_eq!(removed_by("of a later release"), kind::OTHER);
    }

    #[test]
    fn says_what_a_file_is_when_it_is_not_a_photograph_we_read() {
        let sentence = |bytes: &[u8]| inspect(bytes).expect_err("refused").to_string();
        assert_eq!(sentence(b""), "The file is empty: it has 0 bytes.");
        assert_eq!(
            sentence(b"hello"),
            "This file is not a PNG, JPEG or WebP image."
        );
        assert_eq!(
            sentence(b"GIF89a"),
            "This file is a GIF: save it as PNG, JPEG or WebP."
        );
        assert_eq!(
            sentence(b"\0\0\0\x18ftypheic"),
            "This file is a HEIC: save it as PNG, JPEG or WebP."
        );
        let mut dicom = vec![0; 128];
        dicom.extend(b"DICM");
        assert_eq!(
            sentence(&dicom),
            "This is a DICOM file and no photograph (PNG, JPEG, WebP)."
        );
        assert_eq!(
            sentence(b"RIFF\0\0\0\0WAVE"),
            "This file is not a PNG, JPEG or WebP image."
        );
    }

    #[test]
    fn the_limit_is_100_megapixels() {
        assert!(check_size(Format::Png, 10_000, 10_000).is_ok());
        assert_eq!(
            check_size(Format::Png, 20_000, 20_000)
                .expect_err("refused")
                .to_string(),
            "The picture has 20000 × 20000 pixels, 400 megapixels: the limit is 100."
        );
        assert!(check_size(Format::Png, u32::MAX, u32::MAX).is_err());
        assert!(check_size(Format::Png, 0, 5).is_err());
    }
}
