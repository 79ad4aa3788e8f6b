//! The viewer: one owner of state, panes and worker, and the ways in: what the room tells, and events of the page.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use healthsync_imaging::{
    desk::{Answer, Ask, At, SeriesFacts},
    measure::measure,
    render::Axis,
    stage::{RECEIPT_MIME, Say, Tell},
};
use js_sys::{Array, Function};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::spawn_local;
use web_sys::{Blob, Element, Event, HtmlElement, ResizeObserver};

use crate::{
    cine::Cine,
    desk::Desk,
    dom,
    input::Input,
    pane::{Pane, index},
    state::{Picture, Stack, State},
    telling::Telling,
};

pub(crate) type Handle = Rc<Inner>;

/// Files that are handed to the worker at a time.
const BATCH: usize = 8;

/// Events that the root listens to, for everything inside it.
const EVENTS: [&str; 11] = [
    "click",
    "input",
    "change",
    "keydown",
    "wheel",
    "pointerdown",
    "pointermove",
    "pointerup",
    "pointercancel",
    "pointerleave",
    "dblclick",
];

pub(crate) struct Inner {
    pub(crate) root: HtmlElement,
    pub(crate) desk: Desk,
    pub(crate) state: RefCell<State>,
    pub(crate) panes: RefCell<Vec<Pane>>,
    /// The pane that takes keys and tools.
    pub(crate) active: Cell<usize>,
    pub(crate) input: Input,
    pub(crate) cine: Cine,
    pub(crate) telling: Telling,
    host: Function,
    closed: Cell<bool>,
    next: Cell<u32>,
    /// A redraw is due with the next frame.
    due: Cell<bool>,
    listeners: RefCell<Option<Listeners>>,
}

impl std::fmt::Debug for Inner {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Viewer").finish_non_exhaustive()
    }
}

struct Listeners {
    /// Handling one event may bring about another at once: a press that opens the choice of files is two clicks.
    events: Closure<dyn Fn(Event)>,
    observer: ResizeObserver,
    /// Called by the observer as long as that lives.
    _resized: Closure<dyn FnMut()>,
}

/// Fills the element and begins to listen.
pub(crate) fn open(root: HtmlElement, host: Function, worker: Function) -> Handle {
    // Our own text; nothing of anybody's is in it.
    root.set_inner_html(include_str!("viewer.html"));
    icons();
    for button in dom::all(&root, "button[title]") {
        let title = button.get_attribute("title").unwrap_or_default();
        dom::set(&button, "aria-label", &title);
    }
    let viewer = Rc::new(Inner {
        root,
        desk: Desk::new(worker),
        state: RefCell::default(),
        panes: RefCell::default(),
        active: Cell::default(),
        input: Input::default(),
        cine: Cine::default(),
        telling: Telling::default(),
        host,
        closed: Cell::default(),
        next: Cell::new(1),
        due: Cell::default(),
        listeners: RefCell::default(),
    });
    viewer.open_pane(0);
    viewer.listen();
    viewer.show_tools();
    viewer
}

/// The viewer's icons, once a page.
pub(crate) fn icons() {
    let document = dom::document();
    if document.get_element_by_id("viewer-icons").is_some() {
        return;
    }
    if let (Some(holder), Some(body)) = (dom::element("div", ""), document.body()) {
        holder.set_inner_html(include_str!("icons.svg"));
        holder.set_id("viewer-icons");
        dom::flag(&holder, "hidden", true);
        dom::append(&body, &holder);
    }
}

