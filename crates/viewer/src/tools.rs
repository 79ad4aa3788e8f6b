//! The toolbar: which tools there are for what is shown, and what a press does.

use std::rc::Rc;

use healthsync_imaging::{
    render::{Axis, View, Viewport, Window, presets},
    stage::{Mark, Say},
};
use web_sys::{Element, HtmlElement, HtmlOptionElement, HtmlSelectElement};

use crate::{
    dom, label,
    state::{State, Tool},
    viewer::Inner,
};

/// One press or key of zooming.
pub(crate) const STEP: f64 = 1.25;

impl Inner {
    /// Tools, windows and pictures to choose from, for the active pane.
    pub(crate) fn show_tools(self: &Rc<Self>) {
        let series = self.active_series();
        let grey = series.as_ref().is_some_and(|series| !series.colour);
        for element in dom::all(&self.root, "[data-for=stack]") {
            dom::flag(&element, "hidden", series.is_none());
        }
        let tool = {
            let mut state = self.state.borrow_mut();
            if series.is_none() && matches!(state.tool, Tool::Scroll | Tool::Window) {
                state.tool = Tool::Pan;
            } else if series.is_some() && state.tool == Tool::Pan && self.with_untouched() {
                state.tool = Tool::Scroll;
            }
            state.tool
        };
        let receipt = self.with_active(|pane, state| {
            series.is_some()
                || (state.pictures.get(pane.picture))
                    .is_some_and(|picture| picture.facts.receipt.is_some())
        });
        for element in dom::all(&self.root, "[data-act=receipt]") {
            dom::flag(&element, "hidden", receipt != Some(true));
        }
        let drawn_over = series.as_ref().is_some_and(|series| series.overlays);
        for element in dom::all(&self.root, "[data-act=overlays]") {
            dom::flag(&element, "hidden", !drawn_over);
        }
        for button in dom::all(&self.root, "[data-tool]") {
            let own = button
                .get_attribute("data-tool")
                .and_then(|name| Tool::named(&name));
            dom::pressed(&button, own == Some(tool));
        }
        dom::set(
            &self.root,
            "data-tool-in-use",
            if matches!(tool, Tool::Draw(_)) {
                "draw"
            } else {
                "move"
            },
        );
        let pressed = self.with_active(|pane, state| {
            (
                pane.axis,
                pane.slab,
                pane.view,
                pane.inverted,
                pane.overlays,
                state.following,
            )
        });
        if let Some((axis, slab, view, inverted, overlays, following)) = pressed {
            for (name, on) in [
                ("slices", axis == Axis::Slices),
                ("rows", axis == Axis::Rows),
                ("columns", axis == Axis::Columns),
            ] {
                self.press(&format!("[data-axis={name}]"), on);
            }
            self.press("[data-act=slab]", slab > 1);
            self.press("[data-act=flip]", view.flipped);
            self.press("[data-act=invert]", inverted);
            self.press("[data-act=overlays]", overlays);
            self.press("[data-act=follow]", following);
        }
        self.press("[data-act=pair]", self.panes.borrow().len() > 1);
        self.show_windows(grey);
        self.show_pictures();
        self.show_cine();
        if let Some(series) = series {
            for name in ["rows", "columns"] {
                if let Some(button) =
                    dom::find::<Element>(&self.root, &format!("[data-axis={name}]"))
                {
                    let title = series.volume.as_ref().err().map_or("", String::as_str);
                    dom::flag(&button, "disabled", series.volume.is_err());
                    dom::set(&button, "title", title);
                }
            }
        }
    }

    /// Nothing is magnified, so that a drag may as well go through the slices.
    fn with_untouched(&self) -> bool {
        self.panes
            .borrow()
            .get(self.active.get())
            .is_none_or(|pane| pane.view.zoom <= 1.0)
    }

    fn press(&self, selector: &str, on: bool) {
        for button in dom::all(&self.root, selector) {
            dom::pressed(&button, on);
        }
    }

    fn show_windows(&self, grey: bool) {
        let Some(select) = dom::find::<HtmlSelectElement>(&self.root, "[data-choose=preset]")
        else {
            return;
        };
        dom::flag(&select, "hidden", !grey);
        let Some(series) = self.active_series().filter(|_| grey) else {
            return;
        };
        let mut choices = vec![("Window of the file".to_owned(), String::new())];
        let named = series.windows.iter().enumerate().map(|(at, named)| {
            let name = named
                .name
                .clone()
                .unwrap_or_else(|| format!("File {}", at + 1));
            (name, named.window)
        });
        let known = presets(&series.modality)
            .iter()
            .map(|preset| (preset.name.to_owned(), preset.window));
        for (name, window) in named.chain(known) {
            choices.push((
                format!(
                    "{name} {} / {}",
                    label::number(window.centre),
                    label::number(window.width)
                ),
                format!("{} {}", window.centre, window.width),
            ));
        }
        fill(&select, &choices);
        let chosen = self.with_active(|pane, _| pane.window).flatten();
        let value = chosen.map_or(String::new(), |window| {
            format!("{} {}", window.centre, window.width)
        });
        select.set_value(&value);
    }

