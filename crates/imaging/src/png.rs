//! PNG (W3C PNG, third edition): a signature and chunks, each with its length, name and CRC.
//!
//! An allow-list: chunks stay that decide how the picture looks, in the length that the standard gives
//! them; all others go.

use crate::walk::{Walk, kind};
use crate::{Format, ImageError, check_size, exif, icc};

pub(crate) const SIGNATURE: &[u8] = b"\x89PNG\r\n\x1a\n";

/// Name, length and CRC around a chunk's content.
const FRAME: usize = 12;
/// A profile is a few kilobytes; a hostile one inflates to gigabytes.
const MAX_PROFILE: usize = 4 << 20;

pub(crate) fn walk(bytes: &[u8]) -> Result<Walk, ImageError> {
    let truncated = |missing| ImageError::Truncated {
        format: Format::Png,
        bytes: bytes.len(),
        missing,
    };
    let mut walk = Walk::new();
    walk.keep(0..SIGNATURE.len());
    let mut at = SIGNATURE.len();
    let mut pixels = false;
    loop {
        let header = bytes
            .get(at..at + 8)
            .ok_or(truncated("its last chunk is missing"))?;
        let length = u32::from_be_bytes([header[0], header[1], header[2], header[3]]) as usize;
        let name = [header[4], header[5], header[6], header[7]];
        if !name.iter().all(u8::is_ascii_alphabetic) || length > 0x7FFF_FFFF {
            return Err(damaged(format!(
                "there is no chunk at byte {at}, where one should be"
            )));
        }
        let end = at
            .checked_add(FRAME + length)
            .filter(|end| *end <= bytes.len());
        let end = end.ok_or(truncated("it stops inside a chunk"))?;
        let content = &bytes[at + 8..end - 4];
        if crc(&bytes[at + 4..end - 4]).to_be_bytes() != bytes[end - 4..end] {
            return Err(damaged(format!(
                "the checksum of its chunk {} at byte {at} is wrong",
                name.escape_ascii()
            )));
        }
        let first = at == SIGNATURE.len();
        if first != (name == *b"IHDR") {
            return Err(damaged("its header is not where it should be".to_owned()));
        }
        let chunk = at..end;
        at = end;
        match &name {
            b"IHDR" => {
                (walk.width, walk.height) = header_size(content)?;
                check_size(Format::Png, walk.width, walk.height)?;
                walk.keep(chunk);
            }
            b"IEND" if length != 0 => {
                return Err(damaged("its last chunk is not empty".to_owned()));
            }
            b"IEND" if !pixels => return Err(damaged("it holds no picture data".to_owned())),
            b"IEND" => {
                walk.keep(chunk);
                walk.remove(kind::TRAILING, bytes.len() - end);
                return Ok(walk);
            }
            b"IDAT" => {
                pixels = true;
                walk.keep(chunk);
            }
            b"iCCP" => profile(&mut walk, content),
            // Only before the picture data: later ones are not looked at by decoders.
            b"eXIf" if !pixels && walk.orientation == 1 && exif::orientation(content) != 1 => {
                walk.orientation = exif::orientation(content);
                let minimal = exif::minimal(walk.orientation);
                walk.remove(kind::EXIF, length.saturating_sub(minimal.len()));
                walk.make(made(b"eXIf", &minimal));
            }
            _ if stays(&name, length) => walk.keep(chunk),
            _ if name[0].is_ascii_uppercase() => {
                let what = format!("the unknown chunk {}", name.escape_ascii());
                return Err(ImageError::Unsupported {
                    format: Format::Png,
                    what,
                });
            }
            b"tEXt" | b"zTXt" if content.starts_with(b"Raw profile type") => {
                walk.remove(kind::EXIF, chunk.len())
            }
            b"iTXt" if content.starts_with(b"XML:com.adobe.xmp") => {
                walk.remove(kind::XMP, chunk.len())
            }
            b"tEXt" | b"zTXt" | b"iTXt" => walk.remove(kind::TEXT, chunk.len()),
            b"eXIf" => walk.remove(kind::EXIF, chunk.len()),
            b"tIME" => walk.remove(kind::TIME, chunk.len()),
            _ => walk.remove(kind::OTHER, chunk.len()),
        }
    }
}

