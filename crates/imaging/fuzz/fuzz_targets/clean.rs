//! De-identification of any DICOM file: what is cleaned keeps its receipt, and a second cleaning finds nothing to do to
//! the pixels.
#![no_main]

mod own;

use healthsync_imaging::deid::{Mask, Options, Refusal, Study, StudyKey};
use healthsync_imaging::dicom::Instance;
use libfuzzer_sys::fuzz_target;

fuzz_target!(init: own::panics_count(), |bytes: &[u8]| {
    if Instance::parse(bytes.to_vec()).is_ok_and(|instance| {
        let pixels = u64::from(instance.head.pixels.rows) * u64::from(instance.head.pixels.columns);
        pixels * u64::from(instance.head.frames) > 1 << 20
    }) {
        return;
    }
    let painted = bytes.len() % 2 == 1;
    let options = Options {
        reviewed: true,
        masks: if painted { vec![Mask([1, 1, 3, 3])] } else { Vec::new() },
        ..Options::default()
    };
    let mut study = Study::new(options, StudyKey([1; 32]));
    match study.clean(&[], bytes.to_vec()) {
        Ok(Some(cleaned)) => {
            let checked = study.receipt().check(&cleaned.bytes.into());
            assert!(checked.holds, "{:?}", checked.faults);
        }
        Err(Refusal::Broken(what)) => panic!("{what}"),
        _ => {}
    }
});
