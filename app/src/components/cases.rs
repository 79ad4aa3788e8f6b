//! The middle of a room: tabs of all cases, and the open one with its picture or its lock.

use std::sync::Arc;

use healthsync_core::EventId;
use leptos::prelude::*;

use super::{
    icon::Icon,
    lock::{LockStage, Shares},
    mint::MintButton,
    mint_proposals::MintProposals,
    notice::{EmbeddedNodesLine, WarnNotice, rest_of},
    readers::KeyReaders,
    room_scope::{RoomScope, use_room},
    time::Clock,
    viewer::Viewer,
};
use crate::client::{
    model::{CaseRow, Delivery, ImageLock, ImageRow, Intent, RoomPhase},
    use_client,
};

/// The first line of the caption; a case without words is named by what it holds.
pub(crate) fn case_title(case: &CaseRow) -> String {
    match case
        .caption
        .lines()
        .map(str::trim)
        .find(|line| !line.is_empty())
    {
        Some(line) => line.to_owned(),
        None => holds(case),
    }
}

fn case_rest(case: &CaseRow) -> String {
    let mut lines = case
        .caption
        .lines()
        .map(str::trim)
        .skip_while(|line| line.is_empty());
    lines.next();
    lines.collect::<Vec<_>>().join("\n").trim().to_owned()
}

/// What a case is made of; a series is named by its kind and length.
pub(crate) fn holds(case: &CaseRow) -> String {
    match case.images.as_slice() {
        [one] if one.series.is_some() => one.name.clone(),
        images => pictures(images.len()),
    }
}

pub(crate) fn pictures(count: usize) -> String {
    if count == 1 {
        "1 image".into()
    } else {
        format!("{count} images")
    }
}

fn case_meta(case: &CaseRow) -> String {
    let images = holds(case);
    let open = case.polls.iter().filter(|poll| poll.closed_at.is_none());
    let (mut asked, mut mine) = (false, true);
    for poll in open {
        asked = true;
        mine &= poll.my_vote.is_some();
    }
    match (asked, mine, case.polls.is_empty()) {
        (true, true, _) => format!("{images}, you voted"),
        (true, false, _) => format!("{images}, poll open"),
        (false, _, false) => format!("{images}, poll closed"),
        (false, _, true) => images,
    }
}

#[component]
pub(crate) fn CaseRegion() -> impl IntoView {
    let room = use_room();
    let open = room.open_case;
    let fetching = Memo::new(move |_| room.phase.with(|phase| matches!(phase, RoomPhase::Key(_))));
    view! {
        <section
            class="r-case"
            id="case"
            data-testid=move || open.get().map(|_| "case")
            aria-label="Case"
        >
            {move || match open.get() {
                Some(id) => view! { <OpenCase id /> }.into_any(),
                None if fetching.get() => view! { <RoomKeyShares /> }.into_any(),
                None => view! { <NoCase /> }.into_any(),
            }}
        </section>
    }
}

/// Where a case will be: what somebody types meanwhile goes into a field that stays.
#[component]
fn RoomKeyShares() -> impl IntoView {
    let room = use_room();
    let progress = Signal::derive(move || match room.phase.get() {
        RoomPhase::Key(progress) => Some(progress),
        _ => None,
    });
    view! {
        <header></header>
        <div class="lock lock--plain">
            <Shares progress />
            <EmbeddedNodesLine />
        </div>
    }
}

#[component]
fn NoCase() -> impl IntoView {
    let room = use_room();
    let title = move || match room.phase.get() {
        RoomPhase::Open => "No case yet",
        _ => "The room is opening",
    };
    view! {
        <header></header>
        <div class="lock lock--plain">
            <Icon name="image" />
            <h2>{title}</h2>
            <p>
                "Drop photographs, DICOM, TIFF or NIfTI files or a whole folder of them anywhere on this page, or press the paper clip beside the message field. Names, dates and places stored in the files come off before anything is sent; what is written in a picture itself you cover yourself."
            </p>
        </div>
    }
}

#[component]
fn Tabs(current: EventId) -> impl IntoView {
    let room = use_room();
    let ids = case_ids(room);
    view! {
        <nav class="case-tabs" aria-label="Cases">
            <For each=move || ids.get() key=|id| *id let(id)>
                <CaseLink id current />
            </For>
        </nav>
    }
}

