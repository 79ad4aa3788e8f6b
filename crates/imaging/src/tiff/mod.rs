//! TIFF 6.0 and BigTIFF: pages of one size as frames, decoded by the `tiff` crate behind our own look at the directory;
//! and cleaning, which copies strips and tiles byte for byte into a file with nothing else in it.

mod directory;
mod jpeg;
mod write;

use std::io::Cursor;

use tiff::ColorType;
use tiff::decoder::{Decoder, DecodingResult, Limits};

use crate::dicom::{Instance, MAX_FRAME_PIXELS};
use crate::open::{CleanedImage, Kind, OpenError, Taken};
use crate::raster::Raster;
use directory::{Directory, directories};

/// Compression as JPEG.
const JPEG: u64 = 7;
/// The most that all pages may take once decoded.
const MAX_BYTES: usize = 1 << 30;

pub(crate) use crate::intake::is_tiff as looks_like_tiff;

pub(crate) fn damaged(what: impl Into<String>) -> OpenError {
    OpenError::Damaged(Kind::Tiff, what.into())
}

pub(crate) fn unsupported(what: impl Into<String>) -> OpenError {
    OpenError::Unsupported(Kind::Tiff, what.into())
}

/// The pages that are pictures of their own: no thumbnails, no masks.
fn pages(bytes: &[u8]) -> Result<Vec<(usize, Directory)>, OpenError> {
    let all = directories(bytes)?;
    let pages: Vec<_> = all
        .into_iter()
        .enumerate()
        .filter(|(_, page)| page.number(directory::NEW_SUBFILE_TYPE).unwrap_or(0) & 0b101 == 0)
        .collect();
    if pages.is_empty() {
        return Err(damaged("it holds no picture"));
    }
    for (_, page) in &pages {
        let pixels = page.columns()?.saturating_mul(page.rows()?);
        if pixels == 0 {
            return Err(damaged("a picture in it has no pixels"));
        }
        if pixels > MAX_FRAME_PIXELS {
            return Err(OpenError::Limit(
                Kind::Tiff,
                format!(
                    "a picture in it has {pixels} pixels and the limit is {} million",
                    MAX_FRAME_PIXELS / 1_000_000
                ),
            ));
        }
        if !page.is_whole()? {
            return Err(damaged(
                "a picture in it has fewer bytes than its rows need",
            ));
        }
    }
    Ok(pages)
}

/// Decodes all pages.
pub(crate) fn open(bytes: &[u8]) -> Result<Instance, OpenError> {
    let pages = pages(bytes)?;
    let mut limits = Limits::default();
    limits.decoding_buffer_size = MAX_BYTES / pages.len();
    limits.intermediate_buffer_size = MAX_BYTES / 4;
    limits.ifd_value_size = bytes.len();
    let failed = |error: tiff::TiffError| match error {
        tiff::TiffError::LimitsExceeded => OpenError::Limit(
            Kind::Tiff,
            format!(
                "its {} pictures take more than {} MiB",
                pages.len(),
                MAX_BYTES >> 20
            ),
        ),
        tiff::TiffError::UnsupportedError(what) => unsupported(words(&what.to_string())),
        error => damaged(words(&error.to_string())),
    };
    let mut raster: Option<Raster> = None;
    for (index, page) in &pages {
        let next = if page.number(directory::COMPRESSION) == Some(JPEG) {
            jpeg::decode(bytes, page, limits.decoding_buffer_size).map_err(Failure::Ours)
        } else if page.is_palette() {
            // The decoder knows no palettes: the indices are read as if they were grey.
            let grey = page.as_grey();
            let (alone, _) = write::write(bytes, std::slice::from_ref(&grey), 0)?;
            decode(&alone, 0, page, &limits)
        } else {
            decode(bytes, *index, page, &limits)
        };
        let next = next.map_err(|error| match error {
            Failure::Decoder(error) => failed(error),
            Failure::Ours(error) => error,
        })?;
        match &mut raster {
            None => raster = Some(next),
            Some(all) if all.is_like(&next) => {
                all.bytes.extend_from_slice(&next.bytes);
                all.frames += 1;
            }
            Some(_) => return Err(unsupported("pages of different sizes or colours")),
        }
    }
    let raster = raster.ok_or_else(|| damaged("it holds no picture"))?;
    Ok(raster.into_instance(bytes)?)
}

enum Failure {
    Decoder(tiff::TiffError),
    Ours(OpenError),
}

/// Page `index` of a file, whose directory is `page`.
fn decode(
    bytes: &[u8],
    index: usize,
    page: &Directory,
    limits: &Limits,
) -> Result<Raster, Failure> {
    let mut decoder = Decoder::new(Cursor::new(bytes))
        .map_err(Failure::Decoder)?
        .with_limits(limits.clone());
    decoder.seek_to_image(index).map_err(Failure::Decoder)?;
    let colour = decoder.colortype().map_err(Failure::Decoder)?;
    let mut samples = DecodingResult::U8(Vec::new());
    let layout = decoder
        .read_image_to_buffer(&mut samples)
        .map_err(Failure::Decoder)?;
    if samples.as_buffer(0).as_bytes().len() < layout.complete_len {
        let what = "a picture in it is larger than it says";
        return Err(Failure::Ours(damaged(what)));
    }
    one(page, colour, samples).map_err(Failure::Ours)
}

