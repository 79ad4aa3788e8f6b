//! `imaging inspect`, `imaging deidentify` and `imaging check`: what the library does, by command.

mod check;
mod deidentify;
mod input;
mod inspect;

use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use serde_json::Value;

const USAGE: &str = "Usage:
  imaging inspect FILE…
      One JSON line per file (of a folder or ZIP archive, per file in it): what it is, and a digest of its pixels.

  imaging deidentify IN OUT [OPTION…]
      Cleans the file IN into the file OUT, or all files of the folder or ZIP archive IN into the folder OUT under new
      names, and prints a receipt as JSON. Where it refuses one file it writes none: exit status 2, and the reason.
      --reviewed                         you have looked at every picture for names in it
      --mask LEFT,TOP,RIGHT,BOTTOM       paint over this box in all frames (pixels; again for more boxes)
      --keep-dates | --shift-dates DAYS  instead of removing dates
      --retain-uids --retain-patient-characteristics --retain-device --retain-institution

  imaging check RECEIPT FILE…
      Checks cleaned files against their receipt: digests, pixels, and that nothing is left which had to go.";

/// Where something is refused, nothing is in OUT.
const REFUSED: u8 = 2;

fn main() -> ExitCode {
    let words: Vec<String> = std::env::args_os()
        .skip(1)
        .map(|word| word.to_string_lossy().into_owned())
        .collect();
    let paths = || words[1..].iter().map(PathBuf::from);
    match (words.first().map(String::as_str), words.len()) {
        (Some("inspect"), 2..) => {
            for path in paths() {
                input::for_each(&path, &mut |file| say(&inspect::line(file)));
            }
            ExitCode::SUCCESS
        }
        (Some("deidentify"), 3..) => match deidentify::options(&words[1..]) {
            Ok((options, paths)) => match paths.as_slice() {
                [input, out] => answer(deidentify::run(options, input, out)),
                _ => usage(),
            },
            Err(error) => refuse(&error),
        },
        (Some("check"), 3..) => {
            let files: Vec<PathBuf> = paths().skip(1).collect();
            match check::check(Path::new(&words[1]), &files, &mut |line| say(&line)) {
                Ok(true) => ExitCode::SUCCESS,
                Ok(false) => ExitCode::from(REFUSED),
                Err(error) => refuse(&error),
            }
        }
        (Some("--help" | "-h" | "help"), _) => {
            println!("{USAGE}");
            ExitCode::SUCCESS
        }
        _ => usage(),
    }
}

fn usage() -> ExitCode {
    eprintln!("{USAGE}");
    ExitCode::FAILURE
}

fn answer(outcome: Result<Value, String>) -> ExitCode {
    match outcome {
        Ok(receipt) => {
            say(&receipt);
            ExitCode::SUCCESS
        }
        Err(reason) => refuse(&reason),
    }
}

fn refuse(reason: &str) -> ExitCode {
    eprintln!("{reason}");
    ExitCode::from(REFUSED)
}

/// One line on stdout; a reader that has gone away is no error of ours.
fn say(line: &Value) {
    let _ = writeln!(std::io::stdout(), "{line}");
}
