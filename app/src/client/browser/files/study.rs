//! DICOM, TIFF and NIfTI files on their way into a room: sorted into series and cleaned by the imaging worker, which comes with the
//! picture workspace. What the worker wants looked at is looked at first, in the workspace's own dialog.

use std::{cell::RefCell, rc::Rc};

use healthsync_imaging::intake::{Became, Found, Identifying, Sorted, repeated};
use js_sys::{Array, Reflect};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::spawn_local;

use super::attach::{Attached, Content};
use crate::{
    client::{
        browser::{
            rooms::OpenRoom,
            runtime::{Runtime, storage_trouble, trouble},
            storage::drafts::{self, KeptSeries},
        },
        model::{Stage, ToastKind, Trouble},
    },
    components::platform::{call, imaging_module},
};

/// Refused files that get a line of their own; the rest are counted.
const SAID: usize = 6;

/// The worker of the files that were attached at once. It ends with the last of their series.
#[derive(Debug)]
struct Study(JsValue);

impl Drop for Study {
    fn drop(&mut self) {
        if let Ok(close) = Reflect::get(&self.0, &"close".into())
            && let Some(close) = close.dyn_ref::<js_sys::Function>()
        {
            let _ = close.call0(&self.0);
        }
    }
}

/// A series in the composer: DICOM files, or one file of another kind.
#[derive(Debug)]
pub(crate) struct Series {
    /// With its number there; `None` for one that was cleaned before the page was loaded anew.
    study: Option<(Rc<Study>, u32)>,
    pub found: Found,
    /// Its files as they may leave; `None` as long as they may not.
    pub cleaned: RefCell<Option<Rc<Cleaned>>>,
    /// What they said of people before. In this page alone: after a reload nobody knows it any more.
    identifying: RefCell<Vec<Identifying>>,
}

#[derive(Debug)]
pub(crate) struct Cleaned {
    /// In the series' order.
    pub files: Vec<web_sys::Blob>,
    /// JSON.
    pub receipt: String,
    removed: u32,
}

impl Series {
    /// One that was cleaned, and kept, in an earlier visit.
    pub(super) fn restored(kept: KeptSeries, files: Vec<web_sys::Blob>) -> Self {
        let KeptSeries {
            found,
            receipt,
            removed,
        } = kept;
        let cleaned = Cleaned {
            files,
            receipt,
            removed,
        };
        Self {
            study: None,
            found,
            cleaned: RefCell::new(Some(Rc::new(cleaned))),
            identifying: RefCell::default(),
        }
    }

    /// Bytes of its files, the cleaned ones once there are any.
    pub(super) fn size(&self) -> u64 {
        match &*self.cleaned.borrow() {
            Some(cleaned) => cleaned.files.iter().map(web_sys::Blob::size).sum::<f64>() as u64,
            None => self.found.bytes,
        }
    }

    /// What it is called: by its kind and length, never by its files' own words.
    pub(crate) fn name(&self) -> String {
        let Found {
            modality, slices, ..
        } = &self.found;
        let images = if *slices == 1 {
            "1 image".into()
        } else {
            format!("{slices} images")
        };
        if modality.is_empty() {
            images
        } else {
            format!("{modality}, {images}")
        }
    }

    /// Which field of the files a text says again.
    pub(super) fn repeated(&self, text: &str) -> Option<String> {
        repeated(text, &self.identifying.borrow()).map(str::to_owned)
    }

    /// Ready, or to be looked at.
    pub(crate) fn stage(&self) -> Stage {
        match &*self.cleaned.borrow() {
            Some(cleaned) => Stage::Ready {
                removed: cleaned.removed,
            },
            None => Stage::Unseen,
        }
    }
}

