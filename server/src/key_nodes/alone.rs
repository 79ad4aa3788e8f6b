//! `--role key-node`: this binary as one key node and nothing else, for an institution that keeps one of the five
//! shares. It has a data folder and a key of its own, asks a chain RPC of its own, and answers the key node calls,
//! `/healthz` and `/metrics`. TLS is the business of the reverse proxy in front of it.

use std::fmt::Write;
use std::path::Path;
use std::sync::Arc;

use axum::extract::State;
use axum::middleware::from_fn_with_state;
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use axum::{Json, Router};
use healthsync_lighthouse::conditions::ChainReader;
use healthsync_lighthouse::node::rest::RestKey;
use healthsync_lighthouse::node::{Authority, AuthorityConfig};
use http::{StatusCode, header};
use serde_json::json;

use super::store::{OpenError, SqliteShares};
use super::{KeyNode, open_node, routes};
use crate::chain::{Chain, ChainError, NamedChains};
use crate::http::failure::Failure;
use crate::http::metrics::Counters;
use crate::http::security::{self, Guard};
use crate::identity::{Identity, IdentityError};
use crate::services::private_folder;
use crate::settings::Settings;

/// Why a key node does not start: each of them the operator's to mend.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    #[error("HEALTHSYNC_NODE is not set; a key node needs its number among the five, 1 to 5")]
    NoNumber,
    #[error("HEALTHSYNC_DATA_DIR is {folder}, which cannot be used: {error}")]
    DataDir {
        folder: String,
        error: std::io::Error,
    },
    #[error(transparent)]
    Identity(#[from] IdentityError),
    #[error("the node's file {file} cannot be used: {error}")]
    Store { file: String, error: OpenError },
    #[error(
        "HEALTHSYNC_CHAIN_ID is {expected}, but the chain at HEALTHSYNC_CHAIN_RPC says {found}; set the one that is meant"
    )]
    WrongChain { expected: u64, found: u64 },
    #[error("no HTTP client: {0}")]
    Client(reqwest::Error),
}

/// One node, ready to answer.
#[derive(Clone, Debug)]
pub struct LoneNode {
    node: KeyNode,
    store: SqliteShares,
    authority: Arc<Authority>,
    guard: Arc<Guard>,
    counters: Arc<Counters>,
}

impl LoneNode {
    /// Opens the node's folder.
    ///
    /// # Errors
    /// See [`StartError`]. A chain that does not answer is no error: what it would have to decide is denied.
    pub async fn start(settings: &Settings) -> Result<Self, StartError> {
        // Fails only when a provider is installed already, which is then the same.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let number = settings.node.ok_or(StartError::NoNumber)?;
        let data = settings.data_dir.as_path();
        private_folder(data).map_err(|error| StartError::DataDir {
            folder: data.display().to_string(),
            error,
        })?;
        let identity = Identity::load(data)?;
        let key = Arc::new(share_key(settings)?);
        let client = crate::services::http_client().map_err(StartError::Client)?;
        let chain = Arc::new(Chain::new(
            client.clone(),
            settings.chain_rpc.clone(),
            settings.chain_id,
            None,
        ));
        match chain.check().await {
            Ok(_) => {}
            Err(ChainError::WrongChain { expected, found }) => {
                return Err(StartError::WrongChain { expected, found });
            }
            Err(error) => {
                tracing::warn!(%error, "the chain at HEALTHSYNC_CHAIN_RPC does not answer; conditions wait for it");
            }
        }
        let chains: Arc<dyn ChainReader> = Arc::new(NamedChains::new(chain, settings, &client));
        let authority = Arc::new(Authority::new(AuthorityConfig {
            jwt_key: identity.derive("key-node-jwt"),
            chain_id: settings.chain_id,
        }));
        let (node, store) = open_node(data, number, &key, &chains, &authority)
            .await
            .map_err(|error| StartError::Store {
                file: data
                    .join(format!("key-node-{number}.db"))
                    .display()
                    .to_string(),
                error,
            })?;
        let counters = Arc::new(Counters::default());
        let guard = Arc::new(Guard::new(
            Vec::new(),
            None,
            settings.behind_proxy,
            counters.clone(),
        ));
        Ok(Self {
            node,
            store,
            authority,
            guard,
            counters,
        })
    }

    /// Everything that the node answers.
    pub fn router(&self) -> Router {
        let calls = routes::routes(vec![self.node.clone()], self.authority.clone())
            .layer(crate::http::cors())
            .layer(from_fn_with_state(self.guard.clone(), security::rate_limit));
        Router::new()
            .route("/healthz", get(healthz))
            .route("/metrics", get(metrics))
            .with_state(self.clone())
            .merge(calls)
            .fallback(async || Failure::not_found())
            .layer(from_fn_with_state(self.guard.clone(), security::answer))
            .layer(from_fn_with_state(self.guard.clone(), security::headers))
    }

    /// Closes the node's file.
    pub async fn stop(&self) {
        self.store.close().await;
    }
}

/// The key that seals the stored shares, from its file or made there.
pub(crate) fn share_key(settings: &Settings) -> Result<RestKey, IdentityError> {
    let default = settings.data_dir.join("shares.key");
    let file: &Path = settings.share_key_file.as_deref().unwrap_or(&default);
    crate::identity::secret(file).map(RestKey::new)
}

async fn healthz(State(lone): State<LoneNode>) -> Response {
    let healthy = lone.store.alive().await;
    let body = json!({
        "status": if healthy { "ok" } else { "unhealthy" },
        "role": "key-node",
        "node": lone.node.number(),
        "version": env!("CARGO_PKG_VERSION"),
    });
    let status = if healthy {
        StatusCode::OK
    } else {
        StatusCode::SERVICE_UNAVAILABLE
    };
    (status, [(header::CACHE_CONTROL, "no-store")], Json(body)).into_response()
}

/// Prometheus text format, version 0.0.4.
async fn metrics(State(lone): State<LoneNode>) -> Response {
    let mut text = String::new();
    let name = "healthsync_key_shares";
    let _ = writeln!(
        text,
        "# HELP {name} Keys that have a share here.\n# TYPE {name} gauge\n{name}{{node=\"{}\"}} {}",
        lone.node.number(),
        lone.store.count().await.unwrap_or(0)
    );
    lone.counters.write(&mut text);
    (
        [(
            header::CONTENT_TYPE,
            "text/plain; version=0.0.4; charset=utf-8",
        )],
        text,
    )
        .into_response()
}
