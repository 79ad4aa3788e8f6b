//! One node's shares in an SQLite file of their own: nothing else is in it, so that it can be handed to another
//! institution as it is. Records lie there sealed with a key that is kept elsewhere; the log and the lists of delegates
//! hold addresses only.

use std::collections::BTreeSet;
use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use healthsync_core::{DeviceKey, Millis, Person};
use healthsync_lighthouse::node::rest::RestKey;
use healthsync_lighthouse::node::{
    Action, Entry, LOG_SPAN, Logged, MAX_ENDED, MAX_LOG, Record, ShareStore, StoreError,
};
use sqlx::{Row, SqliteConnection};

use crate::database::{self, Database};
use crate::mailbox::{number, positive};

/// What a node keeps.
const TABLES: [&str; 5] = [
    "CREATE TABLE IF NOT EXISTS shares (cid TEXT NOT NULL PRIMARY KEY, record BLOB NOT NULL, \
     revision INTEGER NOT NULL) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS log (cid TEXT NOT NULL, person BLOB NOT NULL, action TEXT NOT NULL, \
     span INTEGER NOT NULL, first INTEGER NOT NULL, last INTEGER NOT NULL, times INTEGER NOT NULL, \
     PRIMARY KEY (cid, person, action, span)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS delegates (owner BLOB NOT NULL, delegate BLOB NOT NULL, \
     PRIMARY KEY (owner, delegate)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS ended (person BLOB NOT NULL, device BLOB NOT NULL, \
     PRIMARY KEY (person, device)) WITHOUT ROWID",
    "CREATE TABLE IF NOT EXISTS mark (one INTEGER NOT NULL PRIMARY KEY CHECK (one = 1), bytes BLOB NOT NULL)",
];

/// Why a node's file cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// It is no database, is damaged, or cannot be read or written.
    #[error(transparent)]
    Database(#[from] database::OpenError),
    /// The shares in it were sealed with another key.
    #[error("its shares were sealed with another key than the one in HEALTHSYNC_SHARE_KEY_FILE")]
    OtherKey,
}

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        OpenError::Database(error.into())
    }
}

/// The records of one node.
#[derive(Clone, Debug)]
pub(super) struct SqliteShares {
    database: Database,
    node: u8,
    key: Arc<RestKey>,
}

impl SqliteShares {
    /// Opens or makes the file of `node`. Records of an earlier release, which lie in the clear, are sealed.
    pub(super) async fn open(file: &Path, node: u8, key: Arc<RestKey>) -> Result<Self, OpenError> {
        let database = Database::open(file).await?;
        for table in TABLES {
            sqlx::query(table).execute(&database.write).await?;
        }
        let shares = Self {
            database,
            node,
            key,
        };
        shares.recognise().await?;
        shares.seal_old_records().await?;
        Ok(shares)
    }

    async fn recognise(&self) -> Result<(), OpenError> {
        let mark: Option<Vec<u8>> = sqlx::query_scalar("SELECT bytes FROM mark")
            .fetch_optional(&self.database.write)
            .await?;
        match mark {
            Some(mark) if self.key.knows(self.node, &mark) => Ok(()),
            Some(_) => Err(OpenError::OtherKey),
            None => {
                sqlx::query("INSERT INTO mark (one, bytes) VALUES (1, ?)")
                    .bind(self.key.mark(self.node, rand::random()))
                    .execute(&self.database.write)
                    .await?;
                Ok(())
            }
        }
    }

    async fn seal_old_records(&self) -> Result<(), OpenError> {
        let old = sqlx::query("SELECT cid, record FROM shares WHERE typeof(record) = 'text'")
            .fetch_all(&self.database.write)
            .await?;
        let found = !old.is_empty();
        for row in old {
            let (cid, record): (String, String) = (row.try_get(0)?, row.try_get(1)?);
            let Ok(record) = serde_json::from_str::<Record>(&record) else {
                tracing::error!(%cid, "a record of an earlier release cannot be read");
                continue;
            };
            sqlx::query("UPDATE shares SET record = ? WHERE cid = ?")
                .bind(self.sealed(&cid, &record))
                .bind(&cid)
                .execute(&self.database.write)
                .await?;
        }
        if found {
            // What was overwritten must not be left in the file's free pages.
            sqlx::query("VACUUM").execute(&self.database.write).await?;
        }
        Ok(())
    }

    fn sealed(&self, cid: &str, record: &Record) -> Vec<u8> {
        self.key.seal(self.node, cid, record, rand::random())
    }

    pub(super) async fn alive(&self) -> bool {
        self.database.alive().await
    }

    pub(super) async fn close(&self) {
        self.database.close().await;
    }

    /// Keys that have a share here.
    pub(super) async fn count(&self) -> Result<u64, sqlx::Error> {
        let count = sqlx::query_scalar("SELECT count(*) FROM shares")
            .fetch_one(&self.database.read)
            .await?;
        Ok(positive(count))
    }

