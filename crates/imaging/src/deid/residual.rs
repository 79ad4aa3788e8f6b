//! The last gate: after cleaning, nothing that an identifying value said may be left anywhere in the output's bytes.
//!
//! Values are collected while they are taken out, names also in parts and dates also as people write them. Kept text
//! that says one of them again goes too. Then the written file, all of it but its pixels, is searched for each value as
//! UTF-8 and in the bytes that the original had, in any case of letters and as a whole word.

use std::collections::{BTreeMap, BTreeSet};

use aho_corasick::{AhoCorasick, MatchKind};
use bytes::Bytes;

use super::profile::Action;
use crate::dicom::{DataSet, Tag, Value, Vr};

/// How sure it is that a value identifies.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Rank {
    /// A maker's private text or a coded word, most of which say nothing of the patient: searched unless kept
    /// elements say the same.
    Private,
    /// Free text of an element that the profile removes.
    Description,
    /// A name, a number, a date, a UID.
    Identity,
}

/// A value that was taken out.
#[derive(Clone, Debug)]
pub(super) struct Found {
    pub(super) tag: Tag,
    pub(super) vr: Vr,
    pub(super) rank: Rank,
    pub(super) text: String,
    pub(super) raw: Bytes,
}

/// Something to search for.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Word {
    bytes: Vec<u8>,
    tag: Tag,
    rank: Rank,
    /// A part of a name, which may be an everyday word.
    part: bool,
}

/// The shortest word that is searched for.
const SHORTEST: usize = 4;

/// What the search has to say.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Residue {
    /// Tags whose value is found again in the output.
    pub hits: BTreeSet<Tag>,
    /// Tags with values that were not searched for: too short, or the same as a coded value that stays.
    pub skipped: BTreeSet<Tag>,
    /// How many different values were searched for.
    pub searched: usize,
}

pub(super) struct Search {
    words: Vec<Word>,
    residue: Residue,
}

impl Search {
    /// From what was taken out; `made` are the values put in their place, `names` those of the file and its folder.
    pub(super) fn new(found: &[Found], made: &BTreeSet<String>, names: &[String]) -> Self {
        let mut search = Search {
            words: Vec::new(),
            residue: Residue::default(),
        };
        let mut words = BTreeSet::new();
        for one in found {
            for (text, part) in spellings(one) {
                let text = text.trim();
                if made.contains(text) || text.starts_with("1.2.840.10008.") {
                    continue;
                }
                if is_too_common(text) {
                    search.residue.skipped.insert(one.tag);
                    continue;
                }
                words.insert((
                    text.as_bytes().to_ascii_lowercase(),
                    one.tag,
                    one.rank,
                    part,
                ));
            }
            let raw = trimmed(&one.raw);
            if one.vr.has_charset() && !raw.is_ascii() && raw.len() >= SHORTEST {
                words.insert((raw.to_ascii_lowercase(), one.tag, one.rank, false));
            }
        }
        for name in names {
            let stem = name
                .rsplit_once('.')
                .map_or(name.as_str(), |(stem, _)| stem);
            // People write names and numbers between such marks.
            let parts = stem.split(['/', '\\', '_', '-', '^', '.', ' ']);
            for part in parts.chain([stem]) {
                if !is_too_common(part) {
                    words.insert((
                        part.as_bytes().to_ascii_lowercase(),
                        Tag(0, 0),
                        Rank::Private,
                        false,
                    ));
                }
            }
        }
        // One word once, in its highest rank.
        let mut best: BTreeMap<Vec<u8>, Word> = BTreeMap::new();
        for (bytes, tag, rank, part) in words {
            let word = Word {
                bytes: bytes.clone(),
                tag,
                rank,
                part,
            };
            match best.get(&bytes) {
                Some(other) if other.rank > rank || (other.rank == rank && !other.part) => {}
                _ => {
                    best.insert(bytes, word);
                }
            }
        }
        search.words = best.into_values().collect();
        search
    }

