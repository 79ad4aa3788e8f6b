//! Opening a room: who asks, whether the registry lists them, the room's key, what is kept here, then the relay.

use std::rc::Rc;

use healthsync_core::{Person, RoomId, RoomKey, RoomLog, epoch};
use healthsync_lighthouse::shares;
use leptos::prelude::*;

use super::{
    OpenRoom,
    key::{NoKey, list_names},
    outbox,
    registry::absence,
    ring::{KeyRing, Read, epoch_of},
    write::TYPING_MS,
};
use crate::{
    api::{self, RoomFacts},
    client::{
        browser::{
            http::within,
            platform::sleep,
            runtime::{Me, Runtime, storage_trouble, trouble},
            storage::{drafts, envelopes, keys, outbox as kept_outbox},
        },
        model::{Absence, RoomPhase, Session, ToastKind, Trouble, put_above},
    },
};

const FACTS_MS: u32 = 15_000;

impl Runtime {
    pub(crate) fn enter(self: &Rc<Self>, id: RoomId) {
        if let Some(room) = self.open_room().filter(|room| room.id == id) {
            self.load_room(&room);
            return;
        }
        self.leave_open_room();
        let room = Rc::new(OpenRoom::new(id));
        self.room.replace(Some(room.clone()));
        self.repaint(&room);
        self.load_room(&room);
    }

    pub(crate) fn close_room(self: &Rc<Self>, id: RoomId) {
        if self.open_room().is_some_and(|room| room.id == id) {
            self.leave_open_room();
            self.client.room.set(None);
        }
    }

    fn leave_open_room(self: &Rc<Self>) {
        let Some(room) = self.room.take() else { return };
        self.say_bye(&room);
        self.note_now(&room);
        self.save_draft(&room, 0);
        self.client.returned.set(String::new());
        room.closed.set(true);
        room.loading.stop();
        room.noting.stop();
        room.note_due.set(false);
        self.node.set_members(room.id, Vec::new());
        room.forget_content();
        // Also without a connection, and while it is being joined: else the node would be in it for this tab.
        let (node, id) = (self.node.clone(), room.id);
        wasm_bindgen_futures::spawn_local(async move {
            let _ = node.leave(id).await;
        });
    }

    /// Loads the room for whoever uses this browser now; does nothing when that is done already.
    pub(crate) fn load_room(self: &Rc<Self>, room: &Rc<OpenRoom>) {
        let person = self.me().map(|me| me.person);
        if person.is_some() && room.person.get() == person && room.is_open() {
            self.sync(room);
            return;
        }
        let (runtime, shared) = (self.clone(), room.clone());
        room.loading.run(async move {
            let mut syncs = false;
            let phase = match runtime.me() {
                Some(me) => runtime.load_for(&shared, &me, &mut syncs).await,
                None if runtime.client.session.get_untracked() == Session::Restoring => {
                    RoomPhase::Loading
                }
                None => {
                    // What was written before anybody was known waits for whoever connects.
                    if shared.person.get().is_some() {
                        shared.forget_content();
                    }
                    RoomPhase::NeedsWallet
                }
            };
            let again = matches!(phase, RoomPhase::NotAllowed { .. } | RoomPhase::NoSuchRoom);
            shared.set_phase(phase);
            runtime.repaint(&shared);
            if !syncs {
                runtime.sync(&shared);
            }
            if again {
                runtime.watch_closed_door(&shared).await;
            }
        });
    }

