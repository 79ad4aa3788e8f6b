//! Every decoder: gives back what was encoded, refuses every single flipped bit, every cut, every byte
//! too many, and never panics.

use healthsync_core::{
    DeviceKey, DeviceToken, Envelope, Ephemeral, EphemeralKind, EventId, Kind, Millis, OptionId,
    Person, RegistryAt, Request, Response, Reveal, RoomId, RoomKey, Scope, SealError, Sign,
    Signature65, SignedDelegation, SignedEvent, Signing, SyncError, TokenError, VersionVector,
    WalletVote, join_message, limits, open_ephemeral, seal_ephemeral,
};
use proptest::{collection::vec, option, prelude::*};

use crate::people::{CHAIN, Device, ROOM, T0, case, log_of, message, revoke};

const NOW: Millis = Millis(T0 * 1000 + 60_000);

fn key() -> RoomKey {
    RoomKey::from_master(&[3; 32], &ROOM, 0)
}

fn envelope() -> (SignedEvent, Envelope) {
    let mut device = Device::new(1, 0);
    device.enter();
    let event = device.say(message("Hilar nodes?"));
    let envelope = Envelope::seal(&event, &key(), 0, [9; 12], &device.secret);
    (event, envelope)
}

fn token() -> DeviceToken {
    let device = Device::new(1, 0);
    let scope = Scope::GetKey {
        cid: "bafy".into(),
        seal_to: [5; 32],
    };
    DeviceToken::sign(
        device.delegation.clone(),
        scope,
        NOW,
        [1; 16],
        &device.secret,
    )
}

/// All ways to flip one bit.
fn flips(bytes: &[u8]) -> impl Iterator<Item = Vec<u8>> + '_ {
    (0..bytes.len() * 8).map(|bit| {
        let mut flipped = bytes.to_vec();
        flipped[bit / 8] ^= 1 << (bit % 8);
        flipped
    })
}

#[test]
fn a_flipped_bit_in_an_envelope_is_refused() {
    let (event, envelope) = envelope();
    let bytes = envelope.encode();
    assert_eq!(
        Envelope::decode(&bytes).unwrap().open(&key()).unwrap(),
        event
    );
    for flipped in flips(&bytes) {
        assert!(Envelope::decode(&flipped).is_err());
        // Also without the outer signature, all but that signature itself is bound by the seal.
        let opened = Envelope::decode_unverified(&flipped).and_then(|e| e.open(&key()));
        let same_but_signature = flipped[..bytes.len() - 64] == bytes[..bytes.len() - 64];
        assert_eq!(opened.is_ok(), same_but_signature);
    }
}

#[test]
fn a_flipped_bit_in_an_event_is_refused() {
    let (event, _) = envelope();
    for flipped in flips(&event.bytes) {
        assert!(SignedEvent::decode(flipped, event.signature).is_err());
    }
    for flipped in flips(&event.signature) {
        let signature = flipped.try_into().unwrap();
        assert!(SignedEvent::decode(event.bytes.clone(), signature).is_err());
    }
}

#[test]
fn a_flipped_bit_in_a_token_is_refused() {
    let bearer = token().to_bearer();
    let verify =
        |text: &str| DeviceToken::from_bearer(text).and_then(|token| token.verify(CHAIN, NOW));
    assert_eq!(verify(&bearer), Ok(Device::new(1, 0).person));
    for flipped in flips(bearer.as_bytes()) {
        if let Ok(text) = String::from_utf8(flipped) {
            assert!(verify(&text).is_err(), "{text}");
        }
    }
}

#[test]
fn a_flipped_bit_in_a_delegation_is_refused() {
    let delegation = Device::new(1, 0).delegation;
    let bytes = postcard::to_allocvec(&delegation).unwrap();
    for flipped in flips(&bytes) {
        if let Ok(other) = postcard::from_bytes::<SignedDelegation>(&flipped) {
            assert!(other.verify(CHAIN).is_err());
        }
    }
}

