//! Statistics of the pixels in a region: those whose centre is inside.

use serde::{Deserialize, Serialize};

use super::shape::Shape;

/// Of the values inside a region.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Statistics {
    /// How many pixels.
    pub count: u32,
    /// Their mean.
    pub mean: f64,
    /// Their standard deviation; the pixels are the whole population, so it is divided by their number.
    pub sd: f64,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
    /// How many pixels inside have no value: padding, what is no number, what is not finite.
    pub without: u32,
}

/// The statistics of a region, `None` when no pixel with a value has its centre inside. What is no finite number is
/// no value: one would make all of them none. By Welford's method, in one
/// pass and without cancellation.
pub fn statistics(
    shape: Shape,
    points: &[[f64; 2]],
    size: [u32; 2],
    value: impl Fn(u32, u32) -> Option<f64>,
) -> Option<Statistics> {
    let least = |axis: usize| points.iter().map(|p| p[axis]).fold(f64::MAX, f64::min);
    let most = |axis: usize| points.iter().map(|p| p[axis]).fold(f64::MIN, f64::max);
    let range = |axis: usize| {
        let from = least(axis).floor().max(0.0) as u32;
        let to = most(axis).ceil().clamp(0.0, f64::from(size[axis])) as u32;
        from..to
    };
    let (mut count, mut mean, mut squares) = (0_u32, 0.0, 0.0);
    let (mut min, mut max) = (f64::MAX, f64::MIN);
    let mut without = 0;
    for row in range(1) {
        for column in range(0) {
            let centre = [f64::from(column) + 0.5, f64::from(row) + 0.5];
            if !inside(shape, points, centre) {
                continue;
            }
            let Some(here) = value(column, row).filter(|value| value.is_finite()) else {
                without += 1;
                continue;
            };
            count += 1;
            let from_mean: f64 = here - mean;
            mean += from_mean / f64::from(count);
            squares += from_mean * (here - mean);
            min = min.min(here);
            max = max.max(here);
        }
    }
    (count > 0).then(|| Statistics {
        count,
        mean,
        sd: (squares / f64::from(count)).max(0.0).sqrt(),
        min,
        max,
        without,
    })
}

fn inside(shape: Shape, points: &[[f64; 2]], [x, y]: [f64; 2]) -> bool {
    match shape {
        Shape::Rectangle => {
            let between = |at: f64, a: f64, b: f64| a.min(b) <= at && at < a.max(b);
            between(x, points[0][0], points[1][0]) && between(y, points[0][1], points[1][1])
        }
        Shape::Ellipse => {
            let ([ax, ay], [bx, by]) = (points[0], points[1]);
            let (half_w, half_h) = ((bx - ax).abs() / 2.0, (by - ay).abs() / 2.0);
            if half_w == 0.0 || half_h == 0.0 {
                return false;
            }
            let (u, v) = (
                (x - (ax + bx) / 2.0) / half_w,
                (y - (ay + by) / 2.0) / half_h,
            );
            u * u + v * v <= 1.0
        }
        // Even-odd: a ray to the right crosses the outline an odd number of times.
        Shape::Freehand => {
            points
                .iter()
                .zip(points.iter().cycle().skip(1))
                .filter(|(a, b)| {
                    (a[1] > y) != (b[1] > y)
                        && x < (b[0] - a[0]) * (y - a[1]) / (b[1] - a[1]) + a[0]
                })
                .count()
                % 2
                == 1
        }
        Shape::Length | Shape::Angle | Shape::Arrow | Shape::Point => false,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn ramp(x: u32, y: u32) -> Option<f64> {
        (x < 32 && y < 32).then(|| f64::from(x) + 100.0 * f64::from(y))
    }

    #[test]
    fn counts_the_pixels_whose_centre_is_inside() {
        let found =
            statistics(Shape::Rectangle, &[[2.0, 3.0], [4.0, 5.0]], [32, 32], ramp).unwrap();
        assert_eq!(found.count, 4);
        assert_eq!((found.min, found.max), (302.0, 403.0));
        assert_eq!(found.mean, 352.5);
        // 302, 303, 402, 403 around 352.5.
        assert!((found.sd - (2500.25_f64).sqrt()).abs() < 1e-9);
    }

    #[test]
    fn a_region_outside_or_without_pixels_has_none() {
        assert!(
            statistics(
                Shape::Rectangle,
                &[[50.0, 50.0], [60.0, 60.0]],
                [32, 32],
                ramp
            )
            .is_none()
        );
        assert!(statistics(Shape::Ellipse, &[[1.0, 1.0], [1.0, 9.0]], [32, 32], ramp).is_none());
        assert!(
            statistics(
                Shape::Rectangle,
                &[[1.0, 1.0], [5.0, 5.0]],
                [32, 32],
                |_, _| None
            )
            .is_none()
        );
        assert!(statistics(Shape::Length, &[[1.0, 1.0], [5.0, 5.0]], [32, 32], ramp).is_none());
    }

    #[test]
    fn what_is_no_number_is_left_out_and_counted() {
        let corners = [[0.0, 0.0], [4.0, 2.0]];
        let holes = |x: u32, y: u32| match (x, y) {
            (0, 0) => Some(f64::NAN),
            (1, 0) => Some(f64::INFINITY),
            (2, 0) => None,
            _ => Some(f64::from(x + y)),
        };
        let found = statistics(Shape::Rectangle, &corners, [32, 32], holes).unwrap();
        assert_eq!((found.count, found.without), (5, 3));
        assert_eq!((found.min, found.max), (1.0, 4.0));
        assert!((found.mean - 2.6).abs() < 1e-9 && found.sd > 1.0);
        let none = statistics(Shape::Rectangle, &corners, [32, 32], |_, _| Some(f64::NAN));
        assert_eq!(none, None);
    }

    #[test]
    fn a_large_offset_does_not_eat_the_deviation() {
        let offset = |x: u32, _: u32| Some(1e9 + f64::from(x % 2));
        let found = statistics(
            Shape::Rectangle,
            &[[0.0, 0.0], [32.0, 32.0]],
            [32, 32],
            offset,
        )
        .unwrap();
        assert!((found.sd - 0.5).abs() < 1e-6, "{}", found.sd);
    }

    proptest! {
        #[test]
        fn a_rectangle_and_its_outline_hold_the_same_pixels(ax in 0.0..15.0_f64, ay in 0.0..15.0_f64, w in 1.0..15.0_f64, h in 1.0..15.0_f64) {
            let rectangle = statistics(Shape::Rectangle, &[[ax, ay], [ax + w, ay + h]], [32, 32], ramp);
            let outline = [[ax, ay], [ax + w, ay], [ax + w, ay + h], [ax, ay + h]];
            let freehand = statistics(Shape::Freehand, &outline, [32, 32], ramp);
            prop_assert_eq!(rectangle.map(|s| (s.count, s.min, s.max)), freehand.map(|s| (s.count, s.min, s.max)));
        }

        #[test]
        fn the_mean_lies_between_the_ends(ax in 0.0..20.0_f64, ay in 0.0..20.0_f64, w in 2.0..12.0_f64, h in 2.0..12.0_f64) {
            let found = statistics(Shape::Ellipse, &[[ax, ay], [ax + w, ay + h]], [32, 32], ramp).unwrap();
            prop_assert!(found.min <= found.mean && found.mean <= found.max);
            prop_assert!(f64::from(found.count) <= w.ceil() * h.ceil() + w + h + 1.0);
            prop_assert!(found.sd <= (found.max - found.min) / 2.0 + 1e-9);
        }
    }
}
