//! Which device is whose, as wallets have signed it. The proof itself is checked before it gets here.

use healthsync_core::{DeviceKey, Millis, Person};
use sqlx::Row;

use super::{Mailbox, array, number, positive};

/// A device that has proved whose it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KnownDevice {
    pub person: Person,
    /// End of its delegation, in seconds.
    pub expires_at: u64,
}

impl KnownDevice {
    pub fn covers(&self, now: Millis) -> bool {
        now.0 / 1000 < self.expires_at
    }
}

impl Mailbox {
    /// Remembers a proved device; a renewed delegation replaces the older one.
    pub async fn remember_device(
        &self,
        device: DeviceKey,
        known: KnownDevice,
    ) -> Result<(), sqlx::Error> {
        if self.device(device).await? == Some(known) {
            return Ok(());
        }
        sqlx::query(
            "INSERT INTO devices (device, person, expires_at) VALUES ($1, $2, $3) \
             ON CONFLICT (device) DO UPDATE SET person = excluded.person, expires_at = excluded.expires_at",
        )
        .bind(&device.0[..])
        .bind(&known.person.0[..])
        .bind(number(known.expires_at))
        .execute(&self.pools.write)
        .await?;
        Ok(())
    }

    /// Whose a device is, if it has proved it here.
    pub async fn device(&self, device: DeviceKey) -> Result<Option<KnownDevice>, sqlx::Error> {
        let row = sqlx::query("SELECT person, expires_at FROM devices WHERE device = $1")
            .bind(&device.0[..])
            .fetch_optional(&self.pools.read)
            .await?;
        row.map(|row| {
            Ok(KnownDevice {
                person: Person(array(row.try_get(0)?)?),
                expires_at: positive(row.try_get(1)?),
            })
        })
        .transpose()
    }
}
