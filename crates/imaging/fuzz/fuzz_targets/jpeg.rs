//! JPEG of every process: baseline, extended, progressive, lossless.
#![no_main]

mod coded;

use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| coded::decode(
    &["4.50", "4.51", "4.53", "4.55", "4.57", "4.70"],
    bytes
));
