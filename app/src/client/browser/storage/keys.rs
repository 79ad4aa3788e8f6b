//! Secrets of this browser: device keys, the demo wallet's key, delegations and room keys.
//!
//! They lie in IndexedDB in the clear, as a browser offers nothing better without asking for a passphrase:
//! whoever can run code on this origin or read this profile's disk has them (docs/architecture.md).

use healthsync_core::{DeviceSecret, Millis, Person, RoomId, RoomKey, SignedDelegation};
use healthsync_lighthouse::MasterKey;

use super::{Database, StorageError, schema};
use crate::client::browser::platform::random;

/// Rooms have one key until rotation comes; its number is already in every envelope.
pub(crate) const EPOCH: u32 = 0;

/// One device key a person and browser: two accounts used in one browser cannot be linked by it, and each
/// person's events in a room stay one chain.
pub(crate) async fn device(db: &Database, person: Person) -> Result<DeviceSecret, StorageError> {
    let seed = secret(db, &format!("device/{person}")).await?;
    Ok(DeviceSecret::from_bytes(seed))
}

/// The demo wallet's key, made at its first use.
pub(crate) async fn demo_wallet(db: &Database) -> Result<[u8; 32], StorageError> {
    secret(db, "demo-wallet").await
}

async fn secret(db: &Database, name: &str) -> Result<[u8; 32], StorageError> {
    let kept = db
        .put_once(schema::SECRETS, name, random::<32>().to_vec())
        .await?;
    kept.try_into()
        .map_err(|_| StorageError::Failed(format!("the kept secret “{name}” has a wrong length")))
}

/// The delegation of this browser's device, if it is for this chain, properly signed and still running.
pub(crate) async fn delegation(
    db: &Database,
    chain_id: u64,
    person: Person,
    now: Millis,
) -> Result<Option<SignedDelegation>, StorageError> {
    let kept: Option<SignedDelegation> = db
        .get_json(schema::DELEGATIONS, &format!("{chain_id}/{person}"))
        .await?;
    Ok(kept.filter(|kept| {
        kept.delegation.person == person && kept.covers(now) && kept.verify(chain_id).is_ok()
    }))
}

pub(crate) async fn keep_delegation(
    db: &Database,
    signed: &SignedDelegation,
) -> Result<(), StorageError> {
    let key = format!(
        "{}/{}",
        signed.delegation.chain_id, signed.delegation.person
    );
    db.put_json(schema::DELEGATIONS, &key, signed).await
}

/// The room's key, derived from the master key that was put together from the nodes' shares.
pub(crate) async fn room_key(
    db: &Database,
    person: Person,
    room: RoomId,
) -> Result<Option<RoomKey>, StorageError> {
    let bytes = db
        .get_bytes(schema::ROOM_KEYS, &format!("{person}/{room}"))
        .await?;
    let master: Option<[u8; 32]> = bytes.and_then(|bytes| bytes.try_into().ok());
    Ok(master.map(|master| RoomKey::from_master(&master, &room, EPOCH)))
}

pub(crate) async fn keep_room_key(
    db: &Database,
    person: Person,
    room: RoomId,
    master: &MasterKey,
) -> Result<(), StorageError> {
    db.put_bytes(
        schema::ROOM_KEYS,
        &format!("{person}/{room}"),
        master.as_bytes(),
    )
    .await
}

/// A key that opens nothing any more (the person was removed, or the nodes hold another one).
pub(crate) async fn drop_room_key(
    db: &Database,
    person: Person,
    room: RoomId,
) -> Result<(), StorageError> {
    db.delete(schema::ROOM_KEYS, &format!("{person}/{room}"))
        .await
}
