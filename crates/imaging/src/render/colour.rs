//! Painting frames into RGBA: grey by table or one by one, and RGB. Output is four bytes a pixel, opaque.

use super::voi::{Modality, Table, Voi};

/// The colour of overlays: no grey is like it.
pub const OVERLAY: [u8; 3] = [255, 214, 10];

/// What is drawn over a picture: where `mask` is not 0.
pub fn paint_overlay(mask: &[u8], rgba: &mut [u8]) {
    let [r, g, b] = OVERLAY;
    for (drawn, pixel) in mask.iter().zip(rgba.chunks_exact_mut(4)) {
        if *drawn != 0 {
            pixel.copy_from_slice(&[r, g, b, 255]);
        }
    }
}

/// Grey: each bit pattern's level from `table`. As many pixels as fit in both.
pub fn paint_grey(patterns: impl IntoIterator<Item = u16>, table: &Table, rgba: &mut [u8]) {
    let levels = table.levels();
    let mask = levels.len() - 1;
    for (pattern, pixel) in patterns.into_iter().zip(rgba.chunks_exact_mut(4)) {
        let level = levels[usize::from(pattern) & mask];
        pixel.copy_from_slice(&[level, level, level, 255]);
    }
}

/// Grey of values for which no table is large enough: 32-bit and floating point.
pub fn paint_values(
    values: impl IntoIterator<Item = f64>,
    modality: &Modality,
    voi: &Voi,
    inverted: bool,
    rgba: &mut [u8],
) {
    for (value, pixel) in values.into_iter().zip(rgba.chunks_exact_mut(4)) {
        let level = (voi.apply(modality.apply(value)) * 255.0 + 0.5) as u8;
        let level = if inverted { 255 - level } else { level };
        pixel.copy_from_slice(&[level, level, level, 255]);
    }
}

/// RGB with 8 bits, interleaved by pixel.
pub fn paint_rgb(samples: &[u8], inverted: bool, rgba: &mut [u8]) {
    for (rgb, pixel) in samples.chunks_exact(3).zip(rgba.chunks_exact_mut(4)) {
        let [r, g, b] =
            [rgb[0], rgb[1], rgb[2]].map(|level| if inverted { 255 - level } else { level });
        pixel.copy_from_slice(&[r, g, b, 255]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::{Stored, Window};

    const FULL: Voi = Voi::Linear(Window {
        centre: 128.0,
        width: 256.0,
    });

    #[test]
    fn grey_goes_through_the_table() {
        let stored = Stored {
            bits_allocated: 8,
            bits_stored: 8,
            signed: false,
        };
        let table = Table::new(stored, &Modality::IDENTITY, &FULL, true);
        let mut rgba = [0; 8];
        paint_grey([0, 255], &table, &mut rgba);
        assert_eq!(rgba, [255, 255, 255, 255, 0, 0, 0, 255]);
    }

    #[test]
    fn one_by_one_is_the_same_as_by_table() {
        let stored = Stored {
            bits_allocated: 16,
            bits_stored: 16,
            signed: true,
        };
        let modality = Modality::Rescale {
            slope: 0.5,
            intercept: 10.0,
        };
        let table = Table::new(stored, &modality, &FULL, false);
        let values = [-300_i16, 0, 7, 101, 230, 4000];
        let (mut by_table, mut by_value) = ([0; 24], [0; 24]);
        paint_grey(values.map(|value| value as u16), &table, &mut by_table);
        paint_values(
            values.map(f64::from),
            &modality,
            &FULL,
            false,
            &mut by_value,
        );
        assert_eq!(by_table, by_value);
    }

    #[test]
    fn overlays_are_drawn_over_greys() {
        let mut rgba = [7; 12];
        paint_overlay(&[0, 1], &mut rgba);
        assert_eq!(rgba, [7, 7, 7, 7, 255, 214, 10, 255, 7, 7, 7, 7]);
    }

    #[test]
    fn too_few_samples_paint_what_they_are() {
        let mut rgba = [9; 8];
        paint_rgb(&[1, 2, 3, 4], false, &mut rgba);
        assert_eq!(rgba, [1, 2, 3, 255, 9, 9, 9, 9]);
        paint_rgb(&[1, 2, 3], true, &mut rgba);
        assert_eq!(&rgba[..4], &[254, 253, 252, 255]);
    }
}
