//! Takes out of a coded frame what its decoder does not need: comments, Exif and other segments in which names
//! travel, and what follows the end of the image. The coded pixels are copied byte for byte.

use crate::dicom::Coding;

/// The frame without them, or `None` when there is nothing to take out or it is of no kind that has any.
///
/// # Errors
/// What of the frame could not be understood, as the end of a sentence.
pub(crate) fn strip(coding: Coding, coded: &[u8]) -> Result<Option<Vec<u8>>, String> {
    let stripped = match coding {
        Coding::Jpeg | Coding::JpegLossless | Coding::JpegLs => {
            jpeg(coded).ok_or("its JPEG segments do not follow one another")?
        }
        Coding::Jpeg2000 | Coding::HtJpeg2000 => {
            jpeg2000(coded).ok_or("its JPEG 2000 segments do not follow one another")?
        }
        Coding::JpegXl => jxl(coded).ok_or("its JPEG XL boxes do not follow one another")?,
        _ => return Ok(None),
    };
    let unchanged = coded
        .strip_prefix(stripped.as_slice())
        .is_some_and(|rest| matches!(rest, [] | [0] | [0xFF]));
    Ok((!unchanged).then_some(stripped))
}

fn jpeg(coded: &[u8]) -> Option<Vec<u8>> {
    let mut out = vec![0xFF, 0xD8];
    let mut at = coded.windows(2).position(|two| two == [0xFF, 0xD8])? + 2;
    loop {
        while *coded.get(at)? == 0xFF && *coded.get(at + 1)? == 0xFF {
            at += 1;
        }
        let marker = (*coded.get(at)? == 0xFF).then(|| coded.get(at + 1).copied())??;
        if marker == 0xD9 {
            out.extend([0xFF, 0xD9]);
            return Some(out);
        }
        let length = usize::from(u16::from_be_bytes([
            *coded.get(at + 2)?,
            *coded.get(at + 3)?,
        ]));
        let end = at + 2 + length;
        let segment = coded.get(at..end)?;
        let needed = match marker {
            0xE0 => segment.get(4..8) == Some(b"JFIF"),
            0xEE => segment.get(4..9) == Some(b"Adobe"),
            0xE1..=0xEF | 0xFE => false,
            _ => true,
        };
        if needed {
            out.extend_from_slice(segment);
        }
        at = end;
        if marker == 0xDA {
            let rest = &coded[at..];
            let entropy = rest
                .windows(2)
                .position(|two| {
                    two[0] == 0xFF && !matches!(two[1], 0 | 0xD0..=0xD7 | 0xFF) && two[1] >= 0x80
                })
                // A frame that was cut before its end marker decodes all the same.
                .unwrap_or(rest.len());
            out.extend_from_slice(&rest[..entropy]);
            at += entropy;
            if at == coded.len() {
                return Some(out);
            }
        }
    }
}

/// Comments of the main header; tiles carry none of their own that decoders of images write.
fn jpeg2000(coded: &[u8]) -> Option<Vec<u8>> {
    let start = if coded.get(4..8) == Some(b"jP  ") {
        coded
            .windows(4)
            .position(|window| window == [0xFF, 0x4F, 0xFF, 0x51])?
    } else {
        0
    };
    let stream = &coded[start..];
    let mut out = stream.get(..2).filter(|soc| *soc == [0xFF, 0x4F])?.to_vec();
    let mut at = 2;
    loop {
        let marker = stream.get(at..at + 2)?;
        if marker == [0xFF, 0x90] {
            break;
        }
        let length = usize::from(u16::from_be_bytes([
            *stream.get(at + 2)?,
            *stream.get(at + 3)?,
        ]));
        let segment = stream.get(at..at + 2 + length)?;
        if marker != [0xFF, 0x64] {
            out.extend_from_slice(segment);
        }
        at += 2 + length;
    }
    let tiles = &stream[at..];
    // The last end marker ends the image; a stream that was cut has none.
    let end = tiles
        .windows(2)
        .rposition(|two| two == [0xFF, 0xD9])
        .map_or(tiles.len(), |end| end + 2);
    out.extend_from_slice(&tiles[..end]);
    Some(out)
}

/// Boxes of the container that decoding needs; a bare code stream has no others. What only makes the JPEG again of which
/// the picture was made (`jbrd`) holds that one's comments.
fn jxl(coded: &[u8]) -> Option<Vec<u8>> {
    if coded.starts_with(&[0xFF, 0x0A]) {
        return Some(coded.to_vec());
    }
    let mut out = Vec::with_capacity(coded.len());
    let mut at = 0;
    while at + 8 <= coded.len() {
        let short = u32::from_be_bytes(*coded[at..].first_chunk()?);
        let length = match short {
            0 => coded.len() - at,
            1 => usize::try_from(u64::from_be_bytes(*coded.get(at + 8..)?.first_chunk()?)).ok()?,
            length => length as usize,
        };
        let whole = coded
            .get(at..at.checked_add(length)?)
            .filter(|_| length >= 8)?;
        if matches!(
            &whole[4..8],
            b"JXL " | b"ftyp" | b"jxll" | b"jxlc" | b"jxlp"
        ) {
            out.extend_from_slice(whole);
        }
        at += length;
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn comments_and_what_follows_the_end_go() {
        let plain = [
            0xFF, 0xD8, 0xFF, 0xDB, 0, 3, 7, 0xFF, 0xDA, 0, 2, 1, 0xFF, 0, 2, 0xFF, 0xD9,
        ];
        assert_eq!(strip(Coding::Jpeg, &plain), Ok(None));
        let mut named = plain.to_vec();
        named.splice(2..2, *b"\xFF\xFE\0\x05DOE");
        named.extend(b"DOE");
        assert_eq!(strip(Coding::Jpeg, &named), Ok(Some(plain.to_vec())));
        let wavelet = [0xFF, 0x4F, 0xFF, 0x51, 0, 3, 1, 0xFF, 0x90, 5, 0xFF, 0xD9];
        assert_eq!(strip(Coding::Jpeg2000, &wavelet), Ok(None));
        let mut named = wavelet.to_vec();
        named.splice(7..7, *b"\xFF\x64\0\x05DOE");
        assert_eq!(strip(Coding::Jpeg2000, &named), Ok(Some(wavelet.to_vec())));
        assert!(strip(Coding::Jpeg, b"DOE").is_err());
    }
}
