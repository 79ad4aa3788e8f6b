//! Statistics of agreement, against what published packages compute (see `tests/data/README.md`).

use std::collections::BTreeMap;

use healthsync_core::{
    Person,
    agreement::{Level, Ratings, Weights, bootstrap, majority, of_polls},
};
use proptest::{collection::vec, option, prelude::*};
use serde_json::Value;

fn ratings(case: &Value) -> Ratings {
    let codes: Vec<i64> = serde_json::from_value(case["categories"].clone()).unwrap();
    let rows: Vec<Vec<Option<i64>>> = serde_json::from_value(case["ratings"].clone()).unwrap();
    let place = |code: i64| codes.iter().position(|c| *c == code).unwrap();
    let rows: Vec<Vec<_>> = rows
        .into_iter()
        .map(|row| row.into_iter().map(|vote| vote.map(place)).collect())
        .collect();
    Ratings::new(codes.len(), &rows).unwrap()
}

fn weights(expected: &Value) -> Weights {
    match expected["weights"].as_str() {
        None | Some("none" | "identity") => Weights::None,
        Some("linear") => Weights::Linear,
        Some("quadratic") => Weights::Quadratic,
        Some("ordinal") => Weights::Ordinal,
        Some(other) => panic!("unknown weights {other}"),
    }
}

fn statistic(ratings: &Ratings, expected: &Value) -> Option<f64> {
    match expected["stat"].as_str().unwrap() {
        "krippendorff_alpha" => ratings.krippendorff(match expected["level"].as_str().unwrap() {
            "nominal" => Level::Nominal,
            "ordinal" => Level::Ordinal,
            _ => Level::Interval,
        }),
        "cohen_kappa" => {
            let pair: [usize; 2] =
                serde_json::from_value(expected["raters"].clone()).unwrap_or([0, 1]);
            ratings.cohen(pair[0], pair[1], weights(expected))
        }
        "fleiss_kappa" => ratings.fleiss(),
        "randolph_kappa" => ratings.randolph(),
        "gwet_ac1" | "gwet_ac2" => ratings.gwet(weights(expected)),
        other => panic!("unknown statistic {other}"),
    }
}

#[test]
fn every_statistic_is_what_published_packages_say() {
    let vectors: Value =
        serde_json::from_str(include_str!("../data/agreement_vectors.json")).unwrap();
    let mut checked = 0;
    for case in vectors["cases"].as_array().unwrap() {
        let ratings = ratings(case);
        for expected in case["expected"].as_array().unwrap() {
            let found = statistic(&ratings, expected);
            let same = match (found, expected["value"].as_f64()) {
                (Some(found), Some(value)) => (found - value).abs() < 1e-6,
                (found, value) => found == value,
            };
            assert!(same, "{} {expected}: {found:?}", case["id"]);
            checked += 1;
        }
    }
    assert!(checked >= 70, "only {checked} values");
}

#[test]
fn one_poll_five_of_seven() {
    let found = majority(&[5, 1, 1, 0]).unwrap();
    assert_eq!((found.votes, found.of, found.alone), (5, 7, true));
    assert_eq!((found.pairs, found.of_pairs), (10, 21));
    // The score interval's formula, computed apart.
    assert!((found.interval.0 - 0.358_934_5).abs() < 1e-6);
    assert!((found.interval.1 - 0.917_781_1).abs() < 1e-6);
    assert!(!majority(&[5, 5, 2]).unwrap().alone);
    assert_eq!(majority(&[0, 0]), None);
}

#[test]
fn an_interval_is_the_same_for_everybody() {
    let rows: Vec<Vec<Option<usize>>> = (0..4)
        .map(|reader| {
            (0..14)
                .map(|item| {
                    (reader + item != 7).then_some(usize::from(item % 3 == 0 && reader != item % 4))
                })
                .collect()
        })
        .collect();
    let ratings = Ratings::new(2, &rows).unwrap();
    let alpha = |ratings: &Ratings| ratings.krippendorff(Level::Nominal);
    let (one, two) = (bootstrap(&ratings, alpha), bootstrap(&ratings, alpha));
    assert_eq!(one, two);
    let (interval, value) = (one.unwrap(), alpha(&ratings).unwrap());
    assert!(interval.low <= value && value <= interval.high);
}

#[test]
fn polls_with_the_same_options_are_compared_and_too_few_are_called_so() {
    let options = vec!["Benign".to_owned(), "Malignant".to_owned()];
    let poll = |item: usize| {
        let votes: BTreeMap<Person, usize> = (0..3u8)
            .map(|reader| {
                (
                    Person([reader; 20]),
                    (item + usize::from(reader == 2 && item.is_multiple_of(5))) % 2,
                )
            })
            .collect();
        (options.clone(), votes)
    };
    let mut polls: Vec<_> = (0..9).map(poll).collect();
    polls.push((vec!["Yes".into(), "No".into()], polls[0].1.clone()));
    let few = of_polls(&polls);
    assert_eq!(few.len(), 1);
    assert!(few[0].too_few() && few[0].figures.len() == 1);
    assert_eq!(few[0].figures[0].interval, None);
    polls.push(poll(9));
    let enough = of_polls(&polls);
    assert_eq!((enough[0].items, enough[0].readers), (10, 3));
    assert!(!enough[0].too_few());
    assert!(
        enough[0]
            .figures
            .iter()
            .all(|f| f.value.is_some() && f.interval.is_some())
    );
}

proptest! {
    /// Who sits in which row, and in which order items come, says nothing.
    #[test]
    fn order_of_readers_and_items_does_not_matter(
        rows in vec(vec(option::weighted(0.8, 0..3usize), 12), 2..6),
        turn in 1..12usize,
    ) {
        let before = Ratings::new(3, &rows).unwrap();
        let mut turned: Vec<Vec<_>> = rows.iter().rev().cloned().collect();
        for row in &mut turned {
            row.rotate_left(turn);
        }
        let after = Ratings::new(3, &turned).unwrap();
        let all = |r: &Ratings| [
            r.percent_agreement(), r.fleiss(), r.randolph(), r.gwet(Weights::None), r.gwet(Weights::Ordinal),
            r.krippendorff(Level::Nominal), r.krippendorff(Level::Ordinal), r.krippendorff(Level::Interval),
        ];
        for (a, b) in all(&before).into_iter().zip(all(&after)) {
            let same = match (a, b) {
                (Some(a), Some(b)) => (a - b).abs() < 1e-9,
                (a, b) => a == b,
            };
            prop_assert!(same, "{a:?} {b:?}");
            prop_assert!(a.is_none_or(|value| value.is_finite() && value < 1.0 + 1e-9));
        }
    }
}
