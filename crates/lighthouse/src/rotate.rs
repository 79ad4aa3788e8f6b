//! A new key for a file: opened with the old one, encrypted again under a fresh one.
//!
//! Taking somebody off a list does not make her forget a key, and encrypted bytes are public by their content id. To
//! shut somebody out of what comes later, the file gets a new key, and with it new bytes and a new content id. The old
//! bytes stay readable for whoever had the old key and kept either; nothing can change that.

use crate::cid::cid_of;
use crate::cipher::{CipherError, decrypt, encrypt};
use crate::shares::{MasterKey, Share, ShareError, generate};

/// A file under its new key.
#[derive(Debug)]
pub struct Rotated {
    /// The encrypted bytes, to be stored.
    pub bytes: Vec<u8>,
    /// Their content id, under which the shares are saved.
    pub cid: String,
    /// The new key.
    pub key: MasterKey,
    /// Its shares, in the order of the nodes.
    pub shares: Vec<Share>,
}

/// Why a file has no new key. The old one goes on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum RotateError {
    /// The old key does not open the file, or it could not be encrypted again.
    #[error(transparent)]
    Cipher(#[from] CipherError),
    /// No key could be made.
    #[error(transparent)]
    Shares(#[from] ShareError),
}

/// Opens `file` with `old` and encrypts it under a fresh key, of which any `threshold` of `count` shares are enough.
/// `random` fills 32 bytes per call from a cryptographic source.
pub async fn rotate(
    file: &[u8],
    old: &MasterKey,
    threshold: usize,
    count: usize,
    mut random: impl FnMut(&mut [u8; 32]),
) -> Result<Rotated, RotateError> {
    let plain = decrypt(file, old).await?;
    let (key, shares) = generate(threshold, count, &mut random)?;
    let mut block = [0; 32];
    random(&mut block);
    let (mut salt, mut iv) = ([0; 16], [0; 12]);
    salt.copy_from_slice(&block[..16]);
    iv.copy_from_slice(&block[16..28]);
    let bytes = encrypt(plain, &key, salt, iv).await?;
    let cid = cid_of(&bytes).await;
    Ok(Rotated {
        bytes,
        cid,
        key,
        shares,
    })
}

#[cfg(test)]
#[cfg(not(all(target_arch = "wasm32", target_os = "unknown")))]
mod tests {
    use futures::executor::block_on;

    use super::*;
    use crate::recover;

    /// Counts up, so that no two blocks are equal.
    fn counting(mut next: u8) -> impl FnMut(&mut [u8; 32]) {
        move |bytes| {
            next += 1;
            *bytes = [next; 32];
        }
    }

    #[test]
    fn the_new_key_opens_the_new_bytes_and_the_old_one_does_not() {
        let old = MasterKey::from_hex(&"1".repeat(64)).unwrap();
        let file = block_on(encrypt(b"a study".to_vec(), &old, [1; 16], [2; 12])).unwrap();
        let rotated = block_on(rotate(&file, &old, 3, 5, counting(2))).unwrap();
        assert_ne!(rotated.cid, block_on(cid_of(&file)));
        assert_eq!(
            block_on(decrypt(&rotated.bytes, &rotated.key)).unwrap(),
            b"a study"
        );
        assert_eq!(
            block_on(decrypt(&rotated.bytes, &old)),
            Err(CipherError::DoesNotOpen)
        );
        assert_eq!(recover(&rotated.shares[2..]).unwrap(), rotated.key);
    }

    #[test]
    fn a_wrong_old_key_changes_nothing() {
        let old = MasterKey::from_hex(&"1".repeat(64)).unwrap();
        let other = MasterKey::from_hex(&"2".repeat(64)).unwrap();
        let file = block_on(encrypt(b"a study".to_vec(), &old, [1; 16], [2; 12])).unwrap();
        let outcome = block_on(rotate(&file, &other, 3, 5, counting(2)));
        assert_eq!(
            outcome.err(),
            Some(RotateError::Cipher(CipherError::DoesNotOpen))
        );
    }
}
