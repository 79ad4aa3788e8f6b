//! The pixels of a cleaned file: copied as coded, or decoded, painted and coded again without loss.

use sha2::{Digest, Sha256};

use super::cover::Cover;
use crate::codec::{self, Colour, strip};
use crate::dicom::{
    DataSet, EXPLICIT_LE, Element, ImagingError, Instance, Photometric, PixelFormat, RLE_LOSSLESS,
    Value, Vr, tags,
};

/// High-Throughput JPEG 2000, lossless only (PS3.6 Annex A).
const HTJ2K_LOSSLESS: &str = "1.2.840.10008.1.2.4.201";

/// JPEG XL from which a JPEG can be made again, and JPEG XL of any kind.
const JPEG_XL_OF_JPEG: &str = "1.2.840.10008.1.2.4.111";
const JPEG_XL: &str = "1.2.840.10008.1.2.4.112";

/// What became of the pixels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Pixels {
    /// Transfer syntax of the file to write.
    pub(super) syntax: &'static str,
    /// SHA-256 of all samples as stored, before and after; equal unless something was painted.
    pub(super) before: [u8; 32],
    pub(super) after: [u8; 32],
    /// What was painted over.
    pub(super) painted: Cover,
    /// Frames whose stream lost comments and the like.
    pub(super) stripped: u32,
}

/// Puts cleaned pixel data into `set`. Every frame is decoded, so that what is passed on can be looked at.
pub(super) fn clean(
    instance: &Instance,
    set: &mut DataSet,
    painted: Cover,
    compress: bool,
) -> Result<Pixels, ImagingError> {
    let format = &instance.head.pixels;
    let paintable = !format.float && format.bits_allocated >= 8;
    if !painted.is_empty() && !paintable {
        return Err(ImagingError::Unsupported(
            "painting over pixels of single bits or floating point".to_owned(),
        ));
    }
    let native = instance.coded_frame(0).is_none();
    let coding = instance.syntax().coding;
    // Samples that lie high in their words come out at the bottom of them.
    let mut hidden = format.bits_below > 0;
    if hidden {
        let high = (format.bits_stored - 1).to_le_bytes();
        set.put(Element::of_bytes(tags::HIGH_BIT, Vr::US, high));
    }
    // Planes, single bits and shared chroma stay as they are, where they have no bits to hide anything in.
    let laid_out = format.planar || format.photometric == Photometric::YbrFull422;
    let as_they_are = format.bits_allocated == 1
        || (laid_out && (format.float || format.bits_stored == format.bits_allocated));
    let (mut before, mut after) = (Sha256::new(), Sha256::new());
    let mut frames: Vec<Vec<u8>> = Vec::new();
    let (mut stripped, mut colour) = (0, Colour::AsStated);
    for index in 0..instance.head.frames {
        let mut decoded = instance.decoded(index, false)?;
        let as_stored = (format.bits_stored < format.bits_allocated).then(|| decoded.bytes.clone());
        codec::clear_unused(&mut decoded.bytes, format);
        before.update(&decoded.bytes);
        colour = decoded.colour;
        hidden |= as_stored.is_some_and(|stored| codec::hides(&stored, &decoded.bytes, format));
        if painted.is_empty() {
            if let Some(coded) = instance.coded_frame(index) {
                let without = strip(coding, &coded).map_err(|what| ImagingError::Frame {
                    frame: index + 1,
                    coding: coding.name(),
                    what,
                })?;
                stripped += u32::from(without.is_some());
                frames.push(without.unwrap_or_else(|| coded.to_vec()));
            } else if !as_they_are {
                frames.push(decoded.bytes);
            }
            continue;
        }
        paint(&mut decoded.bytes, format, decoded.colour, &painted);
        after.update(&decoded.bytes);
        frames.push(if native {
            decoded.bytes
        } else {
            recode(&decoded.bytes, format)?
        });
    }
    let before = before.finalize().into();
    let after = if painted.is_empty() {
        before
    } else {
        after.finalize().into()
    };
    // Bits beside the number can hold an overlay, which decoded pixels no longer show.
    let anew = !native && hidden && painted.is_empty();
    if anew {
        frames = (0..instance.head.frames)
            .map(|index| recode(&instance.stored_frame(index)?, format))
            .collect::<Result<_, _>>()?;
    }
    if anew || !painted.is_empty() || (native && laid_out && !as_they_are) {
        recolour(set, format, colour);
    }
    let syntax = if native {
        uncompressed(set, instance, frames, format, compress)
    } else {
        encapsulate(set, frames);
        match instance.syntax().uid {
            _ if anew || !painted.is_empty() => RLE_LOSSLESS,
            // Without what the JPEG consisted of beside its picture, it is none any more.
            JPEG_XL_OF_JPEG => JPEG_XL,
            same => same,
        }
    };
    Ok(Pixels {
        syntax,
        before,
        after,
        painted,
        stripped,
    })
}