    /// Whether there is a share of this key.
    pub(super) async fn holds(&self, cid: &str) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM shares WHERE cid = ?)")
            .bind(cid)
            .fetch_one(&self.database.read)
            .await
    }
}

fn failed(error: impl std::fmt::Display) -> StoreError {
    tracing::error!(%error, "a key node's store does not work");
    StoreError(error.to_string())
}

async fn write_log(
    connection: &mut SqliteConnection,
    cid: &str,
    entry: Entry,
) -> Result<(), sqlx::Error> {
    sqlx::query(
        "INSERT INTO log (cid, person, action, span, first, last, times) VALUES (?, ?, ?, ?, ?, ?, 1) \
         ON CONFLICT DO UPDATE SET last = excluded.last, times = times + 1",
    )
    .bind(cid)
    .bind(&entry.person.0[..])
    .bind(entry.action.name())
    .bind(number(entry.at.0 / LOG_SPAN))
    .bind(number(entry.at.0))
    .bind(number(entry.at.0))
    .execute(connection)
    .await?;
    Ok(())
}

fn person(bytes: &[u8]) -> Result<Person, StoreError> {
    let bytes = bytes.try_into();
    bytes
        .map(Person)
        .map_err(|_| failed("an address in it has a wrong length"))
}

#[async_trait]
impl ShareStore for SqliteShares {
    async fn get(&self, cid: &str) -> Result<Option<(Record, u64)>, StoreError> {
        let row = sqlx::query("SELECT record, revision FROM shares WHERE cid = ?")
            .bind(cid)
            .fetch_optional(&self.database.read)
            .await
            .map_err(failed)?;
        let Some(row) = row else { return Ok(None) };
        let sealed: Vec<u8> = row.try_get(0).map_err(failed)?;
        let record = self.key.open(self.node, cid, &sealed).map_err(failed)?;
        Ok(Some((record, positive(row.try_get(1).map_err(failed)?))))
    }

    async fn put(
        &self,
        cid: &str,
        record: &Record,
        was: u64,
        entry: Entry,
    ) -> Result<bool, StoreError> {
        let mut transaction = self.database.write.begin().await.map_err(failed)?;
        let written = if was == 0 {
            sqlx::query("INSERT INTO shares (cid, record, revision) VALUES (?, ?, 1) ON CONFLICT DO NOTHING")
                .bind(cid)
                .bind(self.sealed(cid, record))
                .execute(&mut *transaction)
                .await
        } else {
            sqlx::query("UPDATE shares SET record = ?, revision = revision + 1 WHERE cid = ? AND revision = ?")
                .bind(self.sealed(cid, record))
                .bind(cid)
                .bind(number(was))
                .execute(&mut *transaction)
                .await
        };
        if written.map_err(failed)?.rows_affected() != 1 {
            return Ok(false);
        }
        write_log(&mut transaction, cid, entry)
            .await
            .map_err(failed)?;
        transaction.commit().await.map_err(failed)?;
        Ok(true)
    }

    async fn log(&self, cid: &str, entry: Entry) -> Result<(), StoreError> {
        let mut connection = self.database.write.acquire().await.map_err(failed)?;
        write_log(&mut connection, cid, entry).await.map_err(failed)
    }

    async fn read_log(&self, cid: &str) -> Result<Vec<Logged>, StoreError> {
        let rows = sqlx::query(
            "SELECT person, action, first, last, times FROM log WHERE cid = ? ORDER BY last DESC LIMIT ?",
        )
        .bind(cid)
        .bind(number(MAX_LOG as u64))
        .fetch_all(&self.database.read)
        .await
        .map_err(failed)?;
        let line = |row: &sqlx::sqlite::SqliteRow| {
            let action: String = row.try_get(1).map_err(failed)?;
            let number = |column: usize| row.try_get(column).map(positive).map_err(failed);
            Ok(Logged {
                person: person(row.try_get(0).map_err(failed)?)?,
                action: Action::named(&action)
                    .ok_or_else(|| failed("an action in the log is unknown"))?,
                first: Millis(number(2)?),
                last: Millis(number(3)?),
                times: number(4)?,
            })
        };
        rows.iter().map(line).collect()
    }

    async fn delegates(&self, owner: Person) -> Result<BTreeSet<Person>, StoreError> {
        let delegates: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT delegate FROM delegates WHERE owner = ?")
                .bind(&owner.0[..])
                .fetch_all(&self.database.read)
                .await
                .map_err(failed)?;
        delegates.iter().map(|bytes| person(bytes)).collect()
    }

    async fn set_delegates(
        &self,
        owner: Person,
        delegates: &BTreeSet<Person>,
    ) -> Result<(), StoreError> {
        let mut transaction = self.database.write.begin().await.map_err(failed)?;
        sqlx::query("DELETE FROM delegates WHERE owner = ?")
            .bind(&owner.0[..])
            .execute(&mut *transaction)
            .await
            .map_err(failed)?;
        for delegate in delegates {
            sqlx::query("INSERT INTO delegates (owner, delegate) VALUES (?, ?)")
                .bind(&owner.0[..])
                .bind(&delegate.0[..])
                .execute(&mut *transaction)
                .await
                .map_err(failed)?;
        }
        transaction.commit().await.map_err(failed)
    }

