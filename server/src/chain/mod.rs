//! The chain as this server asks it: who is in a room, balances and calls for access conditions. Every question
//! has a time limit, and a failure is a failure, never a yes.

pub mod code;
pub mod holders;
pub mod index;
mod reader;
pub mod replay;
#[cfg(test)]
mod tests;
pub mod token;
#[cfg(test)]
mod token_tests;
pub mod watcher;

use std::collections::HashMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use alloy_primitives::{Address, B256, Bytes, U256};
use alloy_provider::{Provider, ProviderBuilder, RootProvider};
use alloy_rpc_types_eth::{BlockId, TransactionInput, TransactionRequest};
use alloy_sol_types::{SolCall, sol};
use healthsync_core::registry::RoomRegistry;
use healthsync_core::{Person, RoomId};

pub use code::{Code, OtherCode};
pub use holders::TokenIndex;
pub use index::RegistryIndex;
pub use reader::NamedChains;

/// How long an answer about membership may be used again.
const MEMBERSHIP_AGE: Duration = Duration::from_secs(1);
/// Answers about membership kept at the same time.
const MEMBERSHIPS: usize = 10_000;
/// Members of one room that the pages show.
const MEMBERS_SHOWN: u64 = 1_000;
/// For one answer of the chain.
pub const PATIENCE: Duration = Duration::from_secs(5);

sol! {
    function firstBlock() external view returns (uint256);
}

/// Why the chain gave no answer.
#[derive(Debug, thiserror::Error)]
pub enum ChainError {
    /// The operator's: no registry is set.
    #[error("no room registry is configured")]
    NoRegistry,
    /// The operator's: no token contract is set.
    #[error("no token contract is configured")]
    NoToken,
    /// The environment's: the RPC does not answer, or answers with an error.
    #[error("the chain does not answer: {0}")]
    Rpc(String),
    /// The environment's: an answer that is not what was asked for.
    #[error("the chain's answer cannot be read: {0}")]
    Answer(String),
    /// The operator's: the RPC is of another chain.
    #[error("the chain has the id {found}, not {expected}")]
    WrongChain { expected: u64, found: u64 },
}

/// What the registry says of a room.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RoomOnChain {
    pub owner: Person,
    /// The first thousand.
    pub members: Vec<Person>,
    pub block: u64,
}

/// Whether a person may join.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Membership {
    Allowed,
    NotAllowed,
    NoSuchRoom,
}

/// Whom an answer about membership is of, what it was, and when.
type Memberships = HashMap<(RoomId, Person), (Membership, Instant)>;

/// A JSON-RPC connection to one chain, and the registry on it.
pub struct Chain {
    provider: RootProvider,
    chain_id: u64,
    registry: Option<Address>,
    token: Option<Address>,
    memberships: Mutex<Memberships>,
}

impl std::fmt::Debug for Chain {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Chain")
            .field("chain_id", &self.chain_id)
            .field("registry", &self.registry)
            .finish_non_exhaustive()
    }
}

impl Chain {
    pub fn new(
        client: reqwest::Client,
        rpc: reqwest::Url,
        chain_id: u64,
        registry: Option<Person>,
    ) -> Self {
        let provider = ProviderBuilder::new()
            .disable_recommended_fillers()
            .connect_reqwest(client, rpc);
        Self {
            provider,
            chain_id,
            registry: registry.map(address),
            token: None,
            memberships: Mutex::default(),
        }
    }

    /// With conversation tokens, too.
    pub fn with_token(mut self, token: Option<Person>) -> Self {
        self.token = token.map(address);
        self
    }

    /// The registry, as condition evaluation and the watcher know it.
    pub fn registry(&self) -> Option<Address> {
        self.registry
    }

    pub fn chain_id(&self) -> u64 {
        self.chain_id
    }

    pub(crate) fn provider(&self) -> &RootProvider {
        &self.provider
    }

    /// Whether the RPC is of the right chain; its newest block.
    pub async fn check(&self) -> Result<u64, ChainError> {
        let found = limited(self.provider.get_chain_id()).await?;
        if found != self.chain_id {
            return Err(ChainError::WrongChain {
                expected: self.chain_id,
                found,
            });
        }
        self.block_number().await
    }

    /// Whether there is code where the registry should be.
    pub async fn registry_has_code(&self) -> Result<bool, ChainError> {
        let registry = self.registry.ok_or(ChainError::NoRegistry)?;
        Ok(
            !limited(async { self.provider.get_code_at(registry).await })
                .await?
                .is_empty(),
        )
    }

    pub async fn block_number(&self) -> Result<u64, ChainError> {
        limited(self.provider.get_block_number()).await
    }

    pub async fn balance(&self, of: Address) -> Result<U256, ChainError> {
        limited(async { self.provider.get_balance(of).await }).await
    }

