//! The transaction that mints: sent by whoever presses the button once all have signed; and looking for tokens of which
//! somebody in the room says that they are minted.

use std::rc::Rc;

use alloy_sol_types::SolCall;
use healthsync_core::{EventId, TokenId, conversation::ConversationToken::mintCall};
use wasm_bindgen_futures::spawn_local;

use super::{consent::not_taken_back, follow::WHAT};
use crate::{
    api,
    client::{
        browser::{
            platform::sleep,
            rooms::OpenRoom,
            runtime::{Me, Runtime, trouble},
        },
        model::{MintWork, Trouble},
    },
};

impl Runtime {
    pub(super) fn mint(self: &Rc<Self>, proposal: EventId) {
        let Some(room) = self.open_room().filter(|room| room.is_open()) else {
            return;
        };
        let Some(me) = self.me() else { return };
        let runtime = self.clone();
        // Nothing stops it, not even leaving the room: whatever the wallet confirms is minted, and nobody else could tell
        // the room.
        spawn_local(async move {
            if let Err(trouble) = runtime.send_mint(&room, &me, proposal).await {
                runtime.show_mint(&room, &me, proposal, Some(MintWork::Failed(trouble)));
            }
        });
    }

    /// Unless the room is somebody else's by now.
    fn show_mint(
        self: &Rc<Self>,
        room: &Rc<OpenRoom>,
        me: &Me,
        id: EventId,
        work: Option<MintWork>,
    ) {
        if !room.closed.get() && room.person.get() == Some(me.person) {
            self.mint_work(room, id, work);
        }
    }

    async fn send_mint(
        self: &Rc<Self>,
        room: &Rc<OpenRoom>,
        me: &Me,
        id: EventId,
    ) -> Result<(), Trouble> {
        let kept = || Some("The signatures are kept.".to_owned());
        let contract = self.token_contract()?;
        not_taken_back(room, id, WHAT)?;
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
        let mut show = |state| self.show_mint(room, me, id, Some(MintWork::Chain(state)));
        match self.by_wallet(me, contract, &call, &mut show).await {
            Ok(hash) => {
                self.keep_and_follow_mint(room.id, id, hash, me.person)
                    .await;
                Ok(())
            }
            // Somebody else was faster; that is as good.
            Err(_) if self.is_minted(token).await => {
                self.show_mint(room, me, id, None);
                self.see_minted(room, token);
                Ok(())
            }
            Err(error) => Err(error.trouble(WHAT, kept())),
        }
    }

    pub(super) fn see_minted(self: &Rc<Self>, room: &Rc<OpenRoom>, token: TokenId) {
        room.minted.borrow_mut().insert(token);
        self.repaint(room);
    }

    pub(super) async fn is_minted(&self, token: TokenId) -> bool {
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
                        runtime.see_minted(&room, token);
                        break;
                    }
                }
                room.looking.borrow_mut().remove(&token);
            });
        }
    }
}
