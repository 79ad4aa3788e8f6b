//! Saying something in the open room: kept here first, on screen at once, then sent.

use std::rc::Rc;

use healthsync_core::{EphemeralKind, EventId, Kind, LimitError, Person};
use healthsync_net::GossipKind;
use leptos::prelude::{Update, WithUntracked};
use wasm_bindgen_futures::spawn_local;

use super::{OpenRoom, Unsent, about, ring::epoch_of};
use crate::client::{
    browser::{
        platform::sleep,
        runtime::{Runtime, storage_trouble, trouble},
        storage::{
            drafts,
            envelopes::{self, AppendError, Appended, Author},
        },
    },
    model::{Delivery, PollRules, Trouble, put_above},
};

/// How long what was typed may be in the page alone.
pub(crate) const TYPING_MS: u32 = 400;

const BACK: &str = "What you wrote is in the message field.";

impl Runtime {
    /// Keeps events of these kinds in this browser, shows them, and sends them. When this returns `Ok`, they are kept:
    /// they go out now or whenever there is a connection, also after a reload.
    pub(crate) async fn say(
        self: &Rc<Self>,
        room: &Rc<OpenRoom>,
        kinds: Vec<Kind>,
    ) -> Result<Vec<EventId>, Trouble> {
        let Some((me, delegation)) = self.signer() else {
            return Err(trouble(
                "This browser may not sign for you yet.",
                None,
                Some("Sign in the wallet, then do it again."),
            ));
        };
        let (key, next_lamport) = {
            let key = room.seal_with();
            let next = room.log.borrow().as_ref().map(|log| log.next_lamport());
            let (Some(key), Some(next)) = (key, next) else {
                return Err(trouble(
                    "The room is still opening.",
                    None,
                    Some("Do it again in a moment."),
                ));
            };
            (key, next)
        };
        for kind in &kinds {
            kind.check().map_err(|error| limit_trouble(&error))?;
        }
        let author = Author {
            room: room.id,
            key,
            person: me.person,
            device: me.device.clone(),
            delegation: delegation.clone(),
        };
        let appended = envelopes::append(&self.db, author, next_lamport, kinds)
            .await
            .map_err(|error| match error {
                AppendError::Limit(error) => limit_trouble(&error),
                AppendError::Event(error) => {
                    trouble(format!("It cannot be sent: {error}."), None, None)
                }
                AppendError::Storage(error) => {
                    storage_trouble("It could not be kept, so it was not sent", &error)
                }
            })?;
        let ids = appended.iter().map(|entry| entry.event.id()).collect();
        self.show_and_send(room, appended);
        Ok(ids)
    }

    pub(crate) fn show_and_send(self: &Rc<Self>, room: &Rc<OpenRoom>, appended: Vec<Appended>) {
        if appended.is_empty() {
            return;
        }
        let fresh = (room.joined.get() || self.has_direct()) && room.turn.fresh.get();
        for Appended { event, envelope } in appended {
            let (seq, id, about) = (event.event.seq, event.id(), about(&event.event.kind));
            if let Some(log) = room.log.borrow_mut().as_mut() {
                // One's own event: of this room, and its delegation was verified when it was signed.
                let _ = log.insert(event);
            }
            let current = room.sealing().map(|(epoch, _)| epoch);
            if fresh && current.is_some() && current == epoch_of(&envelope) {
                // Gossip is the fast path; what it loses, the push below and others' pulls make good.
                let _ = self.node.publish(room.id, GossipKind::Envelope, &envelope);
            }
            room.unsent.borrow_mut().insert(
                seq,
                Unsent {
                    id,
                    about,
                    envelope,
                    delivery: Delivery::Waiting,
                    tried: false,
                },
            );
        }
        self.tabs.tell(room.id);
        self.push_outbox(room);
        self.repaint_behind(room);
    }

    /// `Send` with text alone.
    pub(crate) async fn send_message(
        self: &Rc<Self>,
        room: Rc<OpenRoom>,
        text: String,
        to: Option<EventId>,
        mentions: Vec<Person>,
    ) {
        // Whoever answers has read what was new.
        if let Some(log) = room.log.borrow().as_ref() {
            room.seen.set(log.next_lamport());
        }
        let said = Kind::Message {
            text: text.clone(),
            to,
            mentions,
        };
        match self.say(&room, vec![said]).await {
            Ok(_) => self.no_longer_unsaid(&room, &text),
            Err(trouble) => {
                self.give_back(&room, &text);
                self.toast_trouble(&trouble.keeping(BACK));
            }
        }
    }

    /// Anything else that is said at the press of a button. Its words, if it has any, are not lost when it can't be said.
    pub(crate) fn say_or_toast(self: &Rc<Self>, kinds: Vec<Kind>) {
        let Some(room) = self.open_room() else { return };
        let runtime = self.clone();
        let words = kinds.iter().find_map(words_of);
        spawn_local(async move {
            match (runtime.say(&room, kinds).await, words) {
                (Ok(_), _) => {}
                (Err(trouble), None) => runtime.toast_trouble(&trouble),
                (Err(trouble), Some(words)) => {
                    runtime.give_back(&room, &words);
                    runtime.toast_trouble(&trouble.keeping(BACK));
                }
            }
        });
    }

