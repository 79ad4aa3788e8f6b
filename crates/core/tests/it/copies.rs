//! A room as a file: what was written is read, and nothing of a file that was changed.

use healthsync_core::{
    Millis, Person,
    copy::{CopyError, Head, Key, read, write},
};
use proptest::prelude::*;

use crate::people::{CHAIN, ROOM};

fn head(keys: Vec<Key>) -> Head {
    Head {
        room: ROOM,
        owner: Person([0x11; 20]),
        chain_id: CHAIN,
        made_at: Millis(1_790_000_000_000),
        keys,
    }
}

#[test]
fn wire_form() {
    let key = Key {
        epoch: 65_537,
        master: [0xab; 32],
    };
    let file = write(&head(vec![key]), [&b"one"[..], b"two"]);
    insta::assert_snapshot!(file.escape_ascii().to_string(), @r#"healthsync/room-copy/1\n{\"room\":\"0x0707070707070707070707070707070707070707070707070707070707070707\",\"owner\":\"0x1111111111111111111111111111111111111111\",\"chain_id\":31337,\"made_at\":1790000000000,\"keys\":[{\"epoch\":65537,\"master\":\"abababababababababababababababababababababababababababababababab\"}]}\n\x00\x00\x00\x03one\x00\x00\x00\x03two"#);
}

#[test]
fn a_key_is_never_printed() {
    let key = Key {
        epoch: 1,
        master: [0xab; 32],
    };
    assert!(!format!("{:?}", head(vec![key])).contains("ab"));
}

#[test]
fn other_files_and_damaged_ones_are_told_apart() {
    let whole = write(&head(vec![]), [&b"one"[..]]);
    assert_eq!(read(b"%PDF-1.7"), Err(CopyError::Form));
    assert_eq!(read(b""), Err(CopyError::Form));
    let sized = |length: u32| [&whole[..], &length.to_be_bytes()].concat();
    for broken in [sized(0), sized(40_961), sized(u32::MAX), sized(1)] {
        assert_eq!(read(&broken), Err(CopyError::Damaged));
    }
}

proptest! {
    #[test]
    fn what_was_written_is_read(events in proptest::collection::vec(proptest::collection::vec(any::<u8>(), 1..200), 0..20)) {
        let file = write(&head(vec![]), events.iter().map(Vec::as_slice));
        let (found, read) = read(&file).unwrap();
        prop_assert_eq!(found, head(vec![]));
        prop_assert_eq!(read, events);
    }

    #[test]
    fn a_file_that_is_cut_gives_nothing_or_less(cut in any::<proptest::sample::Index>()) {
        let events = [vec![1u8; 40], vec![2; 40]];
        let file = write(&head(vec![]), events.iter().map(Vec::as_slice));
        let cut = cut.index(file.len());
        match read(&file[..cut]) {
            // Between two events a file may end.
            Ok((_, read)) => prop_assert!(read.len() < 2 && read.iter().eq(&events[..read.len()])),
            Err(error) => prop_assert!(error != CopyError::TooLarge),
        }
    }

    #[test]
    fn anything_is_read_without_harm(bytes in proptest::collection::vec(any::<u8>(), 0..400)) {
        let _ = read(&bytes);
        let _ = read(&[b"healthsync/room-copy/1\n", &bytes[..]].concat());
    }
}
