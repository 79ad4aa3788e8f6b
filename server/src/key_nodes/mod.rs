//! The key nodes: each of the five inside this process, with a store of its own, or at an address elsewhere; the side
//! that asks all of them at once for a browser; and the role in which this binary is one node and nothing else.

mod alone;
mod ask;
pub(crate) mod lighthouse;
mod passing;
mod routes;
mod store;
#[cfg(test)]
pub(crate) mod tests;
mod warning;

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use axum::Router;
use futures::future::join_all;
use healthsync_app::client::model::KeyNodeInfo;
use healthsync_lighthouse::cid::Cid;
use healthsync_lighthouse::conditions::ChainReader;
use healthsync_lighthouse::node::rest::RestKey;
use healthsync_lighthouse::node::{Authority, AuthorityConfig, KeyNode};
use reqwest::Url;

use crate::settings::{self, Settings};
use crate::storage::KeyHolders;
use store::SqliteShares;

pub(crate) use alone::share_key;
pub use alone::{LoneNode, StartError};
pub use lighthouse::Unsuitable;
pub use store::OpenError;

/// All five nodes, wherever they are.
#[derive(Clone, Debug)]
pub struct KeyNodes {
    places: Vec<Place>,
    /// What the page's calls to nodes of Lighthouse's kind begin with.
    hosted: Option<String>,
    authority: Arc<Authority>,
    client: reqwest::Client,
}

#[derive(Clone, Debug)]
enum Place {
    Here { node: KeyNode, store: SqliteShares },
    Elsewhere(Url),
}

/// What nodes inside this process work with.
pub struct Embedded {
    /// The chains that conditions may ask.
    pub chain: Arc<dyn ChainReader>,
    pub authority: AuthorityConfig,
    /// Seals the stored shares.
    pub key: RestKey,
}

impl std::fmt::Debug for Embedded {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Embedded")
            .field("authority", &self.authority)
            .finish_non_exhaustive()
    }
}

impl KeyNodes {
    /// Opens the nodes that are here in the data folder, and notes where the others are.
    ///
    /// # Errors
    /// When a node's file cannot be opened; its number comes with the error.
    pub async fn open(
        folder: &Path,
        settings: &Settings,
        embedded: Embedded,
        client: reqwest::Client,
    ) -> Result<Self, (u8, OpenError)> {
        let authority = Arc::new(Authority::new(embedded.authority));
        let key = Arc::new(embedded.key);
        let (places, hosted) = match &settings.key_nodes {
            settings::KeyNodes::Ours(places) => (places.to_vec(), None),
            settings::KeyNodes::Lighthouse(url) => {
                let base = if settings.key_nodes_through_server {
                    passing::AT
                } else {
                    url.as_str().trim_end_matches('/')
                };
                (vec![Some(url.clone()); 5], Some(base.to_owned()))
            }
        };
        let mut opened = Vec::with_capacity(places.len());
        for (number, place) in (1_u8..).zip(&places) {
            opened.push(match place {
                Some(url) => Place::Elsewhere(url.clone()),
                None => {
                    let (node, store) =
                        open_node(folder, number, &key, &embedded.chain, &authority)
                            .await
                            .map_err(|error| (number, error))?;
                    Place::Here { node, store }
                }
            });
        }
        Ok(Self {
            places: opened,
            hosted,
            authority,
            client,
        })
    }

    /// The nodes as the page is told.
    pub fn infos(&self) -> Vec<KeyNodeInfo> {
        let infos = (1_u8..).zip(&self.places).map(|(id, place)| KeyNodeInfo {
            id,
            name: self.name(id),
            url: match place {
                Place::Here { .. } => String::new(),
                Place::Elsewhere(url) => url.as_str().trim_end_matches('/').to_owned(),
            },
            embedded: matches!(place, Place::Here { .. }),
        });
        infos.collect()
    }

    /// What the page's calls to nodes of Lighthouse's kind begin with; `None`: they are ours.
    pub fn hosted(&self) -> Option<&str> {
        self.hosted.as_deref()
    }

