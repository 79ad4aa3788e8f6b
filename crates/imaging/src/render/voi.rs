//! The grey pipeline of PS3.3: stored value → modality rescale or LUT → VOI window or LUT → 8 bits, folded into one
//! table that is indexed by a stored value's bit pattern. A new window costs one table; a frame costs one lookup a
//! pixel, on the CPU as on the GPU, so both show the same pixels.

use serde::{Deserialize, Serialize};

/// How a stored value is coded.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Stored {
    /// 8 or 16: what one sample takes.
    pub bits_allocated: u8,
    /// How many of them count.
    pub bits_stored: u8,
    /// Two's complement (Pixel Representation 1).
    pub signed: bool,
}

impl Stored {
    /// Entries of a table for every bit pattern.
    fn patterns(self) -> usize {
        if self.bits_allocated <= 8 {
            1 << 8
        } else {
            1 << 16
        }
    }

    /// The value of a bit pattern: bits beyond `bits_stored` do not count, the sign is extended.
    pub fn value(self, pattern: u16) -> i32 {
        let bits = u32::from(
            self.bits_stored
                .clamp(1, if self.bits_allocated <= 8 { 8 } else { 16 }),
        );
        let low = i32::from(pattern) & ((1 << bits) - 1);
        if self.signed && low >> (bits - 1) == 1 {
            low - (1 << bits)
        } else {
            low
        }
    }
}

/// A lookup table as in a Modality LUT or VOI LUT sequence item.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lookup {
    /// The input that the first entry is for; smaller ones get the first entry, larger ones the last.
    pub first: i32,
    /// Bits of an entry that count, 8 to 16.
    pub bits: u8,
    /// Outputs.
    pub entries: Vec<u16>,
}

impl Lookup {
    fn at(&self, value: f64) -> f64 {
        let index = (value.round() as i64 - i64::from(self.first)).max(0) as usize;
        self.entries
            .get(index)
            .or(self.entries.last())
            .map_or(0.0, |entry| f64::from(*entry))
    }
}

/// From stored values to the modality's own (Hounsfield units for CT).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Modality {
    /// `slope × stored + intercept` (PS3.3 C.11.1).
    Rescale {
        /// Rescale Slope.
        slope: f64,
        /// Rescale Intercept.
        intercept: f64,
    },
    /// Modality LUT Sequence.
    Lookup(Lookup),
}

impl Modality {
    /// Values as they are stored.
    pub const IDENTITY: Self = Self::Rescale {
        slope: 1.0,
        intercept: 0.0,
    };

    /// The modality value of a stored one.
    pub fn apply(&self, stored: f64) -> f64 {
        match self {
            Self::Rescale { slope, intercept } => slope * stored + intercept,
            Self::Lookup(lookup) => lookup.at(stored),
        }
    }
}

/// Window centre and width in modality values.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Window {
    /// Window Center.
    pub centre: f64,
    /// Window Width.
    pub width: f64,
}

/// A window that means nothing.
#[derive(Clone, Copy, Debug, PartialEq, thiserror::Error)]
pub enum WindowError {
    /// PS3.3 C.11.2.1.2: LINEAR needs 1 or more, the others more than 0.
    #[error("a window {0} wide shows nothing")]
    Width(f64),
}

/// From modality values to what is shown (PS3.3 C.11.2).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub enum Voi {
    /// LINEAR, the default: C.11.2.1.2.1 with its terms of one half and one.
    Linear(Window),
    /// LINEAR_EXACT: C.11.2.1.3.2.
    LinearExact(Window),
    /// SIGMOID: C.11.2.1.3.1.
    Sigmoid(Window),
    /// VOI LUT Sequence.
    Lookup(Lookup),
}

