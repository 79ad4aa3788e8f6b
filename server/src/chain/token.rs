//! What the token contract says of one conversation, read at one block.

use alloy_primitives::{Address, Bytes, U64, U256};
use alloy_provider::Provider;
use alloy_rpc_client::BatchRequest;
use alloy_rpc_types_eth::{Block, BlockId, TransactionInput, TransactionRequest};
use alloy_sol_types::SolCall;
use healthsync_core::conversation::ConversationToken::{
    Conversation, describeCall, firstBlockCall, royaltyInfoCall, splitterCodeCall,
};
use healthsync_core::conversation::RoyaltySplitter::accountsCall;
use healthsync_core::{Person, TokenId};

use super::{Chain, ChainError, limited};

/// A conversation, its contributors' royalties in the chain's own currency, and who holds one of its tokens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TokenOnChain {
    /// `None`: the conversation has no such edition.
    pub holder: Option<Person>,
    pub conversation: Conversation,
    pub contributors: Vec<Royalty>,
    /// In which all of this was read.
    pub block: u64,
    /// The newest block that cannot be replaced any more; `None` when the node does not say.
    pub finalized: Option<u64>,
}

/// One contributor's part.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Royalty {
    pub person: Person,
    /// In hundredths of a percent.
    pub share: u16,
    pub paid: U256,
    pub due: U256,
}

impl Chain {
    /// The token contract, when one is configured and is this version's.
    pub fn token(&self) -> Option<Address> {
        self.token
    }

    async fn ask_at<C: SolCall>(
        &self,
        at: Address,
        call: C,
        block: BlockId,
    ) -> Result<C::Return, ChainError> {
        decoded::<C>(self.call_at(at, call.abi_encode().into(), block).await)
    }

    /// `None` when nothing of that id has been minted.
    pub async fn describe(&self, token: TokenId) -> Result<Option<TokenOnChain>, ChainError> {
        let contract = self.token.ok_or(ChainError::NoToken)?;
        let (number, finalized) = self.heads().await?;
        let block = BlockId::number(number);
        let id = token.number();
        // Nodes word a revert differently; this call answers for everything, with zero for what is not there.
        let royalty = royaltyInfoCall {
            token: id,
            price: U256::ZERO,
        };
        let describe = describeCall { token: id };
        let (royalty, described) = self.ask_both(contract, royalty, describe, block).await?;
        let splitter = royalty?.receiver;
        if splitter == Address::ZERO {
            return Ok(None);
        }
        let described = described?;
        let accounts = accountsCall {
            asset: Address::ZERO,
        };
        let accounts = self.ask_at(splitter, accounts, block).await?;
        let contributors = accounts
            .people
            .iter()
            .zip(&accounts.shares)
            .zip(accounts.paid.iter().zip(&accounts.open))
            .map(|((person, share), (paid, due))| Royalty {
                person: (*person).into(),
                share: *share,
                paid: *paid,
                due: *due,
            })
            .collect();
        let holder = described.holder;
        Ok(Some(TokenOnChain {
            holder: (holder != Address::ZERO).then(|| holder.into()),
            conversation: described.conversation,
            contributors,
            block: number,
            finalized,
        }))
    }

    /// The newest block, and the newest that cannot be replaced any more: `None` when the node does not say.
    async fn heads(&self) -> Result<(u64, Option<u64>), ChainError> {
        let client = self.provider.client();
        let mut batch = BatchRequest::new(client);
        let newest = batch
            .add_call::<_, U64>("eth_blockNumber", &())
            .map_err(refused)?;
        let finalized = batch
            .add_call::<_, Option<Block>>("eth_getBlockByNumber", &("finalized", false))
            .map_err(refused)?;
        limited(batch.send()).await?;
        let newest = newest.await.map_err(refused)?.to();
        let finalized = finalized.await.ok().flatten();
        Ok((newest, finalized.map(|block| block.header.number)))
    }

    /// Two calls of one contract at one block, in one request; each answers or fails for itself.
    async fn ask_both<A: SolCall, B: SolCall>(
        &self,
        at: Address,
        one: A,
        other: B,
        block: BlockId,
    ) -> Result<(Result<A::Return, ChainError>, Result<B::Return, ChainError>), ChainError> {
        let request = |data: Vec<u8>| {
            TransactionRequest::default()
                .to(at)
                .input(TransactionInput::both(data.into()))
        };
        let client = self.provider.client();
        let mut batch = BatchRequest::new(client);
        let mut add = |data| {
            let call = batch.add_call::<_, Bytes>("eth_call", &(request(data), block));
            call.map_err(refused)
        };
        let one = add(one.abi_encode())?;
        let other = add(other.abi_encode())?;
        limited(batch.send()).await?;
        Ok((
            decoded::<A>(one.await.map_err(refused)),
            decoded::<B>(other.await.map_err(refused)),
        ))
    }

    /// The block in which the token contract was deployed: none of its events is older.
    pub(super) async fn first_token_block(&self, contract: Address) -> Result<u64, ChainError> {
        let block = self
            .ask_at(contract, firstBlockCall {}, BlockId::latest())
            .await?;
        u64::try_from(block).map_err(|error| ChainError::Answer(error.to_string()))
    }

    /// Where the code is that splitters are clones of.
    pub(super) async fn splitter_code(&self, contract: Address) -> Result<Address, ChainError> {
        self.ask_at(contract, splitterCodeCall {}, BlockId::latest())
            .await
    }
}

fn refused(error: impl std::fmt::Display) -> ChainError {
    ChainError::Rpc(error.to_string())
}

fn decoded<C: SolCall>(answer: Result<Bytes, ChainError>) -> Result<C::Return, ChainError> {
    C::abi_decode_returns(&answer?).map_err(|error| ChainError::Answer(error.to_string()))
}
