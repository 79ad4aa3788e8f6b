//! Statistics of agreement between readers, for one poll and over several polls with the same options.
//!
//! Every coefficient is `None` where it is undefined (no pair of votes, no variation), and is shown as
//! undefined, never as 0 or 1. Formulas: Cohen 1960 and 1968, Fleiss 1971, Randolph 2005, Gwet 2008 and 2014
//! (with missing votes: prevalence from every rated item, observed agreement from items with two votes or
//! more), Krippendorff 2011 (coincidence matrix), Wilson 1927.

mod bootstrap;
mod coefficients;
mod polls;

pub use bootstrap::{Interval, REPLICATES, SEED, bootstrap};
pub use coefficients::{Level, Weights};
pub use polls::{Agreement, FEWEST_ITEMS, Figure, Majority, majority, of_polls};

/// Votes as a matrix: readers by items, each an index into the declared categories, or none.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ratings {
    categories: usize,
    /// `items[item][reader]`.
    items: Vec<Vec<Option<usize>>>,
    readers: usize,
}

impl Ratings {
    /// `rows[reader][item]`; `None` if rows differ in length or name a category that is not there.
    pub fn new(categories: usize, rows: &[Vec<Option<usize>>]) -> Option<Self> {
        let items = rows.first().map_or(0, Vec::len);
        let fits = |row: &Vec<Option<usize>>| {
            row.len() == items && row.iter().flatten().all(|vote| *vote < categories)
        };
        rows.iter().all(fits).then(|| Self {
            categories,
            items: (0..items)
                .map(|item| rows.iter().map(|row| row[item]).collect())
                .collect(),
            readers: rows.len(),
        })
    }

    /// Number of items that anybody has read.
    pub fn items(&self) -> usize {
        let read = |votes: &&Vec<Option<usize>>| votes.iter().any(Option::is_some);
        self.items.iter().filter(read).count()
    }

    /// Number of readers.
    pub fn readers(&self) -> usize {
        self.readers
    }

    /// Which share of the votes is missing, from 0 to 1.
    pub fn missing(&self) -> f64 {
        let cells = self.items.len() * self.readers;
        let votes: usize = self
            .items
            .iter()
            .map(|item| item.iter().flatten().count())
            .sum();
        if cells == 0 {
            return 0.0;
        }
        (cells - votes) as f64 / cells as f64
    }

    /// The same readers on these items, any of them several times.
    fn resampled(&self, items: impl Iterator<Item = usize>) -> Self {
        Self {
            categories: self.categories,
            items: items.map(|item| self.items[item].clone()).collect(),
            readers: self.readers,
        }
    }

    /// Per item the number of votes for each category.
    fn counts(&self) -> Vec<Vec<f64>> {
        let count = |votes: &Vec<Option<usize>>| {
            let mut counts = vec![0.0; self.categories];
            for vote in votes.iter().flatten() {
                counts[*vote] += 1.0;
            }
            counts
        };
        self.items.iter().map(count).collect()
    }
}
