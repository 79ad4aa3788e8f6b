//! What Lighthouse's API tells of uploads: lists, one file's facts, what is used of the quota, and deleting.

use std::time::Duration;

use axum::Json;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use healthsync_lighthouse::cid::parse_cid;
use http::{HeaderMap, StatusCode};
use serde::Deserialize;
use serde_json::{Value, json};

use super::accounts::program;
use super::catalogue::{Forgotten, Upload};
use super::routes::{StorageState, refuse, sentence};
use crate::http::failure::Failure;

/// How long a removal waits for uploads that are being stored, and keeps out new ones meanwhile.
const TURN: Duration = Duration::from_secs(2);

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct After {
    last_key: Option<String>,
}

/// `GET /api/user/files_uploaded?lastKey=<id or null>`: the caller's uploads, newest first, in pages.
pub(super) async fn uploads(
    State(state): State<StorageState>,
    Query(query): Query<After>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let person = program(&state, &headers).await?;
    let after = query
        .last_key
        .filter(|key| !key.is_empty() && key != "null");
    let page = state.catalogue.list(person, after.as_deref()).await;
    let page = page.map_err(Failure::internal)?;
    let total = state.catalogue.count(person).await;
    let list: Vec<Value> = page.iter().map(listed).collect();
    Ok(Json(json!({
        "fileList": list,
        "totalFiles": total.map_err(Failure::internal)?,
    }))
    .into_response())
}

fn listed(upload: &Upload) -> Value {
    json!({
        "publicKey": upload.person,
        "fileName": upload.name,
        "mimeType": upload.mime,
        // Files are kept here and in no deal on a chain.
        "txHash": "",
        "status": "stored",
        "createdAt": upload.at,
        "lastUpdate": upload.at,
        "fileSizeInBytes": upload.size.to_string(),
        "cid": upload.cid.to_string(),
        "id": upload.id,
        "encryption": upload.encrypted,
    })
}

#[derive(Deserialize)]
pub(super) struct OfFile {
    cid: Option<String>,
}

/// `GET /api/lighthouse/file_info?cid=`, for anybody who knows the content id, as at Lighthouse.
pub(super) async fn file_info(
    State(state): State<StorageState>,
    Query(query): Query<OfFile>,
) -> Result<Response, Failure> {
    let asked = query.cid.unwrap_or_default();
    let cid =
        parse_cid(&asked).map_err(|error| Failure::bad_request("bad_cid", sentence(&error)))?;
    let upload = state.catalogue.of_file(&cid).await;
    let upload = upload.map_err(Failure::internal)?.ok_or_else(|| {
        Failure::new(
            StatusCode::NOT_FOUND,
            "not_found",
            "No file with this content id is stored here.",
        )
    })?;
    Ok(Json(json!({
        "fileSizeInBytes": upload.size.to_string(),
        "cid": asked,
        "encryption": upload.encrypted,
        "fileName": upload.name,
        "mimeType": upload.mime,
        "txHash": "",
    }))
    .into_response())
}

/// `GET /api/lighthouse/deal_status?cid=`: none, because files are kept here.
pub(super) async fn deals(Query(query): Query<OfFile>) -> Result<Response, Failure> {
    parse_cid(&query.cid.unwrap_or_default())
        .map_err(|error| Failure::bad_request("bad_cid", sentence(&error)))?;
    Ok(Json(json!([])).into_response())
}

/// `GET /api/user/user_data_usage`.
pub(super) async fn usage(
    State(state): State<StorageState>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let person = program(&state, &headers).await?;
    let used = state.catalogue.used(person).await;
    Ok(Json(json!({
        "dataLimit": state.limits.person,
        "dataUsed": used.map_err(Failure::internal)?,
    }))
    .into_response())
}

#[derive(Deserialize)]
pub(super) struct ById {
    id: Option<String>,
}

/// `DELETE /api/user/delete_file?id=`: forgets the caller's upload; the bytes go when nobody else has uploaded them.
pub(super) async fn remove(
    State(state): State<StorageState>,
    Query(query): Query<ById>,
    headers: HeaderMap,
) -> Result<Response, Failure> {
    let person = program(&state, &headers).await?;
    let Ok(_alone) = tokio::time::timeout(TURN, state.removal.write()).await else {
        return Err(Failure::unavailable(
            "busy",
            "The storage is busy with uploads. Nothing was removed; try again in a moment.",
        ));
    };
    let forgotten = state
        .catalogue
        .forget(person, &query.id.unwrap_or_default())
        .await
        .map_err(Failure::internal)?;
    match forgotten {
        Forgotten::NotThere => {
            return Err(Failure::new(
                StatusCode::NOT_FOUND,
                "not_found",
                "You have no upload with this id.",
            ));
        }
        Forgotten::StillNeeded => {}
        Forgotten::Last(cid) => state.blobs.remove(&cid).await.map_err(refuse)?,
    }
    Ok(Json(json!({ "message": "File deleted successfully." })).into_response())
}
