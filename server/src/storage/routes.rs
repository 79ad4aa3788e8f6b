//! `/api/v0/add`, `/api/v0/cat/{cid}` and `/ipfs/{cid}`, shaped as Lighthouse's own.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Body;
use axum::extract::multipart::{Field, Multipart, MultipartRejection};
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use healthsync_core::{DeviceToken, Person, Scope};
use healthsync_lighthouse::cid::{Cid, parse_cid};
use http::{HeaderMap, HeaderValue, StatusCode, header};
use serde_json::json;
use tokio::sync::Semaphore;

use super::range::{Wanted, wanted};
use super::{BlobError, Blobs};
use crate::clock;
use crate::database::Database;
use crate::http::failure::Failure;
use crate::http::rate::RateLimit;
use crate::mailbox::{number, positive};

/// Bytes that one person may store.
const PERSON_QUOTA: u64 = 20 * 1024 * 1024 * 1024;
/// Uploads at the same time; each holds up to 2.5 MiB in memory.
const UPLOADS: usize = 64;
/// Multipart headers and boundaries around the file.
const FRAME: u64 = 64 * 1024;

/// What the storage routes need.
#[derive(Clone, Debug)]
pub struct StorageState {
    blobs: Blobs,
    database: Database,
    chain_id: u64,
    max_upload: u64,
    uploads: Arc<Semaphore>,
    per_person: Arc<RateLimit<Person>>,
}

