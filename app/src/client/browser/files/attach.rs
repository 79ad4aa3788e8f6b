//! Attaching pictures: read, checked, freed of metadata, shown, and kept across reloads until they are shared.

use std::rc::Rc;

use healthsync_core::{Person, limits};
use healthsync_imaging::clean;
use healthsync_lighthouse::OVERHEAD;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use crate::client::{
    browser::{
        platform::{blob_url, bytes_from_js, now, revoke_url, sleep},
        rooms::OpenRoom,
        runtime::{Runtime, storage_trouble, trouble},
        storage::drafts::{self, KeptAttachment},
    },
    model::{Attachment, Files, Stage, ToastKind, Trouble},
};

/// A picture in the composer.
#[derive(Clone, Debug)]
pub(crate) struct Attached {
    pub id: u32,
    pub name: String,
    pub size: u64,
    pub preview: Option<String>,
    pub stage: Stage,
    /// The cleaned file; `None` for what is no usable picture.
    pub picture: Option<Rc<Picture>>,
}

#[derive(Debug)]
pub(crate) struct Picture {
    pub bytes: Vec<u8>,
    pub mime: String,
    pub width: u32,
    pub height: u32,
    pub removed: u32,
}

impl Attached {
    pub(crate) fn row(&self) -> Attachment {
        Attachment {
            id: self.id,
            name: self.name.clone(),
            size: self.size,
            preview: self.preview.clone(),
            stage: self.stage.clone(),
        }
    }

    /// Usable, and not on its way yet.
    pub(crate) fn can_go(&self) -> bool {
        self.picture.is_some() && matches!(self.stage, Stage::Ready { .. } | Stage::Failed(_))
    }

    pub(crate) fn forget(&self) {
        if let Some(url) = &self.preview {
            revoke_url(url);
        }
    }
}

impl OpenRoom {
    pub(crate) fn set_stage(&self, id: u32, stage: Stage) {
        if let Some(attached) = self
            .attached
            .borrow_mut()
            .iter_mut()
            .find(|attached| attached.id == id)
        {
            attached.stage = stage;
        }
    }
}

impl Runtime {
    pub(crate) fn attach(self: &Rc<Self>, files: Files) {
        // Also while the room is still opening: what is dropped then must not be lost.
        let Some(room) = self.open_room() else { return };
        let files = files.0.take();
        let there = room
            .attached
            .borrow()
            .iter()
            .filter(|attached| attached.picture.is_some())
            .count();
        let free = limits::IMAGES_PER_CASE.saturating_sub(there);
        if files.len() > free {
            self.toast(
                ToastKind::Bad,
                format!(
                    "A case holds {} images; the first {free} of these were taken.",
                    limits::IMAGES_PER_CASE
                ),
            );
        }
        let runtime = self.clone();
        spawn_local(async move {
            for file in files.into_iter().take(free) {
                runtime.attach_one(&room, file).await;
            }
        });
    }

    async fn attach_one(self: &Rc<Self>, room: &Rc<OpenRoom>, file: web_sys::File) {
        let id = self.fresh_attachment_id(room);
        let name: String = file.name().chars().take(limits::NAME_CHARS).collect();
        let size = file.size() as u64;
        room.attached.borrow_mut().push(Attached {
            id,
            name: name.clone(),
            size,
            preview: None,
            stage: Stage::Checking,
            picture: None,
        });
        self.repaint(room);
        // Lets the page show it before the bytes are worked on.
        sleep(0).await;
        match self.check(&file, size).await {
            Ok(picture) => {
                let picture = Rc::new(picture);
                {
                    let mut all = room.attached.borrow_mut();
                    // Taken out again while it was being checked.
                    let Some(attached) = all.iter_mut().find(|attached| attached.id == id) else {
                        return;
                    };
                    show(attached, picture.clone());
                }
                self.repaint(room);
                self.keep_picture(room, id, name, &picture).await;
            }
            Err(trouble) => {
                room.set_stage(id, Stage::Failed(trouble));
                self.repaint(room);
            }
        }
    }

    /// A number that neither this list nor the database uses: the time in seconds, or the next free one.
    fn fresh_attachment_id(&self, room: &OpenRoom) -> u32 {
        let last = room
            .attached
            .borrow()
            .iter()
            .map(|attached| attached.id)
            .max();
        let time = now().seconds() as u32;
        last.map_or(time, |last| time.max(last.wrapping_add(1)))
    }

