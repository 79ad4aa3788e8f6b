//! A vote on its way through the wallet: what to compare there, and what happened if it said no.

use healthsync_core::EventId;
use leptos::prelude::*;

use super::notice::TroubleNotice;
use crate::client::{
    model::{Casting, Intent, PollRow},
    use_client,
};

/// The poll's vote that the wallet shows now, or did not sign.
pub(crate) fn casting_of(poll: Memo<Option<PollRow>>) -> Memo<Option<Casting>> {
    Memo::new(move |_| poll.with(|poll| poll.as_ref().and_then(|poll| poll.casting.clone())))
}

/// While the wallet is open.
#[component]
pub(crate) fn WalletWait(poll: Memo<Option<PollRow>>, id: EventId) -> impl IntoView {
    let client = use_client();
    let answer = move || {
        poll.with(|poll| {
            let poll = poll.as_ref()?;
            let option = poll.casting.as_ref()?.option;
            Some(
                poll.options
                    .iter()
                    .find(|row| row.id == option)?
                    .text
                    .clone(),
            )
        })
        .unwrap_or_default()
    };
    view! {
        <progress aria-label="Waiting for the wallet"></progress>
        <p class="small">
            "The wallet shows " <b>"Vote"</b> ", this question and " <b>{answer}</b> ". Sign if all three are right."
        </p>
        <div class="row">
            <button
                class="btn btn--main"
                type="button"
                aria-busy="true"
                aria-disabled="true"
                data-testid="cast-vote"
            >
                "Waiting for the wallet"
            </button>
            <button class="btn" type="button" on:click=move |_| client.send(Intent::CancelVote { poll: id })>
                "Cancel"
            </button>
        </div>
    }
}

/// After it has said no, or could not be asked.
#[component]
pub(crate) fn WalletRefusal(casting: Memo<Option<Casting>>) -> impl IntoView {
    move || {
        casting
            .with(|casting| casting.as_ref().and_then(|casting| casting.failed.clone()))
            .map(|trouble| view! { <TroubleNotice trouble /> })
    }
}
