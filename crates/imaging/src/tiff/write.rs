//! Writes pages anew: the tags that a decoder needs, and the strips or tiles as they were. No text, no Exif, no maker's
//! tag, no thumbnail, no byte between them.

use std::collections::BTreeMap;

use super::directory::{
    COLOUR_MAP, COMPRESSION, Directory, Field, Form, ROWS_PER_STRIP, STRIP_BYTES, STRIP_OFFSETS,
    TILE_BYTES, TILE_HEIGHT, TILE_OFFSETS, TILE_WIDTH, most_values,
};
use super::{JPEG, damaged, unsupported};
use crate::codec::{Colour, Decoded, strip};
use crate::dicom::{Coding, Instance, Photometric, Samples, interpret};
use crate::icc;
use crate::open::{OpenError, Taken};
use crate::walk::kind;

/// Tags of TIFF 6.0 and its supplements that say how pixels are coded and shown.
const NEEDED: [u16; 32] = [
    254, 256, 257, 258, 259, 262, 266, 273, 274, 277, 278, 279, 282, 283, 284, 292, 293, 296, 317,
    320, 322, 323, 324, 325, 338, 339, 347, 529, 530, 531, 532, ICC,
];
const ORIENTATION: u16 = 274;
const JPEG_TABLES: u16 = 347;
const ICC: u16 = 34_675;
const NO_COMPRESSION: u64 = 1;
const SUB_PAGES: u16 = 330;
const EXIF: u16 = 34_665;
const GPS: u16 = 34_853;
const INTEROPERABILITY: u16 = 40_965;
/// Bytes of a field without its value.
const ENTRY: usize = 12;
/// Directories below one field, of which a program writes one or two.
const MOST_BELOW: usize = 64;

/// The new file, and what is not in it.
pub(super) fn write(
    bytes: &[u8],
    pages: &[Directory],
    hidden: usize,
) -> Result<(Vec<u8>, Taken), OpenError> {
    let form = pages
        .first()
        .map(|page| page.form)
        .ok_or_else(|| damaged("it holds no picture"))?;
    let mut out = Out::new(form, bytes.len());
    let mut removed = Taken::default();
    removed.add(kind::THUMBNAIL, hidden);
    let mut left = most_values(bytes);
    let mut places = Vec::new();
    for page in pages {
        let mut page = page.clone();
        take_below(bytes, &page, 1, &mut left, &mut removed);
        sort_out(&mut page, &mut removed);
        match page.number(COMPRESSION).unwrap_or(NO_COMPRESSION) {
            6 => return Err(unsupported("the old kind of JPEG (compression 6)")),
            JPEG => strip_jpeg(bytes, &mut page, &mut out, &mut removed)?,
            NO_COMPRESSION => plain(bytes, &mut page, &mut out, &mut removed)?,
            _ => {
                let coded: Vec<&[u8]> = page
                    .chunks
                    .iter()
                    .map(|chunk| &bytes[chunk.clone()])
                    .collect();
                let places = out.chunks(&coded);
                point(&mut page, places);
            }
        }
        places.push(out.directory(&page));
    }
    out.link(&places);
    let before = bytes.len();
    if out.bytes.len() < before {
        removed.add(kind::OTHER, before - out.bytes.len());
    }
    Ok((out.bytes, removed))
}

/// Takes fields out that no decoder needs, and words out of the colour profile.
fn sort_out(page: &mut Directory, taken: &mut Taken) {
    page.fields.retain(|tag, field| {
        // Numbers only: a needed tag in the form of text would be room for words.
        let needed = NEEDED.contains(tag)
            && (field.kind != 2 && (field.kind != 7 || matches!(*tag, JPEG_TABLES | ICC)));
        if !needed {
            taken.field(&name_of(*tag), &field.bytes, ENTRY);
        }
        needed
    });
    if let Some(profile) = page.fields.remove(&ICC) {
        match icc::without_words(&profile.bytes) {
            Some(cleaned) => {
                let words = profile
                    .bytes
                    .iter()
                    .zip(&cleaned)
                    .filter(|(a, b)| a != b)
                    .count();
                taken.add(kind::COLOUR_TEXT, words);
                page.fields.insert(
                    ICC,
                    Field {
                        kind: 7,
                        count: cleaned.len() as u64,
                        bytes: cleaned,
                    },
                );
            }
            None => taken.add(kind::BROKEN_PROFILE, profile.bytes.len()),
        }
    }
}

/// What the directories below a page say: Exif, GPS and the like. None of them is passed on.
fn take_below(bytes: &[u8], page: &Directory, depth: usize, left: &mut usize, taken: &mut Taken) {
    for tag in [SUB_PAGES, EXIF, GPS, INTEROPERABILITY] {
        for at in page.numbers(tag).into_iter().take(MOST_BELOW) {
            let below = usize::try_from(at)
                .ok()
                .and_then(|at| Directory::read(bytes, page.form, at, left));
            let Some((below, _)) = below else { continue };
            for field in below.fields.values() {
                taken.field(&name_of(tag), &field.bytes, ENTRY);
            }
            if depth > 0 {
                take_below(bytes, &below, depth - 1, left, taken);
            }
        }
    }
}

