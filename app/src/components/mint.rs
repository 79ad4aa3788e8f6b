//! "Mint this case": what will be public for ever, who has a part in it and which, and what it costs.
//!
//! The form starts from what is in the room; a person who is unticked is left out with everything they said.

use healthsync_core::{EventId, Person};
use leptos::{ev::SubmitEvent, html::Dialog, prelude::*};

use super::{
    avatar::{Avatar, AvatarSize},
    icon::Icon,
    mint_work::Work,
    modal::show_while,
    percent::{first_split, hundredths, percent},
    room_scope::use_room,
};
use crate::client::{
    model::{Intent, MintPlan, MintPreview, MintWork, TokenIntent},
    use_client,
};

/// What the form proposes as royalty: 7.5 %.
const ROYALTY: u16 = 750;

/// In the head of a case, for who shared it.
#[component]
pub(crate) fn MintButton(case: EventId) -> impl IntoView {
    let client = use_client();
    let room = use_room();
    let shown = Memo::new(move |_| {
        let has_contract = client.bootstrap.with(|facts| {
            facts
                .as_ref()
                .is_some_and(|facts| facts.contracts.token.is_some())
        });
        has_contract && (room.cases).with(|cases| cases.iter().any(|row| row.id == case && row.you))
    });
    view! {
        <Show when=move || shown.get()>
            <button
                class="btn btn--quiet"
                type="button"
                data-testid="mint"
                disabled=move || !client.live.get()
                on:click=move |_| room.minting.set(true)
            >
                <Icon name="layers" />
                "Mint"
            </button>
        </Show>
    }
}

#[component]
pub(crate) fn MintDialog() -> impl IntoView {
    let room = use_room();
    let dialog = NodeRef::<Dialog>::new();
    show_while(dialog, room.minting);
    view! {
        <dialog
            class="dialog dialog--mint"
            node_ref=dialog
            aria-labelledby="mint-h"
            on:close=move |_| room.minting.set(false)
        >
            {move || {
                room.open_case
                    .get()
                    .filter(|_| room.minting.get())
                    .map(|case| view! { <MintForm case /> })
            }}
        </dialog>
    }
}

/// One person in the form.
#[derive(Clone, Copy, PartialEq)]
struct Row {
    person: Person,
    entries: usize,
    included: RwSignal<bool>,
    share: RwSignal<String>,
}

