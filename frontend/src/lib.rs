//! The WASM entry point: takes over the page that the server has rendered, then starts the runtime.
//!
//! The code of the two comes in two files. The page's own file has the views and draws; the other has what works behind
//! them (network, keys, storage, wallets, files), arrives a moment later, and shares the page's memory. `wasm_split`
//! marks the seam: whatever only `start_runtime` reaches goes to the second file.

use healthsync_app::{
    Go,
    client::{Client, browser},
    take_over,
};
use leptos::prelude::document;
use wasm_bindgen::prelude::wasm_bindgen;
use wasm_bindgen_futures::spawn_local;
use wasm_split_helpers::{SplitLoaderError, wasm_split};

/// Called by the page's own start script when the module is loaded. After a panic nothing here reacts any more; the
/// start script sees the trap and says so.
#[wasm_bindgen]
pub fn start() {
    #[cfg(debug_assertions)]
    console_error_panic_hook::set_once();
    take_over(|client, go| {
        spawn_local(async move {
            if start_runtime(client, go).await.is_err() {
                say_that_scripts_are_missing();
            }
        });
    });
}

#[wasm_split(runtime, fallible)]
fn start_runtime(client: Client, go: Go) -> Result<(), SplitLoaderError> {
    browser::start(client, go);
    Ok(())
}

/// The bar is in the document with its text.
fn say_that_scripts_are_missing() {
    if let Some(bar) = document().get_element_by_id("stuck") {
        let _ = bar.remove_attribute("hidden");
    }
}
