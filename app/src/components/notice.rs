//! Messages in the place where they matter: what happened, what was kept, what to do.

use leptos::prelude::*;

use super::icon::Icon;
use crate::client::model::Trouble;

/// Kept and next as one line of text, if there is any.
pub(crate) fn rest_of(trouble: &Trouble) -> Option<String> {
    let parts: Vec<&str> = [trouble.kept.as_deref(), trouble.next.as_deref()]
        .into_iter()
        .flatten()
        .collect();
    (!parts.is_empty()).then(|| parts.join(" "))
}

/// Something did not work. `error` is what tests and assistive technology look for.
#[component]
pub(crate) fn TroubleNotice(trouble: Trouble) -> impl IntoView {
    let rest = rest_of(&trouble);
    view! {
        <div class="notice notice--bad" role="alert" data-testid="error">
            <Icon name="circle-x" />
            <div>
                <strong>{trouble.what}</strong>
                {rest.map(|rest| view! { <p>{rest}</p> })}
            </div>
        </div>
    }
}

/// Something works less well than it could, or waits.
#[component]
pub(crate) fn WarnNotice(
    icon: &'static str,
    what: String,
    #[prop(optional_no_strip)] rest: Option<String>,
) -> impl IntoView {
    view! {
        <div class="notice notice--warn" role="status">
            <Icon name=icon />
            <div>
                <strong>{what}</strong>
                {rest.map(|rest| view! { <p>{rest}</p> })}
            </div>
        </div>
    }
}

/// Where one operator has enough key nodes to put a key together, they are no protection from that operator, and the
/// page says so.
#[component]
pub(crate) fn EmbeddedNodesLine() -> impl IntoView {
    let bootstrap = crate::client::use_client().bootstrap;
    let warning = Memo::new(move |_| {
        let said = bootstrap.with(|facts| facts.as_ref().map(|facts| facts.key_warning.clone()));
        said.unwrap_or_default()
    });
    view! {
        <p class="hint" hidden=move || warning.with(String::is_empty)>
            {move || warning.get()}
        </p>
    }
}
