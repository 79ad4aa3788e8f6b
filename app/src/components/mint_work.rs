//! What is being done for a token: a step, the wallet, the chain, or why it failed.

use leptos::prelude::*;

use super::{icon::Icon, notice::TroubleNotice};
use crate::client::{
    model::{Intent, MintWork, TxState},
    use_client,
};

#[component]
pub(crate) fn Work(#[prop(into)] work: Signal<Option<MintWork>>) -> impl IntoView {
    move || {
        work.get().map(|work| match work {
            MintWork::Preparing(step) => view! { <Wait text=step.to_owned() /> }.into_any(),
            MintWork::Signing => {
                view! { <Wait text="The wallet shows the terms. Compare them, then sign there.".into() /> }
                    .into_any()
            }
            MintWork::Chain(state) => view! { <ChainWork state /> }.into_any(),
            MintWork::Failed(trouble) => view! { <TroubleNotice trouble /> }.into_any(),
        })
    }
}

#[component]
pub(crate) fn ChainWork(state: TxState) -> impl IntoView {
    match state {
        TxState::Wallet(ask) => view! {
            <Wait text="Confirm the transaction in the wallet.".into() />
            <StopWaiting ask />
        }
        .into_any(),
        TxState::Pending { hash, .. } => {
            let text = format!(
                "Transaction {} is on its way. On Filecoin that takes a minute or two.",
                short(&hash)
            );
            view! { <Wait text /> }.into_any()
        }
        TxState::Confirmed { block, .. } => view! {
            <p class="small" role="status" data-testid="tx-confirmed">
                <Icon name="circle-check" small=true />
                {format!(" In block {block}.")}
            </p>
        }
        .into_any(),
        TxState::Failed(trouble) => view! { <TroubleNotice trouble /> }.into_any(),
    }
}

/// The way out when the wallet does not answer: its window was closed, or the request got lost in it.
#[component]
pub(crate) fn StopWaiting(ask: u32) -> impl IntoView {
    let client = use_client();
    view! {
        <button
            class="btn btn--quiet"
            type="button"
            data-testid="stop-waiting"
            title="What is confirmed in the wallet afterwards still happens on the chain"
            on:click=move |_| client.send(Intent::StopWaiting(ask))
        >
            "Stop waiting"
        </button>
    }
}

#[component]
fn Wait(text: String) -> impl IntoView {
    view! {
        <div class="stack" role="status" data-testid="mint-wait">
            <progress aria-label=text.clone()></progress>
            <p class="small">{text}</p>
        </div>
    }
}

/// `0x58d2…6b10` of anything long.
pub(crate) fn short(text: &str) -> String {
    match (text.get(..6), text.get(text.len().saturating_sub(4)..)) {
        (Some(start), Some(end)) if text.len() > 12 => format!("{start}…{end}"),
        _ => text.to_owned(),
    }
}
