//! The dialog in which a person looks at a series before it is shared: its pixels, with boxes and outlines to cover what is written
//! in them, why she is asked, and what was removed from its headers.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use healthsync_imaging::{
    desk::{At, Keep, Look, SeriesFacts},
    intake::Became,
    render::Axis,
};
use js_sys::{Array, Function, Promise};
use wasm_bindgen::{JsCast, JsValue, closure::Closure};
use wasm_bindgen_futures::{JsFuture, spawn_local};
use web_sys::{
    Element, Event, HtmlButtonElement, HtmlCanvasElement, HtmlDialogElement, HtmlElement,
    HtmlInputElement, KeyboardEvent, PointerEvent,
};

use crate::{
    dom,
    receipt::Receipt,
    study::{Cover, SET, Said, Shared},
    viewer::icons,
};

/// Height of what the buttons cover, in parts of the picture.
const STRIP: f64 = 0.1;
/// Boxes smaller than this, in pixels of the picture, are slips of the hand.
const LEAST: u32 = 4;
/// An outline has at most so many.
const CORNERS: usize = 1_000;
const EVENTS: [&str; 7] = [
    "click",
    "input",
    "change",
    "keydown",
    "pointerdown",
    "pointermove",
    "pointerup",
];

struct Review {
    shared: Rc<Shared>,
    series: u32,
    facts: SeriesFacts,
    dialog: HtmlDialogElement,
    said: Said,
    covers: RefCell<Vec<Cover>>,
    /// A drag draws an outline, and no box.
    outlining: Cell<bool>,
    slice: Cell<u32>,
    /// A cover that is being drawn, the last of them: where it began.
    corner: Cell<Option<[u32; 2]>>,
    busy: Cell<bool>,
    again: Cell<bool>,
    /// It is being cleaned: nothing is decided any more.
    cleaning: Cell<bool>,
    /// Called with `true` to clean, with `false` to leave.
    decided: RefCell<Option<Function>>,
}

/// Opens the dialog and waits for the person.
pub(crate) async fn open(shared: Rc<Shared>, series: u32, began: &Function) -> (Became, Array) {
    let refused = |what: String| (Became::Refused { what }, Array::new());
    if let Err(what) = shared.ready().await {
        return refused(what);
    }
    let facts = shared.series.borrow().get(series as usize).cloned();
    let said = shared.said.borrow().get(&series).cloned();
    let dialog = dom::element("dialog", "dialog dialog--review")
        .and_then(|element| element.dyn_into::<HtmlDialogElement>().ok());
    let (Some(facts), Some(dialog)) = (facts, dialog) else {
        return refused("This series is not open any more.".to_owned());
    };
    icons();
    // Our own text; nothing of anybody's is in it.
    dialog.set_inner_html(include_str!("review.html"));
    dom::set(&dialog, "data-testid", "review-dialog");
    dom::set(
        &dialog,
        "aria-label",
        "Look at a series before it is shared",
    );
    let said = said.unwrap_or_default();
    let review = Rc::new(Review {
        covers: RefCell::new(said.covers.clone()),
        outlining: Cell::default(),
        shared: shared.clone(),
        series,
        facts,
        dialog: dialog.clone(),
        said,
        slice: Cell::default(),
        corner: Cell::default(),
        busy: Cell::default(),
        again: Cell::default(),
        cleaning: Cell::default(),
        decided: RefCell::default(),
    });
    let listener = review.listen();
    if let Some(body) = dom::document().body() {
        dom::append(&body, &dialog);
    }
    shared.dialog.replace(Some(dialog.clone()));
    let _ = dialog.show_modal();
    review.fill();
    review.begin();
    let outcome = if review.decision().await {
        let covers = review.covers.borrow().clone();
        let keep = review.keep();
        let _ = began.call0(&JsValue::NULL);
        shared.clean(series, covers, keep, true).await
    } else {
        (Became::Left, Array::new())
    };
    shared.dialog.take();
    // The browser says "close" later, when nobody is there to hear it any more.
    review.listen_no_more(&listener);
    dialog.close();
    dialog.remove();
    outcome
}

impl Review {
    fn listen(self: &Rc<Self>) -> Closure<dyn Fn(Event)> {
        let review = Rc::downgrade(self);
        let listener = Closure::<dyn Fn(Event)>::new(move |event: Event| {
            if let Some(review) = review.upgrade() {
                review.on(&event);
            }
        });
        for name in EVENTS.into_iter().chain(["cancel", "close"]) {
            let _ = self
                .dialog
                .add_event_listener_with_callback(name, listener.as_ref().unchecked_ref());
        }
        listener
    }

