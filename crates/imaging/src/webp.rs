//! WebP (RFC 9649): a RIFF container with chunks, padded to even lengths.
//!
//! The picture's chunks stay, with its colour profile; Exif, XMP and unknown chunks go, also those
//! inside animation frames, and the flags and lengths are written anew to agree.
//!
//! An Exif orientation goes, too: Chromium ignores it in this format, others follow it, and people in a
//! room must not see the same picture in two ways.

use std::ops::Range;

use crate::walk::{Walk, kind};
use crate::{Format, ImageError, check_size, icc};

/// RIFF, length, WEBP.
const HEADER: usize = 12;
/// Position, size, duration and flags in front of a frame's chunks.
const FRAME_HEADER: usize = 16;

/// Flags of VP8X.
const ICC: u8 = 0x20;
const ALPHA: u8 = 0x10;
const ANIMATION: u8 = 0x02;

struct Chunk {
    name: [u8; 4],
    /// Name, length, content and padding.
    whole: Range<usize>,
    content: Range<usize>,
}

pub(crate) fn walk(bytes: &[u8]) -> Result<Walk, ImageError> {
    let declared = bytes
        .get(4..8)
        .map(|length| u32::from_le_bytes([length[0], length[1], length[2], length[3]]));
    let end = declared
        .and_then(|length| usize::try_from(length).ok())
        .and_then(|length| length.checked_add(8));
    let end = end
        .filter(|end| *end <= bytes.len())
        .ok_or(ImageError::Truncated {
            format: Format::WebP,
            bytes: bytes.len(),
            missing: "its header announces more",
        })?;
    let chunks = chunks(bytes, HEADER.min(end)..end)?;
    let mut walk = Walk::new();
    let riff = walk.reserve();
    let first = chunks
        .first()
        .ok_or_else(|| damaged("it holds no picture data".to_owned()))?;
    if first.name == *b"VP8X" {
        extended(&mut walk, bytes, &chunks)?;
    } else {
        (walk.width, walk.height) = stream_size(first, bytes)?;
        keep(&mut walk, bytes, first);
        for chunk in &chunks[1..] {
            walk.remove(what(chunk), chunk.whole.len());
        }
    }
    check_size(Format::WebP, walk.width, walk.height)?;
    walk.remove(kind::TRAILING, bytes.len() - end);
    let mut header = b"RIFF".to_vec();
    header.extend(((walk.len() + 4) as u32).to_le_bytes());
    header.extend(b"WEBP");
    walk.fill(riff, header);
    Ok(walk)
}

/// The layout with VP8X in front, which names the canvas and what else is there.
fn extended(walk: &mut Walk, bytes: &[u8], chunks: &[Chunk]) -> Result<(), ImageError> {
    let &[flags, _, _, _, w0, w1, w2, h0, h1, h2] = &bytes[chunks[0].content.clone()] else {
        return Err(damaged("its header has a wrong length".to_owned()));
    };
    walk.width = u32::from_le_bytes([w0, w1, w2, 0]) + 1;
    walk.height = u32::from_le_bytes([h0, h1, h2, 0]) + 1;
    let header = walk.reserve();
    let mut flags = flags & (ALPHA | ANIMATION);
    let mut pictures = 0;
    for chunk in &chunks[1..] {
        match &chunk.name {
            b"VP8 " | b"VP8L" if flags & ANIMATION == 0 && pictures == 0 => {
                if stream_size(chunk, bytes)? != (walk.width, walk.height) {
                    return Err(damaged(
                        "its picture is not as large as its header says".to_owned(),
                    ));
                }
                pictures += 1;
                keep(walk, bytes, chunk);
            }
            b"ALPH" if flags & ANIMATION == 0 && pictures == 0 => keep(walk, bytes, chunk),
            b"ANIM" if flags & ANIMATION != 0 && chunk.content.len() == 6 => {
                keep(walk, bytes, chunk)
            }
            b"ANMF" if flags & ANIMATION != 0 => {
                frame(walk, bytes, chunk)?;
                pictures += 1;
            }
            b"ICCP" if pictures == 0 && flags & ICC == 0 => {
                let before = &bytes[chunk.content.clone()];
                if let Some(after) = icc::without_words(before) {
                    let words = before
                        .iter()
                        .zip(&after)
                        .filter(|(before, after)| before != after)
                        .count();
                    walk.remove(kind::COLOUR_TEXT, words + before.len() - after.len());
                    walk.make(made(b"ICCP", &after));
                    flags |= ICC;
                } else {
                    walk.remove(kind::BROKEN_PROFILE, chunk.whole.len());
                }
            }
            _ => walk.remove(what(chunk), chunk.whole.len()),
        }
    }
    if pictures == 0 {
        return Err(ImageError::Truncated {
            format: Format::WebP,
            bytes: bytes.len(),
            missing: "the picture is missing",
        });
    }
    walk.fill(
        header,
        made(b"VP8X", &[flags, 0, 0, 0, w0, w1, w2, h0, h1, h2]),
    );
    Ok(())
}

