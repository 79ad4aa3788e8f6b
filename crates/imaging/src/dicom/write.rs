//! Writes data sets as a file: PS3.10 with an empty preamble, a new group 0002, and explicit VR, little endian.

use dicom_dictionary_std::tags;

use super::dataset::{DataSet, Element, Value};
use super::tag::{Tag, Vr};

/// Our own implementation class: a UUID under 2.25, as PS3.7 D.3.3.2 asks of every implementation.
pub(crate) const IMPLEMENTATION_CLASS: &str = "2.25.207645981325487640936481234098712345601";
pub(crate) const IMPLEMENTATION_VERSION: &str = concat!("HEALTHSYNC_", env!("CARGO_PKG_VERSION"));

/// A whole file. `syntax` must be one with explicit VR and little endian; group lengths are left out.
pub(crate) fn write(set: &DataSet, syntax: &str) -> Vec<u8> {
    let mut meta = DataSet::default();
    let class = set
        .bytes(tags::SOP_CLASS_UID)
        .map(|value| value.to_vec())
        .unwrap_or_default();
    let instance = set
        .bytes(tags::SOP_INSTANCE_UID)
        .map(|value| value.to_vec())
        .unwrap_or_default();
    meta.put(Element::of_bytes(Tag(2, 1), Vr::OB, [0, 1]));
    meta.put(Element::of_bytes(
        tags::MEDIA_STORAGE_SOP_CLASS_UID,
        Vr::UI,
        class,
    ));
    meta.put(Element::of_bytes(
        tags::MEDIA_STORAGE_SOP_INSTANCE_UID,
        Vr::UI,
        instance,
    ));
    meta.put(Element::of_bytes(tags::TRANSFER_SYNTAX_UID, Vr::UI, syntax));
    meta.put(Element::of_bytes(
        tags::IMPLEMENTATION_CLASS_UID,
        Vr::UI,
        IMPLEMENTATION_CLASS,
    ));
    meta.put(Element::of_bytes(
        tags::IMPLEMENTATION_VERSION_NAME,
        Vr::SH,
        IMPLEMENTATION_VERSION,
    ));
    let mut group = Vec::new();
    elements(&meta, &mut group);
    let mut out = vec![0; 128];
    out.extend_from_slice(b"DICM\x02\0\0\0UL\x04\0");
    out.extend_from_slice(&(group.len() as u32).to_le_bytes());
    out.extend_from_slice(&group);
    elements(set, &mut out);
    out
}

fn elements(set: &DataSet, out: &mut Vec<u8>) {
    for element in &set.elements {
        if !element.tag.is_group_length() {
            one(element, out);
        }
    }
}

fn tag(tag: Tag, out: &mut Vec<u8>) {
    out.extend_from_slice(&tag.0.to_le_bytes());
    out.extend_from_slice(&tag.1.to_le_bytes());
}

fn long(of: Tag, vr: Vr, length: u32, out: &mut Vec<u8>) {
    tag(of, out);
    out.extend_from_slice(&vr.0);
    out.extend_from_slice(&[0, 0]);
    out.extend_from_slice(&length.to_le_bytes());
}

fn item(length: u32, out: &mut Vec<u8>) {
    tag(Tag(0xFFFE, 0xE000), out);
    out.extend_from_slice(&length.to_le_bytes());
}

fn delimiter(element: u16, out: &mut Vec<u8>) {
    tag(Tag(0xFFFE, element), out);
    out.extend_from_slice(&[0; 4]);
}

fn one(element: &Element, out: &mut Vec<u8>) {
    match &element.value {
        Value::Bytes(bytes) => {
            let padded = bytes.len().next_multiple_of(2);
            // A long text that an implicit file could hold and a short length cannot.
            let vr = if element.vr.is_long() || padded <= 0xFFFF {
                element.vr
            } else {
                Vr::UN
            };
            if vr.is_long() {
                long(element.tag, vr, padded as u32, out);
            } else {
                tag(element.tag, out);
                out.extend_from_slice(&vr.0);
                out.extend_from_slice(&(padded as u16).to_le_bytes());
            }
            out.extend_from_slice(bytes);
            if padded > bytes.len() {
                out.push(element.vr.padding());
            }
        }
        Value::Items(items) => {
            long(element.tag, Vr::SQ, u32::MAX, out);
            for set in items {
                item(u32::MAX, out);
                elements(set, out);
                delimiter(0xE00D, out);
            }
            delimiter(0xE0DD, out);
        }
        Value::Fragments { offsets, fragments } => {
            long(element.tag, Vr::OB, u32::MAX, out);
            item(4 * offsets.len() as u32, out);
            offsets
                .iter()
                .for_each(|offset| out.extend_from_slice(&offset.to_le_bytes()));
            for fragment in fragments {
                item(fragment.len().next_multiple_of(2) as u32, out);
                out.extend_from_slice(fragment);
                if fragment.len() % 2 == 1 {
                    out.push(0);
                }
            }
            delimiter(0xE0DD, out);
        }
    }
}