    fn listen_no_more(&self, listener: &Closure<dyn Fn(Event)>) {
        for name in EVENTS.into_iter().chain(["cancel", "close"]) {
            let _ = self
                .dialog
                .remove_event_listener_with_callback(name, listener.as_ref().unchecked_ref());
        }
    }

    fn find<T: JsCast>(&self, selector: &str) -> Option<T> {
        dom::find(&self.dialog, selector)
    }

    /// Makes the canvas and draws the first image.
    fn begin(self: &Rc<Self>) {
        let canvas = dom::element("canvas", "review__pixels")
            .and_then(|element| element.dyn_into::<HtmlCanvasElement>().ok());
        let (Some(canvas), Some(picture)) = (canvas, self.find::<HtmlElement>("[data-picture]"))
        else {
            return;
        };
        let [columns, rows] = self.facts.size.map(f64::from);
        let aspect = self
            .facts
            .scale
            .map_or(1.0, |scale| scale.spacing[0] / scale.spacing[1]);
        dom::style(
            &picture,
            "--ratio",
            &format!("{:.5}", columns / rows * aspect),
        );
        let _ = picture.prepend_with_node_1(&canvas);
        self.show();
    }

    /// Draws the image that is wanted; one question at a time is on its way.
    fn show(self: &Rc<Self>) {
        let last = self.facts.slices.max(1);
        let place = format!("{} / {last}", self.slice.get() + 1);
        dom::text(&self.dialog, "[data-place]", &place);
        if self.busy.replace(true) {
            self.again.set(true);
            return;
        }
        let review = self.clone();
        spawn_local(async move {
            loop {
                let at = At {
                    set: SET,
                    series: review.series,
                    slice: review.slice.get(),
                };
                let look = Look {
                    window: None,
                    inverted: false,
                    axis: Axis::Slices,
                    slab: 1,
                    overlays: review.overlays(),
                };
                match review.shared.desk.draw(at, look).await {
                    Ok((_, bitmap)) => match review.find::<HtmlCanvasElement>("canvas") {
                        Some(canvas) => {
                            dom::put(&canvas, &bitmap);
                            dom::style(&canvas, "visibility", "visible");
                        }
                        None => bitmap.close(),
                    },
                    // The pixels before would be taken for those of this image.
                    Err(what) => {
                        dom::text(&review.dialog, "[data-said]", &what);
                        if let Some(canvas) = review.find::<HtmlCanvasElement>("canvas") {
                            dom::style(&canvas, "visibility", "hidden");
                        }
                    }
                }
                if !review.again.replace(false) {
                    break;
                }
            }
            review.busy.set(false);
        });
    }

    /// Whether what the files draw over their images is shown, too.
    fn overlays(&self) -> bool {
        self.find::<HtmlInputElement>("[data-overlays]")
            .is_some_and(|switch| switch.checked())
    }

    /// The dialog's words.
    fn fill(&self) {
        let facts = &self.facts;
        let images = if facts.slices == 1 {
            "1 image".to_owned()
        } else {
            format!("{} images", facts.slices)
        };
        dom::text(
            &self.dialog,
            "[data-title]",
            &format!("{}, {images}", facts.modality),
        );
        let [columns, rows] = facts.size;
        let mut said = format!("{columns} × {rows} pixels.");
        if let Some(words) = &facts.description {
            said = format!("{said} The files call it “{words}”; that comes off.");
        }
        dom::text(&self.dialog, "[data-said]", &said);
        if let Some(slider) = self.find::<HtmlInputElement>("[data-slice]") {
            slider.set_max(&facts.slices.max(1).to_string());
        }
        if let Some(scrub) = self.find::<Element>("[data-scrub]") {
            dom::flag(&scrub, "hidden", facts.slices < 2);
        }
        if let Some(over) = self.find::<Element>("[data-over]") {
            dom::flag(&over, "hidden", !facts.overlays);
        }
        if let Some(why) = self.find::<Element>("[data-why]") {
            dom::flag(&why, "hidden", self.said.reasons.is_empty());
        }
        for reason in &self.said.reasons {
            self.item("[data-reasons]", reason);
        }
        let confirm = format!(
            "I have looked at {}. No name, date or number of a person is written in {}, or it is covered.",
            if facts.slices == 1 {
                "the image".to_owned()
            } else {
                format!("all {images}")
            },
            if facts.slices == 1 { "it" } else { "them" },
        );
        dom::text(&self.dialog, "[data-confirm-text]", &confirm);
        // The choices are those of DICOM's profile.
        let dicom = !matches!(facts.modality.as_str(), "TIFF" | "NIfTI");
        if let Some(keeping) = self.find::<Element>("[data-keeping]") {
            dom::flag(&keeping, "hidden", !dicom);
        }
        let kept = self.said.keep;
        for (name, on) in [
            ("patient", kept.patient),
            ("device", kept.device),
            ("institution", kept.institution),
            ("dates", kept.dates),
        ] {
            if let Some(switch) = self.find::<HtmlInputElement>(&format!("[data-keep={name}]")) {
                switch.set_checked(on);
            }
        }
        self.fill_receipt();
        self.covered();
    }