/// Whether decoders need this chunk, and whether it has no room for anything else.
fn stays(name: &[u8; 4], length: usize) -> bool {
    match name {
        b"PLTE" => length <= 768,
        b"tRNS" => length <= 256,
        b"fdAT" => true,
        b"acTL" | b"cLLI" => length == 8,
        b"fcTL" => length == 26,
        b"sRGB" => length == 1,
        b"gAMA" | b"cICP" => length == 4,
        b"sBIT" => length <= 4,
        b"bKGD" => length <= 6,
        b"pHYs" => length == 9,
        b"mDCV" => length == 24,
        b"cHRM" => length == 32,
        _ => false,
    }
}

fn header_size(content: &[u8]) -> Result<(u32, u32), ImageError> {
    let &[
        w0,
        w1,
        w2,
        w3,
        h0,
        h1,
        h2,
        h3,
        depth,
        colour,
        compression,
        filter,
        interlace,
    ] = content
    else {
        return Err(damaged(format!(
            "its header has {} bytes instead of 13",
            content.len()
        )));
    };
    let known = matches!(
        (colour, depth),
        (0, 1 | 2 | 4 | 8 | 16) | (2 | 4 | 6, 8 | 16) | (3, 1 | 2 | 4 | 8)
    );
    if !known || compression != 0 || filter != 0 || interlace > 1 {
        return Err(damaged("its header makes no sense".to_owned()));
    }
    Ok((
        u32::from_be_bytes([w0, w1, w2, w3]),
        u32::from_be_bytes([h0, h1, h2, h3]),
    ))
}

/// A colour profile: a name, which goes, and the profile behind zlib, which stays without its words.
fn profile(walk: &mut Walk, content: &[u8]) {
    const NAME: &[u8] = b"profile\0\0";
    let name = content.iter().position(|byte| *byte == 0);
    let words = name
        .and_then(|name| content.get(name + 2..))
        .and_then(|packed| {
            miniz_oxide::inflate::decompress_to_vec_zlib_with_limit(packed, MAX_PROFILE).ok()
        });
    let Some((before, after)) =
        words.and_then(|before| icc::without_words(&before).map(|after| (before, after)))
    else {
        return walk.remove(kind::BROKEN_PROFILE, content.len() + FRAME);
    };
    let named = content.starts_with(NAME);
    if named && before == after {
        return walk.make(made(b"iCCP", content));
    }
    let mut cleaned = NAME.to_vec();
    cleaned.extend(miniz_oxide::deflate::compress_to_vec_zlib(&after, 6));
    let words = before
        .iter()
        .zip(&after)
        .filter(|(before, after)| before != after)
        .count();
    walk.remove(
        kind::COLOUR_TEXT,
        words + before.len() - after.len() + if named { 0 } else { name.unwrap_or(0) },
    );
    walk.make(made(b"iCCP", &cleaned));
}

fn made(name: &[u8; 4], content: &[u8]) -> Vec<u8> {
    let mut chunk = (content.len() as u32).to_be_bytes().to_vec();
    chunk.extend(name);
    chunk.extend(content);
    let crc = crc(&chunk[4..]);
    chunk.extend(crc.to_be_bytes());
    chunk
}

fn damaged(what: String) -> ImageError {
    ImageError::Damaged {
        format: Format::Png,
        what,
    }
}

/// CRC-32 as in annex D of the standard, eight bits at a time.
fn crc(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc, byte| {
        CRC_TABLE[((crc ^ u32::from(*byte)) & 0xFF) as usize] ^ (crc >> 8)
    })
}

static CRC_TABLE: [u32; 256] = crc_table();

const fn crc_table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut n = 0;
    while n < 256 {
        let mut c = n as u32;
        let mut bit = 0;
        while bit < 8 {
            c = if c & 1 == 1 {
                0xEDB8_8320 ^ (c >> 1)
            } else {
                c >> 1
            };
            bit += 1;
        }
        table[n] = c;
        n += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn crc_of_the_standard() {
        assert_eq!(crc(b"IEND"), 0xAE42_6082);
        assert_eq!(crc(b"123456789"), 0xCBF4_3926);
    }
}