/// A field as the receipt calls it.
fn name_of(tag: u16) -> String {
    let name = match tag {
        269 => "DocumentName",
        270 => "ImageDescription",
        271 => "Make",
        272 => "Model",
        285 => "PageName",
        305 => "Software",
        306 => "DateTime",
        315 => "Artist",
        316 => "HostComputer",
        SUB_PAGES => "SubIFDs",
        333 => "InkNames",
        700 => "XMP",
        33_432 => "Copyright",
        33_723 => "IPTC",
        34_377 => "Photoshop",
        EXIF => "Exif",
        GPS => "GPS",
        INTEROPERABILITY => "Interoperability",
        _ => return format!("Tag {tag}"),
    };
    format!("{name} ({tag})")
}

/// JPEG streams without comments and application segments.
fn strip_jpeg(
    bytes: &[u8],
    page: &mut Directory,
    out: &mut Out,
    removed: &mut Taken,
) -> Result<(), OpenError> {
    let mut clean = |coded: &[u8]| -> Result<Vec<u8>, OpenError> {
        let stripped = strip(Coding::Jpeg, coded).map_err(damaged)?;
        let stripped = stripped.unwrap_or_else(|| coded.to_vec());
        removed.add(kind::TEXT, coded.len() - stripped.len());
        Ok(stripped)
    };
    if let Some(tables) = page.fields.get_mut(&JPEG_TABLES) {
        tables.bytes = clean(&tables.bytes)?;
        tables.count = tables.bytes.len() as u64;
    }
    let coded: Vec<Vec<u8>> = page
        .chunks
        .iter()
        .map(|chunk| clean(&bytes[chunk.clone()]))
        .collect::<Result<_, _>>()?;
    let coded: Vec<&[u8]> = coded.iter().map(Vec::as_slice).collect();
    let places = out.chunks(&coded);
    point(page, places);
    Ok(())
}

/// Pixels without compression, and nothing after the last of each strip.
fn plain(
    bytes: &[u8],
    page: &mut Directory,
    out: &mut Out,
    removed: &mut Taken,
) -> Result<(), OpenError> {
    let rows = page.rows()?;
    let strip_rows = page
        .number(ROWS_PER_STRIP)
        .unwrap_or(rows)
        .clamp(1, rows.max(1));
    let tile = [TILE_WIDTH, TILE_HEIGHT].map(|tag| page.number(tag).unwrap_or(0));
    let most = if page.fields.contains_key(&TILE_OFFSETS) {
        page.row_bytes(tile[0]).saturating_mul(tile[1])
    } else {
        page.row_bytes(page.columns()?).saturating_mul(strip_rows)
    };
    let coded: Vec<&[u8]> = page
        .chunks
        .iter()
        .map(|chunk| {
            let whole = &bytes[chunk.clone()];
            let kept = &whole[..whole.len().min(usize::try_from(most).unwrap_or(usize::MAX))];
            removed.add(kind::TRAILING, whole.len() - kept.len());
            kept
        })
        .collect();
    let places = out.chunks(&coded);
    point(page, places);
    Ok(())
}