    async fn check(&self, file: &web_sys::File, size: u64) -> Result<Picture, Trouble> {
        let limit = self
            .bootstrap
            .storage
            .max_upload
            .saturating_sub(OVERHEAD as u64);
        if size > limit {
            return Err(trouble(
                format!("The image has {size} bytes; the limit is {limit}."),
                None,
                Some("Save it smaller, then attach it again."),
            ));
        }
        let unreadable = || {
            trouble(
                "The browser could not read this file.",
                None,
                Some("It may have been moved; choose it again."),
            )
        };
        let buffer = JsFuture::from(file.array_buffer())
            .await
            .map_err(|_| unreadable())?;
        let bytes = bytes_from_js(&js_sys::Uint8Array::new(&buffer)).ok_or_else(unreadable)?;
        let cleaned = clean(&bytes).map_err(|error| trouble(error.to_string(), None, None))?;
        Ok(Picture {
            mime: cleaned.photo.mime.to_owned(),
            width: cleaned.photo.width,
            height: cleaned.photo.height,
            removed: cleaned.removed.len() as u32,
            bytes: cleaned.bytes,
        })
    }

    async fn keep_picture(
        self: &Rc<Self>,
        room: &OpenRoom,
        id: u32,
        name: String,
        picture: &Picture,
    ) {
        let Some(person) = room.person.get() else {
            return;
        };
        let entry = KeptAttachment {
            name,
            mime: picture.mime.clone(),
            width: picture.width,
            height: picture.height,
            removed: picture.removed,
        };
        let kept =
            drafts::keep_attachment(&self.db, (person, room.id, id), &entry, &picture.bytes).await;
        if let Err(error) = kept {
            self.toast_trouble(&storage_trouble(
                "The image stays in this page only",
                &error,
            ));
        }
        // Taken out while it was being kept.
        if !room.closed.get()
            && !room
                .attached
                .borrow()
                .iter()
                .any(|attached| attached.id == id)
        {
            let _ = drafts::drop_attachment(&self.db, person, room.id, id).await;
        }
    }

    /// What was attached before a reload.
    pub(crate) async fn load_attached(self: &Rc<Self>, room: &OpenRoom, person: Person) {
        let Ok(kept) = drafts::attachments(&self.db, person, room.id).await else {
            return;
        };
        let mut all = room.attached.borrow_mut();
        for (id, entry, bytes) in kept {
            if all.iter().any(|attached| attached.id == id) {
                continue;
            }
            let picture = Rc::new(Picture {
                bytes,
                mime: entry.mime,
                width: entry.width,
                height: entry.height,
                removed: entry.removed,
            });
            let mut attached = Attached {
                id,
                name: entry.name,
                size: 0,
                preview: None,
                stage: Stage::Checking,
                picture: None,
            };
            show(&mut attached, picture);
            all.push(attached);
        }
    }

    pub(crate) fn detach(self: &Rc<Self>, id: u32) {
        let Some(room) = self.open_room() else { return };
        self.remove_attached(&room, id, true);
        self.repaint(&room);
    }

    /// Takes a picture out of the composer and of the database; its preview stays usable unless it is revoked.
    pub(crate) fn remove_attached(self: &Rc<Self>, room: &Rc<OpenRoom>, id: u32, revoke: bool) {
        let mut all = room.attached.borrow_mut();
        let Some(index) = all.iter().position(|attached| attached.id == id) else {
            return;
        };
        let attached = all.remove(index);
        drop(all);
        if revoke {
            attached.forget();
        }
        if let Some(person) = room.person.get() {
            let (runtime, room) = (self.clone(), room.id);
            spawn_local(async move {
                if let Err(error) = drafts::drop_attachment(&runtime.db, person, room, id).await {
                    runtime.storage_failed("The image stays in this browser", &error);
                }
            });
        }
    }
}

fn show(attached: &mut Attached, picture: Rc<Picture>) {
    attached.size = picture.bytes.len() as u64;
    // Without a preview the picture can be shared all the same.
    attached.preview = blob_url(&picture.bytes, &picture.mime).ok();
    attached.stage = Stage::Ready {
        removed: picture.removed,
    };
    attached.picture = Some(picture);
}
