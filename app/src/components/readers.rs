//! To whom the key nodes have given the key of a case, and a new key for it: for who shared it, and only when asked.

use healthsync_core::{EventId, Millis};
use leptos::prelude::*;

use super::{
    avatar::Avatar, icon::Icon, notice::TroubleNotice, room_scope::use_room, time::WhenShort,
};
use crate::client::{
    model::{Intent, ReaderRow, Readers, Session},
    use_client,
};

#[component]
pub(crate) fn KeyReaders(case: EventId) -> impl IntoView {
    let client = use_client();
    let readers = Memo::new(move |_| {
        client.readers.with(|all| {
            let asked = all.as_ref().filter(|(of, _)| *of == case);
            asked.map(|(_, readers)| readers.clone())
        })
    });
    view! {
        <details
            class="profile key-readers"
            data-testid="readers"
            on:toggle=move |event| {
                // The browser tells once of several toggles.
                if event_target::<leptos::web_sys::HtmlDetailsElement>(&event).open() {
                    client.send(Intent::Readers { case });
                }
            }
        >
            <summary>
                <Icon name="key-round" small=true />
                " Who was given the key"
            </summary>
            {move || match readers.get() {
                None => ().into_any(),
                Some(Readers::Asking) => {
                    view! { <p class="hint" role="status">"Asking the key nodes"</p> }.into_any()
                }
                Some(Readers::Failed(trouble)) => {
                    view! {
                        <TroubleNotice trouble />
                        <NewKey case />
                    }
                        .into_any()
                }
                Some(Readers::Known { rows, before, hint, keeps }) => {
                    view! {
                        <Known rows before hint />
                        {match keeps {
                            Some(why) => view! { <p class="hint">{why}</p> }.into_any(),
                            None => view! { <NewKey case /> }.into_any(),
                        }}
                    }
                        .into_any()
                }
                Some(Readers::Renewing { done, of }) => {
                    let what = if done == of {
                        "Telling the room".to_owned()
                    } else {
                        format!("Encrypting again, image {} of {of}", done + 1)
                    };
                    view! { <p class="hint" role="status">{what}</p> }.into_any()
                }
            }}
        </details>
    }
}

#[component]
fn Known(rows: Vec<ReaderRow>, before: Vec<ReaderRow>, hint: String) -> impl IntoView {
    view! {
        <ul class="devices">
            {rows.into_iter().map(|row| view! { <Reader row /> }).collect_view()}
        </ul>
        <p class="hint">{hint}</p>
        {(!before.is_empty())
            .then(|| {
                view! {
                    <p class="hint">"Had an earlier key, and may have kept it:"</p>
                    <ul class="devices" data-testid="earlier-readers">
                        {before.into_iter().map(|row| view! { <Reader row /> }).collect_view()}
                    </ul>
                }
            })}
    }
}

#[component]
fn NewKey(case: EventId) -> impl IntoView {
    let client = use_client();
    view! {
        <button
            class="btn"
            type="button"
            data-testid="new-key"
            on:click=move |_| client.send(Intent::NewKey { case })
        >
            <Icon name="refresh-cw" />
            "New key"
        </button>
        <p class="hint">
            "Encrypts it again. Whoever is in the room can have the new key; nobody is given the old one any more."
        </p>
    }
}

/// Times are shown to the minute.
fn minute(at: Millis) -> u64 {
    at.0 / 60_000
}

#[component]
fn Reader(row: ReaderRow) -> impl IntoView {
    let client = use_client();
    let room = use_room();
    let ReaderRow {
        person,
        first,
        last,
        nodes,
    } = row;
    let name = move || {
        if client.session.with(Session::person) == Some(person) {
            "You".to_owned()
        } else {
            room.name(person)
        }
    };
    let of = if nodes == 1 {
        ", 1 key node".to_owned()
    } else {
        format!(", {nodes} key nodes")
    };
    view! {
        <li data-testid="reader">
            <Avatar person />
            <span title=person.checksummed()>{name}</span>
            <span class="tiny faint">
                <WhenShort at=first />
                {(minute(last) != minute(first)).then(|| view! { ", last " <WhenShort at=last /> })}
                {of}
            </span>
        </li>
    }
}
