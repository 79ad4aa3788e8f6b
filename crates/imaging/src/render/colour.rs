//! Painting frames into RGBA: grey by table, palettes, RGB and YBR_FULL. Output is four bytes a pixel, opaque.

use super::voi::Table;

/// A colour palette (PS3.3 C.7.6.3.1.5), its entries already reduced to 8 bits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Palette {
    /// The stored value that the first entry is for.
    pub first: i32,
    /// Red, green and blue.
    pub entries: Vec<[u8; 3]>,
}

impl Palette {
    fn at(&self, index: i32) -> [u8; 3] {
        let at = (i64::from(index) - i64::from(self.first)).max(0) as usize;
        self.entries
            .get(at)
            .or(self.entries.last())
            .copied()
            .unwrap_or_default()
    }
}

/// Grey: each bit pattern's level from `table`. As many pixels as fit in both.
pub fn paint_grey<T: Copy + Into<u16>>(patterns: &[T], table: &Table, rgba: &mut [u8]) {
    let levels = table.levels();
    let mask = levels.len() - 1;
    for (pattern, pixel) in patterns.iter().zip(rgba.chunks_exact_mut(4)) {
        let level = levels[usize::from((*pattern).into()) & mask];
        pixel.copy_from_slice(&[level, level, level, 255]);
    }
}

/// PALETTE COLOR.
pub fn paint_palette<T: Copy + Into<u16>>(
    patterns: &[T],
    palette: &Palette,
    inverted: bool,
    rgba: &mut [u8],
) {
    for (pattern, pixel) in patterns.iter().zip(rgba.chunks_exact_mut(4)) {
        put(pixel, palette.at(i32::from((*pattern).into())), inverted);
    }
}

/// RGB, interleaved by pixel.
pub fn paint_rgb(samples: &[u8], inverted: bool, rgba: &mut [u8]) {
    for (rgb, pixel) in samples.chunks_exact(3).zip(rgba.chunks_exact_mut(4)) {
        put(pixel, [rgb[0], rgb[1], rgb[2]], inverted);
    }
}

/// YBR_FULL, interleaved by pixel (PS3.3 C.7.6.3.1.2, full range as in JPEG).
pub fn paint_ybr_full(samples: &[u8], inverted: bool, rgba: &mut [u8]) {
    for (ybr, pixel) in samples.chunks_exact(3).zip(rgba.chunks_exact_mut(4)) {
        let (y, cb, cr) = (
            f32::from(ybr[0]),
            f32::from(ybr[1]) - 128.0,
            f32::from(ybr[2]) - 128.0,
        );
        // A cast of a float to `u8` holds at 0 and 255.
        let rgb = [
            (y + 1.402 * cr + 0.5) as u8,
            (y - 0.344_136 * cb - 0.714_136 * cr + 0.5) as u8,
            (y + 1.772 * cb + 0.5) as u8,
        ];
        put(pixel, rgb, inverted);
    }
}

fn put(pixel: &mut [u8], rgb: [u8; 3], inverted: bool) {
    let [r, g, b] = if inverted {
        rgb.map(|level| 255 - level)
    } else {
        rgb
    };
    pixel.copy_from_slice(&[r, g, b, 255]);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{Modality, Stored, Voi, Window};

    #[test]
    fn grey_goes_through_the_table() {
        let stored = Stored {
            bits_allocated: 8,
            bits_stored: 8,
            signed: false,
        };
        let window = Window {
            centre: 128.0,
            width: 256.0,
        };
        let table = Table::new(stored, &Modality::IDENTITY, &Voi::Linear(window), true);
        let mut rgba = [0; 8];
        paint_grey(&[0_u8, 255], &table, &mut rgba);
        assert_eq!(rgba, [255, 255, 255, 255, 0, 0, 0, 255]);
    }

    #[test]
    fn a_palette_starts_at_its_first_value_and_ends_at_its_last() {
        let palette = Palette {
            first: 2,
            entries: vec![[1, 2, 3], [4, 5, 6]],
        };
        let mut rgba = [0; 16];
        paint_palette(&[0_u16, 2, 3, 900], &palette, false, &mut rgba);
        assert_eq!(
            rgba,
            [1, 2, 3, 255, 1, 2, 3, 255, 4, 5, 6, 255, 4, 5, 6, 255]
        );
    }

    #[test]
    fn grey_in_ybr_stays_grey_and_primaries_come_back() {
        let mut rgba = [0; 12];
        // Grey 77; pure red and pure blue as JFIF codes them.
        paint_ybr_full(&[77, 128, 128, 76, 85, 255, 29, 255, 107], false, &mut rgba);
        assert_eq!(&rgba[..4], &[77, 77, 77, 255]);
        assert!(rgba[4] >= 253 && rgba[5] <= 2 && rgba[6] <= 2, "{rgba:?}");
        assert!(rgba[8] <= 2 && rgba[9] <= 2 && rgba[10] >= 253, "{rgba:?}");
    }

    #[test]
    fn too_few_samples_paint_what_they_are() {
        let mut rgba = [9; 8];
        paint_rgb(&[1, 2, 3, 4], false, &mut rgba);
        assert_eq!(rgba, [1, 2, 3, 255, 9, 9, 9, 9]);
    }
}