    /// Sets `syncs` when the relay was asked already, with what is kept here.
    async fn load_for(
        self: &Rc<Self>,
        room: &Rc<OpenRoom>,
        me: &Me,
        syncs: &mut bool,
    ) -> RoomPhase {
        if room
            .person
            .replace(Some(me.person))
            .is_some_and(|before| before != me.person)
        {
            room.forget_content();
        }
        self.load_draft(room, me.person).await;
        let known = drafts::known_room(&self.db, me.person, room.id)
            .await
            .unwrap_or_default();
        // The first time only: what has come on screen since is kept as seen, too, and is still new to this visit.
        if room.seen.get() == 0 {
            room.seen.set(known.seen);
        }
        self.load_notifies(room).await;
        let ring = match keys::room_keys(&self.db, me.person, room.id).await {
            Ok(ring) => ring,
            Err(error) => {
                return RoomPhase::Failed(storage_trouble(
                    "What is kept of this room cannot be read",
                    &error,
                ));
            }
        };
        let is_in = |facts: &RoomFacts| {
            facts
                .members
                .iter()
                .any(|member| member.person == me.person)
        };
        let was_in = !ring.is_empty() || known.facts.as_ref().is_some_and(is_in);
        // What is kept here is shown before anybody was asked.
        if let (false, Some(facts)) = (ring.is_empty(), &known.facts)
            && is_in(facts)
        {
            self.load_kept(room, me, ring.clone(), facts.clone()).await;
            let empty = room.log.borrow().as_ref().is_none_or(RoomLog::is_empty);
            room.set_phase(if empty {
                RoomPhase::Syncing
            } else {
                RoomPhase::Open
            });
            self.repaint(room);
            self.sync(room);
            *syncs = true;
        }

        let facts = match self.facts(room.id, known.facts.as_ref()).await {
            Ok(facts) => facts,
            // Offline with something to read: the registry is asked again when it can be.
            Err(_) if room.log.borrow().is_some() => return room.phase.borrow().clone(),
            Err(trouble) => return RoomPhase::Failed(trouble),
        };
        if !facts.exists {
            room.forget_content();
            return RoomPhase::NoSuchRoom;
        }
        room.owner.set(facts.owner);
        if !is_in(&facts) {
            let why = absence(room, &facts, me.person, was_in);
            return self.not_allowed(room, me.person, why).await;
        }
        if room.log.borrow().is_some() {
            room.set_facts(facts);
            self.mind_epoch(room);
            return room.phase.borrow().clone();
        }
        let mut ring = ring;
        if ring.get(epoch::FIRST).is_none() {
            match self.fetch_room_key(room, me).await {
                Ok(key) => ring.add(epoch::FIRST, key),
                Err(NoKey::Denied) => {
                    let why = absence(room, &facts, me.person, was_in);
                    return self.not_allowed(room, me.person, why).await;
                }
                Err(NoKey::Failed(trouble)) => return RoomPhase::Failed(trouble),
            }
        }
        self.load_kept(room, me, ring, facts).await;
        RoomPhase::Syncing
    }

    /// The kept draft, before what is typed now is kept in its place. It is shown while the room is still opening.
    async fn load_draft(self: &Rc<Self>, room: &Rc<OpenRoom>, me: Person) {
        if room.draft_read.get() {
            return;
        }
        let draft = drafts::draft(&self.db, me, room.id)
            .await
            .unwrap_or_default();
        room.draft_read.set(true);
        if !room.draft.borrow().is_empty() {
            // Written before anybody was known.
            self.save_draft(room, TYPING_MS);
        }
        if draft.is_empty() {
            return;
        }
        room.draft_kept.set(true);
        if room.draft.borrow().is_empty() {
            room.draft.replace(draft);
            self.repaint(room);
        } else if *room.draft.borrow() != draft {
            // Somebody is typing already.
            self.client
                .returned
                .update(|returned| put_above(returned, &draft));
        }
    }

