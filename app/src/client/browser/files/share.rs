//! Sharing attached pictures as a case: encrypt, upload, save the key's shares, and only then say so in the room.

use std::{rc::Rc, sync::Arc};

use futures::future::abortable;
use healthsync_core::{ImageRef, Kind, SeriesRef, limits, series::MIME};

use super::{
    attach::{Attached, Content},
    open_series::receipt_blob,
    upload::{KEPT, Sent},
};
use crate::client::{
    browser::{
        platform::bytes_of,
        rooms::{OpenRoom, write::limit_trouble},
        runtime::{Runtime, trouble},
        storage::drafts,
    },
    model::{Blobs, ImageLock, Stage, Trouble},
};

impl Runtime {
    /// `Send` with pictures: `text` is the caption. What fails stays in the composer and can be sent again.
    pub(crate) fn send_case(self: &Rc<Self>, room: Rc<OpenRoom>, text: String) {
        let (runtime, shared, caption) = (self.clone(), room.clone(), text.trim().to_owned());
        room.going_caption.replace(caption.clone());
        room.sharing
            .run(async move { runtime.share(&shared, caption).await });
    }

    async fn share(self: &Rc<Self>, room: &Rc<OpenRoom>, caption: String) {
        if let Err(error) = limits::check_caption(&caption) {
            self.give_back(room, &caption);
            return self.toast_trouble(&limit_trouble(&error));
        }
        let going: Vec<Attached> = room
            .attached
            .borrow()
            .iter()
            .filter(|attached| attached.can_go())
            .cloned()
            .collect();
        let repeated = going.iter().find_map(|attached| match &attached.content {
            Some(Content::Series(series)) => Some((series.name(), series.repeated(&caption)?)),
            _ => None,
        });
        if let Some((name, field)) = repeated {
            self.give_back(room, &caption);
            return self.toast_trouble(&trouble(
                format!("The caption says again what stood in the files of {name} as {field}, which was removed from them."),
                Some("The caption is in the message field, and nothing was sent."),
                Some("Write it without that, then send it again."),
            ));
        }
        for attached in &going {
            room.set_stage(attached.id, Stage::Encrypting);
        }
        self.repaint(room);

        let mut shared = Vec::new();
        let mut failed = false;
        for attached in going {
            let Some(content) = attached.content.clone() else {
                continue;
            };
            if !room.has_attached(attached.id) {
                continue;
            }
            let (transfer, handle) = abortable(self.share_one(room, &attached, &content));
            room.going.replace(Some((attached.id, handle)));
            match transfer.await {
                Ok(Ok(image)) => shared.push((attached, image)),
                Ok(Err(trouble)) => {
                    failed = true;
                    room.set_stage(attached.id, Stage::Failed(trouble));
                }
                // Taken out while it was on its way.
                Err(_) => {}
            }
            self.repaint(room);
        }
        // Also what is stored by now can be taken out, until all of it is told to the room.
        shared.retain(|(attached, _)| room.has_attached(attached.id));
        if shared.is_empty() {
            if failed || room.has_unsaid(&caption) {
                self.give_back(room, &caption);
            }
            return;
        }
        for (attached, _) in &shared {
            room.set_stage(attached.id, Stage::Done);
        }
        self.repaint(room);
        let images = shared.iter().map(|(_, image)| image.clone()).collect();
        match self
            .say(
                room,
                vec![Kind::Case {
                    caption: caption.clone(),
                    images,
                }],
            )
            .await
        {
            Ok(said) => {
                for (attached, ImageRef { cid, .. }) in shared {
                    // Whoever shared it sees it without unlocking.
                    let files = match &attached.content {
                        Some(Content::Series(series)) => {
                            (series.cleaned.borrow()).as_ref().map(|cleaned| {
                                let receipt = receipt_blob(&cleaned.receipt);
                                Blobs::new(
                                    receipt.into_iter().chain(cleaned.files.clone()).collect(),
                                )
                            })
                        }
                        _ => None,
                    };
                    if let Some(files) = files {
                        let open = ImageLock::Open {
                            url: String::new(),
                            small: Arc::default(),
                            files,
                            wrong_nodes: Vec::new(),
                        };
                        room.locks.borrow_mut().insert(cid, open);
                    } else if let (Some(Content::Photo(picture)), Some(url), Some(case)) =
                        (&attached.content, &attached.preview, said.last())
                    {
                        let file = picture.file.clone();
                        self.open_photo(room, (*case, &cid), file, url.clone(), Vec::new());
                    }
                    self.remove_attached(room, attached.id, false);
                }
                // What came into the field since stays there.
                let in_field = *room.draft.borrow().trim() == *caption;
                if !failed && in_field && !room.has_unsaid(&caption) {
                    room.draft.take();
                }
                self.no_longer_unsaid(room, &caption);
                self.repaint(room);
            }
            Err(trouble) => {
                for (attached, _) in shared {
                    room.set_stage(attached.id, Stage::Failed(trouble.clone()));
                }
                self.give_back(room, &caption);
            }
        }
    }

