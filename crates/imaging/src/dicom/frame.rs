//! From stored samples to numbers or colours that can be drawn.

use super::error::ImagingError;
use super::head::{Photometric, PixelFormat};
use super::lut::Lut;
use crate::codec::{Colour, Decoded};

/// One decoded frame. Rows from top to bottom, a row from left to right.
#[derive(Clone, Debug, PartialEq)]
pub struct Frame {
    /// Height.
    pub rows: u32,
    /// Width.
    pub columns: u32,
    /// `rows × columns` numbers, or three times as many bytes for [`Samples::Rgb8`].
    pub samples: Samples,
}

/// The samples of a frame, in the smallest type that holds BitsStored with its sign. Grey numbers are before the
/// modality LUT. Colour of any kind, palettes too, comes as RGB with 8 bits.
#[derive(Clone, Debug, PartialEq)]
#[allow(missing_docs)]
pub enum Samples {
    U8(Vec<u8>),
    I8(Vec<i8>),
    U16(Vec<u16>),
    I16(Vec<i16>),
    U32(Vec<u32>),
    I32(Vec<i32>),
    F32(Vec<f32>),
    F64(Vec<f64>),
    Rgb8(Vec<u8>),
}

impl Samples {
    /// Bytes that they take in memory.
    pub fn bytes(&self) -> usize {
        match self {
            Samples::U8(all) | Samples::Rgb8(all) => all.len(),
            Samples::I8(all) => all.len(),
            Samples::U16(all) => all.len() * 2,
            Samples::I16(all) => all.len() * 2,
            Samples::U32(all) => all.len() * 4,
            Samples::I32(all) => all.len() * 4,
            Samples::F32(all) => all.len() * 4,
            Samples::F64(all) => all.len() * 8,
        }
    }
}

/// Uncompressed YBR_FULL_422 has its chroma once for two pixels.
fn is_subsampled(format: &PixelFormat) -> bool {
    format.photometric == Photometric::YbrFull422 && format.samples_per_pixel == 3
}

/// Bits that one frame takes when it is not compressed. Bits of one frame follow those of the one before without a gap
/// (PS3.5 section 8.1.1).
pub(crate) fn native_bits(format: &PixelFormat) -> u64 {
    let samples = if is_subsampled(format) {
        format.frame_pixels() * 2
    } else {
        format.frame_samples()
    };
    samples as u64 * u64::from(format.bits_allocated)
}

/// Frame `index` (from 0) of pixels that are not compressed.
pub(crate) fn native(
    format: &PixelFormat,
    bytes: &[u8],
    index: u32,
) -> Result<Decoded, ImagingError> {
    let bits = native_bits(format);
    let (start, end) = (bits * u64::from(index), bits * (u64::from(index) + 1));
    if end.div_ceil(8) > bytes.len() as u64 {
        return Err(ImagingError::Truncated {
            what: format!("frame {}", index + 1),
            needed: bits.div_ceil(8),
            left: (bytes.len() as u64).saturating_sub(start / 8),
        });
    }
    let bytes = if format.bits_allocated == 1 {
        (start..end)
            .map(|bit| bytes[(bit / 8) as usize] >> (bit % 8) & 1)
            .collect()
    } else {
        let stored = &bytes[(start / 8) as usize..(end / 8) as usize];
        if is_subsampled(format) {
            widen_422(format, stored)
        } else if format.planar {
            interleave(format, stored)
        } else {
            stored.to_vec()
        }
    };
    Ok(Decoded {
        bytes,
        colour: Colour::AsStated,
    })
}

/// Y Y Cb Cr to Y Cb Cr, Y Cb Cr: chroma of both pixels of a pair is the same (PS3.3 C.7.6.3.1.2).
fn widen_422(format: &PixelFormat, stored: &[u8]) -> Vec<u8> {
    let size = format.sample_bytes();
    let mut out = Vec::with_capacity(format.frame_samples() * size);
    for pair in stored.chunks_exact(4 * size) {
        let (luma, chroma) = pair.split_at(2 * size);
        for y in luma.chunks_exact(size) {
            out.extend_from_slice(y);
            out.extend_from_slice(chroma);
        }
    }
    // A frame with an odd number of pixels ends in half a pair.
    out.resize(format.frame_samples() * size, 0);
    out
}

