//! The receipt of de-identification, shown to whoever opens a series: what was done to which field, and whether the
//! files here are those that it speaks of.

use std::{collections::BTreeMap, rc::Rc};

use healthsync_imaging::{desk::words, removed_by, stage::PhotoReceipt};
use serde::Deserialize;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Blob, Element, HtmlDialogElement};

use crate::{
    digest::{bytes, sha256},
    dom,
    viewer::Inner,
};

/// The part of a receipt that is shown.
#[derive(Debug, Default, Deserialize)]
pub(crate) struct Receipt {
    pub(crate) tool: String,
    pub(crate) table: String,
    pub(crate) actions: Vec<Done>,
    pub(crate) warnings: Vec<String>,
    pub(crate) files: Vec<File>,
    /// The options of the profile that were used.
    codes: Vec<Code>,
}

#[derive(Debug, Deserialize)]
struct Code {
    meaning: String,
}

#[derive(Debug, Deserialize)]
pub(crate) struct Done {
    tag: String,
    keyword: Option<String>,
    action: String,
    pub(crate) count: u32,
}

#[derive(Debug, Deserialize)]
pub(crate) struct File {
    sha256: String,
    pub(crate) painted: Vec<[u32; 4]>,
    /// Its format, when it is no DICOM file.
    image: Option<String>,
    #[serde(default)]
    removed: Vec<Removed>,
}

#[derive(Debug, Deserialize)]
struct Removed {
    what: String,
}

impl From<&PhotoReceipt> for Receipt {
    fn from(photo: &PhotoReceipt) -> Self {
        let removed = photo.removed.iter().map(|code| Removed {
            what: removed_by(code).to_owned(),
        });
        Self {
            tool: photo.tool.clone(),
            files: vec![File {
                sha256: String::new(),
                painted: Vec::new(),
                image: Some(photo.format.clone()),
                removed: removed.collect(),
            }],
            ..Self::default()
        }
    }
}

impl Receipt {
    /// How much was done, by which rules.
    pub(crate) fn sum(&self) -> String {
        let count: u32 = self.actions.iter().map(|done| done.count).sum();
        let Some(format) = self.files.iter().find_map(|file| file.image.as_deref()) else {
            let said = format!(
                "{count} values of {} fields were removed or replaced, by the Basic Profile of {}.",
                self.actions.len(),
                self.table
            );
            let kept = self.codes.iter().filter_map(|code| {
                let what = code.meaning.strip_prefix("Retain ")?;
                Some(what.strip_suffix(" Option").unwrap_or(what))
            });
            let kept: Vec<&str> = kept.collect();
            return if kept.is_empty() {
                said
            } else {
                format!("{said} Kept by choice: {}.", kept.join(", "))
            };
        };
        match self.fields().len() {
            0 => format!("The {format} file held nothing but its picture."),
            1 => format!("1 part of the {format} file was removed."),
            several => format!(
                "{several} parts of the {format} file were removed: all that is not the picture."
            ),
        }
    }

    /// Of files that are no DICOM: format and field, and in how many files it was removed.
    fn fields(&self) -> BTreeMap<(&str, &str), u32> {
        let mut fields = BTreeMap::new();
        for file in &self.files {
            let Some(format) = &file.image else { continue };
            for removed in &file.removed {
                *fields
                    .entry((format.as_str(), removed.what.as_str()))
                    .or_default() += 1;
            }
        }
        fields
    }

    /// Rows of a table: tag, field, what was done, how often.
    pub(crate) fn fill(&self, rows: &Element) {
        rows.set_text_content(None);
        for done in &self.actions {
            let (group, number) = done.tag.split_at_checked(4).unwrap_or_default();
            let name = done
                .keyword
                .as_deref()
                .map_or_else(|| "private or unknown".to_owned(), words);
            let what = match done.action.as_str() {
                "Z" => "emptied",
                "D" => "replaced by a dummy",
                "U" => "new identifier",
                "C" => "moved in time",
                _ => "removed",
            };
            row(rows, &format!("{group},{number}"), &name, what, done.count);
        }
        for ((format, field), count) in self.fields() {
            row(rows, format, field, "removed", count);
        }
    }
}

