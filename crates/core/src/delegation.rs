//! Delegations: a wallet's one signature (EIP-712 typed data) that lets a device act for a person.
//! It ends by its date, or earlier by a further wallet signature ([`crate::revocation`]).

use serde::{Deserialize, Serialize};

pub use crate::eth::{Signature65, SignatureError, eip191_hash, recover, recover_eip191};
use crate::{
    ids::{DeviceKey, Millis, Person},
    typed::{Words, typed_data},
};

/// The longest life of a delegation, in seconds: 90 days.
pub const MAX_LIFE: u64 = 90 * 24 * 60 * 60;

/// How much earlier than `issued_at` a device may date an event, in seconds: clocks are corrected
/// backwards now and then, and what was typed in between must not be lost.
pub const EARLY: u64 = 5 * 60;

const DELEGATION_TYPE: &str =
    "Delegation(address person,string device,uint64 issuedAt,uint64 expiresAt)";

/// What the wallet signs: `device` acts for `person` on the chain `chain_id` until `expires_at`.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Delegation {
    /// The account that signs.
    pub person: Person,
    /// The device that may then sign for it.
    pub device: DeviceKey,
    /// Seconds since 1970.
    pub issued_at: u64,
    /// Seconds since 1970; at most [`MAX_LIFE`] after `issued_at`.
    pub expires_at: u64,
    /// The chain whose registry says which rooms the person is in; part of the EIP-712 domain.
    pub chain_id: u64,
}

/// Why a delegation is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum DelegationError {
    /// Signed for another chain.
    #[error("the delegation is for chain {found}, not for chain {expected}")]
    Chain {
        /// The chain in use.
        expected: u64,
        /// The chain in the delegation.
        found: u64,
    },
    /// Ends before it starts, or lives longer than [`MAX_LIFE`].
    #[error("a delegation lives from 1 second to 90 days")]
    Life,
    /// The signature itself is bad.
    #[error(transparent)]
    Signature(#[from] SignatureError),
    /// A good signature, by somebody else.
    #[error("the delegation names {named} and is signed by {signer}")]
    Signer {
        /// Whom the delegation names.
        named: Person,
        /// Who signed it.
        signer: Person,
    },
}

impl Delegation {
    /// The JSON text to pass to `eth_signTypedData_v4`. Wallets show it to the person.
    pub fn typed_data_json(&self) -> String {
        let fields = serde_json::json!([
            { "name": "person", "type": "address" },
            { "name": "device", "type": "string" },
            { "name": "issuedAt", "type": "uint64" },
            { "name": "expiresAt", "type": "uint64" },
        ]);
        let message = serde_json::json!({
            "person": self.person.checksummed(),
            "device": self.device,
            "issuedAt": self.issued_at,
            "expiresAt": self.expires_at,
        });
        typed_data("Delegation", &fields, &message, self.chain_id)
    }

    /// The EIP-712 hash that the wallet signs: keccak256(0x1901 ‖ domain ‖ struct).
    pub fn signing_hash(&self) -> [u8; 32] {
        let mut message = Words::of(DELEGATION_TYPE);
        message.right(&self.person.0);
        message.text(&self.device.to_string());
        message.number(self.issued_at);
        message.number(self.expires_at);
        message.signing_hash(self.chain_id)
    }

    /// Whether `at` is within the delegation's life (and at most [`EARLY`] seconds before it).
    pub fn covers(&self, at: Millis) -> bool {
        let starts = self.issued_at.saturating_sub(EARLY);
        Millis::from_seconds(starts) <= at && at < Millis::from_seconds(self.expires_at)
    }
}

/// A delegation with the wallet's signature. Holding one proves nothing until [`Self::verify`].
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SignedDelegation {
    /// What was signed.
    pub delegation: Delegation,
    /// By the wallet of `delegation.person`.
    pub signature: Signature65,
}

impl SignedDelegation {
    /// Checks chain, life and signature. Does not ask for the time: see [`Self::covers`].
    pub fn verify(&self, chain_id: u64) -> Result<(), DelegationError> {
        let delegation = &self.delegation;
        if delegation.chain_id != chain_id {
            return Err(DelegationError::Chain {
                expected: chain_id,
                found: delegation.chain_id,
            });
        }
        match delegation.expires_at.checked_sub(delegation.issued_at) {
            Some(1..=MAX_LIFE) => {}
            _ => return Err(DelegationError::Life),
        }
        let signer = recover(&delegation.signing_hash(), &self.signature)?;
        if signer != delegation.person {
            return Err(DelegationError::Signer {
                named: delegation.person,
                signer,
            });
        }
        Ok(())
    }

    /// Whether `at` is within the delegation's life.
    pub fn covers(&self, at: Millis) -> bool {
        self.delegation.covers(at)
    }
}
