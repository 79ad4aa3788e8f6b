//! Pictures of formats that are not DICOM, as a DICOM instance in memory: what a viewer needs of them is the same.

use sha2::{Digest, Sha256};

use crate::dicom::{
    DataSet, EXPLICIT_LE, Element, File, ImagingError, Instance, VoiFunction, Vr, Window, tags,
};

/// Samples without compression, and what they are.
#[derive(Debug)]
pub(crate) struct Raster {
    pub(crate) rows: u32,
    pub(crate) columns: u32,
    pub(crate) frames: u32,
    /// 1 or 3.
    pub(crate) samples: u16,
    /// 8, 16, 32 or 64.
    pub(crate) allocated: u16,
    pub(crate) stored: u16,
    pub(crate) signed: bool,
    pub(crate) float: bool,
    /// All samples of one colour after the other.
    pub(crate) planar: bool,
    /// DICOM's word for what samples mean.
    pub(crate) photometric: &'static str,
    /// Red, green and blue of a palette, 16 bits each.
    pub(crate) palette: Option<[Vec<u16>; 3]>,
    /// The format, where DICOM says what made the picture.
    pub(crate) modality: &'static str,
    /// Little endian, frame after frame.
    pub(crate) bytes: Vec<u8>,
}

impl Raster {
    /// The instance; its UIDs follow from `file`, so that one file is one instance however often it is opened.
    pub(crate) fn into_instance(self, file: &[u8]) -> Result<Instance, ImagingError> {
        let shown = self.shown();
        let mut set = DataSet::default();
        let mut text = |tag, vr, value: &str| set.put(Element::of_bytes(tag, vr, value));
        let digest = Sha256::digest(file);
        let uid = |part: u8| {
            let mut sixteen = [0; 16];
            sixteen.copy_from_slice(&digest[..16]);
            sixteen[15] ^= part;
            format!("2.25.{}", u128::from_be_bytes(sixteen))
        };
        text(tags::SOP_INSTANCE_UID, Vr::UI, &uid(0));
        text(tags::STUDY_INSTANCE_UID, Vr::UI, &uid(1));
        text(tags::SERIES_INSTANCE_UID, Vr::UI, &uid(2));
        text(tags::MODALITY, Vr::CS, self.modality);
        text(tags::NUMBER_OF_FRAMES, Vr::IS, &self.frames.to_string());
        text(tags::PHOTOMETRIC_INTERPRETATION, Vr::CS, self.photometric);
        let side = |side: u32| {
            u16::try_from(side)
                .map_err(|_| ImagingError::Limit(format!("it is {side} pixels long")))
        };
        let mut short = |tag, value: u16| {
            set.put(Element::of_bytes(tag, Vr::US, value.to_le_bytes()));
        };
        short(tags::ROWS, side(self.rows)?);
        short(tags::COLUMNS, side(self.columns)?);
        short(tags::SAMPLES_PER_PIXEL, self.samples);
        short(tags::BITS_ALLOCATED, self.allocated);
        short(tags::BITS_STORED, self.stored);
        short(tags::HIGH_BIT, self.stored - 1);
        short(tags::PIXEL_REPRESENTATION, self.signed.into());
        if self.samples > 1 {
            short(tags::PLANAR_CONFIGURATION, self.planar.into());
        }
        if let Some(palette) = self.palette {
            let tables = [
                (
                    tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
                    tags::RED_PALETTE_COLOR_LOOKUP_TABLE_DATA,
                ),
                (
                    tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
                    tags::GREEN_PALETTE_COLOR_LOOKUP_TABLE_DATA,
                ),
                (
                    tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DESCRIPTOR,
                    tags::BLUE_PALETTE_COLOR_LOOKUP_TABLE_DATA,
                ),
            ];
            for ((descriptor, data), entries) in tables.into_iter().zip(palette) {
                let words = |numbers: &[u16]| -> Vec<u8> {
                    numbers
                        .iter()
                        .flat_map(|number| number.to_le_bytes())
                        .collect()
                };
                // A length of 65,536 is written as 0 (PS3.3 C.7.6.3.1.5).
                let described = words(&[entries.len() as u16, 0, 16]);
                set.put(Element::of_bytes(descriptor, Vr::US, described));
                set.put(Element::of_bytes(data, Vr::OW, words(&entries)));
            }
        }
        let (tag, vr) = match (self.float, self.allocated) {
            (true, 64) => (tags::DOUBLE_FLOAT_PIXEL_DATA, Vr::OD),
            (true, _) => (tags::FLOAT_PIXEL_DATA, Vr::OF),
            (false, 8) => (tags::PIXEL_DATA, Vr::OB),
            (false, _) => (tags::PIXEL_DATA, Vr::OW),
        };
        set.put(Element::of_bytes(tag, vr, self.bytes));
        let mut instance = Instance::of_file(File {
            meta: DataSet::default(),
            dataset: set,
            syntax: EXPLICIT_LE,
            stated_syntax: String::new(),
        })?;
        instance.head.windows.extend(shown);
        Ok(instance)
    }

