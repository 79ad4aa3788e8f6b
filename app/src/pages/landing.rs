//! `/`: what it is, for whom, what the server can see, how to start. Readable without scripts.

use leptos::prelude::*;
use leptos_meta::Title;
use leptos_router::components::A;

use crate::{
    client::{model::Session, use_client},
    components::{
        footer::Footer, icon::Icon, notice::EmbeddedNodesLine, sign_in::use_sign_in,
        top_bar::TopBar,
    },
};

#[component]
pub(crate) fn LandingPage() -> impl IntoView {
    view! {
        <Title text="" />
        <TopBar />
        <main id="main" class="land" tabindex="-1">
            <Hero />
            <Uses />
            <ImageRoute />
            <ServerSees />
            <StartHere />
        </main>
        <Footer />
    }
}

/// Connecting, or on to the rooms when that is done.
#[component]
fn StartButton() -> impl IntoView {
    let client = use_client();
    let sign_in = use_sign_in();
    let known = Memo::new(move |_| client.session.with(|session| session.person().is_some()));
    move || {
        if known.get() {
            view! {
                <A href="/rooms" attr:class="btn btn--main btn--large">
                    "Open your rooms"
                </A>
            }
            .into_any()
        } else {
            view! {
                <button
                    class="btn btn--main btn--large"
                    type="button"
                    disabled=move || !client.live.get()
                    on:click=move |_| sign_in.open()
                >
                    <Icon name="wallet" />
                    "Connect wallet"
                </button>
            }
            .into_any()
        }
    }
}

#[component]
fn Hero() -> impl IntoView {
    view! {
        <section class="hero">
            <div class="in">
                <div class="stack stack--wide">
                    <h1>"A second opinion from the colleagues you choose"</h1>
                    <p class="lede">
                        "Share an image in a closed room, look at it together, and vote on the diagnosis. Text, images and votes are encrypted in your browser, before anything leaves it."
                    </p>
                    <div class="row">
                        <StartButton />
                        <A href="/rooms/new" attr:class="btn btn--large">
                            "New room"
                        </A>
                    </div>
                    <p class="small faint">
                        "No account, no fee for talking or voting. Works over the port of this page."
                    </p>
                </div>
                <Figure />
            </div>
        </section>
    }
}

#[component]
fn Figure() -> impl IntoView {
    let option = |text: &'static str, count: usize, lead: bool| {
        view! {
            <div class="opt opt--result" data-lead=lead.then_some("")>
                <span class="label">{text}</span>
                <span class="opt__count">{count}</span>
                <span class="units" aria-hidden="true">
                    {(0..7)
                        .map(|cell| {
                            let on = match cell {
                                0 if lead => Some("me"),
                                cell if cell < count => Some(""),
                                _ => None,
                            };
                            view! { <i data-on=on></i> }
                        })
                        .collect_view()}
                </span>
            </div>
        }
    };
    view! {
        <figure>
            <div class="plate reading">
                <div class="plate__grid">
                    <div class="plate__pic">
                        <img
                            src="/img/ct-lung.png"
                            alt="Synthetic chest CT, axial, with a small solid nodule in the right upper lobe"
                            width="420"
                            height="420"
                        />
                    </div>
                    <div class="plate__side">
                        <p class="serif plate__q">"Most likely diagnosis of the nodule?"</p>
                        <div class="stack small">
                            {option("Primary carcinoma", 5, true)} {option("Granuloma", 1, false)}
                            {option("Hamartoma", 1, false)}
                        </div>
                        <span class="badge badge--ok">
                            <Icon name="circle-check" />
                            "7 of 7 signed"
                        </span>
                    </div>
                </div>
            </div>
            <figcaption class="caption">
                <b>"Figure 1."</b>
                " One case, seven readers, each vote signed by its reader's own key. One cell is one reader. The picture is a computer-made phantom, the votes are invented."
            </figcaption>
        </figure>
    }
}

#[component]
fn Uses() -> impl IntoView {
    let uses = [
        (
            "Second opinion",
            "Drop a photograph of the finding. Colleagues open it on the machines they have, magnify it, and talk about it as it comes in.",
        ),
        (
            "Small board",
            "Ask one question with two to twelve answers. Every reader votes once, may change the vote until you close, and everybody sees the same count.",
        ),
        (
            "Across hospitals",
            "A room is a list of wallet addresses, not an account at somebody's system. You add people and take them off, and the list is public on a chain.",
        ),
    ];
    view! {
        <section>
            <div class="in split">
                <div class="stack">
                    <h2>"For the case you can't settle alone"</h2>
                    <p>"You decide who is in the room, and can see it on a public list of addresses."</p>
                </div>
                <ul class="uses">
                    {uses
                        .map(|(title, text)| {
                            view! {
                                <li>
                                    <b>{title}</b>
                                    <p>{text}</p>
                                </li>
                            }
                        })
                        .collect_view()}
                </ul>
            </div>
        </section>
    }
}

