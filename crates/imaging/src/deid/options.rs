//! What a person may choose, and the key of a run.

use serde::{Deserialize, Serialize};

/// Choices. The default is the Basic Profile without any option.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Options {
    /// Retain UIDs (113110).
    pub retain_uids: bool,
    /// Retain Patient Characteristics (113108): sex, age, size, weight, ethnic group, smoking, pregnancy.
    pub retain_patient: bool,
    /// Retain Device Identity (113109).
    pub retain_device: bool,
    /// Retain Institution Identity (113112).
    pub retain_institution: bool,
    /// What happens to dates and times.
    pub dates: Dates,
    /// A person has looked at the pixels: those that the rules want looked at are then not refused.
    pub reviewed: bool,
    /// Uncompressed grey frames become high-throughput JPEG 2000 where that is smaller: without loss, and compared.
    #[serde(default)]
    pub compress: bool,
    /// Boxes to paint over in every frame of every file, beside those of the device rules.
    pub masks: Vec<Mask>,
    /// Areas to paint over likewise, by the outline that a person drew around them.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub outlines: Vec<Outline>,
}

/// Dates and times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum Dates {
    /// As the profile says: gone, emptied, or a dummy.
    #[default]
    Remove,
    /// Moved by this number of days, the same for the whole study (113107). What is no date is removed.
    Shift(i32),
    /// Kept (113106).
    Keep,
}

/// A box in pixels of the stored image: left, top, right, bottom, the last two exclusive.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Mask(pub [u32; 4]);

/// Corners of an outline, column and row in pixels of the stored image. It is closed by itself.
#[derive(Clone, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Outline(pub Vec<[u32; 2]>);

impl std::str::FromStr for Mask {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let wrong = || {
            format!(
                "a box is left,top,right,bottom in pixels, for instance 0,0,640,40; this is `{text}`"
            )
        };
        let numbers: Result<Vec<u32>, _> =
            text.split(',').map(|part| part.trim().parse()).collect();
        let [left, top, right, bottom] =
            <[u32; 4]>::try_from(numbers.map_err(|_| wrong())?).map_err(|_| wrong())?;
        if left < right && top < bottom {
            Ok(Mask([left, top, right, bottom]))
        } else {
            Err(wrong())
        }
    }
}

/// The secret of one study's run: equal UIDs become equal ones, and nobody without it can tell which they were. Keep it
/// to clean more of the same study later; throw it away to make the link unrecoverable.
#[derive(Clone)]
pub struct StudyKey(pub [u8; 32]);

impl std::fmt::Debug for StudyKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("StudyKey(…)")
    }
}
