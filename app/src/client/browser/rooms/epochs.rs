//! Which key of the room seals what is said now, fetching keys that others have made, and making one when somebody was
//! removed and nobody has made one yet. The rule itself is `core::epoch`.

use std::{
    cell::{Cell, RefCell},
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use futures::channel::oneshot;
use healthsync_core::{
    Envelope, Kind, Person, RoomId, RoomKey, RoomLog, SignedEvent, epoch, limits,
};
use healthsync_lighthouse::{generate, room_key_cid};
use wasm_bindgen_futures::spawn_local;

use super::{
    OpenRoom,
    key::{NEEDED, NoKey},
    ring::{KeyRing, epoch_of},
    write::limit_trouble,
};
use crate::{
    api::{RemovedFact, RoomFacts},
    client::{
        browser::{
            platform::{now, random, sleep},
            runtime::{Me, Runtime, storage_trouble, trouble},
            storage::{
                envelopes::{self, AppendError, Author},
                keys,
            },
        },
        model::{Delivery, Trouble},
    },
};

/// Whoever has not removed anybody leaves the new key to whoever has, for so long at least.
const MANNERS_MS: u32 = 1_500;
const RETRY_MS: u32 = 5_000;
/// A key that could not be had is asked for again after so long.
const NO_KEY_MS: u64 = 10_000;
/// Unknown numbers that are remembered, and asked for, at the same time.
const NO_KEYS: usize = 32;
/// The most keys of one room.
const KEYS: usize = 1_024;

/// What is under way about the room's keys.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// The registry was read since the connection was made: who was removed meanwhile is known.
    pub fresh: Cell<bool>,
    /// This browser has sent the removal itself.
    pub mine: Cell<bool>,
    running: Cell<bool>,
    told: Cell<bool>,
    /// Numbers of keys that the nodes did not give, and until when not to ask again.
    missing: RefCell<BTreeMap<u32, u64>>,
    /// Numbers of keys that the nodes are being asked for, and who else waits for the answer.
    asking: RefCell<Vec<(u32, Vec<oneshot::Sender<()>>)>>,
}

/// A key is being asked for as long as this is there. Whoever waits goes on when it is dropped.
struct Asking<'a>(&'a Turn, u32);

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        let mut asking = self.0.asking.borrow_mut();
        asking.retain(|(epoch, _)| *epoch != self.1);
    }
}

impl Turn {
    pub(crate) fn clear(&self) {
        self.fresh.set(false);
        self.mine.set(false);
        self.missing.take();
    }

    /// Keys without which something cannot be read.
    pub(crate) fn missing_keys(&self) -> usize {
        self.missing.borrow().len()
    }
}

/// What the registry said before still holds for what the index has not come to: who is on the list no more was removed.
fn with_known_removals(mut facts: RoomFacts, before: Option<&RoomFacts>) -> RoomFacts {
    let Some(before) = before else { return facts };
    let listed: BTreeSet<Person> = facts.members.iter().map(|member| member.person).collect();
    let block = before.block + 1;
    let vanished = before.members.iter().map(|member| RemovedFact {
        person: member.person,
        block,
        left: false,
    });
    for gone in vanished.chain(before.removed.iter().cloned()) {
        let known = facts
            .removed
            .iter()
            .any(|known| known.person == gone.person);
        if !known && !listed.contains(&gone.person) {
            facts.removed.push(gone);
        }
    }
    facts
}

/// The key that keeps out everybody who was removed, if it is in the ring.
pub(crate) fn sealing(facts: &RoomFacts, log: &RoomLog, ring: &KeyRing) -> Option<(u32, RoomKey)> {
    let members = facts.members.iter().map(|member| member.person).collect();
    let removal = facts.removed.iter().map(|gone| gone.block).max();
    // A local chain that was begun anew may be behind what was known of it.
    let removal = removal.unwrap_or(0).min(facts.block);
    let current = epoch::current(&log.state().epochs, &members, removal, facts.block)?;
    ring.get(current)
}

impl OpenRoom {
    pub(crate) fn set_facts(&self, facts: RoomFacts) {
        let facts = with_known_removals(facts, self.facts.borrow().as_ref());
        self.facts.replace(Some(facts));
    }

    /// The key that keeps out everybody who was removed, if it is here.
    pub(crate) fn sealing(&self) -> Option<(u32, RoomKey)> {
        let (facts, log) = (self.facts.borrow(), self.log.borrow());
        sealing(facts.as_ref()?, log.as_ref()?, &self.keys.borrow())
    }

