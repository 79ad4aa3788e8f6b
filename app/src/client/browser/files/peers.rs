//! Encrypted files from other members' browsers: verified chunk by chunk, from several at once; what nobody there has
//! is fetched from storage, and only that.

use healthsync_lighthouse::{Cid, cid_of_leaves};
use healthsync_net::{ContentId, Layout};

use crate::client::browser::{http::get_part, rooms::OpenRoom, runtime::Runtime};

/// A transfer from storage in which nothing comes for so long has stalled.
const IDLE_MS: u32 = 30_000;

/// A layout is that of a content id if the id can be computed from it.
fn proves(content: &ContentId, layout: &Layout) -> bool {
    cid_of_leaves(layout.size, &layout.digests).to_bytes() == *content
}

impl Runtime {
    /// `None` when no member with a direct link has any of it; then storage is asked for the whole.
    pub(crate) async fn fetch_from_members(
        &self,
        room: &OpenRoom,
        cid: &Cid,
        limit: u64,
        progress: &mut impl FnMut(u64, u64),
    ) -> Option<Vec<u8>> {
        if !self.has_direct() {
            return None;
        }
        let content = cid.to_bytes();
        let fetch = self
            .node
            .fetch(room.id, content, limit, proves, |have, all| {
                progress(have, all)
            });
        let mut fetch = fetch.await;
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
        let (layout, bytes) = fetch.into_bytes()?;
        self.shelf.put(room.id, content, layout, &bytes);
        Some(bytes)
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
        self.shelf.put(room.id, cid.to_bytes(), layout, bytes);
    }
}
