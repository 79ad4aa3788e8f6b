//! Answering a proposal. Before the wallet is asked, the terms are compared with what is in the room: nobody signs
//! for something else than they see.

use std::{collections::BTreeSet, rc::Rc};

use healthsync_core::{
    EventId, Kind, MintAnswer,
    conversation::{commitment, holds_taken_back},
};

use super::propose::start;
use crate::client::{
    browser::{
        rooms::OpenRoom,
        runtime::{Runtime, trouble},
    },
    model::{MintWork, Trouble},
};

/// Refuses a proposal with a message that was taken back after it: the sealed conversation still has its words.
pub(super) fn not_taken_back(room: &OpenRoom, id: EventId, what: &str) -> Result<(), Trouble> {
    let log = room.log.borrow();
    let holds = log.as_ref().is_some_and(|log| {
        let mut mints = log.state().mints.iter();
        let mint = mints.find(|mint| mint.id == id);
        mint.is_some_and(|mint| holds_taken_back(log, &mint.proposal.events))
    });
    if !holds {
        return Ok(());
    }
    Err(trouble(
        format!("{what} A message in this proposal has been taken back since."),
        None,
        Some("Propose the case again: the new proposal leaves it out."),
    ))
}

impl Runtime {
    pub(super) fn answer_mint(self: &Rc<Self>, proposal: EventId, agree: bool) {
        let Some(room) = self.open_room().filter(|room| room.is_open()) else {
            return;
        };
        let (runtime, shared) = (self.clone(), room.clone());
        start(&room.minting, proposal, async move {
            let answer = if agree {
                runtime.mint_work(&shared, proposal, Some(MintWork::Signing));
                runtime.consent(&shared, proposal).await
            } else {
                Ok(MintAnswer::Declined)
            };
            let said = match answer {
                Ok(answer) => {
                    runtime
                        .say(&shared, vec![Kind::MintConsent { proposal, answer }])
                        .await
                }
                Err(trouble) => Err(trouble),
            };
            let work = said.err().map(MintWork::Failed);
            runtime.mint_work(&shared, proposal, work);
        });
    }

    async fn consent(
        self: &Rc<Self>,
        room: &Rc<OpenRoom>,
        id: EventId,
    ) -> Result<MintAnswer, Trouble> {
        let contract = self.token_contract()?;
        not_taken_back(room, id, "You have not signed.")?;
        let terms = {
            let log = room.log.borrow();
            let state = log.as_ref().map(|log| (log, log.state()));
            let found = state.and_then(|(log, state)| {
                let mint = state.mints.iter().find(|mint| mint.id == id)?;
                let proposal = &mint.proposal;
                let case = state.case(&proposal.case)?;
                let here: BTreeSet<EventId> = log.ids().collect();
                let all_here = proposal.events.iter().all(|id| here.contains(id));
                let mut files: Vec<String> =
                    case.images.iter().map(|image| image.cid.clone()).collect();
                files.push(proposal.bundle.clone());
                let root = commitment(&proposal.salt, &proposal.events, &files);
                let fits = proposal.contract == contract
                    && all_here
                    && proposal.events.contains(&proposal.case)
                    && root == proposal.terms.commitment;
                fits.then(|| proposal.terms.clone())
            });
            found.ok_or_else(|| {
                trouble(
                    "You have not signed: the proposal does not match what is in this room.",
                    None,
                    Some("Wait until the room has loaded; if it stays, ask for a new proposal."),
                )
            })?
        };
        let signature = self
            .sign_terms(&terms, contract, "You have not signed.")
            .await?;
        Ok(MintAnswer::Signed {
            signature: hex::encode(signature),
        })
    }
}
