//! JPEG with DCT (ITU-T T.81): baseline, extended with 8 and 12 bits, progressive. Samples come as coded: luma and
//! chroma stay what they are.

use super::dct::{Plane, ZIGZAG, inverse};
use super::huffman::{Bits, Table, read_tables};
use super::marker::{FrameHeader, Segment, segments, u16_at};
use super::{Colour, Decoded, check_size, lay};
use crate::dicom::{PixelFormat, is_full_ybr, ybr_to_rgb};

/// As it is stored.
pub(crate) fn decode(coded: &[u8], format: &PixelFormat) -> Result<Decoded, String> {
    read(coded, format, false)
}

/// For drawing: luma and chroma of eight bits, and full range, are red, green and blue at once.
pub(crate) fn decode_to_draw(coded: &[u8], format: &PixelFormat) -> Result<Decoded, String> {
    read(coded, format, true)
}

fn read(coded: &[u8], format: &PixelFormat, to_draw: bool) -> Result<Decoded, String> {
    let mut image: Option<Image> = None;
    let mut tables = Tables::default();
    let (mut adobe, mut jfif, mut at, mut scans) = (None, false, 0, 0);
    loop {
        let mut scan = None;
        for segment in segments(coded, at) {
            match segment.marker {
                0xC0..=0xC2 if image.is_none() => {
                    let header =
                        FrameHeader::read(segment.content).ok_or("its frame header is cut off")?;
                    check_size(
                        format,
                        (header.columns, header.rows),
                        header.components.len(),
                        header.precision,
                    )?;
                    image = Some(Image::new(header, segment.marker == 0xC2)?);
                }
                0xC3 | 0xC5..=0xC7 | 0xC9..=0xCB | 0xCD..=0xCF => {
                    return Err("it is of a kind of JPEG that is not read here".to_owned());
                }
                0xC4 => read_tables(segment.content, |class, id, table| {
                    tables.huffman[class][id] = Some(table)
                })?,
                0xDB => tables.read_quantisation(segment.content)?,
                0xDD => tables.restart = u32::from(u16_at(segment.content, 0).unwrap_or_default()),
                0xEE if segment.content.starts_with(b"Adobe") => {
                    adobe = segment.content.get(11).copied()
                }
                0xE0 if segment.content.starts_with(b"JFIF") => jfif = true,
                0xDA => scan = Some(segment),
                _ => {}
            }
        }
        let Some(scan) = scan else {
            break;
        };
        let image = image
            .as_mut()
            .ok_or("it has a scan before its frame header")?;
        scans += 1;
        if scans > 1000 {
            return Err("it has more than 1000 scans".to_owned());
        }
        image.read_scan(coded, scan, &tables)?;
        at = scan.end;
        // All there is of a sequential image; what follows may be anything.
        if !image.progressive && image.components.iter().all(|component| component.seen) {
            break;
        }
    }
    let image = image.ok_or("it has no frame header of JPEG")?;
    // Without its last scans a progressive image is whole to see, and another one.
    let ended = || coded[at..].windows(2).any(|two| two == [0xFF, 0xD9]);
    if image.progressive && !ended() {
        return Err("it ends before its end marker".to_owned());
    }
    if image.components.iter().any(|component| !component.seen) {
        return Err("it ends before all components are there".to_owned());
    }
    let ids: Vec<u8> = image.header.components.iter().map(|(id, _)| *id).collect();
    let colour = match adobe {
        Some(0) => Colour::Rgb,
        Some(1) => Colour::Ybr,
        _ if ids == *b"RGB" => Colour::Rgb,
        _ if jfif && ids.len() == 3 => Colour::Ybr,
        _ => Colour::AsStated,
    };
    let rgb = to_draw
        && (format.samples_per_pixel, format.sample_bytes()) == (3, 1)
        && format.bits_stored == 8
        && is_full_ybr(format, colour);
    Ok(Decoded {
        bytes: image.into_bytes(format, rgb)?,
        colour: if rgb { Colour::Rgb } else { colour },
    })
}

