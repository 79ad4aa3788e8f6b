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

/// A corner of the picture has no room for more.
const MOST_PLACES: usize = 15;

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

/// Whole from 10 on, three digits that count below, however small it is: a diffusion coefficient is 0.000850 mm²/s. A
/// real minus sign.
pub(crate) fn number(value: f64) -> String {
    let mut places = 0;
    if value.abs() < 10.0 && (value - value.round()).abs() > 1e-9 * value.abs() {
        places = 2;
        let mut left = value.abs();
        while left < 1.0 && places < MOST_PLACES {
            left *= 10.0;
            places += 1;
        }
    }
    let text = format!("{value:.places$}");
    match text.strip_prefix('-') {
        Some("0") => "0".to_owned(),
        Some(rest) => format!("−{rest}"),
        None => text,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_have_the_digits_that_count() {
        for (value, text) in [
            (0.0, "0"),
            (-0.0, "0"),
            (7.0, "7"),
            (0.1 * 3.0 / 0.3, "1"),
            (-1024.0, "−1024"),
            (40.4, "40"),
            (1.234, "1.23"),
            (0.5, "0.500"),
            (0.0456, "0.0456"),
            (0.00085, "0.000850"),
            (-0.00012, "−0.000120"),
        ] {
            assert_eq!(number(value), text, "{value}");
        }
        assert_eq!(valued(0.00085, "mm2/s"), "0.000850 mm2/s");
    }
}
