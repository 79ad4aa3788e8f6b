//! What a room holds, and the part of it that somebody misses.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use healthsync_core::{DeviceKey, RoomId, VersionVector};
use sqlx::Row;

use super::{Mailbox, PAGE_BYTES, PAGE_COUNT, array, number, positive};

/// One page of history.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Page {
    pub envelopes: Vec<Vec<u8>>,
    /// Whether there is more after it.
    pub more: bool,
}

impl Mailbox {
    /// The contiguous head of every device of a room.
    pub async fn heads(&self, room: RoomId) -> Result<VersionVector, sqlx::Error> {
        let rows = sqlx::query("SELECT device, seq FROM heads WHERE room = $1")
            .bind(&room.0[..])
            .fetch_all(&self.pools.read)
            .await?;
        let mut heads = BTreeMap::new();
        for row in rows {
            heads.insert(
                DeviceKey(array(row.try_get(0)?)?),
                positive(row.try_get(1)?),
            );
        }
        Ok(VersionVector(heads))
    }

    /// What the room holds beyond `have`, oldest arrival first, at most `limit` envelopes.
    pub async fn page(
        &self,
        room: RoomId,
        have: &VersionVector,
        limit: u32,
    ) -> Result<Page, sqlx::Error> {
        let limit = limit.clamp(1, PAGE_COUNT);
        let mut missing: Vec<(i64, i64)> = Vec::new();
        for (device, head) in &self.heads(room).await?.0 {
            let had = have.0.get(device).copied().unwrap_or(0);
            if had >= *head {
                continue;
            }
            // One more than the limit, so that `more` is known without counting.
            let rows = sqlx::query(
                "SELECT arrival, CAST(length(bytes) AS BIGINT) FROM envelopes \
                 WHERE room = $1 AND device = $2 AND seq > $3 ORDER BY seq LIMIT $4",
            )
            .bind(&room.0[..])
            .bind(&device.0[..])
            .bind(number(had))
            .bind(i64::from(limit) + 1)
            .fetch_all(&self.pools.read)
            .await?;
            for row in rows {
                missing.push((row.try_get(0)?, row.try_get(1)?));
            }
        }
        missing.sort_unstable();
        self.filled(&missing, limit).await
    }

    /// What the room holds beyond `after` and up to `upto`, newest arrival first, at most `limit` envelopes; and beyond
    /// that the first envelope of each device in the page of which `after` has nothing.
    pub async fn newest(
        &self,
        room: RoomId,
        after: &VersionVector,
        upto: &VersionVector,
        limit: u32,
    ) -> Result<Page, sqlx::Error> {
        let limit = limit.clamp(1, PAGE_COUNT);
        let mut wanted: Vec<(i64, i64, DeviceKey)> = Vec::new();
        for (device, last) in &upto.0 {
            let rows = sqlx::query(
                "SELECT arrival, CAST(length(bytes) AS BIGINT) FROM envelopes \
                 WHERE room = $1 AND device = $2 AND seq > $3 AND seq <= $4 ORDER BY seq DESC LIMIT $5",
            )
            .bind(&room.0[..])
            .bind(&device.0[..])
            .bind(number(after.get(device)))
            .bind(number(*last))
            .bind(i64::from(limit) + 1)
            .fetch_all(&self.pools.read)
            .await?;
            for row in rows {
                wanted.push((row.try_get(0)?, row.try_get(1)?, *device));
            }
        }
        wanted.sort_unstable_by_key(|(arrival, ..)| Reverse(*arrival));
        let rows: Vec<(i64, i64)> = wanted.iter().map(|row| (row.0, row.1)).collect();
        let mut page = self.filled(&rows, limit).await?;
        wanted.truncate(page.envelopes.len());
        let unknown: BTreeSet<DeviceKey> = wanted
            .iter()
            .map(|(.., device)| *device)
            .filter(|device| after.get(device) == 0)
            .collect();
        for device in unknown {
            let first: Option<i64> = sqlx::query_scalar(
                "SELECT arrival FROM envelopes WHERE room = $1 AND device = $2 AND seq = 1",
            )
            .bind(&room.0[..])
            .bind(&device.0[..])
            .fetch_optional(&self.pools.read)
            .await?;
            if let Some(first) = first.filter(|first| wanted.iter().all(|row| row.0 != *first)) {
                page.envelopes.push(self.bytes(first).await?);
            }
        }
        Ok(page)
    }

    /// The envelopes with these numbers of arrival and lengths, as far as they fit.
    async fn filled(&self, wanted: &[(i64, i64)], limit: u32) -> Result<Page, sqlx::Error> {
        let mut page = Page::default();
        let mut size = 0;
        for (arrival, length) in wanted {
            let length = usize::try_from(*length).unwrap_or(usize::MAX);
            if page.envelopes.len() >= limit as usize
                || (size + length > PAGE_BYTES && !page.envelopes.is_empty())
            {
                page.more = true;
                break;
            }
            page.envelopes.push(self.bytes(*arrival).await?);
            size += length;
        }
        Ok(page)
    }

    async fn bytes(&self, arrival: i64) -> Result<Vec<u8>, sqlx::Error> {
        sqlx::query_scalar("SELECT bytes FROM envelopes WHERE arrival = $1")
            .bind(arrival)
            .fetch_one(&self.pools.read)
            .await
    }

    /// Number of envelopes ever stored, for `/metrics`.
    pub async fn count(&self) -> Result<u64, sqlx::Error> {
        let count: i64 =
            sqlx::query_scalar("SELECT CAST(coalesce(sum(seq), 0) AS BIGINT) FROM heads")
                .fetch_one(&self.pools.read)
                .await?;
        Ok(positive(count))
    }
}
