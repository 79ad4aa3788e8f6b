//! Who calls the storage: a browser's device, with a token for one file, or a program with an API key; and how a
//! wallet gets such a key.

use std::sync::Arc;

use axum::Json;
use axum::body::Bytes;
use axum::extract::{Query, State};
use axum::response::{IntoResponse, Response};
use healthsync_core::{DeviceToken, Person, Scope};
use healthsync_lighthouse::cid::{Cid, parse_cid};
use healthsync_lighthouse::node::{Authority, AuthorityConfig};
use http::{HeaderMap, StatusCode, header};
use serde::Deserialize;

use super::routes::{StorageState, sentence};
use crate::clock;
use crate::http::failure::Failure;

/// Longest API key that is looked up.
const MAX_KEY: usize = 128;

/// Who uploads.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Uploader {
    /// A device, for the file that its token names.
    Device(Person, Cid),
    /// A program, any file.
    Program(Person),
}

impl Uploader {
    pub(super) fn person(&self) -> Person {
        match self {
            Self::Device(person, _) | Self::Program(person) => *person,
        }
    }
}

/// The texts that wallets sign for an API key.
pub(super) fn authority(chain_id: u64) -> Arc<Authority> {
    Arc::new(Authority::new(AuthorityConfig {
        // Storage gives no web tokens.
        jwt_key: rand::random(),
        chain_id,
    }))
}

fn unauthorized(message: impl Into<String>) -> Failure {
    Failure::new(StatusCode::UNAUTHORIZED, "unauthorized", message)
}

fn bearer(headers: &HeaderMap) -> Option<&str> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, token) = value.trim().split_once(' ')?;
    let token = token.trim();
    (scheme.eq_ignore_ascii_case("bearer") && !token.is_empty()).then_some(token)
}

/// For whom an upload is, and of what.
pub(super) async fn uploader(
    state: &StorageState,
    headers: &HeaderMap,
) -> Result<Uploader, Failure> {
    let bearer = bearer(headers).ok_or_else(|| {
        unauthorized("An upload needs a device token or an API key in the Authorization header.")
    })?;
    if !bearer.starts_with("device:") {
        return program(state, headers).await.map(Uploader::Program);
    }
    let refused = |error: &dyn std::fmt::Display| unauthorized(sentence(error));
    let token = DeviceToken::from_bearer(bearer).map_err(|error| refused(&error))?;
    let person = token
        .verify(state.chain_id, clock::now())
        .map_err(|error| refused(&error))?;
    let device = token.delegation.delegation.device;
    let revoked = state.mailbox.is_revoked(device, person).await;
    if revoked.map_err(Failure::internal)? {
        return Err(unauthorized(
            "Your wallet has revoked this browser, so nothing was stored. Sign in again.",
        ));
    }
    let Scope::Upload { cid } = &token.scope else {
        return Err(unauthorized("This token is not for an upload."));
    };
    let cid = parse_cid(cid)
        .map_err(|error| unauthorized(format!("The token names no content id: {error}.")))?;
    Ok(Uploader::Device(person, cid))
}

/// Whose API key came.
pub(super) async fn program(state: &StorageState, headers: &HeaderMap) -> Result<Person, Failure> {
    let key = bearer(headers)
        .filter(|key| key.len() <= MAX_KEY)
        .ok_or_else(|| unauthorized("This needs an API key in the Authorization header."))?;
    let owner = state.catalogue.key_owner(key).await;
    owner
        .map_err(Failure::internal)?
        .ok_or_else(|| unauthorized("This API key is not known here."))
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Address {
    public_key: Option<String>,
}

/// `GET /api/auth/get_message?publicKey=`: a text to sign, as JSON text.
pub(super) async fn message(
    State(state): State<StorageState>,
    Query(query): Query<Address>,
) -> Result<Response, Failure> {
    let address = query.public_key.unwrap_or_default();
    let answer = state
        .authority
        .message(&address, clock::now(), rand::random());
    match answer.body.pointer("/0/message") {
        Some(text) => Ok(Json(text).into_response()),
        None => Err(bad_address()),
    }
}

fn bad_address() -> Failure {
    Failure::bad_request(
        "bad_address",
        "publicKey must be an address: 0x and 40 hexadecimal digits.",
    )
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct NewKey {
    public_key: String,
    signed_message: String,
}

/// `POST /api/auth/create_api_key` `{publicKey, signedMessage}`: a new key, as JSON text. It is shown this once.
pub(super) async fn create_key(
    State(state): State<StorageState>,
    body: Bytes,
) -> Result<Response, Failure> {
    let asked: NewKey = serde_json::from_slice(&body).map_err(|_| {
        Failure::bad_request(
            "bad_body",
            "Send {\"publicKey\": \"0x…\", \"signedMessage\": \"0x…\"}.",
        )
    })?;
    let person: Person = asked.public_key.parse().map_err(|_| bad_address())?;
    let now = clock::now();
    if !state
        .authority
        .sign_in("api key", person, &asked.signed_message, now)
    {
        return Err(unauthorized(
            "The signature is not by this address under a message from here, or it was used before. Get a new \
             message and sign that.",
        ));
    }
    let key = hex::encode(rand::random::<[u8; 32]>());
    state
        .catalogue
        .keep_key(person, &key, now.0)
        .await
        .map_err(Failure::internal)?;
    Ok(([(header::CACHE_CONTROL, "no-store")], Json(key)).into_response())
}
