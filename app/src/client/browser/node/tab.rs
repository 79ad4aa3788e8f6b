//! One tab: whether it holds the node, is a guest of the tab that does, or has a node apart; and how that changes.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use futures::{
    SinkExt, StreamExt,
    channel::{mpsc, oneshot},
    future::{AbortHandle, Either, abortable, select},
};
use healthsync_core::{Person, RoomId};
use healthsync_net::{
    NetEvent, NodeHandle, State, Status, key_of_peer,
    tabs::{Desk, Here, Proof, Say, TabId, messages::VERSION},
};
use wasm_bindgen::{JsCast, closure::Closure};
use wasm_bindgen_futures::spawn_local;

use super::{
    channel::Channel,
    guest::Guest,
    holder::Served,
    locks::{self, How, Lock, NoLocks},
};
use crate::client::browser::{
    files::shelf::Shelf,
    is_visible,
    platform::{document, now, random, sleep},
};

/// Events that the page has not taken yet.
const WAITING_EVENTS: usize = 2_048;
/// A holder that has not said a word for so long is hung.
const HUNG_MS: u32 = 8_000;

pub(super) type Started = (NodeHandle, mpsc::Receiver<NetEvent>);

/// The node that runs in this tab.
pub(super) struct Own {
    pub(super) handle: NodeHandle,
    status: Option<Status>,
    follows: AbortHandle,
}

pub(super) struct Tab {
    pub(super) id: TabId,
    pub(super) channel: Option<Channel>,
    pub(super) begin: Box<dyn Fn() -> Started>,
    pub(super) shelf: Arc<Shelf>,
    pub(super) proof: Proof,
    events: mpsc::Sender<NetEvent>,
    /// What the page was told of the connection.
    pub(super) told: RefCell<Option<Status>>,
    /// Who joins rooms in this tab.
    pub(super) person: Cell<Option<Person>>,
    /// Whether this tab has the lock.
    pub(super) holds: Cell<bool>,
    pub(super) own: RefCell<Option<Own>>,
    /// The book of the node here, also when it serves this page alone.
    pub(super) desk: RefCell<Desk>,
    pub(super) served: Served,
    /// Another tab's node.
    pub(super) guest: RefCell<Option<Guest>>,
    /// Locked as long as the page lives, so that the holder sees its end.
    pub(super) name: RefCell<Option<Lock>>,
    /// Takes the lock from whoever has it.
    pub(super) steal: RefCell<Option<oneshot::Sender<()>>>,
    /// How often a holder has said how it is.
    pub(super) heard: Cell<u32>,
}

impl Tab {
    pub(super) fn start(
        begin: Box<dyn Fn() -> Started>,
        shelf: Arc<Shelf>,
        proof: Proof,
    ) -> (Rc<Self>, mpsc::Receiver<NetEvent>) {
        let (events, receiver) = mpsc::channel(WAITING_EVENTS);
        let id = TabId(u64::from_le_bytes(random()));
        let tab = Rc::new(Self {
            id,
            channel: Channel::open(id),
            begin,
            shelf,
            proof,
            events,
            told: RefCell::default(),
            person: Cell::default(),
            holds: Cell::default(),
            own: RefCell::default(),
            desk: RefCell::default(),
            served: Served::default(),
            guest: RefCell::default(),
            name: RefCell::default(),
            steal: RefCell::default(),
            heard: Cell::default(),
        });
        let lives = tab.clone();
        spawn_local(async move {
            if lives.live().await.is_err() && lives.own.borrow().is_none() {
                lives.run_node();
            }
        });
        (tab, receiver)
    }

