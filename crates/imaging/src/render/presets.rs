//! Windows that readers ask for by name, for CT in Hounsfield units. Other modalities have no absolute scale, so they
//! have no presets but those of their own files.

use serde::Serialize;

use super::voi::Window;

/// A named window.
#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
pub struct Preset {
    /// As readers call it.
    pub name: &'static str,
    /// In Hounsfield units.
    pub window: Window,
}

const fn preset(name: &'static str, centre: f64, width: f64) -> Preset {
    Preset {
        name,
        window: Window { centre, width },
    }
}

const CT: [Preset; 9] = [
    preset("Lung", -600.0, 1500.0),
    preset("Mediastinum", 40.0, 400.0),
    preset("Abdomen", 60.0, 400.0),
    preset("Liver", 80.0, 160.0),
    preset("Bone", 400.0, 1800.0),
    preset("Brain", 40.0, 80.0),
    preset("Stroke", 32.0, 16.0),
    preset("Subdural", 75.0, 215.0),
    preset("Angiography", 300.0, 600.0),
];

/// The presets of a modality (its code as in DICOM).
pub fn presets(modality: &str) -> &'static [Preset] {
    if modality == "CT" { &CT } else { &[] }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::Voi;

    #[test]
    fn every_preset_is_a_window() {
        for preset in presets("CT") {
            assert!(Voi::named("LINEAR", preset.window).is_ok(), "{preset:?}");
        }
        assert!(presets("MR").is_empty());
    }
}
