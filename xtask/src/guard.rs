//! The guard: a second process that notices when xtask is gone, however it went (also `kill -9`), and then stops the
//! process groups that xtask had started and not yet stopped. It reads `+GROUP` and `-GROUP` lines; the end of its
//! input is the end of xtask. Its standard output is the lock of the data folder, held until it is done.

use std::io::BufRead;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::process::{GRACE, exists, signal};

/// Runs until xtask ends; stops what it has left.
pub(crate) fn guard() -> ExitCode {
    let mut groups: Vec<u32> = Vec::new();
    for line in std::io::stdin().lock().lines() {
        let Ok(line) = line else { break };
        match line
            .split_at_checked(1)
            .map(|(sign, rest)| (sign, rest.parse::<u32>()))
        {
            Some(("+", Ok(group))) => groups.push(group),
            Some(("-", Ok(group))) => groups.retain(|known| *known != group),
            _ => return ExitCode::FAILURE,
        }
    }
    for group in groups.into_iter().rev() {
        signal(group, Signal::TERM);
        let deadline = Instant::now() + GRACE;
        while alive(group) && Instant::now() < deadline {
            // Not our child, so there is nothing to wait on: look again soon.
            std::thread::sleep(Duration::from_millis(20));
        }
        signal(group, Signal::KILL);
    }
    ExitCode::SUCCESS
}

/// Whether the group still has a process that does something. A leader that nobody collects stays as a zombie.
fn alive(group: u32) -> bool {
    if !exists(group) {
        return false;
    }
    match std::fs::read_to_string(format!("/proc/{group}/stat")) {
        Ok(stat) => !stat
            .rsplit(')')
            .next()
            .is_some_and(|rest| rest.trim_start().starts_with('Z')),
        Err(_) => true,
    }
}
