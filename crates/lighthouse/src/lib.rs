//! Lighthouse and Kavach in Rust.
//!
//! - [`shares`]: a file key as 5 shares of which any 3 give it back (Shamir over the BLS12-381 scalar field);
//! - [`cipher`]: the encrypted file, byte for byte as Lighthouse writes it;
//! - [`cid`]: content ids as Kubo computes them;
//! - [`seal`]: a share encrypted to one browser, so that whoever carries it cannot read it;
//! - [`conditions`]: who may have a key, in Lighthouse's condition language;
//! - [`kavach`] and [`visit`]: what a client says to nodes that know nothing of ours, and its sign-in there;
//! - `node` (feature `node`): what a key node answers, as a function of the call, the store, the chain, the time
//!   and random bytes that are passed in.
//!
//! No HTTP here, no clock, no source of randomness.

pub mod cid;
pub mod cipher;
pub mod conditions;
pub mod kavach;
#[cfg(feature = "node")]
pub mod node;
mod platform;
mod rotate;
pub mod seal;
pub mod shares;
pub mod visit;

pub use cid::{
    CHUNK, Cid, CidBuilder, CidError, cid_and_leaves, cid_of, cid_of_leaves, cid_v1, parse_cid,
    room_key_cid, sha256,
};
pub use cipher::{CipherError, OVERHEAD, decrypt, encrypt};
pub use conditions::room_member_condition;
pub use rotate::{RotateError, Rotated, rotate};
pub use seal::{SealError, SealKeyPair, key_digest};
pub use shares::{MasterKey, Recovered, Share, ShareError, generate, recover, recover_consistent};
pub use visit::{SignInError, Tokens, Visit, Way};
