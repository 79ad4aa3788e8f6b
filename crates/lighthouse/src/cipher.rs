//! The encrypted file as Lighthouse writes it: `salt(16) ‖ iv(12) ‖ AES-256-GCM ciphertext ‖ tag(16)`.
//!
//! The AES key is PBKDF2-HMAC-SHA-256 (250,000 rounds) of the key's 64 lower-case hexadecimal digits as text. The
//! whole file is in memory, or on native builds goes through in pieces (`stream`); there is no header, no name and no
//! type in it, so whoever needs those puts them inside.

#[cfg(not(all(target_arch = "wasm32", target_os = "unknown")))]
pub mod stream;

use crate::platform;
use crate::shares::MasterKey;

/// Rounds of PBKDF2, fixed by the format.
pub(crate) const ITERATIONS: u32 = 250_000;
pub(crate) const SALT: usize = 16;
pub(crate) const IV: usize = 12;
const TAG: usize = 16;
/// How many bytes longer the encrypted file is than the plain one.
pub const OVERHEAD: usize = SALT + IV + TAG;

/// Why a file could not be encrypted or decrypted.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CipherError {
    /// Shorter than the shortest possible file.
    #[error("an encrypted file has at least {OVERHEAD} bytes; this one has {0}")]
    TooShort(usize),
    /// The tag does not fit: another key, or changed bytes. Nothing of the content is given out.
    #[error("the key does not fit or the file was changed")]
    DoesNotOpen,
    /// The platform's cryptography is missing or failed, for example on a page without HTTPS.
    #[error("the browser's cryptography is not available: {0}")]
    Platform(String),
}

/// Encrypts a file. `salt` and `iv` come fresh from a cryptographic source for every file.
pub async fn encrypt(
    plain: Vec<u8>,
    key: &MasterKey,
    salt: [u8; SALT],
    iv: [u8; IV],
) -> Result<Vec<u8>, CipherError> {
    encrypt_with_password(plain, key.hex().as_bytes(), salt, iv).await
}

/// Decrypts a file. All or nothing: a wrong key or one flipped bit gives [`CipherError::DoesNotOpen`].
pub async fn decrypt(bytes: &[u8], key: &MasterKey) -> Result<Vec<u8>, CipherError> {
    decrypt_with_password(bytes, key.hex().as_bytes()).await
}

async fn encrypt_with_password(
    plain: Vec<u8>,
    password: &[u8],
    salt: [u8; SALT],
    iv: [u8; IV],
) -> Result<Vec<u8>, CipherError> {
    platform::encrypt(plain, password, &salt, &iv).await
}

async fn decrypt_with_password(bytes: &[u8], password: &[u8]) -> Result<Vec<u8>, CipherError> {
    if bytes.len() < OVERHEAD {
        return Err(CipherError::TooShort(bytes.len()));
    }
    let (salt, rest) = bytes
        .split_first_chunk::<SALT>()
        .expect("the length was checked");
    let (iv, sealed) = rest
        .split_first_chunk::<IV>()
        .expect("the length was checked");
    platform::decrypt(sealed, password, salt, iv).await
}

#[cfg(test)]
#[cfg(not(all(target_arch = "wasm32", target_os = "unknown")))]
mod tests;
