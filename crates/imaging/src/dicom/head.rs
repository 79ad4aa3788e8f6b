//! What a viewer needs of a file before any pixel is decoded: identity, geometry, pixel format, windows.

use dicom_dictionary_std::tags;
use serde::{Deserialize, Serialize};

use super::dataset::DataSet;
use super::error::ImagingError;
use super::overlay::Overlay;

/// The most pixels of one frame: 65,535 × 65,535 is possible in DICOM and no screen, and 4 bytes each must fit.
pub const MAX_FRAME_PIXELS: u64 = 200_000_000;

/// A file's header in the viewer's terms. Lengths are in millimetres, angles as direction cosines, both in the
/// patient's coordinates (PS3.3 C.7.6.2.1.1: x to the patient's left, y to the back, z to the head).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct InstanceHead {
    /// Transfer syntax UID as the file states it.
    pub transfer_syntax: String,
    /// SOP class UID.
    pub sop_class: String,
    /// SOP instance UID; empty when the file has none.
    pub sop_instance: String,
    /// Series instance UID; empty when the file has none.
    pub series: String,
    /// Study instance UID; empty when the file has none.
    pub study: String,
    /// Frame of reference UID: what shares it shares a coordinate system.
    pub frame_of_reference: Option<String>,
    /// `CT`, `MR`, `US` …; empty when the file has none.
    pub modality: String,
    /// Series number.
    pub series_number: Option<i64>,
    /// Instance number.
    pub instance_number: Option<i64>,
    /// Series description. It may identify: show it only to the one who opened the file.
    pub series_description: Option<String>,
    /// How pixels are stored.
    pub pixels: PixelFormat,
    /// Number of frames, at least 1.
    pub frames: u32,
    /// Where frames lie in the patient: one for each frame in enhanced files, else one for all, or none.
    pub planes: Vec<Plane>,
    /// Distance of pixels on the image, and where it is from.
    pub spacing: Option<PixelSpacing>,
    /// PatientOrientation (0020,0020) of images without a plane: direction of rows, then of columns, as `L`, `P` …
    pub patient_orientation: Vec<String>,
    /// Slope and intercept, one for each frame in enhanced files that differ, else one.
    pub rescales: Vec<Rescale>,
    /// Stored values from the first to the second, both included, that stand for no pixel (PS3.3 C.7.5.1.1.2).
    pub padding: Option<[f64; 2]>,
    /// Units of the rescaled values: `HU` for CT, or what RescaleType says.
    pub units: Option<String>,
    /// Presets in the file's order.
    pub windows: Vec<Window>,
    /// Milliseconds a frame is shown, from FrameTime, RecommendedDisplayFrameRate or CineRate.
    pub frame_time: Option<f64>,
    /// PresentationLUTShape INVERSE, or MONOCHROME1: low values are bright.
    pub inverted: bool,
    /// Something is drawn over the image, by group 60xx.
    pub overlays: bool,
    /// Regions of an ultrasound image with their own scale.
    pub regions: Vec<UltrasoundRegion>,
}

/// How pixels are stored (PS3.3 C.7.6.3).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PixelFormat {
    /// Height.
    pub rows: u32,
    /// Width.
    pub columns: u32,
    /// 1, or 3 for colour.
    pub samples_per_pixel: u16,
    /// 1, 8, 16, 32 or 64.
    pub bits_allocated: u16,
    /// How many of them count.
    pub bits_stored: u16,
    /// How many bits lie below them: 0, but in old files whose HighBit is not BitsStored − 1.
    #[serde(default)]
    pub bits_below: u16,
    /// PixelRepresentation 1.
    pub signed: bool,
    /// PlanarConfiguration 1: all red, then all green, then all blue.
    pub planar: bool,
    /// What samples mean.
    pub photometric: Photometric,
    /// FloatPixelData or DoubleFloatPixelData.
    pub float: bool,
}

