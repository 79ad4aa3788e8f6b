//! The one entry of Exif that changes how a picture looks, tag 0x0112 Orientation of IFD 0 (CIPA
//! DC-008, table 4). Everything else of Exif goes: a picture that loses its orientation is shown
//! turned or mirrored, which can make left right in a medical picture.

const ORIENTATION: u16 = 0x0112;
const SHORT: u16 = 3;

/// The orientation in a TIFF structure, 2 to 8; 1, as stored, when there is none or it makes no sense.
pub(crate) fn orientation(tiff: &[u8]) -> u8 {
    read(tiff)
        .filter(|value| (1..=8).contains(value))
        .map_or(1, |value| value as u8)
}

fn read(tiff: &[u8]) -> Option<u16> {
    let big = match tiff.get(..4)? {
        b"MM\0*" => true,
        b"II*\0" => false,
        _ => return None,
    };
    let short = |at: usize| {
        let bytes = tiff.get(at..at.checked_add(2)?)?.try_into().ok()?;
        Some(if big {
            u16::from_be_bytes(bytes)
        } else {
            u16::from_le_bytes(bytes)
        })
    };
    let first = tiff.get(4..8)?.try_into().ok()?;
    let first = if big {
        u32::from_be_bytes(first)
    } else {
        u32::from_le_bytes(first)
    };
    let entries = usize::try_from(first).ok()?;
    for entry in 0..usize::from(short(entries)?) {
        let at = entries.checked_add(2 + 12 * entry)?;
        if short(at)? == ORIENTATION {
            return if short(at + 2)? == SHORT {
                short(at + 8)
            } else {
                None
            };
        }
    }
    None
}

/// A TIFF structure that holds this orientation and nothing else.
pub(crate) fn minimal(orientation: u8) -> Vec<u8> {
    let mut tiff = b"MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01".to_vec();
    tiff.extend([0, orientation, 0, 0, 0, 0, 0, 0]);
    tiff
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_what_it_writes_and_nothing_else() {
        for value in 1..=8 {
            assert_eq!(orientation(&minimal(value)), value);
        }
        assert_eq!(orientation(&minimal(9)), 1);
        assert_eq!(orientation(&minimal(0)), 1);
        let whole = minimal(6);
        for cut in 0..18 {
            assert_eq!(orientation(&whole[..cut]), 1);
        }
        assert_eq!(orientation(b"II*\0\xff\xff\xff\xff"), 1);
    }

    #[test]
    fn reads_little_endian() {
        let tiff = b"II*\0\x08\0\0\0\x02\0\x00\x01\x03\0\x01\0\0\0\x07\0\0\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0";
        assert_eq!(orientation(tiff), 6);
    }
}
