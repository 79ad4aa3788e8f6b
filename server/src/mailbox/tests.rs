//! What is acknowledged stays, in order and without forks.

use healthsync_core::{Millis, RoomId, VersionVector};

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

#[tokio::test]
async fn what_is_acknowledged_survives_reopening() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("m.db");
    let mut ada = Someone::new(1);
    let first = ada.says(ROOM, "first");
    {
        let mailbox = Mailbox::open(&file).await.expect("opens");
        assert_eq!(
            store(&mailbox, &ada, &first).await.expect("stored"),
            Stored::New
        );
        // No orderly close: the next one must find it all the same.
    }
    let mailbox = Mailbox::open(&file).await.expect("opens again");
    assert_eq!(
        mailbox
            .heads(ROOM)
            .await
            .expect("heads")
            .get(&ada.device.public()),
        1
    );
    let page = mailbox
        .page(ROOM, &VersionVector::default(), 10)
        .await
        .expect("a page");
    assert_eq!(
        page,
        Page {
            envelopes: vec![first.encode()],
            more: false
        }
    );
    assert_eq!(
        store(&mailbox, &ada, &first).await.expect("again"),
        Stored::Known
    );
    assert_eq!(mailbox.count().await.expect("a count"), 1);
}

#[tokio::test]
async fn forks_and_gaps_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let mailbox = Mailbox::open(&folder.path().join("m.db"))
        .await
        .expect("opens");
    let (mut ada, mut twin) = (Someone::new(1), Someone::new(1));
    let (first, second) = (ada.says(ROOM, "one"), ada.says(ROOM, "two"));
    assert!(matches!(
        store(&mailbox, &ada, &second).await,
        Err(StoreError::Gap { seq: 2, head: 0 })
    ));
    store(&mailbox, &ada, &first).await.expect("stored");
    let fork = twin.says(ROOM, "another one");
    assert!(matches!(
        store(&mailbox, &ada, &fork).await,
        Err(StoreError::Fork { seq: 1 })
    ));
    store(&mailbox, &ada, &second).await.expect("stored");
}

#[tokio::test]
async fn pages_hold_what_is_missed_each_device_in_order() {
    let folder = tempfile::tempdir().expect("a folder");
    let mailbox = Mailbox::open(&folder.path().join("m.db"))
        .await
        .expect("opens");
    let (mut ada, mut ben) = (Someone::new(1), Someone::new(2));
    let mut all = Vec::new();
    for n in 0..20 {
        let who = if n % 3 == 0 { &mut ben } else { &mut ada };
        let envelope = who.says(ROOM, &format!("{n}"));
        store(&mailbox, who, &envelope).await.expect("stored");
        all.push(envelope);
    }
    let mut have = VersionVector::default();
    let mut got = 0;
    loop {
        let page = mailbox.page(ROOM, &have, 3).await.expect("a page");
        for bytes in &page.envelopes {
            let envelope = Envelope::decode(bytes).expect("as stored");
            let head = have.0.entry(envelope.device).or_default();
            assert_eq!(envelope.seq, *head + 1, "no gap within a device");
            *head = envelope.seq;
            got += 1;
        }
        if !page.more {
            break;
        }
    }
    assert_eq!(got, 20);
    assert!(
        mailbox
            .page(ROOM, &have, 3)
            .await
            .expect("a page")
            .envelopes
            .is_empty()
    );
    assert!(
        mailbox
            .page(RoomId([2; 32]), &have, 3)
            .await
            .expect("a page")
            .envelopes
            .is_empty()
    );
}
