//! One node for the tabs of a browser: what the tab that runs it, the host, and the others, its guests, say to each
//! other, and the host's book of who has which room open. How the messages travel, and how a tab becomes the host, is
//! the page's.

mod desk;
mod message;

pub use crate::client::{Command, Reply};
pub use desk::Desk;
pub use message::{Malformed, Message, Say};

/// Names the lock and the channel. Tabs of releases that say other things to each other need another number: they
/// share no node.
pub const NAME: &str = "healthsync-node/1";

/// One tab, for as long as its page lives; never 0.
pub type TabId = u64;
/// A node by the public key in its peer id.
pub type NodeKey = [u8; 32];
