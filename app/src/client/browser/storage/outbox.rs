//! What this browser has written and the relay has not stored yet. Entries go in with the event itself
//! (`envelopes::append`) and out when the relay says that it holds it.

use healthsync_core::{DeviceKey, RoomId};
use idb::TransactionMode;
use serde::{Deserialize, Serialize};
use wasm_bindgen::JsValue;

use super::{Database, StorageError, envelopes::envelope_key, finish, schema::OUTBOX, to_the_end};

/// State of one entry.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct OutboxEntry {
    /// Why the relay will not take it; it is not sent again by itself then.
    #[serde(default)]
    pub refused: Option<String>,
}

impl OutboxEntry {
    pub(crate) fn to_text(&self) -> String {
        serde_json::to_string(self).expect("one optional text is always JSON")
    }
}

/// Entries of this device in a room: sequence number and state, in order.
pub(crate) async fn entries(
    db: &Database,
    room: RoomId,
    device: DeviceKey,
) -> Result<Vec<(u64, OutboxEntry)>, StorageError> {
    let entries = db.range(OUTBOX, &format!("{room}/{device}/")).await?;
    Ok(entries
        .into_iter()
        .filter_map(|(key, value)| {
            let seq = key.rsplit('/').next()?.parse().ok()?;
            Some((
                seq,
                serde_json::from_str(&value.as_string()?).unwrap_or_default(),
            ))
        })
        .collect())
}

pub(crate) async fn stored(
    db: &Database,
    room: RoomId,
    device: DeviceKey,
    seqs: Vec<u64>,
) -> Result<(), StorageError> {
    if seqs.is_empty() {
        return Ok(());
    }
    let db = db.clone();
    to_the_end(async move {
        let transaction = db.begin(&[OUTBOX], TransactionMode::ReadWrite)?;
        let outbox = transaction.object_store(OUTBOX)?;
        for seq in seqs {
            outbox.delete(JsValue::from_str(&envelope_key(room, device, seq)))?;
        }
        finish(transaction).await
    })
    .await
}

pub(crate) async fn refused(
    db: &Database,
    room: RoomId,
    device: DeviceKey,
    seq: u64,
    reason: Option<String>,
) -> Result<(), StorageError> {
    let entry = OutboxEntry { refused: reason };
    db.put_text(OUTBOX, &envelope_key(room, device, seq), &entry.to_text())
        .await
}
