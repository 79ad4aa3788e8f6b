//! The nodes' calls over HTTP, a thin shell: what is decided is decided in `healthsync_lighthouse::node`. Answers
//! keep Lighthouse's shapes, so errors here are `{"message": …}` and never a 404.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use healthsync_lighthouse::node::{Answer, Authority, KeyCall, KeyNode, MAX_BODY, Request};
use http::{HeaderMap, StatusCode, header};

use crate::clock;

#[derive(Clone)]
struct Nodes {
    nodes: Arc<[KeyNode]>,
    authority: Arc<Authority>,
}

pub(super) fn routes(nodes: Vec<KeyNode>, authority: Arc<Authority>) -> Router {
    let set_shared_key = post(
        async |State(nodes): State<Nodes>,
               Path(n): Path<String>,
               headers: HeaderMap,
               body: Body| { nodes.call(KeyCall::Save, &n, &headers, body).await },
    )
    .put(
        async |State(nodes): State<Nodes>,
               Path(n): Path<String>,
               headers: HeaderMap,
               body: Body| { nodes.call(KeyCall::Share, &n, &headers, body).await },
    )
    .delete(
        async |State(nodes): State<Nodes>,
               Path(n): Path<String>,
               headers: HeaderMap,
               body: Body| { nodes.call(KeyCall::Revoke, &n, &headers, body).await },
    );
    let retrieve = post(
        async |State(nodes): State<Nodes>,
               Path(n): Path<String>,
               headers: HeaderMap,
               body: Body| { nodes.call(KeyCall::Retrieve, &n, &headers, body).await },
    );
    let conditions = put(
        async |State(nodes): State<Nodes>,
               Path(n): Path<String>,
               headers: HeaderMap,
               body: Body| { nodes.call(KeyCall::SetConditions, &n, &headers, body).await },
    )
    .post(
        async |State(nodes): State<Nodes>,
               Path(n): Path<String>,
               headers: HeaderMap,
               body: Body| {
            nodes
                .call(KeyCall::SaveWithConditions, &n, &headers, body)
                .await
        },
    );
    let transfer = post(
        async |State(nodes): State<Nodes>,
               Path(n): Path<String>,
               headers: HeaderMap,
               body: Body| { nodes.call(KeyCall::Transfer, &n, &headers, body).await },
    );
    Router::new()
        .route("/api/message/{address}", get(message))
        .route("/api/message/get-jwt", post(get_jwt).put(refresh_jwt))
        .route("/api/setSharedKey/{n}", set_shared_key)
        .route("/api/retrieveSharedKey/{n}", retrieve)
        .route("/api/fileAccessConditions/{n}", conditions)
        .route("/api/fileAccessConditions/get/{cid}", get(read_conditions))
        .route("/api/transferOwnership/{n}", transfer)
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(Nodes {
            nodes: nodes.into(),
            authority,
        })
}

type Body = Result<Bytes, BytesRejection>;

impl Nodes {
    async fn call(&self, call: KeyCall, n: &str, headers: &HeaderMap, body: Body) -> Response {
        let node = n
            .parse::<usize>()
            .ok()
            .and_then(|n| self.nodes.get(n.checked_sub(1)?));
        let (Some(node), Ok(body)) = (node, body) else {
            return send(Answer::bad_request(if node.is_none() {
                "There is no such node; nodes are 1 to 5"
            } else {
                "The body is too long or broke off"
            }));
        };
        let request = Request {
            authorization: headers
                .get(header::AUTHORIZATION)
                .and_then(|value| value.to_str().ok()),
            body: &body,
            now: clock::now(),
            random: rand::random(),
        };
        send(node.handle(call, request).await)
    }
}

fn send(answer: Answer) -> Response {
    let status = StatusCode::from_u16(answer.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
    (
        status,
        [(header::CACHE_CONTROL, "no-store")],
        Json(answer.body),
    )
        .into_response()
}

async fn message(State(nodes): State<Nodes>, Path(address): Path<String>) -> Response {
    send(
        nodes
            .authority
            .message(&address, clock::now(), rand::random()),
    )
}

async fn get_jwt(State(nodes): State<Nodes>, body: Body) -> Response {
    send(match body {
        Ok(body) => nodes.authority.get_jwt(&body, clock::now(), rand::random()),
        Err(_) => Answer::bad_request("The body is too long or broke off"),
    })
}

async fn refresh_jwt(State(nodes): State<Nodes>, body: Body) -> Response {
    send(match body {
        Ok(body) => nodes
            .authority
            .refresh_jwt(&body, clock::now(), rand::random()),
        Err(_) => Answer::bad_request("The body is too long or broke off"),
    })
}

/// Any node knows them; the first one answers, as at Lighthouse.
async fn read_conditions(State(nodes): State<Nodes>, Path(cid): Path<String>) -> Response {
    send(match nodes.nodes.first() {
        Some(node) => node.conditions(&cid).await,
        None => Answer::failure(),
    })
}
