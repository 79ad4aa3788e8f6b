//! One photograph: fitted, magnified, moved; by wheel, fingers, buttons or keys. Which of the case's images is shown
//! belongs to the case, so that the lock and the picture agree.

use leptos::{
    ev::{KeyboardEvent, PointerEvent, WheelEvent},
    html::{Div, Img},
    prelude::*,
};

use super::{icon::Icon, lock::bytes, platform};
use crate::client::model::{ImageLock, ImageRow};

const MOST: f64 = 16.0;
const STEP: f64 = 1.25;

/// Magnification relative to fit, and how far the picture's centre is from the stage's, in CSS pixels.
#[derive(Clone, Copy, Debug, PartialEq)]
struct View {
    zoom: f64,
    x: f64,
    y: f64,
}

const FIT: View = View {
    zoom: 1.0,
    x: 0.0,
    y: 0.0,
};

impl View {
    /// Zooms so that the point under (x, y), measured from the stage's centre, stays where it is.
    fn zoomed(self, factor: f64, x: f64, y: f64) -> Self {
        let zoom = (self.zoom * factor).clamp(1.0, MOST);
        if zoom <= 1.0 {
            return FIT;
        }
        let by = zoom / self.zoom;
        View {
            zoom,
            x: x - (x - self.x) * by,
            y: y - (y - self.y) * by,
        }
    }

    fn moved(self, dx: f64, dy: f64) -> Self {
        View {
            x: self.x + dx,
            y: self.y + dy,
            ..self
        }
    }

    /// Keeps a part of the picture on the stage.
    fn kept_on(self, width: f64, height: f64) -> Self {
        if self.zoom <= 1.0 {
            return FIT;
        }
        let (most_x, most_y) = (width * self.zoom / 2.0, height * self.zoom / 2.0);
        View {
            x: self.x.clamp(-most_x, most_x),
            y: self.y.clamp(-most_y, most_y),
            ..self
        }
    }
}

