//! How a picture lies in its stage: fitted, magnified, shifted, turned, mirrored; and the way back from a point on
//! the stage to a pixel. Stage coordinates are CSS pixels from the stage's upper left corner.

use super::geometry::Plane;

/// What a reader has done to the picture.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct View {
    /// Relative to fit; 1 and more.
    pub zoom: f64,
    /// How far the picture's centre is from the stage's, in CSS pixels.
    pub pan: [f64; 2],
    /// Clockwise quarter turns, 0 to 3.
    pub turns: u8,
    /// Mirrored left to right, before turning.
    pub flipped: bool,
}

impl Default for View {
    fn default() -> Self {
        Self {
            zoom: 1.0,
            pan: [0.0, 0.0],
            turns: 0,
            flipped: false,
        }
    }
}

impl View {
    /// As radiologists hang pictures: the patient's left on the right, and the front (of coronal and sagittal planes the
    /// head) above; sagittal ones look to the left.
    pub fn hung(plane: &Plane) -> Self {
        let normal = plane.normal().map(f64::abs);
        let [x, y, z] = [[1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]];
        let feet = z.map(|part: f64| -part);
        let (right, down) = if normal[2] >= normal[0] && normal[2] >= normal[1] {
            (x, y)
        } else if normal[1] >= normal[0] {
            (x, feet)
        } else {
            (y, feet)
        };
        let fits = |view: &View| {
            let port = Viewport {
                view: *view,
                stage: [1.0, 1.0],
                picture: [1.0, 1.0],
                aspect: 1.0,
            };
            let along = |step: [f64; 2], wanted: [f64; 3]| -> f64 {
                let [columns, rows] = port.direction(step);
                (0..3)
                    .map(|axis| {
                        (plane.across[axis] * columns + plane.down[axis] * rows) * wanted[axis]
                    })
                    .sum()
            };
            along([1.0, 0.0], right) + along([0.0, 1.0], down)
        };
        let mut best = View::default();
        for turns in 0..4 {
            for flipped in [false, true] {
                let view = View {
                    turns,
                    flipped,
                    ..View::default()
                };
                if fits(&view) > fits(&best) + 1e-6 {
                    best = view;
                }
            }
        }
        best
    }
}

/// The most that a picture is magnified beyond fit.
const MOST: f64 = 32.0;

/// A view of a picture on a stage: sizes are known.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Viewport {
    /// What the reader has done.
    pub view: View,
    /// Width and height of the stage.
    pub stage: [f64; 2],
    /// Columns and rows of the picture.
    pub picture: [f64; 2],
    /// Height of a pixel divided by its width.
    pub aspect: f64,
}

impl Viewport {
    /// CSS pixels a picture's pixel takes across and down when it is fitted.
    fn fit(&self) -> [f64; 2] {
        let [columns, rows] = self.picture;
        let (width, height) = (columns.max(1.0), (rows * self.aspect).max(1.0));
        let (across, down) = if self.view.turns.is_multiple_of(2) {
            (width, height)
        } else {
            (height, width)
        };
        let fit = (self.stage[0] / across).min(self.stage[1] / down);
        [fit, fit * self.aspect]
    }

    /// CSS pixels across one column, as it is shown now.
    pub fn scale(&self) -> f64 {
        self.fit()[0] * self.view.zoom
    }

    /// The CSS matrix `a b c d e f` from pixels to the stage.
    pub fn matrix(&self) -> [f64; 6] {
        let [sx, sy] = self.fit().map(|fit| fit * self.view.zoom);
        let sx = if self.view.flipped { -sx } else { sx };
        // Scaled, then turned clockwise (y points downward).
        let (a, b, c, d) = match self.view.turns % 4 {
            0 => (sx, 0.0, 0.0, sy),
            1 => (0.0, sx, -sy, 0.0),
            2 => (-sx, 0.0, 0.0, -sy),
            _ => (0.0, -sx, sy, 0.0),
        };
        let [x, y] = [self.picture[0] / 2.0, self.picture[1] / 2.0];
        let centre = [
            self.stage[0] / 2.0 + self.view.pan[0],
            self.stage[1] / 2.0 + self.view.pan[1],
        ];
        [
            a,
            b,
            c,
            d,
            centre[0] - (a * x + c * y),
            centre[1] - (b * x + d * y),
        ]
    }

    /// Where a pixel is on the stage.
    pub fn to_stage(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [a, b, c, d, e, f] = self.matrix();
        [a * x + c * y + e, b * x + d * y + f]
    }

    /// Which pixel is under a point of the stage.
    pub fn to_picture(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let [a, b, c, d, e, f] = self.matrix();
        let determinant = a * d - b * c;
        let (x, y) = (x - e, y - f);
        [(d * x - c * y) / determinant, (a * y - b * x) / determinant]
    }

    /// The step in pixels that goes this far on the stage.
    pub fn direction(&self, [x, y]: [f64; 2]) -> [f64; 2] {
        let (from, to) = (self.to_picture([0.0, 0.0]), self.to_picture([x, y]));
        [to[0] - from[0], to[1] - from[1]]
    }