    /// What is to be kept, as chosen.
    fn keep(&self) -> Keep {
        let on = |name: &str| {
            self.find::<HtmlInputElement>(&format!("[data-keep={name}]"))
                .is_some_and(|switch| switch.checked())
        };
        Keep {
            patient: on("patient"),
            device: on("device"),
            institution: on("institution"),
            dates: on("dates"),
        }
    }

    fn fill_receipt(&self) {
        let Some(receipt) = self.receipt() else {
            let later = "Names, dates, numbers and private fields come off when you clean it. What it was is listed here afterwards, and goes with the case as its receipt.";
            return dom::text(&self.dialog, "[data-removed]", later);
        };
        let text = format!(
            "{} The list goes encrypted with the case, without any of the values.",
            receipt.sum()
        );
        dom::text(&self.dialog, "[data-removed]", &text);
        for warning in &receipt.warnings {
            self.item("[data-warnings]", warning);
        }
        let (Some(fields), Some(rows)) = (
            self.find::<Element>("[data-fields]"),
            self.find::<Element>("[data-rows]"),
        ) else {
            return;
        };
        dom::flag(&fields, "hidden", false);
        receipt.fill(&rows);
    }

    fn receipt(&self) -> Option<Receipt> {
        serde_json::from_str(self.said.receipt.as_deref()?).ok()
    }

    fn item(&self, list: &str, text: &str) {
        if let (Some(list), Some(item)) = (self.find::<Element>(list), dom::element("li", "")) {
            item.set_text_content(Some(text));
            dom::append(&list, &item);
        }
    }

    /// Boxes of the device's rules, which are painted over anyhow.
    fn by_rule(&self) -> Vec<[u32; 4]> {
        if !self.said.boxes.is_empty() {
            return self.said.boxes.clone();
        }
        let painted = self
            .receipt()
            .and_then(|receipt| receipt.files.into_iter().next());
        let painted = painted.map_or_else(Vec::new, |file| file.painted);
        painted
            .into_iter()
            .filter(|one| !self.said.covers.contains(&Cover::Box(*one)))
            .collect()
    }

    /// The boxes as they are now, and what may be done with them.
    fn covered(&self) {
        let rules = self.by_rule();
        let covers = self.covers.borrow();
        if let Some(svg) = self.find::<Element>("[data-masks]") {
            let [columns, rows] = self.facts.size;
            dom::set(&svg, "viewBox", &format!("0 0 {columns} {rows}"));
            svg.set_text_content(None);
            for corners in &rules {
                show(&svg, &Cover::Box(*corners));
            }
            for cover in covers.iter() {
                show(&svg, cover);
            }
        }
        let drawn = match covers.len() {
            0 => "Nothing yet. Drag over the picture to cover a part of it.".to_owned(),
            1 => "You cover 1 part, in every image.".to_owned(),
            several => format!("You cover {several} parts, in every image."),
        };
        let said = match rules.len() {
            0 => drawn,
            1 => format!("1 box where devices of this kind write names. {drawn}"),
            several => format!("{several} boxes where devices of this kind write names. {drawn}"),
        };
        dom::text(&self.dialog, "[data-covered]", &said);
        if let Some(button) = self.find::<HtmlButtonElement>("[data-act=uncover]") {
            button.set_disabled(covers.is_empty());
        }
        if let Some(button) = self.find::<Element>("[data-act=outline]") {
            dom::pressed(&button, self.outlining.get());
        }
        let asked = *covers != self.said.covers
            || self.keep() != self.said.keep
            || (self.said.receipt.is_none() && !self.said.reasons.is_empty());
        drop(covers);
        if let (Some(confirm), Some(seen), Some(button)) = (
            self.find::<Element>("[data-confirm]"),
            self.find::<HtmlInputElement>("[data-seen]"),
            self.find::<HtmlButtonElement>("[data-act=use]"),
        ) {
            dom::flag(&confirm, "hidden", !asked);
            dom::flag(&button, "hidden", !asked);
            button.set_disabled(!seen.checked());
        }
    }

