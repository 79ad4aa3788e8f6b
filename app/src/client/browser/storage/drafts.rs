//! What stands in composers and is attached there, across reloads; and small facts about rooms and transactions.

use healthsync_core::{EventId, Person, PhotoReceipt, RoomId};
use healthsync_imaging::intake::Found;
use js_sys::Array;
use serde::{Deserialize, Serialize, de::DeserializeOwned};
use wasm_bindgen::{JsCast, JsValue};

use super::{Database, StorageError, schema};
use crate::{
    api::RoomFacts,
    client::browser::platform::{blob, bytes_from_js},
};

fn room_of(person: Person, room: RoomId) -> String {
    format!("{person}/{room}")
}

pub(crate) async fn draft(
    db: &Database,
    person: Person,
    room: RoomId,
) -> Result<String, StorageError> {
    Ok(db
        .get_text(schema::DRAFTS, &room_of(person, room))
        .await?
        .unwrap_or_default())
}

pub(crate) async fn keep_draft(
    db: &Database,
    person: Person,
    room: RoomId,
    text: &str,
) -> Result<(), StorageError> {
    let key = room_of(person, room);
    if text.is_empty() {
        db.delete(schema::DRAFTS, &key).await
    } else {
        db.put_text(schema::DRAFTS, &key, text).await
    }
}

/// What was last known of a room, for lists and for reading offline.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct KnownRoom {
    pub name: Option<String>,
    pub facts: Option<RoomFacts>,
    pub unread: u32,
    /// Something unread is addressed to this person.
    pub mentioned: bool,
    pub needs_opinion: bool,
    pub last: Option<u64>,
    /// Highest Lamport time that this person has had on screen.
    pub seen: u64,
    /// What was said there is not kept here until the room is opened again.
    pub forgotten: bool,
}

pub(crate) async fn known_room(
    db: &Database,
    person: Person,
    room: RoomId,
) -> Result<KnownRoom, StorageError> {
    Ok(db
        .get_json(schema::ROOMS, &room_of(person, room))
        .await?
        .unwrap_or_default())
}

pub(crate) async fn keep_known_room(
    db: &Database,
    person: Person,
    room: RoomId,
    known: &KnownRoom,
) -> Result<(), StorageError> {
    db.put_json(schema::ROOMS, &room_of(person, room), known)
        .await
}

pub(crate) async fn known_rooms(
    db: &Database,
    person: Person,
) -> Result<Vec<(RoomId, KnownRoom)>, StorageError> {
    by_room(db, schema::ROOMS, person).await
}

/// One attached picture that is not shared yet. Its bytes lie beside it, already cleaned.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KeptAttachment {
    pub name: String,
    pub mime: String,
    pub width: u32,
    pub height: u32,
    pub removed: u32,
    #[serde(default)]
    pub receipt: Option<PhotoReceipt>,
}

/// One attached series that is not shared yet. Its files lie beside it as blobs, already cleaned.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct KeptSeries {
    pub found: Found,
    /// JSON.
    pub receipt: String,
    pub removed: u32,
}

/// What was attached, with its content.
#[derive(Clone, Debug)]
pub(crate) enum Kept {
    Photo(KeptAttachment, web_sys::Blob),
    Series(KeptSeries, Vec<web_sys::Blob>),
}

fn attachment_of(person: Person, room: RoomId, id: u32) -> String {
    format!("{person}/{room}/{id:08}")
}

pub(crate) async fn keep_attachment(
    db: &Database,
    (person, room, id): (Person, RoomId, u32),
    entry: &KeptAttachment,
    file: &web_sys::Blob,
) -> Result<(), StorageError> {
    let key = attachment_of(person, room, id);
    // The file first: an entry is only listed once its picture is there.
    db.put(schema::ATTACHED_BYTES, &key, file.into()).await?;
    db.put_json(schema::ATTACHMENTS, &key, entry).await
}

pub(crate) async fn keep_series(
    db: &Database,
    (person, room, id): (Person, RoomId, u32),
    entry: &KeptSeries,
    files: &[web_sys::Blob],
) -> Result<(), StorageError> {
    let key = attachment_of(person, room, id);
    let files: Array = files.iter().collect();
    db.put(schema::ATTACHED_BYTES, &key, files.into()).await?;
    db.put_json(schema::ATTACHMENTS, &key, entry).await
}

fn stored_of(person: Person, room: RoomId, id: u32) -> String {
    format!("{}/stored", attachment_of(person, room, id))
}

/// What storage has of an attachment of which the room knows nothing yet.
pub(crate) async fn keep_stored<T: Serialize>(
    db: &Database,
    (person, room, id): (Person, RoomId, u32),
    stored: &T,
) -> Result<(), StorageError> {
    let key = stored_of(person, room, id);
    db.put_json(schema::ATTACHMENTS, &key, stored).await
}

pub(crate) async fn stored<T: DeserializeOwned>(
    db: &Database,
    (person, room, id): (Person, RoomId, u32),
) -> Result<Option<T>, StorageError> {
    let key = stored_of(person, room, id);
    db.get_json(schema::ATTACHMENTS, &key).await
}

pub(crate) async fn drop_stored(
    db: &Database,
    (person, room, id): (Person, RoomId, u32),
) -> Result<(), StorageError> {
    let key = stored_of(person, room, id);
    db.delete(schema::ATTACHMENTS, &key).await
}

