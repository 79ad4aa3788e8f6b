//! The receipt: what was done to which tags, and digests by which anyone who has the files can check it. It holds no
//! value of the original.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::options::{Dates, Mask, Options, Outline};
use super::profile::{self, Action};
use crate::Removed;
use crate::dicom::{ImagingError, Instance, Tag, Value, Vr, read, tags};
use crate::open::{Kind, clean_image, open};

/// What was done to one study.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Receipt {
    /// Version of this form: 1.
    pub version: u32,
    /// Name and version of the program.
    pub tool: String,
    /// The table and its edition.
    pub table: String,
    /// What was really done, in CID 7050's codes of scheme DCM.
    pub codes: Vec<Code>,
    /// What the person chose.
    pub options: Options,
    /// One entry for each file of the output, in the order of the input.
    pub files: Vec<FileReceipt>,
    /// Files of the input that have no place in the output, by kind: directories of media.
    pub left_out: BTreeMap<String, u32>,
    /// How often which action was done to which tag, all files together.
    pub actions: Vec<TagAction>,
    /// Tags with values that the last search passed over: too short, or the same as a coded word that stays.
    pub not_searched: Vec<Tag>,
    /// What a person should know before sharing.
    pub warnings: Vec<String>,
}

/// A code of CID 7050.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Code {
    /// The code value.
    pub value: String,
    /// Its meaning.
    pub meaning: String,
}

/// An action and how often it was done.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TagAction {
    /// Group and element as eight hexadecimal digits.
    pub tag: String,
    /// The tag's keyword, when the dictionary has one.
    pub keyword: Option<String>,
    /// What was done.
    pub action: Action,
    /// To how many elements.
    pub count: u32,
}

/// One file.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct FileReceipt {
    /// Its name in the output.
    pub file: String,
    /// Its length.
    pub bytes: usize,
    /// SHA-256 of the output.
    pub sha256: String,
    /// HMAC-SHA256 of the input under the study's key: says nothing to whoever has not both.
    pub input_hmac_sha256: String,
    /// SHA-256 of all samples as stored, in the output.
    pub pixels_sha256: Option<String>,
    /// Whether they are those of the input.
    pub pixels_unchanged: bool,
    /// What was painted over.
    pub painted: Vec<Mask>,
    /// Areas that were painted over besides, by their outlines.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outlined: Vec<Outline>,
    /// Device rules that matched.
    pub device_rules: Vec<u32>,
    /// Frames whose coded stream lost comments and the like.
    pub stripped_frames: u32,
    /// Different values that the output was searched for, without a hit.
    pub searched: usize,
    /// What it is, when it is no DICOM file.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub image: Option<Kind>,
    /// Of what is no DICOM file: the fields and other things that went.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub removed: Vec<Removed>,
    /// Those of them with values that the last search passed over, being too short.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub not_searched: Vec<String>,
}

impl FileReceipt {
    pub(super) fn is_painted(&self) -> bool {
        !(self.painted.is_empty() && self.outlined.is_empty())
    }
}

/// The codes for what was done.
pub(super) fn codes(options: &Options, painted: bool) -> Vec<Code> {
    let code = |value: &str, meaning: &str| Code {
        value: value.to_owned(),
        meaning: meaning.to_owned(),
    };
    let mut codes = vec![code("113100", "Basic Application Confidentiality Profile")];
    if painted || options.reviewed {
        codes.push(code("113101", "Clean Pixel Data Option"));
    }
    match options.dates {
        Dates::Remove => {}
        Dates::Keep => codes.push(code(
            "113106",
            "Retain Longitudinal Temporal Information Full Dates Option",
        )),
        Dates::Shift(_) => codes.push(code(
            "113107",
            "Retain Longitudinal Temporal Information Modified Dates Option",
        )),
    }
    for (chosen, value, meaning) in [
        (
            options.retain_patient,
            "113108",
            "Retain Patient Characteristics Option",
        ),
        (
            options.retain_device,
            "113109",
            "Retain Device Identity Option",
        ),
        (options.retain_uids, "113110", "Retain UIDs Option"),
        (
            options.retain_institution,
            "113112",
            "Retain Institution Identity Option",
        ),
    ] {
        if chosen {
            codes.push(code(value, meaning));
        }
    }
    codes
}