/// PhotometricInterpretation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum Photometric {
    Monochrome1,
    Monochrome2,
    Palette,
    Rgb,
    YbrFull,
    YbrFull422,
    YbrPartial422,
    YbrPartial420,
    YbrIct,
    YbrRct,
    Xyb,
    /// HSV, ARGB, CMYK: retired, not shown.
    Other,
}

/// A plane in the patient's coordinates.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Plane {
    /// Centre of the first pixel.
    pub position: [f64; 3],
    /// Direction of a row, from the first column to the next.
    pub row: [f64; 3],
    /// Direction of a column, from the first row to the next.
    pub column: [f64; 3],
}

impl Plane {
    /// Unit vector that leaves the image towards the back of the screen: row × column.
    pub fn normal(&self) -> [f64; 3] {
        let ([a, b, c], [d, e, f]) = (self.row, self.column);
        [b * f - c * e, c * d - a * f, a * e - b * d]
    }

    /// Distance of the first pixel from the origin along the normal.
    pub fn distance(&self) -> f64 {
        let normal = self.normal();
        (0..3).map(|axis| normal[axis] * self.position[axis]).sum()
    }
}

/// Distance between pixel centres.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PixelSpacing {
    /// Between rows, that is downwards.
    pub rows: f64,
    /// Between columns, that is to the right.
    pub columns: f64,
    /// Where the numbers are from.
    pub origin: SpacingOrigin,
}

/// What a distance is measured on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum SpacingOrigin {
    /// PixelSpacing (0028,0030) of a cross-section, or of a projection that was calibrated: in the patient.
    Patient,
    /// ImagerPixelSpacing (0018,1164), or a PixelSpacing that is no other: on the detector; in the patient things are
    /// smaller.
    Detector,
    /// NominalScannedPixelSpacing (0018,2010), likewise: on the scanned film.
    Film,
}

/// Modality LUT of the linear kind: value = stored × slope + intercept.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub struct Rescale {
    pub slope: f64,
    pub intercept: f64,
}

impl Default for Rescale {
    fn default() -> Self {
        Rescale {
            slope: 1.0,
            intercept: 0.0,
        }
    }
}

/// A VOI window, in rescaled values.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Centre.
    pub center: f64,
    /// Width, above 0 (for [`VoiFunction::Linear`] at least 1).
    pub width: f64,
    /// The file's name for it.
    pub explanation: Option<String>,
    /// The function.
    pub function: VoiFunction,
}

/// VOILUTFunction (PS3.3 C.11.2.1.2 and C.11.2.1.3).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)]
pub enum VoiFunction {
    #[default]
    Linear,
    LinearExact,
    Sigmoid,
}

/// An item of SequenceOfUltrasoundRegions (PS3.3 C.8.5.5).
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct UltrasoundRegion {
    /// Left, top, right, bottom in pixels, all inclusive.
    pub bounds: [u32; 4],
    /// Physical units in x and y: 3 is centimetres, 4 seconds, 7 centimetres per second.
    pub units: [u16; 2],
    /// Units for each pixel in x and y.
    pub delta: [f64; 2],
}

impl InstanceHead {
    /// Where frame `frame` (from 0) lies.
    pub fn plane(&self, frame: u32) -> Option<Plane> {
        self.planes
            .get(frame as usize)
            .or(self.planes.first().filter(|_| self.planes.len() == 1))
            .copied()
    }

    /// Slope and intercept of frame `frame` (from 0).
    pub fn rescale(&self, frame: u32) -> Rescale {
        self.rescales
            .get(frame as usize)
            .or(self.rescales.first())
            .copied()
            .unwrap_or_default()
    }

