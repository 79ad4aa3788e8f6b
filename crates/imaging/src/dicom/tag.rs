//! Tags and value representations (PS3.5 sections 6.2 and 7.1), and what the data dictionary (PS3.6) says of a tag.

use std::fmt;

use dicom_core::dictionary::{DataDictionary as _, DataDictionaryEntry as _, VirtualVr};
use dicom_dictionary_std::StandardDataDictionary;
use serde::{Deserialize, Serialize};

/// A tag: group and element.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
pub struct Tag(pub u16, pub u16);

impl Tag {
    /// Private groups are odd (PS3.5 section 7.8).
    pub fn is_private(self) -> bool {
        self.0 % 2 == 1
    }

    /// `(gggg,0000)`, retired except in command and file meta groups.
    pub fn is_group_length(self) -> bool {
        self.1 == 0
    }

    /// The keyword of PS3.6, for instance `PatientName`; `None` for private and unknown tags.
    pub fn keyword(self) -> Option<&'static str> {
        if self.is_private() {
            return None;
        }
        StandardDataDictionary
            .by_tag(dicom_core::Tag(self.0, self.1))
            .map(|entry| entry.alias())
    }

    /// The value representation of PS3.6. Numbers of pixels are `signed` as these are; other choices fall on words.
    pub(crate) fn dictionary_vr(self, signed: bool) -> Option<Vr> {
        if self.is_group_length() {
            return Some(Vr::UL);
        }
        if self.is_private() {
            // (gggg,0010-00FF) reserve a block and name its owner.
            return (0x10..=0xFF).contains(&self.1).then_some(Vr::LO);
        }
        let entry = StandardDataDictionary.by_tag(dicom_core::Tag(self.0, self.1))?;
        Some(match entry.vr() {
            VirtualVr::Exact(vr) => Vr(vr.to_bytes()),
            VirtualVr::Xs if signed => Vr::SS,
            VirtualVr::Xs => Vr::US,
            _ => Vr::OW,
        })
    }
}

/// The tag of a keyword.
pub(crate) fn dictionary_tag(keyword: &str) -> Option<Tag> {
    StandardDataDictionary
        .by_name(keyword)
        .map(|entry| entry.tag_range().inner().into())
}

impl From<dicom_core::Tag> for Tag {
    fn from(tag: dicom_core::Tag) -> Self {
        Tag(tag.0, tag.1)
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "({:04X},{:04X})", self.0, self.1)
    }
}

impl fmt::Debug for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{self}")?;
        self.keyword().map_or(Ok(()), |word| write!(f, " {word}"))
    }
}

/// A value representation: two capital letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Vr(pub [u8; 2]);

macro_rules! names {
    ($($name:ident)*) => {
        $(#[doc(hidden)] pub const $name: Vr = {
            let name = stringify!($name).as_bytes();
            Vr([name[0], name[1]])
        };)*
    };
}

impl Vr {
    names! { AE AS AT CS DA DS DT FD FL IS LO LT OB OD OF OL OV OW PN SH SL SQ SS ST SV TM UC UI UL UN UR US UT UV }

    /// Whether it is one of PS3.5 table 6.2-1, and not unknown.
    pub(crate) fn is_known(self) -> bool {
        self.is_text()
            || matches!(
                &self.0,
                b"AT"
                    | b"FL"
                    | b"FD"
                    | b"OB"
                    | b"OD"
                    | b"OF"
                    | b"OL"
                    | b"OV"
                    | b"OW"
                    | b"SL"
                    | b"SQ"
                    | b"SS"
                    | b"SV"
                    | b"UL"
                    | b"US"
                    | b"UV"
            )
    }

    /// Whether its explicit form has a length of 32 bits (PS3.5 section 7.1.2).
    pub(crate) fn is_long(self) -> bool {
        matches!(
            &self.0,
            b"OB"
                | b"OD"
                | b"OF"
                | b"OL"
                | b"OV"
                | b"OW"
                | b"SQ"
                | b"SV"
                | b"UC"
                | b"UN"
                | b"UR"
                | b"UT"
                | b"UV"
        )
    }

    /// Whether the value is text.
    pub fn is_text(self) -> bool {
        matches!(
            &self.0,
            b"AE"
                | b"AS"
                | b"CS"
                | b"DA"
                | b"DS"
                | b"DT"
                | b"IS"
                | b"LO"
                | b"LT"
                | b"PN"
                | b"SH"
                | b"ST"
                | b"TM"
                | b"UC"
                | b"UI"
                | b"UR"
                | b"UT"
        )
    }

    /// Whether SpecificCharacterSet (0008,0005) says how its text is coded.
    pub(crate) fn has_charset(self) -> bool {
        matches!(
            &self.0,
            b"LO" | b"LT" | b"PN" | b"SH" | b"ST" | b"UC" | b"UT"
        )
    }

    /// Bytes that change places between the byte orders; 1 where order means nothing.
    pub(crate) fn word(self) -> usize {
        match &self.0 {
            b"AT" | b"OW" | b"SS" | b"US" => 2,
            b"FL" | b"OF" | b"OL" | b"SL" | b"UL" => 4,
            b"FD" | b"OD" | b"OV" | b"SV" | b"UV" => 8,
            _ => 1,
        }
    }

    /// What fills a value of odd length up.
    pub(crate) fn padding(self) -> u8 {
        if self.is_text() && self != Vr::UI {
            b' '
        } else {
            0
        }
    }
}

impl fmt::Display for Vr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(std::str::from_utf8(&self.0).unwrap_or("??"))
    }
}

impl fmt::Debug for Vr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}
