//! `/rooms/{id}`: people and vote, case and picture, discussion. On phones one of the three at a time.

use healthsync_core::RoomId;
use leptos::{
    ev::{ClipboardEvent, DragEvent},
    prelude::*,
};
use leptos_meta::Title;
use leptos_router::hooks::use_params_map;

use super::not_found::NoSuchRoom;
use crate::{
    client::{
        model::{Absence, Intent, RoomPhase, Session},
        use_client,
    },
    components::{
        ask::AskDialog,
        cases::CaseRegion,
        discussion::Discussion,
        footer::Footer,
        icon::Icon,
        mint::MintDialog,
        notice::TroubleNotice,
        people::PeoplePanel,
        platform,
        poll::PollPanel,
        room_scope::{RoomScope, use_room},
        sign_in::use_sign_in,
        top_bar::{RoomTopBar, TopBar},
    },
};

/// The server answers 404 for what the registry does not know; in the browser the runtime finds out.
#[component]
pub(crate) fn RoomPage() -> impl IntoView {
    let params = use_params_map();
    let id = Memo::new(move |_| {
        params.with(|params| params.get("id").and_then(|id| id.parse::<RoomId>().ok()))
    });
    platform::room_or_not(id, |id, missing| match id {
        Some(id) if !missing => view! { <OpenRoom id /> }.into_any(),
        id => view! { <MissingRoom id /> }.into_any(),
    })
}

#[component]
fn MissingRoom(id: Option<RoomId>) -> impl IntoView {
    view! {
        <TopBar />
        <main id="main" class="page" tabindex="-1" data-missing=id.map(|id| id.to_string())>
            <NoSuchRoom />
        </main>
        <Footer />
    }
}

/// What the page shows, without the details that change every second.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    Room,
    NeedsWallet,
    NoSuchRoom,
    NotAllowed,
    Failed,
}

#[component]
fn OpenRoom(id: RoomId) -> impl IntoView {
    let client = use_client();
    let room = RoomScope::new(client, id);
    provide_context(room);
    Effect::new(move |_| {
        if client.live.get() {
            room.open(client);
        }
    });
    on_cleanup(move || client.send(Intent::CloseRoom(id)));

    let shown = Memo::new(move |_| {
        let signed_out = client
            .session
            .with(|session| *session == Session::SignedOut);
        room.phase.with(|phase| match phase {
            RoomPhase::Loading if signed_out => Shown::NeedsWallet,
            // What somebody types before the room is open goes into a field that stays where it is.
            RoomPhase::Loading | RoomPhase::Key(_) | RoomPhase::Syncing | RoomPhase::Open => {
                Shown::Room
            }
            RoomPhase::NeedsWallet => Shown::NeedsWallet,
            RoomPhase::NoSuchRoom => Shown::NoSuchRoom,
            RoomPhase::NotAllowed { .. } => Shown::NotAllowed,
            RoomPhase::Failed(_) => Shown::Failed,
        })
    });
    let title = move || {
        // The server writes the head after the page, when what belongs to the page may be gone already.
        let name = room.name.try_get().flatten();
        name.unwrap_or_else(|| {
            let text = id.to_string();
            format!("Room {}…{}", &text[..6], &text[62..])
        })
    };

    view! {
        <Title text=title />
        <div class="room-page">
            <RoomTopBar title=Signal::derive(title) />
            {move || match shown.get() {
                Shown::Room => view! { <Regions /> }.into_any(),
                Shown::NeedsWallet => view! { <Gate><NeedsWallet /></Gate> }.into_any(),
                Shown::NoSuchRoom => view! { <Gate><NoSuchRoom /></Gate> }.into_any(),
                Shown::NotAllowed => view! { <Gate><NotAllowed /></Gate> }.into_any(),
                Shown::Failed => view! { <Gate><Failed /></Gate> }.into_any(),
            }}
        </div>
    }
}

