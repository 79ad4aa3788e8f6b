//! The HealthSync server: pages, relay and mailbox, embedded key nodes and storage in one process.
//!
//! [`services::Services`] opens the parts, [`http::router`] says which address answers what, [`policy`] decides who
//! may enter a room and what is stored. Protocol rules are in the crates `core`, `lighthouse` and `net`; this one
//! does the input and output.

mod backend;
pub mod chain;
mod clock;
pub mod database;
pub mod http;
mod identity;
pub mod key_nodes;
pub mod logging;
pub mod mailbox;
mod migrations;
pub mod policy;
mod relays;
pub mod services;
pub mod settings;
pub mod storage;
#[cfg(test)]
mod test_support;
pub mod verify;
