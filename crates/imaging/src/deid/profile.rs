//! The table of PS3.15 Annex E (E.1-1, Basic Application Level Confidentiality Profile) and what an option changes.
//!
//! The table is `data/ps315_2026c.json`, whole. Where it gives a choice (`X/Z/D`) the right-hand action is taken: it
//! removes the value and keeps the file valid whatever the attribute's type is in its object.

use std::collections::HashMap;
use std::sync::OnceLock;

use serde::{Deserialize, Serialize};

use super::options::{Dates, Options};
use crate::dicom::{Tag, Vr};

/// The edition of the table, as receipts name it.
pub const EDITION: &str = "PS3.15 2026c, Table E.1-1";

/// What is done with an element.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Action {
    /// Removed.
    X,
    /// Emptied.
    Z,
    /// Replaced by a value that says nothing.
    D,
    /// Replaced by another UID, the same for the same.
    U,
    /// Kept; sequences are cleaned inside.
    K,
    /// A date moved by the study's number of days.
    C,
}

#[derive(Debug, Deserialize)]
struct File {
    tags: Vec<Row>,
    masked: Vec<Masked>,
}

#[derive(Debug, Deserialize)]
struct Row {
    tag: String,
    vr: String,
    action: String,
}

#[derive(Debug, Deserialize)]
struct Masked {
    group: String,
    group_mask: String,
    element: String,
    element_mask: String,
    action: String,
}

#[derive(Debug)]
struct Table {
    rows: HashMap<Tag, (Action, Vr)>,
    /// Group, its mask, element, its mask.
    masked: Vec<([u16; 4], Action)>,
}

fn table() -> &'static Table {
    static TABLE: OnceLock<Table> = OnceLock::new();
    TABLE.get_or_init(|| {
        let file: File = serde_json::from_str(include_str!("../../data/ps315_2026c.json"))
            .expect("the table is part of this program and its test reads it");
        let half = |text: &str| u16::from_str_radix(text, 16).unwrap_or_default();
        let rows = file.tags.iter().map(|row| {
            let (group, element) = row.tag.split_at(4);
            let vr = <[u8; 2]>::try_from(row.vr.as_bytes()).map_or(Vr::UN, Vr);
            (
                Tag(half(group), half(element)),
                (right_hand(&row.action), vr),
            )
        });
        let masked = file.masked.iter().map(|row| {
            let halves = [&row.group, &row.group_mask, &row.element, &row.element_mask];
            (halves.map(|text| half(text)), right_hand(&row.action))
        });
        Table {
            rows: rows.collect(),
            masked: masked.collect(),
        }
    })
}

/// The safe one of the actions that a row allows.
fn right_hand(actions: &str) -> Action {
    match actions.rsplit('/').next().unwrap_or(actions) {
        "Z" => Action::Z,
        "D" => Action::D,
        "U" => Action::U,
        // The sequence stays and the UIDs inside are replaced.
        "U*" => Action::K,
        _ => Action::X,
    }
}

/// The table's own action for a tag, without options; `None` for tags that it does not list.
pub fn listed(tag: Tag) -> Option<Action> {
    if let Some((action, _)) = table().rows.get(&tag) {
        return Some(*action);
    }
    let matches = |[group, group_mask, element, element_mask]: [u16; 4]| {
        tag.0 & group_mask == group && tag.1 & element_mask == element
    };
    table()
        .masked
        .iter()
        .find(|(row, _)| matches(*row))
        .map(|(_, action)| *action)
}

/// The representation that the table gives for a tag which the data dictionary may not know yet.
pub(super) fn listed_vr(tag: Tag) -> Option<Vr> {
    table()
        .rows
        .get(&tag)
        .map(|(_, vr)| *vr)
        .filter(|vr| *vr != Vr::UN)
}

/// What is done with an element of a file, options applied.
pub(super) fn action(tag: Tag, vr: Vr, options: &Options) -> Action {
    if tag.is_private() || tag.is_group_length() {
        return Action::X;
    }
    let listed = listed(tag);
    if is_time(vr) && !NEVER_LONGITUDINAL.contains(&tag) {
        return match (options.dates, listed) {
            (Dates::Keep, _) => Action::K,
            (Dates::Shift(_), _) => Action::C,
            (Dates::Remove, Some(action)) => action,
            // A date that the table does not know is still a date. A time of day alone stays.
            (Dates::Remove, None) if vr == Vr::TM => Action::K,
            (Dates::Remove, None) => Action::X,
        };
    }
    let Some(listed) = listed else {
        return match &vr.0 {
            // Names of persons and of machines on the network identify, listed or not.
            b"PN" | b"AE" => Action::X,
            b"UI" if !options.retain_uids && !names_a_kind(tag) => Action::U,
            _ => Action::K,
        };
    };
    let retained = (options.retain_uids && listed == Action::U)
        || (options.retain_patient && PATIENT_CHARACTERISTICS.contains(&tag))
        || (options.retain_device && DEVICE_IDENTITY.contains(&tag))
        || (options.retain_institution && INSTITUTION_IDENTITY.contains(&tag))
        || (options.dates != Dates::Remove && tag == TIMEZONE);
    if retained { Action::K } else { listed }
}

/// Whether a UID says what kind of thing something is, and not which one.
fn names_a_kind(tag: Tag) -> bool {
    let kinds = [
        "Class",
        "TransferSyntax",
        "CodingScheme",
        "Context",
        "MappingResource",
        "Template",
    ];
    tag.keyword()
        .is_some_and(|keyword| kinds.iter().any(|kind| keyword.contains(kind)))
}

/// Whether a value says when something was.
pub(super) fn is_time(vr: Vr) -> bool {
    matches!(vr, Vr::DA | Vr::DT | Vr::TM)
}