    /// As long as the page lives. Ends where tabs cannot share.
    async fn live(self: &Rc<Self>) -> Result<(), NoLocks> {
        let channel = self.channel.as_ref().ok_or(NoLocks)?;
        let mut lock = locks::ask(&lock_name(), How::IfFree)?;
        let hears = self.clone();
        channel.listen(move |from, say, blob| hears.hear(from, say, blob));
        self.watch_visibility();
        let mut lock = lock.granted().await?;
        loop {
            let held = match lock.take() {
                Some(lock) => lock,
                None => self.wait_for_lock().await?,
            };
            self.become_holder();
            held.lost().await;
            self.holds.set(false);
            self.stop_node();
            self.say(None, Say::Gone);
            self.between();
        }
    }

    /// As a guest, or apart.
    async fn wait_for_lock(self: &Rc<Self>) -> Result<Lock, NoLocks> {
        let (steal, steals) = oneshot::channel();
        self.steal.replace(Some(steal));
        let mut turn = locks::ask(&lock_name(), How::InTurn)?;
        if self.name.borrow().is_none() {
            let name = locks::ask(&name_of(self.id), How::IfFree)?
                .granted()
                .await?;
            self.name.replace(Some(name.ok_or(NoLocks)?));
        }
        self.look_for_holder();
        let granted = match select(Box::pin(turn.granted()), steals).await {
            Either::Left((granted, _)) => granted?,
            Either::Right(_) => None,
        };
        match granted {
            Some(lock) => Ok(lock),
            None => {
                drop(turn);
                let lock = locks::ask(&lock_name(), How::Steal)?.granted().await?;
                lock.ok_or(NoLocks)
            }
        }
    }

    fn become_holder(self: &Rc<Self>) {
        self.steal.take();
        self.guest.take();
        self.holds.set(true);
        // A tab that was apart has one already.
        if self.own.borrow().is_none() {
            self.between();
            self.run_node();
        }
        self.announce(None);
    }

    pub(super) fn run_node(self: &Rc<Self>) {
        let (handle, mut events) = (self.begin)();
        let tab = self.clone();
        let (follow, follows) = abortable(async move {
            while let Some(event) = events.next().await {
                tab.own_event(event).await;
            }
        });
        self.own.replace(Some(Own {
            handle,
            status: None,
            follows,
        }));
        spawn_local(async move {
            // Aborted means that the node was closed.
            let _ = follow.await;
        });
    }

    pub(super) fn stop_node(&self) {
        if let Some(own) = self.own.take() {
            own.follows.abort();
            own.handle.close();
        }
        self.desk.take();
        self.served.stop();
    }

    async fn own_event(&self, event: NetEvent) {
        match &event {
            NetEvent::Status(status) => {
                if let Some(own) = self.own.borrow_mut().as_mut() {
                    own.status = Some(status.clone());
                }
                self.announce(None);
                self.told.replace(Some(status.clone()));
            }
            NetEvent::Gossip { room, kind, bytes } => {
                if self.holds.get() && self.desk.borrow().others(self.id, room) {
                    let (room, kind, bytes) = (*room, *kind, bytes.clone());
                    self.say(None, Say::Gossip { room, kind, bytes });
                }
            }
            NetEvent::Missed => {
                if self.holds.get() {
                    self.say(None, Say::Missed);
                }
            }
        }
        // Err means that the page has no use for it.
        let _ = self.events.clone().send(event).await;
    }

    /// The node that calls go to.
    pub(super) fn handle(&self) -> Option<NodeHandle> {
        if let Some(own) = self.own.borrow().as_ref() {
            return Some(own.handle.clone());
        }
        self.guest.borrow().as_ref().map(Guest::handle)
    }

    /// This page is about to join a room.
    pub(super) fn joins(self: &Rc<Self>, person: Person, room: RoomId) {
        let changed = self.person.replace(Some(person)) != Some(person);
        let Some(handle) = self.own.borrow().as_ref().map(|own| own.handle.clone()) else {
            if self
                .guest
                .borrow()
                .as_ref()
                .is_some_and(|guest| guest.is_apart(person))
            {
                self.go_apart();
            }
            return;
        };
        let left = self.desk.borrow_mut().takes_over(self.id, person);
        self.desk.borrow_mut().joins(self.id, person, room);
        for room in left {
            leave(&handle, room);
        }
        if changed && self.holds.get() {
            self.announce(None);
        } else if changed {
            // The holder's person may be the same now.
            self.say(None, Say::Who);
        }
    }

