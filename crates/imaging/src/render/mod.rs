//! From stored values to what is seen and to where it is: value tables (modality rescale and VOI), colour, the
//! transform of a viewport, patient coordinates, and planes through a volume. Pure; nothing here knows DICOM's tags.
//!
//! Pixel coordinates are continuous: the first pixel covers 0 to 1, its centre is (0.5, 0.5), x to the right along a
//! row, y downward. Lengths are millimetres.

mod colour;
mod geometry;
mod presets;
mod view;
mod voi;
mod volume;

pub use colour::{OVERLAY, paint_grey, paint_overlay, paint_rgb, paint_values};
pub use geometry::{Plane, is_side, nearest, opposite, reference_line, side_letters};
pub use presets::{Preset, presets};
pub use view::{View, Viewport};
pub use voi::{Lookup, Modality, Stored, Table, Voi, Window, WindowError, auto_window};
pub use volume::{Axis, Cut, Grid, VOLUME_BYTES, Volume, VolumeError};
