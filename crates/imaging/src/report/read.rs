//! Reads the measurements of a report, ours or another workstation's, as far as they are drawn on images.

use crate::dicom::{DataSet, ImagingError, read as read_file, tags};
use crate::measure::Shape;

use super::{ANGLE, COMMENT, LENGTH};

/// A report has dozens of measurements; more than this is no report to look at.
const MOST: usize = 2_000;
/// Characters of a name.
const CHARS: usize = 200;

/// What a report measures on an image.
#[derive(Clone, Debug, PartialEq)]
pub struct Found {
    /// SOP instance UID of the image.
    pub instance: String,
    /// Frame of it, from 0; `None` for images of one frame.
    pub frame: Option<u32>,
    /// What was drawn.
    pub shape: Shape,
    /// Pixel coordinates.
    pub points: Vec<[f64; 2]>,
    /// What its author calls it.
    pub text: String,
}

/// A report as far as it can be drawn.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Reading {
    /// In the report's order.
    pub found: Vec<Found>,
    /// How many drawings have no counterpart here: points in space, several points, open lines.
    pub others: usize,
}

/// Why a file is not read as a report, in one sentence that may be shown.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ReportError {
    /// It is no DICOM file, or a damaged one.
    #[error(transparent)]
    Dicom(#[from] ImagingError),
    /// It is something else.
    #[error("This DICOM file is no structured report.")]
    Other,
    /// More than is taken.
    #[error("This report has more than {MOST} measurements.")]
    TooMany,
}

/// Reads a report.
///
/// # Errors
/// [`ReportError`].
pub fn read(bytes: impl Into<bytes::Bytes>) -> Result<Reading, ReportError> {
    let file = read_file(bytes.into())?;
    let class = file.dataset.text(tags::SOP_CLASS_UID).unwrap_or_default();
    if !class.starts_with("1.2.840.10008.5.1.4.1.1.88.") {
        return Err(ReportError::Other);
    }
    let mut reading = Reading::default();
    walk(&file.dataset, &Above::default(), &mut reading)?;
    Ok(reading)
}