    /// Takes kept text out that says an identifying value again, and notes what is too common to search for.
    pub(super) fn sweep(
        &mut self,
        set: &mut DataSet,
        actions: &mut BTreeMap<(Tag, Action), u32>,
    ) -> Result<(), String> {
        let automaton = self.automaton()?;
        let mut common = BTreeSet::new();
        sweep(set, &automaton, &self.words, &mut common, actions);
        for index in common.iter().rev() {
            let word = self.words.remove(*index);
            self.residue.skipped.insert(word.tag);
        }
        Ok(())
    }

    /// Passes over words of makers and of file names that stand in what this program writes itself.
    pub(super) fn pass_over(&mut self, own: &[u8]) -> Result<(), String> {
        let automaton = self.automaton()?;
        let common: BTreeSet<usize> = matches(&automaton, own)
            .filter(|index| self.words[*index].rank == Rank::Private)
            .collect();
        for index in common.iter().rev() {
            let word = self.words.remove(*index);
            self.residue.skipped.insert(word.tag);
        }
        Ok(())
    }

    /// Searches the written header.
    pub(super) fn search(mut self, header: &[u8]) -> Result<Residue, String> {
        self.residue.searched = self.words.len();
        let automaton = self.automaton()?;
        for index in matches(&automaton, header) {
            self.residue.hits.insert(self.words[index].tag);
        }
        Ok(self.residue)
    }

    fn automaton(&self) -> Result<AhoCorasick, String> {
        AhoCorasick::builder()
            .ascii_case_insensitive(true)
            .match_kind(MatchKind::Standard)
            .build(self.words.iter().map(|word| &word.bytes))
            .map_err(|error| format!("the search for what is left could not be made: {error}"))
    }
}

/// Which words stand in `text` as whole words.
fn matches<'a>(automaton: &'a AhoCorasick, text: &'a [u8]) -> impl Iterator<Item = usize> + 'a {
    let inside = |at: Option<usize>| {
        at.and_then(|at| text.get(at))
            .is_some_and(|byte| byte.is_ascii_alphanumeric())
    };
    automaton
        .find_overlapping_iter(text)
        .filter_map(move |found| {
            let before = inside(found.start().checked_sub(1));
            let after = inside(Some(found.end()));
            // `0.123456` does not say 123456, nor does 1.2.123456.3.
            let numeric = text[found.start()..found.end()]
                .iter()
                .all(u8::is_ascii_digit);
            let point = |at: Option<usize>| at.and_then(|at| text.get(at)) == Some(&b'.');
            let in_number =
                numeric && (point(found.start().checked_sub(1)) || point(Some(found.end())));
            (!before && !after && !in_number).then(|| found.pattern().as_usize())
        })
}

fn sweep(
    set: &mut DataSet,
    automaton: &AhoCorasick,
    words: &[Word],
    common: &mut BTreeSet<usize>,
    actions: &mut BTreeMap<(Tag, Action), u32>,
) {
    let charset = set.charset();
    set.elements.retain_mut(|element| {
        if let Value::Items(items) = &mut element.value {
            items
                .iter_mut()
                .for_each(|item| sweep(item, automaton, words, common, actions));
            return true;
        }
        let Some(text) = element.text(charset).filter(|text| !text.is_empty()) else {
            return true;
        };
        let free = element.vr.has_charset() || element.vr == Vr::UR;
        let mut keep = true;
        for index in matches(automaton, text.as_bytes()) {
            let word = &words[index];
            match word.rank {
                Rank::Identity if free || !word.part => keep = false,
                Rank::Description if free => keep = false,
                _ => {
                    common.insert(index);
                }
            }
        }
        if !keep {
            *actions.entry((element.tag, Action::X)).or_default() += 1;
        }
        keep
    });
}

/// Words that stand in the place of a name and are none.
const NO_NAMES: [&str; 8] = [
    "anonymous",
    "anonymized",
    "anonymised",
    "unknown",
    "patient",
    "phantom",
    "test",
    "removed",
];
/// The longest text that somebody would write again.
const LONGEST: usize = 200;

