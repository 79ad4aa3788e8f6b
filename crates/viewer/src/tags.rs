//! The tag browser: all elements of the shown image's file, searched by words.

use std::rc::Rc;

use healthsync_imaging::desk::{Answer, Ask, At, TagRow};
use js_sys::Array;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Element, HtmlDialogElement, HtmlInputElement};

use crate::{dom, viewer::Inner};

impl Inner {
    pub(crate) fn open_tags(self: &Rc<Self>) {
        let at = {
            let state = self.state.borrow();
            let panes = self.panes.borrow();
            panes.get(self.active.get()).and_then(|pane| {
                let stack = state.pictures.get(pane.picture)?.stack.as_ref()?;
                Some(At {
                    set: stack.set,
                    series: 0,
                    slice: pane
                        .slice()
                        .min(stack.series.as_ref()?.slices.saturating_sub(1)),
                })
            })
        };
        let Some(at) = at else { return };
        let viewer = self.clone();
        spawn_local(async move {
            match viewer.desk.ask(&Ask::Tags { at }, &Array::new()).await {
                Answer::Tags { rows } if !viewer.is_closed() => viewer.show_tags(at.slice, &rows),
                Answer::Failed { what } => viewer.note(what),
                _ => {}
            }
        });
    }

    fn show_tags(&self, slice: u32, rows: &[TagRow]) {
        let (Some(dialog), Some(body)) = (
            dom::find::<HtmlDialogElement>(&self.root, "[data-tags]"),
            dom::find::<Element>(&self.root, "[data-tag-rows]"),
        ) else {
            return;
        };
        body.set_text_content(None);
        for row in rows {
            let Some(line) = dom::element("tr", "") else {
                continue;
            };
            dom::flag(&line, "data-id", row.identifies);
            for (text, class) in [(&row.tag, "mono"), (&row.name, ""), (&row.value, "mono")] {
                if let Some(cell) = dom::element("td", class) {
                    cell.set_text_content(Some(text));
                    dom::append(&line, &cell);
                }
            }
            dom::append(&body, &line);
        }
        let identifying = rows.iter().filter(|row| row.identifies).count();
        let said = format!(
            "Slice {}, as shared. Of {} fields, {identifying} are such as identify people; they are marked, and hold what de-identification left.",
            slice + 1,
            rows.len()
        );
        dom::text(&self.root, "[data-tags-said]", &said);
        let _ = dialog.show_modal();
    }

    /// Hides the rows in which the words do not occur.
    pub(crate) fn filter_tags(&self) {
        let Some(field) = dom::find::<HtmlInputElement>(&self.root, "[data-choose=tags]") else {
            return;
        };
        let wanted = field.value().to_lowercase();
        for row in dom::all(&self.root, "[data-tag-rows] tr") {
            let text = row.text_content().unwrap_or_default().to_lowercase();
            dom::flag(&row, "hidden", !text.contains(&wanted));
        }
    }

    pub(crate) fn close_tags(&self) {
        if let Some(dialog) = dom::find::<HtmlDialogElement>(&self.root, "[data-tags]") {
            dialog.close();
        }
    }
}
