//! One file with a picture: its header, its data set, and its frames one by one.

use std::collections::HashMap;

use bytes::Bytes;
use dicom_dictionary_std::tags;

use super::dataset::{DataSet, Value};
use super::encapsulated::FrameTable;
use super::error::ImagingError;
use super::frame::{self, Frame};
use super::head::{InstanceHead, Photometric, PixelFormat};
use super::lut::Lut;
use super::overlay::Overlay;
use super::read;
use super::syntax::{Coding, TransferSyntax};
use super::tag::Tag;
use crate::codec;

/// A parsed file with a picture. Holds the file's bytes once; frames are slices of them.
#[derive(Clone, Debug)]
pub struct Instance {
    /// The header in a viewer's terms.
    pub head: InstanceHead,
    meta: DataSet,
    dataset: DataSet,
    syntax: TransferSyntax,
    source: Source,
    palette: Option<[Lut; 3]>,
    /// NumberOfFrames; the header has no more than are there, and one that says what is missing.
    stated_frames: u32,
}

/// Where the frames are.
#[derive(Clone, Debug)]
enum Source {
    /// One after the other.
    Native(Bytes),
    Encapsulated {
        table: FrameTable,
        fragments: Vec<Bytes>,
    },
}

impl Instance {
    /// Parses a file that holds a picture. `bytes` is taken over, not copied: a `Vec<u8>` or [`Bytes`].
    ///
    /// # Errors
    /// [`ImagingError`]; [`ImagingError::NoPixels`] for DICOM files without a picture, which [`read()`](super::read())
    /// still opens.
    pub fn parse(bytes: impl Into<Bytes>) -> Result<Instance, ImagingError> {
        Instance::of_file(read::read(bytes.into())?)
    }

    /// From a file that is parsed already.
    ///
    /// # Errors
    /// As [`Instance::parse`].
    pub fn of_file(file: read::File) -> Result<Instance, ImagingError> {
        let read::File {
            meta,
            dataset: set,
            syntax,
            stated_syntax,
        } = file;
        let Some(element) = [
            Tag(0x7FE0, 0x0010),
            Tag(0x7FE0, 0x0008),
            Tag(0x7FE0, 0x0009),
        ]
        .into_iter()
        .find_map(|tag| set.get(tag)) else {
            return Err(ImagingError::NoPixels(kind_of(&set, &meta)));
        };
        if syntax.coding == Coding::Other {
            return Err(ImagingError::Unsupported(format!(
                "{} ({stated_syntax})",
                syntax.name
            )));
        }
        let mut pixels = PixelFormat::read(&set)?;
        if !matches!(
            syntax.coding,
            Coding::Native | Coding::DeflatedFrame | Coding::Rle
        ) {
            // Other streams hold numbers, and no words with places for bits.
            pixels.bits_below = 0;
        }
        let stated_frames = match set
            .get(tags::NUMBER_OF_FRAMES)
            .map(|_| set.int(tags::NUMBER_OF_FRAMES))
        {
            None => 1,
            Some(Some(frames)) if (1..=1_000_000).contains(&frames) => frames as u32,
            Some(None) if set.text(tags::NUMBER_OF_FRAMES).is_none() => 1,
            Some(Some(frames)) => {
                return Err(ImagingError::Damaged(format!("NumberOfFrames is {frames}")));
            }
            Some(None) => {
                return Err(ImagingError::Damaged(
                    "NumberOfFrames is no whole number".to_owned(),
                ));
            }
        };
        let (source, whole) = match &element.value {
            Value::Bytes(bytes) if bytes.is_empty() => {
                return Err(ImagingError::Damaged("its pixel data are empty".to_owned()));
            }
            Value::Bytes(bytes) => {
                let whole = bytes.len() as u64 * 8 / frame::native_bits(&pixels);
                (Source::Native(bytes.clone()), whole)
            }
            Value::Fragments { offsets, fragments } => {
                let mut offsets: Vec<u64> =
                    offsets.iter().map(|offset| u64::from(*offset)).collect();
                if let Some(extended) = set
                    .bytes(tags::EXTENDED_OFFSET_TABLE)
                    .filter(|_| offsets.is_empty())
                {
                    let eight = extended
                        .chunks_exact(8)
                        .filter_map(|eight| eight.try_into().ok());
                    offsets = eight.map(u64::from_le_bytes).collect();
                }
                let table = FrameTable::build(&offsets, fragments, stated_frames, syntax.coding)?;
                let whole = table.count() as u64;
                let fragments = fragments.clone();
                (Source::Encapsulated { table, fragments }, whole)
            }
            Value::Items(_) => {
                return Err(ImagingError::Damaged(
                    "its pixel data are a sequence".to_owned(),
                ));
            }
        };
        // A header of some hundred bytes can promise a million frames. The first that is missing says so.
        let frames = u64::from(stated_frames).min(whole + 1) as u32;
        // A grey image may bring tables, too: Supplemental Palettes, which colour a part of its range (PS3.3 C.7.6.19).
        let palette = Some(&set)
            .filter(|_| pixels.photometric == Photometric::Palette)
            .and_then(Lut::palette);
        let head = InstanceHead::read(&set, &stated_syntax, frames, pixels);
        Ok(Instance {
            head,
            meta,
            dataset: set,
            syntax,
            source,
            palette,
            stated_frames,
        })
    }

