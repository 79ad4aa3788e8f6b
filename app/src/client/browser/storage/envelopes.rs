//! The sealed events that this browser keeps: its own, written before they are sent, and those of others.
//!
//! Appending is one transaction: it makes the events that follow the device's head in the room, and keeps them, the new
//! head and the outbox entries together. Two tabs of one browser can never give the same number to two events: where this
//! page does not remember the head, the transaction reads it first, and where it does, an event is only added if its
//! number is free. The latter spares a question to the database, half of what a message waits for before it is sent; it is
//! done where the browser has been seen to undo the whole transaction when an addition fails. Within a page one append
//! follows the other: two messages stay in the order in which they were written, also where the first has to be tried
//! again.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
};

use futures::channel::oneshot;
use healthsync_core::{
    DeviceKey, DeviceSecret, Envelope, Event, EventError, EventId, Kind, LimitError, Millis,
    Person, RoomId, RoomKey, SignedDelegation, SignedEvent, VersionVector, event, limits,
};
use idb::{KeyRange, ObjectStore, TransactionMode};
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;

use super::{
    Database, StorageError, finish,
    outbox::OutboxEntry,
    prefix_range,
    schema::{ENVELOPES, HEADS, OUTBOX, SETTINGS},
    to_the_end,
};
use crate::client::browser::platform::{bytes_from_js, bytes_to_js, now, random};

/// The last event of this browser's device in a room.
#[derive(Clone, Debug, Serialize, Deserialize)]
struct Head {
    seq: u64,
    id: EventId,
    lamport: u64,
    /// `issued_at` of the delegation that the device last brought into the room.
    delegation: u64,
}

/// Heads as this page last kept them, by room and device. A tab that goes on tells the others, which read it again then.
#[derive(Default)]
pub(crate) struct RememberedHeads {
    heads: RefCell<BTreeMap<(RoomId, DeviceKey), Head>>,
    /// Ends with the append that was asked for last.
    last: Cell<Option<oneshot::Receiver<()>>>,
    /// Whether the browser has been tried.
    tried: Cell<bool>,
    /// It undoes what it should. Firefox 140 does not: it keeps the rest.
    undoes: Cell<bool>,
}

/// In the settings; says nothing.
const TRIAL: &str = "trial";

