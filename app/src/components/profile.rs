//! How this person is shown in the room: her own words, signed like everything else, checked by nobody.

use healthsync_core::limits;
use leptos::{html::Input, prelude::*};

use super::{icon::Icon, room_scope::use_room};
use crate::client::{
    model::{Intent, Profile},
    use_client,
};

#[component]
pub(crate) fn MyProfile() -> impl IntoView {
    let client = use_client();
    let room = use_room();
    let (name, role, city) = (
        NodeRef::<Input>::new(),
        NodeRef::<Input>::new(),
        NodeRef::<Input>::new(),
    );
    let fault = RwSignal::new(None::<String>);
    let open = RwSignal::new(false);
    let mine = Memo::new(move |_| {
        let me = room
            .members
            .with(|members| members.iter().find(|row| row.you).map(|row| row.person))?;
        let known = room.people.with(|people| {
            let mine = people.iter().find(|(person, _)| *person == me);
            mine.map(|(_, profile)| profile.clone())
        });
        Some((me, known.unwrap_or_default()))
    });
    let value = |field: NodeRef<Input>| {
        let field = field.get_untracked();
        field.map(|field| field.value()).unwrap_or_default()
    };
    let submit = move |event: leptos::ev::SubmitEvent| {
        event.prevent_default();
        let profile = Profile {
            name: value(name),
            role: value(role),
            city: value(city),
        };
        match limits::check_profile(&profile.name, &profile.role, &profile.city) {
            Ok(()) => {
                fault.set(None);
                open.set(false);
                client.send(Intent::SetProfile(profile));
            }
            Err(too_long) => fault.set(Some(too_long.to_string())),
        }
    };
    let field = move |label: &'static str, node: NodeRef<Input>, read: fn(&Profile) -> String| {
        view! {
            <label class="field">
                <span>{label}</span>
                <input
                    class="input"
                    type="text"
                    autocomplete="off"
                    node_ref=node
                    prop:value=move || mine.get().map(|(_, profile)| read(&profile)).unwrap_or_default()
                />
            </label>
        }
    };
    view! {
        <Show when=move || mine.with(Option::is_some)>
            <details
                class="profile"
                data-testid="my-profile"
                prop:open=move || open.get()
                on:toggle=move |event| {
                    open.set(event_target::<leptos::web_sys::HtmlDetailsElement>(&event).open());
                }
            >
                <summary>
                    <Icon name="pen-line" small=true />
                    " You show as "
                    <bdi>{move || mine.get().map(|(me, _)| room.name(me))}</bdi>
                </summary>
                <form class="stack" on:submit=submit>
                    {field("Name", name, |profile| profile.name.clone())}
                    {field("Role", role, |profile| profile.role.clone())}
                    {field("City", city, |profile| profile.city.clone())}
                    <p class="hint">
                        "Only the people of this room see it. Nobody checks it; your address stays beside it."
                    </p>
                    <div aria-live="polite">
                        {move || {
                            fault
                                .get()
                                .map(|text| view! { <p class="hint hint--bad" data-testid="error">{text}</p> })
                        }}
                    </div>
                    <button class="btn" type="submit">
                        "Show me so"
                    </button>
                </form>
            </details>
        </Show>
    }
}
