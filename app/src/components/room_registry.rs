//! The room as a whole on the registry: an offer of ownership, leaving, archiving, and what of it is under way.

use leptos::{html::Select, prelude::*};

use super::{
    icon::Icon,
    mint_work::StopWaiting,
    notice::{WarnNotice, rest_of},
    price::Price,
    room_scope::use_room,
};
use crate::{
    api::Retention,
    client::{
        model::{Intent, Priced, RegistryIntent, RegistryView, Role, RoomAct, TxState},
        use_client,
    },
};

/// Above the list: whether the room is archived, and whether it is offered to this person.
#[component]
pub(crate) fn RoomStanding() -> impl IntoView {
    let client = use_client();
    let room = use_room();
    let archived = Memo::new(move |_| room.registry.with(|registry| registry.archived));
    let to_me = Memo::new(move |_| {
        let offered = room.registry.with(|registry| registry.offered);
        let me = client.session.with(crate::client::model::Session::person);
        offered.is_some() && offered == me
    });
    let owner = move || room.owner.get().map(|owner| room.name(owner));
    Effect::new(move |_| {
        if to_me.get() {
            client.send(Intent::Price(Priced::Accept, Vec::new()));
        }
    });
    view! {
        {move || {
            archived
                .get()
                .then(|| {
                    view! {
                        <p class="hint room-archived" data-testid="room-archived">
                            <Icon name="lock" small=true />
                            <span>
                                "Archived: the list of people is final. Nobody can be added, removed or leave. Those on it go on reading and writing."
                            </span>
                        </p>
                    }
                })
        }}
        {move || {
            to_me
                .get()
                .then(|| {
                    view! {
                        <div class="notice" data-testid="ownership-offer">
                            <Icon name="key-round" />
                            <div>
                                <strong>
                                    <bdi>{owner}</bdi>
                                    " offers you this room"
                                </strong>
                                <p>
                                    "Who owns it adds and removes anybody, names moderators and can archive it. The owner before becomes a moderator. It is one transaction, "
                                    <Price of=Priced::Accept /> ", and public for ever."
                                </p>
                                <ActButton
                                    act=RoomAct::Accept
                                    intent=RegistryIntent::Accept
                                    label="Take over the room"
                                    testid="ownership-accept"
                                />
                            </div>
                        </div>
                    }
                })
        }}
        <ActState />
    }
}

/// How far what was asked for the room has come.
#[component]
fn ActState() -> impl IntoView {
    let client = use_client();
    let room = use_room();
    let act = Memo::new(move |_| room.registry.with(|registry| registry.act.clone()));
    move || {
        let (act, state) = act.get()?;
        let doing = match act {
            RoomAct::WithdrawOffer => "Withdrawing the offer",
            RoomAct::Accept => "Taking over the room",
            RoomAct::Leave => "Leaving the room",
            RoomAct::Archive => "Archiving the room",
        };
        let mut waits = None;
        let said = match state {
            TxState::Wallet(ask) => {
                waits = Some(ask);
                format!("{doing}: waits for the wallet.")
            }
            TxState::Pending { .. } => format!("{doing}: on its way to the chain."),
            TxState::Confirmed { block, .. } => format!("{doing}: in block {block}."),
            TxState::Failed(why) => {
                let rest = rest_of(&why);
                return Some(
                    view! {
                        <div class="room-act" data-testid="room-act" data-state="failed">
                            <WarnNotice icon="circle-x" what=why.what rest />
                            <button
                                class="btn btn--quiet"
                                type="button"
                                on:click=move |_| client.send(Intent::DismissMemberError)
                            >
                                "Close"
                            </button>
                        </div>
                    }
                    .into_any(),
                );
            }
        };
        Some(
            view! {
                <p class="badge badge--warn room-act" role="status" data-testid="room-act" data-state="pending">
                    {said}
                </p>
                {waits.map(|ask| view! { <StopWaiting ask /> })}
            }
            .into_any(),
        )
    }
}

/// A button of one transaction for the room; it rests while one is under way.
#[component]
fn ActButton(
    act: RoomAct,
    intent: RegistryIntent,
    label: &'static str,
    testid: &'static str,
) -> impl IntoView {
    let client = use_client();
    let room = use_room();
    let busy = move || {
        room.registry.with(|registry| {
            let state = registry.act.as_ref().map(|(_, state)| state);
            state.is_some_and(|state| !matches!(state, TxState::Failed(_)))
        })
    };
    let class = match act {
        RoomAct::Leave | RoomAct::Archive => "btn btn--bad",
        RoomAct::Accept | RoomAct::WithdrawOffer => "btn",
    };
    view! {
        <button
            class=class
            type="button"
            data-testid=testid
            disabled=move || busy() || !client.live.get()
            on:click=move |_| client.send(Intent::Registry(intent))
        >
            {label}
        </button>
    }
}

