//! The black stage of a picture that is not open: locked, fetching key shares, bytes, decrypting, denied, failed.

use healthsync_core::EventId;
use leptos::prelude::*;

use super::{
    icon::Icon,
    notice::{EmbeddedNodesLine, TroubleNotice},
    platform,
    room_scope::use_room,
};
use crate::client::{
    model::{ImageLock, Intent, KeyProgress, NodeShare},
    use_client,
};

/// `38 kB`, `6.1 MB`.
pub(crate) fn bytes(count: u64) -> String {
    match count {
        0..1_000 => format!("{count} bytes"),
        1_000..1_000_000 => format!("{} kB", count.div_ceil(1_000)),
        _ => {
            let tenths = count.div_ceil(100_000);
            format!("{}.{} MB", tenths / 10, tenths % 10)
        }
    }
}

#[component]
pub(crate) fn LockStage(case: EventId, lock: Signal<ImageLock>) -> impl IntoView {
    let client = use_client();
    let case_row = use_room().case(case);
    // The frame stays while shares arrive; only the parts below follow the details.
    let stage = Memo::new(move |_| {
        lock.with(|lock| match lock {
            ImageLock::Locked => Stage::Locked { again: false },
            ImageLock::LockedAgain => Stage::Locked { again: true },
            ImageLock::Shares(_) => Stage::Shares,
            ImageLock::Fetching { .. } | ImageLock::Decrypting | ImageLock::Open { .. } => {
                Stage::Bytes
            }
            ImageLock::Denied { .. } => Stage::Denied,
            ImageLock::Failed(_) => Stage::Failed,
        })
    });
    let unlock = move |_| {
        let series = case_row.with_untracked(|row| {
            let images = row.iter().flat_map(|row| &row.images);
            images.into_iter().any(|image| image.series.is_some())
        });
        platform::prepare_workspace(series);
        client.send(Intent::Unlock { case });
    };
    let cancel = move |_| client.send(Intent::CancelUnlock { case });

    view! {
        <div class="lock reading" data-testid="case-locked">
            {move || match stage.get() {
                Stage::Locked { again } => view! {
                    <Icon name="lock" />
                    <h3>"This case is locked"</h3>
                    <p>
                        {if again {
                            "So many photographs are open that this one was locked again to spare memory."
                        } else {
                            "Its key is split among five nodes. Any three shares rebuild it in this browser. All five are asked at once."
                        }}
                    </p>
                    <div class="row lock__row">
                        <button
                            class="btn btn--main"
                            type="button"
                            data-testid="unlock"
                            disabled=move || !client.live.get()
                            on:click=unlock
                        >
                            <Icon name="key-round" />
                            "Unlock"
                        </button>
                    </div>
                    <EmbeddedNodesLine />
                }
                .into_any(),
                Stage::Shares => view! {
                    <Shares progress=Signal::derive(move || match lock.get() {
                        ImageLock::Shares(progress) => Some(progress),
                        _ => None,
                    }) />
                    <div class="row lock__row">
                        <button class="btn btn--quiet" type="button" on:click=cancel>
                            "Cancel"
                        </button>
                    </div>
                }
                .into_any(),
                Stage::Bytes => view! {
                    <Icon name="lock-open" />
                    <Bytes lock />
                    <div class="row lock__row">
                        <button class="btn btn--quiet" type="button" on:click=cancel>
                            "Cancel"
                        </button>
                    </div>
                }
                .into_any(),
                Stage::Denied => view! {
                    <Denied lock />
                    <div class="row lock__row">
                        <button class="btn" type="button" data-testid="unlock" on:click=unlock>
                            <Icon name="refresh-cw" />
                            "Ask the nodes again"
                        </button>
                    </div>
                }
                .into_any(),
                Stage::Failed => view! {
                    {move || match lock.get() {
                        ImageLock::Failed(trouble) => Some(view! { <TroubleNotice trouble /> }),
                        _ => None,
                    }}
                    <div class="row lock__row">
                        <button class="btn" type="button" data-testid="unlock" on:click=unlock>
                            <Icon name="refresh-cw" />
                            "Try again"
                        </button>
                    </div>
                }
                .into_any(),
            }}
        </div>
    }
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Stage {
    Locked { again: bool },
    Shares,
    Bytes,
    Denied,
    Failed,
}

#[component]
fn Bytes(lock: Signal<ImageLock>) -> impl IntoView {
    view! {
        <h3>
            {move || match lock.get() {
                ImageLock::Decrypting | ImageLock::Open { .. } => "Decrypting in this browser",
                _ => "Fetching the encrypted picture",
            }}
        </h3>
        {move || match lock.get() {
            ImageLock::Fetching { received, total } if total > 0 => view! {
                <progress
                    class="lock__bar"
                    max=total.to_string()
                    value=received.min(total).to_string()
                    aria-label="Fetching"
                ></progress>
                <p class="num">{format!("{} of {}", bytes(received), bytes(total))}</p>
            }
            .into_any(),
            _ => view! { <progress class="lock__bar" aria-label="Working"></progress> }.into_any(),
        }}
    }
}

#[component]
fn Denied(lock: Signal<ImageLock>) -> impl IntoView {
    let client = use_client();
    let room = use_room();
    move || match lock.get() {
        ImageLock::Denied { person } => Some(view! {
            <div class="notice notice--bad" role="alert" data-testid="error">
                <Icon name="circle-x" />
                <div>
                    <strong>"You aren't on this room's list"</strong>
                    <p>
                        "The key nodes read the registry and refused "
                        <span class="addr">{person.short()}</span> ". Ask the owner"
                        {move || {
                            room.owner.get().map(|owner| view! { " " <span class="addr">{owner.short()}</span> })
                        }} " to add this address."
                    </p>
                    <div class="row">
                        <button
                            class="btn"
                            type="button"
                            on:click=move |_| client.send(Intent::CopyText(person.checksummed()))
                        >
                            <Icon name="copy" />
                            "Copy my address"
                        </button>
                    </div>
                </div>
            </div>
        }),
        _ => None,
    }
}

/// The title, the five cells, and which node said what.
#[component]
pub(crate) fn Shares(progress: Signal<Option<KeyProgress>>) -> impl IntoView {
    let good = Memo::new(move |_| progress.with(|p| p.as_ref().map_or(0, KeyProgress::good)));
    let needed =
        Memo::new(move |_| progress.with(|p| p.as_ref().map_or(3, |p| usize::from(p.needed))));
    let title = move || match needed.get().saturating_sub(good.get()) {
        0 => "The key is whole".to_owned(),
        1 => "Waiting for 1 more key share".to_owned(),
        more => format!("Waiting for {more} more key shares"),
    };
    let said = move || {
        progress.with(|progress| {
            let nodes = progress
                .as_ref()
                .map(|p| p.nodes.as_slice())
                .unwrap_or_default();
            let silent: Vec<&str> = nodes
                .iter()
                .filter(|(_, share)| matches!(share, NodeShare::Down { .. }))
                .map(|(node, _)| node.name.as_str())
                .collect();
            match silent.as_slice() {
                [] => String::new(),
                [one] => format!(" {one} doesn't answer."),
                several => format!(" {} don't answer.", several.join(" and ")),
            }
        })
    };
    view! {
        <Icon name="key-round" />
        <h3>{title}</h3>
        <div class="shares lock__shares">
            <progress
                class="visually-hidden"
                max=move || needed.get().to_string()
                value=move || good.get().min(needed.get()).to_string()
                aria-label="Key shares"
            ></progress>
            <div class="shares__bar" aria-hidden="true">
                {move || progress.get().into_iter().flat_map(|p| p.nodes).map(|(_, share)| cell(&share)).collect_view()}
            </div>
            <div class="shares__need" aria-hidden="true">
                <span>{move || format!("{} needed", needed.get())}</span>
                <span>
                    {move || {
                        let all = progress.with(|p| p.as_ref().map_or(5, |p| p.nodes.len()));
                        format!("{} spare", all.saturating_sub(needed.get()))
                    }}
                </span>
            </div>
        </div>
        <p role="status">
            <b class="num">{move || format!("Key shares {} of {}.", good.get().min(needed.get()), needed.get())}</b>
            {said}
        </p>
        <ul class="nodes lock__nodes">
            {move || {
                progress.get().into_iter().flat_map(|p| p.nodes).map(|(node, share)| node_line(node.name, share)).collect_view()
            }}
        </ul>
    }
}

fn cell(share: &NodeShare) -> impl IntoView + use<> {
    let (state, icon) = match share {
        NodeShare::Asked => ("wait", None),
        NodeShare::Good { .. } => ("ok", Some("check")),
        NodeShare::Down { .. } => ("down", Some("triangle-alert")),
        NodeShare::Wrong => ("bad", Some("x")),
        NodeShare::Denied { .. } => ("denied", Some("x")),
    };
    view! {
        <span class="share" data-state=state>
            {icon.map(|name| view! { <Icon name /> })}
        </span>
    }
}

fn node_line(name: String, share: NodeShare) -> impl IntoView {
    let (icon, tone, word, why) = match share {
        NodeShare::Asked => ("circle-dashed", "is-wait", "asked".to_owned(), None),
        NodeShare::Good { ms } => ("circle-check", "is-ok", format!("share, {ms} ms"), None),
        NodeShare::Denied { reason } => ("circle-x", "is-bad", "denied".to_owned(), Some(reason)),
        NodeShare::Down { reason } => {
            ("triangle-alert", "is-warn", "down".to_owned(), Some(reason))
        }
        NodeShare::Wrong => ("circle-x", "is-bad", "wrong share".to_owned(), None),
    };
    view! {
        <li>
            <span class=tone>
                <Icon name=icon small=true />
            </span>
            <span>
                {name} {why.filter(|why| !why.is_empty()).map(|why| view! { <br /> <small>{why}</small> })}
            </span>
            <span class=format!("num {tone}")>{word}</span>
        </li>
    }
}

#[cfg(test)]
mod tests {
    use super::bytes;

    #[test]
    fn sizes_are_short() {
        assert_eq!(bytes(12), "12 bytes");
        assert_eq!(bytes(37_001), "38 kB");
        assert_eq!(bytes(6_050_000), "6.1 MB");
    }
}
