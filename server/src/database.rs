//! The embedded SQLite files: opened so that a commit is on disk when it returns, and not at all when they are damaged.

use std::fs::File;
use std::io::Read;
use std::path::Path;
use std::time::Duration;

use sqlx::sqlite::{SqliteConnectOptions, SqliteJournalMode, SqlitePoolOptions, SqliteSynchronous};
use sqlx::{Connection, SqlitePool};

/// What every SQLite file begins with (<https://www.sqlite.org/fileformat.html>, 1.3).
const MAGIC: &[u8; 16] = b"SQLite format 3\0";

/// Why a database does not open: the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// A file that ends before its last page: an interrupted copy, a full or a broken disk.
    #[error(
        "it is cut short: {found} of {expected} bytes are there. Nothing was changed. Put a copy of the whole file in \
         its place, save what can be read with `sqlite3 FILE .recover`, or move it away to begin empty"
    )]
    CutShort { expected: u64, found: u64 },
    /// No SQLite file, or one with a broken page.
    #[error(
        "{0}. Nothing was changed. Put a good copy in its place, save what can be read with `sqlite3 FILE .recover`, or \
         move it away to begin empty"
    )]
    Damaged(&'static str),
    /// Anything else.
    #[error("{0}")]
    Database(sqlx::Error),
    /// Tables that a newer version has made, or that cannot be made.
    #[error("its tables cannot be brought up to date: {0}")]
    Migrate(#[from] sqlx::migrate::MigrateError),
}

impl From<sqlx::Error> for OpenError {
    fn from(error: sqlx::Error) -> Self {
        let code = error.as_database_error().and_then(|error| error.code());
        match code.as_deref() {
            Some("11" | "267" | "523" | "779") => OpenError::Damaged("a page of it is broken"),
            Some("26") => OpenError::Damaged("it is no SQLite file"),
            _ => OpenError::Database(error),
        }
    }
}

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
    /// See [`OpenError`]; the file is left as it was.
    pub async fn open(file: &Path) -> Result<Self, OpenError> {
        check_whole(file)?;
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
                // A full disk makes SQLite end a transaction by itself, and the connection then refuses to begin another.
                .before_acquire(|connection, _| {
                    let free = !connection.is_in_transaction();
                    Box::pin(async move { Ok(free) })
                })
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

/// Compares the file's length with the number of pages in its header. With a write-ahead log beside it the header may
/// be ahead of the file, and SQLite itself puts that right.
fn check_whole(file: &Path) -> Result<(), OpenError> {
    let length = |path: &Path| path.metadata().map_or(0, |metadata| metadata.len());
    let found = length(file);
    if found == 0 {
        return Ok(());
    }
    let mut header = [0; 100];
    let read = File::open(file).and_then(|mut open| open.read_exact(&mut header));
    if read.is_err() || header[..16] != MAGIC[..] {
        return Err(OpenError::Damaged("it is no SQLite file"));
    }
    let word = |at: usize| {
        u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]])
    };
    let page = match u16::from_be_bytes([header[16], header[17]]) {
        1 => 65_536,
        size => u64::from(size),
    };
    // The count is only good when it was written together with the rest (1.3.8).
    let expected = page * u64::from(word(28));
    let mut log = file.as_os_str().to_owned();
    log.push("-wal");
    if word(24) == word(92) && found < expected && length(Path::new(&log)) == 0 {
        return Err(OpenError::CutShort { expected, found });
    }
    Ok(())
}
