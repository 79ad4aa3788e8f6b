//! Revocations: a wallet's signature (EIP-712 typed data) that ends a device's right to act for a person
//! before its delegation's date. A laptop was lost; a browser is handed on.

use serde::{Deserialize, Serialize};

use crate::{
    delegation::DelegationError,
    eth::{Signature65, recover},
    ids::{DeviceKey, Millis, Person},
    typed::{Words, typed_data},
};

const REVOCATION_TYPE: &str = "Revocation(address person,string device,uint64 revokedAt)";

/// What the wallet signs: from `revoked_at` on, `device` acts for `person` no more. For good: a device that
/// comes back makes a new key.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Revocation {
    /// The account that signs.
    pub person: Person,
    /// The device that may no longer sign for it.
    pub device: DeviceKey,
    /// Seconds since 1970.
    pub revoked_at: u64,
    /// The chain of the delegation; part of the EIP-712 domain.
    pub chain_id: u64,
}

impl Revocation {
    /// The JSON text to pass to `eth_signTypedData_v4`. Wallets show it to the person.
    pub fn typed_data_json(&self) -> String {
        let fields = serde_json::json!([
            { "name": "person", "type": "address" },
            { "name": "device", "type": "string" },
            { "name": "revokedAt", "type": "uint64" },
        ]);
        let message = serde_json::json!({
            "person": self.person.checksummed(),
            "device": self.device,
            "revokedAt": self.revoked_at,
        });
        typed_data("Revocation", &fields, &message, self.chain_id)
    }

    /// The EIP-712 hash that the wallet signs.
    pub fn signing_hash(&self) -> [u8; 32] {
        let mut message = Words::of(REVOCATION_TYPE);
        message.right(&self.person.0);
        message.text(&self.device.to_string());
        message.number(self.revoked_at);
        message.signing_hash(self.chain_id)
    }

    /// From when on the device's events do not count.
    pub fn from(&self) -> Millis {
        Millis::from_seconds(self.revoked_at)
    }
}

/// A revocation with the wallet's signature. Holding one proves nothing until [`Self::verify`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedRevocation {
    /// What was signed.
    pub revocation: Revocation,
    /// By the wallet of `revocation.person`.
    pub signature: Signature65,
}

impl SignedRevocation {
    /// Checks chain and signature.
    pub fn verify(&self, chain_id: u64) -> Result<(), DelegationError> {
        let revocation = &self.revocation;
        if revocation.chain_id != chain_id {
            return Err(DelegationError::Chain {
                expected: chain_id,
                found: revocation.chain_id,
            });
        }
        let signer = recover(&revocation.signing_hash(), &self.signature)?;
        if signer != revocation.person {
            return Err(DelegationError::Signer {
                named: revocation.person,
                signer,
            });
        }
        Ok(())
    }
}
