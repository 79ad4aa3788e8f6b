//! Shapes and what they measure. Points are pixel coordinates as in [`crate::render`]: the first pixel covers 0 to 1.

use serde::{Deserialize, Serialize};

use super::region::{Statistics, statistics};

/// What is drawn.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
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
    /// The outline, closed by itself.
    Freehand,
    /// From the tail to the head; it measures nothing, it points.
    Arrow,
    /// One point: the value there.
    Point,
}

impl Shape {
    /// How many points it takes, at least and at most.
    pub fn points(self) -> (usize, usize) {
        match self {
            Shape::Length | Shape::Rectangle | Shape::Ellipse | Shape::Arrow => (2, 2),
            Shape::Angle => (3, 3),
            Shape::Point => (1, 1),
            Shape::Freehand => (3, 256),
        }
    }

    /// Encloses pixels, which have a mean and an area.
    pub fn is_region(self) -> bool {
        matches!(self, Shape::Rectangle | Shape::Ellipse | Shape::Freehand)
    }
}

/// Where the size of a pixel comes from, and so what a length means.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Calibration {
    /// Pixel Spacing of a cross-section, or a calibrated projection: lengths in the patient.
    Patient,
    /// Imager Pixel Spacing: lengths at the detector, larger than in the patient.
    Detector,
    /// Nominal Scanned Pixel Spacing: lengths on the film, which was never said to be as large as the patient.
    Film,
}

/// Millimetres from pixel to pixel, across and down.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Scale {
    /// Across and down, mm.
    pub spacing: [f64; 2],
    /// What they refer to.
    pub calibration: Calibration,
}

/// The result of measuring one shape.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Measured {
    /// In mm, or in pixels when `calibration` is `None`.
    pub length: Option<f64>,
    /// In degrees, 0 to 180.
    pub angle: Option<f64>,
    /// In mm², or in pixels².
    pub area: Option<f64>,
    /// Of the values inside.
    pub statistics: Option<Statistics>,
    /// The value at a point.
    pub value: Option<f64>,
    /// `None`: the image does not say how large a pixel is, so lengths and areas are counted in pixels.
    pub calibration: Option<Calibration>,
}

/// Measures a shape. `value` gives the modality value at a column and row, or `None` where there is none (outside,
/// and colour).
///
/// `None` when the points are too few, too many, or no numbers.
pub fn measure(
    shape: Shape,
    points: &[[f64; 2]],
    scale: Option<Scale>,
    size: [u32; 2],
    value: impl Fn(u32, u32) -> Option<f64>,
) -> Option<Measured> {
    let (least, most) = shape.points();
    if !(least..=most).contains(&points.len()) || points.iter().flatten().any(|p| !p.is_finite()) {
        return None;
    }
    let spacing = scale.map_or([1.0, 1.0], |scale| scale.spacing);
    let real: Vec<[f64; 2]> = points
        .iter()
        .map(|[x, y]| [x * spacing[0], y * spacing[1]])
        .collect();
    let mut measured = Measured {
        length: None,
        angle: None,
        area: None,
        statistics: None,
        value: None,
        calibration: scale.map(|scale| scale.calibration),
    };
    match shape {
        Shape::Length => measured.length = Some(distance(real[0], real[1])),
        Shape::Angle => measured.angle = angle(real[0], real[1], real[2]),
        Shape::Rectangle => {
            let [width, height] = extent(real[0], real[1]);
            measured.area = Some(width * height);
        }
        Shape::Ellipse => {
            let [width, height] = extent(real[0], real[1]);
            measured.area = Some(std::f64::consts::FRAC_PI_4 * width * height);
        }
        Shape::Freehand => measured.area = Some(polygon_area(&real)),
        Shape::Arrow => {}
        Shape::Point => {
            let [x, y] = points[0];
            measured.value = (x >= 0.0 && y >= 0.0)
                .then(|| value(x as u32, y as u32))
                .flatten()
                .filter(|value| value.is_finite());
        }
    }
    if shape.is_region() {
        measured.statistics = statistics(shape, points, size, value);
    }
    Some(measured)
}

fn distance(a: [f64; 2], b: [f64; 2]) -> f64 {
    (a[0] - b[0]).hypot(a[1] - b[1])
}

fn extent(a: [f64; 2], b: [f64; 2]) -> [f64; 2] {
    [(a[0] - b[0]).abs(), (a[1] - b[1]).abs()]
}

/// At `corner`, in degrees; `None` when an arm has no length.
fn angle(a: [f64; 2], corner: [f64; 2], b: [f64; 2]) -> Option<f64> {
    let (u, v) = (
        [a[0] - corner[0], a[1] - corner[1]],
        [b[0] - corner[0], b[1] - corner[1]],
    );
    if u == [0.0, 0.0] || v == [0.0, 0.0] {
        return None;
    }
    let (cross, dot) = (u[0] * v[1] - u[1] * v[0], u[0] * v[0] + u[1] * v[1]);
    Some(cross.atan2(dot).abs().to_degrees())
}

