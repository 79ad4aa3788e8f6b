//! Requests to the page's own origin, the key nodes and storage: JSON in and out, bytes with progress, uploads.
//!
//! `fetch` for everything but uploads: only XMLHttpRequest reports how much of a body has been sent.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use futures::{channel::oneshot, future::Either};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::JsFuture;

use super::platform::{error_text, field, sleep, window};

/// An upload of which nothing more goes out for so long has stalled.
const STALLED_MS: u32 = 60_000;
/// The other end may pass on what it was sent before it answers.
const STORED_MS: u32 = 300_000;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum HttpError {
    /// No answer: offline, refused, cut off.
    #[error("no answer from {0}")]
    Unreachable(String),
    #[error("{0} did not answer in time")]
    Timeout(String),
    /// The line takes nothing more of an upload.
    #[error("nothing more of it went to {0} for a minute")]
    Stalled(String),
    /// An answer that says no; the text is the body's own sentence when it has one.
    #[error("{text} (status {status})")]
    Status { status: u16, text: String },
    /// Nobody is signed in any more, so nothing was sent.
    #[error("this browser may not sign for you yet")]
    NoSigner,
    /// The wallet's signature that the other end asks for did not come about.
    #[error("{0}")]
    NotSigned(String),
    #[error("an answer that cannot be read: {0}")]
    Unreadable(String),
}

impl HttpError {
    /// Whether trying again later can help.
    pub(crate) fn is_temporary(&self) -> bool {
        match self {
            HttpError::Unreachable(_)
            | HttpError::Timeout(_)
            | HttpError::Stalled(_)
            | HttpError::NoSigner => true,
            HttpError::Status { status, .. } => *status >= 500 || *status == 429 || *status == 408,
            HttpError::NotSigned(_) | HttpError::Unreadable(_) => false,
        }
    }
}

/// How a person calls the other end of a URL: its host, or "the server" for the page's own.
pub(crate) fn place(url: &str) -> String {
    match url.split_once("://") {
        Some((_, rest)) => rest.split('/').next().unwrap_or(rest).to_owned(),
        None => "the server".to_owned(),
    }
}

pub(crate) async fn post_json(
    url: &str,
    body: &serde_json::Value,
    bearer: Option<&str>,
    timeout_ms: u32,
) -> Result<serde_json::Value, HttpError> {
    send_json("POST", url, body, bearer, timeout_ms).await
}

/// Sends JSON (nothing for null), waits at most `timeout_ms`, and returns the answer's JSON. A status that is not 2xx is an error
/// whose text is looked for in the usual places of the body.
pub(crate) async fn send_json(
    method: &str,
    url: &str,
    body: &serde_json::Value,
    bearer: Option<&str>,
    timeout_ms: u32,
) -> Result<serde_json::Value, HttpError> {
    let headers = web_sys::Headers::new().map_err(|e| HttpError::Unreadable(error_text(&e)))?;
    let set = |name: &str, value: &str| {
        headers
            .set(name, value)
            .map_err(|e| HttpError::Unreadable(error_text(&e)))
    };
    set("content-type", "application/json")?;
    if let Some(bearer) = bearer {
        set("authorization", &format!("Bearer {bearer}"))?;
    }
    let init = web_sys::RequestInit::new();
    init.set_method(method);
    init.set_headers(&headers);
    if !body.is_null() {
        init.set_body(&JsValue::from_str(&body.to_string()));
    }
    let (status, text) = fetch_text(url, &init, timeout_ms).await?;
    if (200..300).contains(&status) {
        serde_json::from_str(&text).map_err(|e| HttpError::Unreadable(e.to_string()))
    } else {
        Err(HttpError::Status {
            status,
            text: refusal_text(&text),
        })
    }
}

pub(crate) async fn get_json(url: &str, timeout_ms: u32) -> Result<serde_json::Value, HttpError> {
    let (status, text) = fetch_text(url, &web_sys::RequestInit::new(), timeout_ms).await?;
    if (200..300).contains(&status) {
        serde_json::from_str(&text).map_err(|e| HttpError::Unreadable(e.to_string()))
    } else {
        Err(HttpError::Status {
            status,
            text: refusal_text(&text),
        })
    }
}

/// Aborts the request when it is dropped, so that a cancelled future also stops the transfer.
struct AbortOnDrop(web_sys::AbortController);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn abortable(init: &web_sys::RequestInit) -> Result<AbortOnDrop, HttpError> {
    let controller =
        web_sys::AbortController::new().map_err(|e| HttpError::Unreadable(error_text(&e)))?;
    init.set_signal(Some(&controller.signal()));
    Ok(AbortOnDrop(controller))
}

