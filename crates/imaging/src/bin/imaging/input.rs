//! The files that a person means by a path: the file itself, all files below a folder, all entries of a ZIP archive.

use std::fs;
use std::path::{Path, PathBuf};

use healthsync_imaging::archive;

/// A file with its name, the folders above it up to what was named, and its bytes.
#[derive(Debug)]
pub(crate) struct Input {
    /// Where it is, for messages.
    pub(crate) shown: String,
    /// Its own name and those of the folders and the archive around it.
    pub(crate) names: Vec<String>,
    /// Its bytes, or why they cannot be had.
    pub(crate) bytes: Result<Vec<u8>, String>,
}

/// Calls `each` with every file that `path` stands for, in the order of their names, one at a time in memory (an
/// archive as a whole).
pub(crate) fn for_each(path: &Path, each: &mut impl FnMut(Input)) {
    let files = if path.is_dir() {
        let mut files = Vec::new();
        match below(path, &mut files) {
            Ok(()) => files,
            Err(error) => {
                each(Input {
                    shown: path.to_string_lossy().into_owned(),
                    names: Vec::new(),
                    bytes: Err(error),
                });
                return;
            }
        }
    } else {
        vec![path.to_owned()]
    };
    for file in files {
        let shown = file.to_string_lossy().into_owned();
        let inside = file.strip_prefix(path).unwrap_or(&file);
        let mut names: Vec<String> = path
            .file_name()
            .into_iter()
            .chain(inside.iter())
            .map(|part| part.to_string_lossy().into_owned())
            .collect();
        names.dedup();
        match fs::read(&file) {
            Ok(bytes) if archive::looks_like_zip(&bytes) => match archive::entries(&bytes) {
                Ok(entries) => {
                    for entry in entries {
                        let names = names
                            .iter()
                            .cloned()
                            .chain(entry.name.split('/').map(str::to_owned))
                            .collect();
                        each(Input {
                            shown: format!("{shown}/{}", entry.name),
                            names,
                            bytes: entry.bytes(&bytes).map_err(|error| error.to_string()),
                        });
                    }
                }
                Err(error) => each(Input {
                    shown,
                    names,
                    bytes: Err(error.to_string()),
                }),
            },
            Ok(bytes) => each(Input {
                shown,
                names,
                bytes: Ok(bytes),
            }),
            Err(error) => each(Input {
                shown,
                names,
                bytes: Err(format!("The file cannot be read: {error}.")),
            }),
        }
    }
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
