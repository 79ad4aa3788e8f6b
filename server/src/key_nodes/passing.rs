//! Calls of the page to key nodes of Lighthouse's kind, passed on where the operator has chosen that: exactly those that the
//! page makes, to exactly that host. Nothing is kept or logged; but a token that passes here would open every key of its
//! person, so this is off by default, and the page says when it is on.

use axum::Router;
use axum::body::Bytes;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use futures::StreamExt;
use healthsync_core::Person;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use reqwest::Url;

use super::lighthouse::BODY;
use crate::http::failure::Failure;

/// Where the page finds them.
pub(super) const AT: &str = "/lighthouse";

#[derive(Clone)]
struct Host {
    url: Url,
    client: reqwest::Client,
}

/// The calls that are passed on to the nodes at `url`.
pub(super) fn routes(url: Url, client: reqwest::Client) -> Router {
    let calls = Router::new()
        .route("/api/message/{address}", get(message))
        .route("/api/message/get-jwt", post(sign_in).put(sign_in))
        .route("/api/setSharedKey/{n}", post(at_node))
        .route("/api/fileAccessConditions/{n}", put(at_node))
        .route("/api/retrieveSharedKey/{n}", post(at_node))
        .layer(DefaultBodyLimit::max(BODY))
        .with_state(Host { url, client });
    Router::new().nest(AT, calls)
}

async fn message(State(host): State<Host>, Path(address): Path<String>) -> Response {
    let Ok(person) = address.parse::<Person>() else {
        return Failure::bad_request("invalid_address", "That is no address.").into_response();
    };
    let path = format!("message/{}", person.checksummed());
    host.pass(Method::GET, &path, None, Bytes::new()).await
}

async fn sign_in(State(host): State<Host>, method: Method, body: Bytes) -> Response {
    host.pass(method, "message/get-jwt", None, body).await
}

async fn at_node(
    State(host): State<Host>,
    method: Method,
    uri: http::Uri,
    Path(node): Path<u8>,
    headers: HeaderMap,
    body: Bytes,
) -> Response {
    let call = uri.path().rsplit('/').nth(1).unwrap_or_default();
    if !(1..=5).contains(&node) {
        return Failure::bad_request("no_such_node", "There is no such key node.").into_response();
    }
    let bearer = headers.get(header::AUTHORIZATION);
    host.pass(method, &format!("{call}/{node}"), bearer, body)
        .await
}

impl Host {
    async fn pass(
        &self,
        method: Method,
        path: &str,
        bearer: Option<&HeaderValue>,
        body: Bytes,
    ) -> Response {
        let base = self.url.as_str().trim_end_matches('/');
        let mut request = self
            .client
            .request(method, format!("{base}/api/{path}"))
            .header(header::CONTENT_TYPE, "application/json")
            .body(body);
        if let Some(bearer) = bearer {
            request = request.header(header::AUTHORIZATION, bearer);
        }
        let away = || {
            Failure::unavailable("key_nodes", "The key nodes cannot be reached from here.")
                .into_response()
        };
        let Ok(answer) = request.send().await else {
            return away();
        };
        let status = answer.status();
        let mut whole = Vec::new();
        let mut pieces = answer.bytes_stream();
        while let Some(piece) = pieces.next().await {
            match piece {
                Ok(piece) if whole.len() + piece.len() <= BODY => whole.extend_from_slice(&piece),
                Ok(_) | Err(_) => return away(),
            }
        }
        let told = [
            (header::CONTENT_TYPE, "application/json"),
            (header::CACHE_CONTROL, "no-store"),
        ];
        let status = StatusCode::from_u16(status.as_u16()).unwrap_or(StatusCode::BAD_GATEWAY);
        (status, told, whole).into_response()
    }
}
