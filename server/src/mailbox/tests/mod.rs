//! What is acknowledged stays, in order and without forks: one suite for every kind of database, and what only files
//! go through.

mod crash;
mod damage;
mod postgres;
mod suite;

use healthsync_core::{Envelope, Millis, RoomId};

use super::*;
use crate::test_support::Someone;

const ROOM: RoomId = RoomId([1; 32]);
const NOW: Millis = Millis(1_000);

async fn store(
    mailbox: &Mailbox,
    who: &Someone,
    envelope: &Envelope,
) -> Result<Stored, StoreError> {
    mailbox
        .store(who.person, envelope, &envelope.encode(), NOW)
        .await
}

/// A mailbox in a file, as the server opens it.
async fn open(file: &Path) -> Mailbox {
    Mailbox::open(file).await.expect("opens")
}

#[tokio::test]
async fn the_suite_on_sqlite() {
    for check in suite::ALL {
        let folder = tempfile::tempdir().expect("a folder");
        let mailbox = open(&folder.path().join("m.db")).await;
        check(mailbox.clone()).await;
        mailbox.close().await;
    }
}

#[tokio::test]
async fn what_is_acknowledged_survives_reopening() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("m.db");
    let mut ada = Someone::new(1);
    let first = ada.says(ROOM, "first");
    {
        let mailbox = open(&file).await;
        assert_eq!(
            store(&mailbox, &ada, &first).await.expect("stored"),
            Stored::New
        );
        // No orderly close: the next one must find it all the same.
    }
    let mailbox = open(&file).await;
    assert_eq!(
        mailbox
            .heads(ROOM)
            .await
            .expect("heads")
            .get(&ada.device.public()),
        1
    );
    assert_eq!(
        store(&mailbox, &ada, &first).await.expect("again"),
        Stored::Known
    );
}
