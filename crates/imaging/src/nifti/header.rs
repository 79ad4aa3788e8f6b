//! The headers of NIfTI-1 (348 bytes, `nifti1.h`) and NIfTI-2 (540 bytes, `nifti2.h`).

use super::damaged;
use crate::dicom::MAX_FRAME_PIXELS;
use crate::open::{Kind, OpenError, Taken};

const FIRST: usize = 348;
const SECOND: usize = 540;
/// Four bytes after the header say whether extensions follow.
const EXTENDER: usize = 4;
/// A field that holds words or nothing that is used, and where it lies.
type Words = (&'static str, std::ops::Range<usize>);
const FIRST_WORDS: [Words; 6] = [
    ("data_type", 4..14),
    ("db_name", 14..32),
    ("extents and session_error", 32..38),
    ("descrip", 148..228),
    ("aux_file", 228..252),
    ("intent_name", 328..344),
];
const SECOND_WORDS: [Words; 4] = [
    ("descrip", 240..320),
    ("aux_file", 320..344),
    ("intent_name", 508..524),
    ("unused_str", 525..540),
];
/// As many as an instance may have.
const MAX_FRAMES: u64 = 1_000_000;

/// What a voxel is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Sample {
    U8,
    I8,
    U16,
    I16,
    U32,
    I32,
    F32,
    F64,
    Rgb,
}

impl Sample {
    fn of(datatype: u16) -> Option<Self> {
        Some(match datatype {
            2 => Sample::U8,
            4 => Sample::I16,
            8 => Sample::I32,
            16 => Sample::F32,
            64 => Sample::F64,
            128 => Sample::Rgb,
            256 => Sample::I8,
            512 => Sample::U16,
            768 => Sample::U32,
            _ => return None,
        })
    }

    pub(super) fn bits(self) -> u16 {
        match self {
            Sample::U8 | Sample::I8 | Sample::Rgb => 8,
            Sample::U16 | Sample::I16 => 16,
            Sample::U32 | Sample::I32 | Sample::F32 => 32,
            Sample::F64 => 64,
        }
    }

    pub(super) fn is_signed(self) -> bool {
        matches!(self, Sample::I8 | Sample::I16 | Sample::I32)
    }

    pub(super) fn is_float(self) -> bool {
        matches!(self, Sample::F32 | Sample::F64)
    }

    fn voxel_bytes(self) -> u64 {
        let samples = if self == Sample::Rgb { 3 } else { 1 };
        u64::from(self.bits()) / 8 * samples
    }
}

/// Which of the two, and in which order its numbers have their bytes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Magic {
    big_endian: bool,
    second: bool,
}

/// What matters of a header.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Header {
    pub(super) big_endian: bool,
    second: bool,
    /// Columns, rows, slices, and everything beyond as one.
    pub(super) size: [u32; 4],
    /// Millimetres across and down; 0 when the header does not say.
    pub(super) spacing: [f64; 2],
    pub(super) sample: Sample,
    /// Where voxels begin.
    pub(super) offset: usize,
    /// Slope and intercept; `None` when none is stated.
    pub(super) scale: Option<(f64, f64)>,
    /// Voxel to millimetres, x to the patient's right, y to the front, z to the head.
    pub(super) affine: Option<[[f64; 4]; 3]>,
    /// The darkest and the brightest value to show, scaled (`cal_min`, `cal_max`).
    pub(super) shown: Option<(f64, f64)>,
}

struct Fields<'a> {
    bytes: &'a [u8],
    big_endian: bool,
}

impl Fields<'_> {
    fn take<const N: usize>(&self, at: usize) -> [u8; N] {
        let mut bytes = [0; N];
        if let Some(found) = self.bytes.get(at..at + N) {
            bytes.copy_from_slice(found);
        }
        if self.big_endian {
            bytes.reverse();
        }
        bytes
    }

    fn i16(&self, at: usize) -> i64 {
        i16::from_le_bytes(self.take(at)).into()
    }

    fn i32(&self, at: usize) -> i64 {
        i32::from_le_bytes(self.take(at)).into()
    }

    fn i64(&self, at: usize) -> i64 {
        i64::from_le_bytes(self.take(at))
    }

    fn f32(&self, at: usize) -> f64 {
        f32::from_le_bytes(self.take(at)).into()
    }

    fn f64(&self, at: usize) -> f64 {
        f64::from_le_bytes(self.take(at))
    }
}

impl Header {
    /// Recognises a header by its length and its magic word.
    pub(super) fn magic(bytes: &[u8]) -> Option<Magic> {
        let length: [u8; 4] = bytes.get(..4)?.try_into().ok()?;
        let [little, big] = [u32::from_le_bytes(length), u32::from_be_bytes(length)];
        let is = |size: usize| {
            (little as usize == size)
                .then_some(false)
                .or((big as usize == size).then_some(true))
        };
        if let Some(big_endian) = is(FIRST)
            && [b"n+1\0", b"ni1\0"]
                .iter()
                .any(|word| bytes.get(344..348) == Some(*word))
        {
            return Some(Magic {
                big_endian,
                second: false,
            });
        }
        let big_endian = is(SECOND)?;
        [b"n+2\0", b"ni2\0"]
            .iter()
            .any(|word| bytes.get(4..8) == Some(*word))
            .then_some(Magic {
                big_endian,
                second: true,
            })
    }

