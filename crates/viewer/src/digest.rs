//! Files and their digests, on the page and in a worker.

use js_sys::{Array, Promise, Reflect, Uint8Array};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::Blob;

use crate::dom;

/// What is in a file; `None` when the browser cannot read it.
pub(crate) async fn bytes(blob: &Blob) -> Option<Vec<u8>> {
    let buffer = JsFuture::from(blob.array_buffer()).await.ok()?;
    Some(Uint8Array::new(&buffer).to_vec())
}

/// Lower-case hexadecimal digits; `None` where the browser computes none.
pub(crate) async fn sha256(bytes: &[u8]) -> Option<String> {
    let subtle = dom::get(&dom::get(&js_sys::global(), "crypto"), "subtle");
    let digest: js_sys::Function = dom::get(&subtle, "digest").dyn_into().ok()?;
    let arguments = Array::of2(&JsValue::from("SHA-256"), &Uint8Array::from(bytes));
    let promise: Promise = Reflect::apply(&digest, &subtle, &arguments)
        .ok()?
        .dyn_into()
        .ok()?;
    let digest = Uint8Array::new(&JsFuture::from(promise).await.ok()?);
    Some(
        digest
            .to_vec()
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect(),
    )
}
