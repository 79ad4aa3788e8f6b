//! Mouse, fingers, wheel and keys. One finger or the left button uses the tool; two fingers zoom and move; the right
//! button windows; the wheel goes through slices, or zooms what is no stack and with Ctrl.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use healthsync_imaging::{
    desk::{Answer, Ask, At},
    measure::Shape,
    render::{Axis, View, Window},
    stage::{Mark, Say},
};
use js_sys::Array;
use wasm_bindgen::JsCast;
use wasm_bindgen_futures::spawn_local;
use web_sys::{
    Element, Event, HtmlInputElement, HtmlSelectElement, KeyboardEvent, PointerEvent, WheelEvent,
};

use crate::{dom, draft::Draft, label, state::Tool, tools::STEP, viewer::Inner};

#[derive(Debug, Default)]
pub(crate) struct Input {
    fingers: RefCell<Vec<Finger>>,
    drag: RefCell<Option<Drag>>,
    /// Parts of a slice that the wheel has turned.
    turned: Cell<f64>,
    asking: Cell<bool>,
    /// What the pointer is over, by pane.
    value: RefCell<Option<(u32, String)>>,
}

#[derive(Clone, Copy, Debug)]
struct Finger {
    id: i32,
    at: [f64; 2],
}

/// What was so when the button went down.
#[derive(Clone, Copy, Debug)]
struct Drag {
    tool: Tool,
    from: [f64; 2],
    slice: u32,
    window: Option<Window>,
    view: View,
}

impl Input {
    /// The value under the pointer, as text.
    pub(crate) fn value(&self, pane: u32) -> Option<String> {
        let value = self.value.borrow();
        value
            .as_ref()
            .filter(|(at, _)| *at == pane)
            .map(|(_, text)| text.clone())
    }
}

impl Inner {
    pub(crate) fn on(self: &Rc<Self>, event: &Event) {
        match event.type_().as_str() {
            "click" => self.clicked(event),
            "input" | "change" => self.chosen(event),
            "keydown" => self.key(event.unchecked_ref()),
            "wheel" => self.wheel(event.unchecked_ref()),
            "dblclick" => {
                if self.stage_of(event).is_some()
                    && !matches!(self.state.borrow().tool, Tool::Draw(_))
                {
                    self.change_view(|port| {
                        if port.view.zoom > 1.0 {
                            View {
                                zoom: 1.0,
                                pan: [0.0, 0.0],
                                ..port.view
                            }
                        } else {
                            port.zoomed(2.5, port.stage.map(|size| size / 2.0))
                        }
                    });
                }
            }
            name => {
                let event: &PointerEvent = event.unchecked_ref();
                match name {
                    "pointerdown" => self.down(event),
                    "pointermove" => self.moved(event),
                    "pointerup" | "pointercancel" => self.up(event),
                    _ => self.left(event),
                }
            }
        }
    }

    /// The pane that an event happened in.
    fn stage_of(&self, event: &Event) -> Option<usize> {
        let target: Element = event.target()?.dyn_into().ok()?;
        let stage = target.closest("[data-pane]").ok()??;
        let number: u32 = stage.get_attribute("data-pane")?.parse().ok()?;
        self.panes
            .borrow()
            .iter()
            .position(|pane| pane.number == number)
    }

    /// Where on the active stage, from its corner.
    fn spot(&self, event: &PointerEvent) -> [f64; 2] {
        let panes = self.panes.borrow();
        let Some(pane) = panes.get(self.active.get()) else {
            return [0.0, 0.0];
        };
        let rect = pane.stage.get_bounding_client_rect();
        [
            f64::from(event.client_x()) - rect.left(),
            f64::from(event.client_y()) - rect.top(),
        ]
    }

    fn clicked(self: &Rc<Self>, event: &Event) {
        let Some(target) = event
            .target()
            .and_then(|target| target.dyn_into::<Element>().ok())
        else {
            return;
        };
        let Ok(Some(button)) = target.closest("[data-act], [data-tool], [data-axis]") else {
            return;
        };
        if let Some(tool) = button
            .get_attribute("data-tool")
            .and_then(|name| Tool::named(&name))
        {
            self.use_tool(tool);
        } else if let Some(axis) = button.get_attribute("data-axis") {
            self.turn_to(match axis.as_str() {
                "rows" => Axis::Rows,
                "columns" => Axis::Columns,
                _ => Axis::Slices,
            });
        } else if let Some(act) = button.get_attribute("data-act") {
            self.act(&act, &button);
        }
    }