    /// Magnified so that the point `at` of the stage keeps its pixel; whole again when it gets smaller than fit.
    pub fn zoomed(&self, factor: f64, at: [f64; 2]) -> View {
        let zoom = (self.view.zoom * factor).clamp(1.0, MOST);
        if zoom <= 1.0 {
            return View {
                zoom: 1.0,
                pan: [0.0, 0.0],
                ..self.view
            };
        }
        let by = zoom / self.view.zoom;
        let pan = [0, 1].map(|axis| {
            let from_centre = at[axis] - self.stage[axis] / 2.0;
            from_centre - (from_centre - self.view.pan[axis]) * by
        });
        Self {
            view: View {
                zoom,
                pan,
                ..self.view
            },
            ..*self
        }
        .kept()
    }

    /// Shifted; a part of the picture stays on the stage.
    pub fn moved(&self, by: [f64; 2]) -> View {
        let pan = [0, 1].map(|axis| self.view.pan[axis] + by[axis]);
        Self {
            view: View { pan, ..self.view },
            ..*self
        }
        .kept()
    }

    fn kept(&self) -> View {
        let pan = [0, 1].map(|axis| {
            let most = self.stage[axis] * self.view.zoom / 2.0;
            self.view.pan[axis].clamp(-most, most)
        });
        View { pan, ..self.view }
    }

    /// The zoom at which one pixel of the picture takes one of the screen (`density` device pixels a CSS pixel).
    pub fn actual(&self, density: f64) -> f64 {
        (1.0 / (self.fit()[0] * density)).clamp(1.0, MOST)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn viewport(turns: u8, flipped: bool, zoom: f64, pan: [f64; 2]) -> Viewport {
        Viewport {
            view: View {
                zoom,
                pan,
                turns,
                flipped,
            },
            stage: [800.0, 600.0],
            picture: [512.0, 256.0],
            aspect: 1.5,
        }
    }

    #[test]
    fn planes_of_any_orientation_are_hung_alike() {
        let (left, back, head) = ([1.0, 0.0, 0.0], [0.0, 1.0, 0.0], [0.0, 0.0, 1.0]);
        let turned = |vector: [f64; 3]| vector.map(|part: f64| -part);
        // Axial, coronal, sagittal: what is to be on the right, and what below.
        for (right, down) in [(left, back), (left, turned(head)), (back, turned(head))] {
            for (across, along) in [(right, down), (down, right)] {
                for across in [across, turned(across)] {
                    for along in [along, turned(along)] {
                        let orientation = [across, along].concat().try_into().unwrap();
                        let plane = Plane::new([0.0; 3], orientation, [1.0, 1.0], [8, 8]).unwrap();
                        let port = Viewport {
                            view: View::hung(&plane),
                            stage: [100.0, 100.0],
                            picture: [8.0, 8.0],
                            aspect: 1.0,
                        };
                        let letters = |step| plane.letters(port.direction(step));
                        let of = |direction| {
                            let straight = Plane::new(
                                [0.0; 3],
                                [right, down].concat().try_into().unwrap(),
                                [1.0, 1.0],
                                [8, 8],
                            );
                            straight.unwrap().letters(direction)
                        };
                        assert_eq!(letters([1.0, 0.0]), of([1.0, 0.0]), "{plane:?}");
                        assert_eq!(letters([0.0, 1.0]), of([0.0, 1.0]), "{plane:?}");
                    }
                }
            }
        }
        let straight = Plane::new([0.0; 3], [1.0, 0.0, 0.0, 0.0, 1.0, 0.0], [1.0, 1.0], [8, 8]);
        assert_eq!(View::hung(&straight.unwrap()), View::default());
    }

    #[test]
    fn fitted_it_touches_the_stage() {
        let port = viewport(0, false, 1.0, [0.0, 0.0]);
        assert_eq!(port.to_stage([0.0, 0.0]), [0.0, 0.0]);
        assert_eq!(port.to_stage([512.0, 256.0]), [800.0, 600.0]);
        let turned = viewport(1, false, 1.0, [0.0, 0.0]);
        // A quarter turn clockwise brings the upper left corner to the upper right.
        let [x, y] = turned.to_stage([0.0, 0.0]);
        assert!(x > 400.0 && y < 300.0);
    }

    #[test]
    fn zoom_has_ends() {
        let port = viewport(0, false, 1.0, [0.0, 0.0]);
        assert_eq!(port.zoomed(1e9, [1.0, 1.0]).zoom, MOST);
        assert_eq!(port.zoomed(0.1, [1.0, 1.0]), View::default());
        assert_eq!(port.moved([1e9, 0.0]).pan, [400.0, 0.0]);
    }

    proptest! {
        #[test]
        fn there_and_back(turns in 0..4_u8, flipped: bool, zoom in 1.0..20.0_f64, px in -300.0..300.0_f64, py in -300.0..300.0_f64, x in 0.0..512.0_f64, y in 0.0..256.0_f64) {
            let port = viewport(turns, flipped, zoom, [px, py]);
            let back = port.to_picture(port.to_stage([x, y]));
            prop_assert!((back[0] - x).abs() < 1e-6 && (back[1] - y).abs() < 1e-6);
        }

        #[test]
        fn the_point_under_the_pointer_stays(turns in 0..4_u8, flipped: bool, factor in 1.05..4.0_f64, x in 100.0..700.0_f64, y in 100.0..500.0_f64) {
            let port = viewport(turns, flipped, 2.0, [30.0, -20.0]);
            let pixel = port.to_picture([x, y]);
            let zoomed = Viewport { view: port.zoomed(factor, [x, y]), ..port };
            let now = zoomed.to_stage(pixel);
            prop_assert!((now[0] - x).abs() < 1e-6 && (now[1] - y).abs() < 1e-6);
        }
    }
}
