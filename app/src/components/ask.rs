//! "Ask the room": one question, two to twelve options.
//!
//! What is typed outlives the dialog: closing it by accident loses nothing. Empty fields at the end are ignored, and
//! the last field opens the next one, so that a list can be typed or pasted through without a mouse.

use std::collections::BTreeMap;

use healthsync_core::{Reveal, Signing, limits};
use leptos::{
    ev::{KeyboardEvent, SubmitEvent},
    html::{Dialog, Ol, Textarea},
    prelude::*,
};

use super::{
    ask_draft::{Draft, FEWEST, Field, MOST},
    cases::case_title,
    icon::Icon,
    modal::show_while,
    platform,
    room_scope::use_room,
};
use crate::client::{model::Intent, use_client};

#[component]
pub(crate) fn AskDialog() -> impl IntoView {
    let room = use_room();
    let dialog = NodeRef::<Dialog>::new();
    let draft = Draft::new();
    show_while(dialog, room.asking);
    view! {
        <dialog
            class="dialog dialog--ask"
            node_ref=dialog
            aria-labelledby="ask-h"
            on:close=move |_| room.asking.set(false)
        >
            {move || room.asking.get().then(|| view! { <AskForm draft /> })}
        </dialog>
    }
}

#[component]
fn AskForm(draft: Draft) -> impl IntoView {
    let client = use_client();
    let room = use_room();
    let question = NodeRef::<Textarea>::new();
    let list = NodeRef::<Ol>::new();
    // A form appears with what was typed before it was closed.
    Effect::new(move |_| {
        if let Some(field) = question.get() {
            field.set_value(&draft.question.get_untracked());
            let _ = field.focus();
        }
    });
    let about = Memo::new(move |_| {
        room.open_case.get().and_then(|open| {
            room.cases
                .with(|cases| cases.iter().find(|case| case.id == open).map(case_title))
        })
    });
    let readers = move || match room.readers() {
        1 => "1 person".to_owned(),
        count => format!("{count} people"),
    };
    let focus = move |at: usize| {
        request_animation_frame(move || {
            if let Some(list) = list.try_get_untracked().flatten() {
                platform::focus_nth(&list, "input", at);
            }
        });
    };
    let add_at_end = move || {
        let last = draft.fields.with_untracked(Vec::len).saturating_sub(1);
        let last_is_empty = draft.fields.with_untracked(|fields| {
            fields
                .last()
                .is_some_and(|f| f.text.with_untracked(String::is_empty))
        });
        if last_is_empty && last >= FEWEST {
            focus(last);
        } else if let Some(at) = draft.add_below(last) {
            focus(at);
        }
    };
    let publish = move |event: SubmitEvent| {
        event.prevent_default();
        let Some(case) = room.open_case.get_untracked() else {
            return;
        };
        match draft.checked() {
            Some((question, options)) => {
                let rules = draft.rules.get_untracked();
                client.send(Intent::Ask {
                    case,
                    question,
                    options,
                    rules,
                });
                room.asking.set(false);
                draft.reset();
            }
            None if draft.question_fault.with_untracked(Option::is_some) => {
                if let Some(field) = question.get_untracked() {
                    let _ = field.focus();
                }
            }
            None => {
                let first = draft.fields.with_untracked(|fields| {
                    fields.iter().position(|field| {
                        draft
                            .faults
                            .with_untracked(|faults| faults.contains_key(&field.number))
                    })
                });
                focus(first.unwrap_or(0));
            }
        }
    };
    let wrong = move || {
        let count = draft.faults.with(BTreeMap::len)
            + usize::from(draft.question_fault.with(Option::is_some));
        match count {
            0 => None,
            1 => Some("1 field needs a look. What you wrote is kept.".to_owned()),
            more => Some(format!(
                "{more} fields need a look. What you wrote is kept."
            )),
        }
    };

    view! {
        <form on:submit=publish>
            <div class="dialog__head">
                <div>
                    <h2 id="ask-h">"Ask the room"</h2>
                    <p class="small muted">
                        {move || about.get()} ". " {readers} " can answer."
                    </p>
                </div>
                <button
                    class="btn btn--quiet btn--icon"
                    type="button"
                    aria-label="Close"
                    title="Close"
                    on:click=move |_| room.asking.set(false)
                >
                    <Icon name="x" />
                </button>
            </div>
            <div class="dialog__body">
                {move || {
                    wrong()
                        .map(|text| {
                            view! {
                                <div class="notice notice--bad" role="alert" data-testid="error">
                                    <Icon name="circle-x" />
                                    <div>
                                        <strong>"Not published yet"</strong>
                                        <p>{text}</p>
                                    </div>
                                </div>
                            }
                        })
                }}
                <div class="field">
                    <label for="ask-q">"Question"</label>
                    <textarea
                        class="input serif ask__q"
                        id="ask-q"
                        rows="2"
                        placeholder="Most likely diagnosis?"
                        data-testid="poll-question"
                        node_ref=question
                        aria-invalid=move || draft.question_fault.with(Option::is_some).then_some("true")
                        aria-describedby="ask-q-h"
                        on:input=move |event| {
                            draft.question.set(event_target_value(&event));
                            draft.question_fault.set(None);
                        }
                    ></textarea>
                    <p class="hint" id="ask-q-h">
                        "Without names, dates or numbers of the patient. "
                        <span class="num">
                            {move || draft.question.with(|text| text.chars().count())}
                            {format!(" of {} characters.", limits::QUESTION_CHARS)}
                        </span>
                    </p>
                    {move || draft.question_fault.get().map(|text| view! { <FieldFault text /> })}
                </div>
                <fieldset class="stack ask__options">
                    <legend>"Options"</legend>
                    <ol class="opt-list" node_ref=list>
                        <For each=move || draft.fields.get() key=|field| field.number let(field)>
                            <OptionField draft field focus=Callback::new(focus) />
                        </For>
                    </ol>
                    <div class="row row--apart">
                        <button
                            class="btn btn--quiet poll__add"
                            type="button"
                            disabled=move || draft.fields.with(|fields| fields.len() >= MOST)
                            on:click=move |_| add_at_end()
                        >
                            <Icon name="plus" />
                            "Add an option"
                        </button>
                        <span class="tiny faint wide-only">
                            <kbd>"Alt"</kbd> " " <kbd>"↑"</kbd> " " <kbd>"↓"</kbd> " moves, "
                            <kbd>"Enter"</kbd> " adds below"
                        </span>
                    </div>
                    <p class="visually-hidden" role="status">
                        {move || draft.said.get()}
                    </p>
                </fieldset>
                <Rules draft />
            </div>
            <div class="dialog__foot">
                <span class="hint">"The question can't change once it is asked. You close it."</span>
                <button class="btn" type="button" on:click=move |_| room.asking.set(false)>
                    "Cancel"
                </button>
                <button class="btn btn--main" type="submit" data-testid="poll-publish">
                    "Publish to "
                    {readers}
                </button>
            </div>
        </form>
    }
}

