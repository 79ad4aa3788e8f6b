//! Pictures: attaching and cleaning, encrypting and sharing, unlocking; and the shares of keys on their way to the
//! key nodes.

pub(crate) mod attach;
pub(crate) mod peers;
pub(crate) mod share;
pub(crate) mod shares;
pub(crate) mod shelf;
pub(crate) mod unlock;
