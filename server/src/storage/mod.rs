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
mod s3;
mod sweep;
#[cfg(test)]
mod tests;

pub use blobs::{BlobError, Blobs};
pub(crate) use elsewhere::Elsewhere;
pub(crate) use routes::sentence;
pub use routes::{Limits, StorageState, routes};
pub(crate) use s3::Bucket;
pub use s3::S3Settings;
pub use sweep::{KeyHolders, sweep_for_ever};
