//! Opening the conversation that a token stands for: its key from the key nodes, the place of the sealed bundle from
//! the chain, the bundle from storage, and everything in it compared with the chain's commitment.

use std::{rc::Rc, sync::Arc};

use futures::FutureExt;
use healthsync_core::{
    Bundle, CaseView, ImageRef, MeasurementView, MessageView, Person, PollView, RoomLog, TokenId,
    conversation::{bundle, pointer},
    display,
};
use healthsync_lighthouse::{OVERHEAD, cid_of, decrypt, parse_cid, shares};
use leptos::prelude::*;

use super::keys::file_cids;
use crate::{
    api::TokenFacts,
    client::{
        browser::{
            files::{
                open_series::open_series,
                unlock::{check_receipt, safe_mime},
            },
            http::{HttpError, get_bytes},
            looking,
            platform::{blob_url, revoke_url},
            rooms::{
                key::{NEEDED, NoKey},
                talk,
                view::poll_row,
            },
            runtime::{Runtime, trouble},
        },
        model::{Blobs, Delivery, ImageLock, ImageRow, OpenCase, TokenCase, Trouble},
    },
};

const IDLE_MS: u32 = 30_000;

impl Runtime {
    pub(super) fn open_token_case(self: &Rc<Self>) {
        let facts = self
            .client
            .token
            .with_untracked(|view| view.as_ref().and_then(|view| view.facts.clone()));
        let (Some(facts), Some(me)) = (facts, self.me()) else {
            return;
        };
        let runtime = self.clone();
        self.opening_token.run(async move {
            let token = facts.token;
            let (case, images) = match runtime.open_bundle(&facts, me.person).await {
                Ok((case, images)) => (TokenCase::Open(Box::new(case)), images),
                Err(NoKey::Denied) => (TokenCase::Denied { person: me.person }, Vec::new()),
                Err(NoKey::Failed(trouble)) => (TokenCase::Failed(trouble), Vec::new()),
            };
            runtime.change_token(token, |view| view.case = case);
            for (index, image) in images.iter().enumerate() {
                let lock = match runtime.open_token_image(token, index, image).await {
                    Ok(()) => continue,
                    Err(NoKey::Denied) => ImageLock::Denied { person: me.person },
                    Err(NoKey::Failed(trouble)) => ImageLock::Failed(trouble),
                };
                runtime.set_token_lock(token, index, lock);
            }
        });
    }

    fn opening_step(&self, token: TokenId, step: &'static str) {
        self.change_token(token, |view| view.case = TokenCase::Opening(step));
    }

    async fn open_bundle(
        self: &Rc<Self>,
        facts: &TokenFacts,
        me: Person,
    ) -> Result<(OpenCase, Vec<ImageRef>), NoKey> {
        let token = facts.token;
        let contract = self.token_contract().map_err(NoKey::Failed)?;
        let bytes32 = |text: &str| -> [u8; 32] {
            let mut bytes = [0; 32];
            // The server reads both from the chain as 32 bytes; anything else opens nothing.
            let _ = hex::decode_to_slice(text, &mut bytes);
            bytes
        };
        let (root, on_chain) = (bytes32(&facts.commitment), bytes32(&facts.pointer));

        self.opening_step(token, "Asking the key nodes");
        let key_cid = self.token_key_cid(token, &contract);
        let mut found = self.lookup(&key_cid).await?;
        let (mut missing, mut all) = (None, false);
        loop {
            let candidates = shares::candidates(&found.good, NEEDED).map_err(|error| {
                NoKey::Failed(trouble(
                    format!("The key shares do not give a key: {error}."),
                    None,
                    Some("Try again; if it stays, tell whoever runs the key nodes."),
                ))
            })?;
            self.opening_step(token, "Fetching the conversation");
            for candidate in candidates {
                let digest = pointer(&on_chain, candidate.key.as_bytes());
                let (cid, sealed) = match self.fetch_first(&file_cids(&digest)).await {
                    Ok(found) => found,
                    Err(why) => {
                        missing = Some(why);
                        continue;
                    }
                };
                let Ok(plain) = decrypt(&sealed, &candidate.key).await else {
                    continue;
                };
                let (bundle, log) = Bundle::open(&plain, &root, &cid).map_err(|error| {
                    NoKey::Failed(trouble(
                        format!("The stored file is not what this token stands for: {error}."),
                        None,
                        Some("Tell whoever minted it."),
                    ))
                })?;
                return rows(&bundle, &log, me).map_err(NoKey::Failed);
            }
            // A wrong share may be among these, and the other nodes' would do.
            if all || found.good.len() == found.progress.nodes.len() {
                break;
            }
            all = true;
            found = self.lookup_all(&key_cid).await?;
        }
        Err(NoKey::Failed(missing.unwrap_or_else(|| {
            trouble(
                "No three of the key shares open this conversation.",
                None,
                Some("Try again; if it stays, tell whoever runs the key nodes."),
            )
        })))
    }