    /// The whole data set, for a tag browser.
    pub fn dataset(&self) -> &DataSet {
        &self.dataset
    }

    /// Group 0002.
    pub fn meta(&self) -> &DataSet {
        &self.meta
    }

    /// How the file is written and coded.
    pub fn syntax(&self) -> TransferSyntax {
        self.syntax
    }

    /// Bytes that the coded frames take in memory.
    pub fn coded_bytes(&self) -> usize {
        match &self.source {
            Source::Native(bytes) => bytes.len(),
            Source::Encapsulated { fragments, .. } => fragments.iter().map(Bytes::len).sum(),
        }
    }

    /// Whether a frame is decoded by copying its numbers from the file.
    pub fn is_plain(&self) -> bool {
        let pixels = &self.head.pixels;
        matches!(self.source, Source::Native(_))
            && self.palette.is_none()
            && pixels.samples_per_pixel == 1
            && pixels.bits_allocated >= 8
    }

    /// Modality LUT sequence, which takes the place of slope and intercept.
    pub fn modality_lut(&self) -> Option<Lut> {
        let item = self.dataset.items(tags::MODALITY_LUT_SEQUENCE).first()?;
        Lut::of_item(item, self.head.pixels.signed)
    }

    /// VOI LUTs, presets beside the windows.
    pub fn voi_luts(&self) -> Vec<Lut> {
        let items = self.dataset.items(tags::VOILUT_SEQUENCE);
        // Rescaled numbers may be negative where stored ones are not.
        let signed = self.head.pixels.signed || self.head.rescale(0).intercept < 0.0;
        items
            .iter()
            .filter_map(|item| Lut::of_item(item, signed))
            .collect()
    }

    /// Red, green and blue of PALETTE COLOR images.
    pub fn palette(&self) -> Option<&[Lut; 3]> {
        self.palette.as_ref()
    }

    /// Overlay planes.
    pub fn overlays(&self) -> Vec<Overlay> {
        Overlay::read(&self.dataset, &self.head.pixels)
    }

    /// Decodes frame `index` (from 0) into numbers or RGB that can be drawn; see [`Frame`].
    ///
    /// # Errors
    /// [`ImagingError`]: no such frame, cut off, or its coded data do not decode.
    pub fn decode_frame(&self, index: u32) -> Result<Frame, ImagingError> {
        let (format, palette) = (&self.head.pixels, self.palette.as_ref());
        let coded = self.coded_frame(index);
        let numbers = coded.and_then(|coded| codec::numbers(self.syntax.coding, &coded, format));
        match numbers {
            Some(numbers) => {
                let numbers = numbers.map_err(|what| self.undecoded(index, what))?;
                frame::of_numbers(format, palette, numbers)
            }
            None => frame::interpret(format, palette, self.cleared(index, true)?),
        }
    }

    fn undecoded(&self, index: u32, what: String) -> ImagingError {
        ImagingError::Frame {
            frame: index + 1,
            coding: self.syntax.coding.name(),
            what,
        }
    }