    pub(super) fn read(bytes: &[u8]) -> Result<Self, OpenError> {
        let Magic { big_endian, second } = Header::magic(bytes).ok_or(OpenError::Unknown)?;
        let length = if second { SECOND } else { FIRST };
        if bytes.len() < length {
            return Err(damaged(format!(
                "its header needs {length} bytes and {} are there",
                bytes.len()
            )));
        }
        let two_files = if second {
            bytes[5] == b'i'
        } else {
            bytes[345] == b'i'
        };
        if two_files {
            return Err(OpenError::Unsupported(
                Kind::Nifti,
                "a second file for its voxels (.img)".to_owned(),
            ));
        }
        let fields = Fields { bytes, big_endian };
        let (dims, datatype, units) = if second {
            (
                (0..8).map(|at| fields.i64(16 + 8 * at)).collect::<Vec<_>>(),
                fields.i16(12),
                fields.i32(500),
            )
        } else {
            (
                (0..8).map(|at| fields.i16(40 + 2 * at)).collect(),
                fields.i16(70),
                i64::from(bytes[123]),
            )
        };
        let sample = Sample::of(datatype as u16).ok_or_else(|| {
            OpenError::Unsupported(Kind::Nifti, format!("voxels of type {datatype}"))
        })?;
        let size = size(&dims)?;
        let float = |first: usize, wide: usize| {
            if second {
                fields.f64(wide)
            } else {
                fields.f32(first)
            }
        };
        let millimetres = match units & 7 {
            1 => 1000.0,
            3 => 0.001,
            _ => 1.0,
        };
        let step = |axis: usize| {
            let step = float(76 + 4 * axis, 104 + 8 * axis).abs() * millimetres;
            if step.is_finite() && step > 0.0 {
                step
            } else {
                0.0
            }
        };
        let offset = if second {
            fields.i64(168) as f64
        } else {
            fields.f32(108)
        };
        // Some programs write 0 and mean "right behind the header".
        let offset = (offset as i64).max((length + EXTENDER) as i64) as usize;
        let (slope, intercept) = (float(112, 176), float(116, 184));
        let (least, most) = (float(128, 200), float(124, 192));
        let scaled = slope != 0.0 && slope.is_finite() && intercept.is_finite();
        let header = Header {
            big_endian,
            second,
            size,
            spacing: [step(1), step(2)],
            sample,
            offset,
            scale: (scaled && (slope, intercept) != (1.0, 0.0)).then_some((slope, intercept)),
            affine: affine(&fields, second, [step(1), step(2), step(3)], millimetres),
            shown: (most > least && (most - least).is_finite()).then_some((least, most)),
        };
        Ok(header)
    }

    /// All voxels, and nothing after them.
    pub(super) fn voxels<'a>(&self, bytes: &'a [u8]) -> Result<&'a [u8], OpenError> {
        let count = self
            .size
            .iter()
            .map(|side| u64::from(*side))
            .product::<u64>();
        let needed = count.saturating_mul(self.sample.voxel_bytes());
        let there = bytes.get(self.offset..).unwrap_or_default();
        usize::try_from(needed)
            .ok()
            .and_then(|needed| there.get(..needed))
            .ok_or_else(|| {
                damaged(format!(
                    "it is cut off: its voxels need {needed} bytes and {} are there",
                    there.len()
                ))
            })
    }

    /// The header without a word in it. No extensions follow.
    pub(super) fn without_words(&self, bytes: &[u8], taken: &mut Taken) -> Vec<u8> {
        let (length, words): (usize, &[Words]) = if self.second {
            (SECOND, &SECOND_WORDS)
        } else {
            (FIRST, &FIRST_WORDS)
        };
        let mut out = bytes[..length].to_vec();
        for (field, range) in words {
            let value = &mut out[range.clone()];
            let end = value
                .iter()
                .rposition(|byte| *byte != 0)
                .map_or(0, |at| at + 1);
            taken.field(field, &value[..end], 0);
            value.fill(0);
        }
        let offset = length + EXTENDER;
        if self.second {
            let number = offset as i64;
            let bytes = if self.big_endian {
                number.to_be_bytes()
            } else {
                number.to_le_bytes()
            };
            out[168..176].copy_from_slice(&bytes);
        } else {
            let number = offset as f32;
            let bytes = if self.big_endian {
                number.to_be_bytes()
            } else {
                number.to_le_bytes()
            };
            out[108..112].copy_from_slice(&bytes);
        }
        out.extend([0; EXTENDER]);
        out
    }

    /// What lies between the header and the voxels: extensions, each with its code (nifti1.h), and what is none.
    pub(super) fn take_extensions(&self, bytes: &[u8], taken: &mut Taken) {
        let length = if self.second { SECOND } else { FIRST };
        let mut rest = &bytes[length + EXTENDER..self.offset];
        let fields = |bytes| Fields {
            bytes,
            big_endian: self.big_endian,
        };
        while let Ok(size) = usize::try_from(fields(rest).i32(0))
            && size >= 8
            && let (Some(content), code) = (rest.get(8..size), fields(rest).i32(4))
        {
            let name = match code {
                2 => "Extension 2 (a DICOM header)".to_owned(),
                4 => "Extension 4 (AFNI)".to_owned(),
                6 => "Extension 6 (comment)".to_owned(),
                code => format!("Extension {code}"),
            };
            taken.field(&name, content, 8);
            rest = &rest[size..];
        }
        taken.field("Between header and voxels", rest, 0);
    }
}

