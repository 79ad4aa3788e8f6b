//! Saving a room as a file, and taking one in: `core::copy` is the file, and each event in it is checked here as if a
//! stranger had sent it.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use healthsync_core::{
    Inserted, RoomId, RoomKey, RoomLog, SignedEvent,
    copy::{self, CopyError, Head, Key},
};
use healthsync_lighthouse::MasterKey;
use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;

use super::{
    list::describe,
    ring::{KeyRing, Read},
};
use crate::client::{
    browser::{
        platform::{bytes_of, now, save_file},
        runtime::{Me, Runtime, storage_trouble, trouble},
        storage::{drafts, envelopes, keys},
    },
    model::{CopyIntent, CopyReport, CopyWork, Files, ToastKind, Trouble},
};

const NOT_SAVED: &str = "The copy was not saved";
const NOT_TAKEN: &str = "Nothing was taken from the file";

const FORGED: &str = "changed, or not signed by their author";
const ELSEWHERE: &str = "of another room";
const NO_KEY: &str = "sealed with a key that the key nodes do not give";
const MISFIT: &str = "with a permission that is not good";
const FORK: &str = "beside another event of the same number";

impl Runtime {
    pub(crate) fn take_copy_intent(self: &Rc<Self>, intent: CopyIntent) {
        match intent {
            CopyIntent::Save { keys } => self.offer_copy(keys),
            CopyIntent::TakeIn(files) => self.take_in_file(files),
            CopyIntent::Measure => self.measure_space(),
            CopyIntent::Forget(room) => self.forget_here(room),
        }
    }

    fn offer_copy(self: &Rc<Self>, with_keys: bool) {
        let runtime = self.clone();
        spawn_local(async move {
            match runtime.save_copy(with_keys).await {
                Ok(events) => runtime.toast(
                    ToastKind::Good,
                    format!("A copy with {events} events was handed to the browser's downloads."),
                ),
                Err(trouble) => runtime.toast_trouble(&trouble),
            }
        });
    }

    fn take_in_file(self: &Rc<Self>, files: Files) {
        let (runtime, work) = (self.clone(), self.client.copy_work);
        work.set(CopyWork::Checking);
        spawn_local(async move {
            let came = match runtime.take_in(&files).await {
                Ok(report) => CopyWork::Done(report),
                Err(trouble) => CopyWork::Failed(trouble),
            };
            // Else somebody else uses this browser by now.
            if work.with_untracked(|now| *now == CopyWork::Checking) {
                work.set(came);
            }
        });
    }

    async fn save_copy(self: &Rc<Self>, with_keys: bool) -> Result<usize, Trouble> {
        let (Some(room), Some(me)) = (self.open_room().filter(|room| room.is_open()), self.me())
        else {
            return Err(trouble(
                format!("{NOT_SAVED}: the room is not open."),
                None,
                Some("Open it, then try again."),
            ));
        };
        room.needs_whole()?;
        let failed = |error| storage_trouble(NOT_SAVED, &error);
        let events = envelopes::of_room(&self.db, room.id)
            .await
            .map_err(failed)?;
        let masters = if with_keys {
            keys::masters(&self.db, me.person, room.id)
                .await
                .map_err(failed)?
        } else {
            Vec::new()
        };
        let head = Head {
            room: room.id,
            owner: room.maker().unwrap_or(me.person),
            chain_id: self.bootstrap.chain.id,
            made_at: now(),
            keys: masters
                .into_iter()
                .map(|(epoch, master)| Key { epoch, master })
                .collect(),
        };
        let file = copy::write(&head, events.iter().map(Vec::as_slice));
        let name = format!("healthsync-room-{}.copy", &room.id.to_string()[2..10]);
        if save_file(&file, "application/octet-stream", &name) {
            Ok(events.len())
        } else {
            Err(trouble(
                format!("{NOT_SAVED}: the browser has no memory left for it."),
                None,
                Some("Close other pages, then try again."),
            ))
        }
    }