#[test]
fn a_flipped_bit_in_an_ephemeral_is_refused() {
    let device = Device::new(1, 0);
    let kind = EphemeralKind::Here { ask: true };
    let ephemeral = Ephemeral::sign(&ROOM, device.person, NOW, kind, &device.secret);
    let bytes = seal_ephemeral(&ephemeral, &ROOM, &key(), [9; 12]);
    assert!(bytes.len() <= limits::EPHEMERAL_BYTES);
    assert_eq!(open_ephemeral(&bytes, &ROOM, &key()).unwrap(), ephemeral);
    for flipped in flips(&bytes) {
        assert!(open_ephemeral(&flipped, &ROOM, &key()).is_err());
    }
    assert!(open_ephemeral(&bytes, &RoomId([8; 32]), &key()).is_err());
    // Made for another room, sealed for this one.
    let foreign = Ephemeral::sign(&RoomId([8; 32]), device.person, NOW, kind, &device.secret);
    let bytes = seal_ephemeral(&foreign, &ROOM, &key(), [9; 12]);
    assert!(matches!(
        open_ephemeral(&bytes, &ROOM, &key()),
        Err(SealError::Signature)
    ));
}

#[test]
fn keys_differ_by_master_room_and_epoch() {
    let (_, envelope) = envelope();
    assert!(envelope.open(&key()).is_ok());
    let others = [
        RoomKey::from_master(&[4; 32], &ROOM, 0),
        RoomKey::from_master(&[3; 32], &RoomId([8; 32]), 0),
        RoomKey::from_master(&[3; 32], &ROOM, 1),
    ];
    for other in others {
        assert!(matches!(envelope.open(&other), Err(SealError::Key)));
    }
}

#[test]
fn the_outside_of_an_envelope_names_what_is_inside() {
    let (event, _) = envelope();
    // Another device of the room seals the event as its own.
    let thief = Device::new(2, 0);
    let stolen = Envelope::seal(&event, &key(), 0, [9; 12], &thief.secret);
    let stolen = Envelope::decode(&stolen.encode()).unwrap();
    assert!(matches!(stolen.open(&key()), Err(SealError::Mismatch)));
}

#[test]
fn cuts_and_extra_bytes_are_refused() {
    let (event, envelope) = envelope();
    let bytes = envelope.encode();
    for len in 0..bytes.len() {
        assert!(Envelope::decode_unverified(&bytes[..len]).is_err());
    }
    let longer = [&bytes[..], &[0]].concat();
    assert!(matches!(
        Envelope::decode_unverified(&longer),
        Err(SealError::Length)
    ));
    let longer = [&event.bytes[..], b" {}"].concat();
    assert!(SignedEvent::decode(longer, event.signature).is_err());
    let huge = vec![1; limits::ENVELOPE_BYTES + 1];
    assert!(matches!(Envelope::decode(&huge), Err(SealError::Limit(_))));

    let request = Request::Leave { room: ROOM }.encode();
    for len in 0..request.len() {
        assert!(Request::decode(&request[..len]).is_err());
    }
    let longer = [&request[..], &[0, 0]].concat();
    assert_eq!(Request::decode(&longer), Err(SyncError::Trailing(2)));
    let longer = [Response::Left.encode(), vec![0]].concat();
    assert_eq!(Response::decode(&longer), Err(SyncError::Trailing(1)));
    assert_eq!(Request::decode(&[]), Err(SyncError::Version));
    assert_eq!(Request::decode(&[2, 0]), Err(SyncError::Version));
}