/// What segments define for the scans after them.
#[derive(Default)]
struct Tables {
    /// DC and AC.
    huffman: [[Option<Table>; 4]; 2],
    /// In zigzag order.
    quantisation: [Option<[u16; 64]>; 4],
    /// MCUs between restart markers, or 0.
    restart: u32,
}

impl Tables {
    fn read_quantisation(&mut self, mut content: &[u8]) -> Result<(), String> {
        while let Some((&head, rest)) = content.split_first() {
            let wide = head >> 4 != 0;
            let length = if wide { 128 } else { 64 };
            let values = rest
                .get(..length)
                .ok_or("a quantisation table is cut off")?;
            let mut table = [0; 64];
            for (index, step) in table.iter_mut().enumerate() {
                *step = if wide {
                    u16_at(values, 2 * index).unwrap_or_default()
                } else {
                    u16::from(values[index])
                };
            }
            self.quantisation[usize::from(head & 3)] = Some(table);
            content = &rest[length..];
        }
        Ok(())
    }
}

struct Component {
    /// Sampling factors.
    across: usize,
    down: usize,
    /// Blocks that count, and that whole MCUs have.
    blocks: (usize, usize),
    padded: (usize, usize),
    /// Of whole blocks.
    samples: Vec<u16>,
    /// Of a progressive image, whose samples are made of them after its last scan.
    coefficients: Vec<[i16; 64]>,
    table: Option<[u16; 64]>,
    seen: bool,
}

const NO_STEPS: &str = "it lacks a quantisation table";

impl Component {
    /// Samples of the block in a row and column of blocks.
    #[inline]
    fn put(
        &mut self,
        [row, column]: [usize; 2],
        coefficients: &[[i32; 8]; 8],
        used: usize,
        precision: u32,
    ) {
        let stride = self.padded.0 * 8;
        let start = (row * stride + column) * 8;
        let block = inverse(coefficients, used, precision);
        let lines = self.samples[start..].chunks_mut(stride);
        for (line, row) in lines.zip(block) {
            if let Some(place) = line.first_chunk_mut() {
                *place = row;
            }
        }
    }

    fn finish(&mut self, precision: u32) -> Result<(), String> {
        let steps = self.table.ok_or(NO_STEPS)?;
        let blocks = std::mem::take(&mut self.coefficients);
        for (row, blocks) in blocks.chunks(self.padded.0.max(1)).enumerate() {
            for (column, block) in blocks.iter().enumerate() {
                let (mut coefficients, mut used) = ([[0; 8]; 8], 0);
                for (natural, step) in ZIGZAG.into_iter().zip(steps) {
                    if block[natural] != 0 {
                        used |= natural;
                        coefficients[natural / 8][natural % 8] =
                            i32::from(block[natural]).wrapping_mul(i32::from(step));
                    }
                }
                self.put([row, column], &coefficients, used, precision);
            }
        }
        Ok(())
    }
}

struct Image {
    header: FrameHeader,
    progressive: bool,
    components: Vec<Component>,
    /// MCUs across and down.
    mcus: (usize, usize),
    most: (usize, usize),
}

/// A scan's selection of coefficients and bits.
#[derive(Clone, Copy)]
struct Band {
    first: usize,
    last: usize,
    high: u32,
    low: u32,
}

