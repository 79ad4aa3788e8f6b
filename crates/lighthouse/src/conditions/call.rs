//! One condition as a question to a chain: what to call there, how to read the answer, what it must be.

use alloy_dyn_abi::{DynSolType, DynSolValue};
use alloy_primitives::{Address, U256, keccak256};
use healthsync_core::Person;
use serde_json::{Map, Value};

use super::build::READER;
use super::shape::{condition_id, is_allowed_type};
use super::value::{Comparator, Unreadable, compare, fits, to_solidity};

/// Most parameters of a call.
const MAX_PARAMETERS: usize = 16;
/// Longest name of a contract's method.
const MAX_METHOD: usize = 64;
/// Longest answer of a chain that is decoded.
const MAX_ANSWER: usize = 65_536;

/// Why a condition is undecided. Whatever it is, nobody gets a key by it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConditionError {
    /// The condition has no meaning for us.
    #[error("the condition cannot be read: {0}")]
    Meaning(&'static str),
    /// A value that the reader must supply is missing or of the wrong type.
    #[error("a parameter does not fit its type")]
    Parameter,
    /// The chain answered something that the condition's type does not allow.
    #[error("the chain's answer does not fit the condition")]
    Answer,
    /// The chain could not be asked.
    #[error(transparent)]
    Chain(#[from] super::judge::ChainError),
}

impl From<Unreadable> for ConditionError {
    fn from(_: Unreadable) -> Self {
        Self::Parameter
    }
}

/// What is asked of a chain.
#[derive(Debug, Clone, PartialEq)]
pub enum Ask {
    /// `eth_getBalance` of the reader.
    Balance,
    /// `eth_blockNumber`.
    BlockNumber,
    /// `eth_call`.
    Call {
        /// The contract.
        to: Address,
        /// Selector and parameters.
        data: Vec<u8>,
        /// The type of the answer.
        output: DynSolType,
    },
}

/// A condition that is ready to be asked.
#[derive(Debug, Clone, PartialEq)]
pub struct Question {
    /// The condition's id.
    pub id: u64,
    /// The chain's name as the condition has it.
    pub chain: String,
    /// What is asked.
    pub ask: Ask,
    comparator: Comparator,
    expected: Value,
}

/// Turns an EVM condition into a question. `reader` is the authenticated address, never one that a body claims;
/// `supplied` is the reader's `dynamicData`, whose `"<id>.<name>"` replaces the parameter `":<name>"`.
pub fn question(
    condition: &Value,
    reader: Person,
    supplied: &Map<String, Value>,
) -> Result<Question, ConditionError> {
    let object = condition
        .as_object()
        .ok_or(ConditionError::Meaning("not an object"))?;
    let id = condition_id(object).ok_or(ConditionError::Meaning("no id"))?;
    let text = |name: &'static str| {
        object
            .get(name)
            .and_then(Value::as_str)
            .ok_or(ConditionError::Meaning(name))
    };
    let test = object
        .get("returnValueTest")
        .ok_or(ConditionError::Meaning("returnValueTest"))?;
    let comparator = test
        .get("comparator")
        .and_then(Value::as_str)
        .and_then(Comparator::read);
    let expected = test.get("value").ok_or(ConditionError::Meaning("value"))?;
    let method = text("method")?;
    let strings = |types: &[&str]| {
        types
            .iter()
            .map(|kind| (*kind).to_owned())
            .collect::<Vec<String>>()
    };

    let (inputs, output) = match (
        text("standardContractType")?.to_ascii_uppercase().as_str(),
        method,
    ) {
        ("", "getBalance" | "getBlockNumber") => (Vec::new(), String::new()),
        ("ERC20" | "ERC721", "balanceOf") => (strings(&["address"]), "uint256".into()),
        ("ERC721", "ownerOf") => (strings(&["uint256"]), "address".into()),
        ("ERC1155", "balanceOf") => (strings(&["address", "uint256"]), "uint256".into()),
        ("CUSTOM", _) => {
            let inputs = object.get("inputArrayType").and_then(Value::as_array);
            let inputs = inputs.ok_or(ConditionError::Meaning("inputArrayType"))?;
            let names: Option<Vec<String>> = inputs
                .iter()
                .map(|name| name.as_str().map(str::to_owned))
                .collect();
            (
                names.ok_or(ConditionError::Meaning("inputArrayType"))?,
                text("outputType")?.to_owned(),
            )
        }
        _ => {
            return Err(ConditionError::Meaning(
                "an unknown method of this contract type",
            ));
        }
    };
    let ask = match method {
        "getBalance" if output.is_empty() => Ask::Balance,
        "getBlockNumber" if output.is_empty() => Ask::BlockNumber,
        _ => {
            let to: Person = text("contractAddress")?
                .parse()
                .map_err(|_| ConditionError::Meaning("contractAddress"))?;
            let parameters = object.get("parameters").and_then(Value::as_array);
            let parameters = parameters.ok_or(ConditionError::Meaning("parameters"))?;
            let substitution = Substitution {
                id,
                reader,
                supplied,
            };
            let data = calldata(method, &inputs, parameters, &substitution)?;
            Ask::Call {
                to: to.into(),
                data,
                output: solidity_type(&output)?,
            }
        }
    };
    Ok(Question {
        id,
        chain: text("chain")?.to_owned(),
        ask,
        comparator: comparator.ok_or(ConditionError::Meaning("comparator"))?,
        expected: with_reader(expected, reader),
    })
}

