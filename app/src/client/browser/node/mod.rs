//! The node as the page sees it: its own, or that of another tab.
//!
//! Of the tabs of a browser one runs the node, the holder: it has a Web Lock, and the others, its guests, ask it over
//! a BroadcastChannel. Each guest waits for the lock; whoever gets it starts a node, and what was under way is answered
//! with "no connection", after which pages begin again by themselves. A visible tab takes the lock from a hidden one,
//! which the browser slows down, and from one that does not answer.
//!
//! A node belongs to one person: a tab of somebody else runs a node of its own, apart from the others. So does every
//! tab where the browser has no locks.

mod channel;
mod guest;
mod holder;
mod locks;
mod tab;

use std::{rc::Rc, sync::Arc, time::Duration};

use futures::channel::mpsc;
use healthsync_core::{DeviceSecret, RoomId, SignedDelegation, VersionVector};
use healthsync_net::{
    ContentId, GossipKind, Joined, Layout, NetError, NetEvent, Page, PeerId, Stored,
    blob::fetch::Fetch, tabs::Proof,
};

use super::files::shelf::Shelf;
use tab::{Started, Tab};

/// How the page talks to the node, wherever that runs. Cheap to clone.
#[derive(Clone)]
pub(crate) struct Node(Rc<Tab>);

impl std::fmt::Debug for Node {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Node").finish_non_exhaustive()
    }
}

impl Node {
    /// Starts the node, or finds the tab that runs it. `begin` starts one here, `proof` is for what members give.
    pub(crate) fn start(
        begin: impl Fn() -> Started + 'static,
        shelf: Arc<Shelf>,
        proof: Proof,
    ) -> (Self, mpsc::Receiver<NetEvent>) {
        let (tab, receiver) = Tab::start(Box::new(begin), shelf, proof);
        (Self(tab), receiver)
    }

    /// By which peer id this page can be reached now.
    pub(crate) fn peer_id(&self) -> Option<PeerId> {
        self.0.handle().map(|handle| handle.peer_id())
    }

    /// See [`healthsync_net::NodeHandle::join`].
    pub(crate) async fn join(
        &self,
        room: RoomId,
        delegation: SignedDelegation,
        device: &DeviceSecret,
    ) -> Result<Joined, NetError> {
        self.0.joins(delegation.delegation.person, room);
        let handle = self.0.handle().ok_or(NetError::Offline)?;
        handle.join(room, delegation, device).await
    }

    /// See [`healthsync_net::NodeHandle::push`].
    pub(crate) async fn push(
        &self,
        room: RoomId,
        envelopes: Vec<Vec<u8>>,
    ) -> Result<Stored, NetError> {
        let handle = self.0.handle().ok_or(NetError::Offline)?;
        handle.push(room, envelopes).await
    }

    /// See [`healthsync_net::NodeHandle::pull`].
    pub(crate) async fn pull(
        &self,
        room: RoomId,
        have: VersionVector,
        limit: u32,
    ) -> Result<Page, NetError> {
        let handle = self.0.handle().ok_or(NetError::Offline)?;
        handle.pull(room, have, limit).await
    }

    /// See [`healthsync_net::NodeHandle::newest`].
    pub(crate) async fn newest(
        &self,
        room: RoomId,
        missing: (VersionVector, VersionVector),
        limit: u32,
    ) -> Result<Page, NetError> {
        let handle = self.0.handle().ok_or(NetError::Offline)?;
        handle.newest(room, missing, limit).await
    }

    /// This page leaves a room; the node stays in it for other tabs.
    pub(crate) async fn leave(&self, room: RoomId) -> Result<(), NetError> {
        let handle = self.0.handle().ok_or(NetError::Offline)?;
        let tab = &self.0;
        if tab.own.borrow().is_some() && !tab.desk.borrow_mut().leaves(tab.id, room) {
            return Ok(());
        }
        handle.leave(room).await
    }

    /// See [`healthsync_net::NodeHandle::publish`].
    pub(crate) fn publish(
        &self,
        room: RoomId,
        kind: GossipKind,
        bytes: &[u8],
    ) -> Result<(), NetError> {
        let handle = self.0.handle().ok_or(NetError::Offline)?;
        handle.publish(room, kind, bytes)
    }

    /// See [`healthsync_net::NodeHandle::set_members`].
    pub(crate) fn set_members(&self, room: RoomId, mut members: Vec<PeerId>) {
        let Some(handle) = self.0.handle() else {
            return;
        };
        if self.0.own.borrow().is_some() {
            members = self.0.desk.borrow_mut().members(self.0.id, room, members);
        }
        handle.set_members(room, members);
    }

    /// See [`healthsync_net::NodeHandle::fetch`].
    pub(crate) async fn fetch(
        &self,
        fetch: &mut Fetch<PeerId>,
        patience: Option<Duration>,
        progress: impl FnMut(u64, u64),
    ) {
        if let Some(handle) = self.0.handle() {
            handle.fetch(fetch, patience, progress).await;
        }
    }

    /// Keeps an encrypted file for the members of a room.
    pub(crate) fn keep(&self, room: RoomId, content: ContentId, layout: Layout, bytes: &[u8]) {
        let blob = self.0.shelf.put(room, content, layout.clone(), bytes);
        if let Some(blob) = blob {
            self.0.hand_over(room, content, layout, &blob);
        }
    }

    /// See [`healthsync_net::NodeHandle::wake`].
    pub(crate) fn wake(&self) {
        if let Some(handle) = self.0.handle() {
            handle.wake();
        }
    }
}
