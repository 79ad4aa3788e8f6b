//! The checked-in tables of real files (`tools/reference.py` makes them), and where the files themselves are.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, OnceLock};

use sha2::{Digest, Sha256};

/// The folder with one folder for each package, which `cargo xtask test` fills.
pub(crate) const FOLDER: &str = "HEALTHSYNC_SAMPLES";

/// A file of a package, and what another program found in it.
#[derive(Debug)]
pub(crate) struct Reference {
    pub(crate) package: &'static str,
    pub(crate) path: &'static str,
    sha256: &'static str,
    pub(crate) syntax: &'static str,
    /// Rows, columns, frames.
    pub(crate) size: [u32; 3],
    pub(crate) expected: Expected,
}

/// What must become of a file.
#[derive(Debug)]
pub(crate) enum Expected {
    /// This SHA-256 of all samples as stored.
    Equal(&'static str),
    /// Lossy coding whose decoders round as they like: these samples, at the places of [`place`], within a few steps.
    Near(Vec<i64>),
    /// The other program does not open it.
    Opens,
    /// Refused for this reason.
    Refused(&'static str),
}

/// Where sample `number` (from 0) of those that are compared stands among all `samples` of a file.
pub(crate) fn place(number: usize, samples: usize) -> usize {
    ((number as u64 + 1) * 2_654_435_761 % samples as u64) as usize
}

/// All rows.
pub(crate) fn all() -> &'static [Reference] {
    static ALL: OnceLock<Vec<Reference>> = OnceLock::new();
    ALL.get_or_init(|| {
        include_str!("reference.tsv")
            .lines()
            .skip(1)
            .map(|line| row(line).unwrap_or_else(|| panic!("a row of nine columns: {line}")))
            .collect()
    })
}

fn row(line: &'static str) -> Option<Reference> {
    let [
        package,
        path,
        sha256,
        syntax,
        rows,
        columns,
        frames,
        expected,
        by,
    ] = <[&str; 9]>::try_from(line.split('\t').collect::<Vec<_>>()).ok()?;
    Some(Reference {
        package,
        path,
        sha256,
        syntax,
        size: [rows, columns, frames].map(|number| number.parse().unwrap_or_default()),
        expected: match expected {
            "equal" => Expected::Equal(by),
            "near" => Expected::Near(by.split(' ').flat_map(str::parse).collect()),
            "opens" => Expected::Opens,
            "refused" => Expected::Refused(by),
            _ => return None,
        },
    })
}

/// The values that identify in each file, as the other program reads them.
pub(crate) fn identities() -> HashMap<&'static str, Vec<&'static str>> {
    include_str!("identities.tsv")
        .lines()
        .skip(1)
        .filter_map(|line| line.split_once('\t'))
        .map(|(file, values)| (file, values.split('\t').collect()))
        .collect()
}

impl Reference {
    /// The key of [`identities`].
    pub(crate) fn key(&self) -> &'static str {
        &self.sha256[..16]
    }

    fn file(&self, folder: &Path) -> PathBuf {
        folder.join(self.package).join(self.path)
    }
}

/// Calls `check` with every file of the packages that are there, on all cores, and gives what it said of each, in the
/// table's order. Packages that could not be had are named and passed over.
///
/// # Panics
/// When a file is missing from a package that is there, or is another one.
pub(crate) fn each<T: Send>(
    check: impl Fn(&'static Reference, Vec<u8>) -> T + Sync,
) -> Vec<(&'static Reference, T)> {
    let folder = std::env::var_os(FOLDER).unwrap_or_else(|| {
        panic!("{FOLDER} names the folder of the real files: `cargo xtask test rust` gets them")
    });
    let folder = Path::new(&folder);
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::new());
    let mut missing: Vec<&str> = all().iter().map(|file| file.package).collect();
    missing.dedup();
    missing.retain(|package| !folder.join(package).is_dir());
    for package in &missing {
        eprintln!("skipped: all files of {package}, which could not be had");
    }
    let threads = std::thread::available_parallelism().map_or(1, usize::from);
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                while let Some(file) = all().get(next.fetch_add(1, Ordering::Relaxed)) {
                    if missing.contains(&file.package) {
                        continue;
                    }
                    let path = file.file(folder);
                    let bytes = std::fs::read(&path)
                        .unwrap_or_else(|error| panic!("{}: {error}", path.display()));
                    assert_eq!(
                        hex::encode(Sha256::digest(&bytes)),
                        file.sha256,
                        "{} is another file",
                        path.display()
                    );
                    let said = check(file, bytes);
                    done.lock().expect("no check panics").push((file, said));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no check panics");
    done.sort_by_key(|(file, _)| (file.package, file.path));
    done
}
