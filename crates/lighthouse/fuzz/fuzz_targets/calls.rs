//! No body and no bearer makes a key node panic, and none of them gets in. The first byte chooses the call, the next how
//! long the bearer is.
#![no_main]

use std::sync::Arc;

use alloy_primitives::{Address, U256};
use async_trait::async_trait;
use futures::executor::block_on;
use healthsync_core::Millis;
use healthsync_lighthouse::conditions::{ChainError, ChainReader};
use healthsync_lighthouse::node::{
    Authority, AuthorityConfig, KeyCall, KeyNode, MemoryStore, Request,
};
use libfuzzer_sys::fuzz_target;

/// Without a chain.
struct Nowhere;

#[async_trait]
impl ChainReader for Nowhere {
    async fn call(&self, _: &str, _: Address, _: Vec<u8>) -> Result<Vec<u8>, ChainError> {
        Err(ChainError::UnknownChain)
    }

    async fn balance(&self, _: &str, _: Address) -> Result<U256, ChainError> {
        Err(ChainError::UnknownChain)
    }

    async fn block_number(&self, _: &str) -> Result<u64, ChainError> {
        Err(ChainError::UnknownChain)
    }
}

const CALLS: [KeyCall; 10] = [
    KeyCall::Save,
    KeyCall::Share,
    KeyCall::Revoke,
    KeyCall::Retrieve,
    KeyCall::SetConditions,
    KeyCall::SaveWithConditions,
    KeyCall::Transfer,
    KeyCall::DelegateAll,
    KeyCall::Retire,
    KeyCall::ReadLog,
];

fuzz_target!(|bytes: &[u8]| {
    let [call, length, rest @ ..] = bytes else {
        return;
    };
    let (bearer, body) = rest.split_at(rest.len().min(usize::from(*length)));
    let authority = Arc::new(Authority::new(AuthorityConfig {
        jwt_key: [9; 32],
        chain_id: 31337,
    }));
    let node = KeyNode::new(
        1,
        Arc::new(MemoryStore::default()),
        Arc::new(Nowhere),
        authority.clone(),
    );
    let authorization = std::str::from_utf8(bearer).ok();
    let request = Request {
        authorization,
        body,
        now: Millis(1_700_000_000_000),
        random: [0; 32],
    };
    let call = CALLS[usize::from(*call) % CALLS.len()];
    let answer = block_on(node.handle(call, request));
    assert!(answer.status >= 400 && answer.status != 404 && answer.body.is_object());
    let _ = authority.get_jwt(body, Millis(1), [0; 32]);
    let _ = authority.refresh_jwt(body, Millis(1), [0; 32]);
});
