//! Encrypted files that this page can give to other members: what it has shared or fetched since it was loaded. They are
//! kept as blobs, which the browser may move to its disk; the oldest go when they are too many.

use std::cell::RefCell;

use futures::{FutureExt, future::BoxFuture};
use healthsync_core::RoomId;
use healthsync_net::{ContentId, Layout};
use send_wrapper::SendWrapper;
use web_sys::Blob;

use crate::client::browser::platform::bytes_of;

/// Bytes of all files together.
const MOST: u64 = 32 * 1024 * 1024;
const CHUNK: u64 = healthsync_net::blob::CHUNK as u64;
// What is fetched in parts is what content ids are computed from.
const _: () = assert!(healthsync_net::blob::CHUNK == healthsync_lighthouse::CHUNK);

struct Item {
    room: RoomId,
    content: ContentId,
    layout: Layout,
    file: Blob,
}

/// Lives on the page's thread; the wrapper says so to the node, whose bounds want `Send`.
pub(crate) struct Shelf(SendWrapper<RefCell<Vec<Item>>>);

impl Default for Shelf {
    fn default() -> Self {
        Self(SendWrapper::new(RefCell::default()))
    }
}

impl std::fmt::Debug for Shelf {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shelf").finish_non_exhaustive()
    }
}

impl Shelf {
    /// Keeps an encrypted file for the members of `room`.
    pub(crate) fn put(&self, room: RoomId, content: ContentId, layout: Layout, file: Blob) {
        let mut items = self.0.borrow_mut();
        items.retain(|item| item.room != room || item.content != content);
        items.push(Item {
            room,
            content,
            layout,
            file,
        });
        let mut all: u64 = items.iter().map(|item| item.layout.size).sum();
        while all > MOST && items.len() > 1 {
            all -= items.remove(0).layout.size;
        }
    }

    pub(crate) fn find(&self, room: RoomId, content: ContentId) -> Option<(Layout, Blob)> {
        let items = self.0.borrow();
        let mut there = items.iter();
        let item = there.find(|item| item.room == room && item.content == content)?;
        Some((item.layout.clone(), item.file.clone()))
    }

    /// What is here.
    pub(crate) fn names(&self) -> Vec<(RoomId, ContentId)> {
        let items = self.0.borrow();
        items.iter().map(|item| (item.room, item.content)).collect()
    }
}

impl healthsync_net::Shelf for Shelf {
    fn layout(&self, room: &RoomId, content: &ContentId) -> Option<Layout> {
        self.find(*room, *content).map(|(layout, _)| layout)
    }

    fn chunk(&self, content: &ContentId, index: u32) -> BoxFuture<'static, Option<Vec<u8>>> {
        let start = u64::from(index) * CHUNK;
        let slice = self
            .0
            .borrow()
            .iter()
            .find(|item| item.content == *content && start <= item.layout.size)
            .and_then(|item| {
                let end = (start + CHUNK).min(item.layout.size);
                item.file
                    .slice_with_f64_and_f64(start as f64, end as f64)
                    .ok()
            });
        SendWrapper::new(async move { bytes_of(&slice?).await }).boxed()
    }
}
