//! Cine: one slice after the other, back and forth for stacks, from the start for what moves. When the worker can't
//! keep up, slices are left out, because each step goes by the clock.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use wasm_bindgen::{JsCast, closure::Closure};
use web_sys::{Element, HtmlSelectElement};

use crate::{dom, pane::Pane, state::State, tools::fill, viewer::Inner};

/// Images a second to choose from, beside the file's own rate.
const SPEEDS: [f64; 4] = [5.0, 10.0, 15.0, 25.0];
/// Of files that have no rate.
const USUAL: f64 = 15.0;
/// A screen shows no more a second; less than one is no film.
const BOUNDS: [f64; 2] = [1.0, 60.0];

type Step = Closure<dyn FnMut(f64)>;

#[derive(Debug, Default)]
pub(crate) struct Cine {
    running: Cell<bool>,
    /// Where and when it began.
    began: Cell<(u32, f64)>,
    /// What the reader has chosen, and for which picture.
    chosen: Cell<Option<(usize, f64)>>,
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
            let speed = viewer.with_active(|pane, state| viewer.speed(pane, state));
            let gone = ((time - began) / 1000.0 * speed.unwrap_or(USUAL)) as u32;
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

    /// Slices a second: as chosen, or as the file says.
    fn speed(&self, pane: &Pane, state: &State) -> f64 {
        let chosen = self.cine.chosen.get();
        let chosen = chosen.filter(|(picture, _)| *picture == pane.picture);
        chosen.map_or_else(
            || own_speed(pane, state).unwrap_or(USUAL),
            |(_, speed)| speed,
        )
    }

    /// The reader chooses; what runs goes on from the slice where it is.
    pub(crate) fn choose_speed(&self, speed: f64) {
        let slice = self.with_active(|pane, _| {
            self.cine.chosen.set(Some((pane.picture, speed)));
            pane.slice()
        });
        self.cine.began.set((slice.unwrap_or_default(), f64::NAN));
    }

    fn show_speeds(&self) {
        let Some(select) = dom::find::<HtmlSelectElement>(&self.root, "[data-choose=speed]") else {
            return;
        };
        let now = self.with_active(|pane, state| (own_speed(pane, state), self.speed(pane, state)));
        let Some((own, speed)) = now else { return };
        let mut speeds = SPEEDS.to_vec();
        if let Some(own) = own.filter(|own| !SPEEDS.contains(own)) {
            let at = speeds.partition_point(|speed| *speed < own);
            speeds.insert(at, own);
        }
        let choices: Vec<(String, String)> = speeds
            .into_iter()
            .map(|speed| (format!("{speed}/s"), speed.to_string()))
            .collect();
        fill(&select, &choices);
        select.set_value(&speed.to_string());
    }

    pub(crate) fn show_cine(&self) {
        self.show_speeds();
        let running = self.cine.running.get();
        if let Some(button) = dom::find::<Element>(&self.root, "[data-act=cine]") {
            dom::pressed(&button, running);
            if let Some(icon) = dom::find::<Element>(&button, "use") {
                dom::set(&icon, "href", if running { "#v-pause" } else { "#v-play" });
            }
        }
    }
}

/// The rate that the file was taken at or asks for, to a tenth.
fn own_speed(pane: &Pane, state: &State) -> Option<f64> {
    let frame_time = state.series(pane.picture)?.frame_time?;
    let [least, most] = BOUNDS;
    Some(((10_000.0 / frame_time).round() / 10.0).clamp(least, most))
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
