//! `/rooms/new`: name, members, and what happens then, in place of the button row. What was typed stays whatever
//! happens.

use healthsync_core::limits;
use leptos::{
    ev::SubmitEvent,
    html::{Input, Textarea},
    prelude::*,
};
use leptos_meta::Title;
use leptos_router::components::A;

use crate::{
    client::{
        model::{Intent, NewRoom, Priced, Session, TxState},
        use_client,
    },
    components::{
        addresses::parse_addresses,
        footer::Footer,
        icon::Icon,
        notice::{EmbeddedNodesLine, TroubleNotice},
        price::Price,
        sign_in::use_sign_in,
        top_bar::TopBar,
    },
};

#[component]
pub(crate) fn NewRoomPage() -> impl IntoView {
    let client = use_client();
    let name = NodeRef::<Input>::new();
    let members = NodeRef::<Textarea>::new();
    let name_fault = RwSignal::new(None::<String>);
    let member_faults = RwSignal::new(Vec::<String>::new());
    let working = Memo::new(move |_| {
        client.new_room.with(|step| match step {
            NewRoom::Form | NewRoom::Failed(_) => false,
            NewRoom::Chain(TxState::Failed(_)) => false,
            NewRoom::StoringKey { .. } | NewRoom::Chain(_) => true,
        })
    });
    let no_registry = Memo::new(move |_| {
        client.bootstrap.with(|facts| {
            facts
                .as_ref()
                .is_some_and(|facts| facts.contracts.registry.is_none())
        })
    });
    // A failure of an earlier visit is not this one's.
    Effect::new(move |_| {
        if client.live.get() && !working.get_untracked() {
            client.send(Intent::ResetNewRoom);
        }
    });

    let ask_price = move || {
        let typed = members.get_untracked().map(|field| field.value());
        if let Ok(people) = parse_addresses(&typed.unwrap_or_default()) {
            client.send(Intent::Price(Priced::Create, people));
        }
    };
    let ready = Memo::new(move |_| client.session.with(Session::is_ready));
    Effect::new(move |_| {
        if ready.get() {
            ask_price();
        }
    });

    let submit = move |event: SubmitEvent| {
        event.prevent_default();
        let (Some(name), Some(members)) = (name.get(), members.get()) else {
            return;
        };
        if working.get_untracked() {
            return;
        }
        let called = name.value().trim().to_owned();
        let people = parse_addresses(&members.value());
        name_fault.set(match limits::check_name(&called) {
            Ok(()) => None,
            Err(_) if called.is_empty() => Some("Give the room a name.".into()),
            Err(wrong) => Some(wrong.to_string()),
        });
        member_faults.set(people.as_ref().err().cloned().unwrap_or_default());
        match people {
            _ if name_fault.with_untracked(Option::is_some) => {
                let _ = name.focus();
            }
            Err(_) => {
                let _ = members.focus();
            }
            Ok(members) => client.send(Intent::CreateRoom {
                name: called,
                members,
            }),
        }
    };

    view! {
        <Title text="New room" />
        <TopBar />
        <main id="main" class="page" tabindex="-1">
            <div class="page__head">
                <div>
                    <h1>"New room"</h1>
                    <p>"The chain keeps who is in. Messages, images and the name never go there."</p>
                </div>
            </div>
            <div class="two-col">
                <form class="card stack form" aria-label="New room" on:submit=submit>
                    <fieldset class="stack form__fields" disabled=move || working.get()>
                        <legend class="visually-hidden">"Name and members"</legend>
                        <div class="field">
                            <label for="room-name">"Name"</label>
                            <input
                                class="input"
                                type="text"
                                id="room-name"
                                name="room-name"
                                autocomplete="off"
                                data-testid="room-name"
                                node_ref=name
                                aria-describedby="room-name-h room-name-e"
                                aria-invalid=move || name_fault.with(Option::is_some).then_some("true")
                                on:input=move |_| name_fault.set(None)
                            />
                            <p class="hint" id="room-name-h">
                                "Members see it. The server sees only a random id. Leave patient names out."
                            </p>
                            <div id="room-name-e" aria-live="polite">
                                {move || name_fault.get().map(|text| view! { <Fault text /> })}
                            </div>
                        </div>
                        <div class="field">
                            <label for="room-members">
                                "Members " <span class="faint label__may">"may stay empty"</span>
                            </label>
                            <textarea
                                class="input mono"
                                id="room-members"
                                name="room-members"
                                rows="4"
                                spellcheck="false"
                                autocomplete="off"
                                placeholder="One wallet address in each line"
                                node_ref=members
                                aria-describedby="room-members-h room-members-e"
                                aria-invalid=move || {
                                    member_faults.with(|faults| !faults.is_empty()).then_some("true")
                                }
                                on:input=move |_| {
                                    member_faults.set(Vec::new());
                                    ask_price();
                                }
                            ></textarea>
                            <p class="hint" id="room-members-h">
                                "You are in as the owner. People can be added and taken off later."
                            </p>
                            <div id="room-members-e" aria-live="polite">
                                {move || {
                                    member_faults
                                        .get()
                                        .into_iter()
                                        .map(|text| view! { <Fault text /> })
                                        .collect_view()
                                }}
                            </div>
                        </div>
                    </fieldset>
                    <Show when=move || no_registry.get()>
                        <div class="notice notice--warn" role="status">
                            <Icon name="triangle-alert" />
                            <div>
                                <strong>"Rooms can't be made here"</strong>
                                <p>"This server has no registry contract in its settings. Its operator has to name one."</p>
                            </div>
                        </div>
                    </Show>
                    <hr />
                    <Steps working no_registry />
                </form>
                <Explained />
            </div>
        </main>
        <Footer />
    }
}

