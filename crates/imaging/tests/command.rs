//! The `imaging` command as a person or a script calls it.

mod planted;

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use planted::*;
use serde_json::Value;

fn imaging(words: &[&Path]) -> Output {
    Command::new(env!("CARGO_BIN_EXE_imaging"))
        .args(words)
        .output()
        .expect("runs")
}

fn lines(output: &Output) -> Vec<Value> {
    let text = String::from_utf8_lossy(&output.stdout);
    text.lines()
        .map(|line| serde_json::from_str(line).expect("JSON"))
        .collect()
}

#[test]
fn inspect_says_one_line_for_each_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let (photo, dicom, missing) = (
        folder.path().join("a"),
        folder.path().join("b"),
        folder.path().join("c"),
    );
    fs::write(&photo, png(1)).expect("writes");
    fs::write(&dicom, [&[0; 128], b"DICM".as_slice()].concat()).expect("writes");
    let output = imaging(&[Path::new("inspect"), &photo, &dicom, &missing]);
    assert!(output.status.success());
    let lines = lines(&output);
    assert_eq!(lines.len(), 3);
    assert_eq!(lines[0]["ok"], true);
    assert_eq!(
        (&lines[0]["rows"], &lines[0]["columns"]),
        (&61.into(), &97.into())
    );
    assert_eq!(
        (&lines[0]["bits_stored"], &lines[0]["photometric"]),
        (&8.into(), &"RGB".into())
    );
    use sha2::Digest as _;
    let expected = sha2::Sha256::digest(picture(97, 61).as_bytes());
    assert_eq!(lines[0]["pixels_sha256"], hex::encode(expected));
    assert_eq!(lines[1]["ok"], false);
    assert_eq!(
        lines[1]["error"],
        "This DICOM file is damaged: it has no data elements."
    );
    assert_eq!(lines[2]["ok"], false);
}

#[test]
fn deidentify_cleans_a_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, out) = (folder.path().join("in.jpg"), folder.path().join("out.jpg"));
    fs::write(&input, jpeg(6)).expect("writes");
    let output = imaging(&[Path::new("deidentify"), &input, &out]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!contains(&fs::read(&out).expect("is there"), NAME));
    let receipt = &lines(&output)[0]["files"][0];
    assert_eq!(receipt["photo"]["orientation"], 6);
    assert!(
        receipt["removed"]
            .as_array()
            .is_some_and(|removed| removed.len() > 5)
    );
    // A second run overwrites nothing.
    assert_eq!(
        imaging(&[Path::new("deidentify"), &input, &out])
            .status
            .code(),
        Some(2)
    );
}

#[test]
fn deidentify_cleans_a_folder_under_new_names_or_not_at_all() {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, out) = (folder.path().join("in"), folder.path().join("out"));
    fs::create_dir_all(input.join("DOE JANE")).expect("makes");
    fs::write(input.join("DOE JANE/1.png"), png(1)).expect("writes");
    fs::write(input.join("DOE JANE/2.webp"), webp(1)).expect("writes");
    fs::write(input.join("DOE JANE/3"), animated_webp()).expect("writes");
    fs::write(input.join("DOE JANE/4"), lossy_webp()).expect("writes");
    let output = imaging(&[Path::new("deidentify"), &input, &out]);
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(!contains(&output.stdout, b"JANE"));
    let mut names: Vec<_> = fs::read_dir(&out)
        .expect("is there")
        .map(|file| file.expect("is there").file_name())
        .collect();
    names.sort();
    assert_eq!(
        names,
        [
            "image-0001.png",
            "image-0002.webp",
            "image-0003.webp",
            "image-0004.webp"
        ]
    );

    let next = folder.path().join("next");
    fs::write(input.join("z.png"), &png(1)[..500]).expect("writes");
    let output = imaging(&[Path::new("deidentify"), &input, &next]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        String::from_utf8_lossy(&output.stderr)
            .contains("z.png: This PNG is cut off after 500 bytes")
    );
    assert!(!next.exists());
}

#[test]
fn refusals_leave_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let (input, out) = (folder.path().join("in"), folder.path().join("out"));
    fs::write(&input, [&[0; 128], b"DICM".as_slice()].concat()).expect("writes");
    let output = imaging(&[Path::new("deidentify"), &input, &out]);
    assert_eq!(output.status.code(), Some(2));
    assert!(String::from_utf8_lossy(&output.stderr).contains("it has no data elements"));
    assert!(!out.exists());
}
