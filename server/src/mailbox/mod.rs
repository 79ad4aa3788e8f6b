//! The relay's memory: sealed events of every room, kept in the order they arrived. It reads none of them.
//!
//! Per room and device the seqs are contiguous from 1: what is acknowledged has no gap before it, and two
//! different envelopes with the same seq (a fork) never both get in.

mod devices;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::path::Path;

use healthsync_core::{DeviceKey, Envelope, Millis, Person, RoomId, VersionVector};
use sqlx::{Row, SqliteConnection};

use crate::database::Database;

pub use devices::KnownDevice;

/// Bytes of sealed events that one person may keep in one room; files do not count here.
pub const PERSON_QUOTA: u64 = 64 * 1024 * 1024;
/// Bytes of one room.
pub const ROOM_QUOTA: u64 = 1024 * 1024 * 1024;
/// Devices of one room.
pub const DEVICES_PER_ROOM: i64 = 2_000;
/// Envelope bytes in one page, well below the response limit of the protocol.
pub const PAGE_BYTES: usize = 768 * 1024;
/// Envelopes in one page.
pub const PAGE_COUNT: u32 = 512;

/// What became of an envelope.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stored {
    /// On disk now.
    New,
    /// It was there already, the very same.
    Known,
}

/// Why an envelope was not stored.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The caller's: something before it is missing.
    #[error("event {seq} of this device does not follow {head}, the last one stored")]
    Gap { seq: u64, head: u64 },
    /// The caller's: two different envelopes with one seq.
    #[error("another event {seq} of this device is already stored; its history has forked")]
    Fork { seq: u64 },
    /// The caller's: too much.
    #[error("{0}")]
    Quota(&'static str),
    /// Ours.
    #[error("the mailbox does not answer: {0}")]
    Database(#[from] sqlx::Error),
}

/// One page of history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub envelopes: Vec<Vec<u8>>,
    /// Whether there is more after it.
    pub more: bool,
}

/// Sealed events, heads and device proofs of all rooms.
#[derive(Clone, Debug)]
pub struct Mailbox {
    database: Database,
}

impl Mailbox {
    /// Opens or makes the mailbox and brings its tables up to date.
    ///
    /// # Errors
    /// When the file cannot be opened, or was written by a newer version.
    pub async fn open(file: &Path) -> Result<Self, sqlx::Error> {
        let database = Database::open(file).await?;
        sqlx::migrate!().run(&database.write).await?;
        Ok(Self { database })
    }

    /// The database, for the tables of the registry index and the uploads.
    pub fn database(&self) -> &Database {
        &self.database
    }