/// Planes to pixels.
pub(crate) fn interleave(format: &PixelFormat, planes: &[u8]) -> Vec<u8> {
    let (size, pixels) = (format.sample_bytes(), format.frame_pixels());
    let samples = usize::from(format.samples_per_pixel);
    let mut out = vec![0; pixels * samples * size];
    for (sample, plane) in planes.chunks_exact(pixels * size).enumerate().take(samples) {
        for (pixel, value) in plane.chunks_exact(size).enumerate() {
            let at = (pixel * samples + sample) * size;
            out[at..at + size].copy_from_slice(value);
        }
    }
    out
}

/// Numbers or colours from stored samples.
pub(crate) fn interpret(
    format: &PixelFormat,
    palette: Option<&[Lut; 3]>,
    decoded: Decoded,
) -> Result<Frame, ImagingError> {
    let samples = if format.float {
        floats(format, &decoded.bytes)?
    } else if format.samples_per_pixel >= 3 {
        Samples::Rgb8(colours(format, decoded)?)
    } else {
        return of_numbers(format, palette, grey(format, decoded.bytes)?);
    };
    Ok(whole(format, samples))
}

/// A frame of numbers: grey values, or indices into the palette.
pub(crate) fn of_numbers(
    format: &PixelFormat,
    palette: Option<&[Lut; 3]>,
    numbers: Samples,
) -> Result<Frame, ImagingError> {
    let samples = match (format.photometric, palette) {
        (Photometric::Palette, Some(palette)) => Samples::Rgb8(paint(numbers, palette)),
        (Photometric::Palette, None) => {
            return Err(ImagingError::Damaged(
                "it is PALETTE COLOR and has no palette".to_owned(),
            ));
        }
        _ => numbers,
    };
    Ok(whole(format, samples))
}

fn whole(format: &PixelFormat, samples: Samples) -> Frame {
    Frame {
        rows: format.rows,
        columns: format.columns,
        samples,
    }
}

fn floats(format: &PixelFormat, bytes: &[u8]) -> Result<Samples, ImagingError> {
    match format.bits_allocated {
        32 => Ok(Samples::F32(words(bytes, f32::from_le_bytes))),
        64 => Ok(Samples::F64(words(bytes, f64::from_le_bytes))),
        bits => Err(ImagingError::Damaged(format!(
            "its pixels are floating point with {bits} bits"
        ))),
    }
}

fn words<const N: usize, T>(bytes: &[u8], read: fn([u8; N]) -> T) -> Vec<T> {
    bytes
        .as_chunks::<N>()
        .0
        .iter()
        .map(|word| read(*word))
        .collect()
}

fn grey(format: &PixelFormat, bytes: Vec<u8>) -> Result<Samples, ImagingError> {
    Ok(match (format.bits_allocated, format.signed) {
        (1, _) | (8, false) => Samples::U8(bytes),
        (8, true) => Samples::I8(words(&bytes, i8::from_le_bytes)),
        (16, false) => Samples::U16(words(&bytes, u16::from_le_bytes)),
        (16, true) => Samples::I16(words(&bytes, i16::from_le_bytes)),
        (32, false) => Samples::U32(words(&bytes, u32::from_le_bytes)),
        (32, true) => Samples::I32(words(&bytes, i32::from_le_bytes)),
        (bits, _) => {
            return Err(ImagingError::Unsupported(format!(
                "grey pixels with {bits} bits"
            )));
        }
    })
}

