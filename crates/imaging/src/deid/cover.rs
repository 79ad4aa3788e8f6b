//! What is painted over in every frame: boxes, and areas inside of an outline that a person drew.

use super::options::{Mask, Outline};
use crate::dicom::PixelFormat;

/// Boxes and outlines as far as they lie on an image.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cover {
    /// Clipped to the image.
    pub(super) boxes: Vec<Mask>,
    /// As they were drawn.
    pub(super) outlines: Vec<Outline>,
    /// Row, first column, and the column after the last.
    spans: Vec<[usize; 3]>,
}

impl Cover {
    pub(super) fn new<'a>(
        boxes: impl IntoIterator<Item = &'a Mask>,
        outlines: &[Outline],
        format: &PixelFormat,
    ) -> Self {
        let mut cover = Cover::default();
        for Mask([left, top, right, bottom]) in boxes {
            let (right, bottom) = ((*right).min(format.columns), (*bottom).min(format.rows));
            if *left < right && *top < bottom {
                cover.boxes.push(Mask([*left, *top, right, bottom]));
                let rows = *top as usize..bottom as usize;
                cover
                    .spans
                    .extend(rows.map(|row| [row, *left as usize, right as usize]));
            }
        }
        for outline in outlines {
            let spans = inside(outline, format);
            if !spans.is_empty() {
                cover.outlines.push(outline.clone());
                cover.spans.extend(spans);
            }
        }
        cover
    }

    pub(super) fn is_empty(&self) -> bool {
        self.spans.is_empty()
    }

    /// All covered pixels of a frame, `pixel` bytes each, become `black`.
    pub(super) fn fill(&self, bytes: &mut [u8], columns: usize, black: &[u8]) {
        let pixel = black.len();
        for [row, from, to] in &self.spans {
            let line = &mut bytes[(row * columns + from) * pixel..(row * columns + to) * pixel];
            line.chunks_exact_mut(pixel)
                .for_each(|chunk| chunk.copy_from_slice(black));
        }
    }
}

/// Even-odd, by rows; a pixel that the outline only touches is inside, too.
fn inside(Outline(points): &Outline, format: &PixelFormat) -> Vec<[usize; 3]> {
    let bottom = points.iter().map(|[_, y]| *y).max().unwrap_or(0);
    let top = points.iter().map(|[_, y]| *y).min().unwrap_or(0);
    let mut spans = Vec::new();
    for row in top..bottom.min(format.rows) {
        let y = f64::from(row) + 0.5;
        let edges = points.iter().zip(points.iter().cycle().skip(1));
        let mut crossings: Vec<f64> = edges
            .map(|(a, b)| (a.map(f64::from), b.map(f64::from)))
            .filter(|(a, b)| (a[1] > y) != (b[1] > y))
            .map(|(a, b)| (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0])
            .collect();
        crossings.sort_by(f64::total_cmp);
        for pair in crossings.as_chunks::<2>().0 {
            let from = pair[0].floor() as usize;
            let to = (pair[1].ceil() as usize).min(format.columns as usize);
            if from < to {
                spans.push([row as usize, from, to]);
            }
        }
    }
    spans
}
