//! Looks for text that is burned into pixels: small marks of one height, with strokes of one width and sharp edges, that
//! stand in a row. It reads nothing and clears nothing: what it finds must be looked at, and what it does not find may
//! still be there (handwriting, a face, letters of under six pixels).

use crate::dicom::{Frame, Samples};

/// Something that looks like a line of text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct TextLine {
    /// Left, top, right, bottom in pixels, the last two exclusive.
    pub bounds: [u32; 4],
    /// How many marks stand in it.
    pub marks: u32,
}

/// Fewer marks in a row are a scale bar, a marker of lead, an arrow.
const LEAST_MARKS: usize = 4;
/// The smallest letters that anybody can read.
const LEAST_HEIGHT: usize = 6;
/// Where marks are told from what is around them, in parts of the frame's range: text may be white on black, grey on
/// black, or black on white.
const THRESHOLDS: [u8; 3] = [60, 115, 180];
/// Across the edge of a mark the grey must change by this much of 255 within two pixels.
const LEAST_CONTRAST: u32 = 80;
/// A frame with more specks than this is noise at that threshold.
const MOST_SPECKS: usize = 20_000;

/// A connected mark.
#[derive(Clone, Copy, Debug)]
struct Mark {
    left: usize,
    top: usize,
    right: usize,
    bottom: usize,
    /// Twice its area by its outline: the width of its strokes.
    stroke: f32,
}

impl Mark {
    fn height(&self) -> usize {
        self.bottom - self.top
    }
}

/// Grey from 0 to 255 over the frame's own range.
struct Grey {
    columns: usize,
    rows: usize,
    pixels: Vec<u8>,
}

/// Finds lines in a frame, the clearest first.
pub fn find_text(frame: &Frame) -> Vec<TextLine> {
    let mut grey = Grey::of(frame);
    let mut lines: Vec<TextLine> = Vec::new();
    for dark in [false, true] {
        if dark {
            grey.pixels
                .iter_mut()
                .for_each(|pixel| *pixel = 255 - *pixel);
        }
        for threshold in THRESHOLDS {
            for line in rows_of(marks(&grey, threshold)) {
                // The same words stand out at several thresholds.
                match lines
                    .iter_mut()
                    .find(|known| touches(&known.bounds, &line.bounds))
                {
                    Some(known) if known.marks >= line.marks => {}
                    Some(known) => *known = line,
                    None => lines.push(line),
                }
            }
        }
    }
    lines.sort_by_key(|line| (std::cmp::Reverse(line.marks), line.bounds));
    lines
}

fn touches(one: &[u32; 4], other: &[u32; 4]) -> bool {
    one[0] < other[2] && other[0] < one[2] && one[1] < other[3] && other[1] < one[3]
}

impl Grey {
    fn of(frame: &Frame) -> Self {
        let pixels = match &frame.samples {
            // A colour counts by its brightest part: yellow and green words are as bright as white ones.
            Samples::Rgb8(all) => {
                let brightest = all.as_chunks::<3>().0.iter();
                stretch(brightest.map(|[r, g, b]| f64::from(*r.max(g).max(b))))
            }
            Samples::U8(all) => stretch(all.iter().map(|number| f64::from(*number))),
            Samples::I8(all) => stretch(all.iter().map(|number| f64::from(*number))),
            Samples::U16(all) => stretch(all.iter().map(|number| f64::from(*number))),
            Samples::I16(all) => stretch(all.iter().map(|number| f64::from(*number))),
            Samples::U32(all) => stretch(all.iter().map(|number| f64::from(*number))),
            Samples::I32(all) => stretch(all.iter().map(|number| f64::from(*number))),
            Samples::F32(all) => stretch(all.iter().map(|number| f64::from(*number))),
            Samples::F64(all) => stretch(all.iter().copied()),
        };
        Grey {
            columns: frame.columns as usize,
            rows: frame.rows as usize,
            pixels,
        }
    }

    fn at(&self, column: isize, row: isize) -> u8 {
        let column = column.clamp(0, self.columns as isize - 1) as usize;
        let row = row.clamp(0, self.rows as isize - 1) as usize;
        self.pixels[row * self.columns + column]
    }
}

fn stretch(numbers: impl Iterator<Item = f64> + Clone) -> Vec<u8> {
    let range = |(low, high): (f64, f64), number: f64| (low.min(number), high.max(number));
    let finite = numbers.clone().filter(|number| number.is_finite());
    let (low, high) = finite.fold((f64::MAX, f64::MIN), range);
    let scale = if high > low {
        255.0 / (high - low)
    } else {
        0.0
    };
    numbers
        .map(|number| ((number - low) * scale) as u8)
        .collect()
}

