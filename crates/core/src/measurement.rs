//! Measurements on a case's images: what is drawn, and where. Results are not in the event: whoever has the image
//! computes them from it, and nobody can claim another value than the pixels give.

use serde::{Deserialize, Serialize};

use crate::{
    ids::EventId,
    limits::{self, LimitError},
};

/// A shape on one slice of one image of a case.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Measurement {
    /// The case's event.
    pub case: EventId,
    /// Which of the case's images, from 0.
    pub image: u16,
    /// Which slice or frame of it, from 0; 0 for a photograph.
    pub slice: u32,
    /// What is drawn.
    pub shape: Shape,
    /// Hundredths of a pixel from the image's upper left corner, across and down.
    pub points: Vec<[i32; 2]>,
    /// What its author calls it; plain text, may be empty.
    pub text: String,
}

/// What is drawn. The number of points follows from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Shape {
    /// Two ends.
    Length,
    /// An end, the corner, the other end.
    Angle,
    /// Two opposite corners.
    Rectangle,
    /// Two opposite corners of the box around it.
    Ellipse,
    /// An outline, closed by itself.
    Freehand,
    /// From the tail to the head.
    Arrow,
    /// One point.
    Point,
}

impl Measurement {
    /// Checks counts and lengths; the error is a sentence for whoever draws.
    pub fn check(&self) -> Result<(), LimitError> {
        let (least, most) = match self.shape {
            Shape::Point => (1, 1),
            Shape::Angle => (3, 3),
            Shape::Freehand => (3, limits::MEASUREMENT_POINTS),
            Shape::Length | Shape::Rectangle | Shape::Ellipse | Shape::Arrow => (2, 2),
        };
        let found = self.points.len();
        if found < least {
            return Err(LimitError::TooFew {
                what: "The measurement",
                unit: "points",
                limit: least,
                found,
            });
        }
        limits::check_count("The measurement", "points", found, most)?;
        limits::check_chars("The measurement's name", &self.text, limits::NAME_CHARS)
    }
}
