//! The files of this folder, whole and with flipped bits, for the tests of each format.

use std::path::Path;

/// Name, bytes, kind of expectation and what is expected of every file with this ending.
pub(crate) fn files(ending: &str) -> Vec<(&'static str, Vec<u8>, &'static str, &'static str)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/coded");
    include_str!("coded.tsv")
        .lines()
        .skip(1)
        .filter_map(|line| {
            let [name, expected, by] = line.split('\t').collect::<Vec<_>>().try_into().ok()?;
            let bytes = std::fs::read(folder.join(name)).expect("the file is checked in");
            name.ends_with(ending)
                .then_some((name, bytes, expected, by))
        })
        .collect()
}

/// Calls `each` with the name and the bytes of every one of these files, a hundred times with one to four bits flipped. The
/// sequence (Knuth's constants) is fixed, so that a failure is the same one in the next run.
pub(crate) fn flipped(ending: &str, mut each: impl FnMut(&str, &[u8])) {
    let mut state = 0x9E37_79B9_7F4A_7C15_u64;
    let mut next = |below: usize| {
        state = state
            .wrapping_mul(6_364_136_223_846_793_005)
            .wrapping_add(1_442_695_040_888_963_407);
        ((state >> 33) as usize) % below
    };
    for (name, bytes, _, _) in files(ending) {
        for _ in 0..100 {
            let mut broken = bytes.clone();
            for _ in 0..1 + next(4) {
                let at = next(broken.len());
                broken[at] ^= 1 << next(8);
            }
            each(name, &broken);
        }
    }
}
