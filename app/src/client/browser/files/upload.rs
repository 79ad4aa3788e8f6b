//! Encrypted bytes on their way to storage: one key, one content id, one upload; shared by photographs and by the pieces
//! and the list of a series.

use std::{cell::Cell, rc::Rc};

use futures::{StreamExt, stream};
use healthsync_core::{
    DeviceToken, Scope,
    series::{FILES, PIECE, Piece, SERIES_BYTES, SeriesList, VERSION, cuts},
};
use healthsync_lighthouse::{
    MasterKey, OVERHEAD, Share, cid_and_leaves, encrypt, generate, parse_cid,
};
use healthsync_net::Layout;
use js_sys::Array;
use serde::{Deserialize, Serialize};

use super::study::Cleaned;
use crate::client::{
    browser::{
        http::{HttpError, upload},
        platform::{OCTETS, blob, bytes_of, now, random},
        rooms::{OpenRoom, key::NEEDED},
        runtime::{Runtime, trouble},
    },
    model::Trouble,
};

pub(super) const KEPT: Option<&str> = Some("The image is kept here.");
pub(super) const AGAIN: Option<&str> = Some("Send it again.");
/// Told how many of how many bytes are on their way. One type for all, so that there is one upload in the program.
pub(super) type Sent = Rc<dyn Fn(u64, u64)>;
/// Pieces of a series that are on their way at a time.
const AT_ONCE: usize = 3;

/// An object that is stored, and the shares of its key.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(crate) struct Stored {
    pub cid: String,
    /// Bytes of the plain file.
    pub size: u64,
    pub shares: Vec<Share>,
}

/// A key, and `count` shares of it of which `needed` give it back.
pub(super) fn fresh_key(needed: usize, count: usize) -> Result<(MasterKey, Vec<Share>), Trouble> {
    generate(needed, count, |bytes| *bytes = random::<32>()).map_err(|error| {
        trouble(
            format!("A key for the image could not be made: {error}."),
            KEPT,
            AGAIN,
        )
    })
}

