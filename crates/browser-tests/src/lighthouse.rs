//! `lighthouse`: files through WebCrypto, content ids, shares and their sealing, against what Lighthouse's own packages
//! and Kubo have made.

use healthsync_core::RoomId;
use healthsync_lighthouse::{
    CipherError, MasterKey, OVERHEAD, SealError, SealKeyPair, Share, cid_of, cid_v1, decrypt,
    encrypt, parse_cid, recover, room_key_cid, seal::seal,
};
use serde_json::Value;
use sha2::{Digest, Sha256};
use wasm_bindgen::prelude::wasm_bindgen;

const CID: &str = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";

macro_rules! vectors {
    ($file:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!(
            "../../lighthouse/tests/vectors/",
            $file
        )))
        .unwrap()
    };
}

fn bytes(value: &Value) -> Option<Vec<u8>> {
    value.as_str().map(|text| hex::decode(text).unwrap())
}

/// The content that the vectors describe by its rule.
fn content(length: u64) -> Vec<u8> {
    (0..length).map(|i| (i * 31 + 7) as u8).collect()
}

/// The key of a case; some cases have passwords that are no keys, which only native tests can pass on.
fn key_of(case: &Value) -> Option<MasterKey> {
    let key = MasterKey::from_hex(case["password"].as_str().unwrap()).ok()?;
    (key.hex().as_str() == case["password"]).then_some(key)
}

#[wasm_bindgen]
pub async fn test_the_bytes_are_lighthouses() {
    let file = vectors!("file_encryption.json");
    let mut checked = 0;
    for case in file["cases"].as_array().unwrap() {
        let Some(key) = key_of(case) else { continue };
        let plain = bytes(&case["plaintext_hex"])
            .unwrap_or_else(|| content(case["plaintext_len"].as_u64().unwrap()));
        let salt = bytes(&case["salt_hex"]).unwrap().try_into().unwrap();
        let iv = bytes(&case["iv_hex"]).unwrap().try_into().unwrap();
        let sealed = encrypt(plain.clone(), &key, salt, iv).await.unwrap();
        assert_eq!(
            hex::encode(Sha256::digest(&sealed)),
            case["encrypted_sha256"].as_str().unwrap(),
            "{}",
            case["name"]
        );
        let opened = decrypt(&sealed, &key).await.unwrap();
        assert_eq!(opened, plain, "{}", case["name"]);
        checked += 1;
    }
    assert!(checked >= 6, "{checked} cases");
}

#[wasm_bindgen]
pub async fn test_what_does_not_open_there_does_not_open_here() {
    let file = vectors!("file_encryption.json");
    let mut checked = 0;
    for case in file["negative"].as_array().unwrap() {
        let Some(key) = key_of(case) else { continue };
        let sealed = bytes(&case["encrypted_hex"]).unwrap();
        assert_eq!(
            decrypt(&sealed, &key).await.ok(),
            bytes(&case["result"]["plaintext_hex"]),
            "{}",
            case["description"]
        );
        checked += 1;
    }
    assert!(checked >= 6, "{checked} cases");
}

#[wasm_bindgen]
pub async fn test_no_changed_bit_and_no_lost_byte_opens() {
    let key = MasterKey::from_hex(&"1".repeat(64)).unwrap();
    let file = encrypt(b"image".to_vec(), &key, [1; 16], [2; 12])
        .await
        .unwrap();
    for position in [0, 16, 28, file.len() - 1] {
        let mut changed = file.clone();
        changed[position] ^= 1;
        assert_eq!(decrypt(&changed, &key).await, Err(CipherError::DoesNotOpen));
    }
    assert_eq!(
        decrypt(&file[..OVERHEAD - 1], &key).await,
        Err(CipherError::TooShort(OVERHEAD - 1))
    );
    assert_eq!(decrypt(b"", &key).await, Err(CipherError::TooShort(0)));
}

#[wasm_bindgen]
pub async fn test_files_have_kubos_content_ids() {
    for case in vectors!("cid.json")["cases"].as_array().unwrap() {
        let bytes = content(case["len"].as_u64().unwrap());
        let expected = case["v1"]["cid"].as_str().unwrap();
        assert_eq!(cid_of(&bytes).await, expected);
        assert_eq!(cid_v1(&bytes), expected);
        assert!(parse_cid(expected).is_ok());
    }
}

#[wasm_bindgen]
pub fn test_room_keys_have_ids_of_their_own() {
    let ids = [
        room_key_cid(&RoomId([1; 32]), 0),
        room_key_cid(&RoomId([1; 32]), 1),
        room_key_cid(&RoomId([2; 32]), 0),
    ];
    for (index, id) in ids.iter().enumerate() {
        assert!(parse_cid(id).is_ok());
        assert!(!ids[..index].contains(id));
    }
}

#[wasm_bindgen]
pub fn test_every_subset_recovers_what_kavach_recovers() {
    for case in vectors!("kavach_generate_recover.json")["cases"]
        .as_array()
        .unwrap()
    {
        let shares: Vec<Share> = serde_json::from_value(case["keyShards"].clone()).unwrap();
        for subset in case["recover"].as_array().unwrap() {
            let positions = subset["shard_positions"].as_array().unwrap();
            let chosen: Vec<Share> = positions
                .iter()
                .map(|position| shares[position.as_u64().unwrap() as usize].clone())
                .collect();
            assert_eq!(
                recover(&chosen).unwrap().hex().as_str(),
                subset["masterKey"].as_str().unwrap()
            );
        }
    }
}

#[wasm_bindgen]
pub fn test_a_sealed_share_opens_for_its_reader_node_and_file_only() {
    let share = Share::from_hex(&"1".repeat(64), &"2".repeat(64)).unwrap();
    let reader = SealKeyPair::from_seed([1; 32]);
    let sealed = seal(&share, reader.public(), 3, CID, [2; 32]).unwrap();
    assert_eq!(reader.open(&sealed, 3, CID), Ok(share));
    assert_eq!(reader.open(&sealed, 4, CID), Err(SealError::DoesNotOpen));
    assert_eq!(
        SealKeyPair::from_seed([3; 32]).open(&sealed, 3, CID),
        Err(SealError::DoesNotOpen)
    );
    for position in 0..sealed.len() {
        let mut changed = sealed.clone();
        changed[position] ^= 1;
        assert_eq!(reader.open(&changed, 3, CID), Err(SealError::DoesNotOpen));
    }
}