/// What a person must not say again of what was taken out, each with its tag: names, dates, and what has a number in it.
/// Histories, occupations and the like are words as any caption has them.
pub(super) fn said(found: &Found) -> Vec<(String, Tag)> {
    let named = matches!(&found.vr.0, b"PN" | b"DA" | b"DT") || found.tag == PATIENT_ID;
    let numbered = matches!(&found.vr.0, b"LO" | b"SH")
        && found.text.bytes().any(|byte| byte.is_ascii_digit());
    if found.rank != Rank::Identity || !(named || numbered) {
        return Vec::new();
    }
    let counts = |text: &str, part: bool| {
        let length = text.chars().count();
        let number = text.bytes().all(|byte| byte.is_ascii_digit());
        // Short numbers are counts of images, and of everything; a patient's are known by theirs.
        let least = if part || (number && found.tag == PATIENT_ID) {
            3
        } else {
            SHORTEST
        };
        (least..=LONGEST).contains(&length) && !NO_NAMES.contains(&text.to_lowercase().as_str())
    };
    spellings(found)
        .into_iter()
        .map(|(text, part)| (text.trim().to_owned(), part))
        .filter(|(text, part)| counts(text, *part))
        .map(|(text, _)| (text, found.tag))
        .collect()
}

const PATIENT_ID: Tag = Tag(0x0010, 0x0020);

/// A value and how else it may be written; `true` for parts of names.
fn spellings(found: &Found) -> Vec<(String, bool)> {
    let mut all = Vec::new();
    for value in found.text.split('\\') {
        match &found.vr.0 {
            b"PN" => {
                all.push((value.to_owned(), false));
                let parts = value
                    .split(['^', '=', ' ', ',', '.'])
                    .filter(|part| !part.is_empty());
                all.extend(parts.map(|part| (part.to_owned(), true)));
                let names: Vec<&str> = value
                    .split('=')
                    .next()
                    .unwrap_or_default()
                    .split('^')
                    .collect();
                if let [family, given, ..] = names.as_slice() {
                    all.push((format!("{given} {family}"), false));
                    all.push((format!("{family}, {given}"), false));
                    all.push((format!("{family} {given}"), false));
                }
            }
            b"DA" | b"DT" => {
                let digits: String = value.chars().filter(char::is_ascii_digit).take(8).collect();
                if let (8, true) = (digits.len(), digits != "00000000") {
                    let (year, month, day) = (&digits[..4], &digits[4..6], &digits[6..8]);
                    all.push((digits.clone(), false));
                    for form in [
                        format!("{year}-{month}-{day}"),
                        format!("{year}.{month}.{day}"),
                        format!("{year}/{month}/{day}"),
                        format!("{day}.{month}.{year}"),
                        format!("{day}/{month}/{year}"),
                        format!("{month}/{day}/{year}"),
                        format!("{day}-{month}-{year}"),
                    ] {
                        all.push((form, false));
                    }
                }
                all.push((value.to_owned(), false));
            }
            // Binary, as makers write it: what in it could be read.
            b"UN" => {
                let runs = value.split(|letter: char| letter.is_control() || !letter.is_ascii());
                all.extend(
                    runs.map(str::trim)
                        .filter(|run| run.len() >= 6)
                        .map(|run| (run.to_owned(), false)),
                );
            }
            // Times of day, ages and measures are in every file.
            b"TM" | b"AS" | b"DS" | b"IS" => {}
            _ => {
                all.push((value.to_owned(), false));
                if found.rank == Rank::Identity {
                    let parts = value
                        .split([',', ';', '\n', '\r', '^'])
                        .map(str::trim)
                        .filter(|part| part.len() >= 6);
                    all.extend(parts.map(|part| (part.to_owned(), false)));
                }
            }
        }
    }
    all
}

