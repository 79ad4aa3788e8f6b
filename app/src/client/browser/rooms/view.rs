//! From the room's state to the rows on screen. Pure reading; the only thing written is the room's signal.

use std::{rc::Rc, sync::Arc};

use healthsync_core::{CaseView, DeviceKey, EventId, ImageRef, Person, PollView, display};
use leptos::prelude::*;
use wasm_bindgen_futures::spawn_local;

use super::{OpenRoom, talk::talk};
use crate::{
    api::ChainRole,
    client::{
        browser::{files::attach::Attached, looking, platform::sleep, runtime::Runtime},
        model::{
            CaseRow, Casting, Delivery, ImageLock, ImageRow, MemberRow, OptionRow, PollRow,
            PollRules, RegistryView, Role, RoomPhase, RoomView,
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
                let me = runtime.me();
                let mut view =
                    room_view(&room, me.as_ref().map(|me| (me.person, me.device.public())));
                runtime.show_mints(&room, me.map(|me| me.person), &mut view);
                runtime.client.room.set(Some(view));
            }
        });
    }

    /// The same after everything that waits has run, above all what goes out to others: drawing takes longer than sending.
    pub(crate) fn repaint_behind(self: &Rc<Self>, room: &Rc<OpenRoom>) {
        let (runtime, room) = (self.clone(), room.clone());
        spawn_local(async move {
            sleep(0).await;
            runtime.repaint(&room);
        });
    }
}

fn room_view(room: &OpenRoom, who: Option<(Person, DeviceKey)>) -> RoomView {
    let me = who.map(|(person, _)| person);
    let mut view = RoomView::new(room.id);
    view.phase = room.phase.borrow().clone();
    view.owner = room.owner.get();
    view.attachments = Arc::new(room.attached.borrow().iter().map(Attached::row).collect());
    view.draft = room.draft.borrow().clone();
    view.case_waits = room.case_waits.get();
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
            .find(|unsent| unsent.shows_at(*id))
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
        let is_in = |person: &Person| facts.members.iter().any(|row| row.person == *person);
        let adding = changes.iter().filter(|(person, _)| !is_in(person));
        view.registry = RegistryView {
            archived: facts.archived,
            offered: facts.offered,
            kept: facts.kept,
            keep_failures: room.keep_failures.get(),
            adding: Arc::new(
                adding
                    .map(|(person, state)| (*person, state.clone()))
                    .collect(),
            ),
            act: room.act.borrow().clone(),
        };
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
        view.name = state.name.as_deref().map(|name| display(name).into_owned());
        view.talk = talk(room, log, who, &delivery);
        let casting = room.casting.borrow();
        let locks = room.locks.borrow();
        let lock = |cid: &str| locks.get(cid).cloned().unwrap_or(ImageLock::Locked);
        view.cases = Arc::new(
            state
                .cases
                .iter()
                .map(|case| case_row(case, me, &delivery, &lock, casting.as_ref()))
                .collect(),
        );
    }
    view.member_error = room.member_error.borrow().clone();
    for unsent in unsent.values() {
        match &unsent.delivery {
            Delivery::Waiting => view.unsent += 1,
            Delivery::Refused(why) => {
                let before = view.refused.take().map_or(0, |(count, _)| count);
                view.refused = Some((before + 1, why.what.clone()));
            }
            Delivery::Stored => {}
        }
    }
    view
}

fn case_row(
    case: &CaseView,
    me: Option<Person>,
    delivery: &impl Fn(&EventId) -> Delivery,
    lock: &impl Fn(&str) -> ImageLock,
    casting: Option<&(EventId, Casting)>,
) -> CaseRow {
    // What is open stays open under a new key: it is the same picture.
    let image = |image: &ImageRef| {
        let mut cid = image.cid.as_str();
        let mut shown = lock(cid);
        for new in case.new_keys.iter().rev().flat_map(|new| &new.images) {
            if shown == ImageLock::Locked && new.cid == cid {
                cid = &new.was;
                shown = match lock(cid) {
                    open @ ImageLock::Open { .. } => open,
                    _ => ImageLock::Locked,
                };
            }
        }
        ImageRow::new(image, shown)
    };
    CaseRow {
        id: case.id,
        order: case.lamport,
        author: case.person,
        you: Some(case.person) == me,
        caption: display(&case.caption).into_owned(),
        at: case.at,
        images: case.images.iter().map(image).collect(),
        polls: case
            .polls
            .iter()
            .map(|poll| {
                let casting = casting.filter(|(id, _)| *id == poll.id);
                poll_row(
                    poll,
                    me,
                    delivery,
                    casting.map(|(_, casting)| casting.clone()),
                )
            })
            .collect(),
        marks: Arc::new(
            case.measurements
                .iter()
                .map(|view| looking::mark(view, me))
                .collect(),
        ),
        renewed: case.new_keys.last().map(|new| new.at),
        delivery: delivery(&case.id),
    }
}

pub(crate) fn poll_row(
    poll: &PollView,
    me: Option<Person>,
    delivery: &impl Fn(&EventId) -> Delivery,
    casting: Option<Casting>,
) -> PollRow {
    let mine = me.and_then(|me| poll.votes.get(&me)).copied();
    let late = me.and_then(|me| poll.late.get(&me)).copied();
    let said = late.or(mine).map_or(poll.id, |(event, _)| event);
    PollRow {
        id: poll.id,
        case: poll.case,
        asker: poll.asker,
        you_asked: Some(poll.asker) == me,
        question: display(&poll.question).into_owned(),
        options: poll
            .options
            .iter()
            .map(|option| OptionRow {
                id: option.id,
                text: display(&option.text).into_owned(),
                by: option.by,
                count: option.count,
                voters: option.voters.clone(),
                mine: mine.is_some_and(|(_, choice)| choice == option.id),
            })
            .collect(),
        voted: poll.voted() as u32,
        rules: PollRules {
            open_options: poll.open_options,
            signing: poll.signing,
            reveal: poll.reveal,
        },
        closed_at: poll.closed.as_ref().map(|closed| closed.at),
        contradicted: poll
            .closed
            .as_ref()
            .is_some_and(|closed| !closed.contradicted_by.is_empty()),
        my_vote: mine.map(|(_, choice)| choice),
        my_late_vote: late.map(|(_, choice)| choice),
        late: poll.late.len() as u32,
        casting,
        said,
        delivery: delivery(&said),
    }
}