    pub(crate) fn ask(
        self: &Rc<Self>,
        case: EventId,
        question: String,
        options: Vec<String>,
        rules: PollRules,
    ) {
        let options = options
            .into_iter()
            .map(|text| text.trim().to_owned())
            .filter(|text| !text.is_empty())
            .collect();
        let question = question.trim().to_owned();
        self.say_or_toast(vec![Kind::Poll {
            case,
            question,
            options,
            open_options: rules.open_options,
            signing: rules.signing,
            reveal: rules.reveal,
        }]);
    }

    pub(crate) fn add_option(self: &Rc<Self>, poll: EventId, text: String) {
        self.say_or_toast(vec![Kind::Option {
            poll,
            text: text.trim().to_owned(),
        }]);
    }

    /// Text that could not be said goes back into the message field, above what stands there by now.
    pub(crate) fn give_back(self: &Rc<Self>, room: &Rc<OpenRoom>, text: &str) {
        // A room that was left has it in its draft.
        if !room.closed.get() {
            self.client
                .returned
                .update(|returned| put_above(returned, text));
        }
        self.no_longer_unsaid(room, text);
    }

    /// It was said, or stands in the field again.
    pub(crate) fn no_longer_unsaid(self: &Rc<Self>, room: &Rc<OpenRoom>, text: &str) {
        {
            let mut unsaid = room.unsaid.borrow_mut();
            if let Some(at) = unsaid.iter().position(|waiting| waiting == text) {
                unsaid.remove(at);
            }
        }
        if !room.closed.get() {
            self.save_draft(room, 0);
        }
    }

    /// Typing: kept within a moment. Not painted, as the field shows it already; a field that comes in its place, because
    /// the room is still opening, is filled with it.
    pub(crate) fn keep_draft(self: &Rc<Self>, text: String) {
        let Some(room) = self.open_room() else { return };
        room.draft.replace(text);
        self.save_draft(&room, TYPING_MS);
    }

    /// Before the page may end.
    pub(crate) fn keep_typed(self: &Rc<Self>) {
        if let Some(room) = self.open_room().filter(|room| room.draft_due.get()) {
            self.save_draft(&room, 0);
        }
    }

    /// All that was written in this room and is no event yet: it comes back after a reload.
    fn all_unsaid(&self, room: &OpenRoom) -> String {
        let mut all = room.draft.borrow().clone();
        self.client
            .returned
            .with_untracked(|returned| put_above(&mut all, returned));
        for text in room.unsaid.borrow().iter().rev() {
            put_above(&mut all, text);
        }
        all
    }

    /// Keeps what is unsaid: at once, or after a while in which more of it may come.
    pub(crate) fn save_draft(self: &Rc<Self>, room: &Rc<OpenRoom>, after_ms: u32) {
        let Some(person) = room.person.get() else {
            return;
        };
        // Whoever types without a pause is not put off.
        if after_ms > 0 && room.draft_due.replace(true) {
            return;
        }
        // A room that is being left forgets it in a moment.
        let now = (after_ms == 0).then(|| self.all_unsaid(room));
        if now.is_some() {
            room.draft_due.set(false);
        }
        let (runtime, shared) = (self.clone(), room.clone());
        room.keeping_draft.run(async move {
            let text = match now {
                Some(text) => text,
                None => {
                    sleep(after_ms).await;
                    if !shared.draft_due.replace(false) {
                        return;
                    }
                    runtime.all_unsaid(&shared)
                }
            };
            // Most messages go out before their text was ever kept as a draft.
            if text.is_empty() && !shared.draft_kept.get() {
                return;
            }
            shared.draft_kept.set(!text.is_empty());
            let kept = drafts::keep_draft(&runtime.db, person, shared.id, &text).await;
            if let Err(error) = kept {
                runtime.storage_failed("The text stays in this page only", &error);
            }
        });
    }

    /// Tells the others that the registry's list has changed.
    pub(crate) fn tell_members_changed(&self, room: &OpenRoom) {
        self.hint(room, EphemeralKind::MembersChanged);
    }
}

/// What a person wrote for it.
fn words_of(kind: &Kind) -> Option<String> {
    match kind {
        Kind::Poll {
            question, options, ..
        } => Some(format!("{question}\n{}", options.join("\n"))),
        Kind::Option { text, .. } | Kind::Edit { text, .. } => Some(text.clone()),
        _ => None,
    }
}

pub(crate) fn limit_trouble(error: &LimitError) -> Trouble {
    trouble(
        error.to_string(),
        Some("The text is kept."),
        Some("Shorten it, then send it again."),
    )
}
