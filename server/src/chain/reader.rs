//! Conditions of key nodes ask chains by name: the chain of this server, and others that the settings name.
//!
//! A chain is asked only after its RPC has said the right chain id, again and again: an RPC that was pointed elsewhere
//! decides nothing.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use alloy_primitives::{Address, U256};
use async_trait::async_trait;
use healthsync_lighthouse::conditions::{self, ChainReader};

use super::{Chain, ChainError};
use crate::settings::Settings;

/// How long a chain id that was right counts as right.
const CONFIRMED_FOR: Duration = Duration::from_secs(30);

/// The configured chains under the names that conditions may use for them.
#[derive(Clone, Debug)]
pub struct NamedChains {
    chains: Vec<Arc<Named>>,
}

#[derive(Debug)]
struct Named {
    names: Vec<String>,
    chain: Arc<Chain>,
    confirmed: Mutex<Option<Instant>>,
}

impl NamedChains {
    /// The server's own chain under its configured name and Lighthouse's own names for it, and the settings' others.
    pub fn new(own: Arc<Chain>, settings: &Settings, client: &reqwest::Client) -> Self {
        let others = settings.condition_chains.iter().map(|other| {
            let chain = Chain::new(client.clone(), other.rpc.clone(), other.id, None);
            named(Arc::new(chain), &other.name)
        });
        let own = named(own, &settings.chain_name());
        Self {
            chains: std::iter::once(own).chain(others).collect(),
        }
    }

    /// The chain of this name, if its RPC speaks for it.
    async fn ask(&self, name: &str) -> Result<&Chain, conditions::ChainError> {
        let is_called = |named: &&Arc<Named>| {
            named
                .names
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name))
        };
        let named = self.chains.iter().find(is_called);
        let named = named.ok_or(conditions::ChainError::UnknownChain)?;
        let lock = || {
            named
                .confirmed
                .lock()
                .unwrap_or_else(PoisonError::into_inner)
        };
        let fresh = lock().is_some_and(|at| at.elapsed() < CONFIRMED_FOR);
        if !fresh {
            named.chain.check().await?;
            *lock() = Some(Instant::now());
        }
        Ok(&named.chain)
    }
}

fn named(chain: Arc<Chain>, name: &str) -> Arc<Named> {
    let mut names = vec![name.to_owned()];
    let known: &[&str] = match chain.chain_id() {
        314 => &["Filecoin"],
        314_159 => &["Calibration", "Filecoin_Testnet"],
        _ => &[],
    };
    names.extend(known.iter().map(|name| (*name).to_owned()));
    Arc::new(Named {
        names,
        chain,
        confirmed: Mutex::default(),
    })
}

impl From<ChainError> for conditions::ChainError {
    fn from(error: ChainError) -> Self {
        match error {
            ChainError::Rpc(what) if what.contains("revert") => Self::Reverted,
            other => Self::Unavailable(other.to_string()),
        }
    }
}

#[async_trait]
impl ChainReader for NamedChains {
    async fn call(
        &self,
        chain: &str,
        to: Address,
        data: Vec<u8>,
    ) -> Result<Vec<u8>, conditions::ChainError> {
        let chain = self.ask(chain).await?;
        Ok(chain.call(to, data.into()).await?.to_vec())
    }

    async fn balance(&self, chain: &str, of: Address) -> Result<U256, conditions::ChainError> {
        Ok(self.ask(chain).await?.balance(of).await?)
    }

    async fn block_number(&self, chain: &str) -> Result<u64, conditions::ChainError> {
        Ok(self.ask(chain).await?.block_number().await?)
    }
}
