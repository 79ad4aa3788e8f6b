//! Overlay planes (PS3.3 C.9.2): one bit a pixel, drawn over the image. They often hold names.

use super::dataset::{DataSet, Value};
use super::tag::Tag;

/// One overlay plane of a file.
#[derive(Clone, Debug, PartialEq)]
pub struct Overlay {
    /// Group number, 0x6000 to 0x60FE.
    pub group: u16,
    /// Height of the plane.
    pub rows: u32,
    /// Width of the plane.
    pub columns: u32,
    /// Row and column of the image, from 0, on which its first pixel lies; may be negative.
    pub origin: (i32, i32),
    /// First frame that it belongs to, from 0.
    pub first_frame: u32,
    /// Number of frames that it has planes for.
    pub frames: u32,
    /// Its bits, the first pixel in the lowest bit of the first byte, rows and planes without padding.
    pub bits: bytes::Bytes,
}

impl Overlay {
    /// Whether the pixel of its plane `frame` (from 0) is set.
    pub fn at(&self, frame: u32, row: u32, column: u32) -> bool {
        let plane = u64::from(self.rows) * u64::from(self.columns);
        let bit =
            plane * u64::from(frame) + u64::from(row) * u64::from(self.columns) + u64::from(column);
        let byte = usize::try_from(bit / 8)
            .ok()
            .and_then(|at| self.bits.get(at));
        byte.is_some_and(|byte| byte >> (bit % 8) & 1 == 1)
    }

    /// Planes with data of their own; retired ones inside the pixels' unused bits are not drawn.
    pub(crate) fn read(set: &DataSet) -> Vec<Overlay> {
        let groups = set.elements().iter().filter(|element| {
            element.tag.0 & 0xFF01 == 0x6000
                && element.tag.1 == 0x3000
                && matches!(element.value, Value::Bytes(_))
        });
        groups
            .filter_map(|element| one(set, element.tag.0))
            .collect()
    }
}

fn one(set: &DataSet, group: u16) -> Option<Overlay> {
    let number = |element| set.int(Tag(group, element));
    let size = |element| number(element).and_then(|number| u32::try_from(number).ok());
    let origin = set.floats(Tag(group, 0x0050));
    let origin = match origin.as_slice() {
        [row, column] => (*row as i32 - 1, *column as i32 - 1),
        _ => (0, 0),
    };
    Some(Overlay {
        group,
        rows: size(0x0010)?,
        columns: size(0x0011)?,
        origin,
        first_frame: size(0x0051).unwrap_or(1).saturating_sub(1),
        frames: size(0x0015).unwrap_or(1).max(1),
        bits: set.bytes(Tag(group, 0x3000))?.clone(),
    })
}
