//! The table per transfer syntax in `docs/imaging.md`, made from what the test has just found.

use std::collections::BTreeMap;
use std::path::PathBuf;

use healthsync_imaging::dicom::TransferSyntax;

use super::reference::{Reference, all};

/// Set to have the table written anew: `cargo xtask imaging table`.
const WRITE: &str = "HEALTHSYNC_WRITE_TABLE";
const BEGIN: &str = "<!-- table: cargo xtask imaging table -->\n";
const END: &str = "<!-- end of table -->\n";

/// What became of a file; all as it should be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Outcome {
    Equal,
    Near,
    Opened,
    Refused,
}

/// Compares the documentation's table with what was found, or writes it.
pub(crate) fn check(found: &[(&Reference, Outcome)]) {
    let path = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../../docs/imaging.md");
    let text = std::fs::read_to_string(&path).expect("the documentation");
    let (before, rest) = text.split_once(BEGIN).expect("a place for the table");
    let (table, after) = rest.split_once(END).expect("an end of the table");
    if found.len() < all().len() {
        eprintln!("skipped: the documentation's table, for which some packages are missing");
    } else if std::env::var_os(WRITE).is_some() {
        let whole = [before, BEGIN, &render(found), END, after].concat();
        std::fs::write(&path, whole).expect("the documentation can be written");
    } else {
        assert_eq!(
            table,
            render(found),
            "`cargo xtask imaging table` writes it anew"
        );
    }
}

fn render(found: &[(&Reference, Outcome)]) -> String {
    let mut lines: BTreeMap<&str, ([usize; 4], u32)> = BTreeMap::new();
    for (file, outcome) in found {
        let (counts, frames) = lines.entry(file.syntax).or_default();
        counts[*outcome as usize] += 1;
        *frames += file.size[2];
    }
    let mut out = String::from(
        "| Transfer syntax | UID | files | frames | pixels equal | within 3 steps | opens, no reference | rightly refused |\n| --- | --- | --- | --- | --- | --- | --- | --- |\n",
    );
    let mut totals = ([0; 4], 0);
    for (uid, (counts, frames)) in lines {
        let name = TransferSyntax::of(uid).map_or("(none stated)", |syntax| syntax.name);
        out += &line(name, uid, counts, frames);
        (0..4).for_each(|at| totals.0[at] += counts[at]);
        totals.1 += frames;
    }
    out + &line("all", "", totals.0, totals.1)
}

fn line(name: &str, uid: &str, counts: [usize; 4], frames: u32) -> String {
    let files: usize = counts.iter().sum();
    let [equal, near, opened, refused] = counts;
    format!("| {name} | {uid} | {files} | {frames} | {equal} | {near} | {opened} | {refused} |\n")
}
