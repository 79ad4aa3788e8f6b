//! Whether the contracts at the configured addresses are this version's: their code on chain is compared with the
//! checked-in artifacts, byte for byte. Contracts without immutables make that possible.

use alloy_primitives::{Address, Bytes};
use alloy_provider::Provider;
use serde::Deserialize;

use super::{Chain, ChainError, limited};

const REGISTRY: &str = include_str!("../../../contracts/artifacts/RoomRegistry.json");
const TOKEN: &str = include_str!("../../../contracts/artifacts/ConversationToken.json");
const SPLITTER: &str = include_str!("../../../contracts/artifacts/RoyaltySplitter.json");

/// What lies at an address.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Code {
    /// This version's contract.
    Ours,
    /// Nothing.
    Missing,
    /// Another contract, or another version of ours.
    Other,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Artifact {
    deployed_bytecode: Bytes,
}

impl Chain {
    /// What is at the registry's address.
    pub async fn registry_code(&self) -> Result<Code, ChainError> {
        let registry = self.registry.ok_or(ChainError::NoRegistry)?;
        self.code(registry, REGISTRY).await
    }

    /// What is at the token's address; its splitters must be ours, too.
    pub async fn token_code(&self) -> Result<Code, ChainError> {
        let token = self.token.ok_or(ChainError::NoToken)?;
        match self.code(token, TOKEN).await? {
            Code::Ours => {}
            other => return Ok(other),
        }
        let splitter = self.splitter_code(token).await?;
        match self.code(splitter, SPLITTER).await? {
            Code::Ours => Ok(Code::Ours),
            Code::Missing | Code::Other => Ok(Code::Other),
        }
    }

    async fn code(&self, at: Address, artifact: &str) -> Result<Code, ChainError> {
        let expected: Artifact = serde_json::from_str(artifact)
            .map_err(|error| ChainError::Answer(format!("an artifact of ours: {error}")))?;
        let found = limited(async { self.provider.get_code_at(at).await }).await?;
        Ok(if found.is_empty() {
            Code::Missing
        } else if found == expected.deployed_bytecode {
            Code::Ours
        } else {
            Code::Other
        })
    }
}
