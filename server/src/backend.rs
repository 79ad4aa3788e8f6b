//! What server functions ask of the server.

use async_trait::async_trait;
use healthsync_app::api::{
    ApiError, Backend, ChainRole, KeyShareRequest, MemberFact, NodeAnswer, RemovedFact, Retention,
    RoomFact, RoomFacts, RoyaltyFact, Standing, TokenFacts,
};
use healthsync_app::client::model::Bootstrap;
use healthsync_core::{DeviceToken, Person, RoomId, Scope, SignedRevocation, TokenId};

use crate::chain::ChainError;
use crate::clock;
use crate::services::Services;

/// Longest time that an owner can name; for longer, none is named.
const MOST_DAYS: u32 = 3_650;

#[async_trait]
impl Backend for Services {
    async fn room_facts(&self, room: RoomId) -> Result<RoomFacts, ApiError> {
        let (on_chain, moderators, gone, marks, days) = futures::join!(
            self.chain.room(room),
            self.index.moderators(room),
            self.index.gone(room),
            self.index.marks(room),
            self.mailbox.room_kept_for(room),
        );
        let Some(on_chain) = on_chain.map_err(|error| chain_unavailable(&error))? else {
            let block = self.chain_status.block();
            return Ok(RoomFacts {
                exists: false,
                owner: None,
                members: Vec::new(),
                removed: Vec::new(),
                archived: false,
                offered: None,
                creator: None,
                kept: Retention::default(),
                block,
            });
        };
        let moderators = moderators.map_err(database_unavailable)?;
        let gone = gone.map_err(database_unavailable)?.into_iter();
        let marks = marks.map_err(database_unavailable)?;
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
            removed: gone
                .map(|gone| RemovedFact {
                    person: gone.person,
                    block: gone.block,
                    left: gone.standing == Standing::Left,
                })
                .collect(),
            archived: marks.archived,
            offered: marks.offered,
            creator: marks.creator,
            kept: Retention {
                days: days.map_err(database_unavailable)?,
                at_most: self
                    .settings
                    .retention_days
                    .map(|days| u32::try_from(days).unwrap_or(u32::MAX)),
            },
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
                creator: room.creator,
                members: room.members,
                archived: room.archived,
                standing: room.standing,
            })
            .collect())
    }

    async fn key_shares(&self, request: KeyShareRequest) -> Result<Vec<NodeAnswer>, ApiError> {
        self.key_nodes.ask(&request).await
    }

    async fn token_facts(&self, token: TokenId) -> Result<Option<TokenFacts>, ApiError> {
        let (on_chain, minted) =
            futures::join!(self.chain.describe(token), self.tokens.minted(token));
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
            finalized: found.finalized,
        }))
    }

    async fn tokens_of(&self, person: Person) -> Result<Vec<TokenId>, ApiError> {
        self.tokens.of(person).await.map_err(database_unavailable)
    }

    async fn end_device(&self, revocation: SignedRevocation) -> Result<(), ApiError> {
        revocation.verify(self.settings.chain_id).map_err(|error| {
            ApiError::BadRequest(format!("The revocation is refused: {error}."))
        })?;
        let taken = self.mailbox.revoke_device(&revocation).await;
        if taken.map_err(database_unavailable)? {
            self.relay.tell_revoked(revocation).await;
            Ok(())
        } else {
            Err(ApiError::BadRequest(
                "This server knows no device of that person, or too many revoked ones.".into(),
            ))
        }
    }

    async fn keep_room(&self, bearer: &str) -> Result<(), ApiError> {
        let refused = |why: String| ApiError::BadRequest(why);
        let token = DeviceToken::from_bearer(bearer)
            .map_err(|error| refused(format!("The request is refused: {error}.")))?;
        let Scope::Retention { room, days } = token.scope else {
            return Err(refused(
                "The request is refused: the token is not for this.".into(),
            ));
        };
        if days.is_some_and(|days| !(1..=MOST_DAYS).contains(&days)) {
            return Err(refused(format!(
                "A room can be kept for 1 to {MOST_DAYS} days after the last word."
            )));
        }
        let person = token
            .verify(self.settings.chain_id, clock::now())
            .map_err(|error| refused(format!("The request is refused: {error}.")))?;
        let device = token.delegation.delegation.device;
        let revoked = self.mailbox.is_revoked(device, person).await;
        if revoked.map_err(database_unavailable)? {
            return Err(refused("Your wallet has revoked this browser.".into()));
        }
        let on_chain = self.chain.room(room).await;
        let on_chain = on_chain.map_err(|error| chain_unavailable(&error))?;
        if on_chain.is_none_or(|found| found.owner != person) {
            return Err(refused(
                "Only a room's owner says how long it is kept.".into(),
            ));
        }
        // A token that comes a second time is as old as what it has set, and changes nothing.
        self.mailbox
            .keep_room_for(room, days, token.at)
            .await
            .map_err(database_unavailable)?;
        Ok(())
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
