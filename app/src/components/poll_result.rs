//! A closed question: what came too late, how far the readers agree, the result as a file that anybody can re-count;
//! and agreement over all closed questions of the room that offered the same answers.

use std::collections::BTreeMap;

use healthsync_core::{
    EventId, OptionId, Person,
    agreement::{majority, of_polls},
};
use leptos::prelude::*;

use super::{
    agreement::{AgreementTable, MajorityFigures},
    icon::Icon,
    notice::WarnNotice,
    room_scope::use_room,
};
use crate::client::{
    model::{Intent, PollRow},
    use_client,
};

fn text_of(poll: &PollRow, option: OptionId) -> String {
    let row = poll.options.iter().find(|row| row.id == option);
    row.map_or_else(
        || "an option that was added too late".to_owned(),
        |row| row.text.clone(),
    )
}

/// What happened to this person's vote, if it does not count as cast last.
fn my_late_vote(poll: &PollRow) -> Option<(&'static str, String)> {
    let late = text_of(poll, poll.my_late_vote?);
    Some(match poll.my_vote {
        None => (
            "Your vote is not counted",
            format!(
                "The question was closed before your vote for {late} arrived. It is in the record as late. A second question would count it."
            ),
        ),
        Some(counts) => (
            "Your change is not counted",
            format!(
                "It arrived after the close and is in the record as late. Your vote for {} counts, not the one for {late}.",
                text_of(poll, counts)
            ),
        ),
    })
}

#[component]
pub(crate) fn ClosedFoot(poll: Memo<Option<PollRow>>, id: EventId) -> impl IntoView {
    let client = use_client();
    let mine_late = Memo::new(move |_| poll.with(|poll| poll.as_ref().and_then(my_late_vote)));
    let others_late = Memo::new(move |_| {
        poll.with(|poll| {
            poll.as_ref()
                .map_or(0, |poll| poll.late - u32::from(poll.my_late_vote.is_some()))
        })
    });
    let contradicted =
        Memo::new(move |_| poll.with(|poll| poll.as_ref().is_some_and(|p| p.contradicted)));
    let figures = Memo::new(move |_| {
        poll.with(|poll| {
            let counts: Vec<u32> = poll.as_ref()?.options.iter().map(|row| row.count).collect();
            majority(&counts).filter(|majority| majority.of > 1)
        })
    });
    view! {
        {move || {
            mine_late
                .get()
                .map(|(what, rest)| {
                    view! {
                        <div class="notice notice--bad" role="status" data-testid="late-vote">
                            <Icon name="circle-x" />
                            <div>
                                <strong>{what}</strong>
                                <p>{rest}</p>
                            </div>
                        </div>
                    }
                })
        }}
        {move || {
            let text = match others_late.get() {
                0 => return None,
                1 => "1 vote of a colleague came too late and is not counted. It stays in the record.".to_owned(),
                n => format!("{n} votes of colleagues came too late and are not counted. They stay in the record."),
            };
            Some(view! { <p class="small" data-testid="late-votes">{text}</p> })
        }}
        {move || {
            contradicted
                .get()
                .then(|| {
                    view! {
                        <WarnNotice
                            icon="triangle-alert"
                            what="The asker has signed two different ends".to_owned()
                            rest=Some("The earlier one is shown. Ask again where the result matters: the result file names both.".to_owned())
                        />
                    }
                })
        }}
        {move || figures.get().map(|majority| view! { <MajorityFigures majority /> })}
        <div class="row">
            <button
                class="btn"
                type="button"
                data-testid="poll-result-file"
                on:click=move |_| client.send(Intent::SaveResult { poll: id })
            >
                <Icon name="download" />
                "Result file"
            </button>
            <a class="btn btn--quiet" href="/verify" target="_blank">
                "Re-count"
            </a>
        </div>
    }
}

/// Agreement over the room's closed questions.
#[component]
pub(crate) fn RoomAgreement() -> impl IntoView {
    let room = use_room();
    // Only what the figures are made of: an open question's votes recompute nothing.
    let closed = Memo::new(move |_| {
        room.cases.with(|cases| {
            let polls = cases.iter().flat_map(|case| &case.polls);
            polls
                .filter(|poll| poll.closed_at.is_some())
                .map(ballots)
                .collect::<Vec<_>>()
        })
    });
    let groups = Memo::new(move |_| closed.with(|closed| of_polls(closed)));
    view! {
        <Show when=move || groups.with(|groups| !groups.is_empty())>
            <section class="pad stack" aria-labelledby="room-agreement">
                <h2 class="overline" id="room-agreement">
                    "Agreement in this room"
                </h2>
                {move || {
                    groups.get().into_iter().map(|agreement| view! { <AgreementTable agreement /> }).collect_view()
                }}
            </section>
        </Show>
    }
}

fn ballots(poll: &PollRow) -> (Vec<String>, BTreeMap<Person, usize>) {
    let options = poll.options.iter().map(|row| row.text.clone()).collect();
    let votes = poll.options.iter().enumerate();
    let votes = votes.flat_map(|(at, row)| row.voters.iter().map(move |voter| (*voter, at)));
    (options, votes.collect())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::client::model::{Delivery, OptionRow, PollRules};
    use healthsync_core::Millis;

    fn poll(my_vote: Option<u16>, my_late_vote: Option<u16>) -> PollRow {
        let id = EventId([1; 32]);
        let option = |index| OptionId { event: id, index };
        let row = |index, text: &str| OptionRow {
            id: option(index),
            text: text.into(),
            by: Person([1; 20]),
            count: 1,
            voters: vec![Person([index as u8; 20])],
            mine: my_vote == Some(index),
        };
        PollRow {
            id,
            case: EventId([2; 32]),
            asker: Person([1; 20]),
            you_asked: false,
            question: "Which?".into(),
            options: vec![row(0, "PET-CT"), row(1, "Biopsy")],
            voted: 2,
            rules: PollRules::default(),
            closed_at: Some(Millis(1)),
            contradicted: false,
            my_vote: my_vote.map(option),
            my_late_vote: my_late_vote.map(option),
            late: u32::from(my_late_vote.is_some()),
            casting: None,
            said: id,
            delivery: Delivery::Stored,
        }
    }

    #[test]
    fn a_late_vote_is_named_with_what_counts_instead() {
        assert_eq!(my_late_vote(&poll(Some(0), None)), None);
        let (what, rest) = my_late_vote(&poll(None, Some(1))).expect("late");
        assert!(what.contains("not counted") && rest.contains("Biopsy"));
        let (_, rest) = my_late_vote(&poll(Some(0), Some(1))).expect("late");
        assert!(rest.contains("Your vote for PET-CT counts, not the one for Biopsy"));
    }

    #[test]
    fn each_vote_goes_to_its_option() {
        let (options, votes) = ballots(&poll(None, None));
        assert_eq!(options, ["PET-CT", "Biopsy"]);
        assert_eq!(
            votes,
            BTreeMap::from([(Person([0; 20]), 0), (Person([1; 20]), 1)])
        );
    }
}
