//! What has been said: messages, the cases between them, and when the room's key was changed.

use std::{cell::Cell, sync::Arc};

use healthsync_core::{EventId, Millis, Person};
use leptos::{html::Div, prelude::*};

use super::{
    cases::{case_title, holds},
    composer::Composer,
    icon::Icon,
    message::{Message, fingerprint},
    platform,
    room_scope::{RoomScope, use_room},
    talk_head::{LeftOutNote, Pins, TalkHead},
    time::{Clock, day, day_name},
};
use crate::client::{
    model::{CaseRow, Intent, MessageRow, RoomPhase, TurnRow},
    use_client,
};

/// One line of the discussion.
#[derive(Clone, Debug, PartialEq)]
enum Entry {
    Day {
        number: i64,
        name: String,
    },
    /// What follows is new to the reader.
    New,
    Message(Arc<MessageRow>),
    Case {
        id: EventId,
        you: bool,
        author: Person,
        title: String,
        holds: String,
        at: Millis,
    },
    Turn(TurnRow),
}

/// Lines that are drawn together, by the message with which they begin; the first ones may begin with any line.
///
/// Whatever changes in the page, the browser looks at each part of the discussion, and at single lines only in those parts
/// that have changed.
type Part = (Option<EventId>, Vec<Entry>);

/// One message in so many begins a part. Which one is said by its id, so that a line more or less changes no other part.
const BEGINS: u8 = 16;

/// A row is drawn anew only when what it shows has changed.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Day(i64),
    New,
    Message(EventId, u64),
    Case(EventId),
    Turn(EventId),
}

fn key(entry: &Entry) -> Key {
    match entry {
        Entry::Day { number, .. } => Key::Day(*number),
        Entry::New => Key::New,
        Entry::Message(row) => Key::Message(row.id, fingerprint(row)),
        Entry::Case { id, .. } => Key::Case(*id),
        Entry::Turn(row) => Key::Turn(row.id),
    }
}

fn parts(entries: Vec<Entry>) -> Vec<Part> {
    let mut parts: Vec<Part> = Vec::new();
    for entry in entries {
        let begins = match &entry {
            Entry::Message(row) if row.id.0[0].is_multiple_of(BEGINS) => Some(row.id),
            _ => None,
        };
        match parts.last_mut() {
            Some((_, lines)) if begins.is_none() => lines.push(entry),
            _ => parts.push((begins, vec![entry])),
        }
    }
    parts
}

fn case_entry(case: &CaseRow) -> Entry {
    Entry::Case {
        id: case.id,
        you: case.you,
        author: case.author,
        title: case_title(case),
        holds: holds(case),
        at: case.at,
    }
}

/// Everything in the room's order, with days between, and the place from which on it is new.
fn entries(room: RoomScope, offset: impl Fn(Millis) -> i64, today: i64) -> Vec<Entry> {
    let cases = room.cases.get();
    let mut lines: Vec<(u64, EventId, Millis, bool, Entry)> = cases
        .iter()
        .map(|case| (case.order, case.id, case.at, case.you, case_entry(case)))
        .collect();
    let seen = room.talk.with(|talk| {
        let first = talk.messages.first().map_or(0, |row| row.order);
        // What is older than the first message that is shown comes with the older messages.
        lines.retain(|(order, ..)| talk.older == 0 || *order >= first);
        let turns = talk
            .turns
            .iter()
            .filter(|turn| turn.order >= first || talk.older == 0);
        lines.extend(turns.map(|turn| {
            (
                turn.order,
                turn.id,
                turn.at,
                true,
                Entry::Turn(turn.clone()),
            )
        }));
        lines.extend(talk.messages.iter().map(|row| {
            (
                row.order,
                row.id,
                row.at,
                row.you,
                Entry::Message(row.clone()),
            )
        }));
        talk.seen
    });
    lines.sort_by_key(|(order, id, ..)| (*order, *id));
    let (mut all, mut last, mut new) = (Vec::with_capacity(lines.len() + 8), None, seen == 0);
    for (order, _, at, you, entry) in lines {
        let number = day(at, offset(at));
        if last != Some(number) {
            last = Some(number);
            let name = day_name(number, today);
            all.push(Entry::Day { number, name });
        }
        if !new && order > seen && !you {
            new = true;
            all.push(Entry::New);
        }
        all.push(entry);
    }
    // A wrong clock may bring a day twice; the second time it would be the same row.
    let mut days = Vec::new();
    all.retain(|entry| match entry {
        Entry::Day { number, .. } if days.contains(number) => false,
        Entry::Day { number, .. } => {
            days.push(*number);
            true
        }
        _ => true,
    });
    all
}

