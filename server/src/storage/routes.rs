//! The storage part of the API, shaped as Lighthouse's own: which address answers what, and `/api/v0/add`.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::extract::multipart::{Field, Multipart, MultipartRejection};
use axum::extract::{DefaultBodyLimit, RawQuery, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{delete, get, post};
use healthsync_core::Person;
use healthsync_lighthouse::node::Authority;
use http::{HeaderMap, StatusCode, header};
use serde_json::{Value, json};
use tokio::sync::{RwLock, Semaphore};

use super::accounts::{self, Uploader};
use super::blobs::Received;
use super::catalogue::{Catalogue, Upload};
use super::{BlobError, Blobs, download, listing};
use crate::clock;
use crate::http::failure::Failure;
use crate::http::rate::RateLimit;
use crate::mailbox::Mailbox;

/// Uploads at the same time; each holds up to 2.5 MiB in memory.
const UPLOADS: usize = 64;
/// Multipart headers and boundaries around a file.
const FRAME: u64 = 64 * 1024;
/// Files in one request.
const FILES: usize = 64;
/// In the query of an upload: shares of its key come under its own content id, and without them it is of no use.
const AWAITED: &str = "key-shares=awaited";
/// Longest name and type that are kept.
const NAME: usize = 255;

/// What the storage routes need.
#[derive(Clone, Debug)]
pub struct StorageState {
    pub(super) blobs: Blobs,
    pub(super) catalogue: Catalogue,
    /// Knows which devices are revoked.
    pub(super) mailbox: Mailbox,
    pub(super) authority: Arc<Authority>,
    pub(super) chain_id: u64,
    pub(super) limits: Limits,
    /// Held for writing while a file is removed, so that no upload of the same file comes between the look and the
    /// removal. Nobody waits long for that: whoever waits to write keeps out everybody who comes to read.
    pub(super) removal: Arc<RwLock<()>>,
    uploads: Arc<Semaphore>,
    per_person: Arc<RateLimit<Person>>,
}

/// How much is taken, in bytes.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// In one file.
    pub upload: u64,
    /// Of one person.
    pub person: u64,
    /// Of all together; without it, what the disk holds.
    pub all: Option<u64>,
}

impl StorageState {
    pub fn new(blobs: Blobs, mailbox: Mailbox, chain_id: u64, limits: Limits) -> Self {
        Self {
            blobs,
            catalogue: Catalogue::new(mailbox.database().clone()),
            mailbox,
            authority: accounts::authority(chain_id),
            chain_id,
            limits,
            removal: Arc::default(),
            uploads: Arc::new(Semaphore::new(UPLOADS)),
            // A case has up to 64 images.
            per_person: Arc::new(RateLimit::new(256, 8.0)),
        }
    }
}

/// The storage part of the API.
pub fn routes(state: StorageState) -> Router {
    Router::new()
        // The limit is enforced while streaming, not by reading the body first.
        .route(
            "/api/v0/add",
            post(add)
                .layer(DefaultBodyLimit::disable())
                .layer(axum::middleware::from_fn(super::hear_out::hear_out)),
        )
        .route("/api/v0/cat/{cid}", post(download::cat))
        .route("/ipfs/{cid}", get(download::ipfs))
        .route("/api/auth/get_message", get(accounts::message))
        .route("/api/auth/get_auth_message", get(accounts::message))
        .route("/api/auth/create_api_key", post(accounts::create_key))
        .route("/api/user/files_uploaded", get(listing::uploads))
        .route("/api/user/user_data_usage", get(listing::usage))
        .route("/api/user/delete_file", delete(listing::remove))
        .route("/api/lighthouse/file_info", get(listing::file_info))
        .route("/api/lighthouse/deal_status", get(listing::deals))
        .with_state(state)
}

