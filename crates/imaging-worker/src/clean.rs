//! De-identifying a series before it leaves: file by file, in the series' order, under one key a set, so that files of
//! one study stay together. Either all files come back clean, or none.

use healthsync_imaging::{
    deid::{Dates, Mask, Options, Outline, Refusal, Study, StudyKey},
    desk::{Answer, Keep},
};
use js_sys::{Array, Uint8Array};
use wasm_bindgen::JsCast;
use web_sys::Blob;

use crate::sets::{File, bytes_of};

/// A random key for one set.
pub(crate) fn fresh_key() -> Option<StudyKey> {
    let mut key = [0; 32];
    js_sys::global()
        .unchecked_into::<web_sys::WorkerGlobalScope>()
        .crypto()
        .ok()?
        .get_random_values_with_u8_array(&mut key)
        .ok()?;
    Some(StudyKey(key))
}

/// Cleans these files, each with the number of its first image in the series; gives the answer and the cleaned ones'
/// buffers.
pub(crate) fn clean(
    files: &[(usize, &File)],
    key: StudyKey,
    masks: Vec<[u32; 4]>,
    outlines: Vec<Vec<[u32; 2]>>,
    reviewed: bool,
    keep: Keep,
) -> (Answer, Array) {
    let options = Options {
        retain_patient: keep.patient,
        retain_device: keep.device,
        retain_institution: keep.institution,
        dates: if keep.dates {
            Dates::Keep
        } else {
            Dates::Remove
        },
        reviewed,
        compress: true,
        masks: masks.into_iter().map(Mask).collect(),
        outlines: outlines.into_iter().map(Outline).collect(),
        ..Options::default()
    };
    let mut study = Study::new(options, key);
    let buffers = Array::new();
    for (first, file) in files {
        let bytes = match bytes_of(&file.blob, &file.name) {
            Ok(bytes) => bytes,
            Err(what) => return (Answer::Failed { what }, Array::new()),
        };
        let names: Vec<String> = file.name.split('/').map(str::to_owned).collect();
        match study.clean(&names, bytes) {
            // A copy in the page's own memory, which is handed over and not copied again.
            Ok(Some(cleaned)) => {
                buffers.push(&Uint8Array::from(cleaned.bytes.as_slice()).buffer());
            }
            Ok(None) => {}
            Err(refusal) => {
                // Of one file alone, every image is meant.
                let first = (files.len() > 1).then_some(*first);
                return (refused(&file.name, first, refusal), Array::new());
            }
        }
    }
    let receipt = study.receipt();
    let answer = Answer::Cleaned {
        removed: receipt.values(),
        receipt: serde_json::to_string(&receipt).unwrap_or_default(),
        identifying: study.identifying(),
    };
    (answer, buffers)
}

fn refused(name: &str, first: Option<usize>, refusal: Refusal) -> Answer {
    match refusal {
        Refusal::Look { reasons, boxes } => Answer::Look {
            reasons: match first {
                Some(first) => reasons
                    .into_iter()
                    .map(|reason| format!("in the file of image {first}, {reason}"))
                    .collect(),
                None => reasons,
            },
            boxes: boxes.into_iter().map(|mask| mask.0).collect(),
        },
        other => Answer::Failed {
            what: format!("{name}: {other}"),
        },
    }
}

/// A file inside an archive, as a file of its own.
pub(crate) fn blob(bytes: &[u8]) -> Option<Blob> {
    Blob::new_with_u8_array_sequence(&Array::of1(&Uint8Array::from(bytes))).ok()
}
