//! Results in words: units, rounding, and what a number does not mean.

use healthsync_imaging::{
    measure::{Calibration, Measured, Shape},
    stage::Mark,
};

/// What stands beside the mark.
pub(crate) fn short(mark: &Mark, measured: Option<&Measured>, unit: &str) -> String {
    let Some(measured) = measured else {
        return mark.text.clone();
    };
    let result = match mark.shape {
        Shape::Length => measured
            .length
            .map(|length| lengthy(length, measured.calibration)),
        Shape::Angle => measured.angle.map(|angle| format!("{angle:.1}°")),
        Shape::Point => measured.value.map(|value| valued(value, unit)),
        Shape::Arrow => None,
        Shape::Rectangle | Shape::Ellipse | Shape::Freehand => Some(match measured.statistics {
            Some(found) => format!("{} ± {}", number(found.mean), valued(found.sd, unit)),
            None => areal(measured),
        }),
    };
    match (result, mark.text.is_empty()) {
        (Some(result), true) => result,
        (Some(result), false) => format!("{}: {result}", mark.text),
        (None, _) => mark.text.clone(),
    }
}

/// What the list says besides.
pub(crate) fn long(mark: &Mark, measured: Option<&Measured>, unit: &str) -> String {
    let Some(measured) = measured else {
        return String::new();
    };
    let mut parts = Vec::new();
    match mark.shape {
        Shape::Length => parts.extend(
            measured
                .length
                .map(|length| lengthy(length, measured.calibration)),
        ),
        Shape::Angle => parts.extend(measured.angle.map(|angle| format!("{angle:.1}°"))),
        Shape::Point => parts.extend(measured.value.map(|value| valued(value, unit))),
        Shape::Arrow => {}
        Shape::Rectangle | Shape::Ellipse | Shape::Freehand => {
            if let Some(found) = measured.statistics {
                parts.push(format!(
                    "{} ± {}",
                    number(found.mean),
                    valued(found.sd, unit)
                ));
                parts.push(format!("{} to {}", number(found.min), number(found.max)));
                if found.without > 0 {
                    parts.push(format!("{} px without a value left out", found.without));
                }
            }
            parts.push(areal(measured));
        }
    }
    let place = match measured.calibration {
        Some(Calibration::Detector) => "at the detector, less in the patient",
        Some(Calibration::Film) => "on the film, not in the patient",
        Some(Calibration::Patient) | None => "",
    };
    if !place.is_empty() && mark.shape != Shape::Point {
        parts.push(place.to_owned());
    }
    parts.join(", ")
}

/// What a shape without a name is called.
pub(crate) fn kind(shape: Shape) -> &'static str {
    match shape {
        Shape::Length => "Length",
        Shape::Angle => "Angle",
        Shape::Rectangle => "Rectangle",
        Shape::Ellipse => "Ellipse",
        Shape::Freehand => "Outline",
        Shape::Arrow => "Arrow",
        Shape::Point => "Value",
    }
}

fn lengthy(length: f64, calibration: Option<Calibration>) -> String {
    match calibration {
        Some(_) => format!("{length:.1} mm"),
        None => format!("{length:.0} px"),
    }
}

fn areal(measured: &Measured) -> String {
    let area = measured.area.unwrap_or_default();
    match measured.calibration {
        Some(_) if area >= 100.0 => format!("{:.2} cm²", area / 100.0),
        Some(_) => format!("{area:.1} mm²"),
        None => format!("{area:.0} px²"),
    }
}

pub(crate) fn valued(value: f64, unit: &str) -> String {
    if unit.is_empty() {
        number(value)
    } else {
        format!("{} {unit}", number(value))
    }
}

/// As many places as the value bears; a real minus sign.
pub(crate) fn number(value: f64) -> String {
    let text = if value.abs() >= 10.0 || value.fract().abs() < 1e-9 {
        format!("{value:.0}")
    } else {
        format!("{value:.2}")
    };
    match text.strip_prefix('-') {
        Some("0") => "0".to_owned(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}
