//! The server's side: no window, no clock of the reader, no files.

use healthsync_core::Millis;
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

pub(crate) fn pasted_files(_event: &ev::ClipboardEvent) -> Option<Files> {
    None
}

pub(crate) fn drags_files(_event: &ev::DragEvent) -> bool {
    false
}

pub(crate) fn is_composing(_event: &ev::KeyboardEvent) -> bool {
    false
}

/// Focus for the nth element inside `within` that the selector finds.
pub(crate) fn focus_nth(_within: &web_sys::Element, _selector: &str, _at: usize) {}

/// The part of the address after `#`, without it.
pub(crate) fn hash() -> String {
    String::new()
}

/// Whether the first page of a room that the server has no record of shall be the 404 page.
pub(crate) async fn room_is_missing(room: Option<healthsync_core::RoomId>) -> bool {
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
