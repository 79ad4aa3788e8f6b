//! Who may have a key, in Lighthouse's condition language.
//!
//! Browsers only write conditions ([`Condition`]). Key nodes read and judge them (feature `node`):
//! `shape` says what is a condition at all, `aggregator` reads `([1] and [2])`, `call` turns a condition into a
//! question to a chain, `value` compares the answer, `judge` puts it together. Everything that is unknown,
//! unreachable or unreadable counts as "no".

mod build;

pub use build::{Condition, Conditions, READER, all_of, any_of, room_member_condition};

#[cfg(feature = "node")]
pub mod aggregator;
#[cfg(feature = "node")]
mod call;
#[cfg(feature = "node")]
mod judge;
#[cfg(feature = "node")]
pub mod shape;
#[cfg(feature = "node")]
mod value;

#[cfg(feature = "node")]
pub use call::{Ask, ConditionError, Question, question};
#[cfg(feature = "node")]
pub use judge::{ChainError, ChainReader, Denial, allows};
#[cfg(feature = "node")]
pub use shape::{Rules, Shape, ShapeError};
