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

use crate::dicom::{Coding, PixelFormat, Samples};

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

/// Decodes one frame; `to_draw` leaves it to the decoder whether luma and chroma stay what they are.
///
/// # Errors
/// What is wrong with the coded bytes, as the end of a sentence.
pub(crate) fn decode(
    coding: Coding,
    coded: &[u8],
    format: &PixelFormat,
    to_draw: bool,
) -> Result<Decoded, String> {
    let decoder: fn(&[u8], &PixelFormat) -> Result<Decoded, String> = match coding {
        Coding::Native => native,
        Coding::DeflatedFrame => deflated,
        Coding::Rle => rle::decode,
        // Which process it is stands in the stream; headers mix them up.
        Coding::Jpeg | Coding::JpegLossless if lossless::is_lossless(coded) => lossless::decode,
        Coding::Jpeg | Coding::JpegLossless if to_draw => jpeg::decode_to_draw,
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

/// Decodes one grey frame of 16 bits to numbers at once, where its decoder gives numbers; bits above BitsStored are cleared
/// or carry the sign. `None` where [`decode`] and [`clear_unused`] do that with bytes.
///
/// # Errors
/// As [`decode`].
pub(crate) fn numbers(
    coding: Coding,
    coded: &[u8],
    format: &PixelFormat,
) -> Option<Result<Samples, String>> {
    if !matches!(coding, Coding::Jpeg2000 | Coding::HtJpeg2000)
        || format.samples_per_pixel != 1
        || format.bits_allocated != 16
        || format.float
    {
        return None;
    }
    let spare = u32::from(format.bits_allocated - format.bits_stored);
    let decode = || {
        if format.signed {
            let number = move |sample| (sample as i16) << spare >> spare;
            jpeg2000::numbers(coded, format, number).map(Samples::I16)
        } else {
            let number = move |sample| (sample as u16) << spare >> spare;
            jpeg2000::numbers(coded, format, number).map(Samples::U16)
        }
    };
    let decoded = catch_unwind(AssertUnwindSafe(decode))
        .unwrap_or_else(|_| Err("the decoder gave up on it".to_owned()));
    Some(decoded.and_then(|samples| {
        if samples.bytes() == format.frame_samples() * format.sample_bytes() {
            Ok(samples)
        } else {
            Err(format!("it has {} bytes of samples", samples.bytes()))
        }
    }))
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

/// Samples of 8 to 16 bits in the width that the header says; as many as a frame has.
pub(crate) fn pack(samples: impl Iterator<Item = i32>, format: &PixelFormat) -> Vec<u8> {
    let mut bytes = vec![0; format.frame_samples() * format.sample_bytes()];
    put(samples, format, &mut bytes);
    bytes
}

/// Likewise to where they belong. Loops over slices become vector instructions.
pub(crate) fn put(samples: impl Iterator<Item = i32>, format: &PixelFormat, out: &mut [u8]) {
    macro_rules! each {
        ($type:ty) => {
            for (out, sample) in out
                .as_chunks_mut::<{ size_of::<$type>() }>()
                .0
                .iter_mut()
                .zip(samples)
            {
                *out = (sample as $type).to_le_bytes();
            }
        };
    }
    match format.sample_bytes() {
        1 => each!(u8),
        2 => each!(u16),
        4 => each!(i32),
        _ => each!(i64),
    }
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
    let mut bytes = vec![0; pixels * count * format.sample_bytes()];
    lay(planes, format, &mut bytes);
    Ok(Decoded {
        bytes,
        colour: Colour::AsStated,
    })
}

/// Samples of as many components as a pixel has, in the width of the file and interleaved by pixel.
fn lay(components: &[Vec<u16>], format: &PixelFormat, out: &mut [u8]) {
    match (components, format.sample_bytes()) {
        // The usual cases, in loops that become vector instructions.
        ([grey], 1) => {
            for (out, sample) in out.iter_mut().zip(grey) {
                *out = *sample as u8;
            }
        }
        ([red, green, blue], 1) => {
            for (((out, red), green), blue) in out
                .as_chunks_mut::<3>()
                .0
                .iter_mut()
                .zip(red)
                .zip(green)
                .zip(blue)
            {
                *out = [*red as u8, *green as u8, *blue as u8];
            }
        }
        ([grey], 2) => {
            for (out, sample) in out.as_chunks_mut::<2>().0.iter_mut().zip(grey) {
                *out = sample.to_le_bytes();
            }
        }
        (_, size) => {
            let places = (0..components.first().map_or(0, Vec::len))
                .flat_map(|at| components.iter().map(move |component| component[at]));
            for (out, sample) in out.chunks_exact_mut(size).zip(places) {
                let wide = u64::from(sample).to_le_bytes();
                out.copy_from_slice(&wide[..size]);
            }
        }
    }
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
/// sign up. Those below go, and the sample takes their place.
pub(crate) fn clear_unused(bytes: &mut [u8], format: &PixelFormat) {
    let spare = u32::from(format.bits_allocated - format.bits_stored);
    if spare == 0 || format.float || format.bits_allocated == 1 {
        return;
    }
    let above = spare - u32::from(format.bits_below);
    macro_rules! each {
        ($unsigned:ty, $signed:ty) => {
            for word in bytes.as_chunks_mut::<{ size_of::<$unsigned>() }>().0 {
                *word = if format.signed {
                    (<$signed>::from_le_bytes(*word) << above >> spare).to_le_bytes()
                } else {
                    (<$unsigned>::from_le_bytes(*word) << above >> spare).to_le_bytes()
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

/// Whether samples as stored hold more than what [`clear_unused`] leaves of them: something beside the number, other than
/// its sign carried up or zeros.
pub(crate) fn hides(stored: &[u8], cleared: &[u8], format: &PixelFormat) -> bool {
    let size = format.sample_bytes();
    let number = (u64::MAX >> (64 - format.bits_stored)).to_le_bytes();
    let words = stored.chunks_exact(size).zip(cleared.chunks_exact(size));
    words.into_iter().any(|(stored, cleared)| {
        stored != cleared
            && stored
                .iter()
                .zip(cleared)
                .zip(number)
                .any(|((stored, cleared), number)| *stored != cleared & number)
    })
}
