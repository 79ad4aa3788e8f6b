//! A photograph: what is cleaned is clean, and shows the same picture.
#![no_main]

mod own;

use healthsync_imaging::decode::decode;
use healthsync_imaging::{clean, inspect};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: own::panics_count(), |bytes: &[u8]| {
    let Ok(cleaned) = clean(bytes) else {
        return;
    };
    assert_eq!(inspect(&cleaned.bytes), Ok(cleaned.photo.clone()));
    let twice = clean(&cleaned.bytes).expect("what was cleaned is clean");
    assert_eq!(twice.bytes, cleaned.bytes);
    if u64::from(cleaned.photo.width) * u64::from(cleaned.photo.height) < 1 << 18 {
        let decoded = |bytes: &[u8]| {
            std::panic::catch_unwind(|| decode(bytes).ok().map(|pixels| pixels.sha256())).ok().flatten()
        };
        assert_eq!(decoded(bytes), decoded(&cleaned.bytes));
    }
});
