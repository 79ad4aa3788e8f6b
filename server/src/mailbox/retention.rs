//! Forgetting: where the operator or a room's owner wants a room kept for a time only, its events go when nothing was
//! said for that long, all of them at once. Browsers keep their own copies.

use std::time::Duration;

use healthsync_core::{Millis, RoomId};
use sqlx::Row;

use super::{Mailbox, number, positive};
use crate::clock;

const DAY: u64 = 24 * 60 * 60 * 1000;

impl Mailbox {
    /// Once an hour, for as long as the server runs. `days`: the operator's own limit.
    pub async fn forget_regularly(self, days: Option<u64>) {
        let mut hourly = tokio::time::interval(Duration::from_secs(60 * 60));
        loop {
            hourly.tick().await;
            match self.forget_silent(clock::now(), days).await {
                Ok(0) => {}
                Ok(events) => tracing::info!(events, "events of silent rooms were forgotten"),
                Err(error) => tracing::warn!(%error, "silent rooms could not be forgotten"),
            }
        }
    }

    /// What [`Mailbox::forget_regularly`] does once; gives the number of events. Heads stay, so that a device goes on with
    /// its next number, and can't say something else under an old one.
    pub async fn forget_silent(&self, now: Millis, days: Option<u64>) -> Result<u64, sqlx::Error> {
        const IDLE: &str = "SELECT room FROM envelopes GROUP BY room HAVING max(received_at) < $1";
        const WANTED: &str = "SELECT room, days FROM retention WHERE days > 0";
        let before = |days: u64| Millis(now.0.saturating_sub(days.saturating_mul(DAY)));
        let mut forgotten = 0;
        if let Some(days) = days {
            let rooms: Vec<Vec<u8>> = sqlx::query_scalar(IDLE)
                .bind(number(before(days).0))
                .fetch_all(&self.pools.read)
                .await?;
            for room in rooms {
                forgotten += self.forget_if_silent(&room, before(days)).await?;
            }
        }
        for row in sqlx::query(WANTED).fetch_all(&self.pools.read).await? {
            let room: Vec<u8> = row.try_get(0)?;
            let days = positive(row.try_get(1)?);
            forgotten += self.forget_if_silent(&room, before(days)).await?;
        }
        Ok(forgotten)
    }

    async fn forget_if_silent(&self, room: &[u8], before: Millis) -> Result<u64, sqlx::Error> {
        let mut transaction = self.pools.begin(&[0; 8]).await?;
        let gone = sqlx::query(
            "DELETE FROM envelopes WHERE room = $1 \
             AND (SELECT max(received_at) FROM envelopes WHERE room = $1) < $2",
        )
        .bind(room)
        .bind(number(before.0))
        .execute(&mut *transaction)
        .await?
        .rows_affected();
        if gone > 0 {
            sqlx::query("DELETE FROM used WHERE room = $1")
                .bind(room)
                .execute(&mut *transaction)
                .await?;
        }
        transaction.commit().await?;
        Ok(gone)
    }

    /// Notes what a room's owner wants, who is checked before; `said_at` is when they said it, and nothing older counts
    /// any more. Says whether it was taken.
    pub async fn keep_room_for(
        &self,
        room: RoomId,
        days: Option<u32>,
        said_at: Millis,
    ) -> Result<bool, sqlx::Error> {
        let taken = sqlx::query(
            "INSERT INTO retention (room, days, said_at) VALUES ($1, $2, $3) \
             ON CONFLICT (room) DO UPDATE SET days = excluded.days, said_at = excluded.said_at \
             WHERE retention.said_at < excluded.said_at",
        )
        .bind(&room.0[..])
        .bind(i64::from(days.unwrap_or(0)))
        .bind(number(said_at.0))
        .execute(&self.pools.write)
        .await?;
        Ok(taken.rows_affected() > 0)
    }

    /// Days after the last word, as the room's owner wants it.
    pub async fn room_kept_for(&self, room: RoomId) -> Result<Option<u32>, sqlx::Error> {
        let days: Option<i64> = sqlx::query_scalar("SELECT days FROM retention WHERE room = $1")
            .bind(&room.0[..])
            .fetch_optional(&self.pools.read)
            .await?;
        Ok(days
            .and_then(|days| u32::try_from(days).ok())
            .filter(|days| *days > 0))
    }
}
