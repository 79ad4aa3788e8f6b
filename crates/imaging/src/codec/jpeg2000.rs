//! JPEG 2000 and high-throughput JPEG 2000 (ITU-T T.800, T.814). The stream's own headers are checked against what
//! the file promises before a decoder sees them.

use hayro_jpeg2000::{DecodeSettings, DecoderContext, Image};
use openjph_core::codestream::Codestream;
use openjph_core::file::MemInfile;

use super::marker::u16_at;
use super::{Colour, Decoded, check_size, pack, put};
use crate::dicom::PixelFormat;

/// More tiles than any real image has; each costs memory before it is decoded.
const MAX_TILES: u64 = 65_535;

pub(crate) fn decode(coded: &[u8], format: &PixelFormat) -> Result<Decoded, String> {
    let (header, stream) = opened(coded, format)?;
    let carried = header.carrier(format);
    let bytes = if header.components.len() == 1 {
        let stride = header.columns as usize * format.sample_bytes();
        let mut bytes = vec![0; format.frame_pixels() * format.sample_bytes()];
        let mut rows = bytes.chunks_exact_mut(stride);
        lines(stream, &header, &mut |_, line| {
            if let Some(row) = rows.next() {
                put(line.iter().map(|sample| carried(*sample)), format, row);
            }
        })?;
        bytes
    } else {
        let planes = planes(stream, &header)?;
        let pixel = |at| planes.iter().map(move |plane| carried(plane[at]));
        pack((0..format.frame_pixels()).flat_map(pixel), format)
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

/// One grey component as numbers; `number` is given each sample in the width of the file.
pub(crate) fn numbers<T>(
    coded: &[u8],
    format: &PixelFormat,
    number: impl Fn(i32) -> T + Copy,
) -> Result<Vec<T>, String> {
    let (header, stream) = opened(coded, format)?;
    let carried = header.carrier(format);
    let mut numbers = Vec::with_capacity(format.frame_pixels());
    lines(stream, &header, &mut |_, line| {
        // Copies, which nothing that is written can change: the loop becomes vector instructions.
        let (carried, number) = (carried, number);
        numbers.extend(line.iter().map(move |sample| number(carried(*sample))));
    })?;
    Ok(numbers)
}

/// The stream, once its own headers are what the file promises.
fn opened<'a>(coded: &'a [u8], format: &PixelFormat) -> Result<(Header, &'a [u8]), String> {
    let stream = codestream(coded);
    let header = Header::read(stream).ok_or("its header is cut off or damaged")?;
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
    Ok((header, stream))
}

/// Gives `take` all lines of every component, with the number of the component.
fn lines(
    stream: &[u8],
    header: &Header,
    take: &mut dyn FnMut(usize, &[i32]),
) -> Result<(), String> {
    if header.high_throughput {
        high_throughput(stream, header, take)
    } else {
        original(stream, header, take)
    }
}

fn planes(stream: &[u8], header: &Header) -> Result<Vec<Vec<i32>>, String> {
    let pixels = header.rows as usize * header.columns as usize;
    let mut planes: Vec<Vec<i32>> = header
        .components
        .iter()
        .map(|_| Vec::with_capacity(pixels))
        .collect();
    lines(stream, header, &mut |component, line| {
        planes[component].extend_from_slice(line);
    })?;
    // This decoder leaves streams with a colour transform as they are coded.
    if header.high_throughput
        && header.transformed
        && let [first, second, third, ..] = planes.as_mut_slice()
    {
        back_to_rgb(header, [first, second, third]);
    }
    Ok(planes)
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

impl Component {
    /// Half of all values there are.
    fn half(&self) -> i32 {
        1 << (self.precision.clamp(1, 24) - 1)
    }

    /// The least and the greatest sample.
    fn range(&self) -> [i32; 2] {
        if self.signed {
            [-self.half(), self.half() - 1]
        } else {
            [0, 2 * self.half() - 1]
        }
    }
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
    /// By the wavelet of whole numbers, which loses nothing.
    reversible: bool,
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
                    header.transformed = *content.get(4)? == 1 && header.components.len() >= 3;
                    header.reversible = *content.get(9)? == 1;
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
            reversible: false,
        })
    }

    fn precision(&self) -> u32 {
        self.components
            .iter()
            .map(|component| component.precision)
            .max()
            .unwrap_or_default()
    }

    /// Brings a sample to the width of the file: where the stream says unsigned and the file signed, the highest of the
    /// stream's bits is the sign (pixels whose header and stream disagree).
    fn carrier(&self, format: &PixelFormat) -> impl Fn(i32) -> i32 + Copy + use<> {
        let component = &self.components[0];
        let spare = if format.signed && !component.signed {
            32_u32.saturating_sub(component.precision)
        } else {
            0
        };
        move |sample| sample << spare >> spare
    }
}

