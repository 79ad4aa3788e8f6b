//! `/tokens/{id}`: a conversation for who may open it, and beside it what the chain says of it.

use healthsync_core::TokenId;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;

use crate::{
    api::{self, TokenFacts},
    client::{
        model::{Intent, Session, TokenCase, TokenIntent, TokenView},
        use_client,
    },
    components::{
        footer::Footer,
        icon::Icon,
        notice::TroubleNotice,
        platform,
        sign_in::use_sign_in,
        token_case::TokenContent,
        token_facts::{Contributors, Owner},
        top_bar::TopBar,
    },
};

/// What the server found.
#[derive(Clone, Debug, PartialEq, serde::Serialize, serde::Deserialize)]
enum Found {
    Token(Box<TokenFacts>),
    Nothing,
    /// The chain does not answer, or there is no contract.
    Unknown(String),
}

#[component]
pub(crate) fn TokenPage() -> impl IntoView {
    let params = use_params_map();
    let token = Memo::new(move |_| {
        params.with(|params| params.get("id").and_then(|id| id.parse::<TokenId>().ok()))
    });
    let found = Resource::new_blocking(
        move || token.get(),
        async |token| {
            let found = match token {
                None => Found::Nothing,
                Some(token) => match api::token_facts(token).await {
                    Ok(Some(facts)) => Found::Token(Box::new(facts)),
                    Ok(None) => Found::Nothing,
                    Err(error) => Found::Unknown(error.to_string()),
                },
            };
            if found == Found::Nothing {
                platform::not_found_status();
            }
            found
        },
    );
    view! {
        <TopBar />
        <main id="main" class="page" tabindex="-1">
            <Suspense>
                {move || Suspend::new(async move {
                    match found.await {
                        Found::Token(facts) => view! { <Token facts=*facts /> }.into_any(),
                        Found::Nothing => view! { <NoSuchToken /> }.into_any(),
                        Found::Unknown(why) => view! { <Unknown why /> }.into_any(),
                    }
                })}
            </Suspense>
        </main>
        <Footer />
    }
}

#[component]
fn NoSuchToken() -> impl IntoView {
    view! {
        <Title text="No such token" />
        <div class="page__head">
            <div>
                <h1>"No such token"</h1>
                <p>
                    "Nothing with this id has been minted. A link that was cut off when it was copied looks like this: a token's address ends with 0x and 64 digits."
                </p>
            </div>
        </div>
    }
}

#[component]
fn Unknown(why: String) -> impl IntoView {
    view! {
        <Title text="Token" />
        <div class="page__head">
            <div>
                <h1>"Conversation token"</h1>
                <p role="alert" data-testid="error">{why}</p>
            </div>
        </div>
    }
}

#[component]
fn Token(facts: TokenFacts) -> impl IntoView {
    let client = use_client();
    let token = facts.token;
    let first = StoredValue::new(facts.clone());
    Effect::new(move |_| {
        if client.live.get() {
            let facts = Some(Box::new(first.get_value()));
            client.send(Intent::Token(TokenIntent::Show(token, facts)));
        }
    });
    on_cleanup(move || client.send(Intent::Token(TokenIntent::Leave)));
    // The server's facts until the browser has newer ones.
    let view = Memo::new(move |_| {
        client
            .token
            .get()
            .filter(|view| view.token == token)
            .unwrap_or_else(|| TokenView::new(token, Some(first.get_value())))
    });
    let facts = Memo::new(move |_| {
        view.with(|view| view.facts.clone())
            .unwrap_or_else(|| first.get_value())
    });
    let case = Memo::new(move |_| view.with(|view| view.case.clone()));
    let work = Memo::new(move |_| view.with(|view| view.work.clone()));
    let name = match token.edition() {
        0 => "Whoever holds it can open the case and the discussion.".to_owned(),
        edition => format!(
            "Edition {edition} of a conversation. Whoever holds it can open the case and the discussion."
        ),
    };
    view! {
        <Title text="Conversation token" />
        <div class="page__head">
            <div>
                <h1>"Conversation token " <span class="num">{token.short()}</span></h1>
                <p>{name}</p>
            </div>
            <div class="row">
                <button
                    class="btn"
                    type="button"
                    disabled=move || !client.live.get()
                    on:click=move |_| client.send(Intent::CopyText(format!("{}/tokens/{token}", platform::origin())))
                >
                    <Icon name="copy" />
                    "Copy link"
                </button>
            </div>
        </div>
        <div class="grid-token">
            <Content facts case />
            <div class="stack token-side">
                <Owner facts />
                <Contributors facts work />
            </div>
        </div>
    }
}

