//! Pages coded as JPEG (TIFF Technical Note 2), by the decoder that DICOM's frames have: each strip or tile is a stream of
//! its own, its tables mostly written once for all.

use super::directory::{self, Directory};
use super::{damaged, unsupported};
use crate::codec::{self, Decoded};
use crate::dicom::{Coding, Photometric, PixelFormat, Samples, interpret};
use crate::open::{Kind, OpenError};
use crate::raster::Raster;

const JPEG_TABLES: u16 = 347;
const WHITE_IS_ZERO: u64 = 0;
const YCBCR: u64 = 6;

/// Decodes a page into at most `most` bytes.
pub(super) fn decode(bytes: &[u8], page: &Directory, most: usize) -> Result<Raster, OpenError> {
    let (rows, columns) = (page.rows()? as usize, page.columns()? as usize);
    let bits = page.numbers(directory::BITS);
    let samples = bits.len().max(1);
    let apart = page.number(directory::PLANAR_CONFIGURATION) == Some(2);
    if bits.iter().any(|bits| *bits != 8) || !matches!(samples, 1 | 3) || (apart && samples > 1) {
        return Err(unsupported("JPEG of a rare kind"));
    }
    if rows * columns * samples > most {
        let what = format!("a picture in it takes more than {} MiB", most >> 20);
        return Err(OpenError::Limit(Kind::Tiff, what));
    }
    let photometric = page.number(directory::PHOTOMETRIC);
    let places = places(page, rows, columns)?;
    let tables = page.fields.get(&JPEG_TABLES);
    let tables = tables.map_or(&[][..], |field| without_ends(&field.bytes));
    let mut out = vec![0; rows * columns * samples];
    for (chunk, [left, top, width, height]) in page.chunks.iter().zip(places) {
        let coded = bytes.get(chunk.clone()).unwrap_or_default();
        let stream = [&[0xFF, 0xD8], tables, coded.get(2..).unwrap_or_default()].concat();
        let format = PixelFormat {
            rows: height as u32,
            columns: width as u32,
            samples_per_pixel: samples as u16,
            bits_allocated: 8,
            bits_stored: 8,
            bits_below: 0,
            signed: false,
            planar: false,
            photometric: match (samples, photometric) {
                (1, _) => Photometric::Monochrome2,
                (_, Some(YCBCR)) => Photometric::YbrFull,
                _ => Photometric::Rgb,
            },
            float: false,
        };
        let decoded = codec::decode(Coding::Jpeg, &stream, &format, false).map_err(damaged)?;
        // What is coded is what the page says, not what a marker in the stream would say to others.
        let decoded = Decoded {
            colour: codec::Colour::AsStated,
            ..decoded
        };
        let pixels = match interpret(&format, None, decoded)?.samples {
            Samples::Rgb8(pixels) | Samples::U8(pixels) => pixels,
            _ => return Err(damaged("its colours make no sense")),
        };
        // A tile may reach beyond the page.
        let (wide, high) = (width.min(columns - left), height.min(rows - top));
        for row in 0..high {
            let from = &pixels[row * width * samples..][..wide * samples];
            let to = ((top + row) * columns + left) * samples;
            out[to..to + from.len()].copy_from_slice(from);
        }
    }
    if photometric == Some(WHITE_IS_ZERO) && samples == 1 {
        out.iter_mut().for_each(|sample| *sample = 255 - *sample);
    }
    Ok(Raster {
        rows: rows as u32,
        columns: columns as u32,
        frames: 1,
        samples: samples as u16,
        allocated: 8,
        stored: 8,
        signed: false,
        float: false,
        planar: false,
        photometric: if samples == 3 { "RGB" } else { "MONOCHROME2" },
        palette: None,
        modality: "TIFF",
        bytes: out,
    })
}

/// Left, top, width and height of each strip or tile.
fn places(page: &Directory, rows: usize, columns: usize) -> Result<Vec<[usize; 4]>, OpenError> {
    let side = |tag| {
        page.number(tag)
            .and_then(|side| usize::try_from(side).ok())
            .filter(|side| (1..=65_535).contains(side))
    };
    let places: Vec<[usize; 4]> = if page.fields.contains_key(&directory::TILE_OFFSETS) {
        let (Some(wide), Some(high)) = (side(directory::TILE_WIDTH), side(directory::TILE_HEIGHT))
        else {
            return Err(damaged("its tiles have no size"));
        };
        (0..rows)
            .step_by(high)
            .flat_map(|top| {
                (0..columns)
                    .step_by(wide)
                    .map(move |left| [left, top, wide, high])
            })
            .collect()
    } else {
        let each = side(directory::ROWS_PER_STRIP).unwrap_or(rows).min(rows);
        (0..rows)
            .step_by(each)
            .map(|top| [0, top, columns, each.min(rows - top)])
            .collect()
    };
    if places.len() == page.chunks.len() {
        Ok(places)
    } else {
        Err(damaged(
            "it has not as many strips or tiles as its size needs",
        ))
    }
}

/// Tables without the markers that begin and end a stream.
fn without_ends(tables: &[u8]) -> &[u8] {
    let tables = tables.strip_prefix(&[0xFF, 0xD8]).unwrap_or(tables);
    tables.strip_suffix(&[0xFF, 0xD9]).unwrap_or(tables)
}
