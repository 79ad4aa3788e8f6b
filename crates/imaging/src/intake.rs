//! Files on their way into a room: which of them the imaging worker has to see, and what the room and the viewer say to
//! each other about those, as JSON text.

use serde::{Deserialize, Serialize};

/// Bytes from a file's start that [`is_medical`] wants to see.
pub const HEAD_BYTES: u32 = 132;

/// Whether a file is for the imaging worker: DICOM by its mark or by its first element, TIFF, NIfTI by the length of its
/// header or by the mark of gzip, an archive, or something that is called so, of which the worker then says what is wrong
/// with it. Everything else is taken for a photograph.
pub fn is_medical(head: &[u8], name: &str) -> bool {
    let marked = head.get(128..132) == Some(b"DICM")
        || head.starts_with(b"PK\x03\x04")
        || is_tiff(head)
        || head.starts_with(&[0x1F, 0x8B])
        || NIFTI_HEADERS.iter().any(|length| head.starts_with(length));
    // Files without the mark begin with an element of group 0002 or 0008.
    let bare = matches!(head, [2 | 8, 0, _, 0, ..]) && head.len() == HEAD_BYTES as usize;
    let name = name.to_ascii_lowercase();
    let called = ENDINGS.iter().any(|ending| name.ends_with(ending));
    marked || bare || (called && !is_photo(head))
}

const ENDINGS: [&str; 8] = [
    ".dcm", ".dicom", ".ima", ".zip", ".nii", ".nii.gz", ".tif", ".tiff",
];
/// Length of a header of NIfTI-1 and NIfTI-2, in both byte orders.
const NIFTI_HEADERS: [[u8; 4]; 4] = [
    348_u32.to_le_bytes(),
    348_u32.to_be_bytes(),
    540_u32.to_le_bytes(),
    540_u32.to_be_bytes(),
];

/// TIFF and BigTIFF, in both byte orders.
pub(crate) fn is_tiff(head: &[u8]) -> bool {
    [b"II*\0", b"MM\0*", b"II+\0", b"MM\0+"]
        .iter()
        .any(|magic| head.starts_with(*magic))
}

/// By the first bytes.
fn is_photo(head: &[u8]) -> bool {
    head.starts_with(b"\x89PNG")
        || head.starts_with(b"\xff\xd8\xff")
        || (head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP"))
}

/// What was found in files.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sorted {
    /// Series, in the order of their first files.
    pub series: Vec<Found>,
    /// Files that are in none.
    pub refused: Vec<crate::desk::Refused>,
}

/// One series.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// DICOM's code, `CT`; or the format of what is no DICOM.
    pub modality: String,
    /// Slices or frames.
    pub slices: u32,
    /// Columns and rows of the first.
    pub size: [u32; 2],
    /// Bytes of its files.
    pub bytes: u64,
}

/// Something that files said of a person, or of what was done to one, before they were cleaned: a caption must not say it
/// again. It stays in the page, and is neither kept nor sent.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Identifying {
    /// Where it stood, in words: "Patient Name".
    pub field: String,
    /// The value, or a part of it.
    pub text: String,
}

/// The field whose value a text says again, as whole words in any case. Names of three letters are everyday words, too:
/// they count when they begin with a capital.
pub fn repeated<'a>(text: &str, identifying: &'a [Identifying]) -> Option<&'a str> {
    let lower = text.to_lowercase();
    let inside = |letter: Option<char>| letter.is_some_and(char::is_alphanumeric);
    let says = |value: &str| {
        let value = value.to_lowercase();
        if value.chars().count() <= 3 && value.chars().all(char::is_alphabetic) {
            return text
                .split(|letter: char| !letter.is_alphanumeric())
                .any(|word| word.starts_with(char::is_uppercase) && word.to_lowercase() == value);
        }
        lower.match_indices(&value).any(|(at, _)| {
            let after = &lower[at + value.len()..];
            !inside(lower[..at].chars().next_back()) && !inside(after.chars().next())
        })
    };
    let found = identifying.iter().find(|one| says(&one.text))?;
    Some(&found.field)
}

