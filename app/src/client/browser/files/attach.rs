//! Attaching pictures: checked and freed of metadata in a worker, shown, and kept across reloads until they are shared.
//! DICOM, TIFF and NIfTI files go their own way ([`super::study`]).

use std::{collections::BTreeSet, rc::Rc};

use futures::future::join;
use healthsync_core::{Person, PhotoReceipt, RoomLog, limits};
use healthsync_imaging::intake::{HEAD_BYTES, Photographed, is_medical};
use healthsync_lighthouse::OVERHEAD;
use js_sys::Array;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::spawn_local;

use super::study::Series;
use crate::{
    client::{
        browser::{
            platform::{bytes_of, now, revoke_url},
            rooms::OpenRoom,
            runtime::{Runtime, storage_trouble, trouble},
            storage::drafts::{self, Kept, KeptAttachment},
        },
        model::{Attachment, Files, Stage, ToastKind, Trouble},
    },
    components::platform::{call, imaging_module},
};

/// In receipts.
const TOOL: &str = concat!("HealthSync ", env!("CARGO_PKG_VERSION"));

/// A picture in the composer.
#[derive(Clone, Debug)]
pub(crate) struct Attached {
    pub id: u32,
    /// For its owner, who knows it by its file's name.
    pub name: String,
    pub size: u64,
    pub preview: Option<String>,
    pub stage: Stage,
    /// What can be shared; `None` for what is no usable picture.
    pub content: Option<Content>,
}

#[derive(Clone, Debug)]
pub(crate) enum Content {
    /// A cleaned photograph.
    Photo(Rc<Picture>),
    /// A series, clean or not yet.
    Series(Rc<Series>),
}

#[derive(Debug)]
pub(crate) struct Picture {
    /// The cleaned file; the browser holds it.
    pub file: web_sys::Blob,
    pub mime: String,
    pub width: u32,
    pub height: u32,
    pub removed: u32,
    /// `None`: cleaned by a release that kept only how much was removed.
    pub receipt: Option<PhotoReceipt>,
}

impl Content {
    /// What the room calls it: by its kind and size. The name of its file stays here, since it may hold a patient's.
    pub(crate) fn name(&self) -> String {
        match self {
            Content::Photo(picture) => {
                let kind = picture.mime.trim_start_matches("image/").to_uppercase();
                format!("{kind}, {} × {}", picture.width, picture.height)
            }
            Content::Series(series) => series.name(),
        }
    }
}

impl Attached {
    pub(crate) fn row(&self) -> Attachment {
        Attachment {
            id: self.id,
            name: self.name.clone(),
            size: self.size,
            preview: self.preview.clone(),
            stage: self.stage.clone(),
            series: matches!(self.content, Some(Content::Series(_))),
            goes: self.can_go() || self.stage == Stage::Checking,
        }
    }

    /// As it was before it was on its way.
    pub(crate) fn rest(&self) -> Option<Stage> {
        Some(match self.content.as_ref()? {
            Content::Photo(picture) => Stage::Ready {
                removed: picture.removed,
            },
            Content::Series(series) => series.stage(),
        })
    }

    /// Usable, and not on its way yet.
    pub(crate) fn can_go(&self) -> bool {
        let whole = match &self.content {
            Some(Content::Photo(_)) => true,
            Some(Content::Series(series)) => series.cleaned.borrow().is_some(),
            None => false,
        };
        whole && matches!(self.stage, Stage::Ready { .. } | Stage::Failed(_))
    }

    pub(crate) fn forget(&self) {
        if let Some(url) = &self.preview {
            revoke_url(url);
        }
    }
}

impl OpenRoom {
    /// Files are still being read or cleaned.
    pub(crate) fn still_attaching(&self) -> bool {
        let checked = |row: &Attached| row.stage == Stage::Checking;
        self.arriving.get() > 0 || self.attached.borrow().iter().any(checked)
    }

    /// An attached series whose pixels somebody has to look at first.
    pub(crate) fn to_be_looked_at(&self) -> Option<String> {
        let attached = self.attached.borrow();
        let unseen = attached.iter().find(|row| row.stage == Stage::Unseen);
        unseen.map(|row| row.name.clone())
    }

    pub(super) fn has_attached(&self, id: u32) -> bool {
        self.attached.borrow().iter().any(|row| row.id == id)
    }

