//! JPEG-LS (ITU-T T.87): lossless and near-lossless, 2 to 16 bits, all three interleave modes, restart intervals.

use super::marker::{FrameHeader, Segment, segments, u16_at};
use super::{Decoded, check_size, interleave};
use crate::dicom::PixelFormat;

/// Run lengths, as powers of two (T.87, A.2.1).
const J: [u32; 32] = [
    0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 4, 4, 5, 5, 6, 6, 7, 7, 8, 9, 10, 11, 12, 13,
    14, 15,
];

pub(crate) fn decode(coded: &[u8], format: &PixelFormat) -> Result<Decoded, String> {
    let mut header: Option<FrameHeader> = None;
    let mut preset = [0u16; 5];
    let mut restart = 0;
    let mut planes: Vec<Vec<u16>> = Vec::new();
    let (mut at, mut done) = (0, 0);
    loop {
        let mut scan: Option<Segment<'_>> = None;
        for segment in segments(coded, at) {
            match segment.marker {
                0xF7 if header.is_none() => {
                    let found =
                        FrameHeader::read(segment.content).ok_or("its frame header is cut off")?;
                    check_size(
                        format,
                        (found.columns, found.rows),
                        found.components.len(),
                        found.precision,
                    )?;
                    if !(2..=16).contains(&found.precision) {
                        return Err(format!("it has {} bits", found.precision));
                    }
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
                0xF8 => match segment.content.first() {
                    Some(1) if segment.content.len() >= 11 => {
                        for (index, value) in preset.iter_mut().enumerate() {
                            *value = u16_at(segment.content, 1 + 2 * index).unwrap_or_default();
                        }
                    }
                    Some(2 | 3) => return Err("it has a palette of its own".to_owned()),
                    _ => {}
                },
                0xDD => {
                    restart = segment
                        .content
                        .iter()
                        .fold(0u32, |sum, byte| sum << 8 | u32::from(*byte))
                }
                0xDA => scan = Some(segment),
                _ => {}
            }
        }
        let header = header.as_ref().ok_or("it has no frame header of JPEG-LS")?;
        let scan = scan.ok_or("it ends before all components are there")?;
        done += read_scan(coded, scan, header, preset, restart, &mut planes)?;
        if done >= planes.len() {
            break;
        }
        at = scan.end;
    }
    interleave(&planes, format)
}

fn read_scan(
    coded: &[u8],
    scan: Segment<'_>,
    header: &FrameHeader,
    preset: [u16; 5],
    restart: u32,
    planes: &mut [Vec<u16>],
) -> Result<usize, String> {
    let count = usize::from(*scan.content.first().unwrap_or(&0));
    let parameters = scan
        .content
        .get(1 + 2 * count..4 + 2 * count)
        .ok_or("its scan header is cut off")?;
    let (near, interleave, shift) = (i32::from(parameters[0]), parameters[1], parameters[2] & 15);
    if count == 0 || interleave > 2 || (interleave == 0 && count != 1) || shift != 0 {
        return Err(format!(
            "its scan has {count} components, interleave mode {interleave} and shift {shift}"
        ));
    }
    let mut indices = Vec::with_capacity(count);
    for pair in scan.content[1..1 + 2 * count].chunks_exact(2) {
        let index = header.components.iter().position(|(id, _)| *id == pair[0]);
        indices.push(index.ok_or("its scan names an unknown component")?);
    }
    let (rows, columns) = (header.rows as usize, header.columns as usize);
    let mut outputs: Vec<Vec<u16>> = indices
        .iter()
        .map(|_| Vec::with_capacity(rows * columns))
        .collect();
    let mut state = State::new(
        Parameters::new(header.precision, near, preset)?,
        &coded[scan.end..],
    );
    // A line with the sample before its first and the one after its last.
    let mut above = vec![vec![0i32; columns + 2]; count];
    let mut lines = above.clone();
    let mut run_indices = vec![0usize; count];
    for row in 0..rows {
        if restart > 0 && row > 0 && row % restart as usize == 0 {
            state.restart();
            above.iter_mut().for_each(|line| line.fill(0));
            run_indices.fill(0);
        }
        for component in 0..count {
            let (above, line) = (&mut above[component], &mut lines[component]);
            above[columns + 1] = above[columns];
            line[0] = above[1];
        }
        if interleave == 2 {
            state.pixels(&above, &mut lines, &mut run_indices[0]);
        } else {
            for component in 0..count {
                state.line(
                    &above[component],
                    &mut lines[component],
                    &mut run_indices[component],
                );
            }
        }
        if state.bits.overrun() {
            return Err(format!("it ends in row {} of {rows}", row + 1));
        }
        for (output, line) in outputs.iter_mut().zip(&lines) {
            output.extend(line[1..=columns].iter().map(|sample| *sample as u16));
        }
        std::mem::swap(&mut above, &mut lines);
    }
    for (index, output) in indices.into_iter().zip(outputs) {
        planes[index] = output;
    }
    Ok(count)
}

/// What T.87 annex A derives from precision, NEAR and the preset parameters.
struct Parameters {
    near: i32,
    /// Nothing is lost, and samples are whole numbers of bits: they wrap around by themselves.
    exact: bool,
    max: i32,
    /// Values that an error can take.
    range: i32,
    /// Bits of such a value.
    bits: u32,
    limit: u32,
    thresholds: [i32; 3],
    /// The class of each gradient from minus the last threshold to it; beyond, it stays the same.
    classes: Vec<i8>,
    reset: i32,
}

impl Parameters {
    fn new(precision: u32, near: i32, [max, t1, t2, t3, reset]: [u16; 5]) -> Result<Self, String> {
        let whole = (1i32 << precision) - 1;
        let max = if max == 0 { whole } else { i32::from(max) };
        if max > whole || near > (max / 2).min(255) {
            return Err(format!("its highest value is {max} and its error {near}"));
        }
        let range = (max + 2 * near) / (2 * near + 1) + 1;
        let bits = 32 - (range - 1).leading_zeros();
        let depth = (32 - max.leading_zeros()).max(2);
        let clamp = |value: i32, low: i32| {
            if value > max || value < low {
                low
            } else {
                value
            }
        };
        let defaults = if max >= 128 {
            let factor = (max.min(4095) + 128) / 256;
            [
                factor + 2 + 3 * near,
                4 * factor + 3 + 5 * near,
                17 * factor + 4 + 7 * near,
            ]
        } else {
            let factor = 256 / (max + 1);
            [
                (3 / factor + 3 * near).max(2),
                (7 / factor + 5 * near).max(3),
                (21 / factor + 7 * near).max(4),
            ]
        };
        let choose = |given: u16, default: i32, low: i32| {
            if given == 0 {
                clamp(default, low)
            } else {
                i32::from(given)
            }
        };
        let t1 = choose(t1, defaults[0], near + 1);
        let t2 = choose(t2, defaults[1], t1);
        let t3 = choose(t3, defaults[2], t2);
        if t1 <= near || t2 < t1 || t3 < t2 {
            return Err(format!("its thresholds are {t1}, {t2}, {t3}"));
        }
        let class = |gradient: i32| {
            let size = gradient.abs();
            if size <= near {
                return 0;
            }
            let class = 1 + i8::from(size >= t1) + i8::from(size >= t2) + i8::from(size >= t3);
            if gradient < 0 { -class } else { class }
        };
        Ok(Parameters {
            classes: (-t3..=t3).map(class).collect(),
            near,
            exact: near == 0 && max & (max + 1) == 0,
            max,
            range,
            bits,
            limit: 2 * (depth + depth.max(8)),
            thresholds: [t1, t2, t3],
            reset: if reset == 0 {
                64
            } else {
                i32::from(reset.max(3))
            },
        })
    }

    /// A gradient's class, -4 to 4 (A.3.3).
    #[inline]
    fn class(&self, gradient: i32) -> i32 {
        let most = self.thresholds[2];
        i32::from(self.classes[(gradient.clamp(-most, most) + most) as usize])
    }

    /// A sample from its prediction and error (A.4.5).
    #[inline]
    fn sample(&self, prediction: i32, error: i32) -> i32 {
        let value = prediction.wrapping_add(error.wrapping_mul(2 * self.near + 1));
        // A branch that is mostly taken: the next sample waits for this one.
        if (0..=self.max).contains(&value) {
            value
        } else {
            self.wrapped(value)
        }
    }

    #[cold]
    #[inline(never)]
    fn wrapped(&self, mut value: i32) -> i32 {
        let whole = self.range * (2 * self.near + 1);
        if value < -self.near {
            value = value.wrapping_add(whole);
        } else if value > self.max + self.near {
            value = value.wrapping_sub(whole);
        }
        value.clamp(0, self.max)
    }
}

/// What is learnt of one context.
#[derive(Clone, Copy)]
struct Context {
    a: i32,
    b: i32,
    n: i32,
    c: i16,
    /// The Golomb parameter of the next sample outside runs: it is worked out while the processor still waits for others.
    k: u16,
}

const FRESH: Context = Context {
    a: 0,
    b: 0,
    n: 1,
    c: 0,
    k: 0,
};

struct State<'a> {
    parameters: Parameters,
    bits: Bits<'a>,
    /// 365 of them are used; a power of two needs no check of the index.
    regular: Box<[Context; 512]>,
    /// Interrupted runs, by whether both neighbours are alike; `b` counts negative errors.
    interrupted: [Context; 2],
}

