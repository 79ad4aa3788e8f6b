//! One coded frame in a DICOM file around it. The first four bytes of an input choose rows, columns and what a sample
//! is; the rest is the frame.

use healthsync_imaging::dicom::Instance;

/// Tag, representation and value of one element, explicit VR, little endian.
fn element(number: u16, vr: &[u8; 2], value: &[u8], out: &mut Vec<u8>) {
    out.extend([0x28, 0]);
    out.extend(number.to_le_bytes());
    out.extend(vr);
    out.extend((value.len() as u16).to_le_bytes());
    out.extend(value);
}

/// Decodes `input` as a frame of one of these transfer syntaxes, all below 1.2.840.10008.1.2.
pub fn decode(syntaxes: &[&str], input: &[u8]) {
    let Some((&[rows, columns, samples, signed], coded)) = input.split_first_chunk() else {
        return;
    };
    let syntax = syntaxes[usize::from(signed >> 1) % syntaxes.len()];
    let uid = format!("1.2.840.10008.1.2.{syntax}");
    let mut file = vec![0; 128];
    file.extend(b"DICM\x02\0\x10\0UI");
    let padded = uid.len().next_multiple_of(2);
    file.extend((padded as u16).to_le_bytes());
    file.extend(uid.as_bytes());
    file.resize(128 + 4 + 8 + padded, 0);
    let us = |number: u16, value: u16, out: &mut Vec<u8>| {
        element(number, b"US", &value.to_le_bytes(), out)
    };
    let colour = samples & 1 == 1;
    let stored = u16::from(samples >> 1) % 16 + 1;
    let allocated = if stored <= 8 { 8 } else { 16 };
    us(2, if colour { 3 } else { 1 }, &mut file);
    let meaning = if colour { "YBR_FULL" } else { "MONOCHROME2 " };
    element(4, b"CS", meaning.as_bytes(), &mut file);
    if colour {
        us(6, 0, &mut file);
    }
    us(0x10, u16::from(rows), &mut file);
    us(0x11, u16::from(columns), &mut file);
    us(0x100, allocated, &mut file);
    us(0x101, stored, &mut file);
    us(0x102, stored - 1, &mut file);
    us(0x103, u16::from(signed & 1), &mut file);
    file.extend(b"\xE0\x7F\x10\0OB\0\0\xFF\xFF\xFF\xFF\xFE\xFF\0\xE0\0\0\0\0\xFE\xFF\0\xE0");
    file.extend((coded.len() as u32).to_le_bytes());
    file.extend(coded);
    file.extend(b"\xFE\xFF\xDD\xE0\0\0\0\0");
    if let Ok(instance) = Instance::parse(file)
        && let Ok(stored) = instance.stored_frame(0)
    {
        let pixels = usize::from(rows) * usize::from(columns) * if colour { 3 } else { 1 };
        assert_eq!(stored.len(), pixels * usize::from(allocated / 8));
        let _ = instance.decode_frame(0);
    }
}
