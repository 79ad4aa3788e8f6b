//! The nodes' calls over HTTP, a thin shell: what is decided is decided in `healthsync_lighthouse::node`. Answers
//! keep Lighthouse's shapes, so errors here are `{"message": …}` and never a 404.

use std::sync::Arc;

use axum::Json;
use axum::Router;
use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{DefaultBodyLimit, Path, State};
use axum::response::{IntoResponse, Response};
use axum::routing::{self, MethodFilter, MethodRouter, get, post};
use healthsync_lighthouse::node::{Answer, Authority, KeyCall, KeyNode, MAX_BODY, Request};
use http::{HeaderMap, StatusCode, header};

use crate::clock;

#[derive(Clone)]
struct Nodes {
    nodes: Arc<[KeyNode]>,
    authority: Arc<Authority>,
}

/// The route of one call.
fn on(method: MethodFilter, call: KeyCall) -> MethodRouter<Nodes> {
    routing::on(
        method,
        move |State(nodes): State<Nodes>, Path(n): Path<String>, headers: HeaderMap, body: Body| async move {
            nodes.call(call, &n, &headers, body).await
        },
    )
}

/// The API of the nodes that are here.
pub(super) fn routes(nodes: Vec<KeyNode>, authority: Arc<Authority>) -> Router {
    Router::new()
        .route("/api/message/{address}", get(message))
        .route("/api/message/get-jwt", post(get_jwt).put(refresh_jwt))
        .route(
            "/api/setSharedKey/{n}",
            on(MethodFilter::POST, KeyCall::Save)
                .merge(on(MethodFilter::PUT, KeyCall::Share))
                .merge(on(MethodFilter::DELETE, KeyCall::Revoke)),
        )
        .route(
            "/api/retrieveSharedKey/{n}",
            on(MethodFilter::POST, KeyCall::Retrieve),
        )
        .route(
            "/api/fileAccessConditions/{n}",
            on(MethodFilter::PUT, KeyCall::SetConditions)
                .merge(on(MethodFilter::POST, KeyCall::SaveWithConditions)),
        )
        .route("/api/fileAccessConditions/get/{cid}", get(read_conditions))
        .route(
            "/api/transferOwnership/{n}",
            on(MethodFilter::POST, KeyCall::Transfer),
        )
        .route(
            "/api/setAllFilesAccess/{n}",
            on(MethodFilter::POST, KeyCall::DelegateAll),
        )
        .route(
            "/api/retireSharedKey/{n}",
            on(MethodFilter::POST, KeyCall::Retire),
        )
        .route("/api/endDevice/{n}", post(end_device))
        .route("/api/keyLog/{n}", on(MethodFilter::POST, KeyCall::ReadLog))
        .layer(DefaultBodyLimit::max(MAX_BODY))
        .with_state(Nodes {
            nodes: nodes.into(),
            authority,
        })
}

/// Said of a body that did not arrive whole.
const BROKEN: &str = "The body is too long or broke off";

type Body = Result<Bytes, BytesRejection>;

impl Nodes {
    async fn call(&self, call: KeyCall, n: &str, headers: &HeaderMap, body: Body) -> Response {
        let node = match self.node(n) {
            Ok(node) => node,
            Err(refusal) => return send(refusal),
        };
        let Ok(body) = body else {
            return send(Answer::bad_request(BROKEN));
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

    fn node(&self, n: &str) -> Result<&KeyNode, Answer> {
        let number = n.parse::<u8>().ok();
        let found = self.nodes.iter().find(|node| Some(node.number()) == number);
        found.ok_or_else(|| Answer::refused("no_such_node", &self.who_is_here()))
    }

    fn who_is_here(&self) -> String {
        let numbers: Vec<String> = self
            .nodes
            .iter()
            .map(|node| node.number().to_string())
            .collect();
        format!(
            "There is no such node here; there is {}",
            numbers.join(", ")
        )
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
        Err(_) => Answer::bad_request(BROKEN),
    })
}

async fn refresh_jwt(State(nodes): State<Nodes>, body: Body) -> Response {
    send(match body {
        Ok(body) => nodes
            .authority
            .refresh_jwt(&body, clock::now(), rand::random()),
        Err(_) => Answer::bad_request(BROKEN),
    })
}

async fn end_device(State(nodes): State<Nodes>, Path(n): Path<String>, body: Body) -> Response {
    send(match (nodes.node(&n), body) {
        (Ok(node), Ok(body)) => node.end_device(&body, clock::now()).await,
        (Err(refusal), _) => refusal,
        (Ok(_), Err(_)) => Answer::bad_request(BROKEN),
    })
}

/// Any node knows them; the first one answers, as at Lighthouse.
async fn read_conditions(State(nodes): State<Nodes>, Path(cid): Path<String>) -> Response {
    send(match nodes.nodes.first() {
        Some(node) => node.conditions(&cid).await,
        None => Answer::refused("no_such_node", "There is no key node here"),
    })
}