/// A decoder's message as the end of a sentence.
fn words(message: &str) -> String {
    message.trim_end_matches('.').chars().take(120).collect()
}

fn one(page: &Directory, colour: ColorType, samples: DecodingResult) -> Result<Raster, OpenError> {
    let (rows, columns) = (page.rows()? as u32, page.columns()? as u32);
    let (count, bits, photometric) = match colour {
        ColorType::Gray(bits) if page.is_palette() => (1, bits, "PALETTE COLOR"),
        ColorType::Gray(bits) => (1, bits, "MONOCHROME2"),
        ColorType::RGB(bits) => (3, bits, "RGB"),
        ColorType::YCbCr(bits) => (3, bits, "YBR_FULL"),
        ColorType::GrayA(_) | ColorType::RGBA(_) | ColorType::CMYKA(_) => {
            return Err(unsupported("transparency"));
        }
        ColorType::CMYK(_) => return Err(unsupported("colours for print (CMYK)")),
        _ => return Err(unsupported("colours that no screen has")),
    };
    macro_rules! bytes {
        ($all:ident) => {
            $all.iter()
                .flat_map(|sample| sample.to_le_bytes())
                .collect()
        };
    }
    let (signed, float, bytes): (bool, bool, Vec<u8>) = match samples {
        DecodingResult::U8(all) if bits < 8 => (false, false, unpack(&all, columns, bits)),
        DecodingResult::U8(all) => (false, false, all),
        DecodingResult::U16(all) => (false, false, bytes!(all)),
        DecodingResult::U32(all) => (false, false, bytes!(all)),
        DecodingResult::I8(all) => (true, false, bytes!(all)),
        DecodingResult::I16(all) => (true, false, bytes!(all)),
        DecodingResult::I32(all) => (true, false, bytes!(all)),
        DecodingResult::F32(all) => (false, true, bytes!(all)),
        DecodingResult::F64(all) => (false, true, bytes!(all)),
        _ => return Err(unsupported("samples of a rare kind")),
    };
    let allocated = u16::from(bits).max(8);
    if !matches!(allocated, 8 | 16 | 32 | 64) || (count == 3 && allocated > 16) {
        return Err(unsupported(format!("samples of {bits} bits")));
    }
    let expected = rows as usize * columns as usize * count * usize::from(allocated / 8);
    if bytes.len() != expected {
        return Err(damaged(format!(
            "a picture in it has {} bytes where {expected} belong",
            bytes.len()
        )));
    }
    Ok(Raster {
        rows,
        columns,
        frames: 1,
        samples: count as u16,
        allocated,
        stored: if bits < 8 { u16::from(bits) } else { allocated },
        signed,
        float,
        planar: count == 3 && page.number(directory::PLANAR_CONFIGURATION) == Some(2),
        photometric,
        palette: if page.is_palette() {
            Some(
                page.palette(bits)
                    .ok_or_else(|| damaged("its palette is missing"))?,
            )
        } else {
            None
        },
        modality: "TIFF",
        bytes,
    })
}

/// Samples of 1, 2 or 4 bits, each row filled up to a byte, to one byte each.
fn unpack(packed: &[u8], columns: u32, bits: u8) -> Vec<u8> {
    let columns = columns as usize;
    let each = 8 / usize::from(bits.max(1));
    let stride = columns.div_ceil(each);
    let sample = |row: &[u8], column: usize| {
        let shift = 8 - usize::from(bits) * (column % each + 1);
        row[column / each] >> shift & ((1 << bits) - 1)
    };
    packed
        .chunks_exact(stride)
        .flat_map(|row| (0..columns).map(move |column| sample(row, column)))
        .collect()
}

impl Raster {
    fn is_like(&self, other: &Raster) -> bool {
        let shape = |raster: &Raster| {
            (
                raster.rows,
                raster.columns,
                raster.samples,
                raster.allocated,
                raster.signed,
                raster.float,
                raster.planar,
            )
        };
        shape(self) == shape(other)
            && self.photometric == other.photometric
            && self.palette == other.palette
    }
}

/// Writes the pages anew without a word.
pub(crate) fn clean(bytes: &[u8]) -> Result<CleanedImage, OpenError> {
    let pages = pages(bytes)?;
    let hidden = directories(bytes)?.len() - pages.len();
    let pages: Vec<Directory> = pages.into_iter().map(|(_, page)| page).collect();
    let (cleaned, Taken { removed, said }) = write::write(bytes, &pages, hidden)?;
    let mut rest = Vec::new();
    let mut chunks: Vec<_> = directories(&cleaned)?
        .into_iter()
        .flat_map(|page| page.chunks)
        .collect();
    chunks.sort_by_key(|chunk| chunk.start);
    let mut from = 0;
    for chunk in chunks {
        rest.extend_from_slice(cleaned.get(from..chunk.start).unwrap_or_default());
        from = from.max(chunk.end);
    }
    rest.extend_from_slice(cleaned.get(from..).unwrap_or_default());
    Ok(CleanedImage {
        kind: Kind::Tiff,
        bytes: cleaned,
        removed,
        warnings: Vec::new(),
        said,
        rest,
    })
}

/// The same pages with other pixels, without compression.
pub(crate) fn with_pixels(
    bytes: &[u8],
    instance: &Instance,
    frames: Vec<Vec<u8>>,
) -> Result<Vec<u8>, OpenError> {
    let pages = pages(bytes)?;
    write::plainly(&pages, instance, frames)
}
