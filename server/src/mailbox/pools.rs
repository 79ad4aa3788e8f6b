//! Where the mailbox is: an SQLite file (embedded, the default), or a PostgreSQL server by its URL. The same statements
//! run on both; what differs is here.

use std::path::Path;
use std::time::Duration;

use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{Any, AnyConnection, AnyPool, Connection, Transaction};

use crate::database::OpenError;
use crate::migrations;

/// How long a statement waits for a connection.
const PATIENCE: Duration = Duration::from_secs(5);

/// Pools for writing and for reading: SQLite lets only one connection write, and queueing for it here is fairer than
/// its busy handler.
#[derive(Clone, Debug)]
pub(super) struct Pools {
    pub(super) write: AnyPool,
    pub(super) read: AnyPool,
    kind: Kind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Sqlite,
    Postgres,
}

impl Pools {
    /// An SQLite file whose tables are there already. A commit is on disk when it returns.
    pub(super) async fn sqlite(file: &Path) -> Result<Self, OpenError> {
        let url = |mode| format!("sqlite://{}?mode={mode}", escaped(file));
        let pool = |connections| {
            AnyPoolOptions::new()
                .max_connections(connections)
                .acquire_timeout(PATIENCE)
                // A full disk makes SQLite end a transaction by itself, and the connection then refuses to begin another.
                .before_acquire(|connection, _| {
                    let free = !connection.is_in_transaction();
                    Box::pin(async move { Ok(free) })
                })
                .after_connect(|connection, _| Box::pin(make_durable(connection)))
        };
        let options = |mode| url(mode).parse::<AnyConnectOptions>();
        Ok(Self {
            write: pool(1).connect_with(options("rw")?).await?,
            read: pool(4).connect_with(options("ro")?).await?,
            kind: Kind::Sqlite,
        })
    }

    /// A PostgreSQL database; makes or updates its tables.
    pub(super) async fn postgres(url: &str) -> Result<Self, OpenError> {
        let pool = AnyPoolOptions::new()
            .max_connections(16)
            .acquire_timeout(PATIENCE)
            .connect_with(url.parse()?)
            .await?;
        migrations::postgres().run(&pool).await?;
        Ok(Self {
            write: pool.clone(),
            read: pool,
            kind: Kind::Postgres,
        })
    }

    /// Begins to write what concerns one device in one room; nobody else writes the same at the same time.
    pub(super) async fn begin(
        &self,
        lock: &[u8; 8],
    ) -> Result<Transaction<'static, Any>, sqlx::Error> {
        match self.kind {
            // Deferred, it could read, and then find that another connection has written meanwhile.
            Kind::Sqlite => self.write.begin_with("BEGIN IMMEDIATE").await,
            Kind::Postgres => {
                let mut transaction = self.write.begin().await?;
                sqlx::query("SELECT pg_advisory_xact_lock($1)")
                    .bind(i64::from_be_bytes(*lock))
                    .execute(&mut *transaction)
                    .await?;
                Ok(transaction)
            }
        }
    }

    pub(super) async fn alive(&self) -> bool {
        sqlx::query("SELECT 1").execute(&self.read).await.is_ok()
    }

    pub(super) async fn close(&self) {
        self.read.close().await;
        self.write.close().await;
    }
}

/// WAL with `synchronous=FULL`: what is committed survives a power cut.
async fn make_durable(connection: &mut AnyConnection) -> Result<(), sqlx::Error> {
    for pragma in [
        "PRAGMA busy_timeout = 5000",
        "PRAGMA synchronous = FULL",
        "PRAGMA foreign_keys = ON",
    ] {
        sqlx::query(pragma).execute(&mut *connection).await?;
    }
    Ok(())
}

/// A path as part of a URL.
fn escaped(file: &Path) -> String {
    let text = file.to_string_lossy();
    text.replace('%', "%25")
        .replace('?', "%3F")
        .replace('#', "%23")
}
