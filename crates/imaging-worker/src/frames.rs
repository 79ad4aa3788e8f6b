//! Frames as pictures to draw: their values, what these mean, how they are shown when nobody asks for more.

use std::rc::Rc;

use healthsync_imaging::{
    dicom::{Frame, Instance, Samples, VoiFunction},
    measure::Scale,
    render::{Lookup, Modality, Plane, Stored, Voi, Window, auto_window},
};

use crate::facts::is_grey;

/// Something that can be drawn and measured.
#[derive(Debug)]
pub(crate) struct Picture {
    /// Columns and rows.
    pub(crate) size: [u32; 2],
    pub(crate) pixels: Pixels,
    /// What is drawn over them: one byte a pixel, not 0 where something is.
    pub(crate) over: Option<Vec<u8>>,
    pub(crate) plane: Option<Plane>,
    /// Where it has no plane: to which sides its rows and columns go.
    pub(crate) sides: Option<[String; 2]>,
    pub(crate) scale: Option<Scale>,
    /// How many of its kind there are in a row.
    pub(crate) count: u32,
}

#[derive(Clone, Debug)]
pub(crate) enum Pixels {
    /// A frame of a file.
    Frame(Rc<Frame>, Option<Grey>),
    /// A plane of a volume: values less `offset`.
    Cut(Rc<Vec<i16>>, i32, Grey),
}

/// What grey values mean.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Grey {
    pub(crate) stored: Stored,
    pub(crate) modality: Modality,
    /// VOI LUT Function.
    pub(crate) function: &'static str,
    /// The file's own way to show them.
    pub(crate) voi: Option<Voi>,
    /// MONOCHROME1.
    pub(crate) inverted: bool,
    /// Stored values between these two, both included, stand for no pixel.
    padding: Option<[f64; 2]>,
}

impl Grey {
    /// `None` for colour.
    pub(crate) fn of(instance: &Instance, frame: u32) -> Option<Self> {
        let head = &instance.head;
        if !is_grey(&head.pixels) {
            return None;
        }
        let rescale = head.rescale(frame);
        let lookup = |lut: healthsync_imaging::dicom::Lut| Lookup {
            first: lut.first,
            bits: lut.bits.clamp(1, 16) as u8,
            entries: lut.entries,
        };
        let modality = match instance.modality_lut() {
            Some(lut) => Modality::Lookup(lookup(lut)),
            None => Modality::Rescale {
                slope: rescale.slope,
                intercept: rescale.intercept,
            },
        };
        let function = match head.windows.first().map(|window| window.function) {
            Some(VoiFunction::LinearExact) => "LINEAR_EXACT",
            Some(VoiFunction::Sigmoid) => "SIGMOID",
            Some(VoiFunction::Linear) | None => "LINEAR",
        };
        let voi = head
            .windows
            .iter()
            .find_map(|window| {
                let window = Window {
                    centre: window.center,
                    width: window.width,
                };
                Voi::named(function, window).ok()
            })
            .or_else(|| Some(Voi::Lookup(lookup(instance.voi_luts().into_iter().next()?))));
        Some(Self {
            stored: Stored {
                bits_allocated: if head.pixels.bits_allocated <= 8 {
                    8
                } else {
                    16
                },
                bits_stored: head.pixels.bits_stored.clamp(1, 16) as u8,
                signed: head.pixels.signed,
            },
            modality,
            function,
            voi,
            inverted: head.inverted,
            padding: head.padding,
        })
    }

    pub(crate) fn is_padding(&self, stored: f64) -> bool {
        self.padding
            .is_some_and(|[least, most]| least <= stored && stored <= most)
    }

    /// The modality value of a stored one; padding has none.
    pub(crate) fn value(&self, stored: f64) -> Option<f64> {
        (!self.is_padding(stored)).then(|| self.modality.apply(stored))
    }
}

/// The samples of a frame as numbers, one by one.
pub(crate) fn number(samples: &Samples, at: usize) -> Option<f64> {
    match samples {
        Samples::U8(all) => all.get(at).map(|v| f64::from(*v)),
        Samples::I8(all) => all.get(at).map(|v| f64::from(*v)),
        Samples::U16(all) => all.get(at).map(|v| f64::from(*v)),
        Samples::I16(all) => all.get(at).map(|v| f64::from(*v)),
        Samples::U32(all) => all.get(at).map(|v| f64::from(*v)),
        Samples::I32(all) => all.get(at).map(|v| f64::from(*v)),
        Samples::F32(all) => all.get(at).map(|v| f64::from(*v)),
        Samples::F64(all) => all.get(at).copied(),
        Samples::Rgb8(_) => None,
    }
}

impl Picture {
    pub(crate) fn grey(&self) -> Option<&Grey> {
        match &self.pixels {
            Pixels::Frame(_, grey) => grey.as_ref(),
            Pixels::Cut(_, _, grey) => Some(grey),
        }
    }

    /// The modality value at a column and row; `None` for colour, padding and outside.
    pub(crate) fn value(&self, column: u32, row: u32) -> Option<f64> {
        if column >= self.size[0] || row >= self.size[1] {
            return None;
        }
        let at = row as usize * self.size[0] as usize + column as usize;
        let stored = match &self.pixels {
            Pixels::Frame(frame, _) => number(&frame.samples, at)?,
            Pixels::Cut(values, offset, _) => f64::from(i32::from(*values.get(at)?) + offset),
        };
        self.grey()?.value(stored)
    }

    /// The way to show it: with the reader's window, as the file says, or all of its values.
    pub(crate) fn voi(&self, grey: &Grey, window: Option<Window>) -> Voi {
        // LINEAR has no windows below 1.
        let named = |window| {
            Voi::named(grey.function, window).or_else(|_| Voi::named("LINEAR_EXACT", window))
        };
        if let Some(voi) = window.and_then(|window| named(window).ok()) {
            return voi;
        }
        let all = || Voi::Linear(self.all(grey));
        grey.voi.clone().unwrap_or_else(all)
    }

    /// The window of all values, of what is shown by a table.
    pub(crate) fn range(&self, voi: &Voi) -> Option<Window> {
        let grey = self.grey()?;
        matches!(voi, Voi::Lookup(_)).then(|| self.all(grey))
    }

    /// The window of all values there are. Eight bits are made to be seen as they are; of more only a part is used.
    fn all(&self, grey: &Grey) -> Window {
        let (mut least, mut most) = (f64::MAX, f64::MIN);
        if grey.stored.bits_stored <= 8 && !grey.stored.signed {
            (least, most) = (0.0, f64::from((1_u32 << grey.stored.bits_stored) - 1));
        } else {
            for at in 0..(self.size[0] as usize * self.size[1] as usize) {
                let stored = match &self.pixels {
                    Pixels::Frame(frame, _) => number(&frame.samples, at),
                    Pixels::Cut(values, offset, _) => values
                        .get(at)
                        .map(|value| f64::from(i32::from(*value) + offset)),
                };
                if let Some(value) =
                    stored.filter(|value| value.is_finite() && !grey.is_padding(*value))
                {
                    least = least.min(value);
                    most = most.max(value);
                }
            }
        }
        if least > most {
            return auto_window(0.0, 1.0);
        }
        let (a, b) = (grey.modality.apply(least), grey.modality.apply(most));
        auto_window(a.min(b), a.max(b))
    }
}

/// The window inside a VOI.
pub(crate) fn window_of(voi: &Voi) -> Option<Window> {
    match voi {
        Voi::Linear(window) | Voi::LinearExact(window) | Voi::Sigmoid(window) => Some(*window),
        Voi::Lookup(_) => None,
    }
}
