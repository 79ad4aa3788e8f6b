//! Sharing attached pictures as a case: encrypt, upload, save the key's shares, and only then say so in the room.

use std::rc::Rc;

use healthsync_core::{DeviceToken, ImageRef, Kind, Scope, limits};
use healthsync_lighthouse::{cid_of, encrypt, generate, parse_cid};

use super::attach::{Attached, Picture};
use crate::client::{
    browser::{
        http::{HttpError, upload},
        platform::{now, random},
        rooms::{OpenRoom, key::NEEDED, write::limit_trouble},
        runtime::{Runtime, trouble},
    },
    model::{Blobs, ImageLock, Stage, Trouble},
};

impl Runtime {
    /// `Send` with pictures: `text` is the caption. What fails stays in the composer and can be sent again.
    pub(crate) fn send_case(self: &Rc<Self>, room: Rc<OpenRoom>, text: String) {
        let (runtime, shared) = (self.clone(), room.clone());
        room.sharing
            .run(async move { runtime.share(&shared, text.trim().to_owned()).await });
    }

    async fn share(self: &Rc<Self>, room: &Rc<OpenRoom>, caption: String) {
        if let Err(error) = limits::check_caption(&caption) {
            self.give_back(room, caption).await;
            return self.toast_trouble(&limit_trouble(&error));
        }
        // In the database until the case is kept; on screen it is the composer's.
        self.save_draft(room, caption.clone(), 0);
        let going: Vec<Attached> = room
            .attached
            .borrow()
            .iter()
            .filter(|attached| attached.can_go())
            .cloned()
            .collect();
        for attached in &going {
            room.set_stage(attached.id, Stage::Encrypting);
        }
        self.repaint(room);

        let mut images = Vec::new();
        let mut shared = Vec::new();
        let mut failed = false;
        for attached in going {
            let Some(picture) = attached.picture.clone() else {
                continue;
            };
            match self.share_one(room, &attached, &picture).await {
                Ok(image) => {
                    room.set_stage(attached.id, Stage::Done);
                    shared.push((attached, image.cid.clone()));
                    images.push(image);
                }
                Err(trouble) => {
                    failed = true;
                    room.set_stage(attached.id, Stage::Failed(trouble));
                }
            }
            self.repaint(room);
        }
        if images.is_empty() {
            return self.give_back(room, caption).await;
        }
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
            Ok(_) => {
                for (attached, cid) in shared {
                    // Whoever shared it sees it without unlocking.
                    if let Some(url) = attached.preview.clone() {
                        let open = ImageLock::Open {
                            url,
                            files: Blobs::default(),
                            wrong_nodes: Vec::new(),
                        };
                        room.locks.borrow_mut().insert(cid, open);
                    }
                    self.remove_attached(room, attached.id, false);
                }
                if !failed {
                    room.draft.replace(String::new());
                    self.save_draft(room, String::new(), 0);
                }
                self.repaint(room);
            }
            Err(trouble) => {
                for (attached, _) in shared {
                    room.set_stage(attached.id, Stage::Failed(trouble.clone()));
                }
                self.give_back(room, caption).await;
            }
        }
    }

    async fn share_one(
        self: &Rc<Self>,
        room: &Rc<OpenRoom>,
        attached: &Attached,
        picture: &Picture,
    ) -> Result<ImageRef, Trouble> {
        const KEPT: Option<&str> = Some("The image is kept here.");
        let again = Some("Send it again.");
        let id = attached.id;
        let nodes = self.bootstrap.key_nodes.len();
        let (key, shares) =
            generate(NEEDED, nodes, |bytes| *bytes = random::<32>()).map_err(|error| {
                trouble(
                    format!("A key for the image could not be made: {error}."),
                    KEPT,
                    again,
                )
            })?;
        let sealed = encrypt(picture.bytes.clone(), &key, random::<16>(), random::<12>())
            .await
            .map_err(|error| {
                trouble(
                    format!("The image could not be encrypted: {error}."),
                    KEPT,
                    again,
                )
            })?;
        let cid = cid_of(&sealed).await;

        let Some((me, delegation)) = self.signer() else {
            return Err(trouble(
                "The image was not uploaded: this browser may not sign for you yet.",
                KEPT,
                Some("Sign in the wallet, then send it again."),
            ));
        };
        let total = sealed.len() as u64;
        room.set_stage(id, Stage::Uploading { sent: 0, total });
        self.repaint(room);
        let scope = Scope::Upload { cid: cid.clone() };
        let token = DeviceToken::sign(delegation, scope, now(), random::<16>(), &me.device);
        let url = format!(
            "{}/api/v0/add?wrap-with-directory=false&cid-version=1",
            self.bootstrap.storage.url
        );
        let (runtime, shown) = (self.clone(), room.clone());
        let progress = move |sent: u64, of: u64| {
            // The form around the file counts, too; what is shown is the file.
            let sent = if of > total {
                sent.saturating_sub(of - total)
            } else {
                sent
            };
            shown.set_stage(
                id,
                Stage::Uploading {
                    sent: sent.min(total),
                    total,
                },
            );
            runtime.repaint(&shown);
        };
        let name = hex::encode(random::<16>());
        let answer = upload(&url, &sealed, &name, &token.to_bearer(), progress)
            .await
            .map_err(|error| {
                let what = match &error {
                    HttpError::Status { status: 413, .. } => {
                        format!(
                            "The storage takes at most {} bytes; the upload has {total}.",
                            self.bootstrap.storage.max_upload
                        )
                    }
                    HttpError::Status { text, .. } => {
                        format!("The storage refused the upload: {text}.")
                    }
                    other => format!("The upload did not get through: {other}."),
                };
                trouble(what, KEPT, again)
            })?;
        let stored = answer[0]["Hash"].as_str().unwrap_or_default();
        if parse_cid(stored).ok() != parse_cid(&cid).ok() {
            return Err(trouble(
                "The storage answered with another content id than the image has, so it may have stored something else.",
                KEPT,
                Some("Send it again; if it stays, tell whoever runs the storage."),
            ));
        }

        let of = nodes as u8;
        room.set_stage(id, Stage::SavingShares { stored: 0, of });
        self.repaint(room);
        let (runtime, shown) = (self.clone(), room.clone());
        let told = move |stored| {
            shown.set_stage(id, Stage::SavingShares { stored, of });
            runtime.repaint(&shown);
        };
        self.save_shares(room.id, &cid, &shares, told)
            .await
            .map_err(|why| Trouble {
                kept: KEPT.map(str::to_owned),
                next: why.next.or_else(|| again.map(str::to_owned)),
                what: why.what,
            })?;
        Ok(ImageRef {
            cid,
            name: attached.name.clone(),
            mime: picture.mime.clone(),
            size: picture.bytes.len() as u64,
            width: picture.width,
            height: picture.height,
            series: None,
        })
    }

    /// Stops what is on its way; pictures and caption stay.
    pub(crate) fn cancel_upload(self: &Rc<Self>) {
        let Some(room) = self.open_room() else { return };
        room.sharing.stop();
        for attached in room.attached.borrow_mut().iter_mut() {
            if let Some(picture) = &attached.picture
                && !matches!(attached.stage, Stage::Failed(_))
            {
                attached.stage = Stage::Ready {
                    removed: picture.removed,
                };
            }
        }
        self.repaint(&room);
    }
}
