//! Other tabs of this browser: they share the database, so a tab that writes tells the others which room changed; and
//! they are one device, so a tab that leaves a room says so to those that stay.
//!
//! The node would not tell them: it does not hear itself. This also works without a network.

use healthsync_core::RoomId;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};

/// What another tab has done in a room.
pub(crate) enum News {
    Wrote,
    Left,
}

/// Before the room's id.
const LEFT: &str = "left ";

#[derive(Debug)]
pub(crate) struct Tabs(Option<web_sys::BroadcastChannel>);

impl Tabs {
    pub(crate) fn open() -> Self {
        Self(web_sys::BroadcastChannel::new("healthsync").ok())
    }

    /// Says that there is something new in the database for this room.
    pub(crate) fn tell(&self, room: RoomId) {
        self.post(&room.to_string());
    }

    /// Says that this tab has left the room.
    pub(crate) fn tell_left(&self, room: RoomId) {
        self.post(&format!("{LEFT}{room}"));
    }

    fn post(&self, text: &str) {
        if let Some(channel) = &self.0 {
            // Fails only for a closed channel.
            let _ = channel.post_message(&JsValue::from_str(text));
        }
    }

    /// Calls back for what another tab has done, as long as the page lives.
    pub(crate) fn listen(&self, on_news: impl Fn(RoomId, News) + 'static) {
        let Some(channel) = &self.0 else { return };
        let listener =
            Closure::<dyn Fn(web_sys::MessageEvent)>::new(move |event: web_sys::MessageEvent| {
                let Some(text) = event.data().as_string() else {
                    return;
                };
                let (text, news) = match text.strip_prefix(LEFT) {
                    Some(room) => (room, News::Left),
                    None => (&text[..], News::Wrote),
                };
                if let Ok(room) = text.parse() {
                    on_news(room, news);
                }
            });
        channel.set_onmessage(Some(listener.as_ref().unchecked_ref()));
        listener.forget();
    }
}
