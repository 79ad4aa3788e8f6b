//! An EIP-1559 transaction (EIP-2718 type 2), encoded and signed here: what the demo wallet sends.

use alloy_primitives::keccak256;
use alloy_rlp::{Encodable, Header};
use healthsync_core::{Person, Signature65, SignatureError, eth::sign_hash};

#[derive(Clone, Debug)]
pub(crate) struct Transaction {
    pub chain_id: u64,
    pub nonce: u64,
    pub max_priority_fee: u128,
    pub max_fee: u128,
    pub gas: u64,
    pub to: Person,
    pub data: Vec<u8>,
}

impl Transaction {
    /// The bytes for `eth_sendRawTransaction`.
    pub(crate) fn sign(&self, secret: &[u8; 32]) -> Result<Vec<u8>, SignatureError> {
        let Signature65(signature) = sign_hash(&keccak256(self.encode(None)).0, secret)?;
        Ok(self.encode(Some(&signature)))
    }

    /// `0x02 ‖ rlp([chain, nonce, priority fee, fee, gas, to, value, data, access list, (parity, r, s)])`.
    fn encode(&self, signature: Option<&[u8; 65]>) -> Vec<u8> {
        let mut fields = Vec::with_capacity(192 + self.data.len());
        self.chain_id.encode(&mut fields);
        self.nonce.encode(&mut fields);
        self.max_priority_fee.encode(&mut fields);
        self.max_fee.encode(&mut fields);
        self.gas.encode(&mut fields);
        self.to.0.as_slice().encode(&mut fields);
        0_u8.encode(&mut fields);
        self.data.as_slice().encode(&mut fields);
        Header {
            list: true,
            payload_length: 0,
        }
        .encode(&mut fields);
        if let Some(signature) = signature {
            (signature[64] - 27).encode(&mut fields);
            for number in [&signature[..32], &signature[32..64]] {
                let zeros = number.iter().take_while(|byte| **byte == 0).count();
                number[zeros..].encode(&mut fields);
            }
        }
        let mut bytes = vec![2];
        Header {
            list: true,
            payload_length: fields.len(),
        }
        .encode(&mut bytes);
        bytes.extend_from_slice(&fields);
        bytes
    }
}