/// The place of the case: a door, or what is behind it.
#[component]
fn Content(facts: Memo<TokenFacts>, case: Memo<TokenCase>) -> impl IntoView {
    let client = use_client();
    let sign_in = use_sign_in();
    let withdrawn = Memo::new(move |_| facts.with(|facts| facts.withdrawn));
    let ready = Memo::new(move |_| client.session.with(Session::is_ready));
    let open = move |_| client.send(Intent::Token(TokenIntent::OpenCase));
    let button = move || {
        if ready.get() {
            view! {
                <button
                    class="btn btn--main"
                    type="button"
                    data-testid="open-token"
                    disabled=move || !client.live.get()
                    on:click=open
                >
                    <Icon name="lock-open" />
                    "Open case"
                </button>
            }
            .into_any()
        } else {
            view! {
                <button
                    class="btn btn--main"
                    type="button"
                    disabled=move || !client.live.get()
                    on:click=move |_| sign_in.0.set(true)
                >
                    "Connect a wallet to open it"
                </button>
            }
            .into_any()
        }
    };
    // The open case is drawn once; its images change by themselves.
    let images = Memo::new(move |_| {
        case.with(|case| match case {
            TokenCase::Open(open) => open.images.clone(),
            _ => Vec::new(),
        })
    });
    let place = Memo::new_with_compare(
        move |_| case.get(),
        |before, now| match (before, now) {
            (Some(TokenCase::Open(_)), Some(TokenCase::Open(_))) => false,
            (before, now) => before != now,
        },
    );
    move || {
        if withdrawn.get() {
            return view! {
                <section class="plate reading token-door" data-testid="token-case" data-state="withdrawn">
                    <div class="lock">
                        <Icon name="eye-off" />
                        <h2>"Withdrawn by its contributors"</h2>
                        <p>
                            "The key nodes no longer release this key, to nobody. Who opened the case before may have kept a copy. The token stays on the chain as a record, and does not move any more."
                        </p>
                    </div>
                </section>
            }
            .into_any();
        }
        match place.get() {
            TokenCase::Open(open) => view! { <TokenContent open=*open images /> }.into_any(),
            TokenCase::Closed => view! {
                <section class="plate reading token-door" data-testid="token-case" data-state="closed">
                    <div class="lock">
                        <Icon name="lock" />
                        <h2>"Sealed"</h2>
                        <p>"The key nodes give the key to whoever holds this token."</p>
                        {button}
                    </div>
                </section>
            }
            .into_any(),
            TokenCase::Opening(step) => view! {
                <section class="plate reading token-door" data-testid="token-case" data-state="opening">
                    <div class="lock" role="status">
                        <progress aria-label=step></progress>
                        <p>{step}</p>
                    </div>
                </section>
            }
            .into_any(),
            TokenCase::Denied { person } => view! {
                <section class="plate reading token-door" data-testid="token-case" data-state="denied">
                    <div class="lock" role="alert">
                        <Icon name="lock" />
                        <h2>"Not yours to open"</h2>
                        <p>{format!("{} does not hold this token, so the key nodes keep the key.", person.short())}</p>
                        {button}
                    </div>
                </section>
            }
            .into_any(),
            TokenCase::Failed(trouble) => view! {
                <section class="token-door stack" data-testid="token-case" data-state="failed">
                    <TroubleNotice trouble />
                    {button}
                </section>
            }
            .into_any(),
        }
    }
}