    async fn take_in(self: &Rc<Self>, files: &Files) -> Result<CopyReport, Trouble> {
        let refused = |why: String, next| trouble(format!("{NOT_TAKEN}: {why}."), None, Some(next));
        let Some((me, _)) = self.signer() else {
            return Err(refused(
                "no wallet is connected that may sign here".into(),
                "Connect the wallet whose address is on the room's list.",
            ));
        };
        let unreadable = || refused("the browser could not read it".into(), "Choose it again.");
        let no_copy =
            |error: CopyError| refused(error.to_string(), "Choose the file as it was saved.");
        let file = files.0.first().ok_or_else(unreadable)?;
        if file.size() > copy::MAX_BYTES as f64 {
            return Err(no_copy(CopyError::TooLarge));
        }
        let bytes = bytes_of(file).await.ok_or_else(unreadable)?;
        let (head, events) = copy::read(&bytes).map_err(no_copy)?;
        if head.chain_id != self.bootstrap.chain.id {
            return Err(refused(
                format!(
                    "its room is on chain {}, not on this server's",
                    head.chain_id
                ),
                "Open the server that the room is on.",
            ));
        }
        // Who is in the room says the registry, and whose room it is, too: the file is nobody's word.
        let facts = self.facts(head.room, None).await?;
        let (Some(maker), true) = (
            facts.named_by(),
            facts
                .members
                .iter()
                .any(|member| member.person == me.person),
        ) else {
            return Err(refused(
                "you are not on the list of its room".into(),
                "Ask the room's owner to add you.",
            ));
        };
        let failed = |error| storage_trouble(NOT_TAKEN, &error);
        let ring = keys::room_keys(&self.db, me.person, head.room);
        let mut taking = Taking {
            log: RoomLog::new(head.room, maker, head.chain_id),
            ring: ring.await.map_err(failed)?,
            keyless: BTreeSet::new(),
            fresh: Vec::new(),
            known: 0,
            refused: BTreeMap::new(),
        };
        for bytes in envelopes::of_room(&self.db, head.room)
            .await
            .map_err(failed)?
        {
            if let Some(event) = taking.ring.open_kept(&bytes, head.room) {
                let _ = taking.log.insert_kept(event);
            }
        }
        for bytes in events {
            self.take_event(&mut taking, bytes, &head, &me).await;
        }
        let Taking {
            log,
            fresh,
            known,
            refused,
            ..
        } = taking;
        let new = fresh.len() as u32;
        envelopes::keep_received(&self.db, head.room, Some(me.device.public()), fresh)
            .await
            .map_err(failed)?;
        self.note_taken(&log, &me, facts).await;
        Ok(CopyReport {
            room: head.room,
            new,
            known,
            refused: refused.into_iter().collect(),
        })
    }

    /// Checks one event. Its key is in this browser, or in the file and opens it, or comes from the key nodes.
    async fn take_event(self: &Rc<Self>, taking: &mut Taking, bytes: &[u8], head: &Head, me: &Me) {
        let room = head.room;
        let mut read = taking.ring.open(bytes, room);
        if let Some(Read::NoKey(epoch)) = read
            && !taking.keyless.contains(&epoch)
        {
            if let Some((key, master)) = self.key_for(epoch, bytes, head, me).await {
                if let Some(master) = master {
                    // Without it the key nodes are asked again when the room is opened.
                    let _ = keys::keep_room_key(&self.db, me.person, room, epoch, &master).await;
                }
                taking.ring.add(epoch, key);
            } else {
                taking.keyless.insert(epoch);
            }
            read = taking.ring.open(bytes, room);
        }
        let event = match read {
            Some(Read::Event(event)) => *event,
            Some(Read::NoKey(_)) => return taking.refuse(NO_KEY),
            None => {
                let other = healthsync_core::Envelope::decode(bytes)
                    .is_ok_and(|envelope| envelope.room != room);
                return taking.refuse(if other { ELSEWHERE } else { FORGED });
            }
        };
        match taking.log.insert(event.clone()) {
            Ok(Inserted::New | Inserted::Pending) => taking.fresh.push((event, bytes.to_vec())),
            Ok(Inserted::Known) => taking.known += 1,
            Ok(Inserted::Fork) => taking.refuse(FORK),
            Err(_) => taking.refuse(MISFIT),
        }
    }

    /// A key that opens `sample`; with its master key where it comes from the file.
    async fn key_for(
        self: &Rc<Self>,
        epoch: u32,
        sample: &[u8],
        head: &Head,
        me: &Me,
    ) -> Option<(RoomKey, Option<MasterKey>)> {
        let given = head.keys.iter().find(|key| key.epoch == epoch);
        if let Some(given) = given {
            let key = RoomKey::from_master(&given.master, &head.room, epoch);
            let mut ring = KeyRing::default();
            ring.add(epoch, key.clone());
            if matches!(ring.open(sample, head.room), Some(Read::Event(_))) {
                let master = MasterKey::from_hex(&hex::encode(given.master)).ok();
                return Some((key, master));
            }
        }
        let (key, _) = self
            .fetch_key(head.room, me, epoch, Some(sample))
            .await
            .ok()?;
        Some((key, None))
    }

    /// The list shows the room with what is known now; a page that has it open reads it again.
    async fn note_taken(self: &Rc<Self>, log: &RoomLog, me: &Me, facts: crate::api::RoomFacts) {
        let id: RoomId = log.room();
        let mut known = drafts::known_room(&self.db, me.person, id)
            .await
            .unwrap_or_default();
        describe(&mut known, log.state(), me.person);
        known.facts = Some(facts);
        // Only the list's comfort.
        let _ = drafts::keep_known_room(&self.db, me.person, id, &known).await;
        self.tabs.tell(id);
        self.load_rooms();
    }
}

/// What is being taken from a file.
struct Taking {
    log: RoomLog,
    ring: KeyRing,
    /// Epochs whose key nobody gives.
    keyless: BTreeSet<u32>,
    fresh: Vec<(SignedEvent, Vec<u8>)>,
    known: u32,
    refused: BTreeMap<&'static str, u32>,
}

impl Taking {
    fn refuse(&mut self, why: &'static str) {
        *self.refused.entry(why).or_default() += 1;
    }
}
