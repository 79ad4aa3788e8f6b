//! Figures of agreement. Each stands with what it is of: how many items, readers and missing votes, and its interval;
//! undefined is called undefined.

use healthsync_core::agreement::{Agreement, FEWEST_ITEMS, Majority};
use leptos::prelude::*;

fn percent(share: f64) -> String {
    format!("{:.0} %", share * 100.0)
}

/// One poll: how large the largest group is, and how many pairs of readers agree.
#[component]
pub(crate) fn MajorityFigures(majority: Majority) -> impl IntoView {
    let share = f64::from(majority.votes) / f64::from(majority.of);
    let (low, high) = majority.interval;
    view! {
        <dl class="agree" data-testid="agreement">
            <div>
                <dt>{if majority.alone { "Majority" } else { "Largest, shared" }}</dt>
                <dd>
                    {percent(share)}
                    <small>{format!("{} of {}, 95 % interval {:.0} to {:.0}", majority.votes, majority.of, low * 100.0, high * 100.0)}</small>
                </dd>
            </div>
            <div>
                <dt>"Pairs that agree"</dt>
                <dd>
                    {match majority.of_pairs {
                        0 => "none".to_owned(),
                        of => percent(majority.pairs as f64 / of as f64),
                    }}
                    <small>
                        {match majority.of_pairs {
                            0 => "one reader makes no pair".to_owned(),
                            of => format!("{} of {of} pairs", majority.pairs),
                        }}
                    </small>
                </dd>
            </div>
        </dl>
    }
}

/// Several polls with the same options.
#[component]
pub(crate) fn AgreementTable(agreement: Agreement) -> impl IntoView {
    let what = format!(
        "{} polls, {} readers, {} of the votes missing. Options: {}.",
        agreement.items,
        agreement.readers,
        percent(agreement.missing),
        agreement.options.join(", ")
    );
    let few = agreement.too_few();
    let rows = agreement
        .figures
        .iter()
        .map(|figure| {
            let value = figure
                .value
                .map_or("undefined".to_owned(), |value| format!("{value:.2}"));
            let interval = match figure.interval {
                Some(found) => {
                    let left_out = match found.undefined {
                        0 => String::new(),
                        n => format!(", {n} of 1000 resamplings undefined"),
                    };
                    format!("{:.2} to {:.2}{left_out}", found.low, found.high)
                }
                None if few => "too few".to_owned(),
                None => "undefined".to_owned(),
            };
            view! {
                <tr>
                    <th scope="row">{figure.name}</th>
                    <td class="num">{value}</td>
                    <td class="num">{interval}</td>
                </tr>
            }
        })
        .collect_view();
    view! {
        <div class="card stack" data-testid="agreement-table">
            <p class="small">{what}</p>
            <table class="figures">
                <thead>
                    <tr>
                        <th scope="col">"Statistic"</th>
                        <th scope="col">"Value"</th>
                        <th scope="col">"95 % interval"</th>
                    </tr>
                </thead>
                <tbody>{rows}</tbody>
            </table>
            {few
                .then(|| {
                    view! {
                        <p class="hint">
                            {format!("Under {FEWEST_ITEMS} polls a coefficient says more about chance than about readers, so only the plain share is shown.")}
                        </p>
                    }
                })}
        </div>
    }
}
