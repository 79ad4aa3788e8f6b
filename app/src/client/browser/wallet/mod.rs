//! Wallets: extension wallets (EIP-6963, EIP-1193) and the demo wallet, behind one set of questions.
//!
//! A question to a wallet may never be answered (its window was closed): callers run it in a task that can be
//! dropped, and a late signature then reaches nobody. A transaction's answer is waited for to the end
//! (`Runtime::by_wallet`), because it is sent whether anybody waits or not.

pub(crate) mod demo;
pub(crate) mod eip6963;
pub(crate) mod provider;
pub(crate) mod transaction;

use healthsync_core::{Delegation, Person, Signature65};
use serde_json::json;

use super::chain::{Chain, ChainError};
use crate::client::model::Trouble;
pub(crate) use demo::DemoWallet;
pub(crate) use provider::Injected;

/// Id of the demo wallet among the choices.
pub(crate) const DEMO: &str = "demo";

/// Why a wallet did not do it.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum WalletError {
    /// 4001: the person said no.
    #[error("declined in the wallet")]
    Declined,
    /// -32002: an earlier request is still open in its window.
    #[error("the wallet has an earlier request open")]
    Busy,
    /// 4902: it does not know the chain.
    #[error("the wallet does not know this chain")]
    UnknownChain,
    /// 4100, 4900, 4901: it has let go of the page.
    #[error("the wallet is not connected")]
    Disconnected,
    /// The account cannot pay for the transaction.
    #[error("the account has not enough {currency} to pay for the transaction")]
    NoFunds { currency: String },
    /// Anything else it says.
    #[error("{0}")]
    Other(String),
}

impl From<ChainError> for WalletError {
    fn from(error: ChainError) -> Self {
        match &error {
            ChainError::Refused { message, .. } if says_no_funds(message) => WalletError::NoFunds {
                currency: "money".into(),
            },
            _ => WalletError::Other(super::chain::refusal(&error)),
        }
    }
}

/// Nodes and wallets word it differently; an account that is not on a Filecoin chain yet has no funds, either.
fn says_no_funds(message: &str) -> bool {
    let message = message.to_ascii_lowercase();
    [
        "insufficient funds",
        "insufficient balance",
        "actor not found",
        "not enough funds",
        "insufficientfunds",
    ]
    .iter()
    .any(|text| message.contains(text))
}

impl WalletError {
    /// The sentence for the place where the person asked for it. `kept` says what is still there.
    pub(crate) fn trouble(&self, what: &str, kept: Option<String>) -> Trouble {
        let (reason, next) = match self {
            WalletError::Declined => (
                "The wallet declined it.".to_owned(),
                "Try again and confirm it in the wallet.",
            ),
            WalletError::Busy => (
                "The wallet still shows an earlier request.".to_owned(),
                "Open the wallet, answer that request, then try again.",
            ),
            WalletError::UnknownChain => (
                "The wallet does not know this chain.".to_owned(),
                "Add the chain in the wallet, then try again.",
            ),
            WalletError::Disconnected => (
                "The wallet is no longer connected to this page.".to_owned(),
                "Connect the wallet again.",
            ),
            WalletError::NoFunds { currency } => (
                format!("The account has not enough {currency} to pay for the transaction."),
                "Get some for this account, then try again.",
            ),
            WalletError::Other(text) => (
                sentence(text),
                "Try again; if it stays, look into the wallet.",
            ),
        };
        Trouble {
            what: format!("{what} {reason}"),
            kept,
            next: Some(next.to_owned()),
        }
    }
}

fn no_signature() -> WalletError {
    WalletError::Other("The wallet answered with something that is no signature".into())
}

/// Text of others as a sentence of at most 200 characters.
fn sentence(text: &str) -> String {
    let mut text: String = text.trim().chars().take(200).collect();
    if !text.ends_with(['.', '!', '?']) {
        text.push('.');
    }
    text
}

/// A connected wallet.
#[derive(Clone, Debug)]
pub(crate) enum Wallet {
    Injected(Injected),
    Demo(DemoWallet),
}

impl Wallet {
    /// What is remembered of it for the next visit. An EIP-6963 uuid is new for each page, its rdns is not.
    pub(crate) fn lasting_id(&self) -> String {
        match self {
            Wallet::Injected(injected) => injected.rdns.clone(),
            Wallet::Demo(_) => DEMO.to_owned(),
        }
    }

    pub(crate) fn name(&self) -> String {
        match self {
            Wallet::Injected(injected) => injected.name.clone(),
            Wallet::Demo(_) => "Demo wallet".to_owned(),
        }
    }

