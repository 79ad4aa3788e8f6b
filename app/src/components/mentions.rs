//! Naming somebody in a message with “@”: who is meant, and a choice while a name is being typed.

use healthsync_core::Person;
use leptos::{html::Textarea, prelude::*};

use super::room_scope::{RoomScope, use_room};

/// Names offered at the same time.
const OFFERED: usize = 5;

/// What is being typed after an “@” at the end of the text, without it.
pub(crate) fn mention_word(text: &str) -> Option<String> {
    let (before, word) = text.rsplit_once('@')?;
    let begins = before.is_empty() || before.ends_with(char::is_whitespace);
    (begins && !word.contains('\n') && word.chars().count() <= 40).then(|| word.to_owned())
}

/// Whether a name or address begins so, or a word in it.
fn fits(name: &str, typed: &str) -> bool {
    let (name, typed) = (name.to_lowercase(), typed.to_lowercase());
    name.starts_with(&typed) || name.split([' ', ',']).any(|part| part.starts_with(&typed))
}

/// The name to mention somebody by: the one that shows, and the address where two have the same.
fn handle(room: RoomScope, person: Person) -> String {
    let name = room.name(person);
    let others = room.members.with(|members| {
        let mut others = members.iter().filter(|row| row.person != person);
        others.any(|row| room.name(row.person) == name)
    });
    if others { person.short() } else { name }
}

/// Everybody in the room whose name stands in the text after an “@”.
pub(crate) fn mentioned(room: RoomScope, text: &str) -> Vec<Person> {
    if !text.contains('@') {
        return Vec::new();
    }
    let people: Vec<Person> = room
        .members
        .with_untracked(|members| members.iter().map(|row| row.person).collect());
    untrack(|| {
        let named = people.into_iter().filter(|person| {
            let by = |name: String| text.contains(&format!("@{name}"));
            by(handle(room, *person)) || by(person.short())
        });
        named.take(healthsync_core::limits::MENTIONS).collect()
    })
}

/// Names that fit what is being typed.
#[component]
pub(crate) fn MentionChoice(
    word: RwSignal<Option<String>>,
    field: NodeRef<Textarea>,
) -> impl IntoView {
    let room = use_room();
    let offered = Memo::new(move |_| {
        let Some(typed) = word.get() else {
            return Vec::new();
        };
        room.members.with(|members| {
            let others = members.iter().filter(|row| !row.you);
            let named = others.map(|row| handle(room, row.person));
            let fitting = named.filter(|name| fits(name, &typed) && *name != typed.trim_end());
            fitting.take(OFFERED).collect::<Vec<_>>()
        })
    });
    let choose = move |name: String| {
        let Some(field) = field.get_untracked() else {
            return;
        };
        let text = field.value();
        if let Some((before, _)) = text.rsplit_once('@') {
            field.set_value(&format!("{before}@{name} "));
        }
        word.set(None);
        let _ = field.focus();
    };
    view! {
        <Show when=move || offered.with(|offered| !offered.is_empty())>
            <div class="signs" role="group" aria-label="Mention" data-testid="mention-choice">
                {move || {
                    offered
                        .get()
                        .into_iter()
                        .map(|name| {
                            let chosen = name.clone();
                            view! {
                                <button class="sign" type="button" on:click=move |_| choose(chosen.clone())>
                                    "@"
                                    <bdi>{name}</bdi>
                                </button>
                            }
                        })
                        .collect_view()
                }}
            </div>
        </Show>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mention_begins_at_a_word() {
        assert_eq!(mention_word("@"), Some(String::new()));
        assert_eq!(mention_word("Dear @Rad"), Some("Rad".into()));
        assert_eq!(
            mention_word("Dear @Radiology, La"),
            Some("Radiology, La".into())
        );
        assert_eq!(mention_word("ada@example"), None);
        assert_eq!(mention_word("@Ada\nmore"), None);
    }

    #[test]
    fn names_fit_by_any_of_their_words() {
        assert!(fits("A. Okafor, Radiology, Lagos", "lag"));
        assert!(fits("0x58d2…6b10", "0x58"));
        assert!(!fits("Radiology", "surgery"));
    }
}
