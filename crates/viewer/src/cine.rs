//! Cine: one slice after the other, back and forth for stacks, from the start for what moves. When the worker can't
//! keep up, slices are left out, because each step goes by the clock.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::Element;

use crate::{dom, viewer::Inner};

type Step = Closure<dyn FnMut(f64)>;

#[derive(Debug, Default)]
pub(crate) struct Cine {
    running: Cell<bool>,
    /// Where and when it began.
    began: Cell<(u32, f64)>,
    step: RefCell<Option<Step>>,
    /// What the browser calls the frame that was asked for last.
    frame: Cell<i32>,
}

impl Cine {
    pub(crate) fn stop(&self) {
        if self.running.replace(false) {
            // The step may be gone before that frame comes.
            let _ = dom::window().cancel_animation_frame(self.frame.get());
        }
    }
}

impl Inner {
    pub(crate) fn toggle_cine(self: &Rc<Self>) {
        if self.cine.running.get() {
            self.cine.stop();
            return self.show_cine();
        }
        let slice = self.with_active(|pane, state| (pane.slice(), pane.count(state)));
        let Some((slice, count)) = slice.filter(|(_, count)| *count > 1) else {
            return;
        };
        self.cine.running.set(true);
        self.cine.began.set((slice, f64::NAN));
        let (weak, moving) = (
            Rc::downgrade(self),
            self.active_series().is_some_and(|s| s.frame_time.is_some()),
        );
        let step = Closure::new(move |time: f64| {
            let Some(viewer) = weak.upgrade().filter(|viewer| viewer.cine.running.get()) else {
                return;
            };
            let (from, mut began) = viewer.cine.began.get();
            if began.is_nan() {
                began = time;
                viewer.cine.began.set((from, began));
            }
            let gone = ((time - began) / 1000.0 * viewer.speed()) as u32;
            viewer.go(place(from, gone, count, moving));
            viewer.next_step();
        });
        self.cine.step.replace(Some(step));
        self.next_step();
        self.show_cine();
    }

    fn next_step(&self) {
        if let Some(step) = &*self.cine.step.borrow() {
            let asked = dom::window().request_animation_frame(step.as_ref().unchecked_ref());
            self.cine.frame.set(asked.unwrap_or_default());
        }
    }

    /// Slices a second, as chosen.
    fn speed(&self) -> f64 {
        dom::find::<web_sys::HtmlSelectElement>(&self.root, "[data-choose=speed]")
            .and_then(|select| select.value().parse().ok())
            .unwrap_or(15.0)
    }

    pub(crate) fn show_cine(&self) {
        let running = self.cine.running.get();
        if let Some(button) = dom::find::<Element>(&self.root, "[data-act=cine]") {
            dom::pressed(&button, running);
            if let Some(icon) = dom::find::<Element>(&button, "use") {
                dom::set(&icon, "href", if running { "#v-pause" } else { "#v-play" });
            }
        }
    }
}

/// The slice after so many steps.
fn place(from: u32, gone: u32, count: u32, moving: bool) -> u32 {
    if moving {
        return (from + gone) % count;
    }
    let round = 2 * (count - 1);
    let at = (from + gone) % round;
    if at < count { at } else { round - at }
}