    async fn is_ended(&self, device: DeviceKey, person: Person) -> Result<bool, StoreError> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM ended WHERE person = ? AND device = ?)")
            .bind(&person.0[..])
            .bind(&device.0[..])
            .fetch_one(&self.database.read)
            .await
            .map_err(failed)
    }

    async fn end_device(&self, device: DeviceKey, person: Person) -> Result<bool, StoreError> {
        sqlx::query(
            "INSERT INTO ended (person, device) SELECT ?1, ?2 \
             WHERE (SELECT count(*) FROM ended WHERE person = ?1) < ?3 ON CONFLICT DO NOTHING",
        )
        .bind(&person.0[..])
        .bind(&device.0[..])
        .bind(number(MAX_ENDED as u64))
        .execute(&self.database.write)
        .await
        .map_err(failed)?;
        self.is_ended(device, person).await
    }
}

#[cfg(test)]
mod tests {
    use healthsync_lighthouse::Share;

    use super::*;

    fn record(owner: u8) -> Record {
        Record {
            owner: Person([owner; 20]),
            share: Share::from_hex(&"1".repeat(64), &"2".repeat(64)).expect("a share"),
            shared_to: BTreeSet::new(),
            rules: None,
            decryption_type: None,
        }
    }

    fn entry(action: Action, at: u64) -> Entry {
        Entry {
            person: Person([1; 20]),
            action,
            at: Millis(at),
        }
    }

    #[tokio::test]
    async fn records_are_sealed_on_disk_and_need_their_key() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("node.db");
        let key = || Arc::new(RestKey::new([7; 32]));
        let store = SqliteShares::open(&file, 1, key()).await.expect("made");
        let saved = entry(Action::Saved, 1);
        assert!(store.put("a", &record(1), 0, saved).await.expect("written"));
        assert!(!store.put("a", &record(2), 0, saved).await.expect("asked"));
        assert!(store.put("a", &record(3), 1, saved).await.expect("written"));
        assert_eq!(store.get("a").await.expect("read"), Some((record(3), 2)));
        // As an earlier release left it.
        sqlx::query("UPDATE shares SET record = ?")
            .bind(serde_json::to_string(&record(4)).expect("JSON"))
            .execute(&store.database.write)
            .await
            .expect("written");
        store.close().await;
        let store = SqliteShares::open(&file, 1, key()).await.expect("opened");
        assert_eq!(store.get("a").await.expect("read"), Some((record(4), 2)));
        store.close().await;
        let bytes = std::fs::read(&file).expect("a file");
        let share = "1".repeat(64);
        assert!(!bytes.windows(64).any(|window| window == share.as_bytes()));
        let other = SqliteShares::open(&file, 1, Arc::new(RestKey::new([8; 32]))).await;
        assert!(matches!(other, Err(OpenError::OtherKey)));
        let other_node = SqliteShares::open(&file, 2, key()).await;
        assert!(matches!(other_node, Err(OpenError::OtherKey)));
    }

    #[tokio::test]
    async fn the_log_counts_within_an_hour_and_delegates_are_replaced() {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("node.db");
        let key = Arc::new(RestKey::new([7; 32]));
        let store = SqliteShares::open(&file, 1, key).await.expect("made");
        for at in [5, 9, LOG_SPAN + 1] {
            store
                .log("a", entry(Action::GivenByName, at))
                .await
                .expect("written");
        }
        store
            .log("b", entry(Action::Saved, 1))
            .await
            .expect("written");
        let lines = store.read_log("a").await.expect("read");
        let seen: Vec<_> = lines
            .iter()
            .map(|line| (line.first.0, line.last.0, line.times))
            .collect();
        assert_eq!(seen, [(LOG_SPAN + 1, LOG_SPAN + 1, 1), (5, 9, 2)]);
        let owner = Person([9; 20]);
        for people in [vec![1, 2], vec![3], vec![]] {
            let people: BTreeSet<Person> = people.into_iter().map(|n| Person([n; 20])).collect();
            store.set_delegates(owner, &people).await.expect("written");
            assert_eq!(store.delegates(owner).await.expect("read"), people);
        }
        assert!(store.holds("a").await.is_ok_and(|holds| !holds));
        let ended = async |n| {
            let device = DeviceKey([n; 32]);
            assert!(!store.is_ended(device, owner).await.expect("read"));
            store.end_device(device, owner).await.expect("written")
        };
        let most = MAX_ENDED as u8;
        for n in 0..=most {
            assert_eq!(ended(n).await, n < most);
        }
        let again = store.end_device(DeviceKey([0; 32]), owner).await;
        assert!(again.expect("read"), "what is ended stays so");
    }
}