/// Columns, rows, slices and all beyond, each bounded.
fn size(dims: &[i64]) -> Result<[u32; 4], OpenError> {
    let count = dims[0];
    if !(1..=7).contains(&count) {
        return Err(damaged(format!("it has {count} dimensions")));
    }
    let side = |axis: i64| {
        if axis <= count {
            dims[axis as usize]
        } else {
            1
        }
    };
    let sides = [side(1), side(2), side(3)];
    if let Some(wrong) = (1..=count)
        .map(side)
        .find(|side| !(1..=i64::from(u32::MAX)).contains(side))
    {
        return Err(damaged(format!("one of its sides has {wrong} voxels")));
    }
    let beyond = (4..=count).try_fold(1u64, |product, axis| product.checked_mul(side(axis) as u64));
    let frames = beyond
        .and_then(|beyond| beyond.checked_mul(sides[2] as u64))
        .filter(|frames| *frames <= MAX_FRAMES);
    let limit = |what: String| OpenError::Limit(Kind::Nifti, what);
    let (Some(frames), Some(beyond)) = (frames, beyond) else {
        return Err(limit(format!("it has more than {MAX_FRAMES} slices")));
    };
    debug_assert!(frames >= beyond);
    if sides[0] as u64 * sides[1] as u64 > MAX_FRAME_PIXELS || sides[0].max(sides[1]) > 65_535 {
        return Err(limit(format!(
            "a slice has {} × {} voxels",
            sides[0], sides[1]
        )));
    }
    Ok([
        sides[0] as u32,
        sides[1] as u32,
        sides[2] as u32,
        beyond as u32,
    ])
}

/// The sform when it is stated, else the qform, else nothing.
fn affine(
    fields: &Fields<'_>,
    second: bool,
    step: [f64; 3],
    millimetres: f64,
) -> Option<[[f64; 4]; 3]> {
    let float = |first: usize, wide: usize| {
        if second {
            fields.f64(wide)
        } else {
            fields.f32(first)
        }
    };
    let code = |first: usize, wide: usize| {
        if second {
            fields.i32(wide)
        } else {
            fields.i16(first)
        }
    };
    let finite = |matrix: [[f64; 4]; 3]| {
        matrix
            .iter()
            .flatten()
            .all(|number| number.is_finite())
            .then_some(matrix)
    };
    if code(254, 348) > 0 {
        let mut rows = [[0.0; 4]; 3];
        for (row, line) in rows.iter_mut().enumerate() {
            for (column, cell) in line.iter_mut().enumerate() {
                *cell =
                    float(280 + 16 * row + 4 * column, 400 + 32 * row + 8 * column) * millimetres;
            }
        }
        return finite(rows);
    }
    // The qform has directions only; without steps it says nothing of where voxels are.
    if code(252, 344) <= 0 || step[0] == 0.0 || step[1] == 0.0 {
        return None;
    }
    // A unit quaternion b, c, d with a = sqrt(1 - b² - c² - d²); pixdim[0] is the handedness of the third axis.
    let [b, c, d] = [0, 1, 2].map(|at| float(256 + 4 * at, 352 + 8 * at));
    let a = (1.0 - b * b - c * c - d * d).max(0.0).sqrt();
    let handed = if float(76, 104) < 0.0 { -1.0 } else { 1.0 };
    let turn = [
        [
            a * a + b * b - c * c - d * d,
            2.0 * (b * c - a * d),
            2.0 * (b * d + a * c),
        ],
        [
            2.0 * (b * c + a * d),
            a * a + c * c - b * b - d * d,
            2.0 * (c * d - a * b),
        ],
        [
            2.0 * (b * d - a * c),
            2.0 * (c * d + a * b),
            a * a + d * d - b * b - c * c,
        ],
    ];
    let mut rows = [[0.0; 4]; 3];
    for (row, line) in rows.iter_mut().enumerate() {
        for (column, cell) in line.iter_mut().take(3).enumerate() {
            *cell = turn[row][column] * step[column] * if column == 2 { handed } else { 1.0 };
        }
        line[3] = float(268 + 4 * row, 376 + 8 * row) * millimetres;
    }
    finite(rows)
}