    fn chosen(self: &Rc<Self>, event: &Event) {
        let Some(target) = event
            .target()
            .and_then(|target| target.dyn_into::<Element>().ok())
        else {
            return;
        };
        let value = target
            .dyn_ref::<HtmlSelectElement>()
            .map(HtmlSelectElement::value)
            .or_else(|| {
                target
                    .dyn_ref::<HtmlInputElement>()
                    .map(HtmlInputElement::value)
            })
            .unwrap_or_default();
        match target.get_attribute("data-choose").as_deref() {
            Some("slice") => {
                let Ok(at) = value.parse::<u32>() else { return };
                if self.active_series().is_some() {
                    self.go(at.saturating_sub(1));
                } else if event.type_() == "change" {
                    self.choose(at.saturating_sub(1) as usize);
                }
            }
            Some("picture") if event.type_() == "change" => {
                if let Ok(at) = value.parse() {
                    self.choose(at);
                }
            }
            Some("report") if event.type_() == "change" => {
                if let Some(input) = target.dyn_ref() {
                    self.read_report(input);
                }
            }
            Some("preset") if event.type_() == "change" => {
                let window = value.split_once(' ').and_then(|(centre, width)| {
                    Some(Window {
                        centre: centre.parse().ok()?,
                        width: width.parse().ok()?,
                    })
                });
                self.set_window(window);
            }
            Some("speed") if event.type_() == "change" => {
                if let Ok(speed) = value.parse() {
                    self.choose_speed(speed);
                }
            }
            Some("tags") => self.filter_tags(),
            _ => {}
        }
    }

    /// The first pane shows what the room has chosen; the second one is the reader's alone.
    fn choose(self: &Rc<Self>, picture: usize) {
        if picture >= self.state.borrow().pictures.len() {
            return;
        }
        if self.active.get() == 0 {
            return self.say(&Say::Choose { picture });
        }
        self.with_active(|pane, _| pane.choose(picture));
        self.show_tools();
        self.show_all();
    }

    fn key(self: &Rc<Self>, event: &KeyboardEvent) {
        let control = event.ctrl_key() || event.meta_key();
        let key = event.key();
        if control && key.eq_ignore_ascii_case("z") {
            event.prevent_default();
            return if event.shift_key() {
                self.redo()
            } else {
                self.undo()
            };
        }
        let target = event
            .target()
            .and_then(|target| target.dyn_into::<Element>().ok());
        if control || event.alt_key() {
            return;
        }
        // In the toolbar arrows go from tool to tool; fields keep their keys.
        if let Some(target) = &target {
            if target
                .closest("[role=toolbar]")
                .is_ok_and(|bar| bar.is_some())
                && self.walk_toolbar(target, &key)
            {
                return event.prevent_default();
            }
            if target
                .closest("input, select, dialog, summary, [popover]")
                .is_ok_and(|field| field.is_some())
            {
                return;
            }
            if key == " "
                && target
                    .closest("button")
                    .is_ok_and(|button| button.is_some())
            {
                return;
            }
        }
        let stack = self.active_series().is_some();
        let (zoomed, slice, picture) = self
            .with_active(|pane, _| (pane.view.zoom > 1.0, pane.slice(), pane.picture))
            .unwrap_or_default();
        let pan = |by: [f64; 2]| self.change_view(|port| port.moved(by));
        match key.as_str() {
            "+" | "=" => self.zoom(STEP),
            "-" => self.zoom(1.0 / STEP),
            "0" => self.change_view(|port| View {
                zoom: 1.0,
                pan: [0.0, 0.0],
                ..port.view
            }),
            "1" => self.actual(),
            "ArrowUp" if stack => self.go(slice.saturating_sub(1)),
            "ArrowDown" if stack => self.go(slice + 1),
            "Home" if stack => self.go(0),
            "End" if stack => self.go(u32::MAX),
            "ArrowUp" if zoomed => pan([0.0, 48.0]),
            "ArrowDown" if zoomed => pan([0.0, -48.0]),
            "ArrowLeft" if zoomed => pan([48.0, 0.0]),
            "ArrowRight" if zoomed => pan([-48.0, 0.0]),
            "PageUp" | "ArrowLeft" | "[" => {
                if let Some(before) = picture.checked_sub(1) {
                    self.choose(before);
                }
            }
            "PageDown" | "ArrowRight" | "]" => self.choose(picture + 1),
            "Escape" => {
                let mut state = self.state.borrow_mut();
                state.draft = None;
                state.cross = None;
                drop(state);
                self.redraw();
            }
            " " if stack => self.toggle_cine(),
            other => {
                let act = match other.to_ascii_lowercase().as_str() {
                    "s" if stack => return self.use_tool(Tool::Scroll),
                    "w" if stack => return self.use_tool(Tool::Window),
                    "p" => return self.use_tool(Tool::Pan),
                    "z" => return self.use_tool(Tool::Zoom),
                    "l" => return self.use_tool(Tool::Draw(Shape::Length)),
                    "a" => return self.use_tool(Tool::Draw(Shape::Angle)),
                    "e" => return self.use_tool(Tool::Draw(Shape::Ellipse)),
                    "o" => return self.use_tool(Tool::Draw(Shape::Arrow)),
                    "h" if stack => return self.use_tool(Tool::Draw(Shape::Point)),
                    "i" if stack => "invert",
                    "f" => "follow",
                    "r" => "reset",
                    "t" if stack => "tags",
                    "2" => "pair",
                    _ => return,
                };
                let root: Element = self.root.clone().into();
                self.act(act, &root);
            }
        }
        event.prevent_default();
    }

