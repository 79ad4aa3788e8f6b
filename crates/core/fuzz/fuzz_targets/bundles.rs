//! Files that anybody may hand to `/verify` or to whoever opens a token: read and judged, or refused, never a panic and
//! never a long wait.
#![no_main]

use healthsync_core::{Bundle, bundle};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Ok(result) = bundle::VoteBundle::decode(bytes) {
        let again = bundle::VoteBundle::decode(&result.encode()).expect("what is written is read");
        assert_eq!(again.encode(), result.encode());
    }
    let _ = bundle::verify(bytes);
    assert!(Bundle::open(bytes, &[0; 32], "bafy").is_err());
});
