//! Forgetting: where the operator keeps rooms for a time only, the events of a room in which nothing was said for that
//! long go, all of them at once. Browsers keep their own copies.

use std::time::Duration;

use healthsync_core::Millis;

use super::{Mailbox, number};
use crate::clock;

impl Mailbox {
    /// Once an hour, for as long as the server runs.
    pub async fn forget_regularly(self, days: u64) {
        let mut hourly = tokio::time::interval(Duration::from_secs(60 * 60));
        loop {
            hourly.tick().await;
            let before = clock::now().0.saturating_sub(days * 24 * 60 * 60 * 1000);
            match self.forget_before(Millis(before)).await {
                Ok(0) => {}
                Ok(events) => tracing::info!(events, "events of silent rooms were forgotten"),
                Err(error) => tracing::warn!(%error, "silent rooms could not be forgotten"),
            }
        }
    }

    /// Forgets the events of every room whose last one came before `before`; gives their number. Heads stay, so that a
    /// device goes on with its next number, and can't say something else under an old one.
    pub async fn forget_before(&self, before: Millis) -> Result<u64, sqlx::Error> {
        const IDLE: &str = "SELECT room FROM envelopes GROUP BY room HAVING max(received_at) < $1";
        let rooms: Vec<Vec<u8>> = sqlx::query_scalar(IDLE)
            .bind(number(before.0))
            .fetch_all(&self.pools.read)
            .await?;
        let mut forgotten = 0;
        for room in rooms {
            let mut transaction = self.pools.begin(&[0; 8]).await?;
            // Something may have been said since.
            let gone = sqlx::query(
                "DELETE FROM envelopes WHERE room = $1 \
                 AND (SELECT max(received_at) FROM envelopes WHERE room = $1) < $2",
            )
            .bind(&room[..])
            .bind(number(before.0))
            .execute(&mut *transaction)
            .await?
            .rows_affected();
            if gone > 0 {
                sqlx::query("DELETE FROM used WHERE room = $1")
                    .bind(&room[..])
                    .execute(&mut *transaction)
                    .await?;
            }
            transaction.commit().await?;
            forgotten += gone;
        }
        Ok(forgotten)
    }
}
