//! What pages are made of. Each component reads signals and sends intents; none of them talks to the network.

pub(crate) mod addresses;
pub(crate) mod ask;
pub(crate) mod ask_draft;
pub(crate) mod attached;
pub(crate) mod avatar;
pub(crate) mod cases;
pub(crate) mod composer;
pub(crate) mod discussion;
pub(crate) mod footer;
pub(crate) mod icon;
pub(crate) mod lock;
pub(crate) mod notice;
pub(crate) mod people;
pub(crate) mod platform;
pub(crate) mod poll;
pub(crate) mod poll_options;
pub(crate) mod room_scope;
pub(crate) mod sign_in;
pub(crate) mod theme;
pub(crate) mod time;
pub(crate) mod toasts;
pub(crate) mod top_bar;
pub(crate) mod viewer;
