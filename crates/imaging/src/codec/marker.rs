//! The marker segments that all JPEG formats share (ITU-T T.81 annex B).

/// A segment: its marker and its content without the length.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Segment<'a> {
    pub(crate) marker: u8,
    pub(crate) content: &'a [u8],
    /// Where what follows it begins, in the whole stream.
    pub(crate) end: usize,
}

/// The segments from `at` on, up to and with the next start of scan or the end of the image.
pub(crate) fn segments(stream: &[u8], mut at: usize) -> impl Iterator<Item = Segment<'_>> {
    let mut over = false;
    std::iter::from_fn(move || {
        if over {
            return None;
        }
        loop {
            // Fill bytes, and data between segments that no decoder understands.
            at += stream.get(at..)?.iter().position(|byte| *byte == 0xFF)?;
            let marker = *stream.get(at + 1)?;
            match marker {
                0xFF => at += 1,
                0 | 1 | 0xD0..=0xD8 => at += 2,
                0xD9 => return None,
                _ => {
                    let length = usize::from(u16::from_be_bytes([
                        *stream.get(at + 2)?,
                        *stream.get(at + 3)?,
                    ]));
                    let content = stream.get(at + 4..at + 2 + length)?;
                    at += 2 + length;
                    over = marker == 0xDA;
                    return Some(Segment {
                        marker,
                        content,
                        end: at,
                    });
                }
            }
        }
    })
}

/// Big endian.
pub(crate) fn u16_at(content: &[u8], at: usize) -> Option<u16> {
    Some(u16::from_be_bytes([
        *content.get(at)?,
        *content.get(at + 1)?,
    ]))
}

/// A frame header, the same in T.81 and T.87.
#[derive(Clone, Debug)]
pub(crate) struct FrameHeader {
    pub(crate) precision: u32,
    pub(crate) rows: u32,
    pub(crate) columns: u32,
    /// Identifier and sampling factors of each component.
    pub(crate) components: Vec<(u8, u8)>,
    /// The quantisation table of each component.
    pub(crate) tables: Vec<u8>,
}

impl FrameHeader {
    pub(crate) fn read(content: &[u8]) -> Option<Self> {
        let count = usize::from(*content.get(5)?);
        let components = content.get(6..6 + 3 * count)?;
        Some(FrameHeader {
            precision: u32::from(content[0]),
            rows: u32::from(u16_at(content, 1)?),
            columns: u32::from(u16_at(content, 3)?),
            components: components
                .chunks_exact(3)
                .map(|three| (three[0], three[1]))
                .collect(),
            tables: components.chunks_exact(3).map(|three| three[2]).collect(),
        })
    }
}
