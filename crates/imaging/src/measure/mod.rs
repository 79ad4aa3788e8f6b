//! Measuring on an image: lengths, angles, regions with their statistics. Geometry is in millimetres when the image
//! says how large a pixel is, and in pixels otherwise, which the result says.

mod region;
mod shape;

pub use region::{Statistics, statistics};
pub use shape::{Calibration, Measured, Scale, Shape, measure};
