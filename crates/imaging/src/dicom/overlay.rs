//! Overlay planes (PS3.3 C.9.2): one bit a pixel, drawn over the image. They often hold names.

use bytes::Bytes;

use super::dataset::{DataSet, Value};
use super::error::ImagingError;
use super::head::PixelFormat;
use super::instance::Instance;
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
    /// First frame that it belongs to, from 0; `None` when its plane belongs to all frames.
    pub first_frame: Option<u32>,
    /// Number of frames that it has planes for.
    pub frames: u32,
    /// Where its bits are.
    pub source: OverlaySource,
}

/// Where the bits of an overlay are.
#[derive(Clone, Debug, PartialEq)]
pub enum OverlaySource {
    /// In OverlayData: the first pixel in the lowest bit of the first byte, rows and planes without padding.
    Own(Bytes),
    /// In this bit, above those that are stored, of each sample of the image (retired, PS3.3-2004 C.9.2).
    Pixels(u32),
}

impl Overlay {
    /// All overlays of a file, also those inside the pixels' unused bits.
    pub(crate) fn read(set: &DataSet, pixels: &PixelFormat) -> Vec<Overlay> {
        let mut groups: Vec<u16> = set
            .elements()
            .iter()
            .map(|element| element.tag.0)
            .filter(|group| group & 0xFF01 == 0x6000)
            .collect();
        groups.dedup();
        groups
            .into_iter()
            .filter_map(|group| one(set, group, pixels))
            .collect()
    }

    /// Which of its planes belongs to frame `frame` of the image.
    fn plane_of(&self, frame: u32) -> Option<u32> {
        match self.first_frame {
            None => Some(0),
            Some(first) => frame
                .checked_sub(first)
                .filter(|plane| *plane < self.frames),
        }
    }

    /// Calls `each` with every row and column of an image of this size on which it draws in frame `frame`; `stored` are
    /// that frame's samples with all of their bits.
    fn draw(
        &self,
        frame: u32,
        pixels: &PixelFormat,
        stored: &[u8],
        mut each: impl FnMut(usize, usize),
    ) {
        let Some(plane) = self.plane_of(frame) else {
            return;
        };
        let inside = |origin: i32, own: u32, image: u32| {
            let from = i64::from(origin).max(0);
            let to = (i64::from(origin) + i64::from(own)).min(i64::from(image));
            from..to.max(from)
        };
        let size = pixels.sample_bytes();
        let plane = u64::from(self.rows) * u64::from(self.columns) * u64::from(plane);
        for row in inside(self.origin.0, self.rows, pixels.rows) {
            for column in inside(self.origin.1, self.columns, pixels.columns) {
                let own = (row - i64::from(self.origin.0)) as u64 * u64::from(self.columns)
                    + (column - i64::from(self.origin.1)) as u64;
                let byte = |bytes: &[u8], at: u64| {
                    usize::try_from(at)
                        .ok()
                        .and_then(|at| bytes.get(at).copied())
                };
                let (byte, bit) = match &self.source {
                    OverlaySource::Own(bits) => {
                        let bit = plane + own;
                        (byte(bits, bit / 8), bit % 8)
                    }
                    OverlaySource::Pixels(bit) => {
                        let sample = row as u64 * u64::from(pixels.columns) + column as u64;
                        let at = sample * size as u64 + u64::from(bit / 8);
                        (byte(stored, at), u64::from(bit % 8))
                    }
                };
                if byte.is_some_and(|byte| byte >> bit & 1 == 1) {
                    each(row as usize, column as usize);
                }
            }
        }
    }
}

impl Instance {
    /// What the file's overlays draw over frame `index` (from 0): one byte a pixel of the image, 1 where something is
    /// drawn. `None` without overlays.
    ///
    /// # Errors
    /// Those of decoding, where an overlay lies in the pixels' unused bits.
    pub fn drawn_over(&self, index: u32) -> Result<Option<Vec<u8>>, ImagingError> {
        let overlays = self.overlays();
        if overlays.is_empty() {
            return Ok(None);
        }
        let inside = |overlay: &Overlay| matches!(overlay.source, OverlaySource::Pixels(_));
        let stored = if overlays.iter().any(inside) {
            self.decoded(index, false)?.bytes
        } else {
            Vec::new()
        };
        let pixels = &self.head.pixels;
        let mut mask = vec![0; pixels.frame_pixels()];
        for overlay in overlays {
            overlay.draw(index, pixels, &stored, |row, column| {
                mask[row * pixels.columns as usize + column] = 1;
            });
        }
        Ok(Some(mask))
    }
}

fn one(set: &DataSet, group: u16, pixels: &PixelFormat) -> Option<Overlay> {
    let number = |element| set.int(Tag(group, element));
    let size = |element| number(element).and_then(|number| u32::try_from(number).ok());
    let origin = set.floats(Tag(group, 0x0050));
    let origin = match origin.as_slice() {
        [row, column] => (*row as i32 - 1, *column as i32 - 1),
        _ => (0, 0),
    };
    let source = match set.get(Tag(group, 0x3000)).map(|element| &element.value) {
        Some(Value::Bytes(bits)) => OverlaySource::Own(bits.clone()),
        Some(_) => return None,
        None => {
            let below = u32::from(pixels.bits_below);
            let used = below..below + u32::from(pixels.bits_stored);
            let bit = size(0x0102)
                .filter(|bit| *bit < u32::from(pixels.bits_allocated) && !used.contains(bit))?;
            OverlaySource::Pixels(bit)
        }
    };
    let (first, frames) = (size(0x0051), size(0x0015));
    Some(Overlay {
        group,
        rows: size(0x0010)?,
        columns: size(0x0011)?,
        origin,
        first_frame: (first.is_some() || frames.is_some())
            .then(|| first.unwrap_or(1).saturating_sub(1)),
        frames: frames.unwrap_or(1).max(1),
        source,
    })
}

#[cfg(test)]
mod tests;
