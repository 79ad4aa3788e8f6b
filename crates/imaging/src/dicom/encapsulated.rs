//! Which fragments make which frame of encapsulated pixel data (PS3.5 annex A.4).

use bytes::{Bytes, BytesMut};

use super::error::ImagingError;
use super::syntax::Coding;

/// The fragments of each frame, as ranges of fragment numbers.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct FrameTable {
    frames: Vec<std::ops::Range<usize>>,
}

impl FrameTable {
    /// Uses the offsets when they make sense, and what can be told without them when not.
    pub(crate) fn build(
        offsets: &[u64],
        fragments: &[Bytes],
        frames: u32,
        coding: Coding,
    ) -> Result<Self, ImagingError> {
        let count = frames as usize;
        if fragments.is_empty() {
            return Err(ImagingError::Damaged(
                "its coded pixels have no fragment".to_owned(),
            ));
        }
        let one_each = || (0..count).map(|frame| frame..frame + 1).collect();
        let frames = if count == 1 {
            std::iter::once(0..fragments.len()).collect()
        } else if fragments.len() == count {
            one_each()
        } else if let Some(frames) = by_offsets(offsets, fragments, count) {
            frames
        } else if let Some(frames) =
            by_marker(fragments, coding).filter(|found| found.len() == count)
        {
            frames
        } else if fragments.len() < count {
            // A file that stops early: what is there can be shown.
            (0..fragments.len()).map(|frame| frame..frame + 1).collect()
        } else if offsets.is_empty() {
            return Err(ImagingError::Damaged(format!(
                "it has {} fragments for {count} frames and no table that says which belong together",
                fragments.len()
            )));
        } else {
            return Err(ImagingError::Damaged(format!(
                "its table of frame offsets points outside its {} fragments",
                fragments.len()
            )));
        };
        Ok(FrameTable { frames })
    }

    /// How many frames there are.
    pub(crate) fn count(&self) -> usize {
        self.frames.len()
    }

    /// The coded bytes of a frame; copied only when they lie in several fragments.
    pub(crate) fn frame(&self, fragments: &[Bytes], frame: u32) -> Option<Bytes> {
        let range = self.frames.get(frame as usize)?.clone();
        let parts = fragments.get(range)?;
        if let [one] = parts {
            return Some(one.clone());
        }
        let mut joined = BytesMut::with_capacity(parts.iter().map(Bytes::len).sum());
        parts.iter().for_each(|part| joined.extend_from_slice(part));
        Some(joined.freeze())
    }
}

/// Every offset must be the beginning of a fragment, and later than the one before.
fn by_offsets(
    offsets: &[u64],
    fragments: &[Bytes],
    count: usize,
) -> Option<Vec<std::ops::Range<usize>>> {
    if offsets.len() != count {
        return None;
    }
    let mut starts = Vec::with_capacity(count);
    let mut offset = 0u64;
    let mut wanted = offsets.iter().peekable();
    for (index, fragment) in fragments.iter().enumerate() {
        if wanted.next_if(|next| **next == offset).is_some() {
            starts.push(index);
        }
        offset += 8 + fragment.len() as u64;
    }
    if wanted.peek().is_some() || starts.first() != Some(&0) {
        return None;
    }
    let ends = starts.iter().skip(1).copied().chain([fragments.len()]);
    Some(
        starts
            .iter()
            .copied()
            .zip(ends)
            .map(|(start, end)| start..end)
            .collect(),
    )
}

/// A coded image begins with a marker that cannot stand at the start of its later parts.
fn by_marker(fragments: &[Bytes], coding: Coding) -> Option<Vec<std::ops::Range<usize>>> {
    let starts_frame = |fragment: &Bytes| match coding {
        Coding::Jpeg | Coding::JpegLossless | Coding::JpegLs => {
            fragment.starts_with(&[0xFF, 0xD8, 0xFF])
        }
        Coding::Jpeg2000 | Coding::HtJpeg2000 => fragment.starts_with(&[0xFF, 0x4F, 0xFF, 0x51]),
        Coding::JpegXl => {
            fragment.starts_with(&[0xFF, 0x0A]) || fragment.starts_with(b"\0\0\0\x0cJXL ")
        }
        _ => false,
    };
    let starts: Vec<usize> = (0..fragments.len())
        .filter(|index| starts_frame(&fragments[*index]))
        .collect();
    if starts.first() != Some(&0) {
        return None;
    }
    let ends = starts.iter().skip(1).copied().chain([fragments.len()]);
    Some(
        starts
            .iter()
            .copied()
            .zip(ends)
            .map(|(start, end)| start..end)
            .collect(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fragments(lengths: &[usize]) -> Vec<Bytes> {
        lengths
            .iter()
            .map(|length| Bytes::from(vec![0; *length]))
            .collect()
    }

    #[test]
    fn offsets_join_fragments() {
        let fragments = fragments(&[10, 4, 6]);
        let table = FrameTable::build(&[0, 30], &fragments, 2, Coding::Rle).expect("a table");
        assert_eq!(table.frames, [0..2, 2..3]);
        assert_eq!(
            table.frame(&fragments, 0).map(|frame| frame.len()),
            Some(14)
        );
        assert_eq!(table.frame(&fragments, 2), None);
    }

    #[test]
    fn offsets_that_point_outside_are_named() {
        let error = FrameTable::build(&[0, 4_000_000_000], &fragments(&[10, 4, 6]), 2, Coding::Rle)
            .expect_err("refused");
        assert_eq!(
            error.to_string(),
            "This DICOM file is damaged: its table of frame offsets points outside its 3 fragments."
        );
    }

    #[test]
    fn without_offsets_markers_tell() {
        let start = Bytes::from_static(&[0xFF, 0xD8, 0xFF, 0xE0]);
        let more = Bytes::from_static(&[1, 2]);
        let all = [start.clone(), more.clone(), more, start];
        let table = FrameTable::build(&[], &all, 2, Coding::Jpeg).expect("a table");
        assert_eq!(table.frames, [0..3, 3..4]);
        FrameTable::build(&[], &all, 3, Coding::Jpeg).expect_err("refused");
    }
}
