//! From the room's state to the rows on screen. Pure reading; the only thing written is the room's signal.

use std::{rc::Rc, sync::Arc};

use healthsync_core::{CaseView, EventId, ImageRef, MessageView, Person, PollView};
use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;

use super::OpenRoom;
use crate::{
    api::ChainRole,
    client::{
        browser::{files::attach::Attached, looking, runtime::Runtime},
        model::{
            CaseRow, Delivery, ImageLock, ImageRow, MemberRow, MessageRow, OptionRow, PollRow,
            Role, RoomPhase, RoomView,
        },
    },
};

pub(crate) fn role(role: ChainRole) -> Role {
    match role {
        ChainRole::Member => Role::Member,
        ChainRole::Moderator => Role::Moderator,
        ChainRole::Owner => Role::Owner,
    }
}

impl Runtime {
    /// Shows what has changed, once for all changes of this turn of the event loop.
    pub(crate) fn repaint(self: &Rc<Self>, room: &Rc<OpenRoom>) {
        if room.closed.get() || room.repaint.replace(true) {
            return;
        }
        let (runtime, room) = (self.clone(), room.clone());
        spawn_local(async move {
            room.repaint.set(false);
            if !room.closed.get() {
                let view = room_view(&room, runtime.me().map(|me| me.person));
                runtime.client.room.set(Some(view));
            }
        });
    }
}

fn room_view(room: &OpenRoom, me: Option<Person>) -> RoomView {
    let mut view = RoomView::new(room.id);
    view.phase = room.phase.borrow().clone();
    view.owner = room.owner.get();
    view.attachments = Arc::new(room.attached.borrow().iter().map(Attached::row).collect());
    view.draft = room.draft.borrow().clone();
    // Who may not read the room, sees nothing of it.
    if matches!(
        view.phase,
        RoomPhase::NeedsWallet
            | RoomPhase::NoSuchRoom
            | RoomPhase::NotAllowed { .. }
            | RoomPhase::Loading
    ) {
        return view;
    }
    let unsent = room.unsent.borrow();
    let delivery = |id: &EventId| {
        unsent
            .values()
            .find(|unsent| unsent.id == *id)
            .map_or(Delivery::Stored, |unsent| unsent.delivery.clone())
    };
    if let Some(facts) = room.facts.borrow().as_ref() {
        view.owner = facts.owner;
        view.my_role = facts
            .members
            .iter()
            .find(|member| Some(member.person) == me)
            .map(|member| role(member.role));
        let changes = room.changes.borrow();
        let mut members: Vec<MemberRow> = facts
            .members
            .iter()
            .map(|member| {
                let you = Some(member.person) == me;
                MemberRow {
                    person: member.person,
                    role: role(member.role),
                    you,
                    here: if you {
                        room.joined.get()
                    } else {
                        room.presence.is_here(member.person)
                    },
                    typing: !you && room.presence.is_typing(member.person),
                    change: changes.get(&member.person).cloned(),
                }
            })
            .collect();
        // The contract's order means nothing: owner first, then by role, then by address.
        members.sort_by_key(|member| {
            let rank = match member.role {
                Role::Owner => 0,
                Role::Moderator => 1,
                Role::Member => 2,
            };
            (rank, member.person)
        });
        view.members = Arc::new(members);
    }
    if let Some(log) = room.log.borrow().as_ref() {
        let state = log.state();
        view.name = state.name.clone();
        view.messages = Arc::new(
            state
                .messages
                .iter()
                .map(|message| message_row(message, me, &delivery))
                .collect(),
        );
        let locks = room.locks.borrow();
        let lock = |cid: &str| locks.get(cid).cloned().unwrap_or(ImageLock::Locked);
        view.cases = Arc::new(
            state
                .cases
                .iter()
                .map(|case| case_row(case, me, &delivery, &lock))
                .collect(),
        );
    }
    view.member_error = room.member_error.borrow().clone();
    view.unsent = unsent.len() as u32;
    view
}

fn message_row(
    message: &MessageView,
    me: Option<Person>,
    delivery: &impl Fn(&EventId) -> Delivery,
) -> MessageRow {
    MessageRow {
        id: message.id,
        author: message.person,
        you: Some(message.person) == me,
        text: message.text.clone(),
        at: message.at,
        delivery: delivery(&message.id),
    }
}

fn case_row(
    case: &CaseView,
    me: Option<Person>,
    delivery: &impl Fn(&EventId) -> Delivery,
    lock: &impl Fn(&str) -> ImageLock,
) -> CaseRow {
    let image = |image: &ImageRef| ImageRow {
        cid: image.cid.clone(),
        name: image.name.clone(),
        mime: image.mime.clone(),
        size: image.size,
        width: image.width,
        height: image.height,
        series: image.series.clone(),
        lock: lock(&image.cid),
    };
    CaseRow {
        id: case.id,
        author: case.person,
        you: Some(case.person) == me,
        caption: case.caption.clone(),
        at: case.at,
        images: case.images.iter().map(image).collect(),
        polls: case
            .polls
            .iter()
            .map(|poll| poll_row(poll, me, delivery))
            .collect(),
        marks: Arc::new(
            case.measurements
                .iter()
                .map(|view| looking::mark(view, me))
                .collect(),
        ),
        delivery: delivery(&case.id),
    }
}

fn poll_row(
    poll: &PollView,
    me: Option<Person>,
    delivery: &impl Fn(&EventId) -> Delivery,
) -> PollRow {
    let mine = me.and_then(|me| poll.votes.get(&me)).copied();
    PollRow {
        id: poll.id,
        case: poll.case,
        asker: poll.asker,
        you_asked: Some(poll.asker) == me,
        question: poll.question.clone(),
        options: poll
            .options
            .iter()
            .map(|option| OptionRow {
                id: option.id,
                text: option.text.clone(),
                by: option.by,
                count: option.count,
                voters: option.voters.clone(),
                mine: mine.is_some_and(|(_, choice)| choice == option.id),
            })
            .collect(),
        voted: poll.voted() as u32,
        open_options: poll.open_options,
        closed_at: poll.closed.as_ref().map(|closed| closed.at),
        my_vote: mine.map(|(_, choice)| choice),
        delivery: delivery(&mine.map_or(poll.id, |(event, _)| event)),
    }
}
