//! The runtime in the browser: it answers the views' intents and writes the signals they read.
//!
//! `start` is called once, when the page is there. One shared [`runtime::Runtime`] is handed to every task; wallet, storage,
//! rooms, files and network each add their part to it.

mod chain;
mod files;
mod hosted;
mod http;
mod looking;
mod network;
mod node;
mod platform;
mod price;
mod rooms;
mod runtime;
mod session;
mod storage;
mod tabs;
mod tokens;
mod transact;
mod wallet;

use std::{cell::RefCell, rc::Rc};

use healthsync_core::{EventId, Kind, Person};
use leptos::prelude::*;
use send_wrapper::SendWrapper;
use wasm_bindgen_futures::{JsFuture, spawn_local};

use crate::{Go, components::platform::mark_live};

use super::model::{
    Bootstrap, Client, CopyWork, Intent, MintPreview, Network, NewRoom, Session, ToastKind,
    TokenIntent, TokenList, Trouble,
};
use files::attach::Attached;
use platform::{document, sleep, window};
use rooms::write::TYPING_MS;
use runtime::{Parts, Runtime, trouble};
use wallet::eip6963::Wallets;

/// Regular checks of what is on screen.
const CHECK_MS: u32 = 15_000;
/// Between two looks at attachments that are still being cleaned.
const LOOKS_MS: u32 = 50;

const TELL_OPERATOR: &str = "Reload the page; if it stays, tell whoever runs this server.";

/// Starts everything; from now on the page reacts. `go` changes the page.
pub fn start(client: Client, go: Go) {
    let desk = Rc::new(Desk::default());
    let handler = SendWrapper::new(desk.clone());
    client.set_handler(move |intent| handler.take_intent(intent));
    let wallets = Wallets::start(client);
    client.live.set(true);
    mark_live();
    spawn_local(async move {
        let Some(bootstrap) = bootstrap(client).await else {
            return;
        };
        let started = match network::start(&bootstrap) {
            Ok(started) => started,
            Err(reason) => {
                offline(client, reason.clone());
                return give_up(client, trouble(reason, None, Some(TELL_OPERATOR)));
            }
        };
        begin(client, bootstrap, started, wallets, go, &desk).await;
    });
}

async fn begin(
    client: Client,
    bootstrap: Rc<Bootstrap>,
    (node, events, shelf): network::Started,
    wallets: Wallets,
    go: Go,
    desk: &Rc<Desk>,
) {
    let db = match storage::schema::open().await {
        Ok(db) => db,
        Err(error) => {
            let what = "HealthSync needs to keep keys and drafts in this browser";
            give_up(client, runtime::storage_trouble(what, &error));
            return network::follow_status(client, events).await;
        }
    };
    let runtime = Runtime::new(Parts {
        client,
        bootstrap,
        db,
        node,
        shelf,
        wallets,
        go,
    });
    spawn_local(network::follow(runtime.clone(), events));
    let other_tabs = runtime.clone();
    runtime.tabs.listen(move |room, news| match news {
        tabs::News::Wrote => other_tabs.other_tab_wrote(room),
        tabs::News::Left => other_tabs.other_tab_left(room),
    });
    // Before what was asked for meanwhile: that may be to connect.
    runtime.restore();
    desk.open(&runtime);
    spawn_local(heartbeat(runtime.clone()));
    check_regularly(runtime).await;
}

/// The page stays to be read, and says why nothing else works. What was asked for is dropped: nobody will do it.
fn give_up(client: Client, why: Trouble) {
    client.set_handler(drop);
    client.session.set(Session::SignedOut);
    client.broken.set(Some(why));
}

/// Intents that come before the runtime is ready wait here.
#[derive(Default)]
struct Desk {
    waiting: RefCell<Vec<Intent>>,
    runtime: RefCell<Option<Rc<Runtime>>>,
}

