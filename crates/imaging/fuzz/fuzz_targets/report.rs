//! A structured report: its measurements, or a sentence.
#![no_main]

mod own;

use healthsync_imaging::report::read;
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: own::panics_count(), |bytes: &[u8]| {
    let Ok(reading) = read(bytes.to_vec()) else {
        return;
    };
    for found in reading.found {
        let (least, most) = found.shape.points();
        assert!((least..=most).contains(&found.points.len()));
    }
});
