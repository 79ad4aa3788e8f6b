//! The bar at the top: where one is, how the browser is connected, and who is using it.

use healthsync_core::Person;
use leptos::prelude::*;
use leptos_router::components::A;

use super::{
    avatar::{Avatar, AvatarSize},
    icon::{BrandMark, Icon},
    notice::rest_of,
    platform,
    room_scope::use_room,
    sign_in::use_sign_in,
    theme::ThemeChoice,
    time::{clock, local_date},
};
use crate::client::{
    model::{Intent, Network, Session, Transport},
    use_client,
};

/// The bar of ordinary pages.
#[component]
pub(crate) fn TopBar() -> impl IntoView {
    let bootstrap = use_client().bootstrap;
    let has_tokens = move || {
        bootstrap.with(|facts| {
            facts
                .as_ref()
                .is_some_and(|facts| facts.contracts.token.is_some())
        })
    };
    view! {
        <header class="top">
            <A href="/" attr:class="brand">
                <BrandMark />
                <span>"HealthSync"</span>
            </A>
            <nav aria-label="Main">
                <A href="/rooms">"Rooms"</A>
                <Show when=has_tokens>
                    <A href="/tokens">"Tokens"</A>
                </Show>
            </nav>
            <TopEnd />
        </header>
    }
}

/// The bar of a room: a way back, the room's name, and that it is private.
#[component]
pub(crate) fn RoomTopBar(title: Signal<String>) -> impl IntoView {
    let room = use_room();
    let archived = Memo::new(move |_| room.registry.with(|registry| registry.archived));
    view! {
        <header class="top top--room">
            <A href="/" attr:class="brand">
                <BrandMark />
                <span>"HealthSync"</span>
            </A>
            <A
                href="/rooms"
                attr:class="btn btn--quiet btn--icon narrow-only"
                attr:aria-label="All rooms"
                attr:title="All rooms"
            >
                <Icon name="chevron-left" />
            </A>
            <div class="crumb">
                <A href="/rooms" exact=true attr:class="wide-only muted crumb__up">
                    "Rooms"
                </A>
                <span class="sep wide-only" aria-hidden="true">
                    "/"
                </span>
                <h1 class="trunc" data-testid="room-title">
                    {move || title.get()}
                </h1>
                <span class="badge wide-only" title="Encrypted for the members only">
                    <Icon name="lock" />
                    "Private"
                </span>
                {move || {
                    archived.get().then(|| view! { <span class="badge" data-testid="archived-badge">"Archived"</span> })
                }}
            </div>
            <TopEnd />
        </header>
    }
}

#[component]
fn TopEnd() -> impl IntoView {
    let session = use_client().session;
    let person = Memo::new(move |_| session.with(Session::person));
    view! {
        <div class="top__end">
            <NetworkStatus />
            {move || match person.get() {
                Some(person) => view! { <Account person /> }.into_any(),
                None => view! { <ConnectButton /> }.into_any(),
            }}
        </div>
    }
}

#[component]
fn ConnectButton() -> impl IntoView {
    let client = use_client();
    let sign_in = use_sign_in();
    view! {
        <button
            class="btn"
            type="button"
            data-testid="connect-wallet"
            disabled=move || !client.live.get() || client.broken.with(Option::is_some)
            on:click=move |_| sign_in.open()
        >
            <Icon name="wallet" />
            <span>"Connect" <span class="wide-only">" wallet"</span></span>
        </button>
    }
}

fn word(transport: Transport) -> &'static str {
    match transport {
        Transport::WebRtc => "webrtc",
        Transport::WebSocket => "websocket",
    }
}

