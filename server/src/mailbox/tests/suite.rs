//! What every kind of database has to do the same way. Each check gets an empty mailbox.

use std::future::Future;
use std::pin::Pin;

use healthsync_core::{Envelope, Millis, RoomId, VersionVector};

use super::{NOW, ROOM, store};
use crate::mailbox::{KnownDevice, Mailbox, PERSON_QUOTA, Page, StoreError, Stored};
use crate::test_support::Someone;

type Check = fn(Mailbox) -> Pin<Box<dyn Future<Output = ()> + Send>>;

const DAY: u64 = 24 * 60 * 60 * 1000;

pub(super) const ALL: [Check; 9] = [
    |mailbox| Box::pin(forks_and_gaps_are_refused(mailbox)),
    |mailbox| Box::pin(pages_hold_what_is_missed_each_device_in_order(mailbox)),
    |mailbox| Box::pin(the_newest_come_first_with_what_makes_them_count(mailbox)),
    |mailbox| Box::pin(one_envelope_twice_at_once_is_stored_once(mailbox)),
    |mailbox| Box::pin(many_devices_at_once(mailbox)),
    |mailbox| Box::pin(a_person_has_a_quota_in_each_room(mailbox)),
    |mailbox| Box::pin(devices_are_remembered_and_renewed(mailbox)),
    |mailbox| Box::pin(revoked_devices_stay_revoked(mailbox)),
    |mailbox| Box::pin(silent_rooms_are_forgotten_and_go_on(mailbox)),
    |mailbox| Box::pin(a_room_is_kept_as_long_as_its_owner_said_last(mailbox)),
];

async fn forks_and_gaps_are_refused(mailbox: Mailbox) {
    let (mut ada, mut twin) = (Someone::new(1), Someone::new(1));
    let (first, second) = (ada.says(ROOM, "one"), ada.says(ROOM, "two"));
    assert!(matches!(
        store(&mailbox, &ada, &second).await,
        Err(StoreError::Gap { seq: 2, head: 0 })
    ));
    assert_eq!(
        store(&mailbox, &ada, &first).await.expect("stored"),
        Stored::New
    );
    assert_eq!(
        store(&mailbox, &ada, &first).await.expect("again"),
        Stored::Known
    );
    let fork = twin.says(ROOM, "another one");
    assert!(matches!(
        store(&mailbox, &ada, &fork).await,
        Err(StoreError::Fork { seq: 1 })
    ));
    assert_eq!(
        store(&mailbox, &ada, &second).await.expect("stored"),
        Stored::New
    );
    assert_eq!(mailbox.count().await.expect("a count"), 2);
    let page = mailbox.page(ROOM, &VersionVector::default(), 10).await;
    let expected = Page {
        envelopes: vec![first.encode(), second.encode()],
        more: false,
    };
    assert_eq!(page.expect("a page"), expected);
}

