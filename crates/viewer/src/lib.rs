//! The picture workspace, loaded with the first picture that is opened: shows photographs and series, measures, points.
//!
//! It runs on the page's thread and owns the DOM inside the element it is given; decoding and drawing happen in the
//! imaging worker ([`desk`]). Only photographs are cleaned by this module itself, in a worker ([`photo`]). The room is told what is to be kept through one callback, and tells what there is; both
//! speak [`healthsync_imaging::stage`]. It is no Leptos code, so that the page's own download does not carry it.

mod cine;
mod desk;
mod digest;
mod dom;
mod draft;
mod draw;
mod exchange;
mod foot;
mod input;
mod label;
mod pane;
mod photo;
mod receipt;
mod review;
mod state;
mod study;
mod tags;
mod telling;
mod tools;
mod viewer;

use healthsync_imaging::stage::Tell;
use js_sys::{Array, Function};
use wasm_bindgen::prelude::*;
use web_sys::{Blob, HtmlElement};

/// In a worker: frees a photograph of metadata. Gives the JSON of a [`healthsync_imaging::intake::Photographed`] and, if
/// it is clean, the file.
#[wasm_bindgen]
pub async fn clean_photo(file: Blob) -> Array {
    photo::clean_photo(&file).await
}

/// A viewer in an element of the page.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Viewer(viewer::Handle);

#[wasm_bindgen]
impl Viewer {
    /// Fills `root`. `host` is called with the JSON of a [`healthsync_imaging::stage::Say`]; `worker` gives a new
    /// imaging worker.
    #[wasm_bindgen(constructor)]
    pub fn new(root: HtmlElement, host: Function, worker: Function) -> Self {
        console_error_panic_hook::set_once();
        Self(viewer::open(root, host, worker))
    }

    /// Takes the JSON of a [`Tell`], with the blobs that belong to it.
    pub fn tell(&self, json: &str, parts: Array) {
        // Both sides are of one build; what does not read would be a fault of ours and changes nothing.
        if let Ok(tell) = serde_json::from_str::<Tell>(json) {
            self.0.take(tell, &parts);
        }
    }

    /// Takes everything away again.
    pub fn close(&self) {
        self.0.close();
    }
}
