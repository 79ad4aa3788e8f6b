//! Unlocking a case: key shares and encrypted bytes at the same time, the content id checked, the key proven by the
//! file's own authentication tag.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
};

use futures::{
    FutureExt, StreamExt,
    future::{LocalBoxFuture, abortable, join},
    stream,
};
use healthsync_core::{EventId, ImageRef, Person};
use healthsync_lighthouse::{
    Cid, CipherError, OVERHEAD, Share, cid_and_leaves, decrypt, parse_cid, sha256, shares,
};
use wasm_bindgen_futures::spawn_local;
use web_sys::Url;

use super::{open_series::open_series, peers::PATIENCE};
use crate::client::{
    browser::{
        http::{HttpError, get_bytes},
        platform::blob,
        rooms::{
            OpenRoom,
            key::{NEEDED, NoKey, Shares},
        },
        runtime::{Runtime, trouble},
    },
    model::{ImageLock, Trouble},
};

/// A transfer in which nothing comes for so long has stalled.
const IDLE_MS: u32 = 30_000;
/// Photographs that are unlocked at a time, and series.
const AT_ONCE: usize = 3;

impl Runtime {
    /// Unlocks what is closed in a case. What is under way, or open as far as it has come, is not begun again.
    pub(crate) fn unlock(self: &Rc<Self>, case: EventId) {
        // What is on screen can be unlocked, also while the rest of the room is still coming.
        let Some(room) = self.open_room() else { return };
        let Some(person) = room.person.get() else {
            return;
        };
        let images: Vec<ImageRef> = {
            let log = room.log.borrow();
            let Some(view) = log.as_ref().and_then(|log| log.state().case(&case)) else {
                return;
            };
            let locks = room.locks.borrow();
            let closed = |image: &&ImageRef| {
                matches!(
                    locks.get(&image.cid),
                    None | Some(
                        ImageLock::Locked
                            | ImageLock::LockedAgain
                            | ImageLock::Denied { .. }
                            | ImageLock::Failed(_)
                    )
                )
            };
            view.images.iter().filter(closed).cloned().collect()
        };
        let (series, photos) = images.into_iter().partition(|image| image.series.is_some());
        // Each kind in its own line: a photograph does not wait for the last slice of a series.
        for line in [photos, series] {
            let line: Vec<ImageRef> = line;
            let unlocking: Vec<_> = line
                .into_iter()
                .map(|image| {
                    self.set_lock(&room, &image.cid, ImageLock::Shares(self.asked()));
                    let (runtime, shared, cid) = (self.clone(), room.clone(), image.cid.clone());
                    let (work, handle) = abortable(async move {
                        runtime.unlock_one(&shared, (case, person), &image).await;
                        let mut unlocking = shared.unlocking.borrow_mut();
                        unlocking.retain(|(cid, _)| *cid != image.cid);
                    });
                    room.unlocking.borrow_mut().push((cid, handle));
                    work
                })
                .collect();
            // Aborted by cancelling or by leaving the room.
            let all = stream::iter(unlocking)
                .for_each_concurrent(AT_ONCE, |work| work.map(|_: Result<(), _>| ()));
            spawn_local(all);
        }
    }

    /// Stops what is not open yet. A series of which the first files are on screen goes on: half of it would look like all
    /// there is.
    pub(crate) fn cancel_unlock(self: &Rc<Self>, case: EventId) {
        let Some(room) = self.open_room() else { return };
        let log = room.log.borrow();
        if let Some(view) = log.as_ref().and_then(|log| log.state().case(&case)) {
            let mut locks = room.locks.borrow_mut();
            room.unlocking.borrow_mut().retain(|(cid, handle)| {
                let stops = view.images.iter().any(|image| image.cid == *cid)
                    && matches!(
                        locks.get(cid),
                        Some(
                            ImageLock::Shares(_)
                                | ImageLock::Fetching { .. }
                                | ImageLock::Decrypting
                        )
                    );
                if stops {
                    handle.abort();
                    locks.remove(cid);
                }
                !stops
            });
        }
        drop(log);
        self.repaint(&room);
    }

    pub(super) fn set_lock(self: &Rc<Self>, room: &Rc<OpenRoom>, cid: &str, lock: ImageLock) {
        room.locks.borrow_mut().insert(cid.to_owned(), lock);
        self.repaint(room);
    }

