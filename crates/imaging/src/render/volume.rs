//! Slices stacked into a volume, and planes through it: along the slices, across them, and maximum intensity
//! projections. Values are stored ones; what they mean is the table's business.

use super::geometry::Plane;

/// A volume takes at most this many bytes (two a voxel): 512 slices of 512 × 512.
pub const VOLUME_BYTES: usize = 256 * 1024 * 1024;

/// Which way a plane cuts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Axis {
    /// The slices as they were taken.
    Slices,
    /// Rows of all slices: x across, slices downward.
    Rows,
    /// Columns of all slices: y across, slices downward.
    Columns,
}

/// A plane out of a volume: stored values, row by row.
#[derive(Clone, Debug, PartialEq)]
pub struct Cut {
    /// Values.
    pub values: Vec<i16>,
    /// Where it is, with its size.
    pub plane: Plane,
}

/// Why slices make no volume.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
pub enum VolumeError {
    /// Fewer than three.
    #[error("other planes need at least three slices; there are {0}")]
    TooFew(usize),
    /// They differ in size, spacing or direction.
    #[error(
        "slice {0} has another size, spacing or direction than the first, so no other planes can be made"
    )]
    Differs(usize),
    /// A slice is missing, or the distances vary.
    #[error(
        "the slices are not evenly spaced: between slice {0} and the next there is another distance"
    )]
    Uneven(usize),
    /// Each slice is shifted within its plane against the one before: a tilted gantry, a sheared affine.
    #[error(
        "the slices do not lie straight behind one another but are shifted sideways, by {0:.1} mm from the first to the farthest, so other planes would be slanted"
    )]
    Sheared(f64),
    /// Beyond what a browser can hold.
    #[error("other planes of this series would need {0} MB of memory; the limit is 256")]
    TooLarge(usize),
}

/// How far a slice may lie from its even place, in parts of the step: positions in files are rounded.
const UNEVEN: f64 = 0.1;
/// How far a slice may be shifted sideways against the first one, in pixels: less is not seen.
const SHIFTED: f64 = 0.5;

/// Where the slices of a series are when they are one volume: parallel, one straight behind the other, evenly spaced.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Grid {
    first: Plane,
    /// From one slice to the next, mm.
    step: f64,
    /// The direction of the steps.
    along: [f64; 3],
    count: usize,
}

/// The slices of a [`Grid`] in one block of memory.
#[derive(Clone, Debug)]
pub struct Volume {
    grid: Grid,
    values: Vec<i16>,
}

impl Grid {
    /// Of these planes, in order; takes no memory.
    ///
    /// # Errors
    /// See [`VolumeError`].
    pub fn of(planes: &[Plane]) -> Result<Self, VolumeError> {
        let [first, _, .., last] = planes else {
            return Err(VolumeError::TooFew(planes.len()));
        };
        let differs = |plane: &Plane| {
            let near = |a: f64, b: f64| (a - b).abs() < 1e-3;
            plane.size != first.size
                || !(0..2).all(|axis| near(plane.spacing[axis], first.spacing[axis]))
                || !(0..3).all(|axis| {
                    near(plane.across[axis], first.across[axis])
                        && near(plane.down[axis], first.down[axis])
                })
        };
        if let Some(at) = planes.iter().position(differs) {
            return Err(VolumeError::Differs(at + 1));
        }
        // Of the whole stack: the first two alone would carry their rounding on to the last.
        let step = distance(first, last) / (planes.len() - 1) as f64;
        let mut shifted = 0.0_f64;
        let mut sheared = false;
        for (at, plane) in planes.iter().enumerate() {
            let ([x, y], away) = first.to_pixel(plane.position);
            let even = (away - step * at as f64).abs() <= UNEVEN * step.abs();
            if !even || step.abs() < 1e-3 {
                return Err(VolumeError::Uneven(gap(planes, step)));
            }
            let aside = [x - 0.5, y - 0.5];
            sheared |= aside.iter().any(|pixels| pixels.abs() > SHIFTED);
            shifted = shifted.max((aside[0] * first.spacing[0]).hypot(aside[1] * first.spacing[1]));
        }
        if sheared {
            return Err(VolumeError::Sheared(shifted));
        }
        let bytes = voxels(planes).saturating_mul(2);
        if bytes > VOLUME_BYTES {
            return Err(VolumeError::TooLarge(bytes / 1_048_576));
        }
        let along = first.normal();
        Ok(Self {
            first: *first,
            step: step.abs(),
            along: if step < 0.0 {
                along.map(|part| -part)
            } else {
                along
            },
            count: planes.len(),
        })
    }

