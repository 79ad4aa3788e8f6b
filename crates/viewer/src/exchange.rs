//! Measurements as a file: exported as a DICOM structured report, and read from one.

use std::rc::Rc;

use healthsync_imaging::{
    desk::{Answer, Ask, At, Placed},
    stage::Mark,
};
use js_sys::Array;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Blob, HtmlElement, HtmlInputElement, Url};

use crate::{dom, viewer::Inner};

const FILE: &str = "measurements.dcm";
/// A report takes a few kB a measurement.
const MOST_BYTES: f64 = 16.0 * 1024.0 * 1024.0;

impl Inner {
    /// Writes all measurements on series into a file of the reader's.
    pub(crate) fn export_marks(self: &Rc<Self>) {
        let (all, marks) = {
            let state = self.state.borrow();
            let placed = state.marks.iter().filter_map(|mark| {
                let stack = state.pictures.get(mark.picture)?.stack.as_ref()?;
                stack
                    .series
                    .as_ref()
                    .filter(|series| mark.slice < series.slices)?;
                Some(Placed {
                    at: At {
                        set: stack.set,
                        series: 0,
                        slice: mark.slice,
                    },
                    shape: mark.shape,
                    points: mark.points.clone(),
                    text: mark.text.clone(),
                })
            });
            (state.marks.len(), placed.collect::<Vec<_>>())
        };
        let viewer = self.clone();
        spawn_local(async move {
            let (answer, buffers) = viewer.desk.ask_for_buffers(&Ask::Report { marks }).await;
            let written = match answer {
                Answer::Reported { written } => written as usize,
                Answer::Failed { what } => return viewer.note(what),
                _ => return,
            };
            if written == 0 {
                return viewer.note("There is no measurement on a DICOM series to export.");
            }
            if !save(&buffers.get(0)) {
                return viewer.note("The browser could not write the file.");
            }
            let left = all - written.min(all);
            let said = format!("{} exported as {FILE}.", counted(written));
            viewer.note(if left == 0 {
                said
            } else {
                format!("{said} {left} on other pictures are not in it.")
            });
        });
    }

    /// Lets the reader choose a file.
    pub(crate) fn choose_report(&self) {
        if let Some(input) = dom::find::<HtmlInputElement>(&self.root, "[data-choose=report]") {
            input.set_value("");
            input.click();
        }
    }

    /// Shows the measurements of the chosen file, in this browser alone; they take the place of those read before.
    pub(crate) fn read_report(self: &Rc<Self>, input: &HtmlInputElement) {
        let Some(file) = input.files().and_then(|files| files.get(0)) else {
            return;
        };
        if file.size() > MOST_BYTES {
            return self.note("This file is too large for a report of measurements.");
        }
        let viewer = self.clone();
        spawn_local(async move {
            let parts = Array::of1(&file);
            let answer = viewer.desk.ask(&Ask::ReadReport, &parts).await;
            if viewer.is_closed() {
                return;
            }
            match answer {
                Answer::Read {
                    marks,
                    elsewhere,
                    others,
                } => viewer.show_read(marks, elsewhere, others),
                Answer::Failed { what } => viewer.note(what),
                _ => {}
            }
        });
    }

    fn show_read(self: &Rc<Self>, marks: Vec<Placed>, elsewhere: u32, others: u32) {
        let found = marks.len();
        let read: Vec<Mark> = marks
            .into_iter()
            .filter_map(|mark| {
                let picture = self.state.borrow().picture_of(mark.at.set)?;
                Some(Mark {
                    id: format!("read-{}", self.number()),
                    picture,
                    slice: mark.at.slice,
                    shape: mark.shape,
                    points: mark.points,
                    text: mark.text,
                    by: "from a file".to_owned(),
                    own: false,
                })
            })
            .collect();
        {
            let mut state = self.state.borrow_mut();
            let before: Vec<Mark> = std::mem::take(&mut state.read);
            state
                .marks
                .retain(|mark| before.iter().all(|read| read.id != mark.id));
            state.marks.extend(read.iter().cloned());
            state.read = read;
        }
        let mut said = format!("{} read. Only you see them.", counted(found));
        for (count, what) in [
            (elsewhere, "on images that are not in this case"),
            (others, "drawn in a way that is not shown here"),
        ] {
            if count > 0 {
                said = format!("{said} {} {what}.", counted(count as usize));
            }
        }
        self.note(said);
        self.measure_marks();
        self.show_foot(found > 0);
        self.redraw();
    }
}

fn counted(count: usize) -> String {
    match count {
        1 => "1 measurement".to_owned(),
        several => format!("{several} measurements"),
    }
}

/// Gives the reader a file; says whether it could.
fn save(buffer: &wasm_bindgen::JsValue) -> bool {
    let Ok(blob) = Blob::new_with_buffer_source_sequence(&Array::of1(buffer)) else {
        return false;
    };
    let (Ok(url), Some(link)) = (
        Url::create_object_url_with_blob(&blob),
        dom::element("a", ""),
    ) else {
        return false;
    };
    dom::set(&link, "href", &url);
    dom::set(&link, "download", FILE);
    if let Some(link) = link.dyn_ref::<HtmlElement>() {
        link.click();
    }
    let _ = Url::revoke_object_url(&url);
    true
}
