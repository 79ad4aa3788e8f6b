//! New UIDs: a keyed hash of the old one under the root for UUIDs (PS3.5 annex B.2).

use hmac::{Hmac, Mac};
use sha2::Sha256;

use super::options::StudyKey;

/// HMAC-SHA256 under the study's key; `purpose` keeps uses apart.
pub(super) fn keyed(key: &StudyKey, purpose: &[u8], value: &[u8]) -> [u8; 32] {
    let mut mac = Hmac::<Sha256>::new_from_slice(&key.0).expect("HMAC takes keys of any length");
    mac.update(purpose);
    mac.update(&[0]);
    mac.update(value);
    mac.finalize().into_bytes().into()
}

/// The UID that takes the place of another; UIDs that the standard itself defines stay.
pub(super) fn replace(key: &StudyKey, uid: &str) -> String {
    let uid = uid.trim_matches([' ', '\0']);
    if uid.is_empty() || uid.starts_with("1.2.840.10008.") {
        return uid.to_owned();
    }
    let mut half = [0; 16];
    half.copy_from_slice(&keyed(key, b"uid", uid.as_bytes())[..16]);
    // Version 8 of RFC 9562: a UUID of one's own making.
    half[6] = half[6] & 0x0F | 0x80;
    half[8] = half[8] & 0x3F | 0x80;
    format!("2.25.{}", u128::from_be_bytes(half))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_same_for_the_same_under_one_key_only() {
        let (one, other) = (StudyKey([1; 32]), StudyKey([2; 32]));
        let new = replace(&one, "1.2.3.4\0");
        assert_eq!(new, replace(&one, "1.2.3.4"));
        assert_ne!(new, replace(&other, "1.2.3.4"));
        assert!(new.starts_with("2.25.") && new.len() <= 64);
        assert_eq!(replace(&one, "1.2.840.10008.1.2"), "1.2.840.10008.1.2");
    }
}
