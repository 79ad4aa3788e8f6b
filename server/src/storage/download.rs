//! `/api/v0/cat/{cid}` and the gateway `/ipfs/{cid}`: files by content id, whole or in part.

use axum::body::Body;
use axum::extract::{Path, State};
use axum::response::{IntoResponse, Response};
use healthsync_lighthouse::cid::{Cid, parse_cid};
use http::{HeaderMap, HeaderValue, StatusCode, header};

use super::range::{Wanted, wanted};
use super::routes::{StorageState, refuse, sentence};
use crate::http::failure::Failure;

/// Types that a browser may be told, because it runs nothing in them; together with the sandbox policy below.
const SHOWN: [&str; 9] = [
    "application/json",
    "application/pdf",
    "application/dicom",
    "image/gif",
    "image/jpeg",
    "image/png",
    "image/webp",
    "text/plain",
    "video/mp4",
];
const NEUTRAL: &str = "application/octet-stream";

pub(super) async fn cat(
    State(state): State<StorageState>,
    Path(cid): Path<String>,
) -> Result<Response, Failure> {
    read(&state, &cid, &HeaderMap::new()).await
}

pub(super) async fn ipfs(
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
    set(&mut response, header::CONTENT_TYPE, kind(state, &cid).await);
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

/// The type that the uploader named, for files that were not uploaded as encrypted and where it is harmless.
async fn kind(state: &StorageState, cid: &Cid) -> &'static str {
    let uploaded = state.catalogue.of_file(cid).await.ok().flatten();
    let named = uploaded.filter(|upload| !upload.encrypted);
    let is_shown = |shown: &&&str| named.as_ref().is_some_and(|upload| upload.mime == **shown);
    SHOWN.iter().find(is_shown).copied().unwrap_or(NEUTRAL)
}
