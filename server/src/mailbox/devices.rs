//! Which device is whose, as wallets have signed it. The proof itself is checked before it gets here.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use healthsync_core::{
    Delegation, DeviceKey, Millis, Person, Revocation, Signature65, SignedDelegation,
    SignedRevocation,
};
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
    /// What the wallet has signed; `None` from before that was kept.
    pub proof: Option<Proof>,
}

/// What is needed beside person and end to show a delegation to others.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Proof {
    /// In seconds.
    pub issued_at: u64,
    pub signature: Signature65,
}

impl KnownDevice {
    /// Of a delegation that has been checked.
    pub fn of(signed: &SignedDelegation) -> Self {
        let delegation = &signed.delegation;
        Self {
            person: delegation.person,
            expires_at: delegation.expires_at,
            proof: Some(Proof {
                issued_at: delegation.issued_at,
                signature: signed.signature,
            }),
        }
    }

    /// The delegation as it was signed, for the chain that all are for here.
    pub fn delegation(&self, device: DeviceKey, chain_id: u64) -> Option<SignedDelegation> {
        let proof = self.proof?;
        Some(SignedDelegation {
            delegation: Delegation {
                person: self.person,
                device,
                issued_at: proof.issued_at,
                expires_at: self.expires_at,
                chain_id,
            },
            signature: proof.signature,
        })
    }

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
            "INSERT INTO devices (device, person, expires_at, issued_at, signature) VALUES ($1, $2, $3, $4, $5) \
             ON CONFLICT (device) DO UPDATE SET person = excluded.person, expires_at = excluded.expires_at, \
             issued_at = excluded.issued_at, signature = excluded.signature",
        )
        .bind(&device.0[..])
        .bind(&known.person.0[..])
        .bind(number(known.expires_at))
        .bind(number(known.proof.map_or(0, |proof| proof.issued_at)))
        .bind(known.proof.map_or(Vec::new(), |proof| proof.signature.0.to_vec()))
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
        let row = sqlx::query(
            "SELECT person, expires_at, issued_at, signature FROM devices WHERE device = $1",
        )
        .bind(&device.0[..])
        .fetch_optional(&self.pools.read)
        .await?;
        let Some(row) = row else { return Ok(None) };
        let signature = signature(row.try_get(3)?);
        let issued_at = positive(row.try_get(2)?);
        let known = KnownDevice {
            person: Person(array(row.try_get(0)?)?),
            expires_at: positive(row.try_get(1)?),
            proof: signature.map(|signature| Proof {
                issued_at,
                signature,
            }),
        };
        Ok(Some(self.devices.found(device, known)))
    }

    /// Notes that a wallet has ended a device's right to speak for its person; the proof is checked before. Says whether
    /// it was taken: only people who have a device here, and so many of theirs, so that nobody fills the disk.
    pub async fn revoke_device(&self, signed: &SignedRevocation) -> Result<bool, sqlx::Error> {
        let known: i64 = sqlx::query_scalar("SELECT count(*) FROM devices WHERE person = $1")
            .bind(&signed.revocation.person.0[..])
            .fetch_one(&self.pools.read)
            .await?;
        Ok(known > 0 && self.revoke_any_device(signed).await?)
    }

    /// The same for people of whom nothing is known here yet: another relay knows them.
    pub async fn revoke_any_device(&self, signed: &SignedRevocation) -> Result<bool, sqlx::Error> {
        let (device, person) = (signed.revocation.device, signed.revocation.person);
        let revoked: i64 = sqlx::query_scalar("SELECT count(*) FROM revocations WHERE person = $1")
            .bind(&person.0[..])
            .fetch_one(&self.pools.read)
            .await?;
        if revoked >= REVOCATIONS_PER_PERSON {
            return Ok(false);
        }
        sqlx::query(
            "INSERT INTO revocations (device, person, revoked_at, signature) VALUES ($1, $2, $3, $4) \
             ON CONFLICT (device, person) DO NOTHING",
        )
        .bind(&device.0[..])
        .bind(&person.0[..])
        .bind(number(signed.revocation.revoked_at))
        .bind(&signed.signature.0[..])
        .execute(&self.pools.write)
        .await?;
        Ok(true)
    }

    /// All revocations that can be shown to others, of the chain that all are for here.
    pub async fn revocations(&self, chain_id: u64) -> Result<Vec<SignedRevocation>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT device, person, revoked_at, signature FROM revocations ORDER BY person, device",
        )
        .fetch_all(&self.pools.read)
        .await?;
        let mut all = Vec::new();
        for row in rows {
            let Some(signature) = signature(row.try_get(3)?) else {
                continue;
            };
            let revocation = Revocation {
                person: Person(array(row.try_get(1)?)?),
                device: DeviceKey(array(row.try_get(0)?)?),
                revoked_at: positive(row.try_get(2)?),
                chain_id,
            };
            all.push(SignedRevocation {
                revocation,
                signature,
            });
        }
        Ok(all)
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

/// Nothing stands for a signature that was not kept.
fn signature(bytes: Vec<u8>) -> Option<Signature65> {
    bytes.try_into().ok().map(Signature65)
}