    async fn unlock_one(
        self: &Rc<Self>,
        room: &Rc<OpenRoom>,
        (case, person): (EventId, Person),
        image: &ImageRef,
    ) {
        if let Err(why) = self.open_image(room, case, image).await {
            let lock = match why {
                NoKey::Denied => ImageLock::Denied { person },
                NoKey::Failed(trouble) => ImageLock::Failed(trouble),
            };
            self.set_lock(room, &image.cid, lock);
        }
    }

    /// What was encrypted, and the names of nodes whose share is wrong. `show` gets each step on the way.
    async fn opened(
        self: &Rc<Self>,
        room: &OpenRoom,
        image: &ImageRef,
        show: &dyn Fn(ImageLock),
    ) -> Result<(Vec<u8>, Vec<String>), NoKey> {
        show(ImageLock::Shares(self.asked()));
        let has_shares = Cell::new(false);
        let received = RefCell::new((0, image.size + OVERHEAD as u64));
        let shares = async {
            let found = self.lookup(&image.cid).await;
            if let Ok(found) = &found {
                has_shares.set(true);
                show(ImageLock::Shares(found.progress.clone()));
            }
            found
        };
        let mut shown = |have, total| {
            received.replace((have, total));
            if has_shares.get() {
                show(ImageLock::Fetching {
                    received: have,
                    total,
                });
            }
        };
        let bytes = self.fetch_object(room, &image.cid, image.size, &mut shown);
        let (found, bytes) = join(shares, bytes).await;
        let found = found?;
        let bytes = bytes.map_err(NoKey::Failed)?;

        show(ImageLock::Decrypting);
        self.open_sealed(&image.cid, &bytes, found).await
    }

    /// What is in `bytes`, opened with these shares of the key under `cid`, or with all nodes' when a wrong one is among
    /// these; and the names of nodes whose share is wrong.
    pub(crate) async fn open_sealed(
        self: &Rc<Self>,
        cid: &str,
        bytes: &[u8],
        found: Shares,
    ) -> Result<(Vec<u8>, Vec<String>), NoKey> {
        let mut opened = self.open_with(bytes, &found.good).await?;
        if opened.is_none() && found.good.len() < found.progress.nodes.len() {
            let found = self.lookup_all(cid).await?;
            opened = self.open_with(bytes, &found.good).await?;
        }
        opened.ok_or_else(|| {
            NoKey::Failed(trouble(
                "No three of the key shares open this image: more than one key node gave a wrong share.",
                None,
                Some("Try again; if it stays, tell whoever runs the key nodes."),
            ))
        })
    }

    /// An image of one's own in the clear, without a word on the way.
    pub(super) async fn plain_of(
        self: &Rc<Self>,
        room: &OpenRoom,
        image: &ImageRef,
    ) -> Result<Vec<u8>, Trouble> {
        match self.opened(room, image, &|_| ()).await {
            Ok((plain, _)) => Ok(plain),
            Err(NoKey::Failed(why)) => Err(why),
            Err(NoKey::Denied) => Err(trouble(
                "The key nodes do not give you the key of this image.",
                None,
                None,
            )),
        }
    }

    async fn open_image(
        self: &Rc<Self>,
        room: &Rc<OpenRoom>,
        case: EventId,
        image: &ImageRef,
    ) -> Result<(), NoKey> {
        let shown = |lock| self.set_lock(room, &image.cid, lock);
        let (plain, wrong_nodes) = self.opened(room, image, &shown).await?;
        if image.series.is_some() {
            let show = |files| {
                let open = ImageLock::Open {
                    url: String::new(),
                    small: Arc::default(),
                    files,
                    wrong_nodes: wrong_nodes.clone(),
                };
                self.set_lock(room, &image.cid, open);
            };
            let opened = open_series(&plain, &self.piece_of(room), &show).await;
            return opened.map_err(NoKey::Failed);
        }
        check_receipt(image, &plain).await.map_err(NoKey::Failed)?;
        let file = blob(&plain, safe_mime(&image.mime)).and_then(|file| {
            let url = Url::create_object_url_with_blob(&file)?;
            Ok((file, url))
        });
        let (file, url) = file.map_err(|_| {
            NoKey::Failed(trouble(
                "The browser could not show the image.",
                None,
                Some("Reload the page."),
            ))
        })?;
        self.open_photo(room, (case, &image.cid), file, url, wrong_nodes);
        Ok(())
    }

