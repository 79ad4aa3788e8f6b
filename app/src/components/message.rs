//! One message: who, when, what, what others have said about it, and what can be done with it.

use std::{
    hash::{DefaultHasher, Hash, Hasher},
    sync::Arc,
};

use healthsync_core::{Millis, Sign};
use leptos::{ev::KeyboardEvent, html::Div, prelude::*};

use super::{
    avatar::Avatar,
    icon::Icon,
    notice::rest_of,
    platform,
    room_scope::{Composing, use_room},
    time::Clock,
};
use crate::client::{
    model::{Delivery, Intent, MessageRow, Quote},
    use_client,
};

/// Changes when the row has to be drawn anew. Signs, pins and how far it has come are followed within the row, so that
/// whoever gives a sign keeps the focus, and a message that is stored is not drawn a second time.
pub(crate) fn fingerprint(row: &MessageRow) -> u64 {
    let mut hasher = DefaultHasher::new();
    let quoted = row.to.as_ref().map(|quote| (quote.id.0, &quote.text));
    (&row.text, row.edited, row.retracted, quoted).hash(&mut hasher);
    hasher.finish()
}

pub(crate) fn sign_word(sign: Sign) -> &'static str {
    match sign {
        Sign::Agree => "Agree",
        Sign::Disagree => "Disagree",
        Sign::Unsure => "Unsure",
        Sign::Seen => "Seen",
        Sign::Thanks => "Thanks",
        Sign::Unknown => "",
    }
}

#[component]
pub(crate) fn Message(row: Arc<MessageRow>) -> impl IntoView {
    let room = use_room();
    let live = room.follow_message(row.clone());
    let MessageRow {
        id,
        author,
        you,
        at,
        for_you,
        edited,
        retracted,
        wrong_clock,
        ..
    } = *row;
    let (text, to, earlier) = (row.text.clone(), row.to.clone(), row.earlier.clone());
    let open = RwSignal::new(false);
    let who = move || {
        if you {
            "You".to_owned()
        } else {
            room.name(author)
        }
    };
    let state = move || {
        live.with(|row| match &row.delivery {
            Delivery::Stored => "stored",
            Delivery::Waiting => "unsent",
            Delivery::Refused(_) => "failed",
        })
    };
    let original = StoredValue::new(text.clone());
    let body = if retracted {
        view! { <p class="msg__text muted">"Taken back by its author."</p> }.into_any()
    } else {
        view! { <p class="msg__text" dir="auto">{text}</p> }.into_any()
    };
    let close = move |event: KeyboardEvent| {
        if event.key() == "Escape" && open.get_untracked() {
            event.prevent_default();
            open.set(false);
        }
    };
    view! {
        <article
            class="msg"
            id=format!("m-{}", &id.to_string()[2..18])
            data-testid="message"
            data-state=state
            data-for-you=for_you.then_some("")
            on:keydown=close
        >
            <Avatar person=author />
            <div>
                <div class="msg__head">
                    <span class="msg__who" title=author.checksummed()>
                        <bdi>{who}</bdi>
                    </span>
                    <Clock at />
                    {(!retracted)
                        .then(|| {
                            view! {
                                <button
                                    class="msg__more"
                                    type="button"
                                    aria-label="Answer or mark this message"
                                    title="Answer or mark this message"
                                    data-testid="message-more"
                                    aria-expanded=move || open.get().to_string()
                                    on:click=move |_| open.update(|open| *open = !*open)
                                >
                                    <Icon name="chevron-down" small=true />
                                </button>
                            }
                        })}
                </div>
                {to.map(|quote| view! { <QuoteLine quote /> })}
                {body}
                {wrong_clock
                    .then(|| {
                        view! {
                            <span class="msg__state">
                                <Icon name="clock" small=true />
                                "The clock of the device that wrote this is wrong"
                            </span>
                        }
                    })}
                {edited.map(|_| view! { <Earlier earlier /> })}
                <Signs live />
                <DeliveryLine live />
                {move || open.get().then(|| view! { <Actions live original open /> })}
            </div>
        </article>
    }
}

/// The message that this one answers; a way to it.
#[component]
fn QuoteLine(quote: Quote) -> impl IntoView {
    let room = use_room();
    let Quote { id, author, text } = quote;
    view! {
        <a class="msg__quote" rel="external" href=format!("#m-{}", &id.to_string()[2..18])>
            <bdi class="msg__who">{move || room.name(author)}</bdi>
            " "
            <bdi>{text.unwrap_or_else(|| "taken back".into())}</bdi>
        </a>
    }
}

/// It was edited; what it said before is not hidden.
#[component]
fn Earlier(earlier: Vec<(Millis, String)>) -> impl IntoView {
    let line = |(at, text)| {
        view! {
            <li>
                <Clock at />
                " "
                <bdi>{text}</bdi>
            </li>
        }
    };
    view! {
        <details class="msg__earlier">
            <summary>"edited"</summary>
            <ul>{earlier.into_iter().map(line).collect_view()}</ul>
        </details>
    }
}