#[derive(Debug, thiserror::Error)]
pub(crate) enum AppendError {
    #[error(transparent)]
    Limit(#[from] LimitError),
    #[error(transparent)]
    Event(#[from] EventError),
    #[error(transparent)]
    Storage(#[from] StorageError),
}

impl From<idb::Error> for AppendError {
    fn from(error: idb::Error) -> Self {
        AppendError::Storage(error.into())
    }
}

/// Who writes, and where.
#[derive(Clone, Debug)]
pub(crate) struct Author {
    pub room: RoomId,
    /// Number of the key, and the key.
    pub key: (u32, RoomKey),
    pub person: Person,
    pub device: DeviceSecret,
    pub delegation: SignedDelegation,
}

/// An event as it was kept.
#[derive(Clone, Debug)]
pub(crate) struct Appended {
    pub event: SignedEvent,
    pub envelope: Vec<u8>,
}

pub(crate) fn envelope_key(room: RoomId, device: DeviceKey, seq: u64) -> String {
    format!("{room}/{device}/{seq:016}")
}

/// Makes and keeps events of these kinds, after a delegation where the room has none of this device yet. With no
/// kinds at all it only makes sure of the delegation.
pub(crate) async fn append(
    db: &Database,
    author: Author,
    next_lamport: u64,
    kinds: Vec<Kind>,
) -> Result<Vec<Appended>, AppendError> {
    let db = db.clone();
    let (ends_here, this) = oneshot::channel();
    let before = db.heads.last.replace(Some(this));
    to_the_end(async move {
        // Dropped when this append has ended, in whatever way.
        let _ends_here = ends_here;
        if let Some(before) = before {
            let _ = before.await;
        }
        let place = (author.room, author.device.public());
        // Taken out: after an error it is read again.
        let remembered = db.heads.heads.borrow_mut().remove(&place);
        if remembered.is_some() {
            match append_after(&db, &author, next_lamport, &kinds, remembered).await {
                Err(AppendError::Storage(StorageError::Taken)) => {}
                ended => return ended,
            }
        }
        append_after(&db, &author, next_lamport, &kinds, None).await
    })
    .await
}

/// `remembered`: the head, where it need not be read.
async fn append_after(
    db: &Database,
    author: &Author,
    next_lamport: u64,
    kinds: &[Kind],
    remembered: Option<Head>,
) -> Result<Vec<Appended>, AppendError> {
    let Author {
        room,
        key: (epoch, key),
        person,
        device,
        delegation,
    } = author;
    let (room, device_key) = (*room, device.public());
    let head_key = JsValue::from_str(&format!("{room}/{device_key}"));

    let transaction = db.begin(&[HEADS, ENVELOPES, OUTBOX], TransactionMode::ReadWrite)?;
    let heads = transaction.object_store(HEADS)?;
    let head = match remembered {
        Some(head) => Some(head),
        None => head_at(&heads, &head_key).await?,
    };

    let brought = head.as_ref().map(|head| head.delegation);
    let mut head = head.unwrap_or(Head {
        seq: 0,
        id: EventId([0; 32]),
        lamport: 0,
        delegation: 0,
    });
    let mut all = Vec::with_capacity(kinds.len() + 1);
    if brought.is_none_or(|brought| brought < delegation.delegation.issued_at) {
        head.delegation = delegation.delegation.issued_at;
        all.push(Kind::Delegation {
            delegation: delegation.clone(),
        });
    }
    all.extend_from_slice(kinds);
    if all.is_empty() {
        remember(db, (room, device_key), head);
        return Ok(Vec::new());
    }

    // All events are made before the first is put: after an error there is nothing that could be committed.
    let mut appended = Vec::with_capacity(all.len());
    for kind in all {
        let event = Event {
            v: event::VERSION,
            room,
            person: *person,
            device: device_key,
            seq: head.seq + 1,
            prev: (head.seq > 0).then_some(head.id),
            lamport: next_lamport.max(head.lamport + 1),
            at: within_delegation(delegation),
            kind,
        };
        event.check()?;
        let signed = SignedEvent::sign(event, device);
        limits::check_count(
            "The event",
            "bytes",
            signed.bytes.len(),
            limits::EVENT_BYTES,
        )?;
        head = Head {
            seq: signed.event.seq,
            id: signed.id(),
            lamport: signed.event.lamport,
            ..head
        };
        let envelope = Envelope::seal(&signed, key, *epoch, random::<12>(), device).encode();
        appended.push(Appended {
            event: signed,
            envelope,
        });
    }
    let (envelopes, outbox) = (
        transaction.object_store(ENVELOPES)?,
        transaction.object_store(OUTBOX)?,
    );
    let waiting = JsValue::from_str(&OutboxEntry::default().to_text());
    for entry in &appended {
        let key = JsValue::from_str(&envelope_key(room, device_key, entry.event.event.seq));
        // Where the number is taken, the browser undoes the whole transaction.
        envelopes.add(&bytes_to_js(&entry.envelope), Some(&key))?;
        outbox.put(&waiting, Some(&key))?;
    }
    heads.put(&JsValue::from_str(&head_text(&head)?), Some(&head_key))?;
    finish(transaction).await?;
    remember(db, (room, device_key), head);
    Ok(appended)
}

fn remember(db: &Database, place: (RoomId, DeviceKey), head: Head) {
    if db.heads.undoes.get() {
        db.heads.heads.borrow_mut().insert(place, head);
    } else if !db.heads.tried.replace(true) {
        let db = db.clone();
        spawn_local(async move {
            let undone = matches!(add_twice(&db).await, Err(StorageError::Taken));
            db.heads.undoes.set(undone);
        });
    }
}

async fn add_twice(db: &Database) -> Result<(), StorageError> {
    db.put_text(SETTINGS, TRIAL, "").await?;
    let transaction = db.begin(&[SETTINGS], TransactionMode::ReadWrite)?;
    let (key, value) = (JsValue::from_str(TRIAL), JsValue::from_str(""));
    transaction
        .object_store(SETTINGS)?
        .add(&value, Some(&key))?;
    finish(transaction).await
}

/// Another tab has gone on in this room. A number that it used may be free again: a room's events can be forgotten.
pub(crate) fn forget_heads(db: &Database, room: RoomId) {
    let mut heads = db.heads.heads.borrow_mut();
    heads.retain(|(of, _), _| *of != room);
}

/// One that an older or newer release wrote in another shape counts as absent.
async fn head_at(heads: &ObjectStore, key: &JsValue) -> Result<Option<Head>, StorageError> {
    let text = heads.get(key.clone())?.await?;
    let text = text.and_then(|value| value.as_string());
    Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
}

/// An event of this browser that has not been sent yet, sealed anew.
pub(crate) async fn replace(
    db: &Database,
    room: RoomId,
    device: DeviceKey,
    seq: u64,
    envelope: &[u8],
) -> Result<(), StorageError> {
    db.put_bytes(ENVELOPES, &envelope_key(room, device, seq), envelope)
        .await
}

fn head_text(head: &Head) -> Result<String, StorageError> {
    serde_json::to_string(head).map_err(|e| StorageError::Failed(e.to_string()))
}

/// All sealed events of a room that are kept here.
pub(crate) async fn of_room(db: &Database, room: RoomId) -> Result<Vec<Vec<u8>>, StorageError> {
    let entries = db.range(ENVELOPES, &format!("{room}/")).await?;
    Ok(entries
        .iter()
        .filter_map(|(_, value)| bytes_from_js(value))
        .collect())
}

/// Those of them that come after `heads`, device by device: neither read nor counted are those before.
pub(crate) async fn beyond(
    db: &Database,
    room: RoomId,
    heads: &VersionVector,
) -> Result<Vec<Vec<u8>>, StorageError> {
    let mut ranges = Vec::with_capacity(heads.0.len() + 1);
    let mut from = format!("{room}/");
    // In the order of their keys, as the devices' names are their bytes in hex.
    for (device, seq) in &heads.0 {
        ranges.push((from, format!("{room}/{device}/")));
        from = envelope_key(room, *device, seq + 1);
    }
    ranges.push((from, format!("{room}/\u{ffff}")));
    let db = db.clone();
    to_the_end(async move {
        let transaction = db.begin(&[ENVELOPES], TransactionMode::ReadOnly)?;
        let envelopes = transaction.object_store(ENVELOPES)?;
        let mut asked = Vec::with_capacity(ranges.len());
        for (from, to) in ranges {
            let (from, to) = (JsValue::from_str(&from), JsValue::from_str(&to));
            let range = KeyRange::bound(&from, &to, None, None)?;
            // All requests are under way before the first is awaited.
            asked.push(envelopes.get_all(Some(range.into()), None)?.into_future());
        }
        let mut found = Vec::new();
        for answer in asked {
            found.extend(answer.await?.iter().filter_map(bytes_from_js));
        }
        Ok(found)
    })
    .await
}

/// How many of them there are.
pub(crate) async fn count(db: &Database, room: RoomId) -> Result<u32, StorageError> {
    let db = db.clone();
    to_the_end(async move {
        let transaction = db.begin(&[ENVELOPES], TransactionMode::ReadOnly)?;
        let range = prefix_range(&format!("{room}/"))?;
        let events = transaction.object_store(ENVELOPES)?.count(Some(range))?;
        Ok(events.await?)
    })
    .await
}

/// Forgets a room's sealed events, but for those that the relay has not acknowledged; says how many these are. This
/// device's place in its chain stays.
pub(crate) async fn forget(db: &Database, room: RoomId) -> Result<u32, StorageError> {
    let db = db.clone();
    to_the_end(async move {
        let transaction = db.begin(&[ENVELOPES, OUTBOX], TransactionMode::ReadWrite)?;
        let (envelopes, outbox) = (
            transaction.object_store(ENVELOPES)?,
            transaction.object_store(OUTBOX)?,
        );
        let prefix = format!("{room}/");
        let waiting = outbox
            .get_all_keys(Some(prefix_range(&prefix)?), None)?
            .await?;
        let waiting: BTreeSet<String> = waiting.iter().filter_map(JsValue::as_string).collect();
        let kept = envelopes
            .get_all_keys(Some(prefix_range(&prefix)?), None)?
            .await?;
        for key in kept {
            if key.as_string().is_none_or(|key| !waiting.contains(&key)) {
                envelopes.delete(key)?;
            }
        }
        finish(transaction).await?;
        Ok(waiting.len() as u32)
    })
    .await
}

/// One sealed event of this browser, to be pushed.
pub(crate) async fn one(db: &Database, key: &str) -> Result<Option<Vec<u8>>, StorageError> {
    db.get_bytes(ENVELOPES, key).await
}

/// Keeps events that came from the relay or a peer. Those of this browser's own device (written before its storage was
/// cleared half way, or restored from an older copy of the profile) move the head on, so that the next event follows
/// them.
pub(crate) async fn keep_received(
    db: &Database,
    room: RoomId,
    own: Option<DeviceKey>,
    received: Vec<(SignedEvent, Vec<u8>)>,
) -> Result<(), StorageError> {
    if received.is_empty() {
        return Ok(());
    }
    to_the_end(keep_received_now(db.clone(), room, own, received)).await
}

async fn keep_received_now(
    db: Database,
    room: RoomId,
    own: Option<DeviceKey>,
    received: Vec<(SignedEvent, Vec<u8>)>,
) -> Result<(), StorageError> {
    let transaction = db.begin(&[HEADS, ENVELOPES], TransactionMode::ReadWrite)?;
    let envelopes = transaction.object_store(ENVELOPES)?;
    let mut newest: Option<&SignedEvent> = None;
    let mut brought = 0;
    for (signed, bytes) in &received {
        let event = &signed.event;
        let key = JsValue::from_str(&envelope_key(room, event.device, event.seq));
        envelopes.put(&bytes_to_js(bytes), Some(&key))?;
        if own == Some(event.device) {
            if let Kind::Delegation { delegation } = &event.kind {
                brought = brought.max(delegation.delegation.issued_at);
            }
            if newest.is_none_or(|newest| newest.event.seq < event.seq) {
                newest = Some(signed);
            }
        }
    }
    if let Some(newest) = newest {
        let heads = transaction.object_store(HEADS)?;
        let key = JsValue::from_str(&format!("{room}/{}", newest.event.device));
        let head = head_at(&heads, &key).await?;
        if head.as_ref().is_none_or(|head| head.seq < newest.event.seq) {
            let head = Head {
                seq: newest.event.seq,
                id: newest.id(),
                lamport: newest.event.lamport,
                delegation: head.map_or(0, |head| head.delegation).max(brought),
            };
            heads.put(&JsValue::from_str(&head_text(&head)?), Some(&key))?;
        }
    }
    finish(transaction).await
}

/// The time to note on what is made now; a device clock that was set back keeps to its delegation's beginning.
fn within_delegation(delegation: &SignedDelegation) -> Millis {
    now().max(Millis::from_seconds(delegation.delegation.issued_at))
}
