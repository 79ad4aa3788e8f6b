//! `/rooms`: the rooms a person is in, those first that wait for an opinion.

use healthsync_core::RoomId;
use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::A;

use crate::{
    api::Standing,
    client::{
        model::{Intent, RoomCard, RoomList, Session},
        use_client,
    },
    components::{
        copies::{KeptHere, TakeInCopy},
        footer::Footer,
        icon::Icon,
        notice::{WarnNotice, rest_of},
        sign_in::use_sign_in,
        time::{WhenShort, local_date},
        top_bar::TopBar,
    },
};

/// In the order of the page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Group {
    NeedsOpinion,
    New,
    Quiet,
    /// Archived, or not this person's any more.
    Past,
}

impl Group {
    fn of(card: &RoomCard) -> Self {
        if card.standing != Standing::Member {
            return Group::Past;
        }
        match (card.needs_opinion || card.mentioned, card.unread) {
            (true, _) => Group::NeedsOpinion,
            (false, 0) if card.archived => Group::Past,
            (false, 0) => Group::Quiet,
            (false, _) => Group::New,
        }
    }

    fn title(self) -> &'static str {
        match self {
            Group::NeedsOpinion => "Needs your opinion",
            Group::New => "New since you looked",
            Group::Quiet => "Quiet",
            Group::Past => "Archived or left",
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Shown {
    SignedOut,
    Loading,
    Empty,
    List,
}

#[component]
pub(crate) fn RoomsPage() -> impl IntoView {
    let client = use_client();
    let person = Memo::new(move |_| client.session.with(Session::person));
    let cards = Memo::new(move |_| {
        client.rooms.with(|rooms| match rooms {
            RoomList::Loading => Vec::new(),
            RoomList::Loaded(cards) | RoomList::Stale(cards, _) => cards.clone(),
        })
    });
    let stale = Memo::new(move |_| {
        client.rooms.with(|rooms| match rooms {
            RoomList::Stale(_, why) => Some(why.clone()),
            RoomList::Loading | RoomList::Loaded(_) => None,
        })
    });
    let shown = Memo::new(move |_| {
        let signed_out = client
            .session
            .with(|session| matches!(session, Session::SignedOut | Session::Connecting { .. }));
        let loading = client.rooms.with(|rooms| *rooms == RoomList::Loading);
        match (
            signed_out,
            person.get().is_none() || loading,
            cards.with(Vec::is_empty),
        ) {
            (true, ..) => Shown::SignedOut,
            (_, true, _) => Shown::Loading,
            (_, _, true) => Shown::Empty,
            (_, _, false) => Shown::List,
        }
    });
    Effect::new(move |_| {
        if person.get().is_some() {
            client.send(Intent::LoadRooms);
        }
    });
    let line = move || {
        let due = cards.with(|cards| cards.iter().filter(|card| card.needs_opinion).count());
        match (shown.get(), due) {
            (Shown::List, 0) => "Nothing waits for your opinion.".to_owned(),
            (Shown::List, 1) => "1 room waits for your opinion.".to_owned(),
            (Shown::List, due) => format!("{due} rooms wait for your opinion."),
            _ => "Closed rooms with the colleagues you choose.".to_owned(),
        }
    };

    view! {
        <Title text="Rooms" />
        <TopBar />
        <main id="main" class="page" tabindex="-1">
            <div class="page__head">
                <div>
                    <h1>"Rooms"</h1>
                    <p aria-live="polite">{line}</p>
                </div>
                <A href="/rooms/new" attr:class="btn btn--main">
                    <Icon name="plus" />
                    "New room"
                </A>
            </div>
            <div class="rooms">
                <div class="stack stack--wide">
                    {move || stale.get().map(|why| {
                        let rest = rest_of(&why);
                        view! { <WarnNotice icon="wifi-off" what=why.what rest /> }
                    })}
                    {move || match shown.get() {
                        Shown::SignedOut => view! { <SignedOut /> }.into_any(),
                        Shown::Loading => view! { <Loading /> }.into_any(),
                        Shown::Empty => view! { <Empty /> }.into_any(),
                        Shown::List => view! { <Groups cards /> }.into_any(),
                    }}
                </div>
                <aside class="stack">
                    <ThisBrowser />
                    <Show when=move || person.get().is_some()>
                        <TakeInCopy />
                        <KeptHere />
                    </Show>
                </aside>
            </div>
        </main>
        <Footer />
    }
}

#[component]
fn SignedOut() -> impl IntoView {
    let client = use_client();
    let sign_in = use_sign_in();
    view! {
        <div class="card stack card--empty">
            <p class="serif card__title">"No wallet is connected"</p>
            <p class="small muted">
                "Your rooms belong to your wallet's address. Connect it, and they are listed here."
            </p>
            <div class="row">
                <button
                    class="btn"
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
fn Loading() -> impl IntoView {
    view! {
        <div class="rows" aria-busy="true" role="group" aria-label="Loading your rooms">
            {(0..3)
                .map(|_| {
                    view! {
                        <div class="room-row">
                            <span class="case__pic"></span>
                            <div class="stack">
                                <span class="skeleton skeleton--60"></span>
                                <span class="skeleton skeleton--85"></span>
                            </div>
                        </div>
                    }
                })
                .collect_view()}
        </div>
    }
}

#[component]
fn Empty() -> impl IntoView {
    let client = use_client();
    view! {
        <div class="card stack card--empty" data-testid="room-list">
            <p class="serif card__title">"No rooms yet"</p>
            <p class="small muted">
                "Make one and add colleagues by wallet address, or ask an owner to add yours."
            </p>
            <div class="row">
                <button
                    class="btn"
                    type="button"
                    on:click=move |_| {
                        if let Some(person) = client.session.with_untracked(Session::person) {
                            client.send(Intent::CopyText(person.checksummed()));
                        }
                    }
                >
                    <Icon name="copy" />
                    "Copy my address"
                </button>
            </div>
        </div>
    }
}

#[component]
fn Groups(cards: Memo<Vec<RoomCard>>) -> impl IntoView {
    let group = move |group: Group, id: &'static str| {
        let ids = Memo::new(move |_| {
            cards.with(|cards| {
                cards
                    .iter()
                    .filter(|card| Group::of(card) == group)
                    .map(|card| card.id)
                    .collect::<Vec<_>>()
            })
        });
        view! {
            <section class="section" aria-labelledby=id hidden=move || ids.with(Vec::is_empty)>
                <h2 id=id>{group.title()}</h2>
                <div class="rows">
                    <For each=move || ids.get() key=|id| *id let(id)>
                        <Card cards id />
                    </For>
                </div>
            </section>
        }
    };
    view! {
        <div class="stack stack--wide" data-testid="room-list">
            {group(Group::NeedsOpinion, "h-need")}
            {group(Group::New, "h-new")}
            {group(Group::Quiet, "h-quiet")}
            {group(Group::Past, "h-past")}
        </div>
    }
}

#[component]
fn Card(cards: Memo<Vec<RoomCard>>, id: RoomId) -> impl IntoView {
    let card =
        Memo::new(move |_| cards.with(|cards| cards.iter().find(|card| card.id == id).cloned()));
    let name =
        Memo::new(move |_| card.with(|card| card.as_ref().and_then(|card| card.name.clone())));
    let short = {
        let text = id.to_string();
        format!("Room {}…{}", &text[..6], &text[62..])
    };
    let members = move || {
        card.with(|card| {
            card.as_ref().map(|card| {
                let count = match card.members {
                    1 => "1 member".to_owned(),
                    count => format!("{count} members"),
                };
                view! { {count} ", owned by " <span class="addr tiny">{card.owner.short()}</span> }
            })
        })
    };
    view! {
        <article
            class="room-row"
            data-testid="room-card"
            data-standing=move || {
                card.with(|card| {
                    card.as_ref().map(|card| match (card.standing, card.archived) {
                        (Standing::Left, _) => "left",
                        (Standing::Removed, _) => "removed",
                        (Standing::Member, true) => "archived",
                        (Standing::Member, false) => "member",
                    })
                })
            }
            data-needs=move || {
                card.with(|card| card.as_ref().is_some_and(|card| card.needs_opinion)).then_some("")
            }
        >
            <span class="case__pic">
                {move || {
                    let icon = if name.with(Option::is_some) { "message-square" } else { "lock" };
                    view! { <Icon name=icon /> }
                }}
            </span>
            <div>
                <h3>
                    <A href=format!("/rooms/{id}")>{move || name.get().unwrap_or_else(|| short.clone())}</A>
                </h3>
                <p class="why">{members}</p>
            </div>
            <div class="side">
                {move || {
                    card.with(|card| {
                        let card = card.as_ref()?;
                        let past = match (card.standing, card.archived) {
                            (Standing::Left, _) => Some("You left"),
                            (Standing::Removed, _) => Some("You were removed"),
                            (Standing::Member, true) if Group::of(card) == Group::Past => Some("Archived"),
                            (Standing::Member, _) => None,
                        };
                        if let Some(past) = past {
                            Some(view! { <span class="badge">{past}</span> }.into_any())
                        } else if card.needs_opinion {
                            Some(
                                view! {
                                    <span class="badge badge--you">
                                        <Icon name="vote" />
                                        "Your vote is missing"
                                    </span>
                                }
                                    .into_any(),
                            )
                        } else if card.mentioned {
                            Some(view! { <span class="badge badge--you">"Mentions you"</span> }.into_any())
                        } else if card.unread > 0 {
                            Some(
                                view! {
                                    <span class="badge">
                                        <Icon name="message-square" />
                                        {format!("{} new", card.unread)}
                                    </span>
                                }
                                    .into_any(),
                            )
                        } else {
                            None
                        }
                    })
                }}
                <span class="num">
                    {move || {
                        card.with(|card| card.as_ref().and_then(|card| card.last))
                            .map(|at| view! { <WhenShort at /> })
                    }}
                </span>
            </div>
        </article>
    }
}

#[component]
fn ThisBrowser() -> impl IntoView {
    let client = use_client();
    let lines = move || match client.session.get() {
        Session::Ready {
            wallet, expires_at, ..
        } => Some((wallet, format!("until {}", local_date(expires_at)))),
        Session::ReadOnly { wallet, .. } => Some((wallet, "no, only reading".to_owned())),
        _ => None,
    };
    move || {
        lines().map(|(wallet, signs)| {
            view! {
                <section class="card stack">
                    <h2 class="panel-title">"This browser"</h2>
                    <dl class="kv">
                        <dt>"Wallet"</dt>
                        <dd>{wallet}</dd>
                        <dt>"Signs for you"</dt>
                        <dd class="num">{signs}</dd>
                    </dl>
                </section>
            }
        })
    }
}
