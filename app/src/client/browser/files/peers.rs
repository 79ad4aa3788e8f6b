//! Encrypted files from other members' browsers: verified chunk by chunk, from several at once; what nobody there has
//! is fetched from storage, and only that.

use std::{rc::Rc, time::Duration};

use futures::{StreamExt, channel::mpsc};
use healthsync_core::RoomId;
use healthsync_lighthouse::{Cid, cid_and_leaves, cid_of_leaves};
use healthsync_net::{ContentId, Layout, PeerId, blob::fetch::Fetch};
use wasm_bindgen_futures::spawn_local;

use crate::client::browser::{
    http::get_part,
    node::{Got, Wanted},
    platform::{OCTETS, blob, bytes_of},
    rooms::OpenRoom,
    runtime::Runtime,
};

/// A transfer from storage in which nothing comes for so long has stalled.
const IDLE_MS: u32 = 30_000;
/// Members that say nothing for so long are left for storage: a tab that was closed looks linked until the link's own
/// silence is noticed, ten seconds later.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// A layout is that of a content id if the id can be computed from it.
fn proves(content: &ContentId, layout: &Layout) -> bool {
    cid_of_leaves(layout.size, &layout.digests).to_bytes() == *content
}

impl Runtime {
    /// What is wanted of members: at most `limit` bytes.
    pub(super) fn wanted(&self, room: &OpenRoom, cid: &Cid, limit: u64) -> Fetch<PeerId> {
        Fetch::new(room.id, cid.to_bytes(), limit, proves)
    }

    /// `None` when no member with a direct link has given any of it; then storage is asked for the whole. Without a
    /// `patience` it also waits for members who are not linked yet. It can be asked again, and continues.
    pub(super) async fn fetch_from_members(
        &self,
        fetch: &mut Fetch<PeerId>,
        cid: &Cid,
        patience: Option<Duration>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Option<Vec<u8>> {
        let content = cid.to_bytes();
        let (room, limit) = (fetch.room(), fetch.limit());
        if let Some(got) = self.shelf.by_host(room, content, limit, patience.is_none()) {
            return self.take_from_host(fetch, cid, got, progress).await;
        }
        if patience.is_some() && !self.has_direct() {
            return None;
        }
        self.node.fetch(fetch, patience, &mut *progress).await;
        let url = format!("{}/ipfs/{cid}", self.bootstrap.storage.url);
        for gap in fetch.gaps()? {
            let size = gap.end - gap.start;
            let (have, all) = fetch.progress();
            let part = get_part(&url, Some(gap.clone()), size, IDLE_MS, |more, _| {
                progress(have + more, all);
            });
            // On an error, or when the chunks do not prove, storage is asked for the whole and says what is wrong.
            let part = part.await.ok()?;
            fetch.fill(gap.start, &part).ok()?;
        }
        let (layout, bytes) = fetch.take_bytes()?;
        self.put_on_shelf(room, content, layout, &bytes);
        Some(bytes)
    }

    /// The tab that runs the node fetches it for this one; it is proved again here.
    async fn take_from_host(
        &self,
        fetch: &Fetch<PeerId>,
        cid: &Cid,
        mut got: mpsc::Receiver<Got>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Option<Vec<u8>> {
        let blob = loop {
            match got.next().await? {
                Got::Progress(have, all) => progress(have, all),
                Got::Blob(blob) => break blob,
            }
        };
        if blob.size() > fetch.limit() as f64 {
            return None;
        }
        let bytes = bytes_of(&blob).await?;
        let (found, digests) = cid_and_leaves(&bytes).await;
        if found != *cid {
            return None;
        }
        let layout = Layout {
            size: bytes.len() as u64,
            digests,
        };
        // For when this tab runs the node.
        self.shelf
            .put_here(fetch.room(), cid.to_bytes(), layout, blob);
        Some(bytes)
    }

    /// A guest of this tab wants content of members.
    pub(crate) fn fetch_for(self: &Rc<Self>, wanted: Wanted) {
        let runtime = self.clone();
        spawn_local(async move {
            if let Ok(cid) = Cid::from_bytes(&wanted.content) {
                let mut fetch = Fetch::new(wanted.room, wanted.content, wanted.limit, proves);
                let patience = (!wanted.patient).then_some(PATIENCE);
                let mut progress = |have, all| runtime.shelf.answer(&wanted, Some((have, all)));
                let fetched = runtime.fetch_from_members(&mut fetch, &cid, patience, &mut progress);
                // What came of it is on the shelf.
                let _ = fetched.await;
            }
            runtime.shelf.answer(&wanted, None);
        });
    }

    /// What came from storage can be given on.
    pub(crate) fn keep_on_shelf(
        &self,
        room: &OpenRoom,
        cid: &Cid,
        digests: Vec<[u8; 32]>,
        bytes: &[u8],
    ) {
        let layout = Layout {
            size: bytes.len() as u64,
            digests,
        };
        self.put_on_shelf(room.id, cid.to_bytes(), layout, bytes);
    }

    fn put_on_shelf(&self, room: RoomId, content: ContentId, layout: Layout, bytes: &[u8]) {
        // Without it others fetch the file from storage, as they would have without this page.
        if let Ok(file) = blob(bytes, OCTETS) {
            self.shelf.put(room, content, layout, file);
        }
    }
}
