//! Intervals by resampling items. Seed and number of replicates are fixed, so that everybody who has the
//! same votes gets the same interval.

use super::Ratings;

/// Resamplings of one interval.
pub const REPLICATES: usize = 1_000;
/// Of the generator; part of what an interval means.
pub const SEED: u64 = 20_260_921;

/// A 95 % percentile interval.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Interval {
    /// 2.5th percentile.
    pub low: f64,
    /// 97.5th percentile.
    pub high: f64,
    /// Replicates in which the statistic was undefined; they are left out.
    pub undefined: usize,
}

/// The interval of `statistic` over resampled items (not votes); `None` if no replicate has a value.
pub fn bootstrap(
    ratings: &Ratings,
    statistic: impl Fn(&Ratings) -> Option<f64>,
) -> Option<Interval> {
    let items = ratings.items.len() as u64;
    let mut state = SEED;
    let mut values: Vec<f64> = (0..REPLICATES)
        .filter_map(|_| {
            let pick = (0..items).map(|_| (next(&mut state) % items) as usize);
            let picked: Vec<_> = pick.collect();
            statistic(&ratings.resampled(picked.into_iter()))
        })
        .collect();
    values.sort_by(f64::total_cmp);
    Some(Interval {
        low: quantile(&values, 0.025)?,
        high: quantile(&values, 0.975)?,
        undefined: REPLICATES - values.len(),
    })
}

/// With linear interpolation between order statistics (type 7).
fn quantile(sorted: &[f64], share: f64) -> Option<f64> {
    let place = share * sorted.len().checked_sub(1)? as f64;
    let below = sorted.get(place.floor() as usize)?;
    let above = sorted.get(place.ceil() as usize)?;
    Some(below + (above - below) * place.fract())
}

/// SplitMix64 (Steele, Lea and Flood 2014).
fn next(state: &mut u64) -> u64 {
    *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let mut word = *state;
    word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ (word >> 31)
}
