//! The questions asked about the open case. One cell is one reader; choosing tells nobody anything, only the
//! signature counts, and it can be replaced until the poll closes.

use healthsync_core::{EventId, OptionId, Reveal, Signing};
use leptos::{ev::SubmitEvent, prelude::*};

use super::{
    casting::{WalletRefusal, WalletWait, casting_of},
    icon::Icon,
    notice::rest_of,
    poll_options::{AddOption, Choice},
    poll_result::{ClosedFoot, RoomAgreement},
    room_scope::use_room,
    time::WhenShort,
};
use crate::client::{
    model::{Delivery, Intent, PollRow, Session},
    use_client,
};

#[component]
pub(crate) fn PollPanel() -> impl IntoView {
    let room = use_room();
    let polls = Memo::new(move |_| {
        let open = room.open_case.get()?;
        let ids = room.cases.with(|cases| {
            let case = cases.iter().find(|case| case.id == open)?;
            Some(case.polls.iter().map(|poll| poll.id).collect::<Vec<_>>())
        })?;
        Some((open, ids))
    });
    view! {
        <For
            each=move || {
                polls
                    .get()
                    .into_iter()
                    .flat_map(|(case, ids)| ids.into_iter().rev().map(move |id| (case, id)))
            }
            key=|(_, id)| *id
            let((case, id))
        >
            <div class="pad">
                <Poll case id />
            </div>
        </For>
        <Show when=move || polls.with(|polls| polls.as_ref().is_some_and(|(_, ids)| ids.is_empty()))>
            <div class="pad">
                <p class="small muted">
                    "Nothing has been asked about this case yet. Press “Ask the room” above the picture."
                </p>
            </div>
        </Show>
        <RoomAgreement />
    }
}

