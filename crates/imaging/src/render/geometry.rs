//! Where a picture is in the patient: the image plane of PS3.3 C.7.6.2, its orientation letters, and the line in
//! which another plane crosses it. Patient coordinates are DICOM's: x to the left, y to the back, z to the head.

use serde::{Deserialize, Serialize};

/// The plane of an image.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plane {
    /// Image Position: the centre of the first pixel, mm.
    pub position: [f64; 3],
    /// The direction of a row (first half of Image Orientation), of length 1.
    pub across: [f64; 3],
    /// The direction of a column (second half), of length 1.
    pub down: [f64; 3],
    /// Distance of neighbouring pixels in a row and in a column, mm. (DICOM lists them the other way round.)
    pub spacing: [f64; 2],
    /// Columns and rows.
    pub size: [u32; 2],
}

impl Plane {
    /// `None` unless the directions are of length 1 and at right angles, and the spacing is one.
    pub fn new(
        position: [f64; 3],
        orientation: [f64; 6],
        spacing: [f64; 2],
        size: [u32; 2],
    ) -> Option<Self> {
        let [a, b, c, d, e, f] = orientation;
        let (across, down) = ([a, b, c], [d, e, f]);
        let sound = (length(across) - 1.0).abs() < 1e-2
            && (length(down) - 1.0).abs() < 1e-2
            && dot(across, down).abs() < 1e-2
            && spacing.iter().all(|mm| *mm > 0.0 && mm.is_finite())
            && position.iter().all(|mm| mm.is_finite());
        sound.then_some(Self {
            position,
            across,
            down,
            spacing,
            size,
        })
    }

    /// Towards the reader's back when one looks at the picture: across × down.
    pub fn normal(&self) -> [f64; 3] {
        cross(self.across, self.down)
    }

    /// The patient's point at a pixel coordinate.
    pub fn to_patient(&self, [x, y]: [f64; 2]) -> [f64; 3] {
        let (along, downward) = ((x - 0.5) * self.spacing[0], (y - 0.5) * self.spacing[1]);
        [0, 1, 2].map(|axis| {
            self.position[axis] + self.across[axis] * along + self.down[axis] * downward
        })
    }

    /// The pixel coordinate below a patient's point, and its distance in mm from the plane along the normal.
    pub fn to_pixel(&self, point: [f64; 3]) -> ([f64; 2], f64) {
        let from = sub(point, self.position);
        let pixel = [
            dot(from, self.across) / self.spacing[0] + 0.5,
            dot(from, self.down) / self.spacing[1] + 0.5,
        ];
        (pixel, dot(from, self.normal()))
    }

    /// The letters of the side that lies in this direction of the picture (pixels across, pixels down): at most
    /// three of R L A P F H, the strongest first.
    pub fn letters(&self, direction: [f64; 2]) -> String {
        let vector = [0, 1, 2].map(|axis| {
            self.across[axis] * direction[0] * self.spacing[0]
                + self.down[axis] * direction[1] * self.spacing[1]
        });
        let size = length(vector);
        if size == 0.0 {
            return String::new();
        }
        const NAMES: [[char; 2]; 3] = [['L', 'R'], ['P', 'A'], ['H', 'F']];
        let mut parts: Vec<(f64, char)> = (0..3)
            .map(|axis| {
                let part = vector[axis] / size;
                (part.abs(), NAMES[axis][usize::from(part < 0.0)])
            })
            // Less than 15° towards an axis says nothing to a reader.
            .filter(|(part, _)| *part > 0.26)
            .collect();
        parts.sort_by(|a, b| b.0.total_cmp(&a.0));
        parts.into_iter().map(|(_, letter)| letter).collect()
    }

    fn corners(&self) -> [[f64; 3]; 4] {
        let (w, h) = (f64::from(self.size[0]), f64::from(self.size[1]));
        [[0.0, 0.0], [w, 0.0], [w, h], [0.0, h]].map(|corner| self.to_patient(corner))
    }
}

