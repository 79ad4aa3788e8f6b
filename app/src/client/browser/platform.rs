//! What the browser gives: time, randomness, sleep, and plain conversions between JS and Rust values.
//!
//! No state and no policy; everything here is a few lines around one web API.

use healthsync_core::Millis;
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::{JsFuture, spawn_local};

/// The wall clock.
pub(crate) fn now() -> Millis {
    Millis(js_sys::Date::now() as u64)
}

/// Bytes from the browser's random number generator.
pub(crate) fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("crypto.getRandomValues exists wherever WebAssembly runs");
    bytes
}

pub(crate) async fn sleep(ms: u32) {
    gloo_timers::future::TimeoutFuture::new(ms).await;
}

pub(crate) fn window() -> web_sys::Window {
    web_sys::window().expect("the runtime is started by a page, never by a worker")
}

pub(crate) fn document() -> web_sys::Document {
    window().document().expect("a page has a document")
}

/// A field of a JS object; `undefined` for anything that has no fields.
pub(crate) fn field(object: &JsValue, name: &str) -> JsValue {
    js_sys::Reflect::get(object, &JsValue::from_str(name)).unwrap_or(JsValue::UNDEFINED)
}

pub(crate) fn text_field(object: &JsValue, name: &str) -> Option<String> {
    field(object, name).as_string()
}

/// JSON as a JS value, for web APIs that take objects.
pub(crate) fn to_js(value: &serde_json::Value) -> JsValue {
    js_sys::JSON::parse(&value.to_string()).unwrap_or(JsValue::NULL)
}

/// A JS value as JSON; what cannot be written as JSON becomes null.
pub(crate) fn to_json(value: &JsValue) -> serde_json::Value {
    if value.is_undefined() || value.is_null() {
        return serde_json::Value::Null;
    }
    js_sys::JSON::stringify(value)
        .ok()
        .and_then(|text| text.as_string())
        .and_then(|text| serde_json::from_str(&text).ok())
        .unwrap_or(serde_json::Value::Null)
}

/// The text of a thrown value.
pub(crate) fn error_text(error: &JsValue) -> String {
    if let Some(text) = error.as_string() {
        return text;
    }
    text_field(error, "message").unwrap_or_else(|| {
        error.dyn_ref::<js_sys::Object>().map_or_else(
            || "no reason given".to_owned(),
            |thrown| thrown.to_string().into(),
        )
    })
}

pub(crate) fn bytes_to_js(bytes: &[u8]) -> JsValue {
    js_sys::Uint8Array::from(bytes).into()
}

pub(crate) fn bytes_from_js(value: &JsValue) -> Option<Vec<u8>> {
    value
        .dyn_ref::<js_sys::Uint8Array>()
        .map(js_sys::Uint8Array::to_vec)
}

/// The type of what is encrypted: it says nothing.
pub(crate) const OCTETS: &str = "application/octet-stream";

/// These bytes as a file that the browser holds.
pub(crate) fn blob(bytes: &[u8], mime: &str) -> Result<web_sys::Blob, JsValue> {
    let parts = js_sys::Array::of1(&bytes_to_js(bytes));
    let options = web_sys::BlobPropertyBag::new();
    options.set_type(mime);
    web_sys::Blob::new_with_u8_array_sequence_and_options(&parts, &options)
}

/// A `blob:` URL of these bytes; lives until it is revoked or the page goes.
pub(crate) fn blob_url(bytes: &[u8], mime: &str) -> Result<String, JsValue> {
    web_sys::Url::create_object_url_with_blob(&blob(bytes, mime)?)
}

/// What is in a file; `None` when the browser cannot read it (any more).
pub(crate) async fn bytes_of(file: &web_sys::Blob) -> Option<Vec<u8>> {
    let buffer = JsFuture::from(file.array_buffer()).await.ok()?;
    Some(js_sys::Uint8Array::new(&buffer).to_vec())
}

pub(crate) fn revoke_url(url: &str) {
    // Fails only for a malformed URL, and then there is nothing to free.
    let _ = web_sys::Url::revoke_object_url(url);
}

/// Hands a file to the browser's downloads; false when the browser makes none of it.
pub(crate) fn save_file(bytes: &[u8], mime: &str, name: &str) -> bool {
    let started = || {
        let url = blob_url(bytes, mime).ok()?;
        let link = document().create_element("a").ok()?;
        link.set_attribute("href", &url).ok()?;
        link.set_attribute("download", name).ok()?;
        link.dyn_ref::<web_sys::HtmlElement>()?.click();
        Some(url)
    };
    let Some(url) = started() else { return false };
    spawn_local(async move {
        // The download has its bytes by then.
        sleep(60_000).await;
        revoke_url(&url);
    });
    true
}

/// Whether the person has let this site show notifications.
pub(crate) fn can_notify() -> bool {
    // Some browsers have no such thing.
    let known = field(&window(), "Notification");
    !known.is_undefined()
        && web_sys::Notification::permission() == web_sys::NotificationPermission::Granted
}

/// Asks the person; only after a click.
pub(crate) async fn may_notify() -> bool {
    if field(&window(), "Notification").is_undefined() {
        return false;
    }
    if let Ok(asked) = web_sys::Notification::request_permission() {
        // Whatever the answer: what counts is what is allowed now.
        let _ = wasm_bindgen_futures::JsFuture::from(asked).await;
    }
    can_notify()
}

pub(crate) fn notification(title: &str, body: &str) {
    let options = web_sys::NotificationOptions::new();
    options.set_body(body);
    options.set_tag("healthsync");
    // Fails where only service workers may notify.
    let _ = web_sys::Notification::new_with_options(title, &options);
}

/// Asks the browser not to throw away what this page keeps when the disk fills up. Some ask the person, some decide by
/// themselves; without it everything works, and is kept with less certainty.
pub(crate) fn keep_storage() {
    let Ok(asked) = window().navigator().storage().persist() else {
        return;
    };
    wasm_bindgen_futures::spawn_local(async move {
        // Whatever the answer, the page goes on.
        let _ = wasm_bindgen_futures::JsFuture::from(asked).await;
    });
}
