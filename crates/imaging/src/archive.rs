//! ZIP archives (APPNOTE 6.3): the directory is read first, then one entry at a time, each bounded by the size that
//! the directory promises and by a limit, so that no archive can grow in memory beyond both.

use std::fmt;

/// The most that one entry may grow to.
pub const MAX_ENTRY: u64 = 1 << 30;
/// The most that all entries may grow to together.
pub const MAX_TOTAL: u64 = 8 << 30;
/// How many entries an archive may have.
pub const MAX_ENTRIES: usize = 100_000;
/// How much larger than its packed form an entry may be; real images reach about 100, bombs 1000.
const MAX_RATIO: u64 = 400;

/// Why an archive or an entry is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ArchiveError {
    /// The archive contradicts itself or ends early.
    #[error("This ZIP archive is damaged: {0}.")]
    Damaged(&'static str),
    /// Larger than is taken.
    #[error("This ZIP archive is refused: {0}.")]
    Limit(String),
    /// Encrypted, or packed in a way that is not read.
    #[error("This file in a ZIP archive {0}.")]
    Unsupported(&'static str),
}

/// A file in an archive.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// Its path in the archive, with `/`.
    pub name: String,
    /// Its length when unpacked, as promised.
    pub size: u64,
    packed: u64,
    header: u64,
    method: u16,
    encrypted: bool,
    crc: u32,
}

