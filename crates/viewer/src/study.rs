//! Files on their way into a room: sorted into series and de-identified in a worker of their own, before anything of
//! them leaves the browser.

use std::rc::Rc;

use healthsync_imaging::desk::{Answer, Ask};
use js_sys::{Array, Function, Reflect};
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::Blob;

use crate::desk::Desk;

/// The files that were dropped at once.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Study {
    desk: Rc<Desk>,
}

/// The set of a study's worker; it has no other.
const SET: u32 = 0;
/// Files handed over at a time, so that the first faults show early.
const BATCH: usize = 32;

#[wasm_bindgen]
impl Study {
    /// An empty one; `worker` is the address of the imaging worker's script.
    #[wasm_bindgen(constructor)]
    pub fn new(worker: String) -> Self {
        console_error_panic_hook::set_once();
        Self {
            desk: Rc::new(Desk::new(worker)),
        }
    }

    /// Sorts files (with names) into series. Calls back with the JSON of an [`Answer`]: of the last batch, with the
    /// files that were refused in any of them.
    pub fn sort(&self, files: Array, names: Vec<String>, done: Function) {
        let desk = self.desk.clone();
        spawn_local(async move {
            let files: Vec<JsValue> = files.iter().collect();
            let mut all = Vec::new();
            let mut last = Answer::Done;
            for (files, names) in files.chunks(BATCH).zip(names.chunks(BATCH)) {
                let ask = Ask::Add {
                    set: SET,
                    names: names.to_vec(),
                    in_order: false,
                };
                let parts: Array = files.iter().collect();
                last = desk.ask(&ask, &parts, &Array::new()).await;
                match &mut last {
                    Answer::Added { refused, .. } => {
                        all.append(refused);
                    }
                    _ => break,
                }
            }
            if let Answer::Added { refused, .. } = &mut last {
                *refused = all;
            }
            answer(&done, &last, &Array::new());
        });
    }

    /// De-identifies a series. `masks` has four numbers a box. Calls back with the JSON of an [`Answer`] and the
    /// cleaned files as blobs.
    pub fn clean(&self, series: u32, masks: Vec<u32>, reviewed: bool, done: Function) {
        let desk = self.desk.clone();
        let (masks, _) = masks.as_chunks::<4>();
        let ask = Ask::Clean {
            set: SET,
            series,
            masks: masks.to_vec(),
            reviewed,
        };
        spawn_local(async move {
            let (said, buffers) = desk.ask_for_buffers(&ask).await;
            let blobs: Array = buffers
                .iter()
                .filter_map(|buffer| Blob::new_with_buffer_source_sequence(&Array::of1(&buffer)).ok())
                .collect();
            answer(&done, &said, &blobs);
        });
    }

    /// Ends its worker.
    pub fn close(&self) {
        self.desk.end();
    }
}

fn answer(done: &Function, answer: &Answer, blobs: &Array) {
    let json = serde_json::to_string(answer).unwrap_or_default();
    let arguments = Array::of2(&json.into(), blobs);
    let _ = Reflect::apply(done, &JsValue::NULL, &arguments);
}