async fn fetch_text(
    url: &str,
    init: &web_sys::RequestInit,
    timeout_ms: u32,
) -> Result<(u16, String), HttpError> {
    let guard = abortable(init)?;
    let exchange = async {
        let response = start(url, init).await?;
        let text = response
            .text()
            .map_err(|e| HttpError::Unreadable(error_text(&e)))?;
        let text = JsFuture::from(text)
            .await
            .map_err(|_| HttpError::Unreachable(place(url)))?;
        Ok((response.status(), text.as_string().unwrap_or_default()))
    };
    let answer = within(timeout_ms, exchange)
        .await
        .unwrap_or_else(|| Err(HttpError::Timeout(place(url))));
    drop(guard);
    answer
}

async fn start(url: &str, init: &web_sys::RequestInit) -> Result<web_sys::Response, HttpError> {
    let response = JsFuture::from(window().fetch_with_str_and_init(url, init))
        .await
        .map_err(|_| HttpError::Unreachable(place(url)))?;
    response
        .dyn_into()
        .map_err(|_| HttpError::Unreadable("not a response".into()))
}

/// The future's value, or `None` when the time is over.
pub(crate) async fn within<T>(timeout_ms: u32, future: impl Future<Output = T>) -> Option<T> {
    match futures::future::select(std::pin::pin!(future), std::pin::pin!(sleep(timeout_ms))).await {
        Either::Left((value, _)) => Some(value),
        Either::Right(_) => None,
    }
}

/// Bytes of a URL, told piece by piece how many have come (`received`, `total` or 0 when unknown).
/// Gives up when nothing has come for `idle_ms`, or when there is more than `limit`.
pub(crate) async fn get_bytes(
    url: &str,
    limit: u64,
    idle_ms: u32,
    progress: impl FnMut(u64, u64),
) -> Result<Vec<u8>, HttpError> {
    get_part(url, None, limit, idle_ms, progress).await
}

/// As [`get_bytes`], only these bytes of it.
pub(crate) async fn get_part(
    url: &str,
    part: Option<std::ops::Range<u64>>,
    limit: u64,
    idle_ms: u32,
    mut progress: impl FnMut(u64, u64),
) -> Result<Vec<u8>, HttpError> {
    let init = web_sys::RequestInit::new();
    if let Some(part) = part {
        let headers = web_sys::Headers::new().map_err(|e| HttpError::Unreadable(error_text(&e)))?;
        let range = format!("bytes={}-{}", part.start, part.end.saturating_sub(1));
        headers
            .set("range", &range)
            .map_err(|e| HttpError::Unreadable(error_text(&e)))?;
        init.set_headers(&headers);
    }
    let guard = abortable(&init)?;
    let response = within(idle_ms, start(url, &init))
        .await
        .unwrap_or_else(|| Err(HttpError::Timeout(place(url))))?;
    if !response.ok() {
        let text = match response.text() {
            Ok(text) => within(idle_ms, JsFuture::from(text))
                .await
                .and_then(Result::ok),
            Err(_) => None,
        };
        let text = text.and_then(|text| text.as_string()).unwrap_or_default();
        return Err(HttpError::Status {
            status: response.status(),
            text: refusal_text(&text),
        });
    }
    let total = response
        .headers()
        .get("content-length")
        .ok()
        .flatten()
        .and_then(|n| n.parse().ok())
        .unwrap_or(0u64);
    let too_large = || HttpError::Unreadable(format!("more than {limit} bytes came"));
    if total > limit {
        return Err(too_large());
    }
    let body = response
        .body()
        .ok_or_else(|| HttpError::Unreadable("an empty answer".into()))?;
    let reader: web_sys::ReadableStreamDefaultReader = body
        .get_reader()
        .dyn_into()
        .map_err(|_| HttpError::Unreadable("no reader".into()))?;
    let mut bytes = Vec::with_capacity(total as usize);
    loop {
        let chunk = within(idle_ms, JsFuture::from(reader.read()))
            .await
            .ok_or_else(|| HttpError::Timeout(place(url)))?
            .map_err(|_| HttpError::Unreachable(place(url)))?;
        if field(&chunk, "done").is_truthy() {
            break;
        }
        let piece: js_sys::Uint8Array = field(&chunk, "value")
            .dyn_into()
            .map_err(|_| HttpError::Unreadable("not bytes".into()))?;
        let start = bytes.len();
        bytes.resize(start + piece.length() as usize, 0);
        piece.copy_to(&mut bytes[start..]);
        if bytes.len() as u64 > limit {
            return Err(too_large());
        }
        progress(bytes.len() as u64, total.max(bytes.len() as u64));
    }
    drop(guard);
    Ok(bytes)
}

