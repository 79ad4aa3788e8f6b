//! Pictures: attaching and cleaning, encrypting and sharing, unlocking; and the shares of keys on their way to the
//! key nodes.

pub(crate) mod attach;
pub(crate) mod open_series;
pub(crate) mod peers;
pub(crate) mod photos;
mod readers;
mod renew;
pub(crate) mod share;
pub(crate) mod shares;
pub(crate) mod shelf;
pub(crate) mod study;
pub(crate) mod unlock;
pub(crate) mod upload;
