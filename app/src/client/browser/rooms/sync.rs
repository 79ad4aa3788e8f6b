//! The open room and the relay: join, push what waits, pull what is missing, then follow live.

use std::rc::Rc;

use healthsync_core::{
    EphemeralKind, Inserted, Kind, RefusalCode, RoomId, RoomLog, SignedEvent, VersionVector, Waits,
};
use healthsync_net::{GossipKind, NetError, Page};
use wasm_bindgen_futures::spawn_local;

use super::{OpenRoom, ring::Read};
use crate::client::{
    browser::{
        http::within,
        is_visible,
        platform::sleep,
        runtime::{Runtime, trouble},
        storage::{
            drafts::{self, KnownRoom},
            envelopes, keys,
        },
    },
    model::RoomPhase,
};

const ANSWER_MS: u32 = 15_000;
const PAGE: u32 = 500;
/// A relay that always says "more" without giving anything new is left alone.
const MAX_PAGES: usize = 10_000;

/// How a round with the relay ended.
enum Ended {
    Done,
    /// Begins again by itself when the connection is back.
    Offline,
    /// Worth trying again soon.
    Later,
}

impl Runtime {
    /// Joins, pushes and pulls, and opens the room. A round that is under way is replaced.
    pub(crate) fn sync(self: &Rc<Self>, room: &Rc<OpenRoom>) {
        if room.closed.get() || room.log.borrow().is_none() {
            return;
        }
        let (runtime, shared) = (self.clone(), room.clone());
        room.syncing.run(async move {
            let mut pause = 1_000;
            loop {
                match runtime.sync_once(&shared).await {
                    Ended::Done | Ended::Offline => return,
                    Ended::Later => {
                        sleep(pause).await;
                        pause = (pause * 2).min(15_000);
                    }
                }
            }
        });
    }

    async fn sync_once(self: &Rc<Self>, room: &Rc<OpenRoom>) -> Ended {
        let Some((me, delegation)) = self.signer() else {
            return Ended::Offline;
        };
        if !self.online.get() {
            return Ended::Offline;
        }
        room.turn.fresh.set(false);
        let join = self.node.join(room.id, delegation, &me.device);
        let joined = match within(ANSWER_MS, join)
            .await
            .unwrap_or(Err(NetError::Timeout))
        {
            Ok(joined) => joined,
            Err(error) => return self.join_failed(room, error).await,
        };
        room.joined.set(true);
        room.wanted.set(joined.have.0.values().sum());
        self.drop_held(room, &joined.have).await;
        // Nothing goes out before it is known who was removed meanwhile.
        self.fresh_facts(room).await;
        if !room.turn.fresh.get() {
            return Ended::Later;
        }
        // Brings this device's delegation into the room, without which nobody here believes it.
        if let Err(trouble) = self.say(room, Vec::new()).await {
            self.toast_trouble(&trouble);
        }
        self.publish_unsent(room).await;
        self.push_outbox(room);

        let ended = self.catch_up(room, &joined.have).await;
        if matches!(ended, Ended::Done) {
            self.open_to_use(room);
            self.note_seen(room);
            self.retire_old_keys(room);
            self.mind_epoch(room);
        }
        self.repaint(room);
        ended
    }

    fn open_to_use(self: &Rc<Self>, room: &Rc<OpenRoom>) {
        if !room.is_open() {
            room.set_phase(RoomPhase::Open);
        }
        self.hint(room, EphemeralKind::Here { ask: true });
        self.say_reachable(room);
    }

    /// Gets what the relay has and this browser has not. When that is much, the newest part comes first, and the room can
    /// be used as soon as that is here.
    async fn catch_up(self: &Rc<Self>, room: &Rc<OpenRoom>, heads: &VersionVector) -> Ended {
        let (has_all, here) = match room.log.borrow().as_ref() {
            Some(log) => (log.heads().covers(heads), log.len() as u64),
            None => (false, 0),
        };
        if !has_all {
            if room.wanted.get().saturating_sub(here) > u64::from(PAGE)
                && let Some(ended) = self.newest_first(room, heads).await
            {
                return ended;
            }
            let ended = self.pull_all(room).await;
            if !matches!(ended, Ended::Done) {
                return ended;
            }
        }
        if room.guessed.take() {
            self.fold_anew(room);
        }
        room.whole.set(true);
        Ended::Done
    }

