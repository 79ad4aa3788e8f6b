//! The words after `cargo xtask`: flags with and without a value, and what is left over is refused by name.

use std::collections::VecDeque;
use std::ffi::OsString;
use std::path::PathBuf;
use std::str::FromStr;

use crate::process::Failure;

/// What is still unread of the command line.
#[derive(Debug)]
pub(crate) struct Arguments {
    words: VecDeque<OsString>,
}

impl Arguments {
    pub(crate) fn from_command_line() -> Self {
        Self {
            words: std::env::args_os().skip(1).collect(),
        }
    }

    /// The next word when it is not a flag; `-h` and `--help` ask for help anywhere.
    pub(crate) fn next_word(&mut self) -> Option<String> {
        let word = self.words.front()?.to_str()?.to_owned();
        if word == "-h" || word == "--help" {
            return Some("help".to_owned());
        }
        if word.starts_with('-') {
            return None;
        }
        self.words.pop_front();
        Some(word)
    }

    /// Whether the next word is this one; it stays unread.
    pub(crate) fn is_next(&self, word: &str) -> bool {
        self.words.front().is_some_and(|next| next == word)
    }

    /// Whether `name` is given.
    pub(crate) fn flag(&mut self, name: &str) -> bool {
        let before = self.words.len();
        self.words.retain(|word| word != name);
        self.words.len() < before
    }

    fn raw_value(&mut self, name: &str) -> Result<Option<OsString>, Failure> {
        let prefix = format!("{name}=");
        for at in 0..self.words.len() {
            if self.words[at] == name {
                self.words.remove(at);
                return match self.words.remove(at) {
                    Some(value) => Ok(Some(value)),
                    None => Err(Failure::new(format!("{name} needs a value after it."))),
                };
            }
            if let Some(value) = self.words[at]
                .to_str()
                .and_then(|word| word.strip_prefix(&prefix))
            {
                let value = OsString::from(value);
                self.words.remove(at);
                return Ok(Some(value));
            }
        }
        Ok(None)
    }

    /// The value of `name` as a path.
    pub(crate) fn path(&mut self, name: &str) -> Result<Option<PathBuf>, Failure> {
        Ok(self.raw_value(name)?.map(PathBuf::from))
    }

    /// The value of `name`; `right` says what a good value looks like.
    pub(crate) fn value<T: FromStr>(
        &mut self,
        name: &str,
        right: &str,
    ) -> Result<Option<T>, Failure> {
        let Some(raw) = self.raw_value(name)? else {
            return Ok(None);
        };
        raw.to_str()
            .and_then(|text| text.parse().ok())
            .map(Some)
            .ok_or_else(|| {
                Failure::new(format!(
                    "{name} is `{}`; it must be {right}.",
                    raw.to_string_lossy()
                ))
            })
    }

    /// Everything unread, as it came.
    pub(crate) fn rest(self) -> Vec<OsString> {
        self.words.into()
    }

    /// Refuses what nobody has read.
    pub(crate) fn finish(self) -> Result<(), Failure> {
        match self.words.front() {
            None => Ok(()),
            Some(word) => Err(Failure::new(format!(
                "`{}` is not known here. `cargo xtask` lists what is.",
                word.to_string_lossy()
            ))),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn arguments(words: &[&str]) -> Arguments {
        Arguments {
            words: words.iter().map(OsString::from).collect(),
        }
    }

    #[test]
    fn reads_flags_and_values_in_any_order() {
        let mut given = arguments(&["--release", "--port", "3001", "--data=here"]);
        assert_eq!(given.path("--data").unwrap(), Some(PathBuf::from("here")));
        assert_eq!(given.value::<u16>("--port", "a port").unwrap(), Some(3001));
        assert!(given.flag("--release"));
        assert!(given.finish().is_ok());
    }

    #[test]
    fn a_bad_value_is_refused_with_name_value_and_what_is_right() {
        let mut given = arguments(&["--port", "70000"]);
        let refused = given
            .value::<u16>("--port", "a port from 1 to 65535")
            .unwrap_err();
        assert_eq!(
            refused.to_string(),
            "--port is `70000`; it must be a port from 1 to 65535."
        );
        assert!(
            arguments(&["--port"])
                .value::<u16>("--port", "a port")
                .is_err()
        );
    }

    #[test]
    fn what_nobody_reads_is_refused() {
        assert!(
            arguments(&["--prot", "1"])
                .finish()
                .unwrap_err()
                .to_string()
                .contains("--prot")
        );
    }
}
