//! Counts tests by what each runner prints of them: cargo's `test result:` lines, the totals of TAP and of node's
//! spec reporter (`# pass 3`, `ℹ pass 3`), and a plain `3 passed, 0 failed` line.

use std::ops::AddAssign;

/// How many tests have passed and failed.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) passed: u64,
    pub(crate) failed: u64,
}

impl Tally {
    /// One check.
    pub(crate) fn of(passed: bool) -> Self {
        Self {
            passed: u64::from(passed),
            failed: u64::from(!passed),
        }
    }
}

impl AddAssign for Tally {
    fn add_assign(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }
}

/// Reads the output of one runner.
#[derive(Debug, Default)]
pub(crate) struct Counter {
    counted: Tally,
    /// A runner that ends with one plain line of its own has counted everything above it already.
    plain: Option<Tally>,
}

impl Counter {
    /// Takes one line of output.
    pub(crate) fn see(&mut self, line: &str) {
        let line = without_colour(line);
        let line = line.trim();
        if let Some(result) = line.strip_prefix("test result: ") {
            let counts = result.split_once(". ").map_or(result, |(_, counts)| counts);
            for part in counts.split(';') {
                match words(part).as_slice() {
                    [number, "passed"] => self.counted.passed += number.parse().unwrap_or(0),
                    [number, "failed"] => self.counted.failed += number.parse().unwrap_or(0),
                    _ => {}
                }
            }
            return;
        }
        match words(line).as_slice() {
            ["#" | "ℹ", "pass", number] => self.counted.passed += number.parse().unwrap_or(0),
            ["#" | "ℹ", "fail" | "cancelled", number] => {
                self.counted.failed += number.parse().unwrap_or(0)
            }
            [passed, "passed,", failed, "failed"] => {
                if let (Ok(passed), Ok(failed)) = (passed.parse(), failed.parse()) {
                    self.plain = Some(Tally { passed, failed });
                }
            }
            _ => {}
        }
    }

    /// What was counted. A runner that failed without naming a test (it did not build, it crashed) is one failure;
    /// so is one that succeeded without having run anything.
    pub(crate) fn total(&self, succeeded: bool) -> Tally {
        let mut total = self.plain.unwrap_or(self.counted);
        if total.failed == 0 && (!succeeded || total.passed == 0) {
            total.failed = 1;
        }
        total
    }
}

fn words(line: &str) -> Vec<&str> {
    line.split_whitespace().collect()
}

/// The line without terminal colours.
fn without_colour(line: &str) -> String {
    let mut plain = String::with_capacity(line.len());
    let mut characters = line.chars();
    while let Some(character) = characters.next() {
        if character == '\u{1b}' {
            // CSI sequences end with a letter.
            for following in characters.by_ref() {
                if following.is_ascii_alphabetic() {
                    break;
                }
            }
        } else {
            plain.push(character);
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;

    fn count(lines: &[&str], succeeded: bool) -> Tally {
        let mut counter = Counter::default();
        lines.iter().for_each(|line| counter.see(line));
        counter.total(succeeded)
    }

    #[test]
    fn adds_up_what_cargo_says() {
        let lines = [
            "test result: ok. 3 passed; 0 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.01s",
            "test result: \u{1b}[31mFAILED\u{1b}[0m. 4 passed; 2 failed; 0 ignored; 0 measured; 0 filtered out",
        ];
        assert_eq!(
            count(&lines, false),
            Tally {
                passed: 7,
                failed: 2
            }
        );
    }

    #[test]
    fn reads_both_reporters_of_node() {
        let tap = [
            "ok 1 - a",
            "# tests 5",
            "# pass 4",
            "# fail 1",
            "# cancelled 0",
        ];
        assert_eq!(
            count(&tap, false),
            Tally {
                passed: 4,
                failed: 1
            }
        );
        assert_eq!(
            count(&["\u{1b}[34mℹ pass 2\u{1b}[39m", "ℹ fail 0"], true),
            Tally {
                passed: 2,
                failed: 0
            }
        );
    }

    #[test]
    fn a_plain_line_counts_for_everything_above_it() {
        assert_eq!(
            count(&["# pass 4", "# fail 0", "12 passed, 0 failed"], true),
            Tally {
                passed: 12,
                failed: 0
            }
        );
    }

    #[test]
    fn silence_and_crashes_are_failures() {
        assert_eq!(
            count(&[], true),
            Tally {
                passed: 0,
                failed: 1
            }
        );
        assert_eq!(
            count(&["error: could not compile"], false),
            Tally {
                passed: 0,
                failed: 1
            }
        );
        assert_eq!(
            count(&["test result: ok. 3 passed; 0 failed;"], false),
            Tally {
                passed: 3,
                failed: 1
            }
        );
    }
}
