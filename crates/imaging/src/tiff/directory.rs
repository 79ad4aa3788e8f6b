//! Image file directories of TIFF 6.0 (section 2) and BigTIFF: which tags a page has, where their values lie, and where
//! its strips or tiles are. Everything is checked against the file's length before it is used.

use std::collections::{BTreeMap, HashSet};
use std::ops::Range;

use super::damaged;
use crate::open::OpenError;

pub(super) const NEW_SUBFILE_TYPE: u16 = 254;
const COLUMNS: u16 = 256;
const ROWS: u16 = 257;
pub(super) const BITS: u16 = 258;
pub(super) const COMPRESSION: u16 = 259;
pub(super) const PHOTOMETRIC: u16 = 262;
/// The photometric interpretation of grey, 0 being black, and of indices into a colour map.
const GREY: u64 = 1;
const PALETTE: u64 = 3;
pub(super) const STRIP_OFFSETS: u16 = 273;
pub(super) const STRIP_BYTES: u16 = 279;
pub(super) const PLANAR_CONFIGURATION: u16 = 284;
pub(super) const ROWS_PER_STRIP: u16 = 278;
pub(super) const COLOUR_MAP: u16 = 320;
pub(super) const TILE_WIDTH: u16 = 322;
pub(super) const TILE_HEIGHT: u16 = 323;
pub(super) const TILE_OFFSETS: u16 = 324;
pub(super) const TILE_BYTES: u16 = 325;

/// More pages than a picture has; a whole-slide image has a dozen, a stack some hundred.
const MAX_PAGES: usize = 2000;

/// Byte order and width of offsets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Form {
    pub(super) big_endian: bool,
    /// BigTIFF: counts and offsets of 64 bits.
    pub(super) wide: bool,
}

/// One value of a directory as it lies in the file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Field {
    /// 1 BYTE, 2 ASCII, 3 SHORT, 4 LONG, 5 RATIONAL …
    pub(super) kind: u16,
    pub(super) count: u64,
    pub(super) bytes: Vec<u8>,
}

/// A page.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Directory {
    pub(super) form: Form,
    pub(super) fields: BTreeMap<u16, Field>,
    /// Where its coded pixels lie.
    pub(super) chunks: Vec<Range<usize>>,
}

impl Form {
    /// From the first eight or sixteen bytes; the second is where the offset of the first page stands.
    fn read(bytes: &[u8]) -> Option<(Form, usize)> {
        let big_endian = bytes.starts_with(b"MM");
        let mut form = Form {
            big_endian,
            wide: false,
        };
        form.wide = form.number(bytes.get(2..4)?) == 43;
        if form.wide && (form.number(bytes.get(4..6)?) != 8 || form.number(bytes.get(6..8)?) != 0) {
            return None;
        }
        Some((form, if form.wide { 8 } else { 4 }))
    }

    /// A number of 1 to 8 bytes.
    pub(super) fn number(self, bytes: &[u8]) -> u64 {
        let add = |sum: u64, byte: &u8| sum << 8 | u64::from(*byte);
        if self.big_endian {
            bytes.iter().fold(0, add)
        } else {
            bytes.iter().rev().fold(0, add)
        }
    }

    /// A number in `width` bytes.
    pub(super) fn bytes(self, number: u64, width: usize) -> Vec<u8> {
        if self.big_endian {
            number.to_be_bytes()[8 - width..].to_vec()
        } else {
            number.to_le_bytes()[..width].to_vec()
        }
    }

    pub(super) fn word(self) -> usize {
        if self.wide { 8 } else { 4 }
    }
}

/// Bytes of one value of a kind; `None` for kinds that do not exist.
pub(super) fn width(kind: u16) -> Option<usize> {
    Some(match kind {
        1 | 2 | 6 | 7 => 1,
        3 | 8 => 2,
        4 | 9 | 11 | 13 => 4,
        5 | 10 | 12 | 16..=18 => 8,
        _ => return None,
    })
}