/// Whether bytes begin as an archive does.
pub fn looks_like_zip(bytes: &[u8]) -> bool {
    bytes.starts_with(b"PK\x03\x04") || bytes.starts_with(b"PK\x05\x06")
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    Some(u32::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    Some(u64::from_le_bytes(*bytes.get(at..)?.first_chunk()?))
}

/// The files of an archive, without folders and without what desktops add.
///
/// # Errors
/// [`ArchiveError`]: no directory, a damaged one, or more than the limits.
pub fn entries(bytes: &[u8]) -> Result<Vec<Entry>, ArchiveError> {
    const NO_DIRECTORY: ArchiveError =
        ArchiveError::Damaged("its directory is missing, it may be cut off");
    let tail = bytes.len().saturating_sub(22 + 65_535);
    let end = bytes[tail..]
        .windows(4)
        .rposition(|window| window == b"PK\x05\x06")
        .map(|at| tail + at)
        .ok_or(NO_DIRECTORY)?;
    if end + 22 > bytes.len() {
        return Err(NO_DIRECTORY);
    }
    let mut count = u64::from(u16_at(bytes, end + 10).ok_or(NO_DIRECTORY)?);
    let mut at = u64::from(u32_at(bytes, end + 16).ok_or(NO_DIRECTORY)?);
    if count == 0xFFFF || at == 0xFFFF_FFFF {
        let locator = end
            .checked_sub(20)
            .filter(|at| bytes[*at..].starts_with(b"PK\x06\x07"))
            .ok_or(NO_DIRECTORY)?;
        let record = u64_at(bytes, locator + 8)
            .and_then(|at| usize::try_from(at).ok())
            .ok_or(NO_DIRECTORY)?;
        count = u64_at(bytes, record.saturating_add(32)).ok_or(NO_DIRECTORY)?;
        at = u64_at(bytes, record.saturating_add(48)).ok_or(NO_DIRECTORY)?;
    }
    if count > MAX_ENTRIES as u64 {
        return Err(ArchiveError::Limit(format!(
            "it has {count} entries and the limit is {MAX_ENTRIES}"
        )));
    }
    let mut at = usize::try_from(at).map_err(|_| NO_DIRECTORY)?;
    let mut entries = Vec::new();
    let mut total = 0u64;
    for _ in 0..count {
        let (entry, next) =
            entry(bytes, at).ok_or(ArchiveError::Damaged("its directory does not parse"))?;
        at = next;
        let desktop = entry.name.starts_with("__MACOSX/")
            || entry.name.ends_with(".DS_Store")
            || entry.name.ends_with("Thumbs.db");
        if entry.name.ends_with('/') || desktop {
            continue;
        }
        total = total.saturating_add(entry.size);
        if total > MAX_TOTAL {
            return Err(ArchiveError::Limit(format!(
                "its files are larger than {} GiB together",
                MAX_TOTAL >> 30
            )));
        }
        entries.push(entry);
    }
    Ok(entries)
}

fn entry(bytes: &[u8], at: usize) -> Option<(Entry, usize)> {
    let head = bytes.get(at..at.checked_add(46)?)?;
    if !head.starts_with(b"PK\x01\x02") {
        return None;
    }
    let length = |at| u16_at(head, at).map(usize::from);
    let (name, extra, comment) = (length(28)?, length(30)?, length(32)?);
    let name = bytes.get(at + 46..at + 46 + name)?;
    let extra = bytes.get(at + 46 + name.len()..at + 46 + name.len() + extra)?;
    let mut sizes = [
        u64::from(u32_at(head, 24)?),
        u64::from(u32_at(head, 20)?),
        u64::from(u32_at(head, 42)?),
    ];
    let mut rest = extra;
    while let (Some(kind), Some(length)) = (u16_at(rest, 0), u16_at(rest, 2)) {
        let content = rest.get(4..4 + usize::from(length))?;
        if kind == 1 {
            let mut at = 0;
            for size in sizes.iter_mut().filter(|size| **size == 0xFFFF_FFFF) {
                *size = u64_at(content, at)?;
                at += 8;
            }
        }
        rest = &rest[4 + usize::from(length)..];
    }
    Some((
        Entry {
            name: String::from_utf8_lossy(name).replace('\\', "/"),
            size: sizes[0],
            packed: sizes[1],
            header: sizes[2],
            method: u16_at(head, 10)?,
            encrypted: u16_at(head, 8)? & 1 == 1,
            crc: u32_at(head, 16)?,
        },
        at + 46 + name.len() + extra.len() + comment,
    ))
}

impl Entry {
    /// The file, unpacked from the archive's bytes.
    ///
    /// # Errors
    /// [`ArchiveError`]: encrypted, damaged, or larger than is taken.
    pub fn bytes(&self, archive: &[u8]) -> Result<Vec<u8>, ArchiveError> {
        if self.encrypted {
            return Err(ArchiveError::Unsupported("is encrypted: unpack it first"));
        }
        if self.size > MAX_ENTRY || self.size / MAX_RATIO > self.packed {
            return Err(ArchiveError::Limit(format!(
                "{self} would grow from {} to {} bytes",
                self.packed, self.size
            )));
        }
        let outside = ArchiveError::Damaged("a file lies outside of it");
        let start = usize::try_from(self.header).map_err(|_| outside.clone())?;
        let skip = |at| u16_at(archive, start.saturating_add(at)).map(usize::from);
        let (name, extra) = skip(26).zip(skip(28)).ok_or(outside.clone())?;
        let start = start + 30 + name + extra;
        let end = usize::try_from(self.packed)
            .ok()
            .and_then(|packed| start.checked_add(packed));
        let packed = end.and_then(|end| archive.get(start..end)).ok_or(outside)?;
        let bytes = match self.method {
            // Many entries may point at the same bytes: what is copied is bounded as what is unpacked.
            0 if self.packed != self.size => {
                return Err(ArchiveError::Damaged("a file has two lengths"));
            }
            0 => packed.to_vec(),
            8 => miniz_oxide::inflate::decompress_to_vec_with_limit(packed, self.size as usize)
                .map_err(|_| {
                    ArchiveError::Damaged(
                        "a file does not unpack to the size that its directory says",
                    )
                })?,
            _ => {
                return Err(ArchiveError::Unsupported(
                    "is packed in a way that is not read: unpack it first",
                ));
            }
        };
        if bytes.len() as u64 != self.size || crc32(&bytes) != self.crc {
            return Err(ArchiveError::Damaged("a file's checksum does not fit"));
        }
        Ok(bytes)
    }
}

impl fmt::Display for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name.rsplit('/').next().unwrap_or_default())
    }
}

