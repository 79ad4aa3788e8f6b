//! What a node keeps. Each node has a store of its own; a store is a map from content id to [`Record`] with
//! compare-and-set, so that two first saves cannot both become owner.

use std::collections::{BTreeSet, HashMap};
use std::sync::{Mutex, PoisonError};

use async_trait::async_trait;
use healthsync_core::Person;
use serde::{Deserialize, Serialize};

use crate::conditions::Rules;
use crate::shares::Share;

/// One stored share and who may have it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Record {
    /// Who saved it first, or whom it was transferred to.
    pub owner: Person,
    /// The share.
    pub share: Share,
    /// People who may have it by name.
    pub shared_to: BTreeSet<Person>,
    /// Conditions by which others may have it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rules: Option<Rules>,
    /// `ADDRESS` or `ACCESS_CONDITIONS`; kept as it came, since its meaning is not documented.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub decryption_type: Option<String>,
}

/// The store is down or damaged; our environment's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the share store does not work: {0}")]
pub struct StoreError(pub String);

/// A node's memory. `revision` counts the writes of one content id, from 1.
#[async_trait]
pub trait ShareStore: Send + Sync {
    /// The record and its revision. `cid` is the canonical text (`Cid`'s `Display`).
    async fn get(&self, cid: &str) -> Result<Option<(Record, u64)>, StoreError>;

    /// Writes `record` as revision `was + 1` if the stored revision is `was` (0: nothing is stored). False, and
    /// nothing written, if it is not.
    async fn put(&self, cid: &str, record: &Record, was: u64) -> Result<bool, StoreError>;
}

/// A store that ends with the process: for tests and trials.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<HashMap<String, (Record, u64)>>);

#[async_trait]
impl ShareStore for MemoryStore {
    async fn get(&self, cid: &str) -> Result<Option<(Record, u64)>, StoreError> {
        Ok(self
            .0
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(cid)
            .cloned())
    }

    async fn put(&self, cid: &str, record: &Record, was: u64) -> Result<bool, StoreError> {
        let mut records = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let stored = records.get(cid).map_or(0, |(_, revision)| *revision);
        if stored == was {
            records.insert(cid.to_owned(), (record.clone(), was + 1));
        }
        Ok(stored == was)
    }
}
