//! Follows the registry's events into the index and says who was taken out of a room, so that the relay can drop
//! them at once. The chain being down only makes the lists older.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use alloy_provider::Provider;
use alloy_rpc_types_eth::Filter;
use alloy_sol_types::SolEventInterface;
use healthsync_core::registry::RoomRegistry::{
    MemberAdded, MemberRemoved, RoomRegistryEvents as Event,
};
use healthsync_core::{Person, RoomId};

use super::replay::Placed;
use super::{Chain, ChainError, OtherCode, RegistryIndex, limited};
use crate::settings::LOCAL_CHAIN;

/// Blocks per question for logs; public nodes allow about this many.
pub(super) const WINDOW: u64 = 2_000;
/// Blocks read once more each time, because the newest ones may still be replaced.
pub(super) const OVERLAP: u64 = 20;

/// What the watcher knows of the chain, for `/healthz` and `/metrics`.
#[derive(Debug, Default)]
pub struct ChainStatus {
    reachable: AtomicBool,
    block: AtomicU64,
    /// Whether the contracts' code has been looked at since the start.
    checked: AtomicBool,
    other_code: AtomicBool,
}

impl ChainStatus {
    /// Whether a contract is not this version's: this server would not have started, had the chain answered then.
    pub fn other_code(&self) -> bool {
        self.other_code.load(Ordering::Relaxed)
    }

    /// What is known of the contracts' code, in a word.
    pub fn contracts(&self) -> &'static str {
        if self.other_code() {
            "other"
        } else if self.checked.load(Ordering::Relaxed) {
            "checked"
        } else {
            "unchecked"
        }
    }

    /// Whether the last question was answered.
    pub fn reachable(&self) -> bool {
        self.reachable.load(Ordering::Relaxed)
    }

    /// The last block that has been read.
    pub fn block(&self) -> u64 {
        self.block.load(Ordering::Relaxed)
    }
}

/// Why a round failed.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    #[error(transparent)]
    Chain(#[from] ChainError),
    #[error(transparent)]
    OtherCode(#[from] OtherCode),
    #[error("the index does not answer: {0}")]
    Database(#[from] sqlx::Error),
}

/// How often a chain is asked for news: every half second on a local one, else every 10 s.
pub(super) fn rhythm(chain_id: u64) -> Duration {
    if chain_id == LOCAL_CHAIN {
        Duration::from_millis(500)
    } else {
        Duration::from_secs(10)
    }
}

/// Follows one registry.
pub struct Watcher {
    chain: Arc<Chain>,
    index: RegistryIndex,
    status: Arc<ChainStatus>,
    /// Called with everybody who was taken out of a room.
    removed: Box<dyn Fn(RoomId, Person) + Send + Sync>,
}

impl std::fmt::Debug for Watcher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Watcher")
            .field("chain", &self.chain)
            .finish_non_exhaustive()
    }
}

impl Watcher {
    pub fn new(
        chain: Arc<Chain>,
        index: RegistryIndex,
        status: Arc<ChainStatus>,
        removed: impl Fn(RoomId, Person) + Send + Sync + 'static,
    ) -> Self {
        Self {
            chain,
            index,
            status,
            removed: Box::new(removed),
        }
    }

    /// Follows the chain for ever, every half second on a local chain, else every 10 s. A chain that does not
    /// answer is asked less and less often, at last every minute.
    pub async fn run(self) {
        let rhythm = rhythm(self.chain.chain_id());
        let mut pause = rhythm;
        loop {
            match self.round().await {
                Ok(_) => {
                    if !self.status.reachable.swap(true, Ordering::Relaxed) {
                        tracing::info!(block = self.status.block(), "following the chain");
                    }
                    pause = rhythm;
                }
                Err(error) => {
                    let answers = !matches!(error, WatchError::Chain(_));
                    let before = self.status.reachable.swap(answers, Ordering::Relaxed);
                    if before != answers || pause == rhythm {
                        match error {
                            WatchError::OtherCode(_) => {
                                tracing::error!(%error, "the registry is not followed, and /healthz says so; set what is meant and start again");
                            }
                            WatchError::Chain(_) => {
                                tracing::warn!(%error, "the chain cannot be followed; room lists grow old until it answers");
                            }
                            WatchError::Database(_) => {
                                tracing::warn!(%error, "what the chain says cannot be kept; room lists grow old until it can");
                            }
                        }
                    }
                    pause =
                        (pause * 2).min(Duration::from_secs(if rhythm < Duration::from_secs(1) {
                            5
                        } else {
                            60
                        }));
                }
            }
            tokio::time::sleep(pause).await;
        }
    }