#[component]
fn Poll(case: EventId, id: EventId) -> impl IntoView {
    let client = use_client();
    let room = use_room();
    let poll = room.poll(case, id);
    let chosen = RwSignal::new(None::<OptionId>);
    let question = Memo::new(move |_| {
        poll.with(|poll| {
            poll.as_ref()
                .map(|p| p.question.clone())
                .unwrap_or_default()
        })
    });
    let closed =
        Memo::new(move |_| poll.with(|poll| poll.as_ref().and_then(|poll| poll.closed_at)));
    let is_closed = Memo::new(move |_| closed.get().is_some());
    let mine = Memo::new(move |_| poll.with(|poll| poll.as_ref().and_then(|poll| poll.my_vote)));
    let delivery = Memo::new(move |_| {
        poll.with(|poll| {
            poll.as_ref()
                .map_or(Delivery::Stored, |poll| poll.delivery.clone())
        })
    });
    let reveal = Memo::new(move |_| {
        poll.with(|poll| poll.as_ref().map_or(Reveal::Open, |poll| poll.rules.reveal))
    });
    let counts_shown = Memo::new(move |_| match reveal.get() {
        Reveal::Open => true,
        Reveal::Voted => is_closed.get() || mine.with(Option::is_some),
        Reveal::Closed => is_closed.get(),
    });
    let casting = casting_of(poll);
    let at_wallet = Memo::new(move |_| {
        casting.with(|casting| casting.as_ref().is_some_and(|c| c.failed.is_none()))
    });
    let only_late = Memo::new(move |_| {
        mine.with(Option::is_none)
            && poll.with(|poll| {
                poll.as_ref()
                    .is_some_and(|poll| poll.my_late_vote.is_some())
            })
    });
    let picked = Memo::new(move |_| chosen.get().or_else(|| mine.get()));
    let changes = Memo::new(move |_| picked.get().is_some() && picked.get() != mine.get());
    // Cast here or in another browser of the same person: the choice is the vote again.
    Effect::new(move |_| {
        let mine = mine.get();
        if mine.is_some() && chosen.get_untracked() == mine {
            chosen.set(None);
        }
    });

    let options = Memo::new(move |_| {
        poll.with(|poll| {
            poll.as_ref()
                .map(|poll| {
                    poll.options
                        .iter()
                        .map(|option| option.id)
                        .collect::<Vec<_>>()
                })
                .unwrap_or_default()
        })
    });
    let cast = move |event: SubmitEvent| {
        event.prevent_default();
        if let Some(option) = picked.get_untracked().filter(|_| changes.get_untracked()) {
            client.send(Intent::Vote { poll: id, option });
        }
    };
    let group = format!("poll-{}", &id.to_string()[..18]);

    view! {
        <form class="poll" data-testid="poll" on:submit=cast>
            <div class="row row--apart">
                <PollBadge closed=is_closed mine delivery at_wallet only_late />
                <span class="tiny faint num">{move || closed.get().map(|at| view! { <WhenShort at /> })}</span>
            </div>
            {move || match delivery.get() {
                Delivery::Refused(trouble) => {
                    let rest = rest_of(&trouble);
                    Some(
                        view! {
                            <div class="notice notice--bad" role="alert" data-testid="error">
                                <Icon name="circle-x" />
                                <div>
                                    <strong>{trouble.what}</strong>
                                    {rest.map(|rest| view! { <p>{rest}</p> })}
                                    <button
                                        class="msg__act"
                                        type="button"
                                        on:click=move |_| {
                                            let said = poll.with_untracked(|poll| poll.as_ref().map(|poll| poll.said));
                                            client.send(Intent::Retry(said.unwrap_or(id)));
                                        }
                                    >
                                        "Send again"
                                    </button>
                                </div>
                            </div>
                        },
                    )
                }
                Delivery::Waiting | Delivery::Stored => None,
            }}
            <h2
                class="poll__q"
                // While the form "Ask the room" is open, the id belongs to its field.
                data-testid=move || (!room.asking.get()).then_some("poll-question")
            >
                {move || question.get()}
            </h2>
            <WalletRefusal casting />
            <fieldset class="poll__opts" disabled=move || at_wallet.get()>
                <legend class="visually-hidden">"Your answer"</legend>
                <For each=move || options.get() key=|option| *option let(option)>
                    <Choice poll option group=group.clone() picked chosen is_closed counts_shown />
                </For>
            </fieldset>
            <Show when=move || !is_closed.get() && !at_wallet.get()>
                <OpenFoot poll id changes picked mine />
            </Show>
            <Show when=move || !is_closed.get() && at_wallet.get()>
                <WalletWait poll id />
            </Show>
            <p class="small" aria-live="polite">
                <b class="num">
                    {move || {
                        let voted = poll.with(|poll| poll.as_ref().map_or(0, |poll| poll.voted));
                        format!("{voted} of {}", room.readers().max(voted as usize))
                    }}
                </b>
                " have voted"
                {move || match (counts_shown.get(), reveal.get()) {
                    (true, _) | (_, Reveal::Open) => "",
                    (false, Reveal::Voted) => ". Counts show after your own vote, so that you read first.",
                    (false, Reveal::Closed) => ". Blind: results show when the question is closed.",
                }}
            </p>
            <Show when=move || !counts_shown.get()>
                <HiddenVotes poll />
            </Show>
            <Show when=move || is_closed.get()>
                <ClosedFoot poll id />
            </Show>
        </form>
    }
}

