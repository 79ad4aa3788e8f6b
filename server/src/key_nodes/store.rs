//! One node's shares in an SQLite file of their own: nothing else is in it, so that it can be handed to another
//! institution as it is.

use std::path::Path;

use async_trait::async_trait;
use healthsync_lighthouse::node::{Record, ShareStore, StoreError};
use sqlx::Row;

use crate::database::Database;
use crate::mailbox::{number, positive};

/// The records of one node.
#[derive(Clone, Debug)]
pub(super) struct SqliteShares {
    database: Database,
}

impl SqliteShares {
    pub(super) async fn open(file: &Path) -> Result<Self, sqlx::Error> {
        let database = Database::open(file).await?;
        sqlx::query(
            "CREATE TABLE IF NOT EXISTS shares (cid TEXT NOT NULL PRIMARY KEY, record TEXT NOT NULL, \
             revision INTEGER NOT NULL) WITHOUT ROWID",
        )
        .execute(&database.write)
        .await?;
        Ok(Self { database })
    }

    pub(super) async fn alive(&self) -> bool {
        self.database.alive().await
    }

    pub(super) async fn close(&self) {
        self.database.close().await;
    }
}

fn failed(error: impl std::fmt::Display) -> StoreError {
    tracing::error!(%error, "a key node's store does not work");
    StoreError(error.to_string())
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
        let record: String = row.try_get(0).map_err(failed)?;
        // The error of serde_json may quote the record, which holds the share.
        let record =
            serde_json::from_str(&record).map_err(|_| failed("a record cannot be read"))?;
        Ok(Some((record, positive(row.try_get(1).map_err(failed)?))))
    }

    async fn put(&self, cid: &str, record: &Record, was: u64) -> Result<bool, StoreError> {
        let record = serde_json::to_string(record).map_err(failed)?;
        let written = if was == 0 {
            sqlx::query("INSERT INTO shares (cid, record, revision) VALUES (?, ?, 1) ON CONFLICT DO NOTHING")
                .bind(cid)
                .bind(record)
                .execute(&self.database.write)
                .await
        } else {
            sqlx::query("UPDATE shares SET record = ?, revision = revision + 1 WHERE cid = ? AND revision = ?")
                .bind(record)
                .bind(cid)
                .bind(number(was))
                .execute(&self.database.write)
                .await
        };
        Ok(written.map_err(failed)?.rows_affected() == 1)
    }
}
