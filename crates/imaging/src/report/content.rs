//! Content items (PS3.3 C.17.3) and the elements that they are made of.

use super::Code;
use crate::dicom::{DataSet, Element, Tag, Vr, tags};

/// How an item belongs to the one above it.
#[derive(Clone, Copy, Debug)]
pub(super) enum Relation {
    Contains,
    HasModifier,
    HasContext,
    InferredFrom,
    SelectedFrom,
}

pub(super) fn put(set: &mut DataSet, tag: impl Into<Tag>, vr: Vr, value: impl Into<Vec<u8>>) {
    set.put(Element::of_bytes(tag, vr, value));
}

pub(super) fn sequence(set: &mut DataSet, tag: impl Into<Tag>, items: Vec<DataSet>) {
    set.put(Element::of_items(tag, items));
}

/// An item of a code sequence.
pub(super) fn code(value: &str, scheme: &str, meaning: &str) -> DataSet {
    let mut set = DataSet::default();
    put(&mut set, tags::CODE_VALUE, Vr::SH, value);
    put(&mut set, tags::CODING_SCHEME_DESIGNATOR, Vr::SH, scheme);
    put(&mut set, tags::CODE_MEANING, Vr::LO, meaning);
    set
}

impl Code {
    pub(super) fn item(self) -> DataSet {
        code(self.0, self.1, self.2)
    }
}

fn item(relation: Relation, kind: &str, name: Option<Code>) -> DataSet {
    let mut set = DataSet::default();
    let relation = match relation {
        Relation::Contains => "CONTAINS",
        Relation::HasModifier => "HAS CONCEPT MOD",
        Relation::HasContext => "HAS OBS CONTEXT",
        Relation::InferredFrom => "INFERRED FROM",
        Relation::SelectedFrom => "SELECTED FROM",
    };
    put(&mut set, tags::RELATIONSHIP_TYPE, Vr::CS, relation);
    put(&mut set, tags::VALUE_TYPE, Vr::CS, kind);
    if let Some(name) = name {
        sequence(
            &mut set,
            tags::CONCEPT_NAME_CODE_SEQUENCE,
            vec![name.item()],
        );
    }
    set
}

/// Items below an item.
pub(super) fn with(mut set: DataSet, items: Vec<DataSet>) -> DataSet {
    if !items.is_empty() {
        sequence(&mut set, tags::CONTENT_SEQUENCE, items);
    }
    set
}

pub(super) fn container(name: Code, items: Vec<DataSet>) -> DataSet {
    let mut set = item(Relation::Contains, "CONTAINER", Some(name));
    put(&mut set, tags::CONTINUITY_OF_CONTENT, Vr::CS, "SEPARATE");
    with(set, items)
}

pub(super) fn coded(relation: Relation, name: Code, value: Code) -> DataSet {
    let mut set = item(relation, "CODE", Some(name));
    sequence(&mut set, tags::CONCEPT_CODE_SEQUENCE, vec![value.item()]);
    set
}

pub(super) fn text(relation: Relation, name: Code, value: &str) -> DataSet {
    let mut set = item(relation, "TEXT", Some(name));
    put(&mut set, tags::TEXT_VALUE, Vr::UT, value);
    set
}

pub(super) fn uid(relation: Relation, name: Code, value: &str) -> DataSet {
    let mut set = item(relation, "UIDREF", Some(name));
    put(&mut set, tags::UID, Vr::UI, value);
    set
}

/// A number with its unit.
pub(super) fn number(name: Code, value: f64, unit: DataSet, below: Vec<DataSet>) -> DataSet {
    let mut measured = DataSet::default();
    put(&mut measured, tags::NUMERIC_VALUE, Vr::DS, decimal(value));
    put(
        &mut measured,
        tags::FLOATING_POINT_VALUE,
        Vr::FD,
        value.to_le_bytes(),
    );
    sequence(
        &mut measured,
        tags::MEASUREMENT_UNITS_CODE_SEQUENCE,
        vec![unit],
    );
    let mut set = item(Relation::Contains, "NUM", Some(name));
    sequence(&mut set, tags::MEASURED_VALUE_SEQUENCE, vec![measured]);
    with(set, below)
}

/// Points on an image, column and row; the first pixel covers 0 to 1 (PS3.3 C.18.6.1.2).
pub(super) fn coordinates(
    relation: Relation,
    name: Option<Code>,
    kind: &str,
    points: &[[f64; 2]],
    image: DataSet,
) -> DataSet {
    let mut set = item(relation, "SCOORD", name);
    let data: Vec<u8> = points
        .iter()
        .flatten()
        .flat_map(|part| (*part as f32).to_le_bytes())
        .collect();
    put(&mut set, tags::GRAPHIC_DATA, Vr::FL, data);
    put(&mut set, tags::GRAPHIC_TYPE, Vr::CS, kind);
    with(set, vec![image])
}

/// An image, or one frame of it (from 0).
pub(super) fn image(
    relation: Relation,
    class: &str,
    instance: &str,
    frame: Option<u32>,
) -> DataSet {
    let mut reference = reference(class, instance);
    if let Some(frame) = frame {
        put(
            &mut reference,
            tags::REFERENCED_FRAME_NUMBER,
            Vr::IS,
            (frame + 1).to_string(),
        );
    }
    let mut set = item(relation, "IMAGE", None);
    sequence(&mut set, tags::REFERENCED_SOP_SEQUENCE, vec![reference]);
    set
}

pub(super) fn reference(class: &str, instance: &str) -> DataSet {
    let mut set = DataSet::default();
    put(&mut set, tags::REFERENCED_SOP_CLASS_UID, Vr::UI, class);
    put(
        &mut set,
        tags::REFERENCED_SOP_INSTANCE_UID,
        Vr::UI,
        instance,
    );
    set
}

/// A decimal string: 16 characters at most (PS3.5 6.2).
fn decimal(value: f64) -> String {
    let fixed = (0..=8)
        .rev()
        .map(|places| format!("{value:.places$}"))
        .find(|text| text.len() <= 16);
    fixed.unwrap_or_else(|| format!("{value:.7e}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn decimals_are_short_enough() {
        for (value, text) in [
            (12.5, "12.50000000"),
            (-1_234_567_890.125, "-1234567890.1250"),
            (1e200, "1.0000000e200"),
        ] {
            assert_eq!(decimal(value), text);
            assert!(text.len() <= 16);
        }
    }
}