impl Inner {
    fn listen(self: &Rc<Self>) {
        let weak = Rc::downgrade(self);
        let events = Closure::<dyn Fn(Event)>::new(move |event: Event| {
            if let Some(viewer) = weak.upgrade() {
                viewer.on(&event);
            }
        });
        for name in EVENTS {
            let target: &web_sys::EventTarget = &self.root;
            let callback: &Function = events.as_ref().unchecked_ref();
            // `pointerleave` does not bubble; a wheel must be able to keep the page still.
            let options = js_sys::Object::new();
            let _ = js_sys::Reflect::set(
                &options,
                &"capture".into(),
                &JsValue::from(name == "pointerleave"),
            );
            let _ = js_sys::Reflect::set(&options, &"passive".into(), &JsValue::FALSE);
            let add = dom::get(target, "addEventListener").unchecked_into::<Function>();
            let _ = add.call3(target, &name.into(), callback, &options);
        }
        let weak = Rc::downgrade(self);
        let resized = Closure::new(move || {
            if let Some(viewer) = weak.upgrade() {
                viewer.redraw();
            }
        });
        if let Ok(observer) = ResizeObserver::new(resized.as_ref().unchecked_ref()) {
            observer.observe(&self.root);
            self.listeners.replace(Some(Listeners {
                events,
                observer,
                _resized: resized,
            }));
        }
    }

    pub(crate) fn close(&self) {
        self.closed.set(true);
        self.cine.stop();
        self.desk.end();
        if let Some(listeners) = self.listeners.take() {
            listeners.observer.disconnect();
            for name in EVENTS {
                let target: &web_sys::EventTarget = &self.root;
                let _ = target.remove_event_listener_with_callback(
                    name,
                    listeners.events.as_ref().unchecked_ref(),
                );
            }
        }
        self.root.set_inner_html("");
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.closed.get()
    }

    /// Tells the room.
    pub(crate) fn say(&self, say: &Say) {
        if let Ok(json) = serde_json::to_string(say) {
            let _ = self.host.call1(&JsValue::NULL, &JsValue::from_str(&json));
        }
    }

    pub(crate) fn note(&self, text: impl Into<String>) {
        self.say(&Say::Note { text: text.into() });
    }

    pub(crate) fn number(&self) -> u32 {
        let number = self.next.get();
        self.next.set(number + 1);
        number
    }

    pub(crate) fn open_pane(&self, picture: usize) {
        let Some(holder) = dom::find::<Element>(&self.root, "[data-panes]") else {
            return;
        };
        // The first pane, number 0, is the room's picture.
        let number = self.panes.borrow().last().map_or(0, |last| last.number + 1);
        if let Some(pane) = Pane::new(number, &holder, picture) {
            self.panes.borrow_mut().push(pane);
        }
    }

    pub(crate) fn take(self: &Rc<Self>, tell: Tell, parts: &Array) {
        match tell {
            Tell::Pictures { pictures, chosen } => self.take_pictures(pictures, chosen),
            Tell::Files { picture, expected } => self.take_files(picture, expected, parts),
            Tell::Marks { marks } => {
                let fresh = !marks.is_empty() && self.state.borrow().marks.is_empty();
                let mut state = self.state.borrow_mut();
                let read = state.read.clone();
                state.marks = marks.into_iter().chain(read).collect();
                drop(state);
                self.measure_marks();
                self.show_foot(fresh);
                self.redraw();
            }
            Tell::Pointers { pointers } => {
                self.state.borrow_mut().pointers = pointers;
                self.follow();
                self.redraw();
            }
        }
    }

    fn take_pictures(
        self: &Rc<Self>,
        pictures: Vec<healthsync_imaging::stage::PictureFacts>,
        chosen: usize,
    ) {
        {
            let mut state = self.state.borrow_mut();
            let mut before: Vec<Option<Stack>> = state
                .pictures
                .drain(..)
                .map(|picture| picture.stack)
                .collect();
            before.resize_with(pictures.len(), || None);
            state.pictures = pictures
                .into_iter()
                .zip(before)
                .map(|(facts, stack)| Picture { facts, stack })
                .collect();
        }
        let changed = {
            let mut panes = self.panes.borrow_mut();
            let active = self.active.get();
            panes.get_mut(active).is_some_and(|pane| {
                let changed = pane.picture != chosen;
                if changed {
                    pane.choose(chosen);
                }
                changed
            })
        };
        if changed {
            self.cine.stop();
        }
        self.measure_marks();
        self.show_tools();
        self.show_all();
        if changed {
            self.tell_picture();
            // It was chosen for the sake of a slice there.
            let led = self
                .state
                .borrow()
                .pointers
                .first()
                .is_some_and(|leader| leader.picture == chosen);
            if led {
                self.follow();
            }
        }
    }

