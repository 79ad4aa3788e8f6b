//! `imaging check RECEIPT FILE…`: cleaned files against the receipt that came with them.

use std::fs;
use std::path::{Path, PathBuf};

use healthsync_imaging::deid::Receipt;
use healthsync_imaging::{clean, decode::decode};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::input;

/// A receipt in its two parts: what a study has, and photographs.
struct Receipts {
    study: Option<Receipt>,
    photos: Vec<Value>,
}

/// One JSON object for each file; whether all hold.
pub(crate) fn check(
    receipt: &Path,
    files: &[PathBuf],
    say: &mut impl FnMut(Value),
) -> Result<bool, String> {
    let receipts = read(receipt).map_err(|error| format!("{}: {error}", receipt.display()))?;
    let mut all = true;
    for path in files {
        input::for_each(path, &mut |file| {
            let line = match file.bytes {
                Ok(bytes) => receipts.check(&file.shown, bytes),
                Err(error) => {
                    json!({ "file": file.shown, "holds": false, "receipt": null, "faults": [error] })
                }
            };
            all &= line["holds"] == true;
            say(line);
        });
    }
    Ok(all)
}

fn read(path: &Path) -> Result<Receipts, String> {
    let no_receipt = |error: serde_json::Error| format!("this is no receipt: {error}.");
    let text = fs::read(path).map_err(|error| error.to_string())?;
    let mut whole: Value = serde_json::from_slice(&text).map_err(no_receipt)?;
    let Some(files) = whole["files"].as_array_mut() else {
        return Err("this is no receipt: it names no files.".to_owned());
    };
    let (photos, study) = std::mem::take(files)
        .into_iter()
        .partition(|file| file.get("photo").is_some());
    *files = study;
    // A receipt of photographs alone has no study.
    let study = if whole.get("version").is_some() {
        Some(serde_json::from_value(whole).map_err(no_receipt)?)
    } else {
        None
    };
    Ok(Receipts { study, photos })
}

impl Receipts {
    fn check(&self, shown: &str, bytes: Vec<u8>) -> Value {
        let digest = hex::encode(Sha256::digest(&bytes));
        if let Some(entry) = self
            .photos
            .iter()
            .find(|entry| entry["sha256"] == digest.as_str())
        {
            let faults = faults(entry, bytes);
            return json!({ "file": shown, "holds": faults.is_empty(), "receipt": entry["file"], "faults": faults });
        }
        let checked = self
            .study
            .as_ref()
            .map(|receipt| receipt.check(&bytes.into()));
        match checked {
            Some(checked) => {
                json!({ "file": shown, "holds": checked.holds, "receipt": checked.file, "faults": checked.faults })
            }
            None => {
                json!({ "file": shown, "holds": false, "receipt": null, "faults": ["The receipt knows no file with this content."] })
            }
        }
    }
}

/// What does not hold of a photograph: its pixels, and that cleaning it again takes nothing out.
fn faults(entry: &Value, bytes: Vec<u8>) -> Vec<String> {
    let mut faults = Vec::new();
    match clean(&bytes) {
        Ok(again) if again.bytes == bytes => {}
        Ok(_) => faults.push("There is something in it that cleaning takes out.".to_owned()),
        Err(error) => faults.push(error.to_string()),
    }
    match decode(&bytes).map(|pixels| hex::encode(pixels.sha256())) {
        Ok(found) if entry["pixels_sha256"] == found.as_str() => {}
        Ok(_) => faults.push("Its pixels are not those of the receipt.".to_owned()),
        Err(error) => faults.push(error),
    }
    faults
}