    fn show_pictures(&self) {
        let Some(select) = dom::find::<HtmlSelectElement>(&self.root, "[data-choose=picture]")
        else {
            return;
        };
        let state = self.state.borrow();
        dom::flag(&select, "hidden", state.pictures.len() < 2);
        let choices: Vec<(String, String)> = state
            .pictures
            .iter()
            .enumerate()
            .map(|(at, picture)| {
                (
                    format!("{}. {}", at + 1, picture.facts.title),
                    at.to_string(),
                )
            })
            .collect();
        fill(&select, &choices);
        if let Some(pane) = self.panes.borrow().get(self.active.get()) {
            select.set_value(&pane.picture.to_string());
        }
    }

    pub(crate) fn use_tool(self: &Rc<Self>, tool: Tool) {
        {
            let mut state = self.state.borrow_mut();
            state.tool = tool;
            state.draft = None;
        }
        self.close_menu();
        self.show_tools();
        self.redraw();
    }

    pub(crate) fn close_menu(&self) {
        if let Some(menu) = dom::find::<HtmlElement>(&self.root, "[data-more]") {
            let _ = menu.hide_popover();
        }
    }

    /// A button with `data-act`.
    pub(crate) fn act(self: &Rc<Self>, act: &str, button: &Element) {
        let id = button.get_attribute("data-id").unwrap_or_default();
        match act {
            "more" => {
                if let Some(menu) = dom::find::<HtmlElement>(&self.root, "[data-more]") {
                    let _ = menu.toggle_popover();
                }
                return;
            }
            "undo" => self.undo(),
            "redo" => self.redo(),
            "turn" => self.change_view(|port| View {
                turns: (port.view.turns + 1) % 4,
                zoom: 1.0,
                pan: [0.0, 0.0],
                ..port.view
            }),
            "flip" => self.change_view(|port| View {
                flipped: !port.view.flipped,
                pan: [-port.view.pan[0], port.view.pan[1]],
                ..port.view
            }),
            "actual" => self.actual(),
            "invert" => self.change_look(|pane| pane.inverted = !pane.inverted),
            "overlays" => self.change_look(|pane| pane.overlays = !pane.overlays),
            "slab" => self.toggle_slab(),
            "pair" => self.toggle_pair(),
            "export" => self.export_marks(),
            "import" => self.choose_report(),
            "tags" => self.open_tags(),
            "untag" => return self.close_tags(),
            "receipt" => self.open_receipt(),
            "unreceipt" => return self.close_receipt(),
            "cine" => return self.toggle_cine(),
            "follow" => {
                let mut state = self.state.borrow_mut();
                state.following = !state.following;
                drop(state);
                self.follow();
            }
            "reset" => self.reset(),
            "jump" => return self.jump(&id),
            "unmark" => return self.unmark(&id),
            _ => return,
        }
        self.close_menu();
        self.show_tools();
    }

    pub(crate) fn change_view(self: &Rc<Self>, change: impl FnOnce(&Viewport) -> View) {
        self.with_active(|pane, state| pane.view = change(&pane.viewport(state)));
        self.redraw();
    }

    pub(crate) fn change_look(self: &Rc<Self>, change: impl FnOnce(&mut crate::pane::Pane)) {
        self.with_active(|pane, _| change(pane));
        self.show(self.active.get());
    }

    pub(crate) fn zoom(self: &Rc<Self>, factor: f64) {
        self.change_view(|port| port.zoomed(factor, port.stage.map(|size| size / 2.0)));
    }

    pub(crate) fn actual(self: &Rc<Self>) {
        let density = dom::window().device_pixel_ratio();
        self.change_view(|port| View {
            zoom: port.actual(density),
            pan: [0.0, 0.0],
            ..port.view
        });
    }

    pub(crate) fn set_window(self: &Rc<Self>, window: Option<Window>) {
        self.change_look(|pane| pane.window = window);
        self.tell_room();
    }

    fn reset(self: &Rc<Self>) {
        self.with_active(|pane, state| {
            pane.view = pane.home(state);
            pane.inverted = false;
            pane.window = None;
        });
        self.show(self.active.get());
        self.redraw();
    }

    fn toggle_slab(self: &Rc<Self>) {
        let Some(series) = self.active_series() else {
            return;
        };
        if let Err(why) = series.volume {
            return self.note(why);
        }
        // About a centimetre, the usual slab of a nodule search.
        let step = match series.planes.as_slice() {
            [first, second, ..] => first.to_pixel(second.position).1.abs().max(0.1),
            _ => 1.0,
        };
        let spacing = series.scale.map_or([1.0, 1.0], |scale| scale.spacing);
        self.with_active(|pane, _| {
            let mm = match pane.axis {
                Axis::Slices => step,
                Axis::Rows => spacing[1],
                Axis::Columns => spacing[0],
            };
            pane.slab = if pane.slab > 1 {
                1
            } else {
                ((10.0 / mm).round() as u32).max(3)
            };
        });
        self.show(self.active.get());
    }

