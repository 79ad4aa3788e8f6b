//! crates/lighthouse
