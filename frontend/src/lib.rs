//! The WASM entry point: hydrates the page the server has rendered.

use std::panic;

use leptos::{mount::hydrate_body, prelude::document};
use wasm_bindgen::prelude::wasm_bindgen;

/// Called by the page's own start script when the module is loaded.
#[wasm_bindgen]
pub fn hydrate() {
    panic::set_hook(Box::new(|fault| {
        console_error_panic_hook::hook(fault);
        // After a panic nothing here reacts any more: say so, by means that need none of it.
        if let Some(bar) = document().get_element_by_id("stuck") {
            let _ = bar.remove_attribute("hidden");
            if let Some(text) = bar.first_element_child() {
                text.set_text_content(Some(
                    "This page has stopped. What was stored or kept is still there; reload to go on.",
                ));
            }
        }
    }));
    hydrate_body(healthsync_app::App);
}