impl<'a> State<'a> {
    fn new(parameters: Parameters, data: &'a [u8]) -> Self {
        let mut state = State {
            parameters,
            bits: Bits::new(data),
            regular: Box::new([FRESH; 512]),
            interrupted: [FRESH; 2],
        };
        state.forget();
        state
    }

    fn forget(&mut self) {
        let a = ((self.parameters.range + 32) / 64).max(2);
        let k = golomb(FRESH.n, a) as u16;
        let fresh = Context { a, k, ..FRESH };
        self.regular.fill(fresh);
        self.interrupted = [fresh; 2];
    }

    fn restart(&mut self) {
        self.bits.restart();
        self.forget();
    }

    /// One line of one component.
    fn line(&mut self, above: &[i32], line: &mut [i32], run_index: &mut usize) {
        if self.parameters.exact {
            self.line_of::<true>(above, line, run_index);
        } else {
            self.line_of::<false>(above, line, run_index);
        }
    }

    fn line_of<const EXACT: bool>(
        &mut self,
        above: &[i32],
        line: &mut [i32],
        run_index: &mut usize,
    ) {
        let columns = line.len() - 2;
        // The same length as far as the compiler knows.
        let above = &above[..line.len()];
        let mut at = 1;
        // A copy, so that the bits at hand stay in registers.
        let mut bits = self.bits;
        while at <= columns {
            let (mut left, mut corner, mut up) = (line[at - 1], above[at - 1], above[at]);
            let mut before = self.parameters.class(up - corner);
            while at <= columns {
                let ahead = above[at + 1];
                // What is the first gradient here is the second one of the next sample.
                let first = self.parameters.class(ahead - up);
                let classes = 81 * first + 9 * before + self.parameters.class(corner - left);
                if classes == 0 {
                    break;
                }
                left = regular::<EXACT>(
                    &self.parameters,
                    &mut self.regular,
                    &mut bits,
                    classes,
                    [left, up, corner],
                );
                line[at] = left;
                (corner, up, before) = (up, ahead, first);
                at += 1;
            }
            if at > columns {
                break;
            }
            self.bits = bits;
            let (length, interrupted) = self.run(columns + 1 - at, run_index);
            line[at..at + length].fill(left);
            at += length;
            if interrupted {
                line[at] = self.interruption(left, above[at], *run_index);
                *run_index = run_index.saturating_sub(1);
                at += 1;
            }
            bits = self.bits;
        }
        self.bits = bits;
    }