/// The letters of the side that lies in this direction of a picture of which is known only to which sides its `rows` and
/// its `columns` go (Patient Orientation, PS3.3 C.7.6.1.1.1), as of a radiograph.
pub fn side_letters([rows, columns]: &[String; 2], [across, down]: [f64; 2]) -> String {
    let (letters, ahead) = if across.abs() >= down.abs() {
        (rows, across > 0.0)
    } else {
        (columns, down > 0.0)
    };
    if ahead {
        letters.clone()
    } else {
        opposite(letters)
    }
}

/// Whether these are letters of a side, at most three.
pub fn is_side(letters: &str) -> bool {
    (1..=3).contains(&letters.len()) && letters.chars().all(|letter| "LRAPHF".contains(letter))
}

/// The letters of the other side.
pub fn opposite(letters: &str) -> String {
    letters
        .chars()
        .map(|letter| match letter {
            'L' => 'R',
            'R' => 'L',
            'A' => 'P',
            'P' => 'A',
            'H' => 'F',
            'F' => 'H',
            other => other,
        })
        .collect()
}

/// The two ends, in pixels of `on`, of the line in which the picture `of` crosses the plane of `on`. `None` when it
/// does not cross inside the picture, or the two are (nearly) parallel.
pub fn reference_line(of: &Plane, on: &Plane) -> Option<[[f64; 2]; 2]> {
    if dot(of.normal(), on.normal()).abs() > 0.995 {
        return None;
    }
    let corners = of.corners();
    let mut ends = Vec::with_capacity(2);
    for (at, from) in corners.iter().enumerate() {
        let to = corners[(at + 1) % 4];
        let (a, b) = (on.to_pixel(*from).1, on.to_pixel(to).1);
        if (a < 0.0) == (b < 0.0) {
            continue;
        }
        let share = a / (a - b);
        let point = [0, 1, 2].map(|axis| from[axis] + (to[axis] - from[axis]) * share);
        ends.push(on.to_pixel(point).0);
    }
    let [a, b] = *ends.as_slice() else {
        return None;
    };
    let beside = (0..2).any(|axis| {
        let size = f64::from(on.size[axis]);
        a[axis].max(b[axis]) < 0.0 || a[axis].min(b[axis]) > size
    });
    (!beside).then_some([a, b])
}

/// Which of these planes lies nearest to a patient's point, and its pixel there.
pub fn nearest(planes: &[Plane], point: [f64; 3]) -> Option<(usize, [f64; 2])> {
    let places = planes.iter().map(|plane| plane.to_pixel(point));
    places
        .enumerate()
        .min_by(|(_, (_, a)), (_, (_, b))| a.abs().total_cmp(&b.abs()))
        .map(|(at, (pixel, _))| (at, pixel))
}

pub(super) fn dot(a: [f64; 3], b: [f64; 3]) -> f64 {
    a[0] * b[0] + a[1] * b[1] + a[2] * b[2]
}

fn sub(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [a[0] - b[0], a[1] - b[1], a[2] - b[2]]
}

fn length(a: [f64; 3]) -> f64 {
    dot(a, a).sqrt()
}

