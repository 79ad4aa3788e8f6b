//! JPEG lossless (ITU-T T.81 annex H): Huffman-coded differences to one of seven predictors, 2 to 16 bits.

use super::huffman::{Bits, Table, read_tables};
use super::marker::{FrameHeader, Segment, segments, u16_at};
use super::{Decoded, check_size, interleave};
use crate::dicom::PixelFormat;

const SOF3: u8 = 0xC3;

/// Whether a stream's frame header is that of the lossless process.
pub(crate) fn is_lossless(coded: &[u8]) -> bool {
    segments(coded, 0).any(|segment| segment.marker == SOF3)
}

pub(crate) fn decode(coded: &[u8], format: &PixelFormat) -> Result<Decoded, String> {
    let mut tables: [Option<Table>; 4] = [None, None, None, None];
    let mut restart = 0;
    let mut header = None;
    let mut planes: Vec<Vec<u16>> = Vec::new();
    let mut done = 0;
    let mut at = 0;
    loop {
        let mut scan: Option<Segment<'_>> = None;
        for segment in segments(coded, at) {
            match segment.marker {
                0xC4 => read_tables(segment.content, |_, id, table| tables[id] = Some(table))?,
                0xDD => restart = u32::from(u16_at(segment.content, 0).unwrap_or_default()),
                SOF3 if header.is_none() => {
                    let found =
                        FrameHeader::read(segment.content).ok_or("its frame header is cut off")?;
                    check_size(
                        format,
                        (found.columns, found.rows),
                        found.components.len(),
                        found.precision,
                    )?;
                    if found
                        .components
                        .iter()
                        .any(|(_, sampling)| *sampling != 0x11)
                    {
                        return Err("its components are sampled differently".to_owned());
                    }
                    planes = vec![Vec::new(); found.components.len()];
                    header = Some(found);
                }
                0xDA => scan = Some(segment),
                _ => {}
            }
        }
        let header = header
            .as_ref()
            .ok_or("it has no frame header of JPEG lossless")?;
        let scan = scan.ok_or("it ends before all components are there")?;
        done += read_scan(coded, scan, header, &tables, restart, &mut planes)?;
        if done >= planes.len() {
            break;
        }
        at = scan.end;
    }
    interleave(&planes, format)
}

/// Decodes one scan into the planes of its components; how many those are.
fn read_scan(
    coded: &[u8],
    scan: Segment<'_>,
    header: &FrameHeader,
    tables: &[Option<Table>; 4],
    restart: u32,
    planes: &mut [Vec<u16>],
) -> Result<usize, String> {
    let count = usize::from(*scan.content.first().unwrap_or(&0));
    let parameters = scan
        .content
        .get(1 + 2 * count..4 + 2 * count)
        .ok_or("its scan header is cut off")?;
    let (predictor, shift) = (parameters[0], u32::from(parameters[2] & 15));
    if !(1..=7).contains(&predictor) || count == 0 || shift >= header.precision {
        return Err(format!(
            "its scan has predictor {predictor} and {count} components"
        ));
    }
    let mut components = Vec::with_capacity(count);
    for pair in scan.content[1..1 + 2 * count].chunks_exact(2) {
        let index = header
            .components
            .iter()
            .position(|(id, _)| *id == pair[0])
            .ok_or("its scan names an unknown component")?;
        let table = tables[usize::from(pair[1] >> 4) & 3]
            .as_ref()
            .ok_or("its scan needs a Huffman table that is not there")?;
        components.push((index, table));
    }
    let (rows, columns) = (header.rows as usize, header.columns as usize);
    let mut outputs: Vec<Vec<u16>> = components.iter().map(|_| vec![0; rows * columns]).collect();
    let mut bits = Bits::new(&coded[scan.end..]);
    let initial = 1i32 << (header.precision - shift - 1);
    let mut until_restart = restart;
    let mut fresh_from = 0;
    for row in 0..rows {
        let start = row * columns;
        for column in 0..columns {
            if restart > 0 {
                if until_restart == 0 {
                    bits.restart();
                    until_restart = restart;
                    fresh_from = row;
                }
                until_restart -= 1;
            }
            for ((_, table), out) in components.iter().zip(&mut outputs) {
                let at = start + column;
                let left = || i32::from(out[at - 1]);
                let above = || i32::from(out[at - columns]);
                // The first line, also after a restart, has nothing above; the first sample has nothing at all.
                let prediction = if row == fresh_from {
                    if column == 0 || (restart > 0 && until_restart == restart - 1) {
                        initial
                    } else {
                        left()
                    }
                } else if column == 0 {
                    above()
                } else {
                    let corner = i32::from(out[at - columns - 1]);
                    match predictor {
                        1 => left(),
                        2 => above(),
                        3 => corner,
                        4 => left() + above() - corner,
                        5 => left() + ((above() - corner) >> 1),
                        6 => above() + ((left() - corner) >> 1),
                        _ => (left() + above()) >> 1,
                    }
                };
                out[at] = (prediction + bits.difference(table)?) as u16;
            }
        }
        if bits.overrun() {
            return Err(format!("it ends in row {} of {rows}", row + 1));
        }
    }
    for ((index, _), out) in components.iter().zip(outputs) {
        planes[*index] = if shift == 0 {
            out
        } else {
            out.into_iter().map(|sample| sample << shift).collect()
        };
    }
    Ok(count)
}