impl Question {
    /// Judges an answer that is a number (balance, block number).
    pub(super) fn judge_number(&self, answer: U256) -> Result<bool, ConditionError> {
        self.judge(&DynSolValue::Uint(answer, 256))
    }

    /// Judges the bytes that a contract returned. They must be exactly one value in its only encoding: a missing
    /// contract answers with no bytes, which is no value.
    pub(super) fn judge_bytes(
        &self,
        output: &DynSolType,
        answer: &[u8],
    ) -> Result<bool, ConditionError> {
        if answer.len() > MAX_ANSWER {
            return Err(ConditionError::Answer);
        }
        let value = output
            .abi_decode(answer)
            .map_err(|_| ConditionError::Answer)?;
        if value.abi_encode() != answer || !fits(&value) {
            return Err(ConditionError::Answer);
        }
        self.judge(&value)
    }

    fn judge(&self, value: &DynSolValue) -> Result<bool, ConditionError> {
        compare(value, self.comparator, &self.expected).map_err(|Unreadable| ConditionError::Answer)
    }
}

struct Substitution<'a> {
    id: u64,
    reader: Person,
    supplied: &'a Map<String, Value>,
}

impl Substitution<'_> {
    /// A parameter with `":userAddress"` and `":name"` replaced, inside lists too.
    fn apply(&self, parameter: &Value) -> Result<Value, ConditionError> {
        match parameter {
            Value::String(text) if text == READER => Ok(Value::String(self.reader.to_string())),
            Value::String(text) if text.starts_with(':') => {
                let name = format!("{}.{}", self.id, &text[1..]);
                self.supplied
                    .get(&name)
                    .cloned()
                    .ok_or(ConditionError::Parameter)
            }
            Value::Array(list) => list
                .iter()
                .map(|item| self.apply(item))
                .collect::<Result<_, _>>()
                .map(Value::Array),
            other => Ok(other.clone()),
        }
    }
}

fn with_reader(expected: &Value, reader: Person) -> Value {
    match expected {
        Value::String(text) if text == READER => Value::String(reader.to_string()),
        Value::Array(list) => list.iter().map(|item| with_reader(item, reader)).collect(),
        other => other.clone(),
    }
}

fn solidity_type(name: &str) -> Result<DynSolType, ConditionError> {
    if !is_allowed_type(name) {
        return Err(ConditionError::Meaning(
            "a type that conditions may not use",
        ));
    }
    DynSolType::parse(name)
        .map_err(|_| ConditionError::Meaning("a type that conditions may not use"))
}

fn calldata(
    method: &str,
    inputs: &[String],
    parameters: &[Value],
    substitution: &Substitution<'_>,
) -> Result<Vec<u8>, ConditionError> {
    if inputs.len() != parameters.len() || inputs.len() > MAX_PARAMETERS {
        return Err(ConditionError::Parameter);
    }
    let identifier = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '$';
    if method.is_empty() || method.len() > MAX_METHOD || !method.chars().all(identifier) {
        return Err(ConditionError::Meaning("method"));
    }
    let values = inputs.iter().zip(parameters).map(|(name, parameter)| {
        Ok(to_solidity(
            &solidity_type(name)?,
            &substitution.apply(parameter)?,
        )?)
    });
    let values = values.collect::<Result<Vec<DynSolValue>, ConditionError>>()?;
    let selector = keccak256(format!("{method}({})", inputs.join(",")));
    Ok([
        &selector[..4],
        &DynSolValue::Tuple(values).abi_encode_params(),
    ]
    .concat())
}

#[cfg(test)]
mod tests;
