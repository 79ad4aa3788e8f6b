//! What one of the five key nodes answers.
//!
//! A node keeps one share per content id and gives it to the owner, to people it was shared with, and to whoever
//! meets the conditions; it keeps a log of that, which the owner can read. Calls, bodies and answers are those of Lighthouse's nodes, so that its official client works
//! unchanged; the `device:` token and the sealed answer are ours. HTTP is a thin shell around [`KeyNode::handle`]
//! and [`Authority`]; time and random bytes come with each call.

mod answer;
mod authority;
mod budget;
mod call;
mod change;
mod jwt;
mod messages;
#[cfg(not(all(target_arch = "wasm32", target_os = "unknown")))]
pub mod rest;
mod store;
mod used;

pub use answer::Answer;
pub use authority::{Authority, AuthorityConfig};
pub use call::{KeyCall, KeyNode, Request};
pub use store::{
    Action, Entry, LOG_SPAN, Logged, MAX_ENDED, MAX_LOG, MemoryStore, Record, ShareStore,
    StoreError,
};

/// Longest body of a call, in bytes.
pub const MAX_BODY: usize = 65_536;
/// Most addresses in one call.
pub const MAX_ADDRESSES: usize = 256;
/// Most people that one key is shared with by name; larger groups use conditions.
pub const MAX_SHARED: usize = 1024;

#[cfg(test)]
mod tests;
