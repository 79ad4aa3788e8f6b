//! Who is in the room, who is here, and adding and removing people.

use healthsync_core::Person;
use leptos::{html::Input, prelude::*};

use super::{
    addresses::parse_addresses,
    avatar::Avatar,
    copies::SaveCopy,
    devices::MyDevices,
    icon::Icon,
    member_acts::MemberActs,
    mint_work::StopWaiting,
    notice::rest_of,
    price::Price,
    profile::MyProfile,
    room_registry::{RoomEnd, RoomKept, RoomStanding},
    room_scope::use_room,
};
use crate::client::{
    model::{Intent, MemberRow, Priced, Role, TxState},
    use_client,
};

#[component]
pub(crate) fn PeoplePanel() -> impl IntoView {
    let client = use_client();
    let room = use_room();
    let people = Memo::new(move |_| {
        room.members
            .with(|members| members.iter().map(|row| row.person).collect::<Vec<_>>())
    });
    let count = Memo::new(move |_| people.with(Vec::len));
    let here = Memo::new(move |_| {
        room.members
            .with(|members| members.iter().filter(|row| row.here || row.you).count())
    });
    let may_manage = Memo::new(move |_| room.may_manage());
    // Whoever can be removed costs the same.
    let other = Memo::new(move |_| {
        let plain = |row: &&MemberRow| row.role == Role::Member && !row.you;
        let found = room
            .members
            .with(|members| members.iter().find(plain).map(|row| row.person));
        found.filter(|_| may_manage.get())
    });
    Effect::new(move |_| {
        if let Some(person) = other.get() {
            client.send(Intent::Price(Priced::Remove, vec![person]));
        }
    });

    view! {
        <div class="pad people-panel">
            <div class="row row--apart">
                <h2 class="panel-title">
                    "People " <span class="num faint">{move || count.get()}</span>
                </h2>
                <span class="tiny faint num" role="status">
                    {move || (count.get() > 0).then(|| format!("{} here", here.get()))}
                </span>
            </div>
            <RoomStanding />
            {move || may_manage.get().then(|| view! { <AddMembers /> })}
            <Adding />
            <MyProfile />
            <MyDevices />
            <ul class="people" data-testid="member-list">
                <For each=move || people.get() key=|person| *person let(person)>
                    <Member person />
                </For>
            </ul>
            {move || {
                (may_manage.get() && count.get() > 1)
                    .then(|| {
                        view! {
                            <p class="hint" id="remove-hint">
                                "Removing is one transaction, " <Price of=Priced::Remove /> ". From then on no key share and no new message reaches them, and a new key seals what is said. What they have read they may have kept."
                            </p>
                        }
                    })
            }}
            <SaveCopy />
            <RoomKept />
            <RoomEnd />
        </div>
    }
}

/// People who are not on the list yet: their transaction is under way.
#[component]
fn Adding() -> impl IntoView {
    let room = use_room();
    let adding = Memo::new(move |_| {
        let said = |(person, state): &(Person, TxState)| {
            let said = match state {
                TxState::Wallet(_) => "waits for the wallet",
                TxState::Pending { .. } | TxState::Failed(_) => "on its way",
                TxState::Confirmed { .. } => "in a block",
            };
            (*person, said)
        };
        room.registry
            .with(|registry| registry.adding.iter().map(said).collect::<Vec<_>>())
    });
    // One transaction adds several people.
    let waits = Memo::new(move |_| {
        room.registry.with(|registry| {
            let mut states = registry.adding.iter();
            states.find_map(|(_, state)| state.waits_for_wallet())
        })
    });
    view! {
        <ul class="people-adding" hidden=move || adding.with(Vec::is_empty)>
            <For each=move || adding.get() key=|row| *row let((person, said))>
                <li data-testid="member-adding">
                    <span class="addr" title=person.checksummed()>
                        {person.short()}
                    </span>
                    <span class="badge badge--warn" role="status">
                        {said}
                    </span>
                </li>
            </For>
        </ul>
        {move || waits.get().map(|ask| view! { <StopWaiting ask /> })}
    }
}

