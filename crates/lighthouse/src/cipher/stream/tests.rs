//! In pieces the bytes are the same as in one go; nothing of a file that does not open is written.

use std::io::Cursor;

use futures::executor::block_on;
use proptest::prelude::*;
use serde_json::Value;

use super::super::{decrypt, encrypt};
use super::*;

fn key() -> MasterKey {
    MasterKey::from_hex(&"1".repeat(64)).unwrap()
}

fn on(_: u64) -> ControlFlow<()> {
    ControlFlow::Continue(())
}

fn sealed(plain: &[u8]) -> Vec<u8> {
    let mut file = Vec::new();
    encrypt_stream(plain, &mut file, &key(), [1; SALT], [2; IV], &mut on).unwrap();
    file
}

/// What decrypting gives, and what was written before it ended.
fn opened(file: impl Read + Seek) -> (Result<u64, StreamError>, Vec<u8>) {
    let mut plain = Vec::new();
    (decrypt_stream(file, &mut plain, &key(), &mut on), plain)
}

#[test]
fn the_bytes_are_lighthouses() {
    let vectors: Value =
        serde_json::from_str(include_str!("../../../tests/vectors/file_encryption.json")).unwrap();
    let bytes = |value: &Value| value.as_str().map(|text| hex::decode(text).unwrap());
    let mut compared = 0;
    for case in vectors["cases"].as_array().unwrap() {
        let (Ok(key), Some(plain), Some(file)) = (
            MasterKey::from_hex(case["password"].as_str().unwrap()),
            bytes(&case["plaintext_hex"]),
            bytes(&case["encrypted_hex"]),
        ) else {
            continue;
        };
        let salt = bytes(&case["salt_hex"]).unwrap().try_into().unwrap();
        let iv = bytes(&case["iv_hex"]).unwrap().try_into().unwrap();
        let mut made = Vec::new();
        encrypt_stream(&*plain, &mut made, &key, salt, iv, &mut on).unwrap();
        assert_eq!(made, file, "{}", case["name"]);
        let mut back = Vec::new();
        decrypt_stream(Cursor::new(file), &mut back, &key, &mut on).unwrap();
        assert_eq!(back, plain, "{}", case["name"]);
        compared += 1;
    }
    assert!(compared >= 4, "only {compared} vectors were compared");
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    /// Lengths around the ends of blocks and pieces, and a source that gives as little at a time as it likes.
    #[test]
    fn the_bytes_are_those_of_one_go(
        pieces in 0..3_usize,
        more in prop_oneof![0..40_usize, PIECE - 20..PIECE],
        step in 1..5_000_usize,
        seed: u8,
    ) {
        let plain: Vec<u8> = (0..pieces * PIECE + more).map(|i| (i * 31) as u8 ^ seed).collect();
        let mut file = Vec::new();
        let read = encrypt_stream(Slow(&plain, step), &mut file, &key(), [seed; SALT], [2; IV], &mut on).unwrap();
        prop_assert_eq!(read, plain.len() as u64);
        let whole = block_on(encrypt(plain.clone(), &key(), [seed; SALT], [2; IV])).unwrap();
        prop_assert!(file == whole);
        let (length, back) = opened(Cursor::new(&file));
        prop_assert_eq!(length.unwrap(), plain.len() as u64);
        prop_assert!(back == plain);
        prop_assert!(block_on(decrypt(&file, &key())).unwrap() == plain);
    }

    #[test]
    fn nothing_of_a_changed_file_is_written(position: proptest::sample::Index, bit in 0..8_u32) {
        let mut file = sealed(&[7; PIECE + 100]);
        let at = position.index(file.len());
        file[at] ^= 1 << bit;
        let (outcome, written) = opened(Cursor::new(file));
        prop_assert!(matches!(outcome, Err(StreamError::Cipher(CipherError::DoesNotOpen))));
        prop_assert_eq!(written.len(), 0);
    }
}

/// Gives at most so many bytes at a time.
struct Slow<'a>(&'a [u8], usize);

impl Read for Slow<'_> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let most = into.len().min(self.1);
        self.0.read(&mut into[..most])
    }
}

#[test]
fn too_short_is_said_with_its_length() {
    let file = sealed(b"");
    assert_eq!(file.len(), OVERHEAD);
    assert_eq!(opened(Cursor::new(&file)).0.unwrap(), 0);
    for length in [0, OVERHEAD - 1] {
        let (outcome, _) = opened(Cursor::new(&file[..length]));
        let Err(StreamError::Cipher(CipherError::TooShort(found))) = outcome else {
            panic!("{outcome:?}");
        };
        assert_eq!(found, length);
    }
}

/// Another file from the second reading on.
struct Swapped {
    first: Cursor<Vec<u8>>,
    second: Cursor<Vec<u8>>,
    rewound: u32,
}

impl Read for Swapped {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        if self.rewound < 2 {
            self.first.read(into)
        } else {
            self.second.read(into)
        }
    }
}

impl Seek for Swapped {
    fn seek(&mut self, to: SeekFrom) -> io::Result<u64> {
        if matches!(to, SeekFrom::Start(_)) {
            self.rewound += 1;
        }
        self.second.seek(to)?;
        self.first.seek(to)
    }
}

#[test]
fn a_file_that_changes_between_its_readings_is_told_of() {
    let (good, mut bad) = (sealed(&[7; 1_000]), sealed(&[7; 1_000]));
    bad[500] ^= 1;
    let file = Swapped {
        first: Cursor::new(good),
        second: Cursor::new(bad),
        rewound: 0,
    };
    assert!(matches!(opened(file).0, Err(StreamError::Changed)));
}

#[test]
fn stops_when_the_caller_has_had_enough() {
    let mut told = Vec::new();
    let mut stop = |bytes| {
        told.push(bytes);
        if told.len() < 2 {
            ControlFlow::Continue(())
        } else {
            ControlFlow::Break(())
        }
    };
    let outcome = encrypt_stream(
        io::repeat(1),
        io::sink(),
        &key(),
        [1; SALT],
        [2; IV],
        &mut stop,
    );
    assert!(matches!(outcome, Err(StreamError::Cancelled)));
    assert_eq!(told, [PIECE as u64, 2 * PIECE as u64]);
}

#[test]
fn says_which_side_failed() {
    struct Broken;
    impl Read for Broken {
        fn read(&mut self, _: &mut [u8]) -> io::Result<usize> {
            Err(io::Error::other("unplugged"))
        }
    }
    let from = encrypt_stream(Broken, io::sink(), &key(), [1; SALT], [2; IV], &mut on);
    assert_eq!(
        from.unwrap_err().to_string(),
        "it could not be read: unplugged"
    );
    let mut full = [0; 40];
    let into = encrypt_stream(
        &[1; 100][..],
        &mut full[..],
        &key(),
        [1; SALT],
        [2; IV],
        &mut on,
    );
    assert!(matches!(into, Err(StreamError::Write(_))));
}
