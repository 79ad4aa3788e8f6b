//! The chain as the page sees it: JSON-RPC through the page's own origin, calldata, receipts.
//!
//! Only this origin has to be reachable for it. Nothing here signs; wallets do.

use std::rc::Rc;

use alloy_primitives::keccak256;
use healthsync_core::Person;
use serde_json::{Value, json};

use super::http::{HttpError, post_json};
use crate::client::model::Bootstrap;

#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChainError {
    /// The server, or the chain behind it, gives no answer.
    #[error("the chain does not answer: {0}")]
    Unreachable(String),
    /// The chain answers with an error.
    #[error("the chain refuses: {message}")]
    Refused {
        code: i64,
        message: String,
        data: Option<String>,
    },
    #[error("the chain's answer cannot be read")]
    Unreadable,
}

impl From<HttpError> for ChainError {
    fn from(error: HttpError) -> Self {
        ChainError::Unreachable(error.to_string())
    }
}

#[derive(Clone, Debug)]
pub(crate) struct Chain {
    pub bootstrap: Rc<Bootstrap>,
}

/// What the chain says of a transaction.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Included {
        block: u64,
    },
    /// In a block, without effect.
    Reverted {
        block: u64,
    },
    /// Waits for a block.
    Pending,
    /// Nobody has it: not seen yet, dropped, or replaced by another.
    Unknown,
}

impl Chain {
    pub(crate) async fn rpc(&self, method: &str, params: Value) -> Result<Value, ChainError> {
        let [answer] = self.rpc_all([(method, params)]).await?;
        answer
    }

    /// Several calls in one request, answered in their order.
    pub(crate) async fn rpc_all<const N: usize>(
        &self,
        calls: [(&str, Value); N],
    ) -> Result<[Result<Value, ChainError>; N], ChainError> {
        let calls: Vec<Value> = (0..)
            .zip(&calls)
            .map(|(id, (method, params))| {
                json!({ "jsonrpc": "2.0", "id": id, "method": method, "params": params })
            })
            .collect();
        let request = match <[Value; 1]>::try_from(calls) {
            Ok([call]) => call,
            Err(calls) => Value::Array(calls),
        };
        let mut answers = match post_json("/api/rpc", &request, None, 20_000).await? {
            Value::Array(answers) => answers,
            answer => vec![answer],
        };
        // One refusal may stand for the whole request.
        if let [one] = answers.as_slice()
            && N > 1
        {
            result_of(&mut one.clone())?;
        }
        // A node may answer in any order.
        Ok(std::array::from_fn(|id| {
            let answer = answers.iter_mut().find(|answer| answer["id"] == json!(id));
            answer.ok_or(ChainError::Unreadable).and_then(result_of)
        }))
    }

    pub(crate) async fn quantity(&self, method: &str, params: Value) -> Result<u128, ChainError> {
        quantity(&self.rpc(method, params).await?)
    }

    pub(crate) async fn balance(&self, person: Person) -> Result<u128, ChainError> {
        self.quantity("eth_getBalance", json!([person.to_string(), "latest"]))
            .await
    }

    /// What has become of a transaction by now.
    pub(crate) async fn fate(&self, hash: &str) -> Result<Fate, ChainError> {
        let [receipt, transaction] = self
            .rpc_all([
                ("eth_getTransactionReceipt", json!([hash])),
                ("eth_getTransactionByHash", json!([hash])),
            ])
            .await?;
        let receipt = receipt?;
        if receipt.is_null() {
            return Ok(match transaction?.is_null() {
                true => Fate::Unknown,
                false => Fate::Pending,
            });
        }
        let block = quantity(&receipt["blockNumber"])? as u64;
        // Absent only before Byzantium; then inclusion is all that can be known.
        let good = receipt["status"]
            .as_str()
            .is_none_or(|status| status != "0x0");
        Ok(match good {
            true => Fate::Included { block },
            false => Fate::Reverted { block },
        })
    }
}

fn result_of(answer: &mut Value) -> Result<Value, ChainError> {
    if let Some(error) = answer.get("error").filter(|error| !error.is_null()) {
        return Err(ChainError::Refused {
            code: error["code"].as_i64().unwrap_or_default(),
            message: error["message"]
                .as_str()
                .unwrap_or("no reason given")
                .to_owned(),
            data: error["data"].as_str().map(str::to_owned),
        });
    }
    answer
        .get_mut("result")
        .map(Value::take)
        .ok_or(ChainError::Unreadable)
}

/// A JSON-RPC quantity: `0x` and hex digits.
pub(crate) fn quantity(value: &Value) -> Result<u128, ChainError> {
    value
        .as_str()
        .and_then(|text| text.strip_prefix("0x"))
        .and_then(|digits| u128::from_str_radix(digits, 16).ok())
        .ok_or(ChainError::Unreadable)
}

/// What a person reads when a contract refuses; its errors are named in `contracts/src`.
pub(crate) fn refusal(error: &ChainError) -> String {
    let ChainError::Refused { message, data, .. } = error else {
        return error.to_string();
    };
    let selector = data
        .as_deref()
        .and_then(|data| data.get(2..10))
        .unwrap_or_default();
    let named = |signature: &str| hex::encode(&keccak256(signature)[..4]) == selector;
    let sentence = if named("NotPermitted(bytes32,address,uint8)") {
        "your role in this room does not allow it"
    } else if named("RoomIsArchived(bytes32)") {
        "the room is archived: its list cannot change any more"
    } else if named("NoSuchRoom(bytes32)") {
        "the registry knows no such room"
    } else if named("OwnerStays(bytes32,address)") {
        "the owner stays in the room until it is handed over"
    } else if named("NoConsent(address)") {
        "somebody's signature is missing, wrong, or was taken back"
    } else if named("AlreadyMinted(uint256)") {
        "this has been minted already"
    } else if named("Expired(uint64)") {
        "the time to sign is over"
    } else if named("ERC721InvalidReceiver(address)") {
        "the holder's account is a contract that takes no tokens"
    } else if named("IsWithdrawn(uint256)") {
        "the conversation has been withdrawn"
    } else if named("RetractedBefore(uint256,address)") {
        "you have asked for it already"
    } else if named("NothingDue(address,address)") {
        "there is nothing to pay out"
    } else if named("NotAMember(bytes32,address)") {
        "this person is not in the room"
    } else {
        message.as_str()
    };
    sentence.to_owned()
}
