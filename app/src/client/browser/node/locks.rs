//! Web Locks: what only one tab of a browser has. The browser takes a lock back when its tab closes, crashes or is
//! discarded, and gives it to the next in line.
//!
//! By name and not by `web-sys`, which has them only among its unstable parts.

use std::{cell::RefCell, rc::Rc};

use futures::channel::oneshot;
use js_sys::{Array, Function, Promise, Reflect};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::{JsFuture, spawn_local};

use crate::client::browser::platform::{field, window};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum How {
    /// At once or not at all.
    IfFree,
    /// When its turn comes.
    InTurn,
    /// At once, from whoever has it.
    Steal,
}

/// Given back when dropped.
#[derive(Debug)]
pub(super) struct Lock {
    release: Function,
    lost: oneshot::Receiver<()>,
}

impl Lock {
    /// Waits until another tab has taken it.
    pub(super) async fn lost(mut self) {
        // An end without a word is an end.
        let _ = (&mut self.lost).await;
    }
}

impl Drop for Lock {
    fn drop(&mut self) {
        // Resolves the promise that holds the lock; that throws never.
        let _ = self.release.call0(&JsValue::UNDEFINED);
    }
}

/// A lock that was asked for; dropping it withdraws what is not granted yet.
#[derive(Debug)]
pub(super) struct Asked {
    granted: oneshot::Receiver<Option<Lock>>,
    abort: Option<web_sys::AbortController>,
}

/// The browser has no locks, or not for this page.
#[derive(Debug)]
pub(super) struct NoLocks;

impl Asked {
    /// `None` when somebody else has it and it was to be had at once.
    pub(super) async fn granted(&mut self) -> Result<Option<Lock>, NoLocks> {
        (&mut self.granted).await.map_err(|_| NoLocks)
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        if let Some(abort) = &self.abort {
            abort.abort();
        }
    }
}

pub(super) fn ask(name: &str, how: How) -> Result<Asked, NoLocks> {
    let locks = field(&window().navigator(), "locks");
    let request: Function = field(&locks, "request").dyn_into().map_err(|_| NoLocks)?;
    let options = js_sys::Object::new();
    let set = |name: &str, value: &JsValue| {
        // Fails for no plain object.
        let _ = Reflect::set(&options, &JsValue::from_str(name), value);
    };
    let mut abort = None;
    match how {
        How::IfFree => set("ifAvailable", &JsValue::TRUE),
        How::Steal => set("steal", &JsValue::TRUE),
        How::InTurn => {
            let controller = web_sys::AbortController::new().map_err(|_| NoLocks)?;
            set("signal", &controller.signal());
            abort = Some(controller);
        }
    }
    let (grant, granted) = oneshot::channel();
    let (lose, lost) = oneshot::channel();
    let grant = Rc::new(RefCell::new(Some(grant)));
    let grants = grant.clone();
    let callback = Closure::once_into_js(move |lock: JsValue| -> JsValue {
        let Some(grant) = grants.take() else {
            return JsValue::UNDEFINED;
        };
        if lock.is_null() {
            // Err, here and below, means that nobody waits for it any more; then it is given back by being dropped.
            let _ = grant.send(None);
            return JsValue::UNDEFINED;
        }
        let mut release = None;
        let held = Promise::new(&mut |resolve, _| release = Some(resolve));
        if let Some(release) = release {
            let _ = grant.send(Some(Lock { release, lost }));
        }
        held.into()
    });
    let arguments = Array::of3(&JsValue::from_str(name), &options, &callback);
    let ends: Promise = request
        .apply(&locks, &arguments)
        .and_then(JsCast::dyn_into)
        .map_err(|_| NoLocks)?;
    spawn_local(async move {
        // Given back, taken by another tab, withdrawn, or refused to this page.
        let _ = JsFuture::from(ends).await;
        drop(grant.take());
        let _ = lose.send(());
    });
    Ok(Asked { granted, abort })
}