impl Voi {
    /// The function of that name (VOI LUT Function) with this window.
    ///
    /// # Errors
    /// The window is too narrow for it.
    pub fn named(function: &str, window: Window) -> Result<Self, WindowError> {
        let least = if matches!(function, "LINEAR_EXACT" | "SIGMOID") {
            f64::MIN_POSITIVE
        } else {
            1.0
        };
        if !(window.width >= least && window.width.is_finite() && window.centre.is_finite()) {
            return Err(WindowError::Width(window.width));
        }
        Ok(match function {
            "LINEAR_EXACT" => Self::LinearExact(window),
            "SIGMOID" => Self::Sigmoid(window),
            _ => Self::Linear(window),
        })
    }

    /// What is shown of a modality value, from 0 (black) to 1.
    pub fn apply(&self, value: f64) -> f64 {
        match self {
            Self::Linear(Window { centre, width }) => {
                let (c, w) = (centre - 0.5, width - 1.0);
                if value <= c - w / 2.0 {
                    0.0
                } else if value > c + w / 2.0 {
                    1.0
                } else {
                    (value - c) / w + 0.5
                }
            }
            Self::LinearExact(Window { centre, width }) => {
                ((value - centre) / width + 0.5).clamp(0.0, 1.0)
            }
            Self::Sigmoid(Window { centre, width }) => {
                1.0 / (1.0 + (-4.0 * (value - centre) / width).exp())
            }
            Self::Lookup(lookup) => {
                let most = f64::from((1_u32 << lookup.bits.clamp(1, 16)) - 1);
                (lookup.at(value) / most).min(1.0)
            }
        }
    }
}

/// A window that shows all of the values from `least` to `most`.
pub fn auto_window(least: f64, most: f64) -> Window {
    Window {
        centre: (least + most) / 2.0 + 0.5,
        width: (most - least + 1.0).max(1.0),
    }
}

/// What every bit pattern of a stored value is shown as: 256 or 65,536 grey levels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Table(Vec<u8>);

impl Table {
    /// Folds the whole pipeline into a table. `inverted` swaps black and white, as MONOCHROME1 and the viewer's own
    /// inversion do (both together cancel out).
    pub fn new(stored: Stored, modality: &Modality, voi: &Voi, inverted: bool) -> Self {
        let grey = |pattern: usize| {
            let shown = voi.apply(modality.apply(f64::from(stored.value(pattern as u16))));
            let level = (shown * 255.0 + 0.5) as u8;
            if inverted { 255 - level } else { level }
        };
        // Most values share their table with others beyond the stored bits.
        let distinct = 1_usize << usize::from(stored.bits_stored.clamp(1, 16)).min(16);
        let size = stored.patterns();
        let mut table: Vec<u8> = (0..distinct.min(size)).map(grey).collect();
        while table.len() < size {
            table.extend_from_within(..);
        }
        Self(table)
    }

    /// The levels, by bit pattern.
    pub fn levels(&self) -> &[u8] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CT: Stored = Stored {
        bits_allocated: 16,
        bits_stored: 12,
        signed: true,
    };

    fn window(centre: f64, width: f64) -> Window {
        Window { centre, width }
    }

    /// The worked examples of PS3.3 C.11.2.1.2.1.
    #[test]
    fn linear_has_the_terms_of_the_standard() {
        let voi = Voi::Linear(window(2048.0, 4096.0));
        assert_eq!(voi.apply(0.0), 0.0);
        assert!(voi.apply(1.0) > 0.0);
        assert_eq!(voi.apply(4095.0), 1.0);
        assert!(voi.apply(4094.0) < 1.0);
        let voi = Voi::Linear(window(2048.0, 1.0));
        assert_eq!((voi.apply(2047.0), voi.apply(2048.0)), (0.0, 1.0));
        let voi = Voi::Linear(window(0.0, 100.0));
        assert_eq!((voi.apply(-50.0), voi.apply(49.0)), (0.0, 1.0));
        let voi = Voi::Linear(window(0.0, 1.0));
        assert_eq!((voi.apply(-1.0), voi.apply(0.0)), (0.0, 1.0));
    }

