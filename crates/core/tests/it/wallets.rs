//! Wallet signatures, against values computed by libraries that wallets are made of.

use healthsync_core::{
    Ballot, Delegation, DelegationError, DeviceKey, EventId, Millis, OptionId, Person, Signature65,
    SignatureError, SignedDelegation, eth, registry,
};

use crate::people::{CHAIN, Device, ROOM, T0, delegate};

/// anvil's first account, known to everybody.
const SECRET: &str = "ac0974bec39a17e36ba4a6b4d238ff944bacb478cbed5efcae784d7bf4f2ff80";
const ADDRESS: &str = "0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266";

/// Typed data, its hash (viem 2.57.20 `hashTypedData`) and its signature (the same from viem's
/// `signTypedData` and `@metamask/eth-sig-util` 8.2.0 `signTypedData` V4).
const TYPED_DATA: &str = r#"{"types":{"EIP712Domain":[{"name":"name","type":"string"},{"name":"version","type":"string"},{"name":"chainId","type":"uint256"}],"Delegation":[{"name":"person","type":"address"},{"name":"device","type":"string"},{"name":"issuedAt","type":"uint64"},{"name":"expiresAt","type":"uint64"}]},"primaryType":"Delegation","domain":{"name":"HealthSync","version":"1","chainId":31337},"message":{"person":"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266","device":"8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c","issuedAt":1790000000,"expiresAt":1797776000}}"#;
const HASH: &str = "ef284acb60d6f357c9a3e9a278562b688273fb87673d6048595129cdd47f5f1d";
const SIGNATURE: &str = "0xb30c4ddd6ec7288d8c69cf17af69583ebd8e10a149908722ad734dd3106563be69d3100011ae7544f2f67c29b15651ea827e6bad5b0dc46076ea408c767f7db51c";

/// `personalSign` of `@metamask/eth-sig-util` 8.2.0 and `signMessage` of viem 2.57.20 over this text.
const TEXT: &str = "Grüße: 1 of 2";
const TEXT_SIGNATURE: &str = "0x5b87c670e01fa845bab2327d05cdf1a7739defa43e33fa4e9e9a5be166e028ef4441e705f7e9a4b9c7b5e7e1ddb44be511645d0e4d4284d573a603fbac35637c1b";

/// A vote, from the same two libraries.
const VOTE: &str = r#"{"types":{"EIP712Domain":[{"name":"name","type":"string"},{"name":"version","type":"string"},{"name":"chainId","type":"uint256"}],"Vote":[{"name":"question","type":"string"},{"name":"answer","type":"string"},{"name":"person","type":"address"},{"name":"number","type":"uint64"},{"name":"room","type":"bytes32"},{"name":"poll","type":"bytes32"},{"name":"option","type":"string"}]},"primaryType":"Vote","domain":{"name":"HealthSync","version":"1","chainId":31337},"message":{"question":"What is it, “left”?","answer":"Sarkoïdose","person":"0xf39Fd6e51aad88F6F4ce6aB8827279cffFb92266","number":57,"room":"0x0707070707070707070707070707070707070707070707070707070707070707","poll":"0xabababababababababababababababababababababababababababababababab","option":"0xabababababababababababababababababababababababababababababababab/3"}}"#;
const VOTE_HASH: &str = "de2270e4b3c0df396def485eaf623d4ecd896ad989798425171db2f4e2b05c8f";
const VOTE_SIGNATURE: &str = "0x16f2ee6d41dc860aa4080d6ac2f703d225ba8eff97aacae0729aacc63c7f6ff2588956c7c51bce8e3b0e323686f2f707c856cae2d48999d8cdfd1d5af7b95b881b";

fn bytes32(text: &str) -> [u8; 32] {
    hex::decode(text).unwrap().try_into().unwrap()
}

fn signed() -> SignedDelegation {
    SignedDelegation {
        delegation: Delegation {
            person: ADDRESS.parse().unwrap(),
            device: "8a88e3dd7409f195fd52db2d3cba5d72ca6709bf1d94121bf3748801b40f6f5c"
                .parse()
                .unwrap(),
            issued_at: 1_790_000_000,
            expires_at: 1_797_776_000,
            chain_id: CHAIN,
        },
        signature: SIGNATURE.parse().unwrap(),
    }
}

