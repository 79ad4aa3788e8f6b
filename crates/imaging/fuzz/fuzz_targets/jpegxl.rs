//! JPEG XL.
#![no_main]

mod coded;
mod own;

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: own::panics_count(), |bytes: &[u8]| coded::decode(&["4.110", "4.111", "4.112"], bytes));