#[component]
pub(crate) fn Viewer(
    image: Memo<Option<ImageRow>>,
    index: RwSignal<usize>,
    count: Memo<usize>,
) -> impl IntoView {
    let stage = NodeRef::<Div>::new();
    let img = NodeRef::<Img>::new();
    let view = RwSignal::new(FIT);
    let fingers = StoredValue::new(Vec::<(i32, f64, f64)>::new());
    let url = Memo::new(move |_| {
        image.with(|image| match image.as_ref().map(|image| &image.lock) {
            Some(ImageLock::Open { url, .. }) => Some(url.clone()),
            _ => None,
        })
    });

    // Size and position of the stage's centre in the window.
    let centre = move || stage.get_untracked().map(|stage| platform::area(&stage));
    let change = move |next: View| {
        let [_, _, width, height] = centre().unwrap_or([0.0, 0.0, 1e4, 1e4]);
        view.set(next.kept_on(width, height));
    };
    let zoom = move |factor: f64| change(view.get_untracked().zoomed(factor, 0.0, 0.0));
    let fit = move || view.set(FIT);
    let pixels = move || {
        let (Some([_, _, width, height]), Some(img)) = (centre(), img.get_untracked()) else {
            return;
        };
        let (w, h) = (
            f64::from(img.natural_width()),
            f64::from(img.natural_height()),
        );
        if w > 0.0 && h > 0.0 {
            let shown: f64 = (width / w).min(height / h);
            change(View {
                zoom: (1.0 / shown).clamp(1.0, MOST),
                x: 0.0,
                y: 0.0,
            });
        }
    };
    let go = move |to: usize| {
        if to < count.get_untracked() && to != index.get_untracked() {
            index.set(to);
            view.set(FIT);
        }
    };
    let previous = move || {
        if let Some(to) = index.get_untracked().checked_sub(1) {
            go(to);
        }
    };
    let next = move || go(index.get_untracked() + 1);

    let wheel = move |event: WheelEvent| {
        event.prevent_default();
        let Some([cx, cy, ..]) = centre() else { return };
        let factor = (-event.delta_y().clamp(-120.0, 120.0) / 480.0).exp2();
        let (x, y) = (
            f64::from(event.client_x()) - cx,
            f64::from(event.client_y()) - cy,
        );
        change(view.get_untracked().zoomed(factor, x, y));
    };
    let down = move |event: PointerEvent| {
        if event.button() != 0 {
            return;
        }
        if let Some(stage) = stage.get_untracked() {
            let _ = stage.set_pointer_capture(event.pointer_id());
        }
        fingers.update_value(|list| {
            list.push((
                event.pointer_id(),
                f64::from(event.client_x()),
                f64::from(event.client_y()),
            ));
        });
    };
    let moved = move |event: PointerEvent| {
        let (x, y) = (f64::from(event.client_x()), f64::from(event.client_y()));
        let id = event.pointer_id();
        let before = fingers.get_value();
        let Some(at) = before.iter().position(|(finger, ..)| *finger == id) else {
            return;
        };
        let (_, old_x, old_y) = before[at];
        fingers.update_value(|list| list[at] = (id, x, y));
        match before.as_slice() {
            [_] => change(view.get_untracked().moved(x - old_x, y - old_y)),
            [_, _] => {
                let (_, ox, oy) = before[1 - at];
                let old = (old_x - ox).hypot(old_y - oy).max(1.0);
                let new = (x - ox).hypot(y - oy).max(1.0);
                let Some([cx, cy, ..]) = centre() else { return };
                let (mx, my) = ((x + ox) / 2.0 - cx, (y + oy) / 2.0 - cy);
                change(view.get_untracked().zoomed(new / old, mx, my));
            }
            _ => {}
        }
    };
    let up = move |event: PointerEvent| {
        fingers.update_value(|list| list.retain(|(finger, ..)| *finger != event.pointer_id()));
    };
    let key = move |event: KeyboardEvent| {
        if event.ctrl_key() || event.meta_key() || event.alt_key() {
            return;
        }
        let magnified = view.get_untracked().zoom > 1.0;
        let pan = |dx: f64, dy: f64| change(view.get_untracked().moved(dx, dy));
        match event.key().as_str() {
            "+" | "=" => zoom(STEP),
            "-" => zoom(1.0 / STEP),
            "0" | "r" | "R" => fit(),
            "1" => pixels(),
            "ArrowLeft" if magnified => pan(48.0, 0.0),
            "ArrowRight" if magnified => pan(-48.0, 0.0),
            "ArrowUp" if magnified => pan(0.0, 48.0),
            "ArrowDown" if magnified => pan(0.0, -48.0),
            "PageUp" | "ArrowLeft" | "[" => previous(),
            "PageDown" | "ArrowRight" | "]" => next(),
            _ => return,
        }
        event.prevent_default();
    };
    let alt = move || {
        let (at, of) = (index.get() + 1, count.get());
        if of > 1 {
            format!("Image {at} of {of} of this case")
        } else {
            "Image of this case".into()
        }
    };
    let facts = move || {
        image.with(|image| {
            image
                .as_ref()
                .map(|image| format!("{} × {}, {}", image.width, image.height, bytes(image.size)))
        })
    };
    let percent = move || {
        let zoom = view.get().zoom;
        if zoom <= 1.0 {
            "fit".to_owned()
        } else {
            format!("{:.1} × fit", zoom)
        }
    };

    view! {
        <div class="viewer reading">
            <Toolbar
                magnified=Signal::derive(move || view.get().zoom > 1.0)
                zoom=Callback::new(zoom)
                fit=Callback::new(move |()| fit())
                pixels=Callback::new(move |()| pixels())
            />
            <div
                class="stage stage--photo"
                data-testid="image"
                tabindex="0"
                role="group"
                aria-label="Picture. Plus and minus zoom, arrow keys move, 0 fits, page keys change the image."
                data-zoomed=move || (view.get().zoom > 1.0).then_some("")
                node_ref=stage
                on:wheel=wheel
                on:pointerdown=down
                on:pointermove=moved
                on:pointerup=up
                on:pointercancel=up
                on:dblclick=move |_| {
                    if view.get_untracked().zoom > 1.0 { fit() } else { zoom(2.5) }
                }
                on:keydown=key
            >
                <img
                    class="stage__photo"
                    node_ref=img
                    src=move || url.get()
                    alt=alt
                    draggable="false"
                    style:transform=move || {
                        let View { zoom, x, y } = view.get();
                        format!("translate({x:.1}px, {y:.1}px) scale({zoom:.3})")
                    }
                />
                <span class="corner corner--ts">{facts}</span>
                <span class="corner corner--te">{percent}</span>
            </div>
            <Show when=move || { count.get() > 1 }>
                <div class="scrub">
                    <span>
                        "Image " <b>{move || index.get() + 1}</b> " / " {move || count.get()}
                    </span>
                    <span class="scrub__track">
                        <input
                            type="range"
                            min="1"
                            max=move || count.get().to_string()
                            prop:value=move || (index.get() + 1).to_string()
                            aria-label="Image"
                            on:input=move |event| {
                                if let Ok(at) = event_target_value(&event).parse::<usize>() {
                                    go(at.saturating_sub(1));
                                }
                            }
                        />
                    </span>
                    <span class="scrub__step">
                        <button
                            class="tool"
                            type="button"
                            aria-label="Previous image"
                            title="Previous image"
                            disabled=move || index.get() == 0
                            on:click=move |_| previous()
                        >
                            <Icon name="chevron-left" />
                        </button>
                        <button
                            class="tool"
                            type="button"
                            aria-label="Next image"
                            title="Next image"
                            disabled=move || { index.get() + 1 >= count.get() }
                            on:click=move |_| next()
                        >
                            <Icon name="chevron-right" />
                        </button>
                    </span>
                </div>
            </Show>
        </div>
    }
}