fn case_ids(room: RoomScope) -> Memo<Vec<EventId>> {
    Memo::new(move |_| {
        room.cases
            .with(|cases| cases.iter().map(|case| case.id).collect())
    })
}

/// A link to a case: in the tabs, and in the list that phones open from below.
#[component]
fn CaseLink(id: EventId, current: EventId) -> impl IntoView {
    let room = use_room();
    let case = room.case(id);
    let picture = Memo::new(move |_| {
        case.with(|case| {
            case.as_ref()
                .and_then(|case| case.images.iter().find_map(small_copy))
        })
    });
    let text = move |read: fn(&CaseRow) -> String| {
        move || case.with(|case| case.as_ref().map(read).unwrap_or_default())
    };
    view! {
        <a
            class="case"
            href="#case"
            rel="external"
            aria-current=(id == current).then_some("true")
            on:click=move |_| room.chosen_case.set(Some(id))
        >
            <span class="case__pic">
                {move || match picture.get() {
                    Some(Ok(url)) => view! { <img src=url.to_string() alt="" /> }.into_any(),
                    Some(Err(icon)) => view! { <Icon name=icon /> }.into_any(),
                    None => view! { <Icon name="lock" /> }.into_any(),
                }}
            </span>
            <span class="case__words">
                <span class="case__title trunc">{text(case_title)}</span>
                <span class="case__meta">{text(case_meta)}</span>
            </span>
        </a>
    }
}

/// Of an open image the small copy, or the icon that stands for it.
fn small_copy(image: &ImageRow) -> Option<Result<Arc<str>, &'static str>> {
    match &image.lock {
        ImageLock::Open { url, .. } if url.is_empty() => Some(Err("layers")),
        ImageLock::Open { small, .. } if small.is_empty() => Some(Err("image")),
        ImageLock::Open { small, .. } => Some(Ok(small.clone())),
        _ => None,
    }
}

#[component]
fn OpenCase(id: EventId) -> impl IntoView {
    let client = use_client();
    let room = use_room();
    let case = room.case(id);
    let index = RwSignal::new(0_usize);
    let images = Memo::new(move |_| {
        case.with(|case| {
            case.as_ref()
                .map(|case| case.images.clone())
                .unwrap_or_default()
        })
    });
    let marks = Memo::new(move |_| {
        case.with(|case| {
            case.as_ref()
                .map(|case| case.marks.clone())
                .unwrap_or_default()
        })
    });
    let image = Memo::new(move |_| images.with(|images| images.get(index.get()).cloned()));
    let lock = Memo::new(move |_| {
        image.with(|image| {
            image
                .as_ref()
                .map_or(ImageLock::Locked, |image| image.lock.clone())
        })
    });
    let is_open = Memo::new(move |_| lock.with(|lock| matches!(lock, ImageLock::Open { .. })));
    let text = move |read: fn(&CaseRow) -> String| {
        move || case.with(|case| case.as_ref().map(read).unwrap_or_default())
    };
    let rest = Memo::new(move |_| text(case_rest)());
    let delivery = Memo::new(move |_| {
        case.with(|case| {
            case.as_ref()
                .map_or(Delivery::Stored, |case| case.delivery.clone())
        })
    });
    let by = move || {
        case.with(|case| {
            case.as_ref().map(|case| {
                let who = if case.you {
                    "you".to_owned()
                } else {
                    case.author.short()
                };
                view! {
                    "Shared by "
                    <span class=if case.you { "" } else { "addr tiny" }>{who}</span>
                    ", "
                    <Clock at=case.at />
                }
            })
        })
    };

    view! {
        <header>
            <Tabs current=id />
            <div class="case-head">
                <div>
                    <h2>{text(case_title)}</h2>
                    <Show when=move || rest.with(|rest| !rest.is_empty())>
                        <p class="case-head__rest">{move || rest.get()}</p>
                    </Show>
                    <p>{by}</p>
                    {move || {
                        let at = case.with(|case| case.as_ref().and_then(|case| case.renewed));
                        at.map(|at| {
                            view! {
                                <p class="tiny faint" data-testid="renewed">
                                    "Encrypted again under a new key, "
                                    <Clock at />
                                </p>
                            }
                        })
                    }}
                    {move || match delivery.get() {
                        Delivery::Stored => ().into_any(),
                        Delivery::Waiting => view! {
                            <p class="msg__state is-warn" role="status">
                                <Icon name="clock" small=true />
                                "Kept here, not sent yet"
                            </p>
                        }
                        .into_any(),
                        Delivery::Refused(trouble) => {
                            let rest = rest_of(&trouble).map(|rest| format!(" {rest}"));
                            view! {
                                <p class="msg__state is-bad" role="alert" data-testid="error">
                                    <Icon name="circle-x" small=true />
                                    {trouble.what}
                                    {rest}
                                    <button
                                        class="msg__act"
                                        type="button"
                                        on:click=move |_| client.send(Intent::Retry(id))
                                    >
                                        "Send again"
                                    </button>
                                </p>
                            }
                            .into_any()
                        }
                    }}
                </div>
                <div class="row">
                    <button
                        class="btn btn--quiet"
                        type="button"
                        data-testid="poll-ask"
                        disabled=move || !client.live.get()
                        on:click=move |_| room.asking.set(true)
                    >
                        <Icon name="message-circle-question-mark" />
                        "Ask the room"
                    </button>
                    <MintButton case=id />
                    {move || {
                        is_open
                            .get()
                            .then(|| {
                                view! {
                                    <span class="badge badge--ok">
                                        <Icon name="lock-open" />
                                        "Open"
                                    </span>
                                }
                            })
                    }}
                </div>
            </div>
            <Show when=move || case.with(|case| case.as_ref().is_some_and(|case| case.you))>
                <KeyReaders case=id />
            </Show>
            <MintProposals case=id />
        </header>
        <div class="case-stage">
            {move || {
                if is_open.get() {
                    view! { <Viewer case=id images marks index /> }.into_any()
                } else {
                    view! { <LockStage case=id lock=lock.into() /> }.into_any()
                }
            }}
            <div class="reading">
                <WrongNodes lock />
                <PhoneBar current=id />
            </div>
        </div>
    }
}