    pub(crate) fn turn_to(self: &Rc<Self>, axis: Axis) {
        self.cine.stop();
        self.with_active(|pane, state| pane.turn_to(axis, state));
        self.close_menu();
        self.show(self.active.get());
        self.show_foot(false);
        self.show_tools();
        self.redraw();
        self.tell_slice();
    }

    fn toggle_pair(self: &Rc<Self>) {
        let two = self.panes.borrow().len() > 1;
        if two {
            self.active.set(0);
            let gone = self.panes.borrow_mut().pop();
            if let Some(pane) = gone {
                pane.stage.remove();
            }
        } else {
            let picture = self
                .with_active(|pane, _| (pane.picture, pane.slice()))
                .unwrap_or_default();
            self.open_pane(picture.0);
            let state = self.state.borrow();
            if let Some(pane) = self.panes.borrow_mut().last_mut() {
                pane.go(picture.1, &state);
            }
        }
        if let Some(holder) = dom::find::<Element>(&self.root, "[data-panes]") {
            dom::flag(&holder, "data-pair", !two);
        }
        self.show_all();
        let placed = self
            .active_series()
            .is_some_and(|one| !one.planes.is_empty());
        if !two && placed {
            self.note("Press a place in one view to see it in the other one.");
        }
    }

    pub(crate) fn activate(self: &Rc<Self>, at: usize) {
        if self.active.replace(at) != at {
            self.show_tools();
            self.show_foot(false);
            self.redraw();
        }
    }

    /// Takes back the newest own mark of this visit.
    pub(crate) fn undo(self: &Rc<Self>) {
        let found = {
            let mut state = self.state.borrow_mut();
            let Some(made) = state.made.pop() else { return };
            let found = state
                .marks
                .iter()
                .find(|mark| same(mark, &made))
                .map(|mark| mark.id.clone());
            state.undone.push(made);
            found
        };
        if let Some(id) = found {
            self.say(&Say::Unmark { id });
        }
    }

    pub(crate) fn redo(self: &Rc<Self>) {
        let mark = self.state.borrow_mut().undone.pop();
        if let Some(mark) = mark {
            self.state.borrow_mut().made.push(mark.clone());
            self.say(&Say::Mark(mark));
        }
    }

    fn unmark(self: &Rc<Self>, id: &str) {
        {
            let mut state = self.state.borrow_mut();
            let State { marks, made, .. } = &mut *state;
            if let Some(mark) = marks.iter().find(|mark| mark.id == id) {
                made.retain(|made| !same(made, mark));
            }
        }
        self.say(&Say::Unmark { id: id.to_owned() });
    }

    /// Shows the slice of a mark.
    fn jump(self: &Rc<Self>, id: &str) {
        let found = {
            let mut state = self.state.borrow_mut();
            let found = state
                .marks
                .iter()
                .find(|mark| mark.id == id)
                .map(|mark| (mark.picture, mark.slice));
            state.selected = Some(id.to_owned());
            found
        };
        let Some((picture, slice)) = found else {
            return;
        };
        let here = self.with_active(|pane, _| {
            pane.axis = Axis::Slices;
            pane.slab = 1;
            pane.picture == picture
        });
        if here == Some(true) {
            self.go(slice);
            self.show(self.active.get());
            self.show_tools();
            self.redraw();
            self.tell_slice();
        } else {
            self.say(&Say::Choose { picture });
        }
    }
}

/// Two marks that were drawn as one.
fn same(a: &Mark, b: &Mark) -> bool {
    a.own == b.own && (a.picture, a.slice, a.shape) == (b.picture, b.slice, b.shape) && {
        let near = |(a, b): (&[f64; 2], &[f64; 2])| {
            (a[0] - b[0]).abs() < 0.02 && (a[1] - b[1]).abs() < 0.02
        };
        a.points.len() == b.points.len() && a.points.iter().zip(&b.points).all(near)
    }
}

/// Options with these texts and values; left alone when they are there already.
pub(crate) fn fill(select: &HtmlSelectElement, choices: &[(String, String)]) {
    let there: Vec<(String, String)> = dom::all(select, "option")
        .into_iter()
        .map(|option| {
            (
                option.text_content().unwrap_or_default(),
                option.get_attribute("value").unwrap_or_default(),
            )
        })
        .collect();
    if there == choices {
        return;
    }
    select.set_text_content(None);
    for (text, value) in choices {
        if let Ok(option) = HtmlOptionElement::new_with_text_and_value(text, value) {
            dom::append(select, &option);
        }
    }
}
