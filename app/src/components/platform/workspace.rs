//! The picture workspace: a second WebAssembly module on the page, loaded once, from the address in the page's head.

use std::{cell::RefCell, rc::Rc};

use healthsync_imaging::stage::{Say, Tell};
use js_sys::{Array, Function, Promise, Reflect};
use leptos::prelude::document;
use wasm_bindgen::{JsCast, JsValue, closure::Closure, prelude::wasm_bindgen};
use wasm_bindgen_futures::{JsFuture, spawn_local};

use crate::client::model::Blobs;

#[wasm_bindgen(inline_js = "export const load = (url) => import(url);")]
extern "C" {
    /// A script by its address; browsers load the same one once.
    #[wasm_bindgen(catch)]
    async fn load(url: &str) -> Result<JsValue, JsValue>;
}

/// The module's namespace object.
pub(crate) async fn imaging_module() -> Result<JsValue, String> {
    const WHY: &str = "The picture viewer could not be loaded.";
    let meta = document()
        .query_selector("meta[name=healthsync-imaging]")
        .ok()
        .flatten();
    let url = meta
        .and_then(|meta| meta.get_attribute("content"))
        .ok_or(WHY)?;
    load(&url)
        .await
        .map_err(|_| format!("{WHY} The connection may have been lost; reload the page."))
}

/// Loads the workspace while keys and bytes are on their way, and for a series its decoders as well.
pub(crate) fn prepare_workspace(series: bool) {
    spawn_local(async move {
        // What fails here fails again when it is needed, and is said then.
        if let Ok(module) = imaging_module().await
            && series
        {
            let _ = call(&module, "prepare", &Array::new()).await;
        }
    });
}

/// Calls a function of a JavaScript object and waits for what it promises.
pub(crate) async fn call(
    object: &JsValue,
    name: &str,
    arguments: &Array,
) -> Result<JsValue, JsValue> {
    let function: Function = Reflect::get(object, &name.into())?.dyn_into()?;
    let answer = Reflect::apply(&function, object, arguments)?;
    JsFuture::from(Promise::resolve(&answer)).await
}

/// A workspace in an element of the page.
#[derive(Debug)]
pub(crate) struct Workspace {
    state: Rc<RefCell<State>>,
    /// Called by the workspace as long as it is open.
    _host: Closure<dyn FnMut(String)>,
}

#[derive(Debug)]
enum State {
    /// What it is to be told once it is there.
    Loading(Vec<(String, Array)>),
    Open(JsValue),
    Closed,
}

impl Workspace {
    /// Opens one; `fault` gets a sentence when it cannot be loaded.
    pub(crate) fn open(
        root: &web_sys::HtmlElement,
        host: impl Fn(Say) + 'static,
        fault: impl Fn(String) + 'static,
    ) -> Self {
        let state = Rc::new(RefCell::new(State::Loading(Vec::new())));
        let host = Closure::new(move |json: String| {
            if let Ok(say) = serde_json::from_str(&json) {
                host(say);
            }
        });
        let arguments = Array::of2(root, host.as_ref());
        let opening = state.clone();
        spawn_local(async move {
            let opened = match imaging_module().await {
                Ok(module) => call(&module, "open", &arguments)
                    .await
                    .map_err(|_| "The picture viewer did not start. Reload the page.".to_owned()),
                Err(why) => Err(why),
            };
            match opened {
                Ok(viewer) => {
                    let before = opening.replace(State::Open(viewer.clone()));
                    match before {
                        State::Loading(waiting) => {
                            for (json, parts) in waiting {
                                pass(&viewer, &json, &parts);
                            }
                        }
                        // Closed before it was there.
                        _ => shut(&opening),
                    }
                }
                Err(why) => fault(why),
            }
        });
        Self { state, _host: host }
    }

    pub(crate) fn tell(&self, tell: &Tell, files: &Blobs) {
        let Ok(json) = serde_json::to_string(tell) else {
            return;
        };
        let parts: Array = files.0.iter().collect();
        match &mut *self.state.borrow_mut() {
            State::Loading(waiting) => waiting.push((json, parts)),
            State::Open(viewer) => pass(viewer, &json, &parts),
            State::Closed => {}
        }
    }

    pub(crate) fn close(self) {
        shut(&self.state);
    }
}

fn shut(state: &RefCell<State>) {
    if let State::Open(viewer) = state.replace(State::Closed)
        && let Ok(close) = Reflect::get(&viewer, &"close".into())
        && let Some(close) = close.dyn_ref::<Function>()
    {
        let _ = close.call0(&viewer);
    }
}

fn pass(viewer: &JsValue, json: &str, parts: &Array) {
    if let Ok(tell) = Reflect::get(viewer, &"tell".into())
        && let Some(tell) = tell.dyn_ref::<Function>()
    {
        let _ = tell.call2(viewer, &json.into(), parts);
    }
}
