//! A shape while it is being drawn: which points it has, and when it is complete.

use healthsync_imaging::measure::Shape;

/// Freehand points closer than this many pixels of the screen to the last one are left out.
const NEAR: f64 = 4.0;

#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Draft {
    /// The pane it is drawn in.
    pub(crate) pane: usize,
    pub(crate) shape: Shape,
    /// Pixel coordinates; the last one follows the pointer.
    pub(crate) points: Vec<[f64; 2]>,
}

impl Draft {
    pub(crate) fn begin(pane: usize, shape: Shape, at: [f64; 2]) -> Self {
        let points = match shape {
            Shape::Point | Shape::Freehand => vec![at],
            _ => vec![at, at],
        };
        Self {
            pane,
            shape,
            points,
        }
    }

    /// The pointer is here now; `scale` is how many pixels of the screen one of the picture takes.
    pub(crate) fn follow(&mut self, at: [f64; 2], scale: f64) {
        let Some(last) = self.points.last_mut() else {
            return;
        };
        if self.shape != Shape::Freehand {
            *last = at;
            return;
        }
        let far = (at[0] - last[0]).hypot(at[1] - last[1]) * scale >= NEAR;
        if far && self.points.len() < Shape::Freehand.points().1 {
            self.points.push(at);
        }
    }

    /// The button was released: whether the shape is whole. An angle needs a second stroke for its other arm.
    pub(crate) fn release(&mut self, scale: f64) -> bool {
        let (first, last) = (self.points[0], self.points[self.points.len() - 1]);
        let moved = (first[0] - last[0]).hypot(first[1] - last[1]) * scale >= NEAR;
        match self.shape {
            Shape::Point => true,
            Shape::Freehand => self.points.len() >= Shape::Freehand.points().0,
            Shape::Angle if self.points.len() < 3 => {
                if moved {
                    self.points.push(last);
                }
                false
            }
            _ => moved,
        }
    }
}