/// How the question is voted on.
#[component]
fn Rules(draft: Draft) -> impl IntoView {
    let rules = draft.rules;
    view! {
        <label class="choice">
            <input
                type="checkbox"
                prop:checked=move || rules.with(|rules| rules.open_options)
                on:change=move |event| rules.update(|rules| rules.open_options = event_target_checked(&event))
            />
            "Anyone may add options"
            <span class="hint">"An added option is open to all votes. Who added it is in the record."</span>
        </label>
        <label class="choice">
            <input
                type="checkbox"
                data-testid="poll-wallet-signed"
                prop:checked=move || rules.with(|rules| rules.signing == Signing::Wallet)
                on:change=move |event| {
                    let wallet = event_target_checked(&event);
                    rules.update(|rules| rules.signing = if wallet { Signing::Wallet } else { Signing::Device });
                }
            />
            "Each reader's wallet signs the vote"
            <span class="hint">"For formal readings: one prompt a vote. Otherwise this browser signs, without a prompt."</span>
        </label>
        <div class="field">
            <label for="ask-reveal">"Counts are shown"</label>
            <select
                class="input"
                id="ask-reveal"
                data-testid="poll-reveal"
                aria-describedby="ask-reveal-h"
                on:change=move |event| {
                    let reveal = match event_target_value(&event).as_str() {
                        "voted" => Reveal::Voted,
                        "closed" => Reveal::Closed,
                        _ => Reveal::Open,
                    };
                    rules.update(|rules| rules.reveal = reveal);
                }
            >
                {[
                    (Reveal::Open, "open", "at once"),
                    (Reveal::Voted, "voted", "to each reader after the own vote"),
                    (Reveal::Closed, "closed", "when the question is closed"),
                ]
                    .map(|(reveal, value, text)| {
                        view! {
                            <option value=value selected=move || rules.with(|rules| rules.reveal == reveal)>
                                {text}
                            </option>
                        }
                    })
                    .collect_view()}
            </select>
            <p class="hint" id="ask-reveal-h">
                "Blind votes keep readers from following each other. The page holds counts back; it can't stop a member who reads the record with a program of their own."
            </p>
        </div>
    }
}