    pub(crate) fn read(
        set: &DataSet,
        transfer_syntax: &str,
        frames: u32,
        pixels: PixelFormat,
    ) -> Self {
        let text = |tag| set.text(tag).unwrap_or_default();
        let shared = set.items(tags::SHARED_FUNCTIONAL_GROUPS_SEQUENCE).first();
        let per_frame = set.items(tags::PER_FRAME_FUNCTIONAL_GROUPS_SEQUENCE);
        let groups = Groups {
            set,
            shared,
            per_frame,
        };
        let modality = text(tags::MODALITY);
        let rescales =
            groups.each(|set| rescale(group(set, tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE)));
        let rescale_type = groups.first(|set| {
            group(set, tags::PIXEL_VALUE_TRANSFORMATION_SEQUENCE).text(tags::RESCALE_TYPE)
        });
        let measures = groups.first(|set| {
            Some(group(set, tags::PIXEL_MEASURES_SEQUENCE))
                .filter(|set| set.get(tags::PIXEL_SPACING).is_some())
        });
        let measures = measures.unwrap_or(set);
        let windows = groups.first(|set| {
            Some(windows(group(set, tags::FRAME_VOILUT_SEQUENCE)))
                .filter(|windows| !windows.is_empty())
        });
        InstanceHead {
            transfer_syntax: transfer_syntax.to_owned(),
            sop_class: text(tags::SOP_CLASS_UID),
            sop_instance: text(tags::SOP_INSTANCE_UID),
            series: text(tags::SERIES_INSTANCE_UID),
            study: text(tags::STUDY_INSTANCE_UID),
            frame_of_reference: set.text(tags::FRAME_OF_REFERENCE_UID),
            series_number: set.int(tags::SERIES_NUMBER),
            instance_number: set.int(tags::INSTANCE_NUMBER),
            series_description: set.text(tags::SERIES_DESCRIPTION),
            inverted: pixels.photometric == Photometric::Monochrome1
                || text(tags::PRESENTATION_LUT_SHAPE) == "INVERSE",
            overlays: !Overlay::read(set, &pixels).is_empty(),
            padding: padding(set, &pixels),
            pixels,
            frames,
            planes: groups.each(|set| plane(set, shared)),
            spacing: spacing(set, measures),
            patient_orientation: set.texts(tags::PATIENT_ORIENTATION),
            units: units(set, rescale_type, &modality, !rescales.is_empty()),
            rescales,
            windows: windows.unwrap_or_default(),
            frame_time: frame_time(set),
            regions: set
                .items(tags::SEQUENCE_OF_ULTRASOUND_REGIONS)
                .iter()
                .filter_map(region)
                .collect(),
            modality,
        }
    }
}

/// Functional groups of enhanced files (PS3.3 C.7.6.16): what holds for all frames, and for each.
struct Groups<'a> {
    set: &'a DataSet,
    shared: Option<&'a DataSet>,
    per_frame: &'a [DataSet],
}

