//! Proposals to mint the open case, as everybody in the room sees them: who has signed, one's own answer, the
//! transaction, and the token once there is one.

use healthsync_core::EventId;
use leptos::prelude::*;
use leptos_router::components::A;

use super::{
    icon::Icon, mint::count_of, mint_work::Work, percent::percent, platform, room_scope::use_room,
    time::local_date,
};
use crate::client::{
    model::{Answer, ConsentRow, Intent, MintRow, MintWork, TokenIntent, TxState},
    use_client,
};

/// The newest proposal of the case, or all of them once one is minted; and a word when another case waits for you.
#[component]
pub(crate) fn MintProposals(case: EventId) -> impl IntoView {
    let room = use_room();
    let shown = Memo::new(move |_| {
        room.mints.with(|mints| {
            let mut of_case = mints.iter().filter(|mint| mint.case == case);
            let minted = of_case.clone().filter(|mint| mint.minted);
            let newest = of_case.next_back().filter(|mint| !mint.minted);
            minted.chain(newest).map(|mint| mint.id).collect::<Vec<_>>()
        })
    });
    let elsewhere = Memo::new(move |_| {
        room.mints.with(|mints| {
            let waits = |mint: &&MintRow| mint.case != case && mint.waits_for_you();
            mints.iter().find(waits).map(|mint| mint.case)
        })
    });
    view! {
        {move || {
            elsewhere
                .get()
                .map(|other| {
                    view! {
                        <p class="mint-elsewhere small" role="status">
                            <Icon name="pen-line" small=true />
                            " Another case waits for your consent. "
                            <button class="msg__act" type="button" on:click=move |_| room.chosen_case.set(Some(other))>
                                "Show it"
                            </button>
                        </p>
                    }
                })
        }}
        <For each=move || shown.get() key=|id| *id let(id)>
            <Proposal id />
        </For>
    }
}

#[component]
fn Proposal(id: EventId) -> impl IntoView {
    let room = use_room();
    let row = Memo::new(move |_| {
        room.mints
            .with(|mints| mints.iter().find(|mint| mint.id == id).cloned())
    });
    move || {
        row.get().map(|row| {
            if row.minted {
                view! { <Minted row /> }.into_any()
            } else {
                view! { <Asked row /> }.into_any()
            }
        })
    }
}

#[component]
fn Minted(row: MintRow) -> impl IntoView {
    view! {
        <div class="mint-card" data-testid="mint-proposal" data-state="minted">
            <span class="badge badge--ok">
                <Icon name="circle-check" />
                "Minted"
            </span>
            <A href=format!("/tokens/{}", row.token) attr:data-testid="token-link">
                {format!("Token {}", row.token.short())}
            </A>
        </div>
    }
}

#[component]
fn Asked(row: MintRow) -> impl IntoView {
    let client = use_client();
    let id = row.id;
    let declined = row.declined();
    let over = row.deadline < platform::now();
    let complete = row.is_complete();
    let signed = row
        .consents
        .iter()
        .filter(|consent| consent.answer == Answer::Signed)
        .count();
    let all = row.consents.len();
    let state = match (declined, over, complete) {
        (Some(_), ..) => "declined",
        (None, true, _) => "over",
        (None, false, true) => "ready",
        (None, false, false) => "asking",
    };
    let title = match declined {
        Some(person) => format!("Not minted: {} declined.", person.short()),
        None if over => "Not minted: the time to sign is over.".to_owned(),
        None if complete => "All have signed. It can be minted.".to_owned(),
        None => format!("{signed} of {all} have signed to mint this case"),
    };
    let who = if row.you_proposed {
        "You propose".to_owned()
    } else {
        format!("{} proposes", row.proposer.short())
    };
    let terms = format!(
        "{who} to make this case a token: {}, {} % royalty, {} of {} can withdraw it, {}. Sign until {}.",
        count_of(row.entries, "entry", "entries"),
        percent(row.royalty),
        row.quorum,
        count_of(all, "contributor", "contributors"),
        match row.editions {
            0 => "no editions".to_owned(),
            editions => count_of(editions, "edition", "editions"),
        },
        local_date(row.deadline),
    );
    let busy = matches!(
        row.work,
        Some(
            MintWork::Signing
                | MintWork::Preparing(_)
                | MintWork::Chain(TxState::Wallet(_) | TxState::Pending { .. })
        )
    );
    let can_cancel = matches!(row.work, Some(MintWork::Signing));
    let may_answer = row.waits_for_you() && !over;
    let again = row.you_proposed && (declined.is_some() || over);
    let room = use_room();
    let answer = move |agree| {
        client.send(Intent::Token(TokenIntent::Answer {
            proposal: id,
            agree,
        }))
    };
    let work = row.work.clone();
    view! {
        <details class="mint-card" data-testid="mint-proposal" data-state=state open=matches!(state, "asking" | "ready") || busy>
            <summary>
                <Icon name="layers" small=true />
                " "
                {title}
            </summary>
            <p class="small">{terms}</p>
            <ul class="mint-consents">
                {row.consents.iter().map(|consent| view! { <Consent consent=consent.clone() /> }).collect_view()}
            </ul>
            <Work work=Signal::derive(move || work.clone()) />
            <div class="row">
                {(may_answer && !busy)
                    .then(|| {
                        view! {
                            <button class="btn btn--main" type="button" data-testid="mint-sign" on:click=move |_| answer(true)>
                                <Icon name="pen-line" />
                                "Sign in the wallet"
                            </button>
                            <button class="btn" type="button" data-testid="mint-decline" on:click=move |_| answer(false)>
                                "Decline"
                            </button>
                        }
                    })}
                {(complete && !over && declined.is_none() && !busy)
                    .then(|| {
                        view! {
                            <button
                                class="btn btn--main"
                                type="button"
                                data-testid="mint-send"
                                on:click=move |_| client.send(Intent::Token(TokenIntent::Mint { proposal: id }))
                            >
                                <Icon name="layers" />
                                "Mint now"
                            </button>
                        }
                    })}
                {can_cancel
                    .then(|| {
                        view! {
                            <button
                                class="btn"
                                type="button"
                                on:click=move |_| client.send(Intent::Token(TokenIntent::Dismiss { of: id }))
                            >
                                "Stop waiting"
                            </button>
                        }
                    })}
                {again
                    .then(|| {
                        view! {
                            <button class="btn" type="button" on:click=move |_| room.minting.set(true)>
                                "Propose again"
                            </button>
                        }
                    })}
            </div>
        </details>
    }
}

#[component]
fn Consent(consent: ConsentRow) -> impl IntoView {
    let (badge, icon, word) = match consent.answer {
        Answer::Signed => ("badge badge--ok", "check", "signed"),
        Answer::Declined => ("badge badge--warn", "x", "declined"),
        Answer::Missing => ("badge", "clock", "asked"),
    };
    let who = if consent.you {
        "you".to_owned()
    } else {
        consent.person.short()
    };
    view! {
        <li data-testid="mint-consent" data-answer=word>
            <span class="addr" title=consent.person.checksummed()>{who}</span>
            <span class="small faint num">{format!("{} %", percent(consent.share))}</span>
            <span class=badge>
                <Icon name=icon />
                {word}
            </span>
        </li>
    }
}
