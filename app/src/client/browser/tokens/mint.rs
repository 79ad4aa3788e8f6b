//! The transaction that mints: sent by whoever presses the button once all have signed, and followed until the token
//! is there, by whichever transaction that came about.

use std::rc::Rc;

use alloy_sol_types::SolCall;
use healthsync_core::{EventId, Kind, Person, TokenId, conversation::ConversationToken::mintCall};
use serde_json::json;
use wasm_bindgen_futures::spawn_local;

use crate::{
    api,
    client::{
        browser::{
            chain::Receipt,
            platform::{now, sleep},
            rooms::OpenRoom,
            runtime::{Runtime, trouble},
        },
        model::{MintWork, Trouble, TxState},
    },
};

/// How long a transaction may be unknown to the chain before it counts as dropped, in milliseconds: on a local chain,
/// and where nodes pass messages on.
const DROPPED: (u64, u64) = (5_000, 180_000);

/// How a followed transaction came out.
pub(super) enum Outcome {
    Done {
        block: u64,
    },
    Reverted {
        block: u64,
    },
    /// The chain no longer knows it.
    Dropped,
}

impl Runtime {
    pub(super) fn mint(self: &Rc<Self>, proposal: EventId) {
        let Some(room) = self.open_room().filter(|room| room.is_open()) else {
            return;
        };
        let (runtime, shared) = (self.clone(), room.clone());
        room.minting.run(async move {
            let work = runtime.send_mint(&shared, proposal).await;
            let work = work.err().map(MintWork::Failed);
            runtime.mint_work(&shared, proposal, work);
        });
    }

    async fn send_mint(self: &Rc<Self>, room: &Rc<OpenRoom>, id: EventId) -> Result<(), Trouble> {
        const WHAT: &str = "The case was not minted.";
        let kept = || Some("The signatures are kept.".to_owned());
        let contract = self.token_contract()?;
        let Some(me) = self.me() else {
            return Err(trouble(
                WHAT,
                None,
                Some("Connect a wallet, then try again."),
            ));
        };
        let (call, token) = {
            let log = room.log.borrow();
            let mints = log.as_ref().map(|log| &log.state().mints);
            let mint = mints.and_then(|mints| mints.iter().find(|mint| mint.id == id));
            let ready = mint.and_then(|mint| Some((mint, mint.signatures()?)));
            let Some((mint, signatures)) = ready else {
                return Err(trouble(
                    "Somebody's signature is still missing.",
                    None,
                    Some("Wait for it, or propose again without them."),
                ));
            };
            let call = mintCall {
                terms: mint.terms().to_sol(),
                signatures: signatures.into_iter().map(Into::into).collect(),
            };
            let token = mint.terms().token(self.bootstrap.chain.id, &contract);
            (call.abi_encode(), token)
        };
        let show = |state| self.mint_work(room, id, Some(MintWork::Chain(state)));
        show(TxState::Wallet);
        let sent = me
            .wallet
            .send(&self.chain, me.person, contract, &call)
            .await;
        let hash = match sent {
            Ok(hash) => hash,
            // Somebody else was faster; that is as good.
            Err(_) if self.is_minted(token).await => return self.see_minted(room, token),
            Err(error) => return Err(error.trouble(WHAT, kept())),
        };
        show(TxState::Pending {
            hash: hash.clone(),
            since: now(),
        });
        match self.outcome_of(&hash, Some(token)).await {
            Outcome::Done { block } => {
                show(TxState::Confirmed {
                    hash: hash.clone(),
                    block,
                });
                let transaction = hash.to_ascii_lowercase();
                self.say(
                    room,
                    vec![Kind::Minted {
                        proposal: id,
                        transaction,
                    }],
                )
                .await?;
                self.see_minted(room, token)
            }
            Outcome::Reverted { .. } if self.is_minted(token).await => self.see_minted(room, token),
            Outcome::Reverted { block } => Err(Trouble {
                what: format!(
                    "{WHAT} The token contract refused the transaction in block {block}."
                ),
                kept: kept(),
                next: Some("A signature may have been taken back. Propose again.".into()),
            }),
            Outcome::Dropped => Err(Trouble {
                what: format!(
                    "{WHAT} The chain no longer knows the transaction: it was dropped or cancelled."
                ),
                kept: kept(),
                next: Some("Mint it again.".into()),
            }),
        }
    }