/// What became of a series in cleaning. The cleaned files come beside it as blobs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Became {
    /// All of its files are clean.
    Clean {
        /// How many values were removed or replaced.
        removed: u32,
        /// The receipt, JSON.
        receipt: String,
        /// What the files said of people.
        #[serde(default, skip_serializing_if = "Vec::is_empty")]
        identifying: Vec<Identifying>,
    },
    /// Somebody has to look at the pixels first.
    Unseen,
    /// The person has looked, and left it at that.
    Left,
    /// Not cleaned; a sentence.
    Refused {
        /// The sentence.
        what: String,
    },
}

/// What became of a photograph. The cleaned file comes beside it as a blob.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Photographed {
    /// It is clean.
    Clean {
        /// Media type.
        mime: String,
        /// Width in pixels, as it is shown.
        width: u32,
        /// Height in pixels.
        height: u32,
        /// Kinds of data that were in it ([`crate::Removed::code`]).
        removed: Vec<String>,
        /// SHA-256 of the cleaned file, lower-case hex.
        sha256: String,
    },
    /// No photograph that can be shared; a sentence.
    Refused {
        /// The sentence.
        what: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn medical_files_are_told_from_photographs() {
        let mut marked = vec![0; 128];
        marked.extend(b"DICM");
        assert!(is_medical(&marked, "photo.png"));
        assert!(is_medical(b"PK\x03\x04", "study"));
        let mut bare = vec![8, 0, 5, 0, 10, 0, 0, 0];
        assert!(!is_medical(&bare, "IM0001"), "eight bytes are no file");
        bare.resize(132, 0);
        assert!(is_medical(&bare, "IM0001"));
        assert!(is_medical(b"", "empty.DCM"));
        assert!(is_medical(b"hello", "study.zip"));
        assert!(is_medical(b"MM\0+", "slide"));
        assert!(is_medical(&[0x1F, 0x8B, 8, 0], "brain"));
        assert!(is_medical(&[0, 0, 1, 0x5C], "brain"));
        assert!(is_medical(b"hello", "BRAIN.nii.gz") && is_medical(b"hello", "a.tiff"));
        assert!(!is_medical(b"hello", "notes.txt") && !is_medical(b"hello", "notes.gzip"));
        assert!(!is_medical(b"", "photo.jpg"));
        assert!(!is_medical(b"\x89PNG\r\n\x1a\n", "mislabelled.dcm"));
    }

    #[test]
    fn a_caption_says_a_value_again_as_whole_words_only() {
        let said: Vec<Identifying> = [
            ("Patient Name", "Müller"),
            ("Patient Name", "Lee"),
            ("Patient ID", "123"),
            ("Study Date", "19.01.2004"),
        ]
        .map(|(field, text)| Identifying {
            field: field.into(),
            text: text.into(),
        })
        .into();
        let field = |caption: &str| repeated(caption, &said);
        assert_eq!(field("Knee of Mrs MÜLLER, left"), Some("Patient Name"));
        assert_eq!(field("Lee, lung"), Some("Patient Name"));
        assert_eq!(field("No. 123"), Some("Patient ID"));
        assert_eq!(field("as on 19.01.2004"), Some("Study Date"));
        for caption in [
            "",
            "Müllerian duct",
            "in the lee of it",
            "1234 images",
            "Leeds",
        ] {
            assert_eq!(field(caption), None, "{caption}");
        }
    }

    #[test]
    fn messages_read_as_they_are_written() {
        let became = Became::Clean {
            removed: 12,
            receipt: "{}".into(),
            identifying: Vec::new(),
        };
        let text = serde_json::to_string(&became).unwrap();
        assert_eq!(text, r#"{"clean":{"removed":12,"receipt":"{}"}}"#);
        assert_eq!(serde_json::from_str::<Became>(&text).unwrap(), became);
        let sorted = Sorted {
            series: vec![Found {
                modality: "CT".into(),
                slices: 140,
                size: [512, 512],
                bytes: 73_400_320,
            }],
            refused: Vec::new(),
        };
        let text = serde_json::to_string(&sorted).unwrap();
        assert_eq!(
            text,
            r#"{"series":[{"modality":"CT","slices":140,"size":[512,512],"bytes":73400320}],"refused":[]}"#
        );
        assert_eq!(serde_json::from_str::<Sorted>(&text).unwrap(), sorted);
    }
}
