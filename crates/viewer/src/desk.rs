//! The imaging worker, as the page uses it: asks with numbers, answers as futures. When a file has made it trap, or it
//! did not start, every question that waits gets a sentence, and the next question starts a new worker, which is given
//! all files again.

use std::{
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
};

use healthsync_imaging::desk::{Answer, Ask, At, Look, Shown};
use js_sys::{Array, Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;
use web_sys::{ImageBitmap, MessageEvent, Worker};

use crate::dom;

type Listener = Closure<dyn FnMut(MessageEvent)>;

/// One worker for one viewer.
pub(crate) struct Desk {
    /// Gives a new worker.
    start: Function,
    worker: RefCell<Option<(Worker, Listener)>>,
    waiting: Rc<RefCell<HashMap<u32, Function>>>,
    next: Cell<u32>,
    /// Counts the workers: what was given to an earlier one is not known to this one.
    started: Cell<u32>,
}

impl std::fmt::Debug for Desk {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Desk").finish_non_exhaustive()
    }
}

impl Desk {
    /// `start` is a function without arguments that gives a new worker.
    pub(crate) fn new(start: Function) -> Self {
        Self {
            start,
            worker: RefCell::default(),
            waiting: Rc::default(),
            next: Cell::default(),
            started: Cell::default(),
        }
    }

    /// The number of the worker that the next question goes to.
    pub(crate) fn generation(&self) -> u32 {
        self.started.get() + u32::from(self.worker.borrow().is_none())
    }

    /// Asks, with blobs beside it.
    pub(crate) async fn ask(&self, ask: &Ask, parts: &Array) -> Answer {
        self.ask_all(ask, parts).await.0
    }

    /// Asks for something that comes with buffers or a bitmap.
    pub(crate) async fn ask_for_buffers(&self, ask: &Ask) -> (Answer, Array) {
        self.ask_all(ask, &Array::new()).await
    }

    /// Asks for a picture.
    pub(crate) async fn draw(&self, at: At, look: Look) -> Result<(Shown, ImageBitmap), String> {
        let gpu = gpu_wanted();
        match self.ask_for_buffers(&Ask::Show { at, look, gpu }).await {
            (Answer::Shown(shown), parts) => {
                let bitmap = parts.get(0).dyn_into();
                let bitmap = bitmap.map_err(|_| "The imaging worker sent no picture.")?;
                Ok((shown, bitmap))
            }
            (Answer::Failed { what }, _) => Err(what),
            _ => Err("The imaging worker answered something else.".to_owned()),
        }
    }

    async fn ask_all(&self, ask: &Ask, parts: &Array) -> (Answer, Array) {
        let none = |what: &str| (failed(what), Array::new());
        let Ok(json) = serde_json::to_string(ask) else {
            return none("The question to the imaging worker could not be written.");
        };
        let id = self.next.get();
        self.next.set(id.wrapping_add(1));
        let message = Object::new();
        for (name, value) in [
            ("id", JsValue::from(id)),
            ("ask", JsValue::from_str(&json)),
            ("parts", parts.into()),
        ] {
            let _ = Reflect::set(&message, &name.into(), &value);
        }
        let Some(worker) = self.worker() else {
            return none("The imaging worker could not be started. Reload the page.");
        };
        let waiting = self.waiting.clone();
        let promise = Promise::new(&mut |resolve, _| {
            waiting.borrow_mut().insert(id, resolve);
        });
        if worker.post_message(&message).is_err() {
            self.waiting.borrow_mut().remove(&id);
            return none("The browser could not hand the picture to the imaging worker.");
        }
        let answer = JsFuture::from(promise).await.unwrap_or_default();
        if let Some(crash) = dom::get(&answer, "crashed").as_string() {
            self.end();
            return none(&format!(
                "A file made the imaging worker stop ({crash}). It was started anew; the other files still open."
            ));
        }
        let text = dom::get(&answer, "answer").as_string().unwrap_or_default();
        let buffers = dom::get(&answer, "buffers").dyn_into().unwrap_or_default();
        match serde_json::from_str(&text) {
            Ok(answer) => (answer, buffers),
            Err(_) => none("The imaging worker's answer could not be read."),
        }
    }

    fn worker(&self) -> Option<Worker> {
        if let Some((worker, _)) = &*self.worker.borrow() {
            return Some(worker.clone());
        }
        let started = self.start.call0(&JsValue::NULL);
        let worker: Worker = started.ok()?.dyn_into().ok()?;
        let waiting = self.waiting.clone();
        let listener = Closure::new(move |event: MessageEvent| {
            let data = event.data();
            if dom::get(&data, "ready").is_truthy() {
                return;
            }
            // An `error` event has no data: the script did not load, so nobody will be answered.
            let Some(id) = dom::get(&data, "id").as_f64() else {
                for (_, resolve) in waiting.borrow_mut().drain() {
                    let gone = Object::new();
                    let _ =
                        Reflect::set(&gone, &"crashed".into(), &"its script did not load".into());
                    let _ = resolve.call1(&JsValue::NULL, &gone);
                }
                return;
            };
            let resolve = waiting.borrow_mut().remove(&(id as u32));
            if let Some(resolve) = resolve {
                let _ = resolve.call1(&JsValue::NULL, &data);
            }
        });
        worker.set_onmessage(Some(listener.as_ref().unchecked_ref()));
        worker.set_onerror(Some(listener.as_ref().unchecked_ref()));
        self.worker.replace(Some((worker.clone(), listener)));
        self.started.set(self.started.get() + 1);
        Some(worker)
    }

    /// Ends the worker; what still waits is told.
    pub(crate) fn end(&self) {
        if let Some((worker, listener)) = self.worker.take() {
            worker.set_onmessage(None);
            worker.set_onerror(None);
            worker.terminate();
            drop(listener);
        }
        let left: Vec<_> = self.waiting.borrow_mut().drain().collect();
        for (_, resolve) in left {
            let gone = Object::new();
            let _ = Reflect::set(&gone, &"crashed".into(), &"it was ended".into());
            let _ = resolve.call1(&JsValue::NULL, &gone);
        }
    }
}

/// The CPU is the default: without a real graphics processor it is several times faster. `localStorage.imaging = "gpu"`
/// asks for WebGL2.
fn gpu_wanted() -> bool {
    let storage = dom::get(&dom::window(), "localStorage");
    dom::get(&storage, "imaging").as_string().as_deref() == Some("gpu")
}

fn failed(what: &str) -> Answer {
    Answer::Failed { what: what.into() }
}
