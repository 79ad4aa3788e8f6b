//! Native side: RustCrypto. The functions are `async` only to have the browser's signatures.

use aes_gcm::aead::AeadInPlace;
use aes_gcm::{Aes256Gcm, KeyInit, Nonce};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::cipher::{CipherError, ITERATIONS, IV, OVERHEAD, SALT};

/// `salt ‖ iv ‖ ciphertext ‖ tag`.
pub(crate) async fn encrypt(
    plain: Vec<u8>,
    password: &[u8],
    salt: &[u8; SALT],
    iv: &[u8; IV],
) -> Result<Vec<u8>, CipherError> {
    let plain = Zeroizing::new(plain);
    let mut file = Vec::with_capacity(plain.len() + OVERHEAD);
    file.extend_from_slice(salt);
    file.extend_from_slice(iv);
    file.extend_from_slice(&plain);
    let tag = cipher(password, salt)
        .encrypt_in_place_detached(Nonce::from_slice(iv), b"", &mut file[SALT + IV..])
        .map_err(|_| CipherError::Platform("the file is too long for AES-GCM".into()))?;
    file.extend_from_slice(&tag);
    Ok(file)
}

/// `sealed` is ciphertext and tag.
pub(crate) async fn decrypt(
    sealed: &[u8],
    password: &[u8],
    salt: &[u8; SALT],
    iv: &[u8; IV],
) -> Result<Vec<u8>, CipherError> {
    let mut plain = sealed.to_vec();
    cipher(password, salt)
        .decrypt_in_place(Nonce::from_slice(iv), b"", &mut plain)
        .map_err(|_| CipherError::DoesNotOpen)?;
    Ok(plain)
}

/// SHA-256 of each piece of `size` bytes; one digest for no bytes at all.
pub(crate) async fn digests(bytes: &[u8], size: usize) -> Vec<[u8; 32]> {
    if bytes.is_empty() {
        return vec![Sha256::digest(bytes).into()];
    }
    bytes
        .chunks(size)
        .map(|piece| Sha256::digest(piece).into())
        .collect()
}

/// The AES key of a file.
pub(crate) fn derive(password: &[u8], salt: &[u8]) -> Zeroizing<[u8; 32]> {
    let mut key = Zeroizing::new([0; 32]);
    pbkdf2::pbkdf2_hmac::<Sha256>(password, salt, ITERATIONS, key.as_mut_slice());
    key
}

fn cipher(password: &[u8], salt: &[u8]) -> Aes256Gcm {
    Aes256Gcm::new((&*derive(password, salt)).into())
}
