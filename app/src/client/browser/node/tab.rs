//! One tab: whether it runs the node or is a guest of the tab that does, and how that changes. One task owns all of it;
//! whatever happens comes to it as an input.

use std::{cell::Cell, rc::Rc, sync::Arc};

use futures::{StreamExt, channel::mpsc};
use healthsync_core::{Millis, Person, Request, RoomId};
use healthsync_net::{
    ContentId, NetEvent, NodeHandle, State, Status, gossip, key_of_peer, peer_of_key,
    tabs::{Command, Desk, Message, NAME, NodeKey, Reply, Say, TabId},
};
use wasm_bindgen::{JsCast, closure::Closure};
use wasm_bindgen_futures::spawn_local;

use super::{
    Begin, Got, Serve, Share,
    channel::Channel,
    host::Host,
    locks::{self, Lock},
};
use crate::client::browser::{
    files::shelf::Shelf,
    is_visible,
    platform::{document, now, random, sleep},
};

/// Places in the two channels of this task. They hold more than that where they must: each thing is put in by a sender of
/// its own, which always has a place, as a lock that was granted or an answer may not get lost. What bounds them is that
/// a page is one thread: before the browser brings it the next message, both sides have taken all that is there.
const PLACES: usize = 64;
/// Calls without an answer yet.
const CALLS: usize = 256;
/// How often a guest asks whether the host is there.
const ASKS_MS: u32 = 3_000;
/// After so many questions without a word a guest takes the lock, where nobody looks at it later.
const SILENT: u32 = 3;
const SILENT_HIDDEN: u32 = 8;

/// What happens. The number is that of the round in which it was begun: what belongs to an earlier one is dropped.
pub(super) enum Input {
    /// The lock is here.
    Granted(u32),
    /// It is not any more, or never will be.
    Ended(u32),
    Tick(u32),
    Heard(u32, Message, Option<web_sys::Blob>),
    /// To a guest.
    Say(u32, TabId, u32, Say, Option<web_sys::Blob>),
    Gone(TabId),
    /// Something is on the shelf.
    Keep(RoomId, ContentId),
    /// The page wants this of the host.
    Want(Say, mpsc::Sender<Got>),
    Freeze,
    Resume,
}

pub(super) enum Place {
    /// No node, until the lock or a host is there.
    Between,
    Guest(Guest),
    Host(Host),
}

pub(super) struct Guest {
    node: NodeKey,
    since: Millis,
    of: Option<Person>,
    /// Dropped with the host: who waits hears "no connection".
    calls: Vec<(u32, Waiting)>,
}

enum Waiting {
    Reply(Reply),
    Got(mpsc::Sender<Got>),
}

pub(super) struct Tab {
    id: TabId,
    begin: Begin,
    pub(super) shelf: Arc<Shelf>,
    is_guest: Rc<Cell<bool>>,
    pub(super) serve: Serve,
    /// What the page holds, and what it asks by it.
    handle: NodeHandle,
    orders: mpsc::Receiver<Command>,
    page: mpsc::Sender<NetEvent>,
    pub(super) to_tab: mpsc::Sender<Input>,
    inputs: mpsc::Receiver<Input>,
    /// Of the node here.
    events: mpsc::Receiver<NetEvent>,
    /// Who joined a room in this tab last.
    person: Option<Person>,
    /// Names the lock and the channel of all who use this relay.
    relay: String,
    /// Of those among them who share a node with this tab.
    name: String,
    pub(super) round: u32,
    channel: Option<Channel>,
    lock: Option<Lock>,
    pub(super) place: Place,
    silent: u32,
    calls: u32,
    told: Option<Status>,
}

