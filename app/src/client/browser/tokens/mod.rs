//! Conversations as tokens in the browser: proposing, consenting and minting in a room, opening what one holds,
//! withdrawing, royalties.

mod consent;
mod follow;
mod keys;
mod mint;
mod open;
mod page;
mod propose;
mod rows;

use std::rc::Rc;

use healthsync_core::{Person, TokenId};

use super::runtime::{Runtime, trouble};
use crate::client::model::{TokenIntent, Trouble};

impl Runtime {
    pub(crate) fn take_token_intent(self: &Rc<Self>, intent: TokenIntent) {
        match intent {
            TokenIntent::Preview { case, discussion } => self.preview_mint(case, discussion),
            TokenIntent::Propose(plan) => self.propose_mint(plan),
            TokenIntent::Answer { proposal, agree } => self.answer_mint(proposal, agree),
            TokenIntent::Mint { proposal } => self.mint(proposal),
            TokenIntent::Dismiss { of } => self.dismiss_mint(of),
            TokenIntent::Show(token, facts) => self.show_token(token, facts.map(|facts| *facts)),
            TokenIntent::Leave => self.leave_token(),
            TokenIntent::OpenCase => self.open_token_case(),
            TokenIntent::Retract => self.retract_token(),
            TokenIntent::Claim => self.claim_royalties(),
            TokenIntent::List => self.list_tokens(),
        }
    }

    /// The token contract of this deployment.
    fn token_contract(&self) -> Result<Person, Trouble> {
        self.bootstrap.contracts.token.ok_or_else(|| {
            trouble(
                "This server has no token contract, so nothing can be minted here.",
                None,
                Some("Ask whoever runs it."),
            )
        })
    }

    /// Under which content id the key nodes hold a conversation's key.
    fn token_key_cid(&self, token: TokenId, contract: &Person) -> String {
        let digest = token.key_digest(self.bootstrap.chain.id, contract);
        keys::raw_cid(&digest)
    }
}
