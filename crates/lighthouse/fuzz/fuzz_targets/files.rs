//! No bytes make the reader of encrypted files panic or open with a key they were not made with; no text makes the
//! parser of content ids panic, and what it reads it writes back.
#![no_main]

use std::io::Cursor;
use std::ops::ControlFlow;

use futures::executor::block_on;
use healthsync_lighthouse::cipher::stream::decrypt_stream;
use healthsync_lighthouse::{MasterKey, OVERHEAD, decrypt, parse_cid};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    // Deriving the key takes most of the time, so whole files are tried for one input in many.
    if bytes.len() < OVERHEAD || bytes[0] == 0 {
        let key = MasterKey::from_hex(&"1".repeat(64)).expect("a key");
        assert!(block_on(decrypt(bytes, &key)).is_err());
        let mut plain = Vec::new();
        let mut on = |_| ControlFlow::Continue(());
        assert!(decrypt_stream(Cursor::new(bytes), &mut plain, &key, &mut on).is_err());
        assert!(plain.is_empty(), "something came out before the tag held");
    }
    if let Ok(text) = std::str::from_utf8(bytes)
        && let Ok(cid) = parse_cid(text)
    {
        assert_eq!(parse_cid(&cid.to_string()), Ok(cid));
    }
});