#[component]
fn NetworkStatus() -> impl IntoView {
    let client = use_client();
    let network = client.network;
    // The bar changes with the state only; a new round trip time concerns the details alone.
    let state = Memo::new(move |_| {
        network.with(|network| match network {
            Network::Starting => ("starting", "connecting"),
            Network::Connected { transport, .. } => (word(*transport), word(*transport)),
            Network::Offline { .. } => ("offline", "offline"),
        })
    });
    let local = move |at| {
        clock(
            at,
            if client.live.get() {
                platform::offset_minutes(at)
            } else {
                0
            },
        )
    };
    let head = move || match network.get() {
        Network::Starting => (
            "Connecting".to_owned(),
            "To the relay of this site.".to_owned(),
        ),
        Network::Connected {
            transport: Transport::WebRtc,
            since,
            ..
        } => (
            "Connected by WebRTC".to_owned(),
            format!("Since {}, to the relay of this site.", local(since)),
        ),
        Network::Connected {
            transport: Transport::WebSocket,
            since,
            ..
        } => (
            "Connected by WebSocket".to_owned(),
            format!(
                "Since {}, through this site's own address and port.",
                local(since)
            ),
        ),
        Network::Offline { since, reason } => {
            (format!("No connection since {}", local(since)), reason)
        }
    };
    view! {
        <button
            class="transport"
            type="button"
            data-testid="network-status"
            data-state=move || state.get().0
            popovertarget="conn"
        >
            <span class="transport__shape" aria-hidden="true"></span>
            <span class="transport__word" data-testid="transport">{move || state.get().1}</span>
            <span class="visually-hidden">", connection details"</span>
        </button>
        <div class="menu menu--conn" id="conn" popover="auto">
            <div class="menu__head">
                <strong>{move || head().0}</strong>
                <span class="tiny faint">{move || head().1}</span>
            </div>
            <hr />
            <dl class="kv kv--menu">
                <dt>"Round trip"</dt>
                <dd class="num">
                    {move || match network.get() {
                        Network::Connected { rtt_ms: Some(ms), .. } => format!("{ms} ms"),
                        _ => "not measured yet".to_owned(),
                    }}
                </dd>
                <dt>"Direct links"</dt>
                <dd data-testid="direct-links">
                    {move || match client.direct.get() {
                        0 => "none; what you say and share goes by this site".to_owned(),
                        links => format!("{links} direct, browser to browser"),
                    }}
                </dd>
                <dt>"Relay sees"</dt>
                <dd>"who, which room, sizes and times; no text, image or vote in the clear"</dd>
            </dl>
            {move || match network.get() {
                Network::Connected { fallback: Some(why), .. } => {
                    Some(view! { <p class="hint menu__note">{why}</p> })
                }
                _ => None,
            }}
        </div>
    }
}

#[component]
fn Account(person: Person) -> impl IntoView {
    let client = use_client();
    let sign_in = use_sign_in();
    let full = person.checksummed();
    let copied = full.clone();
    let title = full.clone();
    let said = full.clone();
    let read_only = Memo::new(move |_| {
        client
            .session
            .with(|s| matches!(s, Session::ReadOnly { .. }))
    });
    let until = move || match client.session.get() {
        Session::Ready {
            expires_at, demo, ..
        } => {
            let what = if demo {
                "Demo wallet, for trying out. "
            } else {
                ""
            };
            format!(
                "{what}This browser signs for you until {}.",
                local_date(expires_at)
            )
        }
        Session::ReadOnly { why, .. } => match rest_of(&why) {
            Some(rest) => format!("{} {rest}", why.what),
            None => why.what,
        },
        _ => "Signing in.".to_owned(),
    };
    view! {
        <button
            class="btn btn--quiet account"
            type="button"
            data-testid="account"
            popovertarget="wallet"
            title=title
            data-person=full
            data-session=move || {
                client.session.with(|session| match session {
                    Session::Ready { .. } => "ready",
                    Session::ReadOnly { .. } => "readonly",
                    _ => "signing",
                })
            }
        >
            <Avatar person size=AvatarSize::Small />
            <span class="addr wide-only" aria-hidden="true">
                {person.short()}
            </span>
            <span class="visually-hidden">{said} ", your account"</span>
            {move || {
                read_only
                    .get()
                    .then(|| view! { <span class="badge badge--warn wide-only">"only reading"</span> })
            }}
            <Icon name="chevron-down" small=true />
        </button>
        <div class="menu" id="wallet" popover="auto">
            <div class="menu__head">
                <strong class="addr">{person.short()}</strong>
                <span class="tiny faint">{until}</span>
            </div>
            <hr />
            <button
                class="menu__item"
                type="button"
                popovertarget="wallet"
                popovertargetaction="hide"
                on:click=move |_| client.send(Intent::CopyText(copied.clone()))
            >
                <Icon name="copy" />
                "Copy address"
            </button>
            <button
                class="menu__item"
                type="button"
                hidden=move || !read_only.get()
                popovertarget="wallet"
                popovertargetaction="hide"
                on:click=move |_| {
                    sign_in.open();
                    client.send(Intent::SignAgain);
                }
            >
                <Icon name="pen-line" />
                "Use this browser"
            </button>
            <hr />
            <div class="menu__group">
                <span class="overline">"Theme"</span>
                <ThemeChoice name="theme-menu" />
            </div>
            <hr />
            <button
                class="menu__item"
                type="button"
                popovertarget="wallet"
                popovertargetaction="hide"
                on:click=move |_| client.send(Intent::Disconnect)
            >
                <Icon name="log-out" />
                "Disconnect wallet"
            </button>
        </div>
    }
}