    /// The samples of frame `index` (from 0) as they are stored: one sample takes BitsAllocated (single bits one byte),
    /// little endian, bits above BitsStored cleared or filled with the sign, colour interleaved by pixel, no rescale, no colour transform but the one inside a JPEG 2000 or
    /// JPEG XL stream, palette indices kept.
    ///
    /// # Errors
    /// As [`Instance::decode_frame`].
    pub fn stored_frame(&self, index: u32) -> Result<Vec<u8>, ImagingError> {
        Ok(self.cleared(index, false)?.bytes)
    }

    /// The coded bytes of frame `index` (from 0), as a decoder takes them; `None` when pixels are not encapsulated.
    pub fn coded_frame(&self, index: u32) -> Option<Bytes> {
        match &self.source {
            Source::Native(_) => None,
            Source::Encapsulated { table, fragments } => table.frame(fragments, index),
        }
    }

    /// All native frames as they lie in the file, and nothing after them.
    pub(crate) fn native_bytes(&self) -> Option<Bytes> {
        let Source::Native(bytes) = &self.source else {
            return None;
        };
        let bits = frame::native_bits(&self.head.pixels) * u64::from(self.head.frames);
        Some(bytes.slice(..bytes.len().min(bits.div_ceil(8) as usize)))
    }

    /// As a person counts it, and how many there should be.
    fn named(&self, index: u32) -> String {
        match self.stated_frames {
            1 => "frame 1".to_owned(),
            all => format!("frame {} of {all}", index + 1),
        }
    }

    fn cleared(&self, index: u32, to_draw: bool) -> Result<codec::Decoded, ImagingError> {
        let mut decoded = self.decoded(index, to_draw)?;
        codec::clear_unused(&mut decoded.bytes, &self.head.pixels);
        Ok(decoded)
    }

    /// A frame as its decoder gives it, `to_draw` or as it is stored.
    pub(crate) fn decoded(
        &self,
        index: u32,
        to_draw: bool,
    ) -> Result<codec::Decoded, ImagingError> {
        let frames = self.head.frames;
        if index >= frames {
            return Err(ImagingError::NoSuchFrame {
                asked: index,
                frames,
            });
        }
        let format = &self.head.pixels;
        match &self.source {
            Source::Native(bytes) => {
                frame::native(format, bytes, index).map_err(|error| match error {
                    ImagingError::Truncated { needed, left, .. } => ImagingError::Truncated {
                        what: self.named(index),
                        needed,
                        left,
                    },
                    other => other,
                })
            }
            Source::Encapsulated { table, fragments } => {
                let coding = self.syntax.coding;
                let coded =
                    table
                        .frame(fragments, index)
                        .ok_or_else(|| ImagingError::Truncated {
                            what: self.named(index),
                            needed: 1,
                            left: 0,
                        })?;
                codec::decode(coding, &coded, format, to_draw)
                    .map_err(|what| self.undecoded(index, what))
            }
        }
    }
}

/// What a file without pixels is, in words.
fn kind_of(set: &DataSet, meta: &DataSet) -> String {
    let class = set
        .text(tags::SOP_CLASS_UID)
        .or_else(|| meta.text(tags::MEDIA_STORAGE_SOP_CLASS_UID))
        .unwrap_or_default();
    let known: HashMap<&str, &str> = HashMap::from([
        ("1.2.840.10008.1.3.10", "a directory of a medium (DICOMDIR)"),
        ("1.2.840.10008.5.1.4.1.1.104.1", "an encapsulated PDF"),
        (
            "1.2.840.10008.5.1.4.1.1.104.2",
            "an encapsulated CDA document",
        ),
        ("1.2.840.10008.5.1.4.1.1.481.3", "an RT structure set"),
        ("1.2.840.10008.5.1.4.1.1.481.5", "an RT plan"),
        ("1.2.840.10008.5.1.4.1.1.481.8", "an RT ion plan"),
    ]);
    if let Some(words) = known.get(class.as_str()) {
        return (*words).to_owned();
    }
    match set.text(tags::MODALITY).as_deref() {
        Some("SR") => "a structured report".to_owned(),
        Some("PR") => "a presentation state".to_owned(),
        Some("ECG") => "a waveform".to_owned(),
        Some(modality) if modality.len() <= 16 => format!("a {modality} object without pixel data"),
        _ => "a data set without pixel data".to_owned(),
    }
}