fn row(rows: &Element, tag: &str, name: &str, what: &str, count: u32) {
    let Some(row) = dom::element("tr", "") else {
        return;
    };
    for (text, class) in [
        (tag, "mono"),
        (name, ""),
        (what, ""),
        (&count.to_string(), "num"),
    ] {
        if let Some(cell) = dom::element("td", class) {
            cell.set_text_content(Some(text));
            dom::append(&row, &cell);
        }
    }
    dom::append(rows, &row);
}

impl Inner {
    /// Shows the receipt of the picture in the active pane, and checks a series' files against it.
    pub(crate) fn open_receipt(self: &Rc<Self>) {
        let photo = self.with_active(|pane, state| {
            let facts = &state.pictures.get(pane.picture)?.facts;
            facts.receipt.as_ref().map(Receipt::from)
        });
        if let Some(receipt) = photo.flatten() {
            // A page opens no other.
            let checked = "The file here is the one of the receipt: its SHA-256 is the same.";
            self.show_receipt(&receipt, checked);
            return;
        }
        let found = self.with_active(|pane, state| {
            let stack = state.pictures.get(pane.picture)?.stack.as_ref()?;
            Some((stack.receipt.clone()?, stack.blobs.clone(), stack.expected))
        });
        let Some((receipt, blobs, _)) = found.flatten() else {
            return self.note("There is no receipt with this series.");
        };
        let viewer = self.clone();
        spawn_local(async move {
            let text = bytes(&receipt)
                .await
                .and_then(|bytes| String::from_utf8(bytes).ok());
            let receipt: Option<Receipt> = text.and_then(|text| serde_json::from_str(&text).ok());
            let Some(receipt) = receipt.filter(|_| !viewer.is_closed()) else {
                return viewer.note("The receipt of this series cannot be read.");
            };
            viewer.show_receipt(&receipt, "Checking the files against it.");
            let checked = check(&receipt, &blobs).await;
            dom::text(&viewer.root, "[data-receipt-checked]", &checked);
        });
    }

    fn show_receipt(&self, receipt: &Receipt, checked: &str) {
        let (Some(dialog), Some(rows)) = (
            dom::find::<HtmlDialogElement>(&self.root, "[data-receipt]"),
            dom::find::<Element>(&self.root, "[data-receipt-rows]"),
        ) else {
            return;
        };
        receipt.fill(&rows);
        let said = format!("{} Written by {}.", receipt.sum(), receipt.tool);
        dom::text(&self.root, "[data-receipt-said]", &said);
        dom::text(&self.root, "[data-receipt-checked]", checked);
        let _ = dialog.show_modal();
    }

    pub(crate) fn close_receipt(&self) {
        if let Some(dialog) = dom::find::<HtmlDialogElement>(&self.root, "[data-receipt]") {
            dialog.close();
        }
    }
}

/// Whether the files have the digests that the receipt gives them, in a sentence.
async fn check(receipt: &Receipt, blobs: &[Blob]) -> String {
    let mut other = Vec::new();
    for (at, blob) in blobs.iter().enumerate() {
        let digest = match bytes(blob).await {
            Some(bytes) => sha256(&bytes).await,
            None => None,
        };
        if digest.is_none() || digest != receipt.files.get(at).map(|file| file.sha256.clone()) {
            other.push((at + 1).to_string());
        }
    }
    let all = receipt.files.len();
    match (other.as_slice(), blobs.len()) {
        ([], here) if here == all => {
            format!("All {all} files here are the ones of the receipt: their SHA-256 is the same.")
        }
        ([], here) => format!(
            "The {here} of {all} files that have come are the ones of the receipt: their SHA-256 is the same."
        ),
        (other, _) => format!(
            "These files are not the ones of the receipt: {}. Somebody has changed them after they were cleaned.",
            other.join(", ")
        ),
    }
}
