//! Full decoding, for tests and for the `imaging` command. Browsers decode by themselves.

use std::io::Cursor;

use image::{ColorType, DynamicImage, ImageFormat, ImageReader, Limits};
use sha2::{Digest, Sha256};

use crate::{Format, MAX_PIXELS, inspect};

/// A decoded picture, its pixels as they are stored: not turned, no colour profile applied.
#[derive(Clone, Debug, PartialEq)]
pub struct Pixels {
    /// Stored height.
    pub rows: u32,
    /// Stored width.
    pub columns: u32,
    /// Bits of one sample, 8 or 16.
    pub bits: u8,
    /// DICOM's word for the meaning of the samples (PS3.3 C.7.6.3.1.2).
    pub photometric: &'static str,
    image: DynamicImage,
}

impl Pixels {
    /// SHA-256 of all samples: rows from top to bottom, colour by pixel, little endian.
    pub fn sha256(&self) -> [u8; 32] {
        let mut hash = Sha256::new();
        if self.bits == 16 {
            // `image` keeps samples in the machine's own order.
            for sample in self.image.as_bytes().chunks_exact(2) {
                hash.update(u16::from_ne_bytes([sample[0], sample[1]]).to_le_bytes());
            }
        } else {
            hash.update(self.image.as_bytes());
        }
        hash.finalize().into()
    }
}

/// Decodes a picture; of an animation, its first image. A palette is applied.
///
/// # Errors
/// A sentence: why [`inspect`] refuses the file, or what the decoder found.
pub fn decode(bytes: &[u8]) -> Result<Pixels, String> {
    let photo = inspect(bytes).map_err(|error| error.to_string())?;
    let mut limits = Limits::default();
    // Four samples of 16 bits, and as much again for a decoder's own work.
    limits.max_alloc = Some(MAX_PIXELS * 16);
    let mut reader = ImageReader::with_format(Cursor::new(bytes), image_format(photo.format));
    reader.limits(limits);
    let image = reader
        .decode()
        .map_err(|error| format!("The picture does not decode: {error}."))?;
    let (bits, photometric) = match image.color() {
        ColorType::L8 | ColorType::La8 => (8, "MONOCHROME2"),
        ColorType::L16 | ColorType::La16 => (16, "MONOCHROME2"),
        ColorType::Rgb16 | ColorType::Rgba16 => (16, "RGB"),
        _ => (8, "RGB"),
    };
    Ok(Pixels {
        rows: image.height(),
        columns: image.width(),
        bits,
        photometric,
        image,
    })
}

fn image_format(format: Format) -> ImageFormat {
    match format {
        Format::Png => ImageFormat::Png,
        Format::Jpeg => ImageFormat::Jpeg,
        Format::WebP => ImageFormat::WebP,
    }
}
