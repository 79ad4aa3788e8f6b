//! Web Locks: what only one tab of a browser has. The browser takes a lock back when its tab closes, crashes or is
//! discarded, and gives it to the next in line.
//!
//! By name and not by `web-sys`, which has them only among its unstable parts.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use futures::channel::mpsc;
use js_sys::{Function, Object, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::{JsFuture, spawn_local};

use super::tab::Input;
use crate::client::browser::platform::{field, window};

/// A lock that is held or waited for. Dropping it gives it back, or withdraws.
pub(super) struct Lock {
    state: Rc<State>,
    waits: Option<web_sys::AbortController>,
}

#[derive(Default)]
struct State {
    /// Gives it back.
    release: RefCell<Option<Function>>,
    /// Nobody wants it any more.
    dropped: Cell<bool>,
}

impl Drop for Lock {
    fn drop(&mut self) {
        self.state.dropped.set(true);
        if let Some(release) = self.state.release.take() {
            // Resolves the promise that holds the lock; that throws never.
            let _ = release.call0(&JsValue::UNDEFINED);
        } else if let Some(waits) = &self.waits {
            waits.abort();
        }
    }
}

/// Asks for a lock, in turn or at once from whoever has it. `granted` is said when it is here, `ended` when another tab
/// has taken it, or when this page gets none. `None`: the browser has no locks.
pub(super) fn ask(
    name: &str,
    steal: bool,
    to: &mpsc::Sender<Input>,
    (granted, ended): (Option<Input>, Option<Input>),
) -> Option<Lock> {
    let locks = field(&window().navigator(), "locks");
    let request: Function = field(&locks, "request").dyn_into().ok()?;
    let options = Object::new();
    let waits = (!steal).then(web_sys::AbortController::new);
    let waits = waits.transpose().ok()?;
    let (option, value) = match &waits {
        Some(waits) => ("signal", waits.signal().into()),
        None => ("steal", JsValue::TRUE),
    };
    Reflect::set(&options, &option.into(), &value).ok()?;
    let state = Rc::new(State::default());
    let (holds, begins, ends_at) = (state.clone(), to.clone(), to.clone());
    let callback = Closure::once_into_js(move |_: JsValue| -> JsValue {
        if holds.dropped.get() {
            return JsValue::UNDEFINED;
        }
        let held = Promise::new(&mut |resolve, _| {
            holds.release.replace(Some(resolve));
        });
        say(begins, granted);
        held.into()
    });
    let ends: Promise = request
        .call3(&locks, &name.into(), &options, &callback)
        .and_then(JsCast::dyn_into)
        .ok()?;
    spawn_local(async move {
        // Given back, taken by another tab, withdrawn, or refused to this page.
        let _ = JsFuture::from(ends).await;
        say(ends_at, ended);
    });
    Some(Lock { state, waits })
}

fn say(mut to: mpsc::Sender<Input>, input: Option<Input>) {
    if let Some(input) = input {
        // A new sender always has a place.
        let _ = to.try_send(input);
    }
}