/// All pages in the order of the file.
pub(super) fn directories(bytes: &[u8]) -> Result<Vec<Directory>, OpenError> {
    let (form, first) = Form::read(bytes).ok_or_else(|| damaged("its header makes no sense"))?;
    let offset = |at: usize| -> Option<usize> {
        let word = bytes.get(at..at.checked_add(form.word())?)?;
        usize::try_from(form.number(word)).ok()
    };
    const CUT: &str = "its directory lies outside of the file";
    let mut next = offset(first).ok_or_else(|| damaged(CUT))?;
    let mut left = most_values(bytes);
    let mut pages = Vec::new();
    let mut seen = HashSet::new();
    while next != 0 {
        if !seen.insert(next) {
            return Err(damaged("its pages follow one another in a circle"));
        }
        if pages.len() == MAX_PAGES {
            return Err(damaged(format!("it has more than {MAX_PAGES} pages")));
        }
        let (page, after) =
            Directory::read(bytes, form, next, &mut left).ok_or_else(|| damaged(CUT))?;
        pages.push(page.with_chunks(bytes.len())?);
        next = offset(after).ok_or_else(|| damaged(CUT))?;
    }
    Ok(pages)
}

/// The most that the values of all directories may take together: pages may share some, and a file that says all of
/// itself a thousand times would fill the memory.
pub(super) fn most_values(bytes: &[u8]) -> usize {
    bytes.len() * 4 + (1 << 20)
}

impl Directory {
    /// The page at `at`, and where the offset of the next one stands. Its values may take `left` bytes, and take them.
    pub(super) fn read(
        bytes: &[u8],
        form: Form,
        at: usize,
        left: &mut usize,
    ) -> Option<(Directory, usize)> {
        let (head, entry) = if form.wide { (8, 20) } else { (2, 12) };
        let count = usize::try_from(form.number(bytes.get(at..at.checked_add(head)?)?)).ok()?;
        let start = at + head;
        let end = start.checked_add(count.checked_mul(entry)?)?;
        let mut fields = BTreeMap::new();
        for entry in bytes.get(start..end)?.chunks_exact(entry) {
            let (tag, kind) = (
                form.number(&entry[..2]) as u16,
                form.number(&entry[2..4]) as u16,
            );
            let count = form.number(&entry[4..4 + form.word()]);
            let Some(width) = width(kind) else {
                continue;
            };
            let length = usize::try_from(count).ok()?.checked_mul(width)?;
            *left = left.checked_sub(length)?;
            let inline = &entry[4 + form.word()..];
            let value = if length <= form.word() {
                inline.get(..length)?
            } else {
                let from = usize::try_from(form.number(inline)).ok()?;
                bytes.get(from..from.checked_add(length)?)?
            };
            fields.insert(
                tag,
                Field {
                    kind,
                    count,
                    bytes: value.to_vec(),
                },
            );
        }
        let page = Directory {
            form,
            fields,
            chunks: Vec::new(),
        };
        Some((page, end))
    }

    /// Finds the strips or tiles, all inside the file.
    fn with_chunks(mut self, length: usize) -> Result<Self, OpenError> {
        let tiled = self.fields.contains_key(&TILE_OFFSETS);
        let (offsets, sizes) = if tiled {
            (TILE_OFFSETS, TILE_BYTES)
        } else {
            (STRIP_OFFSETS, STRIP_BYTES)
        };
        let (offsets, sizes) = (self.numbers(offsets), self.numbers(sizes));
        if offsets.is_empty() || offsets.len() != sizes.len() {
            return Err(damaged("a picture in it does not say where its pixels are"));
        }
        for (offset, size) in offsets.into_iter().zip(sizes) {
            let end = offset.checked_add(size).filter(|end| *end <= length as u64);
            let Some(end) = end else {
                return Err(damaged("pixels of a picture in it lie outside of the file"));
            };
            self.chunks.push(offset as usize..end as usize);
        }
        Ok(self)
    }

