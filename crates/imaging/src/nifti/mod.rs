//! NIfTI-1 and NIfTI-2 in one file (`.nii`), packed by gzip or not: a volume as one instance with a frame for each slice,
//! its orientation from the sform or the qform, and its scale. Cleaning empties every text field of the header and drops
//! the extensions, which carry whole DICOM headers; voxels are copied byte for byte.

mod gzip;
mod header;

use std::borrow::Cow;

use crate::dicom::{Instance, PixelSpacing, Plane, Rescale, SpacingOrigin};
use crate::open::{CleanedImage, Kind, OpenError, Taken};
use crate::raster::{Raster, window};
use crate::walk::kind;
use header::{Header, Sample};

/// The most that a packed file may grow to.
const MAX_UNPACKED: usize = 1 << 30;

pub(crate) fn looks_like_nifti(bytes: &[u8]) -> bool {
    if gzip::looks_packed(bytes) {
        // The header alone tells.
        return gzip::start(bytes, 348).is_some_and(|start| Header::magic(&start).is_some());
    }
    Header::magic(bytes).is_some()
}

fn damaged(what: impl Into<String>) -> OpenError {
    OpenError::Damaged(Kind::Nifti, what.into())
}

fn unpacked(bytes: &[u8]) -> Result<Cow<'_, [u8]>, OpenError> {
    if gzip::looks_packed(bytes) {
        Ok(Cow::Owned(gzip::unpack(bytes, MAX_UNPACKED)?))
    } else {
        Ok(Cow::Borrowed(bytes))
    }
}

/// Opens a volume.
pub(crate) fn open(file: &[u8]) -> Result<Instance, OpenError> {
    let bytes = unpacked(file)?;
    let header = Header::read(&bytes)?;
    let voxels = header.voxels(&bytes)?;
    let [columns, rows, slices, times] = header.size;
    let sample = header.sample;
    let raster = Raster {
        rows,
        columns,
        frames: slices * times,
        samples: if sample == Sample::Rgb { 3 } else { 1 },
        allocated: sample.bits(),
        stored: sample.bits(),
        signed: sample.is_signed(),
        float: sample.is_float(),
        planar: false,
        photometric: if sample == Sample::Rgb {
            "RGB"
        } else {
            "MONOCHROME2"
        },
        palette: None,
        modality: "NIfTI",
        bytes: in_order(voxels, header.big_endian, usize::from(sample.bits() / 8)),
    };
    let mut instance = raster.into_instance(file)?;
    let head = &mut instance.head;
    if let Some((slope, intercept)) = header.scale {
        head.rescales = vec![Rescale { slope, intercept }];
        for window in &mut head.windows {
            window.center = window.center * slope + intercept;
            window.width *= slope.abs();
        }
    }
    if let Some((least, most)) = header.shown.filter(|_| !head.windows.is_empty()) {
        head.windows.insert(0, window(least, most, "Header"));
    }
    let [columns, rows] = header.spacing;
    head.spacing = (columns > 0.0 && rows > 0.0).then_some(PixelSpacing {
        rows,
        columns,
        origin: SpacingOrigin::Patient,
    });
    if let Some(affine) = header.affine {
        head.frame_of_reference = Some(head.series.clone());
        head.planes = (0..slices * times)
            .filter_map(|frame| plane(&affine, frame % slices))
            .collect();
        if head.planes.len() != (slices * times) as usize {
            return Err(damaged("its orientation makes no sense"));
        }
    }
    Ok(instance)
}

/// Slice `slice` of a volume. NIfTI counts x to the patient's right and y to the front as growing, DICOM the other way.
fn plane(affine: &[[f64; 4]; 3], slice: u32) -> Option<Plane> {
    let turned = |column: usize| {
        let signs = [-1.0, -1.0, 1.0];
        [0, 1, 2].map(|axis| signs[axis] * affine[axis][column])
    };
    let unit = |vector: [f64; 3]| {
        let length = vector.iter().map(|part| part * part).sum::<f64>().sqrt();
        (length.is_finite() && length > 1e-9).then(|| vector.map(|part| part / length))
    };
    let (origin, step) = (turned(3), turned(2));
    Some(Plane {
        position: [0, 1, 2].map(|axis| origin[axis] + step[axis] * f64::from(slice)),
        row: unit(turned(0))?,
        column: unit(turned(1))?,
    })
}

/// From the file's order of bytes to little endian, or back.
fn in_order(voxels: &[u8], big_endian: bool, width: usize) -> Vec<u8> {
    let mut out = voxels.to_vec();
    if big_endian && width > 1 {
        out.chunks_exact_mut(width).for_each(<[u8]>::reverse);
    }
    out
}

/// Writes a volume anew without a word; packed when it was.
pub(crate) fn clean(file: &[u8]) -> Result<CleanedImage, OpenError> {
    let bytes = unpacked(file)?;
    let header = Header::read(&bytes)?;
    let voxels = header.voxels(&bytes)?;
    let packed = gzip::looks_packed(file);
    let mut taken = Taken::default();
    if packed {
        gzip::take_words(file, &mut taken);
    }
    let rest = header.without_words(&bytes, &mut taken);
    header.take_extensions(&bytes, &mut taken);
    taken.field(kind::TRAILING, &bytes[header.offset + voxels.len()..], 0);
    let mut out = rest.clone();
    out.extend_from_slice(voxels);
    if packed {
        out = gzip::pack(&out);
    }
    let Taken { removed, said } = taken;
    Ok(CleanedImage {
        kind: Kind::Nifti,
        bytes: out,
        removed,
        warnings: vec![
            "A volume of the head can be rendered as a face: share only what is needed.".to_owned(),
        ],
        said,
        rest,
    })
}

/// The same file with other voxels, little endian.
pub(crate) fn with_pixels(file: &[u8], frames: Vec<Vec<u8>>) -> Result<Vec<u8>, OpenError> {
    let bytes = unpacked(file)?;
    let header = Header::read(&bytes)?;
    let voxels = frames.concat();
    if voxels.len() != header.voxels(&bytes)?.len() {
        return Err(damaged("its voxels are not as many as its header says"));
    }
    let width = usize::from(header.sample.bits() / 8);
    let mut out = bytes[..header.offset].to_vec();
    out.extend(in_order(&voxels, header.big_endian, width));
    Ok(if gzip::looks_packed(file) {
        gzip::pack(&out)
    } else {
        out
    })
}