impl Runtime {
    /// Takes what the worker finds in these files; `free` is how many series there is room for.
    pub(crate) async fn attach_study(
        self: &Rc<Self>,
        room: &Rc<OpenRoom>,
        files: Vec<web_sys::File>,
        free: usize,
    ) {
        let id = self.attach_row(room, name_of(&files), Stage::Checking);
        let sorted = self.sort(&files).await;
        let there = room.attached.borrow().iter().any(|row| row.id == id);
        self.remove_attached(room, id, false);
        // Taken out again while its files were being read.
        if !there || room.closed.get() {
            return self.repaint(room);
        }
        let (study, sorted) = match sorted {
            Ok(found) => found,
            Err(why) => {
                self.attach_row(room, name_of(&files), Stage::Failed(why));
                return self.repaint(room);
            }
        };
        let found = sorted.series.len();
        let mut rows = Vec::new();
        for (number, found) in (0..).zip(sorted.series).take(free) {
            let series = Rc::new(Series {
                study: Some((study.clone(), number)),
                found,
                cleaned: RefCell::default(),
                identifying: RefCell::default(),
            });
            let id = self.attach_row(room, series.name(), Stage::Checking);
            if let Some(row) = room
                .attached
                .borrow_mut()
                .iter_mut()
                .find(|row| row.id == id)
            {
                row.size = series.found.bytes;
                row.content = Some(Content::Series(series.clone()));
            }
            rows.push((id, series));
        }
        let more = sorted.refused.len().saturating_sub(SAID);
        for refused in sorted.refused.into_iter().take(SAID) {
            let why = trouble(refused.why, None, None);
            self.attach_row(room, refused.name, Stage::Failed(why));
        }
        for (count, what) in [
            (more, "more files were not taken either"),
            (
                found.saturating_sub(free),
                "more series have no place in one case",
            ),
        ] {
            if count > 0 {
                let name = format!("{count} others");
                let why = trouble(format!("{count} {what}."), None, None);
                self.attach_row(room, name, Stage::Failed(why));
            }
        }
        self.repaint(room);
        for (id, series) in rows {
            self.became(room, id, &series, "clean").await;
        }
    }

    async fn sort(&self, files: &[web_sys::File]) -> Result<(Rc<Study>, Sorted), Trouble> {
        let again = Some("Attach the files again.");
        let module = imaging_module()
            .await
            .map_err(|why| trouble(why, None, again))?;
        let broken = || {
            trouble(
                "The picture workspace did not start.",
                Some("Nothing has left this browser."),
                Some("Reload the page, then attach the files again."),
            )
        };
        let study = call(&module, "study", &Array::new())
            .await
            .map_err(|_| broken())?;
        let study = Rc::new(Study(study));
        let names: Array = files
            .iter()
            .map(|file| {
                let within = Reflect::get(file, &"within".into()).ok();
                let within = within.filter(JsValue::is_string);
                within.unwrap_or_else(|| file.name().into())
            })
            .collect();
        let blobs: Array = files.iter().collect();
        let (json, _) = asked(&study, "sort", &Array::of2(&blobs, &names))
            .await
            .ok_or_else(broken)?;
        let sorted = serde_json::from_str(&json).map_err(|_| broken())?;
        Ok((study, sorted))
    }

    /// Cleans a series, or lets the person look at it, and shows what became of it.
    async fn became(self: &Rc<Self>, room: &Rc<OpenRoom>, id: u32, series: &Rc<Series>, how: &str) {
        let Some((study, number)) = &series.study else {
            return self.toast(
                ToastKind::Info,
                "This series was cleaned before the page was loaded anew, and stays as it is. To look at it once more, attach its files again.",
            );
        };
        // Once the person has decided what is to be covered, what it was before must not be sent or kept, whatever becomes
        // of the dialog meanwhile.
        let began = {
            let (runtime, room, series) = (self.clone(), room.clone(), series.clone());
            Closure::<dyn FnMut()>::new(move || {
                series.cleaned.take();
                room.set_stage(id, Stage::Checking);
                runtime.repaint(&room);
                let (runtime, room) = (runtime.clone(), room.clone());
                spawn_local(async move { runtime.forget_series(&room, id).await });
            })
        };
        let arguments = Array::of1(&(*number).into());
        if how == "review" {
            arguments.push(began.as_ref());
        }
        let answer = asked(study, how, &arguments).await;
        let became = answer
            .and_then(|(json, files)| Some((serde_json::from_str::<Became>(&json).ok()?, files)));
        let stage = match became {
            Some((
                Became::Clean {
                    removed,
                    receipt,
                    identifying,
                },
                files,
            )) => {
                series.identifying.replace(identifying);
                // What may be stored already is what it was before.
                room.stored.borrow_mut().remove(&id);
                if let Some(person) = room.person.get() {
                    // What is left there would be shared instead after a reload.
                    if let Err(error) = drafts::drop_stored(&self.db, (person, room.id, id)).await {
                        self.storage_failed("What was stored of the series stays noted", &error);
                    }
                }
                let files: Vec<web_sys::Blob> = files
                    .iter()
                    .filter_map(|file| file.dyn_into().ok())
                    .collect();
                series.cleaned.replace(Some(Rc::new(Cleaned {
                    files,
                    receipt,
                    removed,
                })));
                if let Some(row) = room
                    .attached
                    .borrow_mut()
                    .iter_mut()
                    .find(|row| row.id == id)
                {
                    row.size = series.size();
                }
                series.stage()
            }
            Some((Became::Unseen | Became::Left, _)) => series.stage(),
            Some((Became::Refused { what }, _)) => {
                series.cleaned.take();
                Stage::Failed(trouble(
                    what,
                    Some("Nothing of it has left this browser."),
                    None,
                ))
            }
            None => Stage::Failed(trouble(
                "The imaging worker gave no answer.",
                Some("Nothing of it has left this browser."),
                Some("Take it out and attach the files again."),
            )),
        };
        let refused = matches!(stage, Stage::Failed(_));
        room.set_stage(id, stage);
        self.repaint(room);
        if refused {
            self.forget_series(room, id).await;
        } else {
            self.keep_series(room, id, series).await;
        }
    }

