//! The list of rooms: what the registry says of this person, with the names and news that this browser can read.
//!
//! Rooms are visited one after the other in the background: that fetches their names, counts what is new, and pushes
//! what was written there without a connection.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use healthsync_core::{EventId, Person, RoomId, RoomLog, RoomState, VersionVector, display, epoch};
use healthsync_net::NodeHandle;
use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;

use super::{
    epochs::sealing,
    ring::{KeyRing, Read, epoch_of},
};
use crate::{
    api::{self, RoomFact, Standing},
    client::{
        browser::{
            http::within,
            runtime::{Me, Runtime, Task, trouble},
            storage::{
                drafts::{self, KnownRoom},
                envelopes, keys, outbox,
            },
        },
        model::{RoomCard, RoomList},
    },
};

/// Less than from one look at the list to the next, which begins it anew.
const ANSWER_MS: u32 = 10_000;
/// Rooms visited for one list; the rest shows what is known of them.
const VISITS: usize = 50;

#[derive(Debug, Default)]
pub(crate) struct ListState {
    loading: Task,
    visiting: Task,
    /// Whether a round of visits is under way, and what the next one is to visit.
    under_way: Cell<bool>,
    next: RefCell<Option<Round>>,
    /// What was here of a room when it was last looked into, by this person.
    looked: RefCell<Vec<(RoomId, VersionVector)>>,
    /// Whether a page has asked for the list.
    pub wanted: Cell<bool>,
}

/// What the registry says of the rooms, and in which order they are looked into.
type Round = (Vec<RoomFact>, Vec<RoomId>);

impl ListState {
    /// Whether everything in `have` was here when the room was last looked into.
    fn has_seen(&self, room: RoomId, have: &VersionVector) -> bool {
        let looked = self.looked.borrow();
        let last = looked.iter().find(|(of, _)| *of == room);
        last.is_some_and(|(_, heads)| heads.covers(have))
    }

    fn note_look(&self, room: RoomId, heads: VersionVector) {
        let mut looked = self.looked.borrow_mut();
        looked.retain(|(of, _)| *of != room);
        looked.push((room, heads));
    }

    fn stop_visits(&self) {
        self.visiting.stop();
        self.under_way.set(false);
        self.next.take();
    }
}

/// A room that is looked into: left again in the end, also when the look is dropped half way. One that was opened meanwhile
/// stays joined.
struct Look {
    runtime: Rc<Runtime>,
    room: RoomId,
}

impl Drop for Look {
    fn drop(&mut self) {
        let (runtime, id) = (&self.runtime, self.room);
        if runtime.open_room().is_none_or(|room| room.id != id) {
            let node = runtime.node.clone();
            spawn_local(async move {
                // Err means that the node has ended, and with it all that it had joined.
                let _ = node.leave(id).await;
            });
        }
    }
}

/// What the list shows of a room.
pub(crate) fn describe(known: &mut KnownRoom, state: &RoomState, me: Person) {
    known.name = state.name.as_deref().map(|name| display(name).into_owned());
    let said = state
        .messages
        .iter()
        .map(|message| (message.person, message.lamport, message.at))
        .chain(
            state
                .cases
                .iter()
                .map(|case| (case.person, case.lamport, case.at)),
        );
    known.unread = said
        .clone()
        .filter(|(person, lamport, _)| *person != me && *lamport > known.seen)
        .count() as u32;
    let unread = state.messages.after((known.seen, EventId([0xff; 32])));
    known.mentioned = unread
        .filter(|said| said.person != me)
        .any(|said| said.mentions.contains(&me));
    known.last = said.map(|(.., at)| at.0).max().or(known.last);
    known.needs_opinion = state
        .cases
        .iter()
        .flat_map(|case| &case.polls)
        .any(|poll| poll.closed.is_none() && poll.vote_of(&me).is_none());
}

fn card(fact: &RoomFact, known: &KnownRoom) -> RoomCard {
    // What was new in a room that was left can't be read any more.
    let is_in = fact.standing == Standing::Member;
    RoomCard {
        id: fact.room,
        name: known.name.clone(),
        owner: fact.owner,
        members: fact.members,
        archived: fact.archived,
        standing: fact.standing,
        unread: if is_in { known.unread } else { 0 },
        mentioned: is_in && known.mentioned,
        needs_opinion: is_in && known.needs_opinion,
        last: known.last.map(healthsync_core::Millis),
    }
}

/// Those this person is in: that need an opinion, then those that mention this person, then those with news, then by their last event.
fn sort(cards: &mut [RoomCard]) {
    cards.sort_by_key(|card| {
        (
            card.standing != Standing::Member,
            !card.needs_opinion,
            !card.mentioned,
            card.unread == 0,
            std::cmp::Reverse(card.last),
            card.id,
        )
    });
}

