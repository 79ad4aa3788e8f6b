//! crates/imaging
