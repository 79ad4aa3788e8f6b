//! The tab that runs the node, for its guests.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
    time::Duration,
};

use futures::future::{AbortHandle, abortable};
use healthsync_core::{Request, RoomId};
use healthsync_net::{
    ContentId, NodeHandle,
    blob::fetch::Fetch,
    gossip, peer_of_key,
    tabs::{Answer, Say, TabId, messages},
};
use wasm_bindgen_futures::spawn_local;

use super::{
    locks::{self, How},
    tab::{Tab, leave, name_of},
};

/// What goes on for guests.
#[derive(Debug, Default)]
pub(super) struct Served {
    /// Tabs whose end is waited for.
    watched: RefCell<BTreeSet<TabId>>,
    fetches: RefCell<BTreeMap<(TabId, u32), AbortHandle>>,
}

impl Served {
    pub(super) fn stop(&self) {
        self.stop_if(|_| true);
    }

    fn stop_if(&self, which: impl Fn(&(TabId, u32)) -> bool) {
        self.fetches.borrow_mut().retain(|call, fetch| {
            let stops = which(call);
            if stops {
                fetch.abort();
            }
            !stops
        });
    }
}

/// Content that a guest wants.
struct Want {
    room: RoomId,
    content: ContentId,
    limit: u64,
    patience: Option<Duration>,
}

impl Tab {
    pub(super) fn serve(self: &Rc<Self>, from: TabId, say: Say, blob: Option<web_sys::Blob>) {
        let Some(handle) = self.own.borrow().as_ref().map(|own| own.handle.clone()) else {
            return;
        };
        self.watch(from);
        match say {
            Say::Ask { call, request } => match messages::request(&request) {
                Ok(request) => self.ask(&handle, from, call, request),
                Err(error) => self.answer(from, call, Answer::Failed(error), None),
            },
            Say::Fetch {
                call,
                room,
                content,
                limit,
                patience_ms,
            } => {
                let patience = patience_ms.map(|ms| Duration::from_millis(ms.into()));
                let want = Want {
                    room,
                    content,
                    limit,
                    patience,
                };
                self.fetch(handle, from, call, want);
            }
            Say::Stop { call } => self.served.stop_if(|key| *key == (from, call)),
            Say::Leave(room) => self.leave_for(from, room, &handle),
            Say::Publish(room, data) => {
                if let Some((kind, bytes)) = gossip::decode(&data) {
                    // As for this page: nobody was promised that it is heard.
                    let _ = handle.publish(room, kind, bytes);
                }
            }
            Say::Members(room, keys) => {
                let members = keys.iter().filter_map(peer_of_key);
                let all = self.desk.borrow_mut().members(from, room, members);
                handle.set_members(room, all);
            }
            Say::Wake => handle.wake(),
            Say::Keep {
                room,
                content,
                layout,
            } => {
                if let Some(blob) = blob.filter(|blob| blob.size() == layout.size as f64) {
                    self.shelf.put_blob(room, content, layout, blob);
                }
            }
            _ => {}
        }
    }

    fn leave_for(&self, guest: TabId, room: RoomId, handle: &NodeHandle) {
        if self.desk.borrow_mut().leaves(guest, room) {
            leave(handle, room);
        }
    }

    fn answer(&self, to: TabId, call: u32, answer: Answer, blob: Option<&web_sys::Blob>) {
        if let Some(channel) = &self.channel {
            channel.say(Some(to), Say::Answer { call, answer }, blob);
        }
    }

    fn ask(self: &Rc<Self>, handle: &NodeHandle, from: TabId, call: u32, request: Request) {
        if let Request::Join {
            room, delegation, ..
        } = &request
        {
            let before = self.desk.borrow().person();
            let person = delegation.delegation.person;
            if !self.desk.borrow_mut().joins(from, person, *room) {
                return self.answer(from, call, Answer::NotYours, None);
            }
            if before.is_none() {
                self.announce(None);
            }
        }
        let (tab, handle) = (self.clone(), handle.clone());
        spawn_local(async move {
            let answer = match handle.ask(request).await {
                Ok(response) => Answer::Response(response.encode()),
                Err(error) => Answer::Failed(error),
            };
            tab.answer(from, call, answer, None);
        });
    }

    fn fetch(self: &Rc<Self>, handle: NodeHandle, from: TabId, call: u32, want: Want) {
        let tab = self.clone();
        let (task, abort) = abortable(async move {
            let found = tab.find(&handle, from, call, want).await;
            tab.served.fetches.borrow_mut().remove(&(from, call));
            match found {
                Some((answer, blob)) => tab.answer(from, call, answer, Some(&blob)),
                None => tab.answer(from, call, Answer::Nothing, None),
            }
        });
        self.served.fetches.borrow_mut().insert((from, call), abort);
        spawn_local(async move {
            // Aborted means that nobody waits for it any more.
            let _ = task.await;
        });
    }

    /// From this page's shelf, or from other members.
    async fn find(
        &self,
        handle: &NodeHandle,
        from: TabId,
        call: u32,
        want: Want,
    ) -> Option<(Answer, web_sys::Blob)> {
        if let Some((layout, blob)) = self.shelf.find(&want.room, &want.content)
            && layout.size <= want.limit
        {
            return Some((Answer::Found(layout, Vec::new()), blob));
        }
        let mut fetch = Fetch::new(want.room, want.content, want.limit, self.proof);
        let progress = |have, all| self.answer(from, call, Answer::Progress(have, all), None);
        handle.fetch(&mut fetch, want.patience, progress).await;
        let found = fetch.into_found()?;
        let blob = crate::client::browser::files::shelf::blob(&found.bytes)?;
        if found.gaps.is_empty() {
            let layout = found.layout.clone();
            self.shelf
                .put_blob(want.room, want.content, layout, blob.clone());
        }
        Some((Answer::Found(found.layout, found.gaps), blob))
    }

    /// A tab that closes or crashes says nothing; its name is free then.
    fn watch(self: &Rc<Self>, guest: TabId) {
        if !self.served.watched.borrow_mut().insert(guest) {
            return;
        }
        let tab = self.clone();
        spawn_local(async move {
            if let Ok(mut name) = locks::ask(&name_of(guest), How::InTurn) {
                // Whatever comes of it, nobody is there any more.
                let _ = name.granted().await;
            }
            tab.served.watched.borrow_mut().remove(&guest);
            tab.served.stop_if(|(of, _)| *of == guest);
            let left = tab.desk.borrow_mut().gone(guest);
            if let Some(own) = tab.own.borrow().as_ref() {
                for room in left {
                    leave(&own.handle, room);
                }
            }
        });
    }
}