impl Runtime {
    pub(crate) fn load_rooms(self: &Rc<Self>) {
        self.list.wanted.set(true);
        let runtime = self.clone();
        self.list
            .loading
            .run(async move { runtime.read_rooms().await });
    }

    async fn read_rooms(self: &Rc<Self>) {
        let Some(me) = self.me() else {
            self.list.stop_visits();
            self.client.rooms.set(RoomList::Loading);
            return;
        };
        let known = drafts::known_rooms(&self.db, me.person)
            .await
            .unwrap_or_default();
        let known_of = |id: RoomId| {
            known
                .iter()
                .find(|(known, _)| *known == id)
                .map(|(_, known)| known.clone())
        };
        let answer = within(ANSWER_MS, api::rooms_of(me.person)).await;
        if self.me().is_none_or(|now| now.person != me.person) {
            return;
        }
        let facts = match answer {
            Some(Ok(facts)) => facts,
            failed => {
                let reason = match failed {
                    Some(Err(error)) => error.to_string(),
                    _ => "it did not answer in time".to_owned(),
                };
                let mut cards: Vec<RoomCard> = known
                    .iter()
                    .filter_map(|(id, known)| kept_card(*id, known))
                    .collect();
                sort(&mut cards);
                let why = trouble(
                    format!("The list of your rooms could not be refreshed: {reason}."),
                    Some("These are the rooms known to this browser."),
                    Some("It is tried again when there is a connection."),
                );
                return self.client.rooms.set(RoomList::Stale(cards, why));
            }
        };
        let ids: Vec<RoomId> = facts.iter().map(|fact| fact.room).collect();
        self.finish_pending_rooms(&ids).await;
        let mut cards: Vec<RoomCard> = facts
            .iter()
            .map(|fact| card(fact, &known_of(fact.room).unwrap_or_default()))
            .collect();
        sort(&mut cards);
        let order: Vec<RoomId> = cards.iter().map(|card| card.id).collect();
        self.client.rooms.set(RoomList::Loaded(cards));
        self.visit(facts, order);
    }

    /// The person before has gone: their rooms are not listed, and not looked into.
    pub(crate) fn forget_list(&self) {
        self.list.loading.stop();
        self.list.stop_visits();
        self.list.looked.take();
        self.client.rooms.set(RoomList::Loading);
    }

    /// A round that is under way goes on, or the last rooms would never have their turn; this one follows it.
    fn visit(self: &Rc<Self>, facts: Vec<RoomFact>, order: Vec<RoomId>) {
        self.list.next.replace(Some((facts, order)));
        if self.list.under_way.replace(true) {
            return;
        }
        let runtime = self.clone();
        self.list.visiting.run(async move {
            while let Some(round) = runtime.list.next.take() {
                runtime.visit_all(round).await;
            }
            runtime.list.under_way.set(false);
        });
    }

    async fn visit_all(self: &Rc<Self>, (facts, order): Round) {
        let is_in = |fact: &&RoomFact| fact.standing == Standing::Member;
        for id in order.into_iter().take(VISITS) {
            let fact = facts.iter().filter(is_in).find(|fact| fact.room == id);
            let Some(fact) = fact else { continue };
            if self.open_room().is_some_and(|room| room.id == id) {
                continue;
            }
            if let Some(known) = self.look_into(fact).await {
                self.show_card(id, &known);
            }
        }
    }

    /// A card that has changed; its place stays, so that nothing moves under the pointer.
    pub(crate) fn show_card(&self, id: RoomId, known: &KnownRoom) {
        self.client.rooms.update(|rooms| {
            let (RoomList::Loaded(cards) | RoomList::Stale(cards, _)) = rooms else {
                return;
            };
            if let Some(card) = cards.iter_mut().find(|card| card.id == id) {
                card.name = known.name.clone();
                card.unread = known.unread;
                card.mentioned = known.mentioned;
                card.needs_opinion = known.needs_opinion;
                card.last = known.last.map(healthsync_core::Millis);
            }
        });
    }