/// By the shoelace formula: a polygon that crosses itself counts opposite turns against each other.
fn polygon_area(points: &[[f64; 2]]) -> f64 {
    let twice: f64 = points
        .iter()
        .zip(points.iter().cycle().skip(1))
        .map(|(a, b)| a[0] * b[1] - b[0] * a[1])
        .sum();
    (twice / 2.0).abs()
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const MM: Option<Scale> = Some(Scale {
        spacing: [0.5, 2.0],
        calibration: Calibration::Patient,
    });

    fn of(shape: Shape, points: &[[f64; 2]], scale: Option<Scale>) -> Measured {
        measure(shape, points, scale, [64, 64], |x, y| {
            Some(f64::from(x + y))
        })
        .unwrap()
    }

    #[test]
    fn lengths_are_real_when_the_pixel_is_known() {
        let ends = [[0.0, 0.0], [6.0, 2.0]];
        assert_eq!(of(Shape::Length, &ends, MM).length, Some(5.0));
        let pixels = of(Shape::Length, &ends, None);
        assert_eq!(pixels.length, Some(40.0_f64.sqrt()));
        assert_eq!(pixels.calibration, None);
    }

    #[test]
    fn angles_are_real_too() {
        let right = [[0.0, 1.0], [0.0, 0.0], [4.0, 0.0]];
        assert_eq!(of(Shape::Angle, &right, MM).angle, Some(90.0));
        let slanted = [[8.0, 2.0], [0.0, 0.0], [4.0, 0.0]];
        assert!((of(Shape::Angle, &slanted, MM).angle.unwrap() - 45.0).abs() < 1e-9);
        assert_eq!(of(Shape::Angle, &[[1.0, 1.0]; 3], MM).angle, None);
    }

    #[test]
    fn areas() {
        let corners = [[10.0, 10.0], [20.0, 15.0]];
        assert_eq!(of(Shape::Rectangle, &corners, MM).area, Some(50.0));
        let ellipse = of(Shape::Ellipse, &corners, MM).area.unwrap();
        assert!((ellipse - 50.0 * std::f64::consts::FRAC_PI_4).abs() < 1e-9);
        let triangle = [[0.0, 0.0], [4.0, 0.0], [0.0, 4.0]];
        assert_eq!(of(Shape::Freehand, &triangle, None).area, Some(8.0));
    }

    #[test]
    fn a_point_has_the_value_of_its_pixel() {
        assert_eq!(of(Shape::Point, &[[3.9, 5.1]], None).value, Some(8.0));
        assert_eq!(of(Shape::Point, &[[-0.5, 5.1]], None).value, None);
    }

    #[test]
    fn what_is_no_shape_is_not_measured() {
        let none = |shape, points: &[[f64; 2]]| {
            measure(shape, points, None, [8, 8], |_, _| None).is_none()
        };
        assert!(none(Shape::Length, &[[0.0, 0.0]]));
        assert!(none(Shape::Angle, &[[0.0, 0.0], [1.0, 1.0]]));
        assert!(none(Shape::Point, &[[f64::NAN, 1.0]]));
        assert!(none(Shape::Freehand, &vec![[1.0, 1.0]; 300]));
    }

    proptest! {
        #[test]
        fn length_ignores_direction_and_place(ax in 0.0..60.0_f64, ay in 0.0..60.0_f64, bx in 0.0..60.0_f64, by in 0.0..60.0_f64, dx in -5.0..5.0_f64) {
            let there = of(Shape::Length, &[[ax, ay], [bx, by]], MM).length.unwrap();
            let back = of(Shape::Length, &[[bx, by], [ax, ay]], MM).length.unwrap();
            let moved = of(Shape::Length, &[[ax + dx, ay], [bx + dx, by]], MM).length.unwrap();
            prop_assert!((there - back).abs() < 1e-9 && (there - moved).abs() < 1e-9);
        }

        #[test]
        fn angle_is_between_0_and_180(points in prop::array::uniform3(prop::array::uniform2(0.0..60.0_f64))) {
            if let Some(angle) = of(Shape::Angle, &points, MM).angle {
                prop_assert!((0.0..=180.0).contains(&angle));
            }
        }

        #[test]
        fn a_rectangle_drawn_by_hand_has_its_area(ax in 0.0..30.0_f64, ay in 0.0..30.0_f64, w in 1.0..30.0_f64, h in 1.0..30.0_f64) {
            let rectangle = of(Shape::Rectangle, &[[ax, ay], [ax + w, ay + h]], MM).area.unwrap();
            let outline = [[ax, ay], [ax + w, ay], [ax + w, ay + h], [ax, ay + h]];
            let freehand = of(Shape::Freehand, &outline, MM).area.unwrap();
            prop_assert!((rectangle - freehand).abs() < 1e-6);
        }
    }
}
