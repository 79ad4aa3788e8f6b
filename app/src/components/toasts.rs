//! Short messages at the edge of the page. What is lost or refused stays until it is dismissed; the runtime takes the others
//! away after a while.

use leptos::prelude::*;

use super::icon::Icon;
use crate::client::{
    model::{Intent, Toast, ToastKind},
    use_client,
};

#[component]
pub(crate) fn Toasts() -> impl IntoView {
    let toasts = use_client().toasts;
    view! {
        <div class="toasts" aria-live="polite" aria-relevant="additions">
            <For each=move || toasts.get() key=|toast| toast.id let(toast)>
                <ToastCard toast />
            </For>
        </div>
    }
}

#[component]
fn ToastCard(toast: Toast) -> impl IntoView {
    let client = use_client();
    let id = toast.id;
    let (class, icon, role) = match toast.kind {
        ToastKind::Info => ("toast", "info", "status"),
        ToastKind::Good => ("toast toast--ok", "circle-check", "status"),
        ToastKind::Bad => ("toast toast--bad", "circle-x", "alert"),
    };
    view! {
        <div class=class role=role data-testid="toast">
            <Icon name=icon />
            <span>{toast.text}</span>
            <button
                class="btn btn--quiet btn--icon toast__x"
                type="button"
                aria-label="Dismiss"
                title="Dismiss"
                on:click=move |_| client.send(Intent::DismissToast(id))
            >
                <Icon name="x" />
            </button>
        </div>
    }
}