    /// Stores one envelope whose signature has been checked. When this returns `New`, it is on disk.
    ///
    /// # Errors
    /// See [`StoreError`]; nothing is changed then.
    pub async fn store(
        &self,
        person: Person,
        envelope: &Envelope,
        bytes: &[u8],
        now: Millis,
    ) -> Result<Stored, StoreError> {
        let (room, device, seq) = (envelope.room, envelope.device, envelope.seq);
        let id = envelope.id();
        let mut transaction = self.database.write.begin().await?;
        let head = head(&mut transaction, room, device).await?;
        if seq <= head {
            let known: Option<Vec<u8>> = sqlx::query_scalar(
                "SELECT id FROM envelopes WHERE room = ? AND device = ? AND seq = ?",
            )
            .bind(&room.0[..])
            .bind(&device.0[..])
            .bind(number(seq))
            .fetch_optional(&mut *transaction)
            .await?;
            return match known {
                Some(known) if known == id.0 => Ok(Stored::Known),
                _ => Err(StoreError::Fork { seq }),
            };
        }
        if seq != head + 1 {
            return Err(StoreError::Gap { seq, head });
        }
        check_quota(&mut transaction, room, person, head, bytes.len()).await?;
        sqlx::query("INSERT INTO envelopes (room, device, seq, id, received_at, bytes) VALUES (?, ?, ?, ?, ?, ?)")
            .bind(&room.0[..])
            .bind(&device.0[..])
            .bind(number(seq))
            .bind(&id.0[..])
            .bind(number(now.0))
            .bind(bytes)
            .execute(&mut *transaction)
            .await?;
        sqlx::query("INSERT INTO heads (room, device, seq) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET seq = excluded.seq")
            .bind(&room.0[..])
            .bind(&device.0[..])
            .bind(number(seq))
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "INSERT INTO used (room, person, bytes) VALUES (?, ?, ?) \
             ON CONFLICT DO UPDATE SET bytes = bytes + excluded.bytes",
        )
        .bind(&room.0[..])
        .bind(&person.0[..])
        .bind(number(bytes.len() as u64))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(Stored::New)
    }

    /// The contiguous head of every device of a room.
    pub async fn heads(&self, room: RoomId) -> Result<VersionVector, sqlx::Error> {
        let rows = sqlx::query("SELECT device, seq FROM heads WHERE room = ?")
            .bind(&room.0[..])
            .fetch_all(&self.database.read)
            .await?;
        let mut heads = BTreeMap::new();
        for row in rows {
            heads.insert(device_key(row.try_get(0)?)?, positive(row.try_get(1)?));
        }
        Ok(VersionVector(heads))
    }

    /// What the room holds beyond `have`, oldest arrival first, at most `limit` envelopes.
    pub async fn page(
        &self,
        room: RoomId,
        have: &VersionVector,
        limit: u32,
    ) -> Result<Page, sqlx::Error> {
        let limit = limit.clamp(1, PAGE_COUNT);
        let mut missing: Vec<(i64, i64)> = Vec::new();
        for (device, head) in &self.heads(room).await?.0 {
            let had = have.0.get(device).copied().unwrap_or(0);
            if had >= *head {
                continue;
            }
            // One more than the limit, so that `more` is known without counting.
            let rows = sqlx::query(
                "SELECT arrival, length(bytes) FROM envelopes WHERE room = ? AND device = ? AND seq > ? \
                 ORDER BY seq LIMIT ?",
            )
            .bind(&room.0[..])
            .bind(&device.0[..])
            .bind(number(had))
            .bind(i64::from(limit) + 1)
            .fetch_all(&self.database.read)
            .await?;
            for row in rows {
                missing.push((row.try_get(0)?, row.try_get(1)?));
            }
        }
        missing.sort_unstable();
        let mut page = Page::default();
        let mut size = 0;
        for (arrival, length) in &missing {
            let length = usize::try_from(*length).unwrap_or(usize::MAX);
            if page.envelopes.len() >= limit as usize
                || (size + length > PAGE_BYTES && !page.envelopes.is_empty())
            {
                page.more = true;
                break;
            }
            let bytes: Vec<u8> =
                sqlx::query_scalar("SELECT bytes FROM envelopes WHERE arrival = ?")
                    .bind(arrival)
                    .fetch_one(&self.database.read)
                    .await?;
            size += bytes.len();
            page.envelopes.push(bytes);
        }
        Ok(page)
    }

    /// Number of stored envelopes, for `/metrics`.
    pub async fn count(&self) -> Result<u64, sqlx::Error> {
        // Nothing is ever deleted, so the largest row id is the count, and reading it is cheap.
        let count: Option<i64> = sqlx::query_scalar("SELECT max(arrival) FROM envelopes")
            .fetch_one(&self.database.read)
            .await?;
        Ok(positive(count.unwrap_or(0)))
    }
}

async fn head(
    connection: &mut SqliteConnection,
    room: RoomId,
    device: DeviceKey,
) -> Result<u64, sqlx::Error> {
    let head: Option<i64> =
        sqlx::query_scalar("SELECT seq FROM heads WHERE room = ? AND device = ?")
            .bind(&room.0[..])
            .bind(&device.0[..])
            .fetch_optional(connection)
            .await?;
    Ok(positive(head.unwrap_or(0)))
}

async fn check_quota(
    connection: &mut SqliteConnection,
    room: RoomId,
    person: Person,
    head: u64,
    size: usize,
) -> Result<(), StoreError> {
    let row = sqlx::query(
        "SELECT coalesce(sum(bytes), 0), coalesce(sum(CASE WHEN person = ? THEN bytes ELSE 0 END), 0) \
         FROM used WHERE room = ?",
    )
    .bind(&person.0[..])
    .bind(&room.0[..])
    .fetch_one(&mut *connection)
    .await?;
    let (in_room, by_person) = (positive(row.try_get(0)?), positive(row.try_get(1)?));
    if in_room + size as u64 > ROOM_QUOTA {
        return Err(StoreError::Quota(
            "this room's history has reached 1 GiB; go on in a new room",
        ));
    }
    if by_person + size as u64 > PERSON_QUOTA {
        return Err(StoreError::Quota(
            "you have written 64 MiB in this room, the most a person may",
        ));
    }
    if head == 0 {
        let devices: i64 = sqlx::query_scalar("SELECT count(*) FROM heads WHERE room = ?")
            .bind(&room.0[..])
            .fetch_one(connection)
            .await?;
        if devices >= DEVICES_PER_ROOM {
            return Err(StoreError::Quota(
                "this room has 2,000 devices, the most a room may have",
            ));
        }
    }
    Ok(())
}

/// SQLite's integers are signed; no count or time of ours reaches their end.
pub(crate) fn number(value: u64) -> i64 {
    i64::try_from(value).unwrap_or(i64::MAX)
}

pub(crate) fn positive(value: i64) -> u64 {
    u64::try_from(value).unwrap_or(0)
}

pub(crate) fn array<const N: usize>(bytes: Vec<u8>) -> Result<[u8; N], sqlx::Error> {
    bytes
        .try_into()
        .map_err(|_| sqlx::Error::Decode("a stored key has the wrong length".into()))
}

fn device_key(bytes: Vec<u8>) -> Result<DeviceKey, sqlx::Error> {
    array(bytes).map(DeviceKey)
}