    /// Keeps a clean series across a reload. Files that still hold what the patient could be recognised by are never
    /// kept.
    pub(super) async fn keep_series(self: &Rc<Self>, room: &OpenRoom, id: u32, series: &Series) {
        let (Some(person), Some(cleaned)) = (room.person.get(), series.cleaned.borrow().clone())
        else {
            return;
        };
        let entry = KeptSeries {
            found: series.found.clone(),
            receipt: cleaned.receipt.clone(),
            removed: cleaned.removed,
        };
        let kept =
            drafts::keep_series(&self.db, (person, room.id, id), &entry, &cleaned.files).await;
        if let Err(error) = kept {
            let what = "The series stays in this page only";
            self.toast_trouble(&storage_trouble(what, &error));
        }
        self.drop_if_gone(room, id).await;
    }

    async fn forget_series(&self, room: &OpenRoom, id: u32) {
        if let Some(person) = room.person.get()
            && let Err(error) = drafts::drop_attachment(&self.db, person, room.id, id).await
        {
            self.storage_failed("The series stays in this browser", &error);
        }
    }

    /// The person looks at an attached series: at its pixels, and at what was removed from it.
    pub(crate) fn review(self: &Rc<Self>, id: u32) {
        let Some(room) = self.open_room() else { return };
        let series = room
            .attached
            .borrow()
            .iter()
            .find(|row| row.id == id)
            .and_then(series_of);
        let Some(series) = series else { return };
        let runtime = self.clone();
        spawn_local(async move {
            runtime.became(&room, id, &series, "review").await;
        });
    }

    /// A row of the composer, by its number.
    pub(crate) fn attach_row(
        self: &Rc<Self>,
        room: &Rc<OpenRoom>,
        name: String,
        stage: Stage,
    ) -> u32 {
        let id = self.fresh_attachment_id(room);
        room.attached.borrow_mut().push(Attached {
            id,
            name: name
                .chars()
                .take(healthsync_core::limits::NAME_CHARS)
                .collect(),
            size: 0,
            preview: None,
            stage,
            content: None,
        });
        self.repaint(room);
        id
    }
}

fn series_of(row: &Attached) -> Option<Rc<Series>> {
    match &row.content {
        Some(Content::Series(series)) => Some(series.clone()),
        _ => None,
    }
}

fn name_of(files: &[web_sys::File]) -> String {
    match files {
        [one] => one.name(),
        several => format!("{} files", several.len()),
    }
}

/// Asks a study; gives its JSON and what came beside it.
async fn asked(study: &Study, what: &str, arguments: &Array) -> Option<(String, Array)> {
    let answer: Array = call(&study.0, what, arguments)
        .await
        .ok()?
        .dyn_into()
        .ok()?;
    Some((answer.get(0).as_string()?, answer.get(1).dyn_into().ok()?))
}
