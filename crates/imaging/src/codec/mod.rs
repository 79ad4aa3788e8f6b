//! Decoders of coded frames: each takes one frame's bytes and what the header promises, and gives samples as they
//! were stored. Nothing larger than the promise is ever allocated, and a decoder that panics is a frame that does
//! not decode (in WebAssembly, where a panic ends the instance, it is the worker that must start again).

mod dct;
mod huffman;
mod jpeg;
mod jpeg2000;
mod jpegls;
mod jxl;
mod lossless;
mod marker;
mod rle;
mod smaller;
mod strip;

use std::panic::{AssertUnwindSafe, catch_unwind};

use crate::dicom::{Coding, PixelFormat};

pub(crate) use rle::encode as encode_rle;
pub(crate) use smaller::smaller;
pub(crate) use strip::strip;

/// Samples as stored: BitsAllocated each (at least a byte), little endian, interleaved by pixel.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Decoded {
    pub(crate) bytes: Vec<u8>,
    pub(crate) colour: Colour,
}

/// What three samples of a pixel are.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Colour {
    /// What PhotometricInterpretation says.
    AsStated,
    /// Red, green, blue, whatever the header says: the coded stream is sure.
    Rgb,
    /// Luma and chroma, whatever the header says.
    Ybr,
}

/// Decodes one frame.
///
/// # Errors
/// What is wrong with the coded bytes, as the end of a sentence.
pub(crate) fn decode(
    coding: Coding,
    coded: &[u8],
    format: &PixelFormat,
) -> Result<Decoded, String> {
    let decoder: fn(&[u8], &PixelFormat) -> Result<Decoded, String> = match coding {
        Coding::Native => native,
        Coding::DeflatedFrame => deflated,
        Coding::Rle => rle::decode,
        // Which process it is stands in the stream; headers mix them up.
        Coding::Jpeg | Coding::JpegLossless if lossless::is_lossless(coded) => lossless::decode,
        Coding::Jpeg | Coding::JpegLossless => jpeg::decode,
        Coding::JpegLs => jpegls::decode,
        Coding::Jpeg2000 | Coding::HtJpeg2000 => jpeg2000::decode,
        Coding::JpegXl => jxl::decode,
        Coding::Other => return Err("it is not read here".to_owned()),
    };
    let decoded = catch_unwind(AssertUnwindSafe(|| decoder(coded, format)))
        .unwrap_or_else(|_| Err("the decoder gave up on it".to_owned()))?;
    let expected = format.frame_samples() * format.sample_bytes();
    if decoded.bytes.len() == expected {
        Ok(decoded)
    } else {
        Err(format!(
            "it has {} bytes of samples where {expected} belong",
            decoded.bytes.len()
        ))
    }
}

fn native(coded: &[u8], format: &PixelFormat) -> Result<Decoded, String> {
    crate::dicom::native(format, coded, 0).map_err(|error| error.to_string())
}

fn deflated(coded: &[u8], format: &PixelFormat) -> Result<Decoded, String> {
    let limit = (format.frame_samples() * format.sample_bytes()).next_multiple_of(2);
    let bytes = miniz_oxide::inflate::decompress_to_vec_with_limit(coded, limit)
        .map_err(|error| format!("it does not inflate ({:?})", error.status))?;
    native(&bytes, format)
}

/// Writes samples of 8 to 16 bits in the width that the header says.
pub(crate) fn pack(samples: impl Iterator<Item = i32>, format: &PixelFormat) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(format.frame_samples() * format.sample_bytes());
    match format.sample_bytes() {
        1 => bytes.extend(samples.map(|sample| sample as u8)),
        2 => samples.for_each(|sample| bytes.extend_from_slice(&(sample as u16).to_le_bytes())),
        4 => samples.for_each(|sample| bytes.extend_from_slice(&sample.to_le_bytes())),
        _ => samples.for_each(|sample| bytes.extend_from_slice(&i64::from(sample).to_le_bytes())),
    }
    bytes
}

/// Planes of one component each as one frame, interleaved by pixel.
///
/// # Errors
/// When a component was not decoded whole.
pub(crate) fn interleave(planes: &[Vec<u16>], format: &PixelFormat) -> Result<Decoded, String> {
    let (pixels, count) = (format.frame_pixels(), planes.len());
    if planes.iter().any(|plane| plane.len() != pixels) {
        return Err("it lacks a component".to_owned());
    }
    let bytes = match (planes, format.sample_bytes()) {
        // The usual cases, in loops that become vector instructions.
        ([grey], 1) => grey.iter().map(|sample| *sample as u8).collect(),
        ([red, green, blue], 1) => {
            let mut bytes = vec![0; 3 * pixels];
            for (((out, red), green), blue) in bytes
                .as_chunks_mut::<3>()
                .0
                .iter_mut()
                .zip(red)
                .zip(green)
                .zip(blue)
            {
                *out = [*red as u8, *green as u8, *blue as u8];
            }
            bytes
        }
        ([grey], 2) => {
            let mut bytes = vec![0; 2 * pixels];
            for (out, sample) in bytes.as_chunks_mut::<2>().0.iter_mut().zip(grey) {
                *out = sample.to_le_bytes();
            }
            bytes
        }
        _ => pack(
            (0..pixels * count).map(|index| i32::from(planes[index % count][index / count])),
            format,
        ),
    };
    Ok(Decoded {
        bytes,
        colour: Colour::AsStated,
    })
}

/// Refuses a stream whose own size differs from the header's before anything is allocated for it.
pub(crate) fn check_size(
    format: &PixelFormat,
    (columns, rows): (u32, u32),
    samples: usize,
    precision: u32,
) -> Result<(), String> {
    if (columns, rows) != (format.columns, format.rows) {
        return Err(format!(
            "its stream says {columns} × {rows} pixels and the header {} × {}",
            format.columns, format.rows
        ));
    }
    if samples != usize::from(format.samples_per_pixel) {
        return Err(format!(
            "its stream has {samples} components and the header {}",
            format.samples_per_pixel
        ));
    }
    if precision == 0 || precision > u32::from(format.bits_allocated).max(8) {
        return Err(format!(
            "its stream has {precision} bits and the header allocates {}",
            format.bits_allocated
        ));
    }
    Ok(())
}

/// Bits above BitsStored are no part of a sample, whatever they hold (overlays, once): they are cleared, or carry the
/// sign up.
pub(crate) fn clear_unused(bytes: &mut [u8], format: &PixelFormat) {
    let spare = u32::from(format.bits_allocated - format.bits_stored);
    if spare == 0 || format.float || format.bits_allocated == 1 {
        return;
    }
    macro_rules! each {
        ($unsigned:ty, $signed:ty) => {
            for word in bytes.as_chunks_mut::<{ size_of::<$unsigned>() }>().0 {
                *word = if format.signed {
                    (<$signed>::from_le_bytes(*word) << spare >> spare).to_le_bytes()
                } else {
                    (<$unsigned>::from_le_bytes(*word) << spare >> spare).to_le_bytes()
                };
            }
        };
    }
    match format.bits_allocated {
        8 => each!(u8, i8),
        16 => each!(u16, i16),
        32 => each!(u32, i32),
        _ => each!(u64, i64),
    }
}
