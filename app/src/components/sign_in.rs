//! Choosing a wallet, and the one signature that makes this browser a device of its person.
//!
//! Pressing a wallet is the last click in our page: the dialog then shows what the wallet is being asked, and closes
//! by itself when it is signed.

use leptos::{html::Dialog, prelude::*};

use super::{icon::Icon, modal::show_while, notice::TroubleNotice, time::utc};
use crate::client::{
    model::{Intent, Session, WalletChoice},
    use_client,
};

/// Whether the dialog is open.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignInOpen(pub(crate) RwSignal<bool>);

impl SignInOpen {
    pub(crate) fn open(self) {
        self.0.set(true);
    }
}

pub(crate) fn use_sign_in() -> SignInOpen {
    expect_context()
}

/// Waiting for the wallet: what Cancel stops.
fn is_waiting(session: &Session) -> bool {
    matches!(
        session,
        Session::Connecting { .. }
            | Session::Switching { .. }
            | Session::Signing { .. }
            | Session::Ready { keys: Some(_), .. }
    )
}

#[component]
pub(crate) fn SignInDialog() -> impl IntoView {
    let client = use_client();
    let SignInOpen(open) = use_sign_in();
    let dialog = NodeRef::<Dialog>::new();

    show_while(dialog, open);
    Effect::new(move |_| {
        if open.get() {
            client.send(Intent::FindWallets);
        }
    });
    // The session leads: it opens the dialog when a wallet is asked from elsewhere, and closes it when all is signed.
    Effect::new(move |_| {
        client.session.with(|session| {
            if is_waiting(session) {
                open.set(true);
            } else if session.is_ready() {
                open.set(false);
            }
        });
    });
    let closed = move |_| {
        open.set(false);
        if client.session.with_untracked(is_waiting) {
            client.send(Intent::CancelWallet);
        }
    };

    view! {
        <dialog class="dialog" node_ref=dialog aria-labelledby="sign-in-h" on:close=closed>
            {move || open.get().then(|| view! { <SignInSteps open /> })}
        </dialog>
    }
}

#[component]
fn SignInSteps(open: RwSignal<bool>) -> impl IntoView {
    let client = use_client();
    let close = move |_| open.set(false);
    move || {
        match client.session.get() {
        Session::Connecting { wallet } => view! {
            <Waiting title="Connect your wallet" close>
                <p class="small">{wallet} " asks which account this site may see. Allow one."</p>
            </Waiting>
        }
        .into_any(),
        Session::Switching { wallet, person } => {
            let chain = client.bootstrap.with(|facts| {
                facts.as_ref().map(|facts| (facts.chain.name.clone(), facts.chain.id))
            });
            view! {
                <Waiting title="Your wallet is on another chain" close>
                    <p class="small">{wallet} " asks whether to switch. Allow it; it costs nothing."</p>
                    <dl class="kv">
                        <dt>"Account"</dt>
                        <dd class="addr">{person.short()}</dd>
                        {chain
                            .map(|(name, id)| {
                                view! {
                                    <dt>"Rooms are on"</dt>
                                    <dd>{name} " " <span class="num faint">"(" {id} ")"</span></dd>
                                }
                            })}
                    </dl>
                </Waiting>
            }
            .into_any()
        }
        Session::Signing { wallet, person, device, issued_at, expires_at } => view! {
            <Waiting title="Sign in your wallet" close>
                <p class="small">
                    {wallet}
                    " shows what this browser will be allowed to do: sign messages and votes in your name. Compare, then sign. It costs nothing and moves nothing."
                </p>
                <dl class="kv kv--well">
                    <dt>"person"</dt>
                    <dd class="mono">{person.checksummed()}</dd>
                    <dt>"device"</dt>
                    <dd class="mono">{device.to_string()}</dd>
                    <dt>"issuedAt"</dt>
                    <dd class="num">
                        {issued_at.seconds()} <br /> <span class="faint">{utc(issued_at)}</span>
                    </dd>
                    <dt>"expiresAt"</dt>
                    <dd class="num">
                        {expires_at.seconds()} <br /> <span class="faint">{utc(expires_at)}</span>
                    </dd>
                </dl>
                <details class="small">
                    <summary>"No window to see?"</summary>
                    <p class="hint">
                        "Press the wallet's icon in the browser's bar: it shows that something waits. A hardware wallet asks on its own screen."
                    </p>
                </details>
            </Waiting>
        }
        .into_any(),
        Session::ReadOnly { why, .. } => view! {
            <Choose title="Use this browser" no="Only read" close>
                <TroubleNotice trouble=why />
                <p class="hint">
                    "You can read your rooms. What you write is kept in this browser until it may sign."
                </p>
            </Choose>
        }
        .into_any(),
        Session::Ready { keys: Some(what), .. } => view! {
            <Choose title="Sign in at the key nodes" no="Not now" close>
                <p class="small">{what}</p>
            </Choose>
        }
        .into_any(),
        Session::Restoring | Session::SignedOut | Session::Ready { .. } => {
            view! { <Choice close /> }.into_any()
        }
    }
    }
}

