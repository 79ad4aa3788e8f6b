//! What lies over the pictures: marks, pointers, reference lines, letters, corners, the scale.

use healthsync_imaging::{
    measure::{Shape, measure},
    render::{Axis, Viewport, opposite, reference_line, side_letters},
    stage::Mark,
};
use web_sys::{Element, HtmlElement};

use crate::{dom, label, pane::Pane, state::State, viewer::Inner};

/// Lengths that a scale may have, mm.
const SCALES: [f64; 9] = [0.5, 1.0, 2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0];

impl Inner {
    /// Puts every pane's picture in its place and draws what lies over it.
    pub(crate) fn draw(&self) {
        let state = self.state.borrow();
        let panes = self.panes.borrow();
        for (at, pane) in panes.iter().enumerate() {
            let port = pane.viewport(&state);
            pane.place(&port);
            dom::flag(
                &pane.stage,
                "data-active",
                panes.len() > 1 && at == self.active.get(),
            );
            dom::flag(&pane.stage, "data-zoomed", pane.view.zoom > 1.0);
            let (Some(svg), Some(labels)) = (
                dom::find::<Element>(&pane.stage, ".stage__marks"),
                dom::find::<Element>(&pane.stage, ".stage__labels"),
            ) else {
                continue;
            };
            svg.set_text_content(None);
            labels.set_text_content(None);
            for other in panes.iter().filter(|other| other.number != pane.number) {
                lines(&svg, pane, other, &port);
            }
            let here = |picture: usize, slice: u32| {
                picture == pane.picture && pane.on_screen() == Some(slice)
            };
            for mark in state
                .marks
                .iter()
                .filter(|mark| here(mark.picture, mark.slice))
            {
                let measured = state.measured.get(&mark.id).and_then(Option::as_ref);
                let text = label::short(mark, measured, state.unit(mark.picture));
                let text = if mark.own {
                    format!("{text}, you")
                } else {
                    text
                };
                draw_mark(
                    &svg,
                    &labels,
                    mark,
                    &text,
                    &port,
                    state.selected.as_ref() == Some(&mark.id),
                );
            }
            if let Some(draft) = state.draft.as_ref().filter(|draft| draft.pane == at) {
                let mark = Mark {
                    id: String::new(),
                    picture: pane.picture,
                    slice: pane.on_screen().unwrap_or_default(),
                    shape: draft.shape,
                    points: draft.points.clone(),
                    text: String::new(),
                    by: String::new(),
                    own: true,
                };
                let scale = pane.shown.as_ref().and_then(|shown| shown.scale);
                let measured = measure(
                    mark.shape,
                    &mark.points,
                    scale,
                    pane.size(&state),
                    |_, _| None,
                );
                let text = label::short(&mark, measured.as_ref(), "");
                draw_mark(&svg, &labels, &mark, &text, &port, true);
            }
            let cross = state.cross.as_ref().filter(|_| panes.len() > 1);
            if let Some(at) = cross.and_then(|cross| pane.pixel_of(cross)) {
                let [x, y] = port.to_stage(at);
                let d = format!("M{:.1} {y:.1}h24M{x:.1} {:.1}v24", x - 12.0, y - 12.0);
                path(&svg, "mark mark--halo", &d);
                path(&svg, "mark mark--cross", &d);
            }
            for pointer in state.pointers.iter().filter(|p| here(p.picture, p.slice)) {
                if let Some(at) = pointer.at {
                    draw_pointer(&labels, &pointer.by, port.to_stage(at));
                }
            }
            self.corners(pane, &state, &port);
        }
    }

