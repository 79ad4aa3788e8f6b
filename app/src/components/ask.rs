//! "Ask the room": one question, two to twelve options.
//!
//! What is typed outlives the dialog: closing it by accident loses nothing. Empty fields at the end are ignored, and
//! the last field opens the next one, so that a list can be typed or pasted through without a mouse.

use std::collections::BTreeMap;

use healthsync_core::limits;
use leptos::{
    ev::{KeyboardEvent, SubmitEvent},
    html::{Dialog, Ol, Textarea},
    prelude::*,
};

use super::{cases::case_title, icon::Icon, platform, room_scope::use_room};
use crate::client::{model::Intent, use_client};

const MOST: usize = *limits::POLL_OPTIONS.end();
const FEWEST: usize = *limits::POLL_OPTIONS.start();

/// One field; its number never changes, its place may.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Field {
    number: u32,
    text: RwSignal<String>,
}

/// What has been typed, with the faults found at the last attempt to publish.
#[derive(Clone, Copy, Debug)]
struct Draft {
    question: RwSignal<String>,
    fields: RwSignal<Vec<Field>>,
    open_options: RwSignal<bool>,
    next: StoredValue<u32>,
    question_fault: RwSignal<Option<String>>,
    faults: RwSignal<BTreeMap<u32, String>>,
    /// Said to readers of the screen: where an option has gone.
    said: RwSignal<String>,
}

impl Draft {
    fn new() -> Self {
        let draft = Self {
            question: RwSignal::new(String::new()),
            fields: RwSignal::new(Vec::new()),
            open_options: RwSignal::new(true),
            next: StoredValue::new(0),
            question_fault: RwSignal::new(None),
            faults: RwSignal::new(BTreeMap::new()),
            said: RwSignal::new(String::new()),
        };
        draft.reset();
        draft
    }

    fn reset(self) {
        self.question.set(String::new());
        let first = vec![self.field(), self.field()];
        self.fields.set(first);
        self.open_options.set(true);
        self.question_fault.set(None);
        self.faults.set(BTreeMap::new());
    }

    fn field(self) -> Field {
        let number = self.next.get_value();
        self.next.set_value(number + 1);
        Field {
            number,
            text: RwSignal::new(String::new()),
        }
    }

    fn position(self, number: u32) -> Option<usize> {
        self.fields
            .with(|fields| fields.iter().position(|field| field.number == number))
    }

    /// A field after `at`, or the empty one that is there already. Gives its position.
    fn add_below(self, at: usize) -> Option<usize> {
        let fields = self.fields.get_untracked();
        let empty = |i: &usize| {
            fields
                .get(*i)
                .is_some_and(|f| f.text.with_untracked(String::is_empty))
        };
        if let Some(there) = Some(at + 1).filter(empty) {
            return Some(there);
        }
        if fields.len() >= MOST {
            return None;
        }
        let new = self.field();
        self.fields
            .update(|fields| fields.insert((at + 1).min(fields.len()), new));
        Some(at + 1)
    }

    fn remove(self, number: u32) {
        self.fields.update(|fields| {
            if fields.len() > FEWEST {
                fields.retain(|field| field.number != number);
            }
        });
        self.faults.update(|faults| {
            faults.remove(&number);
        });
    }

    /// Moves an option by one place; gives the new one.
    fn shift(self, number: u32, down: bool) -> Option<usize> {
        let at = self.position(number)?;
        let to = if down { at + 1 } else { at.checked_sub(1)? };
        let count = self.fields.with_untracked(Vec::len);
        if to >= count {
            return None;
        }
        self.fields.update(|fields| fields.swap(at, to));
        let text = self
            .fields
            .with_untracked(|fields| fields[to].text.get_untracked());
        let name = if text.is_empty() {
            "The option".to_owned()
        } else {
            text
        };
        self.said
            .set(format!("{name} is now option {} of {count}", to + 1));
        Some(to)
    }