#[test]
fn typed_data_hash_and_signature_are_those_of_wallet_libraries() {
    let signed = signed();
    let json: serde_json::Value =
        serde_json::from_str(&signed.delegation.typed_data_json()).unwrap();
    let expected: serde_json::Value = serde_json::from_str(TYPED_DATA).unwrap();
    assert_eq!(json, expected);
    assert_eq!(hex::encode(signed.delegation.signing_hash()), HASH);
    assert_eq!(signed.verify(CHAIN), Ok(()));
    let ours = eth::sign_hash(&bytes32(HASH), &bytes32(SECRET)).unwrap();
    assert_eq!(ours.to_string(), SIGNATURE);
    let person = eth::person_of_secret(&bytes32(SECRET)).unwrap();
    assert_eq!(person.checksummed(), ADDRESS);
}

#[test]
fn a_vote_is_signed_as_wallet_libraries_sign_it_and_binds_every_field() {
    let poll = EventId([0xab; 32]);
    let good = Ballot {
        question: "What is it, “left”?",
        answer: "Sarkoïdose",
        person: ADDRESS.parse().unwrap(),
        number: 57,
        room: ROOM,
        poll,
        option: OptionId {
            event: poll,
            index: 3,
        },
        chain_id: CHAIN,
    };
    let json: serde_json::Value = serde_json::from_str(&good.typed_data_json()).unwrap();
    let expected: serde_json::Value = serde_json::from_str(VOTE).unwrap();
    assert_eq!(json, expected);
    assert_eq!(hex::encode(good.signing_hash()), VOTE_HASH);
    let signature: Signature65 = VOTE_SIGNATURE.parse().unwrap();
    assert_eq!(good.verify(&signature), Ok(()));
    let changes: [fn(&mut Ballot<'_>); 8] = [
        |b| b.question = "What is it?",
        |b| b.answer = "Tuberculosis",
        |b| b.person.0[0] ^= 1,
        |b| b.number = 58,
        |b| b.room.0[0] ^= 1,
        |b| b.poll.0[0] ^= 1,
        |b| b.option.index = 2,
        |b| b.chain_id = 314,
    ];
    for change in changes {
        let mut other = good.clone();
        change(&mut other);
        assert!(other.verify(&signature).is_err(), "{other:?}");
    }
}

#[test]
fn personal_sign_is_recovered() {
    let signature = TEXT_SIGNATURE.parse().unwrap();
    let signer = eth::recover_eip191(TEXT, &signature).unwrap();
    assert_eq!(signer, ADDRESS.parse().unwrap());
    let other = eth::recover_eip191("Grüße: 2 of 2", &signature);
    assert_ne!(other, Ok(signer));
}

#[test]
fn both_conventions_of_the_recovery_byte_are_taken_and_no_other() {
    let mut signed = signed();
    for v in 0..=255u8 {
        signed.signature.0[64] = v;
        let result = signed.verify(CHAIN);
        match v {
            1 | 28 => assert_eq!(result, Ok(())),
            0 | 27 => assert!(matches!(result, Err(DelegationError::Signer { .. }))),
            _ => {
                let error = SignatureError::RecoveryByte(v);
                assert_eq!(result, Err(DelegationError::Signature(error)));
            }
        }
    }
}

#[test]
fn the_upper_twin_of_a_signature_is_refused() {
    // s' = n - s with the other recovery byte recovers the same signer: two texts, one meaning.
    let order = "fffffffffffffffffffffffffffffffebaaedce6af48a03bbfd25e8cd0364141";
    let (order, mut signature) = (bytes32(order), signed().signature);
    let mut borrow = 0i16;
    for i in (0..32).rev() {
        let digit = i16::from(order[i]) - i16::from(signature.0[32 + i]) - borrow;
        borrow = i16::from(digit < 0);
        signature.0[32 + i] = (digit & 0xff) as u8;
    }
    signature.0[64] = 27;
    let result = eth::recover(&bytes32(HASH), &signature);
    assert_eq!(result, Err(SignatureError::HighS));
}

#[test]
fn zero_and_oversized_numbers_are_refused() {
    for (from, to, value) in [(0, 32, 0), (32, 64, 0), (0, 32, 0xff), (32, 64, 0xff)] {
        let mut signature = signed().signature;
        signature.0[from..to].fill(value);
        let result = eth::recover(&bytes32(HASH), &signature);
        assert_eq!(result, Err(SignatureError::OutOfRange));
    }
    let result = eth::sign_hash(&bytes32(HASH), &[0; 32]);
    assert_eq!(result, Err(SignatureError::BadSecret));
}

#[test]
fn a_delegation_holds_for_one_chain_one_person_one_device_one_time() {
    let good = signed();
    assert_eq!(
        good.verify(314_159),
        Err(DelegationError::Chain {
            expected: 314_159,
            found: CHAIN
        })
    );
    let changes: [fn(&mut Delegation); 4] = [
        |d| d.person = Person([1; 20]),
        |d| d.device = DeviceKey([1; 32]),
        |d| d.issued_at += 1,
        |d| d.expires_at -= 1,
    ];
    for change in changes {
        let mut bad = good.clone();
        change(&mut bad.delegation);
        assert!(matches!(
            bad.verify(CHAIN),
            Err(DelegationError::Signer { .. } | DelegationError::Signature(_))
        ));
    }
    // Chain id inside changed along with the verifier's: the domain is part of the hash.
    let mut moved = good.clone();
    moved.delegation.chain_id = 1;
    assert!(moved.verify(1).is_err());
}

#[test]
fn a_delegation_lives_at_most_90_days() {
    let (wallet, secret) = ([1; 32], Device::new(0, 0).secret);
    let lives = [
        (1, true),
        (90 * 86_400, true),
        (90 * 86_400 + 1, false),
        (0, false),
    ];
    for (life, good) in lives {
        let signed = delegate(&wallet, &secret, T0, T0 + life, CHAIN);
        assert_eq!(signed.verify(CHAIN).is_ok(), good, "{life} s");
    }
    let backwards = delegate(&wallet, &secret, T0, T0 - 1, CHAIN);
    assert_eq!(backwards.verify(CHAIN), Err(DelegationError::Life));
}

#[test]
fn a_delegation_covers_its_life_and_five_minutes_before() {
    let delegation = delegate(&[1; 32], &Device::new(0, 0).secret, T0, T0 + 60, CHAIN);
    let covered = [
        (T0 * 1000 - 300_001, false),
        (T0 * 1000 - 300_000, true),
        (T0 * 1000, true),
        ((T0 + 60) * 1000 - 1, true),
        ((T0 + 60) * 1000, false),
        (u64::MAX, false),
    ];
    for (at, good) in covered {
        assert_eq!(delegation.covers(Millis(at)), good, "{at}");
    }
}

#[test]
fn signatures_of_other_lengths_are_refused() {
    for text in [
        "",
        "0x",
        &SIGNATURE[..130],
        &format!("{SIGNATURE}00"),
        &SIGNATURE[2..],
    ] {
        assert!(text.parse::<Signature65>().is_err(), "{text}");
    }
    let upper = format!("0x{}", SIGNATURE[2..].to_uppercase());
    assert_eq!(upper.parse(), Ok(signed().signature));
}

#[test]
fn a_room_id_is_what_the_contract_computes() {
    // viem 2.57.20: keccak256(encodeAbiParameters([address, bytes32], [anvil's first account, 0x07…07])).
    let room = registry::room_id(&ADDRESS.parse().unwrap(), &[7; 32]);
    let expected = "0x533b6d6d9e754818c6c6616d09e89f35e00c023960e1ee9ae8771afffa7b8407";
    assert_eq!(room.to_string(), expected);
    let parameters = registry::room_condition_parameters(&room);
    assert_eq!(parameters, [expected, ":userAddress"]);
}

#[test]
fn addresses_say_what_is_wrong_with_them() {
    let sentence = |text: &str| text.parse::<Person>().unwrap_err().to_string();
    insta::assert_snapshot!(sentence(""), @"The address is empty.");
    insta::assert_snapshot!(sentence("vitalik.eth"), @"An address starts with 0x; this one does not.");
    insta::assert_snapshot!(sentence(&ADDRESS[..41]), @"An address has 42 characters; this one has 41.");
    insta::assert_snapshot!(sentence(&format!("{ADDRESS}0")), @"An address has 42 characters; this one has 43.");
    insta::assert_snapshot!(sentence(&ADDRESS.replace("aad", "axd")), @"After 0x an address has only the digits 0 to 9 and the letters a to f; this one has “x”.");
    insta::assert_snapshot!(sentence(&ADDRESS.replace("Fd6", "fd6")), @"The checksum of this address is wrong: a character is mistyped. Copy it again.");
    insta::assert_snapshot!(sentence(&ADDRESS.replace("aad8", "aäd8")), @"After 0x an address has only the digits 0 to 9 and the letters a to f; this one has “ä”.");

    let person: Person = ADDRESS.parse().unwrap();
    assert_eq!(ADDRESS.to_lowercase().parse(), Ok(person));
    assert_eq!(
        format!("0x{}", ADDRESS[2..].to_uppercase()).parse(),
        Ok(person)
    );
    assert_eq!(person.to_string(), ADDRESS.to_lowercase());
    assert_eq!(person.short(), "0xf39f…2266");
}
