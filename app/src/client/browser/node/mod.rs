//! The node as the page sees it: its own, or that of another tab.
//!
//! Of the tabs of a browser one runs the node, the host: it has a Web Lock. The others, its guests, wait for the lock
//! and ask the host over a BroadcastChannel. Whoever gets the lock starts a node; what was under way then ends as "no
//! connection", after which pages begin again by themselves, as after any loss. A guest takes the lock from a host that
//! says nothing any more, and a page that the browser freezes gives it back.
//!
//! A node is one person's: a tab of somebody else goes apart, to a lock and a channel named by that person. Where the
//! browser has no locks, each tab runs a node.

mod channel;
mod host;
mod locks;
mod tab;

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use futures::channel::mpsc;
use healthsync_core::RoomId;
use healthsync_net::{
    ContentId, Layout, NetEvent, NodeHandle,
    tabs::{Say, TabId},
};
use web_sys::Blob;

use super::files::shelf::Shelf;
use tab::{Input, Tab};

/// Starts a node here.
pub(crate) type Begin = Box<dyn Fn() -> (NodeHandle, mpsc::Receiver<NetEvent>)>;

/// Who fetches what guests want, once the page is ready to.
type Serve = Rc<RefCell<Option<Box<dyn Fn(Wanted)>>>>;

/// Content of other members that a guest of this tab wants: [`Share::answer`].
pub(crate) struct Wanted {
    pub room: RoomId,
    pub content: ContentId,
    /// The most bytes.
    pub limit: u64,
    /// Whether to wait for members that are slow.
    pub patient: bool,
    round: u32,
    tab: TabId,
    call: u32,
}

/// What comes of wanted content; ends without a blob where there is none.
pub(crate) enum Got {
    /// Bytes that are there, and bytes in all.
    Progress(u64, u64),
    Blob(web_sys::Blob),
}

/// Encrypted files that other members may fetch from this browser, whichever tab runs its node.
pub(crate) struct Share {
    to_tab: mpsc::Sender<Input>,
    shelf: Arc<Shelf>,
    is_guest: Rc<Cell<bool>>,
    serve: Serve,
}

/// Runs the node, or finds the tab that does. The handle stays the same, whoever runs it. Tabs that know another `relay`,
/// because they were loaded before the server was made anew, have another node.
pub(crate) fn start(
    relay: &str,
    begin: Begin,
    shelf: Arc<Shelf>,
) -> (NodeHandle, mpsc::Receiver<NetEvent>, Share) {
    Tab::start(relay, begin, shelf)
}

impl Share {
    /// Keeps an encrypted file for the members of `room`.
    pub(crate) fn put(&self, room: RoomId, content: ContentId, layout: Layout, file: Blob) {
        self.put_here(room, content, layout, file);
        self.tell(Input::Keep(room, content));
    }

    /// Keeps what the host has, too.
    pub(crate) fn put_here(&self, room: RoomId, content: ContentId, layout: Layout, file: Blob) {
        self.shelf.put(room, content, layout, file);
    }

    /// From now on `fetch` is called for what guests want.
    pub(crate) fn serve(&self, fetch: impl Fn(Wanted) + 'static) {
        self.serve.replace(Some(Box::new(fetch)));
    }

    /// Content of other members by the host; `None` when the node is here.
    pub(crate) fn by_host(
        &self,
        room: RoomId,
        content: ContentId,
        limit: u64,
        patient: bool,
    ) -> Option<mpsc::Receiver<Got>> {
        if !self.is_guest.get() {
            return None;
        }
        let (got, receiver) = mpsc::channel(8);
        let fetch = Say::Fetch {
            room,
            content,
            limit,
            patient,
        };
        self.tell(Input::Want(fetch, got));
        Some(receiver)
    }

    /// Tells a guest how far its content has come; `None`: that is all, and what is here of it goes to the guest.
    pub(crate) fn answer(&self, wanted: &Wanted, progress: Option<(u64, u64)>) {
        let (say, blob) = match progress {
            Some((have, all)) => (Say::Progress(have, all), None),
            None => {
                let found = self.shelf.find(wanted.room, wanted.content);
                (Say::Fetched, found.map(|(_, blob)| blob))
            }
        };
        self.tell(Input::Say(wanted.round, wanted.tab, wanted.call, say, blob));
    }

    fn tell(&self, input: Input) {
        // A new sender always has a place; Err means that the tab's task has ended, which it never does.
        let _ = self.to_tab.clone().try_send(input);
    }
}
