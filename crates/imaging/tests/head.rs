//! What a file's header says of its values and of the size of its pixels. Feature `dicom`.

#[allow(dead_code)]
mod made;

use healthsync_imaging::dicom::{Instance, InstanceHead};
use made::*;

/// A grey image of 2 × 2 pixels of 16 bits with these elements besides; one that is there already is replaced.
fn head(more: &[Vec<u8>]) -> InstanceHead {
    let tag = |element: &Vec<u8>| {
        let half = |at: usize| u16::from_le_bytes([element[at], element[at + 1]]);
        (half(0), half(2))
    };
    let mut elements = image(2, 2, 16);
    elements.retain(|old| more.iter().all(|new| tag(new) != tag(old)));
    elements.extend_from_slice(more);
    elements.push(element(0x7FE0, 0x10, b"OW", &pixels(8)));
    elements.sort_by_key(tag);
    Instance::parse(file(EXPLICIT, &elements))
        .expect("opens")
        .head
}

#[test]
fn padding_is_signed_as_the_pixels_are_and_may_be_a_range() {
    let word = |number, vr: &[u8; 2], value: u16| element(0x28, number, vr, &value.to_le_bytes());
    let minus = (-2000_i16) as u16;
    let signed = || word(0x103, b"US", 1);
    assert_eq!(head(&[]).padding, None);
    assert_eq!(head(&[word(0x121, b"US", 9)]).padding, None);
    assert_eq!(
        head(&[signed(), word(0x120, b"SS", minus)]).padding,
        Some([-2000.0, -2000.0])
    );
    // Some scanners write it without a sign.
    assert_eq!(
        head(&[signed(), word(0x120, b"US", minus)]).padding,
        Some([-2000.0, -2000.0])
    );
    assert_eq!(
        head(&[word(0x120, b"US", minus)]).padding,
        Some([63536.0, 63536.0])
    );
    for (value, limit) in [(5, 9), (9, 5)] {
        let range = [word(0x120, b"US", value), word(0x121, b"US", limit)];
        assert_eq!(head(&range).padding, Some([5.0, 9.0]));
    }
}