/// One frame of an animation: its header and the chunks of its picture.
fn frame(walk: &mut Walk, bytes: &[u8], chunk: &Chunk) -> Result<(), ImageError> {
    let start = chunk.content.start + FRAME_HEADER;
    if start > chunk.content.end {
        return Err(damaged("a frame of its animation is too short".to_owned()));
    }
    let inner = chunks(bytes, start..chunk.content.end)?;
    let stays = |chunk: &&Chunk| matches!(&chunk.name, b"ALPH" | b"VP8 " | b"VP8L");
    if !inner
        .iter()
        .any(|chunk| chunk.name != *b"ALPH" && stays(&chunk))
    {
        return Err(damaged(
            "a frame of its animation holds no picture".to_owned(),
        ));
    }
    let mut content = bytes[chunk.content.start..start].to_vec();
    for part in &inner {
        if stays(&part) {
            content.extend(made(&part.name, &bytes[part.content.clone()]));
        } else {
            walk.remove(what(part), part.whole.len());
        }
    }
    walk.make(made(b"ANMF", &content));
    Ok(())
}

/// The chunks that fill a range, to its last byte.
fn chunks(bytes: &[u8], range: Range<usize>) -> Result<Vec<Chunk>, ImageError> {
    let mut chunks = Vec::new();
    let mut at = range.start;
    while at < range.end {
        let header = bytes[..range.end].get(at..at + 8);
        let header = header.ok_or_else(|| {
            damaged(format!(
                "there is no chunk at byte {at}, where one should be"
            ))
        })?;
        let name = [header[0], header[1], header[2], header[3]];
        let length = u32::from_le_bytes([header[4], header[5], header[6], header[7]]) as usize;
        let start = at + 8;
        let end = start.checked_add(length).filter(|end| *end <= range.end);
        let end = end.ok_or_else(|| {
            damaged(format!(
                "its chunk {} is longer than the file",
                name.escape_ascii()
            ))
        })?;
        // The last chunk's padding is missing in some files.
        let padded = (end + length % 2).min(range.end);
        chunks.push(Chunk {
            name,
            whole: at..padded,
            content: start..end,
        });
        at = padded;
    }
    Ok(chunks)
}

/// Width and height of a picture's own coding.
fn stream_size(chunk: &Chunk, bytes: &[u8]) -> Result<(u32, u32), ImageError> {
    let content = &bytes[chunk.content.clone()];
    let size = match &chunk.name {
        // RFC 6386, 9.1: a key frame, and its first partition inside the chunk.
        b"VP8 " => match content {
            &[t0, t1, t2, 0x9D, 0x01, 0x2A, w0, w1, h0, h1, ..] if t0 & 1 == 0 => {
                let partition = u32::from_le_bytes([t0, t1, t2, 0]) >> 5;
                let fits = content.len() >= 10 + partition as usize;
                let side = |low, high| u32::from(u16::from_le_bytes([low, high]) & 0x3FFF);
                fits.then(|| (side(w0, w1), side(h0, h1)))
            }
            _ => None,
        },
        // RFC 9649, 3.4: 14 bits each, less one; then one for alpha and a version of 0.
        b"VP8L" => match content {
            &[0x2F, b0, b1, b2, b3, ..] => {
                let bits = u32::from_le_bytes([b0, b1, b2, b3]);
                (bits >> 29 == 0).then_some(((bits & 0x3FFF) + 1, (bits >> 14 & 0x3FFF) + 1))
            }
            _ => None,
        },
        name => {
            return Err(damaged(format!(
                "it begins with a chunk {}",
                name.escape_ascii()
            )));
        }
    };
    size.ok_or_else(|| damaged("its picture data does not begin as it should".to_owned()))
}

/// A chunk that stays. A padding byte is written anew: it is a byte that no decoder looks at.
fn keep(walk: &mut Walk, bytes: &[u8], chunk: &Chunk) {
    if chunk.content.len().is_multiple_of(2) {
        walk.keep(chunk.whole.clone());
    } else {
        walk.make(made(&chunk.name, &bytes[chunk.content.clone()]));
    }
}

fn what(chunk: &Chunk) -> &'static str {
    match &chunk.name {
        b"EXIF" => kind::EXIF,
        b"XMP " => kind::XMP,
        _ => kind::OTHER,
    }
}

fn made(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut chunk = name.to_vec();
    chunk.extend((content.len() as u32).to_le_bytes());
    chunk.extend(content);
    if content.len() % 2 == 1 {
        chunk.push(0);
    }
    chunk
}

fn damaged(what: String) -> ImageError {
    ImageError::Damaged {
        format: Format::WebP,
        what,
    }
}
