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

#[inline]
fn sample(word: Word, precision: u32) -> u16 {
    let (middle, highest) = (1 << (precision - 1), (1 << precision) - 1);
    word.0.saturating_add(middle).clamp(0, highest) as u16
}

/// One block to its 64 samples. `table` is in natural order, as the coefficients are.
pub(crate) fn inverse(coefficients: &[i16; 64], table: &[u16; 64], precision: u32) -> [u16; 64] {
    let kept = if precision == 8 { 2 } else { 1 };
    // Most blocks are flat, most of the others have few columns: both come out as the whole arithmetic would have it.
    if coefficients[1..]
        .iter()
        .all(|coefficient| *coefficient == 0)
    {
        let mean = Wrapping(i32::from(coefficients[0])) * Wrapping(i32::from(table[0]));
        let word = round(mean << kept << FRACTION, FRACTION + kept + 3);
        return [sample(word, precision); 64];
    }
    let mut seen = [0; 8];
    for row in coefficients[8..].as_chunks::<8>().0 {
        for (seen, coefficient) in seen.iter_mut().zip(row) {
            *seen |= coefficient;
        }
    }
    let mut between = [Wrapping(0); 64];
    for column in 0..8 {
        if seen[column] == 0 {
            let word =
                Wrapping(i32::from(coefficients[column])) * Wrapping(i32::from(table[column]));
            for row in 0..8 {
                between[row * 8 + column] = round(word << FRACTION, FRACTION - kept);
            }
            continue;
        }
        let input = std::array::from_fn(|row| {
            let at = row * 8 + column;
            Wrapping(i32::from(coefficients[at])) * Wrapping(i32::from(table[at]))
        });
        for (row, word) in transform(input).into_iter().enumerate() {
            between[row * 8 + column] = round(word, FRACTION - kept);
        }
    }
    let mut samples = [0; 64];
    for row in 0..8 {
        let input = std::array::from_fn(|column| between[row * 8 + column]);
        for (column, word) in transform(input).into_iter().enumerate() {
            samples[row * 8 + column] = sample(round(word, FRACTION + kept + 3), precision);
        }
    }
    samples
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

    /// The component in full size: `across` and `down` are how many pixels a sample stands for.
    pub(crate) fn widen(
        &self,
        columns: usize,
        rows: usize,
        across: (usize, usize),
        down: (usize, usize),
    ) -> Vec<u16> {
        let mut out = Vec::with_capacity(columns * rows);
        let mut line = vec![0u32; self.width];
        let smooth = self.width > 2;
        for row in 0..rows {
            let from = row * down.1 / down.0;
            match (across, down) {
                ((1, 1), (1, 1)) => out.extend_from_slice(&self.row(row)[..columns]),
                ((2, 1), (1, 1)) if smooth => {
                    line.iter_mut()
                        .zip(self.row(row))
                        .for_each(|(sum, sample)| *sum = u32::from(*sample));
                    double(&line, columns, 1, &mut out);
                }
                // Every second row is nearer to the one above, the others to the one below.
                ((1, 1) | (2, 1), (2, 1)) if smooth || across == (1, 1) => {
                    let far = if row % 2 == 0 {
                        from.saturating_sub(1)
                    } else {
                        from + 1
                    };
                    for ((sum, near), far) in line.iter_mut().zip(self.row(from)).zip(self.row(far))
                    {
                        *sum = 3 * u32::from(*near) + u32::from(*far);
                    }
                    if across == (1, 1) {
                        let bias = if row % 2 == 0 { 1 } else { 2 };
                        out.extend(line[..columns].iter().map(|sum| ((sum + bias) >> 2) as u16));
                    } else {
                        double(&line, columns, 4, &mut out);
                    }
                }
                _ => {
                    let line = self.row(from);
                    out.extend(
                        (0..columns)
                            .map(|column| line[(column * across.1 / across.0).min(self.width - 1)]),
                    );
                }
            }
        }
        out
    }
}

/// Two samples from each of a line of sums (`weight` samples each), three quarters of the near and one of the far.
fn double(line: &[u32], columns: usize, weight: u32, out: &mut Vec<u16>) {
    let (shift, low, high) = if weight == 1 { (2, 1, 2) } else { (4, 8, 7) };
    let start = out.len();
    out.resize(start + 2 * line.len(), 0);
    let pairs = out[start..].as_chunks_mut::<2>().0;
    // The ends have no neighbour.
    let end =
        |near: u32, bias: u32| ((4 * near + if weight == 1 { 0 } else { bias }) >> shift) as u16;
    let last = line.len() - 1;
    for (pair, three) in pairs[1..].iter_mut().zip(line.windows(3)) {
        *pair = [
            ((3 * three[1] + three[0] + low) >> shift) as u16,
            ((3 * three[1] + three[2] + high) >> shift) as u16,
        ];
    }
    pairs[0] = [
        end(line[0], low),
        ((3 * line[0] + line[1] + high) >> shift) as u16,
    ];
    pairs[last] = [
        ((3 * line[last] + line[last - 1] + low) >> shift) as u16,
        end(line[last], high),
    ];
    out.truncate(start + columns);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_constant_block_is_its_mean() {
        let mut coefficients = [0; 64];
        coefficients[0] = 10;
        assert_eq!(inverse(&coefficients, &[16; 64], 8), [128 + 20; 64]);
        assert_eq!(inverse(&coefficients, &[16; 64], 12), [2048 + 20; 64]);
    }

    #[test]
    fn halved_components_are_widened_smoothly() {
        let plane = Plane {
            samples: vec![0, 40, 80],
            stride: 3,
            width: 3,
            height: 1,
        };
        assert_eq!(plane.widen(6, 1, (2, 1), (1, 1)), [0, 10, 30, 50, 70, 80]);
    }
}