#[test]
fn messages_beyond_the_limits_are_refused() {
    let refused =
        |request: Request| matches!(Request::decode(&request.encode()), Err(SyncError::Limit(_)));
    let push = |envelopes| Request::Push {
        room: ROOM,
        envelopes,
    };
    assert!(refused(push(vec![vec![0; limits::ENVELOPE_BYTES + 1]])));
    assert!(refused(push(vec![vec![0; limits::ENVELOPE_BYTES]; 7])));
    assert!(refused(push(vec![vec![]; limits::ENVELOPES + 1])));
    assert!(!refused(push(vec![vec![0; limits::ENVELOPE_BYTES]; 6])));
    let have: VersionVector = VersionVector(
        (0..=limits::DEVICES as u64)
            .map(|n| {
                let mut key = [0; 32];
                key[..8].copy_from_slice(&n.to_be_bytes());
                (DeviceKey(key), 1)
            })
            .collect(),
    );
    let none = VersionVector::default();
    for (after, upto) in [(have.clone(), none.clone()), (none, have.clone())] {
        assert!(refused(Request::Newest {
            room: ROOM,
            after,
            upto,
            limit: 1
        }));
    }
    assert!(refused(Request::Pull {
        room: ROOM,
        have,
        limit: 1
    }));
    let page = Response::Page {
        envelopes: vec![vec![0; limits::ENVELOPE_BYTES]; 26],
        more: false,
    };
    assert!(matches!(
        Response::decode(&page.encode()),
        Err(SyncError::Limit(_))
    ));
}

#[test]
fn tokens_are_fresh_of_this_chain_and_under_a_living_delegation() {
    let token = token();
    assert!(token.verify(CHAIN, Millis(NOW.0 + 300_000)).is_ok());
    assert!(token.verify(CHAIN, Millis(NOW.0 - 300_000)).is_ok());
    let late = token.verify(CHAIN, Millis(NOW.0 + 300_001));
    assert_eq!(late, Err(TokenError::Stale { off_by_ms: 300_001 }));
    assert!(matches!(
        token.verify(1, NOW),
        Err(TokenError::Delegation(_))
    ));

    let device = Device::new(1, 0);
    let end = Millis::from_seconds(T0 + 86_400);
    let sign = |secret| {
        DeviceToken::sign(
            device.delegation.clone(),
            Scope::Rooms,
            end,
            [1; 16],
            secret,
        )
    };
    assert_eq!(
        sign(&device.secret).verify(CHAIN, end),
        Err(TokenError::Expired)
    );
    let mut stolen = sign(&Device::new(2, 0).secret);
    stolen.at = NOW;
    assert_eq!(stolen.verify(CHAIN, NOW), Err(TokenError::Signature));
    let mut widened = token.clone();
    widened.scope = Scope::Rooms;
    assert_eq!(widened.verify(CHAIN, NOW), Err(TokenError::Signature));
}

#[test]
fn a_token_has_one_text() {
    let bearer = token().to_bearer();
    let spellings = [
        bearer.to_uppercase(),
        format!("{bearer}="),
        format!("Bearer {bearer}"),
        bearer[7..].to_owned(),
        format!(" {bearer}"),
    ];
    for text in spellings {
        assert_eq!(DeviceToken::from_bearer(&text), Err(TokenError::Form));
    }
    let long = format!("device:{}", "A".repeat(limits::TOKEN_BYTES));
    assert_eq!(DeviceToken::from_bearer(&long), Err(TokenError::Form));
}

#[test]
fn a_join_is_signed_for_one_room_and_one_peer() {
    let message = join_message(&ROOM, b"peer");
    assert_ne!(message, join_message(&RoomId([8; 32]), b"peer"));
    assert_ne!(message, join_message(&ROOM, b"other"));
    let device = Device::new(1, 0);
    let signature = device.secret.sign(&message);
    assert!(healthsync_core::device::verify(
        &device.secret.public(),
        &message,
        &signature
    ));
}

#[test]
fn version_vectors_compare() {
    let (a, b) = (DeviceKey([1; 32]), DeviceKey([2; 32]));
    let vector = |pairs: &[(DeviceKey, u64)]| VersionVector(pairs.iter().copied().collect());
    let more = vector(&[(a, 3), (b, 1)]);
    assert!(more.covers(&vector(&[(a, 3)])) && more.covers(&vector(&[])));
    assert!(!more.covers(&vector(&[(b, 2)])) && !vector(&[(a, 3)]).covers(&more));
    assert!(more.has(&a, 3) && !more.has(&a, 4) && more.get(&DeviceKey([3; 32])) == 0);
}

