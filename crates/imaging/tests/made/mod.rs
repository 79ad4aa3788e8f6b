//! DICOM files made for tests, element by element, so that they can be wrong in every way.

/// The bytes of one element, explicit VR, little endian.
pub(crate) fn element(group: u16, number: u16, vr: &[u8; 2], value: &[u8]) -> Vec<u8> {
    let mut value = value.to_vec();
    if value.len() % 2 == 1 {
        value.push(if vr == b"UI" || vr == b"OB" { 0 } else { b' ' });
    }
    let mut out = [group.to_le_bytes(), number.to_le_bytes()].concat();
    out.extend(vr);
    if matches!(vr, b"OB" | b"OW" | b"SQ" | b"UN" | b"UT") {
        out.extend([0, 0]);
        out.extend((value.len() as u32).to_le_bytes());
    } else {
        out.extend((value.len() as u16).to_le_bytes());
    }
    out.extend(value);
    out
}

/// A sequence of items of defined length.
pub(crate) fn sequence(group: u16, number: u16, items: &[Vec<u8>]) -> Vec<u8> {
    let items: Vec<u8> = items
        .iter()
        .flat_map(|item| {
            [
                &[0xFE, 0xFF, 0x00, 0xE0],
                (item.len() as u32).to_le_bytes().as_slice(),
                item,
            ]
            .concat()
        })
        .collect();
    element(group, number, b"SQ", &items)
}

/// Encapsulated pixel data.
pub(crate) fn fragments(offsets: &[u32], parts: &[&[u8]]) -> Vec<u8> {
    let item = |content: &[u8]| {
        [
            &[0xFE, 0xFF, 0x00, 0xE0],
            (content.len() as u32).to_le_bytes().as_slice(),
            content,
        ]
        .concat()
    };
    let table: Vec<u8> = offsets
        .iter()
        .flat_map(|offset| offset.to_le_bytes())
        .collect();
    let mut out = b"\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF".to_vec();
    out.extend(item(&table));
    parts.iter().for_each(|part| out.extend(item(part)));
    out.extend(b"\xFE\xFF\xDD\xE0\0\0\0\0");
    out
}

/// A whole file of elements in a transfer syntax.
pub(crate) fn file(syntax: &str, elements: &[Vec<u8>]) -> Vec<u8> {
    let meta = element(2, 0x10, b"UI", syntax.as_bytes());
    let mut out = vec![0; 128];
    out.extend(b"DICM");
    out.extend(element(2, 0, b"UL", &(meta.len() as u32).to_le_bytes()));
    out.extend(meta);
    out.extend(elements.concat());
    out
}

pub(crate) const EXPLICIT: &str = "1.2.840.10008.1.2.1";

/// The description of an image of grey pixels; put pixel data after it.
pub(crate) fn image(rows: u16, columns: u16, bits: u16) -> Vec<Vec<u8>> {
    let us = |number, value: u16| element(0x28, number, b"US", &value.to_le_bytes());
    vec![
        us(2, 1),
        element(0x28, 4, b"CS", b"MONOCHROME2"),
        us(0x10, rows),
        us(0x11, columns),
        us(0x100, bits),
        us(0x101, bits),
        us(0x102, bits - 1),
        us(0x103, 0),
    ]
}

/// Pixels that differ from one another.
pub(crate) fn pixels(count: usize) -> Vec<u8> {
    (0..count)
        .map(|index| (index * 7 + index / 13) as u8)
        .collect()
}
