//! Logs: lines for people on a terminal, JSON elsewhere. Never content, tokens, shares or signatures, and never a
//! person's address together with a room.

use std::io::IsTerminal;

use tracing_subscriber::EnvFilter;

/// Starts logging to standard error.
///
/// # Errors
/// A filter that does not parse, with what would be right.
pub fn start(filter: &str) -> Result<(), String> {
    let filter = EnvFilter::try_new(filter).map_err(|error| {
        format!("HEALTHSYNC_LOG is \"{filter}\": {error}. Write a level such as info, or warn,healthsync_server=debug.")
    })?;
    let lines = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr);
    let started = if std::io::stderr().is_terminal() {
        lines.with_target(false).try_init()
    } else {
        lines.json().flatten_event(true).try_init()
    };
    started.map_err(|error| error.to_string())
}
