//! The key nodes: five of them inside this process, each with a store of its own, or five addresses elsewhere; and
//! the side that asks all of them at once for a browser.

mod ask;
mod routes;
mod store;
#[cfg(test)]
pub(crate) mod tests;

use std::path::Path;
use std::sync::Arc;

use axum::Router;
use healthsync_app::client::model::KeyNodeInfo;
use healthsync_lighthouse::conditions::ChainReader;
use healthsync_lighthouse::node::{Authority, AuthorityConfig, KeyNode};
use reqwest::Url;

use store::SqliteShares;

/// All five nodes, wherever they are.
#[derive(Clone, Debug)]
pub struct KeyNodes {
    places: Places,
}

#[derive(Clone, Debug)]
enum Places {
    Here {
        nodes: Vec<KeyNode>,
        stores: Vec<SqliteShares>,
        authority: Arc<Authority>,
    },
    Elsewhere {
        urls: Box<[Url; 5]>,
        client: reqwest::Client,
    },
}

impl KeyNodes {
    /// Opens the five embedded nodes in the data folder.
    ///
    /// # Errors
    /// When a node's file cannot be opened.
    pub async fn embedded(
        folder: &Path,
        chain: Arc<dyn ChainReader>,
        config: AuthorityConfig,
    ) -> Result<Self, sqlx::Error> {
        let authority = Arc::new(Authority::new(config));
        let (mut nodes, mut stores) = (Vec::new(), Vec::new());
        for number in 1..=5 {
            let store = SqliteShares::open(&folder.join(format!("key-node-{number}.db"))).await?;
            nodes.push(KeyNode::new(
                number,
                Arc::new(store.clone()),
                chain.clone(),
                authority.clone(),
            ));
            stores.push(store);
        }
        Ok(Self {
            places: Places::Here {
                nodes,
                stores,
                authority,
            },
        })
    }

    /// Five nodes elsewhere; node N is asked at `…/N`.
    pub fn elsewhere(urls: Box<[Url; 5]>, client: reqwest::Client) -> Self {
        Self {
            places: Places::Elsewhere { urls, client },
        }
    }

    /// The nodes as the page is told.
    pub fn infos(&self) -> Vec<KeyNodeInfo> {
        (1..=5_u8)
            .map(|id| {
                let (url, embedded) = match &self.places {
                    Places::Here { .. } => (String::new(), true),
                    Places::Elsewhere { urls, .. } => (
                        urls[usize::from(id) - 1]
                            .as_str()
                            .trim_end_matches('/')
                            .to_owned(),
                        false,
                    ),
                };
                KeyNodeInfo {
                    id,
                    name: format!("Node {id}"),
                    url,
                    embedded,
                }
            })
            .collect()
    }

    /// Whether the nodes that are ours answer.
    pub async fn alive(&self) -> bool {
        match &self.places {
            Places::Here { stores, .. } => {
                for store in stores {
                    if !store.alive().await {
                        return false;
                    }
                }
                true
            }
            Places::Elsewhere { .. } => true,
        }
    }

    /// The nodes' HTTP API; none when they are elsewhere.
    pub fn routes(&self) -> Router {
        match &self.places {
            Places::Here {
                nodes, authority, ..
            } => routes::routes(nodes.clone(), authority.clone()),
            Places::Elsewhere { .. } => Router::new(),
        }
    }

    /// Closes the nodes' files.
    pub async fn close(&self) {
        if let Places::Here { stores, .. } = &self.places {
            for store in stores {
                store.close().await;
            }
        }
    }
}