    /// How many planes there are along an axis.
    pub fn count(&self, axis: Axis) -> usize {
        match axis {
            Axis::Slices => self.count,
            Axis::Rows => self.first.size[1] as usize,
            Axis::Columns => self.first.size[0] as usize,
        }
    }

    /// Cuts across the slices are drawn upright: the row nearest to the head is on top.
    fn upright(&self) -> bool {
        self.along[2] >= 0.0
    }

    /// The plane number `at` along an axis.
    pub fn plane(&self, axis: Axis, at: usize) -> Plane {
        let first = &self.first;
        let shifted = |direction: [f64; 3], mm: f64, from: [f64; 3]| {
            [0, 1, 2].map(|i| from[i] + direction[i] * mm)
        };
        if axis == Axis::Slices {
            return Plane {
                position: shifted(self.along, self.step * at as f64, first.position),
                ..*first
            };
        }
        let (across, moved, spacing) = match axis {
            Axis::Columns => (
                first.down,
                (first.across, first.spacing[0]),
                first.spacing[1],
            ),
            _ => (
                first.across,
                (first.down, first.spacing[1]),
                first.spacing[0],
            ),
        };
        let mut position = shifted(moved.0, moved.1 * at as f64, first.position);
        let mut down = self.along;
        if self.upright() {
            position = shifted(self.along, self.step * (self.count - 1) as f64, position);
            down = down.map(|part| -part);
        }
        let width = if axis == Axis::Columns {
            first.size[1]
        } else {
            first.size[0]
        };
        Plane {
            position,
            across,
            down,
            spacing: [spacing, self.step],
            size: [width, self.count as u32],
        }
    }
}

impl Volume {
    /// A volume of these planes, in order. The voxels are given afterwards, slice by slice, so that memory is used
    /// once.
    ///
    /// # Errors
    /// See [`VolumeError`].
    pub fn new(planes: &[Plane]) -> Result<Self, VolumeError> {
        Ok(Self {
            grid: Grid::of(planes)?,
            values: vec![0; voxels(planes)],
        })
    }

    /// The place of one slice's values.
    pub fn slice_mut(&mut self, at: usize) -> Option<&mut [i16]> {
        let [columns, rows] = self.grid.first.size;
        let size = columns as usize * rows as usize;
        self.values.chunks_exact_mut(size.max(1)).nth(at)
    }

    /// How many planes there are along an axis.
    pub fn count(&self, axis: Axis) -> usize {
        self.grid.count(axis)
    }

    /// Bytes that the voxels take.
    pub fn bytes(&self) -> usize {
        self.values.len() * 2
    }

    /// The plane number `at` along an axis; with a `slab`, the brightest voxel of that many planes around it (a
    /// maximum intensity projection).
    ///
    /// Cuts across the slices have one row a slice and are drawn upright: the row nearest to the head (or, for
    /// other directions, to the end of the stack) is on top.
    pub fn cut(&self, axis: Axis, at: usize, slab: usize) -> Option<Cut> {
        let range = self.slab(axis, at, slab)?;
        let ([width, height], [right, below, next]) = self.strides(axis);
        let upside = axis != Axis::Slices && self.grid.upright();
        let mut values = Vec::with_capacity(width * height);
        for row in 0..height {
            let row = if upside { height - 1 - row } else { row };
            let start = row * below;
            for column in 0..width {
                let voxel = start + column * right;
                let brightest = range
                    .clone()
                    .map(|plane| self.values[voxel + plane * next])
                    .max();
                values.push(brightest.unwrap_or_default());
            }
        }
        Some(Cut {
            values,
            plane: self.grid.plane(axis, at),
        })
    }

    /// One value of [`Volume::cut`], without the others.
    pub fn value(
        &self,
        axis: Axis,
        at: usize,
        slab: usize,
        [column, row]: [usize; 2],
    ) -> Option<i16> {
        let range = self.slab(axis, at, slab)?;
        let ([width, height], [right, below, next]) = self.strides(axis);
        if column >= width || row >= height {
            return None;
        }
        let upside = axis != Axis::Slices && self.grid.upright();
        let row = if upside { height - 1 - row } else { row };
        let voxel = row * below + column * right;
        range.map(|plane| self.values[voxel + plane * next]).max()
    }

