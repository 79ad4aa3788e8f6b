//! The questions asked about the open case. One cell is one reader; choosing tells nobody anything, only the
//! signature counts, and it can be replaced until the poll closes.

use healthsync_core::{EventId, OptionId, limits};
use leptos::{ev::SubmitEvent, html::Input, prelude::*};

use super::{icon::Icon, notice::rest_of, room_scope::use_room, time::WhenShort};
use crate::client::{
    model::{Delivery, Intent, PollRow, Session},
    use_client,
};

/// More readers than this are small cells in several lines.
const WIDE_CELLS: usize = 24;

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
                <PollBadge closed=is_closed mine delivery />
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
                                        on:click=move |_| client.send(Intent::Retry(id))
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
            <fieldset class="poll__opts">
                <legend class="visually-hidden">"Your answer"</legend>
                <For each=move || options.get() key=|option| *option let(option)>
                    <Choice poll option group=group.clone() picked chosen is_closed />
                </For>
            </fieldset>
            <Show when=move || !is_closed.get()>
                <OpenFoot poll id changes picked mine />
            </Show>
            <p class="small" aria-live="polite">
                <b class="num">
                    {move || {
                        let voted = poll.with(|poll| poll.as_ref().map_or(0, |poll| poll.voted));
                        format!("{voted} of {}", room.readers().max(voted as usize))
                    }}
                </b>
                " have voted"
            </p>
        </form>
    }
}

