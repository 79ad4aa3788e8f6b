//! JPEG (ITU-T T.81): markers, most with a length, and coded data between SOS and the next marker.
//!
//! Tables, frame and scans stay. Of the application segments only those stay that change how the
//! picture looks, each rebuilt to hold nothing else: JFIF (pixel aspect), Adobe (colour transform), an
//! ICC profile without its words, and an Exif with the orientation when it is not 1.

use std::ops::Range;

use crate::walk::{Walk, kind};
use crate::{Format, ImageError, check_size, exif, icc};

const EXIF: &[u8] = b"Exif\0\0";
const ICC: &[u8] = b"ICC_PROFILE\0";
/// What one segment holds of a profile: 65,535 less its length field, [`ICC`] and two numbers.
const ICC_PART: usize = 65_519;

pub(crate) fn walk(bytes: &[u8]) -> Result<Walk, ImageError> {
    let mut walk = Walk::new();
    walk.keep(0..2);
    // Application segments are rebuilt here, in front of everything else: decoders want JFIF first.
    let front = walk.reserve();
    let mut application = Application::default();
    let mut frame = false;
    let mut scans = 0;
    let mut at = 2;
    loop {
        let (marker, start) = next_marker(bytes, at)?;
        at = start + 2;
        if marker == 0xD9 {
            if scans == 0 {
                return Err(damaged("it ends before any picture data".to_owned()));
            }
            walk.keep(start..at);
            walk.remove(kind::TRAILING, bytes.len() - at);
            break;
        }
        let segment = segment(bytes, start)?;
        let content = &bytes[start + 4..segment.end];
        at = segment.end;
        match marker {
            0xC0..=0xC2 if frame => return Err(damaged("it has two headers".to_owned())),
            0xC0..=0xC2 => {
                frame = true;
                (walk.height, walk.width) = frame_size(content)?;
                check_size(Format::Jpeg, walk.width, walk.height)?;
                walk.keep(segment);
            }
            // DHT, DQT, DRI, and DAC, which no decoder here uses and which does no harm.
            0xC4 | 0xDB | 0xDD | 0xCC => walk.keep(segment),
            0xDA if !frame => {
                return Err(damaged(
                    "its picture data comes before its header".to_owned(),
                ));
            }
            0xDA => {
                scans += 1;
                at = scan_end(bytes, segment.end)?;
                walk.keep(segment.start..at);
            }
            0xE0..=0xEF => application.take(&mut walk, marker, content),
            0xFE => walk.remove(kind::TEXT, segment.len()),
            0xC3 | 0xC5..=0xCB | 0xCD..=0xCF | 0xDE => {
                let what = "a lossless, arithmetic or hierarchical coding".to_owned();
                return Err(ImageError::Unsupported {
                    format: Format::Jpeg,
                    what,
                });
            }
            // DNL only repeats a height that the header must have here.
            0xDC => walk.remove(kind::OTHER, segment.len()),
            // Decoders go on in different ways where a marker of no kind stands, so it can neither stay nor go.
            _ => {
                return Err(damaged(format!(
                    "the segment at byte {start} is of no kind that JPEG has"
                )));
            }
        }
    }
    let made = application.rebuild(&mut walk);
    walk.fill(front, made);
    Ok(walk)
}

/// The marker at `at` and where it begins; bytes 0xFF in front of it are padding (B.1.1.2).
fn next_marker(bytes: &[u8], at: usize) -> Result<(u8, usize), ImageError> {
    let mut start = at;
    loop {
        match (bytes.get(start), bytes.get(start + 1)) {
            (Some(0xFF), Some(0xFF)) => start += 1,
            (Some(0xFF), Some(marker)) if *marker > 0x01 && !(0xD0..=0xD8).contains(marker) => {
                return Ok((*marker, start));
            }
            (Some(0xFF) | None, None) => return Err(truncated(bytes, "its end is missing")),
            _ => {
                return Err(damaged(format!(
                    "there is no segment at byte {start}, where one should be"
                )));
            }
        }
    }
}

/// The whole of a segment that begins at `start`, its marker included.
fn segment(bytes: &[u8], start: usize) -> Result<Range<usize>, ImageError> {
    let length = bytes
        .get(start + 2..start + 4)
        .ok_or_else(|| truncated(bytes, "it stops inside a segment"))?;
    let length = usize::from(u16::from_be_bytes([length[0], length[1]]));
    if length < 2 {
        return Err(damaged(format!(
            "the segment at byte {start} has no length"
        )));
    }
    let end = start + 2 + length;
    if end > bytes.len() {
        Err(truncated(bytes, "it stops inside a segment"))
    } else {
        Ok(start..end)
    }
}

/// Height and width.
fn frame_size(content: &[u8]) -> Result<(u32, u32), ImageError> {
    let (&[precision, h0, h1, w0, w1, components], rest) = content
        .split_first_chunk()
        .ok_or_else(|| damaged("its header is too short".to_owned()))?;
    if precision != 8 {
        let what = format!("{precision} bits a sample");
        return Err(ImageError::Unsupported {
            format: Format::Jpeg,
            what,
        });
    }
    if !matches!(components, 1 | 3 | 4) || rest.len() != 3 * usize::from(components) {
        return Err(damaged("its header makes no sense".to_owned()));
    }
    Ok((
        u32::from(u16::from_be_bytes([h0, h1])),
        u32::from(u16::from_be_bytes([w0, w1])),
    ))
}