/// What the owner can choose: days after the last word.
const KEEP: [(u32, &str); 4] = [
    (30, "30 days"),
    (90, "90 days"),
    (365, "a year"),
    (1_825, "five years"),
];

fn days_in_words(days: u32) -> String {
    let known = KEEP.iter().find(|(known, _)| *known == days);
    known.map_or_else(|| format!("{days} days"), |(_, words)| (*words).to_owned())
}

/// Below the list: how long the server keeps what is said, for the owner to choose.
#[component]
pub(crate) fn RoomKept() -> impl IntoView {
    let client = use_client();
    let room = use_room();
    let kept = Memo::new(move |_| room.registry.with(|registry| registry.kept));
    let chosen = Memo::new(move |_| {
        let of = |registry: &RegistryView| (registry.kept.days, registry.keep_failures);
        room.registry.with(of)
    });
    let owner = Memo::new(move |_| room.my_role.get() == Some(Role::Owner));
    let now = move || {
        let Retention { days, at_most } = kept.get();
        let shortest = days.into_iter().chain(at_most).min();
        match shortest {
            None => "The server keeps what is said here, sealed, with no end.".to_owned(),
            Some(days) => format!(
                "The server forgets what was said here, all of it at once, {} after the last word. Browsers keep their copies.",
                days_in_words(days)
            ),
        }
    };
    let field = NodeRef::<Select>::new();
    // Not a property of the field: that is set before there are options to choose from, and not again when a choice that
    // was not taken has to go back to what holds.
    Effect::new(move |_| {
        let (days, _) = chosen.get();
        if let Some(field) = field.get() {
            field.set_value(&days.map(|days| days.to_string()).unwrap_or_default());
        }
    });
    let choose = move |event| {
        let days = event_target_value(&event).parse().ok();
        client.send(Intent::Registry(RegistryIntent::Keep(days)));
    };
    view! {
        <details class="profile" data-testid="room-kept">
            <summary>
                <Icon name="clock" small=true />
                " How long it is kept"
            </summary>
            <p class="hint" data-testid="room-kept-now">{now}</p>
            <Show when=move || owner.get()>
                <label class="field">
                    <span>"Forget it on the server"</span>
                    <select
                        class="input"
                        data-testid="room-keep"
                        disabled=move || !client.live.get()
                        node_ref=field
                        on:change=choose
                    >
                        <option value="">"Never"</option>
                        {KEEP
                            .map(|(days, words)| {
                                view! { <option value=days.to_string()>{format!("{words} after the last word")}</option> }
                            })
                            .collect_view()}
                    </select>
                </label>
                <p class="hint">"Its images stay with the storage, encrypted. No transaction."</p>
            </Show>
        </details>
    }
}

/// Below the list: leaving, or for the owner archiving. What can't be undone is said before it is asked for.
#[component]
pub(crate) fn RoomEnd() -> impl IntoView {
    let client = use_client();
    let room = use_room();
    let shown = Memo::new(move |_| {
        let archived = room.registry.with(|registry| registry.archived);
        room.my_role.get().filter(|_| !archived)
    });
    move || {
        let role = shown.get()?;
        let owner = role == Role::Owner;
        let (title, testid, priced) = if owner {
            (" Archive this room", "room-archive-open", Priced::Archive)
        } else {
            (" Leave this room", "room-leave-open", Priced::Leave)
        };
        let (what, button) = if owner {
            (
                "Nobody can be added, removed or made a moderator afterwards, and nobody can leave: for good, and for you too. Those on the list go on reading and writing.",
                view! {
                    <ActButton
                        act=RoomAct::Archive
                        intent=RegistryIntent::Archive
                        label="Archive for good"
                        testid="room-archive"
                    />
                },
            )
        } else {
            (
                "This browser forgets the room's key, no new message reaches you, and the room gets a new key. What you have said stays in the room. An owner or moderator can add you again.",
                view! {
                    <ActButton
                        act=RoomAct::Leave
                        intent=RegistryIntent::Leave
                        label="Leave the room"
                        testid="room-leave"
                    />
                },
            )
        };
        Some(view! {
            <details
                class="profile"
                on:toggle=move |_| client.send(Intent::Price(priced, Vec::new()))
            >
                <summary data-testid=testid>
                    <Icon name="lock" small=true />
                    {title}
                </summary>
                <p class="hint">{what}</p>
                <p class="hint">"One transaction, " <Price of=priced /> ", public for ever."</p>
                {button}
            </details>
        })
    }
}
