//! Writing conditions: what the app needs, and any other read of a contract.

use alloy_primitives::{Address, U256};
use healthsync_core::RoomId;
use serde_json::{Value, json};

/// Stands for whoever asks for the key, in parameters and in expected values.
pub const READER: &str = ":userAddress";

/// One condition, not yet numbered.
#[derive(Debug, Clone, PartialEq)]
pub struct Condition(Value);

impl Condition {
    /// A read of a contract: `method` with `inputs`, pairs of Solidity type and value, must return `expected` of type
    /// `output`. The contract must take everything as a parameter: nodes call it from no particular address.
    pub fn contract(
        chain_name: &str,
        contract: Address,
        method: &str,
        inputs: &[(&str, Value)],
        output: &str,
        expected: &str,
    ) -> Self {
        let (types, values): (Vec<&str>, Vec<&Value>) =
            inputs.iter().map(|(kind, value)| (*kind, value)).unzip();
        Self(json!({
            "chain": chain_name,
            "standardContractType": "Custom",
            "contractAddress": contract.to_checksum(None),
            "method": method,
            "parameters": values,
            "inputArrayType": types,
            "outputType": output,
            "returnValueTest": { "comparator": "==", "value": expected },
        }))
    }

    /// The registry says that the reader is allowed into the room.
    pub fn room_member(chain_name: &str, registry: Address, room: &RoomId) -> Self {
        let inputs = [
            ("bytes32", json!(room.to_string())),
            ("address", json!(READER)),
        ];
        Self::contract(chain_name, registry, "isAllowed", &inputs, "bool", "true")
    }

    /// The reader owns the ERC-721 token.
    pub fn token_owner(chain_name: &str, contract: Address, token: U256) -> Self {
        Self(json!({
            "chain": chain_name,
            "standardContractType": "ERC721",
            "contractAddress": contract.to_checksum(None),
            "method": "ownerOf",
            "parameters": [token.to_string()],
            "returnValueTest": { "comparator": "==", "value": READER },
        }))
    }

    /// The chain has reached this block.
    pub fn not_before_block(chain_name: &str, block: u64) -> Self {
        Self(json!({
            "chain": chain_name,
            "standardContractType": "",
            "method": "getBlockNumber",
            "returnValueTest": { "comparator": ">=", "value": block.to_string() },
        }))
    }
}

/// Numbered conditions and how they combine, as key nodes take them.
#[derive(Debug, Clone, PartialEq)]
pub struct Conditions {
    /// The field `conditions`.
    pub list: Value,
    /// The field `aggregator`.
    pub aggregator: String,
}

/// All of them must hold.
pub fn all_of(conditions: impl IntoIterator<Item = Condition>) -> Conditions {
    numbered(conditions, " and ")
}

/// Any of them is enough.
pub fn any_of(conditions: impl IntoIterator<Item = Condition>) -> Conditions {
    numbered(conditions, " or ")
}

fn numbered(conditions: impl IntoIterator<Item = Condition>, joint: &str) -> Conditions {
    let mut names: Vec<String> = Vec::new();
    let list = conditions.into_iter().map(|Condition(mut condition)| {
        let id = names.len() + 1;
        names.push(format!("[{id}]"));
        condition["id"] = json!(id);
        condition
    });
    let list = list.collect();
    Conditions {
        list: Value::Array(list),
        aggregator: format!("({})", names.join(joint)),
    }
}

/// The list of conditions (with one in it) under which a room's keys are stored: `isAllowed(room, reader)` on the
/// registry at `registry` on the chain that key nodes know as `chain_name`.
pub fn room_member_condition(chain_name: &str, registry: Address, room: &RoomId) -> Value {
    all_of([Condition::room_member(chain_name, registry, room)]).list
}

#[cfg(test)]
#[cfg(feature = "node")]
mod tests {
    use super::*;
    use crate::conditions::aggregator::Expression;
    use crate::conditions::{Rules, Shape};

    #[test]
    fn what_is_built_is_what_nodes_and_the_official_client_take() {
        let contract = Address::repeat_byte(7);
        let can_open = [("uint256", json!("12")), ("address", json!(READER))];
        for (built, text) in [
            (
                all_of([Condition::room_member("anvil", contract, &RoomId([1; 32]))]),
                "([1])",
            ),
            (
                all_of([
                    Condition::token_owner("anvil", contract, U256::from(12)),
                    Condition::contract("anvil", contract, "canOpen", &can_open, "bool", "true"),
                    Condition::not_before_block("anvil", 99),
                ]),
                "([1] and [2] and [3])",
            ),
            (
                any_of([
                    Condition::room_member("anvil", contract, &RoomId([1; 32])),
                    Condition::token_owner("anvil", contract, U256::MAX),
                ]),
                "([1] or [2])",
            ),
        ] {
            assert_eq!(built.aggregator, text);
            assert!(Expression::parse(text).is_ok());
            let body = json!({
                "address": "0x", "cid": "c", "conditions": built.list, "aggregator": built.aggregator,
            });
            let rules = Rules::read(&body, Shape::Update).unwrap();
            rules.check_for_node().unwrap();
            for condition in &rules.conditions {
                let reader = healthsync_core::Person([9; 20]);
                super::super::question(condition, reader, &Default::default()).unwrap();
            }
        }
    }
}
