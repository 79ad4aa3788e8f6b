//! Other tabs of this browser: they share the database, so a tab that writes tells the others which room changed.
//!
//! Online the relay would tell them, too; this also works without a network.

use healthsync_core::RoomId;
use wasm_bindgen::{JsCast, JsValue, closure::Closure};

#[derive(Debug)]
pub(crate) struct Tabs(Option<web_sys::BroadcastChannel>);

impl Tabs {
    pub(crate) fn open() -> Self {
        Self(web_sys::BroadcastChannel::new("healthsync").ok())
    }

    /// Says that there is something new in the database for this room.
    pub(crate) fn tell(&self, room: RoomId) {
        if let Some(channel) = &self.0 {
            // Fails only for a closed channel.
            let _ = channel.post_message(&JsValue::from_str(&room.to_string()));
        }
    }

    /// Calls back for each room that another tab has written to, as long as the page lives.
    pub(crate) fn listen(&self, on_room: impl Fn(RoomId) + 'static) {
        let Some(channel) = &self.0 else { return };
        let listener =
            Closure::<dyn Fn(web_sys::MessageEvent)>::new(move |event: web_sys::MessageEvent| {
                if let Some(room) = event.data().as_string().and_then(|text| text.parse().ok()) {
                    on_room(room);
                }
            });
        channel.set_onmessage(Some(listener.as_ref().unchecked_ref()));
        listener.forget();
    }
}