    /// One tab stop; says whether the key was for it.
    fn walk_toolbar(&self, from: &Element, key: &str) -> bool {
        let step = match key {
            "ArrowRight" => 1,
            "ArrowLeft" => -1,
            _ => return false,
        };
        if from.tag_name().eq_ignore_ascii_case("select") {
            return false;
        }
        let shown: Vec<web_sys::HtmlElement> = dom::all(&self.root, "[role=toolbar] > button")
            .into_iter()
            .filter_map(|button| button.dyn_into().ok())
            .filter(|button: &web_sys::HtmlElement| button.offset_width() > 0)
            .collect();
        let at = shown
            .iter()
            .position(|button| button.is_same_node(Some(from)));
        let Some(at) = at else { return false };
        let next = (at as i64 + step).rem_euclid(shown.len() as i64) as usize;
        let _ = shown[next].focus();
        true
    }

    fn wheel(self: &Rc<Self>, event: &WheelEvent) {
        let Some(at) = self.stage_of(event) else {
            return;
        };
        event.prevent_default();
        self.activate(at);
        let stack = self.active_series().is_some();
        // Lines and pages are larger than pixels.
        let delta = event.delta_y() * if event.delta_mode() == 0 { 1.0 } else { 40.0 };
        if stack && !event.ctrl_key() {
            let turned = self.input.turned.get() + delta.clamp(-120.0, 120.0) / 50.0;
            let whole = turned.trunc();
            self.input.turned.set(turned - whole);
            if whole != 0.0 {
                let slice = self.with_active(|pane, _| pane.slice()).unwrap_or_default();
                self.go((i64::from(slice) + whole as i64).clamp(0, i64::from(u32::MAX)) as u32);
            }
            return;
        }
        let factor = (-delta.clamp(-120.0, 120.0) / 480.0).exp2();
        let spot = self.spot(event.unchecked_ref());
        self.change_view(|port| port.zoomed(factor, spot));
    }

    fn down(self: &Rc<Self>, event: &PointerEvent) {
        let Some(at) = self.stage_of(event) else {
            return;
        };
        self.activate(at);
        if let Some(pane) = self.panes.borrow().get(at) {
            let _ = pane.stage.set_pointer_capture(event.pointer_id());
        }
        let spot = self.spot(event);
        self.input.fingers.borrow_mut().push(Finger {
            id: event.pointer_id(),
            at: spot,
        });
        let tool = match event.button() {
            0 => self.state.borrow().tool,
            1 => Tool::Pan,
            2 if self.active_series().is_some() => Tool::Window,
            _ => return,
        };
        if self.input.fingers.borrow().len() > 1 {
            self.input.drag.replace(None);
            self.state.borrow_mut().draft = None;
            return;
        }
        let drag = self.with_active(|pane, state| {
            let shown = pane.shown.as_ref();
            let shown = shown.and_then(|shown| shown.window.or(shown.range));
            (
                Drag {
                    tool,
                    from: spot,
                    slice: pane.slice(),
                    window: pane.window.or(shown),
                    view: pane.view,
                },
                pane.viewport(state).to_picture(spot),
                pane.axis == Axis::Slices && pane.slab == 1,
                pane.on_screen(),
            )
        });
        let Some((drag, pixel, native, on_screen)) = drag else {
            return;
        };
        if let Tool::Draw(shape) = tool {
            if !native {
                return self.note("Measurements are kept on slices as they were taken. Choose “As taken” under More tools.");
            }
            // Nothing is there to be measured; the stage says why.
            if on_screen.is_none() {
                return;
            }
            let mut state = self.state.borrow_mut();
            match &mut state.draft {
                // The other arm of an angle.
                Some(draft) if draft.pane == at && draft.shape == shape => draft.follow(pixel, 1.0),
                draft => *draft = Some(Draft::begin(at, shape, pixel)),
            }
        }
        self.input.drag.replace(Some(drag));
        self.redraw();
    }