    /// Reads what is new once; the number of events.
    pub async fn round(&self) -> Result<usize, WatchError> {
        let head = self.chain.check().await?;
        if !self.status.checked.load(Ordering::Relaxed) {
            self.check_code().await?;
        }
        let Some(registry) = self.chain.registry() else {
            self.status.block.store(head, Ordering::Relaxed);
            return Ok(0);
        };
        let known = self.index.block(self.chain.chain_id(), registry).await?;
        let last = match known {
            Some(last) if last <= head => last,
            // One of several nodes lags behind, or the newest blocks are being replaced: it will grow.
            Some(last) if last - head <= OVERLAP => return Ok(0),
            // A chain that is much shorter than what was read began anew.
            _ => {
                if !self.chain.registry_has_code().await? {
                    self.status.block.store(head, Ordering::Relaxed);
                    return Ok(0);
                }
                // There may have been nothing when it was looked at.
                self.check_code().await?;
                let first = self.chain.first_block().await?;
                self.index
                    .reset(self.chain.chain_id(), registry, first)
                    .await?;
                first.saturating_sub(1)
            }
        };
        if last == head {
            self.status.block.store(head, Ordering::Relaxed);
            return Ok(0);
        }
        let mut events = 0;
        let mut from = (last + 1).saturating_sub(OVERLAP);
        while from <= head {
            let to = head.min(from + WINDOW - 1);
            let found = self.events(registry, from, to).await?;
            let changes = self.index.apply(from, to, &found).await?;
            self.status.block.store(to, Ordering::Relaxed);
            events += found.len();
            for event in &changes.undone {
                // The chain is asked again who is in.
                if let Event::MemberAdded(MemberAdded { room, person, .. })
                | Event::MemberRemoved(MemberRemoved { room, person, .. }) = event
                {
                    let (room, person) = (RoomId(room.0), Person(person.into_array()));
                    self.chain.forget(room, person);
                    if matches!(event, Event::MemberAdded(_)) {
                        (self.removed)(room, person);
                    }
                }
            }
            for event in &changes.fresh {
                match event {
                    Event::MemberAdded(added) => {
                        self.chain
                            .forget(RoomId(added.room.0), Person(added.person.into_array()));
                    }
                    Event::MemberRemoved(removed) => {
                        let (room, person) =
                            (RoomId(removed.room.0), Person(removed.person.into_array()));
                        self.chain.forget(room, person);
                        (self.removed)(room, person);
                    }
                    Event::RoomCreated(_)
                    | Event::RoleChanged(_)
                    | Event::RoomArchived(_)
                    | Event::OwnershipOffered(_) => {}
                }
            }
            from = to + 1;
        }
        Ok(events)
    }

    /// Whether the contracts are this version's, for everybody who asks.
    async fn check_code(&self) -> Result<(), WatchError> {
        let other = self.chain.other_code().await?;
        let status = &self.status;
        status.checked.store(other.is_none(), Ordering::Relaxed);
        status.other_code.store(other.is_some(), Ordering::Relaxed);
        other.map_or(Ok(()), |other| Err(other.into()))
    }

    async fn events(
        &self,
        registry: alloy_primitives::Address,
        from: u64,
        to: u64,
    ) -> Result<Vec<Placed>, ChainError> {
        let filter = Filter::new()
            .address(registry)
            .from_block(from)
            .to_block(to);
        let logs = limited(async { self.chain.provider().get_logs(&filter).await }).await?;
        // Events that this version does not know are passed over.
        Ok(logs
            .iter()
            .filter_map(|log| {
                let event = Event::decode_log(&log.inner).ok()?;
                Some(Placed {
                    block: log.block_number?,
                    position: log.log_index?,
                    event: event.data,
                })
            })
            .collect())
    }
}
