//! Lookup tables of a file: modality, VOI and palette (PS3.3 C.11.1, C.11.2, C.7.6.3.1.5).

use dicom_dictionary_std::tags;

use super::dataset::DataSet;
use super::tag::{Tag, Vr};

/// A table that replaces numbers by others.
#[derive(Clone, Debug, PartialEq)]
pub struct Lut {
    /// The number that the first entry stands for. Smaller ones take the first entry too, larger ones the last.
    pub first: i32,
    /// Bits of an entry, 8 to 16.
    pub bits: u16,
    /// The entries.
    pub entries: Vec<u16>,
    /// The file's name for it.
    pub explanation: Option<String>,
}

impl Lut {
    /// The entry for a number.
    pub fn at(&self, number: i32) -> u16 {
        let index = i64::from(number) - i64::from(self.first);
        let last = self.entries.len() as i64 - 1;
        self.entries
            .get(index.clamp(0, last.max(0)) as usize)
            .copied()
            .unwrap_or_default()
    }

    /// From an item of ModalityLUTSequence or VOILUTSequence.
    pub(crate) fn of_item(item: &DataSet, signed: bool) -> Option<Lut> {
        let mut lut = of(
            item,
            tags::LUT_DESCRIPTOR.into(),
            tags::LUT_DATA.into(),
            signed,
        )?;
        lut.explanation = item.text(tags::LUT_EXPLANATION);
        Some(lut)
    }

    /// Red, green and blue of a palette; segmented ones (C.7.9.2) are written out.
    pub(crate) fn palette(set: &DataSet) -> Option<[Lut; 3]> {
        let one =
            |descriptor: dicom_core::Tag, data: dicom_core::Tag, segmented: dicom_core::Tag| {
                of(set, descriptor.into(), data.into(), false)
                    .or_else(|| of_segments(set, descriptor.into(), segmented.into()))
            };
        Some([
            one(
                tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
                tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
                tags::SEGMENTED_RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
            )?,
            one(
                tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
                tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA,
                tags::SEGMENTED_GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA,
            )?,
            one(
                tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
                tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA,
                tags::SEGMENTED_BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA,
            )?,
        ])
    }
}

/// Entries, first number and bits of a descriptor. A length of 0 stands for 65,536.
fn descriptor(set: &DataSet, tag: Tag, signed: bool) -> Option<(usize, i32, u16)> {
    let element = set.get(tag)?;
    let numbers = element.floats();
    let [length, first, bits] = numbers.as_slice() else {
        return None;
    };
    let length = if *length <= 0.0 {
        *length as i64 + 65_536
    } else {
        *length as i64
    };
    // SS and US are mixed up in practice: the first number follows the pixels' sign, the others are never negative.
    let first = if signed && element.vr != Vr::SS {
        i32::from(*first as u16 as i16)
    } else {
        *first as i32
    };
    let bits = (*bits as u16).clamp(8, 16);
    Some((usize::try_from(length).ok()?.clamp(1, 65_536), first, bits))
}

fn of(set: &DataSet, descriptor_tag: Tag, data: Tag, signed: bool) -> Option<Lut> {
    let (length, first, bits) = descriptor(set, descriptor_tag, signed)?;
    let bytes = set.bytes(data)?;
    // Entries of 8 bits are two to a word, or one to a word in files that waste space.
    let entries: Vec<u16> = if bytes.len() < 2 * length {
        bytes
            .iter()
            .take(length)
            .map(|byte| u16::from(*byte))
            .collect()
    } else {
        let words = bytes.chunks_exact(2).take(length);
        words
            .map(|word| u16::from_le_bytes([word[0], word[1]]))
            .collect()
    };
    (!entries.is_empty()).then_some(Lut {
        first,
        bits,
        entries,
        explanation: None,
    })
}

/// Discrete, linear and indirect segments.
fn of_segments(set: &DataSet, descriptor_tag: Tag, data: Tag) -> Option<Lut> {
    let (length, first, bits) = descriptor(set, descriptor_tag, false)?;
    let bytes = set.bytes(data)?;
    let words: Vec<u16> = if bits == 8 {
        bytes.iter().map(|byte| u16::from(*byte)).collect()
    } else {
        bytes
            .chunks_exact(2)
            .map(|word| u16::from_le_bytes([word[0], word[1]]))
            .collect()
    };
    let mut entries = Vec::with_capacity(length);
    segments(&words, 0, words.len(), length, &mut entries, true)?;
    (!entries.is_empty()).then_some(Lut {
        first,
        bits,
        entries,
        explanation: None,
    })
}

fn segments(
    words: &[u16],
    mut at: usize,
    count: usize,
    length: usize,
    out: &mut Vec<u16>,
    indirect: bool,
) -> Option<()> {
    let mut read = 0;
    while at < words.len() && read < count && out.len() < length {
        let (opcode, size) = (words[at], usize::from(*words.get(at + 1)?));
        match opcode {
            0 => {
                out.extend_from_slice(words.get(at + 2..at + 2 + size)?);
                at += 2 + size;
            }
            1 => {
                let (from, to) = (
                    f64::from(out.last().copied().unwrap_or_default()),
                    f64::from(*words.get(at + 2)?),
                );
                let step = (to - from) / size.max(1) as f64;
                out.extend((1..=size).map(|index| (from + step * index as f64).round() as u16));
                at += 3;
            }
            2 if indirect => {
                let low = usize::from(*words.get(at + 2)?);
                let high = usize::from(*words.get(at + 3)?);
                segments(words, low | high << 16, size, length, out, false)?;
                at += 4;
            }
            _ => return None,
        }
        read += 1;
    }
    out.truncate(length);
    Some(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::Element;

    fn words(words: &[u16]) -> Vec<u8> {
        words.iter().flat_map(|word| word.to_le_bytes()).collect()
    }

    #[test]
    fn numbers_outside_take_the_ends() {
        let mut set = DataSet::default();
        set.put(Element::of_bytes(
            tags::LUT_DESCRIPTOR,
            Vr::US,
            words(&[3, 0xFFFE, 16]),
        ));
        set.put(Element::of_bytes(tags::LUT_DATA, Vr::OW, words(&[7, 8, 9])));
        let lut = Lut::of_item(&set, true).expect("a table");
        assert_eq!(
            (lut.first, lut.at(-100), lut.at(-1), lut.at(5)),
            (-2, 7, 8, 9)
        );
    }

    #[test]
    fn segments_are_written_out() {
        let mut out = Vec::new();
        // Two entries, a line of four up to 50, and the first segment again.
        let data = [0, 2, 5, 10, 1, 4, 50, 2, 1, 0, 0];
        segments(&data, 0, data.len(), 100, &mut out, true).expect("whole");
        assert_eq!(out, [5, 10, 20, 30, 40, 50, 5, 10]);
    }
}
