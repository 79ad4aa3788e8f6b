//! Walks a data set with all its sequences and does to every element what the profile says.

use std::collections::{BTreeMap, BTreeSet};

use super::dates;
use super::options::{Dates, Options, StudyKey};
use super::profile::{self, Action};
use super::residual::{Found, Rank};
use super::uid;
use crate::dicom::{Charset, DataSet, Element, Tag, Value, Vr, tags, unknown_sequence};

/// What was done and seen on the way.
#[derive(Debug, Default)]
pub(super) struct Record {
    /// How often which action was done to which tag.
    pub(super) actions: BTreeMap<(Tag, Action), u32>,
    /// Values that went.
    pub(super) found: Vec<Found>,
    /// Values that were put in their place.
    pub(super) made: BTreeSet<String>,
}

pub(super) struct Walk<'a> {
    pub(super) options: &'a Options,
    pub(super) key: &'a StudyKey,
    pub(super) record: Record,
}

impl Walk<'_> {
    /// Cleans a set in place.
    pub(super) fn clean(&mut self, set: &mut DataSet) {
        let charset = set.charset();
        // An overlay without its plane is no overlay: its whole group goes.
        let overlays: BTreeSet<u16> = set
            .elements()
            .iter()
            .map(|element| element.tag.0)
            .filter(|group| group & 0xFF01 == 0x6000)
            .collect();
        for element in std::mem::take(&mut set.elements) {
            if let Some(kept) = self.element(element, charset, &overlays) {
                set.elements.push(kept);
            }
        }
    }

    fn element(
        &mut self,
        mut element: Element,
        charset: Charset,
        overlays: &BTreeSet<u16>,
    ) -> Option<Element> {
        let tag = element.tag;
        if element.vr == Vr::UN {
            element.vr = profile::listed_vr(tag).unwrap_or(element.vr);
        }
        if element.vr == Vr::SQ
            && let Value::Bytes(bytes) = &element.value
        {
            element.value = Value::Items(unknown_sequence(bytes, charset).unwrap_or_default());
        }
        // What cannot be read cannot be judged.
        let unreadable = matches!(element.value, Value::Bytes(_))
            && (element.vr == Vr::UN || !element.vr.is_known());
        // Groups 0000 and 0002 have no place in a data set; written in order they would end up in another group 0002.
        let misplaced = matches!(tag.0, 0x0000 | 0x0002);
        let action = if overlays.contains(&tag.0) || misplaced || (unreadable && !tag.is_private())
        {
            Action::X
        } else {
            profile::action(tag, element.vr, self.options)
        };
        match action {
            Action::K => {
                if let Value::Items(items) = &mut element.value {
                    items.iter_mut().for_each(|item| self.clean(item));
                }
                return Some(element);
            }
            Action::C if element.vr == Vr::TM => return Some(element),
            // The standard's own UIDs stay where instances' would go.
            Action::U if self.only_standard_uids(&element, charset) => return Some(element),
            _ => {}
        }
        self.collect(&element, charset);
        let (action, replaced) = match action {
            Action::Z if element.vr == Vr::SQ => (action, Some(Element::of_items(tag, Vec::new()))),
            Action::Z => (action, Some(Element::of_bytes(tag, element.vr, []))),
            Action::D => (action, Some(self.dummy(&element, charset))),
            Action::U => (action, Some(self.replaced_uids(&element, charset))),
            Action::C => self.shifted(&element, charset),
            Action::X | Action::K => (action, None),
        };
        *self.record.actions.entry((tag, action)).or_default() += 1;
        replaced
    }

    fn shifted(&mut self, element: &Element, charset: Charset) -> (Action, Option<Element>) {
        let Dates::Shift(days) = self.options.dates else {
            return (Action::X, None);
        };
        let value = element.text(charset).unwrap_or_default();
        let Some(moved) = dates::shift(&value, days) else {
            return (Action::X, None);
        };
        self.record.made.insert(moved.clone());
        (
            Action::C,
            Some(Element::of_bytes(element.tag, element.vr, moved)),
        )
    }

    fn only_standard_uids(&self, element: &Element, charset: Charset) -> bool {
        let value = element.text(charset).unwrap_or_default();
        element.vr == Vr::UI
            && value
                .split('\\')
                .all(|uid| uid::replace(self.key, uid) == uid.trim())
    }

    fn replaced_uids(&self, element: &Element, charset: Charset) -> Element {
        let value = element.text(charset).unwrap_or_default();
        let new: Vec<String> = value
            .split('\\')
            .map(|uid| uid::replace(self.key, uid))
            .collect();
        Element::of_bytes(element.tag, Vr::UI, new.join("\\"))
    }

    /// A value of the same representation that says nothing.
    fn dummy(&mut self, element: &Element, charset: Charset) -> Element {
        let tag = element.tag;
        let text = match &element.vr.0 {
            b"SQ" => {
                let mut item = DataSet::default();
                item.put(Element::of_bytes(tags::CODE_VALUE, Vr::SH, "REMOVED"));
                item.put(Element::of_bytes(
                    tags::CODING_SCHEME_DESIGNATOR,
                    Vr::SH,
                    "99HEALTHSYNC",
                ));
                item.put(Element::of_bytes(tags::CODE_MEANING, Vr::LO, "Removed"));
                return Element::of_items(tag, vec![item]);
            }
            b"UI" => return self.replaced_uids(element, charset),
            b"PN" | b"LO" | b"LT" | b"SH" | b"ST" | b"UC" | b"UT" => "Removed",
            b"AE" | b"CS" => "REMOVED",
            b"AS" => "000Y",
            b"DA" => "19000101",
            b"DT" => "19000101000000",
            b"TM" => "000000",
            b"DS" | b"IS" => "0",
            b"UR" => "about:blank",
            _ => {
                let length = element.vr.word().max(2);
                return Element::of_bytes(tag, element.vr, vec![0; length]);
            }
        };
        self.record.made.insert(text.to_owned());
        Element::of_bytes(tag, element.vr, text)
    }

    /// Notes what a value says, at all levels, before it goes.
    fn collect(&mut self, element: &Element, charset: Charset) {
        match &element.value {
            Value::Items(items) => {
                for item in items {
                    item.elements()
                        .iter()
                        .for_each(|inner| self.collect(inner, item.charset()));
                }
            }
            Value::Bytes(bytes) => {
                if let Some(text) = element.text(charset).filter(|text| !text.is_empty()) {
                    self.record.found.push(Found {
                        tag: element.tag,
                        vr: element.vr,
                        rank: rank(element),
                        text,
                        raw: bytes.clone(),
                    });
                }
            }
            Value::Fragments { .. } => {}
        }
    }
}

/// How sure it is that a value identifies.
fn rank(element: &Element) -> Rank {
    let tag = element.tag;
    let numbers = [
        Tag(0x0008, 0x0050),
        Tag(0x0020, 0x0010),
        Tag(0x0040, 0x2016),
        Tag(0x0040, 0x2017),
        Tag(0x0038, 0x0010),
    ];
    if tag.is_private() {
        Rank::Private
    } else if tag.0 == 0x0010
        || numbers.contains(&tag)
        || matches!(&element.vr.0, b"PN" | b"UI" | b"DA" | b"DT" | b"AE")
    {
        Rank::Identity
    } else if element.vr == Vr::CS {
        Rank::Private
    } else {
        Rank::Description
    }
}