    /// What fetches a room's pieces of series.
    pub(super) fn piece_of<'a>(
        self: &'a Rc<Self>,
        room: &'a OpenRoom,
    ) -> impl Fn(String, u64) -> LocalBoxFuture<'a, Result<Vec<u8>, Trouble>> {
        move |cid, size| {
            let fetched = async move { self.fetch_object(room, &cid, size, &mut |_, _| ()).await };
            fetched.boxed_local()
        }
    }

    /// The plain bytes and the names of nodes whose share is wrong; `None` when no three of the shares open it.
    async fn open_with(
        &self,
        bytes: &[u8],
        good: &[(usize, Share)],
    ) -> Result<Option<(Vec<u8>, Vec<String>)>, NoKey> {
        let candidates = shares::candidates(good, NEEDED).map_err(|error| {
            NoKey::Failed(trouble(
                format!("The key shares do not give a key: {error}."),
                None,
                Some("Try again; if it stays, tell whoever runs the key nodes."),
            ))
        })?;
        for candidate in candidates {
            match decrypt(bytes, &candidate.key).await {
                Ok(plain) => {
                    let wrong = candidate
                        .bad_nodes
                        .iter()
                        .map(|node| self.node_name(*node))
                        .collect();
                    return Ok(Some((plain, wrong)));
                }
                Err(CipherError::DoesNotOpen) => {}
                Err(error) => {
                    return Err(NoKey::Failed(trouble(
                        format!("The image could not be decrypted: {error}."),
                        None,
                        Some("Open the page over https in a current browser."),
                    )));
                }
            }
        }
        Ok(None)
    }

    /// The encrypted bytes of an object of `size` plain ones, checked against their content id: from members with a
    /// direct link, else from storage, and from members however slow when storage has no answer.
    pub(super) async fn fetch_object(
        &self,
        room: &OpenRoom,
        cid: &str,
        size: u64,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Vec<u8>, Trouble> {
        let Ok(cid) = parse_cid(cid) else {
            return Err(trouble(
                "The case names the image by something that is no content id.",
                None,
                None,
            ));
        };
        let limit = size.saturating_add(OVERHEAD as u64);
        let mut wanted = self.wanted(room, &cid, limit);
        let quick = self.fetch_from_members(&mut wanted, &cid, Some(PATIENCE), progress);
        if let Some(bytes) = quick.await {
            return Ok(bytes);
        }
        match self.fetch_from_storage(room, &cid, limit, progress).await {
            Ok(bytes) => Ok(bytes),
            Err(why) => {
                let slow = self.fetch_from_members(&mut wanted, &cid, None, progress);
                slow.await.ok_or(why)
            }
        }
    }

    async fn fetch_from_storage(
        &self,
        room: &OpenRoom,
        cid: &Cid,
        limit: u64,
        progress: &mut dyn FnMut(u64, u64),
    ) -> Result<Vec<u8>, Trouble> {
        let again = Some("Try again.");
        let url = format!("{}/ipfs/{cid}", self.bootstrap.storage.url);
        let bytes = get_bytes(&url, limit, IDLE_MS, progress).await.map_err(|error| {
            let what = match &error {
                HttpError::Status { status: 404, .. } => "The storage does not have the image.".to_owned(),
                HttpError::Unreadable(_) => {
                    "What the storage sent does not match the image's content id: it is too long. It is not used.".to_owned()
                }
                other => format!("The image could not be fetched from storage: {other}."),
            };
            trouble(what, None, again)
        })?;
        let (found, leaves) = cid_and_leaves(&bytes).await;
        if found == *cid {
            self.keep_on_shelf(room, cid, leaves, &bytes);
            Ok(bytes)
        } else {
            Err(trouble(
                "What the storage sent does not match the image's content id. It is not used.",
                None,
                Some("Try again; if it stays, tell whoever runs the storage."),
            ))
        }
    }
}

/// Only pictures get their type; anything else a peer may write there is shown by no browser.
pub(crate) fn safe_mime(mime: &str) -> &'static str {
    match mime {
        "image/png" => "image/png",
        "image/jpeg" => "image/jpeg",
        "image/webp" => "image/webp",
        _ => "application/octet-stream",
    }
}

/// A photograph that is not the file which its receipt speaks of is not shown: nobody knows what is in it.
pub(crate) async fn check_receipt(image: &ImageRef, plain: &[u8]) -> Result<(), Trouble> {
    match &image.receipt {
        Some(receipt) if !receipt.is_of(&sha256(plain).await) => Err(trouble(
            "This file is not the one that was cleaned: its SHA-256 is another than its receipt's. It is not shown.",
            None,
            Some("Ask whoever shared it to share it again."),
        )),
        _ => Ok(()),
    }
}
