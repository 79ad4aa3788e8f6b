//! Good requests, and what each rule refuses.

use proptest::prelude::*;

use super::*;

const PWD: &str = "abcdefghijklmnopqrstuv+/";

fn v2() -> String {
    format!("libp2p+webrtc+v2/{PWD}")
}

fn good() -> Vec<u8> {
    request(&format!("{}:Ab1+", v2()), &v2(), true)
}

fn refused(datagram: &[u8]) -> StunError {
    Request::parse(datagram).unwrap_err()
}

#[test]
fn both_versions_are_read() {
    let bytes = good();
    let read = Request::parse(&bytes).unwrap();
    assert_eq!(read.version, Version::V2);
    assert_eq!(read.username, format!("{}:Ab1+", v2()));
    assert!(read.nominated);

    let ufrag = "libp2p+webrtc+v1/0123456789abcdef".to_owned();
    let bytes = request(&format!("{ufrag}:{ufrag}"), &ufrag, false);
    let read = Request::parse(&bytes).unwrap();
    assert_eq!(read.version, Version::V1);
    assert!(!read.nominated);
}

/// RFC 5769, section 2.1, gives a request whose user name is not one of ours, but whose integrity and
/// whose form are those of every browser.
#[test]
fn the_integrity_is_that_of_the_rfc() {
    let sample = [
        "000100582112a442b7e7a701bc34d686fa87dfae",
        "802200105354554e207465737420636c69656e74",
        "002400046e0001ff80290008932ff9b151263b36",
        "000600096576746a3a68367659202020",
    ]
    .concat();
    let before: Vec<u8> = (0..sample.len() / 2)
        .map(|n| u8::from_str_radix(&sample[2 * n..2 * n + 2], 16).unwrap())
        .collect();
    let mac = authentication("VOkJxbRl1RmTxUk/WvJxBt", &before)
        .finalize()
        .into_bytes();
    let hex: String = mac.iter().map(|byte| format!("{byte:02x}")).collect();
    assert_eq!(hex, "9aeaa70cbfd8cb56781ef2b5b2d3f249c1b571a2");
}

#[test]
fn the_answer_has_the_address_and_holds() {
    let bytes = good();
    let seen: SocketAddr = "192.0.2.1:32853".parse().unwrap();
    let answer = Request::parse(&bytes).unwrap().answer(seen);
    assert!(answer.len() <= bytes.len());
    assert_eq!(be16(&answer, 0), SUCCESS);
    assert_eq!(usize::from(be16(&answer, 2)), answer.len() - HEADER);
    assert_eq!(answer[8..20], *b"transaction!");
    // As in RFC 5769, section 2.2: a147 and e112a643 are this address.
    assert_eq!(
        answer[20..32],
        [0, 0x20, 0, 8, 0, 1, 0xa1, 0x47, 0xe1, 0x12, 0xa6, 0x43]
    );
    let integrity = 32;
    assert!(
        authentication(&v2(), &answer[..integrity])
            .verify_slice(&answer[36..56])
            .is_ok()
    );
    let crc = crc32fast::hash(&answer[..56]) ^ FINGERPRINT_XOR;
    assert_eq!(answer[60..], crc.to_be_bytes());
    let six = Request::parse(&bytes)
        .unwrap()
        .answer("[2001:db8::1]:9".parse().unwrap());
    assert_eq!(six.len(), answer.len() + 12);
}

#[test]
fn malformed_messages_are_refused_by_name() {
    let good = good();
    assert_eq!(refused(&good[..19]), StunError::Short(19));
    let changed = |at: usize, byte: u8| {
        let mut bytes = good.clone();
        bytes[at] = byte;
        refused(&bytes)
    };
    assert_eq!(changed(4, 0), StunError::Cookie);
    assert_eq!(changed(1, 2), StunError::Type(2));
    assert!(matches!(changed(3, 0), StunError::Length { said: 0, .. }));
    assert!(matches!(
        refused(&good[..good.len() - 4]),
        StunError::Length { .. }
    ));
    // The user name says that it is longer than the message.
    assert_eq!(changed(22, 0xff), StunError::Attribute(USERNAME));
    // A bit of the covered part, and one of the code itself.
    assert_eq!(changed(HEADER - 1, b'?'), StunError::Integrity);
    assert_eq!(
        changed(good.len() - 1, !good[good.len() - 1]),
        StunError::Integrity
    );

    let strange = request("somebody:else", "somebody", true);
    let wrong = CredentialsError::Version;
    assert_eq!(refused(&strange), StunError::Username(wrong));

    let mut bare = good[..HEADER].to_vec();
    set_length(&mut bare, 0);
    assert_eq!(refused(&bare), StunError::NoUsername);
    let name = format!("{}:Ab1+", v2());
    put(&mut bare, USERNAME, name.as_bytes());
    bare.resize(bare.len().next_multiple_of(4), 0);
    set_length(&mut bare, 0);
    assert_eq!(refused(&bare), StunError::NoIntegrity);
    // An integrity of no bytes is wrong.
    put(&mut bare, MESSAGE_INTEGRITY, &[]);
    set_length(&mut bare, 0);
    assert_eq!(refused(&bare), StunError::Integrity);
}

proptest! {
    #[test]
    fn any_bytes_are_refused_and_nothing_else_happens(bytes in proptest::collection::vec(any::<u8>(), 0..256)) {
        let _ = Request::parse(&bytes);
    }

    #[test]
    fn any_change_of_what_is_covered_is_refused(at in 0_usize..80, bit in 0_u8..8) {
        let mut bytes = good();
        bytes[at] ^= 1 << bit;
        prop_assert!(Request::parse(&bytes).is_err());
    }
}