/// Signs that somebody has given, each to give or take back.
#[component]
fn Signs(live: RwSignal<Arc<MessageRow>>) -> impl IntoView {
    let client = use_client();
    let room = use_room();
    let id = live.with_untracked(|row| row.id);
    let pinned = move || live.with(|row| row.pinned);
    let chip = move |sign: Sign| {
        let row = Memo::new(move |_| {
            live.with(|row| {
                let given = row.reactions.iter().find(|row| row.sign == sign)?;
                Some((given.people.clone(), given.mine))
            })
        });
        let names = move || {
            let people = row.get().map(|(people, _)| people).unwrap_or_default();
            let names: Vec<String> = people.iter().map(|person| room.name(*person)).collect();
            format!("{}: {}", sign_word(sign), names.join(", "))
        };
        let mine = move || row.with(|row| row.as_ref().is_some_and(|(_, mine)| *mine));
        view! {
            <Show when=move || row.with(Option::is_some)>
                <button
                    class="sign"
                    type="button"
                    data-testid="reaction"
                    aria-pressed=move || mine().to_string()
                    title=names
                    on:click=move |_| client.send(Intent::React { to: id, sign, on: !mine() })
                >
                    {sign_word(sign)}
                    " "
                    <span class="num">
                        {move || row.with(|row| row.as_ref().map_or(0, |(people, _)| people.len()))}
                    </span>
                </button>
            </Show>
        }
    };
    let any = Memo::new(move |_| live.with(|row| row.pinned || !row.reactions.is_empty()));
    view! {
        <Show when=move || any.get()>
            <div class="signs">
                <Show when=pinned>
                    <span class="badge">"Pinned"</span>
                </Show>
                {Sign::ALL.map(chip).into_iter().collect_view()}
            </div>
        </Show>
    }
}

/// Kept here, refused: with what can be done.
#[component]
fn DeliveryLine(live: RwSignal<Arc<MessageRow>>) -> impl IntoView {
    let client = use_client();
    let id = live.with_untracked(|row| row.id);
    let delivery = Memo::new(move |_| live.with(|row| row.delivery.clone()));
    move || match delivery.get() {
        Delivery::Stored => None,
        Delivery::Waiting => Some(
            view! {
                <span class="msg__state">
                    <Icon name="clock" small=true />
                    "Kept here, not sent yet"
                </span>
            }
            .into_any(),
        ),
        Delivery::Refused(trouble) => {
            let rest = rest_of(&trouble).unwrap_or_default();
            let line = view! {
                <span class="msg__state" role="alert" data-testid="error">
                    <Icon name="circle-x" small=true />
                    {trouble.what}
                    " "
                    {rest}
                </span>
                <button
                    class="msg__act"
                    type="button"
                    on:click=move |_| client.send(Intent::Retry(id))
                >
                    "Send again"
                </button>
            };
            Some(line.into_any())
        }
    }
}

/// What can be done with a message.
#[component]
fn Actions(
    live: RwSignal<Arc<MessageRow>>,
    original: StoredValue<String>,
    open: RwSignal<bool>,
) -> impl IntoView {
    let client = use_client();
    let room = use_room();
    let (id, you) = live.with_untracked(|row| (row.id, row.you));
    let pinned = Memo::new(move |_| live.with(|row| row.pinned));
    let sure = RwSignal::new(false);
    let group = NodeRef::<Div>::new();
    // Below the last message they would open out of sight.
    Effect::new(move |_| {
        if let Some(group) = group.get() {
            platform::bring_into_sight(&group);
        }
    });
    let compose = move |composing: Composing| {
        open.set(false);
        room.composing.set(composing);
    };
    let sign = move |sign: Sign| {
        let mine = Memo::new(move |_| {
            live.with(|row| row.reactions.iter().any(|row| row.sign == sign && row.mine))
        });
        view! {
            <button
                class="sign"
                type="button"
                aria-pressed=move || mine.get().to_string()
                on:click=move |_| {
                    client.send(Intent::React { to: id, sign, on: !mine.get_untracked() });
                }
            >
                {sign_word(sign)}
            </button>
        }
    };
    view! {
        <div class="msg__actions" role="group" aria-label="This message" node_ref=group>
            <button class="btn btn--quiet" type="button" on:click=move |_| compose(Composing::Reply(id))>
                "Answer"
            </button>
            <button
                class="btn btn--quiet"
                type="button"
                on:click=move |_| {
                    client.send(Intent::Pin { of: id, on: !pinned.get_untracked() });
                    open.set(false);
                }
            >
                {move || if pinned.get() { "Unpin" } else { "Pin" }}
            </button>
            {you
                .then(|| {
                    view! {
                        <button
                            class="btn btn--quiet"
                            type="button"
                            on:click=move |_| compose(Composing::Edit(id, original.get_value()))
                        >
                            "Edit"
                        </button>
                        <button
                            class="btn btn--quiet"
                            type="button"
                            on:click=move |_| {
                                if sure.get_untracked() {
                                    client.send(Intent::Retract(id));
                                    open.set(false);
                                } else {
                                    sure.set(true);
                                }
                            }
                        >
                            {move || {
                                if sure.get() {
                                    "Take back for good; others may have read it"
                                } else {
                                    "Take back"
                                }
                            }}
                        </button>
                    }
                })}
            <div class="signs">{Sign::ALL.map(sign).into_iter().collect_view()}</div>
        </div>
    }
}
