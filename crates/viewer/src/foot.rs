//! Below the picture: the scrubber with its ticks, and the list of measurements.

use std::rc::Rc;

use healthsync_imaging::render::Axis;
use web_sys::{Element, HtmlElement, HtmlInputElement};

use crate::{dom, label, viewer::Inner};

impl Inner {
    /// The scrubber and the list, from what is known. The list opens by itself with the first measurement.
    pub(crate) fn show_foot(self: &Rc<Self>, open: bool) {
        self.show_slice();
        self.show_ticks();
        let state = self.state.borrow();
        let (Some(list), Some(rows)) = (
            dom::find::<Element>(&self.root, "[data-measures]"),
            dom::find::<Element>(&self.root, "[data-rows]"),
        ) else {
            return;
        };
        dom::flag(&list, "hidden", state.marks.is_empty());
        if open {
            dom::flag(&list, "open", true);
        }
        dom::text(&self.root, "[data-count]", &state.marks.len().to_string());
        rows.set_text_content(None);
        for mark in &state.marks {
            let measured = state.measured.get(&mark.id).and_then(Option::as_ref);
            let unit = state.unit(mark.picture);
            let place = match (state.series(mark.picture), state.pictures.len()) {
                (Some(_), 1) => format!("slice {}", mark.slice + 1),
                (Some(_), _) => format!("{}, slice {}", mark.picture + 1, mark.slice + 1),
                (None, _) => format!("image {}", mark.picture + 1),
            };
            let name = if mark.text.is_empty() {
                label::kind(mark.shape)
            } else {
                &mark.text
            };
            let by = if mark.own { "you" } else { &mark.by };
            let Some(row) = dom::element("tr", "") else {
                continue;
            };
            dom::set(&row, "data-testid", "measurement");
            dom::flag(&row, "data-own", mark.own);
            cell(&row, name, "");
            cell(&row, by, "faint");
            cell(&row, &label::long(mark, measured, unit), "num");
            if let Some(cell) = cell(&row, "", "num") {
                button(&cell, "msg__act", "jump", &mark.id, &place);
                if mark.own {
                    button(&cell, "msg__act", "unmark", &mark.id, "Delete");
                }
            }
            dom::append(&rows, &row);
        }
    }

    /// The scrubber's number and place.
    pub(crate) fn show_slice(&self) {
        let state = self.state.borrow();
        let panes = self.panes.borrow();
        let Some(pane) = panes.get(self.active.get()) else {
            return;
        };
        let photos = state.series(pane.picture).is_none();
        // The number is that of the pixels on screen; the thumb goes ahead to the slice that is wanted.
        let wanted = pane.slice();
        let at = match &pane.shown {
            Some(shown) if shown.axis == pane.axis => shown.slice,
            _ => wanted,
        };
        let (word, at, wanted, of) = if photos {
            let at = pane.picture as u32;
            ("Image", at, at, state.pictures.len() as u32)
        } else if pane.axis == Axis::Slices {
            // Images that lie nowhere in the body are no slices.
            let placed = state
                .series(pane.picture)
                .is_some_and(|series| !series.planes.is_empty());
            let word = if placed { "Slice" } else { "Image" };
            (word, at, wanted, pane.count(&state))
        } else {
            ("Plane", at, wanted, pane.count(&state))
        };
        if let Some(scrub) = dom::find::<Element>(&self.root, "[data-scrub]") {
            dom::flag(&scrub, "hidden", of < 2);
        }
        dom::text(
            &self.root,
            "[data-scrub-text]",
            &format!("{word} {} / {of}", at + 1),
        );
        if let Some(range) = dom::find::<HtmlInputElement>(&self.root, "[data-choose=slice]") {
            range.set_max(&of.to_string());
            range.set_value(&(wanted + 1).to_string());
            dom::set(&range, "aria-label", word);
        }
    }

    /// Slices on which somebody has measured or points.
    fn show_ticks(&self) {
        let state = self.state.borrow();
        let panes = self.panes.borrow();
        let (Some(pane), Some(holder)) = (
            panes.get(self.active.get()),
            dom::find::<Element>(&self.root, "[data-ticks]"),
        ) else {
            return;
        };
        holder.set_text_content(None);
        let count = pane.count(&state);
        if pane.axis != Axis::Slices || count < 2 {
            return;
        }
        let mut slices: Vec<u32> = state
            .marks
            .iter()
            .filter(|mark| mark.picture == pane.picture)
            .map(|mark| mark.slice)
            .collect();
        slices.sort_unstable();
        slices.dedup();
        for slice in slices {
            use wasm_bindgen::JsCast;
            let tick = dom::element("i", "scrub__tick")
                .and_then(|tick| tick.dyn_into::<HtmlElement>().ok());
            if let Some(tick) = tick {
                let share = f64::from(slice) / f64::from(count - 1);
                // The thumb's middle goes from half its width to that far before the end.
                dom::style(
                    &tick,
                    "left",
                    &format!("calc(8px + (100% - 16px) * {share:.4})"),
                );
                dom::append(&holder, &tick);
            }
        }
    }
}

fn cell(row: &Element, text: &str, class: &str) -> Option<Element> {
    let cell = dom::element("td", class)?;
    cell.set_text_content(Some(text));
    dom::append(row, &cell);
    Some(cell)
}

fn button(cell: &Element, class: &str, act: &str, id: &str, text: &str) {
    if let Some(button) = dom::element("button", class) {
        dom::set(&button, "type", "button");
        dom::set(&button, "data-act", act);
        dom::set(&button, "data-id", id);
        button.set_text_content(Some(text));
        dom::append(cell, &button);
    }
}
