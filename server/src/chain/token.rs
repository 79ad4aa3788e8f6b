//! What the token contract says of one conversation, read at one block.

use alloy_primitives::{Address, U256};
use alloy_provider::Provider;
use alloy_rpc_types_eth::{BlockId, BlockNumberOrTag};
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
    pub block: u64,
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
        let answer = self.call_at(at, call.abi_encode().into(), block).await?;
        C::abi_decode_returns(&answer).map_err(|error| ChainError::Answer(error.to_string()))
    }

    /// `None` when nothing of that id has been minted.
    pub async fn describe(&self, token: TokenId) -> Result<Option<TokenOnChain>, ChainError> {
        let contract = self.token.ok_or(ChainError::NoToken)?;
        let number = self.block_number().await?;
        let block = BlockId::number(number);
        let id = token.number();
        // Nodes word a revert differently; this call answers for everything, with zero for what is not there.
        let royalty = royaltyInfoCall {
            token: id,
            price: U256::ZERO,
        };
        let splitter = self.ask_at(contract, royalty, block).await?.receiver;
        if splitter == Address::ZERO {
            return Ok(None);
        }
        let accounts = accountsCall {
            asset: Address::ZERO,
        };
        let (described, accounts) = futures::try_join!(
            self.ask_at(contract, describeCall { token: id }, block),
            self.ask_at(splitter, accounts, block),
        )?;
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
        }))
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

    /// The newest block that cannot be replaced any more; `None` when the node does not say.
    pub async fn finalized(&self) -> Option<u64> {
        let block = self
            .provider
            .get_block_by_number(BlockNumberOrTag::Finalized);
        let found = limited(block).await.ok()??;
        Some(found.header.number)
    }
}
