//! `/verify`: says that re-counting is not part of this version. It is not in the navigation.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::A;

use crate::components::{footer::Footer, top_bar::TopBar};

#[component]
pub(crate) fn VerifyPage() -> impl IntoView {
    view! {
        <Title text="Verify a result" />
        <TopBar />
        <main id="main" class="page" tabindex="-1">
            <div class="page__head">
                <div>
                    <h1>"Verify a result"</h1>
                    <p>
                        "Re-counting a closed poll from its result file is not part of this version. Votes are signed already: the room itself counts only signatures that it has checked."
                    </p>
                </div>
            </div>
            <div class="row">
                <A href="/rooms" attr:class="btn">
                    "Your rooms"
                </A>
            </div>
        </main>
        <Footer />
    }
}
