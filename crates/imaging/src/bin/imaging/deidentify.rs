//! `imaging deidentify IN OUT`: a study cleaned as a whole or not at all.

use std::fs;
use std::path::{Path, PathBuf};

use healthsync_imaging::decode::{Pixels, decode};
use healthsync_imaging::deid::{Dates, Mask, Options, Refusal, Study, StudyKey, tool};
use healthsync_imaging::{clean, kind_of};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use crate::input::{self, Input};

/// Reads the flags of `deidentify`; what is left are the paths.
pub(crate) fn options(words: &[String]) -> Result<(Options, Vec<PathBuf>), String> {
    let mut options = Options::default();
    let mut paths = Vec::new();
    let mut words = words.iter();
    while let Some(word) = words.next() {
        let mut value = || {
            words
                .next()
                .ok_or_else(|| format!("{word} needs a value after it."))
        };
        match word.as_str() {
            "--reviewed" => options.reviewed = true,
            "--retain-uids" => options.retain_uids = true,
            "--retain-patient-characteristics" => options.retain_patient = true,
            "--retain-device" => options.retain_device = true,
            "--retain-institution" => options.retain_institution = true,
            "--keep-dates" => options.dates = Dates::Keep,
            "--shift-dates" => {
                let days = value()?;
                let number = days.parse().map_err(|_| {
                    format!(
                        "--shift-dates is `{days}`; it must be a number of days, for instance -42."
                    )
                })?;
                options.dates = Dates::Shift(number);
            }
            "--mask" => options.masks.push(
                value()?
                    .parse::<Mask>()
                    .map_err(|error| format!("--mask: {error}."))?,
            ),
            flag if flag.starts_with("--") => {
                return Err(format!(
                    "{flag} is not known here. `imaging --help` lists what is."
                ));
            }
            path => paths.push(PathBuf::from(path)),
        }
    }
    if !options.masks.is_empty() && !options.reviewed {
        return Err("--mask says where you saw text: confirm with --reviewed that you looked at all pictures.".to_owned());
    }
    Ok((options, paths))
}

/// Cleans a file, a folder or an archive into `out`; the receipt. On any refusal nothing is written.
pub(crate) fn run(options: Options, input: &Path, out: &Path) -> Result<Value, String> {
    if out.exists() {
        return Err(format!(
            "{} is there already: name a new one.",
            out.display()
        ));
    }
    let mut key = [0; 32];
    getrandom::fill(&mut key).map_err(|error| format!("No random key could be drawn: {error}."))?;
    let mut study = Study::new(options, StudyKey(key));
    let mut outputs: Vec<(String, Vec<u8>)> = Vec::new();
    let mut photos = Vec::new();
    let mut refused = None;
    input::for_each(input, &mut |file| {
        if refused.is_none() {
            refused = one(&mut study, file, &mut outputs, &mut photos).err();
        }
    });
    if let Some(reason) = refused {
        return Err(reason);
    }
    if outputs.is_empty() {
        return Err(format!(
            "{} holds no image that could be passed on.",
            input.display()
        ));
    }
    let single = !input.is_dir() && outputs.len() == 1;
    let targets: Vec<(PathBuf, Vec<u8>)> = outputs
        .into_iter()
        .map(|(name, bytes)| {
            (
                if single {
                    out.to_owned()
                } else {
                    out.join(name)
                },
                bytes,
            )
        })
        .collect();
    if !single {
        fs::create_dir(out)
            .map_err(|error| format!("{} cannot be made: {error}.", out.display()))?;
    }
    write(&targets).inspect_err(|_| {
        let _ = fs::remove_dir(out);
    })?;
    let receipt = study.receipt();
    let mut whole = if receipt.files.is_empty() {
        json!({ "tool": tool(), "files": [] })
    } else {
        serde_json::to_value(&receipt)
            .map_err(|error| format!("The receipt cannot be written: {error}."))?
    };
    if let Some(files) = whole["files"].as_array_mut() {
        files.extend(photos);
    }
    if single {
        whole["files"][0]["file"] = out.file_name().unwrap_or_default().to_string_lossy().into();
    }
    Ok(whole)
}

fn one(
    study: &mut Study,
    file: Input,
    outputs: &mut Vec<(String, Vec<u8>)>,
    photos: &mut Vec<Value>,
) -> Result<(), String> {
    let Input {
        shown,
        names,
        bytes,
    } = file;
    let named = |reason: String| format!("{shown}: {reason}");
    let bytes = bytes.map_err(named)?;
    if kind_of(&bytes).is_some() {
        let cleaned = study.clean(&names, bytes).map_err(|refusal| {
            let next = match &refusal {
                Refusal::Look { .. } => " Look at every picture, then say --reviewed, with --mask LEFT,TOP,RIGHT,BOTTOM for each box to paint over.",
                _ => "",
            };
            named(format!("{refusal}{next}"))
        })?;
        outputs.extend(cleaned.map(|cleaned| (cleaned.name, cleaned.bytes)));
        return Ok(());
    }
    let cleaned = clean(&bytes).map_err(|error| named(error.to_string()))?;
    let pixels = decode(&cleaned.bytes).map_err(named)?;
    if decode(&bytes).map_err(named)? != pixels {
        return Err(named(
            "The cleaned file does not show the same picture.".to_owned(),
        ));
    }
    let name = format!(
        "image-{:04}.{}",
        outputs.len() + 1,
        cleaned.photo.format.extension()
    );
    photos.push(photo(&name, &cleaned, &pixels));
    outputs.push((name, cleaned.bytes));
    Ok(())
}

fn photo(name: &str, cleaned: &healthsync_imaging::Cleaned, pixels: &Pixels) -> Value {
    json!({
        "file": name, "photo": cleaned.photo, "removed": cleaned.removed,
        "sha256": hex::encode(Sha256::digest(&cleaned.bytes)), "pixels_sha256": hex::encode(pixels.sha256()),
    })
}

/// All files or none.
fn write(outputs: &[(PathBuf, Vec<u8>)]) -> Result<(), String> {
    for (index, (path, bytes)) in outputs.iter().enumerate() {
        if let Err(error) = fs::write(path, bytes) {
            for (written, _) in &outputs[..=index] {
                let _ = fs::remove_file(written);
            }
            return Err(format!("{} cannot be written: {error}.", path.display()));
        }
    }
    Ok(())
}
