//! One view: a stage with its picture, which slice of it, how it is windowed and placed.

use std::cell::Cell;

use healthsync_imaging::{
    desk::{Look, Shown},
    render::{Axis, Grid, View, Viewport, Window, nearest},
};
use web_sys::{Element, HtmlCanvasElement, HtmlElement, HtmlImageElement, ImageBitmap};

use crate::{
    dom,
    state::{Cross, State},
};

#[derive(Debug)]
pub(crate) struct Pane {
    pub(crate) number: u32,
    pub(crate) stage: HtmlElement,
    pub(crate) picture: usize,
    pub(crate) axis: Axis,
    /// Planes of a maximum intensity projection; 1 for none.
    pub(crate) slab: u32,
    /// One place for each axis.
    places: [u32; 3],
    pub(crate) window: Option<Window>,
    pub(crate) inverted: bool,
    /// With what the files draw over their images.
    pub(crate) overlays: bool,
    pub(crate) view: View,
    /// What the pixels on screen are; `None` while there are none, and for photographs.
    pub(crate) shown: Option<Shown>,
    pub(crate) fault: Option<String>,
    /// Nothing of the picture has been on screen yet: it is hung with the first that comes.
    pub(crate) fresh: bool,
    canvas: Option<HtmlCanvasElement>,
    photo: Option<HtmlImageElement>,
    /// A question to draw is on its way; when `again`, the answer is out of date already.
    pub(crate) busy: Cell<bool>,
    pub(crate) again: Cell<bool>,
}

const STAGE: &str = include_str!("stage.html");

impl Pane {
    /// A stage after the last one in `root`.
    pub(crate) fn new(number: u32, root: &Element, picture: usize) -> Option<Self> {
        use wasm_bindgen::JsCast;
        let stage: HtmlElement = dom::element("div", "stage stage--tool")?.dyn_into().ok()?;
        // Our own text; nothing of anybody's is in it.
        stage.set_inner_html(STAGE);
        dom::set(&stage, "tabindex", "0");
        dom::set(&stage, "role", "group");
        dom::set(&stage, "data-pane", &number.to_string());
        dom::set(
            &stage,
            "data-testid",
            if number == 0 { "image" } else { "image-second" },
        );
        dom::set(
            &stage,
            "aria-label",
            "Picture. Up and down arrows change the slice, plus and minus zoom, 0 fits, page keys change the image.",
        );
        dom::append(root, &stage);
        Some(Self {
            number,
            stage,
            picture,
            axis: Axis::Slices,
            slab: 1,
            places: [0; 3],
            window: None,
            inverted: false,
            overlays: true,
            view: View::default(),
            shown: None,
            fault: None,
            fresh: true,
            canvas: None,
            photo: None,
            busy: Cell::default(),
            again: Cell::default(),
        })
    }

    /// The slice, or the plane along the axis.
    pub(crate) fn slice(&self) -> u32 {
        self.places[index(self.axis)]
    }

    /// Goes there if it exists; says whether anything changed.
    pub(crate) fn go(&mut self, slice: u32, state: &State) -> bool {
        let most = self.count(state).saturating_sub(1);
        let slice = slice.min(most);
        std::mem::replace(&mut self.places[index(self.axis)], slice) != slice
    }

    /// How many slices there are: as far as is known.
    pub(crate) fn count(&self, state: &State) -> u32 {
        let Some(series) = state.series(self.picture) else {
            return 0;
        };
        match self.axis {
            Axis::Slices => series.slices,
            Axis::Rows => series.size[1],
            Axis::Columns => series.size[0],
        }
    }

    /// How it lies before the reader changes anything: slices as the file says; those of a volume that is no DICOM,
    /// whose rows and columns go in any direction, and planes across slices as radiologists hang them.
    pub(crate) fn home(&self, state: &State) -> View {
        let plane = state.series(self.picture).and_then(|series| {
            if self.axis != Axis::Slices {
                return Some(Grid::of(&series.planes).ok()?.plane(self.axis, 0));
            }
            let first = series.planes.first().copied();
            first.filter(|_| series.modality == "NIfTI")
        });
        plane.as_ref().map_or_else(View::default, View::hung)
    }

    /// Another axis, beginning in the middle.
    pub(crate) fn turn_to(&mut self, axis: Axis, state: &State) {
        self.axis = axis;
        self.slab = 1;
        self.view = self.home(state);
        if self.slice() == 0 && axis != Axis::Slices {
            let middle = self.count(state) / 2;
            self.go(middle, state);
        }
    }

    pub(crate) fn look(&self) -> Look {
        Look {
            window: self.window,
            inverted: self.inverted,
            axis: self.axis,
            slab: self.slab,
            overlays: self.overlays,
        }
    }

    /// Shows another picture from its beginning.
    pub(crate) fn choose(&mut self, picture: usize) {
        self.picture = picture;
        self.axis = Axis::Slices;
        self.slab = 1;
        self.places = [0; 3];
        self.window = None;
        self.inverted = false;
        self.view = View::default();
        self.fresh = true;
        self.fault = None;
        self.blank();
        if let Some(photo) = self.photo.take() {
            photo.remove();
        }
    }

