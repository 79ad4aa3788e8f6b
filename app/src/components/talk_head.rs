//! Above and below the messages: what is pinned, whether the browser tells of news, and what is left out and why.

use leptos::prelude::*;

use super::{icon::Icon, room_scope::use_room};
use crate::client::{
    model::{Intent, LeftOut},
    use_client,
};

#[component]
pub(crate) fn TalkHead(loading: Memo<bool>) -> impl IntoView {
    let client = use_client();
    let room = use_room();
    let on = Memo::new(move |_| room.talk.with(|talk| talk.notifies));
    view! {
        <div class="panel-head">
            <h2>"Discussion"</h2>
            <span class="tiny faint" role="status">
                {move || {
                    let progress = room.talk.with(|talk| talk.fetching);
                    match (loading.get(), progress) {
                        (false, Some((here, all))) => {
                            Some(format!("older part is coming, {here} of {all}"))
                        }
                        (false, None) => None,
                        (true, Some((here, all))) => {
                            Some(format!("fetching what was said, {here} of {all}"))
                        }
                        (true, None) => Some("fetching what was said".to_owned()),
                    }
                }}
            </span>
            <button
                class="msg__act panel-head__end"
                type="button"
                data-testid="notify"
                aria-pressed=move || on.get().to_string()
                disabled=move || !client.live.get()
                title="The browser says that there is something new, never what, while this page is in the background"
                on:click=move |_| client.send(Intent::Notify(!on.get_untracked()))
            >
                {move || if on.get() { "Stop notifying me" } else { "Notify me" }}
            </button>
        </div>
    }
}

#[component]
pub(crate) fn Pins() -> impl IntoView {
    let client = use_client();
    let room = use_room();
    let pins = Memo::new(move |_| room.talk.with(|talk| talk.pins.clone()));
    let count = move || pins.with(|pins| pins.len());
    view! {
        <Show when=move || { count() > 0 }>
            <details class="pins" data-testid="pins">
                <summary>{move || format!("Pinned {}", count())}</summary>
                <ul>
                    <For
                        each=move || pins.get().to_vec()
                        key=|pin| (pin.of, pin.text.clone())
                        let(pin)
                    >
                        {
                            let (of, case) = (pin.of, pin.case);
                            let href = if case {
                                "#case".to_owned()
                            } else {
                                format!("#m-{}", &of.to_string()[2..18])
                            };
                            view! {
                                <li>
                                    <a
                                        rel="external"
                                        href=href
                                        on:click=move |_| {
                                            if case {
                                                room.chosen_case.set(Some(of));
                                            }
                                        }
                                    >
                                        <bdi>{pin.text}</bdi>
                                    </a>
                                    <button
                                        class="msg__act"
                                        type="button"
                                        on:click=move |_| client.send(Intent::Pin { of, on: false })
                                    >
                                        "Unpin"
                                    </button>
                                </li>
                            }
                        }
                    </For>
                </ul>
            </details>
        </Show>
    }
}

/// One sentence for each reason, with its number.
fn reasons(left_out: LeftOut) -> Vec<String> {
    let LeftOut {
        undelegated,
        revoked,
        ahead,
        forks,
        keyless,
    } = left_out;
    let things = |count: u32| match count {
        1 => "1 thing".to_owned(),
        more => format!("{more} things"),
    };
    let said = [
        (
            undelegated,
            "no wallet has signed for the device, or its clock is wrong",
        ),
        (revoked, "its author has revoked the device that wrote it"),
        (
            ahead,
            "it claims a place far beyond everything else in the room",
        ),
        (
            keyless,
            "its key did not come from the key nodes yet; they are asked again",
        ),
        (
            forks,
            "a device wrote two different things under one number; one of them shows, the same for everybody",
        ),
    ];
    said.into_iter()
        .filter(|(count, _)| *count > 0)
        .map(|(count, why)| format!("{}: {why}.", things(count)))
        .collect()
}

#[component]
pub(crate) fn LeftOutNote() -> impl IntoView {
    let room = use_room();
    let left_out = Memo::new(move |_| room.talk.with(|talk| talk.left_out));
    view! {
        <Show when=move || !left_out.get().is_nothing()>
            <details class="left-out small" data-testid="left-out">
                <summary>
                    <Icon name="triangle-alert" small=true />
                    " Some things are kept and not shown"
                </summary>
                <ul>
                    {move || {
                        reasons(left_out.get())
                            .into_iter()
                            .map(|text| view! { <li>{text}</li> })
                            .collect_view()
                    }}
                </ul>
            </details>
        </Show>
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_reason_is_said() {
        let all = LeftOut {
            undelegated: 1,
            revoked: 2,
            ahead: 3,
            forks: 4,
            keyless: 5,
        };
        let said = reasons(all);
        assert_eq!(said.len(), 5);
        assert!(said[0].starts_with("1 thing: ") && said[1].starts_with("2 things: "));
        assert!(reasons(LeftOut::default()).is_empty());
    }
}
