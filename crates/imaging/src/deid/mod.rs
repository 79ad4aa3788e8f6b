//! De-identification of DICOM files: PS3.15 Annex E, Basic Profile, from the whole table.
//!
//! [`Study`] takes the files of one study one by one and gives each back cleaned, or a [`Refusal`] that says what to
//! look at; then [`Study::receipt`]. All of a study or nothing of it: after one refusal, pass on none.
//!
//! What it does: every element of the table, private elements, whatever has no known representation, dates, names of
//! persons and machines and instance UIDs beyond the table; all of it in sequences at every level; a new file meta
//! group and an empty preamble; comments inside coded pixels; hidden bits above the stored ones; boxes of known devices
//! and painted ones. Then it searches the written bytes for every value that it took out.
//!
//! What it does not: clean free text instead of removing it, read text in pixels (it looks for what could be text, and
//! then asks a person to look), deface. It refuses what it cannot
//! judge: reports, encapsulated documents, directories, pixels of kinds that often carry names and were not looked at.

mod cover;
mod dates;
mod image;
mod options;
mod pixels;
mod profile;
mod receipt;
mod regions;
mod residual;
mod text;
mod uid;
mod walk;

use std::collections::{BTreeMap, BTreeSet};

use bytes::Bytes;
use sha2::{Digest, Sha256};

pub use options::{Dates, Mask, Options, Outline, StudyKey};
pub use profile::{Action, EDITION, listed};
pub use receipt::{Checked, Code, FileReceipt, Receipt, TagAction, pixels_sha256};
pub use regions::{Assessment, assess};
pub use text::{TextLine, find_text};

use crate::desk::words;
use crate::dicom::{DataSet, Element, File, ImagingError, Instance, Tag, Vr, read, tags, write};
use crate::intake::Identifying;
use crate::open::{Kind, OpenError, kind_of};
use cover::Cover;
use residual::Search;
use walk::{Record, Walk};

/// A study that is being cleaned.
#[derive(Debug)]
pub struct Study {
    options: Options,
    key: StudyKey,
    files: Vec<FileReceipt>,
    actions: BTreeMap<(Tag, Action), u32>,
    not_searched: BTreeSet<Tag>,
    warnings: BTreeSet<String>,
    left_out: BTreeMap<String, u32>,
    /// What was taken out and says who it was, with the field that said it.
    identifying: BTreeMap<String, Tag>,
}

/// A cleaned file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CleanedFile {
    /// Its name: a number, and nothing of the old one.
    pub name: String,
    /// The file.
    pub bytes: Vec<u8>,
}