    fn moved(self: &Rc<Self>, event: &PointerEvent) {
        let fingers = self.input.fingers.borrow().clone();
        if fingers.is_empty() {
            return self.hover(event);
        }
        let spot = self.spot(event);
        let Some(at) = fingers
            .iter()
            .position(|finger| finger.id == event.pointer_id())
        else {
            return;
        };
        self.input.fingers.borrow_mut()[at].at = spot;
        if let [_, _] = fingers.as_slice() {
            let (old, other) = (fingers[at].at, fingers[1 - at].at);
            let apart = |a: [f64; 2]| (a[0] - other[0]).hypot(a[1] - other[1]).max(1.0);
            let middle = [(spot[0] + other[0]) / 2.0, (spot[1] + other[1]) / 2.0];
            let by = [(spot[0] - old[0]) / 2.0, (spot[1] - old[1]) / 2.0];
            self.change_view(|port| {
                let zoomed = healthsync_imaging::render::Viewport {
                    view: port.zoomed(apart(spot) / apart(old), middle),
                    ..*port
                };
                if zoomed.view.zoom > 1.0 {
                    zoomed.moved(by)
                } else {
                    zoomed.view
                }
            });
            return;
        }
        let Some(drag) = *self.input.drag.borrow() else {
            return;
        };
        self.dragged(drag, spot);
        self.point(spot);
    }

    fn dragged(self: &Rc<Self>, drag: Drag, spot: [f64; 2]) {
        let by = [spot[0] - drag.from[0], spot[1] - drag.from[1]];
        match drag.tool {
            Tool::Scroll => {
                let (count, height) = self
                    .with_active(|pane, state| {
                        (
                            pane.count(state),
                            f64::from(pane.stage.client_height().max(1)),
                        )
                    })
                    .unwrap_or((0, 1.0));
                // The whole series over the stage's height, and never less than 3 px a slice.
                let step = (height / f64::from(count.max(1))).clamp(3.0, 40.0);
                let slice = f64::from(drag.slice) + (by[1] / step).round();
                self.go(slice.max(0.0) as u32);
            }
            Tool::Window => {
                let Some(before) = drag.window else { return };
                // Values of floating point may all lie between 0 and 1.
                let fine = before.width < 10.0;
                let speed = before.width / 300.0;
                let speed = if fine { speed } else { speed.max(0.05) };
                let step = |value: f64| if fine { value } else { value.round() };
                let least = if fine { before.width / 100.0 } else { 1.0 };
                let window = Window {
                    centre: step(before.centre + by[1] * speed),
                    width: step(before.width + by[0] * speed).max(least),
                };
                self.set_window(Some(window));
            }
            Tool::Pan => self.change_view(|port| {
                healthsync_imaging::render::Viewport {
                    view: drag.view,
                    ..*port
                }
                .moved(by)
            }),
            Tool::Zoom => self.change_view(|port| {
                healthsync_imaging::render::Viewport {
                    view: drag.view,
                    ..*port
                }
                .zoomed((-by[1] / 120.0).exp2(), drag.from)
            }),
            Tool::Draw(_) => {
                let place = self.with_active(|pane, state| {
                    let port = pane.viewport(state);
                    (port.to_picture(spot), port.scale())
                });
                if let (Some((pixel, scale)), Some(draft)) =
                    (place, self.state.borrow_mut().draft.as_mut())
                {
                    draft.follow(pixel, scale);
                }
                self.redraw();
            }
        }
    }

