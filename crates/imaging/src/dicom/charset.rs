//! SpecificCharacterSet (PS3.3 C.12.1.1.2, PS3.5 section 6.1): bytes of a text value to text.

use encoding_rs::{
    EUC_JP, EUC_KR, Encoding, GB18030, GBK, ISO_8859_2, ISO_8859_3, ISO_8859_4, ISO_8859_5,
    ISO_8859_6, ISO_8859_7, ISO_8859_8, ISO_8859_15, SHIFT_JIS, UTF_8, WINDOWS_874, WINDOWS_1254,
};

const ESCAPE: u8 = 0x1B;

#[derive(Clone, Copy, Debug, PartialEq)]
enum Coding {
    /// ASCII and, because files say nothing and mean it, ISO 8859-1.
    Latin1,
    /// One encoding for bytes below and above 128.
    One(&'static Encoding),
    /// JIS X 0208 in pairs of 7 bits.
    Kanji,
    /// JIS X 0212 in pairs of 7 bits.
    SupplementaryKanji,
}

/// How the text of one data set is coded.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Charset {
    first: Coding,
    /// More than one value, or an ISO 2022 term: escape sequences switch.
    escapes: bool,
    known: bool,
}

impl Default for Charset {
    fn default() -> Self {
        Charset {
            first: Coding::Latin1,
            escapes: true,
            known: true,
        }
    }
}

impl Charset {
    /// From the value of SpecificCharacterSet. An unknown term reads as ISO 8859-1, which keeps every byte.
    pub fn from_value(value: &[u8]) -> Self {
        let text = String::from_utf8_lossy(value);
        let mut terms = text.split('\\').map(|term| term.trim_matches([' ', '\0']));
        let first = terms.next().unwrap_or_default();
        let coding = self::coding(first);
        Charset {
            first: coding.unwrap_or(Coding::Latin1),
            escapes: !matches!(first, "ISO_IR 192" | "GB18030" | "GBK"),
            known: coding.is_some() && terms.all(|term| self::coding(term).is_some()),
        }
    }

    /// Whether every term is one of the standard.
    pub fn is_known(&self) -> bool {
        self.known
    }

    /// A value as text; what cannot be decoded becomes U+FFFD.
    pub fn decode(&self, bytes: &[u8]) -> String {
        if bytes.is_ascii() && !bytes.contains(&ESCAPE) && self.first != Coding::Kanji {
            return String::from_utf8_lossy(bytes).into_owned();
        }
        if !self.escapes || !bytes.contains(&ESCAPE) {
            return part(self.first, bytes);
        }
        let mut out = String::new();
        let mut coding = self.first;
        let mut rest = bytes;
        while !rest.is_empty() {
            if let Some((next, length)) = designation(rest) {
                coding = next;
                rest = &rest[length..];
                continue;
            }
            // The escape itself, when it is none that is known, is passed over.
            let skip = usize::from(rest[0] == ESCAPE);
            let end = rest[skip..]
                .iter()
                .position(|byte| *byte == ESCAPE)
                .map_or(rest.len(), |at| at + skip);
            out.push_str(&part(coding, &rest[skip..end]));
            rest = &rest[end..];
        }
        out
    }
}

/// The defined terms of PS3.3 tables C.12-2 to C.12-5, and the spellings that occur.
fn coding(term: &str) -> Option<Coding> {
    let term = term
        .replace("ISO 2022 IR", "ISO_IR")
        .replace("ISO-IR", "ISO_IR")
        .replace("ISO IR", "ISO_IR");
    Some(match term.as_str() {
        "" | "ISO_IR 6" | "ISO_IR 100" => Coding::Latin1,
        "ISO_IR 101" => Coding::One(ISO_8859_2),
        "ISO_IR 109" => Coding::One(ISO_8859_3),
        "ISO_IR 110" => Coding::One(ISO_8859_4),
        "ISO_IR 144" => Coding::One(ISO_8859_5),
        "ISO_IR 127" => Coding::One(ISO_8859_6),
        "ISO_IR 126" => Coding::One(ISO_8859_7),
        "ISO_IR 138" => Coding::One(ISO_8859_8),
        "ISO_IR 148" => Coding::One(WINDOWS_1254),
        "ISO_IR 203" => Coding::One(ISO_8859_15),
        "ISO_IR 166" => Coding::One(WINDOWS_874),
        "ISO_IR 13" => Coding::One(SHIFT_JIS),
        "ISO_IR 87" => Coding::Kanji,
        "ISO_IR 159" => Coding::SupplementaryKanji,
        "ISO_IR 149" => Coding::One(EUC_KR),
        "ISO_IR 58" => Coding::One(GBK),
        "ISO_IR 192" => Coding::One(UTF_8),
        "GB18030" => Coding::One(GB18030),
        "GBK" => Coding::One(GBK),
        _ => return None,
    })
}