impl<'a> Groups<'a> {
    fn first<T>(&self, read: impl Fn(&'a DataSet) -> Option<T>) -> Option<T> {
        let candidates = self
            .shared
            .into_iter()
            .chain(self.per_frame.first())
            .chain([self.set]);
        candidates.into_iter().find_map(read)
    }

    /// One for each frame when every frame has its own, else the one that all share.
    fn each<T>(&self, read: impl Fn(&'a DataSet) -> Option<T>) -> Vec<T> {
        let own: Option<Vec<T>> = self.per_frame.iter().map(&read).collect();
        match own {
            Some(own) if !own.is_empty() => own,
            _ => self.first(read).into_iter().collect(),
        }
    }
}

/// The item of a functional group's sequence, or the set itself in files that are not enhanced.
fn group(set: &DataSet, sequence: dicom_core::Tag) -> &DataSet {
    set.items(sequence).first().unwrap_or(set)
}

impl PixelFormat {
    pub(crate) fn read(set: &DataSet) -> Result<Self, ImagingError> {
        let number = |tag: dicom_core::Tag, name: &str, allowed: fn(i64) -> bool| match set.int(tag)
        {
            Some(number) if allowed(number) => Ok(number),
            Some(number) => Err(ImagingError::Damaged(format!("{name} is {number}"))),
            None => Err(ImagingError::Damaged(format!("it has no {name}"))),
        };
        let rows = number(tags::ROWS, "Rows", |number| (1..=65_535).contains(&number))? as u32;
        let columns = number(tags::COLUMNS, "Columns", |number| {
            (1..=65_535).contains(&number)
        })? as u32;
        if u64::from(rows) * u64::from(columns) > MAX_FRAME_PIXELS {
            return Err(ImagingError::Limit(format!(
                "a frame has {columns} × {rows} pixels and the limit is {} million",
                MAX_FRAME_PIXELS / 1_000_000
            )));
        }
        let float = set.get(tags::FLOAT_PIXEL_DATA).is_some()
            || set.get(tags::DOUBLE_FLOAT_PIXEL_DATA).is_some();
        let bits_allocated = number(tags::BITS_ALLOCATED, "BitsAllocated", |number| {
            matches!(number, 1 | 8 | 16 | 32 | 64)
        })? as u16;
        let bits_stored = match set.int(tags::BITS_STORED) {
            Some(bits) if bits >= 1 && bits <= i64::from(bits_allocated) => bits as u16,
            Some(bits) if !float => {
                return Err(ImagingError::Damaged(format!(
                    "BitsStored is {bits} and BitsAllocated {bits_allocated}"
                )));
            }
            _ => bits_allocated,
        };
        // A HighBit that leaves no room for BitsStored bits means nothing.
        let bits_below = match set.int(tags::HIGH_BIT) {
            Some(high) if !float && high < i64::from(bits_allocated) => {
                (high + 1 - i64::from(bits_stored)).max(0) as u16
            }
            _ => 0,
        };
        let samples_per_pixel = match set.int(tags::SAMPLES_PER_PIXEL) {
            Some(samples @ (1 | 3 | 4)) => samples as u16,
            Some(samples) => {
                return Err(ImagingError::Damaged(format!(
                    "SamplesPerPixel is {samples}"
                )));
            }
            None => 1,
        };
        Ok(PixelFormat {
            rows,
            columns,
            samples_per_pixel,
            bits_allocated,
            bits_stored,
            bits_below,
            signed: set.int(tags::PIXEL_REPRESENTATION) == Some(1),
            planar: samples_per_pixel > 1 && set.int(tags::PLANAR_CONFIGURATION) == Some(1),
            photometric: Photometric::of(
                &set.text(tags::PHOTOMETRIC_INTERPRETATION)
                    .unwrap_or_default(),
                samples_per_pixel,
            ),
            float,
        })
    }

    /// Pixels of one frame.
    pub fn frame_pixels(&self) -> usize {
        self.rows as usize * self.columns as usize
    }

    /// Samples of one frame.
    pub fn frame_samples(&self) -> usize {
        self.frame_pixels() * usize::from(self.samples_per_pixel)
    }

    /// Bytes that one sample takes once unpacked: single bits take one.
    pub fn sample_bytes(&self) -> usize {
        usize::from(self.bits_allocated).div_ceil(8)
    }
}

impl Photometric {
    fn of(term: &str, samples: u16) -> Self {
        match term {
            "MONOCHROME1" => Photometric::Monochrome1,
            "MONOCHROME2" => Photometric::Monochrome2,
            "PALETTE COLOR" => Photometric::Palette,
            "RGB" => Photometric::Rgb,
            "YBR_FULL" => Photometric::YbrFull,
            "YBR_FULL_422" => Photometric::YbrFull422,
            "YBR_PARTIAL_422" => Photometric::YbrPartial422,
            "YBR_PARTIAL_420" => Photometric::YbrPartial420,
            "YBR_ICT" => Photometric::YbrIct,
            "YBR_RCT" => Photometric::YbrRct,
            "XYB" => Photometric::Xyb,
            "" if samples == 1 => Photometric::Monochrome2,
            "" if samples == 3 => Photometric::Rgb,
            _ => Photometric::Other,
        }
    }
}

fn positive(set: &DataSet, tag: dicom_core::Tag) -> Option<f64> {
    set.float(tag).map(f64::abs).filter(|number| *number > 0.0)
}

/// Of a frame's own groups or a whole file; what a frame does not say, all frames `shared`.
fn plane(set: &DataSet, shared: Option<&DataSet>) -> Option<Plane> {
    let numbers = |sequence, tag| {
        let own = group(set, sequence).floats(tag);
        if own.is_empty() {
            shared
                .map(|shared| group(shared, sequence).floats(tag))
                .unwrap_or_default()
        } else {
            own
        }
    };
    let position = numbers(tags::PLANE_POSITION_SEQUENCE, tags::IMAGE_POSITION_PATIENT);
    let orientation = numbers(
        tags::PLANE_ORIENTATION_SEQUENCE,
        tags::IMAGE_ORIENTATION_PATIENT,
    );
    let (Ok(position), [a, b, c, d, e, f]) =
        (<[f64; 3]>::try_from(position), orientation.as_slice())
    else {
        return None;
    };
    Some(Plane {
        position,
        row: unit([*a, *b, *c])?,
        column: unit([*d, *e, *f])?,
    })
}

fn unit(vector: [f64; 3]) -> Option<[f64; 3]> {
    let length = vector.iter().map(|part| part * part).sum::<f64>().sqrt();
    (length > 1e-6 && length.is_finite()).then(|| vector.map(|part| part / length))
}

/// Pixel Spacing of a projection that is the same as at the detector or on the film is not corrected, unless it is said
/// to be (PS3.3 10.7.1.1). Alone it may be either; then the lesser is claimed.
fn spacing(set: &DataSet, measures: &DataSet) -> Option<PixelSpacing> {
    let pair = |set: &DataSet, tag| match set.floats(tag).as_slice() {
        [rows, columns] if *rows > 0.0 && *columns > 0.0 => Some([*rows, *columns]),
        _ => None,
    };
    let uncorrected = [
        (tags::IMAGER_PIXEL_SPACING, SpacingOrigin::Detector),
        (tags::NOMINAL_SCANNED_PIXEL_SPACING, SpacingOrigin::Film),
    ]
    .into_iter()
    .find_map(|(tag, origin)| Some((pair(set, tag)?, origin)));
    let corrected = set.text(tags::PIXEL_SPACING_CALIBRATION_TYPE).is_some();
    let same = |a: [f64; 2], b: [f64; 2]| (0..2).all(|at| (a[at] - b[at]).abs() < 1e-3 * b[at]);
    let ([rows, columns], origin) = match (pair(measures, tags::PIXEL_SPACING), uncorrected) {
        (None, other) => other?,
        (Some(stated), Some((there, origin))) if !corrected && same(stated, there) => {
            (stated, origin)
        }
        (Some(stated), None) if !corrected && is_projection(set) => {
            (stated, SpacingOrigin::Detector)
        }
        (Some(stated), _) => (stated, SpacingOrigin::Patient),
    };
    Some(PixelSpacing {
        rows,
        columns,
        origin,
    })
}

/// CR, DX, mammography and intra-oral (1 and 1.x), angiography and fluoroscopy (12.x).
fn is_projection(set: &DataSet) -> bool {
    let class = set.text(tags::SOP_CLASS_UID).unwrap_or_default();
    class
        .strip_prefix("1.2.840.10008.5.1.4.1.1.")
        .is_some_and(|class| class == "1" || class.starts_with("1.") || class.starts_with("12."))
}

/// Of grey pixels that are whole numbers. The two elements are signed as the pixels are, whatever representation a file
/// writes them in; the limit may be below the value or above it.
fn padding(set: &DataSet, pixels: &PixelFormat) -> Option<[f64; 2]> {
    if pixels.samples_per_pixel != 1 || pixels.float {
        return None;
    }
    let word = |tag| {
        let pair = set.bytes(tag)?.get(..2)?;
        let word = u16::from_le_bytes([pair[0], pair[1]]);
        Some(if pixels.signed {
            f64::from(word as i16)
        } else {
            f64::from(word)
        })
    };
    let value = word(tags::PIXEL_PADDING_VALUE)?;
    let limit = word(tags::PIXEL_PADDING_RANGE_LIMIT).unwrap_or(value);
    Some([value.min(limit), value.max(limit)])
}

fn rescale(set: &DataSet) -> Option<Rescale> {
    let (slope, intercept) = (
        set.float(tags::RESCALE_SLOPE),
        set.float(tags::RESCALE_INTERCEPT),
    );
    (slope.is_some() || intercept.is_some()).then(|| Rescale {
        slope: slope.filter(|slope| *slope != 0.0).unwrap_or(1.0),
        intercept: intercept.unwrap_or(0.0),
    })
}

/// `US` is unspecified. Only a CT that does not say otherwise has Hounsfield units.
fn units(
    set: &DataSet,
    rescale_type: Option<String>,
    modality: &str,
    rescaled: bool,
) -> Option<String> {
    match rescale_type {
        Some(kind) if kind == "US" => None,
        Some(kind) => Some(kind),
        None if modality == "CT" && rescaled => Some("HU".to_owned()),
        None => set.text(tags::UNITS),
    }
}

fn windows(set: &DataSet) -> Vec<Window> {
    let (centers, widths) = (
        set.floats(tags::WINDOW_CENTER),
        set.floats(tags::WINDOW_WIDTH),
    );
    let explanations = set.texts(tags::WINDOW_CENTER_WIDTH_EXPLANATION);
    let function = match set.text(tags::VOILUT_FUNCTION).as_deref() {
        Some("LINEAR_EXACT") => VoiFunction::LinearExact,
        Some("SIGMOID") => VoiFunction::Sigmoid,
        _ => VoiFunction::Linear,
    };
    let least = if function == VoiFunction::Linear {
        1.0
    } else {
        f64::MIN_POSITIVE
    };
    centers
        .into_iter()
        .zip(widths)
        .enumerate()
        .filter(|(_, (_, width))| *width >= least)
        .map(|(index, (center, width))| Window {
            center,
            width,
            explanation: explanations
                .get(index)
                .filter(|text| !text.is_empty())
                .cloned(),
            function,
        })
        .collect()
}

fn frame_time(set: &DataSet) -> Option<f64> {
    let rate = |tag| positive(set, tag).map(|rate| 1000.0 / rate);
    positive(set, tags::FRAME_TIME)
        .or_else(|| rate(tags::RECOMMENDED_DISPLAY_FRAME_RATE))
        .or_else(|| rate(tags::CINE_RATE))
}

fn region(item: &DataSet) -> Option<UltrasoundRegion> {
    let bound = |tag| item.int(tag).and_then(|number| u32::try_from(number).ok());
    Some(UltrasoundRegion {
        bounds: [
            bound(tags::REGION_LOCATION_MIN_X0)?,
            bound(tags::REGION_LOCATION_MIN_Y0)?,
            bound(tags::REGION_LOCATION_MAX_X1)?,
            bound(tags::REGION_LOCATION_MAX_Y1)?,
        ],
        units: [
            bound(tags::PHYSICAL_UNITS_X_DIRECTION)? as u16,
            bound(tags::PHYSICAL_UNITS_Y_DIRECTION)? as u16,
        ],
        delta: [
            item.float(tags::PHYSICAL_DELTA_X)?,
            item.float(tags::PHYSICAL_DELTA_Y)?,
        ],
    })
}