impl Desk {
    fn take_intent(&self, intent: Intent) {
        let runtime = self.runtime.borrow().clone();
        match runtime {
            Some(runtime) => runtime.handle(intent),
            None => {
                let mut waiting = self.waiting.borrow_mut();
                match intent {
                    // Nobody hears it before there is a connection.
                    Intent::Typing => return,
                    // Each holds the whole text.
                    Intent::KeepDraft(_) => {
                        waiting.retain(|before| !matches!(before, Intent::KeepDraft(_)));
                    }
                    _ => {}
                }
                if waiting.len() < 100 {
                    waiting.push(intent);
                }
            }
        }
    }

    fn open(&self, runtime: &Rc<Runtime>) {
        self.runtime.replace(Some(runtime.clone()));
        for intent in self.waiting.take() {
            runtime.handle(intent);
        }
    }
}

impl Runtime {
    /// What changes a room waits until the room is open: somebody has pressed a button, and would wait in vain.
    fn handle(self: &Rc<Self>, intent: Intent) {
        let in_room = matches!(
            intent,
            Intent::AddMembers(_)
                | Intent::RemoveMember(_)
                | Intent::Registry(_)
                | Intent::NewKey { .. }
                | Intent::Token(
                    TokenIntent::Preview { .. }
                        | TokenIntent::Propose(_)
                        | TokenIntent::Answer { .. }
                        | TokenIntent::Mint { .. }
                )
        );
        match self.open_room().filter(|room| in_room && !room.is_open()) {
            None => self.carry_out(intent),
            Some(room) => {
                let runtime = self.clone();
                spawn_local(async move {
                    if room.ready().await && room.is_open() {
                        runtime.carry_out(intent);
                    } else if !room.closed.get() {
                        let why =
                            "The room is not open yet, so nothing was done. Try again in a moment.";
                        runtime.toast(ToastKind::Bad, why);
                    }
                });
            }
        }
    }

    fn carry_out(self: &Rc<Self>, intent: Intent) {
        let wants_keys = matches!(
            intent,
            Intent::OpenRoom(_)
                | Intent::CreateRoom { .. }
                | Intent::RemoveMember(_)
                | Intent::Copy(_)
                | Intent::Send { .. }
                | Intent::Unlock { .. }
                | Intent::NewKey { .. }
                | Intent::Token(_)
        );
        if wants_keys {
            self.hosted.forgive();
        }
        match intent {
            Intent::FindWallets => self.wallets.look(),
            Intent::Connect { wallet } => self.connect(wallet),
            // Said yes to the sign-in at the key nodes, if that is what the dialog asks.
            Intent::SignAgain if self.hosted.agree() => {}
            Intent::SignAgain => self.sign_again(),
            Intent::CancelWallet => self.cancel_wallet(),
            Intent::Disconnect => self.disconnect(),
            Intent::LoadRooms => self.load_rooms(),
            Intent::CreateRoom { name, members } => self.create_room(name, members),
            Intent::ResetNewRoom => self.reset_new_room(),
            Intent::OpenRoom(id) => self.enter(id),
            Intent::CloseRoom(id) => self.close_room(id),
            Intent::StopWaiting(ask) => self.stop_waiting(ask),
            Intent::AddMembers(persons) => self.add_members(persons),
            Intent::RemoveMember(person) => self.remove_member(person),
            Intent::Registry(intent) => self.take_registry_intent(intent),
            Intent::Price(priced, persons) => self.price(priced, &persons),
            Intent::Copy(intent) => self.take_copy_intent(intent),
            Intent::DismissMemberError => self.dismiss_member_error(),
            Intent::KeepDraft(text) => self.keep_draft(text),
            Intent::Typing => self.typing(),
            Intent::Send {
                text,
                to,
                mentions,
                pictures,
            } => self.send(text, to, mentions, pictures),
            Intent::Edit { of, text } => self.edit_message(of, text),
            Intent::Retract(of) => self.say_or_toast(vec![Kind::Retract { of }]),
            Intent::React { to, sign, on } => {
                self.say_or_toast(vec![Kind::Reaction { to, sign, on }]);
            }
            Intent::Pin { of, on } => self.say_or_toast(vec![Kind::Pin { of, on }]),
            Intent::SetProfile(profile) => self.set_profile(profile),
            Intent::RevokeDevice(device) => self.revoke_device(device),
            Intent::ShowOlder => self.show_older(),
            Intent::Notify(on) => self.notify(on),
            Intent::Retry(id) => self.retry(Some(id)),
            Intent::RetryAll => self.retry(None),
            Intent::Attach(files) => self.attach(files),
            Intent::LeftOut(what) => self.toast(ToastKind::Bad, what),
            Intent::Detach(id) => self.detach(id),
            Intent::Review(id) => self.review(id),
            Intent::CancelUpload => self.cancel_upload(),
            Intent::Unlock { case } => self.unlock(case),
            Intent::CancelUnlock { case } => self.cancel_unlock(case),
            Intent::Readers { case } => self.find_readers(case),
            Intent::NewKey { case } => self.renew_keys(case),
            Intent::LookAt(case) => self.looks_at(case),
            Intent::Look { case, say } => self.look(case, say),
            Intent::Ask {
                case,
                question,
                options,
                rules,
            } => self.ask(case, question, options, rules),
            Intent::AddOption { poll, text } => self.add_option(poll, text),
            Intent::Vote { poll, option } => self.vote(poll, option),
            Intent::CancelVote { poll } => self.cancel_vote(poll),
            Intent::ClosePoll { poll } => self.close_poll(poll),
            Intent::SaveResult { poll } => self.save_result(poll),
            Intent::Token(intent) => self.take_token_intent(intent),
            Intent::DismissToast(id) => self
                .client
                .toasts
                .update(|shown| shown.retain(|toast| toast.id != id)),
            Intent::CopyText(text) => self.copy(text),
        }
    }