/// Before the wallet opens: what for.
#[component]
fn Choose(
    title: &'static str,
    no: &'static str,
    close: impl Fn(leptos::ev::MouseEvent) + Copy + 'static,
    children: Children,
) -> impl IntoView {
    let client = use_client();
    view! {
        <DialogHead title close />
        <div class="dialog__body">{children()}</div>
        <div class="dialog__foot">
            <button class="btn" type="button" on:click=close>
                {no}
            </button>
            <button
                class="btn btn--main"
                type="button"
                data-testid="sign-again"
                on:click=move |_| client.send(Intent::SignAgain)
            >
                "Sign in the wallet"
            </button>
        </div>
    }
}

#[component]
fn DialogHead(
    title: &'static str,
    close: impl Fn(leptos::ev::MouseEvent) + 'static,
) -> impl IntoView {
    view! {
        <div class="dialog__head">
            <h2 id="sign-in-h">{title}</h2>
            <button
                class="btn btn--quiet btn--icon"
                type="button"
                aria-label="Close"
                title="Close"
                on:click=close
            >
                <Icon name="x" />
            </button>
        </div>
    }
}

/// One wait; Cancel only stops waiting, a late signature is not used.
#[component]
fn Waiting(
    title: &'static str,
    close: impl Fn(leptos::ev::MouseEvent) + 'static,
    children: Children,
) -> impl IntoView {
    view! {
        <div class="dialog__head">
            <h2 id="sign-in-h">{title}</h2>
            <span class="badge badge--warn" role="status">
                <Icon name="clock" />
                "Waiting"
            </span>
        </div>
        <div class="dialog__body">
            <progress aria-label="Waiting for the wallet"></progress>
            {children()}
        </div>
        <div class="dialog__foot">
            <button class="btn" type="button" on:click=close>
                "Cancel"
            </button>
        </div>
    }
}

#[component]
fn Choice(close: impl Fn(leptos::ev::MouseEvent) + 'static) -> impl IntoView {
    let client = use_client();
    view! {
        <DialogHead title="Connect a wallet" close />
        <div class="dialog__body">
            {move || client.broken.get().map(|trouble| view! { <TroubleNotice trouble /> })}
            <div class="rows" hidden=move || client.broken.with(Option::is_some)>
                <For
                    each=move || client.wallets.get()
                    key=|wallet| wallet.id.clone()
                    let(wallet)
                >
                    <WalletOption wallet />
                </For>
            </div>
            {move || {
                client
                    .wallets
                    .with(Vec::is_empty)
                    .then(|| {
                        view! {
                            <p class="small muted" role="status">
                                "Looking for wallets in this browser."
                            </p>
                        }
                    })
            }}
            <p class="hint">
                "You sign once in each browser. After that, talking and voting ask for nothing."
            </p>
        </div>
    }
}

#[component]
fn WalletOption(wallet: WalletChoice) -> impl IntoView {
    let client = use_client();
    let id = wallet.id.clone();
    let picture = match wallet.icon.filter(|icon| icon.starts_with("data:image/")) {
        Some(icon) => {
            view! { <img class="wallet-icon" src=icon alt="" width="24" height="24" /> }.into_any()
        }
        None if wallet.demo => view! { <Icon name="key-round" /> }.into_any(),
        None => view! { <Icon name="wallet" /> }.into_any(),
    };
    let (badge, line) = if wallet.demo {
        let badge = view! {
            <span class="badge badge--warn">
                <Icon name="triangle-alert" />
                "trying out"
            </span>
        };
        (Some(badge), "A key made and kept in this browser only")
    } else {
        (None, "Found in this browser")
    };
    view! {
        <button
            class="menu__item wallet-option"
            type="button"
            data-testid="wallet-option"
            on:click=move |_| client.send(Intent::Connect { wallet: id.clone() })
        >
            {picture}
            <span>
                {wallet.name} " " {badge} <br /> <span class="small muted">{line}</span>
            </span>
        </button>
    }
}
