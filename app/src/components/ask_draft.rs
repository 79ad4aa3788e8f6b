//! What is being typed into "Ask the room": the question, the options in their order, and what is wrong with them.

use std::collections::BTreeMap;

use healthsync_core::{Reveal, Signing, limits};
use leptos::prelude::*;

use crate::client::model::PollRules;

pub(crate) const MOST: usize = *limits::POLL_OPTIONS.end();
pub(crate) const FEWEST: usize = *limits::POLL_OPTIONS.start();

/// How a question is asked unless something else is chosen.
const FIRST_RULES: PollRules = PollRules {
    open_options: true,
    signing: Signing::Device,
    reveal: Reveal::Open,
};

/// One field; its number never changes, its place may.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Field {
    pub(crate) number: u32,
    pub(crate) text: RwSignal<String>,
}

/// What has been typed, with the faults found at the last attempt to publish.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Draft {
    pub(crate) question: RwSignal<String>,
    pub(crate) fields: RwSignal<Vec<Field>>,
    pub(crate) rules: RwSignal<PollRules>,
    next: StoredValue<u32>,
    /// Where fields live: as long as the draft. Without it they would end with the form in which they were added, and
    /// the next form would read signals that are gone.
    owner: StoredValue<Owner>,
    pub(crate) question_fault: RwSignal<Option<String>>,
    pub(crate) faults: RwSignal<BTreeMap<u32, String>>,
    /// Said to readers of the screen: where an option has gone.
    pub(crate) said: RwSignal<String>,
}

impl Draft {
    pub(crate) fn new() -> Self {
        let draft = Self {
            question: RwSignal::new(String::new()),
            fields: RwSignal::new(Vec::new()),
            rules: RwSignal::new(FIRST_RULES),
            next: StoredValue::new(0),
            owner: StoredValue::new(Owner::current().unwrap_or_default()),
            question_fault: RwSignal::new(None),
            faults: RwSignal::new(BTreeMap::new()),
            said: RwSignal::new(String::new()),
        };
        draft.reset();
        draft
    }

    pub(crate) fn reset(self) {
        self.question.set(String::new());
        let first = vec![self.field(), self.field()];
        self.fields.set(first);
        self.rules.set(FIRST_RULES);
        self.question_fault.set(None);
        self.faults.set(BTreeMap::new());
    }

    fn field(self) -> Field {
        let number = self.next.get_value();
        self.next.set_value(number + 1);
        Field {
            number,
            text: self
                .owner
                .with_value(|owner| owner.with(|| RwSignal::new(String::new()))),
        }
    }

    pub(crate) fn position(self, number: u32) -> Option<usize> {
        self.fields
            .with(|fields| fields.iter().position(|field| field.number == number))
    }

    /// A field after `at`, or the empty one that is there already. Gives its position.
    pub(crate) fn add_below(self, at: usize) -> Option<usize> {
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

    pub(crate) fn remove(self, number: u32) {
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
    pub(crate) fn shift(self, number: u32, down: bool) -> Option<usize> {
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
    pub(crate) fn checked(self) -> Option<(String, Vec<String>)> {
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