    /// Text alone is a message; with pictures it is the caption of a case. While the room is still opening, it waits.
    fn send(
        self: &Rc<Self>,
        text: String,
        to: Option<EventId>,
        mentions: Vec<Person>,
        pictures: bool,
    ) {
        let Some(room) = self.open_room() else { return };
        if pictures {
            // The caption stays in the field, where a second press of the button finds it.
            if room.case_waits.replace(true) {
                return;
            }
            self.repaint(&room);
        } else {
            room.draft.take();
            room.unsaid.borrow_mut().push(text.clone());
            self.save_draft(&room, TYPING_MS);
        }
        let pictures = pictures || room.still_attaching();
        let (runtime, author) = (self.clone(), room.person.get());
        spawn_local(async move {
            let ready = room.ready().await;
            // A picture is still being cleaned when its caption is there: the caption must not go alone.
            while pictures && room.still_attaching() && !room.closed.get() {
                sleep(LOOKS_MS).await;
            }
            room.case_waits.set(false);
            runtime.repaint(&room);
            // It is among the drafts of whoever wrote it.
            if author.is_some() && author != room.person.get() {
                room.unsaid.borrow_mut().retain(|waiting| *waiting != text);
                return;
            }
            if let Some(name) = room.to_be_looked_at().filter(|_| pictures) {
                runtime.give_back(&room, &text);
                let why = format!("Nothing was sent: look at {name} before it is shared.");
                return runtime.toast(ToastKind::Bad, why);
            }
            if !ready {
                runtime.give_back(&room, &text);
                let why =
                    "The room is not open yet, so nothing was sent. What you wrote is kept here.";
                return runtime.toast(ToastKind::Bad, why);
            }
            if !pictures {
                runtime.send_message(room, text, to, mentions).await;
            } else if room.attached.borrow().iter().any(Attached::can_go) {
                runtime.send_case(room, text);
            } else {
                runtime.give_back(&room, &text);
                let why = "Nothing was sent: no image is left to share. What you wrote is kept here; send it again without one.";
                runtime.toast(ToastKind::Bad, why);
            }
        });
    }