    /// One line of all components, pixel by pixel (interleave mode 2): runs are of whole pixels.
    fn pixels(&mut self, above: &[Vec<i32>], lines: &mut [Vec<i32>], run_index: &mut usize) {
        let (count, columns) = (lines.len(), lines[0].len() - 2);
        let mut at = 1;
        let mut classes = [0; 4];
        if count > classes.len() {
            return;
        }
        while at <= columns {
            for component in 0..count {
                let (above, line) = (&above[component], &lines[component]);
                let (left, up, corner, ahead) =
                    (line[at - 1], above[at], above[at - 1], above[at + 1]);
                classes[component] = 81 * self.parameters.class(ahead - up)
                    + 9 * self.parameters.class(up - corner)
                    + self.parameters.class(corner - left);
            }
            if classes[..count].iter().any(|class| *class != 0) {
                for component in 0..count {
                    let (left, up, corner) = (
                        lines[component][at - 1],
                        above[component][at],
                        above[component][at - 1],
                    );
                    lines[component][at] = regular::<false>(
                        &self.parameters,
                        &mut self.regular,
                        &mut self.bits,
                        classes[component],
                        [left, up, corner],
                    );
                }
                at += 1;
                continue;
            }
            let (length, interrupted) = self.run(columns + 1 - at, run_index);
            for line in lines.iter_mut() {
                let left = line[at - 1];
                line[at..at + length].fill(left);
            }
            at += length;
            if interrupted {
                for component in 0..count {
                    let (left, up) = (lines[component][at - 1], above[component][at]);
                    let error = self.interruption_error(0, *run_index);
                    let sign = if up < left { -1 } else { 1 };
                    lines[component][at] = self.parameters.sample(up, sign * error);
                }
                *run_index = run_index.saturating_sub(1);
                at += 1;
            }
        }
    }

