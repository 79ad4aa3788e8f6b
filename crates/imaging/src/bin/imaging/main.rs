//! `imaging inspect FILE…` and `imaging deidentify IN OUT`: what the library does, by command.

mod inspect;

use std::ffi::OsString;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use healthsync_imaging::decode::{Pixels, decode};
use healthsync_imaging::{Cleaned, clean};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

const USAGE: &str = "Usage:
  imaging inspect FILE…        one JSON line per file: what it is, and a digest of its pixels
  imaging deidentify IN OUT    cleans a file into the file OUT, or all files below the folder IN into
                               the folder OUT under new names, and prints a receipt as JSON";

/// Where something is refused, nothing is in OUT.
const REFUSED: u8 = 2;

fn main() -> ExitCode {
    let arguments: Vec<OsString> = std::env::args_os().skip(1).collect();
    let words: Vec<&str> = arguments
        .iter()
        .map(|word| word.to_str().unwrap_or_default())
        .collect();
    match (words.first(), arguments.len()) {
        (Some(&"inspect"), 2..) => {
            for file in &arguments[1..] {
                say(&inspect::file(Path::new(file)));
            }
            ExitCode::SUCCESS
        }
        (Some(&"deidentify"), 3) => {
            match deidentify(Path::new(&arguments[1]), Path::new(&arguments[2])) {
                Ok(receipt) => {
                    say(&receipt);
                    ExitCode::SUCCESS
                }
                Err(reason) => {
                    eprintln!("{reason}");
                    ExitCode::from(REFUSED)
                }
            }
        }
        (Some(&("--help" | "-h" | "help")), _) => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => {
            eprintln!("{USAGE}");
            ExitCode::FAILURE
        }
    }
}

/// One line on stdout; a reader that has gone away is no error of ours.
fn say(line: &Value) {
    let _ = writeln!(std::io::stdout(), "{line}");
}

fn deidentify(input: &Path, out: &Path) -> Result<Value, String> {
    if out.exists() {
        return Err(format!(
            "{} is there already: name a new one.",
            out.display()
        ));
    }
    if !input.is_dir() {
        let (cleaned, pixels) = cleaned(input)?;
        let receipt = receipt(&out.to_string_lossy(), &cleaned, &pixels);
        write(&[(out.to_owned(), cleaned.bytes)])?;
        return Ok(json!({ "tool": tool(), "files": [receipt] }));
    }
    let mut files = Vec::new();
    below(input, &mut files)?;
    if files.is_empty() {
        return Err(format!("{} holds no files.", input.display()));
    }
    // All before any is written: a folder is cleaned as a whole or not at all. New names, because
    // names of files and folders name patients in practice.
    let mut receipts = Vec::new();
    let mut outputs = Vec::new();
    for (index, file) in files.iter().enumerate() {
        let (cleaned, pixels) = cleaned(file)?;
        let name = format!(
            "image-{:04}.{}",
            index + 1,
            cleaned.photo.format.extension()
        );
        receipts.push(receipt(&name, &cleaned, &pixels));
        outputs.push((out.join(name), cleaned.bytes));
    }
    fs::create_dir(out).map_err(|error| format!("{} cannot be made: {error}.", out.display()))?;
    write(&outputs).inspect_err(|_| {
        let _ = fs::remove_dir(out);
    })?;
    Ok(json!({ "tool": tool(), "files": receipts }))
}

/// The cleaned file, proven to show the same picture as before.
fn cleaned(file: &Path) -> Result<(Cleaned, Pixels), String> {
    let named = |reason: String| format!("{}: {reason}", file.display());
    let bytes =
        fs::read(file).map_err(|error| named(format!("The file cannot be read: {error}.")))?;
    let cleaned = clean(&bytes).map_err(|error| named(error.to_string()))?;
    let pixels = decode(&cleaned.bytes).map_err(named)?;
    if decode(&bytes).map_err(named)? != pixels {
        return Err(named(
            "The cleaned file does not show the same picture.".to_owned(),
        ));
    }
    Ok((cleaned, pixels))
}

fn receipt(name: &str, cleaned: &Cleaned, pixels: &Pixels) -> Value {
    json!({
        "file": name, "photo": cleaned.photo, "removed": cleaned.removed,
        "sha256": hex::encode(Sha256::digest(&cleaned.bytes)), "pixels_sha256": hex::encode(pixels.sha256()),
    })
}

fn tool() -> String {
    format!("healthsync-imaging {}", env!("CARGO_PKG_VERSION"))
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

/// All files below a folder, in the order of their paths. Symbolic links are not followed.
fn below(folder: &Path, files: &mut Vec<PathBuf>) -> Result<(), String> {
    let unreadable =
        |error: std::io::Error| format!("{} cannot be read: {error}.", folder.display());
    let mut entries: Vec<_> = fs::read_dir(folder)
        .and_then(Iterator::collect)
        .map_err(unreadable)?;
    entries.sort_by_key(fs::DirEntry::file_name);
    for entry in entries {
        let kind = entry.file_type().map_err(unreadable)?;
        if kind.is_dir() {
            below(&entry.path(), files)?;
        } else if kind.is_file() {
            files.push(entry.path());
        }
    }
    Ok(())
}