    /// All numbers of a field of whole numbers.
    pub(super) fn numbers(&self, tag: u16) -> Vec<u64> {
        let Some(field) = self.fields.get(&tag) else {
            return Vec::new();
        };
        match width(field.kind) {
            Some(width) if matches!(field.kind, 1 | 3 | 4 | 13 | 16 | 18) => field
                .bytes
                .chunks_exact(width)
                .map(|number| self.form.number(number))
                .collect(),
            _ => Vec::new(),
        }
    }

    pub(super) fn number(&self, tag: u16) -> Option<u64> {
        self.numbers(tag).first().copied()
    }

    pub(super) fn rows(&self) -> Result<u64, OpenError> {
        self.number(ROWS)
            .ok_or_else(|| damaged("a picture in it has no height"))
    }

    pub(super) fn columns(&self) -> Result<u64, OpenError> {
        self.number(COLUMNS)
            .ok_or_else(|| damaged("a picture in it has no width"))
    }

    pub(super) fn is_palette(&self) -> bool {
        self.number(PHOTOMETRIC) == Some(PALETTE)
    }

    /// The same page without its colour map.
    pub(super) fn as_grey(&self) -> Directory {
        let mut page = self.clone();
        page.fields.remove(&COLOUR_MAP);
        if let Some(field) = page.fields.get_mut(&PHOTOMETRIC) {
            *field = Field {
                kind: 3,
                count: 1,
                bytes: self.form.bytes(GREY, 2),
            };
        }
        page
    }

    /// Red, green and blue of indices with this many bits.
    pub(super) fn palette(&self, bits: u8) -> Option<[Vec<u16>; 3]> {
        let entries = 1usize << bits.min(16);
        let all: Vec<u16> = self
            .numbers(COLOUR_MAP)
            .into_iter()
            .map(|entry| entry as u16)
            .collect();
        if all.len() != 3 * entries {
            return None;
        }
        let mut parts = all.chunks_exact(entries).map(<[u16]>::to_vec);
        Some([parts.next()?, parts.next()?, parts.next()?])
    }

    /// Whether every strip or tile without compression has the bytes of its rows. A decoder reads on behind a short one.
    pub(super) fn is_whole(&self) -> Result<bool, OpenError> {
        if self.number(COMPRESSION).unwrap_or(1) != 1 {
            return Ok(true);
        }
        let (rows, columns) = (self.rows()?, self.columns()?);
        let apart = self.number(PLANAR_CONFIGURATION) == Some(2);
        let samples = if apart {
            self.numbers(BITS).len().max(1) as u64
        } else {
            1
        };
        let of_row = |columns: u64| self.row_bytes(columns) / samples;
        if self.fields.contains_key(&TILE_OFFSETS) {
            let [wide, high] = [TILE_WIDTH, TILE_HEIGHT].map(|tag| self.number(tag).unwrap_or(0));
            let needed = of_row(wide).saturating_mul(high);
            return Ok(self.chunks.iter().all(|tile| tile.len() as u64 >= needed));
        }
        let each = self
            .number(ROWS_PER_STRIP)
            .unwrap_or(rows)
            .clamp(1, rows.max(1));
        let of_plane = rows.div_ceil(each);
        let whole = |(index, strip): (usize, &Range<usize>)| {
            let above = index as u64 % of_plane * each;
            strip.len() as u64 >= of_row(columns).saturating_mul(each.min(rows - above))
        };
        Ok(self.chunks.iter().enumerate().all(whole))
    }

    /// Bytes of one row of pixels without compression, all samples of a pixel together.
    pub(super) fn row_bytes(&self, columns: u64) -> u64 {
        let bits: u64 = self.numbers(BITS).iter().sum::<u64>().max(1);
        (columns * bits).div_ceil(8)
    }
}