pub(crate) fn crc32(bytes: &[u8]) -> u32 {
    const TABLE: [u32; 256] = {
        let mut table = [0; 256];
        let mut byte = 0;
        while byte < 256 {
            let mut crc = byte as u32;
            let mut bit = 0;
            while bit < 8 {
                crc = if crc & 1 == 1 {
                    0xEDB8_8320 ^ (crc >> 1)
                } else {
                    crc >> 1
                };
                bit += 1;
            }
            table[byte] = crc;
            byte += 1;
        }
        table
    };
    !bytes.iter().fold(!0, |crc, byte| {
        TABLE[((crc ^ u32::from(*byte)) & 0xFF) as usize] ^ (crc >> 8)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A ZIP with one file, packed.
    fn zip(name: &str, bytes: &[u8], size: u32) -> Vec<u8> {
        let packed = miniz_oxide::deflate::compress_to_vec(bytes, 9);
        let common = |out: &mut Vec<u8>| {
            out.extend([20, 0, 0, 0, 8, 0, 0, 0, 0, 0]);
            out.extend(crc32(bytes).to_le_bytes());
            out.extend((packed.len() as u32).to_le_bytes());
            out.extend(size.to_le_bytes());
            out.extend((name.len() as u16).to_le_bytes());
            out.extend([0, 0]);
        };
        let mut out = b"PK\x03\x04".to_vec();
        common(&mut out);
        out.extend(name.as_bytes());
        out.extend(&packed);
        let directory = out.len() as u32;
        out.extend(b"PK\x01\x02\x14\0");
        common(&mut out);
        out.extend([0; 14]);
        out.extend(name.as_bytes());
        let length = out.len() as u32 - directory;
        out.extend(b"PK\x05\x06\0\0\0\0\x01\0\x01\0");
        out.extend(length.to_le_bytes());
        out.extend(directory.to_le_bytes());
        out.extend([0, 0]);
        out
    }

    #[test]
    fn a_file_comes_out_as_it_went_in() {
        let archive = zip("a/b.dcm", b"hello hello hello", 17);
        let entries = entries(&archive).expect("a directory");
        assert_eq!(entries[0].name, "a/b.dcm");
        assert_eq!(
            entries[0].bytes(&archive).expect("unpacks"),
            b"hello hello hello"
        );
    }

    #[test]
    fn bombs_are_refused_before_they_grow() {
        let zeros = vec![0; 30_000_000];
        let archive = zip("bomb", &zeros, zeros.len() as u32);
        let bomb = &entries(&archive).expect("a directory")[0];
        assert!(matches!(bomb.bytes(&archive), Err(ArchiveError::Limit(_))));
        // One that lies about its size grows no further than it says.
        let archive = zip("liar", &zeros, 1000);
        let liar = &entries(&archive).expect("a directory")[0];
        assert!(matches!(
            liar.bytes(&archive),
            Err(ArchiveError::Damaged(_))
        ));
    }

    #[test]
    fn an_entry_that_is_not_packed_takes_no_more_than_it_promises() {
        let mut archive = zip("a", &[7; 4000], 1);
        let at = |bytes: &[u8], magic: &[u8]| {
            let found = bytes.windows(4).rposition(|window| window == magic);
            found.expect("a header")
        };
        let directory = at(&archive, b"PK\x01\x02");
        archive[directory + 10] = 0;
        let entry = &entries(&archive).expect("a directory")[0];
        assert_eq!(
            entry.bytes(&archive),
            Err(ArchiveError::Damaged("a file has two lengths"))
        );
    }

    #[test]
    fn every_cut_is_an_error_and_no_panic() {
        let archive = zip("a", b"hello", 5);
        for length in 0..archive.len() {
            let cut = &archive[..length];
            let whole = entries(cut).and_then(|entries| {
                entries
                    .first()
                    .map_or(Err(ArchiveError::Damaged("")), |entry| entry.bytes(cut))
            });
            assert!(whole.is_err(), "{length}");
        }
    }
}
