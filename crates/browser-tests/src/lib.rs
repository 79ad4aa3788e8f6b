//! Tests that run as WebAssembly in a browser. Each exported function named `test_…` is one: it passes when it returns
//! and fails when it panics. `end2end/wasm/run.test.mjs` gives every test an instance of its own.
//!
//! `core`, `lighthouse` and `imaging` are tested natively in depth; here it is shown that 32 bits, WebCrypto and the
//! browser's own objects change nothing of it. What `net` does in a browser exists nowhere else.

#![cfg(all(target_arch = "wasm32", target_os = "unknown"))]
#![allow(clippy::unwrap_used, reason = "everything here is a test")]

pub mod gossip;
pub mod imaging;
pub mod lighthouse;
pub mod net;
pub mod others;
#[path = "../../core/tests/it/people.rs"]
#[allow(dead_code, reason = "core's own tests use all of it")]
mod people;
pub mod rooms;

use wasm_bindgen::prelude::wasm_bindgen;

/// Called before each test: a panic tells the console why.
#[wasm_bindgen(start)]
pub fn start() {
    console_error_panic_hook::set_once();
}
