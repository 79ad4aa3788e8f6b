//! What a node keeps. Each node has a store of its own: a map from content id to [`Record`] with compare-and-set, so
//! that two first saves cannot both become owner; a log of what happened to each key; and, for each owner, who may
//! have all of her keys.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use healthsync_core::{DeviceKey, Millis, Person};
use serde::{Deserialize, Serialize};

use crate::conditions::Rules;
use crate::shares::Share;

/// Most lines of a key's log that are read at once, newest first.
pub const MAX_LOG: usize = 1000;
/// Devices of one person that a node remembers as ended.
pub const MAX_ENDED: usize = 64;
/// The same thing by the same person within this time is one line with a count.
pub const LOG_SPAN: u64 = 60 * 60 * 1000;

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

/// What somebody did with a key at this node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Action {
    /// Saved the share.
    Saved,
    /// Named people who may have it.
    Shared,
    /// Took people off that list.
    Revoked,
    /// Set the conditions.
    ConditionsSet,
    /// Gave the file to another owner.
    Transferred,
    /// Was given the share, being the owner.
    GivenToOwner,
    /// Was given the share, being on the list.
    GivenByName,
    /// Was given the share, meeting the conditions.
    GivenByCondition,
    /// Was given the share as one who may have all keys of the owner.
    GivenToDelegate,
}

impl Action {
    /// Every action there is.
    pub const ALL: [Self; 9] = [
        Self::Saved,
        Self::Shared,
        Self::Revoked,
        Self::ConditionsSet,
        Self::Transferred,
        Self::GivenToOwner,
        Self::GivenByName,
        Self::GivenByCondition,
        Self::GivenToDelegate,
    ];

    /// The action's name in logs and answers.
    pub fn name(self) -> &'static str {
        match self {
            Self::Saved => "saved",
            Self::Shared => "shared",
            Self::Revoked => "revoked",
            Self::ConditionsSet => "conditions_set",
            Self::Transferred => "transferred",
            Self::GivenToOwner => "given_to_owner",
            Self::GivenByName => "given_by_name",
            Self::GivenByCondition => "given_by_condition",
            Self::GivenToDelegate => "given_to_delegate",
        }
    }

    /// The action of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|action| action.name() == name)
    }
}

/// One thing that happens now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Entry {
    /// Who did it, or who was given the share.
    pub person: Person,
    /// What.
    pub action: Action,
    /// When.
    pub at: Millis,
}

/// One line of a key's log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Logged {
    /// Who did it, or who was given the share.
    pub person: Person,
    /// What.
    pub action: Action,
    /// When it happened first in this line's hour.
    pub first: Millis,
    /// And when last.
    pub last: Millis,
    /// How often.
    pub times: u64,
}

/// The store is down or damaged; our environment's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the share store does not work: {0}")]
pub struct StoreError(pub String);

/// A node's memory. `revision` counts the writes of one content id, from 1. `cid` is the canonical text (`Cid`'s
/// `Display`).
#[async_trait]
pub trait ShareStore: Send + Sync {
    /// The record and its revision.
    async fn get(&self, cid: &str) -> Result<Option<(Record, u64)>, StoreError>;

    /// Writes `record` as revision `was + 1`, and `entry` into the log, if the stored revision is `was` (0: nothing
    /// is stored). False, and nothing written, if it is not.
    async fn put(
        &self,
        cid: &str,
        record: &Record,
        was: u64,
        entry: Entry,
    ) -> Result<bool, StoreError>;

    /// Writes into a key's log. What [`LOG_SPAN`] makes one line is counted there.
    async fn log(&self, cid: &str, entry: Entry) -> Result<(), StoreError>;

    /// The newest [`MAX_LOG`] lines of a key's log, newest first.
    async fn read_log(&self, cid: &str) -> Result<Vec<Logged>, StoreError>;

    /// Who may have all keys of `owner`.
    async fn delegates(&self, owner: Person) -> Result<BTreeSet<Person>, StoreError>;