async fn pages_hold_what_is_missed_each_device_in_order(mailbox: Mailbox) {
    let (mut ada, mut ben) = (Someone::new(1), Someone::new(2));
    for n in 0..20 {
        let who = if n % 3 == 0 { &mut ben } else { &mut ada };
        let envelope = who.says(ROOM, &format!("{n}"));
        store(&mailbox, who, &envelope).await.expect("stored");
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
    for room in [ROOM, RoomId([2; 32])] {
        let page = mailbox.page(room, &have, 3).await.expect("a page");
        assert_eq!(page, Page::default());
    }
}

async fn the_newest_come_first_with_what_makes_them_count(mailbox: Mailbox) {
    let (mut ada, mut ben) = (Someone::new(1), Someone::new(2));
    for n in 0..20 {
        let who = if n < 5 { &mut ben } else { &mut ada };
        let envelope = who.says(ROOM, &format!("{n}"));
        store(&mailbox, who, &envelope).await.expect("stored");
    }
    let heads = mailbox.heads(ROOM).await.expect("heads");
    let numbers = |page: &Page, who: &Someone| -> Vec<u64> {
        let envelopes = page.envelopes.iter().map(|bytes| Envelope::decode(bytes));
        let envelopes = envelopes.map(|envelope| envelope.expect("as stored"));
        envelopes
            .filter(|envelope| envelope.device == who.device.public())
            .map(|envelope| envelope.seq)
            .collect()
    };
    let none = VersionVector::default();
    let page = mailbox
        .newest(ROOM, &none, &heads, 3)
        .await
        .expect("a page");
    assert_eq!(numbers(&page, &ada), [15, 14, 13, 1]);
    assert!(
        numbers(&page, &ben).is_empty(),
        "nothing of hers is needed yet"
    );
    assert!(page.more);

    let after = VersionVector([(ada.device.public(), 1)].into());
    let upto = VersionVector([(ada.device.public(), 3), (ben.device.public(), 5)].into());
    let page = mailbox
        .newest(ROOM, &after, &upto, 4)
        .await
        .expect("a page");
    assert_eq!(numbers(&page, &ada), [3, 2]);
    assert_eq!(numbers(&page, &ben), [5, 4, 1]);
    assert!(page.more);
    let page = mailbox
        .newest(ROOM, &heads, &heads, 4)
        .await
        .expect("a page");
    assert_eq!(page, Page::default());
}

async fn one_envelope_twice_at_once_is_stored_once(mailbox: Mailbox) {
    let mut ada = Someone::new(1);
    let envelope = ada.says(ROOM, "once");
    let tries = (0..8).map(|_| store(&mailbox, &ada, &envelope));
    let all = futures::future::join_all(tries).await;
    let new = all.iter().filter(|one| matches!(one, Ok(Stored::New)));
    assert_eq!(new.count(), 1);
    assert!(all.iter().all(Result::is_ok), "{all:?}");
    assert_eq!(mailbox.count().await.expect("a count"), 1);
}

async fn many_devices_at_once(mailbox: Mailbox) {
    let writers = (1..=12u8).map(|n| {
        let mailbox = mailbox.clone();
        async move {
            let mut who = Someone::new(n);
            for word in 0..10 {
                let envelope = who.says(ROOM, &format!("{word}"));
                store(&mailbox, &who, &envelope).await.expect("stored");
            }
        }
    });
    futures::future::join_all(writers).await;
    let heads = mailbox.heads(ROOM).await.expect("heads");
    assert_eq!(heads.0.len(), 12);
    assert!(heads.0.values().all(|head| *head == 10));
}

async fn a_person_has_a_quota_in_each_room(mailbox: Mailbox) {
    let mut ada = Someone::new(1);
    let first = ada.says(ROOM, "first");
    // The rest of the quota in one go; the store counts bytes, it does not read them.
    let filler = vec![0; PERSON_QUOTA as usize - first.encode().len()];
    assert!(
        mailbox
            .store(ada.person, &first, &first.encode(), NOW)
            .await
            .is_ok()
    );
    let second = ada.says(ROOM, "second");
    assert!(
        mailbox
            .store(ada.person, &second, &filler, NOW)
            .await
            .is_ok()
    );
    let third = ada.says(ROOM, "third");
    let refused = mailbox
        .store(ada.person, &third, &third.encode(), NOW)
        .await;
    assert!(matches!(refused, Err(StoreError::Quota(_))), "{refused:?}");
    let mut ben = Someone::new(2);
    let his = ben.says(ROOM, "his own");
    assert!(store(&mailbox, &ben, &his).await.is_ok());
}

async fn devices_are_remembered_and_renewed(mailbox: Mailbox) {
    let ada = Someone::new(1);
    let device = ada.device.public();
    assert_eq!(mailbox.device(device).await.expect("asked"), None);
    for expires_at in [100, 200] {
        let known = KnownDevice {
            person: ada.person,
            expires_at,
        };
        mailbox.remember_device(device, known).await.expect("kept");
        assert_eq!(mailbox.device(device).await.expect("asked"), Some(known));
    }
}

async fn revoked_devices_stay_revoked(mailbox: Mailbox) {
    let (ada, eve) = (Someone::new(1), Someone::new(2));
    let device = ada.device.public();
    let revocation = ada.revokes(device).revocation;
    let stranger = mailbox.revoke_device(&revocation).await.expect("asked");
    assert!(!stranger, "she has no device here");
    let known = KnownDevice {
        person: ada.person,
        expires_at: 100,
    };
    mailbox.remember_device(device, known).await.expect("kept");
    for _ in 0..2 {
        assert!(mailbox.revoke_device(&revocation).await.expect("kept"));
    }
    // A renewed delegation does not bring it back.
    let renewed = KnownDevice {
        expires_at: 200,
        ..known
    };
    mailbox
        .remember_device(device, renewed)
        .await
        .expect("kept");
    let is_revoked = async |person| mailbox.is_revoked(device, person).await.expect("asked");
    assert!(is_revoked(ada.person).await);
    assert!(!is_revoked(eve.person).await, "for her it never spoke");
}

async fn a_room_is_kept_as_long_as_its_owner_said_last(mailbox: Mailbox) {
    let mut ada = Someone::new(1);
    let other = RoomId([9; 32]);
    for room in [ROOM, other] {
        let mut someone = Someone::new(1);
        let envelope = someone.says(room, "a word");
        store(&mailbox, &someone, &envelope).await.expect("stored");
    }
    ada.says(ROOM, "a word");
    let keep = async |days, said_at| {
        let taken = mailbox.keep_room_for(ROOM, days, Millis(said_at));
        taken.await.expect("asked")
    };
    let kept_for = async || mailbox.room_kept_for(ROOM).await.expect("asked");
    assert_eq!(kept_for().await, None);
    assert!(keep(Some(2), 10).await);
    assert!(keep(None, 20).await);
    assert!(!keep(Some(2), 20).await, "said before, or again");
    let after = |days: u64| Millis(NOW.0 + days * DAY + 1);
    let forget = async |now| mailbox.forget_silent(now, Some(30)).await.expect("done");
    assert_eq!((kept_for().await, forget(after(2)).await), (None, 0));
    assert!(keep(Some(2), 30).await);
    assert_eq!(kept_for().await, Some(2));
    assert_eq!(forget(Millis(after(2).0 - 1)).await, 0);
    assert_eq!(forget(after(2)).await, 1, "this room and no other");
    // The operator's limit holds for a room whose owner wants it longer.
    let again = ada.says(ROOM, "and on");
    store(&mailbox, &ada, &again).await.expect("stored");
    assert!(keep(Some(60), 40).await);
    assert_eq!(forget(after(30)).await, 2);
}

async fn silent_rooms_are_forgotten_and_go_on(mailbox: Mailbox) {
    let other = RoomId([9; 32]);
    let (mut ada, mut ben) = (Someone::new(1), Someone::new(2));
    for n in 0..3 {
        let envelope = ada.says(ROOM, &format!("{n}"));
        store(&mailbox, &ada, &envelope).await.expect("stored");
    }
    let lively = ben.says(other, "still here");
    let later = Millis(NOW.0 + 10);
    let stored = mailbox
        .store(ben.person, &lively, &lively.encode(), later)
        .await;
    assert!(stored.is_ok());
    let silent = async |since: Millis, days| {
        let now = Millis(since.0 + DAY);
        mailbox.forget_silent(now, days).await.expect("done")
    };
    assert_eq!(silent(later, None).await, 0, "nobody wants it");
    assert_eq!(silent(NOW, Some(1)).await, 0);
    assert_eq!(silent(later, Some(1)).await, 3);
    let none = VersionVector::default();
    assert_eq!(
        mailbox.page(ROOM, &none, 9).await.expect("a page"),
        Page::default()
    );
    assert_eq!(
        mailbox
            .page(other, &none, 9)
            .await
            .expect("a page")
            .envelopes
            .len(),
        1
    );
    // The device goes on with its next number, and can't say something else under an old one.
    let mut twin = Someone::new(1);
    let rewritten = twin.says(ROOM, "rewritten");
    assert!(matches!(
        store(&mailbox, &ada, &rewritten).await,
        Err(StoreError::Fork { seq: 1 })
    ));
    let fourth = ada.says(ROOM, "and on");
    assert!(store(&mailbox, &ada, &fourth).await.is_ok());
    let page = mailbox.page(ROOM, &none, 9).await.expect("a page");
    assert_eq!(page.envelopes, [fourth.encode()]);
}
