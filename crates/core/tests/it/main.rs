//! What the crate promises to the outside, tested through its public API in one binary.
#![allow(clippy::unwrap_used)]

mod decoders;
mod laws;
mod limits;
mod people;
mod polls;
mod rooms;
mod wallets;
mod wire;