    pub(super) fn announce(&self, to: Option<TabId>) {
        let own = self.own.borrow();
        let Some(own) = own.as_ref().filter(|_| self.holds.get()) else {
            return;
        };
        if let Some(peer) = key_of_peer(&own.handle.peer_id()) {
            let here = Here {
                peer,
                person: self.desk.borrow().person(),
                hidden: !is_visible(),
                status: own.status.clone(),
            };
            self.say(to, Say::Here(here));
        }
    }

    pub(super) fn say(&self, to: Option<TabId>, say: Say) {
        if let Some(channel) = &self.channel {
            channel.say(to, say, None);
        }
    }

    fn hear(self: &Rc<Self>, from: TabId, say: Say, blob: Option<web_sys::Blob>) {
        match say {
            Say::Who => self.announce(Some(from)),
            Say::Here(_) | Say::Gone | Say::Gossip { .. } | Say::Missed | Say::Answer { .. } => {
                // Only who has a name is served.
                if !self.holds.get() && self.name.borrow().is_some() {
                    self.hear_holder(from, say, blob);
                }
            }
            _ => {
                if self.holds.get() {
                    self.serve(from, say, blob);
                }
            }
        }
    }

    /// Between two nodes: the page begins anew when the next one is connected.
    pub(super) fn between(&self) {
        let connected = |told: &Status| told.state == State::Connected;
        if self.told.borrow().as_ref().is_some_and(connected) {
            self.tell(Status {
                state: State::Connecting,
                transport: None,
                rtt_ms: None,
                relay_peers: 0,
                direct_peers: 0,
                reason: None,
                since: now(),
            });
        }
    }

    pub(super) fn tell(&self, status: Status) {
        if self.told.borrow().as_ref() != Some(&status) {
            self.told.replace(Some(status.clone()));
            self.emit(NetEvent::Status(status));
        }
    }

    pub(super) fn emit(&self, event: NetEvent) {
        // Full: history brings back what was dropped.
        let _ = self.events.clone().try_send(event);
    }

    fn watch_visibility(self: &Rc<Self>) {
        let tab = self.clone();
        let listener = Closure::<dyn Fn()>::new(move || {
            if tab.holds.get() {
                tab.announce(None);
            } else if is_visible() {
                tab.mind_holder();
            }
        });
        let name = "visibilitychange";
        // Fails only for a browser without events.
        let _ =
            document().add_event_listener_with_callback(name, listener.as_ref().unchecked_ref());
        listener.forget();
    }

    /// Asks who has the node; a visible page takes it from a holder that says nothing.
    pub(super) fn look_for_holder(self: &Rc<Self>) {
        self.say(None, Say::Who);
        let (tab, before) = (self.clone(), self.heard.get());
        spawn_local(async move {
            sleep(HUNG_MS).await;
            if tab.heard.get() == before && is_visible() {
                tab.take_lock();
            }
        });
    }

    pub(super) fn take_lock(&self) {
        // A tab with a node needs no other.
        if self.own.borrow().is_none()
            && let Some(steal) = self.steal.take()
        {
            // Err means that the lock has just come.
            let _ = steal.send(());
        }
    }
}

fn lock_name() -> String {
    format!("healthsync-node/{VERSION}")
}

pub(super) fn name_of(tab: TabId) -> String {
    format!("healthsync-tab/{tab}")
}

pub(super) fn leave(handle: &NodeHandle, room: RoomId) {
    let handle = handle.clone();
    spawn_local(async move {
        // Without a node there is nothing to leave.
        let _ = handle.leave(room).await;
    });
}
