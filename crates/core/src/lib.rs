//! HealthSync's rules as pure functions: who may say what in a room, how it is signed and sealed,
//! and what a set of events means.
//!
//! Nothing here does I/O, reads a clock or draws random numbers: time and random bytes are passed in.
//! Browser, relay and key nodes run exactly this code, so that they accept and refuse the same things.
//!
//! Start with [`room::RoomLog`] (events in, [`room::RoomState`] out), [`event`] (what is signed) and
//! [`seal`] (what travels).

pub mod agreement;
pub mod ballot;
pub mod bundle;
mod bytes;
pub mod conversation;
pub mod copy;
pub mod delegation;
pub mod device;
pub mod display;
pub mod epoch;
pub mod eth;
pub mod event;
pub mod ids;
pub mod limits;
pub mod measurement;
pub mod mesh;
pub mod registry;
pub mod revocation;
pub mod room;
pub mod seal;
pub mod series;
pub mod sync;
pub mod token;
mod typed;

pub use ballot::{Ballot, BallotError, RegistryAt, Reveal, Signing, WalletVote};
pub use conversation::{Bundle, BundleError, Contributor, Terms, TokenId};
pub use delegation::{Delegation, DelegationError, SignedDelegation};
pub use device::DeviceSecret;
pub use display::display;
pub use eth::{Signature65, SignatureError};
pub use event::{
    Event, EventError, ImageRef, Kind, MintAnswer, MintProposal, OptionId, PhotoReceipt, Renewed,
    SeriesRef, Sign, SignedEvent,
};
pub use ids::{DeviceKey, EnvelopeId, EventId, Millis, ParseIdError, Person, RoomId};
pub use limits::LimitError;
pub use measurement::{Measurement, Shape};
pub use mesh::{MeshAnswer, MeshAsk};
pub use revocation::{Revocation, SignedRevocation};
pub use room::{
    CaseView, Closed, DeviceView, EpochView, Fork, Gap, Inserted, MeasurementView, MessageView,
    MintView, NewKeyView, OptionView, Ordered, PendingView, PersonView, PinView, PollView,
    ProfileView, Rejected, RoomLog, RoomState, Waits, Wording,
};
pub use seal::{
    Envelope, Ephemeral, EphemeralKind, Pointing, RoomKey, SealError, open_ephemeral,
    seal_ephemeral,
};
pub use sync::{RefusalCode, Request, Response, SyncError, VersionVector, join_message};
pub use token::{DeviceToken, Scope, TokenError};
