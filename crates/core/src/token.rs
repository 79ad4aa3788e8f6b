//! Device tokens: how a browser proves to a key node, to storage and to the server's room list for whom it
//! asks, without a wallet prompt. Text form `device:` and base64url of the JSON; one text per token.

use base64::{Engine, prelude::BASE64_URL_SAFE_NO_PAD};
use serde::{Deserialize, Serialize};

use crate::{
    delegation::{DelegationError, SignedDelegation},
    device::{self, DeviceSecret},
    ids::{Millis, Person, RoomId},
    limits,
};

/// How far a token's time may be from the verifier's clock, in milliseconds.
pub const FRESH: u64 = 5 * 60 * 1000;

const PREFIX: &str = "device:";
const DOMAIN: &[u8] = b"healthsync/token/1\0";

/// What a token is good for. Whoever takes a token compares this with what is being done.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(
    tag = "type",
    rename_all = "snake_case",
    rename_all_fields = "snake_case",
    deny_unknown_fields
)]
pub enum Scope {
    /// Save a key share, and its conditions.
    SaveKey {
        /// Of this file or room key.
        cid: String,
        /// At this key node, 1 to 5: no node can take another one's share for its own wish.
        node: u8,
    },
    /// Get a key share.
    GetKey {
        /// Of this file or room key.
        cid: String,
        /// Sealed to the public key with this SHA-256, and to no other.
        #[serde(with = "crate::bytes")]
        seal_to: [u8; 32],
    },
    /// Read at a key node to whom it gave the share of one's own file, and when.
    KeyLog {
        /// Of this file or room key.
        cid: String,
    },
    /// Upload an encrypted file.
    Upload {
        /// Whose bytes have this CID.
        cid: String,
    },
    /// List the rooms that the person is in.
    Rooms,
    /// Say, as a room's owner, how long its relay keeps what was said there.
    Retention {
        /// The room.
        room: RoomId,
        /// Days without a word after which all of it goes; `None`: as long as the relay keeps rooms.
        days: Option<u32>,
    },
}

/// A device's signed wish, under its person's delegation.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeviceToken {
    /// For whom the device acts.
    pub delegation: SignedDelegation,
    /// What for.
    pub scope: Scope,
    /// When it was made, by the device's clock.
    pub at: Millis,
    /// Random: lets the verifier refuse a second use.
    #[serde(with = "crate::bytes")]
    pub nonce: [u8; 16],
    /// By the delegation's device, over the domain separator and the JSON of everything above.
    #[serde(with = "crate::bytes")]
    pub signature: [u8; 64],
}

/// Why a token is refused.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// Not a token's text form.
    #[error("this is not a device token")]
    Form,
    /// The delegation in it is refused.
    #[error(transparent)]
    Delegation(#[from] DelegationError),
    /// The delegation does not cover the verifier's time.
    #[error("the delegation has ended or has not begun")]
    Expired,
    /// Made too long ago, or in the future.
    #[error(
        "the token's time is {off_by_ms} ms away from this server's clock; at most 5 minutes are allowed"
    )]
    Stale {
        /// Distance to the verifier's clock.
        off_by_ms: u64,
    },
    /// Not signed by the delegation's device.
    #[error("the token's signature is wrong")]
    Signature,
}

impl DeviceToken {
    /// Makes a token; `nonce` is random. `secret` is the key of the delegation's device.
    pub fn sign(
        delegation: SignedDelegation,
        scope: Scope,
        at: Millis,
        nonce: [u8; 16],
        secret: &DeviceSecret,
    ) -> Self {
        let mut token = Self {
            delegation,
            scope,
            at,
            nonce,
            signature: [0; 64],
        };
        token.signature = secret.sign(&token.signed_message());
        token
    }

    /// The text for `Authorization: Bearer …`.
    pub fn to_bearer(&self) -> String {
        let json = serde_json::to_vec(self).expect("a token has only text keys");
        format!("{PREFIX}{}", BASE64_URL_SAFE_NO_PAD.encode(json))
    }

    /// Reads the text form, without the word `Bearer`. Proves nothing until [`Self::verify`].
    pub fn from_bearer(text: &str) -> Result<Self, TokenError> {
        if text.len() > limits::TOKEN_BYTES {
            return Err(TokenError::Form);
        }
        let json = text
            .strip_prefix(PREFIX)
            .and_then(|text| BASE64_URL_SAFE_NO_PAD.decode(text).ok())
            .ok_or(TokenError::Form)?;
        let token: Self = serde_json::from_slice(&json).map_err(|_| TokenError::Form)?;
        // One text per token, so that "used before" can be asked of the text.
        if token.to_bearer() != text {
            return Err(TokenError::Form);
        }
        Ok(token)
    }

    /// Checks freshness, delegation and signature; says for whom the device asks. The scope is for the
    /// caller to compare.
    pub fn verify(&self, chain_id: u64, now: Millis) -> Result<Person, TokenError> {
        let off_by_ms = now.0.abs_diff(self.at.0);
        if off_by_ms > FRESH {
            return Err(TokenError::Stale { off_by_ms });
        }
        if !self.delegation.covers(now) {
            return Err(TokenError::Expired);
        }
        let device = &self.delegation.delegation.device;
        if !device::verify(device, &self.signed_message(), &self.signature) {
            return Err(TokenError::Signature);
        }
        self.delegation.verify(chain_id)?;
        Ok(self.delegation.delegation.person)
    }

    fn signed_message(&self) -> Vec<u8> {
        let mut message = DOMAIN.to_vec();
        let said = (
            &self.delegation,
            &self.scope,
            self.at,
            hex::encode(self.nonce),
        );
        serde_json::to_writer(&mut message, &said).expect("a token has only text keys");
        message
    }
}