/// Red, green and blue with 8 bits, from RGB or YBR of any depth.
fn colours(format: &PixelFormat, decoded: Decoded) -> Result<Vec<u8>, ImagingError> {
    let colour = decoded.colour;
    let bytes = match format.bits_allocated {
        8 if format.bits_stored < 8 => {
            let up = 8 - format.bits_stored;
            decoded.bytes.into_iter().map(|byte| byte << up).collect()
        }
        8 => decoded.bytes,
        16 => {
            let down = format.bits_stored.max(8) - 8;
            words(&decoded.bytes, u16::from_le_bytes)
                .into_iter()
                .map(|word| (word >> down) as u8)
                .collect()
        }
        bits => {
            return Err(ImagingError::Unsupported(format!(
                "colour pixels with {bits} bits"
            )));
        }
    };
    let mut bytes: Vec<u8> = bytes;
    if format.samples_per_pixel == 4 {
        return Err(ImagingError::Unsupported(
            "colour with four samples".to_owned(),
        ));
    }
    let to_rgb = |pixel: &mut [u8; 3]| *pixel = ybr_to_rgb(pixel.map(i32::from));
    match format.photometric {
        _ if is_full_ybr(format, colour) => {
            bytes.as_chunks_mut::<3>().0.iter_mut().for_each(to_rgb)
        }
        Photometric::YbrPartial422 | Photometric::YbrPartial420 if colour != Colour::Rgb => {
            bytes.as_chunks_mut::<3>().0.iter_mut().for_each(|pixel| {
                // Luma 16 to 235, chroma 16 to 240 (ITU-R BT.601).
                let stretch = |value: u8, low: f32, range: f32| {
                    ((f32::from(value) - low) * 255.0 / range).round()
                };
                let y = stretch(pixel[0], 16.0, 219.0).clamp(0.0, 255.0) as u8;
                let chroma = |value| (stretch(value, 128.0, 224.0) + 128.0).clamp(0.0, 255.0) as u8;
                *pixel = [y, chroma(pixel[1]), chroma(pixel[2])];
                to_rgb(pixel);
            });
        }
        _ => {}
    }
    Ok(bytes)
}

/// Whether samples are luma and chroma of the full range, and no colours yet.
pub(crate) fn is_full_ybr(format: &PixelFormat, colour: Colour) -> bool {
    match format.photometric {
        _ if colour == Colour::Rgb => false,
        Photometric::YbrFull | Photometric::YbrFull422 => true,
        Photometric::YbrPartial422 | Photometric::YbrPartial420 => false,
        _ => colour == Colour::Ybr,
    }
}

/// PS3.3 C.7.6.3.1.2, YBR_FULL, with 16 bits of fraction.
#[inline]
pub(crate) fn ybr_to_rgb([y, cb, cr]: [i32; 3]) -> [u8; 3] {
    let (y, cb, cr) = ((y << 16) + (1 << 15), cb - 128, cr - 128);
    let clamp = |value: i32| (value >> 16).clamp(0, 255) as u8;
    [
        clamp(y + 91_881 * cr),
        clamp(y - 22_554 * cb - 46_802 * cr),
        clamp(y + 116_130 * cb),
    ]
}

fn paint(numbers: Samples, palette: &[Lut; 3]) -> Vec<u8> {
    // Entries said to have 16 bits and using 8 occur: the scale is by what is there.
    let shift = |lut: &Lut| {
        if lut.entries.iter().any(|entry| *entry > 255) {
            lut.bits - 8
        } else {
            0
        }
    };
    let shifts = [shift(&palette[0]), shift(&palette[1]), shift(&palette[2])];
    let first = palette
        .iter()
        .map(|lut| i64::from(lut.first))
        .min()
        .unwrap_or(0);
    let last = palette
        .iter()
        .map(|lut| i64::from(lut.first) + lut.entries.len() as i64 - 1)
        .max()
        .unwrap_or(0);
    let table: Vec<[u8; 3]> = (first..=last)
        .map(|number| {
            std::array::from_fn(|index| (palette[index].at(number as i32) >> shifts[index]) as u8)
        })
        .collect();
    let at = |number: i64| table[(number - first).clamp(0, table.len() as i64 - 1) as usize];
    match numbers {
        Samples::U8(all) => all
            .into_iter()
            .flat_map(|number| at(number.into()))
            .collect(),
        Samples::I8(all) => all
            .into_iter()
            .flat_map(|number| at(number.into()))
            .collect(),
        Samples::U16(all) => all
            .into_iter()
            .flat_map(|number| at(number.into()))
            .collect(),
        Samples::I16(all) => all
            .into_iter()
            .flat_map(|number| at(number.into()))
            .collect(),
        Samples::U32(all) => all
            .into_iter()
            .flat_map(|number| at(number.into()))
            .collect(),
        Samples::I32(all) => all
            .into_iter()
            .flat_map(|number| at(number.into()))
            .collect(),
        Samples::F32(_) | Samples::F64(_) | Samples::Rgb8(_) => Vec::new(),
    }
}
