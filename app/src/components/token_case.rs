//! A conversation as its token's holder sees it: images, questions with their counts, and what was said. Nothing can
//! be added to it.

use leptos::prelude::*;

use super::{
    avatar::Avatar,
    icon::Icon,
    mint::count_of,
    time::{Clock, WhenShort},
};
use crate::client::model::{ImageLock, ImageRow, MessageRow, OpenCase, PollRow};

#[component]
pub(crate) fn TokenContent(open: OpenCase) -> impl IntoView {
    let title = open
        .caption
        .lines()
        .next()
        .map(str::trim)
        .filter(|line| !line.is_empty());
    let title = title.map_or_else(|| super::cases::pictures(open.images.len()), str::to_owned);
    let holds = format!(
        "{}, {}, {}. Everything is signed by who said it, and is what the token was minted for.",
        super::cases::pictures(open.images.len()),
        count_of(open.polls.len(), "question", "questions"),
        count_of(open.messages.len(), "message", "messages"),
    );
    view! {
        <section class="stack token-case" data-testid="token-case" data-state="open">
            <h2>{title}</h2>
            {open.images.into_iter().map(|image| view! { <Picture image /> }).collect_view()}
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

#[component]
fn Picture(image: ImageRow) -> impl IntoView {
    match image.lock {
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
        ImageLock::Failed(trouble) => view! { <super::notice::TroubleNotice trouble /> }.into_any(),
        _ => view! {
            <div class="plate reading lock">
                <Icon name="lock" />
                <p>"The key nodes keep the key of this image."</p>
            </div>
        }
        .into_any(),
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
