//! The client of a page: its reactive state (`model`, both builds) and, in the browser, the runtime that drives it.

pub mod model;

pub use model::{Client, use_client};

/// The runtime: wallet, storage, rooms, files and network. Only browsers have it; the server renders first states.
#[cfg(feature = "hydrate")]
pub mod browser;
