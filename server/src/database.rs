//! The embedded SQLite files: opened so that a commit is on disk when it returns.

use std::path::Path;
use std::time::Duration;

use sqlx::SqlitePool;
use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};

/// One writer and several readers of the same file: SQLite lets only one write, and queueing for it here is
/// fairer than its busy handler.
#[derive(Clone, Debug)]
pub struct Database {
    pub write: SqlitePool,
    pub read: SqlitePool,
}

impl Database {
    /// Opens or makes the file. `synchronous=FULL` with WAL: what is committed survives a power cut.
    ///
    /// # Errors
    /// When the file cannot be opened or is no database.
    pub async fn open(file: &Path) -> Result<Self, sqlx::Error> {
        let options = SqliteConnectOptions::new()
            .filename(file)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .foreign_keys(true)
            .busy_timeout(Duration::from_secs(5));
        let pool = |connections| {
            SqlitePoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(Duration::from_secs(5))
        };
        let write = pool(1).connect_with(options.clone()).await?;
        let read = pool(4).connect_with(options.read_only(true)).await?;
        Ok(Self { write, read })
    }

    /// Whether the file still answers.
    pub async fn alive(&self) -> bool {
        sqlx::query("SELECT 1").execute(&self.read).await.is_ok()
    }

    /// Closes both pools, which folds the write-ahead log into the file.
    pub async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}
