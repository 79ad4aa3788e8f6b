//! The server's side: no window, no clock of the reader, no files.

use healthsync_core::{Millis, RoomId};
use healthsync_imaging::stage::{Say, Tell};
use leptos::{ev, prelude::*, web_sys};

use super::Theme;
use crate::client::model::{Blobs, Bootstrap, Files};

/// From the context, where the shell has put it.
pub(crate) fn bootstrap() -> Option<Bootstrap> {
    use_context()
}

/// Minutes to add to UTC for the reader's clock at that moment. The server says UTC.
pub(crate) fn offset_minutes(_at: Millis) -> i64 {
    0
}

pub(crate) fn now() -> Millis {
    Millis(0)
}

pub(crate) fn focus_main() {}

pub(crate) fn saved_theme() -> Theme {
    Theme::System
}

pub(crate) fn set_theme(_theme: Theme) {}

pub(crate) fn picked_files(_event: &web_sys::Event) -> Option<Files> {
    None
}

pub(crate) fn dropped_files(_event: &ev::DragEvent) -> Option<Files> {
    None
}

/// Hands over the files of a drop, with those in its folders, and a sentence when some of them are left out.
pub(crate) fn dropped_deep(
    _event: &ev::DragEvent,
    _then: impl FnOnce(Option<Files>, Option<String>) + 'static,
) {
}

/// Names and bytes of files of at most `limit` bytes; for any other a sentence that says why not.
pub(crate) async fn contents(
    _files: Files,
    _limit: usize,
) -> Vec<(String, Result<Vec<u8>, String>)> {
    Vec::new()
}

pub(crate) fn pasted_files(_event: &ev::ClipboardEvent) -> Option<Files> {
    None
}

pub(crate) fn drags_files(_event: &ev::DragEvent) -> bool {
    false
}

pub(crate) fn is_composing(_event: &ev::KeyboardEvent) -> bool {
    false
}

pub(crate) fn focus(_element: &web_sys::HtmlElement) {}

pub(crate) fn bring_into_sight(_element: &web_sys::Element) {}

/// Focus for the nth element inside `within` that the selector finds.
pub(crate) fn focus_nth(_within: &web_sys::Element, _selector: &str, _at: usize) {}

/// Scheme, host and port of the page.
pub(crate) fn origin() -> String {
    String::new()
}

/// The part of the address after `#`, without it.
pub(crate) fn hash() -> String {
    String::new()
}

/// Nothing is drawn anew here.
pub(crate) fn aim_again() {}

/// The room's page or the page that says that there is none, with its status.
pub(crate) fn room_or_not(
    id: Memo<Option<RoomId>>,
    page: fn(Option<RoomId>, bool) -> AnyView,
) -> impl IntoView {
    let missing = Resource::new_blocking(move || id.get(), is_missing);
    view! {
        <Suspense>
            {move || Suspend::new(async move { page(id.get_untracked(), missing.await) })}
        </Suspense>
    }
}

async fn is_missing(room: Option<RoomId>) -> bool {
    let missing = match room {
        None => true,
        Some(room) => crate::api::room_facts(room)
            .await
            .is_ok_and(|facts| !facts.exists),
    };
    if missing {
        not_found_status();
    }
    missing
}

#[cfg(feature = "ssr")]
pub(crate) fn not_found_status() {
    if let Some(response) = use_context::<leptos_axum::ResponseOptions>() {
        response.set_status(http::StatusCode::NOT_FOUND);
    }
}

#[cfg(not(feature = "ssr"))]
pub(crate) fn not_found_status() {}

pub(crate) fn prepare_workspace(_series: bool) {}

/// Pictures are shown in browsers only.
#[derive(Debug)]
pub(crate) struct Workspace;

impl Workspace {
    pub(crate) fn open(
        _root: &web_sys::HtmlElement,
        _host: impl Fn(Say) + 'static,
        _fault: impl Fn(String) + 'static,
    ) -> Self {
        Self
    }

    pub(crate) fn tell(&self, _tell: &Tell, _files: &Blobs) {}

    pub(crate) fn close(self) {}
}
