//! Writing: text, and images attached by picking, dropping or pasting.
//!
//! The text field belongs to the browser: it is filled once from the kept draft and never written while someone
//! types, except that what could not be said comes back above it. Text that travels with images stays in the field
//! until the images are shared. While a message is edited, the draft waits aside.

use std::time::Duration;

use healthsync_core::{LimitError, limits};
use leptos::{
    ev::{KeyboardEvent, SubmitEvent},
    html::Textarea,
    prelude::*,
};

use super::{
    attached::{Attached, is_busy},
    icon::Icon,
    mentions::{MentionChoice, mention_word, mentioned},
    notice::rest_of,
    platform,
    refused::Refused,
    room_scope::{Composing, RoomScope, use_room},
    time::clock,
};
use crate::client::{
    model::{Attachment, Intent, Network, Session, Stage, put_above},
    use_client,
};

#[component]
pub(crate) fn Composer() -> impl IntoView {
    let client = use_client();
    let room = use_room();
    let field = NodeRef::<Textarea>::new();
    let fault = RwSignal::new(None::<String>);
    let with_images = StoredValue::new(false);
    let touched = StoredValue::new(false);
    // The draft, while a message of one's own is edited in its place.
    let aside = StoredValue::new(None::<String>);
    // The beginning of a name after “@”, while one is being typed.
    let word = RwSignal::new(None::<String>);

    // The kept draft: only into an empty field. What was typed before the page was live is kept at once.
    Effect::new(move |_| {
        let draft = room.draft.get();
        let Some(field) = field.get() else { return };
        // The field holds other words for a message.
        if aside.with_value(Option::is_some) {
            return;
        }
        if field.value().is_empty() {
            field.set_value(&draft);
        } else if !touched.get_value() {
            client.send(Intent::KeepDraft(field.value()));
        }
        touched.set_value(true);
    });

    // What could not be said comes back.
    Effect::new(move |_| {
        let (returned, Some(field)) = (client.returned.get(), field.get()) else {
            return;
        };
        if returned.is_empty() {
            return;
        }
        client.returned.set(String::new());
        let edited = aside.get_value();
        let mut draft = edited.clone().unwrap_or_else(|| field.value());
        put_above(&mut draft, &returned);
        if edited.is_some() {
            aside.set_value(Some(draft.clone()));
        } else {
            field.set_value(&draft);
        }
        client.send(Intent::KeepDraft(draft));
    });

    // What stood in the way may be gone.
    Effect::new(move |_| {
        room.attachments.track();
        fault.set(None);
    });

    let busy = Memo::new(move |_| {
        room.attachments.with(|list| {
            list.iter()
                .filter(|row| is_busy(row))
                .map(|row| row.id)
                .collect::<Vec<_>>()
        })
    });
    // Its words are the caption now, and do not change any more.
    let goes = Memo::new(move |_| room.case_waits.get() || !busy.with(Vec::is_empty));
    let clear = move || {
        if aside.with_value(Option::is_some) {
            aside.set_value(Some(String::new()));
        } else if let Some(field) = field.get_untracked() {
            field.set_value("");
        }
    };
    // Shared: what was on its way is gone from the list, and the draft with it. Failed or cancelled: it is still there.
    // Taken out, to the last one: the draft stays, and so does the text.
    Effect::new(move |before: Option<Vec<u32>>| {
        let now = busy.get();
        let left = room
            .attachments
            .with(|list| list.iter().map(|row| row.id).collect::<Vec<_>>());
        let before = before.unwrap_or_default();
        if now.is_empty() && !before.is_empty() {
            let told = room.draft.with_untracked(String::is_empty);
            if with_images.get_value() && told && before.iter().all(|id| !left.contains(id)) {
                clear();
                client.send(Intent::KeepDraft(String::new()));
            }
            with_images.set_value(false);
        }
        now
    });

    let is_short_enough = move |checked: Result<(), LimitError>| {
        fault.set(checked.err().map(|why| format!("{why} It is kept here.")));
        fault.with_untracked(Option::is_none)
    };
    let send = move || {
        let Some(field) = field.get_untracked() else {
            return;
        };
        let text = field.value().trim().to_owned();
        if let Composing::Edit(of, _) = room.composing.get_untracked() {
            if !text.is_empty() && is_short_enough(limits::check_message(&text)) {
                client.send(Intent::Edit { of, text });
                room.composing.set(Composing::Message);
            }
            return;
        }
        let attached = room
            .attachments
            .with_untracked(|list| list.iter().any(|row| row.goes));
        let unseen = room.attachments.with_untracked(|list| {
            let waits = |row: &&Attachment| {
                row.series && matches!(row.stage, Stage::Unseen | Stage::Checking)
            };
            list.iter().find(waits).map(|row| match row.stage {
                Stage::Unseen => format!("Look at {} before it is shared.", row.name),
                _ => format!("{} is still being cleaned.", row.name),
            })
        });
        if let Some(why) = unseen {
            fault.set(Some(why));
            return;
        }
        if goes.get_untracked() || (text.is_empty() && !attached) {
            return;
        }
        let checked = if attached {
            limits::check_caption(&text)
        } else {
            limits::check_message(&text)
        };
        if !is_short_enough(checked) {
            return;
        }
        with_images.set_value(attached);
        client.send(Intent::Send {
            mentions: mentioned(room, &text),
            to: match room.composing.get_untracked() {
                Composing::Reply(to) => Some(to),
                Composing::Message | Composing::Edit(..) => None,
            },
            text,
            pictures: attached,
        });
        room.composing.set(Composing::Message);
        if !attached {
            clear();
        }
        platform::focus(&field);
    };
    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        send();
    };
    let key = move |event: KeyboardEvent| {
        if event.key() == "Enter" && !event.shift_key() && !platform::is_composing(&event) {
            event.prevent_default();
            send();
        }
        if event.key() == "Escape" && room.composing.get_untracked() != Composing::Message {
            event.prevent_default();
            stop_composing(room, field);
        }
    };
    let typed = move |_| {
        touched.set_value(true);
        fault.set(None);
        if let Some(field) = field.get_untracked() {
            let text = field.value();
            if !text.is_empty() {
                client.send(Intent::Typing);
            }
            word.set(mention_word(&text));
            if aside.with_value(Option::is_none) {
                client.send(Intent::KeepDraft(text));
            }
        }
    };
    // Answering and editing begin with the field.
    Effect::new(move |_| {
        let composing = room.composing.get();
        let Some(field) = field.get() else { return };
        if let Composing::Edit(_, text) = &composing {
            if aside.with_value(Option::is_none) {
                aside.set_value(Some(field.value()));
            }
            field.set_value(text);
        } else if let Some(draft) = aside.try_update_value(Option::take).flatten() {
            field.set_value(&draft);
        }
        if composing != Composing::Message {
            let _ = field.focus();
        }
    });

    view! {
        // Checked by `send`; the browser would lay out the whole page before it finds nothing to check.
        <form class="talk-foot" novalidate=true on:submit=submit>
            <Signing />
            <Unsent />
            <Typing />
            <ComposingFor field />
            <MentionChoice word field />
            <div aria-live="polite">
                {move || {
                    fault
                        .get()
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
            <div class="composer">
                <Attached busy />
                <label
                    class="btn btn--quiet btn--icon file"
                    title="Attach images: photographs, DICOM, TIFF or NIfTI files, or a ZIP of them"
                >
                    <Icon name="paperclip" />
                    <span class="visually-hidden">"Attach images"</span>
                    // DICOM files mostly have no ending to choose by.
                    <input
                        type="file"
                        multiple=true
                        data-testid="attach"
                        on:change=move |event| {
                            if let Some(files) = platform::picked_files(&event) {
                                room.attach(client, files);
                            }
                        }
                    />
                </label>
                <textarea
                    rows="1"
                    name="message"
                    aria-label="Message"
                    placeholder="Message, without patient names"
                    data-testid="composer"
                    node_ref=field
                    readonly=move || goes.get()
                    on:input=typed
                    on:keydown=key
                ></textarea>
                <button
                    class="btn btn--main btn--icon"
                    type="submit"
                    aria-label="Send"
                    title="Send (Enter)"
                    data-testid="send"
                    aria-busy=move || goes.get().then_some("true")
                    disabled=move || !client.live.get()
                >
                    <Icon name="send" />
                </button>
            </div>
        </form>
    }
}

/// Back to writing a new message.
fn stop_composing(room: RoomScope, field: NodeRef<Textarea>) {
    room.composing.set(Composing::Message);
    if let Some(field) = field.get_untracked() {
        let _ = field.focus();
    }
}

/// What is being answered or edited.
#[component]
fn ComposingFor(field: NodeRef<Textarea>) -> impl IntoView {
    let room = use_room();
    let said = move |id| {
        room.talk.with(|talk| {
            let row = talk.messages.iter().find(|row| row.id == id)?;
            Some((row.author, row.text.clone()))
        })
    };
    let text = move || match room.composing.get() {
        Composing::Message => None,
        Composing::Edit(..) => Some(("Editing your message".to_owned(), String::new())),
        Composing::Reply(to) => Some(match said(to) {
            Some((author, text)) => (format!("Answering {}: ", room.name(author)), text),
            None => ("Answering".to_owned(), String::new()),
        }),
    };
    move || {
        text().map(|(what, quote)| {
            view! {
                <p class="composing" data-testid="composing">
                    <span class="trunc">
                        {what}
                        <bdi>{quote}</bdi>
                    </span>
                    <button
                        class="msg__act"
                        type="button"
                        on:click=move |_| stop_composing(room, field)
                    >
                        "Cancel"
                    </button>
                </p>
            }
        })
    }
}

/// This browser may not sign (yet, or any more): said here, where it matters, with the text kept.
#[component]
fn Signing() -> impl IntoView {
    let client = use_client();
    let read_only = Memo::new(move |_| {
        client.session.with(|session| match session {
            Session::ReadOnly { why, .. } => Some(why.clone()),
            _ => None,
        })
    });
    move || {
        read_only.get().map(|why| {
            let rest = rest_of(&why);
            view! {
                <div class="notice notice--warn" role="status">
                    <Icon name="triangle-alert" />
                    <div>
                        <strong>{why.what}</strong>
                        {rest.map(|rest| view! { <p>{rest}</p> })}
                        <div class="row">
                            <button
                                class="btn btn--main"
                                type="button"
                                on:click=move |_| client.send(Intent::SignAgain)
                            >
                                <Icon name="pen-line" />
                                "Sign in the wallet"
                            </button>
                        </div>
                    </div>
                </div>
            }
        })
    }
}

/// Sending is quick as a rule; what takes longer is worth a line.
const SLOW: Duration = Duration::from_secs(2);

/// What this browser still keeps, and why.
#[component]
fn Unsent() -> impl IntoView {
    let client = use_client();
    let room = use_room();
    let some = Memo::new(move |_| room.unsent.get() > 0);
    let slow = RwSignal::new(false);
    Effect::new(move |_| {
        if !some.get() {
            slow.set(false);
        } else if let Ok(timer) = set_timeout_with_handle(move || slow.set(true), SLOW) {
            on_cleanup(move || timer.clear());
        }
    });
    let offline = Memo::new(move |_| {
        client.network.with(|network| match network {
            Network::Offline { since, .. } => Some(*since),
            Network::Starting | Network::Connected { .. } => None,
        })
    });
    let text = move || {
        let things = match room.unsent.get() {
            0 => None,
            1 => Some("1 thing is kept in this browser and goes out by itself.".to_owned()),
            more => Some(format!(
                "{more} things are kept in this browser and go out by themselves."
            )),
        };
        match (offline.get(), things) {
            (None, things) => things.filter(|_| slow.get()),
            (Some(since), things) => {
                let since = clock(since, platform::offset_minutes(since));
                let rest = things.unwrap_or_else(|| {
                    "What you write now is kept in this browser and goes out by itself.".into()
                });
                Some(format!("Offline since {since}. {rest}"))
            }
        }
    };
    view! {
        <p class="unsent" role="status">
            {move || {
                text()
                    .map(|text| {
                        view! {
                            <Icon name="wifi-off" small=true />
                            <span>{text}</span>
                        }
                    })
            }}
        </p>
        <Refused />
    }
}

#[component]
fn Typing() -> impl IntoView {
    let room = use_room();
    let text = Memo::new(move |_| {
        room.members.with(|members| {
            let names: Vec<String> = members
                .iter()
                .filter(|row| row.typing && !row.you)
                .map(|row| room.name(row.person))
                .collect();
            match names.as_slice() {
                [] => String::new(),
                [one] => format!("{one} is writing"),
                [one, other] => format!("{one} and {other} are writing"),
                several => format!("{} people are writing", several.len()),
            }
        })
    });
    view! {
        <p class="typing" aria-live="polite">
            {move || text.get()}
        </p>
    }
}
