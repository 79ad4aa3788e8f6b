//! One node for the tabs of a browser: what the tab that runs it (the holder) and the others (its guests)
//! say to each other, who has which room open there, and what a guest waits for. Without I/O: how messages
//! travel and how a tab becomes the holder is the page's.

pub mod calls;
pub mod desk;
pub mod messages;

pub use calls::Calls;
pub use desk::Desk;
pub use messages::{Answer, Here, Message, Say, TabId};

pub use crate::{
    blob::{Proof, fetch::Found},
    client::{Command, Wanted},
};