    fn copy(self: &Rc<Self>, text: String) {
        let copied = window().navigator().clipboard().write_text(&text);
        let runtime = self.clone();
        spawn_local(async move {
            match JsFuture::from(copied).await {
                Ok(_) => runtime.toast(ToastKind::Good, "Copied."),
                Err(_) => runtime.toast(
                    ToastKind::Bad,
                    "The browser does not let this page copy. Select the text and copy it by hand.",
                ),
            }
        });
    }

    /// The person before has gone, perhaps from a computer that others use: what was on screen goes, too. The open room is
    /// `person_changed`'s.
    pub(crate) fn forget_shown(self: &Rc<Self>) {
        let client = self.client;
        self.close_token_case();
        self.forget_list();
        client.tokens.set(TokenList::Loading);
        client.mint_preview.set(MintPreview::default());
        client.readers.set(None);
        client.copy_work.set(CopyWork::None);
        client.space.set(None);
        client.pointers.set(Vec::new());
        client.toasts.set(Vec::new());
        client.returned.set(String::new());
        // A transaction on its way goes on; its room is named when that person looks at the list.
        if client
            .new_room
            .with_untracked(|step| matches!(step, NewRoom::StoringKey { .. } | NewRoom::Chain(_)))
        {
            self.reset_new_room();
        }
    }

    /// Somebody else uses this browser now, or nobody, or the same person with other rights.
    pub(crate) fn person_changed(self: &Rc<Self>) {
        self.hosted.cancel();
        if let Some(room) = self.open_room() {
            self.load_room(&room);
        }
        if self.list.wanted.get() {
            self.load_rooms();
        }
        self.bring_leftover_shares();
    }
}

pub(crate) fn is_visible() -> bool {
    document().visibility_state() == web_sys::VisibilityState::Visible
}

fn offline(client: Client, reason: String) {
    let since = platform::now();
    client.network.set(Network::Offline { since, reason });
}

/// Whether this is the page on screen.
pub(crate) fn is_at(path: &str) -> bool {
    let now = window().location().pathname();
    now.is_ok_and(|now| now == path)
}

/// From the page's head; else asked for.
async fn bootstrap(client: Client) -> Option<Rc<Bootstrap>> {
    if let Some(known) = client.bootstrap.get_untracked() {
        return Some(Rc::new((*known).clone()));
    }
    let mut pause = 500;
    loop {
        let answer = http::get_json("/api/bootstrap", 15_000).await;
        match answer.map(serde_json::from_value::<Bootstrap>) {
            Ok(Ok(found)) => {
                client
                    .bootstrap
                    .set(Some(std::sync::Arc::new(found.clone())));
                return Some(Rc::new(found));
            }
            Ok(Err(_)) => {
                let what = "This page is older than the server.";
                offline(client, what.to_owned());
                give_up(client, trouble(what, None, Some("Reload it.")));
                return None;
            }
            Err(error) => {
                let reason = format!("The server could not be asked how to connect: {error}.");
                offline(client, reason);
            }
        }
        sleep(pause).await;
        pause = (pause * 2).min(15_000);
    }
}

/// "Still here", while the page is shown.
async fn heartbeat(runtime: Rc<Runtime>) {
    loop {
        sleep(rooms::presence::HEARTBEAT_MS).await;
        if let Some(room) = runtime.open_room() {
            runtime.tell_members(&room);
            // Also in the background: a link is worth keeping while somebody reads in another tab.
            runtime.say_reachable(&room);
            if is_visible() {
                runtime.hint(&room, healthsync_core::EphemeralKind::Here { ask: false });
            }
            // Those who have gone silent are away now, and point nowhere.
            runtime.repaint(&room);
            runtime.show_pointers(&room);
        }
    }
}

async fn check_regularly(runtime: Rc<Runtime>) {
    loop {
        sleep(CHECK_MS).await;
        runtime.check_expiry();
        if !is_visible() {
            continue;
        }
        runtime.check_room();
        if is_at("/rooms") && runtime.list.wanted.get() {
            runtime.load_rooms();
        }
    }
}
