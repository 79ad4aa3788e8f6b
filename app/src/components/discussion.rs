//! What has been said: messages, and the cases between them.

use std::cell::Cell;

use healthsync_core::{EventId, Millis, Person};
use leptos::{html::Div, prelude::*};

use super::{
    avatar::Avatar,
    cases::{case_title, pictures},
    composer::Composer,
    icon::Icon,
    notice::rest_of,
    platform,
    room_scope::{RoomScope, use_room},
    time::{Clock, day, day_name},
};
use crate::client::{
    model::{Delivery, Intent, MessageRow, RoomPhase},
    use_client,
};

/// One line of the discussion.
#[derive(Clone, Debug, PartialEq)]
enum Entry {
    Day {
        number: i64,
        name: String,
    },
    Message(MessageRow),
    Case {
        id: EventId,
        you: bool,
        author: Person,
        title: String,
        images: usize,
        at: Millis,
    },
}

/// A row is drawn anew only when what it shows has changed.
#[derive(Clone, PartialEq, Eq, Hash)]
enum Key {
    Day(i64),
    Message(EventId, u8),
    Case(EventId),
}

fn key(entry: &Entry) -> Key {
    match entry {
        Entry::Day { number, .. } => Key::Day(*number),
        Entry::Message(row) => Key::Message(
            row.id,
            match row.delivery {
                Delivery::Waiting => 0,
                Delivery::Stored => 1,
                Delivery::Refused(_) => 2,
            },
        ),
        Entry::Case { id, .. } => Key::Case(*id),
    }
}

/// Messages in the room's order, each case before the first message that is later, days between.
fn entries(room: RoomScope, offset: impl Fn(Millis) -> i64, today: i64) -> Vec<Entry> {
    let cases = room.cases.get();
    let mut cases = cases.iter().peekable();
    let mut all = Vec::new();
    let mut push = |entry: Entry, at: Millis, last: &mut Option<i64>| {
        let number = day(at, offset(at));
        if *last != Some(number) {
            *last = Some(number);
            all.push(Entry::Day {
                number,
                name: day_name(number, today),
            });
        }
        all.push(entry);
    };
    let mut last = None;
    let case_entry = |case: &crate::client::model::CaseRow| Entry::Case {
        id: case.id,
        you: case.you,
        author: case.author,
        title: case_title(case),
        images: case.images.len(),
        at: case.at,
    };
    room.messages.with(|messages| {
        for row in messages.iter() {
            while let Some(case) = cases.next_if(|case| case.at < row.at) {
                push(case_entry(case), case.at, &mut last);
            }
            push(Entry::Message(row.clone()), row.at, &mut last);
        }
        for case in cases {
            push(case_entry(case), case.at, &mut last);
        }
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
        entries(room, offset, day(now, offset(now)))
    });
    // The newest line stays in sight, unless the reader has scrolled back; one's own always comes into sight.
    Effect::new(move |before: Option<(usize, bool)>| {
        let (count, mine) = list.with(|list| {
            let mine = matches!(list.last(), Some(Entry::Message(row)) if row.you);
            (list.len(), mine)
        });
        let grown = before.is_none_or(|(before, _)| count > before);
        if grown && (at_end.get_value() || mine) {
            request_animation_frame(move || {
                if let Some(log) = log.try_get_untracked().flatten() {
                    log.set_scroll_top(log.scroll_height());
                }
            });
        }
        (count, mine)
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

    view! {
        <section class="r-talk" id="talk" aria-label="Discussion">
            <div class="panel-head">
                <h2>"Discussion"</h2>
                <span class="tiny faint" role="status">
                    {move || loading.get().then_some("fetching what was said")}
                </span>
            </div>
            <div
                class="talk"
                tabindex="0"
                role="log"
                aria-label="Messages"
                node_ref=log
                on:scroll=scrolled
            >
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
                <For each=move || list.get() key=key let(entry)>
                    {match entry {
                        Entry::Day { name, .. } => view! { <div class="day">{name}</div> }.into_any(),
                        Entry::Message(row) => view! { <Message row /> }.into_any(),
                        Entry::Case { id, you, author, title, images, at } => {
                            let who = if you { "You".to_owned() } else { author.short() };
                            view! {
                                <p class="msg msg--event">
                                    <Icon name="image" small=true />
                                    <span>
                                        {format!("{who} shared {}: ", pictures(images))}
                                        <a
                                            href="#case"
                                            rel="external"
                                            on:click=move |_| room.chosen_case.set(Some(id))
                                        >
                                            {title}
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
            <Composer />
        </section>
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

#[component]
fn Message(row: MessageRow) -> impl IntoView {
    let client = use_client();
    let MessageRow {
        id,
        author,
        you,
        text,
        at,
        delivery,
    } = row;
    let who = if you {
        "You".to_owned()
    } else {
        author.short()
    };
    let (state, line) = match delivery {
        Delivery::Stored => ("stored", None),
        Delivery::Waiting => (
            "unsent",
            Some(
                view! {
                    <span class="msg__state">
                        <Icon name="clock" small=true />
                        "Kept here, not sent yet"
                    </span>
                }
                .into_any(),
            ),
        ),
        Delivery::Refused(trouble) => {
            let rest = rest_of(&trouble).unwrap_or_default();
            let line = view! {
                <span class="msg__state" role="alert" data-testid="error">
                    <Icon name="circle-x" small=true />
                    {trouble.what}
                    " "
                    {rest}
                </span>
                <button
                    class="msg__act"
                    type="button"
                    on:click=move |_| client.send(Intent::Retry(id))
                >
                    "Send again"
                </button>
            };
            ("failed", Some(line.into_any()))
        }
    };
    view! {
        <article class="msg" data-testid="message" data-state=state>
            <Avatar person=author />
            <div>
                <div class="msg__head">
                    <span class=if you { "msg__who" } else { "msg__who addr" } title=author.checksummed()>
                        {who}
                    </span>
                    <Clock at />
                </div>
                <p class="msg__text">{text}</p>
                {line}
            </div>
        </article>
    }
}
