//! Server functions: data for server rendering and the key-share lookup. Nothing else goes through them.
//!
//! The server crate implements [`Backend`] and puts it into the context; `app` itself knows no chain and no node.

use healthsync_core::{Person, RoomId, SignedRevocation, TokenId};
use leptos::prelude::*;
use serde::{Deserialize, Serialize};

/// What a failing server function tells the page. Never carries internals.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum ApiError {
    /// The caller sent something that is not right.
    #[error("{0}")]
    BadRequest(String),
    /// Chain, key nodes or storage do not answer.
    #[error("{0}")]
    Unavailable(String),
    /// The request did not get through.
    #[error("the server could not be reached: {0}")]
    Transport(String),
}

impl leptos::server_fn::error::FromServerFnError for ApiError {
    type Encoder = leptos::server_fn::codec::JsonEncoding;

    fn from_server_fn_error(error: leptos::server_fn::error::ServerFnErrorErr) -> Self {
        ApiError::Transport(error.to_string())
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ChainRole {
    Member,
    Moderator,
    Owner,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemberFact {
    pub person: Person,
    pub role: ChainRole,
}

/// What the registry says of a room, read at `block`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomFacts {
    pub exists: bool,
    pub owner: Option<Person>,
    pub members: Vec<MemberFact>,
    /// Who is not on the list any more, the latest first. May be some blocks behind `block`, as the next two.
    #[serde(default)]
    pub removed: Vec<RemovedFact>,
    /// The list does not change any more.
    #[serde(default)]
    pub archived: bool,
    /// Whom the owner has offered the room to.
    #[serde(default)]
    pub offered: Option<Person>,
    /// Who made the room; as far as the index has come.
    #[serde(default)]
    pub creator: Option<Person>,
    /// How long the relay keeps what is said.
    #[serde(default)]
    pub kept: Retention,
    pub block: u64,
}

/// Days without a word after which a relay forgets a room, all of it at once; `None`: never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Retention {
    /// As the room's owner wants it.
    pub days: Option<u32>,
    /// As whoever runs the relay has it, for all rooms.
    pub at_most: Option<u32>,
}

impl RoomFacts {
    /// Whose name for the room counts: its maker's, also when the room is somebody else's by now.
    pub fn named_by(&self) -> Option<Person> {
        self.creator.or(self.owner)
    }
}

/// Somebody who was on a room's list and is not any more.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RemovedFact {
    pub person: Person,
    /// The block of the removal.
    pub block: u64,
    /// They left on their own.
    #[serde(default)]
    pub left: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoomFact {
    pub room: RoomId,
    pub owner: Person,
    #[serde(default)]
    pub creator: Option<Person>,
    pub members: u32,
    #[serde(default)]
    pub archived: bool,
    #[serde(default)]
    pub standing: Standing,
}

/// What a person is to a room.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Standing {
    #[default]
    Member,
    /// On their own.
    Left,
    Removed,
}

/// What the chain says of a token, read at `block`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenFacts {
    pub token: TokenId,
    /// `None`: the conversation has no such edition.
    pub holder: Option<Person>,
    pub contributors: Vec<RoyaltyFact>,
    pub splitter: Person,
    /// Of each resale, in hundredths of a percent.
    pub royalty: u16,
    pub editions: u16,
    /// Contributors that it takes to withdraw the conversation.
    pub quorum: u8,
    /// Contributors who have asked for it.
    pub retractions: u8,
    pub withdrawn: bool,
    /// 64 hex digits each.
    pub commitment: String,
    pub pointer: String,
    pub block: u64,
    /// The block of the mint, once the server has read it.
    pub minted: Option<u64>,
    /// The newest block that cannot be replaced, when the chain says.
    pub finalized: Option<u64>,
}

/// A contributor's part of a token's royalties, in the smallest unit of the chain's currency.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RoyaltyFact {
    pub person: Person,
    /// In hundredths of a percent.
    pub share: u16,
    pub paid: String,
    pub due: String,
}

