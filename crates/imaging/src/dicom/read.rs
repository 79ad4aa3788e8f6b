//! Reads a file's bytes into data sets (PS3.5 section 7, PS3.10 section 7): with or without preamble and file meta
//! group, in every byte order, tolerant where real files err and bounded where hostile ones lie.
//!
//! Values are slices of the input. The most that a file can make this code allocate is a small multiple of its own
//! length, and for a deflated file [`MAX_INFLATED`].

use bytes::Bytes;
use dicom_dictionary_std::tags;

use super::charset::Charset;
use super::dataset::{DataSet, Element, Value};
use super::error::ImagingError;
use super::syntax::{self, TransferSyntax};
use super::tag::{Tag, Vr};

/// How deep sequences may be nested. Real files reach about ten.
pub const MAX_DEPTH: usize = 64;
/// How many elements a file may have, in all its sequences together.
pub const MAX_ELEMENTS: usize = 4_000_000;
/// How many bytes a deflated data set may grow to.
pub const MAX_INFLATED: usize = 1 << 30;

const ITEM: Tag = Tag(0xFFFE, 0xE000);
const ITEM_END: Tag = Tag(0xFFFE, 0xE00D);
const SEQUENCE_END: Tag = Tag(0xFFFE, 0xE0DD);
const PIXEL_DATA: Tag = Tag(0x7FE0, 0x0010);
const UNDEFINED: u32 = u32::MAX;

/// A file's two data sets.
#[derive(Clone, Debug)]
pub struct File {
    /// Group 0002; empty when the file has none.
    pub meta: DataSet,
    /// Everything else.
    pub dataset: DataSet,
    /// How the data set is written; guessed from its first bytes where the file does not say or lies.
    pub syntax: TransferSyntax,
    /// The UID that the file gives for it, known or not; empty when it gives none.
    pub stated_syntax: String,
}

/// Whether bytes look like DICOM at all: the magic word, or a first element that makes sense.
pub fn looks_like_dicom(bytes: &[u8]) -> bool {
    bytes.get(128..132) == Some(b"DICM")
        || bytes.get(..4) == Some(b"DICM")
        || first_element(bytes).is_some()
}

/// Reads a whole file.
///
/// # Errors
/// [`ImagingError`]: not DICOM, cut off, damaged, or beyond a limit.
pub fn read(bytes: Bytes) -> Result<File, ImagingError> {
    if bytes.is_empty() {
        return Err(ImagingError::Empty);
    }
    let mut at = if bytes.get(128..132) == Some(b"DICM") {
        132
    } else if bytes.get(..4) == Some(b"DICM") {
        4
    } else if first_element(&bytes).is_some() {
        0
    } else {
        return Err(ImagingError::NotDicom(
            "it has neither the word DICM after 128 bytes nor a data element at its start",
        ));
    };
    let mut left = MAX_ELEMENTS;
    let meta = read_meta(&bytes, &mut at, &mut left)?;
    let stated = meta.text(tags::TRANSFER_SYNTAX_UID).unwrap_or_default();
    let mut body = bytes.slice(at..);
    let mut syntax = if stated.is_empty() {
        guess(&body).unwrap_or(syntax::IMPLICIT_LE)
    } else {
        TransferSyntax::of(&stated).unwrap_or(TransferSyntax {
            coding: syntax::Coding::Other,
            name: "an unknown transfer syntax",
            ..syntax::EXPLICIT_LE
        })
    };
    if syntax.deflated {
        body = inflate(&body)?;
    } else if let Some(found) = guess(&body)
        && (found.explicit, found.big_endian) != (syntax.explicit, syntax.big_endian)
    {
        // The file says one thing and is written in another way: how it is written counts, its pixels stay as named.
        (syntax.explicit, syntax.big_endian) = (found.explicit, found.big_endian);
    }
    let mut reader = Reader {
        bytes: body,
        at: 0,
        explicit: syntax.explicit,
        big: syntax.big_endian,
        left: &mut left,
        bits_allocated: 0,
        signed: false,
    };
    let end = reader.bytes.len();
    let dataset = reader.dataset(end, false, 0, Charset::default())?;
    if dataset.elements.is_empty() {
        return Err(ImagingError::Damaged("it has no data elements".to_owned()));
    }
    Ok(File {
        meta,
        dataset,
        syntax,
        stated_syntax: stated,
    })
}