    pub(crate) fn is_demo(&self) -> bool {
        matches!(self, Wallet::Demo(_))
    }

    /// The chosen account. `ask` opens the wallet's window if the page is not connected yet.
    pub(crate) async fn account(&self, ask: bool) -> Result<Option<Person>, WalletError> {
        match self {
            Wallet::Injected(injected) => injected.account(ask).await,
            Wallet::Demo(demo) => Ok(Some(demo.person)),
        }
    }

    /// Brings the wallet to the deployment's chain: switches, and adds the chain where the wallet lacks it.
    /// `asking` is told before the wallet has to show anything.
    pub(crate) async fn ensure_chain(
        &self,
        chain: &Chain,
        asking: impl FnOnce(),
    ) -> Result<(), WalletError> {
        match self {
            Wallet::Injected(injected) => {
                injected.ensure_chain(&chain.bootstrap.chain, asking).await
            }
            Wallet::Demo(_) => Ok(()),
        }
    }

    pub(crate) async fn sign_delegation(
        &self,
        delegation: &Delegation,
    ) -> Result<Signature65, WalletError> {
        let (text, hash) = (delegation.typed_data_json(), delegation.signing_hash());
        self.sign_typed_data(delegation.person, text, &hash).await
    }

    /// EIP-712: `text` is what the wallet shows and signs, `hash` what its signature has to be over.
    pub(crate) async fn sign_typed_data(
        &self,
        person: Person,
        text: String,
        hash: &[u8; 32],
    ) -> Result<Signature65, WalletError> {
        match self {
            Wallet::Injected(injected) => {
                let signature = injected.sign_typed_data(person, &text).await?;
                signature.parse().map_err(|_| no_signature())
            }
            Wallet::Demo(demo) => demo.sign(hash),
        }
    }

    /// Signs typed data on the deployment's chain; `hash` is what the JSON stands for. Wallets that are contracts
    /// give longer signatures than 65 bytes.
    pub(crate) async fn sign_for_contract(
        &self,
        chain: &Chain,
        person: Person,
        json: &str,
        hash: &[u8; 32],
    ) -> Result<Vec<u8>, WalletError> {
        match self {
            Wallet::Injected(injected) => {
                // Wallets refuse typed data of another chain than their own.
                injected.ensure_chain(&chain.bootstrap.chain, || ()).await?;
                let signature = injected.sign_typed_data(person, json).await?;
                let digits = signature.strip_prefix("0x").unwrap_or(&signature);
                let mut bytes = hex::decode(digits).map_err(|_| no_signature())?;
                // Some wallets write 0 and 1 where contracts expect 27 and 28.
                if let [.., last @ (0 | 1)] = bytes.as_mut_slice()
                    && digits.len() == 130
                {
                    *last += 27;
                }
                Ok(bytes)
            }
            Wallet::Demo(demo) => Ok(demo.sign(hash)?.0.to_vec()),
        }
    }

    /// Sends a call to a contract and returns the transaction's hash: it is not in a block yet.
    pub(crate) async fn send(
        &self,
        chain: &Chain,
        from: Person,
        to: Person,
        data: &[u8],
    ) -> Result<String, WalletError> {
        let sent = match self {
            Wallet::Injected(injected) => {
                injected.ensure_chain(&chain.bootstrap.chain, || ()).await?;
                let call = json!({ "from": from.to_string(), "to": to.to_string(), "data": format!("0x{}", hex::encode(data)) });
                // A call that the contract would refuse is refused here, before the wallet shows anything.
                if let Err(error @ ChainError::Refused { data: Some(_), .. }) =
                    chain.rpc("eth_call", json!([call, "latest"])).await
                {
                    return Err(WalletError::Other(super::chain::refusal(&error)));
                }
                let hash = injected
                    .request("eth_sendTransaction", json!([call]))
                    .await?;
                hash.as_str()
                    .map(str::to_owned)
                    .ok_or_else(|| WalletError::Other("The wallet gave no hash".into()))
            }
            Wallet::Demo(demo) => demo.send(chain, to, data).await,
        };
        sent.map_err(|error| match error {
            WalletError::NoFunds { .. } => WalletError::NoFunds {
                currency: chain.bootstrap.chain.currency.clone(),
            },
            WalletError::Other(text) if says_no_funds(&text) => WalletError::NoFunds {
                currency: chain.bootstrap.chain.currency.clone(),
            },
            other => other,
        })
    }
}