impl Image {
    fn new(header: FrameHeader, progressive: bool) -> Result<Self, String> {
        if !matches!(header.precision, 8 | 12) {
            return Err(format!("it has {} bits", header.precision));
        }
        let factors = header
            .components
            .iter()
            .map(|(_, sampling)| (usize::from(sampling >> 4), usize::from(sampling & 15)));
        let factors: Vec<(usize, usize)> = if header.components.len() == 1 {
            vec![(1, 1)]
        } else {
            factors.collect()
        };
        if factors.is_empty()
            || factors
                .iter()
                .any(|(across, down)| !(1..=4).contains(across) || !(1..=4).contains(down))
        {
            return Err("its sampling factors are none".to_owned());
        }
        let most = factors.iter().fold((1, 1), |most, factor| {
            (most.0.max(factor.0), most.1.max(factor.1))
        });
        let (columns, rows) = (header.columns as usize, header.rows as usize);
        let mcus = (columns.div_ceil(8 * most.0), rows.div_ceil(8 * most.1));
        let components = factors.into_iter().map(|(across, down)| {
            let padded = (mcus.0 * across, mcus.1 * down);
            Component {
                across,
                down,
                blocks: (
                    (columns * across).div_ceil(8 * most.0),
                    (rows * down).div_ceil(8 * most.1),
                ),
                padded,
                samples: vec![0; 64 * padded.0 * padded.1],
                coefficients: if progressive {
                    vec![[0; 64]; padded.0 * padded.1]
                } else {
                    Vec::new()
                },
                table: None,
                seen: false,
            }
        });
        Ok(Image {
            components: components.collect(),
            header,
            progressive,
            mcus,
            most,
        })
    }

    fn read_scan(
        &mut self,
        coded: &[u8],
        scan: Segment<'_>,
        tables: &Tables,
    ) -> Result<(), String> {
        let count = usize::from(*scan.content.first().unwrap_or(&0));
        let tail = scan
            .content
            .get(1 + 2 * count..4 + 2 * count)
            .ok_or("its scan header is cut off")?;
        let band = if self.progressive {
            Band {
                first: usize::from(tail[0]),
                last: usize::from(tail[1]),
                high: u32::from(tail[2] >> 4),
                low: u32::from(tail[2] & 15),
            }
        } else {
            Band {
                first: 0,
                last: 63,
                high: 0,
                low: 0,
            }
        };
        if count == 0
            || count > 4
            || band.last > 63
            || band.first > band.last
            || band.low > 13
            || (band.first > 0 && count > 1)
        {
            return Err("its scan header makes no sense".to_owned());
        }
        let mut chosen = Vec::with_capacity(count);
        for pair in scan.content[1..1 + 2 * count].chunks_exact(2) {
            let index = self
                .header
                .components
                .iter()
                .position(|(id, _)| *id == pair[0]);
            let index = index.ok_or("its scan names an unknown component")?;
            let table = |class: usize, id: u8| tables.huffman[class][usize::from(id) & 3].as_ref();
            chosen.push((index, table(0, pair[1] >> 4), table(1, pair[1] & 15)));
            let component = &mut self.components[index];
            component.seen = true;
            // The table in force when a component is first scanned is the one it was coded with.
            component.table = component
                .table
                .or(tables.quantisation[usize::from(self.header.tables[index]) & 3]);
        }
        let mut state = Entropy {
            bits: Bits::new(&coded[scan.end..]),
            predictions: [0; 4],
            end_of_band: 0,
        };
        let single = count == 1;
        let (across, down) = if single {
            self.components[chosen[0].0].blocks
        } else {
            self.mcus
        };
        let mut until_restart = tables.restart;
        let mut block = [[0; 8]; 8];
        for row in 0..down {
            for column in 0..across {
                if tables.restart > 0 {
                    if until_restart == 0 {
                        state.restart();
                        until_restart = tables.restart;
                    }
                    until_restart -= 1;
                }
                for (position, (index, dc, ac)) in chosen.iter().enumerate() {
                    let component = &mut self.components[*index];
                    let (wide, high) = if single {
                        (1, 1)
                    } else {
                        (component.across, component.down)
                    };
                    for part in 0..wide * high {
                        let place = [row * high + part / wide, column * wide + part % wide];
                        let at = place[0] * component.padded.0 + place[1];
                        if let Some(block) = component.coefficients.get_mut(at) {
                            state.progressive(block, band, position, *dc, *ac)?;
                        } else {
                            let steps = component.table.as_ref().ok_or(NO_STEPS)?;
                            let used = state.sequential(&mut block, steps, position, *dc, *ac)?;
                            component.put(place, &block, used, self.header.precision);
                        }
                    }
                }
            }
            if state.bits.overrun() {
                return Err(format!(
                    "it ends in row {} of {down} of its blocks",
                    row + 1
                ));
            }
        }
        Ok(())
    }

