//! Icons: Lucide (ISC), one sprite in each document. Always beside a word, or the control has a label.

use leptos::prelude::*;

/// The sprite, as it lies in the document that the server sends. In a file of its own the browser fetches and parses
/// it anew for each icon that appears: 5 ms a message.
#[cfg(feature = "ssr")]
pub(crate) const SPRITE: &str = include_str!("icons.svg");

#[component]
pub(crate) fn Icon(name: &'static str, #[prop(optional)] small: bool) -> impl IntoView {
    view! {
        <svg class=if small { "icon icon--s" } else { "icon" } aria-hidden="true">
            <use href=format!("#i-{name}") />
        </svg>
    }
}

/// The mark of HealthSync: two gantry arcs around what is looked at.
#[component]
pub(crate) fn BrandMark() -> impl IntoView {
    view! {
        <svg viewBox="0 0 24 24" fill="none" stroke="currentColor" stroke-width="2" aria-hidden="true">
            <circle cx="12" cy="12" r="9.5" stroke-dasharray="44 16" transform="rotate(-58 12 12)" />
            <circle cx="12" cy="12" r="5" stroke-dasharray="22 10" transform="rotate(112 12 12)" />
            <circle cx="12" cy="12" r="1.4" fill="currentColor" stroke="none" />
        </svg>
    }
}