/// What a check of one file found.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Checked {
    /// The file's name in the receipt, when its digest is there.
    pub file: Option<String>,
    /// Whether everything holds.
    pub holds: bool,
    /// What does not.
    pub faults: Vec<String>,
}

impl Receipt {
    /// How many values were removed or replaced.
    pub fn values(&self) -> u32 {
        let fields: usize = self.files.iter().map(|file| file.removed.len()).sum();
        self.actions.iter().map(|done| done.count).sum::<u32>() + fields as u32
    }

    /// Checks a file against the receipt: its digest, the digest of its pixels, and that nothing is in it which the
    /// profile with the receipt's options would have removed.
    pub fn check(&self, bytes: &bytes::Bytes) -> Checked {
        let digest = hex::encode(Sha256::digest(bytes));
        let Some(entry) = self.files.iter().find(|entry| entry.sha256 == digest) else {
            return Checked {
                file: None,
                holds: false,
                faults: vec!["The receipt knows no file with this content.".to_owned()],
            };
        };
        let mut faults = Vec::new();
        match read(bytes.clone()) {
            _ if entry.image.is_some() => match clean_image(bytes) {
                Ok(again) if again.bytes == *bytes => {}
                Ok(_) => {
                    faults.push("There is something in it that cleaning takes out.".to_owned())
                }
                Err(error) => faults.push(error.to_string()),
            },
            Err(error) => faults.push(error.to_string()),
            Ok(file) => {
                left(&file.dataset, &self.options, &mut faults);
                // A file that begins without one has nothing in it.
                let preamble = bytes.first_chunk::<128>();
                let marked = bytes.get(128..132) == Some(b"DICM");
                if marked && preamble.is_some_and(|bytes| bytes.iter().any(|byte| *byte != 0)) {
                    faults.push("Its preamble is not empty.".to_owned());
                }
                if file.dataset.text(tags::PATIENT_IDENTITY_REMOVED).as_deref() != Some("YES") {
                    faults.push("It does not say that identity was removed.".to_owned());
                }
                if file.meta.text(tags::MEDIA_STORAGE_SOP_INSTANCE_UID)
                    != file.dataset.text(tags::SOP_INSTANCE_UID)
                {
                    faults.push("Its file meta group has another UID.".to_owned());
                }
            }
        }
        if let Some(expected) = &entry.pixels_sha256 {
            match open(bytes.clone())
                .map_err(|error| error.to_string())
                .and_then(|instance| pixels_sha256(&instance).map_err(|error| error.to_string()))
            {
                Ok(found) if found == *expected => {}
                Ok(_) => faults.push("Its pixels are not those of the receipt.".to_owned()),
                Err(error) => faults.push(error),
            }
        }
        Checked {
            file: Some(entry.file.clone()),
            holds: faults.is_empty(),
            faults,
        }
    }
}

/// SHA-256 of all frames, as stored.
///
/// # Errors
/// A frame that does not decode.
pub fn pixels_sha256(instance: &Instance) -> Result<String, ImagingError> {
    let mut hash = Sha256::new();
    for frame in 0..instance.head.frames {
        hash.update(instance.stored_frame(frame)?);
    }
    Ok(hex::encode(hash.finalize()))
}

/// Elements that should not be there, or not with a value.
fn left(set: &crate::dicom::DataSet, options: &Options, faults: &mut Vec<String>) {
    for element in set.elements() {
        let empty = match &element.value {
            Value::Bytes(bytes) => bytes.is_empty(),
            Value::Items(items) => items.is_empty(),
            Value::Fragments { .. } => false,
        };
        let action = profile::action(element.tag, element.vr, options);
        let wrong = match action {
            Action::X => true,
            Action::Z => !empty,
            Action::U if element.vr == Vr::UI => {
                let uids = element.text(set.charset()).unwrap_or_default();
                uids.split('\\').any(|uid| {
                    !(uid.is_empty()
                        || uid.starts_with("2.25.")
                        || uid.starts_with("1.2.840.10008."))
                })
            }
            _ => false,
        };
        if wrong {
            faults.push(format!(
                "{} is there, where the profile asks for {action:?}.",
                element.tag
            ));
        }
        if let Value::Items(items) = &element.value
            && action != Action::D
        {
            items.iter().for_each(|item| left(item, options, faults));
        }
    }
}