fn high_throughput(
    stream: &[u8],
    header: &Header,
    take: &mut dyn FnMut(usize, &[i32]),
) -> Result<(), String> {
    // The decoder fills what is missing with grey and says nothing.
    let end = stream.iter().rposition(|byte| *byte != 0).unwrap_or(0);
    if !stream[..=end].ends_with(&[0xFF, 0xD9]) {
        return Err("it ends before its end marker".to_owned());
    }
    let failed = |error: openjph_core::OjphError| error.to_string();
    let wider = header.transformed.then(|| widened(stream, header));
    let mut source = MemInfile::new(wider.as_deref().unwrap_or(stream));
    let mut decoder = Codestream::new();
    decoder.read_headers(&mut source).map_err(failed)?;
    decoder.set_planar(i32::from(header.components.len() == 1));
    decoder.create(&mut source).map_err(failed)?;
    for _ in 0..header.rows {
        for component in 0..header.components.len() {
            let line = decoder.pull(component as u32).ok_or("it ends early")?;
            let whole = line.get(..header.columns as usize);
            take(component, whole.ok_or("it has a short line")?);
        }
    }
    Ok(())
}

/// Bits by which samples are widened on their way through the decoder, where they are differences of colours.
const SPARE: u32 = 2;

/// The stream with larger samples in its SIZ, which the decoder uses for the level shift and for cutting off what is out of
/// range: differences of colours need one bit more than colours.
fn widened(stream: &[u8], header: &Header) -> Vec<u8> {
    let mut stream = stream.to_vec();
    // SOC, marker and length of SIZ, and 36 bytes in front of the components.
    for at in (42..).step_by(3).take(header.components.len()) {
        if let Some(size) = stream.get_mut(at) {
            *size += SPARE as u8;
        }
    }
    stream
}

/// The inverse colour transforms of ITU-T T.800, annex G, of what the decoder makes of a [`widened`] stream.
fn back_to_rgb(header: &Header, [first, second, third]: [&mut Vec<i32>; 3]) {
    let component = &header.components[0];
    let [least, most] = component.range();
    let (shift, back) = if component.signed {
        (0, 0)
    } else {
        (component.half() << SPARE, component.half())
    };
    for ((first, second), third) in first.iter_mut().zip(second).zip(third) {
        let [light, blue, red] = [*first, *second, *third].map(|value| value - shift);
        let rgb = if header.reversible {
            let green = light - ((blue + red) >> 2);
            [red + green, green, blue + green]
        } else {
            let (light, blue, red) = (light as f32, blue as f32, red as f32);
            [
                light + 1.402 * red,
                light - 0.344_136 * blue - 0.714_136 * red,
                light + 1.772 * blue,
            ]
            .map(|value| value.round_ties_even() as i32)
        };
        [*first, *second, *third] = rgb.map(|value| (value + back).clamp(least, most));
    }
}

/// JPEG 2000 as it first was. The decoder computes in `f32`, which holds every integer of 24 bits.
fn original(
    stream: &[u8],
    header: &Header,
    take: &mut dyn FnMut(usize, &[i32]),
) -> Result<(), String> {
    let settings = DecodeSettings {
        resolve_palette_indices: false,
        // What is missing would be filled, and nobody told.
        strict: true,
        target_resolution: None,
    };
    let failed = |error: hayro_jpeg2000::DecodeError| error.to_string();
    let image = Image::new(stream, &settings).map_err(failed)?;
    if (image.width(), image.height()) != (header.columns, header.rows) {
        return Err("what was decoded is not what its header says".to_owned());
    }
    let mut context = DecoderContext::default();
    let decoded = image.decode(&mut context).map_err(failed)?;
    if decoded.components().len() != header.components.len() {
        return Err("what was decoded is not what its header says".to_owned());
    }
    let columns = header.columns as usize;
    let mut line = Vec::with_capacity(columns);
    for (at, (plane, component)) in decoded
        .components()
        .iter()
        .zip(&header.components)
        .enumerate()
    {
        let samples = plane.samples();
        if samples.len() != header.rows as usize * columns {
            return Err("it has fewer samples than its header says".to_owned());
        }
        let [least, most] = component.range();
        // It takes every component for an unsigned one.
        let shift = if component.signed {
            component.half()
        } else {
            0
        };
        let sample = move |value: &f32| (value.round_ties_even() as i32 - shift).clamp(least, most);
        for row in samples.chunks_exact(columns) {
            line.clear();
            line.extend(row.iter().map(sample));
            take(at, &line);
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dicom::Photometric;

    /// Written by OpenJPH 0.31.0 with its colour transform, losslessly, from the colours below.
    const COLOUR: &[u8] = include_bytes!("../../tests/vectors/htj2k-rgb.j2c");

    #[test]
    fn high_throughput_colours_come_back_as_they_were() {
        let format = PixelFormat {
            rows: 24,
            columns: 24,
            samples_per_pixel: 3,
            bits_allocated: 8,
            bits_stored: 8,
            bits_below: 0,
            signed: false,
            planar: false,
            photometric: Photometric::YbrRct,
            float: false,
        };
        let decoded = decode(COLOUR, &format).unwrap();
        assert!(matches!(decoded.colour, Colour::Rgb));
        let expected = (0..24_i32).flat_map(|y| {
            (0..24_i32).flat_map(move |x| {
                [
                    (x * 11 + y * 3) & 255,
                    (x * 5 + y * 7 + 40) & 255,
                    (255 - x * 9 + y) & 255,
                ]
                .map(|value| value as u8)
            })
        });
        assert_eq!(decoded.bytes, expected.collect::<Vec<u8>>());
    }
}