    /// The log of what is kept in this browser, with attachments and the outbox. The log comes last, in one go
    /// with all that nothing is waited for: loading is given up and begun anew when the network comes, and whoever finds a
    /// log takes the room for loaded.
    async fn load_kept(
        self: &Rc<Self>,
        room: &Rc<OpenRoom>,
        me: &Me,
        ring: KeyRing,
        facts: RoomFacts,
    ) {
        // The log counts its maker's names for the room; a room that exists has one.
        let maker = facts.named_by().unwrap_or(me.person);
        room.keys.replace(ring.clone());
        self.load_unsent(room).await;
        self.load_attached(room, me.person).await;
        let kept = match envelopes::of_room(&self.db, room.id).await {
            Ok(kept) => kept,
            Err(error) => {
                self.storage_failed("What is kept of this room cannot be read", &error);
                Vec::new()
            }
        };
        let mut log = RoomLog::new(room.id, maker, self.bootstrap.chain.id);
        for bytes in kept {
            if let Some(event) = ring.open_kept(&bytes, room.id) {
                // Only what was checked is kept, so this refuses nothing.
                let _ = log.insert_kept(event);
            }
        }
        // Unreadable means that nothing is taken up: whoever presses the button again learns that it is minted.
        let mints = drafts::pending_mints(&self.db, me.person, room.id)
            .await
            .unwrap_or_default();
        room.set_facts(facts);
        self.drop_told(room, &log);
        room.set_log(log);
        self.pass_on_revocations(room);
        self.follow_mints(room, mints, me.person);
    }

    /// The outbox as it is in the database.
    pub(crate) async fn load_unsent(self: &Rc<Self>, room: &OpenRoom) {
        let Some(me) = self.me() else { return };
        let device = me.device.public();
        let Ok(entries) = kept_outbox::entries(&self.db, room.id, device).await else {
            return;
        };
        for (seq, entry) in entries {
            if room.unsent.borrow().contains_key(&seq) {
                continue;
            }
            let envelope =
                envelopes::one(&self.db, &envelopes::envelope_key(room.id, device, seq)).await;
            let Ok(Some(envelope)) = envelope else {
                continue;
            };
            let event = room.keys.borrow().open_kept(&envelope, room.id);
            if let Some(event) = event {
                let mut unsent = room.unsent.borrow_mut();
                unsent
                    .entry(seq)
                    .or_insert_with(|| outbox::kept(&event, envelope, &entry));
            }
        }
    }

    /// What the registry says, not older than what is known: right after a transaction the server may still be a block
    /// behind.
    pub(crate) async fn facts(
        &self,
        id: RoomId,
        known: Option<&RoomFacts>,
    ) -> Result<RoomFacts, Trouble> {
        let mut last = Err(String::new());
        for attempt in 0..8 {
            let asked = within(FACTS_MS, api::room_facts(id)).await;
            last = match asked {
                Some(Ok(facts)) if known.is_none_or(|known| facts.block >= known.block) => {
                    return Ok(facts);
                }
                Some(Ok(facts)) => Ok(facts),
                Some(Err(error)) => Err(error.to_string()),
                None => Err("it did not answer in time".to_owned()),
            };
            if last.is_err() && attempt >= 1 {
                break;
            }
            sleep(300).await;
        }
        // A chain that was set back (a local one) says less than before, and is right.
        last.map_err(|reason| {
            trouble(
                format!("Whether you are in this room could not be checked: {reason}."),
                Some("What you wrote earlier is kept."),
                Some("It is tried again when there is a connection."),
            )
        })
    }

    async fn fetch_room_key(
        self: &Rc<Self>,
        room: &Rc<OpenRoom>,
        me: &Me,
    ) -> Result<RoomKey, NoKey> {
        room.set_phase(RoomPhase::Key(self.asked()));
        self.repaint(room);
        let (key, bad) = self.fetch_key(room.id, me, epoch::FIRST, None).await?;
        if !bad.is_empty() {
            let names: Vec<String> = bad.iter().map(|node| self.node_name(*node)).collect();
            self.toast(
                ToastKind::Info,
                format!(
                    "The key share of {} does not fit the others and was left out.",
                    list_names(&names)
                ),
            );
        }
        Ok(key)
    }