    /// The slice as it was taken that is on screen, where one is; of a photograph its only one. Marks belong to it: the
    /// slice that is wanted may not have come yet, or not decode.
    pub(crate) fn on_screen(&self) -> Option<u32> {
        match &self.shown {
            Some(shown) => (shown.axis == Axis::Slices && shown.slab == 1).then_some(shown.slice),
            None => self.photo.as_ref().map(|_| 0),
        }
    }

    /// The slice as it was taken, and the pixel of it, that lie at a pixel of what is on screen. Of another plane, too:
    /// its own numbers mean nothing to who looks at slices.
    pub(crate) fn as_taken(&self, pixel: [f64; 2], state: &State) -> Option<(u32, [f64; 2])> {
        if let Some(slice) = self.on_screen() {
            return Some((slice, pixel));
        }
        let point = self.shown.as_ref()?.plane?.to_patient(pixel);
        let (slice, pixel) = nearest(&state.series(self.picture)?.planes, point)?;
        Some((slice as u32, pixel))
    }

    /// The slice that is shown, or was before another plane was.
    pub(crate) fn slice_as_taken(&self) -> u32 {
        self.places[0]
    }

    /// The place in the volume that lies at a pixel of what is on screen.
    pub(crate) fn cross(&self, pixel: [f64; 2], state: &State) -> Option<Cross> {
        let point = self.shown.as_ref()?.plane?.to_patient(pixel);
        let (slice, [column, row]) = self.as_taken(pixel, state)?;
        Some(Cross {
            picture: self.picture,
            at: [slice, row as u32, column as u32],
            point,
        })
    }

    /// The pixel of that place, when what is on screen goes through it.
    pub(crate) fn pixel_of(&self, cross: &Cross) -> Option<[f64; 2]> {
        let shown = self.shown.as_ref()?;
        let through = cross.picture == self.picture && cross.at[index(shown.axis)] == shown.slice;
        Some(shown.plane.filter(|_| through)?.to_pixel(cross.point).0)
    }

    /// Takes the pixels away.
    pub(crate) fn blank(&mut self) {
        self.shown = None;
        if let Some(canvas) = self.canvas.take() {
            canvas.remove();
        }
    }

    /// Shows what the worker has drawn.
    pub(crate) fn show_bitmap(&mut self, bitmap: &ImageBitmap) {
        use wasm_bindgen::JsCast;
        if self.canvas.is_none() {
            self.canvas = dom::element("canvas", "stage__pixels")
                .and_then(|element| element.dyn_into::<HtmlCanvasElement>().ok());
            if let Some(canvas) = &self.canvas {
                let _ = self.stage.prepend_with_node_1(canvas);
            }
        }
        if let Some(canvas) = &self.canvas {
            dom::put(canvas, bitmap);
        }
    }

    /// A photograph is shown by the browser itself.
    pub(crate) fn show_photo(&mut self, url: &str, alt: &str) {
        use wasm_bindgen::JsCast;
        self.blank();
        if self.photo.is_none() {
            let photo = dom::element("img", "stage__pixels")
                .and_then(|e| e.dyn_into::<HtmlImageElement>().ok());
            if let Some(photo) = &photo {
                let _ = self.stage.prepend_with_node_1(photo);
                dom::set(photo, "draggable", "false");
            }
            self.photo = photo;
        }
        if let Some(photo) = &self.photo {
            if photo.src() != url {
                photo.set_src(url);
            }
            photo.set_alt(alt);
        }
    }

    /// Columns and rows of what is shown.
    pub(crate) fn size(&self, state: &State) -> [u32; 2] {
        match (&self.shown, state.pictures.get(self.picture)) {
            (Some(shown), _) => shown.size,
            (None, Some(picture)) => picture.facts.size,
            (None, None) => [1, 1],
        }
    }

    pub(crate) fn viewport(&self, state: &State) -> Viewport {
        let size = self.size(state);
        let spacing = self
            .shown
            .as_ref()
            .and_then(|shown| shown.scale)
            .map(|scale| scale.spacing);
        Viewport {
            view: self.view,
            stage: [
                f64::from(self.stage.client_width()),
                f64::from(self.stage.client_height()),
            ],
            picture: size.map(f64::from),
            aspect: spacing.map_or(1.0, |[across, down]| down / across),
        }
    }

    /// Lays the picture where the view wants it.
    pub(crate) fn place(&self, port: &Viewport) {
        let [a, b, c, d, e, f] = port.matrix();
        let matrix = format!("matrix({a:.6},{b:.6},{c:.6},{d:.6},{e:.3},{f:.3})");
        let picture: Option<&HtmlElement> = match (&self.canvas, &self.photo) {
            (Some(canvas), _) => Some(canvas),
            (None, Some(photo)) => Some(photo),
            (None, None) => None,
        };
        if let Some(picture) = picture {
            dom::style(picture, "transform", &matrix);
            if self.photo.is_some() {
                dom::style(picture, "width", &format!("{}px", port.picture[0]));
                dom::style(picture, "height", &format!("{}px", port.picture[1]));
            }
        }
    }
}

/// Of what is kept for each axis.
pub(crate) fn index(axis: Axis) -> usize {
    match axis {
        Axis::Slices => 0,
        Axis::Rows => 1,
        Axis::Columns => 2,
    }
}