    /// The planes that are projected together.
    fn slab(&self, axis: Axis, at: usize, slab: usize) -> Option<std::ops::Range<usize>> {
        let (count, slab) = (self.count(axis), slab.max(1));
        let half = slab / 2;
        (at < count).then(|| at.saturating_sub(half)..(at + slab - half).min(count))
    }

    /// Width and height of the planes along an axis, and the strides through the voxels: across, down, from plane to
    /// plane.
    fn strides(&self, axis: Axis) -> ([usize; 2], [usize; 3]) {
        let [columns, rows] = self.grid.first.size.map(|side| side as usize);
        let (slice, count) = (columns * rows, self.grid.count);
        match axis {
            Axis::Slices => ([columns, rows], [1, columns, slice]),
            Axis::Rows => ([columns, count], [1, slice, columns]),
            Axis::Columns => ([rows, count], [columns, slice, 1]),
        }
    }
}

/// How far the second plane's position is along the first one's normal, mm.
fn distance(from: &Plane, to: &Plane) -> f64 {
    from.to_pixel(to.position).1
}

/// The slice, from 1, whose distance to the next one differs most from `step`.
fn gap(planes: &[Plane], step: f64) -> usize {
    let mut worst = (0, 0.0);
    for (at, pair) in planes.windows(2).enumerate() {
        let off = (distance(&pair[0], &pair[1]) - step).abs();
        if off > worst.1 {
            worst = (at, off);
        }
    }
    worst.0 + 1
}

