//! What a re-count found, one card a file: the verdict in a sentence, each rule with how it fared, the result.

use std::{collections::BTreeMap, sync::Arc};

use healthsync_core::{
    Person, Signing,
    agreement::majority,
    bundle::{Check, CheckState, Failure, Report, Rule},
};
use leptos::prelude::*;

use super::{agreement::MajorityFigures, icon::Icon, time};

/// One file.
#[derive(Clone, Debug)]
pub(crate) struct Verdict {
    name: String,
    /// The report, or why the file is none that can be read.
    outcome: Result<Arc<Report>, String>,
}

impl Verdict {
    pub(crate) fn new(name: String, outcome: Result<Report, String>) -> Self {
        Self {
            name,
            outcome: outcome.map(Arc::new),
        }
    }

    /// Options and votes, if the file holds.
    pub(crate) fn poll(&self) -> Option<(Vec<String>, BTreeMap<Person, usize>)> {
        let report = self
            .outcome
            .as_ref()
            .ok()
            .filter(|report| report.verified)?;
        let options = report
            .options
            .iter()
            .map(|(text, _)| text.clone())
            .collect();
        Some((options, report.ballots.iter().copied().collect()))
    }
}

#[component]
pub(crate) fn VerdictCard(verdict: Verdict) -> impl IntoView {
    let Verdict { name, outcome } = verdict;
    let label = format!("Result of {name}");
    view! {
        <section class="card stack verdict" data-testid="verdict" aria-label=label>
            <p class="tiny faint mono trunc">{name}</p>
            {match outcome {
                Err(why) => {
                    view! {
                        <div class="notice notice--bad" role="alert" data-testid="error">
                            <Icon name="circle-x" />
                            <div>
                                <strong>"Nothing could be checked"</strong>
                                <p>{why}</p>
                            </div>
                        </div>
                    }
                        .into_any()
                }
                Ok(report) => view! { <Found report /> }.into_any(),
            }}
        </section>
    }
}

#[component]
fn Found(report: Arc<Report>) -> impl IntoView {
    let headline = report.headline();
    let notice = match report.failures.first() {
        None => view! {
            <div class="notice notice--ok" role="status" data-testid="verified">
                <Icon name="circle-check" />
                <div>
                    <strong>{headline}</strong>
                    <p>"The result in the file is what the signatures add up to."</p>
                </div>
            </div>
        }
        .into_any(),
        Some(failure) => {
            let what = failure.what.clone();
            view! {
                <div class="notice notice--bad" role="alert" data-testid="error">
                    <Icon name="circle-x" />
                    <div>
                        <strong>{headline}</strong>
                        <p>{what} " Ask the sender for the original file."</p>
                    </div>
                </div>
            }
            .into_any()
        }
    };
    let rows = report
        .checks
        .iter()
        .map(|check| check_row(check, &report))
        .collect_view();
    let counts: Vec<u32> = report.options.iter().map(|(_, count)| *count).collect();
    let digest = report
        .digest
        .iter()
        .map(|byte| format!("{byte:02x}"))
        .collect::<String>();
    let late = report.late.len();
    view! {
        {notice}
        <ul class="checks">{rows}</ul>
        <dl class="kv">
            {report
                .question
                .clone()
                .map(|question| view! { <dt>"Question"</dt> <dd class="serif">{question}</dd> })}
            {report
                .options
                .iter()
                .map(|(text, count)| {
                    let text = text.clone();
                    view! { <dt class="num">{format!("{count} of {}", report.ballots.len())}</dt> <dd>{text}</dd> }
                })
                .collect_view()}
            {(late > 0)
                .then(|| {
                    view! {
                        <dt>"Left out"</dt>
                        <dd>
                            {match late {
                                1 => "1 vote that the close does not certify: too late, or not seen by the asker".to_owned(),
                                n => format!("{n} votes that the close does not certify: too late, or not seen by the asker"),
                            }}
                        </dd>
                    }
                })}
            <dt>"Signed by"</dt>
            <dd>
                {match report.signing {
                    Signing::Device => "browsers, which wallets had let speak for their readers",
                    Signing::Wallet => "each reader's wallet, vote by vote",
                }}
            </dd>
            {report
                .closed_at
                .map(|at| view! { <dt>"Closed"</dt> <dd class="num">{time::utc(at)} ", by the asker's clock"</dd> })}
            <dt>"Digest"</dt>
            <dd class="mono">{format!("sha256 {digest}")}</dd>
        </dl>
        {majority(&counts).map(|majority| view! { <MajorityFigures majority /> })}
    }
}

fn check_row(check: &Check, report: &Report) -> impl IntoView + use<> {
    let (icon, class) = match check.state {
        CheckState::Good => ("circle-check", "is-ok"),
        CheckState::Bad => ("circle-x", "is-bad"),
        CheckState::NotChecked => ("circle-help", "is-wait"),
    };
    let result = match (check.rule, check.state) {
        (_, CheckState::NotChecked) => "not checked".to_owned(),
        (Rule::Tally, _) => report.counts(),
        (Rule::Close, CheckState::Good) => "yes".to_owned(),
        (Rule::Close, _) => "no".to_owned(),
        _ => format!("{} of {}", check.good, check.of),
    };
    let mut notes: Vec<String> = report
        .failures
        .iter()
        .filter(|failure| failure.rule == check.rule)
        .map(|Failure { what, .. }| what.clone())
        .collect();
    if check.state == CheckState::NotChecked {
        notes.push(match report.registry {
            Some(at) => format!(
                "A file can't prove it. The closer names block {} of registry {} on chain {}; everything else was checked offline.",
                at.block,
                at.address.checksummed(),
                report.chain_id
            ),
            None => "The closer could not ask the chain, so nobody can check it from this file.".to_owned(),
        });
    }
    let notes = notes
        .into_iter()
        .map(|note| view! { <p>{note}</p> })
        .collect_view();
    view! {
        <li data-rule=check.rule.name()>
            <svg class=format!("icon {class}") aria-hidden="true">
                <use href=format!("#i-{icon}") />
            </svg>
            <span>{check.rule.sentence()}</span>
            <span class=format!("res num {class}")>{result}</span>
            {notes}
        </li>
    }
}
