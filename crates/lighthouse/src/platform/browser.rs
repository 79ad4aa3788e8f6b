//! Browser side: WebCrypto, on the page or in a Worker. WebCrypto copies its input before it returns, so views into
//! our memory are safe to hand over.

use js_sys::{Array, Promise, Reflect, Uint8Array};
use sha2::{Digest, Sha256};
use wasm_bindgen::{JsCast, JsValue};
use wasm_bindgen_futures::JsFuture;
use web_sys::{AesDerivedKeyParams, AesGcmParams, Crypto, CryptoKey, Pbkdf2Params, SubtleCrypto};

use crate::cipher::{CipherError, ITERATIONS, IV, OVERHEAD, SALT};

/// Pieces whose digests are computed at the same time.
const DIGESTS_AT_ONCE: usize = 16;

/// `salt ‖ iv ‖ ciphertext ‖ tag`.
pub(crate) async fn encrypt(
    plain: Vec<u8>,
    password: &[u8],
    salt: &[u8; SALT],
    iv: &[u8; IV],
) -> Result<Vec<u8>, CipherError> {
    let subtle = subtle()?;
    let key = derive(&subtle, password, salt, "encrypt").await?;
    let started = subtle
        .encrypt_with_object_and_u8_array(&gcm(iv), &key, &plain)
        .map_err(failed)?;
    let sealed = Uint8Array::new(&JsFuture::from(started).await.map_err(failed)?);
    let mut file = vec![0; plain.len() + OVERHEAD];
    file[..SALT].copy_from_slice(salt);
    file[SALT..SALT + IV].copy_from_slice(iv);
    if sealed.length() as usize != file.len() - SALT - IV {
        return Err(CipherError::Platform(
            "AES-GCM gave another length than it should".into(),
        ));
    }
    sealed.copy_to(&mut file[SALT + IV..]);
    Ok(file)
}

/// `sealed` is ciphertext and tag.
pub(crate) async fn decrypt(
    sealed: &[u8],
    password: &[u8],
    salt: &[u8; SALT],
    iv: &[u8; IV],
) -> Result<Vec<u8>, CipherError> {
    let subtle = subtle()?;
    let key = derive(&subtle, password, salt, "decrypt").await?;
    let started = subtle
        .decrypt_with_object_and_u8_array(&gcm(iv), &key, sealed)
        .map_err(failed)?;
    let plain = JsFuture::from(started)
        .await
        .map_err(|_| CipherError::DoesNotOpen)?;
    Ok(Uint8Array::new(&plain).to_vec())
}

/// SHA-256 of each piece of `size` bytes; one digest for no bytes at all. A page without WebCrypto still gets them,
/// only slower.
pub(crate) async fn digests(bytes: &[u8], size: usize) -> Vec<[u8; 32]> {
    let pieces: Vec<&[u8]> = if bytes.is_empty() {
        vec![bytes]
    } else {
        bytes.chunks(size).collect()
    };
    let subtle = subtle().ok();
    let mut digests = Vec::with_capacity(pieces.len());
    for group in pieces.chunks(DIGESTS_AT_ONCE) {
        let started: Vec<Option<Promise>> = group
            .iter()
            .map(|piece| {
                subtle
                    .as_ref()
                    .and_then(|subtle| subtle.digest_with_str_and_u8_array("SHA-256", piece).ok())
            })
            .collect();
        for (promise, piece) in started.into_iter().zip(group) {
            let digest = match promise {
                Some(promise) => JsFuture::from(promise).await.ok(),
                None => None,
            };
            let digest =
                digest.and_then(|digest| Uint8Array::new(&digest).to_vec().try_into().ok());
            digests.push(digest.unwrap_or_else(|| Sha256::digest(piece).into()));
        }
    }
    digests
}

fn subtle() -> Result<SubtleCrypto, CipherError> {
    let crypto = Reflect::get(&js_sys::global(), &JsValue::from_str("crypto")).map_err(failed)?;
    let subtle = crypto.dyn_into::<Crypto>().map_err(failed)?.subtle();
    // Outside secure contexts the attribute is missing, whatever the binding's type says.
    if subtle.is_undefined() {
        return Err(CipherError::Platform(
            "this page is not served over HTTPS".into(),
        ));
    }
    Ok(subtle)
}

/// The AES key, which JavaScript never sees.
async fn derive(
    subtle: &SubtleCrypto,
    password: &[u8],
    salt: &[u8; SALT],
    usage: &str,
) -> Result<CryptoKey, CipherError> {
    let usages = Array::of1(&JsValue::from_str("deriveKey"));
    let started = subtle
        .import_key_with_str("raw", &Uint8Array::from(password), "PBKDF2", false, &usages)
        .map_err(failed)?;
    let base: CryptoKey = JsFuture::from(started)
        .await
        .map_err(failed)?
        .unchecked_into();
    let pbkdf2 = Pbkdf2Params::new(
        "PBKDF2",
        &JsValue::from_str("SHA-256"),
        ITERATIONS,
        &Uint8Array::from(salt.as_slice()),
    );
    let usages = Array::of1(&JsValue::from_str(usage));
    let started = subtle
        .derive_key_with_object_and_object(
            &pbkdf2,
            &base,
            &AesDerivedKeyParams::new("AES-GCM", 256),
            false,
            &usages,
        )
        .map_err(failed)?;
    Ok(JsFuture::from(started)
        .await
        .map_err(failed)?
        .unchecked_into())
}

fn gcm(iv: &[u8; IV]) -> AesGcmParams {
    AesGcmParams::new("AES-GCM", &Uint8Array::from(iv.as_slice()))
}

fn failed(error: JsValue) -> CipherError {
    let text = error
        .dyn_ref::<js_sys::Error>()
        .map(|error| String::from(error.message()));
    CipherError::Platform(text.unwrap_or_else(|| "WebCrypto refused".into()))
}
