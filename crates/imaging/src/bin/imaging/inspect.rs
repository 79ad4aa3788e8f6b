//! `imaging inspect FILE…`: one JSON line per file, with a digest of all its pixels as they are stored.

use healthsync_imaging::decode::decode;
use healthsync_imaging::deid::pixels_sha256;
use healthsync_imaging::dicom::{Instance, read, tags};
use healthsync_imaging::{Kind, kind_of, open};
use serde_json::{Value, json};

use crate::input::Input;

/// What a line says of a file that was opened, and what it says when not.
struct Line {
    transfer_syntax: Option<String>,
    rows: u32,
    columns: u32,
    frames: u32,
    bits_stored: u16,
    photometric: String,
    pixels_sha256: String,
}

/// The line of a file.
pub(crate) fn line(file: Input) -> Value {
    match file.bytes {
        Ok(bytes) => bytes_named(&file.shown, bytes),
        Err(error) => refused(&file.shown, None, &error),
    }
}

fn bytes_named(name: &str, bytes: Vec<u8>) -> Value {
    let bytes = bytes::Bytes::from(bytes);
    let other = match kind_of(&bytes) {
        Some(Kind::Dicom) => None,
        Some(Kind::Tiff | Kind::Nifti) => Some(image(bytes.clone())),
        None => Some(photo(&bytes)),
    };
    if let Some(line) = other {
        return match line {
            Ok(line) => opened(name, &line),
            Err(error) => refused(name, None, &error),
        };
    }
    match dicom(bytes.clone()) {
        Ok(line) => opened(name, &line),
        Err(error) => {
            let syntax = read(bytes)
                .ok()
                .map(|file| file.stated_syntax)
                .filter(|uid| !uid.is_empty());
            refused(name, syntax, &error)
        }
    }
}

fn dicom(bytes: bytes::Bytes) -> Result<Line, String> {
    let instance = Instance::parse(bytes).map_err(|error| error.to_string())?;
    let stated = Some(instance.head.transfer_syntax.clone()).filter(|uid| !uid.is_empty());
    let syntax = stated.unwrap_or_else(|| instance.syntax().uid.to_owned());
    Ok(Line {
        transfer_syntax: Some(syntax),
        ..frames(&instance)?
    })
}

/// TIFF and NIfTI, which know no transfer syntax.
fn image(bytes: bytes::Bytes) -> Result<Line, String> {
    frames(&open(bytes).map_err(|error| error.to_string())?)
}

fn frames(instance: &Instance) -> Result<Line, String> {
    let (head, pixels) = (&instance.head, &instance.head.pixels);
    Ok(Line {
        transfer_syntax: None,
        rows: pixels.rows,
        columns: pixels.columns,
        frames: head.frames,
        bits_stored: pixels.bits_stored,
        photometric: instance
            .dataset()
            .text(tags::PHOTOMETRIC_INTERPRETATION)
            .unwrap_or_default(),
        pixels_sha256: pixels_sha256(instance).map_err(|error| error.to_string())?,
    })
}

fn photo(bytes: &[u8]) -> Result<Line, String> {
    let pixels = decode(bytes)?;
    Ok(Line {
        transfer_syntax: None,
        rows: pixels.rows,
        columns: pixels.columns,
        frames: 1,
        bits_stored: u16::from(pixels.bits),
        photometric: pixels.photometric.to_owned(),
        pixels_sha256: hex::encode(pixels.sha256()),
    })
}

fn opened(file: &str, line: &Line) -> Value {
    json!({
        "file": file, "ok": true, "error": null, "transfer_syntax": line.transfer_syntax,
        "rows": line.rows, "columns": line.columns, "frames": line.frames, "bits_stored": line.bits_stored,
        "photometric": line.photometric, "pixels_sha256": line.pixels_sha256,
    })
}

fn refused(file: &str, transfer_syntax: Option<String>, error: &str) -> Value {
    json!({
        "file": file, "ok": false, "error": error, "transfer_syntax": transfer_syntax,
        "rows": null, "columns": null, "frames": null, "bits_stored": null,
        "photometric": null, "pixels_sha256": null,
    })
}
