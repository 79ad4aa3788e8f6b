//! Files that are cut short or are none, and a disk that is full: each has a sentence, and nothing is made worse.

use std::fs;

use clap::Parser;
use sqlx::Executor;

use super::{ROOM, open, store};
use crate::database::{Database, OpenError};
use crate::mailbox::{Mailbox, StoreError, Stored};
use crate::services::Services;
use crate::settings::Settings;
use crate::test_support::Someone;

#[tokio::test]
async fn a_file_that_is_cut_short_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("m.db");
    let mailbox = open(&file).await;
    let mut ada = Someone::new(1);
    for n in 0..200 {
        let envelope = ada.says(ROOM, &format!("{n}"));
        store(&mailbox, &ada, &envelope).await.expect("stored");
    }
    mailbox.close().await;
    let whole = fs::metadata(&file).expect("there").len();
    let half = whole / 2;
    fs::File::options()
        .write(true)
        .open(&file)
        .and_then(|open| open.set_len(half))
        .expect("cut");
    let refused = Database::open(&file).await.err();
    let Some(OpenError::CutShort { expected, found }) = refused else {
        panic!("{refused:?}");
    };
    assert_eq!((expected, found), (whole, half));
    assert_eq!(
        fs::metadata(&file).expect("there").len(),
        half,
        "left alone"
    );
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_alone() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("m.db");
    let text = "not a database, but somebody's notes. ".repeat(200);
    fs::write(&file, &text).expect("written");
    let refused = Database::open(&file).await.err();
    assert!(
        matches!(refused, Some(OpenError::Damaged(_))),
        "{refused:?}"
    );
    assert_eq!(fs::read_to_string(&file).expect("there"), text);
}

#[tokio::test]
async fn a_damaged_embedded_file_is_named_also_where_the_mailbox_is_elsewhere() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("healthsync.db");
    fs::write(&file, "somebody's notes. ".repeat(200)).expect("written");
    let data = folder.path().display().to_string();
    let url = "postgres://hs:5ecr3t@127.0.0.1:9/hs";
    let args = ["healthsync", "--data-dir", &data, "--database-url", url];
    let settings = Settings::parse_from(args);
    let started = Services::start(settings, ([127, 0, 0, 1], 3000).into()).await;
    let why = started.expect_err("refused").to_string();
    assert!(why.contains(&file.display().to_string()), "{why}");
    assert!(
        !why.contains("postgres") && !why.contains("5ecr3t"),
        "{why}"
    );
}

#[tokio::test]
async fn a_full_disk_is_said_and_what_was_stored_stays() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("m.db");
    let mailbox = open(&file).await;
    let mut ada = Someone::new(1);
    let mut stored = Vec::new();
    let first = ada.says(ROOM, "first");
    assert_eq!(
        store(&mailbox, &ada, &first).await.expect("stored"),
        Stored::New
    );
    stored.push(first);
    // SQLite's own way to be short of space: no page more than there are.
    limit_pages(&mailbox, 1).await;
    let refused = loop {
        let envelope = ada.says(ROOM, &"x".repeat(2_000));
        match store(&mailbox, &ada, &envelope).await {
            Ok(_) => stored.push(envelope),
            Err(error) => break (envelope, error),
        }
    };
    assert!(matches!(refused.1, StoreError::Full), "{:?}", refused.1);
    limit_pages(&mailbox, 1_000_000).await;
    assert_eq!(
        store(&mailbox, &ada, &refused.0).await.expect("now"),
        Stored::New
    );
    let page = mailbox
        .page(ROOM, &Default::default(), 512)
        .await
        .expect("a page");
    let expected: Vec<_> = stored
        .iter()
        .chain([&refused.0])
        .map(|e| e.encode())
        .collect();
    assert_eq!(page.envelopes, expected);
}

async fn limit_pages(mailbox: &Mailbox, pages: u32) {
    let pragma = format!("PRAGMA max_page_count = {pages}");
    let mut connection = mailbox.pools.write.acquire().await.expect("a connection");
    connection
        .execute(sqlx::AssertSqlSafe(pragma))
        .await
        .expect("set");
}