pub(crate) async fn drop_attachment(
    db: &Database,
    person: Person,
    room: RoomId,
    id: u32,
) -> Result<(), StorageError> {
    let key = attachment_of(person, room, id);
    drop_stored(db, (person, room, id)).await?;
    db.delete(schema::ATTACHMENTS, &key).await?;
    // What is large lies apart from its record, and in a private window Chromium keeps that when the record is deleted,
    // until the window closes; not when other such content has come in its place.
    if let Ok(instead) = web_sys::Blob::new_with_str_sequence(&Array::of1(&" ".into())) {
        (db.put(schema::ATTACHED_BYTES, &key, instead.into())).await?;
    }
    db.delete(schema::ATTACHED_BYTES, &key).await
}

pub(crate) async fn attachments(
    db: &Database,
    person: Person,
    room: RoomId,
) -> Result<Vec<(u32, Kept)>, StorageError> {
    let mut found = Vec::new();
    for (key, value) in db
        .range(schema::ATTACHMENTS, &format!("{person}/{room}/"))
        .await?
    {
        let id = key.rsplit('/').next().and_then(|id| id.parse().ok());
        let (Some(id), Some(text)) = (id, value.as_string()) else {
            continue;
        };
        let Some(content) = db.get(schema::ATTACHED_BYTES, &key).await? else {
            continue;
        };
        // The two have no field in common that both need.
        if let Ok(series) = serde_json::from_str::<KeptSeries>(&text) {
            let files = Array::from(&content);
            let files = files.iter().filter_map(|file| file.dyn_into().ok());
            let files = files.collect();
            found.push((id, Kept::Series(series, files)));
        } else if let Ok(photo) = serde_json::from_str::<KeptAttachment>(&text)
            && let Some(file) = as_file(&content, &photo.mime)
        {
            found.push((id, Kept::Photo(photo, file)));
        }
    }
    Ok(found)
}

/// A kept photograph. Earlier releases kept its bytes, without their type.
fn as_file(content: &JsValue, mime: &str) -> Option<web_sys::Blob> {
    if let Some(file) = content.dyn_ref::<web_sys::Blob>() {
        return Some(file.clone());
    }
    blob(&bytes_from_js(content)?, mime).ok()
}

/// A room that is being created: kept from before the wallet is asked until the room's name is in its log, so that
/// neither a reload nor a late confirmation leaves a room without its name.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct PendingRoom {
    pub name: String,
    pub members: Vec<Person>,
    pub hash: Option<String>,
    pub at: u64,
}

pub(crate) async fn keep_pending_room(
    db: &Database,
    person: Person,
    room: RoomId,
    pending: &PendingRoom,
) -> Result<(), StorageError> {
    db.put_json(schema::TRANSACTIONS, &room_of(person, room), pending)
        .await
}

pub(crate) async fn drop_pending_room(
    db: &Database,
    person: Person,
    room: RoomId,
) -> Result<(), StorageError> {
    db.delete(schema::TRANSACTIONS, &room_of(person, room))
        .await
}

pub(crate) async fn pending_rooms(
    db: &Database,
    person: Person,
) -> Result<Vec<(RoomId, PendingRoom)>, StorageError> {
    by_room(db, schema::TRANSACTIONS, person).await
}

fn mints_of(person: Person, room: RoomId) -> String {
    format!("{person}/{room}/mint/")
}

/// The transaction that mints a proposal: kept from when the wallet has sent it until the room has been told.
pub(crate) async fn keep_pending_mint(
    db: &Database,
    (person, room): (Person, RoomId),
    proposal: EventId,
    hash: &str,
) -> Result<(), StorageError> {
    let key = format!("{}{proposal}", mints_of(person, room));
    db.put_text(schema::TRANSACTIONS, &key, hash).await
}

pub(crate) async fn drop_pending_mint(
    db: &Database,
    (person, room): (Person, RoomId),
    proposal: EventId,
) -> Result<(), StorageError> {
    let key = format!("{}{proposal}", mints_of(person, room));
    db.delete(schema::TRANSACTIONS, &key).await
}

/// Proposals with the hashes of their transactions.
pub(crate) async fn pending_mints(
    db: &Database,
    person: Person,
    room: RoomId,
) -> Result<Vec<(EventId, String)>, StorageError> {
    let prefix = mints_of(person, room);
    let entries = db.range(schema::TRANSACTIONS, &prefix).await?;
    Ok(entries
        .into_iter()
        .filter_map(|(key, value)| {
            let proposal = key.strip_prefix(&prefix)?.parse().ok()?;
            Some((proposal, value.as_string()?))
        })
        .collect())
}

/// What a store keeps for this person, room by room. An entry of another release's shape counts as absent.
async fn by_room<T: serde::de::DeserializeOwned>(
    db: &Database,
    store: &'static str,
    person: Person,
) -> Result<Vec<(RoomId, T)>, StorageError> {
    let prefix = format!("{person}/");
    let entries = db.range(store, &prefix).await?;
    Ok(entries
        .into_iter()
        .filter_map(|(key, value)| {
            let room = key.strip_prefix(&prefix)?.parse().ok()?;
            Some((room, serde_json::from_str(&value.as_string()?).ok()?))
        })
        .collect())
}