/// Fills what is covered with black, or with the lowest value of the frame where grey numbers have a sign.
pub(super) fn paint(bytes: &mut [u8], format: &PixelFormat, colour: Colour, cover: &Cover) {
    let (size, samples) = (format.sample_bytes(), usize::from(format.samples_per_pixel));
    let ybr = match colour {
        Colour::Rgb => false,
        Colour::Ybr => samples == 3,
        Colour::AsStated => matches!(
            format.photometric,
            Photometric::YbrFull
                | Photometric::YbrFull422
                | Photometric::YbrPartial420
                | Photometric::YbrPartial422
        ),
    };
    let middle = (1u64 << (format.bits_stored - 1)).to_le_bytes();
    let black: Vec<u8> = if samples > 1 {
        (0..samples)
            .flat_map(|sample| {
                if ybr && sample > 0 {
                    middle[..size].to_vec()
                } else {
                    vec![0; size]
                }
            })
            .collect()
    } else {
        let number = |word: &[u8]| {
            let mut wide = [0; 8];
            wide[..size].copy_from_slice(word);
            let spare = 64 - 8 * size as u32;
            let number = u64::from_le_bytes(wide);
            if format.float {
                // The order of IEEE 754's bits, those of negative numbers turned round.
                let signed = (number << spare) as i64;
                signed ^ (((signed >> 63) as u64) >> 1) as i64
            } else if format.signed {
                (number << spare) as i64 >> spare
            } else {
                number as i64
            }
        };
        // No number and no infinity of floating point: all bits of the exponent are set.
        let infinite = |word: &&[u8]| match (format.float, word) {
            (true, [.., c, d]) if size == 4 => d & 0x7F == 0x7F && c & 0x80 == 0x80,
            (true, [.., c, d]) => d & 0x7F == 0x7F && c & 0xF0 == 0xF0,
            _ => false,
        };
        let words = bytes.chunks_exact(size).filter(|word| !infinite(word));
        let chosen = if format.photometric == Photometric::Monochrome1 {
            words.max_by_key(|word| number(word))
        } else {
            words.min_by_key(|word| number(word))
        };
        chosen.map(<[u8]>::to_vec).unwrap_or_else(|| vec![0; size])
    };
    cover.fill(bytes, format.columns as usize, &black);
}

/// A frame coded without loss; its decoder must be able to tell the planes of its bytes apart (PS3.5 G.3).
fn recode(bytes: &[u8], format: &PixelFormat) -> Result<Vec<u8>, ImagingError> {
    if format.sample_bytes() * usize::from(format.samples_per_pixel) > 15 {
        return Err(ImagingError::Unsupported(
            "more bytes a pixel than can be coded again without loss".to_owned(),
        ));
    }
    Ok(codec::encode_rle(bytes, format))
}

/// After decoding, samples are interleaved, no longer subsampled, and what the stream says they are.
fn recolour(set: &mut DataSet, format: &PixelFormat, colour: Colour) {
    if format.samples_per_pixel < 3 {
        return;
    }
    set.put(Element::of_bytes(
        tags::PLANAR_CONFIGURATION,
        Vr::US,
        [0, 0],
    ));
    let term = match (colour, format.photometric) {
        (Colour::Rgb, _) => "RGB",
        (Colour::Ybr, _) | (_, Photometric::YbrFull422) => "YBR_FULL",
        _ => return,
    };
    set.put(Element::of_bytes(
        tags::PHOTOMETRIC_INTERPRETATION,
        Vr::CS,
        term,
    ));
}

/// Frames that came uncompressed: as they are, or smaller. Gives their transfer syntax.
fn uncompressed(
    set: &mut DataSet,
    instance: &Instance,
    frames: Vec<Vec<u8>>,
    format: &PixelFormat,
    compress: bool,
) -> &'static str {
    match compress.then(|| codec::smaller(&frames, format)).flatten() {
        Some(coded) => {
            encapsulate(set, coded);
            HTJ2K_LOSSLESS
        }
        None => {
            store(set, instance, frames, format);
            EXPLICIT_LE.uid
        }
    }
}

/// Native pixels: those of all frames and no byte after them.
fn store(set: &mut DataSet, instance: &Instance, frames: Vec<Vec<u8>>, format: &PixelFormat) {
    // Of the original: an element whose representation was none is not in the set any more.
    let pixels = |element: &&Element| element.tag.0 == 0x7FE0 && matches!(element.tag.1, 8..=0x10);
    let Some(element) = instance.dataset().elements().iter().rfind(pixels) else {
        return;
    };
    let tag = element.tag;
    let vr = if format.float {
        if format.bits_allocated == 64 {
            Vr::OD
        } else {
            Vr::OF
        }
    } else if format.bits_allocated > 8 {
        Vr::OW
    } else {
        Vr::OB
    };
    let bytes = if frames.is_empty() {
        // Without what follows the last frame.
        instance
            .native_bytes()
            .map(|bytes| bytes.to_vec())
            .unwrap_or_default()
    } else {
        frames.concat()
    };
    set.put(Element::of_bytes(tag, vr, bytes));
}

/// One fragment a frame, with the table of their offsets when they lie within its reach.
fn encapsulate(set: &mut DataSet, frames: Vec<Vec<u8>>) {
    let mut offset = 0u64;
    let mut offsets = Vec::with_capacity(frames.len());
    for frame in &frames {
        offsets.push(offset);
        offset += 8 + frame.len().next_multiple_of(2) as u64;
    }
    let offsets: Result<Vec<u32>, _> = offsets.into_iter().map(u32::try_from).collect();
    set.remove(tags::EXTENDED_OFFSET_TABLE);
    set.remove(tags::EXTENDED_OFFSET_TABLE_LENGTHS);
    set.put(Element {
        tag: tags::PIXEL_DATA.into(),
        vr: Vr::OB,
        value: Value::Fragments {
            offsets: offsets.unwrap_or_default(),
            fragments: frames.into_iter().map(bytes::Bytes::from).collect(),
        },
    });
}
