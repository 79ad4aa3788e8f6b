//! JPEG 2000 and HTJ2K.
#![no_main]

mod coded;
mod own;

use libfuzzer_sys::fuzz_target;

fuzz_target!(init: own::panics_count(), |bytes: &[u8]| coded::decode(&["4.90", "4.91", "4.201", "4.203"], bytes));
