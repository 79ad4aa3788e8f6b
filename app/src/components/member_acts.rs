//! What an owner can do with a member beside removing them: name a moderator, hand the room over.

use healthsync_core::Person;
use leptos::prelude::*;

use super::{price::Price, room_scope::use_room};
use crate::client::{
    model::{Intent, MemberRow, Priced, RegistryIntent, Role, TxState},
    use_client,
};

/// Shown to the owner of a room that may still change, for everybody else in it.
#[component]
pub(crate) fn MemberActs(row: Memo<Option<MemberRow>>, person: Person) -> impl IntoView {
    let client = use_client();
    let room = use_room();
    let role = Memo::new(move |_| {
        let free = row.with(|row| {
            let row = row.as_ref().filter(|row| !row.you)?;
            let free = matches!(row.change, None | Some(TxState::Failed(_)));
            free.then_some(row.role)
        });
        let mine = room.my_role.get() == Some(Role::Owner);
        let frozen = room.registry.with(|registry| registry.archived);
        free.filter(|_| mine && !frozen)
    });
    let offered = Memo::new(move |_| {
        room.registry
            .with(|registry| registry.offered == Some(person))
    });
    let send = move |intent| {
        client.send(Intent::DismissMemberError);
        client.send(Intent::Registry(intent));
    };
    move || {
        let moderates = role.get()? == Role::Moderator;
        let (word, hint) = if moderates {
            ("Make a plain member", "Can't add or remove people any more")
        } else {
            (
                "Make a moderator",
                "Can then add people, and remove plain members",
            )
        };
        Some(view! {
            <details
                class="person__more"
                on:toggle=move |_| client.send(Intent::Price(Priced::Role, vec![person]))
            >
                <summary aria-label=format!("Role of {}", person.short()) data-testid="member-more">
                    "Role"
                </summary>
                <div class="person__acts">
                    <button
                        class="btn"
                        type="button"
                        title=hint
                        data-testid="member-moderator"
                        on:click=move |_| {
                            send(RegistryIntent::SetModerator {
                                person,
                                on: !moderates,
                            })
                        }
                    >
                        {word}
                    </button>
                    {move || {
                        if offered.get() {
                            view! {
                                <button
                                    class="btn"
                                    type="button"
                                    data-testid="offer-withdraw"
                                    on:click=move |_| send(RegistryIntent::WithdrawOffer)
                                >
                                    "Withdraw the offer"
                                </button>
                            }
                                .into_any()
                        } else {
                            view! {
                                <button
                                    class="btn"
                                    type="button"
                                    title="They own it once they accept; you become a moderator"
                                    data-testid="member-offer"
                                    on:click=move |_| send(RegistryIntent::Offer(person))
                                >
                                    "Offer the room"
                                </button>
                            }
                                .into_any()
                        }
                    }}
                    <p class="hint">"Each one transaction, " <Price of=Priced::Role /> ", public for ever."</p>
                </div>
            </details>
        })
    }
}