/// Dates and times without an entry in the columns "Rtn. Long. Full Dates Opt." and "Rtn. Long. Modif. Dates Opt." of
/// Table E.1-1, while all others there have K and C: when the patient was born, and GPS Time Stamp. The options leave them
/// to the basic profile.
const NEVER_LONGITUDINAL: [Tag; 3] = [
    Tag(0x0010, 0x0030),
    Tag(0x0010, 0x0032),
    Tag(0x0016, 0x0077),
];

const TIMEZONE: Tag = Tag(0x0008, 0x0201);

/// Kept by Retain Patient Characteristics: what is measured of a body, nothing written about it.
const PATIENT_CHARACTERISTICS: [Tag; 9] = [
    Tag(0x0010, 0x0040),
    Tag(0x0010, 0x1010),
    Tag(0x0010, 0x1020),
    Tag(0x0010, 0x1030),
    Tag(0x0010, 0x2160),
    Tag(0x0010, 0x2203),
    Tag(0x0010, 0x21A0),
    Tag(0x0010, 0x21C0),
    Tag(0x0010, 0x1022),
];

/// Kept by Retain Device Identity.
const DEVICE_IDENTITY: [Tag; 12] = [
    Tag(0x0008, 0x1010),
    Tag(0x0018, 0x1000),
    Tag(0x0018, 0x1002),
    Tag(0x0018, 0x1004),
    Tag(0x0018, 0x1005),
    Tag(0x0018, 0x1007),
    Tag(0x0018, 0x1008),
    Tag(0x0018, 0x700A),
    Tag(0x0018, 0x9371),
    Tag(0x0040, 0x0001),
    Tag(0x0040, 0x0010),
    Tag(0x0040, 0x0241),
];

/// Kept by Retain Institution Identity.
const INSTITUTION_IDENTITY: [Tag; 5] = [
    Tag(0x0008, 0x0080),
    Tag(0x0008, 0x0081),
    Tag(0x0008, 0x0082),
    Tag(0x0008, 0x1040),
    Tag(0x0008, 0x1041),
];

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    /// The law of the issue: every row is acted upon, whatever it is.
    #[test]
    fn every_row_of_the_table_is_acted_upon() {
        let file: Value =
            serde_json::from_str(include_str!("../../data/ps315_2026c.json")).expect("JSON");
        let rows = file["tags"].as_array().expect("rows");
        assert_eq!(
            (rows.len(), file["masked"].as_array().map(Vec::len)),
            (652, Some(3))
        );
        let mut acted = 0;
        for row in rows {
            let tag = row["tag"].as_str().expect("a tag");
            let half = |part: &str| u16::from_str_radix(part, 16).expect("hexadecimal");
            let tag = Tag(half(&tag[..4]), half(&tag[4..]));
            let allowed: Vec<&str> = row["action"]
                .as_str()
                .expect("an action")
                .split('/')
                .collect();
            let vr = listed_vr(tag).unwrap_or(Vr::UN);
            let done = match action(tag, vr, &Options::default()) {
                Action::X => "X",
                Action::Z => "Z",
                Action::D => "D",
                Action::U => "U",
                Action::K => "U*",
                Action::C => "C",
            };
            // Group lengths and group 0002 are written anew altogether.
            assert!(
                allowed.contains(&done),
                "{tag}: {done} is not of {allowed:?}"
            );
            acted += 1;
        }
        assert_eq!(acted, 652);
        for tag in [
            Tag(0x5004, 0x3000),
            Tag(0x6002, 0x3000),
            Tag(0x60FE, 0x4000),
        ] {
            assert_eq!(action(tag, Vr::OW, &Options::default()), Action::X, "{tag}");
        }
    }

    #[test]
    fn options_keep_what_they_name_and_no_more() {
        let name = Tag(0x0010, 0x0010);
        let all = Options {
            retain_uids: true,
            retain_patient: true,
            retain_device: true,
            retain_institution: true,
            dates: Dates::Keep,
            ..Options::default()
        };
        assert_eq!(action(name, Vr::PN, &all), Action::Z);
        assert_eq!(action(Tag(0x0010, 0x1010), Vr::AS, &all), Action::K);
        assert_eq!(action(Tag(0x0008, 0x0018), Vr::UI, &all), Action::K);
        assert_eq!(action(Tag(0x0008, 0x0020), Vr::DA, &all), Action::K);
        let moved = Options {
            dates: Dates::Shift(9),
            ..Options::default()
        };
        for options in [&all, &moved, &Options::default()] {
            assert_eq!(action(Tag(0x0010, 0x0030), Vr::DA, options), Action::Z);
            assert_eq!(action(Tag(0x0010, 0x0032), Vr::TM, options), Action::X);
        }
        assert_eq!(action(Tag(0x0009, 0x0010), Vr::LO, &all), Action::X);
        let none = Options::default();
        assert_eq!(action(Tag(0x0010, 0x1010), Vr::AS, &none), Action::X);
        assert_eq!(action(Tag(0x0008, 0x0018), Vr::UI, &none), Action::U);
    }

    #[test]
    fn what_the_table_does_not_know_is_judged_by_its_kind() {
        let unknown = Tag(0x0008, 0x0FF0);
        assert_eq!(listed(unknown), None);
        assert_eq!(action(unknown, Vr::PN, &Options::default()), Action::X);
        assert_eq!(action(unknown, Vr::DA, &Options::default()), Action::X);
        assert_eq!(action(unknown, Vr::UI, &Options::default()), Action::U);
        assert_eq!(action(unknown, Vr::CS, &Options::default()), Action::K);
    }
}