/// Parses the value of a sequence that was kept as unknown bytes: implicit VR, little endian (PS3.5 section 6.2.2).
pub(crate) fn unknown_sequence(bytes: &Bytes, charset: Charset) -> Option<Vec<DataSet>> {
    let mut left = MAX_ELEMENTS;
    let mut reader = Reader {
        bytes: bytes.clone(),
        at: 0,
        explicit: false,
        big: false,
        left: &mut left,
        bits_allocated: 0,
        signed: false,
    };
    let end = bytes.len();
    reader.items(end, 1, charset).ok()
}

/// Inflates a raw deflate stream, at most to [`MAX_INFLATED`] bytes.
fn inflate(bytes: &[u8]) -> Result<Bytes, ImagingError> {
    let inflate = |bytes| miniz_oxide::inflate::decompress_to_vec_with_limit(bytes, MAX_INFLATED);
    // Some writers put a zlib header before the stream.
    let outcome = inflate(bytes).or_else(|first| {
        miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(bytes, MAX_INFLATED)
            .map_err(|_| first)
    });
    outcome
        .map(Bytes::from)
        .map_err(|error| match error.status {
            miniz_oxide::inflate::TINFLStatus::HasMoreOutput => ImagingError::Limit(format!(
                "its deflated data set is larger than {} MiB",
                MAX_INFLATED >> 20
            )),
            status => ImagingError::Damaged(format!(
                "its deflated data set does not inflate ({status:?})"
            )),
        })
}

/// The byte order and explicitness that an element at the start would have, if it makes sense.
fn first_element(bytes: &[u8]) -> Option<(bool, bool)> {
    let head = bytes.get(..8)?;
    let little = u16::from_le_bytes([head[0], head[1]]);
    let big = u16::from_be_bytes([head[0], head[1]]);
    let explicit = head[4].is_ascii_uppercase() && head[5].is_ascii_uppercase();
    let plausible = |group: u16| {
        matches!(
            group,
            0x0002 | 0x0004 | 0x0008 | 0x0010 | 0x0018 | 0x0020 | 0x0028
        )
    };
    if plausible(little) {
        let length = u32::from_le_bytes([head[4], head[5], head[6], head[7]]);
        (explicit || u64::from(length) <= bytes.len() as u64 || length == UNDEFINED)
            .then_some((explicit, false))
    } else if plausible(big) && explicit {
        Some((true, true))
    } else {
        None
    }
}

fn guess(body: &[u8]) -> Option<TransferSyntax> {
    Some(match first_element(body)? {
        (true, false) => syntax::EXPLICIT_LE,
        (true, true) => syntax::EXPLICIT_BE,
        (false, _) => syntax::IMPLICIT_LE,
    })
}

/// Group 0002: explicit and little endian by the standard, implicit in some real files. Its stated length is not
/// believed; it ends where another group begins.
fn read_meta(bytes: &Bytes, at: &mut usize, left: &mut usize) -> Result<DataSet, ImagingError> {
    let mut meta = DataSet::default();
    while bytes.get(*at..*at + 2) == Some(&[2, 0]) {
        let explicit = bytes
            .get(*at + 4..*at + 6)
            .is_some_and(|vr| vr.iter().all(u8::is_ascii_uppercase));
        let mut reader = Reader {
            bytes: bytes.clone(),
            at: *at,
            explicit,
            big: false,
            left,
            bits_allocated: 0,
            signed: false,
        };
        let element = reader.element(bytes.len(), 0, Charset::default())?;
        *at = reader.at;
        meta.put(element);
    }
    Ok(meta)
}

struct Reader<'a> {
    bytes: Bytes,
    at: usize,
    explicit: bool,
    big: bool,
    /// Elements and items that may still come.
    left: &'a mut usize,
    /// Of the image that is being read: how wide its pixels' words are.
    bits_allocated: u16,
    /// And whether they have a sign.
    signed: bool,
}