fn kind() -> impl Strategy<Value = Kind> {
    let id = any::<[u8; 32]>().prop_map(EventId);
    let text = "[a-z]\\PC{0,80}";
    prop_oneof![
        text.prop_map(Kind::message),
        text.prop_map(|name| Kind::Room { name }),
        Just(case()),
        (id.clone(), text, vec(text, 2..12), any::<bool>(), 0..9usize).prop_map(
            |(case, question, options, open_options, rules)| Kind::Poll {
                case,
                question,
                options,
                open_options,
                signing: [Signing::Device, Signing::Wallet][rules % 2],
                reveal: [Reveal::Open, Reveal::Voted, Reveal::Closed][rules / 3],
            }
        ),
        (id.clone(), text).prop_map(|(poll, text)| Kind::Option { poll, text }),
        (
            id.clone(),
            id.clone(),
            any::<u16>(),
            option::of(1..=limits::CLOCK)
        )
            .prop_map(|(poll, event, index, number)| Kind::Vote {
                poll,
                option: OptionId { event, index },
                wallet: number.map(|number| WalletVote {
                    number,
                    signature: Signature65([7; 65])
                }),
            }),
        (
            id.clone(),
            vec(id.clone(), 0..9),
            option::of(vec(id.clone(), 0..9)),
            option::of(1..=limits::CLOCK)
        )
            .prop_map(|(poll, counted, options, block)| Kind::Close {
                poll,
                counted,
                options,
                registry: block.map(|block| RegistryAt {
                    address: Person([3; 20]),
                    block
                }),
            }),
        talk(id, text),
    ]
}

