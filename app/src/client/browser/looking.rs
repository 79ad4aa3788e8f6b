//! What the picture workspace asks of the room: measurements are events, pointing is passed on and never kept.

use std::rc::Rc;

use healthsync_core::{
    EphemeralKind, EventId, Kind, Measurement, MeasurementView, Person, Pointing, Shape,
};
use healthsync_imaging::{
    measure,
    render::Window,
    stage::{Mark, Pointer, Say},
};
use leptos::prelude::{Set, WithUntracked};

use super::{rooms::OpenRoom, runtime::Runtime};
use crate::client::model::ToastKind;

impl Runtime {
    pub(crate) fn look(self: &Rc<Self>, case: EventId, say: Say) {
        match say {
            // The view's own business.
            Say::Choose { .. } => {}
            Say::Mark(_) | Say::Unmark { .. } if self.open_room().is_none() => self.toast(
                ToastKind::Info,
                "This is what was minted, and nothing can be added to it. Measurements are kept in rooms.",
            ),
            Say::Mark(mark) => self.say_or_toast(vec![Kind::Measure {
                measurement: Measurement {
                    case,
                    image: u16::try_from(mark.picture).unwrap_or(u16::MAX),
                    slice: mark.slice,
                    shape: kept_shape(mark.shape),
                    points: mark.points.iter().map(|point| hundredths(*point)).collect(),
                    text: mark.text,
                },
            }]),
            Say::Unmark { id } => {
                if let Ok(measurement) = id.parse() {
                    self.say_or_toast(vec![Kind::Unmeasure { measurement }]);
                }
            }
            Say::Point {
                picture,
                slice,
                at,
                window,
            } => {
                let Some(room) = self.open_room().filter(|room| room.is_open()) else {
                    return;
                };
                let pointing = Pointing {
                    case,
                    image: u16::try_from(picture).unwrap_or(u16::MAX),
                    slice,
                    at: at.map(hundredths),
                    window: window
                        .map(|window| Pointing::of_window([window.centre, window.width])),
                };
                self.hint(&room, EphemeralKind::Pointing(pointing));
            }
            Say::Note { text } => self.toast(ToastKind::Info, text),
        }
    }

    /// Shows where colleagues point now.
    pub(crate) fn show_pointers(&self, room: &OpenRoom) {
        let pointers: Vec<(EventId, Pointer)> = room
            .presence
            .pointing()
            .into_iter()
            .map(|(person, pointing)| (pointing.case, pointer(person, &pointing)))
            .collect();
        // Mostly nobody points: then there is nothing to draw anew.
        let shown = self.client.pointers;
        if !pointers.is_empty() || !shown.with_untracked(Vec::is_empty) {
            shown.set(pointers);
        }
    }
}

pub(crate) fn mark(view: &MeasurementView, me: Option<Person>) -> Mark {
    let Measurement {
        image,
        slice,
        shape,
        points,
        text,
        ..
    } = &view.measurement;
    Mark {
        id: view.id.to_string(),
        picture: usize::from(*image),
        slice: *slice,
        shape: shown_shape(*shape),
        points: points.iter().map(|point| pixels(*point)).collect(),
        text: text.clone(),
        by: view.person.short(),
        own: Some(view.person) == me,
    }
}

fn pointer(person: Person, pointing: &Pointing) -> Pointer {
    Pointer {
        by: person.short(),
        picture: usize::from(pointing.image),
        slice: pointing.slice,
        at: pointing.at.map(pixels),
        window: pointing
            .window()
            .map(|[centre, width]| Window { centre, width }),
    }
}

fn hundredths(numbers: [f64; 2]) -> [i32; 2] {
    // A cast of a float holds at the type's ends.
    numbers.map(|number| (number * 100.0).round() as i32)
}

fn pixels(hundredths: [i32; 2]) -> [f64; 2] {
    hundredths.map(|number| f64::from(number) / 100.0)
}

fn kept_shape(shape: measure::Shape) -> Shape {
    match shape {
        measure::Shape::Length => Shape::Length,
        measure::Shape::Angle => Shape::Angle,
        measure::Shape::Rectangle => Shape::Rectangle,
        measure::Shape::Ellipse => Shape::Ellipse,
        measure::Shape::Freehand => Shape::Freehand,
        measure::Shape::Arrow => Shape::Arrow,
        measure::Shape::Point => Shape::Point,
    }
}

fn shown_shape(shape: Shape) -> measure::Shape {
    match shape {
        Shape::Length => measure::Shape::Length,
        Shape::Angle => measure::Shape::Angle,
        Shape::Rectangle => measure::Shape::Rectangle,
        Shape::Ellipse => measure::Shape::Ellipse,
        Shape::Freehand => measure::Shape::Freehand,
        Shape::Arrow => measure::Shape::Arrow,
        Shape::Point => measure::Shape::Point,
    }
}