/// Where coded data that begins at `start` ends: at a marker that is no restart. A stuffed 0xFF is
/// followed by 0.
fn scan_end(bytes: &[u8], start: usize) -> Result<usize, ImageError> {
    let mut at = start;
    loop {
        let rest = bytes.get(at..).unwrap_or_default();
        let Some(found) = rest.iter().position(|byte| *byte == 0xFF) else {
            return Err(truncated(bytes, "it stops inside the picture"));
        };
        at += found;
        match bytes.get(at + 1) {
            None => return Err(truncated(bytes, "it stops inside the picture")),
            Some(0x00 | 0xD0..=0xD7) => at += 2,
            Some(0xFF) => at += 1,
            Some(_) => return Ok(at),
        }
    }
}

/// What application segments say that matters.
#[derive(Default)]
struct Application {
    jfif: Option<[u8; 12]>,
    adobe: Option<[u8; 12]>,
    /// Number of the part, number of parts, content.
    profile: Vec<(u8, u8, Vec<u8>)>,
    exif: bool,
    /// Length of all segments taken, and how much of it is named as something removed.
    profile_bytes: usize,
}

impl Application {
    fn take(&mut self, walk: &mut Walk, marker: u8, content: &[u8]) {
        let whole = content.len() + 4;
        match marker {
            0xE0 if content.starts_with(b"JFIF\0")
                && content.len() >= 14
                && self.jfif.is_none() =>
            {
                let mut jfif = [0; 12];
                jfif.copy_from_slice(&content[..12]);
                self.jfif = Some(jfif);
                walk.remove(kind::THUMBNAIL, content.len() - 14);
            }
            0xE0 if content.starts_with(b"JFXX\0") => walk.remove(kind::THUMBNAIL, whole),
            0xE1 if content.starts_with(EXIF) => {
                let orientation = exif::orientation(&content[EXIF.len()..]);
                if orientation != 1 && !self.exif {
                    walk.orientation = orientation;
                    let minimal = exif::minimal(orientation).len() + EXIF.len();
                    walk.remove(kind::EXIF, content.len().saturating_sub(minimal));
                } else {
                    walk.remove(kind::EXIF, whole);
                }
                // The first one counts, as in browsers.
                self.exif = true;
            }
            0xE1 if content.starts_with(b"http://ns.adobe.com/") => walk.remove(kind::XMP, whole),
            0xE2 if content.starts_with(ICC) && content.len() > ICC.len() + 2 => {
                let (number, of) = (content[ICC.len()], content[ICC.len() + 1]);
                self.profile
                    .push((number, of, content[ICC.len() + 2..].to_vec()));
                self.profile_bytes += whole;
            }
            0xED => walk.remove(kind::IPTC, whole),
            0xEE if content.starts_with(b"Adobe")
                && content.len() >= 12
                && self.adobe.is_none() =>
            {
                let mut adobe = [0; 12];
                adobe.copy_from_slice(&content[..12]);
                self.adobe = Some(adobe);
                walk.remove(kind::OTHER, content.len() - 12);
            }
            _ => walk.remove(kind::OTHER, whole),
        }
    }

    fn rebuild(self, walk: &mut Walk) -> Vec<u8> {
        let mut out = Vec::new();
        if let Some(jfif) = self.jfif {
            // No thumbnail: zero by zero pixels.
            push(&mut out, 0xE0, &[&jfif, &[0, 0]]);
        }
        if walk.orientation != 1 {
            push(&mut out, 0xE1, &[EXIF, &exif::minimal(walk.orientation)]);
        }
        match join(&self.profile)
            .and_then(|before| icc::without_words(&before).map(|after| (before, after)))
        {
            Some((before, after)) => {
                let words = before
                    .iter()
                    .zip(&after)
                    .filter(|(before, after)| before != after)
                    .count();
                walk.remove(kind::COLOUR_TEXT, words + before.len() - after.len());
                let parts = after.chunks(ICC_PART);
                let of = parts.len() as u8;
                for (index, part) in parts.enumerate() {
                    push(&mut out, 0xE2, &[ICC, &[index as u8 + 1, of], part]);
                }
            }
            None => walk.remove(kind::BROKEN_PROFILE, self.profile_bytes),
        }
        if let Some(adobe) = self.adobe {
            push(&mut out, 0xEE, &[&adobe]);
        }
        out
    }
}

/// A profile from its parts (ICC.1 annex B.4); nothing when one is missing or comes twice.
fn join(parts: &[(u8, u8, Vec<u8>)]) -> Option<Vec<u8>> {
    let mut parts: Vec<_> = parts.iter().collect();
    parts.sort_by_key(|(number, _, _)| *number);
    let complete = parts.iter().enumerate().all(|(index, (number, of, _))| {
        usize::from(*number) == index + 1 && usize::from(*of) == parts.len()
    });
    (complete && !parts.is_empty()).then(|| {
        parts
            .iter()
            .flat_map(|(_, _, part)| part)
            .copied()
            .collect()
    })
}

fn push(out: &mut Vec<u8>, marker: u8, content: &[&[u8]]) {
    let length: usize = content.iter().map(|part| part.len()).sum();
    out.extend([0xFF, marker]);
    out.extend(((length + 2) as u16).to_be_bytes());
    out.extend(content.concat());
}

fn truncated(bytes: &[u8], missing: &'static str) -> ImageError {
    ImageError::Truncated {
        format: Format::Jpeg,
        bytes: bytes.len(),
        missing,
    }
}

fn damaged(what: String) -> ImageError {
    ImageError::Damaged {
        format: Format::Jpeg,
        what,
    }
}