/// One lookup at all key nodes. `bearer` is a device token bound to `cid` and `seal_to`, so neither this server
/// nor a node can turn it into another request.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct KeyShareRequest {
    pub cid: String,
    pub bearer: String,
    /// X-Wing public key made for this lookup, in base64.
    pub seal_to: String,
    /// Wait for every node, as long as one is given at all: the first answers held a wrong share.
    #[serde(default)]
    pub all: bool,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NodeResult {
    /// HPKE: encapsulated key ‖ ciphertext, base64.
    Share {
        sealed: String,
    },
    Denied {
        reason: String,
    },
    Failed {
        reason: String,
    },
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeAnswer {
    pub node: u8,
    pub name: String,
    pub ms: u32,
    pub result: NodeResult,
}

/// What the server crate provides.
#[cfg(feature = "ssr")]
#[async_trait::async_trait]
pub trait Backend: Send + Sync {
    async fn room_facts(&self, room: RoomId) -> Result<RoomFacts, ApiError>;
    async fn rooms_of(&self, person: Person) -> Result<Vec<RoomFact>, ApiError>;
    async fn token_facts(&self, token: TokenId) -> Result<Option<TokenFacts>, ApiError>;
    async fn tokens_of(&self, person: Person) -> Result<Vec<TokenId>, ApiError>;
    async fn key_shares(&self, request: KeyShareRequest) -> Result<Vec<NodeAnswer>, ApiError>;
    async fn end_device(&self, revocation: SignedRevocation) -> Result<(), ApiError>;
    async fn keep_room(&self, bearer: &str) -> Result<(), ApiError>;
    /// The same JSON as `/api/bootstrap`.
    fn bootstrap(&self) -> crate::client::model::Bootstrap;
}

/// The backend as it lies in the context.
#[cfg(feature = "ssr")]
#[derive(Clone)]
pub struct SharedBackend(pub std::sync::Arc<dyn Backend>);

#[cfg(feature = "ssr")]
impl std::fmt::Debug for SharedBackend {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SharedBackend")
    }
}

#[cfg(feature = "ssr")]
fn backend() -> Result<SharedBackend, ApiError> {
    use_context::<SharedBackend>()
        .ok_or_else(|| ApiError::Unavailable("the server is still starting".into()))
}

/// Who is in a room, as the registry says.
#[server(name = AskRoomFacts, endpoint = "room_facts")]
pub async fn room_facts(room: RoomId) -> Result<RoomFacts, ApiError> {
    backend()?.0.room_facts(room).await
}

/// The rooms a person is in or was in. Public on chain, so nothing is proved for it.
#[server(name = AskRoomsOf, endpoint = "rooms_of")]
pub async fn rooms_of(person: Person) -> Result<Vec<RoomFact>, ApiError> {
    backend()?.0.rooms_of(person).await
}

/// What the chain says of a token; `None` when nothing of that id was minted.
#[server(name = AskTokenFacts, endpoint = "token_facts")]
pub async fn token_facts(token: TokenId) -> Result<Option<TokenFacts>, ApiError> {
    backend()?.0.token_facts(token).await
}

/// The tokens that a person holds. Public on chain.
#[server(name = AskTokensOf, endpoint = "tokens_of")]
pub async fn tokens_of(person: Person) -> Result<Vec<TokenId>, ApiError> {
    backend()?.0.tokens_of(person).await
}

/// Asks all key nodes at the same time and returns what each said.
#[server(name = AskKeyShares, endpoint = "key_shares", input = leptos::server_fn::codec::Json)]
pub async fn key_shares(request: KeyShareRequest) -> Result<Vec<NodeAnswer>, ApiError> {
    backend()?.0.key_shares(request).await
}

/// Tells the relay that a wallet has ended a device's right to write. It proves itself, so anybody may pass it on.
#[server(name = EndDevice, endpoint = "end_device", input = leptos::server_fn::codec::Json)]
pub async fn end_device(revocation: SignedRevocation) -> Result<(), ApiError> {
    backend()?.0.end_device(revocation).await
}

/// A room's owner says how long the relay keeps it. `bearer` is a device token with the scope `retention`, which says all
/// of it.
#[server(name = KeepRoom, endpoint = "keep_room", input = leptos::server_fn::codec::Json)]
pub async fn keep_room(bearer: String) -> Result<(), ApiError> {
    backend()?.0.keep_room(&bearer).await
}
