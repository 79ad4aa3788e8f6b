//! `kill -9` while 1,000 events are being written: every acknowledged one is there afterwards, and the next follows.
//!
//! A few rounds each time; `HEALTHSYNC_CRASH_ROUNDS=50` for as many as a release wants.

use std::io::{BufRead, BufReader, Write};
use std::path::PathBuf;
use std::process::{Command, Stdio};

use healthsync_core::{Envelope, VersionVector};

use super::{ROOM, open, store};
use crate::test_support::Someone;

const WRITES: u64 = 1_000;
const FOLDER: &str = "HEALTHSYNC_CRASH_FOLDER";
const ACKNOWLEDGED: &str = "acknowledged ";

/// The process that is killed: this test, started by the one below.
#[tokio::test]
async fn writer_to_be_killed() {
    let Some(folder) = std::env::var_os(FOLDER) else {
        return;
    };
    let mailbox = open(&PathBuf::from(folder).join("m.db")).await;
    let mut ada = Someone::new(1);
    for n in 1..=WRITES {
        let envelope = ada.says(ROOM, &format!("{n}"));
        store(&mailbox, &ada, &envelope).await.expect("stored");
        let mut out = std::io::stdout().lock();
        writeln!(out, "\n{ACKNOWLEDGED}{n}").expect("said");
        out.flush().expect("said");
    }
}

#[tokio::test]
async fn what_was_acknowledged_before_a_kill_is_there() {
    let rounds = std::env::var("HEALTHSYNC_CRASH_ROUNDS");
    let rounds: u64 = rounds.ok().and_then(|text| text.parse().ok()).unwrap_or(3);
    for round in 0..rounds {
        let folder = tempfile::tempdir().expect("a folder");
        // Spread over the thousand, never the same place twice.
        let kill_at = 1 + (round * 379 + 127) % (WRITES - 1);
        let acknowledged = killed_after(folder.path(), kill_at);
        let mailbox = open(&folder.path().join("m.db")).await;
        let mut have = VersionVector::default();
        let mut found = 0;
        loop {
            let page = mailbox.page(ROOM, &have, 512).await.expect("a page");
            for bytes in &page.envelopes {
                let envelope = Envelope::decode(bytes).expect("whole");
                found += 1;
                assert_eq!(envelope.seq, found, "in order, without a gap");
                have.0.insert(envelope.device, envelope.seq);
            }
            if !page.more {
                break;
            }
        }
        assert!(
            found >= acknowledged,
            "{found} of {acknowledged} acknowledged, round {round}"
        );
        assert!(
            found <= acknowledged + 1,
            "at most the one that was on its way"
        );
        let mut ada = Someone::new(1);
        for n in 1..=found {
            ada.says(ROOM, &format!("{n}"));
        }
        let next = ada.says(ROOM, "after the crash");
        store(&mailbox, &ada, &next).await.expect("goes on");
    }
}

/// Starts the writer, kills it when it has said so often that something is stored; gives the last it has said.
fn killed_after(folder: &std::path::Path, kill_at: u64) -> u64 {
    let mut child = Command::new(std::env::current_exe().expect("this program"))
        .args([
            "--exact",
            "mailbox::tests::crash::writer_to_be_killed",
            "--nocapture",
        ])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("starts");
    let out = BufReader::new(child.stdout.take().expect("piped"));
    let mut last = 0;
    for line in out.lines() {
        let line = line.expect("text");
        let Some(number) = line.strip_prefix(ACKNOWLEDGED) else {
            continue;
        };
        last = number.parse().expect("a number");
        if last == kill_at {
            child.kill().expect("killed");
        }
    }
    child.wait().expect("ended");
    assert!(last >= kill_at);
    last
}
