//! The demo wallet: a key made and kept in this browser, for trying HealthSync without an extension.
//!
//! It never asks before it signs, and its money comes from the local chain. On any other chain it reads and signs,
//! and says that it cannot pay.

use std::rc::Rc;

use healthsync_core::{Person, Signature65, eth};
use serde_json::json;

use super::{WalletError, transaction::Transaction};
use crate::client::browser::{
    chain::{Chain, quantity},
    http::post_json,
};

/// The chain id of a local anvil, the only chain where the server gives money away.
const LOCAL_CHAIN: u64 = 31337;

#[derive(Clone)]
pub(crate) struct DemoWallet {
    secret: Rc<[u8; 32]>,
    pub person: Person,
}

impl std::fmt::Debug for DemoWallet {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "DemoWallet({})", self.person)
    }
}

fn out_of_range(error: eth::SignatureError) -> WalletError {
    WalletError::Other(format!("The demo wallet's key cannot be used: {error}"))
}

impl DemoWallet {
    pub(crate) fn new(secret: [u8; 32]) -> Result<Self, WalletError> {
        let person = eth::person_of_secret(&secret).map_err(out_of_range)?;
        Ok(Self {
            secret: Rc::new(secret),
            person,
        })
    }

    pub(crate) fn sign(&self, hash: &[u8; 32]) -> Result<Signature65, WalletError> {
        eth::sign_hash(hash, &self.secret).map_err(out_of_range)
    }

    /// Has the account filled up on the local chain; elsewhere there is nobody to ask.
    async fn fund(&self, chain: &Chain) -> Result<(), WalletError> {
        if chain.bootstrap.chain.id == LOCAL_CHAIN {
            post_json(
                "/api/demo/fund",
                &json!({ "address": self.person.to_string() }),
                None,
                20_000,
            )
            .await
            .map_err(|error| {
                WalletError::Other(format!(
                    "The demo wallet got no money from the local chain: {error}"
                ))
            })?;
            return Ok(());
        }
        if chain.balance(self.person).await? == 0 {
            return Err(WalletError::Other(format!(
                "The demo wallet has no {} on {}: it gets money on a local chain only. Connect another wallet, or send some to {}",
                chain.bootstrap.chain.currency,
                chain.bootstrap.chain.name,
                self.person.checksummed(),
            )));
        }
        Ok(())
    }

    pub(crate) async fn send(
        &self,
        chain: &Chain,
        to: Person,
        data: &[u8],
    ) -> Result<String, WalletError> {
        self.fund(chain).await?;
        let from = self.person.to_string();
        let call = json!({ "from": from, "to": to.to_string(), "data": format!("0x{}", hex::encode(data)) });
        let [gas, nonce, block, tip] = chain
            .rpc_all([
                ("eth_estimateGas", json!([call])),
                ("eth_getTransactionCount", json!([from, "pending"])),
                ("eth_getBlockByNumber", json!(["latest", false])),
                ("eth_maxPriorityFeePerGas", json!([])),
            ])
            .await?;
        let gas = quantity(&gas?)? as u64;
        let nonce = match nonce {
            Ok(nonce) => quantity(&nonce)?,
            // Some Filecoin nodes know no `pending` here (lotus issue 12543).
            Err(_) => {
                let latest = json!([from, "latest"]);
                chain.quantity("eth_getTransactionCount", latest).await?
            }
        } as u64;
        let base_fee = quantity(&block?["baseFeePerGas"]).unwrap_or(1_000_000_000);
        // A node without a suggestion still takes a small tip.
        let tip = tip.and_then(|tip| quantity(&tip)).unwrap_or(1_000_000);
        let transaction = Transaction {
            chain_id: chain.bootstrap.chain.id,
            nonce,
            max_priority_fee: tip,
            max_fee: base_fee.saturating_mul(2).saturating_add(tip),
            // A modest margin: on Filecoin a far too high limit costs money.
            gas: gas + gas / 5,
            to,
            data: data.to_vec(),
        };
        let raw = transaction.sign(&self.secret).map_err(out_of_range)?;
        let hash = chain
            .rpc(
                "eth_sendRawTransaction",
                json!([format!("0x{}", hex::encode(raw))]),
            )
            .await?;
        hash.as_str()
            .map(str::to_owned)
            .ok_or_else(|| WalletError::Other("The chain gave no hash".into()))
    }
}
