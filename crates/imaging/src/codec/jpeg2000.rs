//! JPEG 2000 and high-throughput JPEG 2000 (ITU-T T.800, T.814). The stream's own headers are checked against what
//! the file promises before a decoder sees them.

use openjph_core::codestream::Codestream;
use openjph_core::file::MemInfile;

use super::marker::u16_at;
use super::{Colour, Decoded, check_size, pack};
use crate::dicom::PixelFormat;

/// More tiles than any real image has; each costs memory before it is decoded.
const MAX_TILES: u64 = 65_535;

pub(crate) fn decode(coded: &[u8], format: &PixelFormat) -> Result<Decoded, String> {
    let header = Header::read(codestream(coded)).ok_or("its header is cut off or damaged")?;
    check_size(
        format,
        (header.columns, header.rows),
        header.components.len(),
        header.precision(),
    )?;
    if header.tiles == 0 || header.tiles > MAX_TILES {
        return Err(format!("it is cut into {} tiles", header.tiles));
    }
    if header
        .components
        .iter()
        .any(|component| component.sampling != (1, 1))
    {
        return Err("its components are sampled differently".to_owned());
    }
    // `openjph-core` leaves streams with a colour transform as they are coded.
    let planes = if header.high_throughput && !header.transformed {
        high_throughput(codestream(coded), &header)
            .or_else(|first| openjpeg(coded, &header).map_err(|_| first))?
    } else {
        openjpeg(coded, &header)?
    };
    let pixels = format.frame_pixels();
    if planes.iter().any(|plane| plane.len() != pixels) {
        return Err("it has fewer samples than its header says".to_owned());
    }
    let count = planes.len();
    // Streams that are unsigned where the file is signed hold the same bits.
    let bytes = if count == 1 {
        pack(
            planes[0]
                .iter()
                .map(|sample| header.carried(*sample, format)),
            format,
        )
    } else {
        pack(
            (0..pixels * count)
                .map(|index| header.carried(planes[index % count][index / count], format)),
            format,
        )
    };
    Ok(Decoded {
        bytes,
        colour: if header.transformed {
            Colour::Rgb
        } else {
            Colour::AsStated
        },
    })
}

/// The code stream inside a JP2 file, or what was given.
fn codestream(coded: &[u8]) -> &[u8] {
    if coded.get(4..8) != Some(b"jP  ") {
        return coded;
    }
    let start = coded
        .windows(4)
        .position(|window| window == [0xFF, 0x4F, 0xFF, 0x51]);
    start.map_or(coded, |start| &coded[start..])
}

struct Component {
    precision: u32,
    signed: bool,
    sampling: (u8, u8),
}

/// SIZ and the parts of COD and CAP that matter here.
struct Header {
    columns: u32,
    rows: u32,
    tiles: u64,
    components: Vec<Component>,
    high_throughput: bool,
    /// Whether the stream's own colour transform was used.
    transformed: bool,
}

impl Header {
    fn read(stream: &[u8]) -> Option<Self> {
        let rest = stream.strip_prefix(&[0xFF, 0x4F])?;
        let mut at = 0;
        let mut header: Option<Header> = None;
        loop {
            let marker = u16_at(rest, at)?;
            if marker == 0xFF90 {
                return header;
            }
            let length = usize::from(u16_at(rest, at + 2)?);
            let content = rest.get(at + 4..at + 2 + length)?;
            match (marker, header.as_mut()) {
                (0xFF51, None) => header = Some(Header::of_siz(content)?),
                (0xFF52, Some(header)) => {
                    header.transformed = *content.get(4)? == 1 && header.components.len() >= 3
                }
                (0xFF50, Some(header)) => header.high_throughput = true,
                _ => {}
            }
            at += 2 + length;
        }
    }

    fn of_siz(content: &[u8]) -> Option<Self> {
        let number = |index: usize| {
            let four = content.get(2 + 4 * index..6 + 4 * index)?;
            Some(u32::from_be_bytes([four[0], four[1], four[2], four[3]]))
        };
        let (right, bottom, left, top) = (number(0)?, number(1)?, number(2)?, number(3)?);
        let (tile_width, tile_height) = (number(4)?, number(5)?);
        let (columns, rows) = (right.checked_sub(left)?, bottom.checked_sub(top)?);
        let count = usize::from(u16_at(content, 34)?);
        let components = content
            .get(36..36 + 3 * count)?
            .chunks_exact(3)
            .map(|three| Component {
                precision: u32::from(three[0] & 0x7F) + 1,
                signed: three[0] >> 7 == 1,
                sampling: (three[1], three[2]),
            });
        let tiles = |length: u32, tile: u32| (tile > 0).then(|| u64::from(length.div_ceil(tile)));
        Some(Header {
            columns,
            rows,
            tiles: tiles(right, tile_width)?.checked_mul(tiles(bottom, tile_height)?)?,
            components: components.collect(),
            high_throughput: false,
            transformed: false,
        })
    }

    fn precision(&self) -> u32 {
        self.components
            .iter()
            .map(|component| component.precision)
            .max()
            .unwrap_or_default()
    }

    /// A sample in the width of the file: where the stream says unsigned and the file signed, the highest of the
    /// stream's bits is the sign (pixels whose header and stream disagree).
    fn carried(&self, sample: i32, format: &PixelFormat) -> i32 {
        let component = &self.components[0];
        if format.signed && !component.signed {
            let spare = 32 - component.precision;
            sample << spare >> spare
        } else {
            sample
        }
    }
}

fn high_throughput(stream: &[u8], header: &Header) -> Result<Vec<Vec<i32>>, String> {
    // The decoder fills what is missing with grey and says nothing.
    let end = stream.iter().rposition(|byte| *byte != 0).unwrap_or(0);
    if !stream[..=end].ends_with(&[0xFF, 0xD9]) {
        return Err("it ends before its end marker".to_owned());
    }
    let failed = |error: openjph_core::OjphError| error.to_string();
    let mut source = MemInfile::new(stream);
    let mut decoder = Codestream::new();
    decoder.read_headers(&mut source).map_err(failed)?;
    decoder.set_planar(i32::from(header.components.len() == 1));
    decoder.create(&mut source).map_err(failed)?;
    let pixels = header.rows as usize * header.columns as usize;
    let mut planes: Vec<Vec<i32>> = header
        .components
        .iter()
        .map(|_| Vec::with_capacity(pixels))
        .collect();
    for _ in 0..header.rows {
        for (component, plane) in planes.iter_mut().enumerate() {
            let line = decoder.pull(component as u32).ok_or("it ends early")?;
            plane.extend_from_slice(
                line.get(..header.columns as usize)
                    .ok_or("it has a short line")?,
            );
        }
    }
    Ok(planes)
}

fn openjpeg(stream: &[u8], header: &Header) -> Result<Vec<Vec<i32>>, String> {
    let parameters = jpeg2k::DecodeParameters::new().ignore_pclr_cmap_cdef();
    let image =
        jpeg2k::Image::from_bytes_with(stream, parameters).map_err(|error| error.to_string())?;
    let components = image.components();
    if components.len() != header.components.len()
        || components.iter().any(|component| {
            (component.width(), component.height()) != (header.columns, header.rows)
        })
    {
        return Err("what was decoded is not what its header says".to_owned());
    }
    Ok(components
        .iter()
        .map(|component| component.data().to_vec())
        .collect())
}
