//! What this browser keeps: one IndexedDB database, opened once a page.
//!
//! Values are text (JSON) or bytes; keys are text whose parts are separated by `/`, so that everything of a room is
//! one key range. Inside a transaction nothing is awaited but its own requests: IndexedDB closes a transaction whose
//! task waits for anything else.

pub(crate) mod drafts;
pub(crate) mod envelopes;
pub(crate) mod keys;
pub(crate) mod outbox;
pub(crate) mod schema;

use std::{cell::Cell, rc::Rc};

use futures::channel::oneshot;
use idb::{KeyRange, Query, Transaction, TransactionMode};
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::spawn_local;
use web_sys::Event;

use self::envelopes::RememberedHeads;
use super::platform::{bytes_from_js, bytes_to_js};

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum StorageError {
    /// The browser lets this page keep nothing (private window, policy).
    #[error("this browser does not let the page keep anything: {0}")]
    Refused(String),
    /// The disk or the page's quota is full.
    #[error("there is no room left for this page in the browser")]
    Full,
    /// What was to be added is there already.
    #[error("something else is kept in that place")]
    Taken,
    #[error("the browser could not keep it: {0}")]
    Failed(String),
}

impl From<idb::Error> for StorageError {
    fn from(error: idb::Error) -> Self {
        let text = error.to_string();
        if text.contains("QuotaExceeded") {
            StorageError::Full
        } else {
            StorageError::Failed(text)
        }
    }
}

/// The open database. Clones are the same connection.
#[derive(Clone)]
pub(crate) struct Database {
    open: Rc<idb::Database>,
    heads: Rc<RememberedHeads>,
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Database")
    }
}

impl Database {
    fn begin(&self, stores: &[&str], mode: TransactionMode) -> Result<Transaction, StorageError> {
        Ok(self.open.transaction(stores, mode)?)
    }

    pub(crate) async fn get(
        &self,
        store: &'static str,
        key: &str,
    ) -> Result<Option<JsValue>, StorageError> {
        let (db, key) = (self.clone(), JsValue::from_str(key));
        to_the_end(async move {
            let transaction = db.begin(&[store], TransactionMode::ReadOnly)?;
            Ok(transaction.object_store(store)?.get(key)?.await?)
        })
        .await
    }

    pub(crate) async fn get_text(
        &self,
        store: &'static str,
        key: &str,
    ) -> Result<Option<String>, StorageError> {
        let value = self.get(store, key).await?;
        Ok(value.and_then(|value| value.as_string()))
    }

    pub(crate) async fn get_bytes(
        &self,
        store: &'static str,
        key: &str,
    ) -> Result<Option<Vec<u8>>, StorageError> {
        Ok(self.get(store, key).await?.as_ref().and_then(bytes_from_js))
    }

    /// A JSON value; one that an older or newer release wrote in another shape counts as absent.
    pub(crate) async fn get_json<T: serde::de::DeserializeOwned>(
        &self,
        store: &'static str,
        key: &str,
    ) -> Result<Option<T>, StorageError> {
        let text = self.get_text(store, key).await?;
        Ok(text.and_then(|text| serde_json::from_str(&text).ok()))
    }

    pub(crate) async fn put(
        &self,
        store: &'static str,
        key: &str,
        value: JsValue,
    ) -> Result<(), StorageError> {
        let (db, key) = (self.clone(), JsValue::from_str(key));
        to_the_end(async move {
            let transaction = db.begin(&[store], TransactionMode::ReadWrite)?;
            transaction.object_store(store)?.put(&value, Some(&key))?;
            finish(transaction).await
        })
        .await
    }

    pub(crate) async fn put_text(
        &self,
        store: &'static str,
        key: &str,
        text: &str,
    ) -> Result<(), StorageError> {
        self.put(store, key, JsValue::from_str(text)).await
    }

    pub(crate) async fn put_bytes(
        &self,
        store: &'static str,
        key: &str,
        bytes: &[u8],
    ) -> Result<(), StorageError> {
        self.put(store, key, bytes_to_js(bytes)).await
    }

    pub(crate) async fn put_json<T: serde::Serialize>(
        &self,
        store: &'static str,
        key: &str,
        value: &T,
    ) -> Result<(), StorageError> {
        let text = serde_json::to_string(value).map_err(|e| StorageError::Failed(e.to_string()))?;
        self.put_text(store, key, &text).await
    }

