//! The root of both builds: the client in the context, the routes, and what floats above every page.

use leptos::prelude::*;
use leptos_meta::{Title, provide_meta_context};
use leptos_router::{
    SsrMode,
    components::{FlatRoutes, Route, Router},
    hooks::use_location,
    path,
};

use crate::{
    client::Client,
    components::{
        notice::rest_of, platform, sign_in::SignInDialog, sign_in::SignInOpen, toasts::Toasts,
    },
    pages::{
        landing::LandingPage, new_room::NewRoomPage, not_found::NotFoundPage, room::RoomPage,
        rooms::RoomsPage, token::TokenPage, tokens::TokensPage, verify::VerifyPage,
    },
};

/// All pages. Server rendering waits for what a page needs (`SsrMode::Async`), so that its status and its text are
/// right without scripts.
#[component]
pub fn App() -> impl IntoView {
    provide_meta_context();
    let client = Client::new(platform::bootstrap());
    provide_context(client);
    provide_context(SignInOpen(RwSignal::new(false)));

    view! {
        <Title formatter=|page: String| {
            if page.is_empty() { "HealthSync".to_owned() } else { format!("{page} · HealthSync") }
        } />
        <Router>
            <a class="skip" href="#main">
                "Skip to content"
            </a>
            <FlatRoutes fallback=NotFoundPage>
                <Route path=path!("/") view=LandingPage ssr=SsrMode::Async />
                <Route path=path!("/rooms") view=RoomsPage ssr=SsrMode::Async />
                <Route path=path!("/rooms/new") view=NewRoomPage ssr=SsrMode::Async />
                <Route path=path!("/rooms/:id") view=RoomPage ssr=SsrMode::Async />
                <Route path=path!("/tokens") view=TokensPage ssr=SsrMode::Async />
                <Route path=path!("/tokens/:id") view=TokenPage ssr=SsrMode::Async />
                <Route path=path!("/verify") view=VerifyPage ssr=SsrMode::Async />
            </FlatRoutes>
            <SignInDialog />
            <Toasts />
            <Broken client />
            <Start client />
        </Router>
    }
}

/// Why nothing but reading works, for as long as the page is there.
#[component]
fn Broken(client: Client) -> impl IntoView {
    move || {
        client.broken.get().map(|why| {
            let rest = rest_of(&why);
            view! {
                <div class="stuck" role="alert" data-testid="broken">
                    <span>{why.what} " " {rest}</span>
                    <a class="btn" href="" rel="external">
                        "Reload"
                    </a>
                </div>
            }
        })
    }
}

/// How the runtime is started: by whoever loads its code, which comes after the page's. It gets a way to change the page
/// without loading it anew.
#[cfg(feature = "hydrate")]
#[derive(Clone, Copy)]
pub(crate) struct Begin(pub fn(Client, Go));

/// Goes to a path of this site.
#[cfg(feature = "hydrate")]
pub type Go = Box<dyn Fn(&str)>;

/// Starts the runtime once the page is there, and moves focus to the page after a change of address.
/// Inside the router, so that the runtime can navigate.
#[component]
fn Start(client: Client) -> impl IntoView {
    #[cfg(feature = "hydrate")]
    Effect::new(move |_| {
        let navigate = leptos_router::hooks::use_navigate();
        let go = Box::new(move |path: &str| navigate(path, Default::default()));
        if let Some(Begin(begin)) = use_context() {
            begin(client, go);
        }
    });
    #[cfg(not(feature = "hydrate"))]
    let _ = client;

    let path = use_location().pathname;
    Effect::new(move |before: Option<String>| {
        let now = path.get();
        if before.is_some_and(|before| before != now) {
            platform::focus_main();
        }
        now
    });
}
