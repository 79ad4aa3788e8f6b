//! A transaction from the wallet to its end: in a block, refused, replaced by another, or no longer known.

use std::{pin::pin, rc::Rc};

use futures::{
    channel::oneshot,
    future::{Either, select},
};
use healthsync_core::Person;

use super::{
    chain::Fate,
    platform::{now, sleep},
    runtime::{Me, Runtime, trouble},
    wallet::WalletError,
};
use crate::client::model::{ToastKind, Trouble, TxState};

/// How long a transaction may be unknown to the chain before it counts as dropped, in milliseconds: on a local chain,
/// and where nodes pass messages on.
const DROPPED: (u64, u64) = (5_000, 180_000);
/// After so long, what is still under way is said to be late.
const LATE: u64 = 180_000;

/// How a transaction came out.
pub(crate) enum Outcome {
    Done {
        block: u64,
    },
    Reverted {
        block: u64,
    },
    /// The chain no longer knows it, and what it was for has not happened.
    Dropped,
}

/// What is sent, and how its failure is told.
pub(crate) struct Call {
    pub to: Person,
    pub data: Vec<u8>,
    /// What has not happened when it fails.
    pub what: &'static str,
    /// What to do when the contract refuses it.
    pub refused: &'static str,
}

impl Runtime {
    /// Sends a call and follows it to its end; gives the block. `tell` gets each state on the way. `effect` looks
    /// whether what it is for has happened, and in which block: wallets replace a transaction to speed it up, and then
    /// nobody knows the first one any more.
    pub(crate) async fn transact(
        self: &Rc<Self>,
        call: Call,
        effect: impl AsyncFn() -> Option<u64>,
        mut tell: impl FnMut(TxState),
    ) -> Result<u64, Trouble> {
        let what = call.what;
        let Some(me) = self.me() else {
            return Err(trouble(
                what,
                None,
                Some("Connect a wallet, then try again."),
            ));
        };
        let sent = self.by_wallet(&me, call.to, &call.data, &mut tell).await;
        let hash = sent.map_err(|error| error.trouble(what, None))?;
        tell(TxState::Pending {
            hash: hash.clone(),
            since: now(),
        });
        match self.outcome_of(&hash, effect).await {
            Outcome::Done { block } => {
                tell(TxState::Confirmed { hash, block });
                Ok(block)
            }
            Outcome::Reverted { block } => Err(trouble(
                format!("{what} The contract refused the transaction in block {block}."),
                None,
                Some(call.refused),
            )),
            Outcome::Dropped => Err(trouble(
                format!(
                    "{what} The chain no longer knows the transaction: it was dropped or cancelled."
                ),
                None,
                Some("Try again."),
            )),
        }
    }

    /// Has the wallet send a call; gives the transaction's hash. A wallet may never answer, so whoever waits can stop.
    /// Its answer is taken all the same when it comes: what is confirmed in the wallet happens on the chain.
    pub(crate) async fn by_wallet(
        &self,
        me: &Me,
        to: Person,
        data: &[u8],
        tell: &mut impl FnMut(TxState),
    ) -> Result<String, WalletError> {
        let ask = self.fresh_id();
        let (stop, stopped) = oneshot::channel();
        {
            let mut asks = self.at_wallet.borrow_mut();
            asks.retain(|(_, stop)| !stop.is_canceled());
            asks.push((ask, stop));
        }
        tell(TxState::Wallet(ask));
        let sending = pin!(me.wallet.send(&self.chain, me.person, to, data));
        match select(sending, stopped).await {
            Either::Left((sent, _)) => sent,
            Either::Right((_, sending)) => {
                tell(TxState::Failed(trouble(
                    "This page no longer waits for the wallet.",
                    None,
                    Some(
                        "Reject the request there. If you confirm it, it still happens on the chain, and this page shows it.",
                    ),
                )));
                sending.await
            }
        }
    }

    pub(crate) fn stop_waiting(&self, ask: u32) {
        let mut asks = self.at_wallet.borrow_mut();
        if let Some(at) = asks.iter().position(|(number, _)| *number == ask) {
            // Nobody hears it when the wallet has just answered.
            let _ = asks.swap_remove(at).1.send(());
        }
    }

    /// Waits for a transaction as long as the chain knows it: on Filecoin a receipt takes one to three epochs of 30 s.
    pub(crate) async fn outcome_of(
        &self,
        hash: &str,
        effect: impl AsyncFn() -> Option<u64>,
    ) -> Outcome {
        let local = self.bootstrap.chain.id == 31337;
        let patience = if local { DROPPED.0 } else { DROPPED.1 };
        let started = now();
        let (mut pause, mut known, mut told) = (150, started, false);
        loop {
            match self.chain.fate(hash).await {
                Ok(Fate::Included { block }) => return Outcome::Done { block },
                Ok(Fate::Reverted { block }) => return Outcome::Reverted { block },
                Ok(Fate::Unknown) => {
                    if let Some(block) = effect().await {
                        return Outcome::Done { block };
                    }
                    if now().0.saturating_sub(known.0) > patience {
                        return Outcome::Dropped;
                    }
                }
                Ok(Fate::Pending) | Err(_) => known = now(),
            }
            if !told && now().0.saturating_sub(started.0) > LATE {
                told = true;
                self.toast(
                    ToastKind::Info,
                    "The chain has not confirmed the transaction yet. It is late, not failed; this page keeps looking.",
                );
            }
            sleep(pause).await;
            pause = (pause + pause / 2).min(5_000);
        }
    }
}
