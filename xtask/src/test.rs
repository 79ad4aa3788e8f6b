//! `cargo xtask test`: every suite, one after the other, also after one that failed, and one line at the end.

use std::process::{Command, ExitCode};

use crate::arguments::Arguments;
use crate::process::{Failure, Supervisor, say};
use crate::setup;
use crate::suites::{SUITES, Suite, Tools};
use crate::tally::Tally;
use crate::workspace::Workspace;

/// Runs the suites named, or all; the last line is `N passed, N failed`.
pub(crate) fn test(mut arguments: Arguments) -> Result<ExitCode, Failure> {
    let mut chosen: Vec<Suite> = Vec::new();
    while let Some(name) = arguments.next_word() {
        let suite = SUITES.into_iter().find(|(known, _)| *known == name);
        chosen.push(suite.ok_or_else(|| {
            let names: Vec<&str> = SUITES.iter().map(|(name, _)| *name).collect();
            Failure::new(format!(
                "There is no suite `{name}`. There are: {}.",
                names.join(" ")
            ))
        })?);
    }
    arguments.finish()?;
    let everything = chosen.is_empty();
    if everything {
        chosen.extend(SUITES);
    }

    let workspace = Workspace::find();
    let supervisor = Supervisor::start(None)?;
    let tools = Tools {
        workspace: &workspace,
        supervisor: &supervisor,
    };
    let mut total = Tally::default();
    let mut summary = Vec::new();
    for (name, suite) in chosen {
        let tally = suite(&tools).unwrap_or_else(|failure| {
            say(format!("FAILED: {failure}"));
            Tally::of(false)
        });
        total += tally;
        summary.push((name, tally));
    }
    if everything {
        deny(&workspace, &supervisor)?;
    }
    for (name, Tally { passed, failed }) in summary {
        say(format!("{name:<10} {passed:>5} passed {failed:>5} failed"));
    }
    println!("{} passed, {} failed", total.passed, total.failed);
    Ok(if total.failed == 0 {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

/// Licences, advisories and sources, where cargo-deny is installed. Advisories change from day to day with no change
/// of ours, so this informs and is not counted.
fn deny(workspace: &Workspace, supervisor: &Supervisor) -> Result<(), Failure> {
    if setup::on_path("cargo-deny").is_none() {
        say("cargo-deny is not installed, so licences, advisories and sources were not checked");
        return Ok(());
    }
    let mut command: Command = workspace.cargo();
    command.args(["deny", "check"]);
    let status = supervisor.stream(command, |_| {})?;
    say(format!(
        "cargo deny check {}",
        if status.success() {
            "is content"
        } else {
            "has complaints, see above (not counted)"
        }
    ));
    Ok(())
}
