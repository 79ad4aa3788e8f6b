//! Following a transaction to its end: whether it took effect, was refused, or is no longer known. A mint is followed
//! until the room has been told, over reloads too, because nobody else may ever tell it.

use std::rc::Rc;

use healthsync_core::{EventId, Kind, Person, RoomId};

use super::propose::start;
use crate::{
    api,
    client::{
        browser::{
            platform::now, rooms::OpenRoom, runtime::Runtime, storage::drafts, transact::Outcome,
        },
        model::{MintWork, Trouble, TxState},
    },
};

pub(super) const WHAT: &str = "The case was not minted.";

impl Runtime {
    /// Takes up what an earlier page, or an earlier visit to the room, has sent.
    pub(crate) fn follow_mints(
        self: &Rc<Self>,
        room: &Rc<OpenRoom>,
        pending: Vec<(EventId, String)>,
        me: Person,
    ) {
        for (proposal, hash) in pending {
            self.follow_mint(room, proposal, hash, me);
        }
    }

    pub(super) async fn keep_and_follow_mint(
        self: &Rc<Self>,
        room: RoomId,
        proposal: EventId,
        hash: String,
        me: Person,
    ) {
        // Without a place to keep it, it is followed for as long as this page is open.
        let _ = drafts::keep_pending_mint(&self.db, (me, room), proposal, &hash).await;
        // The room may have been left while the wallet was asked. Opening it takes up what is kept.
        let open = self.open_room().filter(|open| {
            open.id == room && open.person.get() == Some(me) && open.log.borrow().is_some()
        });
        if let Some(open) = open {
            self.follow_mint(&open, proposal, hash, me);
        }
    }

    fn follow_mint(
        self: &Rc<Self>,
        room: &Rc<OpenRoom>,
        proposal: EventId,
        hash: String,
        me: Person,
    ) {
        let (runtime, shared) = (self.clone(), room.clone());
        // Aborted by leaving the room; it is taken up when the room is opened again.
        start(&room.following, proposal, async move {
            let work = runtime.see_mint_through(&shared, proposal, &hash, me).await;
            shared.following.borrow_mut().remove(&proposal);
            runtime.mint_work(&shared, proposal, work.err().map(MintWork::Failed));
        });
    }

    async fn see_mint_through(
        self: &Rc<Self>,
        room: &Rc<OpenRoom>,
        proposal: EventId,
        hash: &str,
        me: Person,
    ) -> Result<(), Trouble> {
        let done = || drafts::drop_pending_mint(&self.db, (me, room.id), proposal);
        let kept = || Some("The signatures are kept.".to_owned());
        let contract = self.token_contract()?;
        let token = {
            let log = room.log.borrow();
            let mints = log.as_ref().map(|log| &log.state().mints);
            let mint = mints.and_then(|mints| mints.iter().find(|mint| mint.id == proposal));
            match mint {
                Some(mint) if mint.transaction.is_none() => {
                    Some(mint.terms().token(self.bootstrap.chain.id, &contract))
                }
                // The room knows; or it has no such proposal any more, and then nobody asks.
                _ => None,
            }
        };
        let Some(token) = token else {
            let _ = done().await;
            return Ok(());
        };
        let show = |state| self.mint_work(room, proposal, Some(MintWork::Chain(state)));
        show(TxState::Pending {
            hash: hash.to_owned(),
            since: now(),
        });
        // Whichever transaction has made the token says the same.
        let minted = async || {
            let facts = api::token_facts(token).await.ok().flatten();
            facts.map(|facts| facts.block)
        };
        let outcome = self.outcome_of(hash, minted).await;
        if let Outcome::Done { block } = outcome {
            show(TxState::Confirmed {
                hash: hash.to_owned(),
                block,
            });
            let transaction = hash.to_ascii_lowercase();
            // What cannot be said now is said when the room is opened again: the hash is still kept.
            self.say(
                room,
                vec![Kind::Minted {
                    proposal,
                    transaction,
                }],
            )
            .await?;
        }
        // An entry that stays is looked at again, and costs nothing.
        let _ = done().await;
        match outcome {
            Outcome::Done { .. } => {
                self.see_minted(room, token);
                Ok(())
            }
            Outcome::Reverted { .. } if self.is_minted(token).await => {
                self.see_minted(room, token);
                Ok(())
            }
            Outcome::Reverted { block } => Err(Trouble {
                what: format!(
                    "{WHAT} The token contract refused the transaction in block {block}."
                ),
                kept: kept(),
                next: Some("A signature may have been taken back. Propose again.".into()),
            }),
            Outcome::Dropped => Err(Trouble {
                what: format!(
                    "{WHAT} The chain no longer knows the transaction: it was dropped or cancelled."
                ),
                kept: kept(),
                next: Some("Mint it again.".into()),
            }),
        }
    }
}