    fn corners(&self, pane: &Pane, state: &State, port: &Viewport) {
        let put = |corner: &str, text: &str| {
            dom::text(&pane.stage, &format!("[data-corner={corner}]"), text)
        };
        let series = state.series(pane.picture);
        let picture = state.pictures.get(pane.picture);
        let title = picture.map_or("", |picture| picture.facts.title.as_str());
        let (axis, slab) = match &pane.shown {
            Some(shown) => (shown.axis, shown.slab),
            None => (pane.axis, pane.slab),
        };
        let kind = match (axis, slab) {
            (Axis::Slices, 1) => "",
            (Axis::Slices, _) => "\nmaximum intensity",
            (Axis::Rows, 1) => "\nplane of rows",
            (Axis::Columns, 1) => "\nplane of columns",
            (_, _) => "\nmaximum intensity, other plane",
        };
        put("ts", &format!("{title}{kind}"));
        let mut upper = Vec::new();
        if let Some(window) = pane.shown.as_ref().and_then(|shown| shown.window) {
            upper.push(format!(
                "W {} L {}",
                label::number(window.width),
                label::number(window.centre)
            ));
        }
        upper.push(if pane.view.zoom > 1.0 {
            format!("{:.1} × fit", pane.view.zoom)
        } else {
            "fit".to_owned()
        });
        for (on, word) in [
            (pane.inverted, "inverted".to_owned()),
            (pane.view.flipped, "flipped".to_owned()),
            (
                pane.view.turns > 0,
                format!("turned {}°", u32::from(pane.view.turns) * 90),
            ),
        ] {
            if on {
                upper.push(word);
            }
        }
        put("te", &upper.join("\n"));
        let mut lower = Vec::new();
        if let Some(value) = self.input.value(pane.number) {
            lower.push(value);
        }
        if let Some(stack) = picture.and_then(|picture| picture.stack.as_ref()) {
            let here = series.map_or(0, |series| series.slices);
            if here < stack.expected {
                lower.push(format!("{here} of {} loaded", stack.expected));
            }
        }
        put("bs", &lower.join("\n"));
        self.scale(pane, port);
        let fault = pane.fault.as_ref().or(picture
            .and_then(|picture| picture.stack.as_ref())
            .and_then(|stack| stack.fault.as_ref()));
        if let Some(place) = dom::find::<Element>(&pane.stage, ".stage__fault") {
            dom::flag(&place, "hidden", fault.is_none());
            dom::text(
                &pane.stage,
                ".stage__fault",
                fault.map_or("", String::as_str),
            );
        }
        let letters = |direction: [f64; 2]| {
            let shown = pane.shown.as_ref()?;
            let direction = port.direction(direction);
            let letters = match (&shown.plane, &shown.sides) {
                (Some(plane), _) => plane.letters(direction),
                (None, Some(sides)) => side_letters(sides, direction),
                (None, None) => return None,
            };
            Some(letters).filter(|letters| !letters.is_empty())
        };
        let (right, below) = (letters([1.0, 0.0]), letters([0.0, 1.0]));
        put("e", right.as_deref().unwrap_or(""));
        put("s", &right.as_deref().map(opposite).unwrap_or_default());
        put("b", below.as_deref().unwrap_or(""));
        put("t", &below.as_deref().map(opposite).unwrap_or_default());
    }

    /// The longest of the usual lengths that takes at most a fifth of the stage.
    fn scale(&self, pane: &Pane, port: &Viewport) {
        let bar = dom::find::<HtmlElement>(&pane.stage, ".stage__scale");
        let spacing = pane
            .shown
            .as_ref()
            .and_then(|shown| shown.scale)
            .map(|scale| scale.spacing[0]);
        let chosen = spacing.and_then(|spacing| {
            let per_mm = port.scale() / spacing;
            SCALES
                .iter()
                .rev()
                .map(|mm| (*mm, mm * per_mm))
                .find(|(_, wide)| *wide <= port.stage[0] / 5.0)
        });
        let (text, wide) = match chosen {
            Some((mm, wide)) if mm >= 10.0 => (format!("{} cm", mm / 10.0), wide),
            Some((mm, wide)) => (format!("{mm} mm"), wide),
            None if pane.shown.is_some() && spacing.is_none() => {
                ("no scale: lengths in pixels".to_owned(), 0.0)
            }
            None => (String::new(), 0.0),
        };
        dom::text(&pane.stage, "[data-corner=be]", &text);
        if let Some(bar) = bar {
            dom::flag(&bar, "hidden", wide == 0.0);
            dom::style(&bar, "inline-size", &format!("{wide:.1}px"));
        }
    }
}

fn lines(svg: &Element, pane: &Pane, other: &Pane, port: &Viewport) {
    let plane = |pane: &Pane| pane.shown.as_ref().and_then(|shown| shown.plane);
    let (Some(on), Some(of)) = (plane(pane), plane(other)) else {
        return;
    };
    if let Some(ends) = reference_line(&of, &on) {
        let [a, b] = ends.map(|end| port.to_stage(end));
        path(
            svg,
            "mark mark--line",
            &format!("M{:.1} {:.1}L{:.1} {:.1}", a[0], a[1], b[0], b[1]),
        );
    }
}

