//! What this browser keeps of each room, and forgetting one's copy when there is no space left: the relay has what it has
//! acknowledged, and gives it again.

use std::rc::Rc;

use healthsync_core::{Person, RoomId};
use js_sys::Reflect;
use leptos::prelude::*;
use wasm_bindgen::JsValue;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use crate::client::{
    browser::{
        platform::window,
        runtime::{Runtime, storage_trouble},
        storage::{StorageError, drafts, envelopes},
    },
    model::{KeptRoom, Space, ToastKind},
};

impl Runtime {
    pub(crate) fn measure_space(self: &Rc<Self>) {
        let runtime = self.clone();
        spawn_local(async move { runtime.measure().await });
    }

    async fn measure(self: &Rc<Self>) {
        let Some(me) = self.me() else { return };
        let mut rooms = Vec::new();
        for (room, known) in drafts::known_rooms(&self.db, me.person)
            .await
            .unwrap_or_default()
        {
            let events = envelopes::count(&self.db, room).await.unwrap_or(0);
            if events > 0 {
                rooms.push(KeptRoom {
                    room,
                    name: known.name,
                    events,
                });
            }
        }
        rooms.sort_by_key(|room| std::cmp::Reverse(room.events));
        let (used, quota) = estimate().await.unwrap_or((0.0, 0.0));
        let megabytes = |bytes: f64| (bytes / 1e6).ceil() as u32;
        if self.me().is_none_or(|now| now.person != me.person) {
            return;
        }
        self.client.space.set(Some(Space {
            used: megabytes(used),
            quota: megabytes(quota),
            rooms,
        }));
    }

    pub(crate) fn forget_here(self: &Rc<Self>, room: RoomId) {
        let Some(me) = self.me() else { return };
        let runtime = self.clone();
        spawn_local(async move {
            match runtime.forget(me.person, room).await {
                Ok(waiting) => {
                    let rest = match waiting {
                        0 => String::new(),
                        1 => " One event of yours is not at the relay yet and stays.".to_owned(),
                        more => {
                            format!(" {more} events of yours are not at the relay yet and stay.")
                        }
                    };
                    runtime.toast(
                        ToastKind::Good,
                        format!("Forgotten here. Opening the room fetches it again.{rest}"),
                    );
                }
                Err(error) => {
                    let why = storage_trouble("The room's copy could not be forgotten", &error);
                    runtime.toast_trouble(&why);
                }
            }
            runtime.measure().await;
        });
    }

    /// Marks the room first, so that no visit in the background brings back what goes now.
    async fn forget(&self, person: Person, room: RoomId) -> Result<u32, StorageError> {
        let mut known = drafts::known_room(&self.db, person, room).await?;
        known.forgotten = true;
        drafts::keep_known_room(&self.db, person, room, &known).await?;
        envelopes::forget(&self.db, room).await
    }
}

/// Bytes used and allowed, as the browser guesses.
async fn estimate() -> Option<(f64, f64)> {
    let asked = window().navigator().storage().estimate().ok()?;
    let answer = JsFuture::from(asked).await.ok()?;
    let number = |name: &str| {
        Reflect::get(&answer, &JsValue::from_str(name))
            .ok()
            .and_then(|value| value.as_f64())
    };
    Some((number("usage")?, number("quota")?))
}