/// Too short, or a number as any file has.
fn is_too_common(text: &str) -> bool {
    let numeric = text
        .bytes()
        .all(|byte| byte.is_ascii_digit() || matches!(byte, b'.' | b'-' | b'+' | b' '));
    text.chars().count() < SHORTEST
        || (numeric && text.bytes().filter(u8::is_ascii_digit).count() < 6)
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    let end = bytes
        .iter()
        .rposition(|byte| !matches!(byte, 0 | b' '))
        .map_or(0, |at| at + 1);
    &bytes[..end]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::Element;

    fn found(vr: Vr, rank: Rank, text: &str) -> Found {
        Found {
            tag: Tag(0x0010, 0x0010),
            vr,
            rank,
            text: text.to_owned(),
            raw: Bytes::copy_from_slice(text.as_bytes()),
        }
    }

    #[test]
    fn names_are_found_in_parts_and_dates_as_people_write_them() {
        let values = [
            found(Vr::PN, Rank::Identity, "Miller^Jane"),
            found(Vr::DA, Rank::Identity, "20040119"),
        ];
        let hits = |text: &str| {
            Search::new(&values, &BTreeSet::new(), &[])
                .search(text.as_bytes())
                .expect("searches")
                .hits
                .len()
        };
        assert_eq!(hits("seen by MILLER today"), 1);
        assert_eq!(hits("jane miller"), 1);
        assert_eq!(hits("on 19.01.2004 and 2004-01-19"), 1);
        assert_eq!(hits("Millerton, 120040119, 1.20040119.3"), 0);
    }

    #[test]
    fn what_a_caption_must_not_say_is_known_in_parts_and_everyday_words_are_not() {
        let told = |vr, tag, text: &str| -> Vec<String> {
            let mut found = found(vr, Rank::Identity, text);
            found.tag = tag;
            said(&found).into_iter().map(|(text, _)| text).collect()
        };
        let name = Tag(0x0010, 0x0010);
        let parts = told(Vr::PN, name, "Doe^Jane^^Dr");
        for text in ["Doe", "Jane", "Jane Doe", "Doe, Jane"] {
            assert!(parts.contains(&text.to_owned()), "{parts:?}");
        }
        assert!(!parts.contains(&"Dr".to_owned()));
        assert!(told(Vr::PN, name, "Anonymous").is_empty());
        assert_eq!(told(Vr::LO, Tag(0x0010, 0x0020), "123"), ["123"]);
        assert!(told(Vr::LO, Tag(0x0010, 0x0020), "12").is_empty());
        assert!(told(Vr::SH, Tag(0x0020, 0x0010), "100").is_empty());
        assert!(told(Vr::DA, name, "20040119").contains(&"19.01.2004".to_owned()));
        assert!(told(Vr::UI, name, "1.2.3.4.5").is_empty());
        assert!(told(Vr::SH, Tag(0x0010, 0x2160), "White").is_empty());
    }

    #[test]
    fn names_of_files_and_folders_are_searched_for_in_parts() {
        let names = ["MILLER^JANE".to_owned(), "CT_4711882.dcm".to_owned()];
        let hits = |text: &str| {
            Search::new(&[], &BTreeSet::new(), &names)
                .search(text.as_bytes())
                .expect("searches")
                .hits
                .len()
        };
        assert_eq!(hits("jane"), 1);
        assert_eq!(hits("no. 4711882"), 1);
        assert_eq!(hits("a CT of 2 images"), 0);
    }

    #[test]
    fn kept_text_that_says_it_again_goes() {
        let mut set = DataSet::default();
        set.put(Element::of_bytes(
            Tag(0x0008, 0x0070),
            Vr::LO,
            "Maker for MILLER",
        ));
        set.put(Element::of_bytes(Tag(0x0018, 0x0015), Vr::CS, "CHEST"));
        let values = [
            found(Vr::PN, Rank::Identity, "Miller^Jane"),
            found(Vr::LO, Rank::Description, "chest"),
        ];
        let mut search = Search::new(&values, &BTreeSet::new(), &[]);
        let mut actions = BTreeMap::new();
        search.sweep(&mut set, &mut actions).expect("sweeps");
        assert_eq!(set.elements().len(), 1);
        assert_eq!(actions.len(), 1);
        // A coded word that stays is not searched for.
        assert!(search.search(b"CHEST").expect("searches").hits.is_empty());
    }
}
