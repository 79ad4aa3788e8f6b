//! `/tokens/{id}`: who holds a conversation, who made it and how royalties are shared, whether it is withdrawn; and
//! the conversation itself for who may open it.

use healthsync_core::{Person, TokenId};
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;

use crate::{
    api::{self, RoyaltyFact, TokenFacts},
    client::{
        model::{Intent, Session, TokenCase, TokenIntent, TokenView, TxState},
        use_client,
    },
    components::{
        avatar::Avatar,
        footer::Footer,
        icon::Icon,
        mint::count_of,
        mint_work::{ChainWork, short},
        notice::TroubleNotice,
        percent::percent,
        platform,
        sign_in::use_sign_in,
        token_case::TokenContent,
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
        match case.get() {
            TokenCase::Open(open) => view! { <TokenContent open=*open /> }.into_any(),
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

#[component]
fn Owner(facts: Memo<TokenFacts>) -> impl IntoView {
    let client = use_client();
    let me = Memo::new(move |_| client.session.with(Session::person));
    let explorer = move |address: Person| {
        client.bootstrap.with(|known| {
            let base = known.as_ref()?.chain.explorer.clone()?;
            Some(format!(
                "{}/address/{}",
                base.trim_end_matches('/'),
                address.checksummed()
            ))
        })
    };
    let contract = move || {
        client
            .bootstrap
            .with(|known| known.as_ref().and_then(|known| known.contracts.token))
    };
    view! {
        <section class="card stack" aria-labelledby="owner-h">
            <h2 id="owner-h">"Owner"</h2>
            {move || {
                facts.with(|facts| match facts.holder {
                    None => view! { <p class="muted">"There is no such edition."</p> }.into_any(),
                    Some(holder) => view! {
                        <div class="person" data-testid="token-owner">
                            <Avatar person=holder />
                            <div>
                                <span class="who addr">{holder.short()}</span>
                                <span class="visually-hidden">{holder.checksummed()}</span>
                                <Show when=move || me.get() == Some(holder)>
                                    <span class="who">" you"</span>
                                </Show>
                            </div>
                            {if facts.withdrawn {
                                view! {
                                    <span class="badge badge--warn">
                                        <Icon name="triangle-alert" />
                                        "Withdrawn"
                                    </span>
                                }
                                .into_any()
                            } else {
                                view! {
                                    <span class="badge badge--ok">
                                        <Icon name="circle-check" />
                                        "Can open"
                                    </span>
                                }
                                .into_any()
                            }}
                        </div>
                    }
                    .into_any(),
                })
            }}
            <dl class="kv">
                <dt>"Contract"</dt>
                <dd class="mono">
                    {move || {
                        contract()
                            .map(|at| match explorer(at) {
                                Some(href) => view! {
                                    <a href=href rel="external noopener" target="_blank">{at.short()}</a>
                                }
                                .into_any(),
                                None => at.short().into_any(),
                            })
                    }}
                </dd>
                <dt>"Royalty"</dt>
                <dd>{move || facts.with(|facts| format!("{} % of each resale", percent(facts.royalty)))}</dd>
                <dt>"Editions"</dt>
                <dd class="num">{move || facts.with(|facts| facts.editions)}</dd>
                <dt>"Content"</dt>
                <dd class="mono" title="Commitment to the signed events and files">
                    {move || facts.with(|facts| short(&facts.commitment))}
                </dd>
                <dt>"Minted"</dt>
                <dd data-testid="token-finality">{move || facts.with(finality)}</dd>
            </dl>
        </section>
    }
}

/// Included and final are told apart: a block may still be replaced for a while.
fn finality(facts: &TokenFacts) -> String {
    match (facts.minted, facts.finalized) {
        (None, _) => "seen on the chain just now".to_owned(),
        (Some(block), Some(last)) if block <= last => format!("in block {block}, final"),
        (Some(block), Some(_)) => format!("in block {block}, not final yet"),
        (Some(block), None) => format!("in block {block}"),
    }
}

#[component]
fn Contributors(facts: Memo<TokenFacts>, work: Memo<Option<TxState>>) -> impl IntoView {
    let client = use_client();
    let me = Memo::new(move |_| client.session.with(Session::person));
    let currency = move || {
        client
            .bootstrap
            .with(|known| known.as_ref().map(|known| known.chain.currency.clone()))
            .unwrap_or_default()
    };
    let mine = Memo::new(move |_| {
        let me = me.get()?;
        facts.with(|facts| {
            facts
                .contributors
                .iter()
                .find(|row| row.person == me)
                .cloned()
        })
    });
    let due =
        Memo::new(move |_| mine.with(|mine| mine.as_ref().is_some_and(|mine| mine.due != "0")));
    let may_withdraw =
        Memo::new(move |_| mine.with(Option::is_some) && !facts.with(|facts| facts.withdrawn));
    let busy = Memo::new(move |_| {
        work.with(|work| matches!(work, Some(TxState::Wallet | TxState::Pending { .. })))
    });
    let sure = RwSignal::new(false);
    let count = move || facts.with(|facts| facts.contributors.len());
    view! {
        <section class="card stack" aria-labelledby="contributors-h">
            <div class="row row--apart">
                <h2 id="contributors-h">"Contributors"</h2>
                <span class="small faint num">{move || count_of(count(), "person", "people")} ", 100 %"</span>
            </div>
            // Drawn, because the page's policy takes no inline styles: 10,000 units wide, as the shares are counted.
            <svg class="royalty" viewBox="0 0 10000 1" preserveAspectRatio="none" aria-hidden="true">
                {move || {
                    facts.with(|facts| {
                        let mut at = 0;
                        facts
                            .contributors
                            .iter()
                            .map(|row| {
                                let x = at;
                                at += u32::from(row.share);
                                let class = format!("id-{}", row.person.0[0] % 6);
                                view! { <rect class=class x=x width=row.share height="1"></rect> }
                            })
                            .collect_view()
                    })
                }}
            </svg>
            <div class="scroll" tabindex="0" role="region" aria-label="Shares and royalties">
                <table class="table">
                    <thead>
                        <tr>
                            <th scope="col">"Person"</th>
                            <th scope="col" class="end">"Share"</th>
                            <th scope="col" class="end">"Paid"</th>
                            <th scope="col" class="end">"Due"</th>
                        </tr>
                    </thead>
                    <tbody>
                        {move || {
                            let currency = currency();
                            facts.with(|facts| {
                                facts
                                    .contributors
                                    .iter()
                                    .map(|row| contributor_row(row, me.get(), &currency))
                                    .collect_view()
                            })
                        }}
                    </tbody>
                </table>
            </div>
            <p class="small muted">
                {move || {
                    facts.with(|facts| {
                        let asked = match facts.retractions {
                            0 => String::new(),
                            asked => format!(" {asked} asked for it so far."),
                        };
                        format!(
                            "{} of {} contributors can withdraw the conversation for good.{asked}",
                            facts.quorum,
                            facts.contributors.len(),
                        )
                    })
                }}
            </p>
            {move || work.get().map(|state| view! { <ChainWork state /> })}
            <div class="row">
                <Show when=move || due.get() && !busy.get()>
                    <button
                        class="btn btn--main"
                        type="button"
                        data-testid="token-claim"
                        on:click=move |_| client.send(Intent::Token(TokenIntent::Claim))
                    >
                        "Fetch my royalties"
                    </button>
                </Show>
                <Show when=move || may_withdraw.get() && !busy.get()>
                    {move || {
                        if sure.get() {
                            view! {
                                <button
                                    class="btn btn--danger"
                                    type="button"
                                    data-testid="token-withdraw-sure"
                                    on:click=move |_| {
                                        sure.set(false);
                                        client.send(Intent::Token(TokenIntent::Retract));
                                    }
                                >
                                    "Yes, ask for withdrawal for good"
                                </button>
                                <button class="btn" type="button" on:click=move |_| sure.set(false)>
                                    "Keep it"
                                </button>
                            }
                            .into_any()
                        } else {
                            view! {
                                <button
                                    class="btn btn--danger"
                                    type="button"
                                    data-testid="token-withdraw"
                                    on:click=move |_| sure.set(true)
                                >
                                    "Withdraw"
                                </button>
                            }
                            .into_any()
                        }
                    }}
                </Show>
            </div>
        </section>
    }
}

fn contributor_row(row: &RoyaltyFact, me: Option<Person>, currency: &str) -> impl IntoView + use<> {
    let who = if me == Some(row.person) {
        "you".to_owned()
    } else {
        row.person.short()
    };
    view! {
        <tr data-testid="token-contributor">
            <td class="addr" title=row.person.checksummed()>{who}</td>
            <td class="end">{format!("{} %", percent(row.share))}</td>
            <td class="end">{amount(&row.paid, currency)}</td>
            <td class="end">{amount(&row.due, currency)}</td>
        </tr>
    }
}

/// Of the smallest unit, with four significant digits.
fn amount(smallest: &str, currency: &str) -> String {
    match smallest.parse::<u128>() {
        Ok(0) => "0".to_owned(),
        Ok(number) => format!("{} {currency}", crate::components::money::in_units(number)),
        // More than there is of any currency.
        Err(_) => format!("{smallest} of the smallest unit"),
    }
}