    fn up(self: &Rc<Self>, event: &PointerEvent) {
        self.input
            .fingers
            .borrow_mut()
            .retain(|finger| finger.id != event.pointer_id());
        let Some(drag) = self.input.drag.take() else {
            return;
        };
        if matches!(drag.tool, Tool::Window) {
            self.show_tools();
        }
        if event.type_() == "pointercancel" {
            return;
        }
        if !matches!(drag.tool, Tool::Draw(_)) {
            let spot = self.spot(event);
            let far = (spot[0] - drag.from[0]).hypot(spot[1] - drag.from[1]);
            // A press and no drag.
            if event.button() == 0 && far < 3.0 {
                self.cross(spot);
            }
            return;
        }
        let place = self.with_active(|pane, state| {
            (pane.picture, pane.on_screen(), pane.viewport(state).scale())
        });
        let Some((picture, Some(slice), scale)) = place else {
            self.state.borrow_mut().draft = None;
            return self.redraw();
        };
        let whole = {
            let mut state = self.state.borrow_mut();
            let Some(draft) = state.draft.as_mut() else {
                return;
            };
            let whole = draft.release(scale);
            let waits = draft.shape == Shape::Angle && draft.points.len() == 3 && !whole;
            let draft = if whole || !waits {
                state.draft.take()
            } else {
                None
            };
            draft.filter(|_| whole)
        };
        if let Some(draft) = whole {
            let mark = Mark {
                id: String::new(),
                picture,
                slice,
                shape: draft.shape,
                points: draft.points,
                text: String::new(),
                by: String::new(),
                own: true,
            };
            let mut state = self.state.borrow_mut();
            state.made.push(mark.clone());
            state.undone.clear();
            drop(state);
            self.say(&Say::Mark(mark));
        }
        self.redraw();
    }

    fn left(self: &Rc<Self>, event: &PointerEvent) {
        if self.input.fingers.borrow().is_empty() && self.stage_of(event).is_some() {
            self.input.value.replace(None);
            self.tell_pointer(None);
            self.redraw();
        }
    }

    /// A free pointer: the value below it, and the room is told where it is.
    fn hover(self: &Rc<Self>, event: &PointerEvent) {
        let Some(at) = self.stage_of(event) else {
            return;
        };
        if self.panes.borrow().len() == 1 {
            self.activate(at);
        }
        if at != self.active.get() {
            return;
        }
        let spot = self.spot(event);
        // The other arm of an angle follows a free pointer, too.
        let place = self.with_active(|pane, state| {
            let port = pane.viewport(state);
            (port.to_picture(spot), port.scale())
        });
        if let (Some((pixel, scale)), Some(draft)) = (place, self.state.borrow_mut().draft.as_mut())
        {
            draft.follow(pixel, scale);
        }
        if self.state.borrow().draft.is_some() {
            self.redraw();
        }
        self.point(spot);
        self.ask_value(spot);
    }

    fn point(self: &Rc<Self>, spot: [f64; 2]) {
        let pixel = self.with_active(|pane, state| {
            let pixel = pane.viewport(state).to_picture(spot);
            let size = pane.size(state);
            let inside = (0..2).all(|axis| (0.0..=f64::from(size[axis])).contains(&pixel[axis]));
            inside.then_some(pixel)
        });
        self.tell_pointer(pixel.flatten());
    }

    fn ask_value(self: &Rc<Self>, spot: [f64; 2]) {
        if self.input.asking.get() {
            return;
        }
        let ask = self.with_active(|pane, state| {
            let stack = state.pictures.get(pane.picture)?.stack.as_ref()?;
            stack.series.as_ref().filter(|series| !series.colour)?;
            let shown = pane.shown.as_ref()?;
            let pixel = pane.viewport(state).to_picture(spot);
            let size = shown.size;
            let inside =
                (0..2).all(|axis| pixel[axis] >= 0.0 && pixel[axis] < f64::from(size[axis]));
            let at = At {
                set: stack.set,
                series: 0,
                slice: shown.slice,
            };
            inside.then(|| {
                (
                    pane.number,
                    [pixel[0] as u32, pixel[1] as u32],
                    at,
                    (shown.axis, pane.slab),
                    state.unit(pane.picture).to_owned(),
                )
            })
        });
        let Some(Some((pane, pixel, at, (axis, slab), unit))) = ask else {
            self.input.value.replace(None);
            return;
        };
        self.input.asking.set(true);
        let viewer = self.clone();
        spawn_local(async move {
            let ask = Ask::Value {
                at,
                pixel,
                axis,
                slab,
            };
            let answer = viewer.desk.ask(&ask, &Array::new()).await;
            viewer.input.asking.set(false);
            let text = match answer {
                Answer::Value { value } => {
                    let value = value.map(|value| label::valued(value, &unit));
                    let value = value.as_deref().unwrap_or("no value");
                    Some((pane, format!("{value} at {}, {}", pixel[0], pixel[1])))
                }
                _ => None,
            };
            viewer.input.value.replace(text);
            if !viewer.is_closed() {
                viewer.redraw();
            }
        });
    }
}
