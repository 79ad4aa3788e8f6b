//! Images waiting beside the message field: what they are, how far they have come, and what is wrong with them.

use leptos::prelude::*;

use super::{icon::Icon, lock::bytes, notice::rest_of, room_scope::use_room};
use crate::client::{
    model::{Attachment, Intent, Stage},
    use_client,
};

/// On its way since Send was pressed.
pub(crate) fn is_busy(attachment: &Attachment) -> bool {
    match attachment.stage {
        Stage::Encrypting | Stage::Uploading { .. } | Stage::SavingShares { .. } | Stage::Done => {
            true
        }
        Stage::Ready { .. } | Stage::Checking | Stage::Unseen | Stage::Failed(_) => false,
    }
}

#[component]
pub(crate) fn Attached(busy: Memo<Vec<u32>>) -> impl IntoView {
    let client = use_client();
    let room = use_room();
    let ids = Memo::new(move |_| {
        room.attachments
            .with(|list| list.iter().map(|row| row.id).collect::<Vec<_>>())
    });
    view! {
        <Show when=move || !ids.with(Vec::is_empty)>
            <ul class="thumbs" aria-label="Attached images">
                <For each=move || ids.get() key=|id| *id let(id)>
                    <Thumb id />
                </For>
            </ul>
            <div class="thumbs__said" aria-live="polite">
                <For
                    each=move || {
                        room.attachments.with(|list| list.iter().filter_map(failure).collect::<Vec<_>>())
                    }
                    key=|(id, text)| (*id, text.clone())
                    let((_, text))
                >
                    <p class="hint hint--bad" data-testid="error">
                        <Icon name="circle-x" small=true />
                        <span>{text}</span>
                    </p>
                </For>
                <Show when=move || !busy.with(Vec::is_empty)>
                    <button
                        class="msg__act"
                        type="button"
                        on:click=move |_| client.send(Intent::CancelUpload)
                    >
                        "Stop sharing, keep the images here"
                    </button>
                </Show>
            </div>
        </Show>
    }
}

fn failure(row: &Attachment) -> Option<(u32, String)> {
    let Stage::Failed(trouble) = &row.stage else {
        return None;
    };
    let rest = rest_of(trouble)
        .map(|rest| format!(" {rest}"))
        .unwrap_or_default();
    Some((row.id, format!("{}: {}{rest}", row.name, trouble.what)))
}

#[component]
fn Thumb(id: u32) -> impl IntoView {
    let client = use_client();
    let room = use_room();
    let row = Memo::new(move |_| {
        room.attachments
            .with(|list| list.iter().find(|row| row.id == id).cloned())
    });
    let name = Memo::new(move |_| {
        row.with(|row| row.as_ref().map(|r| r.name.clone()).unwrap_or_default())
    });
    let preview =
        Memo::new(move |_| row.with(|row| row.as_ref().and_then(|row| row.preview.clone())));
    let state = move || {
        row.with(|row| match row.as_ref().map(|row| &row.stage) {
            Some(Stage::Failed(_)) => Some("bad"),
            Some(Stage::Unseen) => Some("look"),
            Some(Stage::Ready { .. } | Stage::Checking) | None => None,
            Some(_) => Some("sending"),
        })
    };
    let word = move || {
        row.with(|row| {
            let Some(row) = row else { return String::new() };
            match &row.stage {
                Stage::Ready { removed: 0 } => format!("{}, clean", bytes(row.size)),
                Stage::Ready { removed } => format!("{}, {removed} removed", bytes(row.size)),
                Stage::Checking if row.series => "cleaning".into(),
                Stage::Checking => "checking".into(),
                Stage::Unseen => "look at it first".into(),
                Stage::Encrypting => "encrypting".into(),
                Stage::Uploading { sent, total } => {
                    format!("{} of {}", bytes(*sent), bytes(*total))
                }
                Stage::SavingShares { stored, of } => format!("key {stored} of {of}"),
                Stage::Done => "shared".into(),
                Stage::Failed(_) => "not shared".into(),
            }
        })
    };
    let is_series = Memo::new(move |_| row.with(|row| row.as_ref().is_some_and(|row| row.series)));
    let can_review = Memo::new(move |_| {
        row.with(|row| {
            row.as_ref().is_some_and(|row| {
                row.series && matches!(row.stage, Stage::Ready { .. } | Stage::Unseen)
            })
        })
    });
    // (value, max); a maximum of 0 is progress of unknown length.
    let progress = Memo::new(move |_| {
        row.with(|row| match row.as_ref().map(|row| &row.stage) {
            Some(Stage::Uploading { sent, total }) => Some((*sent, *total)),
            Some(Stage::SavingShares { stored, of }) => Some((u64::from(*stored), u64::from(*of))),
            Some(Stage::Checking | Stage::Encrypting) => Some((0, 0)),
            Some(Stage::Ready { .. } | Stage::Unseen | Stage::Done | Stage::Failed(_)) | None => {
                None
            }
        })
    });
    view! {
        <li class="thumb" data-state=state>
            <span class="thumb__pic">
                {move || preview.get().map(|url| view! { <img src=url alt="" /> })}
                <Show when=move || is_series.get()>
                    <Icon name="layers" />
                </Show>
            </span>
            <button
                type="button"
                aria-label=move || format!("Take out {}", name.get())
                title="Take out"
                disabled=move || row.with(|row| row.as_ref().is_some_and(|row| row.stage == Stage::Done))
                on:click=move |_| client.send(Intent::Detach(id))
            >
                <Icon name="x" />
            </button>
            <span class="trunc" title=move || name.get()>
                {move || name.get()}
            </span>
            {move || {
                progress
                    .get()
                    .map(|(value, max)| {
                        if max == 0 {
                            view! { <progress aria-label=move || name.get()></progress> }.into_any()
                        } else {
                            view! {
                                <progress
                                    max=max.to_string()
                                    value=value.min(max).to_string()
                                    aria-label=move || name.get()
                                ></progress>
                            }
                            .into_any()
                        }
                    })
            }}
            <span class="state">{word}</span>
            <Show when=move || can_review.get()>
                <span>
                    <button
                        class="msg__act"
                        type="button"
                        data-testid="review"
                        aria-label=move || format!("Look at {}", name.get())
                        on:click=move |_| client.send(Intent::Review(id))
                    >
                        "Look"
                    </button>
                </span>
            </Show>
        </li>
    }
}
