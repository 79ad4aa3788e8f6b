//! Grey frames made smaller without loss, as high-throughput JPEG 2000. Each is decoded again and compared, because a
//! picture that changes on its way is worse than a large one.

use openjph_core::codestream::Codestream;
use openjph_core::file::MemOutfile;
use openjph_core::types::{Point, Size};

use super::jpeg2000;
use crate::dicom::PixelFormat;

/// Wavelet levels; small images have fewer.
const LEVELS: u32 = 5;
/// Smallest side of the last level.
const LEAST: u32 = 8;

/// The coded frames; `None` when there is nothing to gain: for colour and floating point, when a frame does not come
/// back bit by bit, or when all together are not smaller. Samples above BitsStored must be clear.
pub(crate) fn smaller(frames: &[Vec<u8>], format: &PixelFormat) -> Option<Vec<Vec<u8>>> {
    let grey = format.samples_per_pixel == 1
        && !format.float
        && matches!(format.bits_allocated, 8 | 16)
        && format.bits_stored >= 2;
    if !grey || frames.is_empty() {
        return None;
    }
    let before: usize = frames.iter().map(Vec::len).sum();
    let mut after = 0;
    let mut coded = Vec::with_capacity(frames.len());
    for frame in frames {
        let stream = encode(frame, format)?;
        let again = jpeg2000::decode(&stream, format).ok()?;
        after += stream.len();
        if again.bytes != *frame || after >= before {
            return None;
        }
        coded.push(stream);
    }
    Some(coded)
}

fn encode(frame: &[u8], format: &PixelFormat) -> Option<Vec<u8>> {
    let (columns, rows) = (format.columns, format.rows);
    let mut encoder = Codestream::new();
    let extent = encoder.access_siz_mut();
    extent.set_image_extent(Point::new(columns, rows));
    extent.set_tile_size(Size::new(columns, rows));
    extent.set_num_components(1);
    let bits = u32::from(format.bits_stored);
    extent.set_comp_info(0, Point::new(1, 1), bits, format.signed);
    let levels = (columns.min(rows) / LEAST).max(1).ilog2().min(LEVELS);
    let style = encoder.access_cod_mut();
    style.set_reversible(true);
    style.set_color_transform(false);
    style.set_num_decomposition(levels);
    style.set_block_dims(64, 64);
    let mut stream = MemOutfile::new();
    encoder.write_headers(&mut stream, &[]).ok()?;
    let mut line = Vec::with_capacity(columns as usize);
    for row in frame.chunks_exact(columns as usize * format.sample_bytes()) {
        line.clear();
        match (format.bits_allocated, format.signed) {
            (8, false) => line.extend(row.iter().map(|byte| i32::from(*byte))),
            (8, true) => line.extend(row.iter().map(|byte| i32::from(byte.cast_signed()))),
            (_, signed) => line.extend(row.as_chunks::<2>().0.iter().map(|word| {
                if signed {
                    i32::from(i16::from_le_bytes(*word))
                } else {
                    i32::from(u16::from_le_bytes(*word))
                }
            })),
        }
        encoder.exchange(&line, 0).ok()?;
    }
    encoder.flush(&mut stream).ok()?;
    Some(stream.get_data().to_vec())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::Photometric;

    fn format(bits_allocated: u16, bits_stored: u16, signed: bool) -> PixelFormat {
        PixelFormat {
            rows: 61,
            columns: 83,
            samples_per_pixel: 1,
            bits_allocated,
            bits_stored,
            bits_below: 0,
            signed,
            planar: false,
            photometric: Photometric::Monochrome2,
            float: false,
        }
    }

    /// A slope with a little noise, over the whole range of the stored values.
    fn frame(format: &PixelFormat) -> Vec<u8> {
        let least = if format.signed {
            -(1_i32 << (format.bits_stored - 1))
        } else {
            0
        };
        let most = (1_i32 << format.bits_stored) - 1;
        let mut state = 7_u32;
        let samples = (0..format.rows * format.columns).map(|at| {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let slope = (at % format.columns * 7 + at / format.columns * 3) as i32;
            least + (slope + (state >> 30) as i32).rem_euclid(most)
        });
        super::super::pack(samples, format)
    }

    #[test]
    fn every_width_and_sign_comes_back_and_is_smaller() {
        for (allocated, stored, signed) in [
            (8, 8, false),
            (8, 8, true),
            (16, 10, false),
            (16, 12, true),
            (16, 16, false),
            (16, 16, true),
        ] {
            let format = format(allocated, stored, signed);
            let frames = vec![frame(&format), frame(&format)];
            let coded = smaller(&frames, &format)
                .unwrap_or_else(|| panic!("{allocated} {stored} {signed}"));
            let bytes = |frames: &[Vec<u8>]| frames.iter().map(Vec::len).sum::<usize>();
            assert!(bytes(&coded) < bytes(&frames));
        }
    }

    #[test]
    fn noise_and_colour_stay_as_they_are() {
        let mut noise = format(8, 8, false);
        let mut state = 1_u32;
        let bytes: Vec<u8> = (0..noise.rows * noise.columns)
            .map(|_| {
                state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                (state >> 24) as u8
            })
            .collect();
        assert_eq!(smaller(&[bytes], &noise), None);
        noise.samples_per_pixel = 3;
        let colour = vec![0; (noise.rows * noise.columns * 3) as usize];
        assert_eq!(smaller(&[colour], &noise), None);
    }
}
