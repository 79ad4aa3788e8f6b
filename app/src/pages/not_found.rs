//! Addresses that lead nowhere.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::A;

use crate::components::{footer::Footer, platform, top_bar::TopBar};

#[component]
pub(crate) fn NotFoundPage() -> impl IntoView {
    platform::not_found_status();
    view! {
        <Title text="Not found" />
        <TopBar />
        <main id="main" class="page" tabindex="-1">
            <div class="page__head">
                <div>
                    <h1>"There is no page here"</h1>
                    <p>"The address may be cut off, or old. Nothing of yours is lost by it."</p>
                </div>
            </div>
            <div class="row">
                <A href="/rooms" attr:class="btn btn--main">
                    "Your rooms"
                </A>
                <A href="/" attr:class="btn">
                    "Start page"
                </A>
            </div>
        </main>
        <Footer />
    }
}

/// The registry has no room with this id.
#[component]
pub(crate) fn NoSuchRoom() -> impl IntoView {
    view! {
        <Title text="No such room" />
        <div class="page__head">
            <div>
                <h1>"No such room"</h1>
                <p>
                    "The registry on the chain has no room with this id. A link that was cut off when it was copied looks like this: a room's address ends with 0x and 64 digits."
                </p>
            </div>
        </div>
        <div class="row">
            <A href="/rooms" attr:class="btn btn--main">
                "Your rooms"
            </A>
            <A href="/rooms/new" attr:class="btn">
                "New room"
            </A>
        </div>
    }
}
