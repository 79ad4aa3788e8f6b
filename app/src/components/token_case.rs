//! A conversation as its token's holder sees it: images, questions with their counts, and what was said. Nothing can
//! be added to it.

use std::sync::Arc;

use healthsync_core::EventId;
use healthsync_imaging::stage::Mark;
use leptos::prelude::*;

use super::{
    avatar::Avatar,
    icon::Icon,
    mint::count_of,
    notice::TroubleNotice,
    time::{Clock, WhenShort},
    viewer::Viewer,
};
use crate::client::model::{ImageLock, ImageRow, MessageRow, OpenCase, PollRow};

/// Only the images change while it is on screen: they are opened one after the other.
#[component]
pub(crate) fn TokenContent(open: OpenCase, images: Memo<Vec<ImageRow>>) -> impl IntoView {
    let title = open
        .caption
        .lines()
        .next()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let title = title.map_or_else(|| super::cases::pictures(open.images.len()), str::to_owned);
    let counted = [
        (open.marks.len(), "measurement", "measurements"),
        (open.polls.len(), "question", "questions"),
        (open.messages.len(), "message", "messages"),
    ];
    let counted = counted.into_iter().filter(|(count, ..)| *count > 0);
    let parts: Vec<String> = std::iter::once(super::cases::pictures(open.images.len()))
        .chain(counted.map(|(count, one, more)| count_of(count, one, more)))
        .collect();
    let holds = format!(
        "{}. Everything is signed by who said it, and is what the token was minted for.",
        parts.join(", "),
    );
    // A series needs the workspace, with its modules; photographs alone do not.
    let pictures = if open.images.iter().any(|image| image.series.is_some()) {
        let marks = StoredValue::new(open.marks);
        let marks = Memo::new(move |_| marks.get_value());
        view! { <Workspace case=open.id images marks /> }.into_any()
    } else {
        let each = move |index| view! { <Picture images index /> };
        (0..open.images.len()).map(each).collect_view().into_any()
    };
    view! {
        <section class="stack token-case" data-testid="token-case" data-state="open">
            <h2>{title}</h2>
            {pictures}
            <p class="caption">
                <b>"What it holds. "</b>
                {holds}
            </p>
            {open.polls.into_iter().map(|poll| view! { <Question poll /> }).collect_view()}
            <div class="talk__list">
                {open.messages.into_iter().map(|message| view! { <Said message /> }).collect_view()}
            </div>
        </section>
    }
}

/// The images in the picture workspace, once the first can be looked at.
#[component]
fn Workspace(
    case: EventId,
    images: Memo<Vec<ImageRow>>,
    marks: Memo<Arc<Vec<Mark>>>,
) -> impl IntoView {
    let index = RwSignal::new(0);
    let there = Memo::new(move |_| {
        let open = |image: &ImageRow| matches!(image.lock, ImageLock::Open { .. });
        images.with(|images| images.iter().any(open))
    });
    let troubles = Memo::new(move |_| {
        let trouble = |image: &ImageRow| match &image.lock {
            ImageLock::Failed(trouble) => Some(trouble.clone()),
            _ => None,
        };
        images.with(|images| images.iter().filter_map(trouble).collect::<Vec<_>>())
    });
    view! {
        {move || {
            if there.get() {
                view! { <Viewer case images marks index /> }.into_any()
            } else if troubles.with(Vec::is_empty) {
                view! { <Opening /> }.into_any()
            } else {
                ().into_any()
            }
        }}
        {move || troubles.get().into_iter().map(|trouble| view! { <TroubleNotice trouble /> }).collect_view()}
    }
}

#[component]
fn Opening() -> impl IntoView {
    view! {
        <div class="plate reading lock" role="status">
            <progress aria-label="Opening the images"></progress>
            <p>"Opening the images"</p>
        </div>
    }
}

#[component]
fn Picture(images: Memo<Vec<ImageRow>>, index: usize) -> impl IntoView {
    let image = Memo::new(move |_| images.with(|images| images.get(index).cloned()));
    move || {
        let image = image.get()?;
        Some(match image.lock {
            ImageLock::Open { url, .. } => view! {
                <figure class="plate reading">
                    <img
                        class="token-image"
                        data-testid="image"
                        src=url
                        alt=image.name
                        width=image.width.to_string()
                        height=image.height.to_string()
                    />
                </figure>
            }
            .into_any(),
            ImageLock::Failed(trouble) => view! { <TroubleNotice trouble /> }.into_any(),
            ImageLock::Denied { .. } => view! {
                <div class="plate reading lock">
                    <Icon name="lock" />
                    <p>"The key nodes keep the key of this image."</p>
                </div>
            }
            .into_any(),
            _ => view! { <Opening /> }.into_any(),
        })
    }
}

#[component]
fn Question(poll: PollRow) -> impl IntoView {
    let closed = poll.closed_at;
    view! {
        <section class="card stack" data-testid="poll">
            <h3>{poll.question}</h3>
            <table class="table">
                <tbody>
                    {poll
                        .options
                        .into_iter()
                        .map(|option| {
                            view! {
                                <tr>
                                    <td>{option.text}</td>
                                    <td class="end num" data-testid="vote-count">{option.count}</td>
                                </tr>
                            }
                        })
                        .collect_view()}
                </tbody>
            </table>
            <p class="small faint">
                {count_of(poll.voted as usize, "vote", "votes")}
                {closed.map(|at| view! { ", closed " <WhenShort at /> })}
            </p>
        </section>
    }
}

#[component]
fn Said(message: MessageRow) -> impl IntoView {
    let who = if message.you {
        "You".to_owned()
    } else {
        message.author.short()
    };
    view! {
        <article class="msg" data-testid="message">
            <Avatar person=message.author />
            <div>
                <div class="msg__head">
                    <span class="msg__who addr" title=message.author.checksummed()>{who}</span>
                    <Clock at=message.at />
                </div>
                {if message.retracted {
                    view! { <p class="msg__text muted">"Taken back by its author."</p> }.into_any()
                } else {
                    view! { <p class="msg__text">{message.text}</p> }.into_any()
                }}
            </div>
        </article>
    }
}
