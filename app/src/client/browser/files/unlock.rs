//! Unlocking a case: key shares and encrypted bytes at the same time, the content id checked, the key proven by the
//! file's own authentication tag.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use futures::future::{abortable, join, join_all};
use healthsync_core::{EventId, ImageRef, Person};
use healthsync_lighthouse::{CipherError, OVERHEAD, cid_of, decrypt, parse_cid, shares};
use wasm_bindgen_futures::spawn_local;

use crate::client::{
    browser::{
        http::{HttpError, get_bytes},
        platform::blob_url,
        rooms::{
            OpenRoom,
            key::{NEEDED, NoKey},
        },
        runtime::{Runtime, trouble},
    },
    model::{Blobs, ImageLock, Trouble},
};

/// A transfer in which nothing comes for so long has stalled.
const IDLE_MS: u32 = 30_000;

enum Closed {
    Denied,
    Failed(Trouble),
}

impl From<NoKey> for Closed {
    fn from(no_key: NoKey) -> Self {
        match no_key {
            NoKey::Denied => Closed::Denied,
            NoKey::Failed(trouble) => Closed::Failed(trouble),
        }
    }
}

impl Runtime {
    pub(crate) fn unlock(self: &Rc<Self>, case: EventId) {
        let Some(room) = self.open_room().filter(|room| room.is_open()) else {
            return;
        };
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
                        ImageLock::Locked | ImageLock::Denied { .. } | ImageLock::Failed(_)
                    )
                )
            };
            view.images.iter().filter(closed).cloned().collect()
        };
        let runtime = self.clone();
        let (work, handle) = abortable({
            let room = room.clone();
            async move {
                join_all(
                    images
                        .iter()
                        .map(|image| runtime.unlock_one(&room, image, person)),
                )
                .await;
                room.unlocking.borrow_mut().remove(&case);
            }
        });
        if let Some(before) = room.unlocking.borrow_mut().insert(case, handle) {
            before.abort();
        }
        spawn_local(async move {
            // Aborted by cancelling or by leaving the room.
            let _ = work.await;
        });
    }

    pub(crate) fn cancel_unlock(self: &Rc<Self>, case: EventId) {
        let Some(room) = self.open_room() else { return };
        if let Some(handle) = room.unlocking.borrow_mut().remove(&case) {
            handle.abort();
        }
        let log = room.log.borrow();
        if let Some(view) = log.as_ref().and_then(|log| log.state().case(&case)) {
            let mut locks = room.locks.borrow_mut();
            for image in &view.images {
                let on_the_way = matches!(
                    locks.get(&image.cid),
                    Some(ImageLock::Shares(_) | ImageLock::Fetching { .. } | ImageLock::Decrypting)
                );
                if on_the_way {
                    locks.remove(&image.cid);
                }
            }
        }
        drop(log);
        self.repaint(&room);
    }

    fn set_lock(self: &Rc<Self>, room: &Rc<OpenRoom>, cid: &str, lock: ImageLock) {
        room.locks.borrow_mut().insert(cid.to_owned(), lock);
        self.repaint(room);
    }

    async fn unlock_one(self: &Rc<Self>, room: &Rc<OpenRoom>, image: &ImageRef, person: Person) {
        let lock = match self.open_image(room, image).await {
            Ok((url, wrong_nodes)) => ImageLock::Open {
                url,
                files: Blobs::default(),
                wrong_nodes,
            },
            Err(Closed::Denied) => ImageLock::Denied { person },
            Err(Closed::Failed(trouble)) => ImageLock::Failed(trouble),
        };
        self.set_lock(room, &image.cid, lock);
    }

    async fn open_image(
        self: &Rc<Self>,
        room: &Rc<OpenRoom>,
        image: &ImageRef,
    ) -> Result<(String, Vec<String>), Closed> {
        self.set_lock(room, &image.cid, ImageLock::Shares(self.asked()));
        let has_shares = Cell::new(false);
        let received = RefCell::new((0, image.size + OVERHEAD as u64));
        let shares = async {
            let found = self.lookup(&image.cid).await;
            if let Ok(found) = &found {
                has_shares.set(true);
                self.set_lock(room, &image.cid, ImageLock::Shares(found.progress.clone()));
            }
            found
        };
        let bytes = self.fetch_image(image, |have, total| {
            received.replace((have, total));
            if has_shares.get() {
                self.set_lock(
                    room,
                    &image.cid,
                    ImageLock::Fetching {
                        received: have,
                        total,
                    },
                );
            }
        });
        let (found, bytes) = join(shares, bytes).await;
        let found = found?;
        let bytes = bytes.map_err(Closed::Failed)?;

        self.set_lock(room, &image.cid, ImageLock::Decrypting);
        let candidates = shares::candidates(&found.good, NEEDED).map_err(|error| {
            Closed::Failed(trouble(
                format!("The key shares do not give a key: {error}."),
                None,
                Some("Try again; if it stays, tell whoever runs the key nodes."),
            ))
        })?;
        for candidate in candidates {
            match decrypt(&bytes, &candidate.key).await {
                Ok(plain) => {
                    let url = blob_url(&plain, safe_mime(&image.mime)).map_err(|_| {
                        Closed::Failed(trouble(
                            "The browser could not show the image.",
                            None,
                            Some("Reload the page."),
                        ))
                    })?;
                    let wrong = candidate
                        .bad_nodes
                        .iter()
                        .map(|node| self.node_name(*node))
                        .collect();
                    return Ok((url, wrong));
                }
                Err(CipherError::DoesNotOpen) => {}
                Err(error) => {
                    return Err(Closed::Failed(trouble(
                        format!("The image could not be decrypted: {error}."),
                        None,
                        Some("Open the page over https in a current browser."),
                    )));
                }
            }
        }
        Err(Closed::Failed(trouble(
            "No three of the key shares open this image: more than one key node gave a wrong share.",
            None,
            Some("Try again; if it stays, tell whoever runs the key nodes."),
        )))
    }

    /// The encrypted bytes, checked against their content id.
    async fn fetch_image(
        &self,
        image: &ImageRef,
        progress: impl FnMut(u64, u64),
    ) -> Result<Vec<u8>, Trouble> {
        let again = Some("Try again.");
        let Ok(cid) = parse_cid(&image.cid) else {
            return Err(trouble(
                "The case names the image by something that is no content id.",
                None,
                None,
            ));
        };
        let url = format!("{}/ipfs/{}", self.bootstrap.storage.url, image.cid);
        let limit = image.size + OVERHEAD as u64;
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
        let matches = parse_cid(&cid_of(&bytes).await).is_ok_and(|found| found == cid);
        if matches {
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
fn safe_mime(mime: &str) -> &'static str {
    match mime {
        "image/png" => "image/png",
        "image/jpeg" => "image/jpeg",
        "image/webp" => "image/webp",
        _ => "application/octet-stream",
    }
}