async fn add(
    State(state): State<StorageState>,
    RawQuery(query): RawQuery,
    headers: HeaderMap,
    multipart: Result<Multipart, MultipartRejection>,
) -> Result<Response, Failure> {
    let uploader = accounts::uploader(&state, &headers).await?;
    let person = uploader.person();
    if !state.per_person.allow(person) {
        return Err(Failure::rate_limited());
    }
    let (room, full) = left(&state, person).await?;
    let announced = text(&headers, header::CONTENT_LENGTH.as_str())
        .and_then(|length| length.parse::<u64>().ok());
    let most = match uploader {
        Uploader::Device(..) => state.limits.upload,
        Uploader::Program(_) => state.limits.upload.saturating_mul(FILES as u64),
    };
    if announced.is_some_and(|length| length > most.saturating_add(FRAME)) {
        return Err(refuse(BlobError::TooLarge(state.limits.upload)));
    }
    if room == 0 || announced.is_some_and(|length| length > room.saturating_add(FRAME)) {
        return Err(full);
    }
    let Ok(_turn) = state.uploads.try_acquire() else {
        return Err(Failure::unavailable(
            "busy",
            "The storage is busy with other uploads. Try again in a moment.",
        ));
    };
    let encrypted =
        text(&headers, "encryption").is_some_and(|value| value.eq_ignore_ascii_case("true"));
    // Nobody but who made the key can say where its shares will be. Not a header: an older server allows none to pages of
    // another origin.
    let shares_awaited = query.is_some_and(|query| query.split('&').any(|part| part == AWAITED));
    let mut multipart =
        multipart.map_err(|error| Failure::bad_request("no_multipart", error.body_text()))?;
    let mut replies: Vec<Value> = Vec::new();
    while let Some(field) = file_field(&mut multipart, replies.is_empty()).await? {
        let several = matches!(uploader, Uploader::Device(..)) || !encrypted;
        if replies.len() >= FILES || several && !replies.is_empty() {
            return Err(Failure::bad_request(
                "several_files",
                "Several files in one request are taken from programs and encrypted only, up to 64 of them.",
            ));
        }
        let how = How {
            encrypted,
            shares_awaited,
        };
        replies.push(store(&state, &uploader, &headers, how, field).await?);
    }
    tracing::info!(files = replies.len(), "an upload was stored");
    Ok(match replies.pop() {
        Some(reply) if !encrypted => Json(reply).into_response(),
        last => {
            replies.extend(last);
            Json(replies).into_response()
        }
    })
}

/// What an upload says of itself.
#[derive(Clone, Copy)]
struct How {
    encrypted: bool,
    /// Key nodes will hold shares of its key under its content id.
    shares_awaited: bool,
}

/// Stores one file of an upload and says so as Lighthouse does.
async fn store(
    state: &StorageState,
    uploader: &Uploader,
    headers: &HeaderMap,
    how: How,
    field: Field<'_>,
) -> Result<Value, Failure> {
    let (person, expected) = match uploader {
        Uploader::Device(person, cid) => (*person, Some(*cid)),
        Uploader::Program(person) => (*person, None),
    };
    let name = base_name(&field);
    let mime = text(headers, "mime-type")
        .or(field.content_type())
        .map_or_else(|| "application/octet-stream".into(), printable);
    let received = state
        .blobs
        .receive(expected, state.limits.upload, field)
        .await
        .map_err(refuse)?;
    let file = received.file;
    let upload = Upload {
        id: hex::encode(rand::random::<[u8; 16]>()),
        person,
        cid: file.cid,
        size: file.size,
        at: clock::now().0,
        // A device sends a random name, and nobody asks for it.
        name: match uploader {
            Uploader::Device(..) => String::new(),
            Uploader::Program(_) => name.clone(),
        },
        mime,
        encrypted: how.encrypted,
    };
    // To its end, also when nobody waits for the answer any more: half of it would leave bytes that nothing knows of.
    let state = state.clone();
    tokio::spawn(async move { keep(&state, received, &upload, how).await })
        .await
        .map_err(Failure::internal)??;
    Ok(json!({
        "Name": name,
        "Hash": file.cid.to_string(),
        "Size": file.dag_size.to_string(),
    }))
}

/// Keeps a file that has come whole, if it fits.
async fn keep(
    state: &StorageState,
    received: Received,
    upload: &Upload,
    how: How,
) -> Result<(), Failure> {
    let full = match left(state, upload.person).await {
        Ok((room, _)) if upload.size <= room => None,
        Ok((_, full)) => Some(full),
        Err(failure) => Some(failure),
    };
    if let Some(failure) = full {
        state.blobs.discard(received).await;
        return Err(failure);
    }
    let _no_removal = state.removal.read().await;
    state.blobs.keep(received).await.map_err(refuse)?;
    state
        .catalogue
        .remember(upload, how.shares_awaited)
        .await
        .map_err(Failure::internal)
}