    /// Replaces that list.
    async fn set_delegates(
        &self,
        owner: Person,
        delegates: &BTreeSet<Person>,
    ) -> Result<(), StoreError>;

    /// Whether a device's right to act for this person was ended.
    async fn is_ended(&self, device: DeviceKey, person: Person) -> Result<bool, StoreError>;

    /// Ends it, for good. False when [`MAX_ENDED`] devices of this person are ended already.
    async fn end_device(&self, device: DeviceKey, person: Person) -> Result<bool, StoreError>;
}

/// A store that ends with the process: for tests and trials.
#[derive(Debug, Default)]
pub struct MemoryStore(Mutex<Memory>);

#[derive(Debug, Default)]
struct Memory {
    records: HashMap<String, (Record, u64)>,
    log: BTreeMap<(String, Person, Action, u64), Logged>,
    delegates: HashMap<Person, BTreeSet<Person>>,
    ended: HashMap<Person, BTreeSet<DeviceKey>>,
}

impl Memory {
    fn log(&mut self, cid: &str, entry: Entry) {
        let line = (
            cid.to_owned(),
            entry.person,
            entry.action,
            entry.at.0 / LOG_SPAN,
        );
        let new = Logged {
            person: entry.person,
            action: entry.action,
            first: entry.at,
            last: entry.at,
            times: 0,
        };
        let line = self.log.entry(line).or_insert(new);
        line.last = entry.at;
        line.times += 1;
    }
}

impl MemoryStore {
    fn memory(&self) -> MutexGuard<'_, Memory> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl ShareStore for MemoryStore {
    async fn get(&self, cid: &str) -> Result<Option<(Record, u64)>, StoreError> {
        Ok(self.memory().records.get(cid).cloned())
    }

    async fn put(
        &self,
        cid: &str,
        record: &Record,
        was: u64,
        entry: Entry,
    ) -> Result<bool, StoreError> {
        let mut memory = self.memory();
        let stored = memory.records.get(cid).map_or(0, |(_, revision)| *revision);
        if stored == was {
            memory
                .records
                .insert(cid.to_owned(), (record.clone(), was + 1));
            memory.log(cid, entry);
        }
        Ok(stored == was)
    }

    async fn log(&self, cid: &str, entry: Entry) -> Result<(), StoreError> {
        self.memory().log(cid, entry);
        Ok(())
    }

    async fn read_log(&self, cid: &str) -> Result<Vec<Logged>, StoreError> {
        let memory = self.memory();
        let of_key = memory.log.iter().filter(|((of, ..), _)| of == cid);
        let mut lines: Vec<Logged> = of_key.map(|(_, line)| *line).collect();
        lines.sort_by_key(|line| std::cmp::Reverse(line.last));
        lines.truncate(MAX_LOG);
        Ok(lines)
    }

    async fn delegates(&self, owner: Person) -> Result<BTreeSet<Person>, StoreError> {
        Ok(self
            .memory()
            .delegates
            .get(&owner)
            .cloned()
            .unwrap_or_default())
    }

    async fn set_delegates(
        &self,
        owner: Person,
        delegates: &BTreeSet<Person>,
    ) -> Result<(), StoreError> {
        self.memory().delegates.insert(owner, delegates.clone());
        Ok(())
    }

    async fn is_ended(&self, device: DeviceKey, person: Person) -> Result<bool, StoreError> {
        let memory = self.memory();
        let ended = memory.ended.get(&person);
        Ok(ended.is_some_and(|ended| ended.contains(&device)))
    }

    async fn end_device(&self, device: DeviceKey, person: Person) -> Result<bool, StoreError> {
        let mut memory = self.memory();
        let ended = memory.ended.entry(person).or_default();
        if ended.len() < MAX_ENDED {
            ended.insert(device);
        }
        Ok(ended.contains(&device))
    }
}
