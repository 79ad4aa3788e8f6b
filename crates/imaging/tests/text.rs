//! Text that is burned into pixels: found in every size that can be read, and not seen where there is none. Feature
//! `decode`, for the pictures of words (`tools/coded.py` draws them).

use std::path::Path;

use healthsync_imaging::deid::{TextLine, find_text};
use healthsync_imaging::dicom::{Frame, Samples};

/// Width, height and coverage of the words "DOE, JANE  1961-02-03" in letters of a size.
fn words(size: u32) -> (usize, usize, Vec<u8>) {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(format!("tests/coded/words-{size}.png"));
    let picture = image::open(path).expect("is checked in").into_luma8();
    (
        picture.width() as usize,
        picture.height() as usize,
        picture.into_raw(),
    )
}

/// A picture like tissue: soft shapes and noise, from a fixed sequence.
fn tissue(columns: usize, rows: usize, noise: u16) -> Vec<u16> {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut pixels = Vec::with_capacity(columns * rows);
    for row in 0..rows {
        for column in 0..columns {
            state = state
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            let (x, y) = (
                column as f64 / columns as f64 - 0.5,
                row as f64 / rows as f64 - 0.5,
            );
            let body = if x * x * 1.5 + y * y < 0.16 {
                900.0
            } else {
                30.0
            };
            let organ = if (x - 0.1).powi(2) + (y + 0.05).powi(2) < 0.01 {
                700.0
            } else {
                0.0
            };
            let soft = 150.0 * (9.0 * x).sin() * (7.0 * y).cos();
            let speckle = (state >> 33) as u16 % noise.max(1);
            pixels.push((body + organ + soft).max(0.0) as u16 + speckle);
        }
    }
    pixels
}

/// Writes words into a picture with this grey.
fn burn(pixels: &mut [u16], columns: usize, (left, top): (usize, usize), size: u32, grey: u16) {
    let (width, height, coverage) = words(size);
    for row in 0..height {
        for column in 0..width {
            let part = u32::from(coverage[row * width + column]);
            let pixel = &mut pixels[(top + row) * columns + left + column];
            *pixel = ((u32::from(*pixel) * (255 - part) + u32::from(grey) * part) / 255) as u16;
        }
    }
}

fn look(columns: usize, rows: usize, pixels: Vec<u16>) -> Vec<TextLine> {
    find_text(&Frame {
        rows: rows as u32,
        columns: columns as u32,
        samples: Samples::U16(pixels),
    })
}

#[test]
fn words_are_found_in_every_size_and_place() {
    for (columns, rows) in [(256, 256), (512, 512), (640, 480)] {
        for size in [9, 12, 16, 24] {
            let (width, height, _) = words(size);
            if width + 6 > columns {
                continue;
            }
            for (left, top) in [
                (3, 3),
                (columns - width - 3, rows - height - 3),
                ((columns - width) / 2, rows / 2),
            ] {
                let mut pixels = tissue(columns, rows, 60);
                burn(&mut pixels, columns, (left, top), size, 4000);
                let lines = look(columns, rows, pixels);
                let found = lines
                    .first()
                    .unwrap_or_else(|| panic!("size {size} at {left},{top} in {columns}"));
                let [l, t, r, b] = found.bounds.map(|side| side as usize);
                assert!(
                    l + 2 >= left && t + 2 >= top && r <= left + width + 2 && b <= top + height + 2,
                    "{found:?}"
                );
            }
        }
    }
}

#[test]
fn grey_words_on_black_and_black_words_on_white_are_found() {
    let mut pixels = tissue(512, 512, 60);
    burn(&mut pixels, 512, (10, 10), 16, 1100);
    assert!(!look(512, 512, pixels).is_empty());
    let mut film = vec![3000; 512 * 512];
    burn(&mut film, 512, (10, 400), 16, 0);
    assert!(!look(512, 512, film).is_empty());
}

#[test]
fn pictures_without_words_are_left_alone() {
    for noise in [1, 60, 300, 2000] {
        let pixels = tissue(512, 512, noise);
        assert_eq!(look(512, 512, pixels), [], "noise {noise}");
    }
    assert_eq!(look(4, 4, vec![7; 16]), []);
}
