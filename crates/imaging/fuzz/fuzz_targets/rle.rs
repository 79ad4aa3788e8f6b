//! RLE and deflated frames.
#![no_main]

mod coded;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| coded::decode(&["5", "8.1"], bytes));