    /// The key to seal with: what is kept here until there is a better one is sealed anew before it is sent.
    pub(crate) fn seal_with(&self) -> Option<(u32, RoomKey)> {
        self.sealing().or_else(|| self.keys.borrow().newest())
    }
}

impl Runtime {
    /// Looks whether the room needs a new key, and makes one when nobody else does; then what waits for it goes out.
    pub(crate) fn mind_epoch(self: &Rc<Self>, room: &Rc<OpenRoom>) {
        if room.closed.get() || !room.joined.get() || !room.turn.fresh.get() || !room.is_open() {
            return;
        }
        // The key that seems to be missing may be in the part of the history that has not come yet.
        if !room.whole.get() && room.sealing().is_none() {
            return;
        }
        if room.sealing().is_some() {
            return self.push_outbox(room);
        }
        if room.turn.running.replace(true) {
            return;
        }
        let (runtime, room) = (self.clone(), room.clone());
        spawn_local(async move {
            if !room.turn.mine.take() {
                let [random] = random::<1>();
                sleep(MANNERS_MS + u32::from(random) * 10).await;
            }
            while room.joined.get() && !room.closed.get() && room.sealing().is_none() {
                match runtime.turn(&room).await {
                    Ok(()) => break,
                    Err(why) => {
                        if !room.turn.told.replace(true) {
                            runtime.toast_trouble(&why);
                        }
                        sleep(RETRY_MS).await;
                    }
                }
            }
            room.turn.running.set(false);
            room.turn.told.set(false);
            runtime.push_outbox(&room);
            runtime.repaint(&room);
        });
    }

    /// Makes the room's next key, has it split among the key nodes, and says so, sealed with it.
    async fn turn(self: &Rc<Self>, room: &Rc<OpenRoom>) -> Result<(), Trouble> {
        const WAITS: Option<&str> = Some("What you write waits in this browser for the new key.");
        let (Some((me, delegation)), Some(facts)) = (self.signer(), room.facts.borrow().clone())
        else {
            return Ok(());
        };
        let (reached, next_lamport, kind) = {
            let log = room.log.borrow();
            let Some(log) = log.as_ref() else {
                return Ok(());
            };
            let removed: Vec<Person> = newly_removed(&facts, log.state());
            let readers = (facts.members.len() + facts.removed.len()) as u32;
            (
                epoch::reached(&log.state().epochs),
                log.next_lamport(),
                move |epoch| Kind::Epoch {
                    epoch,
                    block: facts.block,
                    removed,
                    readers,
                },
            )
        };
        let Some(epoch) = epoch::next(reached, u16::from_be_bytes(random::<2>())) else {
            return Err(trouble(
                "This room has had all the keys that a room can have.",
                WAITS,
                Some("Go on in a new room."),
            ));
        };
        let nodes = self.bootstrap.key_nodes.len();
        let (master, shares) = generate(NEEDED, nodes, |bytes| *bytes = random::<32>())
            .map_err(|error| trouble(format!("No new key could be made: {error}."), WAITS, None))?;
        self.save_shares(room.id, &room_key_cid(&room.id, epoch), &shares, &|_| ())
            .await
            .map_err(|why| Trouble {
                what: format!(
                    "The room needs a new key, because somebody was removed. {}",
                    why.what
                ),
                kept: WAITS.map(str::to_owned),
                next: Some("It is tried again by itself.".into()),
            })?;
        keys::keep_room_key(&self.db, me.person, room.id, epoch, &master)
            .await
            .map_err(|error| storage_trouble("The room's new key could not be kept", &error))?;
        let key = RoomKey::from_master(master.as_bytes(), &room.id, epoch);
        room.keys.borrow_mut().add(epoch, key.clone());
        // Somebody else's has come meanwhile: one is enough.
        if room.closed.get() || room.sealing().is_some() {
            return Ok(());
        }
        let author = Author {
            room: room.id,
            key: (epoch, key),
            person: me.person,
            device: me.device.clone(),
            delegation,
        };
        let appended = envelopes::append(&self.db, author, next_lamport, vec![kind(epoch)])
            .await
            .map_err(|error| match error {
                AppendError::Limit(error) => limit_trouble(&error),
                AppendError::Event(error) => trouble(
                    format!("The new key cannot be announced: {error}."),
                    WAITS,
                    None,
                ),
                AppendError::Storage(error) => {
                    storage_trouble("The room's new key could not be announced", &error)
                }
            })?;
        self.show_and_send(room, appended);
        Ok(())
    }

