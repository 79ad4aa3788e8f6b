//! Encrypted files from other members' browsers: verified chunk by chunk, from several at once; what nobody there has
//! is fetched from storage, and only that.

use std::time::Duration;

use healthsync_lighthouse::{Cid, cid_of_leaves};
use healthsync_net::{ContentId, Layout, PeerId, blob::fetch::Fetch};

use crate::client::browser::{http::get_part, rooms::OpenRoom, runtime::Runtime};

/// A transfer from storage in which nothing comes for so long has stalled.
const IDLE_MS: u32 = 30_000;
/// Members that say nothing for so long are left for storage: a tab that was closed looks linked until the link's own
/// silence is noticed, ten seconds later.
pub(super) const PATIENCE: Duration = Duration::from_secs(2);

/// A layout is that of a content id if the id can be computed from it.
pub(crate) fn proves(content: &ContentId, layout: &Layout) -> bool {
    cid_of_leaves(layout.size, &layout.digests).to_bytes() == *content
}

impl Runtime {
    /// What is wanted of members: at most `limit` bytes.
    pub(super) fn wanted(&self, room: &OpenRoom, cid: &Cid, limit: u64) -> Fetch<PeerId> {
        Fetch::new(room.id, cid.to_bytes(), limit, proves)
    }

    /// `None` when no member with a direct link has given any of it; then storage is asked for the whole. It can be
    /// asked again, and continues.
    pub(super) async fn fetch_from_members(
        &self,
        fetch: &mut Fetch<PeerId>,
        cid: &Cid,
        patience: Option<Duration>,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Option<Vec<u8>> {
        if !self.has_direct() {
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
        self.node.keep(fetch.room(), cid.to_bytes(), layout, &bytes);
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
        self.node.keep(room.id, cid.to_bytes(), layout, bytes);
    }
}