    fn on(self: &Rc<Self>, event: &Event) {
        let target = event
            .target()
            .and_then(|target| target.dyn_into::<Element>().ok());
        match event.type_().as_str() {
            "click" => {
                let button = target.and_then(|target| target.closest("[data-act]").ok()?);
                if let Some(act) = button.and_then(|button| button.get_attribute("data-act")) {
                    self.act(&act);
                }
            }
            "input" => {
                if let Some(slider) = self.find::<HtmlInputElement>("[data-slice]") {
                    self.go(slider.value_as_number() as i64 - 1);
                }
            }
            "change" => {
                if target.is_some_and(|target| target.has_attribute("data-overlays")) {
                    self.show();
                }
                self.covered();
            }
            // Cleaning does not end with the dialog, so the dialog stays until it has.
            "cancel" if self.cleaning.get() => event.prevent_default(),
            "cancel" => {}
            "close" => self.decide(false),
            "keydown" => self.key(event.unchecked_ref(), target.as_ref()),
            name => {
                let event: &PointerEvent = event.unchecked_ref();
                let inside = target.is_some_and(|target| {
                    target
                        .closest("[data-picture]")
                        .is_ok_and(|found| found.is_some())
                });
                self.pointer(name, event, inside);
            }
        }
    }

    fn act(self: &Rc<Self>, act: &str) {
        if self.cleaning.get() {
            return;
        }
        let [columns, rows] = self.facts.size;
        let strip = ((f64::from(rows) * STRIP).ceil() as u32).min(rows);
        match act {
            "close" => return self.decide(false),
            "use" => {
                if let Some(button) = self.find::<HtmlButtonElement>("[data-act=use]") {
                    button.set_disabled(true);
                    dom::set(&button, "aria-busy", "true");
                }
                self.cleaning.set(true);
                return self.decide(true);
            }
            "top" => {
                let covers = &mut *self.covers.borrow_mut();
                // Pressed again, it covers one more strip below.
                let from = boxes(covers)
                    .filter(|one| one[0] == 0 && one[2] == columns && one[3] <= rows / 2)
                    .map(|one| one[3])
                    .max()
                    .unwrap_or(0);
                let strip = [0, from, columns, (from + strip).min(rows)];
                covers.push(Cover::Box(strip));
            }
            "bottom" => {
                let covers = &mut *self.covers.borrow_mut();
                let to = boxes(covers)
                    .filter(|one| one[0] == 0 && one[2] == columns && one[1] >= rows / 2)
                    .map(|one| one[1])
                    .min()
                    .unwrap_or(rows);
                covers.push(Cover::Box([0, to.saturating_sub(strip), columns, to]));
            }
            "outline" => self.outlining.set(!self.outlining.get()),
            "uncover" => {
                self.covers.borrow_mut().pop();
            }
            _ => return,
        }
        self.covered();
    }

    fn key(self: &Rc<Self>, event: &KeyboardEvent, target: Option<&Element>) {
        if !target.is_some_and(|target| target.has_attribute("data-stage")) {
            return;
        }
        let by = match event.key().as_str() {
            "ArrowUp" | "ArrowLeft" => -1,
            "ArrowDown" | "ArrowRight" => 1,
            "PageUp" => -10,
            "PageDown" => 10,
            _ => return,
        };
        event.prevent_default();
        self.go(i64::from(self.slice.get()) + by);
    }

    fn go(self: &Rc<Self>, slice: i64) {
        let last = i64::from(self.facts.slices.max(1)) - 1;
        let slice = slice.clamp(0, last) as u32;
        if self.slice.replace(slice) != slice {
            if let Some(slider) = self.find::<HtmlInputElement>("[data-slice]") {
                slider.set_value(&(slice + 1).to_string());
            }
            self.show();
        }
    }

