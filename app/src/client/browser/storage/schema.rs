//! The database's stores, its version, and the steps from one version to the next.

use std::rc::Rc;

use idb::{DatabaseEvent, Factory, ObjectStoreParams};

use super::{Database, StorageError};

const NAME: &str = "healthsync";
const VERSION: u32 = 1;

/// Device secrets and the demo wallet's key: `device/{person}`, `demo-wallet`.
pub(crate) const SECRETS: &str = "secrets";
/// Signed delegations (JSON): `{chain id}/{person}`.
pub(crate) const DELEGATIONS: &str = "delegations";
/// Single settings: `session`.
pub(crate) const SETTINGS: &str = "settings";
/// Room keys (32 bytes): `{person}/{room}` the first one, `{person}/{room}/{number}` later ones.
pub(crate) const ROOM_KEYS: &str = "room-keys";
/// What was last known of a room (JSON): `{person}/{room}`.
pub(crate) const ROOMS: &str = "rooms";
/// Newest event of this browser's device in a room (JSON): `{room}/{device}`.
pub(crate) const HEADS: &str = "heads";
/// Sealed events: `{room}/{device}/{seq, 16 digits}`.
pub(crate) const ENVELOPES: &str = "envelopes";
/// Keys of envelopes that the relay has not stored yet, with what it refused (JSON).
pub(crate) const OUTBOX: &str = "outbox";
/// What stands in composers: `{person}/{room}`.
pub(crate) const DRAFTS: &str = "drafts";
/// Attached pictures that are not shared yet (cleaned bytes, and a JSON entry): `{person}/{room}/{id}`.
pub(crate) const ATTACHMENTS: &str = "attachments";
pub(crate) const ATTACHED_BYTES: &str = "attached-bytes";
/// Transactions that were sent and whose effect has not been seen: `{person}/{room}` for the room itself (JSON),
/// `{person}/{room}/mint/{proposal}` (hash).
pub(crate) const TRANSACTIONS: &str = "transactions";
/// Key shares that not every key node has confirmed (JSON): `{person}/{cid}`; and old keys that every one has confirmed to give
/// to nobody else (`true`): `retired/{person}/{cid}`.
pub(crate) const SHARES: &str = "shares";

const STORES_V1: [&str; 13] = [
    SECRETS,
    DELEGATIONS,
    SETTINGS,
    ROOM_KEYS,
    ROOMS,
    HEADS,
    ENVELOPES,
    OUTBOX,
    DRAFTS,
    ATTACHMENTS,
    ATTACHED_BYTES,
    TRANSACTIONS,
    SHARES,
];

/// Opens the database, making or upgrading it first.
pub(crate) async fn open() -> Result<Database, StorageError> {
    let refused = |error: idb::Error| StorageError::Refused(error.to_string());
    let mut request = Factory::new()
        .map_err(refused)?
        .open(NAME, Some(VERSION))
        .map_err(refused)?;
    request.on_upgrade_needed(|event| {
        // A step that fails aborts the upgrade: the browser undoes it and the open request reports the error.
        let _ = upgrade(&event);
    });
    let mut database = request.await.map_err(refused)?;
    // A newer release in another tab wants to upgrade: let it, this page goes on until its next read or write.
    database.on_version_change(|event| {
        if let Some(target) = event.target()
            && let Ok(database) = idb::Database::try_from(target)
        {
            database.close();
        }
    });
    Ok(Database {
        open: Rc::new(database),
        heads: Rc::default(),
    })
}

fn upgrade(event: &idb::event::VersionChangeEvent) -> Result<(), idb::Error> {
    let from = event.old_version()?;
    let database = event.database()?;
    if from < 1 {
        for name in STORES_V1 {
            database.create_object_store(name, ObjectStoreParams::new())?;
        }
    }
    Ok(())
}
