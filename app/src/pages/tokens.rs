//! `/tokens`: the conversations that a person holds.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::A;

use crate::{
    client::{
        model::{Intent, Session, TokenIntent, TokenList},
        use_client,
    },
    components::{
        footer::Footer, icon::Icon, notice::TroubleNotice, sign_in::use_sign_in, top_bar::TopBar,
    },
};

#[component]
pub(crate) fn TokensPage() -> impl IntoView {
    let client = use_client();
    let sign_in = use_sign_in();
    let person = Memo::new(move |_| client.session.with(Session::person));
    let signed_out = Memo::new(move |_| {
        client
            .session
            .with(|session| matches!(session, Session::SignedOut | Session::Connecting { .. }))
    });
    Effect::new(move |_| {
        if person.get().is_some() {
            client.send(Intent::Token(TokenIntent::List));
        }
    });
    view! {
        <Title text="Your tokens" />
        <TopBar />
        <main id="main" class="page" tabindex="-1">
            <div class="page__head">
                <div>
                    <h1>"Your tokens"</h1>
                    <p>"Conversations that you hold: each opens a case and its discussion, without being in the room."</p>
                </div>
            </div>
            {move || {
                if signed_out.get() {
                    return view! {
                        <div class="card card--empty stack">
                            <p>"Connect a wallet to see which tokens it holds."</p>
                            <div class="row">
                                <button
                                    class="btn btn--main"
                                    type="button"
                                    disabled=move || !client.live.get()
                                    on:click=move |_| sign_in.0.set(true)
                                >
                                    "Connect a wallet"
                                </button>
                            </div>
                        </div>
                    }
                    .into_any();
                }
                match client.tokens.get() {
                    TokenList::Loading => view! { <p class="muted" role="status">"Looking on the chain."</p> }.into_any(),
                    TokenList::Failed(trouble) => view! { <TroubleNotice trouble /> }.into_any(),
                    TokenList::Loaded(tokens) if tokens.is_empty() => view! {
                        <div class="card card--empty stack">
                            <p>"You hold none. A case becomes a token by “Mint” above its picture, once every contributor has signed."</p>
                            <div class="row">
                                <A href="/rooms" attr:class="btn">"Your rooms"</A>
                            </div>
                        </div>
                    }
                    .into_any(),
                    TokenList::Loaded(tokens) => view! {
                        <ul class="rows token-rows" data-testid="token-list">
                            {tokens
                                .into_iter()
                                .map(|token| {
                                    let kind = match token.edition() {
                                        0 => "original".to_owned(),
                                        edition => format!("edition {edition}"),
                                    };
                                    view! {
                                        <li>
                                            <A href=format!("/tokens/{token}") attr:class="token-row" attr:data-testid="token-card">
                                                <Icon name="layers" />
                                                <span>"Conversation " <span class="num">{token.short()}</span></span>
                                                <span class="small faint">{kind}</span>
                                            </A>
                                        </li>
                                    }
                                })
                                .collect_view()}
                        </ul>
                    }
                    .into_any(),
                }
            }}
        </main>
        <Footer />
    }
}