    fn take_files(self: &Rc<Self>, picture: usize, expected: u32, parts: &Array) {
        let blobs = parts.iter().filter_map(|part| part.dyn_into::<Blob>().ok());
        let (receipts, blobs): (Vec<Blob>, Vec<Blob>) =
            blobs.partition(|blob| blob.type_() == RECEIPT_MIME);
        let set = self.number();
        {
            let mut state = self.state.borrow_mut();
            let Some(picture) = state.pictures.get_mut(picture) else {
                return;
            };
            let stack = picture.stack.get_or_insert_with(|| Stack {
                set,
                blobs: Vec::new(),
                expected,
                given: (0, 0),
                adding: false,
                series: None,
                receipt: None,
                fault: None,
            });
            stack.receipt = receipts.into_iter().next().or(stack.receipt.take());
            stack.expected = expected;
            stack.blobs.extend(blobs);
        }
        self.give(picture);
    }

    /// Hands the worker the files that it does not have yet: the first alone and then a few at a time, so that what the
    /// reader asks for comes between them. A worker that was started anew gets at once all that the last one had.
    pub(crate) fn give(self: &Rc<Self>, picture: usize) {
        let generation = self.desk.generation();
        let (set, parts, names) = {
            let mut state = self.state.borrow_mut();
            let Some(stack) = state.stack_mut(picture) else {
                return;
            };
            let anew = stack.given.0 != generation;
            let from = if anew { 0 } else { stack.given.1 };
            if from >= stack.blobs.len() || (stack.adding && !anew) {
                return;
            }
            let most = if anew { stack.given.1.max(1) } else { BATCH };
            let to = stack.blobs.len().min(from + most);
            stack.given = (generation, to);
            stack.adding = true;
            let names = (from..to).map(|at| format!("File {} of this series", at + 1));
            (
                stack.set,
                stack.blobs[from..to].iter().cloned().collect::<Array>(),
                names.collect::<Vec<_>>(),
            )
        };
        let viewer = self.clone();
        spawn_local(async move {
            let ask = Ask::Add {
                set,
                names,
                in_order: true,
            };
            let answer = viewer.desk.ask(&ask, &parts).await;
            if viewer.is_closed() {
                return;
            }
            let more = matches!(answer, Answer::Added { .. });
            viewer.added(picture, answer);
            // A file that has stopped the worker is not tried again until somebody asks for a picture.
            if more {
                viewer.give(picture);
            }
        });
    }

    fn added(self: &Rc<Self>, picture: usize, answer: Answer) {
        let first = {
            let mut state = self.state.borrow_mut();
            let Some(stack) = state.stack_mut(picture) else {
                return;
            };
            stack.adding = false;
            let first = stack.series.is_none();
            match answer {
                Answer::Added { series, refused } => {
                    if let Some(refused) = refused.first() {
                        stack.fault = Some(format!("{}: {}", refused.name, refused.why));
                    }
                    if let Some(series) = series.into_iter().next() {
                        stack.series = Some(series);
                    }
                }
                Answer::Failed { what } => stack.fault = Some(what),
                _ => {}
            }
            first
        };
        if first {
            self.show_tools();
            self.show_all();
        }
        self.measure_marks();
        self.show_foot(false);
        self.redraw();
    }

    pub(crate) fn show_all(self: &Rc<Self>) {
        let count = self.panes.borrow().len();
        for at in 0..count {
            self.show(at);
        }
        self.show_foot(false);
        self.redraw();
    }