    /// All pixels in the width of the file, in red, green and blue where `rgb` says so.
    fn into_bytes(mut self, format: &PixelFormat, rgb: bool) -> Result<Vec<u8>, String> {
        if self.progressive {
            for component in &mut self.components {
                component.finish(self.header.precision)?;
            }
        }
        let (columns, rows) = (self.header.columns as usize, self.header.rows as usize);
        let ratio = |most: usize, own: usize| {
            if most.is_multiple_of(own) {
                (most / own, 1)
            } else {
                (most, own)
            }
        };
        let planes = self.components.into_iter().map(|component| {
            let plane = Plane {
                samples: component.samples,
                stride: component.padded.0 * 8,
                width: (columns * component.across).div_ceil(self.most.0),
                height: (rows * component.down).div_ceil(self.most.1),
            };
            let across = ratio(self.most.0, component.across);
            (plane, across, ratio(self.most.1, component.down))
        });
        let planes: Vec<_> = planes.collect();
        let mut lines = vec![vec![0; columns]; planes.len()];
        let stride = columns * planes.len() * format.sample_bytes();
        let mut bytes = vec![0; rows * stride];
        for (row, out) in bytes.chunks_exact_mut(stride.max(1)).enumerate() {
            for ((plane, across, down), line) in planes.iter().zip(&mut lines) {
                plane.widen(row, *across, *down, line);
            }
            if rgb && let [light, blue, red] = lines.as_mut_slice() {
                for ((light, blue), red) in light.iter_mut().zip(blue).zip(red) {
                    let pixel = [*light, *blue, *red].map(i32::from);
                    [*light, *blue, *red] = ybr_to_rgb(pixel).map(u16::from);
                }
            }
            lay(&lines, format, out);
        }
        Ok(bytes)
    }
}

struct Entropy<'a> {
    bits: Bits<'a>,
    predictions: [i32; 4],
    /// Blocks that still end before their band does.
    end_of_band: u32,
}

const NO_TABLE: &str = "its scan needs a Huffman table that is not there";