#[component]
fn ImageRoute() -> impl IntoView {
    let steps = [
        (
            "Cleaned",
            "PNG, JPEG and WebP images lose everything that is not picture: places, dates, device and owner names. What is written in the picture itself stays: look before you share.",
        ),
        (
            "Encrypted",
            "AES-256, in the page. The file gets a random name, because file names carry names too.",
        ),
        (
            "Key split in five",
            "Any three shares rebuild the key; two tell nothing. A key node releases its share only to members of the room.",
        ),
        (
            "Opened by members",
            "Bytes come from storage and are checked against their digest before they are decrypted, again in the page.",
        ),
    ];
    view! {
        <section>
            <div class="in split">
                <div class="stack">
                    <h2>"What happens to an image"</h2>
                    <p>"Four steps. The first three run in your browser, and you see each of them."</p>
                </div>
                <ol class="route">
                    {steps
                        .map(|(title, text)| {
                            view! {
                                <li>
                                    <h3>{title}</h3>
                                    <p>{text}</p>
                                </li>
                            }
                        })
                        .collect_view()}
                </ol>
            </div>
        </section>
    }
}

#[component]
fn ServerSees() -> impl IntoView {
    #[derive(Clone, Copy)]
    enum Sees {
        No(&'static str),
        Yes(&'static str),
    }
    use Sees::{No, Yes};
    let rows = [
        ("Images, text, votes", No("only encrypted"), Yes("yes")),
        ("Places and names stored in image files", No("no"), No("no")),
        ("Key shares", Yes("of its own nodes"), Yes("when they open")),
        ("Who is connected, to which room", Yes("yes"), Yes("yes")),
        ("Sizes and times of messages", Yes("yes"), Yes("yes")),
        ("The list of member addresses", Yes("public"), Yes("public")),
    ];
    let cell = |sees: Sees, who_cares: bool| {
        let (class, icon, word) = match sees {
            No(word) => ("is-ok", "eye-off", word),
            Yes(word) => (if who_cares { "is-warn" } else { "" }, "eye", word),
        };
        view! {
            <td class=class>
                <Icon name=icon small=true />
                {word}
            </td>
        }
    };
    view! {
        <section id="private">
            <div class="in split">
                <div class="stack">
                    <h2>"What the server can see"</h2>
                    <p>"Said in full, because “end-to-end” alone tells you little."</p>
                    <EmbeddedNodesLine />
                </div>
                <div class="scroll" tabindex="0" role="region" aria-label="What the server can see">
                    <table class="table sees">
                        <thead>
                            <tr>
                                <th scope="col">"Item"</th>
                                <th scope="col">"Server"</th>
                                <th scope="col">"Room members"</th>
                            </tr>
                        </thead>
                        <tbody>
                            {rows
                                .map(|(what, server, members)| {
                                    view! {
                                        <tr>
                                            <th scope="row">{what}</th>
                                            {cell(server, true)}
                                            {cell(members, false)}
                                        </tr>
                                    }
                                })
                                .collect_view()}
                        </tbody>
                    </table>
                </div>
            </div>
        </section>
    }
}

#[component]
fn StartHere() -> impl IntoView {
    let session = use_client().session;
    let ready = Memo::new(move |_| session.with(Session::is_ready));
    view! {
        <section class="start">
            <div class="in split">
                <div class="stack">
                    <h2>"Start a room"</h2>
                    <p>"It takes a wallet and about a minute."</p>
                </div>
                <div class="stack">
                    <ol class="steps">
                        <li>
                            "Connect a wallet. None? Take the demo wallet: a key made and kept in this browser, for trying out."
                        </li>
                        <li>"Name the room and add your colleagues' addresses."</li>
                        <li>"Drop the image and ask your question."</li>
                    </ol>
                    <div class="row">
                        <Show
                            when=move || ready.get()
                            fallback=|| view! { <StartButton /> }
                        >
                            <A href="/rooms/new" attr:class="btn btn--main btn--large">
                                "New room"
                            </A>
                        </Show>
                    </div>
                </div>
            </div>
        </section>
    }
}