#[component]
fn MintForm(case: EventId) -> impl IntoView {
    let client = use_client();
    let room = use_room();
    let preview = client.mint_preview;
    let discussion = RwSignal::new(true);
    let editions = RwSignal::new(false);
    let royalty = RwSignal::new(percent(ROYALTY));
    let quorum = RwSignal::new(String::from("1"));
    let rows = RwSignal::new(Vec::<Row>::new());
    let fault = RwSignal::new(None::<String>);
    let me = Memo::new(move |_| client.session.with(|session| session.person()));

    Effect::new(move |_| {
        let discussion = discussion.get();
        client.send(Intent::Token(TokenIntent::Preview { case, discussion }));
    });
    let people = Memo::new(move |_| {
        preview.with(|preview| match preview {
            MintPreview {
                case: Some(of),
                people,
                ..
            } if *of == case => people.clone(),
            _ => Vec::new(),
        })
    });
    let included = move || {
        rows.with(|rows| {
            rows.iter()
                .filter(|row| row.included.get())
                .copied()
                .collect::<Vec<_>>()
        })
    };
    let resplit = move || {
        let Some(author) = me.get_untracked() else {
            return;
        };
        let kept = untrack(included);
        let all: Vec<Person> = kept.iter().map(|row| row.person).collect();
        for (row, (_, share)) in kept.iter().zip(first_split(&all, author)) {
            row.share.set(percent(share));
        }
        quorum.set((kept.len() / 2 + 1).to_string());
    };
    // What was chosen for a person lives as long as the form, also while a toggle has them out of it. Signals made in
    // the effect below would end with its next run, and the fields on screen would write into nothing.
    let owner = StoredValue::new(Owner::current().unwrap_or_default());
    let known = StoredValue::new(Vec::<Row>::new());
    let row_of = move |person: Person, entries: usize| {
        let before =
            known.with_value(|known| known.iter().find(|row| row.person == person).copied());
        let row = before.unwrap_or_else(|| {
            let row = owner.with_value(|owner| {
                owner.with(|| Row {
                    person,
                    entries,
                    included: RwSignal::new(true),
                    share: RwSignal::new(String::new()),
                })
            });
            known.update_value(|known| known.push(row));
            row
        });
        Row { entries, ..row }
    };
    Effect::new(move |_| {
        let people = people.get();
        let before: Vec<Person> = untrack(included).iter().map(|row| row.person).collect();
        rows.set(
            people
                .iter()
                .map(|(person, entries)| row_of(*person, *entries))
                .collect(),
        );
        // Other people, another split: what was typed was about those.
        if !untrack(included).iter().map(|row| row.person).eq(before) {
            resplit();
        }
    });
    let total = Memo::new(move |_| {
        let shares = included()
            .into_iter()
            .map(|row| hundredths(&row.share.get()));
        shares.sum::<Option<u16>>()
    });
    let work = Memo::new(move |_| room.mint_work_of(case));
    let busy = Memo::new(move |_| {
        work.with(|work| matches!(work, Some(MintWork::Preparing(_) | MintWork::Signing)))
    });
    // Done: the proposal is in the room.
    Effect::new(move |was_busy: Option<bool>| {
        let now = busy.get();
        if was_busy == Some(true) && !now && work.with_untracked(Option::is_none) {
            room.minting.set(false);
        }
        now
    });
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        let kept = included();
        let shares: Option<Vec<(Person, u16)>> = kept
            .iter()
            .map(|row| hundredths(&row.share.get_untracked()).map(|share| (row.person, share)))
            .collect();
        let count = kept.len();
        let quorum: Option<u8> = quorum.get_untracked().trim().parse().ok();
        let royalty = hundredths(&royalty.get_untracked()).filter(|royalty| *royalty <= 1_000);
        let problem = match (shares, quorum, royalty) {
            (None, ..) => "A share is not a percentage: write 20 or 12.5.",
            (Some(shares), ..) if shares.iter().any(|(_, share)| *share == 0) => {
                "Everybody who is ticked gets a share above 0 %."
            }
            _ if total.get_untracked() != Some(10_000) => "The shares have to be 100 % together.",
            (_, Some(quorum), _) if quorum == 0 || usize::from(quorum) > count => {
                "Withdrawal takes at least one contributor and at most all of them."
            }
            (_, None, _) => "How many it takes to withdraw is a whole number.",
            (_, _, None) => "The royalty is a percentage of at most 10.",
            (Some(shares), Some(quorum), Some(royalty)) => {
                fault.set(None);
                client.send(Intent::Token(TokenIntent::Propose(MintPlan {
                    case,
                    shares,
                    discussion: discussion.get_untracked(),
                    royalty,
                    quorum,
                    editions: editions.get_untracked(),
                })));
                return;
            }
        };
        fault.set(Some(problem.to_owned()));
    };
    let counted = move || {
        preview.with(|preview| {
            format!(
                "{} and {}",
                super::cases::pictures(preview.images),
                count_of(preview.entries, "signed entry", "signed entries"),
            )
        })
    };
    let close = move |_| {
        client.send(Intent::Token(TokenIntent::Dismiss { of: case }));
        room.minting.set(false);
    };

    view! {
        <form class="mint-form" on:submit=submit>
            <div class="dialog__head">
                <h2 id="mint-h">"Mint this case"</h2>
                <button class="btn btn--quiet btn--icon" type="button" aria-label="Close" title="Close" on:click=close>
                    <Icon name="x" />
                </button>
            </div>
            <div class="dialog__body">
                <p>
                    "The conversation becomes a token: " {counted}
                    ". Whoever holds the token can open it. Nothing is minted before every contributor has signed."
                </p>
                <div class="mint-two">
                    <section>
                        <h3 class="overline">"Public for ever"</h3>
                        <ul class="small plain-list">
                            <li>"the addresses of the contributors, with their shares"</li>
                            <li>"who holds the token, and each sale"</li>
                            <li>"a code that proves the conversation and says nothing of it"</li>
                        </ul>
                    </section>
                    <section>
                        <h3 class="overline">"Never on the chain"</h3>
                        <ul class="small plain-list">
                            <li>"the images, the words, the votes"</li>
                            <li>"names, roles, and which room it was"</li>
                        </ul>
                    </section>
                </div>
                <fieldset class="mint-people" disabled=move || busy.get()>
                    <legend class="overline">"Contributors and their shares of the royalties"</legend>
                    <For each=move || rows.get() key=|row| (row.person, row.entries) let(row)>
                        <PersonRow row own=Signal::derive(move || me.get() == Some(row.person)) resplit />
                    </For>
                    <p class="small" class:is-bad=move || total.get() != Some(10_000) role="status">
                        {move || match total.get() {
                            Some(total) => format!("{} % together", percent(total)),
                            None => "One share is not a percentage.".to_owned(),
                        }}
                    </p>
                </fieldset>
                <div class="mint-two">
                    <div class="field">
                        <label for="mint-royalty">"Royalty, % of each resale"</label>
                        <input
                            class="input num"
                            id="mint-royalty"
                            inputmode="decimal"
                            prop:value=move || royalty.get()
                            on:input=move |event| royalty.set(event_target_value(&event))
                        />
                    </div>
                    <div class="field">
                        <label for="mint-quorum">"Contributors it takes to withdraw it"</label>
                        <input
                            class="input num"
                            id="mint-quorum"
                            inputmode="numeric"
                            prop:value=move || quorum.get()
                            on:input=move |event| quorum.set(event_target_value(&event))
                        />
                    </div>
                </div>
                <div>
                    <label class="choice">
                        <input
                            type="checkbox"
                            prop:checked=move || discussion.get()
                            on:change=move |event| discussion.set(event_target_checked(&event))
                        />
                        "With the discussion beside the case"
                        <span class="hint">"Messages up to the next case; answers to the case are always in."</span>
                    </label>
                    <label class="choice">
                        <input
                            type="checkbox"
                            data-testid="mint-editions"
                            prop:checked=move || editions.get()
                            on:change=move |event| editions.set(event_target_checked(&event))
                        />
                        "An edition for each other member of the room"
                        <span class="hint">
                            {move || {
                                let members = preview.with(|preview| preview.members.saturating_sub(1));
                                count_of(members, "edition", "editions")
                            }}
                            ", tokens of their own that open the same case"
                        </span>
                    </label>
                </div>
                <p class="small muted">
                    "Proposing costs nothing. Minting is one transaction, "
                    {move || preview.with(|preview| preview.cost.clone().unwrap_or_else(|| "whose price the wallet shows".into()))}
                    ", paid by whoever sends it once all have signed."
                </p>
                {move || {
                    fault
                        .get()
                        .map(|text| {
                            view! {
                                <p class="hint hint--bad" role="alert" data-testid="error">
                                    <Icon name="circle-x" small=true />
                                    <span>{text}</span>
                                </p>
                            }
                        })
                }}
                <Work work />
            </div>
            <div class="dialog__foot">
                <button class="btn" type="button" on:click=close>
                    "Cancel"
                </button>
                <button class="btn btn--main" type="submit" data-testid="mint-propose" disabled=move || busy.get()>
                    <Icon name="pen-line" />
                    {move || match included().len() {
                        0 | 1 => "Sign".to_owned(),
                        count => format!("Sign and ask {}", count_of(count - 1, "colleague", "colleagues")),
                    }}
                </button>
            </div>
        </form>
    }
}