    /// Dragging draws a box or an outline.
    fn pointer(&self, name: &str, event: &PointerEvent, inside: bool) {
        let Some(picture) = self.find::<HtmlElement>("[data-picture]") else {
            return;
        };
        let rect = picture.get_bounding_client_rect();
        let [columns, rows] = self.facts.size;
        let pixel = |at: f64, from: f64, length: f64, count: u32| {
            let part = ((at - from) / length).clamp(0.0, 1.0);
            (part * f64::from(count)).round() as u32
        };
        let at = [
            pixel(
                f64::from(event.client_x()),
                rect.left(),
                rect.width(),
                columns,
            ),
            pixel(f64::from(event.client_y()), rect.top(), rect.height(), rows),
        ];
        if name == "pointerdown" {
            if inside && event.button() == 0 && !self.cleaning.get() {
                event.prevent_default();
                let _ = picture.set_pointer_capture(event.pointer_id());
                self.corner.set(Some(at));
                self.covers.borrow_mut().push(if self.outlining.get() {
                    Cover::Outline(vec![at])
                } else {
                    Cover::Box([at[0], at[1], at[0], at[1]])
                });
            }
            return;
        }
        let Some(corner) = self.corner.get() else {
            return;
        };
        {
            let mut covers = self.covers.borrow_mut();
            match covers.last_mut() {
                Some(Cover::Box(drawn)) => {
                    *drawn = [
                        corner[0].min(at[0]),
                        corner[1].min(at[1]),
                        corner[0].max(at[0]),
                        corner[1].max(at[1]),
                    ];
                }
                Some(Cover::Outline(points)) if name == "pointermove" => follow(points, at),
                _ => {}
            }
            if name == "pointerup" && covers.last().is_some_and(is_slip) {
                covers.pop();
            }
        }
        if name == "pointerup" {
            self.corner.set(None);
        }
        self.covered();
    }

    /// Waits until the person has decided: whether to clean.
    async fn decision(&self) -> bool {
        let promise = Promise::new(&mut |resolve, _| {
            self.decided.replace(Some(resolve));
        });
        // Closed while the canvas was being handed over.
        if !self.dialog.open() {
            return false;
        }
        let answer = JsFuture::from(promise).await;
        answer.is_ok_and(|answer| answer.is_truthy())
    }

    fn decide(&self, clean: bool) {
        if let Some(decided) = self.decided.take() {
            let _ = decided.call1(&JsValue::NULL, &clean.into());
        }
    }
}

fn boxes(covers: &[Cover]) -> impl Iterator<Item = &[u32; 4]> {
    covers.iter().filter_map(|cover| match cover {
        Cover::Box(corners) => Some(corners),
        Cover::Outline(_) => None,
    })
}

/// Draws a cover over the picture.
fn show(svg: &Element, cover: &Cover) {
    let (name, attributes) = match cover {
        Cover::Box([left, top, right, bottom]) => (
            "rect",
            vec![
                ("x", left.to_string()),
                ("y", top.to_string()),
                ("width", right.saturating_sub(*left).to_string()),
                ("height", bottom.saturating_sub(*top).to_string()),
            ],
        ),
        Cover::Outline(points) => {
            let corners: Vec<String> = points.iter().map(|[x, y]| format!("{x},{y}")).collect();
            ("polygon", vec![("points", corners.join(" "))])
        }
    };
    let Some(shape) = dom::svg(name) else { return };
    for (name, value) in attributes {
        dom::set(&shape, name, &value);
    }
    dom::append(svg, &shape);
}

/// Another corner of an outline, some pixels from the last; from a certain number on they get farther apart.
fn follow(points: &mut Vec<[u32; 2]>, at: [u32; 2]) {
    let far = points.last().is_none_or(|last| {
        let apart = last[0].abs_diff(at[0]).max(last[1].abs_diff(at[1]));
        apart >= 2 + points.len() as u32 / 64
    });
    if far && points.len() < CORNERS {
        points.push(at);
    }
}

fn is_slip(cover: &Cover) -> bool {
    match cover {
        Cover::Box([left, top, right, bottom]) => right - left < LEAST || bottom - top < LEAST,
        Cover::Outline(points) => {
            let extent = |axis: usize| {
                let along = points.iter().map(|point| point[axis]);
                along.clone().max().unwrap_or(0) - along.min().unwrap_or(0)
            };
            points.len() < 3 || extent(0) < LEAST || extent(1) < LEAST
        }
    }
}