/// Pages without compression, little endian, one strip each: `frames` are stored frames of `instance`. Size, kind of
/// samples, palette and orientation stay; samples of less than eight bits get eight, and YCbCr becomes RGB.
pub(super) fn plainly(
    pages: &[(usize, Directory)],
    instance: &Instance,
    frames: Vec<Vec<u8>>,
) -> Result<Vec<u8>, OpenError> {
    let form = Form {
        big_endian: false,
        wide: false,
    };
    let format = &instance.head.pixels;
    let ybr = format.photometric == Photometric::YbrFull;
    let bits = format.bits_allocated.max(8);
    let samples = usize::from(format.samples_per_pixel);
    let shorts = |numbers: &[u16]| Field {
        kind: 3,
        count: numbers.len() as u64,
        bytes: numbers
            .iter()
            .flat_map(|number| number.to_le_bytes())
            .collect(),
    };
    let long = |number: u32| Field {
        kind: 4,
        count: 1,
        bytes: number.to_le_bytes().to_vec(),
    };
    let (photometric, palette) = match instance.palette() {
        Some(palette) => {
            let mut all = Vec::new();
            for part in palette {
                let mut entries = part.entries.clone();
                entries.resize(1 << bits, 0);
                all.extend(entries);
            }
            (3, Some(shorts(&all)))
        }
        None => (if samples == 3 { 2 } else { 1 }, None),
    };
    let kind_of_sample = match (format.float, format.signed) {
        (true, _) => 3,
        (false, true) => 2,
        (false, false) => 1,
    };
    let mut out = Out::new(form, 0);
    let mut places = Vec::new();
    for ((_, page), mut frame) in pages.iter().zip(frames) {
        if ybr {
            let decoded = Decoded {
                bytes: frame,
                colour: Colour::AsStated,
            };
            frame = match interpret(format, None, decoded)?.samples {
                Samples::Rgb8(rgb) => rgb,
                _ => return Err(damaged("its colours make no sense")),
            };
        } else if format.bits_stored < 8 && palette.is_none() {
            let most = (1_u16 << format.bits_stored) - 1;
            for sample in &mut frame {
                *sample = (u16::from(*sample) * 255 / most) as u8;
            }
        }
        let mut fields = BTreeMap::from([
            (256, long(format.columns)),
            (257, long(format.rows)),
            (258, shorts(&vec![bits; samples])),
            (COMPRESSION, shorts(&[1])),
            (262, shorts(&[photometric])),
            (277, shorts(&[format.samples_per_pixel])),
            (ROWS_PER_STRIP, long(format.rows)),
            (284, shorts(&[1])),
            (339, shorts(&vec![kind_of_sample; samples])),
        ]);
        if let Some(orientation) = page.number(ORIENTATION) {
            fields.insert(ORIENTATION, shorts(&[orientation as u16]));
        }
        if let Some(palette) = &palette {
            fields.insert(COLOUR_MAP, palette.clone());
        }
        let mut page = Directory {
            form,
            fields,
            chunks: Vec::new(),
        };
        let place = out.chunks(&[&frame]);
        point(&mut page, place);
        places.push(out.directory(&page));
    }
    out.link(&places);
    if u32::try_from(out.bytes.len()).is_err() {
        return Err(OpenError::Limit(
            crate::open::Kind::Tiff,
            "painted over, it takes more than 4 GiB".to_owned(),
        ));
    }
    Ok(out.bytes)
}

/// Lets a page say where its pixels are now.
fn point(page: &mut Directory, places: Vec<(u64, u64)>) {
    let (offsets, sizes) = if page.fields.contains_key(&TILE_OFFSETS) {
        (TILE_OFFSETS, TILE_BYTES)
    } else {
        (STRIP_OFFSETS, STRIP_BYTES)
    };
    let form = page.form;
    let field = |numbers: Vec<u64>| Field {
        kind: if form.wide { 16 } else { 4 },
        count: numbers.len() as u64,
        bytes: numbers
            .iter()
            .flat_map(|number| form.bytes(*number, form.word()))
            .collect(),
    };
    let (first, second) = places.into_iter().unzip();
    page.fields.insert(offsets, field(first));
    page.fields.insert(sizes, field(second));
}

struct Out {
    form: Form,
    bytes: Vec<u8>,
}

impl Out {
    fn new(form: Form, capacity: usize) -> Self {
        let mut bytes = Vec::with_capacity(capacity);
        bytes.extend_from_slice(if form.big_endian { b"MM" } else { b"II" });
        bytes.extend(form.bytes(if form.wide { 43 } else { 42 }, 2));
        if form.wide {
            bytes.extend(form.bytes(8, 2));
            bytes.extend([0, 0]);
        }
        bytes.extend(vec![0; form.word()]);
        Out { form, bytes }
    }

    /// Where each of these is now, and its length. Values begin at even offsets (section 2).
    fn chunks(&mut self, coded: &[&[u8]]) -> Vec<(u64, u64)> {
        coded
            .iter()
            .map(|chunk| (self.value(chunk), chunk.len() as u64))
            .collect()
    }

    fn value(&mut self, bytes: &[u8]) -> u64 {
        let at = self.bytes.len() as u64;
        self.bytes.extend_from_slice(bytes);
        if self.bytes.len() % 2 == 1 {
            self.bytes.push(0);
        }
        at
    }

    /// Writes a directory, its long values in front of it; where it begins.
    fn directory(&mut self, page: &Directory) -> usize {
        let form = self.form;
        let mut entries = form.bytes(page.fields.len() as u64, if form.wide { 8 } else { 2 });
        for (tag, field) in &page.fields {
            entries.extend(form.bytes((*tag).into(), 2));
            entries.extend(form.bytes(field.kind.into(), 2));
            entries.extend(form.bytes(field.count, form.word()));
            if field.bytes.len() <= form.word() {
                let mut inline = field.bytes.clone();
                inline.resize(form.word(), 0);
                entries.extend(inline);
            } else {
                let at = self.value(&field.bytes);
                entries.extend(form.bytes(at, form.word()));
            }
        }
        entries.extend(vec![0; form.word()]);
        self.value(&entries) as usize
    }

    /// Lets the header and each page point to the next page.
    fn link(&mut self, places: &[usize]) {
        let form = self.form;
        let mut at = if form.wide { 8 } else { 4 };
        for place in places {
            self.bytes[at..at + form.word()]
                .copy_from_slice(&form.bytes(*place as u64, form.word()));
            let (head, entry) = if form.wide { (8, 20) } else { (2, 12) };
            let count = form.number(&self.bytes[*place..*place + head]) as usize;
            at = place + head + count * entry;
        }
    }
}