/// Bytes that a person may still store, and what to say of more. What others are uploading at this moment is not counted.
async fn left(state: &StorageState, person: Person) -> Result<(u64, Failure), Failure> {
    let quota = state.limits.person;
    let used = state.catalogue.used(person).await;
    let own = quota.saturating_sub(used.map_err(Failure::internal)?);
    if let Some(total) = state.limits.all {
        let used = state.catalogue.used_by_all().await;
        let all = total.saturating_sub(used.map_err(Failure::internal)?);
        if all < own {
            return Ok((all, storage_full()));
        }
    }
    Ok((own, over_quota(quota)))
}

fn over_quota(quota: u64) -> Failure {
    Failure::new(
        StatusCode::FORBIDDEN,
        "quota",
        format!(
            "A person may store {quota} bytes here, and this upload does not fit any more. Nothing of it was kept."
        ),
    )
}

fn storage_full() -> Failure {
    Failure::new(
        StatusCode::INSUFFICIENT_STORAGE,
        "storage_full",
        "The storage is full, and this upload does not fit any more. Nothing of it was kept. Whoever runs this server can make room.",
    )
}

fn text<'a>(headers: &'a HeaderMap, name: &str) -> Option<&'a str> {
    headers.get(name)?.to_str().ok()
}

/// Without control characters and not too long.
fn printable(text: &str) -> String {
    text.chars()
        .filter(|c| !c.is_control())
        .take(NAME)
        .collect()
}

/// An error's text as a sentence of its own.
pub(crate) fn sentence(error: &dyn std::fmt::Display) -> String {
    let text = error.to_string();
    let mut characters = text.chars();
    let mut sentence: String = characters
        .next()
        .map(|first| first.to_uppercase().collect())
        .unwrap_or_default();
    sentence.push_str(characters.as_str());
    if !sentence.ends_with(['.', '?', '!']) {
        sentence.push('.');
    }
    sentence
}

/// The next file of the form.
async fn file_field(multipart: &mut Multipart, first: bool) -> Result<Option<Field<'_>>, Failure> {
    // Every client puts files first; reading past other fields would mean reading without a limit.
    match multipart.next_field().await {
        Ok(Some(field)) if field.name() == Some("file") => Ok(Some(field)),
        Ok(None) if !first => Ok(None),
        Ok(_) => Err(Failure::bad_request(
            "no_file",
            "The form must hold nothing but fields called \"file\", and at least one.",
        )),
        Err(error) => Err(Failure::bad_request("no_multipart", error.body_text())),
    }
}

/// What the client called the file, without folders.
fn base_name(field: &Field<'_>) -> String {
    let name = field.file_name().unwrap_or("file");
    printable(name.rsplit(['/', '\\']).next().unwrap_or_default())
}

pub(super) fn refuse(error: BlobError) -> Failure {
    match &error {
        BlobError::TooLarge(_) => Failure::new(
            StatusCode::PAYLOAD_TOO_LARGE,
            "too_large",
            format!("{} Nothing of it was kept.", sentence(&error)),
        ),
        BlobError::WrongCid { .. } => Failure::bad_request(
            "wrong_cid",
            format!("{} Nothing was kept; upload it again.", sentence(&error)),
        ),
        BlobError::Interrupted(_) => Failure::bad_request(
            "interrupted",
            format!("{} Upload it again.", sentence(&error)),
        ),
        BlobError::NotFound => Failure::new(StatusCode::NOT_FOUND, "not_found", sentence(&error)),
        BlobError::Damaged => Failure::new(
            StatusCode::INTERNAL_SERVER_ERROR,
            "damaged",
            "The stored file is damaged. Whoever shared it can upload it again.",
        ),
        BlobError::Store(_) | BlobError::Disk(_) => Failure::internal(&error),
        BlobError::Elsewhere(why) => {
            tracing::warn!(%why, "the storage service behind this server failed");
            Failure::unavailable(
                "storage_unavailable",
                "The storage behind this server does not answer as it should. Nothing was kept; try again later.",
            )
        }
    }
}