    /// Shows how far an image is. A page that has lost the case meanwhile gets nothing.
    fn set_token_lock(&self, token: TokenId, index: usize, lock: ImageLock) {
        let mut left = Some(lock);
        self.change_token(token, |view| {
            if let TokenCase::Open(case) = &mut view.case
                && let Some(row) = case.images.get_mut(index)
                && let Some(lock) = left.take()
            {
                row.lock = lock;
            }
        });
        if let Some(ImageLock::Open { url, .. }) = left {
            revoke_url(&url);
        }
    }

    async fn open_token_image(
        self: &Rc<Self>,
        token: TokenId,
        index: usize,
        image: &ImageRef,
    ) -> Result<(), NoKey> {
        let found = self.lookup(&image.cid).await?;
        let limit = image.size + OVERHEAD as u64;
        let (_, sealed) = self
            .fetch_at(&image.cid, limit)
            .await
            .map_err(NoKey::Failed)?;
        let (plain, wrong_nodes) = self.open_sealed(&image.cid, &sealed, found).await?;
        let show = |url, files| {
            let open = ImageLock::Open {
                url,
                small: Arc::default(),
                files,
                wrong_nodes: wrong_nodes.clone(),
            };
            self.set_token_lock(token, index, open);
        };
        if image.series.is_some() {
            let fetch = |cid: String, bytes: u64| {
                let limit = bytes.saturating_add(OVERHEAD as u64);
                let fetched = async move { Ok(self.fetch_at(&cid, limit).await?.1) };
                fetched.boxed_local()
            };
            let show = |files| show(String::new(), files);
            let opened = open_series(&plain, &fetch, &show);
            return opened.await.map_err(NoKey::Failed);
        }
        check_receipt(image, &plain).await.map_err(NoKey::Failed)?;
        let url = blob_url(&plain, safe_mime(&image.mime)).map_err(|_| {
            NoKey::Failed(trouble(
                "The browser could not show the image.",
                None,
                Some("Reload the page."),
            ))
        })?;
        show(url, Blobs::default());
        Ok(())
    }

    async fn fetch_first(&self, cids: &[String]) -> Result<(String, Vec<u8>), Trouble> {
        let mut last = None;
        for cid in cids {
            match self.fetch_at(cid, bundle::MAX_BYTES as u64).await {
                Ok(found) => return Ok(found),
                Err(trouble) => last = Some(trouble),
            }
        }
        Err(last.unwrap_or_else(|| trouble("There is nothing to fetch.", None, None)))
    }

    /// Bytes from storage, checked against their content id.
    async fn fetch_at(&self, cid: &str, limit: u64) -> Result<(String, Vec<u8>), Trouble> {
        let url = format!("{}/ipfs/{cid}", self.bootstrap.storage.url);
        let bytes = get_bytes(&url, limit, IDLE_MS, |_, _| ())
            .await
            .map_err(|error| {
                let what = match error {
                    HttpError::Status { status: 404, .. } => {
                        "The storage does not have the file.".to_owned()
                    }
                    other => format!("The file could not be fetched from storage: {other}."),
                };
                trouble(what, None, Some("Try again."))
            })?;
        if parse_cid(&cid_of(&bytes).await).ok() == parse_cid(cid).ok() {
            Ok((cid.to_owned(), bytes))
        } else {
            Err(trouble(
                "What the storage sent does not match its content id. It is not used.",
                None,
                Some("Try again; if it stays, tell whoever runs the storage."),
            ))
        }
    }
}

/// The rows for the page, with the images still to be opened.
fn rows(bundle: &Bundle, log: &RoomLog, me: Person) -> Result<(OpenCase, Vec<ImageRef>), Trouble> {
    let state = log.state();
    let case: &CaseView = state.case(&bundle.case).ok_or_else(|| {
        trouble(
            "The stored conversation has no case in it.",
            None,
            Some("Tell whoever minted it."),
        )
    })?;
    let image = |image: &ImageRef| ImageRow::new(image, ImageLock::Decrypting);
    // Nothing can be taken back here, so no mark is the reader's own.
    let mark = |view: &MeasurementView| looking::mark(view, None);
    let stored = |_: &healthsync_core::EventId| Delivery::Stored;
    let message = |message: &MessageView| talk::row(log, message, Some(me), &stored);
    let poll = |poll: &PollView| poll_row(poll, Some(me), &stored, None);
    let open = OpenCase {
        id: case.id,
        caption: display(&case.caption).into_owned(),
        author: case.person,
        images: case.images.iter().map(image).collect(),
        marks: Arc::new(case.measurements.iter().map(mark).collect()),
        messages: state.messages.iter().map(message).collect(),
        polls: case.polls.iter().map(poll).collect(),
    };
    Ok((open, case.images.clone()))
}

/// Gives back what the browser holds for the pictures.
pub(super) fn forget(case: &OpenCase) {
    for image in &case.images {
        if let ImageLock::Open { url, .. } = &image.lock {
            revoke_url(url);
        }
    }
}