    /// Puts only when nothing is there yet, and returns what is there afterwards: two tabs that make a key at the
    /// same moment end with the same one.
    pub(crate) async fn put_once(
        &self,
        store: &'static str,
        key: &str,
        bytes: Vec<u8>,
    ) -> Result<Vec<u8>, StorageError> {
        let (db, key) = (self.clone(), JsValue::from_str(key));
        to_the_end(async move {
            let transaction = db.begin(&[store], TransactionMode::ReadWrite)?;
            let objects = transaction.object_store(store)?;
            let there = objects.get(key.clone())?.await?;
            if let Some(there) = there.as_ref().and_then(bytes_from_js) {
                return Ok(there);
            }
            objects.put(&bytes_to_js(&bytes), Some(&key))?;
            finish(transaction).await?;
            Ok(bytes)
        })
        .await
    }

    pub(crate) async fn delete(&self, store: &'static str, key: &str) -> Result<(), StorageError> {
        let (db, key) = (self.clone(), JsValue::from_str(key));
        to_the_end(async move {
            let transaction = db.begin(&[store], TransactionMode::ReadWrite)?;
            transaction.object_store(store)?.delete(key)?;
            finish(transaction).await
        })
        .await
    }

    /// All entries whose key begins with `prefix`, in key order.
    pub(crate) async fn range(
        &self,
        store: &'static str,
        prefix: &str,
    ) -> Result<Vec<(String, JsValue)>, StorageError> {
        let (db, prefix) = (self.clone(), prefix.to_owned());
        to_the_end(async move {
            let transaction = db.begin(&[store], TransactionMode::ReadOnly)?;
            let objects = transaction.object_store(store)?;
            let keys = objects.get_all_keys(Some(prefix_range(&prefix)?), None)?;
            let values = objects.get_all(Some(prefix_range(&prefix)?), None)?;
            // Both requests are under way before either is awaited.
            let (keys, values) =
                futures::future::try_join(keys.into_future(), values.into_future()).await?;
            let keys = keys.into_iter().filter_map(|key| key.as_string());
            Ok(keys.zip(values).collect())
        })
        .await
    }
}

/// Runs work on the database to its end even when whoever asked for it is dropped half way: the browser reports the end
/// of each request to a closure that must still be there.
async fn to_the_end<T: 'static, E: From<StorageError> + 'static>(
    work: impl Future<Output = Result<T, E>> + 'static,
) -> Result<T, E> {
    let (done, result) = oneshot::channel();
    spawn_local(async move {
        // Nobody waits for the result when the asking task was dropped.
        let _ = done.send(work.await);
    });
    match result.await {
        Ok(result) => result,
        Err(oneshot::Canceled) => {
            Err(StorageError::Failed("the work was not finished".into()).into())
        }
    }
}

fn prefix_range(prefix: &str) -> Result<Query, StorageError> {
    let upper = format!("{prefix}\u{ffff}");
    Ok(KeyRange::bound(
        &JsValue::from_str(prefix),
        &JsValue::from_str(&upper),
        None,
        None,
    )?
    .into())
}

/// Waits until the browser says that everything of this transaction is kept. Committing by hand spares a turn of the
/// event loop for each request that nobody waits for.
async fn finish(transaction: Transaction) -> Result<(), StorageError> {
    let mut transaction = transaction.commit()?;
    let (done, ended) = oneshot::channel();
    let done = Rc::new(Cell::new(Some(done)));
    let end = |done: &Cell<Option<oneshot::Sender<_>>>, result| {
        if let Some(done) = done.take() {
            // Nobody waits any more when the page goes away.
            let _ = done.send(result);
        }
    };
    let committed = done.clone();
    transaction.on_complete(move |_| end(&committed, Ok(())));
    // A full disk shows here, and nowhere before: the requests themselves have succeeded by then.
    transaction.on_abort(move |event| end(&done, Err(why_undone(&event))));
    ended
        .await
        .unwrap_or_else(|_| Err(StorageError::Failed("the transaction has no end".into())))
}

fn why_undone(event: &Event) -> StorageError {
    let error = event
        .target()
        .and_then(|target| Transaction::try_from(target).ok())
        .and_then(|transaction| transaction.error());
    match error {
        Some(error) => match error.name().as_str() {
            "QuotaExceededError" => StorageError::Full,
            "ConstraintError" => StorageError::Taken,
            _ => StorageError::Failed(error.message()),
        },
        None => StorageError::Failed("the transaction was undone".into()),
    }
}