#[component]
fn PersonRow(
    row: Row,
    own: Signal<bool>,
    resplit: impl Fn() + Copy + Send + Sync + 'static,
) -> impl IntoView {
    let id = format!("share-{}", row.person);
    view! {
        <div class="mint-person" data-testid="mint-person">
            <input
                type="checkbox"
                aria-label=format!("{} takes part", row.person.short())
                prop:checked=move || row.included.get()
                // Without who shared it there is no case.
                disabled=move || own.get()
                on:change=move |event| {
                    row.included.set(event_target_checked(&event));
                    resplit();
                }
            />
            <Avatar person=row.person size=AvatarSize::Small />
            <label class="addr trunc" for=id.clone() title=row.person.checksummed()>
                {move || if own.get() { "you".to_owned() } else { row.person.short() }}
            </label>
            <span class="small faint num">{count_of(row.entries, "entry", "entries")}</span>
            <input
                class="input num"
                id=id
                inputmode="decimal"
                prop:value=move || row.share.get()
                disabled=move || !row.included.get()
                on:input=move |event| row.share.set(event_target_value(&event))
            />
            <span class="small faint">"%"</span>
        </div>
    }
}

/// "1 entry", "2 entries".
pub(crate) fn count_of(count: usize, one: &str, many: &str) -> String {
    format!("{count} {}", if count == 1 { one } else { many })
}
