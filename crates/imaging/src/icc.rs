//! Colour profiles without words. A profile decides how colours look, so it stays; its description,
//! device and calibration notes can name a person or a place (a screenshot carries the name that
//! somebody gave to their monitor), so their content is overwritten with zeros.
//!
//! Layout: ICC.1:2022, clause 7. Sizes and places do not change, only bytes outside the elements that
//! a renderer needs.

const HEADER: usize = 128;
/// The checksum of a profile; zero means that it was not computed.
const PROFILE_ID: std::ops::Range<usize> = 84..100;
const MAX_TAGS: usize = 256;

/// Elements that colour transforms are made of.
const NEEDED: [&[u8; 4]; 28] = [
    b"A2B0", b"A2B1", b"A2B2", b"B2A0", b"B2A1", b"B2A2", b"B2D0", b"B2D1", b"B2D2", b"B2D3",
    b"D2B0", b"D2B1", b"D2B2", b"D2B3", b"bTRC", b"bXYZ", b"bkpt", b"chad", b"cicp", b"gTRC",
    b"gXYZ", b"gamt", b"kTRC", b"lumi", b"rTRC", b"rXYZ", b"wtpt", b"pre0",
];

/// The profile with every text in it emptied, or nothing if this is no profile.
pub(crate) fn without_words(profile: &[u8]) -> Option<Vec<u8>> {
    let number = |at: usize| -> Option<usize> {
        let bytes = profile.get(at..at.checked_add(4)?)?.try_into().ok()?;
        usize::try_from(u32::from_be_bytes(bytes)).ok()
    };
    let size = number(0)?;
    let tags = number(HEADER)?;
    if size > profile.len() || profile.get(36..40)? != b"acsp" || tags > MAX_TAGS {
        return None;
    }
    let elements = HEADER + 4 + 12 * tags;
    if elements > size {
        return None;
    }
    let mut out = vec![0; size];
    out[..elements].copy_from_slice(&profile[..elements]);
    out[PROFILE_ID].fill(0);
    for tag in 0..tags {
        let entry = HEADER + 4 + 12 * tag;
        let (start, length) = (number(entry + 4)?, number(entry + 8)?);
        let end = start.checked_add(length)?;
        if start < elements || end > size {
            return None;
        }
        let needed = NEEDED
            .iter()
            .any(|name| profile[entry..].starts_with(*name));
        // An emptied element keeps its type, and a list of texts the size of its entries: no text.
        let kept = if needed { length } else { length.min(8) };
        out[start..start + kept].copy_from_slice(&profile[start..start + kept]);
        if !needed && length >= 16 && profile[start..].starts_with(b"mluc") {
            out[start + 12..start + 16].copy_from_slice(&12u32.to_be_bytes());
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn profile() -> Vec<u8> {
        let mut profile = vec![0; HEADER];
        profile[36..40].copy_from_slice(b"acsp");
        profile[90] = 7;
        profile.extend(2u32.to_be_bytes());
        let words: &[u8] = b"mluc\0\0\0\0\0\0\0\x01\0\0\0\x0cenUS\0\0\0\x08\0\0\0\x1cJANE DOE";
        let start = HEADER + 4 + 24;
        profile.extend(b"desc");
        profile.extend((start as u32).to_be_bytes());
        profile.extend((words.len() as u32).to_be_bytes());
        profile.extend(b"wtpt");
        profile.extend(((start + words.len()) as u32).to_be_bytes());
        profile.extend(20u32.to_be_bytes());
        profile.extend(words);
        profile.extend(b"XYZ \0\0\0\0\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c");
        let size = profile.len() as u32;
        profile[..4].copy_from_slice(&size.to_be_bytes());
        profile
    }

    #[test]
    fn words_go_and_numbers_stay() {
        let before = profile();
        let after = without_words(&before).expect("a profile");
        assert_eq!(after.len(), before.len());
        assert!(!after.windows(4).any(|window| window == b"JANE"));
        assert_eq!(after[after.len() - 20..], before[before.len() - 20..]);
        assert_eq!(after[90], 0, "the checksum of the old content");
        assert_eq!(without_words(&after), Some(after.clone()));
    }

    #[test]
    fn what_follows_the_profile_goes() {
        let mut long = profile();
        long.extend(b"JANE DOE");
        assert_eq!(without_words(&long), without_words(&profile()));
    }

    #[test]
    fn no_profile() {
        let whole = profile();
        for cut in 0..whole.len() {
            assert_eq!(without_words(&whole[..cut]), None);
        }
        let mut outside = whole.clone();
        outside[HEADER + 8] = 0xFF;
        assert_eq!(without_words(&outside), None);
        let mut many = whole;
        many[HEADER] = 0xFF;
        assert_eq!(without_words(&many), None);
    }
}
