//! `healthsync verify FILE`: re-counts the result file of a closed poll, says in sentences what holds and what fails,
//! and ends with 0 (verified), 1 (not verified) or 2 (nothing could be checked). No server has to run for it.

use std::io::Read;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use clap::Args;
use healthsync_core::bundle::{self, Check, CheckState, Report, Rule};
use healthsync_core::{Person, RegistryAt, limits};
use reqwest::Url;

use crate::chain::{Chain, ChainError};
use crate::settings;

/// Re-count the result file of a closed poll.
#[derive(Args, Clone, Debug)]
pub struct Verify {
    /// The file, or - for what comes by standard input.
    file: PathBuf,

    /// Print the whole report as JSON instead of sentences.
    #[arg(long)]
    json: bool,

    /// JSON-RPC URL of the chain that the file names: asks its registry whether the readers were on the room's list at
    /// the block that the closer names. Needs a node that still has that block's state.
    #[arg(long, value_parser = settings::rpc_url)]
    rpc: Option<Url>,
}

impl Verify {
    /// Does it; prints to standard output, and to standard error what hinders it.
    pub async fn run(self) -> ExitCode {
        let report = read(&self.file)
            .and_then(|bytes| bundle::verify(&bytes).map_err(|error| error.to_string()));
        let mut report = match report {
            Ok(report) => report,
            Err(why) => {
                eprintln!("Nothing could be checked: {why}");
                return ExitCode::from(2);
            }
        };
        if let (Some(rpc), Some(at)) = (self.rpc, report.registry) {
            match missing(rpc, &report, at).await {
                Ok(missing) => report.enter_membership(Some(&missing)),
                Err(error) => eprintln!(
                    "The chain could not be asked about members: {error}. Everything else was checked."
                ),
            }
        }
        let text = if self.json {
            serde_json::to_string_pretty(&report).unwrap_or_default()
        } else {
            sentences(&report)
        };
        println!("{text}");
        ExitCode::from(u8::from(!report.verified))
    }
}

/// At most a little more than a bundle may have: the rest would not be read anyway.
fn read(file: &Path) -> Result<Vec<u8>, String> {
    let most = limits::BUNDLE_BYTES as u64 + 1;
    let mut bytes = Vec::new();
    let read = if file == Path::new("-") {
        std::io::stdin().take(most).read_to_end(&mut bytes)
    } else {
        std::fs::File::open(file).and_then(|open| open.take(most).read_to_end(&mut bytes))
    };
    read.map_err(|error| format!("{} cannot be read: {error}.", file.display()))?;
    Ok(bytes)
}

/// Who of the report's people was not on the list.
async fn missing(rpc: Url, report: &Report, at: RegistryAt) -> Result<Vec<Person>, ChainError> {
    // Fails only when a provider is installed already, which is then the same.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let chain = Chain::new(
        reqwest::Client::new(),
        rpc,
        report.chain_id,
        Some(at.address),
    );
    chain.check().await?;
    let mut missing = Vec::new();
    for person in &report.people {
        if !chain.was_allowed(report.room, *person, at.block).await? {
            missing.push(*person);
        }
    }
    Ok(missing)
}

fn sentences(report: &Report) -> String {
    let mut lines = vec![report.headline() + ".", String::new()];
    for check in &report.checks {
        lines.extend(check_lines(check, report));
    }
    lines.push(String::new());
    if let Some(question) = &report.question {
        lines.push(format!("Question: {}", shown(question)));
    }
    for (text, count) in &report.options {
        lines.push(format!("{count:>5}  {}", shown(text)));
    }
    let late = report.late.len();
    if late > 0 {
        lines.push(format!(
            "Left out, because the close does not certify them: {late}."
        ));
    }
    lines.push(format!(
        "SHA-256 of the file: {}",
        hex::encode(report.digest)
    ));
    lines.join("\n")
}

fn check_lines(check: &Check, report: &Report) -> Vec<String> {
    let mark = match check.state {
        CheckState::Good => "holds",
        CheckState::Bad => "FAILS",
        CheckState::NotChecked => "open ",
    };
    let found = match (check.rule, check.state) {
        (_, CheckState::NotChecked) => "not checked".to_owned(),
        (Rule::Tally, _) => report.counts(),
        _ => format!("{} of {}", check.good, check.of),
    };
    let mut lines = vec![format!("{mark}  {}: {found}", check.rule.sentence())];
    let failures = report.failures.iter().filter(|f| f.rule == check.rule);
    lines.extend(failures.map(|failure| format!("       {}", failure.what)));
    if check.state == CheckState::NotChecked {
        lines.push(match report.registry {
            Some(at) => format!(
                "       The file names block {} of registry {} on chain {}; --rpc URL asks it.",
                at.block,
                at.address.checksummed(),
                report.chain_id
            ),
            None => {
                "       The closer could not ask the chain, so the file names no block.".to_owned()
            }
        });
    }
    lines
}

/// Text of others on a terminal: one line, nothing that moves the cursor or turns the reading direction.
fn shown(text: &str) -> String {
    text.chars()
        .map(|c| {
            let turns = matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200e}' | '\u{200f}');
            if c.is_control() || turns { '\u{fffd}' } else { c }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_of_others_cannot_move_the_cursor() {
        assert_eq!(
            shown("a\u{1b}[2Jb\u{202e}c\n"),
            "a\u{fffd}[2Jb\u{fffd}c\u{fffd}"
        );
    }
}
