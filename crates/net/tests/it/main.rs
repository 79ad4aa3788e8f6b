//! The relay behind a real axum server, with real client actors at the other end of real sockets.
//! Only the wallet, the registry and the disk are replaced: by a key, a list and a map.

#![allow(clippy::unwrap_used)]

mod clinic;
mod direct;
mod links;
mod pieces;
mod reconnect;
mod relays;
mod room;
mod strangers;
mod webrtc;