impl Reader<'_> {
    fn u16(&mut self) -> Result<u16, ImagingError> {
        let [a, b] = self.array("a data element's head")?;
        Ok(if self.big {
            u16::from_be_bytes([a, b])
        } else {
            u16::from_le_bytes([a, b])
        })
    }

    fn u32(&mut self) -> Result<u32, ImagingError> {
        let four = self.array("a data element's length")?;
        Ok(if self.big {
            u32::from_be_bytes(four)
        } else {
            u32::from_le_bytes(four)
        })
    }

    fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], ImagingError> {
        let found = self
            .bytes
            .get(self.at..)
            .and_then(|rest| rest.first_chunk::<N>())
            .copied();
        let found = found.ok_or_else(|| self.cut_off(what.to_owned(), N as u64))?;
        self.at += N;
        Ok(found)
    }

    fn cut_off(&self, what: String, needed: u64) -> ImagingError {
        ImagingError::Truncated {
            what: format!("{what} at byte {}", self.at),
            needed,
            left: self.bytes.len().saturating_sub(self.at) as u64,
        }
    }

    fn peek_tag(&self) -> Option<Tag> {
        let four = self.bytes.get(self.at..self.at + 4)?;
        let half = |a, b| {
            if self.big {
                u16::from_be_bytes([a, b])
            } else {
                u16::from_le_bytes([a, b])
            }
        };
        Some(Tag(half(four[0], four[1]), half(four[2], four[3])))
    }

    /// Elements up to `end`, or to an item delimiter when `delimited`.
    fn dataset(
        &mut self,
        end: usize,
        delimited: bool,
        depth: usize,
        charset: Charset,
    ) -> Result<DataSet, ImagingError> {
        if depth > MAX_DEPTH {
            return Err(ImagingError::Limit(format!(
                "its sequences are nested more than {MAX_DEPTH} deep at byte {}",
                self.at
            )));
        }
        let mut set = DataSet {
            elements: Vec::new(),
            charset,
        };
        let mut sorted = true;
        while self.at < end {
            // Padding after the last element, shorter than an element or of zeros.
            if depth == 0 && (end - self.at < 8 || self.only_zeros_until(end)) {
                self.at = end;
                break;
            }
            match self.peek_tag() {
                Some(ITEM_END) => {
                    self.at += 8;
                    if delimited {
                        return Ok(finish(set, sorted));
                    }
                    continue;
                }
                // A sequence that ends inside an item which was not closed.
                Some(SEQUENCE_END) if depth > 0 => return Ok(finish(set, sorted)),
                Some(Tag(0xFFFC, 0xFFFC)) if depth == 0 => {
                    self.at = end;
                    break;
                }
                _ => {}
            }
            let element = self.element(end, depth, set.charset)?;
            if element.tag == Tag(0x0008, 0x0005)
                && let Value::Bytes(value) = &element.value
            {
                set.charset = Charset::from_value(value);
            }
            if element.tag == Tag(0x0028, 0x0103) {
                self.signed = element.floats() == [1.0];
            }
            if element.tag == Tag(0x0028, 0x0100) && depth == 0 {
                self.bits_allocated = element.floats().first().copied().unwrap_or_default() as u16;
            }
            sorted &= set
                .elements
                .last()
                .is_none_or(|last| last.tag < element.tag);
            set.elements.push(element);
        }
        Ok(finish(set, sorted))
    }

    fn only_zeros_until(&self, end: usize) -> bool {
        self.bytes[self.at..end].first_chunk::<8>() == Some(&[0; 8])
            && self.bytes[self.at..end].iter().all(|byte| *byte == 0)
    }

    fn element(
        &mut self,
        end: usize,
        depth: usize,
        charset: Charset,
    ) -> Result<Element, ImagingError> {
        *self.left = self.left.checked_sub(1).ok_or_else(|| {
            ImagingError::Limit(format!("it has more than {MAX_ELEMENTS} data elements"))
        })?;
        let start = self.at;
        let tag = Tag(self.u16()?, self.u16()?);
        let (vr, length) = self.vr_and_length(tag)?;
        let explicit_unknown = self.explicit && vr == Vr::UN;
        let vr = if vr == Vr::UN {
            tag.dictionary_vr(self.signed).unwrap_or(vr)
        } else {
            vr
        };
        if length == UNDEFINED {
            return self.undefined_length(tag, vr, end, depth, charset, explicit_unknown);
        }
        let length = length as usize;
        if vr == Vr::SQ {
            let stop = self
                .at
                .checked_add(length)
                .filter(|stop| *stop <= self.bytes.len());
            let stop =
                stop.ok_or_else(|| self.cut_off(format!("the sequence {tag}"), length as u64))?;
            let items = if explicit_unknown {
                self.implicitly(|reader| reader.items(stop, depth + 1, charset))?
            } else {
                self.items(stop, depth + 1, charset)?
            };
            return Ok(Element {
                tag,
                vr,
                value: Value::Items(items),
            });
        }
        let left = self.bytes.len() - self.at;
        let taken = if length <= left {
            length
        } else if tag == PIXEL_DATA && depth == 0 {
            // The frames that are there can still be shown.
            left
        } else {
            self.at = start;
            return Err(self.cut_off(format!("the value of {tag}"), length as u64));
        };
        let value = self.bytes.slice(self.at..self.at + taken);
        self.at += taken;
        let value = if self.big {
            self.to_little_endian(tag, vr, value)
        } else {
            value
        };
        Ok(Element {
            tag,
            vr,
            value: Value::Bytes(value),
        })
    }

    /// The representation as written or from the dictionary, and the length.
    fn vr_and_length(&mut self, tag: Tag) -> Result<(Vr, u32), ImagingError> {
        let delimiter = tag.0 == 0xFFFE;
        let written: Option<[u8; 2]> = self
            .bytes
            .get(self.at..)
            .and_then(|rest| rest.first_chunk())
            .copied();
        let is_vr = written.is_some_and(|vr| vr.iter().all(u8::is_ascii_uppercase));
        if self.explicit && is_vr && !delimiter {
            let vr = Vr(self.array("a value representation")?);
            if !vr.is_long() {
                return Ok((vr, u32::from(self.u16()?)));
            }
            self.at += 2;
            return Ok((vr, self.u32()?));
        }
        // Implicit, by the transfer syntax or because a writer left the representation out.
        Ok((
            tag.dictionary_vr(self.signed).unwrap_or(Vr::UN),
            self.u32()?,
        ))
    }

    fn undefined_length(
        &mut self,
        tag: Tag,
        vr: Vr,
        end: usize,
        depth: usize,
        charset: Charset,
        explicit_unknown: bool,
    ) -> Result<Element, ImagingError> {
        let value = if tag == PIXEL_DATA || matches!(vr, Vr::OB | Vr::OW) {
            self.fragments(tag)?
        } else if explicit_unknown {
            // PS3.5 section 6.2.2 note 4: what is inside is implicit and little endian.
            Value::Items(self.implicitly(|reader| reader.items(end, depth + 1, charset))?)
        } else {
            Value::Items(self.items(end, depth + 1, charset)?)
        };
        let vr = if matches!(value, Value::Items(_)) {
            Vr::SQ
        } else {
            vr
        };
        Ok(Element { tag, vr, value })
    }

    fn implicitly<T>(&mut self, read: impl FnOnce(&mut Self) -> T) -> T {
        let before = (self.explicit, self.big);
        // Some writers go on explicitly all the same: the first element inside the first item tells.
        let inside = self.bytes.get(self.at + 12..self.at + 14);
        if !inside.is_some_and(|vr| vr.iter().all(u8::is_ascii_uppercase)) {
            (self.explicit, self.big) = (false, false);
        }
        let outcome = read(self);
        (self.explicit, self.big) = before;
        outcome
    }

    fn items(
        &mut self,
        end: usize,
        depth: usize,
        charset: Charset,
    ) -> Result<Vec<DataSet>, ImagingError> {
        if depth > MAX_DEPTH {
            return Err(ImagingError::Limit(format!(
                "its sequences are nested more than {MAX_DEPTH} deep at byte {}",
                self.at
            )));
        }
        let mut items = Vec::new();
        while self.at < end {
            let tag = Tag(self.u16()?, self.u16()?);
            let length = self.u32()?;
            *self.left = self.left.checked_sub(1).ok_or_else(|| {
                ImagingError::Limit(format!("it has more than {MAX_ELEMENTS} data elements"))
            })?;
            match tag {
                SEQUENCE_END => return Ok(items),
                ITEM if length == UNDEFINED => items.push(self.dataset(end, true, depth, charset)?),
                ITEM => {
                    let stop = self.at + length as usize;
                    if stop > self.bytes.len() {
                        return Err(
                            self.cut_off("an item of a sequence".to_owned(), u64::from(length))
                        );
                    }
                    items.push(self.dataset(stop, false, depth, charset)?);
                    if self.at > stop {
                        return Err(ImagingError::Damaged(format!(
                            "an element reaches over the end of its item at byte {stop}"
                        )));
                    }
                    self.at = stop;
                }
                ITEM_END => {}
                other => {
                    return Err(ImagingError::Damaged(format!(
                        "where an item should begin at byte {} there is {other}",
                        self.at - 8
                    )));
                }
            }
        }
        Ok(items)
    }

    /// Encapsulated data (PS3.5 annex A.4). A file that stops before the delimiter keeps the fragments it has.
    fn fragments(&mut self, of: Tag) -> Result<Value, ImagingError> {
        let mut offsets = None;
        let mut fragments = Vec::new();
        while let Some(tag) = self.peek_tag() {
            if tag == SEQUENCE_END {
                self.at = (self.at + 8).min(self.bytes.len());
                break;
            }
            if tag != ITEM {
                return Err(ImagingError::Damaged(format!(
                    "inside the coded pixels {of} at byte {} there is {tag} and no item",
                    self.at
                )));
            }
            self.at += 4;
            let length = self.u32()? as usize;
            let left = self.bytes.len() - self.at;
            if length > left && offsets.is_none() {
                return Err(self.cut_off("the table of frame offsets".to_owned(), length as u64));
            }
            let value = self.bytes.slice(self.at..self.at + length.min(left));
            self.at += value.len();
            if offsets.is_none() {
                let four = |chunk: &[u8]| {
                    let chunk = [chunk[0], chunk[1], chunk[2], chunk[3]];
                    if self.big {
                        u32::from_be_bytes(chunk)
                    } else {
                        u32::from_le_bytes(chunk)
                    }
                };
                offsets = Some(value.chunks_exact(4).map(four).collect());
            } else {
                *self.left = self.left.checked_sub(1).ok_or_else(|| {
                    ImagingError::Limit(format!("it has more than {MAX_ELEMENTS} fragments"))
                })?;
                fragments.push(value);
            }
        }
        Ok(Value::Fragments {
            offsets: offsets.unwrap_or_default(),
            fragments,
        })
    }

    fn to_little_endian(&self, tag: Tag, vr: Vr, value: Bytes) -> Bytes {
        // Words of pixels are as wide as a pixel, whatever their representation says.
        let word = match (tag, self.bits_allocated) {
            (PIXEL_DATA, 16 | 32 | 64) => usize::from(self.bits_allocated / 8),
            (PIXEL_DATA, _) if vr == Vr::OB => 1,
            _ => vr.word(),
        };
        if word == 1 {
            return value;
        }
        let mut swapped = value.to_vec();
        for chunk in swapped.chunks_exact_mut(word) {
            chunk.reverse();
        }
        swapped.into()
    }
}

/// Puts elements in order; of two with one tag the later stays.
fn finish(mut set: DataSet, sorted: bool) -> DataSet {
    if !sorted {
        set.elements.reverse();
        set.elements.sort_by_key(|element| element.tag);
        set.elements.dedup_by_key(|element| element.tag);
    }
    set
}
