//! Voting with the wallet, closing a poll, and its result as a file.

use std::rc::Rc;

use healthsync_core::{
    BallotError, EventId, Kind, OptionId, RegistryAt, Signing, WalletVote, bundle::VoteBundle,
};
use serde_json::json;
use wasm_bindgen_futures::spawn_local;

use super::OpenRoom;
use crate::client::{
    browser::{
        http::within,
        platform::save_file,
        runtime::{Runtime, trouble},
        wallet::WalletError,
    },
    model::{Casting, ToastKind, Trouble},
};

/// How long a close may wait for the chain's newest block. It goes without, too.
const BLOCK_MS: u32 = 4_000;

impl Runtime {
    pub(crate) fn vote(self: &Rc<Self>, poll: EventId, option: OptionId) {
        let Some(room) = self.open_room() else { return };
        let signing = {
            let log = room.log.borrow();
            let view = log.as_ref().and_then(|log| log.state().poll(&poll));
            view.map(|view| (view.signing, view.closed.is_some()))
        };
        match signing {
            Some((_, true)) => self.toast(
                ToastKind::Info,
                "This question was closed before your vote was cast, so the vote is not sent.",
            ),
            Some((Signing::Wallet, false)) => self.vote_by_wallet(&room, poll, option),
            Some((Signing::Device, false)) | None => self.say_or_toast(vec![Kind::Vote {
                poll,
                option,
                wallet: None,
            }]),
        }
    }

    fn vote_by_wallet(self: &Rc<Self>, room: &Rc<OpenRoom>, poll: EventId, option: OptionId) {
        let (runtime, shared) = (self.clone(), room.clone());
        self.show_casting(
            room,
            poll,
            Some(Casting {
                option,
                failed: None,
            }),
        );
        room.casting_task.run(async move {
            let failed = runtime.sign_and_say(&shared, poll, option).await.err();
            let casting = failed.map(|why| Casting {
                option,
                failed: Some(why),
            });
            runtime.show_casting(&shared, poll, casting);
        });
    }

    async fn sign_and_say(
        self: &Rc<Self>,
        room: &Rc<OpenRoom>,
        poll: EventId,
        option: OptionId,
    ) -> Result<(), Trouble> {
        let not_cast =
            |why: &str| trouble(why, Some("Nothing was cast. Your choice stays here."), None);
        let me = self
            .me()
            .ok_or_else(|| not_cast("No wallet is connected."))?;
        let declined = |error: WalletError| {
            let kept = "Nothing was cast. Your choice stays here.".to_owned();
            error.trouble("The vote is not signed.", Some(kept))
        };
        me.wallet
            .ensure_chain(&self.chain, || ())
            .await
            .map_err(declined)?;
        // What is signed, as plain values: the log can't be borrowed while the wallet is open.
        let asked = {
            let log = room.log.borrow();
            let log = log
                .as_ref()
                .ok_or_else(|| not_cast("The room is still opening."))?;
            let number = log.next_lamport();
            let view = log.state().poll(&poll);
            let ballot = view
                .and_then(|view| view.ballot(room.id, log.chain_id(), me.person, number, option));
            let ballot = ballot.ok_or_else(|| not_cast("The poll has no such option."))?;
            (number, ballot.typed_data_json(), ballot.signing_hash())
        };
        let (number, text, hash) = asked;
        let signature = me
            .wallet
            .sign_typed_data(me.person, text, &hash)
            .await
            .map_err(declined)?;
        {
            let log = room.log.borrow();
            let ballot = log.as_ref().and_then(|log| {
                let view = log.state().poll(&poll)?;
                view.ballot(room.id, log.chain_id(), me.person, number, option)
            });
            match ballot.map(|ballot| ballot.verify(&signature)) {
                Some(Ok(())) => {}
                Some(Err(BallotError::Signer { .. })) => {
                    return Err(not_cast(
                        "The wallet signed with another account. Choose the right one in the wallet, then cast again.",
                    ));
                }
                Some(Err(error)) => {
                    return Err(not_cast(&format!(
                        "The wallet's signature is not usable: {error}."
                    )));
                }
                None => return Err(not_cast("The room was closed meanwhile.")),
            }
        }
        let vote = Kind::Vote {
            poll,
            option,
            wallet: Some(WalletVote { number, signature }),
        };
        self.say(room, vec![vote]).await.map(drop)
    }

    /// Stops waiting for the wallet; a late signature is not used.
    pub(crate) fn cancel_vote(self: &Rc<Self>, poll: EventId) {
        if let Some(room) = self.open_room() {
            room.casting_task.stop();
            self.show_casting(&room, poll, None);
        }
    }

    fn show_casting(self: &Rc<Self>, room: &Rc<OpenRoom>, poll: EventId, casting: Option<Casting>) {
        // One wallet, one window: asking for another vote ends the wait for the one before.
        room.casting.replace(casting.map(|casting| (poll, casting)));
        self.repaint(room);
    }

    /// Certifies the votes as they are counted now, here, with the newest block if the chain can be asked.
    pub(crate) fn close_poll(self: &Rc<Self>, poll: EventId) {
        let Some(room) = self.open_room() else { return };
        if let Err(trouble) = room.needs_whole() {
            return self.toast_trouble(&trouble);
        }
        let runtime = self.clone();
        spawn_local(async move {
            let block = within(
                BLOCK_MS,
                runtime.chain.quantity("eth_blockNumber", json!([])),
            );
            let block = block.await.and_then(Result::ok);
            let registry = runtime.bootstrap.contracts.registry;
            let certified = {
                let log = room.log.borrow();
                let view = log.as_ref().and_then(|log| log.state().poll(&poll));
                view.filter(|view| view.closed.is_none())
                    .map(|view| (view.counted(), view.added_options()))
            };
            let Some((counted, options)) = certified else {
                return;
            };
            let close = Kind::Close {
                poll,
                counted,
                options: Some(options),
                registry: registry.zip(block).map(|(address, block)| RegistryAt {
                    address,
                    block: block as u64,
                }),
            };
            if let Err(trouble) = runtime.say(&room, vec![close]).await {
                runtime.toast_trouble(&trouble);
            }
        });
    }

    /// Hands the poll's result file to the browser's downloads.
    pub(crate) fn save_result(self: &Rc<Self>, poll: EventId) {
        let Some(room) = self.open_room() else { return };
        if let Err(trouble) = room.needs_whole() {
            return self.toast_trouble(&trouble);
        }
        let bundle = {
            let log = room.log.borrow();
            log.as_ref().and_then(|log| VoteBundle::of(log, &poll))
        };
        let name = VoteBundle::file_name(&poll);
        let saved =
            bundle.is_some_and(|bundle| save_file(&bundle.encode(), "application/json", &name));
        if !saved {
            self.toast(
                ToastKind::Bad,
                "The result file could not be made. The result stays in the room; reload the page and try again.",
            );
        }
    }
}