    async fn share_one(
        self: &Rc<Self>,
        room: &Rc<OpenRoom>,
        attached: &Attached,
        content: &Content,
    ) -> Result<ImageRef, Trouble> {
        let id = attached.id;
        let (runtime, shown) = (self.clone(), room.clone());
        let sent: Sent = Rc::new(move |sent, total| {
            shown.set_stage(id, Stage::Uploading { sent, total });
            runtime.repaint(&shown);
        });
        let before = room.stored.borrow().get(&id).cloned();
        let stored = match before {
            // Only its shares are missing, or the room does not know of it yet. Stored again, it would be there twice.
            Some(stored) => stored,
            None => {
                let plain = match content {
                    Content::Photo(picture) => bytes_of(&picture.file).await.ok_or_else(|| {
                        trouble(
                            "The browser cannot read the cleaned image any more.",
                            None,
                            Some("Take it out and attach its file again."),
                        )
                    })?,
                    Content::Series(series) => {
                        let cleaned = series.cleaned.borrow().clone();
                        let cleaned = cleaned
                            .ok_or_else(|| trouble("The series is not cleaned yet.", KEPT, None))?;
                        self.store_pieces(room, &cleaned, sent.clone()).await?
                    }
                };
                let stored = self.store_split(room, plain, sent).await?;
                room.stored.borrow_mut().insert(id, stored.clone());
                if let Some(person) = room.person.get() {
                    // Without it a reload only means that it is stored once more.
                    let _ = drafts::keep_stored(&self.db, (person, room.id, id), &stored).await;
                }
                stored
            }
        };
        let (runtime, shown) = (self.clone(), room.clone());
        let told = move |stored, of| {
            shown.set_stage(id, Stage::SavingShares { stored, of });
            runtime.repaint(&shown);
        };
        self.split(room, &stored, &told).await?;
        let (cid, name) = (stored.cid, content.name());
        Ok(match content {
            Content::Photo(picture) => ImageRef {
                cid,
                name,
                mime: picture.mime.clone(),
                size: stored.size,
                width: picture.width,
                height: picture.height,
                series: None,
                receipt: picture.receipt.clone(),
            },
            Content::Series(series) => ImageRef {
                cid,
                name,
                mime: MIME.to_owned(),
                size: stored.size,
                width: series.found.size[0],
                height: series.found.size[1],
                series: Some(SeriesRef {
                    slices: series.found.slices,
                    bytes: attached.size,
                    modality: series.found.modality.clone(),
                }),
                receipt: None,
            },
        })
    }

    /// Stops what is on its way; pictures and caption stay.
    pub(crate) fn cancel_upload(self: &Rc<Self>) {
        let Some(room) = self.open_room() else { return };
        if room.is_telling() {
            return;
        }
        room.sharing.stop();
        for attached in room.attached.borrow_mut().iter_mut() {
            if let Some(rest) = attached.rest()
                && !matches!(attached.stage, Stage::Failed(_))
            {
                attached.stage = rest;
            }
        }
        let caption = room.going_caption.take();
        if room.has_unsaid(&caption) {
            self.give_back(&room, &caption);
        }
        self.repaint(&room);
    }
}
