//! JPEG-LS, lossless and near-lossless.
#![no_main]

mod coded;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| coded::decode(&["4.80", "4.81"], bytes));
