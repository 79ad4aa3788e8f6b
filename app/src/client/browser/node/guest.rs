//! A tab that uses another tab's node.

use std::{
    cell::RefCell,
    rc::{Rc, Weak},
};

use futures::StreamExt;
use healthsync_core::{Person, RoomId};
use healthsync_net::{
    ContentId, Layout, NetEvent, NodeHandle, peer_of_key,
    tabs::{Answer, Calls, Here, Say, TabId},
};
use wasm_bindgen_futures::spawn_local;

use super::{channel, tab::Tab};
use crate::client::browser::{is_visible, platform::sleep};

/// The relay answers or the node gives up earlier; what takes longer hangs.
const ANSWER_MS: u32 = 20_000;

pub(super) struct Guest {
    handle: NodeHandle,
    here: Here,
    /// The one owner: who waits for an answer hears "no connection" when it is dropped.
    calls: Rc<RefCell<Calls>>,
}

impl Guest {
    pub(super) fn handle(&self) -> NodeHandle {
        self.handle.clone()
    }

    /// Whether the node is another person's.
    pub(super) fn is_apart(&self, person: Person) -> bool {
        self.here.person.is_some_and(|of| of != person)
    }

    fn holder(&self) -> TabId {
        self.calls.borrow().holder
    }
}

impl Tab {
    pub(super) fn hear_holder(self: &Rc<Self>, from: TabId, say: Say, blob: Option<web_sys::Blob>) {
        if let Say::Here(here) = say {
            self.heard.set(self.heard.get().wrapping_add(1));
            return self.see_holder(from, here);
        }
        let Some(calls) = self
            .guest
            .borrow()
            .as_ref()
            .filter(|guest| guest.holder() == from)
            .map(|guest| guest.calls.clone())
        else {
            return;
        };
        match say {
            Say::Gone => {
                self.guest.take();
                self.between();
                self.look_for_holder();
            }
            Say::Gossip { room, kind, bytes } => {
                self.emit(NetEvent::Gossip { room, kind, bytes });
            }
            Say::Missed => self.emit(NetEvent::Missed),
            Say::Answer { call, answer } => {
                if answer == Answer::NotYours {
                    // Says whose it is.
                    self.say(None, Say::Who);
                }
                let Some(blob) = blob else {
                    return calls.borrow_mut().answered(call, answer, None);
                };
                let calls = Rc::downgrade(&calls);
                spawn_local(async move {
                    let bytes = channel::bytes(&blob).await;
                    if let Some(calls) = calls.upgrade() {
                        calls.borrow_mut().answered(call, answer, bytes);
                    }
                });
            }
            _ => {}
        }
    }

    fn see_holder(self: &Rc<Self>, from: TabId, here: Here) {
        let mine = self.person.get();
        if mine.is_some() && here.person.is_some() && mine != here.person {
            return self.go_apart();
        }
        if self.own.borrow().is_some() {
            self.stop_node();
        }
        let known = match self.guest.borrow_mut().as_mut() {
            Some(guest) if guest.holder() == from && guest.here.peer == here.peer => {
                guest.here = here.clone();
                true
            }
            _ => false,
        };
        if !known {
            self.between();
            if !self.follow(from, here.clone()) {
                return;
            }
        }
        if let Some(status) = here.status {
            self.tell(status);
        }
        self.mind_holder();
    }

    /// Begins as a guest of this holder.
    fn follow(self: &Rc<Self>, holder: TabId, here: Here) -> bool {
        let Some(peer) = peer_of_key(&here.peer) else {
            return false;
        };
        let (handle, mut commands, mut wanted) = NodeHandle::elsewhere(peer);
        let calls = Rc::new(RefCell::new(Calls::new(holder)));
        let (tab, to) = (self.clone(), Rc::downgrade(&calls));
        spawn_local(async move {
            while let Some(command) = commands.next().await {
                // Dropped with the holder: there is no connection.
                let Some(calls) = to.upgrade() else { continue };
                let said = calls.borrow_mut().command(command);
                if let Some((say, call)) = said {
                    tab.say(Some(holder), say);
                    if let Some(call) = call {
                        tab.expect(&to, call);
                    }
                }
            }
        });
        let (tab, to) = (self.clone(), Rc::downgrade(&calls));
        spawn_local(async move {
            while let Some(want) = wanted.next().await {
                let Some(calls) = to.upgrade() else { continue };
                let said = calls.borrow_mut().wanted(want);
                let Some((say, call, stop)) = said else {
                    continue;
                };
                tab.say(Some(holder), say);
                let (tab, to) = (tab.clone(), to.clone());
                spawn_local(async move {
                    // Err means the same: nobody waits.
                    let _ = stop.await;
                    if to
                        .upgrade()
                        .is_some_and(|calls| calls.borrow_mut().give_up(call))
                    {
                        tab.say(Some(holder), Say::Stop { call });
                    }
                });
            }
        });
        self.guest.replace(Some(Guest {
            handle,
            here,
            calls,
        }));
        self.shelf.each(|room, content, layout, blob| {
            self.hand_over(*room, *content, layout.clone(), blob);
        });
        true
    }

    /// A call that gets no answer ends, and so may the holder.
    fn expect(self: &Rc<Self>, calls: &Weak<RefCell<Calls>>, call: u32) {
        let (tab, calls) = (self.clone(), calls.clone());
        spawn_local(async move {
            sleep(ANSWER_MS).await;
            if calls
                .upgrade()
                .is_some_and(|calls| calls.borrow_mut().give_up(call))
            {
                tab.look_for_holder();
            }
        });
    }

    /// What this page has fetched or shared, other members get from the holder.
    pub(super) fn hand_over(
        &self,
        room: RoomId,
        content: ContentId,
        layout: Layout,
        blob: &web_sys::Blob,
    ) {
        let guest = self.guest.borrow();
        if let (Some(guest), Some(channel)) = (guest.as_ref(), &self.channel) {
            let say = Say::Keep {
                room,
                content,
                layout,
            };
            channel.say(Some(guest.holder()), say, Some(blob));
        }
    }

    /// The node here is another person's than the holder's.
    pub(super) fn go_apart(self: &Rc<Self>) {
        self.guest.take();
        if self.own.borrow().is_none() {
            self.between();
            self.run_node();
        }
    }

    /// Hidden pages are slowed down, and the node with them: whoever is shown takes it.
    pub(super) fn mind_holder(self: &Rc<Self>) {
        if !is_visible() || self.own.borrow().is_some() {
            return;
        }
        let hidden = self.guest.borrow().as_ref().map(|guest| guest.here.hidden);
        match hidden {
            Some(true) => self.take_lock(),
            Some(false) => {}
            None => self.look_for_holder(),
        }
    }
}