/// Opened, although a node sent a share that does not fit.
#[component]
fn WrongNodes(lock: Memo<ImageLock>) -> impl IntoView {
    let nodes = Memo::new(move |_| {
        lock.with(|lock| match lock {
            ImageLock::Open { wrong_nodes, .. } => wrong_nodes.clone(),
            _ => Vec::new(),
        })
    });
    move || {
        nodes.with(|nodes| {
            (!nodes.is_empty()).then(|| {
                let rest = format!(
                    "{} sent a share that doesn't fit the others. It was left out. The image is intact: its digest matches.",
                    nodes.join(" and ")
                );
                view! {
                    <WarnNotice
                        icon="triangle-alert"
                        what="Opened, but a key share was wrong".into()
                        rest=Some(rest)
                    />
                }
            })
        })
    }
}

/// What phones have under the picture: the list of cases, and a way to a vote that is due.
#[component]
fn PhoneBar(current: EventId) -> impl IntoView {
    let room = use_room();
    let ids = case_ids(room);
    let due = Memo::new(move |_| room.votes_due());
    view! {
        <div class="sheet-bar">
            <button type="button" popovertarget="cases-sheet">
                <Icon name="layers" small=true />
                "Cases "
                <span class="num faint">{move || ids.with(Vec::len)}</span>
            </button>
        </div>
        <div class="sheet" id="cases-sheet" popover="auto" role="dialog" aria-label="Cases">
            <div class="sheet__head">
                <h2>
                    "Cases " <span class="num faint">{move || ids.with(Vec::len)}</span>
                </h2>
                <button
                    class="btn btn--quiet btn--icon"
                    type="button"
                    popovertarget="cases-sheet"
                    popovertargetaction="hide"
                    aria-label="Close"
                    title="Close"
                >
                    <Icon name="x" />
                </button>
            </div>
            <div class="sheet__body">
                <For each=move || ids.get() key=|id| *id let(id)>
                    <CaseLink id current />
                </For>
            </div>
        </div>
        {move || {
            (due.get() > 0)
                .then(|| {
                    view! {
                        <div class="vote-strip">
                            <b class="small">"Your vote is missing."</b>
                            <a class="btn btn--main" href="#vote" rel="external">
                                "Vote"
                            </a>
                        </div>
                    }
                })
        }}
    }
}
