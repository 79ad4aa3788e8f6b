//! The registry's tables from its events, also when the chain has replaced blocks: the newest ones are read again each
//! time and compared with what was read before; rooms with an event that is gone are made again from those that hold.

use std::collections::BTreeSet;

use alloy_primitives::{Address, B256, IntoLogData};
use alloy_sol_types::SolEventInterface;
use healthsync_core::registry::RoomRegistry::RoomRegistryEvents as Event;
use sqlx::{Row, SqliteConnection};

use super::index::{MEMBER, OWNER, RegistryIndex};
use crate::mailbox::{number, positive};

/// An event and where on the chain it stands.
#[derive(Clone, Debug)]
pub struct Placed {
    pub block: u64,
    /// Among all events of its block.
    pub position: u64,
    pub event: Event,
}

impl PartialEq for Placed {
    fn eq(&self, other: &Self) -> bool {
        let place = |placed: &Self| (placed.block, placed.position);
        place(self) == place(other) && self.event.to_log_data() == other.event.to_log_data()
    }
}

/// What has changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Changes {
    /// Events that were not known.
    pub fresh: Vec<Event>,
    /// Events that were known and are not on the chain any more.
    pub undone: Vec<Event>,
}

impl RegistryIndex {
    /// Takes in all events from block `from` to block `to`, oldest first. What was known of these blocks, or of later
    /// ones, and is not among them has not happened.
    pub async fn apply(
        &self,
        from: u64,
        to: u64,
        events: &[Placed],
    ) -> Result<Changes, sqlx::Error> {
        // Deferred, it could read, and then find that the mailbox has written to the file meanwhile.
        let mut transaction = self.database.write.begin_with("BEGIN IMMEDIATE").await?;
        let known = kept(&mut transaction, from).await?;
        let same = known.iter().zip(events).take_while(|(a, b)| a == b).count();
        let (undone, fresh) = (&known[same..], &events[same..]);
        if let Some(first) = undone.first() {
            sqlx::query("DELETE FROM registry_events WHERE (block, position) >= (?, ?)")
                .bind(number(first.block))
                .bind(number(first.position))
                .execute(&mut *transaction)
                .await?;
        }
        for placed in fresh {
            keep(&mut transaction, placed).await?;
        }
        let again: BTreeSet<B256> = undone.iter().map(|placed| room_of(&placed.event)).collect();
        for room in &again {
            make_again(&mut transaction, room).await?;
        }
        for placed in fresh {
            if !again.contains(&room_of(&placed.event)) {
                apply(&mut transaction, placed.block, &placed.event).await?;
            }
        }
        sqlx::query("UPDATE registry_state SET block = ?")
            .bind(number(to))
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
        let events = |placed: &[Placed]| placed.iter().map(|placed| placed.event.clone()).collect();
        Ok(Changes {
            fresh: events(fresh),
            undone: events(undone),
        })
    }
}

fn room_of(event: &Event) -> B256 {
    match event {
        Event::RoomCreated(event) => event.room,
        Event::MemberAdded(event) => event.room,
        Event::MemberRemoved(event) => event.room,
        Event::RoleChanged(event) => event.room,
        Event::OwnershipOffered(event) => event.room,
        Event::RoomArchived(event) => event.room,
    }
}

async fn keep(connection: &mut SqliteConnection, placed: &Placed) -> Result<(), sqlx::Error> {
    let log = placed.event.to_log_data();
    sqlx::query(
        "INSERT INTO registry_events (block, position, room, topics, data) VALUES (?, ?, ?, ?, ?)",
    )
    .bind(number(placed.block))
    .bind(number(placed.position))
    .bind(&room_of(&placed.event)[..])
    .bind(log.topics().concat())
    .bind(&log.data[..])
    .execute(connection)
    .await?;
    Ok(())
}

/// The events kept from block `from` on.
async fn kept(connection: &mut SqliteConnection, from: u64) -> Result<Vec<Placed>, sqlx::Error> {
    let rows = sqlx::query(
        "SELECT block, position, topics, data FROM registry_events WHERE block >= ? ORDER BY block, position",
    )
    .bind(number(from))
    .fetch_all(connection)
    .await?;
    rows.iter().map(placed).collect()
}

fn placed(row: &sqlx::sqlite::SqliteRow) -> Result<Placed, sqlx::Error> {
    let topics: Vec<u8> = row.try_get(2)?;
    let topics: Vec<B256> = topics.chunks_exact(32).map(B256::from_slice).collect();
    let data: Vec<u8> = row.try_get(3)?;
    let event = Event::decode_raw_log(&topics, &data)
        .map_err(|error| sqlx::Error::Decode(error.to_string().into()))?;
    Ok(Placed {
        block: positive(row.try_get(0)?),
        position: positive(row.try_get(1)?),
        event,
    })
}

/// Makes one room's rows from its events.
async fn make_again(connection: &mut SqliteConnection, room: &B256) -> Result<(), sqlx::Error> {
    for table in [
        "DELETE FROM rooms WHERE room = ?",
        "DELETE FROM members WHERE room = ?",
        "DELETE FROM removals WHERE room = ?",
    ] {
        sqlx::query(table)
            .bind(&room[..])
            .execute(&mut *connection)
            .await?;
    }
    let rows = sqlx::query(
        "SELECT block, position, topics, data FROM registry_events WHERE room = ? ORDER BY block, position",
    )
    .bind(&room[..])
    .fetch_all(&mut *connection)
    .await?;
    for row in &rows {
        let Placed { block, event, .. } = placed(row)?;
        apply(connection, block, &event).await?;
    }
    Ok(())
}

async fn apply(
    connection: &mut SqliteConnection,
    at: u64,
    event: &Event,
) -> Result<(), sqlx::Error> {
    match event {
        Event::RoomCreated(created) => {
            set_owner(connection, &created.room.0, &created.owner).await?;
            sqlx::query("UPDATE rooms SET creator = ? WHERE room = ?")
                .bind(&created.owner[..])
                .bind(&created.room[..])
                .execute(connection)
                .await?;
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
            sqlx::query(
                "INSERT INTO removals (room, person, block, by_self) VALUES (?, ?, ?, ?) \
                 ON CONFLICT DO UPDATE SET block = excluded.block, by_self = excluded.by_self",
            )
            .bind(&removed.room[..])
            .bind(&removed.person[..])
            .bind(number(at))
            .bind(removed.by == removed.person)
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
        Event::OwnershipOffered(offer) => {
            let to = (!offer.to.is_zero()).then_some(&offer.to[..]);
            sqlx::query("UPDATE rooms SET offered = ? WHERE room = ?")
                .bind(to)
                .bind(&offer.room[..])
                .execute(connection)
                .await?;
        }
    }
    Ok(())
}

/// Whoever owns it now has taken what was offered.
async fn set_owner(
    connection: &mut SqliteConnection,
    room: &[u8; 32],
    owner: &Address,
) -> Result<(), sqlx::Error> {
    sqlx::query("INSERT INTO rooms (room, owner) VALUES (?, ?) ON CONFLICT DO UPDATE SET owner = excluded.owner, offered = NULL")
        .bind(&room[..])
        .bind(&owner[..])
        .execute(connection)
        .await?;
    Ok(())
}