    /// The window of all frames together, so that a stack keeps its greys while it is scrolled. Eight bits are made to be
    /// seen as they are; of more, the darkest and brightest half per cent are left out.
    fn shown(&self) -> Option<Window> {
        if self.samples != 1 || self.palette.is_some() || self.stored <= 8 {
            return None;
        }
        let size = usize::from(self.allocated / 8);
        let step = (self.bytes.len() / size).div_ceil(MOST_SAMPLED).max(1) * size;
        let values = || {
            let words = self.bytes.chunks_exact(size).step_by(step / size);
            words
                .map(|word| self.number(word))
                .filter(|value| value.is_finite())
        };
        let range = |(least, most): (f64, f64), value: f64| (least.min(value), most.max(value));
        let (least, most) = values().fold((f64::MAX, f64::MIN), range);
        if least >= most {
            return None;
        }
        let mut counts = [0_usize; LEVELS];
        let level = |value: f64| ((value - least) / (most - least) * (LEVELS - 1) as f64) as usize;
        values().for_each(|value| counts[level(value)] += 1);
        let beyond = counts.iter().sum::<usize>() / 200;
        let value = |level: usize| least + (most - least) * level as f64 / (LEVELS - 1) as f64;
        let dark = edge(&counts, 0..LEVELS, beyond);
        let bright = edge(&counts, (0..LEVELS).rev(), beyond);
        Some(match (dark.map(value), bright.map(value)) {
            (Some(dark), Some(bright)) if dark < bright => window(dark, bright, "Data"),
            _ => window(least, most, "Data"),
        })
    }

    fn number(&self, word: &[u8]) -> f64 {
        let mut wide = [0; 8];
        wide[..word.len()].copy_from_slice(word);
        let whole = u64::from_le_bytes(wide);
        match (self.float, word.len()) {
            (true, 4) => f64::from(f32::from_bits(whole as u32)),
            (true, _) => f64::from_bits(whole),
            (false, length) if self.signed => {
                let spare = 64 - 8 * length as u32;
                ((whole << spare) as i64 >> spare) as f64
            }
            (false, _) => whole as f64,
        }
    }
}

/// Of a large volume every so many values are looked at.
const MOST_SAMPLED: usize = 4_000_000;
const LEVELS: usize = 4096;

/// The first level at which more than `beyond` values are passed.
fn edge(counts: &[usize], mut levels: impl Iterator<Item = usize>, beyond: usize) -> Option<usize> {
    let mut seen = 0;
    levels.find(|level| {
        seen += counts[*level];
        seen > beyond
    })
}

/// From black to white.
pub(crate) fn window(black: f64, white: f64, name: &str) -> Window {
    Window {
        center: (black + white) / 2.0,
        width: white - black,
        explanation: Some(name.to_owned()),
        function: VoiFunction::LinearExact,
    }
}