impl Entropy<'_> {
    fn restart(&mut self) {
        self.bits.restart();
        self.predictions = [0; 4];
        self.end_of_band = 0;
    }

    fn dc(&mut self, component: usize, table: Option<&Table>) -> Result<i32, &'static str> {
        let mut own = self.bits;
        let bits = u32::from(own.symbol(table.ok_or(NO_TABLE)?)?);
        if bits > 16 {
            return Err("it has a difference of more than 16 bits");
        }
        let prediction = &mut self.predictions[component];
        *prediction = prediction.wrapping_add(own.signed(bits));
        self.bits = own;
        Ok(*prediction)
    }

    /// A block multiplied by its steps; all bits of the places of what is not zero in it.
    #[inline]
    fn sequential(
        &mut self,
        block: &mut [[i32; 8]; 8],
        steps: &[u16; 64],
        component: usize,
        dc: Option<&Table>,
        ac: Option<&Table>,
    ) -> Result<usize, String> {
        let scaled = |value: i16, step: u16| i32::from(value).wrapping_mul(i32::from(step));
        *block = [[0; 8]; 8];
        block[0][0] = scaled(self.dc(component, dc)? as i16, steps[0]);
        let ac = ac.ok_or(NO_TABLE)?;
        // A copy, so that the bits at hand stay in registers.
        let mut bits = self.bits;
        let (mut at, mut used) = (0, 0);
        while at < 63 {
            let next = bits.coefficient(ac)?;
            at += usize::from(next.step);
            if next.value == 0 {
                continue;
            }
            let (Some(natural), Some(step)) = (ZIGZAG.get(at), steps.get(at)) else {
                return Err("it has a block with too many coefficients".to_owned());
            };
            used |= natural;
            block[natural >> 3 & 7][natural & 7] = scaled(next.value, *step);
        }
        self.bits = bits;
        Ok(used)
    }

    fn progressive(
        &mut self,
        block: &mut [i16; 64],
        band: Band,
        component: usize,
        dc: Option<&Table>,
        ac: Option<&Table>,
    ) -> Result<(), String> {
        match (band.first, band.high) {
            (0, 0) => block[0] = (self.dc(component, dc)? << band.low) as i16,
            (0, _) => block[0] |= (self.bits.take(1) << band.low) as i16,
            (_, 0) => self.first_pass(block, band, ac.ok_or(NO_TABLE)?)?,
            (_, _) => self.refinement(block, band, ac.ok_or(NO_TABLE)?)?,
        }
        Ok(())
    }

    /// G.1.2.2.
    fn first_pass(&mut self, block: &mut [i16; 64], band: Band, ac: &Table) -> Result<(), String> {
        if self.end_of_band > 0 {
            self.end_of_band -= 1;
            return Ok(());
        }
        let mut at = band.first;
        while at <= band.last {
            let symbol = self.bits.symbol(ac)?;
            let (zeros, bits) = (u32::from(symbol >> 4), u32::from(symbol & 15));
            if bits == 0 {
                if zeros < 15 {
                    self.end_of_band = (1 << zeros) - 1 + self.bits.take(zeros) as u32;
                    break;
                }
                at += 16;
                continue;
            }
            at += zeros as usize;
            let value = self.bits.signed(bits) << band.low;
            *ZIGZAG
                .get(at)
                .and_then(|natural| block.get_mut(*natural))
                .ok_or("it has a block with too many coefficients")? = value as i16;
            at += 1;
        }
        Ok(())
    }

    /// G.1.2.3: one more bit for coefficients that are not zero, and new ones of that bit's size.
    fn refinement(&mut self, block: &mut [i16; 64], band: Band, ac: &Table) -> Result<(), String> {
        let bit = 1i16 << band.low;
        let mut at = band.first;
        if self.end_of_band == 0 {
            while at <= band.last {
                let symbol = self.bits.symbol(ac)?;
                let (mut zeros, bits) = (u32::from(symbol >> 4), u32::from(symbol & 15));
                let mut value = 0;
                if bits == 0 {
                    if zeros < 15 {
                        self.end_of_band = (1 << zeros) + self.bits.take(zeros) as u32;
                        break;
                    }
                } else {
                    value = if self.bits.take(1) == 1 { bit } else { -bit };
                }
                while at <= band.last {
                    let coefficient = &mut block[ZIGZAG[at]];
                    if *coefficient != 0 {
                        self.refine(coefficient, bit);
                    } else if zeros == 0 {
                        *coefficient = value;
                        at += 1;
                        break;
                    } else {
                        zeros -= 1;
                    }
                    at += 1;
                }
            }
        }
        if self.end_of_band > 0 {
            while at <= band.last {
                let coefficient = &mut block[ZIGZAG[at]];
                if *coefficient != 0 {
                    self.refine(coefficient, bit);
                }
                at += 1;
            }
            self.end_of_band -= 1;
        }
        Ok(())
    }

    fn refine(&mut self, coefficient: &mut i16, bit: i16) {
        if self.bits.take(1) == 1 && *coefficient & bit == 0 {
            *coefficient = coefficient.wrapping_add(if *coefficient > 0 { bit } else { -bit });
        }
    }
}
