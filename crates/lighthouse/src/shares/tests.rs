//! Replay of Kavach's own shares, and the laws of a 3-of-5 split.

use proptest::prelude::*;
use serde_json::Value;

use super::*;

fn vectors(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

fn generated() -> Value {
    vectors(include_str!(
        "../../tests/vectors/kavach_generate_recover.json"
    ))
}

fn sharded() -> Value {
    vectors(include_str!("../../tests/vectors/kavach_shardKey.json"))
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap()
}

fn shares_of(case: &Value) -> Vec<Share> {
    serde_json::from_value(case["keyShards"].clone()).unwrap()
}

fn at_positions(shares: &[Share], positions: &Value) -> Vec<Share> {
    let positions = positions.as_array().unwrap().iter();
    positions
        .map(|position| shares[position.as_u64().unwrap() as usize].clone())
        .collect()
}

/// Hands out the recorded blocks in order.
fn recorded(case: &Value) -> impl FnMut(&mut [u8; 32]) {
    let blocks: Vec<String> = serde_json::from_value(case["random_blocks_hex"].clone()).unwrap();
    let mut blocks = blocks.into_iter();
    move |bytes| hex::decode_to_slice(blocks.next().expect("a recorded block"), bytes).unwrap()
}

/// Endless different blocks.
fn seeded(seed: u64) -> impl FnMut(&mut [u8; 32]) {
    use sha2::{Digest, Sha256};
    let mut counter = 0_u64;
    move |bytes| {
        counter += 1;
        *bytes = Sha256::new()
            .chain_update(seed.to_be_bytes())
            .chain_update(counter.to_be_bytes())
            .finalize()
            .into();
    }
}

fn numbered(shares: &[Share]) -> Vec<(usize, Share)> {
    (1..).zip(shares.iter().cloned()).collect()
}

#[test]
fn the_same_random_bytes_give_kavachs_shares() {
    for case in generated()["cases"].as_array().unwrap() {
        let [threshold, count] =
            ["threshold", "keyCount"].map(|name| case[name].as_u64().unwrap() as usize);
        let (key, shares) = generate(threshold, count, recorded(case)).unwrap();
        assert_eq!(key.hex().as_str(), text(&case["masterKey"]));
        assert_eq!(serde_json::to_value(&shares).unwrap(), case["keyShards"]);
    }
}

#[test]
fn every_subset_recovers_what_kavach_recovers() {
    for case in generated()["cases"].as_array().unwrap() {
        let shares = shares_of(case);
        for subset in case["recover"].as_array().unwrap() {
            let recovered = recover(&at_positions(&shares, &subset["shard_positions"])).unwrap();
            assert_eq!(recovered.hex().as_str(), text(&subset["masterKey"]));
            assert_eq!(
                recovered.hex().as_str() == text(&case["masterKey"]),
                subset["equals_original"].as_bool().unwrap()
            );
        }
    }
}

/// `shardKey` makes a polynomial of one degree more than asked for; its shares must still be readable.
#[test]
fn shares_of_existing_keys_are_kavachs() {
    for case in sharded()["cases"].as_array().unwrap() {
        let threshold = case["threshold_argument"].as_u64().unwrap() as usize;
        let count = case["keyCount"].as_u64().unwrap() as usize;
        let mut random = recorded(case);
        let mut coefficients = vec![parse_scalar(text(&case["key"])).unwrap()];
        coefficients.extend((0..threshold).map(|_| draw(&mut random, |_| true).unwrap()));
        let indices: Vec<Scalar> = (0..count)
            .map(|_| draw(&mut random, |_| true).unwrap())
            .collect();
        let shares = deal(&coefficients, &indices).unwrap();
        assert_eq!(serde_json::to_value(&shares).unwrap(), case["keyShards"]);

        for sample in case["recover_samples"].as_array().unwrap() {
            let recovered = recover(&at_positions(&shares, &sample["shard_positions"])).unwrap();
            assert_eq!(recovered.hex().as_str(), text(&sample["masterKey"]));
        }
        for (size, summary) in case["recover_summary_by_shard_count"].as_object().unwrap() {
            let right = combinations(count, size.parse().unwrap())
                .into_iter()
                .filter(|positions| {
                    let chosen: Vec<Share> = positions
                        .iter()
                        .map(|&position| shares[position].clone())
                        .collect();
                    recover(&chosen).unwrap().hex().as_str() == text(&case["key"])
                });
            assert_eq!(right.count() as u64, summary["ok"].as_u64().unwrap());
        }
    }
}

/// As strict as Kavach, and stricter with text that is not hexadecimal (which it reads as zero).
#[test]
fn keys_are_read_strictly() {
    for case in sharded()["not_shardable"].as_array().unwrap() {
        let key = text(&case["key"]);
        let expected = case["isShardable"].as_bool().unwrap() && hex::decode(key).is_ok();
        let read = MasterKey::from_hex(key);
        assert_eq!(read.is_ok(), expected, "{}", case["description"]);
        if let Ok(read) = read {
            assert_eq!(read.hex().as_str(), text(&case["recovered_from_5"]));
        }
    }
}

#[test]
fn bad_input_to_recovery_is_refused_where_kavach_refuses() {
    let file = vectors(include_str!(
        "../../tests/vectors/kavach_recoverKey_errors.json"
    ));
    let shares: Vec<Share> = serde_json::from_value(file["shards"].clone()).unwrap();
    let key = shares[0].key_hex();
    for case in file["cases"].as_array().unwrap() {
        let result = match text(&case["description"]) {
            "duplicate shard x3" => {
                recover(&[shares[0].clone(), shares[0].clone(), shares[0].clone()])
            }
            "empty array" => recover(&[]),
            "index zero" => {
                Share::from_hex(&key, &"0".repeat(64)).and_then(|share| recover(&[share]))
            }
            "index not hex" => Share::from_hex(&key, "1").and_then(|share| recover(&[share])),
            "single shard" => recover(&shares[..1]),
            other => panic!("a case this test does not know: {other}"),
        };
        let expected = case["result"]["masterKey"].as_str();
        assert_eq!(
            result.ok().map(|key| key.hex().to_string()).as_deref(),
            expected
        );
    }
}

#[test]
fn impossible_splits_and_broken_randomness_are_refused() {
    for (threshold, count) in [(0, 5), (6, 5), (3, MAX_SHARES + 1)] {
        assert_eq!(
            generate(threshold, count, seeded(1)),
            Err(ShareError::Threshold { threshold, count })
        );
    }
    assert_eq!(
        generate(3, 5, |bytes| *bytes = [0; 32]),
        Err(ShareError::Randomness)
    );
    assert_eq!(
        generate(3, 5, |bytes| *bytes = [1; 32]),
        Err(ShareError::Randomness)
    );
    let (_, shares) = generate(3, 5, seeded(1)).unwrap();
    let two = numbered(&shares[..2]);
    assert_eq!(
        recover_consistent(&two, 3, None),
        Err(ShareError::TooFew { have: 2, need: 3 })
    );
    let repeated = vec![
        (1, shares[0].clone()),
        (2, shares[0].clone()),
        (3, shares[1].clone()),
    ];
    assert_eq!(
        recover_consistent(&repeated, 3, None),
        Err(ShareError::TooFew { have: 2, need: 3 })
    );
}

#[test]
fn nothing_secret_is_in_debug_output() {
    let (key, shares) = generate(3, 5, seeded(2)).unwrap();
    let debug = format!("{key:?} {shares:?}");
    assert!(!debug.contains(key.hex().as_str()) && !debug.contains(shares[0].key_hex().as_str()));
}

/// Replaces the share of a node by another valid-looking one.
fn falsify(shares: &mut [(usize, Share)], position: usize, seed: u64) {
    let (_, other) = generate(1, 1, seeded(seed)).unwrap();
    let index = shares[position].1.index_hex();
    shares[position].1 = Share::from_hex(&other[0].key_hex(), &index).unwrap();
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    #[test]
    fn any_three_of_five_recover_and_never_two(seed: u64) {
        let (key, shares) = generate(3, 5, seeded(seed)).unwrap();
        for size in 1..=5 {
            for positions in combinations(5, size) {
                let chosen: Vec<Share> = positions.iter().map(|&position| shares[position].clone()).collect();
                prop_assert_eq!(recover(&chosen).unwrap() == key, size >= 3);
            }
        }
    }

    #[test]
    fn any_threshold_recovers(seed: u64, threshold in 1_usize..8, more in 0_usize..4) {
        let (key, shares) = generate(threshold, threshold + more, seeded(seed)).unwrap();
        prop_assert_eq!(&recover(&shares[more..]).unwrap(), &key);
        let found = recover_consistent(&numbered(&shares), threshold, None).unwrap();
        prop_assert_eq!(found, Recovered { key, bad_nodes: vec![], proven: false });
    }

    #[test]
    fn one_wrong_share_is_named_even_without_a_proof(seed: u64, position in 0_usize..5) {
        let (key, shares) = generate(3, 5, seeded(seed)).unwrap();
        let mut shares = numbered(&shares);
        falsify(&mut shares, position, !seed);
        let found = recover_consistent(&shares, 3, None).unwrap();
        prop_assert_eq!(found, Recovered { key, bad_nodes: vec![position + 1], proven: false });
    }

    #[test]
    fn two_wrong_shares_are_named_with_a_proof(seed: u64, first in 0_usize..4, gap in 1_usize..4) {
        let second = (first + gap).min(4);
        let (key, shares) = generate(3, 5, seeded(seed)).unwrap();
        let mut shares = numbered(&shares);
        falsify(&mut shares, first, !seed);
        falsify(&mut shares, second, seed ^ 1);
        let proof = |candidate: &MasterKey| *candidate == key;
        let found = recover_consistent(&shares, 3, Some(&proof)).unwrap();
        prop_assert_eq!(found, Recovered { key: key.clone(), bad_nodes: vec![first + 1, second + 1], proven: true });
    }

    #[test]
    fn three_wrong_shares_open_nothing(seed: u64) {
        let (key, shares) = generate(3, 5, seeded(seed)).unwrap();
        let mut shares = numbered(&shares);
        for position in 0..3 {
            falsify(&mut shares, position, seed.wrapping_add(1 + position as u64));
        }
        let proof = |candidate: &MasterKey| *candidate == key;
        prop_assert_eq!(recover_consistent(&shares, 3, Some(&proof)), Err(ShareError::NoneFits { need: 3 }));
        prop_assert_eq!(candidates(&shares, 3).unwrap().count(), 10);
    }

    #[test]
    fn a_share_survives_its_encodings(seed: u64) {
        let (_, shares) = generate(1, 1, seeded(seed)).unwrap();
        let json = serde_json::to_string(&shares[0]).unwrap();
        prop_assert_eq!(&serde_json::from_str::<Share>(&json).unwrap(), &shares[0]);
        prop_assert_eq!(&Share::from_bytes(shares[0].to_bytes().as_slice()).unwrap(), &shares[0]);
    }

    #[test]
    fn reading_never_panics(text in ".{0,80}", bytes in prop::collection::vec(any::<u8>(), 0..100)) {
        let _ = MasterKey::from_hex(&text);
        let _ = Share::from_hex(&text, &text);
        let _ = Share::from_bytes(&bytes);
        let _ = serde_json::from_str::<Share>(&text);
    }
}