/// Posts one file as `multipart/form-data` field `file` under a random name (names identify patients), with progress.
/// Dropping the future stops the upload; it stops by itself when the line takes no more of it, or no answer comes.
pub(crate) async fn upload(
    url: &str,
    file: &web_sys::Blob,
    name: &str,
    bearer: &str,
    progress: impl FnMut(u64, u64) + 'static,
) -> Result<serde_json::Value, HttpError> {
    let unreadable = |e: JsValue| HttpError::Unreadable(error_text(&e));
    let form = web_sys::FormData::new().map_err(unreadable)?;
    form.append_with_blob_and_filename("file", file, name)
        .map_err(unreadable)?;

    let request = web_sys::XmlHttpRequest::new().map_err(unreadable)?;
    request
        .open_with_async("POST", url, true)
        .map_err(unreadable)?;
    request
        .set_request_header("authorization", &format!("Bearer {bearer}"))
        .map_err(unreadable)?;
    request
        .set_request_header("encryption", "true")
        .map_err(unreadable)?;

    let (done, mut ended) = oneshot::channel::<bool>();
    let done = Rc::new(RefCell::new(Some(done)));
    let finish = |answered: bool| {
        let done = done.clone();
        Closure::<dyn FnMut()>::new(move || {
            if let Some(done) = done.borrow_mut().take() {
                let _ = done.send(answered);
            }
        })
    };
    let (on_load, on_error) = (finish(true), finish(false));
    let mut progress = progress;
    // Whether something went out since it was looked at last, and whether all has gone out.
    let moved = Rc::new(Cell::new((false, false)));
    let moves = moved.clone();
    let on_progress =
        Closure::<dyn FnMut(web_sys::ProgressEvent)>::new(move |event: web_sys::ProgressEvent| {
            moves.set((true, event.loaded() >= event.total()));
            progress(event.loaded() as u64, event.total() as u64);
        });
    request.set_onload(Some(on_load.as_ref().unchecked_ref()));
    request.set_onerror(Some(on_error.as_ref().unchecked_ref()));
    request.set_onabort(Some(on_error.as_ref().unchecked_ref()));
    if let Ok(upload) = request.upload() {
        upload.set_onprogress(Some(on_progress.as_ref().unchecked_ref()));
    }

    struct Transfer(web_sys::XmlHttpRequest);
    impl Drop for Transfer {
        fn drop(&mut self) {
            self.0.set_onload(None);
            self.0.set_onerror(None);
            self.0.set_onabort(None);
            if let Ok(upload) = self.0.upload() {
                upload.set_onprogress(None);
            }
            // A request that is done is not touched by this.
            let _ = self.0.abort();
        }
    }
    let transfer = Transfer(request);
    transfer
        .0
        .send_with_opt_form_data(Some(&form))
        .map_err(unreadable)?;
    let answered = loop {
        let (_, all) = moved.get();
        let patience = if all { STORED_MS } else { STALLED_MS };
        match within(patience, &mut ended).await {
            Some(answered) => break answered.unwrap_or(false),
            None if all => return Err(HttpError::Timeout(place(url))),
            None => {
                let (more, all) = moved.get();
                if !more {
                    return Err(HttpError::Stalled(place(url)));
                }
                moved.set((false, all));
            }
        }
    };
    if !answered {
        return Err(HttpError::Unreachable(place(url)));
    }
    let status = transfer.0.status().unwrap_or(0);
    let text = transfer
        .0
        .response_text()
        .ok()
        .flatten()
        .unwrap_or_default();
    if (200..300).contains(&status) {
        serde_json::from_str(&text).map_err(|e| HttpError::Unreadable(e.to_string()))
    } else {
        Err(HttpError::Status {
            status,
            text: refusal_text(&text),
        })
    }
}

/// The sentence in an error body: `error`, `message` (nested as the key nodes nest it), or the start of plain text.
fn refusal_text(body: &str) -> String {
    fn find(value: &serde_json::Value, depth: u8) -> Option<String> {
        match value {
            serde_json::Value::String(text) => Some(text.clone()),
            serde_json::Value::Object(map) if depth < 4 => ["error", "message", "reason", "data"]
                .iter()
                .filter_map(|name| map.get(*name))
                .find_map(|inner| find(inner, depth + 1)),
            _ => None,
        }
    }
    if let Ok(value) = serde_json::from_str::<serde_json::Value>(body)
        && let Some(text) = find(&value, 0)
    {
        return text;
    }
    let text: String = body.chars().take(160).collect();
    if text.trim().is_empty() || text.contains('<') {
        "refused without a reason".into()
    } else {
        text
    }
}