/// What the items above say.
#[derive(Clone, Debug, Default)]
struct Above {
    /// The number that is inferred from what is drawn: its concept.
    number: Option<Concept>,
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Concept {
    Length,
    Angle,
    Other,
}

fn walk(set: &DataSet, above: &Above, reading: &mut Reading) -> Result<(), ReportError> {
    let items = set.items(tags::CONTENT_SEQUENCE);
    let mut here = above.clone();
    let kind = |set: &DataSet| set.text(tags::VALUE_TYPE).unwrap_or_default();
    match kind(set).as_str() {
        "NUM" => here.number = Some(concept(set)),
        // A comment names what stands beside it.
        "CONTAINER" => {
            let comment = items
                .iter()
                .filter(|item| kind(item) == "TEXT" && concept_is(item, COMMENT.0))
                .find_map(|item| item.text(tags::TEXT_VALUE));
            here.text = comment.unwrap_or_default().chars().take(CHARS).collect();
        }
        "SCOORD" => {
            if reading.found.len() + reading.others >= MOST {
                return Err(ReportError::TooMany);
            }
            match drawn(set, &here) {
                Some(found) => reading.found.push(found),
                None => reading.others += 1,
            }
            return Ok(());
        }
        "SCOORD3D" => {
            reading.others += 1;
            return Ok(());
        }
        _ => {}
    }
    items.iter().try_for_each(|item| walk(item, &here, reading))
}

fn concept_is(set: &DataSet, value: &str) -> bool {
    set.items(tags::CONCEPT_NAME_CODE_SEQUENCE)
        .first()
        .is_some_and(|code| code.text(tags::CODE_VALUE).as_deref() == Some(value))
}

/// By code, or by the words of whoever codes otherwise.
fn concept(set: &DataSet) -> Concept {
    let names = set.items(tags::CONCEPT_NAME_CODE_SEQUENCE);
    let words = names
        .first()
        .and_then(|code| code.text(tags::CODE_MEANING))
        .unwrap_or_default()
        .to_lowercase();
    if concept_is(set, ANGLE.0) || words.contains("angle") {
        Concept::Angle
    } else if concept_is(set, LENGTH.0)
        || ["length", "diameter", "distance", "axis"]
            .iter()
            .any(|word| words.contains(word))
    {
        Concept::Length
    } else {
        Concept::Other
    }
}

fn drawn(set: &DataSet, above: &Above) -> Option<Found> {
    let image = set
        .items(tags::CONTENT_SEQUENCE)
        .iter()
        .find_map(|item| item.items(tags::REFERENCED_SOP_SEQUENCE).first())?;
    let numbers = set.floats(tags::GRAPHIC_DATA);
    let points: Vec<[f64; 2]> = numbers
        .as_chunks::<2>()
        .0
        .iter()
        .copied()
        .filter(|point| point.iter().all(|part| part.is_finite()))
        .collect();
    if points.len() * 2 != numbers.len() {
        return None;
    }
    let (shape, points) = shape(&set.text(tags::GRAPHIC_TYPE)?, points, above.number)?;
    Some(Found {
        instance: image.text(tags::REFERENCED_SOP_INSTANCE_UID)?,
        frame: image
            .int(tags::REFERENCED_FRAME_NUMBER)
            .and_then(|frame| u32::try_from(frame).ok()?.checked_sub(1)),
        shape,
        points,
        text: above.text.clone(),
    })
}

/// What a graphic is here (PS3.3 C.18.6.1.2).
fn shape(
    kind: &str,
    points: Vec<[f64; 2]>,
    number: Option<Concept>,
) -> Option<(Shape, Vec<[f64; 2]>)> {
    match (kind, points.as_slice(), number) {
        ("POINT", [_], _) => Some((Shape::Point, points)),
        ("POLYLINE", [_, _], Some(Concept::Length)) => Some((Shape::Length, points)),
        ("POLYLINE", [_, _], None) => Some((Shape::Arrow, points)),
        ("POLYLINE", [_, _, _], Some(Concept::Angle)) => Some((Shape::Angle, points)),
        ("POLYLINE", [a, b, c, d, e], _) if a == e && upright([*a, *b, *c, *d]) => {
            Some((Shape::Rectangle, vec![*a, *c]))
        }
        ("POLYLINE", [first, outline @ .., last], _) if first == last && outline.len() >= 2 => {
            Some((Shape::Freehand, thinned(&points[..points.len() - 1])))
        }
        ("ELLIPSE", [a, b, c, d], _) => Some(ellipse([*a, *b, *c, *d])),
        ("CIRCLE", [[x, y], [u, v]], _) => {
            let radius = (x - u).hypot(y - v);
            Some((
                Shape::Ellipse,
                vec![[x - radius, y - radius], [x + radius, y + radius]],
            ))
        }
        _ => None,
    }
}

/// Corners of a rectangle whose sides are rows and columns.
fn upright([a, b, c, d]: [[f64; 2]; 4]) -> bool {
    (a[1] == b[1] && b[0] == c[0] && c[1] == d[1] && d[0] == a[0])
        || (a[0] == b[0] && b[1] == c[1] && c[0] == d[0] && d[1] == a[1])
}

/// As many points as an outline may have, evenly.
fn thinned(points: &[[f64; 2]]) -> Vec<[f64; 2]> {
    let most = Shape::Freehand.points().1;
    let count = points.len().min(most);
    (0..count)
        .map(|at| points[at * points.len() / count])
        .collect()
}

/// From the ends of both axes. Here ellipses lie along rows and columns: a turned one becomes an outline.
fn ellipse([a, b, c, d]: [[f64; 2]; 4]) -> (Shape, Vec<[f64; 2]>) {
    const STRAIGHT: f64 = 0.01;
    let along = |axis: usize| {
        (a[axis] - b[axis]).abs() < STRAIGHT && (c[1 - axis] - d[1 - axis]).abs() < STRAIGHT
    };
    if along(0) || along(1) {
        let all = [a, b, c, d];
        let least = [0, 1].map(|axis| all.iter().map(|point| point[axis]).fold(f64::MAX, f64::min));
        let most = [0, 1].map(|axis| all.iter().map(|point| point[axis]).fold(f64::MIN, f64::max));
        return (Shape::Ellipse, vec![least, most]);
    }
    let middle = [0, 1].map(|axis| (a[axis] + b[axis]) / 2.0);
    let half = |from: [f64; 2], to: [f64; 2]| [0, 1].map(|axis| (to[axis] - from[axis]) / 2.0);
    let (long, short) = (half(a, b), half(c, d));
    let outline = (0..64).map(|step| {
        let (sine, cosine) = (f64::from(step) * std::f64::consts::TAU / 64.0).sin_cos();
        [0, 1].map(|axis| middle[axis] + cosine * long[axis] + sine * short[axis])
    });
    (Shape::Freehand, outline.collect())
}
