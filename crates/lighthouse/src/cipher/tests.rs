//! Files made by the official client open here, and with the same salt and IV ours are the same bytes.

use serde_json::Value;
use sha2::{Digest, Sha256};

use super::*;
use crate::shares::MasterKey;

fn vectors() -> Value {
    serde_json::from_str(include_str!("../../tests/vectors/file_encryption.json")).unwrap()
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    value.as_str().map(|text| hex::decode(text).unwrap())
}

fn plain_of(case: &Value) -> Vec<u8> {
    bytes(&case["plaintext_hex"]).unwrap_or_else(|| {
        assert_eq!(case["plaintext_rule"], "byte[i] = (i*31+7) & 255");
        (0..case["plaintext_len"].as_u64().unwrap())
            .map(|i| (i * 31 + 7) as u8)
            .collect()
    })
}

#[tokio::test]
async fn the_bytes_are_lighthouses() {
    for case in vectors()["cases"].as_array().unwrap() {
        let plain = plain_of(case);
        let password = case["password"].as_str().unwrap().as_bytes();
        let salt = bytes(&case["salt_hex"]).unwrap().try_into().unwrap();
        let iv = bytes(&case["iv_hex"]).unwrap().try_into().unwrap();
        let file = encrypt_with_password(plain.clone(), password, salt, iv)
            .await
            .unwrap();
        assert_eq!(file.len() as u64, case["encrypted_len"].as_u64().unwrap());
        assert_eq!(
            hex::encode(Sha256::digest(&file)),
            case["encrypted_sha256"].as_str().unwrap()
        );
        if let Some(expected) = bytes(&case["encrypted_hex"]) {
            assert_eq!(file, expected);
        }
        assert_eq!(
            decrypt_with_password(&file, password).await.unwrap(),
            plain,
            "{}",
            case["name"]
        );
    }
}

#[tokio::test]
async fn what_does_not_open_there_does_not_open_here() {
    for case in vectors()["negative"].as_array().unwrap() {
        let file = bytes(&case["encrypted_hex"]).unwrap();
        let opened =
            decrypt_with_password(&file, case["password"].as_str().unwrap().as_bytes()).await;
        assert_eq!(
            opened.ok(),
            bytes(&case["result"]["plaintext_hex"]),
            "{}",
            case["description"]
        );
    }
}

/// The password is the key's lower-case text, however the key was written when it was read.
#[tokio::test]
async fn the_letter_case_of_a_key_does_not_matter() {
    let key = "40071bba6d78ea9a1b12c165f219ec22e0feaba21efbb52831361a167fdfc4c4";
    let [lower, upper] =
        [key.to_owned(), key.to_uppercase()].map(|text| MasterKey::from_hex(&text).unwrap());
    let file = encrypt(b"image".to_vec(), &lower, [1; SALT], [2; IV])
        .await
        .unwrap();
    assert_eq!(decrypt(&file, &upper).await.unwrap(), b"image");
    assert_eq!(
        file,
        encrypt_with_password(b"image".to_vec(), key.as_bytes(), [1; SALT], [2; IV])
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn no_changed_bit_and_no_lost_byte_opens() {
    let key = MasterKey::from_hex(&"1".repeat(64)).unwrap();
    let file = encrypt(b"image".to_vec(), &key, [1; SALT], [2; IV])
        .await
        .unwrap();
    for position in [0, SALT, SALT + IV, file.len() - 1] {
        let mut changed = file.clone();
        changed[position] ^= 1;
        assert_eq!(decrypt(&changed, &key).await, Err(CipherError::DoesNotOpen));
    }
    assert_eq!(
        decrypt(&file[..OVERHEAD], &key).await,
        Err(CipherError::DoesNotOpen)
    );
    assert_eq!(
        decrypt(&file[..OVERHEAD - 1], &key).await,
        Err(CipherError::TooShort(OVERHEAD - 1))
    );
    assert_eq!(decrypt(b"", &key).await, Err(CipherError::TooShort(0)));
}