#[component]
fn Fault(text: String) -> impl IntoView {
    view! {
        <p class="hint hint--bad" data-testid="error">
            <Icon name="circle-x" small=true />
            <span>{text}</span>
        </p>
    }
}

/// The button row, and in its place the steps while they run.
#[component]
fn Steps(working: Memo<bool>, no_registry: Memo<bool>) -> impl IntoView {
    let client = use_client();
    let failed = Memo::new(move |_| {
        client.new_room.with(|step| match step {
            NewRoom::Failed(trouble) | NewRoom::Chain(TxState::Failed(trouble)) => {
                Some(trouble.clone())
            }
            _ => None,
        })
    });
    view! {
        {move || failed.get().map(|trouble| view! { <TroubleNotice trouble /> })}
        {move || {
            if working.get() {
                return view! { <Progress /> }.into_any();
            }
            view! {
                <div class="row row--apart">
                    <p class="hint">
                        "One transaction, " <Price of=Priced::Create />
                        ". Public for ever: who is in the room, in which role, and since when."
                    </p>
                    <div class="row">
                        <A href="/rooms" attr:class="btn">
                            "Cancel"
                        </A>
                        <CreateButton no_registry />
                    </div>
                </div>
            }
            .into_any()
        }}
    }
}

#[component]
fn CreateButton(no_registry: Memo<bool>) -> impl IntoView {
    let client = use_client();
    let sign_in = use_sign_in();
    let signed_out = Memo::new(move |_| client.session.with(|s| *s == Session::SignedOut));
    let ready = Memo::new(move |_| client.session.with(Session::is_ready));
    let read_only = Memo::new(move |_| {
        client
            .session
            .with(|s| matches!(s, Session::ReadOnly { .. }))
    });
    move || {
        if signed_out.get() {
            return view! {
                <button class="btn btn--main" type="button" on:click=move |_| sign_in.open()>
                    <Icon name="wallet" />
                    "Connect a wallet first"
                </button>
            }
            .into_any();
        }
        if read_only.get() {
            return view! {
                <button
                    class="btn btn--main"
                    type="button"
                    on:click=move |_| client.send(Intent::SignAgain)
                >
                    <Icon name="pen-line" />
                    "Sign in the wallet first"
                </button>
            }
            .into_any();
        }
        view! {
            <button
                class="btn btn--main"
                type="submit"
                data-testid="create-room"
                disabled=move || !client.live.get() || !ready.get() || no_registry.get()
            >
                "Create room"
            </button>
        }
        .into_any()
    }
}

