//! The WASM entry point: hydrates the page the server has rendered.

use leptos::mount::hydrate_body;
use wasm_bindgen::prelude::wasm_bindgen;

/// Called by the page's own start script when the module is loaded. After a panic nothing here reacts any more; the
/// start script sees the trap and says so.
#[wasm_bindgen]
pub fn hydrate() {
    #[cfg(debug_assertions)]
    console_error_panic_hook::set_once();
    hydrate_body(healthsync_app::App);
}
