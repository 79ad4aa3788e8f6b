//! Planes of their own, planes in unused bits, of one frame and of several.

use super::Instance;
use crate::dicom::{DataSet, EXPLICIT_LE, Element, File, Tag, Vr};

const ROWS: usize = 4;
const COLUMNS: usize = 6;

/// Elements of an overlay of `rows` × `columns` at `origin` (from 1), without its bits.
fn overlay(rows: u16, columns: u16, origin: [i16; 2], bit: u16) -> Vec<Element> {
    let us = |number, value: u16| element(0x6000, number, b"US", &value.to_le_bytes());
    vec![
        us(0x10, rows),
        us(0x11, columns),
        element(0x6000, 0x40, b"CS", b"G"),
        element(0x6000, 0x50, b"SS", &origin.map(i16::to_le_bytes).concat()),
        us(0x100, if bit == 0 { 1 } else { 16 }),
        us(0x102, bit),
    ]
}

fn element(group: u16, number: u16, vr: &[u8; 2], value: &[u8]) -> Element {
    Element::of_bytes(Tag(group, number), Vr(*vr), value)
}

/// An image of 16 bits, twelve of them stored.
fn instance(frames: u16, own: Vec<Element>, pixels: &[u8]) -> Instance {
    let us = |number, value: u16| element(0x28, number, b"US", &value.to_le_bytes());
    let image = [
        element(0x28, 8, b"IS", frames.to_string().as_bytes()),
        us(0x10, ROWS as u16),
        us(0x11, COLUMNS as u16),
        us(0x100, 16),
        us(0x101, 12),
        element(0x7FE0, 0x10, b"OW", pixels),
    ];
    let mut dataset = DataSet::default();
    image
        .into_iter()
        .chain(own)
        .for_each(|element| dataset.put(element));
    Instance::of_file(File {
        meta: DataSet::default(),
        dataset,
        syntax: EXPLICIT_LE,
        stated_syntax: String::new(),
    })
    .expect("opens")
}

/// Rows and columns on which something is drawn.
fn drawn(instance: &Instance, frame: u32) -> Vec<(usize, usize)> {
    let mask = instance
        .drawn_over(frame)
        .expect("reads")
        .expect("has overlays");
    assert_eq!(mask.len(), ROWS * COLUMNS);
    (0..mask.len())
        .filter(|at| mask[*at] != 0)
        .map(|at| (at / COLUMNS, at % COLUMNS))
        .collect()
}

#[test]
fn a_plane_of_its_own_lies_where_its_origin_says() {
    // 2 × 3 pixels: the first row all, the second row its last.
    let bits = element(0x6000, 0x3000, b"OW", &[0b0010_0111, 0]);
    let own = |origin| [overlay(2, 3, origin, 0), vec![bits.clone()]].concat();
    let blank = [0; ROWS * COLUMNS * 2];
    let at = |origin| drawn(&instance(1, own(origin), &blank), 0);
    assert_eq!(at([2, 3]), [(1, 2), (1, 3), (1, 4), (2, 4)]);
    // What lies outside of the image is not drawn.
    assert_eq!(at([0, -1]), [(0, 0)]);
    assert_eq!(at([4, 6]), [(3, 5)]);
    assert_eq!(at([100, -100]), []);
}

#[test]
fn one_plane_is_for_all_frames_and_several_are_for_theirs() {
    let blank = [0; ROWS * COLUMNS * 2 * 3];
    let bits = |bytes: &[u8]| element(0x6000, 0x3000, b"OW", bytes);
    let one = [overlay(1, 8, [1, 1], 0), vec![bits(&[1, 0])]].concat();
    let one = instance(3, one, &blank);
    for frame in 0..3 {
        assert_eq!(drawn(&one, frame), [(0, 0)]);
    }
    let mut two = overlay(1, 8, [1, 1], 0);
    two.insert(2, element(0x6000, 0x15, b"IS", b"2"));
    two.insert(5, element(0x6000, 0x51, b"US", &2_u16.to_le_bytes()));
    two.push(bits(&[2, 4]));
    let two = instance(3, two, &blank);
    assert_eq!(drawn(&two, 0), []);
    assert_eq!(drawn(&two, 1), [(0, 1)]);
    assert_eq!(drawn(&two, 2), [(0, 2)]);
}

#[test]
fn unused_bits_of_the_pixels_are_a_plane_and_no_values() {
    let mut pixels = [0; ROWS * COLUMNS * 2];
    for (at, value) in [(7, 0x1FFF_u16), (9, 0x0FFF), (23, 0x3000)] {
        pixels[at * 2..at * 2 + 2].copy_from_slice(&value.to_le_bytes());
    }
    let image = instance(1, overlay(4, 6, [1, 1], 12), &pixels);
    assert!(image.head.overlays);
    assert_eq!(drawn(&image, 0), [(1, 1), (3, 5)]);
    let stored = image.stored_frame(0).expect("decodes");
    assert_eq!(&stored[14..16], &0x0FFF_u16.to_le_bytes());
    assert_eq!(&stored[46..48], &[0, 0]);
    // A bit that belongs to the values is no plane.
    let inside = instance(1, overlay(4, 6, [1, 1], 11), &pixels);
    assert!(!inside.head.overlays && inside.drawn_over(0) == Ok(None));
}

#[test]
fn a_plane_that_promises_more_than_it_has_draws_what_it_has() {
    let bits = element(0x6000, 0x3000, b"OW", &[0xFF, 0x01]);
    let own = [overlay(65_535, 65_535, [-32_768, 1], 0), vec![bits.clone()]].concat();
    assert_eq!(drawn(&instance(1, own, &[0; ROWS * COLUMNS * 2]), 0), []);
    let own = [overlay(65_535, 6, [1, 1], 0), vec![bits]].concat();
    assert_eq!(
        drawn(&instance(1, own, &[0; ROWS * COLUMNS * 2]), 0).len(),
        9
    );
}
