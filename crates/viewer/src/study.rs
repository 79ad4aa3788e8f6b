//! Files on their way into a room: sorted into series and de-identified in a worker of their own, before anything of
//! them leaves the browser. A person looks at a series in a dialog ([`crate::review`]).

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
};

use healthsync_imaging::{
    desk::{Answer, Ask, Keep, SeriesFacts},
    intake::{Became, Found, Sorted},
};
use js_sys::{Array, Function, Reflect};
use serde::Serialize;
use wasm_bindgen::prelude::*;
use wasm_bindgen_futures::spawn_local;
use web_sys::{Blob, HtmlDialogElement};

use crate::{desk::Desk, review};

/// The files that were attached at once.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Study {
    shared: Rc<Shared>,
}

/// What a study and its dialog know.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) desk: Desk,
    /// As they were attached: a worker that has stopped is given them again.
    files: RefCell<Vec<(JsValue, String)>>,
    /// The worker that has them.
    given: Cell<u32>,
    pub(crate) series: RefCell<Vec<SeriesFacts>>,
    /// What cleaning said last, by series.
    pub(crate) said: RefCell<HashMap<u32, Said>>,
    /// The dialog, while somebody looks.
    pub(crate) dialog: RefCell<Option<HtmlDialogElement>>,
}

/// What is known of a series from cleaning it.
#[derive(Clone, Debug, Default)]
pub(crate) struct Said {
    /// Why somebody has to look.
    pub(crate) reasons: Vec<String>,
    /// Boxes that are covered anyhow.
    pub(crate) boxes: Vec<[u32; 4]>,
    /// What the person has covered.
    pub(crate) covers: Vec<Cover>,
    /// What the person has kept.
    pub(crate) keep: Keep,
    /// The receipt, once it is clean.
    pub(crate) receipt: Option<String>,
}

/// A part of the picture that a person covers, in every image.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Cover {
    /// Left, top, right, bottom in pixels, the last two exclusive.
    Box([u32; 4]),
    /// What is inside of these corners.
    Outline(Vec<[u32; 2]>),
}

/// The set of a study's worker; it has no other.
pub(crate) const SET: u32 = 0;
/// Files handed over at a time.
const BATCH: usize = 32;

#[wasm_bindgen]
impl Study {
    /// An empty one; `worker` gives a new imaging worker.
    #[wasm_bindgen(constructor)]
    pub fn new(worker: Function) -> Self {
        console_error_panic_hook::set_once();
        Self {
            shared: Rc::new(Shared {
                desk: Desk::new(worker),
                files: RefCell::default(),
                given: Cell::default(),
                series: RefCell::default(),
                said: RefCell::default(),
                dialog: RefCell::default(),
            }),
        }
    }

    /// Sorts files (with names) into series. Calls back with the JSON of [`Sorted`].
    pub fn sort(&self, files: Array, names: Vec<String>, done: Function) {
        self.shared.files.replace(files.iter().zip(names).collect());
        let shared = self.shared.clone();
        spawn_local(async move {
            answer(&done, &shared.sort().await, &Array::new());
        });
    }

    /// De-identifies a series. Calls back with the JSON of [`Became`] and the cleaned files as blobs.
    pub fn clean(&self, series: u32, done: Function) {
        let shared = self.shared.clone();
        spawn_local(async move {
            let (became, files) = shared
                .clean(series, Vec::new(), Keep::default(), false)
                .await;
            answer(&done, &became, &files);
        });
    }

    /// Lets the person look at a series, cover parts of it and clean it (again). Calls back as `clean` does.
    /// `began` is called when cleaning begins: from then on, what it was before is not what the person wants.
    pub fn review(&self, series: u32, began: Function, done: Function) {
        let shared = self.shared.clone();
        spawn_local(async move {
            let (became, files) = review::open(shared, series, &began).await;
            answer(&done, &became, &files);
        });
    }

    /// Ends its worker.
    pub fn close(&self) {
        if let Some(dialog) = self.shared.dialog.take() {
            dialog.close();
        }
        self.shared.desk.end();
    }
}

