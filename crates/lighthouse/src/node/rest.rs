//! Records as they lie on a node's disk: sealed with a key that lies elsewhere, so that a copy of the database alone
//! gives nobody a share.
//!
//! Sealed bytes are `version(1) ‖ nonce(12) ‖ AES-256-GCM ciphertext ‖ tag(16)` of the record's JSON. Each key of a node
//! has a cipher key of its own, HMAC-SHA-256 of the node's number and the content id, so a record that was moved to
//! another node or another file does not open.

use std::fmt;

use aes_gcm::aead::{Aead, Payload};
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use hmac::{Hmac, Mac};
use sha2::Sha256;
use zeroize::Zeroizing;

use super::store::Record;

const DOMAIN: &[u8] = b"healthsync/share-at-rest/1\0";
const VERSION: u8 = 1;
const NONCE: usize = 12;

/// The key under which a node's records are sealed.
pub struct RestKey(Zeroizing<[u8; 32]>);

impl fmt::Debug for RestKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RestKey(..)")
    }
}

/// A record that does not open: sealed with another key, for another node or file, or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the record does not open: it was sealed with another key, or it was changed")]
pub struct DoesNotOpen;

impl RestKey {
    /// 32 bytes from a cryptographic source, kept apart from the database.
    pub fn new(key: [u8; 32]) -> Self {
        Self(Zeroizing::new(key))
    }

    /// Seals a record of `node`. `nonce` is fresh from a cryptographic source each time.
    pub fn seal(&self, node: u8, cid: &str, record: &Record, nonce: [u8; NONCE]) -> Vec<u8> {
        let json = serde_json::to_vec(record).expect("a record has only text keys");
        self.seal_bytes(node, cid, &Zeroizing::new(json), nonce)
    }

    /// Opens what [`Self::seal`] made.
    pub fn open(&self, node: u8, cid: &str, sealed: &[u8]) -> Result<Record, DoesNotOpen> {
        let json = self.open_bytes(node, cid, sealed)?;
        serde_json::from_slice(&json).map_err(|_| DoesNotOpen)
    }

    /// Bytes by which a store tells at its start whether this is still the key it was made with.
    pub fn mark(&self, node: u8, nonce: [u8; NONCE]) -> Vec<u8> {
        self.seal_bytes(node, "", DOMAIN, nonce)
    }

    /// Whether `mark` was made with this key for this node.
    pub fn knows(&self, node: u8, mark: &[u8]) -> bool {
        self.open_bytes(node, "", mark)
            .is_ok_and(|plain| *plain == DOMAIN)
    }

    fn seal_bytes(&self, node: u8, cid: &str, plain: &[u8], nonce: [u8; NONCE]) -> Vec<u8> {
        let payload = Payload {
            msg: plain,
            aad: &[VERSION],
        };
        let sealed = self
            .cipher(node, cid)
            .encrypt(Nonce::from_slice(&nonce), payload)
            .expect("a record is far shorter than AES-GCM's limit");
        [&[VERSION], nonce.as_slice(), &sealed].concat()
    }

    fn open_bytes(
        &self,
        node: u8,
        cid: &str,
        sealed: &[u8],
    ) -> Result<Zeroizing<Vec<u8>>, DoesNotOpen> {
        let (version, rest) = sealed.split_first().ok_or(DoesNotOpen)?;
        let (nonce, ciphertext) = rest.split_at_checked(NONCE).ok_or(DoesNotOpen)?;
        let payload = Payload {
            msg: ciphertext,
            aad: &[*version],
        };
        if *version != VERSION {
            return Err(DoesNotOpen);
        }
        let plain = self
            .cipher(node, cid)
            .decrypt(Nonce::from_slice(nonce), payload);
        plain.map(Zeroizing::new).map_err(|_| DoesNotOpen)
    }

    fn cipher(&self, node: u8, cid: &str) -> Aes256Gcm {
        let mac = <Hmac<Sha256> as Mac>::new_from_slice(self.0.as_slice())
            .expect("HMAC takes a key of any length")
            .chain_update(DOMAIN)
            .chain_update([node])
            .chain_update(cid);
        Aes256Gcm::new(&mac.finalize().into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use healthsync_core::Person;

    use super::*;
    use crate::Share;

    fn record() -> Record {
        Record {
            owner: Person([1; 20]),
            share: Share::from_hex(&"1".repeat(64), &"2".repeat(64)).unwrap(),
            shared_to: BTreeSet::from([Person([2; 20])]),
            rules: None,
            decryption_type: None,
        }
    }

    #[test]
    fn a_record_opens_at_its_node_for_its_file_with_its_key_unchanged() {
        let key = RestKey::new([7; 32]);
        let sealed = key.seal(1, "a", &record(), [9; 12]);
        assert_eq!(key.open(1, "a", &sealed), Ok(record()));
        assert_eq!(key.open(2, "a", &sealed), Err(DoesNotOpen));
        assert_eq!(key.open(1, "b", &sealed), Err(DoesNotOpen));
        assert_eq!(
            RestKey::new([8; 32]).open(1, "a", &sealed),
            Err(DoesNotOpen)
        );
        for position in 0..sealed.len() {
            let mut changed = sealed.clone();
            changed[position] ^= 1;
            assert_eq!(key.open(1, "a", &changed), Err(DoesNotOpen));
        }
        for length in 0..sealed.len() {
            assert_eq!(key.open(1, "a", &sealed[..length]), Err(DoesNotOpen));
        }
        let text = String::from_utf8_lossy(&sealed);
        assert!(!text.contains("1111") && !text.contains("owner"));
    }

    #[test]
    fn a_store_recognises_its_key() {
        let key = RestKey::new([7; 32]);
        let mark = key.mark(3, [1; 12]);
        assert!(key.knows(3, &mark));
        assert!(!key.knows(4, &mark) && !RestKey::new([8; 32]).knows(3, &mark));
        assert!(!key.knows(3, b""));
    }
}