/// Connected marks above a threshold that could be letters by their size, their strokes and their edges.
fn marks(grey: &Grey, threshold: u8) -> Vec<Mark> {
    let mut seen: Vec<bool> = grey.pixels.iter().map(|pixel| *pixel < threshold).collect();
    let highest = (grey.rows / 6).clamp(24, 100);
    let mut marks = Vec::new();
    let mut stack: Vec<usize> = Vec::new();
    let mut specks = 0;
    for start in 0..seen.len() {
        if seen[start] {
            continue;
        }
        specks += 1;
        if specks > MOST_SPECKS {
            return Vec::new();
        }
        let (column, row) = (start % grey.columns, start / grey.columns);
        let mut mark = Mark {
            left: column,
            top: row,
            right: column + 1,
            bottom: row + 1,
            stroke: 0.0,
        };
        let (mut area, mut outline, mut contrast) = (0u32, 0u32, 0u32);
        seen[start] = true;
        stack.push(start);
        while let Some(at) = stack.pop() {
            let (column, row) = (at % grey.columns, at / grey.columns);
            area += 1;
            mark.left = mark.left.min(column);
            mark.right = mark.right.max(column + 1);
            mark.bottom = mark.bottom.max(row + 1);
            let pixel = grey.pixels[at];
            for (across, down) in [(-1, 0), (1, 0), (0, -1), (0, 1)] {
                let (column, row) = (column as isize + across, row as isize + down);
                if grey.at(column, row) < threshold {
                    outline += 1;
                    let beyond = grey
                        .at(column + across, row + down)
                        .min(grey.at(column, row));
                    contrast += u32::from(pixel.saturating_sub(beyond));
                }
            }
            for down in -1..=1 {
                for across in -1..=1 {
                    let (column, row) = (column as isize + across, row as isize + down);
                    if column < 0
                        || row < 0
                        || column >= grey.columns as isize
                        || row >= grey.rows as isize
                    {
                        continue;
                    }
                    let next = row as usize * grey.columns + column as usize;
                    if !seen[next] {
                        seen[next] = true;
                        stack.push(next);
                    }
                }
            }
        }
        let (height, width) = (mark.height(), mark.right - mark.left);
        if height < LEAST_HEIGHT || height > highest || width > 2 * height || outline == 0 {
            continue;
        }
        mark.stroke = 2.0 * area as f32 / outline as f32;
        let filled = area as f32 / (height * width) as f32;
        // A full block is a bar or a pixel of noise, unless it is as narrow as an I.
        let letter = (0.12..0.85).contains(&filled) || 2 * width <= height;
        let thin = mark.stroke <= height as f32 / 2.5 + 1.0;
        if letter && thin && contrast / outline >= LEAST_CONTRAST {
            marks.push(mark);
        }
    }
    marks
}

/// Marks that follow one another on a line.
fn rows_of(mut marks: Vec<Mark>) -> Vec<TextLine> {
    marks.sort_by_key(|mark| (mark.left, mark.top));
    let mut rows: Vec<Vec<Mark>> = Vec::new();
    for mark in marks {
        let row = rows
            .iter_mut()
            .rev()
            .find(|row| row.last().is_some_and(|last| follows(last, &mark)));
        match row {
            Some(row) => row.push(mark),
            None => rows.push(vec![mark]),
        }
    }
    rows.iter().filter_map(|row| line(row)).collect()
}

/// Whether `next` can be the letter after `last`.
fn follows(last: &Mark, next: &Mark) -> bool {
    let (one, other) = (last.height() as isize, next.height() as isize);
    let larger = one.max(other);
    let gap = next.left as isize - last.right as isize;
    let apart = (last.bottom as isize - next.bottom as isize).abs();
    5 * one.min(other) >= 3 * larger
        && (-1..=larger + larger / 2).contains(&gap)
        && 4 * apart <= larger
}

fn line(row: &[Mark]) -> Option<TextLine> {
    if row.len() < LEAST_MARKS {
        return None;
    }
    let median = |mut numbers: Vec<f32>| {
        numbers.sort_by(f32::total_cmp);
        numbers[numbers.len() / 2]
    };
    let stroke = median(row.iter().map(|mark| mark.stroke).collect());
    let bottom = median(row.iter().map(|mark| mark.bottom as f32).collect());
    let height = median(row.iter().map(|mark| mark.height() as f32).collect());
    // Letters stand on one line, most have one of two heights, and one pen wrote them.
    let alike = |mark: &&Mark| {
        (mark.bottom as f32 - bottom).abs() <= (height * 0.1).max(1.0)
            && (mark.height() as f32 - height).abs() <= (height * 0.12).max(1.0)
            && (mark.stroke - stroke).abs() <= (stroke * 0.35).max(0.5)
    };
    let alike = row.iter().filter(alike).count();
    if alike < LEAST_MARKS || 3 * alike < 2 * row.len() {
        return None;
    }
    let bounds = row.iter().fold(
        [usize::MAX, usize::MAX, 0, 0],
        |[left, top, right, bottom], mark| {
            [
                left.min(mark.left),
                top.min(mark.top),
                right.max(mark.right),
                bottom.max(mark.bottom),
            ]
        },
    );
    Some(TextLine {
        bounds: bounds.map(|side| side as u32),
        marks: row.len() as u32,
    })
}
