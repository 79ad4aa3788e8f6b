//! The registry's events as tables: in which rooms a person is, and who moderates. For lists and for noticing
//! removals; admission itself asks the chain.

use alloy_primitives::Address;
use healthsync_core::registry::RoomRegistry::RoomRegistryEvents as Event;
use healthsync_core::{Person, RoomId};
use sqlx::{Row, SqliteConnection};

use crate::database::Database;
use crate::mailbox::{array, number, positive};

/// A person's role, as the contract numbers it.
pub const MEMBER: u8 = 1;
pub const MODERATOR: u8 = 2;
pub const OWNER: u8 = 3;

/// A room in a person's list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct IndexedRoom {
    pub room: RoomId,
    pub owner: Person,
    pub members: u32,
}

/// The tables, over the mailbox's database.
#[derive(Clone, Debug)]
pub struct RegistryIndex {
    database: Database,
}

impl RegistryIndex {
    pub fn new(database: Database) -> Self {
        Self { database }
    }

    /// The last block that has been read, if it was of this registry on this chain.
    pub async fn block(
        &self,
        chain_id: u64,
        registry: Address,
    ) -> Result<Option<u64>, sqlx::Error> {
        let block: Option<i64> = sqlx::query_scalar(
            "SELECT block FROM registry_state WHERE chain_id = ? AND registry = ?",
        )
        .bind(number(chain_id))
        .bind(&registry[..])
        .fetch_optional(&self.database.read)
        .await?;
        Ok(block.map(positive))
    }

    /// Forgets everything and starts before `first_block`: another registry, or a chain that began anew.
    pub async fn reset(
        &self,
        chain_id: u64,
        registry: Address,
        first_block: u64,
    ) -> Result<(), sqlx::Error> {
        let mut transaction = self.database.write.begin().await?;
        for table in [
            "DELETE FROM rooms",
            "DELETE FROM members",
            "DELETE FROM removals",
            "DELETE FROM registry_state",
        ] {
            sqlx::query(table).execute(&mut *transaction).await?;
        }
        sqlx::query(
            "INSERT INTO registry_state (one, chain_id, registry, block) VALUES (1, ?, ?, ?)",
        )
        .bind(number(chain_id))
        .bind(&registry[..])
        .bind(number(first_block.saturating_sub(1)))
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await
    }

    /// Applies events, oldest first, and notes that everything up to `block` has been read. Applying the same
    /// events again changes nothing.
    pub async fn apply(&self, events: &[(u64, Event)], block: u64) -> Result<(), sqlx::Error> {
        let mut transaction = self.database.write.begin().await?;
        for (at, event) in events {
            apply(&mut transaction, *at, event).await?;
        }
        sqlx::query("UPDATE registry_state SET block = ?")
            .bind(number(block))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await
    }

    /// The rooms a person is in, newest membership first, at most 500.
    pub async fn rooms_of(&self, person: Person) -> Result<Vec<IndexedRoom>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT rooms.room, rooms.owner, (SELECT count(*) FROM members AS all_of WHERE all_of.room = rooms.room) \
             FROM members JOIN rooms ON rooms.room = members.room \
             WHERE members.person = ? ORDER BY members.block DESC, rooms.room LIMIT 500",
        )
        .bind(&person.0[..])
        .fetch_all(&self.database.read)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(IndexedRoom {
                    room: RoomId(array(row.try_get(0)?)?),
                    owner: Person(array(row.try_get(1)?)?),
                    members: u32::try_from(row.try_get::<i64, _>(2)?).unwrap_or(u32::MAX),
                })
            })
            .collect()
    }

    /// Who moderates a room.
    pub async fn moderators(&self, room: RoomId) -> Result<Vec<Person>, sqlx::Error> {
        let rows: Vec<Vec<u8>> =
            sqlx::query_scalar("SELECT person FROM members WHERE room = ? AND role = ?")
                .bind(&room.0[..])
                .bind(i64::from(MODERATOR))
                .fetch_all(&self.database.read)
                .await?;
        rows.into_iter()
            .map(|person| array(person).map(Person))
            .collect()
    }

    /// Who was taken off a room's list and is not on it, with the block of the removal; latest first, at most 256.
    pub async fn removed(&self, room: RoomId) -> Result<Vec<(Person, u64)>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT person, block FROM removals WHERE room = ? ORDER BY block DESC, person LIMIT 256",
        )
        .bind(&room.0[..])
        .fetch_all(&self.database.read)
        .await?;
        rows.into_iter()
            .map(|row| Ok((Person(array(row.try_get(0)?)?), positive(row.try_get(1)?))))
            .collect()
    }

    /// Number of rooms, for `/metrics`.
    pub async fn count(&self) -> Result<u64, sqlx::Error> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM rooms")
            .fetch_one(&self.database.read)
            .await?;
        Ok(positive(count))
    }
}

async fn apply(
    connection: &mut SqliteConnection,
    at: u64,
    event: &Event,
) -> Result<(), sqlx::Error> {
    match event {
        Event::RoomCreated(created) => {
            set_owner(connection, &created.room.0, &created.owner).await?;
        }
        Event::MemberAdded(added) => {
            sqlx::query("INSERT INTO members (room, person, role, block) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING")
                .bind(&added.room[..])
                .bind(&added.person[..])
                .bind(i64::from(MEMBER))
                .bind(number(at))
                .execute(&mut *connection)
                .await?;
            sqlx::query("DELETE FROM removals WHERE room = ? AND person = ?")
                .bind(&added.room[..])
                .bind(&added.person[..])
                .execute(connection)
                .await?;
        }
        Event::MemberRemoved(removed) => {
            sqlx::query("DELETE FROM members WHERE room = ? AND person = ?")
                .bind(&removed.room[..])
                .bind(&removed.person[..])
                .execute(&mut *connection)
                .await?;
            sqlx::query("INSERT INTO removals (room, person, block) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET block = excluded.block")
                .bind(&removed.room[..])
                .bind(&removed.person[..])
                .bind(number(at))
                .execute(connection)
                .await?;
        }
        Event::RoleChanged(changed) => {
            sqlx::query("UPDATE members SET role = ? WHERE room = ? AND person = ?")
                .bind(i64::from(changed.role))
                .bind(&changed.room[..])
                .bind(&changed.person[..])
                .execute(&mut *connection)
                .await?;
            if changed.role == OWNER {
                set_owner(connection, &changed.room.0, &changed.person).await?;
            }
        }
        Event::RoomArchived(archived) => {
            sqlx::query("UPDATE rooms SET archived = 1 WHERE room = ?")
                .bind(&archived.room[..])
                .execute(connection)
                .await?;
        }
        Event::OwnershipOffered(_) => {}
    }
    Ok(())
}

async fn set_owner(
    connection: &mut SqliteConnection,
    room: &[u8; 32],
    owner: &Address,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO rooms (room, owner) VALUES (?, ?) ON CONFLICT DO UPDATE SET owner = excluded.owner")
        .bind(&room[..])
        .bind(&owner[..])
        .execute(connection)
        .await?;
    Ok(())
}
