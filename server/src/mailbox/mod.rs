//! The relay's memory: sealed events of every room, kept in the order they arrived. It reads none of them.
//!
//! Per room and device the seqs are contiguous from 1: what is acknowledged has no gap before it, and two
//! different envelopes with the same seq (a fork) never both get in.

mod devices;
mod history;
mod pools;
mod retention;
#[cfg(test)]
mod tests;

use std::path::Path;
use std::sync::Arc;

use healthsync_core::{DeviceKey, Envelope, Millis, Person, RoomId};
use sqlx::{AnyConnection, Row};

use crate::database::{Database, OpenError};
use crate::migrations;

use devices::Lately;
pub use devices::{KnownDevice, Proof};
pub use history::Page;
use pools::Pools;

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
    /// The environment's: no room on the disk.
    #[error("the server's disk is full")]
    Full,
    /// Ours.
    #[error("the mailbox does not answer: {0}")]
    Database(sqlx::Error),
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|error| error.code());
        match code.as_deref() {
            // SQLITE_FULL; PostgreSQL's disk_full.
            Some("13" | "53100") => StoreError::Full,
            _ => StoreError::Database(error),
        }
    }
}

/// Sealed events, heads and device proofs of all rooms.
#[derive(Clone, Debug)]
pub struct Mailbox {
    pools: Pools,
    embedded: Database,
    devices: Arc<Lately>,
}

impl Mailbox {
    /// Opens or makes the mailbox in an SQLite file and brings its tables up to date.
    ///
    /// # Errors
    /// See [`OpenError`]; a damaged file is left as it was.
    pub async fn open(file: &Path) -> Result<Self, OpenError> {
        let embedded = embedded(file).await?;
        let pools = Pools::sqlite(file).await?;
        Ok(Self {
            pools,
            embedded,
            devices: Arc::default(),
        })
    }

    /// The mailbox in a PostgreSQL database; `embedded` keeps what is not the mailbox's.
    ///
    /// # Errors
    /// See [`OpenError`]: the PostgreSQL database's.
    pub async fn postgres(url: &str, embedded: Database) -> Result<Self, OpenError> {
        let pools = Pools::postgres(url).await?;
        Ok(Self {
            pools,
            embedded,
            devices: Arc::default(),
        })
    }

    /// The embedded database, for the tables of the registry index and the uploads.
    pub fn database(&self) -> &Database {
        &self.embedded
    }

    /// Whether everything still answers.
    pub async fn alive(&self) -> bool {
        self.pools.alive().await && self.embedded.alive().await
    }

    /// Ends all connections.
    pub async fn close(&self) {
        self.pools.close().await;
        self.embedded.close().await;
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
        let mut transaction = self.pools.begin(&lock(device)).await?;
        let head = head(&mut transaction, room, device).await?;
        if seq <= head {
            let known: Option<Vec<u8>> = sqlx::query_scalar(
                "SELECT id FROM envelopes WHERE room = $1 AND device = $2 AND seq = $3",
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
        sqlx::query(
            "INSERT INTO envelopes (room, device, seq, id, received_at, bytes) VALUES ($1, $2, $3, $4, $5, $6)",
        )
        .bind(&room.0[..])
        .bind(&device.0[..])
        .bind(number(seq))
        .bind(&id.0[..])
        .bind(number(now.0))
        .bind(bytes)
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "INSERT INTO heads (room, device, seq) VALUES ($1, $2, $3) \
             ON CONFLICT (room, device) DO UPDATE SET seq = excluded.seq",
        )
        .bind(&room.0[..])
        .bind(&device.0[..])
        .bind(number(seq))
        .execute(&mut *transaction)
        .await?;
        sqlx::query(
            "INSERT INTO used (room, person, bytes) VALUES ($1, $2, $3) \
             ON CONFLICT (room, person) DO UPDATE SET bytes = used.bytes + excluded.bytes",
        )
        .bind(&room.0[..])
        .bind(&person.0[..])
        .bind(number(bytes.len() as u64))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(Stored::New)
    }
}

pub(crate) async fn embedded(file: &Path) -> Result<Database, OpenError> {
    sqlx::any::install_default_drivers();
    let database = Database::open(file).await?;
    migrations::embedded().run(&database.write).await?;
    Ok(database)
}

/// Two writers of one device wait for each other; those of others seldom do.
fn lock(device: DeviceKey) -> [u8; 8] {
    let mut start = [0; 8];
    start.copy_from_slice(&device.0[..8]);
    start
}

async fn head(
    connection: &mut AnyConnection,
    room: RoomId,
    device: DeviceKey,
) -> Result<u64, sqlx::Error> {
    let head: Option<i64> =
        sqlx::query_scalar("SELECT seq FROM heads WHERE room = $1 AND device = $2")
            .bind(&room.0[..])
            .bind(&device.0[..])
            .fetch_optional(connection)
            .await?;
    Ok(positive(head.unwrap_or(0)))
}

async fn check_quota(
    connection: &mut AnyConnection,
    room: RoomId,
    person: Person,
    head: u64,
    size: usize,
) -> Result<(), StoreError> {
    let row = sqlx::query(
        "SELECT CAST(coalesce(sum(bytes), 0) AS BIGINT), \
         CAST(coalesce(sum(CASE WHEN person = $1 THEN bytes ELSE 0 END), 0) AS BIGINT) \
         FROM used WHERE room = $2",
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
        let devices: i64 = sqlx::query_scalar("SELECT count(*) FROM heads WHERE room = $1")
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

/// SQL's integers are signed; no count or time of ours reaches their end.
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