impl Runtime {
    /// Encrypts, keeps the result for the room's members, stores it; gives its content id. The storage clears up what it
    /// was told to await shares for when none come.
    pub(super) async fn store(
        self: &Rc<Self>,
        room: &OpenRoom,
        plain: Vec<u8>,
        (key, shares_come): (&MasterKey, bool),
        sent: Sent,
    ) -> Result<String, Trouble> {
        let sealed = encrypt(plain, key, random::<16>(), random::<12>())
            .await
            .map_err(|error| {
                trouble(
                    format!("The image could not be encrypted: {error}."),
                    KEPT,
                    AGAIN,
                )
            })?;
        let (content, leaves) = cid_and_leaves(&sealed).await;
        let cid = content.to_string();
        let total = sealed.len() as u64;
        let layout = Layout {
            size: total,
            digests: leaves,
        };
        let file = blob(&sealed, OCTETS).map_err(|_| {
            trouble(
                "The browser has no room for the encrypted image.",
                KEPT,
                Some("Close other tabs, then send it again."),
            )
        })?;
        drop(sealed);
        // Others in the room may fetch it from here, before and without the storage.
        self.shelf
            .put(room.id, content.to_bytes(), layout, file.clone());

        let Some((me, delegation)) = self.signer() else {
            return Err(trouble(
                "The image was not uploaded: this browser may not sign for you yet.",
                KEPT,
                Some("Sign in the wallet, then send it again."),
            ));
        };
        sent(0, total);
        let scope = Scope::Upload { cid: cid.clone() };
        let token = DeviceToken::sign(delegation, scope, now(), random::<16>(), &me.device);
        let awaited = if shares_come {
            "&key-shares=awaited"
        } else {
            ""
        };
        let url = format!(
            "{}/api/v0/add?wrap-with-directory=false&cid-version=1{awaited}",
            self.bootstrap.storage.url
        );
        let progress = move |bytes: u64, of: u64| {
            // The form around the file counts, too; what is told is the file.
            let bytes = if of > total {
                bytes.saturating_sub(of - total)
            } else {
                bytes
            };
            sent(bytes.min(total), total);
        };
        let name = hex::encode(random::<16>());
        let answer = upload(&url, &file, &name, &token.to_bearer(), progress)
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
                trouble(what, KEPT, AGAIN)
            })?;
        let stored = answer[0]["Hash"].as_str().unwrap_or_default();
        if parse_cid(stored).ok() != parse_cid(&cid).ok() {
            return Err(trouble(
                "The storage answered with another content id than the image has, so it may have stored something else.",
                KEPT,
                Some("Send it again; if it stays, tell whoever runs the storage."),
            ));
        }
        Ok(cid)
    }

    /// Stores an object under a fresh key, whose shares are to be saved.
    pub(super) async fn store_split(
        self: &Rc<Self>,
        room: &OpenRoom,
        plain: Vec<u8>,
        sent: Sent,
    ) -> Result<Stored, Trouble> {
        let (key, shares) = fresh_key(NEEDED, self.bootstrap.key_nodes.len())?;
        let size = plain.len() as u64;
        let cid = self.store(room, plain, (&key, true), sent).await?;
        Ok(Stored { cid, size, shares })
    }

    /// Saves the shares of what is stored; `told` how many of how many nodes have theirs.
    pub(super) async fn split(
        self: &Rc<Self>,
        room: &OpenRoom,
        stored: &Stored,
        told: &dyn Fn(u8, u8),
    ) -> Result<(), Trouble> {
        let Stored { cid, shares, .. } = stored;
        let of = shares.len() as u8;
        told(0, of);
        let confirmed = |stored| told(stored, of);
        let saved = self.save_shares(room.id, cid, shares, &confirmed);
        saved.await.map_err(|why| Trouble {
            kept: KEPT.map(str::to_owned),
            next: why.next.or_else(|| AGAIN.map(str::to_owned)),
            what: why.what,
        })
    }

    /// Stores the files of a series piece by piece; gives the list of them, which is all that a colleague needs.
    pub(super) async fn store_pieces(
        self: &Rc<Self>,
        room: &OpenRoom,
        cleaned: &Cleaned,
        sent: Sent,
    ) -> Result<Vec<u8>, Trouble> {
        let unreadable = || {
            trouble(
                "The cleaned files could not be read.",
                None,
                Some("Take the series out and attach its files again."),
            )
        };
        let files: Vec<u64> = cleaned
            .files
            .iter()
            .map(|file| file.size() as u64)
            .collect();
        let all: u64 = files.iter().sum();
        if files.len() > FILES || all > SERIES_BYTES {
            return Err(trouble(
                format!("A series holds at most {FILES} files and 2 GB."),
                KEPT,
                Some("Attach a part of it."),
            ));
        }
        let blobs: Array = cleaned.files.iter().collect();
        let whole = web_sys::Blob::new_with_blob_sequence(&blobs).map_err(|_| unreadable())?;
        let most = self.bootstrap.storage.max_upload;
        let most = PIECE.min(most.saturating_sub(OVERHEAD as u64));
        let mut from = 0;
        let spans = cuts(&files, most).into_iter().map(|length| {
            from += length;
            from - length..from
        });
        let done = Rc::new(Cell::new(0_u64));
        let storing = spans.map(|span| {
            let (whole, done, sent) = (whole.clone(), done.clone(), sent.clone());
            async move {
                let part = whole
                    .slice_with_f64_and_f64(span.start as f64, span.end as f64)
                    .map_err(|_| unreadable())?;
                let plain = bytes_of(&part).await.ok_or_else(unreadable)?;
                let (key, _) = fresh_key(1, 1)?;
                let own = Cell::new(0);
                let told = move |bytes: u64, _| {
                    done.set(done.get() + bytes - own.replace(bytes));
                    sent(done.get().min(all), all);
                };
                // Its key goes into the list.
                let cid = self
                    .store(room, plain, (&key, false), Rc::new(told))
                    .await?;
                Ok(Piece {
                    cid,
                    key: key.hex().to_string(),
                    bytes: span.end - span.start,
                })
            }
        });
        let mut storing = stream::iter(storing).buffered(AT_ONCE);
        let mut pieces = Vec::new();
        while let Some(piece) = storing.next().await {
            pieces.push(piece?);
        }
        let list = SeriesList {
            v: VERSION,
            files,
            pieces,
            receipt: serde_json::from_str(&cleaned.receipt).unwrap_or_default(),
        };
        serde_json::to_vec(&list).map_err(|_| unreadable())
    }
}
