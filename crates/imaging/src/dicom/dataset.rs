//! A parsed data set: elements in the order of their tags, values as slices of the file they came from.

use bytes::Bytes;

use super::charset::Charset;
use super::tag::{Tag, Vr};

/// A data set: the file's own, or an item of a sequence.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct DataSet {
    pub(crate) elements: Vec<Element>,
    pub(crate) charset: Charset,
}

/// One element.
#[derive(Clone, Debug, PartialEq)]
pub struct Element {
    /// Its tag.
    pub tag: Tag,
    /// Its value representation: the file's, or the dictionary's where the file has none.
    pub vr: Vr,
    /// Its value.
    pub value: Value,
}

/// A value.
#[derive(Clone, Debug, PartialEq)]
pub enum Value {
    /// The value's bytes, little endian whatever the file's order was.
    Bytes(Bytes),
    /// Items of a sequence.
    Items(Vec<DataSet>),
    /// Encapsulated pixel data without the first item, the Basic Offset Table, which is kept beside them.
    Fragments {
        /// Offsets of frames, from the first fragment's item tag; may be empty.
        offsets: Vec<u32>,
        /// The coded pieces. A frame may take several.
        fragments: Vec<Bytes>,
    },
}

impl DataSet {
    /// All elements, by ascending tag.
    pub fn elements(&self) -> &[Element] {
        &self.elements
    }

    /// How its text is coded.
    pub fn charset(&self) -> Charset {
        self.charset
    }

    /// An element.
    pub fn get(&self, tag: impl Into<Tag>) -> Option<&Element> {
        let tag = tag.into();
        let at = self
            .elements
            .binary_search_by_key(&tag, |element| element.tag);
        at.ok().map(|at| &self.elements[at])
    }

    /// A value's bytes; `None` for sequences and encapsulated data.
    pub fn bytes(&self, tag: impl Into<Tag>) -> Option<&Bytes> {
        match &self.get(tag)?.value {
            Value::Bytes(bytes) => Some(bytes),
            _ => None,
        }
    }

    /// A value as one text, without padding; several values stay separated by `\`. `None` when empty.
    pub fn text(&self, tag: impl Into<Tag>) -> Option<String> {
        let element = self.get(tag)?;
        let text = element.text(self.charset)?;
        (!text.is_empty()).then_some(text)
    }

    /// The values of an element with text, each without padding.
    pub fn texts(&self, tag: impl Into<Tag>) -> Vec<String> {
        let text = self.text(tag).unwrap_or_default();
        if text.is_empty() {
            return Vec::new();
        }
        text.split('\\')
            .map(|part| part.trim().to_owned())
            .collect()
    }

    /// All numbers of a value of a binary or a decimal representation; what is no number is left out.
    pub fn floats(&self, tag: impl Into<Tag>) -> Vec<f64> {
        self.get(tag).map(Element::floats).unwrap_or_default()
    }

    /// The first number.
    pub fn float(&self, tag: impl Into<Tag>) -> Option<f64> {
        self.floats(tag).first().copied()
    }

    /// The first number when it is a whole one.
    pub fn int(&self, tag: impl Into<Tag>) -> Option<i64> {
        self.float(tag)
            .filter(|number| number.fract() == 0.0 && number.abs() < 9e15)
            .map(|number| number as i64)
    }

    /// The items of a sequence; empty when it is absent or no sequence.
    pub fn items(&self, tag: impl Into<Tag>) -> &[DataSet] {
        match self.get(tag).map(|element| &element.value) {
            Some(Value::Items(items)) => items,
            _ => &[],
        }
    }

    /// Puts an element in its place; one with the same tag goes.
    pub(crate) fn put(&mut self, element: Element) {
        match self
            .elements
            .binary_search_by_key(&element.tag, |other| other.tag)
        {
            Ok(at) => self.elements[at] = element,
            Err(at) => self.elements.insert(at, element),
        }
    }

    /// Takes an element out.
    pub(crate) fn remove(&mut self, tag: impl Into<Tag>) -> Option<Element> {
        let tag = tag.into();
        let at = self
            .elements
            .binary_search_by_key(&tag, |element| element.tag)
            .ok()?;
        Some(self.elements.remove(at))
    }
}

impl Element {
    /// An element of bytes, filled up to an even length.
    pub(crate) fn of_bytes(tag: impl Into<Tag>, vr: Vr, bytes: impl Into<Vec<u8>>) -> Self {
        let mut bytes = bytes.into();
        if bytes.len() % 2 == 1 {
            bytes.push(vr.padding());
        }
        Element {
            tag: tag.into(),
            vr,
            value: Value::Bytes(bytes.into()),
        }
    }

    /// An element with items.
    pub(crate) fn of_items(tag: impl Into<Tag>, items: Vec<DataSet>) -> Self {
        Element {
            tag: tag.into(),
            vr: Vr::SQ,
            value: Value::Items(items),
        }
    }

    /// The value as text without padding, when its representation is text or unknown.
    pub fn text(&self, charset: Charset) -> Option<String> {
        let Value::Bytes(bytes) = &self.value else {
            return None;
        };
        let text = if self.vr.has_charset() {
            charset.decode(bytes)
        } else if self.vr.is_text() || self.vr == Vr::UN {
            Charset::default().decode(bytes)
        } else {
            return None;
        };
        Some(text.trim_matches(['\0', ' ', '\r', '\n', '\t']).to_owned())
    }

    /// All numbers of the value.
    pub fn floats(&self) -> Vec<f64> {
        let Value::Bytes(bytes) = &self.value else {
            return Vec::new();
        };
        macro_rules! each {
            ($kind:ty) => {
                bytes
                    .chunks_exact(size_of::<$kind>())
                    .filter_map(|chunk| chunk.try_into().ok())
                    .map(|chunk| <$kind>::from_le_bytes(chunk) as f64)
                    .collect()
            };
        }
        match &self.vr.0 {
            b"US" | b"OW" | b"AT" => each!(u16),
            b"SS" => each!(i16),
            b"UL" | b"OL" => each!(u32),
            b"SL" => each!(i32),
            b"UV" | b"OV" => each!(u64),
            b"SV" => each!(i64),
            b"FL" | b"OF" => each!(f32),
            b"FD" | b"OD" => each!(f64),
            _ => self
                .text(Charset::default())
                .unwrap_or_default()
                .split('\\')
                .filter_map(|part| part.trim().parse::<f64>().ok())
                .filter(|number| number.is_finite())
                .collect(),
        }
    }
}