    /// Length of a run of at most `room`, and whether another sample ends it (A.7.1).
    fn run(&mut self, room: usize, run_index: &mut usize) -> (usize, bool) {
        let mut length = 0;
        while self.bits.take(1) == 1 {
            let step = 1usize << J[*run_index];
            if length + step > room {
                return (room, false);
            }
            length += step;
            *run_index = (*run_index + 1).min(31);
            if length == room {
                return (room, false);
            }
        }
        let more = self.bits.take(J[*run_index]) as usize;
        // A run that reaches the end needs no interruption; a stream that says otherwise lies.
        (length + more.min(room - length - 1), true)
    }

    fn interruption(&mut self, left: i32, up: i32, run_index: usize) -> i32 {
        if (left - up).abs() <= self.parameters.near {
            let error = self.interruption_error(1, run_index);
            self.parameters.sample(left, error)
        } else {
            let error = self.interruption_error(0, run_index);
            self.parameters
                .sample(up, if up < left { -error } else { error })
        }
    }

    /// A.7.2.
    fn interruption_error(&mut self, alike: usize, run_index: usize) -> i32 {
        let parameters = &self.parameters;
        let context = &mut self.interrupted[alike];
        let kind = alike as i32;
        let k = golomb(context.n, context.a + (context.n >> 1) * kind);
        let limit = parameters.limit - J[run_index] - 1;
        let mapped = self.bits.golomb(k, limit, parameters.bits) as i32;
        let sum = mapped + kind;
        let size = (sum + 1) >> 1;
        let odd = sum & 1 == 1;
        let error = if (k != 0 || 2 * context.b >= context.n) == odd {
            -size
        } else {
            size
        };
        if error < 0 {
            context.b += 1;
        }
        context.a = context.a.saturating_add((mapped + 1 - kind) >> 1);
        if context.n == parameters.reset {
            context.a >>= 1;
            context.b >>= 1;
            context.n >>= 1;
        }
        context.n += 1;
        error
    }
}

/// A sample outside runs (A.4 to A.6), without branches where it could be either way; `EXACT` as [`Parameters::exact`].
#[inline(always)]
fn regular<const EXACT: bool>(
    parameters: &Parameters,
    contexts: &mut [Context; 512],
    bits: &mut Bits<'_>,
    classes: i32,
    [left, up, corner]: [i32; 3],
) -> i32 {
    // All bits set where the sign is minus.
    let minus = classes >> 31;
    let signed = |value: i32| (value ^ minus) - minus;
    let context = &mut contexts[signed(classes) as usize & 511];
    let (low, high) = (left.min(up), left.max(up));
    let edge = (left + up - corner).clamp(low, high);
    let prediction = (edge + signed(i32::from(context.c))).clamp(0, parameters.max);
    let k = u32::from(context.k);
    let mapped = bits.golomb(k, parameters.limit, parameters.bits);
    let mut error = (mapped >> 1) as i32 ^ -((mapped & 1) as i32);
    if EXACT || parameters.near == 0 {
        error ^= -i32::from((k == 0) & (2 * context.b <= -context.n));
    }
    let wide = if EXACT {
        error
    } else {
        error.wrapping_mul(2 * parameters.near + 1)
    };
    let mut b = context.b.wrapping_add(wide);
    let mut a = context.a.wrapping_add(error.abs());
    let mut n = context.n;
    if n == parameters.reset {
        a >>= 1;
        b >>= 1;
        n >>= 1;
    }
    n += 1;
    let (less, more) = (b <= -n, b > 0);
    let turn = i32::from(less) - i32::from(more);
    *context = Context {
        a,
        b: b.wrapping_add(n & -i32::from(less))
            .wrapping_sub(n & -i32::from(more))
            .clamp(1 - n, 0),
        n,
        c: (context.c - turn as i16).clamp(-128, 127),
        k: golomb(n, a) as u16,
    };
    if EXACT {
        prediction.wrapping_add(signed(error)) & parameters.max
    } else {
        parameters.sample(prediction, signed(error))
    }
}

