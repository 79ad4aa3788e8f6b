//! Agreement of a poll's readers with each other, and of a room's readers over polls with the same options.

use std::collections::{BTreeMap, BTreeSet};

use super::{Interval, Level, Ratings, Weights, bootstrap};
use crate::ids::Person;

/// With fewer items than this, a coefficient over items says more about chance than about readers.
pub const FEWEST_ITEMS: usize = 10;

/// How one poll came out.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Majority {
    /// Votes for the leading option.
    pub votes: u32,
    /// All votes that count.
    pub of: u32,
    /// Whether no other option has as many.
    pub alone: bool,
    /// 95 % interval of the leading share (Wilson), from 0 to 1.
    pub interval: (f64, f64),
    /// Pairs of readers that agree.
    pub pairs: u64,
    /// All pairs of readers.
    pub of_pairs: u64,
}

/// Of the counts of one poll's options; `None` without a vote.
pub fn majority(counts: &[u32]) -> Option<Majority> {
    let pairs = |n: u32| u64::from(n) * u64::from(n.saturating_sub(1)) / 2;
    let votes = counts.iter().copied().max().filter(|most| *most > 0)?;
    let of = counts.iter().sum();
    Some(Majority {
        votes,
        of,
        alone: counts.iter().filter(|count| **count == votes).count() == 1,
        interval: wilson(f64::from(votes), f64::from(of)),
        pairs: counts.iter().map(|count| pairs(*count)).sum(),
        of_pairs: pairs(of),
    })
}

/// 95 % score interval of a share.
fn wilson(votes: f64, of: f64) -> (f64, f64) {
    const Z: f64 = 1.959_963_984_540_054;
    let share = votes / of;
    let middle = share + Z * Z / (2.0 * of);
    let half = Z * (share * (1.0 - share) / of + Z * Z / (4.0 * of * of)).sqrt();
    let scale = 1.0 + Z * Z / of;
    (
        ((middle - half) / scale).max(0.0),
        ((middle + half) / scale).min(1.0),
    )
}

/// One statistic, with what has to be said beside it.
#[derive(Debug, Clone, PartialEq)]
pub struct Figure {
    /// As the literature calls it.
    pub name: &'static str,
    /// `None`: undefined for these votes.
    pub value: Option<f64>,
    /// `None`: too few items, or undefined.
    pub interval: Option<Interval>,
}

/// Agreement over polls with the same options.
#[derive(Debug, Clone, PartialEq)]
pub struct Agreement {
    /// The options that they share.
    pub options: Vec<String>,
    /// Polls with at least one vote.
    pub items: usize,
    /// People who voted in any of them.
    pub readers: usize,
    /// Share of the votes that are missing, from 0 to 1.
    pub missing: f64,
    /// Percent agreement, then coefficients corrected for chance.
    pub figures: Vec<Figure>,
}

impl Agreement {
    /// Whether there are too few items to show more than percent agreement.
    pub fn too_few(&self) -> bool {
        self.items < FEWEST_ITEMS
    }

    fn of(options: Vec<String>, polls: &[&BTreeMap<Person, usize>]) -> Option<Self> {
        let readers: BTreeSet<Person> = polls.iter().flat_map(|p| p.keys()).copied().collect();
        let rows: Vec<Vec<_>> = readers
            .iter()
            .map(|reader| polls.iter().map(|p| p.get(reader).copied()).collect())
            .collect();
        let ratings = Ratings::new(options.len(), &rows)?;
        let enough = ratings.items() >= FEWEST_ITEMS;
        let figure = |name, statistic: &dyn Fn(&Ratings) -> Option<f64>| Figure {
            name,
            value: statistic(&ratings),
            interval: enough.then(|| bootstrap(&ratings, statistic)).flatten(),
        };
        let mut figures = vec![figure("Percent agreement", &Ratings::percent_agreement)];
        if enough {
            figures.push(figure("Krippendorff's alpha, nominal", &|ratings| {
                ratings.krippendorff(Level::Nominal)
            }));
            figures.push(figure("Gwet's AC1", &|ratings| ratings.gwet(Weights::None)));
            if ratings.readers() == 2 && ratings.missing() == 0.0 {
                figures.push(figure("Cohen's kappa", &|ratings| {
                    ratings.cohen(0, 1, Weights::None)
                }));
            }
        }
        Some(Self {
            items: ratings.items(),
            readers: ratings.readers(),
            missing: ratings.missing(),
            options,
            figures,
        })
    }
}

/// Groups polls (options as texts, and who chose which) that ask with the same options in the same order, and
/// gives the agreement over each group of two polls or more, largest first.
pub fn of_polls(polls: &[(Vec<String>, BTreeMap<Person, usize>)]) -> Vec<Agreement> {
    let mut groups: BTreeMap<&[String], Vec<&BTreeMap<Person, usize>>> = BTreeMap::new();
    for (options, votes) in polls.iter().filter(|(_, votes)| !votes.is_empty()) {
        groups.entry(options).or_default().push(votes);
    }
    let mut all: Vec<_> = groups
        .into_iter()
        .filter(|(_, polls)| polls.len() > 1)
        .filter_map(|(options, polls)| Agreement::of(options.to_vec(), &polls))
        .collect();
    all.sort_by_key(|agreement| std::cmp::Reverse(agreement.items));
    all
}
