//! Secrets of this browser: device keys, the demo wallet's key, delegations and room keys.
//!
//! They lie in IndexedDB in the clear, as a browser offers nothing better without asking for a passphrase:
//! whoever can run code on this origin or read this profile's disk has them (docs/architecture.md).

use healthsync_core::{DeviceSecret, Millis, Person, RoomId, RoomKey, SignedDelegation, epoch};
use healthsync_lighthouse::MasterKey;

use super::{Database, StorageError, schema};
use crate::client::browser::{
    platform::{bytes_from_js, random},
    rooms::ring::KeyRing,
};

/// One device key a person and browser: two accounts used in one browser cannot be linked by it, and each
/// person's events in a room stay one chain.
pub(crate) async fn device(db: &Database, person: Person) -> Result<DeviceSecret, StorageError> {
    let seed = secret(db, &format!("device/{person}")).await?;
    Ok(DeviceSecret::from_bytes(seed))
}

/// Forgets the device's key and its delegation: the next one is another device.
pub(crate) async fn forget_device(
    db: &Database,
    chain_id: u64,
    person: Person,
) -> Result<(), StorageError> {
    db.delete(schema::DELEGATIONS, &format!("{chain_id}/{person}"))
        .await?;
    db.delete(schema::SECRETS, &format!("device/{person}"))
        .await
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

fn room_key_of(person: Person, room: RoomId, epoch: u32) -> String {
    match epoch {
        epoch::FIRST => format!("{person}/{room}"),
        later => format!("{person}/{room}/{later}"),
    }
}

/// The room's keys that are kept here, by number.
pub(crate) async fn room_keys(
    db: &Database,
    person: Person,
    room: RoomId,
) -> Result<KeyRing, StorageError> {
    let mut ring = KeyRing::default();
    for (epoch, master) in masters(db, person, room).await? {
        ring.add(epoch, RoomKey::from_master(&master, &room, epoch));
    }
    Ok(ring)
}

/// The master keys that they are derived from, as they were put together from the nodes' shares.
pub(crate) async fn masters(
    db: &Database,
    person: Person,
    room: RoomId,
) -> Result<Vec<(u32, [u8; 32])>, StorageError> {
    let first = room_key_of(person, room, epoch::FIRST);
    let mut masters = Vec::new();
    for (key, value) in db.range(schema::ROOM_KEYS, &first).await? {
        let epoch = match key[first.len()..].strip_prefix('/') {
            Some(number) => number.parse().ok(),
            None => Some(epoch::FIRST),
        };
        let master: Option<[u8; 32]> =
            bytes_from_js(&value).and_then(|bytes| bytes.try_into().ok());
        if let (Some(epoch), Some(master)) = (epoch, master) {
            masters.push((epoch, master));
        }
    }
    Ok(masters)
}

pub(crate) async fn keep_room_key(
    db: &Database,
    person: Person,
    room: RoomId,
    epoch: u32,
    master: &MasterKey,
) -> Result<(), StorageError> {
    let key = room_key_of(person, room, epoch);
    db.put_bytes(schema::ROOM_KEYS, &key, master.as_bytes())
        .await
}

/// Forgets the room's keys: the person was removed.
pub(crate) async fn drop_room_keys(
    db: &Database,
    person: Person,
    room: RoomId,
) -> Result<(), StorageError> {
    let first = room_key_of(person, room, epoch::FIRST);
    for (key, _) in db.range(schema::ROOM_KEYS, &first).await? {
        db.delete(schema::ROOM_KEYS, &key).await?;
    }
    Ok(())
}