/// One tab stop; arrow keys go from tool to tool.
#[component]
fn Toolbar(
    magnified: Signal<bool>,
    zoom: Callback<f64>,
    fit: Callback<()>,
    pixels: Callback<()>,
) -> impl IntoView {
    let bar = NodeRef::<Div>::new();
    let current = RwSignal::new(0_usize);
    let stop = move |at: usize| move || if current.get() == at { "0" } else { "-1" };
    let key = move |event: KeyboardEvent| {
        let to = match event.key().as_str() {
            "ArrowRight" => (current.get_untracked() + 1) % 4,
            "ArrowLeft" => (current.get_untracked() + 3) % 4,
            "Home" => 0,
            "End" => 3,
            _ => return,
        };
        event.prevent_default();
        current.set(to);
        if let Some(bar) = bar.get_untracked() {
            platform::focus_nth(&bar, "button", to);
        }
    };
    view! {
        <div class="vbar" role="toolbar" aria-label="Viewer tools" node_ref=bar on:keydown=key>
            <button
                class="tool"
                type="button"
                title="Zoom in (+)"
                aria-label="Zoom in"
                tabindex=stop(0)
                on:click=move |_| {
                    current.set(0);
                    zoom.run(STEP);
                }
            >
                <Icon name="zoom-in" />
            </button>
            <button
                class="tool"
                type="button"
                title="Zoom out (-)"
                aria-label="Zoom out"
                tabindex=stop(1)
                on:click=move |_| {
                    current.set(1);
                    zoom.run(1.0 / STEP);
                }
            >
                <Icon name="zoom-out" />
            </button>
            <button
                class="tool"
                type="button"
                title="Fit the picture (0)"
                aria-label="Fit the picture"
                aria-pressed=move || if magnified.get() { "false" } else { "true" }
                tabindex=stop(2)
                on:click=move |_| {
                    current.set(2);
                    fit.run(());
                }
            >
                <Icon name="maximize" />
            </button>
            <button
                class="tool tool--word"
                type="button"
                title="One pixel of the picture on one of the screen (1)"
                aria-label="Actual pixels"
                tabindex=stop(3)
                on:click=move |_| {
                    current.set(3);
                    pixels.run(());
                }
            >
                "1:1"
            </button>
        </div>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_point_under_the_pointer_stays_where_it_is() {
        let view = FIT.zoomed(2.0, 100.0, -40.0);
        // Before: the point (100, -40) of the fitted picture. After: the same point, scaled and moved.
        assert_eq!((view.x + 2.0 * 100.0, view.y + 2.0 * -40.0), (100.0, -40.0));
        assert_eq!(view.zoomed(0.1, 3.0, 3.0), FIT);
    }

    #[test]
    fn magnification_and_shift_have_ends() {
        let far = FIT.zoomed(1e9, 0.0, 0.0);
        assert_eq!(far.zoom, MOST);
        let away = far.moved(1e9, -1e9).kept_on(100.0, 50.0);
        assert_eq!((away.x, away.y), (800.0, -400.0));
        assert_eq!(FIT.moved(5.0, 5.0).kept_on(100.0, 50.0), FIT);
    }
}
