//! The pages, one file each.

pub(crate) mod landing;
pub(crate) mod new_room;
pub(crate) mod not_found;
pub(crate) mod room;
pub(crate) mod rooms;
pub(crate) mod token;
pub(crate) mod tokens;
pub(crate) mod verify;