    /// `eth_call` on the newest block. Omits `from`: not every node lets unknown senders read.
    pub async fn call(&self, to: Address, data: Bytes) -> Result<Bytes, ChainError> {
        self.call_at(to, data, BlockId::latest()).await
    }

    async fn call_at(&self, to: Address, data: Bytes, block: BlockId) -> Result<Bytes, ChainError> {
        let request = TransactionRequest::default()
            .to(to)
            .input(TransactionInput::both(data));
        limited(async { self.provider.call(request).block(block).await }).await
    }

    async fn ask<C: SolCall>(&self, call: C, block: BlockId) -> Result<C::Return, ChainError> {
        let registry = self.registry.ok_or(ChainError::NoRegistry)?;
        let answer = self
            .call_at(registry, call.abi_encode().into(), block)
            .await?;
        C::abi_decode_returns(&answer).map_err(|error| ChainError::Answer(error.to_string()))
    }

    /// The block in which the registry was deployed: none of its events is older.
    pub async fn first_block(&self) -> Result<u64, ChainError> {
        let block = self.ask(firstBlockCall {}, BlockId::latest()).await?;
        u64::try_from(block).map_err(|error| ChainError::Answer(error.to_string()))
    }

    /// Whether the registry lists the person; at most a second old.
    pub async fn membership(&self, room: RoomId, person: Person) -> Result<Membership, ChainError> {
        if let Some(known) = self.remembered(room, person) {
            return Ok(known);
        }
        let asked = Instant::now();
        let allowed = RoomRegistry::isAllowedCall {
            room: B256::from(room.0),
            person: address(person),
        };
        let membership = if self.ask(allowed, BlockId::latest()).await? {
            Membership::Allowed
        } else if self.owner(room, BlockId::latest()).await?.is_some() {
            Membership::NotAllowed
        } else {
            Membership::NoSuchRoom
        };
        let mut memberships = self.memberships();
        if memberships.len() >= MEMBERSHIPS {
            memberships.retain(|_, (_, at)| at.elapsed() < MEMBERSHIP_AGE);
        }
        if memberships.len() < MEMBERSHIPS {
            memberships.insert((room, person), (membership, asked));
        }
        Ok(membership)
    }

    /// Whether the registry listed the person at a block of the past.
    pub async fn was_allowed(
        &self,
        room: RoomId,
        person: Person,
        block: u64,
    ) -> Result<bool, ChainError> {
        let allowed = RoomRegistry::isAllowedCall {
            room: B256::from(room.0),
            person: address(person),
        };
        self.ask(allowed, BlockId::number(block)).await
    }

    /// Makes the next question about this person go to the chain: an event said that it has changed.
    pub fn forget(&self, room: RoomId, person: Person) {
        self.memberships().remove(&(room, person));
    }

    fn remembered(&self, room: RoomId, person: Person) -> Option<Membership> {
        let memberships = self.memberships();
        let (membership, at) = memberships.get(&(room, person))?;
        (at.elapsed() < MEMBERSHIP_AGE).then_some(*membership)
    }

    fn memberships(&self) -> std::sync::MutexGuard<'_, Memberships> {
        self.memberships
            .lock()
            .unwrap_or_else(std::sync::PoisonError::into_inner)
    }

    async fn owner(&self, room: RoomId, block: BlockId) -> Result<Option<Person>, ChainError> {
        let owner = self
            .ask(
                RoomRegistry::ownerOfCall {
                    room: B256::from(room.0),
                },
                block,
            )
            .await?;
        Ok((owner != Address::ZERO).then_some(Person(owner.into_array())))
    }

    /// Owner and members of a room, all read at one block; `None` when there is no such room.
    pub async fn room(&self, room: RoomId) -> Result<Option<RoomOnChain>, ChainError> {
        let number = self.block_number().await?;
        let block = BlockId::number(number);
        let members = RoomRegistry::membersCall {
            room: B256::from(room.0),
            offset: U256::ZERO,
            limit: U256::from(MEMBERS_SHOWN),
        };
        let (owner, members) =
            futures::try_join!(self.owner(room, block), self.ask(members, block))?;
        Ok(owner.map(|owner| RoomOnChain {
            owner,
            members: members
                .into_iter()
                .map(|member| Person(member.into_array()))
                .collect(),
            block: number,
        }))
    }
}

pub(crate) fn address(person: Person) -> Address {
    Address::from(person.0)
}

/// A provider's answer within [`PATIENCE`].
async fn limited<T, E, F>(answer: F) -> Result<T, ChainError>
where
    E: std::fmt::Display,
    F: IntoFuture<Output = Result<T, E>>,
{
    match tokio::time::timeout(PATIENCE, answer.into_future()).await {
        Ok(Ok(answer)) => Ok(answer),
        Ok(Err(error)) => Err(ChainError::Rpc(error.to_string())),
        Err(_) => Err(ChainError::Rpc(format!(
            "no answer within {} s",
            PATIENCE.as_secs()
        ))),
    }
}