#[component]
fn FieldFault(text: String) -> impl IntoView {
    view! {
        <p class="hint hint--bad">
            <Icon name="circle-x" small=true />
            <span>{text}</span>
        </p>
    }
}

#[component]
fn OptionField(draft: Draft, field: Field, focus: Callback<usize>) -> impl IntoView {
    let Field { number, text } = field;
    let at = Memo::new(move |_| draft.position(number).unwrap_or(0));
    let count = Memo::new(move |_| draft.fields.with(Vec::len));
    let fault = Memo::new(move |_| draft.faults.with(|faults| faults.get(&number).cloned()));
    let shift = move |down: bool| {
        if let Some(to) = draft.shift(number, down) {
            focus.run(to);
        }
    };
    let remove = move || {
        let before = at.get_untracked();
        draft.remove(number);
        focus.run(before.saturating_sub(1));
    };
    let key = move |event: KeyboardEvent| {
        let empty = text.with_untracked(String::is_empty);
        match event.key().as_str() {
            "Enter" => {
                if let Some(to) = draft.add_below(at.get_untracked()) {
                    focus.run(to);
                }
            }
            "ArrowUp" if event.alt_key() => shift(false),
            "ArrowDown" if event.alt_key() => shift(true),
            "Backspace" if empty && count.get_untracked() > FEWEST => remove(),
            _ => return,
        }
        event.prevent_default();
    };
    let typed = move |event| {
        text.set(event_target_value(&event));
        draft.faults.update(|faults| {
            faults.remove(&number);
        });
        let last = at.get_untracked() + 1 == count.get_untracked();
        if last && count.get_untracked() < MOST && !text.with_untracked(String::is_empty) {
            draft.add_below(at.get_untracked());
        }
    };
    let label = move |what: &str| format!("{what} option {}", at.get() + 1);
    view! {
        <li class="opt-edit">
            <input
                class="input"
                type="text"
                autocomplete="off"
                aria-label=move || format!("Option {}", at.get() + 1)
                placeholder=move || match at.get() {
                    0 => "First option",
                    1 => "Second option",
                    _ => "One more, or leave it empty",
                }
                data-testid="poll-option-input"
                prop:value=move || text.get()
                aria-invalid=move || fault.with(Option::is_some).then_some("true")
                on:input=typed
                on:keydown=key
            />
            <button
                class="btn btn--quiet btn--icon"
                type="button"
                aria-label=move || format!("{} up", label("Move"))
                title="Move up"
                disabled=move || at.get() == 0
                on:click=move |_| shift(false)
            >
                <Icon name="arrow-up" />
            </button>
            <button
                class="btn btn--quiet btn--icon"
                type="button"
                aria-label=move || format!("{} down", label("Move"))
                title="Move down"
                disabled=move || { at.get() + 1 >= count.get() }
                on:click=move |_| shift(true)
            >
                <Icon name="arrow-down" />
            </button>
            <button
                class="btn btn--quiet btn--icon"
                type="button"
                aria-label=move || label("Remove")
                title="Remove"
                disabled=move || count.get() <= FEWEST
                on:click=move |_| remove()
            >
                <Icon name="x" />
            </button>
            {move || fault.get().map(|text| view! { <FieldFault text /> })}
        </li>
    }
}