fn role_word(role: Role) -> &'static str {
    match role {
        Role::Owner => "owner",
        Role::Moderator => "moderator",
        Role::Member => "member",
    }
}

#[component]
fn Member(person: Person) -> impl IntoView {
    let client = use_client();
    let room = use_room();
    let row = Memo::new(move |_| {
        room.members
            .with(|members| members.iter().find(|row| row.person == person).cloned())
    });
    let read = move |read: fn(&MemberRow) -> bool| row.with(|row| row.as_ref().is_some_and(read));
    let removable = Memo::new(move |_| {
        row.with(|row| {
            let Some(row) = row else { return false };
            let frozen = room.registry.with(|registry| registry.archived);
            let allowed = !frozen
                && match room.my_role.get() {
                    Some(Role::Owner) => row.role != Role::Owner,
                    Some(Role::Moderator) => row.role == Role::Member,
                    Some(Role::Member) | None => false,
                };
            allowed && !row.you && matches!(row.change, None | Some(TxState::Failed(_)))
        })
    });
    let state = move || {
        row.with(|row| {
            let Some(row) = row else { return String::new() };
            let presence = match (row.typing && !row.you, row.here || row.you) {
                (true, _) => "writing",
                (false, true) => "here",
                (false, false) => "away",
            };
            let offered = room
                .registry
                .with(|registry| registry.offered == Some(person));
            let offer = if offered { ", offered the room" } else { "" };
            format!("{}, {presence}{offer}", role_word(row.role))
        })
    };
    let change = move || {
        row.with(
            |row| match row.as_ref().and_then(|row| row.change.as_ref()) {
                None | Some(TxState::Confirmed { .. }) => None,
                Some(TxState::Wallet(_)) => {
                    Some(("badge badge--warn", "waits for the wallet".to_owned()))
                }
                Some(TxState::Pending { .. }) => {
                    Some(("badge badge--warn", "on its way".to_owned()))
                }
                Some(TxState::Failed(trouble)) => {
                    let rest = rest_of(trouble)
                        .map(|rest| format!(" {rest}"))
                        .unwrap_or_default();
                    Some(("hint hint--bad", format!("{}{rest}", trouble.what)))
                }
            },
        )
    };
    let waits =
        Memo::new(move |_| row.with(|row| row.as_ref()?.change.as_ref()?.waits_for_wallet()));
    let remove_label = format!(
        "Remove {}. What they have read they may have kept.",
        person.short()
    );

    view! {
        <li class="person" data-testid="member" data-here=move || read(|row| row.here).then_some("")>
            <Avatar person />
            <div>
                <span class="who" aria-hidden="true">
                    <bdi>{move || room.name(person)}</bdi>
                </span>
                {move || {
                    (room.name(person) != person.short())
                        .then(|| view! { <span class="addr tiny faint" aria-hidden="true">" "{person.short()}</span> })
                }}
                <span class="visually-hidden">{person.checksummed()}</span>
                <Show when=move || read(|row| row.you)>
                    <span class="who">" you"</span>
                </Show>
                <span class="tiny faint person__state">{state}</span>
                {move || change().map(|(class, text)| view! { <span class=class role="status">{text}</span> })}
                {move || waits.get().map(|ask| view! { <StopWaiting ask /> })}
            </div>
            {move || {
                let label = remove_label.clone();
                removable
                    .get()
                    .then(|| {
                        view! {
                            <button
                                class="btn btn--quiet btn--icon"
                                type="button"
                                data-testid="member-remove"
                                aria-label=label.clone()
                                title=label
                                aria-describedby="remove-hint"
                                on:click=move |_| client.send(Intent::RemoveMember(person))
                            >
                                <Icon name="user-minus" />
                            </button>
                        }
                    })
            }}
            <MemberActs row person />
        </li>
    }
}