/// The Golomb parameter: smallest k with n·2^k ≥ a, at most 24.
#[inline]
fn golomb(n: i32, a: i32) -> u32 {
    if a <= n {
        return 0;
    }
    // As long as `a`, and then either not smaller or by one bit too short.
    let k = n.leading_zeros() - a.leading_zeros();
    (k + u32::from(n << k < a)).min(24)
}

/// Bits of a scan: after a byte 0xFF the next one has seven. After the end zeros come.
#[derive(Clone, Copy)]
struct Bits<'a> {
    data: &'a [u8],
    at: usize,
    /// The next bits, from the top.
    cache: u64,
    count: u32,
    after_ff: bool,
    invented: u32,
}

impl<'a> Bits<'a> {
    fn new(data: &'a [u8]) -> Self {
        Bits {
            data,
            at: 0,
            cache: 0,
            count: 0,
            after_ff: false,
            invented: 0,
        }
    }

    #[inline]
    fn fill(&mut self) {
        // Four bytes at once when none of them is 0xFF.
        if let Some(four) = self.data.get(self.at..).and_then(|rest| rest.first_chunk())
            && self.count <= 32
            && !self.after_ff
        {
            let word = u32::from_be_bytes(*four);
            if (!word).wrapping_sub(0x0101_0101) & word & 0x8080_8080 == 0 {
                self.cache |= u64::from(word) << (32 - self.count);
                self.count += 32;
                self.at += 4;
                return;
            }
        }
        // By value, so that whoever inlines this can keep its fields in registers.
        *self = self.filled();
    }

    #[cold]
    #[inline(never)]
    fn filled(mut self) -> Self {
        while self.count <= 56 {
            let next = self.data.get(self.at).copied();
            let marker = self.after_ff && next.is_none_or(|byte| byte >= 0x80);
            let (byte, width) = match next {
                Some(byte) if !marker => {
                    self.at += 1;
                    (byte, if self.after_ff { 7 } else { 8 })
                }
                _ => {
                    self.invented += 8;
                    (0, 8)
                }
            };
            if !marker {
                self.after_ff = byte == 0xFF;
            }
            self.cache |= u64::from(byte) << (64 - width - self.count);
            self.count += width;
        }
        self
    }

    fn overrun(&self) -> bool {
        self.invented > self.count
    }

    #[inline]
    fn take(&mut self, bits: u32) -> u32 {
        if self.count < bits {
            self.fill();
        }
        // Not at once: by 64 bits a shift would be none.
        let value = (self.cache >> 1 >> (63 - bits)) as u32;
        self.cache <<= bits;
        self.count -= bits;
        value
    }

    /// A limited-length Golomb code (A.5.3).
    #[inline(always)]
    fn golomb(&mut self, k: u32, limit: u32, bits: u32) -> u32 {
        if self.count <= 32 {
            self.fill();
        }
        let run = self.cache.leading_zeros();
        let length = run + 1 + k;
        if length <= self.count && run < limit - bits - 1 {
            let rest = self.cache << run << 1;
            self.cache = rest << k;
            self.count -= length;
            return (run << k) + (rest >> 1 >> (63 - k)) as u32;
        }
        let (bits, value) = self.long_golomb(k, limit, bits);
        *self = bits;
        value
    }

    /// One that is not at hand, or escapes.
    #[cold]
    #[inline(never)]
    fn long_golomb(mut self, k: u32, limit: u32, bits: u32) -> (Self, u32) {
        let mut zeros = 0;
        loop {
            if self.count <= 32 {
                self.fill();
            }
            let run = self.cache.leading_zeros();
            if run < self.count {
                zeros += run;
                // Not at once: by 64 bits a shift would be none.
                self.cache = self.cache << run << 1;
                self.count -= run + 1;
                break;
            }
            zeros += self.count;
            self.cache = 0;
            self.count = 0;
            if zeros > limit {
                break;
            }
        }
        let value = if zeros < limit - bits - 1 {
            (zeros << k) + self.take(k)
        } else {
            self.take(bits) + 1
        };
        (self, value)
    }

    /// Goes behind the next restart marker.
    fn restart(&mut self) {
        let from = self.at.saturating_sub(1);
        let rest = self.data.get(from..).unwrap_or_default();
        if let Some(marker) = rest
            .windows(2)
            .position(|two| two[0] == 0xFF && (0xD0..=0xD7).contains(&two[1]))
        {
            self.at = from + marker + 2;
        }
        (self.cache, self.count, self.after_ff, self.invented) = (0, 0, false, 0);
    }
}
