//! Clearing up: files of whose key shares were awaited and no key node has ever had one (the tab was closed between upload
//! and saving the shares, and nobody came back), and bytes that no upload is on record for.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures::TryStreamExt;
use healthsync_lighthouse::cid::Cid;

use super::BlobError;
use super::catalogue::Forgotten;
use super::routes::StorageState;
use crate::clock;

/// How long an upload may wait for its shares: a browser resumes when it is opened again.
const PATIENCE: Duration = Duration::from_secs(7 * 24 * 60 * 60);
/// Between two sweeps.
const INTERVAL: Duration = Duration::from_secs(60 * 60);

/// Who can say whether there are shares of a file's key.
#[async_trait]
pub trait KeyHolders: Send + Sync {
    /// Whether any key node holds a share; `None` when that cannot be found out now.
    async fn hold(&self, cid: &Cid) -> Option<bool>;
}

/// Why a sweep stopped half way; the next one goes on.
#[derive(Debug, thiserror::Error)]
pub(super) enum SweepError {
    #[error("the catalogue does not answer: {0}")]
    Catalogue(#[from] sqlx::Error),
    #[error(transparent)]
    Blobs(#[from] BlobError),
}

/// Sweeps every hour.
pub async fn sweep_for_ever(state: StorageState, holders: Arc<dyn KeyHolders>) {
    loop {
        tokio::time::sleep(INTERVAL).await;
        match sweep(&state, holders.as_ref(), clock::now().0).await {
            Ok(0) => {}
            Ok(removed) => tracing::info!(removed, "files without a key were cleared up"),
            Err(error) => tracing::warn!(%error, "clearing up stopped half way"),
        }
    }
}

/// One sweep; gives how many files were removed. `now` is in milliseconds since 1970.
pub(super) async fn sweep(
    state: &StorageState,
    holders: &dyn KeyHolders,
    now: u64,
) -> Result<u64, SweepError> {
    let before = now.saturating_sub(u64::try_from(PATIENCE.as_millis()).unwrap_or(u64::MAX));
    let mut removed = 0;
    for upload in state.catalogue.without_key(before).await? {
        match holders.hold(&upload.cid).await {
            Some(true) => state.catalogue.has_key(&upload.cid).await?,
            None => {}
            Some(false) => {
                // No upload of it can come between this look and the removal. While a file is being stored, which takes
                // long where that is elsewhere, it is left to the next sweep.
                let Ok(_alone) = state.removal.try_write() else {
                    continue;
                };
                let forgotten = state.catalogue.forget_keyless(&upload, before).await?;
                if let Forgotten::Last(cid) = forgotten {
                    state.blobs.remove(&cid).await?;
                    removed += 1;
                }
            }
        }
    }
    let mut files = state.blobs.older_than(before);
    while let Some(cid) = files.try_next().await? {
        let Ok(_alone) = state.removal.try_write() else {
            continue;
        };
        if !state.catalogue.knows(&cid).await? {
            state.blobs.remove(&cid).await?;
            removed += 1;
        }
    }
    Ok(removed)
}