    /// `None` when everything up to `heads` that the relay still keeps is here.
    async fn newest_first(
        self: &Rc<Self>,
        room: &Rc<OpenRoom>,
        heads: &VersionVector,
    ) -> Option<Ended> {
        room.whole.set(false);
        for turn in 0..MAX_PAGES {
            let missing = match room.log.borrow().as_ref() {
                Some(log) => log.newest_missing(heads),
                None => return Some(Ended::Offline),
            };
            if missing.1.0.is_empty() {
                break;
            }
            let asked = self.node.newest(room.id, missing, PAGE);
            let page = match within(ANSWER_MS, asked).await {
                Some(Ok(page)) => page,
                Some(Err(NetError::Offline)) => return Some(Ended::Offline),
                Some(Err(_)) | None => return Some(Ended::Later),
            };
            // What is older than the room is kept for is nowhere any more.
            let taken = self.take(room, page.envelopes).await;
            if taken == 0 {
                break;
            }
            if turn == 0 {
                self.guess_clock(room, taken);
                self.open_to_use(room);
                self.repaint(room);
            }
        }
        None
    }

    /// Where the room's clock stands cannot be told from a history's newest part alone: it is taken to stand in the middle
    /// of what has come, which a few made-up numbers do not move.
    fn guess_clock(&self, room: &OpenRoom, taken: usize) {
        let mut log = room.log.borrow_mut();
        let Some(log) = log.as_mut() else { return };
        let pending = log.state().pending.iter();
        let ahead: Vec<u64> = pending
            .filter(|pending| pending.waits == Waits::Clock)
            .map(|pending| pending.lamport)
            .collect();
        if ahead.len() * 2 > taken {
            log.clock_is_at(ahead[ahead.len() / 2]);
            room.guessed.set(true);
        }
    }

    /// The same events without a guess: what everybody else makes of them.
    fn fold_anew(&self, room: &OpenRoom) {
        let Some(maker) = room.maker().or_else(|| room.person.get()) else {
            return;
        };
        let Some(log) = room.log.take() else { return };
        let mut anew = RoomLog::new(room.id, maker, log.chain_id());
        for event in log.events() {
            // It took all of them before.
            let _ = anew.insert_kept(event);
        }
        room.set_log(anew);
    }

    async fn join_failed(self: &Rc<Self>, room: &Rc<OpenRoom>, error: NetError) -> Ended {
        room.joined.set(false);
        match error {
            NetError::Offline => Ended::Offline,
            NetError::Timeout => Ended::Later,
            NetError::Refused { code, message } => match code {
                RefusalCode::NotAllowed => {
                    // The relay may be a block behind or ahead; the registry decides.
                    self.refresh_facts(room);
                    Ended::Later
                }
                RefusalCode::NoSuchRoom
                | RefusalCode::RateLimited
                | RefusalCode::Unavailable
                | RefusalCode::NotJoined => Ended::Later,
                RefusalCode::Revoked => {
                    self.forget_revoked_device();
                    Ended::Offline
                }
                RefusalCode::BadDelegation | RefusalCode::TooLarge => {
                    self.toast_trouble(&trouble(
                        format!("The relay did not let this browser into the room: {message}"),
                        Some("What you write is kept here."),
                        Some("Check this device's clock, then reload the page."),
                    ));
                    Ended::Offline
                }
            },
            NetError::Protocol(message) => {
                self.toast_trouble(&trouble(
                    message,
                    Some("What you write is kept here."),
                    Some("Reload the page."),
                ));
                Ended::Offline
            }
        }
    }

    async fn pull_all(self: &Rc<Self>, room: &Rc<OpenRoom>) -> Ended {
        for _ in 0..MAX_PAGES {
            let Some(have) = room.log.borrow().as_ref().map(|log| log.heads()) else {
                return Ended::Offline;
            };
            let pull = self.node.pull(room.id, have, PAGE);
            let page = match within(ANSWER_MS, pull)
                .await
                .unwrap_or(Err(NetError::Timeout))
            {
                Ok(page) => page,
                Err(NetError::Offline) => return Ended::Offline,
                Err(NetError::Timeout | NetError::Protocol(_) | NetError::Refused { .. }) => {
                    return Ended::Later;
                }
            };
            let Page { envelopes, more } = page;
            let taken = self.take(room, envelopes).await;
            if !more || taken == 0 {
                break;
            }
        }
        Ended::Done
    }

