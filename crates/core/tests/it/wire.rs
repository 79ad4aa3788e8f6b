//! A snapshot of every wire type: whoever changes one of these breaks a promise to other versions, and
//! gives the type a new version number. Keys and signatures are deterministic, so all bytes are.

use std::collections::BTreeMap;

use healthsync_core::{
    DeviceKey, DeviceToken, Envelope, Ephemeral, EphemeralKind, EventId, Kind, Measurement, Millis,
    OptionId, Person, Pointing, RefusalCode, RegistryAt, Renewed, Request, Response, Reveal,
    RoomKey, Scope, Shape, Sign, Signature65, Signing, VersionVector, WalletVote, join_message,
    seal_ephemeral,
};
use sha2::{Digest, Sha256};

use crate::people::{Device, ROOM, T0, case, close, log_of, message, poll, revoke, vote};

fn json_of(kind: Kind) -> String {
    let mut device = Device::new(1, 0);
    device.enter();
    String::from_utf8(device.say(kind).bytes).unwrap()
}

/// Only the part of an event that differs between kinds.
fn kind_json(kind: Kind) -> String {
    serde_json::to_string(&kind).unwrap()
}

fn digest(bytes: &[u8]) -> String {
    format!(
        "{} bytes, SHA-256 {}",
        bytes.len(),
        hex::encode(Sha256::digest(bytes))
    )
}

const ID: EventId = EventId([0xab; 32]);

