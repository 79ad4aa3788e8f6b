//! Who stored which file, and under which API keys people come back: the tables behind lists, quotas and clearing up.

use healthsync_core::Person;
use healthsync_lighthouse::cid::{Cid, parse_cid};
use sha2::{Digest, Sha256};
use sqlx::Row;
use sqlx::sqlite::SqliteRow;

use crate::database::Database;
use crate::mailbox::{array, number, positive};

/// API keys of one person; a further one ends the oldest.
const KEYS: u64 = 16;
/// Uploads in one answer.
pub(super) const PAGE: u64 = 200;

/// One person's upload of one file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Upload {
    pub id: String,
    pub person: Person,
    pub cid: Cid,
    /// Bytes of the file.
    pub size: u64,
    /// Milliseconds since 1970.
    pub at: u64,
    pub name: String,
    pub mime: String,
    /// Whether the uploader said that it is encrypted.
    pub encrypted: bool,
}

/// The tables.
#[derive(Clone, Debug)]
pub(super) struct Catalogue {
    database: Database,
}

const COLUMNS: &str = "id, person, cid, size, at, name, mime, encrypted";

fn upload(row: &SqliteRow) -> Result<Upload, sqlx::Error> {
    let cid: String = row.try_get(2)?;
    Ok(Upload {
        id: row.try_get(0)?,
        person: Person(array(row.try_get(1)?)?),
        cid: parse_cid(&cid).map_err(|error| sqlx::Error::Decode(error.into()))?,
        size: positive(row.try_get(3)?),
        at: positive(row.try_get(4)?),
        name: row.try_get(5)?,
        mime: row.try_get(6)?,
        encrypted: row.try_get(7)?,
    })
}

impl Catalogue {
    pub(super) fn new(database: Database) -> Self {
        Self { database }
    }

    /// Bytes that a person has stored.
    pub(super) async fn used(&self, person: Person) -> Result<u64, sqlx::Error> {
        let sum = sqlx::query_scalar("SELECT coalesce(sum(size), 0) FROM uploads WHERE person = ?")
            .bind(&person.0[..])
            .fetch_one(&self.database.read)
            .await?;
        Ok(positive(sum))
    }

    /// Bytes that all have stored together; a file that several stored counts once.
    pub(super) async fn used_by_all(&self) -> Result<u64, sqlx::Error> {
        let sum = sqlx::query_scalar(
            "SELECT coalesce(sum(size), 0) FROM (SELECT max(size) AS size FROM uploads GROUP BY cid)",
        )
        .fetch_one(&self.database.read)
        .await?;
        Ok(positive(sum))
    }

    /// Notes an upload; the same file of the same person again changes nothing but name, type and time. When shares of its
    /// key are awaited and never come, it may be forgotten.
    pub(super) async fn remember(
        &self,
        upload: &Upload,
        shares_awaited: bool,
    ) -> Result<(), sqlx::Error> {
        sqlx::query(
            "INSERT INTO uploads (id, person, cid, size, at, name, mime, encrypted, shared_key) \
             VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) \
             ON CONFLICT (person, cid) DO UPDATE SET name = excluded.name, mime = excluded.mime, at = excluded.at, \
             encrypted = excluded.encrypted, shared_key = max(shared_key, excluded.shared_key)",
        )
        .bind(&upload.id)
        .bind(&upload.person.0[..])
        .bind(upload.cid.to_string())
        .bind(number(upload.size))
        .bind(number(upload.at))
        .bind(&upload.name)
        .bind(&upload.mime)
        .bind(upload.encrypted)
        .bind(!shares_awaited)
        .execute(&self.database.write)
        .await?;
        Ok(())
    }

