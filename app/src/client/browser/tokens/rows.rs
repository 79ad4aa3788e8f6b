//! Proposals to mint as rows on screen.

use std::{rc::Rc, sync::Arc};

use healthsync_core::{Contributor, Millis, MintAnswer, MintView, Person};

use crate::client::{
    browser::{rooms::OpenRoom, runtime::Runtime},
    model::{Answer, ConsentRow, MintRow, RoomView},
};

impl Runtime {
    pub(crate) fn show_mints(
        self: &Rc<Self>,
        room: &Rc<OpenRoom>,
        me: Option<Person>,
        view: &mut RoomView,
    ) {
        let Ok(contract) = self.token_contract() else {
            return;
        };
        let work = room.mint_work.borrow();
        view.mint_work = Arc::new(work.iter().map(|(of, work)| (*of, work.clone())).collect());
        let minted = room.minted.borrow();
        let row = |mint: &MintView| {
            let terms = mint.terms();
            let token = terms.token(self.bootstrap.chain.id, &contract);
            let consent = |contributor: &Contributor| ConsentRow {
                person: contributor.person,
                share: contributor.share,
                you: Some(contributor.person) == me,
                answer: match mint.answers.get(&contributor.person) {
                    None => Answer::Missing,
                    Some(MintAnswer::Signed { .. }) => Answer::Signed,
                    Some(MintAnswer::Declined) => Answer::Declined,
                },
            };
            MintRow {
                id: mint.id,
                case: mint.proposal.case,
                proposer: mint.person,
                you_proposed: Some(mint.person) == me,
                token,
                holder: terms.holder,
                consents: terms.contributors.iter().map(consent).collect(),
                editions: terms.editions.len(),
                quorum: terms.quorum,
                royalty: terms.royalty,
                deadline: Millis::from_seconds(terms.deadline),
                entries: mint.proposal.events.len(),
                minted: minted.contains(&token),
                work: work.get(&mint.id).cloned(),
            }
        };
        if let Some(log) = room.log.borrow().as_ref() {
            let mints = log.state().mints.iter();
            // For another contract they are somebody else's to mint.
            let ours = mints.filter(|mint| mint.proposal.contract == contract);
            view.mints = Arc::new(ours.map(row).collect());
        }
        self.look_for_minted(room);
    }
}