    /// More shares than are needed that all agree give one key. Otherwise the key that opens something that is sealed with
    /// it is right: `sample`, or whatever else was said in the room.
    pub(crate) async fn choose_room_key(
        self: &Rc<Self>,
        (id, epoch): (RoomId, u32),
        me: &Me,
        good: &[(usize, healthsync_lighthouse::Share)],
        sample: Option<&[u8]>,
    ) -> Result<(RoomKey, healthsync_lighthouse::MasterKey, Vec<usize>), NoKey> {
        let wrong = |reason: String| {
            NoKey::Failed(trouble(
                format!("The key shares do not give a key: {reason}."),
                None,
                Some("Try again; if it stays, tell whoever runs the key nodes."),
            ))
        };
        let found: Vec<_> = shares::candidates(good, super::key::NEEDED)
            .map_err(|error| wrong(error.to_string()))?
            .collect();
        let derive = |master: &healthsync_lighthouse::MasterKey| {
            RoomKey::from_master(master.as_bytes(), &id, epoch)
        };
        let alone = found.len() == 1;
        if let [only] = found.as_slice()
            && only.agreeing.len() > super::key::NEEDED
        {
            return Ok((derive(&only.key), only.key.clone(), Vec::new()));
        }
        let said = match sample {
            Some(bytes) => Some(bytes.to_vec()),
            None => self.some_envelope(id, epoch, me).await,
        };
        for candidate in found {
            let key = derive(&candidate.key);
            let proven = match &said {
                Some(bytes) => {
                    let mut ring = KeyRing::default();
                    ring.add(epoch, key.clone());
                    matches!(ring.open(bytes, id), Some(Read::Event(_)))
                }
                // Nothing was said yet: more than the threshold agreeing is proof enough, and three alone all there is.
                None => alone || candidate.agreeing.len() > super::key::NEEDED,
            };
            if proven {
                return Ok((key, candidate.key, candidate.bad_nodes));
            }
        }
        Err(wrong("they contradict each other".to_owned()))
    }

    async fn some_envelope(&self, id: RoomId, epoch: u32, me: &Me) -> Option<Vec<u8>> {
        let sealed_with_it = |bytes: &Vec<u8>| epoch_of(bytes) == Some(epoch);
        let kept = envelopes::of_room(&self.db, id).await.unwrap_or_default();
        if let Some(kept) = kept.into_iter().find(sealed_with_it) {
            return Some(kept);
        }
        let delegation = me.delegation.clone()?;
        within(FACTS_MS, self.node.join(id, delegation, &me.device))
            .await?
            .ok()?;
        let page = within(FACTS_MS, self.node.pull(id, Default::default(), 1))
            .await?
            .ok()?;
        page.envelopes.into_iter().find(sealed_with_it)
    }

    /// Not on the list: nothing of the room stays on screen, and its key is forgotten here.
    pub(crate) async fn not_allowed(
        self: &Rc<Self>,
        room: &Rc<OpenRoom>,
        person: Person,
        why: Absence,
    ) -> RoomPhase {
        room.forget_content();
        // On an error it stays in the database; it is not used, as the list comes first.
        let _ = keys::drop_room_keys(&self.db, person, room.id).await;
        let _ = self.node.leave(room.id).await;
        RoomPhase::NotAllowed { person, why }
    }

    /// Somebody who waits to be let in sees the room open by itself.
    pub(crate) async fn watch_closed_door(self: &Rc<Self>, room: &Rc<OpenRoom>) {
        loop {
            sleep(4_000).await;
            let Some(me) = self.me() else { return };
            if !super::super::is_visible() {
                continue;
            }
            let Some(Ok(facts)) = within(FACTS_MS, api::room_facts(room.id)).await else {
                continue;
            };
            // The index may have come to why the person is not in only now.
            if let RoomPhase::NotAllowed { why, .. } = &mut *room.phase.borrow_mut() {
                let now = absence(room, &facts, me.person, *why != Absence::NeverIn);
                if *why != Absence::Left && now != *why {
                    *why = now;
                    self.repaint(room);
                }
            }
            if facts
                .members
                .iter()
                .any(|member| member.person == me.person)
            {
                room.person.set(None);
                let (runtime, room) = (self.clone(), room.clone());
                // This task is the one that loading replaces.
                wasm_bindgen_futures::spawn_local(async move { runtime.load_room(&room) });
                return;
            }
        }
    }
}
