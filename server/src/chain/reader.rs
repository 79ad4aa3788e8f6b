//! Conditions of key nodes ask the chain by name; this server knows one chain.

use std::sync::Arc;

use alloy_primitives::{Address, U256};
use async_trait::async_trait;
use healthsync_lighthouse::conditions::{self, ChainReader};

use super::{Chain, ChainError};

/// The configured chain under the names that conditions may use for it.
#[derive(Clone, Debug)]
pub struct NamedChain {
    chain: Arc<Chain>,
    names: Vec<String>,
}

impl NamedChain {
    /// `name` is the configured one; Lighthouse's own names for the same chain count, too.
    pub fn new(chain: Arc<Chain>, name: &str) -> Self {
        let mut names = vec![name.to_owned()];
        let known: &[&str] = match chain.chain_id() {
            314 => &["Filecoin"],
            314_159 => &["Calibration", "Filecoin_Testnet"],
            _ => &[],
        };
        names.extend(known.iter().map(|name| (*name).to_owned()));
        Self { chain, names }
    }

    fn named(&self, name: &str) -> Result<&Chain, conditions::ChainError> {
        if self
            .names
            .iter()
            .any(|known| known.eq_ignore_ascii_case(name))
        {
            Ok(&self.chain)
        } else {
            Err(conditions::ChainError::UnknownChain)
        }
    }
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
impl ChainReader for NamedChain {
    async fn call(
        &self,
        chain: &str,
        to: Address,
        data: Vec<u8>,
    ) -> Result<Vec<u8>, conditions::ChainError> {
        Ok(self.named(chain)?.call(to, data.into()).await?.to_vec())
    }

    async fn balance(&self, chain: &str, of: Address) -> Result<U256, conditions::ChainError> {
        Ok(self.named(chain)?.balance(of).await?)
    }

    async fn block_number(&self, chain: &str) -> Result<u64, conditions::ChainError> {
        Ok(self.named(chain)?.block_number().await?)
    }
}
