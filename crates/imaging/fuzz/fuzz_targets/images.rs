//! TIFF and NIfTI: opened, or refused; what is cleaned is clean, and shows the same picture.
#![no_main]

mod own;

use healthsync_imaging::{Kind, clean_image, kind_of, open};
use libfuzzer_sys::fuzz_target;

fn samples(bytes: &[u8]) -> Option<Vec<Vec<u8>>> {
    let instance = std::panic::catch_unwind(|| open(bytes.to_vec()).ok()).ok()??;
    (0..instance.head.frames.min(4))
        .map(|frame| instance.stored_frame(frame).ok())
        .collect()
}

fuzz_target!(init: own::panics_count(), |bytes: &[u8]| {
    if !matches!(kind_of(bytes), Some(Kind::Tiff | Kind::Nifti)) {
        return;
    }
    let before = samples(bytes);
    let Ok(cleaned) = clean_image(bytes) else {
        return;
    };
    let again = clean_image(&cleaned.bytes).map(|again| again.bytes);
    assert_eq!(again.as_ref(), Ok(&cleaned.bytes));
    if before.is_some() {
        assert_eq!(samples(&cleaned.bytes), before);
    }
});