impl Tab {
    pub(super) fn start(
        relay: &str,
        begin: Begin,
        shelf: Arc<Shelf>,
    ) -> (NodeHandle, mpsc::Receiver<NetEvent>, Share) {
        let id = u64::from_be_bytes(random()).max(1);
        let (handle, orders) = NodeHandle::changing();
        let (page, events) = mpsc::channel(PLACES);
        let (to_tab, inputs) = mpsc::channel(PLACES);
        let share = Share {
            to_tab: to_tab.clone(),
            shelf: shelf.clone(),
            is_guest: Rc::default(),
            serve: Rc::default(),
        };
        let relay = format!("{NAME}/{relay}");
        let tab = Self {
            id,
            begin,
            shelf,
            is_guest: share.is_guest.clone(),
            serve: share.serve.clone(),
            handle: handle.clone(),
            orders,
            page,
            to_tab,
            inputs,
            events: mpsc::channel(0).1,
            person: None,
            name: relay.clone(),
            relay,
            round: 0,
            channel: None,
            lock: None,
            place: Place::Between,
            silent: 0,
            calls: 0,
            told: None,
        };
        spawn_local(tab.run());
        (handle, events, share)
    }

    async fn run(mut self) {
        // As long as the page lives: a host waits for it to be free.
        let _name = locks::ask(&name_of(self.id), false, &self.to_tab, (None, None));
        self.listen_to_browser("freeze", || Input::Freeze);
        self.listen_to_browser("resume", || Input::Resume);
        self.enter(false);
        loop {
            futures::select! {
                order = self.orders.select_next_some() => self.order(order),
                event = self.events.select_next_some() => self.own_event(event),
                input = self.inputs.select_next_some() => self.input(input),
            }
        }
    }

    fn listen_to_browser(&self, name: &str, input: fn() -> Input) {
        let to_tab = self.to_tab.clone();
        let listener = Closure::<dyn Fn()>::new(move || {
            let _ = to_tab.clone().try_send(input());
        });
        // Fails only for a browser without events.
        let _ =
            document().add_event_listener_with_callback(name, listener.as_ref().unchecked_ref());
        listener.forget();
    }

    /// Begins anew: asks for the lock, in turn or at once, and for whoever has it.
    fn enter(&mut self, steal: bool) {
        self.settle(Place::Between);
        self.round += 1;
        let round = self.round;
        self.channel = Channel::open(&self.name, self.to_tab.clone(), round);
        let turns = (Some(Input::Granted(round)), Some(Input::Ended(round)));
        // The one before is given back only now.
        self.lock = locks::ask(&self.name, steal, &self.to_tab, turns);
        if self.channel.is_none() || self.lock.is_none() {
            return self.alone();
        }
        self.silent = 0;
        self.say(self.id, 0, Say::Who, None);
        self.tick();
    }

    /// Where tabs cannot share.
    fn alone(&mut self) {
        self.channel = None;
        self.lock = None;
        self.host();
    }

    fn host(&mut self) {
        let (node, events) = (self.begin)();
        let key = node.peer_id().as_ref().and_then(key_of_peer);
        self.settle(Place::Host(Host {
            node: node.clone(),
            key: key.unwrap_or_default(),
            since: now(),
            person: None,
            status: None,
            desk: Desk::default(),
            guests: Vec::new(),
        }));
        self.handle.follow(&node);
        self.events = events;
        self.announce(0);
    }

