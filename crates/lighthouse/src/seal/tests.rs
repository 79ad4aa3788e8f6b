//! Only the asked node's share for the asked file opens, and only with the right key.

use proptest::prelude::*;

use super::*;

const CID: &str = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
const OTHER: &str = "bafkreihqq7d76v4yqic2xcef5s74vctxzfxjdmqtxwv2sekd7pgwfglxcm";

fn share() -> Share {
    Share::from_hex(&"1".repeat(64), &"2".repeat(64)).unwrap()
}

#[test]
fn a_sealed_share_opens_for_its_reader_node_and_file_only() {
    let reader = SealKeyPair::from_seed([1; 32]);
    let sealed = seal(&share(), reader.public(), 3, CID, [2; 32]).unwrap();
    assert_eq!(sealed.len(), SEALED_SHARE);
    assert_eq!(reader.open(&sealed, 3, CID), Ok(share()));
    assert_eq!(reader.open(&sealed, 3, &CID.to_uppercase()), Ok(share()));
    assert_eq!(reader.open(&sealed, 4, CID), Err(SealError::DoesNotOpen));
    assert_eq!(reader.open(&sealed, 3, OTHER), Err(SealError::DoesNotOpen));
    assert_eq!(
        SealKeyPair::from_seed([3; 32]).open(&sealed, 3, CID),
        Err(SealError::DoesNotOpen)
    );
    for position in (0..sealed.len())
        .step_by(7)
        .chain(sealed.len() - 96..sealed.len())
    {
        let mut changed = sealed.clone();
        changed[position] ^= 1;
        assert_eq!(reader.open(&changed, 3, CID), Err(SealError::DoesNotOpen));
    }
}

#[test]
fn other_randomness_gives_other_bytes() {
    let reader = SealKeyPair::from_seed([1; 32]);
    let one = seal(&share(), reader.public(), 3, CID, [2; 32]).unwrap();
    let two = seal(&share(), reader.public(), 3, CID, [3; 32]).unwrap();
    assert_ne!(one[..ENC], two[..ENC]);
    assert_ne!(one[ENC..], two[ENC..]);
}

#[test]
fn useless_keys_are_refused() {
    for useless in [vec![0xff; PUBLIC_KEY], vec![1; PUBLIC_KEY - 1], vec![]] {
        let sealed = seal(&share(), &useless, 1, CID, [2; 32]);
        assert_eq!(sealed, Err(SealError::Recipient));
    }
    let reader = SealKeyPair::from_seed([1; 32]);
    assert_eq!(
        seal(&share(), reader.public(), 1, "nope", [2; 32]),
        Err(SealError::Cid(CidError::Text))
    );
    assert_eq!(
        reader.open(&[0; SEALED_SHARE], 1, CID),
        Err(SealError::DoesNotOpen)
    );
}

#[test]
fn the_secret_half_is_not_in_debug_output() {
    let debug = format!("{:?}", SealKeyPair::from_seed([1; 32]));
    assert!(debug.contains("digest") && !debug.contains("secret"));
}

proptest! {
    #[test]
    fn opening_never_panics(bytes in prop::collection::vec(any::<u8>(), 0..200), node: u8, cid in ".{0,20}") {
        prop_assert!(SealKeyPair::from_seed([1; 32]).open(&bytes, node, &cid).is_err());
    }
}
