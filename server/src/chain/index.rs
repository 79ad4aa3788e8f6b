//! The registry's events as tables: in which rooms a person is, and who moderates. For lists and for noticing
//! removals; admission itself asks the chain. How they are made from events: `replay`.

use alloy_primitives::Address;
use healthsync_app::api::Standing;
use healthsync_core::{Person, RoomId};
use sqlx::Row;

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
    /// Who made it; `None` only for a moment in a chain's reorganisation.
    pub creator: Option<Person>,
    pub members: u32,
    pub archived: bool,
    pub standing: Standing,
}

/// Somebody who was on a room's list and is not any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Gone {
    pub person: Person,
    /// The block of leaving or of the removal.
    pub block: u64,
    pub standing: Standing,
}

/// What the registry says of a room beside its people.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Marks {
    /// Who made the room.
    pub creator: Option<Person>,
    /// Its list does not change any more.
    pub archived: bool,
    /// Who may take it over.
    pub offered: Option<Person>,
}

/// The tables, over the mailbox's database.
#[derive(Clone, Debug)]
pub struct RegistryIndex {
    pub(super) database: Database,
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
            "DELETE FROM registry_events",
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

    /// The rooms a person is in or was in, those first that they are in, and of these the newest membership; at most 500.
    pub async fn rooms_of(&self, person: Person) -> Result<Vec<IndexedRoom>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT rooms.room, rooms.owner, (SELECT count(*) FROM members AS all_of WHERE all_of.room = rooms.room), \
             rooms.archived, mine.gone, mine.by_self, rooms.creator \
             FROM (SELECT room, block, 0 AS gone, 0 AS by_self FROM members WHERE person = ?1 \
                   UNION ALL SELECT room, block, 1, by_self FROM removals WHERE person = ?1) AS mine \
             JOIN rooms ON rooms.room = mine.room ORDER BY mine.gone, mine.block DESC, rooms.room LIMIT 500",
        )
        .bind(&person.0[..])
        .fetch_all(&self.database.read)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(IndexedRoom {
                    room: RoomId(array(row.try_get(0)?)?),
                    owner: Person(array(row.try_get(1)?)?),
                    creator: address_of(row.try_get(6)?)?,
                    members: u32::try_from(row.try_get::<i64, _>(2)?).unwrap_or(u32::MAX),
                    archived: row.try_get(3)?,
                    standing: match row.try_get(4)? {
                        false => Standing::Member,
                        true => gone(row.try_get(5)?),
                    },
                })
            })
            .collect()
    }

    /// Whether a room is archived, and whom it is offered to.
    pub async fn marks(&self, room: RoomId) -> Result<Marks, sqlx::Error> {
        let row = sqlx::query("SELECT archived, offered, creator FROM rooms WHERE room = ?")
            .bind(&room.0[..])
            .fetch_optional(&self.database.read)
            .await?;
        let Some(row) = row else {
            return Ok(Marks::default());
        };
        Ok(Marks {
            archived: row.try_get(0)?,
            offered: address_of(row.try_get(1)?)?,
            creator: address_of(row.try_get(2)?)?,
        })
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

    /// Who was on a room's list and is not any more, latest first, at most 256.
    pub async fn gone(&self, room: RoomId) -> Result<Vec<Gone>, sqlx::Error> {
        let rows = sqlx::query(
            "SELECT person, block, by_self FROM removals WHERE room = ? ORDER BY block DESC, person LIMIT 256",
        )
        .bind(&room.0[..])
        .fetch_all(&self.database.read)
        .await?;
        rows.into_iter()
            .map(|row| {
                Ok(Gone {
                    person: Person(array(row.try_get(0)?)?),
                    block: positive(row.try_get(1)?),
                    standing: gone(row.try_get(2)?),
                })
            })
            .collect()
    }

    /// Whether a person was on a room's list and is not any more.
    pub async fn was_in(&self, room: RoomId, person: Person) -> Result<bool, sqlx::Error> {
        let found: i64 =
            sqlx::query_scalar("SELECT count(*) FROM removals WHERE room = ? AND person = ?")
                .bind(&room.0[..])
                .bind(&person.0[..])
                .fetch_one(&self.database.read)
                .await?;
        Ok(found > 0)
    }

    /// Number of rooms, for `/metrics`.
    pub async fn count(&self) -> Result<u64, sqlx::Error> {
        let count: i64 = sqlx::query_scalar("SELECT count(*) FROM rooms")
            .fetch_one(&self.database.read)
            .await?;
        Ok(positive(count))
    }
}

fn address_of(bytes: Option<Vec<u8>>) -> Result<Option<Person>, sqlx::Error> {
    Ok(bytes.map(array).transpose()?.map(Person))
}

fn gone(by_self: bool) -> Standing {
    if by_self {
        Standing::Left
    } else {
        Standing::Removed
    }
}