    /// Key, history and outbox of one room, without showing it. `None`: nothing new could be learnt.
    async fn look_into(self: &Rc<Self>, fact: &RoomFact) -> Option<KnownRoom> {
        let (me, delegation) = self.signer()?;
        let id = fact.room;
        let waiting = outbox::entries(&self.db, id, me.device.public()).await;
        let nothing_waits = waiting.is_ok_and(|entries| entries.is_empty());
        if nothing_waits && self.is_forgotten(&me, id).await {
            return None;
        }
        let mut ring = keys::room_keys(&self.db, me.person, id).await.ok()?;
        if ring.get(epoch::FIRST).is_none() {
            if self.would_ask() {
                return None;
            }
            let (key, _) = self.fetch_key(id, &me, epoch::FIRST, None).await.ok()?;
            ring.add(epoch::FIRST, key);
        }
        let mut have = None;
        let look = self.online.get().then(|| Look {
            runtime: self.clone(),
            room: id,
        });
        if look.is_some() {
            let join = self.node.join(id, delegation, &me.device);
            have = within(ANSWER_MS, join)
                .await?
                .ok()
                .map(|joined| joined.have);
        }
        // What was read before need not be read again: what came since by another way was noted there.
        if nothing_waits
            && self
                .list
                .has_seen(id, have.as_ref().unwrap_or(&VersionVector::default()))
        {
            return None;
        }
        let maker = fact.creator.unwrap_or(fact.owner);
        let mut log = RoomLog::new(id, maker, self.bootstrap.chain.id);
        for bytes in envelopes::of_room(&self.db, id).await.ok()? {
            if let Some(event) = ring.open_kept(&bytes, id) {
                let _ = log.insert_kept(event);
            }
        }
        if have.is_some() {
            self.pull_into(&me, &mut log, &mut ring).await;
            self.push_kept(&me, &log, &ring).await;
        }
        let mut known = drafts::known_room(&self.db, me.person, id).await.ok()?;
        describe(&mut known, log.state(), me.person);
        drafts::keep_known_room(&self.db, me.person, id, &known)
            .await
            .ok()?;
        self.list.note_look(id, log.heads());
        drop(look);
        Some(known)
    }

    /// What was written there without a connection. What has to be sealed anew first, because somebody was removed,
    /// waits until the room is opened.
    async fn push_kept(&self, me: &Me, log: &RoomLog, ring: &KeyRing) {
        let (id, device) = (log.room(), me.device.public());
        let entries = outbox::entries(&self.db, id, device).await;
        let Some(entries) = entries.ok().filter(|entries| !entries.is_empty()) else {
            return;
        };
        let Ok(facts) = self.facts(id, None).await else {
            return;
        };
        let Some((current, _)) = sealing(&facts, log, ring) else {
            return;
        };
        for (seq, entry) in entries {
            if entry.refused.is_some() {
                continue;
            }
            let key = envelopes::envelope_key(id, device, seq);
            let Ok(Some(envelope)) = envelopes::one(&self.db, &key).await else {
                continue;
            };
            if NodeHandle::fitting(std::slice::from_ref(&envelope)) == 0 {
                continue;
            }
            if epoch_of(&envelope) != Some(current) {
                return;
            }
            // In order, one by one: there are few, and an answer is an acknowledgement of exactly this one.
            match within(ANSWER_MS, self.node.push(id, vec![envelope])).await {
                Some(Ok(stored)) if stored.rejected.is_empty() => {
                    let _ = outbox::stored(&self.db, id, device, vec![seq]).await;
                }
                Some(Ok(_)) => {}
                Some(Err(_)) | None => return,
            }
        }
    }

    /// Asked anew each time: it may have been forgotten during this visit.
    async fn is_forgotten(&self, me: &Me, room: RoomId) -> bool {
        let known = drafts::known_room(&self.db, me.person, room).await;
        known.is_ok_and(|known| known.forgotten)
    }

    async fn pull_into(self: &Rc<Self>, me: &Me, log: &mut RoomLog, ring: &mut KeyRing) {
        let id = log.room();
        while let Some(Ok(page)) = within(ANSWER_MS, self.node.pull(id, log.heads(), 500)).await {
            let mut fresh = Vec::new();
            for bytes in page.envelopes {
                let mut read = ring.open(&bytes, id);
                if let Some(Read::NoKey(epoch)) = read {
                    if self.would_ask() {
                        return;
                    }
                    let Ok((key, _)) = self.fetch_key(id, me, epoch, Some(&bytes)).await else {
                        // Without it nothing that follows can be told in full.
                        return;
                    };
                    ring.add(epoch, key);
                    read = ring.open(&bytes, id);
                }
                if let Some(Read::Event(event)) = read
                    && !matches!(
                        log.insert((*event).clone()),
                        Ok(healthsync_core::Inserted::Known) | Err(_)
                    )
                {
                    fresh.push((*event, bytes));
                }
            }
            let done = !page.more || fresh.is_empty();
            if !self.is_forgotten(me, id).await {
                // Without storage the list still shows what it learnt.
                let own = Some(me.device.public());
                let _ = envelopes::keep_received(&self.db, id, own, fresh).await;
            }
            if done {
                return;
            }
        }
    }
}

fn kept_card(id: RoomId, known: &KnownRoom) -> Option<RoomCard> {
    let facts = known.facts.as_ref()?;
    Some(card(
        &RoomFact {
            room: id,
            owner: facts.owner?,
            creator: facts.creator,
            members: facts.members.len() as u32,
            archived: facts.archived,
            standing: Standing::Member,
        },
        known,
    ))
}