#[component]
pub(crate) fn Discussion() -> impl IntoView {
    let client = use_client();
    let room = use_room();
    let log = NodeRef::<Div>::new();
    let at_end = StoredValue::new(true);
    let list = Memo::new(move |_| {
        let live = client.live.get();
        // The browser is asked once for each hour in which something was said, not for each line.
        let known = Cell::new(None);
        let offset = |at: Millis| {
            let hour = at.0 / 3_600_000;
            match known.get() {
                _ if !live => 0,
                Some((known, minutes)) if known == hour => minutes,
                _ => {
                    let minutes = platform::offset_minutes(at);
                    known.set(Some((hour, minutes)));
                    minutes
                }
            }
        };
        let now = platform::now();
        parts(entries(room, offset, day(now, offset(now))))
    });
    Effect::new(move |_| room.update_messages());
    // The newest line stays in sight, unless the reader has scrolled back; one's own always comes into sight.
    Effect::new(move |before: Option<(Option<EventId>, bool)>| {
        let (last, mine) = list.with(|list| {
            let line = list.last().and_then(|(_, lines)| lines.last());
            match line {
                Some(Entry::Message(row)) => (Some(row.id), row.you),
                Some(Entry::Case { id, you, .. }) => (Some(*id), *you),
                Some(Entry::Turn(turn)) => (Some(turn.id), false),
                Some(Entry::Day { .. } | Entry::New) | None => (None, false),
            }
        });
        let grown = before.is_none_or(|(before, _)| before != last);
        if grown && (at_end.get_value() || mine) {
            request_animation_frame(move || {
                if let Some(log) = log.try_get_untracked().flatten() {
                    log.set_scroll_top(log.scroll_height());
                }
            });
        }
        (last, mine)
    });
    let scrolled = move |_| {
        if let Some(log) = log.get_untracked() {
            let rest = log.scroll_height() - log.scroll_top() - log.client_height();
            at_end.set_value(rest < 48);
        }
    };
    let loading = Memo::new(move |_| {
        room.phase.with(|phase| {
            matches!(
                phase,
                RoomPhase::Loading | RoomPhase::Key(_) | RoomPhase::Syncing
            )
        })
    });
    let older = Memo::new(move |_| room.talk.with(|talk| talk.older));

    view! {
        <section class="r-talk" id="talk" aria-label="Discussion">
            <TalkHead loading />
            <Pins />
            <div
                class="talk"
                tabindex="0"
                role="log"
                aria-label="Messages"
                node_ref=log
                on:scroll=scrolled
            >
                {move || {
                    let more = older.get();
                    (more > 0)
                        .then(|| {
                            view! {
                                <button
                                    class="btn btn--quiet talk__older"
                                    type="button"
                                    on:click=move |_| client.send(Intent::ShowOlder)
                                >
                                    <Icon name="arrow-up" />
                                    {format!("{more} older")}
                                </button>
                            }
                        })
                }}
                <Show when=move || list.with(Vec::is_empty)>
                    {move || {
                        if loading.get() {
                            view! { <MessageSkeleton /> }.into_any()
                        } else {
                            view! {
                                <p class="small muted talk__empty">
                                    "Nothing has been said yet. What you write here is encrypted for the people of this room."
                                </p>
                            }
                            .into_any()
                        }
                    }}
                </Show>
                <For
                    each=move || list.with(|list| list.iter().map(|(first, _)| *first).collect::<Vec<_>>())
                    key=|first| *first
                    let(first)
                >
                    <Lines list first />
                </For>
                <LeftOutNote />
            </div>
            <Composer />
        </section>
    }
}

/// One part of the discussion.
#[component]
fn Lines(list: Memo<Vec<Part>>, first: Option<EventId>) -> impl IntoView {
    let room = use_room();
    let lines = Memo::new(move |_| {
        list.with(|list| {
            let part = list.iter().find(|(begins, _)| *begins == first);
            part.map(|(_, lines)| lines.clone()).unwrap_or_default()
        })
    });
    view! {
        <div class="talk__part">
            <For each=move || lines.get() key=key let(entry)>
                {match entry {
                    Entry::Day { name, .. } => view! { <div class="day">{name}</div> }.into_any(),
                    Entry::New => view! { <div class="day day--new">"New"</div> }.into_any(),
                    Entry::Message(row) => view! { <Message row /> }.into_any(),
                    Entry::Turn(row) => view! { <KeyChanged row /> }.into_any(),
                    Entry::Case { id, you, author, title, holds, at } => {
                        let who = move || if you { "You".to_owned() } else { room.name(author) };
                        view! {
                            <p class="msg msg--event">
                                <Icon name="image" small=true />
                                <span>
                                    <bdi>{who}</bdi>
                                    {format!(" shared {holds}: ")}
                                    <a
                                        href="#case"
                                        rel="external"
                                        on:click=move |_| room.chosen_case.set(Some(id))
                                    >
                                        <bdi>{title}</bdi>
                                    </a>
                                </span>
                                <Clock at />
                            </p>
                        }
                        .into_any()
                    }
                }}
            </For>
        </div>
    }
}

/// Somebody was removed; said where it happened, with who could read what stands above.
#[component]
fn KeyChanged(row: TurnRow) -> impl IntoView {
    let room = use_room();
    let TurnRow {
        at,
        removed,
        readers,
        ..
    } = row;
    let who = move || {
        let names: Vec<String> = removed.iter().map(|person| room.name(*person)).collect();
        names.join(", ")
    };
    view! {
        <p class="msg msg--event" data-testid="key-changed">
            <Icon name="key-round" small=true />
            <span>
                <bdi>{who}</bdi>
                {format!(
                    " can't read on: a new key seals what is said from here. {readers} people could read what was said before, and may have kept it.",
                )}
            </span>
            <Clock at />
        </p>
    }
}

#[component]
pub(crate) fn MessageSkeleton() -> impl IntoView {
    view! {
        <div class="stack talk__empty" aria-hidden="true">
            <span class="skeleton skeleton--60"></span>
            <span class="skeleton skeleton--85"></span>
            <span class="skeleton skeleton--72"></span>
        </div>
    }
}