    /// Pulls once more: something was seen that points to events which are not here.
    pub(crate) fn pull_soon(self: &Rc<Self>, room: &Rc<OpenRoom>) {
        // A history that is still coming ends with the same question.
        if !room.joined.get() || !room.whole.get() {
            return;
        }
        if room.pulling.replace(true) {
            return room.missed.set(true);
        }
        let (runtime, room) = (self.clone(), room.clone());
        spawn_local(async move {
            // What is missing may be in the next gossip message already.
            sleep(300).await;
            room.missed.set(false);
            if !room.closed.get() {
                let _ = runtime.pull_all(&room).await;
            }
            sleep(700).await;
            room.pulling.set(false);
            if room.missed.take() && !room.closed.get() {
                runtime.pull_soon(&room);
            }
        });
    }

    /// Opens envelopes, adds them to the log, shows them, and keeps what was new. Says how many were new. Keys that are
    /// not here are fetched.
    async fn take(self: &Rc<Self>, room: &Rc<OpenRoom>, envelopes: Vec<Vec<u8>>) -> usize {
        let mut fresh = Vec::new();
        for bytes in envelopes {
            let mut read = room.keys.borrow().open(&bytes, room.id);
            if let Some(Read::NoKey(epoch)) = read
                && self.learn_key(room, epoch, &bytes).await
            {
                read = room.keys.borrow().open(&bytes, room.id);
            }
            let Some(Read::Event(event)) = read else {
                continue;
            };
            let inserted = room
                .log
                .borrow_mut()
                .as_mut()
                .map(|log| log.insert((*event).clone()));
            match inserted {
                Some(Ok(Inserted::New | Inserted::Pending | Inserted::Fork)) => {
                    fresh.push((*event, bytes))
                }
                Some(Ok(Inserted::Known) | Err(_)) | None => {}
            }
        }
        if fresh.is_empty() {
            return 0;
        }
        self.repaint(room);
        let count = fresh.len();
        let turned = fresh.iter().any(|(event, _)| is_epoch(event));
        if fresh.iter().any(|(event, _)| is_revocation(event)) {
            self.mind_revocation(room);
        }
        let own = self.me().map(|me| me.device.public());
        if let Err(error) = envelopes::keep_received(&self.db, room.id, own, fresh).await {
            self.storage_failed("What others wrote stays in this page only", &error);
        }
        if turned {
            self.mind_epoch(room);
        }
        count
    }

    pub(crate) fn on_gossip(self: &Rc<Self>, id: RoomId, kind: GossipKind, bytes: Vec<u8>) {
        let Some(room) = self
            .open_room()
            .filter(|room| room.id == id && !room.closed.get())
        else {
            return;
        };
        match kind {
            GossipKind::Ephemeral => self.on_ephemeral(&room, &bytes),
            GossipKind::Envelope => self.on_envelope(&room, bytes),
        }
    }

    fn on_envelope(self: &Rc<Self>, room: &Rc<OpenRoom>, bytes: Vec<u8>) {
        let event = match room.keys.borrow().open(&bytes, room.id) {
            Some(Read::Event(event)) => *event,
            Some(Read::NoKey(_)) => {
                let (runtime, room) = (self.clone(), room.clone());
                return spawn_local(async move {
                    runtime.take(&room, vec![bytes]).await;
                });
            }
            None => return,
        };
        let turned = is_epoch(&event);
        let revoked = is_revocation(&event);
        let (person, device, seq) = (event.event.person, event.event.device, event.event.seq);
        let (inserted, gap) = {
            let mut log = room.log.borrow_mut();
            let Some(log) = log.as_mut() else { return };
            let inserted = log.insert(event.clone());
            (inserted, !log.heads().has(&device, seq))
        };
        match inserted {
            Ok(Inserted::New | Inserted::Pending | Inserted::Fork) => {}
            Ok(Inserted::Known) | Err(_) => return,
        }
        room.presence.stopped_typing(device);
        self.mark_seen(room, event.event.lamport.saturating_sub(1));
        self.tell_of(room, &event.event);
        self.repaint(room);
        if gap {
            self.pull_soon(room);
        }
        if !self.knows_member(room, person) {
            self.refresh_facts(room);
        }
        if turned {
            self.mind_epoch(room);
        }
        if revoked {
            self.mind_revocation(room);
        }
        let (runtime, id) = (self.clone(), room.id);
        let own = self.me().map(|me| me.device.public());
        spawn_local(async move {
            if let Err(error) =
                envelopes::keep_received(&runtime.db, id, own, vec![(event, bytes)]).await
            {
                runtime.storage_failed("What others wrote stays in this page only", &error);
            }
        });
        self.note_seen(room);
    }