/// The escape sequence at the start of `bytes`, and its length.
fn designation(bytes: &[u8]) -> Option<(Coding, usize)> {
    let after = bytes.strip_prefix(&[ESCAPE])?;
    let (coding, length) = match after {
        [b'$', b'(', b'D', ..] => (Coding::SupplementaryKanji, 3),
        [b'$', b')', b'C', ..] => (Coding::One(EUC_KR), 3),
        [b'$', b')', b'A', ..] => (Coding::One(GBK), 3),
        [b'$', b'B', ..] => (Coding::Kanji, 2),
        [b'(', b'B', ..] | [b'-', b'A', ..] => (Coding::Latin1, 2),
        [b'(', b'J', ..] | [b')', b'I', ..] => (Coding::One(SHIFT_JIS), 2),
        [b'-', set, ..] => {
            let term = match set {
                b'B' => "101",
                b'C' => "109",
                b'D' => "110",
                b'L' => "144",
                b'G' => "127",
                b'F' => "126",
                b'H' => "138",
                b'M' => "148",
                b'b' => "203",
                b'T' => "166",
                _ => return None,
            };
            (self::coding(&format!("ISO_IR {term}"))?, 2)
        }
        _ => return None,
    };
    Some((coding, length + 1))
}

fn part(coding: Coding, bytes: &[u8]) -> String {
    match coding {
        Coding::Latin1 => encoding_rs::mem::decode_latin1(bytes).into_owned(),
        Coding::One(encoding) => encoding.decode_without_bom_handling(bytes).0.into_owned(),
        Coding::Kanji => {
            let high: Vec<u8> = bytes.iter().map(|byte| byte | 0x80).collect();
            EUC_JP.decode_without_bom_handling(&high).0.into_owned()
        }
        Coding::SupplementaryKanji => {
            let high: Vec<u8> = bytes
                .chunks(2)
                .flat_map(|pair| std::iter::once(0x8F).chain(pair.iter().map(|byte| byte | 0x80)))
                .collect();
            EUC_JP.decode_without_bom_handling(&high).0.into_owned()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_standards_own_examples() {
        // PS3.5 annexes H, I, J, K.
        let japanese = Charset::from_value(b"\\ISO 2022 IR 87");
        assert_eq!(
            japanese.decode(b"Yamada^Tarou=\x1b$B;3ED\x1b(B^\x1b$BB@O:\x1b(B"),
            "Yamada^Tarou=山田^太郎"
        );
        let korean = Charset::from_value(b"\\ISO 2022 IR 149");
        assert_eq!(
            korean.decode(b"Hong^Gildong=\x1b$)C\xfb\xf3^\x1b$)C\xd1\xce\xd4\xd7"),
            "Hong^Gildong=洪^吉洞"
        );
        let utf8 = Charset::from_value(b"ISO_IR 192");
        assert_eq!(utf8.decode("王^小東".as_bytes()), "王^小東");
        let gb = Charset::from_value(b"GB18030");
        assert_eq!(
            gb.decode(&[0xCD, 0xF5, b'^', 0xD0, 0xA1, 0xB6, 0xAB]),
            "王^小东"
        );
    }

    #[test]
    fn an_unknown_term_keeps_every_byte() {
        let unknown = Charset::from_value(b"KLINGON 1");
        assert!(!unknown.is_known());
        assert_eq!(unknown.decode(b"a\xe9"), "aé");
        assert_eq!(unknown.decode(b"\x1bX\x1b"), "X");
    }
}