/// Three steps in the order they happen; the key comes first, so that no room ever exists without one.
#[component]
fn Progress() -> impl IntoView {
    let client = use_client();
    let step = client.new_room;
    let at = Memo::new(move |_| {
        step.with(|step| match step {
            NewRoom::Form | NewRoom::Failed(_) | NewRoom::StoringKey { .. } => 1,
            NewRoom::Chain(TxState::Wallet(_) | TxState::Failed(_)) => 2,
            NewRoom::Chain(TxState::Pending { .. }) => 3,
            NewRoom::Chain(TxState::Confirmed { .. }) => 4,
        })
    });
    let row = move |number: u8, title: &'static str, text: Signal<String>| {
        view! {
            <li class="step" aria-current=move || (at.get() == number).then_some("step")>
                <div class="row row--apart">
                    <strong>{format!("{number}. {title}")}</strong>
                    {move || match at.get().cmp(&number) {
                        std::cmp::Ordering::Greater => view! {
                            <span class="badge badge--ok">
                                <Icon name="circle-check" />
                                "Done"
                            </span>
                        }
                        .into_any(),
                        std::cmp::Ordering::Equal => view! {
                            <span class="badge badge--warn">
                                <Icon name="clock" />
                                "Now"
                            </span>
                        }
                        .into_any(),
                        std::cmp::Ordering::Less => view! { <span class="badge">"Next"</span> }.into_any(),
                    }}
                </div>
                <Show when=move || at.get() == number>
                    <progress aria-label=title></progress>
                    <p class="small">{move || text.get()}</p>
                </Show>
            </li>
        }
    };
    let key = Signal::derive(move || {
        step.with(|step| match step {
            NewRoom::StoringKey { stored, of } => {
                format!(
                    "The room's key is split; {stored} of {of} key nodes have stored their share."
                )
            }
            _ => "The room's key is split among the key nodes.".to_owned(),
        })
    });
    let wallet = Signal::derive(move || {
        let wallet = client.session.with(|session| match session {
            Session::Ready { wallet, .. } => wallet.clone(),
            _ => "your wallet".to_owned(),
        });
        format!("Confirm “create room” in {wallet}. The form is locked, nothing is lost.")
    });
    let chain = Signal::derive(move || {
        step.with(|step| match step {
            NewRoom::Chain(TxState::Pending { hash, .. }) => {
                let short = hash.get(..6).zip(hash.get(hash.len().saturating_sub(4)..));
                match short {
                    Some((start, end)) => {
                        format!("Transaction {start}…{end} is on its way. You can leave; the room then waits under Rooms.")
                    }
                    None => "The transaction is on its way.".to_owned(),
                }
            }
            _ => "Waiting for the chain.".to_owned(),
        })
    });
    view! {
        <ol class="stack steps-list" role="status">
            {row(1, "Key", key)} {row(2, "Wallet", wallet)} {row(3, "Chain", chain)}
        </ol>
        <Show when=move || at.get() <= 2>
            <div class="row">
                <button class="btn" type="button" on:click=move |_| client.send(Intent::ResetNewRoom)>
                    "Cancel"
                </button>
            </div>
        </Show>
    }
}

#[component]
fn Explained() -> impl IntoView {
    view! {
        <section class="stack" aria-labelledby="steps-h">
            <h2 id="steps-h" class="overline">
                "What happens"
            </h2>
            <div class="card stack">
                <div>
                    <strong>"1. Key"</strong>
                    <p class="small muted">
                        "This browser makes the room's key and splits it among five nodes. Any three give it to a member, two give nothing."
                    </p>
                </div>
                <div>
                    <strong>"2. Wallet"</strong>
                    <p class="small muted">"Your wallet shows one transaction and asks you to confirm it."</p>
                </div>
                <div>
                    <strong>"3. Chain"</strong>
                    <p class="small muted">
                        "The registry writes down who is in. The page goes on to the room by itself."
                    </p>
                </div>
                <EmbeddedNodesLine />
            </div>
        </section>
    }
}