/// Why a file is not cleaned, and so its whole study not.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// It is not read.
    #[error("{0}")]
    Unreadable(#[from] ImagingError),
    /// A TIFF or NIfTI file that is not read.
    #[error("{0}")]
    Image(#[from] OpenError),
    /// The pixels must be looked at first.
    #[error("The pixels must be looked at before they leave: {}.", reasons.join("; "))]
    Look {
        /// Why, one for each rule.
        reasons: Vec<String>,
        /// Boxes that will be painted over anyhow.
        boxes: Vec<Mask>,
    },
    /// Of a kind that cannot be cleaned here.
    #[error("This is {0}, which cannot be cleaned here: {1}.")]
    Kind(&'static str, &'static str),
    /// An identifying value is still in the output.
    #[error("After cleaning, values of {} are still in the file: nothing was written.", list(.0))]
    Residue(BTreeSet<Tag>),
    /// What a field of a TIFF or NIfTI file said is still in the output.
    #[error("After cleaning, what {} said is still in the file: nothing was written.", .0.join(", "))]
    Left(Vec<String>),
    /// The cleaned file does not read back.
    #[error("The cleaned file does not read back: {0}.")]
    Broken(String),
}

fn list(tags: &BTreeSet<Tag>) -> String {
    tags.iter()
        .map(Tag::to_string)
        .collect::<Vec<_>>()
        .join(", ")
}

impl Study {
    /// A study under a key that the caller has drawn at random.
    pub fn new(options: Options, key: StudyKey) -> Self {
        Study {
            options,
            key,
            files: Vec::new(),
            actions: BTreeMap::new(),
            not_searched: BTreeSet::new(),
            warnings: BTreeSet::new(),
            left_out: BTreeMap::new(),
            identifying: BTreeMap::new(),
        }
    }

    /// Cleans a file. `names` are its name and those of the folders that it lies in; they go, and are searched for.
    /// `Ok(None)` for a directory of a medium: it names patients, and the files need none.
    ///
    /// # Errors
    /// [`Refusal`].
    pub fn clean(
        &mut self,
        names: &[String],
        bytes: impl Into<Bytes>,
    ) -> Result<Option<CleanedFile>, Refusal> {
        let input = bytes.into();
        if let Some(Kind::Tiff | Kind::Nifti) = kind_of(&input) {
            return self.clean_image(names, &input).map(Some);
        }
        let file = read(input.clone())?;
        if class_of(&file) == "1.2.840.10008.1.3.10"
            || file.dataset.get(tags::DIRECTORY_RECORD_SEQUENCE).is_some()
        {
            *self.left_out.entry("DICOMDIR".to_owned()).or_default() += 1;
            return Ok(None);
        }
        refuse_kinds(&file)?;
        let assessment = assess(&file.dataset);
        let has_pixels = file
            .dataset
            .elements()
            .iter()
            .any(|element| element.tag.0 == 0x7FE0 && matches!(element.tag.1, 0x08..=0x10));
        if has_pixels && !assessment.reasons.is_empty() && !self.options.reviewed {
            return Err(Refusal::Look {
                reasons: assessment.reasons,
                boxes: assessment.boxes,
            });
        }
        let instance = if has_pixels {
            Some(Instance::of_file(file.clone())?)
        } else {
            None
        };
        if let Some(instance) = instance.as_ref().filter(|_| !self.options.reviewed) {
            let reasons = written(instance)?;
            if !reasons.is_empty() {
                return Err(Refusal::Look {
                    reasons,
                    boxes: assessment.boxes,
                });
            }
        }
        let mut set = file.dataset.clone();
        let mut walk = Walk {
            options: &self.options,
            key: &self.key,
            record: Record::default(),
        };
        walk.clean(&mut set);
        let Record {
            mut actions,
            found,
            made,
        } = walk.record;
        for (text, tag) in found.iter().flat_map(residual::said) {
            if self.identifying.len() < MOST_IDENTIFYING {
                self.identifying.entry(text).or_insert(tag);
            }
        }
        let mut search = Search::new(&found, &made, names);
        search
            .sweep(&mut set, &mut actions)
            .map_err(Refusal::Broken)?;
        let pixels = if let Some(instance) = &instance {
            let boxes = assessment.boxes.iter().chain(&self.options.masks);
            let cover = Cover::new(boxes, &self.options.outlines, &instance.head.pixels);
            Some(pixels::clean(
                instance,
                &mut set,
                cover,
                self.options.compress,
            )?)
        } else {
            None
        };
        self.warn(&file.dataset);
        let painted = pixels
            .as_ref()
            .is_some_and(|pixels| !pixels.painted.is_empty());
        self.sign(&mut set, has_pixels, painted);
        let syntax = pixels
            .as_ref()
            .map_or(crate::dicom::EXPLICIT_LE.uid, |pixels| pixels.syntax);
        let mut own = DataSet::default();
        self.sign(&mut own, has_pixels, painted);
        search
            .pass_over(&header(&own, syntax))
            .map_err(Refusal::Broken)?;
        let residue = search
            .search(&header(&set, syntax))
            .map_err(Refusal::Broken)?;
        if !residue.hits.is_empty() {
            return Err(Refusal::Residue(residue.hits));
        }
        let output = write(&set, syntax);
        verify(&output, &set)?;
        if painted && !written(&Instance::parse(output.clone())?)?.is_empty() {
            self.warnings.insert(STILL_WRITTEN.to_owned());
        }
        let cover = pixels
            .as_ref()
            .map(|pixels| pixels.painted.clone())
            .unwrap_or_default();
        let name = format!("image-{:04}.dcm", self.files.len() + 1);
        self.files.push(FileReceipt {
            file: name.clone(),
            bytes: output.len(),
            sha256: hex::encode(Sha256::digest(&output)),
            input_hmac_sha256: hex::encode(uid::keyed(&self.key, b"file", &input)),
            pixels_sha256: pixels.as_ref().map(|pixels| hex::encode(pixels.after)),
            pixels_unchanged: pixels
                .as_ref()
                .is_none_or(|pixels| pixels.before == pixels.after),
            painted: cover.boxes,
            outlined: cover.outlines,
            device_rules: assessment.rules,
            stripped_frames: pixels.as_ref().map_or(0, |pixels| pixels.stripped),
            searched: residue.searched,
            image: None,
            removed: Vec::new(),
            not_searched: Vec::new(),
        });
        self.not_searched.extend(residue.skipped);
        for (done, count) in actions {
            *self.actions.entry(done).or_default() += count;
        }
        Ok(Some(CleanedFile {
            name,
            bytes: output,
        }))
    }

    /// What the DICOM files so far said of people: names also in parts, dates as people write them, numbers. What is
    /// written beside the files must not say it again.
    pub fn identifying(&self) -> Vec<Identifying> {
        let field = |tag: Tag| tag.keyword().map_or_else(|| tag.to_string(), words);
        let all = self.identifying.iter();
        all.map(|(text, tag)| Identifying {
            field: field(*tag),
            text: text.clone(),
        })
        .collect()
    }

    /// What was done to all files so far.
    pub fn receipt(&self) -> Receipt {
        Receipt {
            version: 1,
            tool: tool(),
            table: EDITION.to_owned(),
            // The codes speak of DICOM, and of nothing else.
            codes: if self.files.iter().all(|file| file.image.is_some()) {
                Vec::new()
            } else {
                receipt::codes(
                    &self.options,
                    self.files.iter().any(FileReceipt::is_painted),
                )
            },
            options: self.options.clone(),
            files: self.files.clone(),
            left_out: self.left_out.clone(),
            actions: self
                .actions
                .iter()
                .map(|((tag, action), count)| TagAction {
                    tag: format!("{:04X}{:04X}", tag.0, tag.1),
                    keyword: tag.keyword().map(str::to_owned),
                    action: *action,
                    count: *count,
                })
                .collect(),
            not_searched: self.not_searched.iter().copied().collect(),
            warnings: self.warnings.iter().cloned().collect(),
        }
    }

    /// Says in the file what was done (PS3.15 E.1.1 and E.3).
    fn sign(&self, set: &mut DataSet, has_pixels: bool, painted: bool) {
        set.put(Element::of_bytes(
            tags::PATIENT_IDENTITY_REMOVED,
            Vr::CS,
            "YES",
        ));
        set.put(Element::of_bytes(
            tags::DEIDENTIFICATION_METHOD,
            Vr::LO,
            format!("{}, {EDITION}", tool()),
        ));
        let codes = receipt::codes(&self.options, painted)
            .into_iter()
            .map(|code| {
                let mut item = DataSet::default();
                item.put(Element::of_bytes(tags::CODE_VALUE, Vr::SH, code.value));
                item.put(Element::of_bytes(
                    tags::CODING_SCHEME_DESIGNATOR,
                    Vr::SH,
                    "DCM",
                ));
                item.put(Element::of_bytes(tags::CODE_MEANING, Vr::LO, code.meaning));
                item
            });
        set.put(Element::of_items(
            tags::DEIDENTIFICATION_METHOD_CODE_SEQUENCE,
            codes.collect(),
        ));
        let temporal = match self.options.dates {
            Dates::Remove => "REMOVED",
            Dates::Shift(_) => "MODIFIED",
            Dates::Keep => "UNMODIFIED",
        };
        set.put(Element::of_bytes(
            tags::LONGITUDINAL_TEMPORAL_INFORMATION_MODIFIED,
            Vr::CS,
            temporal,
        ));
        if has_pixels && self.options.reviewed {
            set.put(Element::of_bytes(tags::BURNED_IN_ANNOTATION, Vr::CS, "NO"));
        }
    }

    fn warn(&mut self, set: &DataSet) {
        let text = |tag| set.text(tag).unwrap_or_default().to_uppercase();
        let (modality, part) = (text(tags::MODALITY), text(tags::BODY_PART_EXAMINED));
        let head = ["HEAD", "BRAIN", "SKULL", "FACE", "ORBIT", "NECK"]
            .iter()
            .any(|word| part.contains(word));
        if matches!(modality.as_str(), "CT" | "MR" | "PT") && (head || part.is_empty()) {
            self.warnings.insert("A volume of the head can be rendered as a face: share only the slices that are needed.".to_owned());
        }
        if !set.charset().is_known() {
            self.warnings.insert(
                "A file names a character set that is not known: its text was read as ISO 8859-1."
                    .to_owned(),
            );
        }
    }
}

/// Values that are remembered of a study; one has some dozens.
const MOST_IDENTIFYING: usize = 2_000;

const STILL_WRITTEN: &str =
    "Outside of the painted boxes something still looks like text: look again before sharing.";

/// What looks like text in the first, the middle and the last frame, in words for whoever has to look.
fn written(instance: &Instance) -> Result<Vec<String>, ImagingError> {
    let frames = instance.head.frames;
    let mut reasons = Vec::new();
    for frame in BTreeSet::from([0, frames / 2, frames - 1]) {
        let lines = find_text(&instance.decode_frame(frame)?);
        let Some(clearest) = lines.first() else {
            continue;
        };
        let [left, top, right, bottom] = clearest.bounds;
        let others = match lines.len() - 1 {
            0 => String::new(),
            more => format!(" and in {more} other places"),
        };
        reasons.push(format!(
            "something that looks like text stands in frame {} at {left},{top},{right},{bottom}{others}",
            frame + 1
        ));
    }
    Ok(reasons)
}

/// Name and version of this program.
pub fn tool() -> String {
    concat!("healthsync-imaging ", env!("CARGO_PKG_VERSION")).to_owned()
}

fn class_of(file: &File) -> String {
    let stated = file.dataset.text(tags::SOP_CLASS_UID);
    stated
        .or_else(|| file.meta.text(tags::MEDIA_STORAGE_SOP_CLASS_UID))
        .unwrap_or_default()
}

fn refuse_kinds(file: &File) -> Result<(), Refusal> {
    let class = class_of(file);
    if class.starts_with("1.2.840.10008.5.1.4.1.1.104.")
        || file.dataset.get(tags::ENCAPSULATED_DOCUMENT).is_some()
    {
        return Err(Refusal::Kind(
            "an encapsulated document",
            "what is written in it is not seen; share a picture of the page that matters",
        ));
    }
    let modality = file.dataset.text(tags::MODALITY).unwrap_or_default();
    if class.starts_with("1.2.840.10008.5.1.4.1.1.88.") || modality == "SR" {
        return Err(Refusal::Kind(
            "a structured report",
            "its text names people; share the images that it is about",
        ));
    }
    Ok(())
}

/// The file as it will be, without its pixels.
fn header(set: &DataSet, syntax: &str) -> Vec<u8> {
    let mut without = set.clone();
    without.elements.retain(|element| element.tag.0 != 0x7FE0);
    write(&without, syntax)
}

/// The written bytes say what was meant.
fn verify(output: &[u8], set: &DataSet) -> Result<(), Refusal> {
    let broken = |error: ImagingError| Refusal::Broken(error.to_string());
    let again = read(Bytes::copy_from_slice(output)).map_err(broken)?;
    let tags = |set: &DataSet| {
        set.elements()
            .iter()
            .map(|element| element.tag)
            .collect::<Vec<_>>()
    };
    if tags(&again.dataset) == tags(set) {
        Ok(())
    } else {
        Err(Refusal::Broken("other elements came back".to_owned()))
    }
}
