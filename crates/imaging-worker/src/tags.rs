//! A file's elements as rows of text, for reading. Values are what the file holds: they stay in this browser.

use healthsync_imaging::{
    deid::listed,
    desk::{TagRow, words},
    dicom::{DataSet, Instance, Value},
};

/// Rows at most, and characters of a value: a hostile file has millions.
const ROWS: usize = 5_000;
const CHARS: usize = 200;

pub(crate) fn rows(instance: &Instance) -> Vec<TagRow> {
    let mut rows = Vec::new();
    walk(instance.meta(), 0, &mut rows);
    walk(instance.dataset(), 0, &mut rows);
    rows
}

fn walk(set: &DataSet, depth: usize, rows: &mut Vec<TagRow>) {
    for element in set.elements() {
        if rows.len() >= ROWS {
            return;
        }
        let tag = element.tag;
        let value = match &element.value {
            Value::Items(items) => format!("{} items", items.len()),
            Value::Fragments { fragments, .. } => format!("{} fragments", fragments.len()),
            Value::Bytes(bytes) => element
                .text(set.charset())
                .or_else(|| {
                    let numbers = element.floats();
                    (!numbers.is_empty() && numbers.len() <= 16).then(|| {
                        let numbers: Vec<String> = numbers.iter().map(f64::to_string).collect();
                        numbers.join(" \\ ")
                    })
                })
                .unwrap_or_else(|| format!("{} bytes", bytes.len())),
        };
        rows.push(TagRow {
            tag: format!("{}{:04X},{:04X}", "  ".repeat(depth), tag.0, tag.1),
            name: tag.keyword().map_or_else(
                || {
                    if tag.is_private() {
                        "private".to_owned()
                    } else {
                        "unknown".to_owned()
                    }
                },
                words,
            ),
            value: value.chars().take(CHARS).collect(),
            identifies: tag.is_private() || listed(tag).is_some(),
        });
        if let Value::Items(items) = &element.value {
            for item in items {
                walk(item, depth + 1, rows);
            }
        }
    }
}
