//! From quantised coefficients to samples: the inverse DCT and the widening of subsampled components, in the integer
//! arithmetic that most decoders share (the "slow but accurate" method), so that lossy images too come out as others
//! show them, bit for bit.

use std::num::Wrapping;

/// Order in which coefficients are coded.
pub(crate) const ZIGZAG: [usize; 64] = [
    0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20,
    13, 6, 7, 14, 21, 28, 35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59,
    52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

type Word = Wrapping<i32>;

/// Bits of fraction of the constants.
const FRACTION: usize = 13;

/// One dimension: eight inputs to eight outputs, scaled by 2^13·√8 (Loeffler, Ligtenberg, Moschytz 1989).
#[inline]
fn transform(input: [Word; 8]) -> [Word; 8] {
    let by = |word: Word, constant: i32| word * Wrapping(constant);
    let z1 = by(input[2] + input[6], 4433);
    let (even2, even3) = (z1 - by(input[6], 15137), z1 + by(input[2], 6270));
    let (even0, even1) = (
        (input[0] + input[4]) << FRACTION,
        (input[0] - input[4]) << FRACTION,
    );
    let (sum0, sum3, sum1, sum2) = (even0 + even3, even0 - even3, even1 + even2, even1 - even2);
    let (odd0, odd1, odd2, odd3) = (input[7], input[5], input[3], input[1]);
    let z5 = by(odd0 + odd2 + odd1 + odd3, 9633);
    let (z1, z2) = (by(odd0 + odd3, -7373), by(odd1 + odd2, -20995));
    let (z3, z4) = (by(odd0 + odd2, -16069) + z5, by(odd1 + odd3, -3196) + z5);
    let odd0 = by(odd0, 2446) + z1 + z3;
    let odd1 = by(odd1, 16819) + z2 + z4;
    let odd2 = by(odd2, 25172) + z2 + z3;
    let odd3 = by(odd3, 12299) + z1 + z4;
    [
        sum0 + odd3,
        sum1 + odd2,
        sum2 + odd1,
        sum3 + odd0,
        sum3 - odd0,
        sum2 - odd1,
        sum1 - odd2,
        sum0 - odd3,
    ]
}

#[inline]
fn round(word: Word, bits: usize) -> Word {
    (word + Wrapping(1 << (bits - 1))) >> bits
}

/// All columns at once, each a lane of vector instructions; only their first `N` inputs are not zero.
#[inline(always)]
fn columns<const N: usize>(input: &[[i32; 8]; 8], bits: usize) -> [[i32; 8]; 8] {
    let mut out = [[0; 8]; 8];
    for lane in 0..8 {
        let column =
            std::array::from_fn(|row| Wrapping(if row < N { input[row][lane] } else { 0 }));
        for (out, word) in out.iter_mut().zip(transform(column)) {
            out[lane] = round(word, bits).0;
        }
    }
    out
}

/// Columns and then rows, of which the first `DOWN` and `ACROSS` inputs are not zero.
#[inline(always)]
fn both<const DOWN: usize, const ACROSS: usize>(
    coefficients: &[[i32; 8]; 8],
    kept: usize,
) -> [[i32; 8]; 8] {
    let between = turned(&columns::<DOWN>(coefficients, FRACTION - kept));
    turned(&columns::<ACROSS>(&between, FRACTION + kept + 3))
}

#[inline(always)]
fn turned(square: &[[i32; 8]; 8]) -> [[i32; 8]; 8] {
    std::array::from_fn(|row| std::array::from_fn(|column| square[column][row]))
}

/// One block to its samples, row by row. `coefficients` are multiplied by their steps and in natural order; `used` has
/// all bits of the places of those that are not zero.
#[inline]
pub(crate) fn inverse(coefficients: &[[i32; 8]; 8], used: usize, precision: u32) -> [[u16; 8]; 8] {
    let kept = if precision == 8 { 2 } else { 1 };
    let (middle, highest) = (1 << (precision - 1), (1 << precision) - 1);
    let sample = |word: i32| (word.clamp(-middle, highest - middle) + middle) as u16;
    // Most blocks are flat, most of the others smooth: both come out as the whole arithmetic would have it.
    if used == 0 {
        let mean = Wrapping(coefficients[0][0]);
        let word = round(mean << kept << FRACTION, FRACTION + kept + 3);
        return [[sample(word.0); 8]; 8];
    }
    let square = match (used & 0o40, used & 0o4) {
        (0, 0) => both::<4, 4>(coefficients, kept),
        (0, _) => both::<4, 8>(coefficients, kept),
        (_, 0) => both::<8, 4>(coefficients, kept),
        (_, _) => both::<8, 8>(coefficients, kept),
    };
    square.map(|row| row.map(sample))
}

/// A component's samples and how they lie.
pub(crate) struct Plane {
    pub(crate) samples: Vec<u16>,
    /// Samples from one row to the next.
    pub(crate) stride: usize,
    /// Of the part that counts.
    pub(crate) width: usize,
    pub(crate) height: usize,
}

impl Plane {
    fn row(&self, row: usize) -> &[u16] {
        let start = row.min(self.height - 1) * self.stride;
        &self.samples[start..start + self.width]
    }

    /// Row `row` of the component in full size, `out.len()` pixels: `across` and `down` are how many of them a sample
    /// stands for.
    pub(crate) fn widen(
        &self,
        row: usize,
        across: (usize, usize),
        down: (usize, usize),
        out: &mut [u16],
    ) {
        let from = row * down.1 / down.0;
        let smooth = self.width > 2;
        match (across, down) {
            ((1, 1), (1, 1)) => out.copy_from_slice(&self.row(row)[..out.len()]),
            ((2, 1), (1, 1)) if smooth => double::<2, 1, 2>(self.row(from), out),
            // Every second row is nearer to the one above, the others to the one below.
            ((1, 1) | (2, 1), (2, 1)) if smooth || across == (1, 1) => {
                let far = if row.is_multiple_of(2) {
                    from.saturating_sub(1)
                } else {
                    from + 1
                };
                let pairs = self.row(from).iter().zip(self.row(far));
                let sums = pairs.map(|(near, far)| 3 * near + far);
                if across == (1, 1) {
                    let bias = if row.is_multiple_of(2) { 1 } else { 2 };
                    for (out, sum) in out.iter_mut().zip(sums) {
                        *out = (sum + bias) >> 2;
                    }
                } else {
                    double::<4, 8, 7>(&sums.collect::<Vec<u16>>(), out);
                }
            }
            _ => {
                let line = self.row(from);
                for (column, out) in out.iter_mut().enumerate() {
                    *out = line[(column * across.1 / across.0).min(self.width - 1)];
                }
            }
        }
    }
}

/// Two pixels from each of a line of sums, three quarters of the near one and a quarter of the far one, rounded by `LOW`
/// towards the left and by `HIGH` towards the right. Sixteen bits hold the sum of sixteen samples of twelve bits.
fn double<const SHIFT: u32, const LOW: u16, const HIGH: u16>(line: &[u16], out: &mut [u16]) {
    let last = line.len() - 1;
    let mix = |near: u16, far: u16, bias: u16| (3 * near + far + bias) >> SHIFT;
    let pairs = out.as_chunks_mut::<2>().0;
    for (pair, three) in pairs[1..].iter_mut().zip(line.windows(3)) {
        *pair = [mix(three[1], three[0], LOW), mix(three[1], three[2], HIGH)];
    }
    // The ends have no neighbour.
    pairs[0] = [mix(line[0], line[0], LOW), mix(line[0], line[1], HIGH)];
    let end = [
        mix(line[last], line[last - 1], LOW),
        mix(line[last], line[last], HIGH),
    ];
    for (out, end) in out[2 * last..].iter_mut().zip(end) {
        *out = end;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_block_is_its_mean() {
        let mut coefficients = [[0; 8]; 8];
        coefficients[0][0] = 160;
        assert_eq!(inverse(&coefficients, 0, 8), [[128 + 20; 8]; 8]);
        assert_eq!(inverse(&coefficients, 0, 12), [[2048 + 20; 8]; 8]);
        assert_eq!(inverse(&coefficients, 1, 8), [[128 + 20; 8]; 8]);
    }

    #[test]
    fn a_smooth_block_is_what_the_whole_arithmetic_makes_of_it() {
        let mut coefficients = [[0; 8]; 8];
        for (row, line) in coefficients.iter_mut().take(4).enumerate() {
            for (column, coefficient) in line.iter_mut().take(4).enumerate() {
                *coefficient = 300 - (row * 97 + column * 61) as i32;
            }
        }
        assert_eq!(
            inverse(&coefficients, 0o33, 8),
            inverse(&coefficients, 0o77, 8)
        );
    }

    #[test]
    fn halved_components_are_widened_smoothly() {
        let plane = Plane {
            samples: vec![0, 40, 80],
            stride: 3,
            width: 3,
            height: 1,
        };
        let mut row = [0; 6];
        plane.widen(0, (2, 1), (1, 1), &mut row);
        assert_eq!(row, [0, 10, 30, 50, 70, 80]);
        plane.widen(0, (2, 1), (1, 1), &mut row[..5]);
        assert_eq!(row, [0, 10, 30, 50, 70, 80]);
    }
}
