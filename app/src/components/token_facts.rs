//! What the chain says of a token: who holds it, who made it and how royalties are shared, whether it is withdrawn.

use healthsync_core::Person;
use leptos::prelude::*;

use super::{
    avatar::Avatar,
    icon::Icon,
    mint::count_of,
    mint_work::{ChainWork, short},
    money::in_units,
    percent::percent,
};
use crate::{
    api::{RoyaltyFact, TokenFacts},
    client::{
        model::{Intent, Session, TokenIntent, TxState},
        use_client,
    },
};

#[component]
pub(crate) fn Owner(facts: Memo<TokenFacts>) -> impl IntoView {
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
pub(crate) fn Contributors(facts: Memo<TokenFacts>, work: Memo<Option<TxState>>) -> impl IntoView {
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
        work.with(|work| matches!(work, Some(TxState::Wallet(_) | TxState::Pending { .. })))
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
        Ok(number) => format!("{} {currency}", in_units(number)),
        // More than there is of any currency.
        Err(_) => format!("{smallest} of the smallest unit"),
    }
}