impl Shared {
    /// Gives the worker its files, when it does not have them; the files that were refused, or why all were.
    async fn give(&self) -> Result<Sorted, String> {
        let generation = self.desk.generation();
        let files = self.files.borrow().clone();
        let mut sorted = Sorted::default();
        for batch in files.chunks(BATCH) {
            let ask = Ask::Add {
                set: SET,
                names: batch.iter().map(|(_, name)| name.clone()).collect(),
                in_order: false,
            };
            let parts: Array = batch.iter().map(|(file, _)| file).collect();
            match self.desk.ask(&ask, &parts).await {
                Answer::Added { series, refused } => {
                    sorted.refused.extend(refused);
                    self.series.replace(series);
                }
                Answer::Failed { what } => return Err(what),
                _ => return Err("The imaging worker answered something else.".to_owned()),
            }
        }
        self.given.set(generation);
        Ok(sorted)
    }

    async fn sort(&self) -> Sorted {
        match self.give().await {
            Ok(mut sorted) => {
                sorted.series = self.series.borrow().iter().map(found).collect();
                sorted
            }
            // A file has stopped the worker: the others still open, so each is tried alone.
            Err(_) => self.sort_one_by_one().await,
        }
    }

    async fn sort_one_by_one(&self) -> Sorted {
        let files = self.files.take();
        let (mut kept, mut bad) = (Vec::new(), Vec::new());
        for (file, name) in files {
            let ask = Ask::Add {
                set: SET + 1,
                names: vec![name.clone()],
                in_order: false,
            };
            let answer = self.desk.ask(&ask, &Array::of1(&file)).await;
            match answer {
                Answer::Failed { what: why } => {
                    bad.push(healthsync_imaging::desk::Refused { name, why });
                }
                _ => kept.push((file, name)),
            }
        }
        self.desk.end();
        self.files.replace(kept);
        let mut sorted = self.give().await.unwrap_or_default();
        sorted.series = self.series.borrow().iter().map(found).collect();
        sorted.refused.append(&mut bad);
        sorted
    }

    /// The worker has the files, also after it had to be started anew.
    pub(crate) async fn ready(&self) -> Result<(), String> {
        if self.given.get() == self.desk.generation() {
            return Ok(());
        }
        self.give().await.map(|_| ())
    }

    pub(crate) async fn clean(
        &self,
        series: u32,
        covers: Vec<Cover>,
        keep: Keep,
        reviewed: bool,
    ) -> (Became, Array) {
        if let Err(what) = self.ready().await {
            return (Became::Refused { what }, Array::new());
        }
        let (mut masks, mut outlines) = (Vec::new(), Vec::new());
        for cover in &covers {
            match cover {
                Cover::Box(corners) => masks.push(*corners),
                Cover::Outline(points) => outlines.push(points.clone()),
            }
        }
        let ask = Ask::Clean {
            set: SET,
            series,
            masks,
            outlines,
            reviewed,
            keep,
        };
        let (answer, buffers) = self.desk.ask_for_buffers(&ask).await;
        let mut said = self.said.borrow_mut();
        let said = said.entry(series).or_default();
        let became = match answer {
            Answer::Cleaned {
                removed,
                receipt,
                identifying,
            } => {
                said.covers = covers;
                said.keep = keep;
                said.receipt = Some(receipt.clone());
                Became::Clean {
                    removed,
                    receipt,
                    identifying,
                }
            }
            Answer::Look { reasons, boxes } => {
                said.reasons = reasons;
                said.boxes = boxes;
                Became::Unseen
            }
            Answer::Failed { what } => Became::Refused { what },
            _ => Became::Refused {
                what: "The imaging worker answered something else.".to_owned(),
            },
        };
        let blobs = buffers
            .iter()
            .filter_map(|buffer| Blob::new_with_buffer_source_sequence(&Array::of1(&buffer)).ok());
        (became, blobs.collect())
    }
}

fn found(facts: &SeriesFacts) -> Found {
    Found {
        modality: facts.modality.clone(),
        slices: facts.slices,
        size: facts.size,
        bytes: facts.bytes,
    }
}

fn answer(done: &Function, answer: &impl Serialize, blobs: &Array) {
    let json = serde_json::to_string(answer).unwrap_or_default();
    let arguments = Array::of2(&json.into(), blobs);
    let _ = Reflect::apply(done, &JsValue::NULL, &arguments);
}
