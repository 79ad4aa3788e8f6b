//! What the crate promises to the outside, tested through its public API in one binary.
#![allow(clippy::unwrap_used)]

mod agreement;
mod bundles;
mod copies;
mod decoders;
mod epochs;
mod hostile;
mod laws;
mod limits;
mod measurements;
mod mints;
mod new_keys;
mod people;
mod polls;
mod rooms;
mod sim;
mod talk;
mod wallets;
mod wire;
