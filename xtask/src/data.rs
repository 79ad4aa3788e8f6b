//! The data folder of `cargo xtask run`: one run at a time, logs kept for one run back, and the local chain's state
//! kept readable even when anvil dies in the middle of writing it.

use std::fs::{self, File, OpenOptions, TryLockError};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::process::{Failure, GRACE, say};

/// A data folder that belongs to this run.
#[derive(Debug)]
pub(crate) struct DataFolder {
    root: PathBuf,
}

impl DataFolder {
    /// Makes the folder when it is missing and takes its lock. The lock lives as long as the returned file and its
    /// copies: an earlier run that is still stopping is waited for.
    pub(crate) fn open(root: &Path) -> Result<(Self, File), Failure> {
        let unusable = |error| {
            Failure::new(format!(
                "The data folder {} cannot be used: {error}.",
                root.display()
            ))
        };
        fs::create_dir_all(root.join("logs")).map_err(unusable)?;
        let root = root.canonicalize().map_err(unusable)?;
        let lock = OpenOptions::new()
            .create(true)
            .truncate(false)
            .write(true)
            .open(root.join("lock"))
            .map_err(unusable)?;
        let deadline = Instant::now() + 2 * GRACE;
        let mut said = false;
        loop {
            match lock.try_lock() {
                Ok(()) => return Ok((Self { root }, lock)),
                Err(TryLockError::Error(error)) => return Err(unusable(error)),
                Err(TryLockError::WouldBlock) if Instant::now() < deadline => {
                    if !said {
                        say(format!(
                            "another run uses {}; waiting in case it is just stopping",
                            root.display()
                        ));
                        said = true;
                    }
                    std::thread::sleep(Duration::from_millis(100));
                }
                Err(TryLockError::WouldBlock) => {
                    return Err(Failure::new(format!(
                        "Another `cargo xtask run` uses the data folder {}. Stop it, or choose another folder with --data.",
                        root.display()
                    )));
                }
            }
        }
    }

    pub(crate) fn root(&self) -> &Path {
        &self.root
    }

    /// An empty log file; the one of the run before stays beside it.
    pub(crate) fn log(&self, name: &str) -> Result<(PathBuf, File), Failure> {
        let path = self.root.join("logs").join(format!("{name}.log"));
        let _ = fs::rename(&path, path.with_extension("previous.log"));
        let file = File::create(&path).map_err(|error| {
            Failure::new(format!("{} cannot be written: {error}.", path.display()))
        })?;
        Ok((path, file))
    }
}

/// The last `count` lines of a log, indented.
pub(crate) fn last_lines(log: &Path, count: usize) -> String {
    let text = fs::read(log)
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    let mut shown: String = lines
        .iter()
        .skip(lines.len().saturating_sub(count))
        .map(|line| format!("    {line}\n"))
        .collect();
    if shown.is_empty() {
        shown = "    (nothing)\n".to_owned();
    }
    shown
}

/// anvil's state file. anvil overwrites it in place once a second, so a crash can leave half of it: a whole copy is
/// kept beside it, and taken when the file itself is not whole.
#[derive(Debug, Clone)]
pub(crate) struct ChainState {
    file: PathBuf,
    copy: PathBuf,
}

impl ChainState {
    pub(crate) fn within(data: &Path) -> Self {
        Self {
            file: data.join("anvil-state.json"),
            copy: data.join("anvil-state.whole.json"),
        }
    }

    pub(crate) fn file(&self) -> &Path {
        &self.file
    }

    /// Makes sure that what anvil is about to read is whole, or not there at all.
    pub(crate) fn mend(&self) -> Result<(), Failure> {
        let Ok(text) = fs::read(&self.file) else {
            return Ok(());
        };
        if is_whole(&text) {
            return Ok(());
        }
        let broken = |error| {
            Failure::new(format!(
                "The local chain's state {} is cut off and could not be replaced: {error}.",
                self.file.display()
            ))
        };
        if self.copy.exists() {
            say(
                "the local chain's state was cut off by a crash; going on from the copy of a moment before",
            );
            fs::copy(&self.copy, &self.file).map_err(broken)?;
        } else if text.is_empty() {
            fs::remove_file(&self.file).map_err(broken)?;
        } else {
            return Err(Failure::new(format!(
                "The local chain's state {} is cut off and there is no whole copy. Move the data folder away to start afresh.",
                self.file.display()
            )));
        }
        Ok(())
    }

    /// Keeps the copy as new as the file, for as long as the process lives.
    pub(crate) fn keep_whole_copy(&self) {
        let state = self.clone();
        std::thread::spawn(move || {
            let mut copied = fs::read(&state.copy).unwrap_or_default();
            loop {
                std::thread::sleep(Duration::from_secs(1));
                let Ok(text) = fs::read(&state.file) else {
                    continue;
                };
                if text != copied && is_whole(&text) {
                    let fresh = state.copy.with_extension("new");
                    if fs::write(&fresh, &text)
                        .and_then(|()| fs::rename(&fresh, &state.copy))
                        .is_ok()
                    {
                        copied = text;
                    }
                }
            }
        });
    }
}

/// Whether a JSON object reaches its end: a text that was cut off anywhere has a bracket or a string still open.
fn is_whole(text: &[u8]) -> bool {
    let (mut depth, mut in_string, mut escaped, mut closed) = (0_i64, false, false, false);
    for byte in text {
        if in_string {
            match byte {
                _ if escaped => escaped = false,
                b'\\' => escaped = true,
                b'"' => in_string = false,
                _ => {}
            }
            continue;
        }
        match byte {
            b'"' => in_string = true,
            b'{' | b'[' => depth += 1,
            b'}' | b']' => {
                depth -= 1;
                closed = depth == 0;
            }
            _ => {}
        }
    }
    closed && depth == 0 && !in_string
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_cut_of_a_state_is_seen() {
        let state = br#"{"block":{"number":"0x1"},"accounts":{"0x\"}":["a}",[]]},"x":[1,2]}"#;
        assert!(is_whole(state));
        for length in 0..state.len() {
            assert!(!is_whole(&state[..length]), "cut after {length} bytes");
        }
    }

    #[test]
    fn a_cut_state_is_replaced_by_the_whole_copy() {
        let folder = std::env::temp_dir().join(format!("healthsync-xtask-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let state = ChainState::within(&folder);
        state.mend().unwrap();
        fs::write(&state.file, "{\"a\":").unwrap();
        assert!(state.mend().is_err());
        fs::write(&state.copy, "{\"a\":1}").unwrap();
        state.mend().unwrap();
        assert_eq!(fs::read_to_string(&state.file).unwrap(), "{\"a\":1}");
        fs::remove_dir_all(&folder).unwrap();
    }
}
