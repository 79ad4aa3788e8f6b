//! The browser's side, through web-sys. Nothing here keeps state.

use healthsync_core::{Millis, RoomId};
use leptos::{ev, prelude::*};
use send_wrapper::SendWrapper;
use wasm_bindgen::{JsCast, JsValue};

use super::Theme;
use crate::client::model::{Bootstrap, Files};

/// From the page's head, where the server has put it.
pub(crate) fn bootstrap() -> Option<Bootstrap> {
    let meta = document()
        .query_selector("meta[name=healthsync-bootstrap]")
        .ok()??;
    serde_json::from_str(&meta.get_attribute("content")?).ok()
}

/// Minutes to add to UTC for the reader's clock at that moment.
pub(crate) fn offset_minutes(at: Millis) -> i64 {
    let date = js_sys::Date::new(&JsValue::from_f64(at.0 as f64));
    -(date.get_timezone_offset() as i64)
}

pub(crate) fn now() -> Millis {
    Millis(js_sys::Date::now() as u64)
}

/// After a change of page: the new page starts at its beginning for a reader of its text as well.
pub(crate) fn focus_main() {
    let main = document().get_element_by_id("main");
    if let Some(main) = main.and_then(|main| main.dyn_into::<web_sys::HtmlElement>().ok()) {
        let _ = main.focus();
    }
}

fn storage() -> Option<web_sys::Storage> {
    window().local_storage().ok()?
}

pub(crate) fn saved_theme() -> Theme {
    match storage()
        .and_then(|kept| kept.get_item("theme").ok()?)
        .as_deref()
    {
        Some("light") => Theme::Light,
        Some("dark") => Theme::Dark,
        _ => Theme::System,
    }
}

/// Shows and keeps the theme; `public/theme.js` does the same before the first paint of the next page.
pub(crate) fn set_theme(theme: Theme) {
    let name = match theme {
        Theme::System => None,
        Theme::Light => Some("light"),
        Theme::Dark => Some("dark"),
    };
    if let Some(root) = document().document_element() {
        let _ = match name {
            Some(name) => root.set_attribute("data-theme", name),
            None => root.remove_attribute("data-theme"),
        };
    }
    if let Some(kept) = storage() {
        let _ = match name {
            Some(name) => kept.set_item("theme", name),
            None => kept.remove_item("theme"),
        };
    }
}

fn files(list: Option<web_sys::FileList>) -> Option<Files> {
    let list = list?;
    let files: Vec<web_sys::File> = (0..list.length()).filter_map(|i| list.get(i)).collect();
    (!files.is_empty()).then(|| Files(SendWrapper::new(files)))
}

/// What a file input holds; it is emptied, so that the same file can be picked again.
pub(crate) fn picked_files(event: &web_sys::Event) -> Option<Files> {
    let input: web_sys::HtmlInputElement = event.target()?.dyn_into().ok()?;
    let picked = files(input.files());
    input.set_value("");
    picked
}

pub(crate) fn dropped_files(event: &ev::DragEvent) -> Option<Files> {
    files(event.data_transfer()?.files())
}

/// Names and bytes of files of at most `limit` bytes; for any other a sentence that says why not.
pub(crate) async fn contents(files: Files, limit: usize) -> Vec<(String, Result<Vec<u8>, String>)> {
    let mut read = Vec::new();
    for file in files.0.iter() {
        let bytes = if file.size() > limit as f64 {
            Err(format!(
                "The file has {:.0} MB; a result file has at most {} MB.",
                file.size() / 1e6,
                limit / 1_000_000
            ))
        } else {
            wasm_bindgen_futures::JsFuture::from(file.array_buffer())
                .await
                .map(|buffer| js_sys::Uint8Array::new(&buffer).to_vec())
                .map_err(|_| "The browser can't read this file. Choose it again.".to_owned())
        };
        read.push((file.name(), bytes));
    }
    read
}

pub(crate) fn pasted_files(event: &ev::ClipboardEvent) -> Option<Files> {
    files(event.clipboard_data()?.files())
}

/// Whether a drag carries files (its contents cannot be read before the drop).
pub(crate) fn drags_files(event: &ev::DragEvent) -> bool {
    event
        .data_transfer()
        .is_some_and(|data| data.types().includes(&"Files".into(), 0))
}

/// Enter that ends the composition of a character sends nothing.
pub(crate) fn is_composing(event: &ev::KeyboardEvent) -> bool {
    event.is_composing()
}

/// Focus for an element that does not have it. Giving it again would make the browser lay out the whole page first.
pub(crate) fn focus(element: &web_sys::HtmlElement) {
    if !element.matches(":focus").is_ok_and(|focused| focused) {
        let _ = element.focus();
    }
}

/// Scrolls no further than it has to.
pub(crate) fn bring_into_sight(element: &web_sys::Element) {
    let how = web_sys::ScrollIntoViewOptions::new();
    let _ = js_sys::Reflect::set(&how, &"block".into(), &"nearest".into());
    element.scroll_into_view_with_scroll_into_view_options(&how);
}

/// Focus for the nth element inside `within` that the selector finds.
pub(crate) fn focus_nth(within: &web_sys::Element, selector: &str, at: usize) {
    let all = within.query_selector_all(selector).ok();
    let one = all.and_then(|all| all.item(u32::try_from(at).ok()?));
    if let Some(one) = one.and_then(|one| one.dyn_into::<web_sys::HtmlElement>().ok()) {
        let _ = one.focus();
    }
}

/// Says on `<html>` that the page reacts now.
pub(crate) fn mark_live() {
    if let Some(root) = document().document_element() {
        let _ = root.set_attribute("data-live", "");
    }
}

/// Scheme, host and port of the page.
pub(crate) fn origin() -> String {
    window().location().origin().unwrap_or_default()
}

/// The part of the address after `#`, without it.
pub(crate) fn hash() -> String {
    window()
        .location()
        .hash()
        .unwrap_or_default()
        .trim_start_matches('#')
        .to_owned()
}

/// Aims once more at the element that the fragment names (`:target`), when the one that it first aimed at has been drawn
/// anew.
pub(crate) fn aim_again() {
    let aimed = document().query_selector(":target").ok().flatten();
    if aimed.is_none() && !hash().is_empty() {
        let location = window().location();
        // Refused only in a frame of somebody else's; then the first part shows.
        let _ = location
            .href()
            .and_then(|address| location.replace(&address));
    }
}

/// The room's page or the page that says that there is none. Here only what the server has just said is known; for the
/// rest the runtime asks (`RoomPhase`).
pub(crate) fn room_or_not(
    id: Memo<Option<RoomId>>,
    page: fn(Option<RoomId>, bool) -> AnyView,
) -> impl IntoView {
    move || {
        let id = id.get();
        page(id, id.is_none_or(served_as_missing))
    }
}

fn served_as_missing(id: RoomId) -> bool {
    let found = document().query_selector(&format!("[data-missing=\"{id}\"]"));
    found.is_ok_and(|found| found.is_some())
}

pub(crate) fn not_found_status() {}