    /// Another tab of this browser has written to the database.
    pub(crate) fn other_tab_wrote(self: &Rc<Self>, id: RoomId) {
        envelopes::forget_heads(&self.db, id);
        let Some(room) = self.open_room().filter(|room| room.id == id) else {
            return;
        };
        // Once for all that it writes while this is under way.
        room.wrote.set(true);
        if room.reading.replace(true) {
            return;
        }
        let runtime = self.clone();
        spawn_local(async move {
            while room.wrote.take() {
                runtime.read_what_is_new(&room).await;
            }
            room.reading.set(false);
        });
    }

    async fn read_what_is_new(self: &Rc<Self>, room: &Rc<OpenRoom>) {
        let heads = room.log.borrow().as_ref().map(RoomLog::heads);
        let (Some(person), Some(heads)) = (room.person.get(), heads) else {
            return;
        };
        let Ok(kept) = envelopes::beyond(&self.db, room.id, &heads).await else {
            return;
        };
        // The other tab may have fetched or made a key.
        let Ok(ring) = keys::room_keys(&self.db, person, room.id).await else {
            return;
        };
        // Somebody else's by now, or left, or closed to this person.
        if room.person.get() != Some(person) || room.keys.borrow().is_empty() {
            return;
        }
        room.keys.borrow_mut().add_all(ring);
        for bytes in kept {
            let event = room.keys.borrow().open_kept(&bytes, room.id);
            if let Some(event) = event
                && let Some(log) = room.log.borrow_mut().as_mut()
            {
                let _ = log.insert_kept(event);
            }
        }
        self.load_unsent(room).await;
        self.repaint(room);
        self.push_outbox(room);
    }

    /// What is on screen has been seen: remembered for the list, with what the list shows of the room.
    pub(crate) fn note_seen(self: &Rc<Self>, room: &Rc<OpenRoom>) {
        // Once for a burst of messages, and also while the burst goes on: the page may be left at any moment.
        if room.note_due.replace(true) {
            return;
        }
        let (runtime, shared) = (self.clone(), room.clone());
        room.noting.run(async move {
            sleep(400).await;
            shared.note_due.set(false);
            runtime.note_now(&shared);
        });
    }

    pub(crate) fn note_now(self: &Rc<Self>, room: &OpenRoom) {
        let (Some(person), id) = (room.person.get(), room.id) else {
            return;
        };
        let mut now = KnownRoom::default();
        {
            let log = room.log.borrow();
            let Some(log) = log.as_ref() else { return };
            super::list::describe(&mut now, log.state(), person);
            now.seen = log.next_lamport() - 1;
            self.mark_seen(room, now.seen);
        }
        now.facts = room.facts.borrow().clone();
        let visible = is_visible();
        let runtime = self.clone();
        spawn_local(async move {
            let Ok(before) = drafts::known_room(&runtime.db, person, id).await else {
                return;
            };
            if visible {
                now.unread = 0;
                now.mentioned = false;
            } else {
                now.seen = before.seen;
                now.unread = before.unread;
                now.mentioned = before.mentioned;
            }
            now.last = now.last.or(before.last);
            now.facts = now.facts.or(before.facts);
            // Only the list's comfort.
            let _ = drafts::keep_known_room(&runtime.db, person, id, &now).await;
            runtime.show_card(id, &now);
        });
    }
}

fn is_revocation(event: &SignedEvent) -> bool {
    matches!(event.event.kind, Kind::Revocation { .. })
}

fn is_epoch(event: &SignedEvent) -> bool {
    matches!(event.event.kind, Kind::Epoch { .. })
}