fn voxels(planes: &[Plane]) -> usize {
    let [columns, rows] = planes.first().map_or([0, 0], |first| first.size);
    planes
        .len()
        .saturating_mul(columns as usize)
        .saturating_mul(rows as usize)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planes(count: usize, step: f64) -> Vec<Plane> {
        (0..count)
            .map(|at| {
                Plane::new(
                    [0.0, 0.0, at as f64 * step],
                    [1.0, 0.0, 0.0, 0.0, 1.0, 0.0],
                    [0.5, 0.75],
                    [4, 3],
                )
                .unwrap()
            })
            .collect()
    }

    /// The value of a voxel says where it is: 100 z + 10 y + x.
    fn volume(step: f64) -> Volume {
        let mut volume = Volume::new(&planes(5, step)).unwrap();
        for z in 0..5 {
            for (at, value) in volume.slice_mut(z).unwrap().iter_mut().enumerate() {
                *value = (100 * z + 10 * (at / 4) + at % 4) as i16;
            }
        }
        volume
    }

    #[test]
    fn each_axis_cuts_where_it_says() {
        let volume = volume(2.0);
        assert_eq!(volume.cut(Axis::Slices, 2, 1).unwrap().values[5], 211);
        let rows = volume.cut(Axis::Rows, 1, 1).unwrap();
        assert_eq!(rows.plane.size, [4, 5]);
        assert_eq!(&rows.values[..4], &[410, 411, 412, 413]);
        let columns = volume.cut(Axis::Columns, 3, 1).unwrap();
        assert_eq!(columns.plane.size, [3, 5]);
        assert_eq!(&columns.values[12..], &[3, 13, 23]);
        assert_eq!(volume.cut(Axis::Rows, 3, 1), None);
    }

    #[test]
    fn a_cut_knows_where_it_is() {
        for step in [2.0, -2.0] {
            let volume = volume(step);
            for axis in [Axis::Slices, Axis::Rows, Axis::Columns] {
                for at in 0..volume.count(axis) {
                    let cut = volume.cut(axis, at, 1).unwrap();
                    let width = cut.plane.size[0] as usize;
                    for (i, value) in cut.values.iter().enumerate() {
                        let pixel = [(i % width) as f64 + 0.5, (i / width) as f64 + 0.5];
                        let [x, y, z] = cut.plane.to_patient(pixel);
                        let expected = 100.0 * (z / step) + 10.0 * (y / 0.75) + x / 0.5;
                        assert!(
                            (f64::from(*value) - expected).abs() < 1e-6,
                            "{axis:?} {at} {i}"
                        );
                    }
                    assert!(axis == Axis::Slices || cut.plane.letters([0.0, 1.0]) == "F");
                }
            }
        }
    }

    #[test]
    fn a_slab_shows_its_brightest_voxels() {
        let volume = volume(2.0);
        let slab = volume.cut(Axis::Slices, 2, 3).unwrap();
        assert_eq!(slab.values[0], 300);
        let all = volume.cut(Axis::Slices, 0, 99).unwrap();
        assert_eq!(all.values[11], 423);
    }

    #[test]
    fn the_value_of_a_pixel_is_the_one_that_is_drawn() {
        for step in [2.0, -2.0] {
            let volume = volume(step);
            for axis in [Axis::Slices, Axis::Rows, Axis::Columns] {
                for (at, slab) in [(0, 1), (1, 3), (2, 99)] {
                    let cut = volume.cut(axis, at, slab).unwrap();
                    let [width, height] = cut.plane.size.map(|side| side as usize);
                    for (i, drawn) in cut.values.iter().enumerate() {
                        let pixel = [i % width, i / width];
                        assert_eq!(volume.value(axis, at, slab, pixel), Some(*drawn));
                    }
                    assert_eq!(volume.value(axis, at, slab, [width, 0]), None);
                    assert_eq!(volume.value(axis, at, slab, [0, height]), None);
                }
                assert_eq!(volume.value(axis, 99, 1, [0, 0]), None);
            }
        }
    }

    #[test]
    fn a_sheared_stack_is_no_volume() {
        let shifted = |mm: f64| {
            let mut planes = planes(21, 2.5);
            for (at, plane) in planes.iter_mut().enumerate() {
                plane.position[1] = mm * at as f64 / 20.0;
            }
            Grid::of(&planes).err()
        };
        // A row is 0.75 mm high.
        assert_eq!(shifted(0.37), None);
        assert!(matches!(shifted(0.38), Some(VolumeError::Sheared(_))));
        // A head whose gantry is tilted by 20 degrees: 150 mm of table are 141 mm along the normal and 51 mm aside.
        let (sin, cos) = 20.0_f64.to_radians().sin_cos();
        let tilted: Vec<Plane> = (0..31)
            .map(|at| Plane {
                position: [0.0, 0.0, 5.0 * f64::from(at)],
                down: [0.0, cos, -sin],
                ..planes(1, 1.0)[0]
            })
            .collect();
        let said = Grid::of(&tilted).unwrap_err().to_string();
        assert!(said.contains("by 51.3 mm"), "{said}");
        // An oblique one that goes straight is a volume.
        let normal = tilted[0].normal();
        let straight: Vec<Plane> = (0..31)
            .map(|at| Plane {
                position: normal.map(|part| 5.0 * f64::from(at) * part),
                ..tilted[0]
            })
            .collect();
        assert!(Grid::of(&straight).is_ok());
    }

    #[test]
    fn the_step_is_that_of_the_whole_stack() {
        let mut planes = planes(101, 1.0);
        // Rounded positions: none is far from its place, but the first two are 5 % too far apart.
        planes[1].position[2] = 1.05;
        let last = Grid::of(&planes).unwrap().plane(Axis::Slices, 100);
        assert!((last.position[2] - 100.0).abs() < 1e-9);
        // 5 % a slice, and half a slice over ten of them.
        for (at, plane) in planes.iter_mut().enumerate() {
            plane.position[2] = at as f64 * 1.05 - (at as f64 - 10.0).max(0.0) * 0.05;
        }
        assert!(matches!(Grid::of(&planes), Err(VolumeError::Uneven(_))));
    }

    #[test]
    fn what_is_no_volume_is_said() {
        assert_eq!(
            Volume::new(&planes(2, 1.0)).err(),
            Some(VolumeError::TooFew(2))
        );
        let mut gap = planes(6, 1.0);
        gap.remove(3);
        assert_eq!(Volume::new(&gap).err(), Some(VolumeError::Uneven(3)));
        let mut other = planes(4, 1.0);
        other[2].size = [4, 4];
        assert_eq!(Volume::new(&other).err(), Some(VolumeError::Differs(3)));
        let mut huge = planes(4, 1.0);
        huge.iter_mut()
            .for_each(|plane| plane.size = [60_000, 60_000]);
        assert!(matches!(Volume::new(&huge), Err(VolumeError::TooLarge(_))));
        assert!(Volume::new(&planes(4, 0.0)).is_err());
    }
}
