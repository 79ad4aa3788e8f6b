//! DICOM: files, their headers, their frames, and series in order.
//!
//! For a viewer, in this order:
//!
//! 1. [`Instance::parse`] takes a file's bytes and gives an [`Instance`]: its [`head`](Instance::head) (an
//!    [`InstanceHead`], cheap to clone and to send between threads: identity, geometry, pixel format, windows) and
//!    its whole [data set](Instance::dataset). No pixel is decoded.
//! 2. [`sort_into_series`] groups heads by series and puts each in order of position along the normal.
//! 3. [`Instance::decode_frame`] gives a [`Frame`]: grey samples as numbers *before* the modality LUT (sign extended,
//!    bits above BitsStored cleared), or RGB with 8 bits, ready to draw. Decoding one frame touches no other.
//! 4. [`InstanceHead::rescale`], [`Instance::modality_lut`], [`InstanceHead::windows`] and [`Instance::voi_luts`]
//!    say how numbers become shown greys; applying them is the renderer's.
//!
//! Everything here is pure, `Send + Sync` and never panics on a file's content. Feature `dicom`.

mod charset;
mod dataset;
mod encapsulated;
mod error;
mod frame;
mod head;
mod instance;
mod lut;
mod overlay;
mod read;
mod series;
pub mod syntax;
mod tag;
mod write;

pub use charset::Charset;
pub use dataset::{DataSet, Element, Value};
/// Tags by their keyword, for [`DataSet::get`] and its kin.
pub use dicom_dictionary_std::tags;
pub use error::ImagingError;
pub use frame::{Frame, Samples};
pub(crate) use frame::{interpret, is_full_ybr, native, ybr_to_rgb};
pub use head::{
    InstanceHead, MAX_FRAME_PIXELS, Photometric, PixelFormat, PixelSpacing, Plane, Rescale,
    SpacingOrigin, UltrasoundRegion, VoiFunction, Window,
};
pub use instance::Instance;
pub use lut::Lut;
pub use overlay::{Overlay, OverlaySource};
pub(crate) use read::unknown_sequence;
pub use read::{File, MAX_DEPTH, MAX_ELEMENTS, MAX_INFLATED, looks_like_dicom, read};
pub use series::{Series, Slice, sort_into_series};
pub(crate) use syntax::RLE_LOSSLESS;
pub use syntax::{Coding, EXPLICIT_LE, TransferSyntax};
pub(crate) use tag::dictionary_tag;
pub use tag::{Tag, Vr};
pub(crate) use write::write;
