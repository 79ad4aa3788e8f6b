//! Telling the room where its reader looks and points: often enough to be followed, and the last place in any case.

use std::{cell::Cell, rc::Rc};

use healthsync_imaging::{render::Axis, stage::Say};
use js_sys::Date;
use wasm_bindgen_futures::spawn_local;

use crate::{dom, viewer::Inner};

/// The room is told at most so often, ms.
const EVERY: f64 = 100.0;

#[derive(Debug, Default)]
pub(crate) struct Telling {
    told: Cell<f64>,
    /// It is told once the time has come.
    due: Cell<bool>,
    /// Pixel of what is on screen under the pointer.
    pointer: Cell<Option<[f64; 2]>>,
    /// The slice through the last place that was pointed at in another plane.
    through: Cell<Option<u32>>,
}

impl Inner {
    /// The pointer is on this pixel of the picture, or on none.
    pub(crate) fn tell_pointer(self: &Rc<Self>, at: Option<[f64; 2]>) {
        self.telling.pointer.set(at);
        self.tell_room();
    }

    /// Another slice is shown. Where the reader only follows is not told: two who follow each other would hold each other
    /// back.
    pub(crate) fn tell_slice(self: &Rc<Self>) {
        let led = self.with_active(|pane, state| {
            let leader = state.pointers.first().filter(|_| state.following);
            leader.is_some_and(|leader| {
                (leader.picture, leader.slice, Axis::Slices)
                    == (pane.picture, pane.slice(), pane.axis)
            })
        });
        if led != Some(true) {
            self.tell_room();
        }
    }

    /// Likewise another picture.
    pub(crate) fn tell_picture(self: &Rc<Self>) {
        self.telling.pointer.set(None);
        self.tell_slice();
    }

    pub(crate) fn tell_room(self: &Rc<Self>) {
        if self.telling.due.get() {
            return;
        }
        let wait = self.telling.told.get() + EVERY - Date::now();
        if wait <= 0.0 {
            return self.tell_now();
        }
        self.telling.due.set(true);
        let viewer = self.clone();
        spawn_local(async move {
            // A clock that was set back does not silence it.
            dom::pause(wait.min(EVERY) as i32).await;
            viewer.telling.due.set(false);
            if !viewer.is_closed() {
                viewer.tell_now();
            }
        });
    }

    fn tell_now(&self) {
        self.telling.told.set(Date::now());
        let say = self.with_active(|pane, state| {
            let pointer = self.telling.pointer.get();
            let place = pointer.and_then(|pixel| pane.as_taken(pixel, state));
            let through = &self.telling.through;
            if pane.axis == Axis::Slices {
                through.set(None);
            } else if let Some((slice, _)) = place {
                through.set(Some(slice));
            }
            Say::Point {
                picture: pane.picture,
                slice: through.get().unwrap_or(pane.slice_as_taken()),
                at: place.map(|(_, pixel)| pixel),
                window: pane.window,
            }
        });
        if let Some(say) = say {
            self.say(&say);
        }
    }
}