    /// The question and the options, or the faults at their fields. Empty fields after the last filled one are none.
    fn checked(self) -> Option<(String, Vec<String>)> {
        let question = self.question.with(|text| text.trim().to_owned());
        let fields: Vec<(u32, String)> = self.fields.with(|fields| {
            fields
                .iter()
                .map(|f| (f.number, f.text.with(|text| text.trim().to_owned())))
                .collect()
        });
        let (question_fault, faults, used) = check(&question, &fields);
        let fine = question_fault.is_none() && faults.is_empty();
        self.question_fault.set(question_fault);
        self.faults.set(faults);
        fine.then_some((question, used))
    }
}

fn check(
    question: &str,
    fields: &[(u32, String)],
) -> (Option<String>, BTreeMap<u32, String>, Vec<String>) {
    let question_fault = match limits::check_question(question) {
        Ok(()) => None,
        Err(_) if question.is_empty() => Some("Write what you want to know.".to_owned()),
        Err(wrong) => Some(wrong.to_string()),
    };
    let filled = fields
        .iter()
        .rposition(|(_, text)| !text.is_empty())
        .map_or(0, |at| at + 1);
    let used = &fields[..filled.max(FEWEST).min(fields.len())];
    let mut faults = BTreeMap::new();
    for (at, (number, text)) in used.iter().enumerate() {
        let same = used[..at]
            .iter()
            .position(|(_, other)| !text.is_empty() && other.to_lowercase() == text.to_lowercase());
        if text.is_empty() {
            faults.insert(*number, "Empty. Fill it or remove it.".to_owned());
        } else if let Some(other) = same {
            faults.insert(
                *number,
                format!(
                    "Same as option {}. Two equal options split the votes.",
                    other + 1
                ),
            );
        } else if let Err(wrong) = limits::check_option(text) {
            faults.insert(*number, wrong.to_string());
        }
    }
    (
        question_fault,
        faults,
        used.iter().map(|(_, text)| text.clone()).collect(),
    )
}

#[component]
pub(crate) fn AskDialog() -> impl IntoView {
    let room = use_room();
    let dialog = NodeRef::<Dialog>::new();
    let draft = Draft::new();
    Effect::new(move |_| {
        let Some(dialog) = dialog.get() else { return };
        if room.asking.get() {
            if !dialog.open() {
                let _ = dialog.show_modal();
            }
        } else if dialog.open() {
            dialog.close();
        }
    });
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
                let open_options = draft.open_options.get_untracked();
                client.send(Intent::Ask {
                    case,
                    question,
                    options,
                    open_options,
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
                <label class="choice">
                    <input
                        type="checkbox"
                        prop:checked=move || draft.open_options.get()
                        on:change=move |event| draft.open_options.set(event_target_checked(&event))
                    />
                    "Anyone may add options"
                    <span class="hint">
                        "An added option is open to all votes. Who added it is in the record."
                    </span>
                </label>
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

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(texts: &[&str]) -> Vec<(u32, String)> {
        texts
            .iter()
            .enumerate()
            .map(|(at, text)| (at as u32, (*text).to_owned()))
            .collect()
    }

    #[test]
    fn empty_fields_at_the_end_are_none() {
        let (question, faults, used) = check("Next step?", &fields(&["PET-CT", "Biopsy", "", ""]));
        assert_eq!(question, None);
        assert!(faults.is_empty());
        assert_eq!(used, ["PET-CT", "Biopsy"]);
    }

    #[test]
    fn every_fault_is_at_its_field() {
        let long = "x".repeat(limits::OPTION_CHARS + 1);
        let (question, faults, _) = check("", &fields(&["PET-CT", "pet-ct", "", &long]));
        assert!(question.is_some());
        assert_eq!(faults.keys().copied().collect::<Vec<_>>(), [1, 2, 3]);
        assert!(faults[&1].contains("option 1"));
        let (_, faults, _) = check("Which?", &fields(&["only one", ""]));
        assert_eq!(faults.keys().copied().collect::<Vec<_>>(), [1]);
    }
}