    /// Draws a pane's slice anew. One question at a time is on its way; whatever changes meanwhile is drawn once.
    pub(crate) fn show(self: &Rc<Self>, at: usize) {
        {
            let state = self.state.borrow();
            let mut panes = self.panes.borrow_mut();
            let Some(pane) = panes.get_mut(at) else {
                return;
            };
            let picture = state.pictures.get(pane.picture);
            if let Some(url) = picture.and_then(|picture| picture.facts.url.clone()) {
                let alt = format!(
                    "Image {} of {} of this case",
                    pane.picture + 1,
                    state.pictures.len()
                );
                pane.show_photo(&url, &alt);
                return;
            }
            if state.series(pane.picture).is_none() {
                return;
            }
            if pane.busy.replace(true) {
                pane.again.set(true);
                return;
            }
        }
        let viewer = self.clone();
        spawn_local(async move {
            loop {
                viewer.show_once(at).await;
                let panes = viewer.panes.borrow();
                let Some(pane) = panes.get(at) else { return };
                if viewer.is_closed() || !pane.again.replace(false) {
                    pane.busy.set(false);
                    return;
                }
            }
        });
    }

    async fn show_once(self: &Rc<Self>, at: usize) {
        let (picture, place, look) = {
            let panes = self.panes.borrow();
            let state = self.state.borrow();
            let Some(pane) = panes.get(at) else {
                return;
            };
            let Some(stack) = state
                .pictures
                .get(pane.picture)
                .and_then(|picture| picture.stack.as_ref())
            else {
                return;
            };
            let place = At {
                set: stack.set,
                series: 0,
                slice: pane.slice(),
            };
            (pane.picture, place, pane.look())
        };
        self.give(picture);
        match self.desk.draw(place, look).await {
            Ok((shown, bitmap)) => {
                let mut state = self.state.borrow_mut();
                state.memory = shown.memory;
                match self.panes.borrow_mut().get_mut(at) {
                    Some(pane) if pane.picture == picture => {
                        if std::mem::take(&mut pane.fresh) {
                            pane.view = pane.home(&state);
                        }
                        pane.show_bitmap(&bitmap);
                        pane.shown = Some(shown);
                        pane.fault = None;
                    }
                    // Its memory is large and would wait for the garbage collector.
                    _ => bitmap.close(),
                }
            }
            // The pixels before would be taken for those of this slice.
            Err(what) => {
                if let Some(pane) = self.panes.borrow_mut().get_mut(at)
                    && pane.picture == picture
                {
                    pane.fault = Some(what);
                    pane.blank();
                }
            }
        }
        if at == self.active.get() {
            self.show_slice();
        }
        self.redraw();
    }

    /// Measures what is not measured yet, as far as its slices are here.
    pub(crate) fn measure_marks(self: &Rc<Self>) {
        let mut later = Vec::new();
        {
            let mut state = self.state.borrow_mut();
            let todo: Vec<_> = state
                .marks
                .iter()
                .filter(|mark| !state.measured.contains_key(&mark.id))
                .cloned()
                .collect();
            for mark in todo {
                if state.is_photo(mark.picture) {
                    let size = state.pictures[mark.picture].facts.size;
                    let measured = measure(mark.shape, &mark.points, None, size, |_, _| None);
                    state.measured.insert(mark.id, measured);
                } else if let Some(stack) = state
                    .pictures
                    .get(mark.picture)
                    .and_then(|picture| picture.stack.as_ref())
                    && stack
                        .series
                        .as_ref()
                        .is_some_and(|series| mark.slice < series.slices)
                {
                    later.push((stack.set, mark));
                }
            }
            for (_, mark) in &later {
                state.measured.insert(mark.id.clone(), None);
            }
        }
        for (set, mark) in later {
            let viewer = self.clone();
            spawn_local(async move {
                let ask = Ask::Measure {
                    at: At {
                        set,
                        series: 0,
                        slice: mark.slice,
                    },
                    shape: mark.shape,
                    points: mark.points,
                };
                if let Answer::Measured { measured } = viewer.desk.ask(&ask, &Array::new()).await {
                    viewer.state.borrow_mut().measured.insert(mark.id, measured);
                }
                if !viewer.is_closed() {
                    viewer.show_foot(false);
                    viewer.redraw();
                }
            });
        }
    }

