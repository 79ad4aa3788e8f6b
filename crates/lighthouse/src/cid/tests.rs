//! Content ids of the official importer, and reading compared with the `cid` crate.

use cid::multibase::Base;
use proptest::prelude::*;
use serde_json::Value;

use super::*;

/// The ecosystem's own crate, as the reference.
type Reference = ::cid::Cid;

fn vectors(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn content(length: usize) -> Vec<u8> {
    (0..length).map(|i| (i * 31 + 7) as u8).collect()
}

#[tokio::test]
async fn files_have_kubos_content_ids() {
    let file = vectors(include_str!("../../tests/vectors/cid.json"));
    for case in file["cases"].as_array().unwrap() {
        assert_eq!(case["rule"], "byte[i] = (i*31+7) & 255");
        let bytes = content(case["len"].as_u64().unwrap() as usize);
        let expected = case["v1"]["cid"].as_str().unwrap();
        assert_eq!(cid_v1(&bytes), expected);
        assert_eq!(cid_of(&bytes).await, expected);
        let mut builder = CidBuilder::new();
        for piece in bytes.chunks(100_003) {
            builder.update(piece);
        }
        let built = builder.finish();
        assert_eq!(built.cid.to_string(), expected);
        assert_eq!(built.size, bytes.len() as u64);
        assert_eq!(
            built.dag_size.to_string(),
            case["v1"]["size"].as_str().unwrap()
        );
        assert_eq!(parse_cid(expected), Ok(built.cid));
    }
}

/// The packages' expressions let junk around a content id (kavach) and the empty text (sdk) pass; ours does not.
#[test]
fn reading_is_stricter_than_the_packages() {
    let file = vectors(include_str!("../../tests/vectors/cid_regex.json"));
    for case in file["cases"].as_array().unwrap() {
        let text = case["cid"].as_str().unwrap();
        let both =
            case["kavach_isCidReg"].as_bool().unwrap() && case["sdk_isCID"].as_bool().unwrap();
        assert_eq!(parse_cid(text).is_ok(), both, "{text}");
    }
}

#[test]
fn one_content_has_one_text() {
    let text = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    let cid = parse_cid(text).unwrap();
    assert_eq!(parse_cid(&text.to_uppercase()).unwrap(), cid);
    assert_eq!(cid.to_string(), text);
    let old = parse_cid("QmbFMke1KXqnYyBBWxB74N4c5SBnJMVAiMNRcGu6x1AwQH").unwrap();
    assert_eq!(old.codec, Codec::DagPb);
    assert_eq!(parse_cid(&old.to_string()), Ok(old));
}

#[test]
fn other_texts_are_refused() {
    let good = "bafkreihdwdcefgh4dqkjv67uzcmw7ojee6xedzdetojuzjevtenxquvyku";
    let mixed = good.replacen('k', "K", 1);
    let loose_bits = format!("{}v", &good[..good.len() - 1]);
    let path = format!("/ipfs/{good}");
    let longer = format!("{good}a");
    for text in [
        "",
        "b",
        "z",
        "f",
        "é",
        " ",
        "nope",
        &mixed,
        &loose_bits,
        &path,
        &longer,
        &good[..40],
    ] {
        assert!(parse_cid(text).is_err(), "{text}");
    }
    let identity = Reference::new_v1(0x55, multihash(0x00, &[1; 32])).to_string();
    assert_eq!(parse_cid(&identity), Err(CidError::Kind));
}

#[test]
fn a_rooms_epochs_have_different_content_ids() {
    let [room, other] = [RoomId([1; 32]), RoomId([2; 32])];
    let first = room_key_cid(&room, 0);
    assert_eq!(parse_cid(&first).unwrap().to_string(), first);
    assert_ne!(first, room_key_cid(&room, 1));
    assert_ne!(first, room_key_cid(&other, 0));
}

fn multihash(code: u64, digest: &[u8]) -> ::cid::multihash::Multihash<64> {
    ::cid::multihash::Multihash::wrap(code, digest).unwrap()
}

proptest! {
    #[test]
    fn every_spelling_of_the_reference_is_read(digest: [u8; 32], raw: bool) {
        let codec = if raw { 0x55 } else { 0x70 };
        let reference = Reference::new_v1(codec, multihash(0x12, &digest));
        let ours = Cid { codec: if raw { Codec::Raw } else { Codec::DagPb }, digest };
        prop_assert_eq!(ours.to_string(), reference.to_string());
        for base in [Base::Base32Lower, Base::Base32Upper, Base::Base58Btc, Base::Base16Lower, Base::Base16Upper] {
            prop_assert_eq!(parse_cid(&reference.to_string_of_base(base).unwrap()), Ok(ours));
        }
        let old = Reference::new_v0(multihash(0x12, &digest)).unwrap().to_string();
        prop_assert_eq!(parse_cid(&old), Ok(Cid { codec: Codec::DagPb, digest }));
    }

    #[test]
    fn what_we_read_the_reference_reads_the_same(digest: [u8; 32], position in 0_usize..59, to in "[a-zA-Z2-7]") {
        let mut text = Cid { codec: Codec::Raw, digest }.to_string();
        text.replace_range(position..position + 1, &to);
        if let Ok(ours) = parse_cid(&text) {
            prop_assert_eq!(Reference::try_from(text.as_str()).unwrap().to_bytes(), ours.to_bytes());
        }
    }

    #[test]
    fn reading_never_panics(text in "\\PC{0,80}") {
        let _ = parse_cid(&text);
    }

    #[test]
    fn pieces_do_not_matter(cuts in prop::collection::vec(0_usize..700_000, 0..6), length in 0_usize..700_000) {
        let bytes = content(length);
        let mut cuts: Vec<usize> = cuts.into_iter().map(|cut| cut.min(length)).chain([0, length]).collect();
        cuts.sort_unstable();
        let mut builder = CidBuilder::new();
        for cut in cuts.windows(2) {
            builder.update(&bytes[cut[0]..cut[1]]);
        }
        prop_assert_eq!(builder.finish().cid.to_string(), cid_v1(&bytes));
    }
}
