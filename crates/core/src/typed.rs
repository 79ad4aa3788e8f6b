//! EIP-712 typed data, as far as it is needed here: the domain of everything that wallets sign for
//! HealthSync, the JSON text that wallets show, and the hash that they sign.

use alloy_primitives::keccak256;
use serde_json::Value;

const DOMAIN_TYPE: &str = "EIP712Domain(string name,string version,uint256 chainId)";
const NAME: &str = "HealthSync";
const VERSION: &str = "1";

/// The JSON text to pass to `eth_signTypedData_v4`. `fields` are those of `primary`, in order.
pub(crate) fn typed_data(primary: &str, fields: &Value, message: &Value, chain_id: u64) -> String {
    serde_json::json!({
        "types": {
            "EIP712Domain": [
                { "name": "name", "type": "string" },
                { "name": "version", "type": "string" },
                { "name": "chainId", "type": "uint256" },
            ],
            primary: fields,
        },
        "primaryType": primary,
        "domain": { "name": NAME, "version": VERSION, "chainId": chain_id },
        "message": message,
    })
    .to_string()
}

/// The 32-byte words of EIP-712's `encodeData`, behind the hash of their type.
pub(crate) struct Words(Vec<u8>);

impl Words {
    /// Begins with a type's text: `Vote(bytes32 poll,address person)`.
    pub(crate) fn of(type_text: &str) -> Self {
        Self(keccak256(type_text).to_vec())
    }

    /// The words of an array, which has no type of its own.
    pub(crate) fn list<'a>(items: impl IntoIterator<Item = &'a [u8]>) -> Self {
        let mut words = Self(Vec::new());
        for item in items {
            words.right(item);
        }
        words
    }

    /// A struct's hash, or an array's, as a word of what it is in.
    pub(crate) fn hash(&self) -> [u8; 32] {
        keccak256(&self.0).0
    }

    /// A `string`.
    pub(crate) fn text(&mut self, text: &str) {
        self.0.extend_from_slice(keccak256(text).as_slice());
    }

    /// An unsigned number of any width.
    pub(crate) fn number(&mut self, number: u64) {
        self.right(&number.to_be_bytes());
    }

    /// An `address`, or a number of so many bytes: at most 32.
    pub(crate) fn right(&mut self, bytes: &[u8]) {
        self.0.resize(self.0.len() + 32 - bytes.len(), 0);
        self.0.extend_from_slice(bytes);
    }

    /// What the wallet signs on this chain: keccak256(0x1901 ‖ domain ‖ struct).
    pub(crate) fn signing_hash(&self, chain_id: u64) -> [u8; 32] {
        let mut domain = Self::of(DOMAIN_TYPE);
        domain.text(NAME);
        domain.text(VERSION);
        domain.number(chain_id);
        self.signing_hash_in(&domain)
    }

    /// What the wallet signs in another domain, such as a contract's.
    pub(crate) fn signing_hash_in(&self, domain: &Self) -> [u8; 32] {
        let all = [&[0x19, 0x01], &domain.hash()[..], &self.hash()].concat();
        keccak256(&all).0
    }
}