    /// Draws everything that lies over the pictures, once before the next frame.
    pub(crate) fn redraw(self: &Rc<Self>) {
        if self.due.replace(true) {
            return;
        }
        let viewer = self.clone();
        let frame = Closure::once_into_js(move || {
            viewer.due.set(false);
            if !viewer.is_closed() {
                viewer.draw();
            }
        });
        let _ = dom::window().request_animation_frame(frame.unchecked_ref());
    }

    /// Something in the active pane.
    pub(crate) fn with_active<T>(&self, change: impl FnOnce(&mut Pane, &State) -> T) -> Option<T> {
        let state = self.state.borrow();
        let mut panes = self.panes.borrow_mut();
        panes
            .get_mut(self.active.get())
            .map(|pane| change(pane, &state))
    }

    /// Another slice, and with it the linked pane when it shows the same kind of planes.
    pub(crate) fn go(self: &Rc<Self>, slice: u32) {
        let at = self.active.get();
        let changed = {
            let state = self.state.borrow();
            let mut panes = self.panes.borrow_mut();
            let Some((picture, axis)) = panes.get(at).map(|pane| (pane.picture, pane.axis)) else {
                return;
            };
            panes
                .iter_mut()
                .enumerate()
                .filter(|(_, pane)| pane.picture == picture && pane.axis == axis)
                .map(|(at, pane)| (at, pane.go(slice, &state)))
                .filter_map(|(at, changed)| changed.then_some(at))
                .collect::<Vec<_>>()
        };
        for at in &changed {
            self.show(*at);
        }
        if !changed.is_empty() {
            self.show_slice();
            self.redraw();
            self.tell_slice();
        }
    }

    /// With two views of one series, the other one goes to the place that was pressed in the active one, and both show
    /// a cross there.
    pub(crate) fn cross(self: &Rc<Self>, spot: [f64; 2]) {
        let active = self.active.get();
        let found = self.with_active(|pane, state| {
            let pixel = pane.viewport(state).to_picture(spot);
            let size = pane.size(state);
            let inside =
                (0..2).all(|axis| pixel[axis] >= 0.0 && pixel[axis] < f64::from(size[axis]));
            pane.cross(pixel, state).filter(|_| inside)
        });
        let Some(Some(cross)) = found.filter(|_| self.panes.borrow().len() > 1) else {
            return;
        };
        self.state.borrow_mut().cross = Some(cross);
        let mut changed = Vec::new();
        for (at, pane) in self.panes.borrow_mut().iter_mut().enumerate() {
            let other = at != active && pane.picture == cross.picture;
            if other && pane.go(cross.at[index(pane.axis)], &self.state.borrow()) {
                changed.push(at);
            }
        }
        for at in changed {
            self.show(at);
        }
        self.redraw();
    }

    /// The slice, window and picture of whoever is followed.
    pub(crate) fn follow(self: &Rc<Self>) {
        let wanted = {
            let state = self.state.borrow();
            if !state.following {
                return;
            }
            let Some(pointer) = state.pointers.first() else {
                return;
            };
            (pointer.picture, pointer.slice, pointer.window)
        };
        let (picture, slice, window) = wanted;
        let same = self.with_active(|pane, _| {
            if pane.picture == picture {
                pane.axis = Axis::Slices;
                pane.slab = 1;
                pane.window = window;
            }
            pane.picture == picture
        });
        if same == Some(true) {
            self.go(slice);
            self.show_tools();
            self.show(self.active.get());
        } else {
            self.say(&Say::Choose { picture });
        }
    }

    pub(crate) fn active_series(&self) -> Option<SeriesFacts> {
        let state = self.state.borrow();
        let panes = self.panes.borrow();
        let pane = panes.get(self.active.get())?;
        state.series(pane.picture).cloned()
    }
}