    /// A case is being written down for the room: what is in it can neither be taken out nor stopped any more.
    pub(super) fn is_telling(&self) -> bool {
        let told = |row: &Attached| row.stage == Stage::Done;
        self.attached.borrow().iter().any(told)
    }

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
        let runtime = self.clone();
        room.arriving.set(room.arriving.get() + 1);
        spawn_local(async move {
            let (photos, medical) = by_kind(files).await;
            // Each has its row at once: what is sent meanwhile waits for all of them.
            let (rows, left) = runtime.attach_rows(&room, photos);
            room.arriving.set(room.arriving.get() - 1);
            let photos = async {
                for (id, file) in rows {
                    runtime.attach_photo(&room, id, file).await;
                }
            };
            let study = async {
                if !medical.is_empty() {
                    runtime.attach_study(&room, medical, left).await;
                }
            };
            join(photos, study).await;
        });
    }

    /// A row for each photograph that there is room for, and for how many images there is room after them.
    fn attach_rows(
        self: &Rc<Self>,
        room: &Rc<OpenRoom>,
        photos: Vec<web_sys::File>,
    ) -> (Vec<(u32, web_sys::File)>, usize) {
        // Also what could not be sent: it goes with the next try.
        let takes_part = |row: &&Attached| row.content.is_some() || row.stage == Stage::Checking;
        let there = room.attached.borrow().iter().filter(takes_part).count();
        let free = limits::IMAGES_PER_CASE.saturating_sub(there);
        if photos.len() > free {
            self.toast(
                ToastKind::Bad,
                format!(
                    "A case holds {} images; the first {free} of these were taken.",
                    limits::IMAGES_PER_CASE
                ),
            );
        }
        let left = free.saturating_sub(photos.len());
        let rows = photos.into_iter().take(free).map(|file| {
            let id = self.attach_row(room, name_of(&file), Stage::Checking);
            (id, file)
        });
        (rows.collect(), left)
    }

    async fn attach_photo(self: &Rc<Self>, room: &Rc<OpenRoom>, id: u32, file: web_sys::File) {
        let is_there = || room.attached.borrow().iter().any(|row| row.id == id);
        if !is_there() {
            return;
        }
        match self.check(&file, file.size() as u64).await {
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
                self.keep_picture(room, id, name_of(&file), &picture).await;
            }
            Err(trouble) => {
                room.set_stage(id, Stage::Failed(trouble));
                self.repaint(room);
            }
        }
    }

    /// A number that neither this list nor the database uses: the time in seconds, or the next free one.
    pub(crate) fn fresh_attachment_id(&self, room: &OpenRoom) -> u32 {
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
        cleaned(file).await
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
            receipt: picture.receipt.clone(),
        };
        let kept =
            drafts::keep_attachment(&self.db, (person, room.id, id), &entry, &picture.file).await;
        if let Err(error) = kept {
            self.toast_trouble(&storage_trouble(
                "The image stays in this page only",
                &error,
            ));
        }
        self.drop_if_gone(room, id).await;
    }

    /// It may have been taken out, or shared, while it was being kept.
    pub(super) async fn drop_if_gone(&self, room: &OpenRoom, id: u32) {
        let Some(person) = room.person.get().filter(|_| !room.closed.get()) else {
            return;
        };
        if !room.attached.borrow().iter().any(|row| row.id == id) {
            // What stays there is offered again after a reload.
            let _ = drafts::drop_attachment(&self.db, person, room.id, id).await;
        }
    }

    /// What was attached before a reload. What was attached in this page before anybody was known is kept now.
    pub(crate) async fn load_attached(self: &Rc<Self>, room: &OpenRoom, person: Person) {
        let Ok(kept) = drafts::attachments(&self.db, person, room.id).await else {
            return;
        };
        let fresh: Vec<Attached> = (room.attached.borrow().iter())
            .filter(|row| kept.iter().all(|(id, _)| *id != row.id))
            .cloned()
            .collect();
        for Attached {
            id, name, content, ..
        } in fresh
        {
            match content {
                Some(Content::Photo(picture)) => self.keep_picture(room, id, name, &picture).await,
                Some(Content::Series(series)) => self.keep_series(room, id, &series).await,
                None => {}
            }
        }
        for (id, _) in &kept {
            let stored = drafts::stored(&self.db, (person, room.id, *id)).await;
            if let Ok(Some(stored)) = stored {
                let mut all = room.stored.borrow_mut();
                all.entry(*id).or_insert(stored);
            }
        }
        let mut all = room.attached.borrow_mut();
        for (id, kept) in kept {
            if all.iter().any(|attached| attached.id == id) {
                continue;
            }
            let (entry, file) = match kept {
                Kept::Photo(entry, file) => (entry, file),
                Kept::Series(entry, files) => {
                    let series = Series::restored(entry, files);
                    all.push(Attached {
                        id,
                        name: series.name(),
                        size: series.size(),
                        preview: None,
                        stage: series.stage(),
                        content: Some(Content::Series(Rc::new(series))),
                    });
                    continue;
                }
            };
            let picture = Rc::new(Picture {
                file,
                mime: entry.mime,
                width: entry.width,
                height: entry.height,
                removed: entry.removed,
                receipt: entry.receipt,
            });
            let mut attached = Attached {
                id,
                name: entry.name,
                size: 0,
                preview: None,
                stage: Stage::Checking,
                content: None,
            };
            show(&mut attached, picture);
            all.push(attached);
        }
    }

    /// Takes out what the room knows already: this browser told it, and was left before it had cleared up.
    pub(crate) fn drop_told(self: &Rc<Self>, room: &Rc<OpenRoom>, log: &RoomLog) {
        let cases = log.state().cases.iter();
        let told: BTreeSet<&str> = cases
            .flat_map(|case| case.images.iter().map(|image| image.cid.as_str()))
            .collect();
        let known: Vec<u32> = (room.stored.borrow().iter())
            .filter(|(_, stored)| told.contains(stored.cid.as_str()))
            .map(|(id, _)| *id)
            .collect();
        for id in known {
            self.remove_attached(room, id, true);
        }
    }

    pub(crate) fn detach(self: &Rc<Self>, id: u32) {
        let Some(room) = self.open_room() else { return };
        let told = |row: &Attached| row.id == id && row.stage == Stage::Done;
        if room.attached.borrow().iter().any(told) {
            return;
        }
        if let Some((going, handle)) = &*room.going.borrow()
            && *going == id
        {
            handle.abort();
        }
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
        room.stored.borrow_mut().remove(&id);
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

/// The picture as a worker has cleaned it.
async fn cleaned(file: &web_sys::File) -> Result<Picture, Trouble> {
    let module = imaging_module()
        .await
        .map_err(|why| trouble(why, None, Some("Attach the image again.")))?;
    let answer = call(&module, "clean", &Array::of1(file)).await.ok();
    let answer = answer.and_then(|answer| answer.dyn_into::<Array>().ok());
    let read = answer.and_then(|answer| {
        let became = serde_json::from_str(&answer.get(0).as_string()?).ok()?;
        Some((became, answer.get(1)))
    });
    let (became, cleaned) = read.ok_or_else(|| {
        trouble(
            "The imaging worker stopped at this file.",
            None,
            Some("Attach it again; if that stays, save it anew in another program."),
        )
    })?;
    match (became, cleaned.dyn_into()) {
        (Photographed::Refused { what }, _) => Err(trouble(what, None, None)),
        (
            Photographed::Clean {
                mime,
                width,
                height,
                removed,
                sha256,
            },
            Ok(file),
        ) => Ok(Picture {
            file,
            mime,
            width,
            height,
            removed: removed.len() as u32,
            receipt: Some(PhotoReceipt {
                tool: TOOL.to_owned(),
                sha256,
                removed,
            }),
        }),
        (Photographed::Clean { .. }, Err(_)) => Err(trouble(
            "The imaging worker sent no file.",
            None,
            Some("Attach the image again."),
        )),
    }
}

fn show(attached: &mut Attached, picture: Rc<Picture>) {
    attached.size = picture.file.size() as u64;
    // Without a preview the picture can be shared all the same.
    attached.preview = web_sys::Url::create_object_url_with_blob(&picture.file).ok();
    attached.stage = Stage::Ready {
        removed: picture.removed,
    };
    attached.content = Some(Content::Photo(picture));
}

fn name_of(file: &web_sys::File) -> String {
    file.name().chars().take(limits::NAME_CHARS).collect()
}

/// Photographs, and what the imaging worker is for. A file that cannot be read is taken for a photograph, which says so.
async fn by_kind(files: Vec<web_sys::File>) -> (Vec<web_sys::File>, Vec<web_sys::File>) {
    let (mut photos, mut medical) = (Vec::new(), Vec::new());
    for file in files {
        let head = match file.slice_with_i32_and_i32(0, HEAD_BYTES as i32) {
            Ok(head) => bytes_of(&head).await,
            Err(_) => None,
        };
        let head = head.unwrap_or_default();
        let of_its_kind = if is_medical(&head, &file.name()) {
            &mut medical
        } else {
            &mut photos
        };
        of_its_kind.push(file);
    }
    (photos, medical)
}
