//! How messages travel between tabs: a BroadcastChannel. A file travels beside its message as a blob, which the browser
//! passes on without copying it.

use futures::channel::mpsc;
use healthsync_net::tabs::Message;
use js_sys::Array;
use wasm_bindgen::{JsCast, closure::Closure};

use super::tab::Input;
use crate::client::browser::platform::{bytes_from_js, bytes_to_js};

type Listener = Closure<dyn Fn(web_sys::MessageEvent)>;

/// Closed when dropped.
pub(super) struct Channel {
    channel: web_sys::BroadcastChannel,
    _listener: Listener,
}

impl Channel {
    /// Each message, for whomever, and the blob beside it become inputs. `None`: the browser has no such thing.
    pub(super) fn open(name: &str, to: mpsc::Sender<Input>, round: u32) -> Option<Self> {
        let channel = web_sys::BroadcastChannel::new(name).ok()?;
        let listener = Listener::new(move |event: web_sys::MessageEvent| {
            let Ok(parts) = event.data().dyn_into::<Array>() else {
                return;
            };
            // What cannot be read was not said by a tab of ours.
            let said = bytes_from_js(&parts.get(0));
            if let Some(Ok(message)) = said.map(|bytes| Message::decode(&bytes)) {
                let input = Input::Heard(round, message, parts.get(1).dyn_into().ok());
                // A new sender always has a place.
                let _ = to.clone().try_send(input);
            }
        });
        channel.set_onmessage(Some(listener.as_ref().unchecked_ref()));
        Some(Self {
            channel,
            _listener: listener,
        })
    }

    pub(super) fn say(&self, message: &Message, blob: Option<&web_sys::Blob>) {
        let parts = Array::of1(&bytes_to_js(&message.encode()));
        if let Some(blob) = blob {
            parts.push(blob);
        }
        // Fails only for a closed channel.
        let _ = self.channel.post_message(&parts);
    }
}

impl Drop for Channel {
    fn drop(&mut self) {
        self.channel.set_onmessage(None);
        self.channel.close();
    }
}
