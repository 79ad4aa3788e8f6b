//! Gzip members (RFC 1952) around a NIfTI file. A member's own name and time are not passed on.

use miniz_oxide::inflate::TINFLStatus;
use miniz_oxide::inflate::core::{DecompressorOxide, decompress, inflate_flags};

use super::damaged;
use crate::open::{Kind, OpenError, Taken};

const HEAD: [u8; 10] = [0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 255];

pub(super) fn looks_packed(bytes: &[u8]) -> bool {
    bytes.starts_with(&HEAD[..3])
}

/// The deflated data of the first member.
fn body(bytes: &[u8]) -> Option<&[u8]> {
    let flags = *bytes.get(3)?;
    let mut rest = bytes.get(10..)?;
    if flags & 4 != 0 {
        let (length, after) = rest.split_first_chunk::<2>()?;
        rest = after.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    for flag in [8, 16] {
        if flags & flag != 0 {
            let end = rest.iter().position(|byte| *byte == 0)?;
            rest = &rest[end + 1..];
        }
    }
    if flags & 2 != 0 {
        rest = rest.get(2..)?;
    }
    Some(rest)
}

/// The first bytes of what is packed, as many as asked or none.
pub(super) fn start(bytes: &[u8], length: usize) -> Option<Vec<u8>> {
    let mut out = vec![0; length];
    let flags = inflate_flags::TINFL_FLAG_USING_NON_WRAPPING_OUTPUT_BUF;
    let body = body(bytes)?;
    let (_, _, filled) = decompress(
        &mut DecompressorOxide::new(),
        &body[..body.len().min(1 << 16)],
        &mut out,
        0,
        flags,
    );
    (filled == length).then_some(out)
}

/// All of it. A length and a checksum at the end say whether it is whole.
pub(super) fn unpack(bytes: &[u8], limit: usize) -> Result<Vec<u8>, OpenError> {
    const CUT: &str = "its packed data end early or are damaged";
    let body = body(bytes).ok_or_else(|| damaged(CUT))?;
    let out =
        miniz_oxide::inflate::decompress_to_vec_with_limit(body, limit).map_err(
            |error| match error.status {
                TINFLStatus::HasMoreOutput => OpenError::Limit(
                    Kind::Nifti,
                    format!("it grows beyond {} MiB when unpacked", limit >> 20),
                ),
                _ => damaged(CUT),
            },
        )?;
    let tail = bytes.last_chunk::<8>().ok_or_else(|| damaged(CUT))?;
    let number =
        |at: usize| u32::from_le_bytes([tail[at], tail[at + 1], tail[at + 2], tail[at + 3]]);
    if number(4) != out.len() as u32 || number(0) != crate::archive::crc32(&out) {
        return Err(damaged(CUT));
    }
    Ok(out)
}

/// What a member's own header says: a name, a comment, a time.
pub(super) fn take_words(bytes: &[u8], taken: &mut Taken) {
    let Some(body) = body(bytes) else { return };
    let words = &bytes[10..bytes.len() - body.len()];
    taken.field("Name in the gzip header", words, 0);
    let time = bytes[4..8].iter().filter(|byte| **byte != 0).count();
    taken.add("Time in the gzip header", time);
}

/// Packs anew.
pub(super) fn pack(bytes: &[u8]) -> Vec<u8> {
    let mut out = HEAD.to_vec();
    out.extend(miniz_oxide::deflate::compress_to_vec(bytes, 6));
    out.extend(crate::archive::crc32(bytes).to_le_bytes());
    out.extend((bytes.len() as u32).to_le_bytes());
    out
}
