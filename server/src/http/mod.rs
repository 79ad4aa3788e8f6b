//! The server's HTTP side: which address answers what, and through which layers.

pub mod failure;
pub mod metrics;
mod pages;
pub mod rate;
pub mod rpc;
pub mod security;
pub mod site;
#[cfg(test)]
mod tests;

use axum::extract::{Request, State, WebSocketUpgrade};
use axum::middleware::from_fn_with_state;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Json, Router};
use healthsync_app::client::model::Bootstrap;
use http::{HeaderName, Method, header};
use tower_http::cors::{Any, CorsLayer};

use crate::http::failure::Failure;
use crate::services::Shared;
use crate::storage;

/// Everything that the server answers.
pub fn router(services: Shared) -> Router {
    let guard = services.guard.clone();
    let mut open = services.key_nodes.routes();
    if let Some(state) = &services.storage {
        open = open.merge(storage::routes(state.clone()));
    }
    let own_pages_only = Router::new()
        .route("/api/rpc", post(rpc::rpc))
        .route("/api/demo/fund", post(rpc::fund))
        .with_state(services.clone())
        .merge(services.key_nodes.passing_routes())
        .merge(pages::pages(&services))
        .layer(from_fn_with_state(guard.clone(), security::same_origin));
    let plain = Router::new()
        .route("/p2p", get(p2p))
        .route("/api/bootstrap", get(bootstrap))
        .layer(from_fn_with_state(guard.clone(), security::rate_limit))
        .route("/healthz", get(metrics::healthz))
        .route("/metrics", get(metrics::metrics))
        .with_state(services);
    Router::new()
        .merge(open.layer(cors()))
        .merge(own_pages_only)
        .layer(from_fn_with_state(guard.clone(), security::rate_limit))
        .merge(plain)
        .layer(from_fn_with_state(guard.clone(), security::answer))
        .layer(from_fn_with_state(guard, security::headers))
}

/// Key nodes and storage are for pages of any origin, as Lighthouse's are: tokens decide, no cookie exists. A `*`
/// for headers would not cover `Authorization`.
pub(crate) fn cors() -> CorsLayer {
    CorsLayer::new()
        .allow_origin(Any)
        .allow_methods([Method::GET, Method::POST, Method::PUT, Method::DELETE])
        .allow_headers([
            header::AUTHORIZATION,
            header::CONTENT_TYPE,
            header::RANGE,
            HeaderName::from_static("encryption"),
            HeaderName::from_static("mime-type"),
            HeaderName::from_static("x-storage-type"),
        ])
        .expose_headers([header::CONTENT_LENGTH, header::CONTENT_RANGE, header::ETAG])
        .max_age(std::time::Duration::from_secs(3600))
}

async fn p2p(
    State(services): State<Shared>,
    upgrade: WebSocketUpgrade,
    request: Request,
) -> Result<Response, Failure> {
    let from = services.guard.caller(&request);
    let upgraded = services.relay.upgrade(upgrade, from);
    upgraded.map_err(|_| Failure::rate_limited())
}

async fn bootstrap(State(services): State<Shared>) -> Json<Bootstrap> {
    Json(services.bootstrap.clone())
}