/// The room, with a place to drop files on everywhere.
#[component]
fn Regions() -> impl IntoView {
    let client = use_client();
    let room = use_room();
    let over = RwSignal::new(false);
    let due = Memo::new(move |_| room.votes_due());
    let here = RwSignal::new(String::new());
    Effect::new(move |_| {
        platform::aim_again();
        here.set(platform::hash());
        let handle =
            window_event_listener(leptos::ev::hashchange, move |_| here.set(platform::hash()));
        on_cleanup(move || handle.remove());
    });

    let drag = move |event: DragEvent| {
        if platform::drags_files(&event) {
            event.prevent_default();
            over.set(true);
        }
    };
    let leave = move |event: DragEvent| {
        if event.related_target().is_none() {
            over.set(false);
        }
    };
    let drop = move |event: DragEvent| {
        if platform::drags_files(&event) {
            event.prevent_default();
            over.set(false);
            platform::dropped_deep(&event, move |files, left_out| {
                if let Some(files) = files {
                    room.attach(client, files);
                }
                if let Some(left_out) = left_out {
                    client.send(Intent::LeftOut(left_out));
                }
            });
        }
    };
    let paste = move |event: ClipboardEvent| {
        if let Some(files) = platform::pasted_files(&event) {
            event.prevent_default();
            room.attach(client, files);
        }
    };
    let current = move |to: &'static str| {
        move || {
            let at = match here.get().as_str() {
                "vote" => "vote",
                "talk" => "talk",
                _ => "case",
            };
            (at == to).then_some("true")
        }
    };

    view! {
        <main
            id="main"
            class="room"
            tabindex="-1"
            data-over=move || over.get().then_some("")
            on:dragenter=drag
            on:dragover=drag
            on:dragleave=leave
            on:drop=drop
            on:paste=paste
        >
            <CaseRegion />
            <section class="r-vote" id="vote" tabindex="0" aria-label="Vote and people">
                <PollPanel />
                <PeoplePanel />
            </section>
            <Discussion />
            <p class="drop-hint" aria-hidden="true">
                "Drop the images to attach them"
            </p>
        </main>
        <nav class="bottom-nav" aria-label="Room">
            <a href="#case" rel="external" aria-current=current("case")>
                <Icon name="scan-line" />
                "Case"
            </a>
            <a href="#vote" rel="external" aria-current=current("vote")>
                <Icon name="vote" />
                <span>
                    "Vote, people "
                    <b>{move || (due.get() > 0).then(|| format!("{} due", due.get()))}</b>
                </span>
            </a>
            <a href="#talk" rel="external" aria-current=current("talk")>
                <Icon name="message-square" />
                "Discussion"
            </a>
        </nav>
        <AskDialog />
            <MintDialog />
    }
}

/// In place of the regions, when the room is not open.
#[component]
fn Gate(children: Children) -> impl IntoView {
    view! {
        <main id="main" class="gate" tabindex="-1">
            <div class="page">
                <div class="narrow stack stack--wide">{children()}</div>
            </div>
        </main>
    }
}

#[component]
fn NeedsWallet() -> impl IntoView {
    let client = use_client();
    let sign_in = use_sign_in();
    view! {
        <div class="card stack card--empty">
            <p class="serif card__title">"This room is closed to strangers"</p>
            <p class="small muted">
                "Connect the wallet whose address is on the room's list. Its people, cases and messages show when the room's key is here."
            </p>
            <div class="row">
                <button
                    class="btn btn--main"
                    type="button"
                    disabled=move || !client.live.get()
                    on:click=move |_| sign_in.open()
                >
                    <Icon name="wallet" />
                    "Choose a wallet"
                </button>
            </div>
        </div>
    }
}

#[component]
fn NotAllowed() -> impl IntoView {
    let client = use_client();
    let room = use_room();
    let again = move |_| client.send(Intent::OpenRoom(room.id));
    move || match room.phase.get() {
        RoomPhase::NotAllowed { person, why } => {
            let (title, what) = match why {
                Absence::Removed => (
                    "You aren't on this room's list any more",
                    "An owner or moderator took this address off the list:",
                ),
                Absence::Left => (
                    "You left this room",
                    "This browser has forgotten its key. The address that left the list:",
                ),
                Absence::NeverIn => (
                    "You aren't on this room's list",
                    "The registry on the chain doesn't have this address for the room:",
                ),
            };
            let (class, testid) = if why == Absence::Left {
                ("notice", "room-left")
            } else {
                ("notice notice--bad", "error")
            };
            Some(view! {
                <div class=class role="alert" data-testid=testid>
                    <Icon name="circle-x" />
                    <div>
                        <strong>{title}</strong>
                        <p>{what}</p>
                        <p class="addr addr--wrap">{person.checksummed()}</p>
                        <p>
                            "Ask the owner"
                            {move || {
                                room.owner
                                    .get()
                                    .map(|owner| view! { " " <span class="addr" title=owner.checksummed()>{owner.short()}</span> })
                            }} " to add it, or connect another wallet."
                        </p>
                        <div class="row">
                            <button
                                class="btn"
                                type="button"
                                on:click=move |_| client.send(Intent::CopyText(person.checksummed()))
                            >
                                <Icon name="copy" />
                                "Copy my address"
                            </button>
                            <button class="btn btn--quiet" type="button" on:click=again>
                                "Try again"
                            </button>
                        </div>
                    </div>
                </div>
            })
        }
        _ => None,
    }
}

#[component]
fn Failed() -> impl IntoView {
    let client = use_client();
    let room = use_room();
    view! {
        {move || match room.phase.get() {
            RoomPhase::Failed(trouble) => Some(view! { <TroubleNotice trouble /> }),
            _ => None,
        }}
        <div class="row">
            <button
                class="btn"
                type="button"
                on:click=move |_| client.send(Intent::OpenRoom(room.id))
            >
                <Icon name="refresh-cw" />
                "Try again"
            </button>
        </div>
    }
}