    /// A person's uploads, newest first, after the one with this id.
    pub(super) async fn list(
        &self,
        person: Person,
        after: Option<&str>,
    ) -> Result<Vec<Upload>, sqlx::Error> {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM uploads WHERE person = ?1 AND (?2 IS NULL OR (at, id) < \
             (SELECT at, id FROM uploads WHERE person = ?1 AND id = ?2)) ORDER BY at DESC, id DESC LIMIT ?3"
        )))
        .bind(&person.0[..])
        .bind(after)
        .bind(number(PAGE))
        .fetch_all(&self.database.read)
        .await?;
        rows.iter().map(upload).collect()
    }

    /// How many uploads a person has.
    pub(super) async fn count(&self, person: Person) -> Result<u64, sqlx::Error> {
        let count = sqlx::query_scalar("SELECT count(*) FROM uploads WHERE person = ?")
            .bind(&person.0[..])
            .fetch_one(&self.database.read)
            .await?;
        Ok(positive(count))
    }

    /// The first upload of a file, by whomever.
    pub(super) async fn of_file(&self, cid: &Cid) -> Result<Option<Upload>, sqlx::Error> {
        let row = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM uploads WHERE cid = ? ORDER BY at LIMIT 1"
        )))
        .bind(cid.to_string())
        .fetch_optional(&self.database.read)
        .await?;
        row.as_ref().map(upload).transpose()
    }

    /// Forgets an upload of this person; gives the file when nobody else has uploaded it.
    pub(super) async fn forget(&self, person: Person, id: &str) -> Result<Forgotten, sqlx::Error> {
        let mut transaction = self.database.write.begin().await?;
        let cid: Option<String> =
            sqlx::query_scalar("DELETE FROM uploads WHERE person = ? AND id = ? RETURNING cid")
                .bind(&person.0[..])
                .bind(id)
                .fetch_optional(&mut *transaction)
                .await?;
        let Some(cid) = cid else {
            return Ok(Forgotten::NotThere);
        };
        let others: bool =
            sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM uploads WHERE cid = ?)")
                .bind(&cid)
                .fetch_one(&mut *transaction)
                .await?;
        transaction.commit().await?;
        Ok(match (others, parse_cid(&cid)) {
            (false, Ok(cid)) => Forgotten::Last(cid),
            _ => Forgotten::StillNeeded,
        })
    }

    /// Forgets an upload without a key, unless it was made once more since `before` or its key has been seen; gives the file
    /// when nobody else has uploaded it.
    pub(super) async fn forget_keyless(
        &self,
        upload: &Upload,
        before: u64,
    ) -> Result<Forgotten, sqlx::Error> {
        let still: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT 1 FROM uploads WHERE person = ? AND id = ? AND shared_key = 0 AND at < ?)",
        )
        .bind(&upload.person.0[..])
        .bind(&upload.id)
        .bind(number(before))
        .fetch_one(&self.database.read)
        .await?;
        match still {
            true => self.forget(upload.person, &upload.id).await,
            false => Ok(Forgotten::StillNeeded),
        }
    }

    /// Uploads from before `before` of whose key shares were awaited, and no node has been seen to hold one.
    pub(super) async fn without_key(&self, before: u64) -> Result<Vec<Upload>, sqlx::Error> {
        let rows = sqlx::query(sqlx::AssertSqlSafe(format!(
            "SELECT {COLUMNS} FROM uploads WHERE shared_key = 0 AND at < ? ORDER BY at LIMIT 1000"
        )))
        .bind(number(before))
        .fetch_all(&self.database.read)
        .await?;
        rows.iter().map(upload).collect()
    }

    /// Notes that a key node holds a share of this file's key.
    pub(super) async fn has_key(&self, cid: &Cid) -> Result<(), sqlx::Error> {
        sqlx::query("UPDATE uploads SET shared_key = 1 WHERE cid = ?")
            .bind(cid.to_string())
            .execute(&self.database.write)
            .await?;
        Ok(())
    }

    /// Whether anybody has uploaded this file.
    pub(super) async fn knows(&self, cid: &Cid) -> Result<bool, sqlx::Error> {
        sqlx::query_scalar("SELECT EXISTS (SELECT 1 FROM uploads WHERE cid = ?)")
            .bind(cid.to_string())
            .fetch_one(&self.database.read)
            .await
    }

    /// Keeps a new API key; beyond [`KEYS`] the person's oldest ends.
    pub(super) async fn keep_key(
        &self,
        person: Person,
        key: &str,
        at: u64,
    ) -> Result<(), sqlx::Error> {
        let mut transaction = self.database.write.begin().await?;
        sqlx::query("INSERT INTO api_keys (hash, person, at) VALUES (?, ?, ?)")
            .bind(hash(key))
            .bind(&person.0[..])
            .bind(number(at))
            .execute(&mut *transaction)
            .await?;
        sqlx::query(
            "DELETE FROM api_keys WHERE person = ?1 AND hash NOT IN \
             (SELECT hash FROM api_keys WHERE person = ?1 ORDER BY at DESC, hash LIMIT ?2)",
        )
        .bind(&person.0[..])
        .bind(number(KEYS))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await
    }

    /// Whose key this is.
    pub(super) async fn key_owner(&self, key: &str) -> Result<Option<Person>, sqlx::Error> {
        let person: Option<Vec<u8>> =
            sqlx::query_scalar("SELECT person FROM api_keys WHERE hash = ?")
                .bind(hash(key))
                .fetch_optional(&self.database.read)
                .await?;
        person.map(|person| array(person).map(Person)).transpose()
    }
}

/// What is left of a file after an upload was forgotten.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Forgotten {
    /// There was no such upload of this person.
    NotThere,
    /// Somebody else has uploaded the same file.
    StillNeeded,
    /// Nobody has: the bytes may go.
    Last(Cid),
}

fn hash(key: &str) -> Vec<u8> {
    Sha256::digest(key).to_vec()
}
