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

/// The embedded key nodes are no protection from whoever runs this server, and the page says so.
#[component]
pub(crate) fn EmbeddedNodesLine() -> impl IntoView {
    let bootstrap = crate::client::use_client().bootstrap;
    let all_here = move || {
        bootstrap.with(|facts| {
            facts
                .as_ref()
                .is_none_or(|facts| facts.key_nodes.iter().all(|node| node.embedded))
        })
    };
    view! {
        <p class="hint" hidden=move || !all_here()>
            "All five key nodes are run by this server. That is fine for trying out, and no protection from whoever runs it."
        </p>
    }
}
