//! A whole DICOM file: parsed, its frames decoded, its tables and overlays read.
#![no_main]

mod own;

use healthsync_imaging::dicom::{Instance, looks_like_dicom, read, sort_into_series};
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: own::panics_count(), |bytes: &[u8]| {
    let _ = looks_like_dicom(bytes);
    let _ = read(bytes.to_vec().into());
    let Ok(instance) = Instance::parse(bytes.to_vec()) else {
        return;
    };
    let _ = (instance.overlays(), instance.modality_lut(), instance.voi_luts());
    let pixels = u64::from(instance.head.pixels.rows) * u64::from(instance.head.pixels.columns);
    if pixels < 1 << 20 {
        for frame in 0..instance.head.frames.min(3) {
            let _ = (instance.decode_frame(frame), instance.drawn_over(frame));
        }
    }
    let _ = sort_into_series(&[instance.head.clone(), instance.head]);
});