    /// Seals anew what waits here under a key that somebody who was removed may have.
    pub(crate) async fn reseal_unsent(&self, room: &OpenRoom, me: &Me) {
        let Some((current, key)) = room.sealing() else {
            return;
        };
        let old: Vec<(u64, SignedEvent)> = {
            let (unsent, keys) = (room.unsent.borrow(), room.keys.borrow());
            let waiting = unsent.iter().filter(|(_, unsent)| {
                unsent.delivery == Delivery::Waiting
                    && !unsent.tried
                    && epoch_of(&unsent.envelope).is_some_and(|epoch| epoch != current)
            });
            waiting
                .filter_map(|(seq, unsent)| {
                    Some((*seq, keys.open_kept(&unsent.envelope, room.id)?))
                })
                // What begins an epoch is sealed with that epoch's own key.
                .filter(|(_, event)| !matches!(event.event.kind, Kind::Epoch { .. }))
                .collect()
        };
        for (seq, event) in old {
            let envelope = Envelope::seal_anew(&event, &key, current, &me.device).encode();
            let kept =
                envelopes::replace(&self.db, room.id, me.device.public(), seq, &envelope).await;
            // On an error the old one is sealed anew after a reload.
            if let (Ok(()), Some(unsent)) = (kept, room.unsent.borrow_mut().get_mut(&seq)) {
                unsent.envelope = envelope;
            }
        }
    }

    /// Fetches a key that something here is sealed with, unless it is on its way already; says whether it is there now.
    pub(crate) async fn learn_key(
        self: &Rc<Self>,
        room: &OpenRoom,
        epoch: u32,
        sample: &[u8],
    ) -> bool {
        let _asking = loop {
            let on_its_way = {
                let at = now().0;
                let mut missing = room.turn.missing.borrow_mut();
                missing.retain(|_, until| *until > at);
                let keys = room.keys.borrow();
                if keys.get(epoch).is_some() {
                    return true;
                }
                if missing.contains_key(&epoch) || keys.len() >= KEYS {
                    return false;
                }
                let mut asking = room.turn.asking.borrow_mut();
                let full = missing.len() + asking.len() >= NO_KEYS;
                match asking.iter_mut().find(|(asked, _)| *asked == epoch) {
                    Some((_, waiting)) => {
                        let (there, wait) = oneshot::channel();
                        waiting.push(there);
                        wait
                    }
                    None if full => return false,
                    None => {
                        asking.push((epoch, Vec::new()));
                        break Asking(&room.turn, epoch);
                    }
                }
            };
            // Nothing is sent: it ends with the asking, which may also have been stopped.
            let _ = on_its_way.await;
            if room.closed.get() || room.keys.borrow().is_empty() {
                return false;
            }
        };
        let Some(me) = self.me() else { return false };
        match self.fetch_key(room.id, &me, epoch, Some(sample)).await {
            Ok((key, _)) => {
                if room.closed.get() || room.keys.borrow().is_empty() {
                    return false;
                }
                room.keys.borrow_mut().add(epoch, key);
                true
            }
            Err(_) => {
                let until = now().0 + NO_KEY_MS;
                room.turn.missing.borrow_mut().insert(epoch, until);
                false
            }
        }
    }

    /// One key of the room from the key nodes, kept in this browser; with the nodes whose share did not fit.
    pub(crate) async fn fetch_key(
        self: &Rc<Self>,
        id: RoomId,
        me: &Me,
        epoch: u32,
        sample: Option<&[u8]>,
    ) -> Result<(RoomKey, Vec<usize>), NoKey> {
        let cid = room_key_cid(&id, epoch);
        let found = self.lookup(&cid).await?;
        let chosen = self
            .choose_room_key((id, epoch), me, &found.good, sample)
            .await;
        let (key, master, bad) = match chosen {
            Err(_) if found.good.len() < self.bootstrap.key_nodes.len() => {
                let all = self.lookup_all(&cid).await?;
                self.choose_room_key((id, epoch), me, &all.good, sample)
                    .await?
            }
            chosen => chosen?,
        };
        if let Err(error) = keys::keep_room_key(&self.db, me.person, id, epoch, &master).await {
            self.storage_failed("The room cannot be read offline", &error);
        }
        Ok((key, bad))
    }
}

/// Whom no earlier epoch names as removed.
fn newly_removed(facts: &RoomFacts, state: &healthsync_core::RoomState) -> Vec<Person> {
    let named: BTreeSet<&Person> = state
        .epochs
        .iter()
        .flat_map(|epoch| &epoch.removed)
        .collect();
    let gone = facts.removed.iter().map(|gone| gone.person);
    gone.filter(|person| !named.contains(person))
        .take(limits::REMOVED)
        .collect()
}
