//! The coefficients themselves.

use super::Ratings;

/// How far apart two categories are, for coefficients with weights.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Weights {
    /// Every difference is the same.
    None,
    /// By the number of steps.
    Linear,
    /// By its square.
    Quadratic,
    /// By the number of pairs of categories from one to the other.
    Ordinal,
}

/// The scale of Krippendorff's alpha. Categories are in the order of the scale.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// Names without an order: diagnoses.
    Nominal,
    /// In order, with unknown steps: BI-RADS.
    Ordinal,
    /// In order, with equal steps.
    Interval,
}

impl Weights {
    /// Agreement between two of `of` categories, 1 for the same.
    fn agreement(self, a: usize, b: usize, of: usize) -> f64 {
        if a == b {
            return 1.0;
        }
        let (steps, all) = (a.abs_diff(b) as f64, of.saturating_sub(1).max(1) as f64);
        match self {
            Weights::None => 0.0,
            Weights::Linear => 1.0 - steps / all,
            Weights::Quadratic => 1.0 - (steps / all).powi(2),
            Weights::Ordinal => 1.0 - (steps + 1.0) * steps / ((all + 1.0) * all),
        }
    }
}

impl Ratings {
    /// Mean over items of the share of pairs of votes that agree.
    pub fn percent_agreement(&self) -> Option<f64> {
        observed(&self.counts(), Weights::None)
    }

    /// Cohen's kappa of two readers (by their rows), over the items that both have read.
    pub fn cohen(&self, one: usize, two: usize, weights: Weights) -> Option<f64> {
        let of = self.categories;
        let both: Vec<(usize, usize)> = self
            .items
            .iter()
            .filter_map(|item| Some((*item.get(one)?.as_ref()?, *item.get(two)?.as_ref()?)))
            .collect();
        let n = both.len() as f64;
        let mut margins = vec![(0.0, 0.0); of];
        let mut found = 0.0;
        for (a, b) in both {
            margins[a].0 += 1.0 / n;
            margins[b].1 += 1.0 / n;
            found += weights.agreement(a, b, of) / n;
        }
        let mut chance = 0.0;
        for (a, (p, _)) in margins.iter().enumerate() {
            for (b, (_, q)) in margins.iter().enumerate() {
                chance += p * q * weights.agreement(a, b, of);
            }
        }
        beyond_chance(found, chance)
    }

    /// Fleiss' kappa: interchangeable readers, nominal; with missing votes in Gwet's form.
    pub fn fleiss(&self) -> Option<f64> {
        let counts = self.counts();
        let chance = prevalence(&counts, self.categories)?
            .iter()
            .map(|p| p * p)
            .sum();
        beyond_chance(observed(&counts, Weights::None)?, chance)
    }

    /// Randolph's kappa: chance is one in the number of declared categories.
    pub fn randolph(&self) -> Option<f64> {
        beyond_chance(self.percent_agreement()?, 1.0 / self.categories as f64)
    }

    /// Gwet's AC1 (without weights) or AC2: stays meaningful where nearly all votes are for one category.
    pub fn gwet(&self, weights: Weights) -> Option<f64> {
        let (of, counts) = (self.categories, self.counts());
        if of < 2 {
            return None;
        }
        let all: f64 = (0..of)
            .flat_map(|a| (0..of).map(move |b| weights.agreement(a, b, of)))
            .sum();
        let spread: f64 = prevalence(&counts, of)?.iter().map(|p| p * (1.0 - p)).sum();
        let chance = all * spread / (of * (of - 1)) as f64;
        beyond_chance(observed(&counts, weights)?, chance)
    }

    /// Krippendorff's alpha: any number of readers, missing votes allowed.
    pub fn krippendorff(&self, level: Level) -> Option<f64> {
        let of = self.categories;
        let mut coincidences = vec![vec![0.0; of]; of];
        for counts in self.counts() {
            let votes: f64 = counts.iter().sum();
            if votes < 2.0 {
                continue;
            }
            for (a, n) in counts.iter().enumerate() {
                for (b, m) in counts.iter().enumerate() {
                    let pairs = if a == b { n * (n - 1.0) } else { n * m };
                    coincidences[a][b] += pairs / (votes - 1.0);
                }
            }
        }
        let totals: Vec<f64> = coincidences.iter().map(|row| row.iter().sum()).collect();
        let all: f64 = totals.iter().sum();
        let (mut found, mut expected) = (0.0, 0.0);
        for a in 0..of {
            for b in 0..of {
                let apart = distance(level, &totals, a, b);
                found += coincidences[a][b] * apart;
                expected += totals[a] * totals[b] * apart;
            }
        }
        (expected > 0.0).then(|| 1.0 - (all - 1.0) * found / expected)
    }
}

/// Krippendorff's squared distance between two categories; `totals` are the votes for each.
fn distance(level: Level, totals: &[f64], a: usize, b: usize) -> f64 {
    if a == b {
        return 0.0;
    }
    match level {
        Level::Nominal => 1.0,
        Level::Interval => (a.abs_diff(b) as f64).powi(2),
        Level::Ordinal => {
            let between: f64 = totals[a.min(b)..=a.max(b)].iter().sum();
            (between - (totals[a] + totals[b]) / 2.0).powi(2)
        }
    }
}

/// Mean agreement over items with two votes or more.
fn observed(counts: &[Vec<f64>], weights: Weights) -> Option<f64> {
    let of_item = |counts: &Vec<f64>| {
        let votes: f64 = counts.iter().sum();
        if votes < 2.0 {
            return None;
        }
        let like = |a: usize| -> f64 {
            let weighted = counts.iter().enumerate();
            weighted
                .map(|(b, n)| n * weights.agreement(a, b, counts.len()))
                .sum()
        };
        let pairs: f64 = counts
            .iter()
            .enumerate()
            .map(|(a, n)| n * (like(a) - 1.0))
            .sum();
        Some(pairs / (votes * (votes - 1.0)))
    };
    mean(counts.iter().filter_map(of_item))
}

/// Mean share of each category over the items that anybody has read.
fn prevalence(counts: &[Vec<f64>], of: usize) -> Option<Vec<f64>> {
    let share = |category: usize| {
        mean(counts.iter().filter_map(|counts| {
            let votes: f64 = counts.iter().sum();
            (votes > 0.0).then(|| counts[category] / votes)
        }))
    };
    (0..of).map(share).collect()
}

fn mean(values: impl Iterator<Item = f64>) -> Option<f64> {
    let (sum, n) = values.fold((0.0, 0.0), |(sum, n), value| (sum + value, n + 1.0));
    (n > 0.0).then(|| sum / n)
}

/// (found − chance) / (1 − chance); undefined where chance alone explains everything.
fn beyond_chance(found: f64, chance: f64) -> Option<f64> {
    let room = 1.0 - chance;
    (room.is_finite() && room > 1e-12 && found.is_finite()).then(|| (found - chance) / room)
}