    #[test]
    fn exact_and_sigmoid_are_centred() {
        assert_eq!(Voi::LinearExact(window(0.0, 100.0)).apply(0.0), 0.5);
        assert_eq!(Voi::LinearExact(window(0.0, 100.0)).apply(-50.0), 0.0);
        assert_eq!(Voi::LinearExact(window(0.0, 100.0)).apply(50.0), 1.0);
        assert_eq!(Voi::Sigmoid(window(0.0, 100.0)).apply(0.0), 0.5);
        assert!(Voi::Sigmoid(window(0.0, 100.0)).apply(50.0) < 0.9);
    }

    #[test]
    fn windows_without_width_are_refused() {
        assert!(Voi::named("LINEAR", window(0.0, 0.5)).is_err());
        assert!(Voi::named("LINEAR_EXACT", window(0.0, 0.5)).is_ok());
        assert!(Voi::named("SIGMOID", window(0.0, 0.0)).is_err());
        assert!(Voi::named("", window(f64::NAN, 10.0)).is_err());
    }

    #[test]
    fn signs_are_extended_and_high_bits_ignored() {
        assert_eq!(CT.value(0x0FFF), -1);
        assert_eq!(CT.value(0xF800), -2048);
        assert_eq!(CT.value(0x07FF), 2047);
        let narrow = Stored {
            bits_allocated: 8,
            bits_stored: 8,
            signed: false,
        };
        assert_eq!(narrow.value(200), 200);
    }

    #[test]
    fn lookups_hold_their_ends() {
        let lookup = Lookup {
            first: 10,
            bits: 8,
            entries: vec![0, 128, 255],
        };
        let voi = Voi::Lookup(lookup);
        assert_eq!(voi.apply(-5.0), 0.0);
        assert_eq!(voi.apply(12.0), 1.0);
        assert_eq!(voi.apply(9_999.0), 1.0);
        assert!((voi.apply(11.0) - 128.0 / 255.0).abs() < 1e-12);
    }

    #[test]
    fn inverting_twice_is_nothing() {
        let voi = Voi::Linear(window(40.0, 400.0));
        let plain = Table::new(CT, &Modality::IDENTITY, &voi, false);
        let inverted = Table::new(CT, &Modality::IDENTITY, &voi, true);
        assert_eq!(plain.levels().len(), 65_536);
        assert!(
            plain
                .levels()
                .iter()
                .zip(inverted.levels())
                .all(|(a, b)| a + b == 255)
        );
    }

    proptest! {
        #[test]
        fn more_is_never_darker(centre in -2000.0..4000.0_f64, width in 1.0..5000.0_f64, a in -4000..8000_i32, b in -4000..8000_i32) {
            let (low, high) = (f64::from(a.min(b)), f64::from(a.max(b)));
            for name in ["LINEAR", "LINEAR_EXACT", "SIGMOID"] {
                let voi = Voi::named(name, window(centre, width)).unwrap();
                prop_assert!(voi.apply(low) <= voi.apply(high));
                prop_assert!((0.0..=1.0).contains(&voi.apply(low)));
            }
        }

        #[test]
        fn the_table_is_the_pipeline(pattern: u16, slope in 0.5..3.0_f64, intercept in -1100.0..100.0_f64, centre in -600.0..600.0_f64, width in 2.0..2000.0_f64) {
            let modality = Modality::Rescale { slope, intercept };
            let voi = Voi::Linear(window(centre, width));
            let table = Table::new(CT, &modality, &voi, false);
            let expected = (voi.apply(slope * f64::from(CT.value(pattern)) + intercept) * 255.0 + 0.5) as u8;
            prop_assert_eq!(table.levels()[usize::from(pattern)], expected);
        }

        #[test]
        fn an_automatic_window_shows_both_ends(a in -3000..3000_i32, b in -3000..3000_i32) {
            let (least, most) = (f64::from(a.min(b)), f64::from(a.max(b)));
            let voi = Voi::Linear(auto_window(least, most));
            prop_assert!(voi.apply(most) >= 1.0);
            prop_assert!(a == b || voi.apply(least) <= 0.0);
        }
    }
}
