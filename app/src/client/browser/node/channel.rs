//! How messages travel between the tabs: a BroadcastChannel. A file travels beside its message as a blob, which the
//! browser passes on without copying.

use healthsync_net::tabs::{Message, Say, TabId, messages::VERSION};
use js_sys::{Array, Uint8Array};
use wasm_bindgen::{JsCast, closure::Closure};

use crate::client::browser::platform::{bytes_from_js, bytes_to_js};

#[derive(Debug)]
pub(super) struct Channel {
    id: TabId,
    channel: web_sys::BroadcastChannel,
}

impl Channel {
    /// `None` where the browser has no such thing.
    pub(super) fn open(id: TabId) -> Option<Self> {
        let channel = web_sys::BroadcastChannel::new(&format!("healthsync-node/{VERSION}")).ok()?;
        Some(Self { id, channel })
    }

    pub(super) fn say(&self, to: Option<TabId>, say: Say, blob: Option<&web_sys::Blob>) {
        let from = self.id;
        let bytes = Message { from, to, say }.encode();
        let parts = Array::of1(&bytes_to_js(&bytes));
        if let Some(blob) = blob {
            parts.push(blob);
        }
        // Fails only for a closed channel.
        let _ = self.channel.post_message(&parts);
    }

    /// Calls back for each message to this tab or to all, as long as the page lives.
    pub(super) fn listen(&self, hear: impl Fn(TabId, Say, Option<web_sys::Blob>) + 'static) {
        let id = self.id;
        let listener =
            Closure::<dyn Fn(web_sys::MessageEvent)>::new(move |event: web_sys::MessageEvent| {
                let Ok(parts) = event.data().dyn_into::<Array>() else {
                    return;
                };
                let message = bytes_from_js(&parts.get(0)).map(|bytes| Message::decode(&bytes));
                // What cannot be read was said by a page of another release.
                if let Some(Ok(message)) = message
                    && message.to.is_none_or(|to| to == id)
                {
                    hear(message.from, message.say, parts.get(1).dyn_into().ok());
                }
            });
        self.channel
            .set_onmessage(Some(listener.as_ref().unchecked_ref()));
        listener.forget();
    }
}

/// The bytes of a blob; `None` when the tab that made it has gone before they came.
pub(super) async fn bytes(blob: &web_sys::Blob) -> Option<Vec<u8>> {
    let buffer = wasm_bindgen_futures::JsFuture::from(blob.array_buffer()).await;
    Some(Uint8Array::new(&buffer.ok()?).to_vec())
}
