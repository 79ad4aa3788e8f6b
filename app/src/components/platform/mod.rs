//! What only a browser can say, with an answer for the server as well: same signatures on both sides, so that the
//! components carry no conditional compilation. On the server these are first values; events never fire there.

#[cfg(feature = "hydrate")]
mod browser;
#[cfg(feature = "hydrate")]
mod dropped;
#[cfg(feature = "hydrate")]
mod workspace;
#[cfg(feature = "hydrate")]
pub(crate) use browser::*;
#[cfg(feature = "hydrate")]
pub(crate) use dropped::dropped_deep;
#[cfg(feature = "hydrate")]
pub(crate) use workspace::{Workspace, call, imaging_module, prepare_workspace};

#[cfg(not(feature = "hydrate"))]
mod server;
#[cfg(not(feature = "hydrate"))]
pub(crate) use server::*;

/// The colour scheme a person has chosen in this browser.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Theme {
    System,
    Light,
    Dark,
}