/// What is said about what was said, and about people and keys.
fn talk(
    id: impl Strategy<Value = EventId> + Clone + 'static,
    text: &'static str,
) -> impl Strategy<Value = Kind> {
    let people = vec(any::<[u8; 20]>().prop_map(Person), 0..9);
    let sign = prop::sample::select(&Sign::ALL[..]);
    prop_oneof![
        (text, prop::option::of(id.clone()), people.clone())
            .prop_map(|(text, to, mentions)| { Kind::Message { text, to, mentions } }),
        (id.clone(), text).prop_map(|(of, text)| Kind::Edit { of, text }),
        id.clone().prop_map(|of| Kind::Retract { of }),
        (id.clone(), sign, any::<bool>()).prop_map(|(to, sign, on)| Kind::Reaction {
            to,
            sign,
            on
        }),
        (id, any::<bool>()).prop_map(|(of, on)| Kind::Pin { of, on }),
        ("\\PC{0,60}", "\\PC{0,60}", "\\PC{0,60}")
            .prop_map(|(name, role, city)| { Kind::Profile { name, role, city } }),
        (1u64..=limits::CLOCK).prop_map(|last| Kind::Revocation {
            revocation: revoke(1, Device::new(1, 1).secret.public(), 60),
            last,
        }),
        (0x1_0000..=u32::MAX, 0..=limits::CLOCK, people, any::<u32>()).prop_map(
            |(epoch, block, removed, readers)| Kind::Epoch {
                epoch,
                block,
                removed,
                readers
            }
        ),
    ]
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn what_is_sealed_opens(kind in kind(), master in any::<[u8; 32]>(), epoch in any::<u32>(), nonce in any::<[u8; 12]>()) {
        let mut device = Device::new(1, 0);
        let event = device.say(kind);
        let key = RoomKey::from_master(&master, &ROOM, epoch);
        let sent = Envelope::seal(&event, &key, epoch, nonce, &device.secret);
        let bytes = sent.encode();
        let came = Envelope::decode(&bytes).unwrap();
        prop_assert_eq!(&came, &sent);
        prop_assert_eq!((came.room, came.epoch, came.device, came.seq), (ROOM, epoch, device.secret.public(), 1));
        let opened = came.open(&key).unwrap();
        prop_assert_eq!(opened.event.encode(), &opened.bytes[..]);
        let anew = || Envelope::seal_anew(&opened, &key, epoch, &device.secret).encode();
        prop_assert_eq!(anew(), anew());
        prop_assert_eq!(&Envelope::decode(&anew()).unwrap().open(&key).unwrap(), &opened);
        prop_assert_eq!(opened, event);
    }

    #[test]
    fn sync_messages_come_as_they_were_sent(
        devices in vec((any::<[u8; 32]>(), any::<u64>()), 0..9),
        envelopes in vec(vec(any::<u8>(), 0..99), 0..9),
        rejected in vec((any::<u32>(), ".{0,20}"), 0..9),
        limit in any::<u32>(),
        more in any::<bool>(),
    ) {
        let have = VersionVector(devices.into_iter().map(|(key, seq)| (DeviceKey(key), seq)).collect());
        let delegation = Device::new(1, 0).delegation;
        for request in [
            Request::Join { room: ROOM, delegation, device_signature: [7; 64] },
            Request::Push { room: ROOM, envelopes: envelopes.clone() },
            Request::Pull { room: ROOM, have: have.clone(), limit },
            Request::Newest { room: ROOM, after: VersionVector::default(), upto: have.clone(), limit },
        ] {
            prop_assert_eq!(Request::decode(&request.encode()), Ok(request));
        }
        for response in [
            Response::Joined { topic: "t".into(), have: have.clone() },
            Response::Stored { have, rejected },
            Response::Page { envelopes, more },
        ] {
            prop_assert_eq!(Response::decode(&response.encode()), Ok(response));
        }
    }

    #[test]
    fn no_bytes_make_a_decoder_panic(bytes in vec(any::<u8>(), 0..600), text in "\\PC{0,200}") {
        let _ = SignedEvent::decode(bytes.clone(), [0; 64]);
        let _ = Envelope::decode(&bytes);
        let _ = open_ephemeral(&bytes, &ROOM, &key());
        let _ = Request::decode(&bytes);
        let _ = Response::decode(&bytes);
        let _ = DeviceToken::from_bearer(&text);
        let _ = (text.parse::<Person>(), text.parse::<RoomId>(), text.parse::<OptionId>());
        let _ = (text.parse::<DeviceKey>(), text.parse::<healthsync_core::Signature65>());
        // Past the first checks, so that the inner layers are reached.
        let versioned = [&[1], &bytes[..]].concat();
        let _ = Envelope::decode(&versioned);
        let _ = Request::decode(&versioned);
        let _ = Response::decode(&versioned);
        let _ = open_ephemeral(&[&[1], &ROOM.0[..], &bytes].concat(), &ROOM, &key());
        let _ = DeviceToken::from_bearer(&format!("device:{}", text));
    }

    #[test]
    fn no_change_of_good_bytes_makes_a_decoder_panic(
        place in any::<prop::sample::Index>(), new in vec(any::<u8>(), 0..6), cut in 0usize..6,
    ) {
        let splice = |bytes: &[u8]| {
            let at = place.index(bytes.len());
            let end = (at + cut).min(bytes.len());
            [&bytes[..at], &new, &bytes[end..]].concat()
        };
        let (event, envelope) = envelope();
        let _ = SignedEvent::decode(splice(&event.bytes), event.signature);
        if let Ok(envelope) = Envelope::decode_unverified(&splice(&envelope.encode())) {
            let _ = envelope.open(&key());
        }
        let device = Device::new(1, 0);
        let join = Request::Join { room: ROOM, delegation: device.delegation.clone(), device_signature: [7; 64] };
        let _ = Request::decode(&splice(&join.encode()));
        let json = splice(&serde_json::to_vec(&token()).unwrap());
        let _ = serde_json::from_slice::<DeviceToken>(&json).map(|token| token.verify(CHAIN, NOW));
        // What a member signs over any bytes at all: read, or refused, and folded without harm.
        let bytes = splice(&event.bytes);
        let signature = device.secret.sign(&[b"healthsync/event/1\0", &bytes[..]].concat());
        if let Ok(event) = SignedEvent::decode(bytes, signature) && event.event.room == ROOM {
            log_of([&event]);
        }
    }
}