#[component]
fn PollBadge(
    closed: Memo<bool>,
    mine: Memo<Option<OptionId>>,
    delivery: Memo<Delivery>,
) -> impl IntoView {
    move || {
        let (class, icon, text) = match (closed.get(), mine.with(Option::is_some), delivery.get()) {
            (true, ..) => ("badge", "lock", "Closed"),
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

#[component]
fn Choice(
    poll: Memo<Option<PollRow>>,
    option: OptionId,
    group: String,
    picked: Memo<Option<OptionId>>,
    chosen: RwSignal<Option<OptionId>>,
    is_closed: Memo<bool>,
) -> impl IntoView {
    let room = use_room();
    let row = Memo::new(move |_| {
        poll.with(|poll| {
            let poll = poll.as_ref()?;
            poll.options.iter().find(|row| row.id == option).cloned()
        })
    });
    let count = Memo::new(move |_| row.with(|row| row.as_ref().map_or(0, |row| row.count)));
    let mine = Memo::new(move |_| row.with(|row| row.as_ref().is_some_and(|row| row.mine)));
    let lead = Memo::new(move |_| {
        let most = poll.with(|poll| {
            poll.as_ref()
                .and_then(|poll| poll.options.iter().map(|row| row.count).max())
        });
        is_closed.get() && count.get() > 0 && most == Some(count.get())
    });
    let readers = Memo::new(move |_| {
        let voted = poll.with(|poll| poll.as_ref().map_or(0, |poll| poll.voted as usize));
        room.readers().max(voted)
    });
    let added_by = move || {
        poll.with(|poll| {
            let poll = poll.as_ref()?;
            let row = poll.options.iter().find(|row| row.id == option)?;
            (row.by != poll.asker).then(|| format!("added by {}", row.by.short()))
        })
    };
    let text = move || row.with(|row| row.as_ref().map(|row| row.text.clone()).unwrap_or_default());
    let is_picked = move || picked.get() == Some(option);

    view! {
        <label
            class=move || if is_closed.get() { "opt opt--result" } else { "opt opt--live" }
            data-testid="poll-option"
            data-mine=move || mine.get().then_some("")
            data-lead=move || lead.get().then_some("")
        >
            <Show when=move || !is_closed.get()>
                <input
                    type="radio"
                    name=group.clone()
                    prop:checked=is_picked
                    on:change=move |_| chosen.set(Some(option))
                />
            </Show>
            <span class="label">
                <span>{text}</span>
                {move || {
                    mine.get()
                        .then(|| {
                            view! {
                                <span class="badge badge--you" data-testid="my-vote">
                                    <Icon name="check" />
                                    "your vote"
                                </span>
                            }
                        })
                }}
                {move || added_by().map(|by| view! { <span class="tiny faint">{by}</span> })}
            </span>
            <span class="opt__count">
                <span data-testid="vote-count">{move || count.get()}</span>
                {move || format!(" of {}", readers.get())}
            </span>
            <span
                class="units"
                aria-hidden="true"
                data-many=move || (readers.get() > WIDE_CELLS).then_some("")
            >
                {move || {
                    let on = count.get() as usize;
                    (0..readers.get().max(1))
                        .map(|cell| {
                            let state = match (cell < on, cell == 0 && mine.get()) {
                                (true, true) => Some("me"),
                                (true, false) => Some(""),
                                (false, _) => None,
                            };
                            view! { <i data-on=state></i> }
                        })
                        .collect_view()
                }}
            </span>
        </label>
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
    let may_add =
        Memo::new(move |_| poll.with(|poll| poll.as_ref().is_some_and(|poll| poll.open_options)));
    let asked =
        Memo::new(move |_| poll.with(|poll| poll.as_ref().is_some_and(|poll| poll.you_asked)));
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

/// One more option, for everybody.
#[component]
fn AddOption(poll: Memo<Option<PollRow>>, id: EventId) -> impl IntoView {
    let client = use_client();
    let room = use_room();
    let open = RwSignal::new(false);
    let fault = RwSignal::new(None::<String>);
    let field = NodeRef::<Input>::new();
    Effect::new(move |_| {
        if open.get()
            && let Some(field) = field.get()
        {
            let _ = field.focus();
        }
    });
    let add = move || {
        let Some(input) = field.get_untracked() else {
            return;
        };
        let text = input.value().trim().to_owned();
        let same = poll.with_untracked(|poll| {
            poll.as_ref().is_some_and(|poll| {
                poll.options
                    .iter()
                    .any(|row| row.text.to_lowercase() == text.to_lowercase())
            })
        });
        if let Err(wrong) = limits::check_option(&text) {
            fault.set(Some(wrong.to_string()));
        } else if same {
            fault.set(Some(
                "This option is there already. Two equal options split the votes.".into(),
            ));
        } else {
            client.send(Intent::AddOption { poll: id, text });
            fault.set(None);
            open.set(false);
        }
    };
    let input_id = format!("add-{}", &id.to_string()[..18]);

    view! {
        {move || {
            if !open.get() {
                return view! {
                    <button
                        class="btn btn--quiet poll__add"
                        type="button"
                        data-testid="poll-add-option"
                        on:click=move |_| open.set(true)
                    >
                        <Icon name="plus" />
                        "Add an answer"
                    </button>
                }
                .into_any();
            }
            view! {
                // Not a form of its own: forms do not nest.
                <div class="stack poll__adding" role="group" aria-label="Add an answer">
                    <div class="field">
                        <label for=input_id.clone()>"New option"</label>
                        <input
                            class="input"
                            type="text"
                            id=input_id.clone()
                            autocomplete="off"
                            node_ref=field
                            data-testid=move || (!room.asking.get()).then_some("poll-option-input")
                            aria-invalid=move || fault.get().is_some().then_some("true")
                            on:keydown=move |event| match event.key().as_str() {
                                "Enter" => {
                                    event.prevent_default();
                                    add();
                                }
                                "Escape" => open.set(false),
                                _ => {}
                            }
                        />
                        <div aria-live="polite">
                            {move || {
                                fault
                                    .get()
                                    .map(|text| {
                                        view! {
                                            <p class="hint hint--bad" data-testid="error">
                                                <Icon name="circle-x" small=true />
                                                <span>{text}</span>
                                            </p>
                                        }
                                    })
                            }}
                        </div>
                    </div>
                    <p class="hint">"Everyone sees it at once, and who added it."</p>
                    <div class="row">
                        <button
                            class="btn"
                            type="button"
                            data-testid="poll-add-option"
                            on:click=move |_| add()
                        >
                            "Add for all"
                        </button>
                        <button class="btn btn--quiet" type="button" on:click=move |_| open.set(false)>
                            "Cancel"
                        </button>
                    </div>
                </div>
            }
            .into_any()
        }}
    }
}