#[test]
fn event() {
    insta::assert_snapshot!(json_of(message("Hilar nodes, “both” sides\n→ biopsy?")), @r#"{"v":1,"room":"0x0707070707070707070707070707070707070707070707070707070707070707","person":"0x5050a4f4b3f9338c3472dcc01a87c76a144b3c9c","device":"d4eec1869fb1b8a4e817516ad5a931557cb56805c3eb16e8f3a803d647df7869","seq":2,"prev":"0x9818291e97c7fd8dc5cdf55fd04d7fcf4da05f632e246a0e6ae622e89fa1dce2","lamport":2,"at":1790000001000,"kind":{"type":"message","text":"Hilar nodes, “both” sides\n→ biopsy?"}}"#);
    let mut device = Device::new(1, 0);
    let signed = device.enter();
    insta::assert_snapshot!(String::from_utf8(signed.bytes.clone()).unwrap(), @r#"{"v":1,"room":"0x0707070707070707070707070707070707070707070707070707070707070707","person":"0x5050a4f4b3f9338c3472dcc01a87c76a144b3c9c","device":"d4eec1869fb1b8a4e817516ad5a931557cb56805c3eb16e8f3a803d647df7869","seq":1,"prev":null,"lamport":1,"at":1790000000000,"kind":{"type":"delegation","delegation":{"delegation":{"person":"0x5050a4f4b3f9338c3472dcc01a87c76a144b3c9c","device":"d4eec1869fb1b8a4e817516ad5a931557cb56805c3eb16e8f3a803d647df7869","issued_at":1790000000,"expires_at":1790086400,"chain_id":31337},"signature":"0x654fc74614f32d17dd7ab7c9f4e27b4d6aed0ed34013d638b36c4d61058c84a84a512299b47c0b7f7a3772b14d7677a5ca1825aace7e10bfe08a10d87a90b9841b"}}}"#);
    insta::assert_snapshot!(signed.id(), @"0x9818291e97c7fd8dc5cdf55fd04d7fcf4da05f632e246a0e6ae622e89fa1dce2");
    insta::assert_snapshot!(hex::encode(signed.signature), @"ad153a886d0482feee5042b5b59f65e51f3cf87eefc35b71b20974d0c23741293b35b4eaca6b8c65126e9c5e4df44b88d4be465cfdc3af470d280d55f625d90f");
}

#[test]
fn kinds() {
    let option = OptionId {
        event: ID,
        index: 3,
    };
    let text = "Lymphoma".to_owned();
    insta::assert_snapshot!(kind_json(Kind::Room { name: "Chest".into() }), @r#"{"type":"room","name":"Chest"}"#);
    insta::assert_snapshot!(kind_json(case()), @r#"{"type":"case","caption":"Chest, 54 y","images":[{"cid":"bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy","name":"chest.png","mime":"image/png","size":1234567,"width":1024,"height":768}]}"#);
    insta::assert_snapshot!(kind_json(poll(ID, true)), @r#"{"type":"poll","case":"0xabababababababababababababababababababababababababababababababab","question":"What is it?","options":["Sarcoidosis","Tuberculosis"],"open_options":true}"#);
    insta::assert_snapshot!(kind_json(Kind::Option { poll: ID, text }), @r#"{"type":"option","poll":"0xabababababababababababababababababababababababababababababababab","text":"Lymphoma"}"#);
    insta::assert_snapshot!(kind_json(vote(ID, option)), @r#"{"type":"vote","poll":"0xabababababababababababababababababababababababababababababababab","option":"0xabababababababababababababababababababababababababababababababab/3"}"#);
    insta::assert_snapshot!(kind_json(close(ID, vec![ID])), @r#"{"type":"close","poll":"0xabababababababababababababababababababababababababababababababab","counted":["0xabababababababababababababababababababababababababababababababab"]}"#);
    let formal = match poll(ID, false) {
        Kind::Poll {
            case,
            question,
            options,
            open_options,
            ..
        } => Kind::Poll {
            case,
            question,
            options,
            open_options,
            signing: Signing::Wallet,
            reveal: Reveal::Closed,
        },
        other => other,
    };
    insta::assert_snapshot!(kind_json(formal), @r#"{"type":"poll","case":"0xabababababababababababababababababababababababababababababababab","question":"What is it?","options":["Sarcoidosis","Tuberculosis"],"open_options":false,"signing":"wallet","reveal":"closed"}"#);
    let signature = Signature65([7; 65]);
    let wallet = Some(WalletVote {
        number: 57,
        signature,
    });
    insta::assert_snapshot!(kind_json(Kind::Vote { poll: ID, option, wallet }), @r#"{"type":"vote","poll":"0xabababababababababababababababababababababababababababababababab","option":"0xabababababababababababababababababababababababababababababababab/3","wallet":{"number":57,"signature":"0x0707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707070707"}}"#);
    let certified = Kind::Close {
        poll: ID,
        counted: vec![],
        options: Some(vec![ID]),
        registry: Some(RegistryAt {
            address: Person([5; 20]),
            block: 4_812_077,
        }),
    };
    insta::assert_snapshot!(kind_json(certified), @r#"{"type":"close","poll":"0xabababababababababababababababababababababababababababababababab","counted":[],"options":["0xabababababababababababababababababababababababababababababababab"],"registry":{"address":"0x0505050505050505050505050505050505050505","block":4812077}}"#);
    let measurement = Measurement {
        case: ID,
        image: 0,
        slice: 83,
        shape: Shape::Length,
        points: vec![[10_050, 20_000], [11_200, 19_975]],
        text: "Nodule".into(),
    };
    insta::assert_snapshot!(kind_json(Kind::Measure { measurement }), @r#"{"type":"measure","measurement":{"case":"0xabababababababababababababababababababababababababababababababab","image":0,"slice":83,"shape":"length","points":[[10050,20000],[11200,19975]],"text":"Nodule"}}"#);
    insta::assert_snapshot!(kind_json(Kind::Unmeasure { measurement: ID }), @r#"{"type":"unmeasure","measurement":"0xabababababababababababababababababababababababababababababababab"}"#);
    let images = vec![Renewed {
        was: "bafkold".into(),
        cid: "bafknew".into(),
        size: 7,
    }];
    insta::assert_snapshot!(kind_json(Kind::NewKey { case: ID, images }), @r#"{"type":"new_key","case":"0xabababababababababababababababababababababababababababababababab","images":[{"was":"bafkold","cid":"bafknew","size":7}]}"#);
    insta::assert_snapshot!(kind_json(Kind::Unknown), @r#"{"type":"unknown"}"#);
}

#[test]
fn kinds_of_talk() {
    let (of, to) = (ID, ID);
    let reply = Kind::Message {
        text: "Which lobe?".into(),
        to: Some(ID),
        mentions: vec![Device::new(1, 0).person],
    };
    let profile = Kind::Profile {
        name: "A. Okafor".into(),
        role: "Radiologist".into(),
        city: "Lagos".into(),
    };
    let sign = Sign::Agree;
    insta::assert_snapshot!(kind_json(message("Hello")), @r#"{"type":"message","text":"Hello"}"#);
    insta::assert_snapshot!(kind_json(reply), @r#"{"type":"message","text":"Which lobe?","to":"0xabababababababababababababababababababababababababababababababab","mentions":["0x5050a4f4b3f9338c3472dcc01a87c76a144b3c9c"]}"#);
    insta::assert_snapshot!(kind_json(Kind::Edit { of, text: "Left".into() }), @r#"{"type":"edit","of":"0xabababababababababababababababababababababababababababababababab","text":"Left"}"#);
    insta::assert_snapshot!(kind_json(Kind::Retract { of }), @r#"{"type":"retract","of":"0xabababababababababababababababababababababababababababababababab"}"#);
    insta::assert_snapshot!(kind_json(Kind::Reaction { to, sign, on: true }), @r#"{"type":"reaction","to":"0xabababababababababababababababababababababababababababababababab","sign":"agree","on":true}"#);
    insta::assert_snapshot!(serde_json::to_string(&Sign::ALL).unwrap(), @r#"["agree","disagree","unsure","seen","thanks"]"#);
    insta::assert_snapshot!(kind_json(Kind::Pin { of, on: false }), @r#"{"type":"pin","of":"0xabababababababababababababababababababababababababababababababab","on":false}"#);
    insta::assert_snapshot!(kind_json(profile), @r#"{"type":"profile","name":"A. Okafor","role":"Radiologist","city":"Lagos"}"#);
}

#[test]
fn kinds_of_keys_and_devices() {
    let device = Device::new(1, 0);
    let epoch = Kind::Epoch {
        epoch: 0x1_abcd,
        block: 77,
        removed: vec![device.person],
        readers: 4,
    };
    insta::assert_snapshot!(kind_json(epoch), @r#"{"type":"epoch","epoch":109517,"block":77,"removed":["0x5050a4f4b3f9338c3472dcc01a87c76a144b3c9c"],"readers":4}"#);
    let revocation = revoke(1, device.secret.public(), 60);
    let kind = Kind::Revocation {
        revocation: revocation.clone(),
        last: 9,
    };
    insta::assert_snapshot!(digest(kind_json(kind).as_bytes()), @"378 bytes, SHA-256 12f2f1478913085a6e5aaf556b7d997b817190cb8644219c1b41b8346e855b0b");
    insta::assert_json_snapshot!(revocation.revocation, @r#"
    {
      "person": "0x5050a4f4b3f9338c3472dcc01a87c76a144b3c9c",
      "device": "d4eec1869fb1b8a4e817516ad5a931557cb56805c3eb16e8f3a803d647df7869",
      "revoked_at": 1790000060,
      "chain_id": 31337
    }
    "#);
    // The same hash as viem's `hashTypedData` gives.
    insta::assert_snapshot!(hex::encode(revocation.revocation.signing_hash()), @"ed862ad91f52c06f646b5ea60675711da5929323babfaa789322e055d2ca53b4");
}

#[test]
fn signed_delegation() {
    let delegation = Device::new(1, 0).delegation;
    insta::assert_json_snapshot!(delegation, @r#"
    {
      "delegation": {
        "person": "0x5050a4f4b3f9338c3472dcc01a87c76a144b3c9c",
        "device": "d4eec1869fb1b8a4e817516ad5a931557cb56805c3eb16e8f3a803d647df7869",
        "issued_at": 1790000000,
        "expires_at": 1790086400,
        "chain_id": 31337
      },
      "signature": "0x654fc74614f32d17dd7ab7c9f4e27b4d6aed0ed34013d638b36c4d61058c84a84a512299b47c0b7f7a3772b14d7677a5ca1825aace7e10bfe08a10d87a90b9841b"
    }
    "#);
}

#[test]
fn room_state() {
    let mut device = Device::new(0, 0);
    let mut events = vec![
        device.enter(),
        device.say(Kind::Room {
            name: "Chest".into(),
        }),
    ];
    events.push(device.say(message("Hello")));
    events.push(device.say(case()));
    let case = events[3].id();
    events.push(device.say(poll(case, true)));
    let (poll, event) = (events[4].id(), events[4].id());
    let option = OptionId { event, index: 1 };
    events.push(device.say(vote(poll, option)));
    device.say(message("lost"));
    events.push(device.say(message("after a gap")));
    insta::assert_json_snapshot!(log_of(&events).state(), @r#"
    {
      "name": "Chest",
      "messages": [
        {
          "id": "0x6b185fe65c2bdc76aa80a418cd75c1bea4972746bf933829bfba9e04131eb6cd",
          "person": "0x1a642f0e3c3af545e7acbd38b07251b3990914f1",
          "device": "677a74d964e4a84ffa5025a8b5537b5c4a37ad6d146e854783ac734684a207c4",
          "lamport": 3,
          "at": 1790000002000,
          "text": "Hello",
          "to": null,
          "mentions": [],
          "edited": null,
          "retracted": null,
          "reactions": {}
        },
        {
          "id": "0xe8e960b3900e63245b3effa5861ed13a81067fb98ad2703100d44a9369265fa9",
          "person": "0x1a642f0e3c3af545e7acbd38b07251b3990914f1",
          "device": "677a74d964e4a84ffa5025a8b5537b5c4a37ad6d146e854783ac734684a207c4",
          "lamport": 8,
          "at": 1790000007000,
          "text": "after a gap",
          "to": null,
          "mentions": [],
          "edited": null,
          "retracted": null,
          "reactions": {}
        }
      ],
      "cases": [
        {
          "id": "0x096a7ef87ef57a591079259a8c47988b3e9cad26ca964ac04a9f731aac4b50ed",
          "person": "0x1a642f0e3c3af545e7acbd38b07251b3990914f1",
          "device": "677a74d964e4a84ffa5025a8b5537b5c4a37ad6d146e854783ac734684a207c4",
          "lamport": 4,
          "at": 1790000003000,
          "caption": "Chest, 54 y",
          "edited": null,
          "images": [
            {
              "cid": "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy",
              "name": "chest.png",
              "mime": "image/png",
              "size": 1234567,
              "width": 1024,
              "height": 768
            }
          ],
          "polls": [
            {
              "id": "0xae36b83b16f3b0ae4aec0ed357d91578a3317c079dab4c9eda2593ec37c3414e",
              "case": "0x096a7ef87ef57a591079259a8c47988b3e9cad26ca964ac04a9f731aac4b50ed",
              "asker": "0x1a642f0e3c3af545e7acbd38b07251b3990914f1",
              "lamport": 5,
              "at": 1790000004000,
              "question": "What is it?",
              "options": [
                {
                  "id": "0xae36b83b16f3b0ae4aec0ed357d91578a3317c079dab4c9eda2593ec37c3414e/0",
                  "text": "Sarcoidosis",
                  "by": "0x1a642f0e3c3af545e7acbd38b07251b3990914f1",
                  "count": 0,
                  "voters": []
                },
                {
                  "id": "0xae36b83b16f3b0ae4aec0ed357d91578a3317c079dab4c9eda2593ec37c3414e/1",
                  "text": "Tuberculosis",
                  "by": "0x1a642f0e3c3af545e7acbd38b07251b3990914f1",
                  "count": 1,
                  "voters": [
                    "0x1a642f0e3c3af545e7acbd38b07251b3990914f1"
                  ]
                }
              ],
              "votes": {
                "0x1a642f0e3c3af545e7acbd38b07251b3990914f1": [
                  "0xb51881936f0f853d2f854d0d680cd90bd34853bf37ea0b465fec3a0ca7495aa3",
                  "0xae36b83b16f3b0ae4aec0ed357d91578a3317c079dab4c9eda2593ec37c3414e/1"
                ]
              },
              "late": {},
              "closed": null,
              "open_options": true,
              "signing": "device",
              "reveal": "open"
            }
          ],
          "measurements": []
        }
      ],
      "pins": [],
      "epochs": [],
      "people": {
        "0x1a642f0e3c3af545e7acbd38b07251b3990914f1": {
          "devices": {
            "677a74d964e4a84ffa5025a8b5537b5c4a37ad6d146e854783ac734684a207c4": {
              "until": 1790086400000,
              "revoked": null
            }
          },
          "profile": null
        }
      },
      "pending": [],
      "forks": [],
      "gaps": [
        {
          "device": "677a74d964e4a84ffa5025a8b5537b5c4a37ad6d146e854783ac734684a207c4",
          "from": 7,
          "to": 7
        }
      ]
    }
    "#);
}

#[test]
fn envelope() {
    let mut device = Device::new(1, 0);
    let event = device.enter();
    let key = RoomKey::from_master(&[3; 32], &ROOM, 5);
    let envelope = Envelope::seal(&event, &key, 5, [9; 12], &device.secret);
    let bytes = envelope.encode();
    insta::assert_snapshot!(hex::encode(&bytes[..93]), @"01070707070707070707070707070707070707070707070707070707070707070700000005d4eec1869fb1b8a4e817516ad5a931557cb56805c3eb16e8f3a803d647df78690000000000000001090909090909090909090909000002e8");
    insta::assert_snapshot!(digest(&bytes), @"901 bytes, SHA-256 fc06864bae8404735500c98a72e15a25e92b35b2261b5fae5113872a99192d21");
    assert_eq!(envelope.id().0, <[u8; 32]>::from(Sha256::digest(&bytes)));
    assert_eq!(
        bytes.len(),
        1 + 32 + 4 + 32 + 8 + 12 + 4 + 64 + event.bytes.len() + 16 + 64
    );
}

#[test]
fn ephemeral() {
    let device = Device::new(1, 0);
    let key = RoomKey::from_master(&[3; 32], &ROOM, 0);
    let at = Millis::from_seconds(T0);
    let kinds = [
        EphemeralKind::Here { ask: true },
        EphemeralKind::Typing,
        EphemeralKind::Bye,
        EphemeralKind::MembersChanged,
        EphemeralKind::Reachable { key: [7; 32] },
        EphemeralKind::Pointing(Pointing {
            case: ID,
            image: 0,
            slice: 83,
            at: Some([10_050, 20_000]),
            window: Some([-60_000, 150_000]),
        }),
    ];
    let sealed: Vec<String> = kinds
        .into_iter()
        .map(|kind| {
            let ephemeral = Ephemeral::sign(&ROOM, device.person, at, kind, &device.secret);
            digest(&seal_ephemeral(&ephemeral, &ROOM, &key, [9; 12]))
        })
        .collect();
    insta::assert_snapshot!(sealed.join("\n"), @r#"
    188 bytes, SHA-256 03c001a09e87ebf86c830c6989f1303cec4d9a1f4e1b236faeab6be9f5afd01c
    187 bytes, SHA-256 ce20e1d3043da0965bbbefabd54647f267f72b7a7e5a7558d0ef69f10f751de9
    187 bytes, SHA-256 4891e9d2a7d756ec08a7ea693d34b1e660c8889d8f66e57b4d4f019c32ee0d6b
    187 bytes, SHA-256 ecde0134d783e961468b98d259b1e510cbb0bfd19e2a6fb7e3f4cf085816e7f1
    219 bytes, SHA-256 69edb6f65f2dff5c2cf2aa23ec8f97b32f42af5e1304de1979fcb55060c164da
    236 bytes, SHA-256 ac873cea69f3686ed13d6ba867b92d4fa2a0b1fdfb487675c74a02bbcd2d6b2a
    "#);
}

#[test]
fn device_token() {
    let device = Device::new(1, 0);
    let cid = "bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy".to_owned();
    let scopes = [
        Scope::SaveKey {
            cid: cid.clone(),
            node: 3,
        },
        Scope::GetKey {
            cid: cid.clone(),
            seal_to: [5; 32],
        },
        Scope::KeyLog { cid: cid.clone() },
        Scope::Upload { cid },
        Scope::Rooms,
    ];
    let sign = |scope| {
        let at = Millis::from_seconds(T0);
        DeviceToken::sign(
            device.delegation.clone(),
            scope,
            at,
            [1; 16],
            &device.secret,
        )
    };
    let all: Vec<_> = scopes
        .map(|scope| serde_json::to_string(&scope).unwrap())
        .into();
    insta::assert_snapshot!(all.join("\n"), @r#"
    {"type":"save_key","cid":"bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy","node":3}
    {"type":"get_key","cid":"bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy","seal_to":"0505050505050505050505050505050505050505050505050505050505050505"}
    {"type":"key_log","cid":"bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"}
    {"type":"upload","cid":"bafkreigh2akiscaildcqabsyg3dfr6chu3fgpregiymsck7e7aqa4s52zy"}
    {"type":"rooms"}
    "#);
    insta::assert_json_snapshot!(sign(Scope::Rooms), @r#"
    {
      "delegation": {
        "delegation": {
          "person": "0x5050a4f4b3f9338c3472dcc01a87c76a144b3c9c",
          "device": "d4eec1869fb1b8a4e817516ad5a931557cb56805c3eb16e8f3a803d647df7869",
          "issued_at": 1790000000,
          "expires_at": 1790086400,
          "chain_id": 31337
        },
        "signature": "0x654fc74614f32d17dd7ab7c9f4e27b4d6aed0ed34013d638b36c4d61058c84a84a512299b47c0b7f7a3772b14d7677a5ca1825aace7e10bfe08a10d87a90b9841b"
      },
      "scope": {
        "type": "rooms"
      },
      "at": 1790000000000,
      "nonce": "01010101010101010101010101010101",
      "signature": "25f8b2e16762f771b827e2a2413245a044324ac043a658efb5884d2f23ee2b9482a3ca18e008e05eb3819c6c8287b8144b832e0dc361c157323d22f096c4790a"
    }
    "#);
    insta::assert_snapshot!(sign(Scope::Rooms).to_bearer(), @"device:eyJkZWxlZ2F0aW9uIjp7ImRlbGVnYXRpb24iOnsicGVyc29uIjoiMHg1MDUwYTRmNGIzZjkzMzhjMzQ3MmRjYzAxYTg3Yzc2YTE0NGIzYzljIiwiZGV2aWNlIjoiZDRlZWMxODY5ZmIxYjhhNGU4MTc1MTZhZDVhOTMxNTU3Y2I1NjgwNWMzZWIxNmU4ZjNhODAzZDY0N2RmNzg2OSIsImlzc3VlZF9hdCI6MTc5MDAwMDAwMCwiZXhwaXJlc19hdCI6MTc5MDA4NjQwMCwiY2hhaW5faWQiOjMxMzM3fSwic2lnbmF0dXJlIjoiMHg2NTRmYzc0NjE0ZjMyZDE3ZGQ3YWI3YzlmNGUyN2I0ZDZhZWQwZWQzNDAxM2Q2MzhiMzZjNGQ2MTA1OGM4NGE4NGE1MTIyOTliNDdjMGI3ZjdhMzc3MmIxNGQ3Njc3YTVjYTE4MjVhYWNlN2UxMGJmZTA4YTEwZDg3YTkwYjk4NDFiIn0sInNjb3BlIjp7InR5cGUiOiJyb29tcyJ9LCJhdCI6MTc5MDAwMDAwMDAwMCwibm9uY2UiOiIwMTAxMDEwMTAxMDEwMTAxMDEwMTAxMDEwMTAxMDEwMSIsInNpZ25hdHVyZSI6IjI1ZjhiMmUxNjc2MmY3NzFiODI3ZTJhMjQxMzI0NWEwNDQzMjRhYzA0M2E2NThlZmI1ODg0ZDJmMjNlZTJiOTQ4MmEzY2ExOGUwMDhlMDVlYjM4MTljNmM4Mjg3YjgxNDRiODMyZTBkYzM2MWMxNTczMjNkMjJmMDk2YzQ3OTBhIn0");
}

#[test]
fn requests() {
    let device = Device::new(1, 0);
    let have = VersionVector(BTreeMap::from([
        (DeviceKey([1; 32]), 300),
        (DeviceKey([2; 32]), 1),
    ]));
    let device_signature = device.secret.sign(&join_message(&ROOM, b"peer"));
    let join = Request::Join {
        room: ROOM,
        delegation: device.delegation,
        device_signature,
    };
    insta::assert_snapshot!(hex::encode(join.encode()), @"0100200707070707070707070707070707070707070707070707070707070707070707145050a4f4b3f9338c3472dcc01a87c76a144b3c9c20d4eec1869fb1b8a4e817516ad5a931557cb56805c3eb16e8f3a803d647df786980f7c4d506809acad506e9f40141654fc74614f32d17dd7ab7c9f4e27b4d6aed0ed34013d638b36c4d61058c84a84a512299b47c0b7f7a3772b14d7677a5ca1825aace7e10bfe08a10d87a90b9841b40fbf3eb3c06a3979f5cfca8afa587f40a368115021e5b2171e866cf0c3db9487a093808766c9f5250bb6fb955b33a6f0470307181c1daa990666af8d1feb73a03");
    let push = Request::Push {
        room: ROOM,
        envelopes: vec![vec![1, 2, 3], vec![]],
    };
    insta::assert_snapshot!(hex::encode(push.encode()), @"0101200707070707070707070707070707070707070707070707070707070707070707020301020300");
    let newest = Request::Newest {
        room: ROOM,
        after: VersionVector::default(),
        upto: have.clone(),
        limit: 500,
    };
    insta::assert_snapshot!(hex::encode(newest.encode()), @"01042007070707070707070707070707070707070707070707070707070707070707070002200101010101010101010101010101010101010101010101010101010101010101ac0220020202020202020202020202020202020202020202020202020202020202020201f403");
    let pull = Request::Pull {
        room: ROOM,
        have,
        limit: 500,
    };
    insta::assert_snapshot!(hex::encode(pull.encode()), @"010220070707070707070707070707070707070707070707070707070707070707070702200101010101010101010101010101010101010101010101010101010101010101ac0220020202020202020202020202020202020202020202020202020202020202020201f403");
    insta::assert_snapshot!(hex::encode(Request::Leave { room: ROOM }.encode()), @"0103200707070707070707070707070707070707070707070707070707070707070707");
}

#[test]
fn responses() {
    let have = VersionVector(BTreeMap::from([(DeviceKey([1; 32]), 300)]));
    let joined = Response::Joined {
        topic: "t".into(),
        have: have.clone(),
    };
    let stored = Response::Stored {
        have,
        rejected: vec![(2, "no".into())],
    };
    let page = Response::Page {
        envelopes: vec![vec![1, 2, 3]],
        more: true,
    };
    let refused = |code| {
        Response::Refused {
            code,
            message: "no".into(),
        }
        .encode()
    };
    insta::assert_snapshot!(hex::encode(joined.encode()), @"0100017401200101010101010101010101010101010101010101010101010101010101010101ac02");
    insta::assert_snapshot!(hex::encode(stored.encode()), @"010101200101010101010101010101010101010101010101010101010101010101010101ac020102026e6f");
    insta::assert_snapshot!(hex::encode(page.encode()), @"0102010301020301");
    insta::assert_snapshot!(hex::encode(Response::Left.encode()), @"0103");
    let codes = [
        RefusalCode::NotAllowed,
        RefusalCode::NoSuchRoom,
        RefusalCode::BadDelegation,
        RefusalCode::NotJoined,
        RefusalCode::TooLarge,
        RefusalCode::RateLimited,
        RefusalCode::Unavailable,
        RefusalCode::Revoked,
    ];
    let codes: Vec<_> = codes.map(|code| hex::encode(refused(code))).into();
    insta::assert_snapshot!(codes.join(" "), @"010400026e6f 010401026e6f 010402026e6f 010403026e6f 010404026e6f 010405026e6f 010406026e6f 010407026e6f");
}

#[test]
fn ids() {
    let device = Device::new(1, 0);
    insta::assert_snapshot!(ROOM, @"0x0707070707070707070707070707070707070707070707070707070707070707");
    insta::assert_snapshot!(device.person, @"0x5050a4f4b3f9338c3472dcc01a87c76a144b3c9c");
    insta::assert_snapshot!(device.secret.public(), @"d4eec1869fb1b8a4e817516ad5a931557cb56805c3eb16e8f3a803d647df7869");
    insta::assert_snapshot!(device.secret.public().short(), @"d4ee…7869");
    insta::assert_snapshot!(OptionId { event: ID, index: 3 }, @"0xabababababababababababababababababababababababababababababababab/3");
}

#[test]
fn secrets_do_not_show() {
    let key = RoomKey::from_master(&[3; 32], &ROOM, 0);
    insta::assert_snapshot!(format!("{key:?} {:?}", Device::new(1, 0).secret), @"RoomKey(…) DeviceSecret(of d4eec1869fb1b8a4e817516ad5a931557cb56805c3eb16e8f3a803d647df7869)");
}
