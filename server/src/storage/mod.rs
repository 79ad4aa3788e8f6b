//! Embedded storage with Lighthouse's API: files under their content ids. From a browser's device it takes what a
//! device token announces and proves by hashing that this is what came; from a program with an API key, any file.

mod accounts;
mod blobs;
mod catalogue;
mod download;
mod elsewhere;
mod hear_out;
mod listing;
mod range;
mod routes;
mod sweep;
#[cfg(test)]
mod tests;

pub use blobs::{BlobError, Blobs};
pub(crate) use elsewhere::Elsewhere;
pub(crate) use routes::sentence;
pub use routes::{StorageState, routes};
pub use sweep::{KeyHolders, sweep_for_ever};