    /// What the page says where one operator has enough nodes; else empty.
    pub fn warning(&self) -> String {
        warning::warning(&self.infos(), self.hosted())
    }

    /// How people call a node: by its host, where it has one of its own.
    fn name(&self, node: u8) -> String {
        let url = match self.places.get(usize::from(node).wrapping_sub(1)) {
            Some(Place::Elsewhere(url)) => url,
            _ => return format!("Node {node}"),
        };
        let alone = |other: &&Place| matches!(other, Place::Elsewhere(other) if other == url);
        match (url.host_str(), url.port()) {
            (Some(host), Some(port)) if self.places.iter().filter(alone).count() == 1 => {
                format!("{host}:{port}")
            }
            (Some(host), None) if self.places.iter().filter(alone).count() == 1 => host.to_owned(),
            (Some(host), _) => format!("Node {node} at {host}"),
            (None, _) => format!("Node {node}"),
        }
    }

    fn stores(&self) -> impl Iterator<Item = &SqliteShares> {
        self.places.iter().filter_map(|place| match place {
            Place::Here { store, .. } => Some(store),
            Place::Elsewhere(_) => None,
        })
    }

    /// Whether the nodes that are ours answer.
    pub async fn alive(&self) -> bool {
        for store in self.stores() {
            if !store.alive().await {
                return false;
            }
        }
        true
    }

    /// Whether the node elsewhere has a share; `None` when it does not say.
    async fn holds_elsewhere(&self, base: &Url, cid: &Cid) -> Option<bool> {
        let base = base.as_str().trim_end_matches('/');
        let url = format!("{base}/api/fileAccessConditions/get/{cid}");
        let answer = self.client.get(url).send().await.ok()?;
        let status = answer.status();
        let body: serde_json::Value = answer.json().await.ok()?;
        if status.is_success() {
            return Some(true);
        }
        // Only our own nodes say it in a way that is worth deleting for.
        (body["code"] == "unknown_cid").then_some(false)
    }

    /// The HTTP API of the nodes that are here.
    pub fn routes(&self) -> Router {
        let here = self.places.iter().filter_map(|place| match place {
            Place::Here { node, .. } => Some(node.clone()),
            Place::Elsewhere(_) => None,
        });
        routes::routes(here.collect(), self.authority.clone())
    }

    /// The page's calls that are passed on to nodes of Lighthouse's kind, if the operator wants that.
    pub fn passing_routes(&self) -> Router {
        match self.places.first() {
            Some(Place::Elsewhere(url)) if self.hosted() == Some(passing::AT) => {
                passing::routes(url.clone(), self.client.clone())
            }
            _ => Router::new(),
        }
    }

    /// Closes the nodes' files.
    pub async fn close(&self) {
        for store in self.stores() {
            store.close().await;
        }
    }
}

#[async_trait]
impl KeyHolders for KeyNodes {
    async fn hold(&self, cid: &Cid) -> Option<bool> {
        let text = cid.to_string();
        let asked = self.places.iter().map(|place| async {
            match place {
                Place::Here { store, .. } => store.holds(&text).await.ok(),
                Place::Elsewhere(base) => self.holds_elsewhere(base, cid).await,
            }
        });
        let answers = join_all(asked).await;
        if answers.contains(&Some(true)) {
            return Some(true);
        }
        answers
            .iter()
            .all(|answer| *answer == Some(false))
            .then_some(false)
    }
}

async fn open_node(
    folder: &Path,
    number: u8,
    key: &Arc<RestKey>,
    chain: &Arc<dyn ChainReader>,
    authority: &Arc<Authority>,
) -> Result<(KeyNode, SqliteShares), OpenError> {
    let file = folder.join(format!("key-node-{number}.db"));
    let store = SqliteShares::open(&file, number, key.clone()).await?;
    let node = KeyNode::new(
        number,
        Arc::new(store.clone()),
        chain.clone(),
        authority.clone(),
    );
    Ok((node, store))
}
