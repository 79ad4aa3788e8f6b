//! Photographs that are open. Lists get a small copy of each, made in a worker: a browser decodes a picture in full
//! wherever it is drawn, however small. And what is open is held in memory, so the photographs that were opened first are
//! locked again when all together are too large; what the reader looks at stays.

use std::{rc::Rc, sync::Arc};

use healthsync_core::EventId;
use js_sys::Array;
use wasm_bindgen_futures::spawn_local;
use web_sys::Blob;

use crate::{
    client::{
        browser::{platform::revoke_url, rooms::OpenRoom, runtime::Runtime},
        model::{Blobs, ImageLock},
    },
    components::platform::{call, imaging_module},
};

/// Bytes of all open photographs of a room together, as files.
const MOST: u64 = 64 * 1024 * 1024;
/// Pixels of the small copy's longer side; lists draw 64 on screens of up to three times the density.
const SMALL: f64 = 192.0;

/// The open photographs of a room, in the order in which they were opened.
#[derive(Debug, Default)]
pub(crate) struct Photos {
    open: Vec<Photo>,
    /// The case on screen.
    looked_at: Option<EventId>,
}

#[derive(Debug)]
struct Photo {
    case: EventId,
    cid: String,
    bytes: u64,
}

impl Photos {
    /// Notes one more, and gives the content ids of those that have to go for it.
    fn add(&mut self, photo: Photo) -> Vec<String> {
        let newest = photo.case;
        self.open.retain(|open| open.cid != photo.cid);
        self.open.push(photo);
        let mut all: u64 = self.open.iter().map(|open| open.bytes).sum();
        let mut gone = Vec::new();
        let looked_at = self.looked_at;
        self.open.retain(|open| {
            let stays = all <= MOST || open.case == newest || Some(open.case) == looked_at;
            if !stays {
                all -= open.bytes;
                gone.push(open.cid.clone());
            }
            stays
        });
        gone
    }
}

/// Gives back what the browser holds for an open photograph.
pub(crate) fn forget(lock: &ImageLock) {
    if let ImageLock::Open { url, .. } = lock {
        revoke_url(url);
    }
}

impl Runtime {
    /// Opens the photograph `cid` of `case`: `file`, at the `blob:` address `url`.
    pub(super) fn open_photo(
        self: &Rc<Self>,
        room: &Rc<OpenRoom>,
        (case, cid): (EventId, &str),
        file: Blob,
        url: String,
        wrong_nodes: Vec<String>,
    ) {
        let cid = cid.to_owned();
        let photo = Photo {
            case,
            cid: cid.clone(),
            bytes: file.size() as u64,
        };
        for gone in room.photos.borrow_mut().add(photo) {
            let locked = room.locks.borrow_mut().insert(gone, ImageLock::LockedAgain);
            if let Some(lock) = locked {
                forget(&lock);
            }
        }
        let open = ImageLock::Open {
            url: url.clone(),
            small: Arc::default(),
            files: Blobs::default(),
            wrong_nodes,
        };
        self.set_lock(room, &cid, open);
        let (runtime, room) = (self.clone(), room.clone());
        spawn_local(async move {
            // Without it the list shows an icon.
            let Some(copy) = small_copy(&file).await else {
                return;
            };
            if let Some(ImageLock::Open {
                url: now, small, ..
            }) = room.locks.borrow_mut().get_mut(&cid)
                && *now == url
            {
                *small = copy;
            }
            runtime.repaint(&room);
        });
    }

    /// The reader looks at this case from now on.
    pub(crate) fn looks_at(&self, case: EventId) {
        if let Some(room) = self.open_room() {
            room.photos.borrow_mut().looked_at = Some(case);
        }
    }
}

/// A small copy of a picture, as a `data:` address.
async fn small_copy(file: &Blob) -> Option<Arc<str>> {
    let module = imaging_module().await.ok()?;
    let arguments = Array::of2(file, &SMALL.into());
    let copy = call(&module, "small", &arguments).await.ok()?;
    copy.as_string().map(Arc::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn photo(case: u8, name: &str, megabytes: u64) -> Photo {
        Photo {
            case: EventId([case; 32]),
            cid: name.into(),
            bytes: megabytes * 1024 * 1024,
        }
    }

    #[test]
    fn those_that_were_opened_first_go_when_all_are_too_large() {
        let mut photos = Photos::default();
        assert!(photos.add(photo(1, "a", 25)).is_empty());
        assert!(photos.add(photo(2, "b", 25)).is_empty());
        assert_eq!(photos.add(photo(3, "c", 25)), ["a"]);
        assert_eq!(photos.add(photo(4, "d", 50)), ["b", "c"]);
    }

    #[test]
    fn what_is_looked_at_and_the_newest_case_stay_however_large() {
        let mut photos = Photos {
            looked_at: Some(EventId([1; 32])),
            ..Photos::default()
        };
        photos.add(photo(1, "looked at", 100));
        photos.add(photo(2, "old", 20));
        assert_eq!(photos.add(photo(3, "one", 100)), ["old"]);
        assert!(photos.add(photo(3, "two", 100)).is_empty());
    }
}
