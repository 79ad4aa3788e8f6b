//! Which device is whose, as wallets have signed it. The proof itself is checked before it gets here.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use healthsync_core::{DeviceKey, Millis, Person, Revocation};
use sqlx::Row;

use super::{Mailbox, array, number, positive};
use crate::clock;

/// Revoked devices of one person; nobody has had so many browsers.
const REVOCATIONS_PER_PERSON: i64 = 256;

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

/// Devices that were asked for lately: every message asks, and is not to wait for the disk.
#[derive(Debug, Default)]
pub(super) struct Lately(Mutex<HashMap<DeviceKey, KnownDevice>>);

impl Lately {
    /// Beyond that it starts anew.
    const MOST: usize = 10_000;

    fn all(&self) -> MutexGuard<'_, HashMap<DeviceKey, KnownDevice>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// One that has ended may have been renewed at another relay on the same database.
    fn get(&self, device: DeviceKey) -> Option<KnownDevice> {
        let known = self.all().get(&device).copied();
        known.filter(|known| known.covers(clock::now()))
    }

    /// Written to the database.
    fn set(&self, device: DeviceKey, known: KnownDevice) {
        self.all().insert(device, known);
    }

    /// Read from the database; what was written meanwhile is newer.
    fn found(&self, device: DeviceKey, known: KnownDevice) -> KnownDevice {
        let mut all = self.all();
        if all.len() >= Self::MOST {
            all.clear();
        }
        let kept = all.entry(device).or_insert(known);
        if kept.expires_at < known.expires_at {
            *kept = known;
        }
        *kept
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
        self.devices.set(device, known);
        Ok(())
    }

    /// Whose a device is, if it has proved it here.
    pub async fn device(&self, device: DeviceKey) -> Result<Option<KnownDevice>, sqlx::Error> {
        if let Some(known) = self.devices.get(device) {
            return Ok(Some(known));
        }
        let row = sqlx::query("SELECT person, expires_at FROM devices WHERE device = $1")
            .bind(&device.0[..])
            .fetch_optional(&self.pools.read)
            .await?;
        let Some(row) = row else { return Ok(None) };
        let known = KnownDevice {
            person: Person(array(row.try_get(0)?)?),
            expires_at: positive(row.try_get(1)?),
        };
        Ok(Some(self.devices.found(device, known)))
    }

    /// Notes that a wallet has ended a device's right to speak for its person; the proof is checked before. Says whether
    /// it was taken: only people who have a device here, and so many of theirs, so that nobody fills the disk.
    pub async fn revoke_device(&self, revocation: &Revocation) -> Result<bool, sqlx::Error> {
        let (device, person) = (revocation.device, revocation.person);
        let known: i64 = sqlx::query_scalar("SELECT count(*) FROM devices WHERE person = $1")
            .bind(&person.0[..])
            .fetch_one(&self.pools.read)
            .await?;
        let revoked: i64 = sqlx::query_scalar("SELECT count(*) FROM revocations WHERE person = $1")
            .bind(&person.0[..])
            .fetch_one(&self.pools.read)
            .await?;
        if known == 0 || revoked >= REVOCATIONS_PER_PERSON {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO revocations (device, person, revoked_at) VALUES ($1, $2, $3) ON CONFLICT (device, person) DO NOTHING",
        )
        .bind(&device.0[..])
        .bind(&person.0[..])
        .bind(number(revocation.revoked_at))
        .execute(&self.pools.write)
        .await?;
        Ok(true)
    }

    /// Whether a device's right to speak for this person has been ended.
    pub async fn is_revoked(&self, device: DeviceKey, person: Person) -> Result<bool, sqlx::Error> {
        let found: i64 = sqlx::query_scalar(
            "SELECT count(*) FROM revocations WHERE device = $1 AND person = $2",
        )
        .bind(&device.0[..])
        .bind(&person.0[..])
        .fetch_one(&self.pools.read)
        .await?;
        Ok(found > 0)
    }
}
