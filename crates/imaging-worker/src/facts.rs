//! What a viewer is told of a series, from the headers of its files.

use healthsync_imaging::{
    desk::{NamedWindow, SeriesFacts},
    dicom::{InstanceHead, Photometric, PixelFormat, Slice, SpacingOrigin},
    measure::{Calibration, Scale},
    render::{Grid, Plane, Window, is_side},
};

/// One series: its slices, in order, over the set's files.
#[derive(Debug)]
pub(crate) struct Row {
    pub(crate) slices: Vec<Slice>,
    pub(crate) facts: SeriesFacts,
}

pub(crate) fn scale(head: &InstanceHead) -> Option<Scale> {
    if let Some(spacing) = head.spacing {
        return Some(Scale {
            spacing: [spacing.columns, spacing.rows],
            calibration: match spacing.origin {
                SpacingOrigin::Patient => Calibration::Patient,
                SpacingOrigin::Detector => Calibration::Detector,
                SpacingOrigin::Film => Calibration::Film,
            },
        });
    }
    // Ultrasound: where one region, in centimetres (unit 3), is the picture. Of several none can stand for all.
    match head.regions.as_slice() {
        [region] if region.units == [3, 3] => Some(Scale {
            spacing: region.delta.map(|cm| cm.abs() * 10.0),
            calibration: Calibration::Patient,
        })
        .filter(|scale| scale.spacing.iter().all(|mm| *mm > 0.0)),
        _ => None,
    }
}

pub(crate) fn plane(head: &InstanceHead, frame: u32) -> Option<Plane> {
    let plane = head.plane(frame)?;
    let ([a, b, c], [d, e, f]) = (plane.row, plane.column);
    Plane::new(
        plane.position,
        [a, b, c, d, e, f],
        scale(head)?.spacing,
        [head.pixels.columns, head.pixels.rows],
    )
}

/// Letters of the sides to which rows and columns go, of images without a plane.
pub(crate) fn sides(head: &InstanceHead) -> Option<[String; 2]> {
    let sides: &[String; 2] = head.patient_orientation.as_slice().try_into().ok()?;
    sides
        .iter()
        .all(|side| is_side(side))
        .then(|| sides.clone())
}

pub(crate) fn is_grey(pixels: &PixelFormat) -> bool {
    pixels.samples_per_pixel == 1 && pixels.photometric != Photometric::Palette
}

/// `None` without slices.
pub(crate) fn row(
    slices: Vec<Slice>,
    heads: &[Option<InstanceHead>],
    sizes: &[u64],
) -> Option<Row> {
    let head_of = |slice: &Slice| heads.get(slice.instance)?.as_ref();
    let head = head_of(slices.first()?)?;
    let planes: Option<Vec<Plane>> = slices
        .iter()
        .map(|slice| plane(head_of(slice)?, slice.frame))
        .collect();
    let planes = planes.unwrap_or_default();
    let colour = !is_grey(&head.pixels);
    let volume = if colour {
        Err("Other planes are cut from grey values; this series is in colour.".to_owned())
    } else if planes.is_empty() {
        Err(
            "The files do not say where their slices are, so no other planes can be cut."
                .to_owned(),
        )
    } else if head.pixels.float || head.pixels.bits_allocated > 16 {
        Err("Other planes are cut from values of at most 16 bits.".to_owned())
    } else {
        Grid::of(&planes)
            .map(drop)
            .map_err(|error| sentence(&error.to_string()))
    };
    let mut files: Vec<u32> = slices.iter().map(|slice| slice.instance as u32).collect();
    files.dedup();
    let windows = head.windows.iter().map(|window| NamedWindow {
        name: window.explanation.clone(),
        window: Window {
            centre: window.center,
            width: window.width,
        },
    });
    let facts = SeriesFacts {
        modality: head.modality.clone(),
        description: head.series_description.clone(),
        slices: slices.len() as u32,
        size: [head.pixels.columns, head.pixels.rows],
        scale: scale(head),
        unit: head.units.clone(),
        colour,
        overlays: slices
            .iter()
            .any(|slice| head_of(slice).is_some_and(|head| head.overlays)),
        windows: windows.collect(),
        frame_time: head.frame_time,
        planes,
        volume,
        bytes: files
            .iter()
            .filter_map(|file| sizes.get(*file as usize))
            .sum(),
        files,
    };
    Some(Row { slices, facts })
}

/// Begins with a capital, ends with a full stop.
fn sentence(text: &str) -> String {
    let mut letters = text.chars();
    let first = letters.next().map(|first| first.to_uppercase().to_string());
    format!("{}{}.", first.unwrap_or_default(), letters.as_str())
}