/// The form is always open: adding a colleague is the second thing an owner does.
#[component]
fn AddMembers() -> impl IntoView {
    let client = use_client();
    let room = use_room();
    let field = NodeRef::<Input>::new();
    let fault = RwSignal::new(None::<String>);
    // What was typed stays in the field until the people are on the list, so that a refusal loses nothing.
    let asked = RwSignal::new(None::<(String, Vec<Person>)>);
    let typed = RwSignal::new(0_usize);

    Effect::new(move |_| {
        let arrived = room.members.with(|members| {
            asked.with(|asked| {
                asked.as_ref().is_some_and(|(_, people)| {
                    people.iter().all(|person| {
                        members
                            .iter()
                            .any(|row| row.person == *person && row.change.is_none())
                    })
                })
            })
        });
        if !arrived {
            return;
        }
        if let (Some(field), Some((text, _))) = (field.get_untracked(), asked.get_untracked())
            && field.value() == text
        {
            field.set_value("");
            typed.set(0);
        }
        asked.set(None);
    });

    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let Some(field) = field.get() else { return };
        let text = field.value();
        client.send(Intent::DismissMemberError);
        let listed = |person: &Person| {
            room.members
                .with_untracked(|members| members.iter().any(|row| row.person == *person))
        };
        match parse_addresses(&text) {
            Err(faults) => {
                fault.set(Some(faults.join(" ")));
                let _ = field.focus();
            }
            Ok(people) if people.is_empty() => {
                fault.set(Some("Type the wallet address of a colleague.".into()));
                let _ = field.focus();
            }
            Ok(people) if people.iter().all(listed) => {
                fault.set(Some(if people.len() == 1 {
                    "This address is on the list already.".into()
                } else {
                    "These addresses are on the list already.".into()
                }));
            }
            Ok(people) => {
                fault.set(None);
                asked.set(Some((text, people.clone())));
                client.send(Intent::AddMembers(people));
            }
        }
    };
    let shown = move || fault.get().or_else(|| room.member_error.get());
    let ask_price = move || {
        let people = field
            .get()
            .and_then(|field| parse_addresses(&field.value()).ok());
        let people = people.unwrap_or_default();
        typed.set(people.len());
        if !people.is_empty() {
            client.send(Intent::Price(Priced::Add, people));
        }
    };

    view! {
        <form class="member-form" aria-label="Add colleagues" on:submit=submit>
            <div class="field">
                <label for="member-address">"Add colleagues by wallet address"</label>
                <div class="member-form__row">
                    <input
                        class="input mono"
                        id="member-address"
                        name="address"
                        type="text"
                        autocomplete="off"
                        spellcheck="false"
                        placeholder="0x… one or several"
                        data-testid="member-add-address"
                        node_ref=field
                        aria-invalid=move || shown().is_some().then_some("true")
                        aria-describedby="member-address-e"
                        on:input=move |_| {
                            fault.set(None);
                            if room.member_error.with_untracked(Option::is_some) {
                                client.send(Intent::DismissMemberError);
                            }
                            ask_price();
                        }
                    />
                    <button class="btn" type="submit" data-testid="member-add" disabled=move || !client.live.get()>
                        <Icon name="user-plus" />
                        "Add"
                    </button>
                </div>
                <p class="hint" hidden=move || typed.get() == 0>
                    "One transaction, " <Price of=Priced::Add />
                    ". Public for ever: that these addresses are in this room, and since when."
                </p>
                <div id="member-address-e" aria-live="polite">
                    {move || {
                        shown()
                            .map(|text| {
                                view! {
                                    <p class="hint hint--bad" data-testid="error">
                                        <Icon name="circle-x" small=true />
                                        <span>{text}</span>
                                    </p>
                                }
                            })
                    }}
                </div>
            </div>
        </form>
    }
}
