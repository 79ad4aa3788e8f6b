//! Files into series, and each series into the order of its slices.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use super::head::InstanceHead;

/// A series in order, ready to be scrolled.
#[derive(Clone, Debug, PartialEq)]
pub struct Series {
    /// Series instance UID; empty when its files have none.
    pub uid: String,
    /// Study instance UID.
    pub study: String,
    /// Modality.
    pub modality: String,
    /// Series number.
    pub number: Option<i64>,
    /// Series description; may identify.
    pub description: Option<String>,
    /// Every frame of every file, in order.
    pub slices: Vec<Slice>,
}

/// One frame in a series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Slice {
    /// Index of the file in what was given to [`sort_into_series`].
    pub instance: usize,
    /// Frame in it, from 0.
    pub frame: u32,
}

/// Groups files by series, and by size and orientation where a series mixes them (a localizer within a stack), and sorts each: by
/// position along the normal when every slice has one and they are parallel, else by instance number, else as given.
/// Frames of one file stay in their order unless it has a plane for each. Series come by study, then number.
pub fn sort_into_series(heads: &[InstanceHead]) -> Vec<Series> {
    let mut groups: BTreeMap<_, Vec<usize>> = BTreeMap::new();
    for (index, head) in heads.iter().enumerate() {
        // Files of no series are no series together.
        let alone = if head.series.is_empty() { index } else { 0 };
        let orientation = head.planes.first().map(|plane| {
            let [a, b, c] = plane.normal();
            [a, b, c].map(|part| (part * 100.0).round() as i64)
        });
        let key = (
            head.study.clone(),
            head.series_number.unwrap_or(i64::MAX),
            head.series.clone(),
            alone,
            (head.pixels.rows, head.pixels.columns),
            orientation,
        );
        groups.entry(key).or_default().push(index);
    }
    groups
        .into_values()
        .map(|members| series(heads, &members))
        .collect()
}

fn series(heads: &[InstanceHead], members: &[usize]) -> Series {
    let first = &heads[members[0]];
    let mut slices: Vec<Slice> = Vec::new();
    for &instance in members {
        slices.extend((0..heads[instance].frames).map(|frame| Slice { instance, frame }));
    }
    let distances: Option<Vec<f64>> = positions(heads, &slices);
    let by_number = |a: &Slice, b: &Slice| {
        let key = |slice: &Slice| {
            (
                heads[slice.instance].instance_number.unwrap_or(i64::MAX),
                slice.instance,
                slice.frame,
            )
        };
        key(a).cmp(&key(b))
    };
    if let Some(distances) = distances {
        let mut keyed: Vec<(f64, Slice)> = distances.into_iter().zip(slices).collect();
        keyed.sort_by(|(a, left), (b, right)| {
            // Several images of one place (phases, echoes): in the order of their numbers.
            if (a - b).abs() < 1e-3 {
                by_number(left, right)
            } else {
                a.partial_cmp(b).unwrap_or(Ordering::Equal)
            }
        });
        slices = keyed.into_iter().map(|(_, slice)| slice).collect();
    } else {
        slices.sort_by(by_number);
    }
    Series {
        uid: first.series.clone(),
        study: first.study.clone(),
        modality: first.modality.clone(),
        number: first.series_number,
        description: first.series_description.clone(),
        slices,
    }
}

/// Distance of every slice along the first one's normal, when all are parallel.
fn positions(heads: &[InstanceHead], slices: &[Slice]) -> Option<Vec<f64>> {
    let normal = heads[slices.first()?.instance]
        .plane(slices.first()?.frame)?
        .normal();
    let dot = |a: [f64; 3], b: [f64; 3]| (0..3).map(|axis| a[axis] * b[axis]).sum::<f64>();
    slices
        .iter()
        .map(|slice| {
            let head = &heads[slice.instance];
            // Frames that share one plane are moments, not places.
            if head.frames > 1 && head.planes.len() != head.frames as usize {
                return None;
            }
            let plane = head.plane(slice.frame)?;
            (dot(plane.normal(), normal) > 0.999).then(|| dot(plane.position, normal))
        })
        .collect()
}
