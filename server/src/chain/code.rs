//! Whether the contracts at the configured addresses are this version's: their code on chain is compared with the
//! checked-in artifacts, byte for byte. Contracts without immutables make that possible.

use alloy_primitives::{Address, Bytes};
use alloy_provider::Provider;
use healthsync_core::Person;
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

/// The operator's: a setting names a contract that is not this version's.
#[derive(Debug, thiserror::Error)]
#[error(
    "{setting} is {address}, and the code there is not this version's {contract}; deploy it with `cargo xtask deploy`, or set the address that it gave"
)]
pub struct OtherCode {
    setting: &'static str,
    address: Person,
    contract: &'static str,
}

impl OtherCode {
    pub(crate) fn registry(at: Address) -> Self {
        Self {
            setting: "HEALTHSYNC_REGISTRY",
            address: Person(at.into_array()),
            contract: "RoomRegistry",
        }
    }

    pub(crate) fn token(at: Address) -> Self {
        Self {
            setting: "HEALTHSYNC_TOKEN",
            address: Person(at.into_array()),
            contract: "ConversationToken",
        }
    }
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Artifact {
    deployed_bytecode: Bytes,
}

impl Chain {
    /// The contract that is not this version's, if one of the two is not. Nothing at an address is no other code.
    pub async fn other_code(&self) -> Result<Option<OtherCode>, ChainError> {
        if let Some(registry) = self.registry
            && self.registry_code().await? == Code::Other
        {
            return Ok(Some(OtherCode::registry(registry)));
        }
        if let Some(token) = self.token
            && self.token_code().await? == Code::Other
        {
            return Ok(Some(OtherCode::token(token)));
        }
        Ok(None)
    }

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
