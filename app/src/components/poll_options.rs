//! The answers of a poll: one row each, with its count in cells, and the field for one more.

use healthsync_core::{EventId, OptionId, limits};
use leptos::{html::Input, prelude::*};

use super::{icon::Icon, room_scope::use_room};
use crate::client::{
    model::{Intent, PollRow},
    use_client,
};

/// More readers than this are small cells in several lines.
const WIDE_CELLS: usize = 24;

#[component]
pub(crate) fn Choice(
    poll: Memo<Option<PollRow>>,
    option: OptionId,
    group: String,
    picked: Memo<Option<OptionId>>,
    chosen: RwSignal<Option<OptionId>>,
    is_closed: Memo<bool>,
    counts_shown: Memo<bool>,
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
            <Show when=move || counts_shown.get()>
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
            </Show>
        </label>
    }
}

/// One more option, for everybody.
#[component]
pub(crate) fn AddOption(poll: Memo<Option<PollRow>>, id: EventId) -> impl IntoView {
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
