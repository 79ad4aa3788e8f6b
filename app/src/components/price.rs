//! What one transaction would cost, in the words of a sentence.

use leptos::prelude::*;

use crate::client::{model::Priced, use_client};

/// "about 0.0003 tFIL", or that the wallet says it.
#[component]
pub(crate) fn Price(of: Priced) -> impl IntoView {
    let client = use_client();
    let cost = move || client.prices.with(|prices| prices.get(&of).cloned());
    view! {
        <span class="num" data-testid="price">
            {move || cost().unwrap_or_else(|| "at the price that your wallet shows".to_owned())}
        </span>
    }
}