impl StorageState {
    pub fn new(blobs: Blobs, database: Database, chain_id: u64, max_upload: u64) -> Self {
        Self {
            blobs,
            database,
            chain_id,
            max_upload,
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
        .route("/api/v0/cat/{cid}", post(cat))
        .route("/ipfs/{cid}", get(ipfs))
        .with_state(state)
}

async fn add(
    State(state): State<StorageState>,
    headers: HeaderMap,
    multipart: Result<Multipart, MultipartRejection>,
) -> Result<Response, Failure> {
    let (person, cid) = authorise(&headers, state.chain_id)?;
    if !state.per_person.allow(person) {
        return Err(Failure::rate_limited());
    }
    let announced = headers
        .get(header::CONTENT_LENGTH)
        .and_then(|length| length.to_str().ok())
        .and_then(|length| length.parse::<u64>().ok());
    if announced.is_some_and(|length| length > state.max_upload.saturating_add(FRAME)) {
        return Err(refuse(BlobError::TooLarge(state.max_upload)));
    }
    let quota_left = PERSON_QUOTA.saturating_sub(used(&state.database, person).await?);
    if quota_left == 0 {
        return Err(Failure::new(
            StatusCode::FORBIDDEN,
            "quota",
            "You have stored 20 GiB here, the most a person may. Nothing of this upload was kept.",
        ));
    }
    let Ok(_turn) = state.uploads.try_acquire() else {
        return Err(Failure::unavailable(
            "busy",
            "The storage is busy with other uploads. Try again in a moment.",
        ));
    };
    let mut multipart =
        multipart.map_err(|error| Failure::bad_request("no_multipart", error.body_text()))?;
    let field = file_field(&mut multipart).await?;
    let name = neutral_name(&field);
    let stored = state
        .blobs
        .put(cid, state.max_upload, field)
        .await
        .map_err(refuse)?;
    remember(&state.database, person, &cid, stored.size).await?;
    tracing::info!(size = stored.size, "a file was stored");
    let reply =
        json!({ "Name": name, "Hash": cid.to_string(), "Size": stored.dag_size.to_string() });
    let encrypted = headers
        .get("encryption")
        .is_some_and(|value| value.as_bytes().eq_ignore_ascii_case(b"true"));
    Ok(Json(if encrypted { json!([reply]) } else { reply }).into_response())
}

/// For whom the upload is, and of what.
fn authorise(headers: &HeaderMap, chain_id: u64) -> Result<(Person, Cid), Failure> {
    let refused = |message: String| Failure::new(StatusCode::UNAUTHORIZED, "unauthorized", message);
    let bearer = headers
        .get(header::AUTHORIZATION)
        .and_then(|value| value.to_str().ok())
        .and_then(|value| value.strip_prefix("Bearer "))
        .map(str::trim)
        .filter(|token| !token.is_empty())
        .ok_or_else(|| {
            refused("An upload needs a device token in the Authorization header.".into())
        })?;
    if !bearer.starts_with("device:") {
        return Err(refused(
            "This storage takes device tokens only; API keys are not supported here.".into(),
        ));
    }
    let token = DeviceToken::from_bearer(bearer).map_err(|error| refused(sentence(&error)))?;
    let person = token
        .verify(chain_id, clock::now())
        .map_err(|error| refused(sentence(&error)))?;
    let Scope::Upload { cid } = &token.scope else {
        return Err(refused("This token is not for an upload.".into()));
    };
    let cid = parse_cid(cid)
        .map_err(|error| refused(format!("The token names no content id: {error}.")))?;
    Ok((person, cid))
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

async fn file_field(multipart: &mut Multipart) -> Result<Field<'_>, Failure> {
    // Every client puts it first; reading past others would mean reading without a limit.
    match multipart.next_field().await {
        Ok(Some(field)) if field.name() == Some("file") => Ok(field),
        Ok(_) => Err(Failure::bad_request(
            "no_file",
            "The form must begin with the field \"file\".",
        )),
        Err(error) => Err(Failure::bad_request("no_multipart", error.body_text())),
    }
}

/// The name to echo: what the client called the part, without folders. It is not stored.
fn neutral_name(field: &Field<'_>) -> String {
    let name = field.file_name().unwrap_or("file");
    let base = name.rsplit(['/', '\\']).next().unwrap_or_default();
    base.chars().filter(|c| !c.is_control()).take(255).collect()
}

async fn used(database: &Database, person: Person) -> Result<u64, Failure> {
    let sum: i64 =
        sqlx::query_scalar("SELECT coalesce(sum(size), 0) FROM uploads WHERE person = ?")
            .bind(&person.0[..])
            .fetch_one(&database.read)
            .await
            .map_err(Failure::internal)?;
    Ok(positive(sum))
}

async fn remember(
    database: &Database,
    person: Person,
    cid: &Cid,
    size: u64,
) -> Result<(), Failure> {
    sqlx::query(
        "INSERT INTO uploads (person, cid, size, at) VALUES (?, ?, ?, ?) ON CONFLICT DO NOTHING",
    )
    .bind(&person.0[..])
    .bind(cid.to_string())
    .bind(number(size))
    .bind(number(clock::now().0))
    .execute(&database.write)
    .await
    .map_err(Failure::internal)?;
    Ok(())
}

async fn cat(
    State(state): State<StorageState>,
    Path(cid): Path<String>,
) -> Result<Response, Failure> {
    read(&state, &cid, &HeaderMap::new()).await
}

async fn ipfs(
    State(state): State<StorageState>,
    Path(cid): Path<String>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    read(&state, &cid, &headers).await
}

async fn read(state: &StorageState, cid: &str, headers: &HeaderMap) -> Result<Response, Failure> {
    let cid = parse_cid(cid).map_err(|error| Failure::bad_request("bad_cid", sentence(&error)))?;
    let etag = format!("\"{cid}\"");
    let size = state.blobs.size(&cid).await.map_err(refuse)?;
    let text = |name| {
        headers
            .get(name)
            .and_then(|value: &HeaderValue| value.to_str().ok())
    };
    let mut response =
        if text(header::IF_NONE_MATCH).is_some_and(|known| known.contains(&etag) || known == "*") {
            StatusCode::NOT_MODIFIED.into_response()
        } else {
            match wanted(text(header::RANGE), size) {
                Wanted::Outside => {
                    let mut failure = Failure::new(
                        StatusCode::RANGE_NOT_SATISFIABLE,
                        "range",
                        format!("The file has {size} bytes; the range lies outside."),
                    )
                    .into_response();
                    set(
                        &mut failure,
                        header::CONTENT_RANGE,
                        &format!("bytes */{size}"),
                    );
                    return Ok(failure);
                }
                Wanted::Whole => {
                    let reading = state.blobs.get(&cid, None).await.map_err(refuse)?;
                    let mut response = Body::from_stream(reading.bytes).into_response();
                    set(&mut response, header::CONTENT_LENGTH, &size.to_string());
                    response
                }
                Wanted::Part(range) => {
                    let says = format!("bytes {}-{}/{size}", range.start, range.end - 1);
                    let length = range.end - range.start;
                    let reading = state.blobs.get(&cid, Some(range)).await.map_err(refuse)?;
                    let mut response = (
                        StatusCode::PARTIAL_CONTENT,
                        Body::from_stream(reading.bytes),
                    )
                        .into_response();
                    set(&mut response, header::CONTENT_RANGE, &says);
                    set(&mut response, header::CONTENT_LENGTH, &length.to_string());
                    response
                }
            }
        };
    set(
        &mut response,
        header::CONTENT_TYPE,
        "application/octet-stream",
    );
    set(
        &mut response,
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; sandbox",
    );
    set(&mut response, header::CONTENT_DISPOSITION, "attachment");
    set(
        &mut response,
        header::CACHE_CONTROL,
        "public, max-age=31536000, immutable",
    );
    set(&mut response, header::ACCEPT_RANGES, "bytes");
    set(&mut response, header::ETAG, &etag);
    Ok(response)
}

fn set(response: &mut Response, name: header::HeaderName, value: &str) {
    if let Ok(value) = HeaderValue::from_str(value) {
        response.headers_mut().insert(name, value);
    }
}

fn refuse(error: BlobError) -> Failure {
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
    }
}
