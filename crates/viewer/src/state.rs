//! What the viewer knows: the case's pictures, its marks, and what the reader is doing with them.

use std::collections::HashMap;

use healthsync_imaging::{
    desk::SeriesFacts,
    measure::{Measured, Shape},
    stage::{Mark, PictureFacts, Pointer},
};
use web_sys::Blob;

use crate::draft::Draft;

/// What a drag or a press does.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Tool {
    /// Through the slices.
    #[default]
    Scroll,
    Window,
    Pan,
    Zoom,
    Draw(Shape),
}

impl Tool {
    /// By the name that the toolbar's buttons carry.
    pub(crate) fn named(name: &str) -> Option<Self> {
        Some(match name {
            "scroll" => Self::Scroll,
            "window" => Self::Window,
            "pan" => Self::Pan,
            "zoom" => Self::Zoom,
            "length" => Self::Draw(Shape::Length),
            "angle" => Self::Draw(Shape::Angle),
            "rectangle" => Self::Draw(Shape::Rectangle),
            "ellipse" => Self::Draw(Shape::Ellipse),
            "freehand" => Self::Draw(Shape::Freehand),
            "arrow" => Self::Draw(Shape::Arrow),
            "point" => Self::Draw(Shape::Point),
            _ => return None,
        })
    }
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) pictures: Vec<Picture>,
    pub(crate) marks: Vec<Mark>,
    /// Those of them that were read from a file of the reader's.
    pub(crate) read: Vec<Mark>,
    /// By mark. `None`: it could not be measured.
    pub(crate) measured: HashMap<String, Option<Measured>>,
    pub(crate) pointers: Vec<Pointer>,
    pub(crate) tool: Tool,
    pub(crate) following: bool,
    pub(crate) draft: Option<Draft>,
    /// The place that was pressed last, of two views.
    pub(crate) cross: Option<Cross>,
    pub(crate) selected: Option<String>,
    /// Own marks of this visit, the newest last: what undo takes back.
    pub(crate) made: Vec<Mark>,
    /// What redo brings back.
    pub(crate) undone: Vec<Mark>,
    /// Bytes that the worker keeps.
    pub(crate) memory: u64,
}

#[derive(Debug)]
pub(crate) struct Picture {
    pub(crate) facts: PictureFacts,
    pub(crate) stack: Option<Stack>,
}

/// A place in a volume.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Cross {
    pub(crate) picture: usize,
    /// The slice, row and column through it.
    pub(crate) at: [u32; 3],
    /// In the patient's coordinates.
    pub(crate) point: [f64; 3],
}

/// The files of a series, as far as they have come.
#[derive(Debug)]
pub(crate) struct Stack {
    /// Number of the worker's set.
    pub(crate) set: u32,
    pub(crate) blobs: Vec<Blob>,
    /// Slices there will be in the end.
    pub(crate) expected: u32,
    /// Which worker has how many of the blobs.
    pub(crate) given: (u32, usize),
    /// Some are on their way to it.
    pub(crate) adding: bool,
    pub(crate) series: Option<SeriesFacts>,
    /// What de-identification did, JSON.
    pub(crate) receipt: Option<Blob>,
    /// A sentence about files that did not open.
    pub(crate) fault: Option<String>,
}

impl State {
    pub(crate) fn series(&self, picture: usize) -> Option<&SeriesFacts> {
        self.pictures.get(picture)?.stack.as_ref()?.series.as_ref()
    }

    /// The files of a picture.
    pub(crate) fn stack_mut(&mut self, picture: usize) -> Option<&mut Stack> {
        self.pictures.get_mut(picture)?.stack.as_mut()
    }

    /// The picture that one of the worker's sets is.
    pub(crate) fn picture_of(&self, set: u32) -> Option<usize> {
        let is_it = |picture: &Picture| picture.stack.as_ref().is_some_and(|one| one.set == set);
        self.pictures.iter().position(is_it)
    }

    /// Photographs have no values and no size of a pixel.
    pub(crate) fn is_photo(&self, picture: usize) -> bool {
        self.pictures
            .get(picture)
            .is_some_and(|picture| picture.facts.url.is_some())
    }

    pub(crate) fn unit(&self, picture: usize) -> &str {
        self.series(picture)
            .and_then(|series| series.unit.as_deref())
            .unwrap_or_default()
    }
}
