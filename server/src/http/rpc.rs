//! `/api/rpc`: the chain through this origin, because a hospital's firewall knows no other; and on the local chain
//! a little money for demo wallets.

use std::net::IpAddr;

use alloy_primitives::{Address, U256};
use alloy_provider::Provider;
use axum::Json;
use axum::body::Bytes;
use axum::extract::{Request, State};
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use healthsync_core::Person;
use http::{StatusCode, header};
use serde::Deserialize;
use serde_json::{Value, json};

use super::failure::Failure;
use super::rate::RateLimit;
use crate::chain::PATIENCE;
use crate::services::Shared;
use crate::settings::LOCAL_CHAIN;

/// What passes: reading, and transactions that a wallet has signed.
const METHODS: [&str; 18] = [
    "eth_blockNumber",
    "eth_call",
    "eth_chainId",
    "eth_estimateGas",
    "eth_feeHistory",
    "eth_gasPrice",
    "eth_getBalance",
    "eth_getBlockByHash",
    "eth_getBlockByNumber",
    "eth_getCode",
    "eth_getLogs",
    "eth_getTransactionByHash",
    "eth_getTransactionCount",
    "eth_getTransactionReceipt",
    "eth_maxPriorityFeePerGas",
    "eth_sendRawTransaction",
    "net_version",
    "web3_clientVersion",
];
/// Bytes of one request and of one answer.
const REQUEST: usize = 256 * 1024;
const ANSWER: usize = 4 * 1024 * 1024;
/// Calls in one request.
const BATCH: usize = 20;

/// Rate limits of these two routes.
#[derive(Debug)]
pub struct RpcLimits {
    rpc: RateLimit<IpAddr>,
    fund: RateLimit<IpAddr>,
}

impl Default for RpcLimits {
    fn default() -> Self {
        Self {
            rpc: RateLimit::new(300, 40.0),
            fund: RateLimit::new(50, 2.0),
        }
    }
}

/// Why a request does not pass, as JSON-RPC says it.
fn refused(id: Value, code: i32, message: &str) -> Value {
    json!({ "jsonrpc": "2.0", "id": id, "error": { "code": code, "message": message } })
}

/// The call as it is sent on: only what was looked at, because the chain's own reader may take a second `method`, or
/// one in other letter case, for the one that counts.
fn check(call: &Value) -> Result<Value, Value> {
    let id = call.get("id").cloned().unwrap_or(Value::Null);
    match call.get("method").and_then(Value::as_str) {
        Some(method) if METHODS.contains(&method) => {
            let mut checked = json!({ "jsonrpc": "2.0", "method": method });
            for name in ["id", "params"] {
                if let Some(value) = call.get(name) {
                    checked[name] = value.clone();
                }
            }
            Ok(checked)
        }
        Some(_) => Err(refused(
            id,
            -32601,
            "this method does not pass here; a wallet's own connection may offer it",
        )),
        None => Err(refused(id, -32600, "this is no JSON-RPC call")),
    }
}

/// Passes allowed calls on to the chain.
pub async fn rpc(State(services): State<Shared>, request: Request) -> Result<Response, Failure> {
    if !services
        .rpc_limits
        .rpc
        .allow(services.guard.caller(&request))
    {
        return Err(Failure::rate_limited());
    }
    let body = body(request).await?;
    let call: Value = serde_json::from_slice(&body)
        .map_err(|_| Failure::bad_request("no_json", "The request is no JSON."))?;
    let checked = match &call {
        Value::Array(calls) if calls.len() > BATCH => {
            Err(refused(Value::Null, -32600, "at most 20 calls at once"))
        }
        Value::Array(calls) => calls.iter().map(check).collect::<Result<Value, _>>(),
        call => check(call),
    };
    let checked = match checked {
        Ok(checked) => checked,
        Err(refusal) => return Ok(Json(refusal).into_response()),
    };
    let answer = services
        .http
        .post(services.settings.chain_rpc.clone())
        .timeout(PATIENCE * 2)
        .json(&checked)
        .send()
        .await
        .map_err(|error| chain_down(&error.without_url()))?;
    let mut bytes = Vec::new();
    let mut stream = answer.bytes_stream();
    while let Some(piece) = stream.next().await {
        let piece = piece.map_err(|error| chain_down(&error.without_url()))?;
        if bytes.len() + piece.len() > ANSWER {
            return Err(Failure::new(
                StatusCode::BAD_GATEWAY,
                "too_large",
                "The chain's answer is larger than 4 MiB. Ask for less at once.",
            ));
        }
        bytes.extend_from_slice(&piece);
    }
    if serde_json::from_slice::<serde::de::IgnoredAny>(&bytes).is_err() {
        return Err(chain_down(&"its answer is no JSON"));
    }
    Ok(([(header::CONTENT_TYPE, "application/json")], bytes).into_response())
}

async fn body(request: Request) -> Result<Bytes, Failure> {
    axum::body::to_bytes(request.into_body(), REQUEST)
        .await
        .map_err(|_| {
            Failure::new(
                StatusCode::PAYLOAD_TOO_LARGE,
                "too_large",
                "The request is larger than 256 KiB or broke off.",
            )
        })
}

fn chain_down(error: &dyn std::fmt::Display) -> Failure {
    tracing::warn!(%error, "the chain does not answer");
    Failure::unavailable(
        "chain_unavailable",
        "The chain does not answer. Nothing was sent; try again in a moment.",
    )
}

#[derive(Deserialize)]
struct FundRequest {
    address: String,
}

/// Fills a demo wallet up to 10 coins, on the local chain only.
pub async fn fund(State(services): State<Shared>, request: Request) -> Result<Response, Failure> {
    if services.settings.chain_id != LOCAL_CHAIN {
        return Err(Failure::new(
            StatusCode::FORBIDDEN,
            "not_local",
            "Only the local chain gives demo money. Get test coins from this chain's faucet.",
        ));
    }
    if !services
        .rpc_limits
        .fund
        .allow(services.guard.caller(&request))
    {
        return Err(Failure::rate_limited());
    }
    let body = body(request).await?;
    let request: FundRequest = serde_json::from_slice(&body)
        .map_err(|_| Failure::bad_request("no_address", "Send {\"address\": \"0x…\"}."))?;
    let person: Person = request
        .address
        .parse()
        .map_err(|error| Failure::bad_request("bad_address", format!("{error}")))?;
    let address = Address::from(person.0);
    let enough = U256::from(10_u64) * U256::from(10_u64).pow(U256::from(18_u64));
    let balance = services
        .chain
        .balance(address)
        .await
        .map_err(|error| chain_down(&error))?;
    let funded = balance < enough;
    if funded {
        let set = services
            .chain
            .provider()
            .raw_request::<_, Value>("anvil_setBalance".into(), (address, enough));
        tokio::time::timeout(PATIENCE, set)
            .await
            .map_err(|_| chain_down(&"no answer in time"))?
            .map_err(|error| chain_down(&error))?;
    }
    Ok(
        Json(json!({ "funded": funded, "balance": if funded { enough } else { balance } }))
            .into_response(),
    )
}