fn cross(a: [f64; 3], b: [f64; 3]) -> [f64; 3] {
    [
        a[1] * b[2] - a[2] * b[1],
        a[2] * b[0] - a[0] * b[2],
        a[0] * b[1] - a[1] * b[0],
    ]
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn axial(z: f64) -> Plane {
        Plane::new(
            [-128.0, -128.0, z],
            [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
            [0.5, 0.5],
            [512, 512],
        )
        .unwrap()
    }

    fn sagittal(x: f64) -> Plane {
        Plane::new(
            [x, -128.0, 100.0],
            [0.0, 1.0, 0.0, 0.0, 0.0, -1.0],
            [0.5, 1.0],
            [512, 200],
        )
        .unwrap()
    }

    #[test]
    fn letters_of_the_usual_planes() {
        assert_eq!(axial(0.0).letters([1.0, 0.0]), "L");
        assert_eq!(axial(0.0).letters([-1.0, 0.0]), "R");
        assert_eq!(axial(0.0).letters([0.0, -1.0]), "A");
        assert_eq!(sagittal(0.0).letters([0.0, 1.0]), "F");
        assert_eq!(opposite("AL"), "PR");
        let tilted = Plane::new(
            [0.0; 3],
            [1.0, 0.0, 0.0, 0.0, 0.8, -0.6],
            [1.0, 1.0],
            [10, 10],
        )
        .unwrap();
        assert_eq!(tilted.letters([0.0, 1.0]), "PF");
        assert_eq!(axial(0.0).letters([0.0, 0.0]), "");
    }

    #[test]
    fn a_sagittal_plane_crosses_an_axial_one_in_a_column() {
        let [a, b] = reference_line(&sagittal(0.0), &axial(10.0)).unwrap();
        assert!((a[0] - 256.5).abs() < 1e-9 && (b[0] - 256.5).abs() < 1e-9);
        let [a, b] = reference_line(&axial(10.0), &sagittal(0.0)).unwrap();
        assert!((a[1] - 90.5).abs() < 1e-9 && (b[1] - 90.5).abs() < 1e-9);
        assert_eq!(reference_line(&axial(0.0), &axial(10.0)), None);
        assert_eq!(reference_line(&axial(500.0), &sagittal(0.0)), None);
    }

    #[test]
    fn a_place_in_another_plane_is_a_place_on_a_slice() {
        let slices: Vec<Plane> = (0..50).map(|at| axial(f64::from(at) * 2.0)).collect();
        // The sagittal plane's rows go to the feet from 100 mm; its pixel 30.5 is at 70 mm, which is slice 35.
        let point = sagittal(-28.0).to_patient([100.5, 30.5]);
        let (slice, [x, y]) = nearest(&slices, point).unwrap();
        assert_eq!(slice, 35);
        assert!((x - 200.5).abs() < 1e-9 && (y - 100.5).abs() < 1e-9);
        assert_eq!(nearest(&[], point), None);
    }

    #[test]
    fn a_radiograph_has_the_letters_of_its_file() {
        use crate::render::{View, Viewport};
        let sides = ["L".to_owned(), "FP".to_owned()];
        let seen = |turns, flipped| {
            let port = Viewport {
                view: View {
                    turns,
                    flipped,
                    ..View::default()
                },
                stage: [100.0, 100.0],
                picture: [20.0, 30.0],
                aspect: 1.0,
            };
            [[1.0, 0.0], [0.0, 1.0]].map(|step| side_letters(&sides, port.direction(step)))
        };
        assert_eq!(seen(0, false), ["L", "FP"]);
        assert_eq!(seen(0, true), ["R", "FP"]);
        // A quarter to the right: what was above is at the right, what was at the right is below.
        assert_eq!(seen(1, false), ["HA", "L"]);
        assert_eq!(seen(2, false), ["R", "HA"]);
        assert!(is_side("L") && is_side("FPL"));
        assert!(!is_side("") && !is_side("LE") && !is_side("LPFH"));
    }

    #[test]
    fn planes_without_sense_are_refused() {
        let good = [1.0, 0.0, 0.0, 0.0, 1.0, 0.0];
        assert!(Plane::new([0.0; 3], [0.0; 6], [1.0, 1.0], [1, 1]).is_none());
        assert!(Plane::new([0.0; 3], good, [0.0, 1.0], [1, 1]).is_none());
        assert!(Plane::new([f64::NAN, 0.0, 0.0], good, [1.0, 1.0], [1, 1]).is_none());
    }

    proptest! {
        #[test]
        fn pixels_and_patient_agree(x in 0.0..512.0_f64, y in 0.0..512.0_f64, angle in 0.0..6.3_f64) {
            let (sin, cos) = angle.sin_cos();
            let plane = Plane::new([3.0, -4.0, 5.0], [cos, sin, 0.0, -sin, cos, 0.0], [0.7, 0.9], [512, 512]).unwrap();
            let ([px, py], away) = plane.to_pixel(plane.to_patient([x, y]));
            prop_assert!((px - x).abs() < 1e-6 && (py - y).abs() < 1e-6 && away.abs() < 1e-6);
        }
    }
}