#[component]
fn PollBadge(
    closed: Memo<bool>,
    mine: Memo<Option<OptionId>>,
    delivery: Memo<Delivery>,
    at_wallet: Memo<bool>,
    only_late: Memo<bool>,
) -> impl IntoView {
    move || {
        let (class, icon, text) = match (closed.get(), mine.with(Option::is_some), delivery.get()) {
            (true, ..) if only_late.get() => {
                ("badge badge--bad", "circle-x", "Closed, not counted")
            }
            (true, ..) => ("badge", "lock", "Closed"),
            _ if at_wallet.get() => ("badge badge--warn", "clock", "Waiting for the wallet"),
            (_, true, Delivery::Waiting) => ("badge badge--warn", "clock", "Signed, not sent yet"),
            (_, false, Delivery::Waiting) => ("badge badge--warn", "clock", "Not sent yet"),
            (_, _, Delivery::Refused(_)) => ("badge badge--bad", "circle-x", "Refused"),
            (_, true, Delivery::Stored) => {
                ("badge badge--ok", "circle-check", "Your vote is stored")
            }
            (_, false, Delivery::Stored) => ("badge badge--you", "vote", "Your vote is missing"),
        };
        view! {
            <span class=class role="status">
                <Icon name=icon />
                {text}
            </span>
        }
    }
}

/// How many have voted, where for what is not shown yet.
#[component]
fn HiddenVotes(poll: Memo<Option<PollRow>>) -> impl IntoView {
    let room = use_room();
    let voted =
        Memo::new(move |_| poll.with(|poll| poll.as_ref().map_or(0, |poll| poll.voted as usize)));
    view! {
        <span class="units" aria-hidden="true">
            {move || {
                (0..room.readers().max(voted.get()).max(1))
                    .map(|cell| view! { <i data-on=(cell < voted.get()).then_some("hidden")></i> })
                    .collect_view()
            }}
        </span>
    }
}

#[component]
fn OpenFoot(
    poll: Memo<Option<PollRow>>,
    id: EventId,
    changes: Memo<bool>,
    picked: Memo<Option<OptionId>>,
    mine: Memo<Option<OptionId>>,
) -> impl IntoView {
    let client = use_client();
    let may_add = Memo::new(move |_| {
        poll.with(|poll| poll.as_ref().is_some_and(|poll| poll.rules.open_options))
    });
    let asked =
        Memo::new(move |_| poll.with(|poll| poll.as_ref().is_some_and(|poll| poll.you_asked)));
    let by_wallet = Memo::new(move |_| {
        poll.with(|poll| {
            poll.as_ref()
                .is_some_and(|poll| poll.rules.signing == Signing::Wallet)
        })
    });
    let named = move |option: Memo<Option<OptionId>>| {
        option.with(|option| {
            poll.with(|poll| {
                let option = option.as_ref()?;
                poll.as_ref()?
                    .options
                    .iter()
                    .find(|row| row.id == *option)
                    .map(|row| row.text.clone())
            })
        })
    };
    let hint = move || {
        let me = client.session.with(Session::person);
        match (named(mine), named(picked)) {
            (Some(old), Some(new)) if changes.get() => {
                format!(
                    "Moves your vote from {old} to {new}. The old one stays in the record and doesn't count."
                )
            }
            (Some(_), _) => "Choose another to change your vote.".to_owned(),
            (None, _) if by_wallet.get() => {
                "Signed by your wallet: it asks you once for each vote. You can change it until the question is closed.".to_owned()
            }
            (None, _) => {
                let whom = me
                    .map(|me| format!(" for {}", me.short()))
                    .unwrap_or_default();
                format!("Signed by this browser{whom}. You can change it until the poll closes.")
            }
        }
    };
    view! {
        <Show when=move || may_add.get()>
            <AddOption poll id />
        </Show>
        <button
            class=move || if changes.get() || mine.with(Option::is_none) { "btn btn--main" } else { "btn" }
            type="submit"
            data-testid="cast-vote"
            disabled=move || !changes.get() || !client.live.get()
        >
            "Sign and cast vote"
        </button>
        <p class="hint">{hint}</p>
        <Show when=move || asked.get()>
            <button
                class="btn btn--quiet poll__close"
                type="button"
                data-testid="poll-close"
                title="Votes that are in now are the result. A closed poll can't be opened again."
                on:click=move |_| client.send(Intent::ClosePoll { poll: id })
            >
                <Icon name="lock" small=true />
                "Close the poll, for good"
            </button>
        </Show>
    }
}