fn draw_mark(
    svg: &Element,
    labels: &Element,
    mark: &Mark,
    text: &str,
    port: &Viewport,
    bold: bool,
) {
    let points: Vec<[f64; 2]> = mark
        .points
        .iter()
        .map(|point| port.to_stage(*point))
        .collect();
    let d = outline(mark.shape, &points);
    path(svg, "mark mark--halo", &d);
    let class = match (mark.own, bold) {
        (true, false) => "mark mark--own",
        (true, true) => "mark mark--own mark--bold",
        (false, false) => "mark",
        (false, true) => "mark mark--bold",
    };
    path(svg, class, &d);
    if text.is_empty() {
        return;
    }
    let right = points.iter().map(|p| p[0]).fold(f64::MIN, f64::max);
    let (top, bottom) = (
        points.iter().map(|p| p[1]).fold(f64::MAX, f64::min),
        points.iter().map(|p| p[1]).fold(f64::MIN, f64::max),
    );
    let class = if mark.own {
        "mark-label mark-label--own"
    } else {
        "mark-label"
    };
    put_label(
        labels,
        class,
        text,
        [right + 8.0, (top + bottom) / 2.0 - 9.0],
        port.stage,
    );
}

fn draw_pointer(labels: &Element, by: &str, at: [f64; 2]) {
    let Some(holder) = dom::element("span", "pointer") else {
        return;
    };
    dom::set(&holder, "data-testid", "pointer");
    if let (Some(icon), Some(name)) = (dom::svg("svg"), dom::element("b", "")) {
        dom::set(&icon, "class", "icon");
        dom::set(&icon, "viewBox", "0 0 24 24");
        path(&icon, "", "M4 4l7.07 17 2.51-7.39L21 11.07z");
        name.set_text_content(Some(by));
        dom::append(&holder, &icon);
        dom::append(&holder, &name);
    }
    put(&holder, at);
    dom::append(labels, &holder);
}

fn put_label(labels: &Element, class: &str, text: &str, at: [f64; 2], stage: [f64; 2]) {
    if let Some(label) = dom::element("span", class) {
        label.set_text_content(Some(text));
        // Near the right edge it stands to the left of its place.
        dom::flag(&label, "data-left", at[0] > stage[0] - 120.0);
        put(&label, at);
        dom::append(labels, &label);
    }
}

fn put(element: &Element, [x, y]: [f64; 2]) {
    use wasm_bindgen::JsCast;
    if let Some(element) = element.dyn_ref::<HtmlElement>() {
        dom::style(element, "left", &format!("{x:.1}px"));
        dom::style(element, "top", &format!("{y:.1}px"));
    }
}

fn path(svg: &Element, class: &str, d: &str) {
    if let Some(path) = dom::svg("path") {
        dom::set(&path, "class", class);
        dom::set(&path, "d", d);
        dom::append(svg, &path);
    }
}

/// The shape as a path, in pixels of the stage.
fn outline(shape: Shape, points: &[[f64; 2]]) -> String {
    let to = |[x, y]: [f64; 2]| format!("{x:.1} {y:.1}");
    let joined = || points.iter().map(|p| to(*p)).collect::<Vec<_>>().join("L");
    match (shape, points) {
        (Shape::Length, [a, b]) => {
            let size = (b[0] - a[0]).hypot(b[1] - a[1]).max(1.0);
            let across = [-(b[1] - a[1]) / size * 5.0, (b[0] - a[0]) / size * 5.0];
            let bar = |p: &[f64; 2]| {
                format!(
                    "M{}L{}",
                    to([p[0] - across[0], p[1] - across[1]]),
                    to([p[0] + across[0], p[1] + across[1]])
                )
            };
            format!("M{}{}{}", joined(), bar(a), bar(b))
        }
        (Shape::Rectangle, [a, b]) => format!("M{}H{:.1}V{:.1}H{:.1}Z", to(*a), b[0], b[1], a[0]),
        (Shape::Ellipse, [a, b]) => {
            let (rx, ry) = ((b[0] - a[0]).abs() / 2.0, (b[1] - a[1]).abs() / 2.0);
            let y = (a[1] + b[1]) / 2.0;
            let arc = format!("A{rx:.1} {ry:.1} 0 1 1 ");
            format!(
                "M{}{arc}{}{arc}{}Z",
                to([a[0], y]),
                to([b[0], y]),
                to([a[0], y])
            )
        }
        (Shape::Freehand, _) => format!("M{}Z", joined()),
        (Shape::Arrow, [a, b]) => {
            let angle = (b[1] - a[1]).atan2(b[0] - a[0]);
            let wing = |turn: f64| {
                to([
                    b[0] - 12.0 * (angle + turn).cos(),
                    b[1] - 12.0 * (angle + turn).sin(),
                ])
            };
            format!("M{}M{}L{}L{}", joined(), wing(0.45), to(*b), wing(-0.45))
        }
        (Shape::Point, [p]) => format!(
            "M{:.1} {:.1}h12M{:.1} {:.1}v12",
            p[0] - 6.0,
            p[1],
            p[0],
            p[1] - 6.0
        ),
        _ => format!("M{}", joined()),
    }
}
