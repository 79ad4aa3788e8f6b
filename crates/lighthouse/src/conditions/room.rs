//! The condition of a room: the registry contract says that the reader is allowed in.

use alloy_primitives::Address;
use healthsync_core::RoomId;
use serde_json::{Value, json};

/// The list of conditions (with one in it) under which a room's keys are stored: `isAllowed(room, reader)` on the
/// registry at `registry` on the chain that key nodes know as `chain_name`.
pub fn room_member_condition(chain_name: &str, registry: Address, room: &RoomId) -> Value {
    json!([{
        "id": 1,
        "chain": chain_name,
        "standardContractType": "Custom",
        "contractAddress": registry.to_checksum(None),
        "method": "isAllowed",
        "parameters": [room.to_string(), ":userAddress"],
        "inputArrayType": ["bytes32", "address"],
        "outputType": "bool",
        "returnValueTest": { "comparator": "==", "value": "true" },
    }])
}
