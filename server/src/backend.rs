//! What server functions ask of the server.

use async_trait::async_trait;
use healthsync_app::api::{
    ApiError, Backend, ChainRole, KeyShareRequest, MemberFact, NodeAnswer, RemovedFact, RoomFact,
    RoomFacts, RoyaltyFact, TokenFacts,
};
use healthsync_app::client::model::Bootstrap;
use healthsync_core::{Person, RoomId, TokenId};

use crate::chain::ChainError;
use crate::services::Services;

#[async_trait]
impl Backend for Services {
    async fn room_facts(&self, room: RoomId) -> Result<RoomFacts, ApiError> {
        let (on_chain, moderators, removed) = futures::join!(
            self.chain.room(room),
            self.index.moderators(room),
            self.index.removed(room)
        );
        let Some(on_chain) = on_chain.map_err(|error| chain_unavailable(&error))? else {
            let block = self.chain_status.block();
            return Ok(RoomFacts {
                exists: false,
                owner: None,
                members: Vec::new(),
                removed: Vec::new(),
                block,
            });
        };
        let moderators = moderators.map_err(database_unavailable)?;
        let removed = removed.map_err(database_unavailable)?.into_iter();
        let role = |person: &Person| match person {
            person if *person == on_chain.owner => ChainRole::Owner,
            person if moderators.contains(person) => ChainRole::Moderator,
            _ => ChainRole::Member,
        };
        let members = on_chain.members.iter().map(|person| MemberFact {
            person: *person,
            role: role(person),
        });
        Ok(RoomFacts {
            exists: true,
            owner: Some(on_chain.owner),
            members: members.collect(),
            removed: removed
                .map(|(person, block)| RemovedFact { person, block })
                .collect(),
            block: on_chain.block,
        })
    }

    async fn rooms_of(&self, person: Person) -> Result<Vec<RoomFact>, ApiError> {
        let rooms = self
            .index
            .rooms_of(person)
            .await
            .map_err(database_unavailable)?;
        Ok(rooms
            .into_iter()
            .map(|room| RoomFact {
                room: room.room,
                owner: room.owner,
                members: room.members,
            })
            .collect())
    }

    async fn key_shares(&self, request: KeyShareRequest) -> Result<Vec<NodeAnswer>, ApiError> {
        self.key_nodes.ask(&request).await
    }

    async fn token_facts(&self, token: TokenId) -> Result<Option<TokenFacts>, ApiError> {
        let (on_chain, minted, finalized) = futures::join!(
            self.chain.describe(token),
            self.tokens.minted(token),
            self.chain.finalized(),
        );
        let Some(found) = on_chain.map_err(|error| chain_unavailable(&error))? else {
            return Ok(None);
        };
        let conversation = &found.conversation;
        let contributors = found.contributors.iter().map(|royalty| RoyaltyFact {
            person: royalty.person,
            share: royalty.share,
            paid: royalty.paid.to_string(),
            due: royalty.due.to_string(),
        });
        Ok(Some(TokenFacts {
            token,
            holder: found.holder,
            contributors: contributors.collect(),
            splitter: conversation.splitter.into(),
            royalty: conversation.royalty,
            editions: conversation.editions,
            quorum: conversation.quorum,
            retractions: conversation.retractions,
            withdrawn: conversation.withdrawn,
            commitment: hex::encode(conversation.commitment),
            pointer: hex::encode(conversation.pointer),
            block: found.block,
            minted: minted.map_err(database_unavailable)?,
            finalized,
        }))
    }

    async fn tokens_of(&self, person: Person) -> Result<Vec<TokenId>, ApiError> {
        self.tokens.of(person).await.map_err(database_unavailable)
    }

    fn bootstrap(&self) -> Bootstrap {
        self.bootstrap.clone()
    }
}

fn chain_unavailable(error: &ChainError) -> ApiError {
    match error {
        ChainError::NoRegistry => ApiError::Unavailable(
            "This server has no room registry, so there are no rooms on it.".into(),
        ),
        ChainError::NoToken => ApiError::Unavailable(
            "This server has no token contract, so there are no tokens on it.".into(),
        ),
        ChainError::Rpc(_) | ChainError::Answer(_) | ChainError::WrongChain { .. } => {
            tracing::warn!(%error, "the registry could not be read");
            ApiError::Unavailable("The chain does not answer. Try again in a moment.".into())
        }
    }
}

fn database_unavailable(error: sqlx::Error) -> ApiError {
    tracing::error!(%error, "the index does not answer");
    ApiError::Unavailable("The server's index does not answer. Try again in a moment.".into())
}
