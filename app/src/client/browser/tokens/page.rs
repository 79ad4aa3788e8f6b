//! The token's page: what the chain says, kept up to date while it is on screen; withdrawal and royalties.

use std::rc::Rc;

use alloy_primitives::Address;
use alloy_sol_types::SolCall;
use healthsync_core::{
    TokenId,
    conversation::{ConversationToken::retractCall, RoyaltySplitter::claimCall},
};
use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;

use crate::{
    api::{self, TokenFacts},
    client::{
        browser::{
            is_visible,
            platform::sleep,
            runtime::{Runtime, trouble},
            transact::Call,
        },
        model::{TokenCase, TokenList, TokenView, TxState},
    },
};

/// How often the chain is asked while the page is shown.
const LOOK_MS: u32 = 4_000;

impl Runtime {
    pub(super) fn show_token(self: &Rc<Self>, token: TokenId, facts: Option<TokenFacts>) {
        let shown = self.client.token;
        if shown.with_untracked(|view| view.as_ref().is_some_and(|view| view.token == token)) {
            return;
        }
        self.leave_token();
        shown.set(Some(TokenView::new(token, facts)));
        let runtime = self.clone();
        self.watching_token.run(async move {
            loop {
                if is_visible() {
                    runtime.read_token(token).await;
                }
                sleep(LOOK_MS).await;
            }
        });
    }

    pub(super) fn leave_token(&self) {
        self.watching_token.stop();
        self.opening_token.stop();
        let view = self.client.token.try_update(Option::take).flatten();
        if let Some(TokenView {
            case: TokenCase::Open(case),
            ..
        }) = view
        {
            super::open::forget(&case);
        }
    }

    /// Closes the conversation on screen: whoever has opened it has gone.
    pub(crate) fn close_token_case(&self) {
        self.opening_token.stop();
        self.client.token.update(|view| {
            let Some(view) = view else { return };
            if let TokenCase::Open(case) = std::mem::replace(&mut view.case, TokenCase::Closed) {
                super::open::forget(&case);
            }
            view.work = None;
        });
    }

    async fn read_token(self: &Rc<Self>, token: TokenId) {
        // Without an answer the page keeps what it has; it is asked again before long.
        let Ok(Some(facts)) = api::token_facts(token).await else {
            return;
        };
        self.change_token(token, |view| {
            // Whoever had it open loses the view: the contributors took back their consent.
            if facts.withdrawn
                && let TokenCase::Open(case) = std::mem::replace(&mut view.case, TokenCase::Closed)
            {
                super::open::forget(&case);
            }
            let before = view.facts.as_ref();
            if before.is_none_or(|before| before.block <= facts.block) {
                view.facts = Some(facts);
            }
        });
    }

    /// Changes the view, unless the page shows something else by now.
    pub(super) fn change_token(&self, token: TokenId, change: impl FnOnce(&mut TokenView)) {
        let shown = self.client.token;
        let Some(mut view) = shown.get_untracked().filter(|view| view.token == token) else {
            return;
        };
        let before = view.clone();
        change(&mut view);
        if view != before {
            shown.set(Some(view));
        }
    }

    fn shown_facts(&self) -> Option<TokenFacts> {
        self.client
            .token
            .with_untracked(|view| view.as_ref().and_then(|view| view.facts.clone()))
    }

    pub(super) fn retract_token(self: &Rc<Self>) {
        let Some(facts) = self.shown_facts() else {
            return;
        };
        let call = retractCall {
            id: facts.token.conversation().number(),
        };
        let what = "The conversation was not withdrawn.";
        match self.token_contract() {
            Ok(contract) => {
                let asked = facts.retractions;
                let done = move |facts: &TokenFacts| facts.retractions > asked;
                self.act_on_token(facts.token, contract, call.abi_encode(), what, done);
            }
            Err(trouble) => self.change_token(facts.token, |view| {
                view.work = Some(TxState::Failed(trouble));
            }),
        }
    }

    pub(super) fn claim_royalties(self: &Rc<Self>) {
        let (Some(facts), Some(me)) = (self.shown_facts(), self.me()) else {
            return;
        };
        let call = claimCall {
            asset: Address::ZERO,
            to: me.person.into(),
        };
        let what = "The royalties were not paid.";
        let paid = move |facts: &TokenFacts| {
            let mine = facts
                .contributors
                .iter()
                .find(|row| row.person == me.person);
            mine.is_some_and(|row| row.due == "0")
        };
        self.act_on_token(facts.token, facts.splitter, call.abi_encode(), what, paid);
    }

    fn act_on_token(
        self: &Rc<Self>,
        token: TokenId,
        to: healthsync_core::Person,
        data: Vec<u8>,
        what: &'static str,
        done: impl Fn(&TokenFacts) -> bool + 'static,
    ) {
        let runtime = self.clone();
        spawn_local(async move {
            let tell = |state| runtime.change_token(token, |view| view.work = Some(state));
            let call = Call {
                to,
                data,
                what,
                refused: "Look at the page again: somebody may have been faster.",
            };
            let effect = async || {
                let facts = api::token_facts(token).await.ok().flatten()?;
                done(&facts).then_some(facts.block)
            };
            match runtime.transact(call, effect, tell).await {
                Ok(_) => {
                    runtime.read_token(token).await;
                    runtime.change_token(token, |view| view.work = None);
                }
                Err(trouble) => tell(TxState::Failed(trouble)),
            }
        });
    }

    pub(super) fn list_tokens(self: &Rc<Self>) {
        let Some(me) = self.me() else { return };
        let runtime = self.clone();
        spawn_local(async move {
            let list = match api::tokens_of(me.person).await {
                Ok(tokens) => TokenList::Loaded(tokens),
                Err(error) => TokenList::Failed(trouble(
                    format!("Your tokens could not be listed: {error}."),
                    None,
                    Some("Try again in a moment."),
                )),
            };
            if runtime.me().is_some_and(|now| now.person == me.person) {
                runtime.client.tokens.set(list);
            }
        });
    }
}