    /// Ends what there is. What the page has asked ends with it, and it hears that there is no connection.
    fn settle(&mut self, place: Place) {
        if let Place::Host(host) = std::mem::replace(&mut self.place, place) {
            host.node.close();
        }
        self.is_guest.set(matches!(self.place, Place::Guest(_)));
        self.handle.follow_elsewhere(None);
        self.events = mpsc::channel(0).1;
        while let Ok(order) = self.orders.try_recv() {
            drop(order);
        }
        let connected = |told: &Status| told.state == State::Connected;
        if self.told.as_ref().is_some_and(connected) {
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

    fn tick(&self) {
        let (round, mut to_tab) = (self.round, self.to_tab.clone());
        spawn_local(async move {
            sleep(ASKS_MS).await;
            let _ = to_tab.try_send(Input::Tick(round));
        });
    }

    fn input(&mut self, input: Input) {
        match input {
            Input::Granted(round) if round == self.round => self.host(),
            Input::Ended(round) if round == self.round => match self.place {
                // Another tab has taken it.
                Place::Host(_) => self.enter(false),
                Place::Between | Place::Guest(_) => self.alone(),
            },
            Input::Tick(round) if round == self.round => {
                if matches!(self.place, Place::Host(_)) {
                    return;
                }
                self.silent += 1;
                if self.silent >= if is_visible() { SILENT } else { SILENT_HIDDEN } {
                    return self.enter(true);
                }
                self.say(self.id, 0, Say::Who, None);
                self.tick();
            }
            Input::Heard(round, message, blob) if round == self.round => match self.place {
                Place::Host(_) => self.serve(message, blob),
                Place::Between | Place::Guest(_) => self.listen(message, blob),
            },
            Input::Say(round, tab, call, say, blob) if round == self.round => {
                self.say(tab, call, say, blob.as_ref());
            }
            Input::Gone(tab) => {
                if let Place::Host(host) = &mut self.place {
                    host.gone(tab);
                }
            }
            Input::Keep(room, content) => {
                if matches!(self.place, Place::Guest(_))
                    && let Some((layout, blob)) = self.shelf.find(room, content)
                {
                    self.say(self.id, 0, Say::Keep(room, content, layout), Some(&blob));
                }
            }
            Input::Want(fetch, got) => {
                if let Some(call) = self.wait(Waiting::Got(got)) {
                    self.say(self.id, call, fetch, None);
                }
            }
            // A page that stands still would hold up all others.
            Input::Freeze => {
                self.settle(Place::Between);
                self.round += 1;
                self.channel = None;
                self.lock = None;
            }
            Input::Resume => self.enter(false),
            Input::Granted(_)
            | Input::Ended(_)
            | Input::Tick(_)
            | Input::Heard(..)
            | Input::Say(..) => {}
        }
    }

    /// What the page asks of the node.
    fn order(&mut self, command: Command) {
        if let Command::Request(request, _) = &command
            && let Request::Join { delegation, .. } = &**request
        {
            let person = delegation.delegation.person;
            self.person = Some(person);
            let of = match &mut self.place {
                Place::Between => None,
                Place::Guest(guest) => guest.of,
                Place::Host(host) => host.person,
            };
            // Where tabs share nothing, the node changes its person as its page does.
            if of.is_some_and(|of| of != person) && self.channel.is_some() {
                return self.go_apart(person);
            }
            self.belong(person);
        }
        match &mut self.place {
            Place::Between => {}
            Place::Host(host) => host.carry_out(self.id, command),
            Place::Guest(_) => {
                let (say, reply) = match command {
                    Command::Request(request, reply) => (Say::Ask(*request), Some(reply)),
                    Command::Leave(room) => (Say::Ask(Request::Leave { room }), None),
                    Command::Publish(room, data) => (Say::Publish(room, data), None),
                    Command::Members(room, members) => (Say::Members(room, members), None),
                    Command::Wake => (Say::Wake, None),
                    // A guest has neither links nor a node to end.
                    Command::Linked(..) | Command::Close => return,
                };
                let call = match reply {
                    Some(reply) => self.wait(Waiting::Reply(reply)),
                    None => Some(0),
                };
                if let Some(call) = call {
                    self.say(self.id, call, say, None);
                }
            }
        }
    }

    /// The node is somebody else's: this tab looks for one of its own person.
    fn go_apart(&mut self, person: Person) {
        let name = format!("{}/{person}", self.relay);
        if self.name != name {
            self.name = name;
            self.enter(false);
        }
    }

    fn listen(&mut self, message: Message, blob: Option<web_sys::Blob>) {
        let Message {
            tab,
            node,
            call,
            say,
        } = message;
        if tab != 0 && tab != self.id {
            return;
        }
        if let Say::Here {
            since,
            person,
            status,
        } = say
        {
            return self.see(node, since, person, status);
        }
        let Place::Guest(guest) = &mut self.place else {
            return;
        };
        if guest.node != node {
            return;
        }
        self.silent = 0;
        let waits = guest.calls.iter().position(|(of, _)| *of == call);
        match say {
            Say::Gossip(room, data) => {
                if let Some((kind, bytes)) = gossip::decode(&data) {
                    let bytes = bytes.to_vec();
                    self.emit(NetEvent::Gossip { room, kind, bytes });
                }
            }
            Say::Missed => self.emit(NetEvent::Missed),
            Say::Answer(answer) => {
                if let Some(at) = waits
                    && let (_, Waiting::Reply(reply)) = guest.calls.swap_remove(at)
                {
                    // Err, here and below, means that nobody waits for it any more.
                    let _ = reply.send(answer);
                }
            }
            Say::Progress(have, all) => {
                if let Some(at) = waits
                    && let (_, Waiting::Got(got)) = &mut guest.calls[at]
                {
                    let _ = got.try_send(Got::Progress(have, all));
                }
            }
            Say::Fetched => {
                // Without a blob the end of the channel says that there is nothing.
                if let Some(at) = waits
                    && let (_, Waiting::Got(got)) = guest.calls.swap_remove(at)
                    && let Some(blob) = blob
                {
                    let _ = got.clone().try_send(Got::Blob(blob));
                }
            }
            _ => {}
        }
    }

    /// A host says how it is.
    fn see(&mut self, node: NodeKey, since: Millis, of: Option<Person>, status: Option<Status>) {
        if let (Some(mine), Some(of)) = (self.person, of)
            && mine != of
        {
            return self.go_apart(mine);
        }
        match &mut self.place {
            Place::Guest(guest) if guest.node == node => guest.of = of,
            // It has lost the lock and does not know it yet.
            Place::Guest(guest) if guest.since > since => return,
            Place::Between | Place::Guest(_) => {
                self.settle(Place::Guest(Guest {
                    node,
                    since,
                    of,
                    calls: Vec::new(),
                }));
                self.handle.follow_elsewhere(peer_of_key(&node));
                // Other members get from the host what this page has.
                for (room, content) in self.shelf.names() {
                    self.input(Input::Keep(room, content));
                }
            }
            Place::Host(_) => return,
        }
        self.silent = 0;
        if let Some(status) = status {
            self.tell(status);
        }
    }

    fn wait(&mut self, waiting: Waiting) -> Option<u32> {
        let Place::Guest(guest) = &mut self.place else {
            return None;
        };
        guest.calls.retain(|(_, waiting)| match waiting {
            Waiting::Reply(reply) => !reply.is_canceled(),
            Waiting::Got(got) => !got.is_closed(),
        });
        if guest.calls.len() >= CALLS {
            return None;
        }
        self.calls = self.calls.wrapping_add(1).max(1);
        guest.calls.push((self.calls, waiting));
        Some(self.calls)
    }

    fn own_event(&mut self, event: NetEvent) {
        let Place::Host(host) = &mut self.place else {
            return;
        };
        let guests = !host.guests.is_empty();
        match &event {
            NetEvent::Status(status) => {
                host.status = Some(status.clone());
                self.told = Some(status.clone());
                if guests {
                    self.announce(0);
                }
            }
            NetEvent::Gossip { room, kind, bytes } => {
                if host.desk.has_guest(self.id, *room)
                    && let Some(data) = gossip::encode(*kind, bytes)
                {
                    self.say(0, 0, Say::Gossip(*room, data), None);
                }
            }
            NetEvent::Missed => {
                if guests {
                    self.say(0, 0, Say::Missed, None);
                }
            }
        }
        self.emit(event);
    }

    fn tell(&mut self, status: Status) {
        if self.told.as_ref() != Some(&status) {
            self.told = Some(status.clone());
            self.emit(NetEvent::Status(status));
        }
    }

    fn emit(&self, event: NetEvent) {
        // A new sender always has a place: see `PLACES`.
        let _ = self.page.clone().try_send(event);
    }

    /// As host to `tab`, as guest from it.
    pub(super) fn say(&self, tab: TabId, call: u32, say: Say, blob: Option<&web_sys::Blob>) {
        let Some(channel) = &self.channel else { return };
        let node = match &self.place {
            Place::Between => [0; 32],
            Place::Guest(guest) => guest.node,
            Place::Host(host) => host.key,
        };
        let message = Message {
            tab,
            node,
            call,
            say,
        };
        channel.say(&message, blob);
    }
}

pub(super) fn name_of(tab: TabId) -> String {
    format!("healthsync-tab/{tab}")
}
