//! Whether somebody gets a key by conditions: asks the chains, all questions at once, and combines the answers.

use std::collections::BTreeMap;

use alloy_primitives::{Address, U256};
use async_trait::async_trait;
use futures::future::join_all;
use healthsync_core::Person;
use serde_json::{Map, Value};

use super::aggregator::{AggregatorError, Expression};
use super::call::{Ask, ConditionError, Question, question};
use super::shape::{ChainType, MAX_CONDITIONS, Rules};

/// Why a chain could not be asked.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ChainError {
    /// This node is not set up for the chain.
    #[error("this node does not know the chain")]
    UnknownChain,
    /// The chain's RPC is down, slow or answers with an error.
    #[error("the chain does not answer: {0}")]
    Unavailable(String),
    /// The contract refused the call (revert).
    #[error("the contract refused the call")]
    Reverted,
}

/// Reads of a chain, by the chain's name as conditions have it (letter case does not count).
#[async_trait]
pub trait ChainReader: Send + Sync {
    /// `eth_call` at the latest block.
    async fn call(&self, chain: &str, to: Address, data: Vec<u8>) -> Result<Vec<u8>, ChainError>;
    /// `eth_getBalance` at the latest block.
    async fn balance(&self, chain: &str, of: Address) -> Result<U256, ChainError>;
    /// `eth_blockNumber`.
    async fn block_number(&self, chain: &str) -> Result<u64, ChainError>;
}

/// Why conditions do not grant a key.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Denial {
    /// There are none.
    #[error("there are no conditions")]
    NoConditions,
    /// They ask a network that our nodes cannot ask.
    #[error("these conditions ask a network that this node cannot ask")]
    Network,
    /// The aggregator does not parse.
    #[error(transparent)]
    Aggregator(#[from] AggregatorError),
    /// The aggregator names a condition that is not there.
    #[error("the aggregator names a condition that is not there")]
    UnknownCondition,
    /// The answer is no.
    #[error("the conditions do not hold")]
    DoNotHold,
    /// It could not be found out. The first reason is given.
    #[error("the conditions could not be judged: {0}")]
    Undecided(ConditionError),
}

/// `Ok` if `reader` meets the conditions; every doubt is a denial.
pub async fn allows(
    rules: &Rules,
    reader: Person,
    supplied: &Map<String, Value>,
    chain: &dyn ChainReader,
) -> Result<(), Denial> {
    if rules.conditions.is_empty() || rules.conditions.len() > MAX_CONDITIONS {
        return Err(Denial::NoConditions);
    }
    if rules.chain_type != ChainType::Evm {
        return Err(Denial::Network);
    }
    let known: BTreeMap<u64, &Value> = rules
        .conditions
        .iter()
        .filter_map(|condition| {
            Some((
                super::shape::condition_id(condition.as_object()?)?,
                condition,
            ))
        })
        .collect();
    let expression = match (&rules.aggregator, known.first_key_value()) {
        (Some(text), _) => Expression::parse(text)?,
        (None, Some((id, _))) if rules.conditions.len() == 1 => Expression::Condition(*id),
        (None, _) => return Err(Denial::UnknownCondition),
    };
    let mut named = BTreeMap::new();
    for id in expression.ids() {
        named.insert(id, *known.get(&id).ok_or(Denial::UnknownCondition)?);
    }
    let answers = named.values().map(|condition| async move {
        let question = question(condition, reader, supplied)?;
        ask(&question, reader, chain).await
    });
    let answers: BTreeMap<u64, Result<bool, ConditionError>> =
        named.keys().copied().zip(join_all(answers).await).collect();
    let decided = |id: u64| {
        answers
            .get(&id)
            .and_then(|answer| answer.as_ref().ok().copied())
    };
    match expression.value(&decided) {
        Some(true) => Ok(()),
        Some(false) => Err(Denial::DoNotHold),
        None => {
            let reason = answers.into_values().find_map(Result::err);
            Err(reason.map_or(Denial::DoNotHold, Denial::Undecided))
        }
    }
}

async fn ask(
    question: &Question,
    reader: Person,
    chain: &dyn ChainReader,
) -> Result<bool, ConditionError> {
    match &question.ask {
        Ask::Balance => question.judge_number(chain.balance(&question.chain, reader.into()).await?),
        Ask::BlockNumber => {
            question.judge_number(U256::from(chain.block_number(&question.chain).await?))
        }
        Ask::Call { to, data, output } => {
            let answer = chain.call(&question.chain, *to, data.clone()).await?;
            question.judge_bytes(output, &answer)
        }
    }
}

#[cfg(test)]
mod tests;
