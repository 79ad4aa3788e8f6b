//! What this browser keeps: a room as a file, saved or taken in, and forgetting one's copy to make room.

use leptos::{html::Input, prelude::*};
use leptos_router::components::A;

use super::{
    icon::Icon,
    notice::{WarnNotice, rest_of},
    platform,
};
use crate::client::{
    model::{CopyIntent, CopyReport, CopyWork, Intent, KeptRoom},
    use_client,
};

/// In the room: what the file has in it is said before it is made.
#[component]
pub(crate) fn SaveCopy() -> impl IntoView {
    let client = use_client();
    let keys = NodeRef::<Input>::new();
    let save = move |_| {
        let keys = keys.get_untracked().is_some_and(|keys| keys.checked());
        client.send(Intent::Copy(CopyIntent::Save { keys }));
    };
    view! {
        <details class="profile">
            <summary data-testid="copy-open">
                <Icon name="download" small=true />
                " Save a copy of this room"
            </summary>
            <p class="hint">
                "The file has everything that was said here as far as this browser has it: sealed, with who wrote when in the clear. Images stay in storage. Take it in under Rooms, in this or another browser of yours."
            </p>
            <label class="copy-keys">
                <input type="checkbox" node_ref=keys data-testid="copy-keys" />
                <span>
                    "With the room's keys. Whoever has the file can then read everything in it; without them, only who is on the room's list."
                </span>
            </label>
            <button class="btn" type="button" data-testid="copy-save" on:click=save>
                "Save the copy"
            </button>
        </details>
    }
}

/// In the list of rooms.
#[component]
pub(crate) fn TakeInCopy() -> impl IntoView {
    let client = use_client();
    let work = client.copy_work;
    let checking = Memo::new(move |_| work.with(|work| *work == CopyWork::Checking));
    view! {
        <section class="card stack">
            <h2 class="panel-title">"Take in a copy"</h2>
            <p class="small muted">
                "Of a room that you are in, saved in a browser of yours. Everything in it is checked again."
            </p>
            <label class="btn copy-pick">
                <Icon name="file-check" />
                {move || if checking.get() { "Checking the copy" } else { "Choose the file" }}
                <input
                    class="visually-hidden"
                    type="file"
                    data-testid="copy-take-in"
                    disabled=move || checking.get() || !client.live.get()
                    on:change=move |event| {
                        if let Some(files) = platform::picked_files(&event) {
                            client.send(Intent::Copy(CopyIntent::TakeIn(files)));
                        }
                    }
                />
            </label>
            <div aria-live="polite" data-testid="copy-result">
                {move || match work.get() {
                    CopyWork::None | CopyWork::Checking => ().into_any(),
                    CopyWork::Failed(why) => {
                        let rest = rest_of(&why);
                        view! { <WarnNotice icon="circle-x" what=why.what rest /> }.into_any()
                    }
                    CopyWork::Done(report) => view! { <Report report /> }.into_any(),
                }}
            </div>
        </section>
    }
}

#[component]
fn Report(report: CopyReport) -> impl IntoView {
    let CopyReport {
        room,
        new,
        known,
        refused,
    } = report;
    view! {
        <p class="small">
            {if new == 1 { "1 event is".to_owned() } else { format!("{new} events are") }}
            {format!(" new here, {known} were here already. ")}
            <A href=format!("/rooms/{room}")>"Open the room"</A>
        </p>
        {refused
            .into_iter()
            .map(|(why, count)| view! { <p class="hint hint--bad">{format!("Refused {count}: {why}.")}</p> })
            .collect_view()}
    }
}

/// In the list of rooms: how much is kept here, and of which room. Images are not kept between visits.
#[component]
pub(crate) fn KeptHere() -> impl IntoView {
    let client = use_client();
    let rooms = Memo::new(move |_| {
        let space = client.space.get();
        space.map(|space| space.rooms).unwrap_or_default()
    });
    let sum = move || {
        client.space.with(|space| match space {
            Some(space) if space.quota > 0 => {
                format!("About {} MB of {} MB are used.", space.used, space.quota)
            }
            _ => String::new(),
        })
    };
    view! {
        <details
            class="card kept-here"
            on:toggle=move |_| client.send(Intent::Copy(CopyIntent::Measure))
        >
            <summary class="panel-title" data-testid="kept-open">"What this browser keeps"</summary>
            <p class="hint">
                "Sealed copies of what was said, so that rooms open without a connection. What you forget here stays with the relay and the other members; the room's news is counted again when you open it. " {sum}
            </p>
            <ul class="devices">
                <For each=move || rooms.get() key=|room| (room.room, room.events) let(room)>
                    <Kept room />
                </For>
            </ul>
        </details>
    }
}

#[component]
fn Kept(room: KeptRoom) -> impl IntoView {
    let client = use_client();
    let KeptRoom { room, name, events } = room;
    let name = name.unwrap_or_else(|| format!("Room {}…", &room.to_string()[..6]));
    let label = format!("Forget {name} in this browser");
    view! {
        <li data-testid="kept-room">
            <bdi>{name}</bdi>
            <span class="tiny faint num">{events} " events"</span>
            <button
                class="msg__act"
                type="button"
                aria-label=label
                data-testid="kept-forget"
                on:click=move |_| client.send(Intent::Copy(CopyIntent::Forget(room)))
            >
                "Forget here"
            </button>
        </li>
    }
}
