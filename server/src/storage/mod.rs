//! Embedded storage with Lighthouse's API: encrypted files under their content ids. It takes what a device token
//! announces and proves by hashing that this is what came.

mod blobs;
mod hear_out;
mod range;
mod routes;
#[cfg(test)]
mod tests;

pub use blobs::{BlobError, Blobs};
pub(crate) use routes::sentence;
pub use routes::{StorageState, routes};
