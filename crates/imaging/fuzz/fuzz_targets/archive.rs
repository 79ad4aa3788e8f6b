//! A ZIP archive: its directory, and every entry, none larger than it says.
#![no_main]

use healthsync_imaging::archive::{entries, looks_like_zip};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    let _ = looks_like_zip(bytes);
    for entry in entries(bytes).into_iter().flatten().take(20) {
        if let Ok(unpacked) = entry.bytes(bytes) {
            assert_eq!(unpacked.len() as u64, entry.size);
        }
    }
});
