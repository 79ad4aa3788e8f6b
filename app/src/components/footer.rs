//! The foot of every page but the room.

use leptos::prelude::*;
use leptos_router::components::A;

use super::theme::ThemeChoice;

#[component]
pub(crate) fn Footer() -> impl IntoView {
    view! {
        <footer class="foot">
            <div>
                <span>
                    "HealthSync is a discussion tool, not a medical device. Readings here don't replace a formal report."
                </span>
                <A href="/#private">"What the server can see"</A>
                <div class="foot__theme">
                    <ThemeChoice name="theme-foot" />
                </div>
            </div>
        </footer>
    }
}
