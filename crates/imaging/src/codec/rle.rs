//! RLE (PS3.5 annex G): each byte of each sample is a plane of its own, the high byte first, packed as PackBits.

use super::{Colour, Decoded};
use crate::dicom::PixelFormat;

pub(crate) fn decode(coded: &[u8], format: &PixelFormat) -> Result<Decoded, String> {
    let word = |index: usize| {
        coded
            .get(4 * index..4 * index + 4)
            .map(|four| u32::from_le_bytes([four[0], four[1], four[2], four[3]]))
    };
    let (size, samples, pixels) = (
        format.sample_bytes(),
        usize::from(format.samples_per_pixel),
        format.frame_pixels(),
    );
    if format.bits_allocated == 1 {
        return Err("single bits are not coded as RLE".to_owned());
    }
    let planes = size * samples;
    if word(0) != Some(planes as u32) || planes > 15 {
        return Err(format!(
            "it has {} segments where {planes} belong",
            word(0).unwrap_or_default()
        ));
    }
    let mut bytes = vec![0; pixels * planes];
    for plane in 0..planes {
        let start = word(1 + plane).unwrap_or_default() as usize;
        let next = (plane + 1 < planes)
            .then(|| word(2 + plane))
            .flatten()
            .map_or(coded.len(), |next| next as usize);
        let segment = coded
            .get(start..next.min(coded.len()))
            .filter(|_| start >= 64)
            .ok_or_else(|| format!("its segment {} lies outside the frame", plane + 1))?;
        // Byte `size - 1 - …` of sample `plane / size`: planes have the high byte first, memory the low one.
        let offset = plane / size * size + (size - 1 - plane % size);
        let filled = unpack(segment, &mut bytes, offset, planes);
        if filled < pixels {
            return Err(format!(
                "its segment {} ends after {filled} of {pixels} pixels",
                plane + 1
            ));
        }
    }
    Ok(Decoded {
        bytes,
        colour: Colour::AsStated,
    })
}

/// Unpacks into every `step`-th byte from `at` on; how many.
fn unpack(segment: &[u8], out: &mut [u8], mut at: usize, step: usize) -> usize {
    let mut rest = segment;
    let mut filled = 0;
    while at < out.len() {
        let Some((&control, after)) = rest.split_first() else {
            break;
        };
        match control {
            0..=127 => {
                let count = (usize::from(control) + 1).min(after.len());
                for byte in &after[..count] {
                    if at >= out.len() {
                        break;
                    }
                    out[at] = *byte;
                    at += step;
                    filled += 1;
                }
                rest = &after[count..];
            }
            128 => rest = after,
            129..=255 => {
                let Some((&byte, after)) = after.split_first() else {
                    break;
                };
                for _ in 0..257 - usize::from(control) {
                    if at >= out.len() {
                        break;
                    }
                    out[at] = byte;
                    at += step;
                    filled += 1;
                }
                rest = after;
            }
        }
    }
    filled
}

/// Packs a frame's samples as stored (interleaved, little endian). Runs do not cross rows (G.3.1).
pub(crate) fn encode(bytes: &[u8], format: &PixelFormat) -> Vec<u8> {
    let (size, samples) = (format.sample_bytes(), usize::from(format.samples_per_pixel));
    let (planes, columns) = (size * samples, format.columns as usize);
    let mut out = vec![0; 64];
    out[..4].copy_from_slice(&(planes as u32).to_le_bytes());
    let mut row = Vec::with_capacity(columns);
    for plane in 0..planes {
        let start = (out.len() as u32).to_le_bytes();
        out[4 + 4 * plane..8 + 4 * plane].copy_from_slice(&start);
        let offset = plane / size * size + (size - 1 - plane % size);
        for pixels in bytes.chunks(columns * planes) {
            row.clear();
            row.extend(pixels.iter().skip(offset).step_by(planes));
            pack(&row, &mut out);
        }
        if out.len() % 2 == 1 {
            out.push(0);
        }
    }
    out
}

fn pack(row: &[u8], out: &mut Vec<u8>) {
    let run_at = |at: usize| {
        row[at..]
            .iter()
            .take(128)
            .take_while(|byte| **byte == row[at])
            .count()
    };
    let mut at = 0;
    while at < row.len() {
        let run = run_at(at);
        if run >= 2 {
            out.extend([(257 - run) as u8, row[at]]);
            at += run;
            continue;
        }
        let start = at;
        while at < row.len() && at - start < 128 && run_at(at) < 3 {
            at += 1;
        }
        out.push((at - start - 1) as u8);
        out.extend_from_slice(&row[start..at]);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::dicom::Photometric;

    fn format(rows: u32, columns: u32, samples: u16, bits: u16) -> PixelFormat {
        PixelFormat {
            rows,
            columns,
            samples_per_pixel: samples,
            bits_allocated: bits,
            bits_stored: bits,
            bits_below: 0,
            signed: false,
            planar: false,
            photometric: Photometric::Monochrome2,
            float: false,
        }
    }

    #[test]
    fn the_standards_example_of_runs() {
        // PackBits' own example.
        let packed = [
            0xFE, 0xAA, 0x02, 0x80, 0x00, 0x2A, 0xFD, 0xAA, 0x03, 0x80, 0x00, 0x2A, 0x22, 0xF7,
            0xAA,
        ];
        let mut out = [0; 24];
        assert_eq!(unpack(&packed, &mut out, 0, 1), 24);
        assert_eq!(out[..6], [0xAA, 0xAA, 0xAA, 0x80, 0x00, 0x2A]);
        assert_eq!(out[14..], [0xAA; 10]);
    }

    proptest! {
        #[test]
        fn what_is_packed_unpacks(seed in prop::collection::vec(0..4u8, 24 * 6), samples in prop::sample::select(vec![1u16, 3]), bits in prop::sample::select(vec![8u16, 16])) {
            let format = format(4, 6, samples, bits);
            let bytes = &seed[..format.frame_samples() * format.sample_bytes()];
            let decoded = decode(&encode(bytes, &format), &format).expect("decodes");
            prop_assert_eq!(&decoded.bytes, bytes);
        }

        #[test]
        fn any_bytes_are_no_panic(coded in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = decode(&coded, &format(4, 6, 1, 16));
        }
    }
}