    fn see_minted(self: &Rc<Self>, room: &Rc<OpenRoom>, token: TokenId) -> Result<(), Trouble> {
        room.minted.borrow_mut().insert(token);
        self.repaint(room);
        Ok(())
    }

    async fn is_minted(&self, token: TokenId) -> bool {
        matches!(api::token_facts(token).await, Ok(Some(_)))
    }

    /// Looks on the chain for tokens that somebody in the room says are minted, once each.
    pub(crate) fn look_for_minted(self: &Rc<Self>, room: &Rc<OpenRoom>) {
        let Ok(contract) = self.token_contract() else {
            return;
        };
        let told: Vec<TokenId> = {
            let log = room.log.borrow();
            let mints = log.iter().flat_map(|log| &log.state().mints);
            mints
                .filter(|mint| mint.transaction.is_some() && mint.proposal.contract == contract)
                .map(|mint| mint.terms().token(self.bootstrap.chain.id, &contract))
                .filter(|token| !room.minted.borrow().contains(token))
                .filter(|token| room.looking.borrow_mut().insert(*token))
                .collect()
        };
        for token in told {
            let (runtime, room) = (self.clone(), room.clone());
            spawn_local(async move {
                // The server's chain may be a moment behind the sender's.
                for pause in [0, 500, 2_000, 10_000, 60_000] {
                    sleep(pause).await;
                    if room.closed.get() {
                        return;
                    }
                    if runtime.is_minted(token).await {
                        let _ = runtime.see_minted(&room, token);
                        break;
                    }
                }
                room.looking.borrow_mut().remove(&token);
            });
        }
    }

    /// Sends a call and follows it to its end.
    pub(super) async fn transact_with(
        self: &Rc<Self>,
        to: Person,
        data: &[u8],
        what: &str,
        mut tell: impl FnMut(TxState),
    ) -> Result<u64, Trouble> {
        let Some(me) = self.me() else {
            return Err(trouble(
                what,
                None,
                Some("Connect a wallet, then try again."),
            ));
        };
        tell(TxState::Wallet);
        let sent = me.wallet.send(&self.chain, me.person, to, data).await;
        let hash = sent.map_err(|error| error.trouble(what, None))?;
        tell(TxState::Pending {
            hash: hash.clone(),
            since: now(),
        });
        match self.outcome_of(&hash, None).await {
            Outcome::Done { block } => {
                tell(TxState::Confirmed { hash, block });
                Ok(block)
            }
            Outcome::Reverted { block } => Err(trouble(
                format!("{what} The contract refused the transaction in block {block}."),
                None,
                Some("Look at the page again: somebody may have been faster."),
            )),
            Outcome::Dropped => Err(trouble(
                format!(
                    "{what} The chain no longer knows the transaction: it was dropped or cancelled."
                ),
                None,
                Some("Try again."),
            )),
        }
    }

    /// Waits for a transaction. `makes`: a token whose coming into being says the same, whichever transaction did it
    /// (wallets replace one to speed it up).
    async fn outcome_of(&self, hash: &str, makes: Option<TokenId>) -> Outcome {
        let local = self.bootstrap.chain.id == 31337;
        let patience = if local { DROPPED.0 } else { DROPPED.1 };
        let (mut pause, mut seen) = (150, now());
        loop {
            match self.chain.receipt(hash).await {
                Ok(Some(Receipt::Included { block })) => return Outcome::Done { block },
                Ok(Some(Receipt::Reverted { block })) => return Outcome::Reverted { block },
                Ok(None) | Err(_) => {}
            }
            let known = self
                .chain
                .rpc("eth_getTransactionByHash", json!([hash]))
                .await;
            if !matches!(&known, Ok(value) if value.is_null()) {
                seen = now();
            } else if now().0.saturating_sub(seen.0) > patience {
                return Outcome::Dropped;
            }
            if let Some(token) = makes
                && let Ok(Some(facts)) = api::token_facts(token).await
            {
                return Outcome::Done { block: facts.block };
            }
            sleep(pause).await;
            pause = (pause + pause / 2).min(5_000);
        }
    }
}
