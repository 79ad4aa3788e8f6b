//! The discussion: from the room's state to its rows, and what a person does with a message.

use std::{collections::BTreeMap, rc::Rc, sync::Arc};

use healthsync_core::{
    DeviceKey, EventId, Kind, MessageView, Person, RoomLog, RoomState, Sign, Waits, display,
};
use wasm_bindgen_futures::spawn_local;

use super::OpenRoom;
use crate::client::{
    browser::{
        is_visible,
        platform::{self, document, now},
        runtime::Runtime,
        storage::schema,
    },
    model::{
        Delivery, DeviceRow, LeftOut, MessageRow, PinRow, Profile, Quote, ReactionRow, Talk,
        ToastKind, TurnRow,
    },
};

/// Messages that the page shows at first, and how many more each time.
pub(crate) const SHOWN: usize = 100;
/// Old ones leave the page so many at a time: taking a row out costs the browser as much as drawing a new one.
const LEAVE: usize = 20;
/// Characters of a quote.
const QUOTE: usize = 120;
/// A clock may be so far ahead before it is called wrong.
const AHEAD_MS: u64 = 10 * 60 * 1_000;
/// And so far behind what was said before.
const BEHIND_MS: u64 = 24 * 60 * 60 * 1_000;
/// In the database's settings.
const NOTIFY: &str = "notify";

fn beginning(text: &str) -> String {
    let text = display(text);
    let mut words: String = text.chars().take(QUOTE).collect();
    if words.len() < text.len() {
        words.push('…');
    }
    words
}

pub(crate) fn talk(
    room: &OpenRoom,
    log: &RoomLog,
    me: Option<(Person, DeviceKey)>,
    delivery: &impl Fn(&EventId) -> Delivery,
) -> Talk {
    let state = log.state();
    let person = me.map(|(person, _)| person);
    let shown = room.shown.get();
    let older = state.messages.len().saturating_sub(shown);
    let older = older - older % LEAVE;
    let pinned = |id: &EventId| state.pins.iter().any(|pin| pin.of == *id);
    let latest = now().0 + AHEAD_MS;
    let mut before = 0;
    let messages = state.messages.iter().skip(older).map(|message| {
        let at = message.at.0;
        let wrong_clock = at > latest || at + BEHIND_MS < before;
        before = before.max(at.min(latest));
        MessageRow {
            wrong_clock,
            pinned: pinned(&message.id),
            ..row(log, message, person, delivery)
        }
    });
    let messages = Arc::new(kept_where_equal(&room.rows.borrow(), messages));
    room.rows.replace(messages.clone());
    Talk {
        messages,
        older,
        fetching: fetching(room, log),
        turns: Arc::new(turns(state)),
        pins: Arc::new(pins(log)),
        people: Arc::new(people(state)),
        seen: room.seen.get(),
        left_out: left_out(room, state),
        devices: Arc::new(devices(state, me)),
        notifies: room.notifies.get(),
    }
}

/// The rows that are to be shown, those of `before` in the place of equal ones.
fn kept_where_equal(
    before: &[Arc<MessageRow>],
    rows: impl Iterator<Item = MessageRow>,
) -> Vec<Arc<MessageRow>> {
    let known = |row: &MessageRow| {
        let place = |kept: &Arc<MessageRow>| (kept.order, kept.id);
        let at = before.binary_search_by_key(&(row.order, row.id), place);
        at.ok().map(|at| &before[at]).filter(|kept| ***kept == *row)
    };
    rows.map(|row| known(&row).cloned().unwrap_or_else(|| Arc::new(row)))
        .collect()
}

/// One message as it is shown.
pub(crate) fn row(
    log: &RoomLog,
    message: &MessageView,
    me: Option<Person>,
    delivery: &impl Fn(&EventId) -> Delivery,
) -> MessageRow {
    let quote = |of: &EventId| {
        let (author, text) = match (log.message(of), log.state().case(of)) {
            (Some(view), _) => (view.person, view.retracted.is_none().then_some(&view.text)),
            (None, Some(case)) => (case.person, Some(&case.caption)),
            (None, None) => return None,
        };
        Some(Quote {
            id: *of,
            author,
            text: text.map(|text| beginning(text)),
        })
    };
    let earlier = match message.edited {
        Some(_) => {
            let mut all = log.wordings(&message.id);
            all.pop();
            all.into_iter()
                .map(|wording| (wording.at, display(&wording.text).into_owned()))
                .collect()
        }
        None => Vec::new(),
    };
    MessageRow {
        id: message.id,
        order: message.lamport,
        author: message.person,
        you: Some(message.person) == me,
        text: display(&message.text).into_owned(),
        at: message.at,
        to: message.to.as_ref().and_then(quote),
        for_you: me.is_some_and(|me| message.mentions.contains(&me)),
        edited: message.edited,
        earlier,
        retracted: message.retracted.is_some(),
        pinned: false,
        reactions: reactions(message, me),
        wrong_clock: false,
        delivery: delivery(&message.id),
    }
}

fn reactions(message: &MessageView, me: Option<Person>) -> Vec<ReactionRow> {
    let row = |sign: &Sign| {
        let people = message.reactions.get(sign)?;
        Some(ReactionRow {
            sign: *sign,
            people: people.iter().copied().collect(),
            mine: me.is_some_and(|me| people.contains(&me)),
        })
    };
    Sign::ALL.iter().filter_map(row).collect()
}

fn turns(state: &RoomState) -> Vec<TurnRow> {
    let mut turns: Vec<TurnRow> = state
        .epochs
        .iter()
        // Of two keys that were made at once, one line is enough: the one that says who was removed.
        .filter(|epoch| !epoch.removed.is_empty())
        .map(|epoch| TurnRow {
            id: epoch.id,
            order: epoch.lamport,
            at: epoch.at,
            removed: epoch.removed.clone(),
            readers: epoch.readers,
        })
        .collect();
    turns.sort_by_key(|turn| (turn.order, turn.id));
    turns.dedup_by(|later, first| later.removed == first.removed);
    turns
}

fn pins(log: &RoomLog) -> Vec<PinRow> {
    let state = log.state();
    let row = |pin: &healthsync_core::PinView| {
        let (text, case) = match (log.message(&pin.of), state.case(&pin.of)) {
            (Some(message), _) => (&message.text, false),
            (None, Some(case)) => (&case.caption, true),
            (None, None) => return None,
        };
        Some(PinRow {
            of: pin.of,
            by: pin.person,
            text: beginning(text),
            case,
        })
    };
    // The newest first, and no more than anybody looks at.
    state.pins.iter().rev().take(20).filter_map(row).collect()
}

fn people(state: &RoomState) -> Vec<(Person, Profile)> {
    let profile = |profile: &healthsync_core::ProfileView| Profile {
        name: one_line(&profile.name),
        role: one_line(&profile.role),
        city: one_line(&profile.city),
    };
    let people = state.people.iter();
    people
        .filter_map(|(person, view)| Some((*person, profile(view.profile.as_ref()?))))
        .collect()
}

fn devices(state: &RoomState, me: Option<(Person, DeviceKey)>) -> Vec<DeviceRow> {
    let Some((person, own)) = me else {
        return Vec::new();
    };
    let devices = state
        .people
        .get(&person)
        .into_iter()
        .flat_map(|view| &view.devices);
    devices
        .map(|(device, view)| DeviceRow {
            device: *device,
            here: *device == own,
            until: view.until,
            revoked: view.revoked,
        })
        .collect()
}

fn fetching(room: &OpenRoom, log: &RoomLog) -> Option<(u64, u64)> {
    let all = room.wanted.get();
    let here = log.len() as u64;
    let coming = !room.is_open() || !room.whole.get();
    (coming && here < all).then_some((here, all))
}

fn one_line(text: &str) -> String {
    display(text).replace('\n', " ")
}

fn left_out(room: &OpenRoom, state: &RoomState) -> LeftOut {
    let mut left_out = LeftOut {
        forks: state.forks.len() as u32,
        keyless: room.turn.missing_keys() as u32,
        ..LeftOut::default()
    };
    for pending in &state.pending {
        match pending.waits {
            // It may be in the part that has not come yet.
            Waits::Delegation | Waits::Clock if !room.whole.get() => {}
            Waits::Delegation => left_out.undelegated += 1,
            Waits::Revoked => left_out.revoked += 1,
            Waits::Clock => left_out.ahead += 1,
        }
    }
    left_out
}

impl Runtime {
    pub(crate) fn edit_message(self: &Rc<Self>, of: EventId, text: String) {
        let text = text.trim().to_owned();
        self.say_or_toast(vec![Kind::Edit { of, text }]);
    }

    pub(crate) fn show_older(self: &Rc<Self>) {
        let Some(room) = self.open_room() else { return };
        room.shown.set(room.shown.get() + SHOWN);
        self.repaint(&room);
    }

    pub(crate) fn set_profile(self: &Rc<Self>, profile: Profile) {
        let Profile { name, role, city } = profile;
        self.say_or_toast(vec![Kind::Profile {
            name: name.trim().to_owned(),
            role: role.trim().to_owned(),
            city: city.trim().to_owned(),
        }]);
    }

    /// What is on screen has been seen; what comes while the page is in the background is new.
    pub(crate) fn mark_seen(&self, room: &OpenRoom, order: u64) {
        if is_visible() {
            room.looked.set(room.looked.get().max(order));
        } else {
            room.seen.set(room.seen.get().max(room.looked.get()));
        }
    }

    /// The browser tells of news from now on, if the person lets it; or no more.
    pub(crate) fn notify(self: &Rc<Self>, on: bool) {
        let runtime = self.clone();
        spawn_local(async move {
            let allowed = on && platform::may_notify().await;
            if on && !allowed {
                let why = "The browser does not let this page tell of news. Allow notifications for this site in its settings.";
                runtime.toast(ToastKind::Bad, why);
            }
            let text = if allowed { "on" } else { "off" };
            // Only comfort: without it the next visit does not tell.
            let _ = runtime.db.put_text(schema::SETTINGS, NOTIFY, text).await;
            if let Some(room) = runtime.open_room() {
                room.notifies.set(allowed);
                runtime.repaint(&room);
            }
        });
    }

    pub(crate) async fn load_notifies(&self, room: &OpenRoom) {
        let kept = self.db.get_text(schema::SETTINGS, NOTIFY).await;
        let wanted = kept.ok().flatten().as_deref() == Some("on");
        room.notifies.set(wanted && platform::can_notify());
    }

    /// Something has come while nobody looks. What it says stays in the room: a notification shows on a locked screen.
    pub(crate) fn tell_of(&self, room: &OpenRoom, event: &healthsync_core::Event) {
        let Some(me) = self.me() else { return };
        if is_visible() || !room.notifies.get() || event.person == me.person {
            return;
        }
        let what = match &event.kind {
            Kind::Message { mentions, .. } if mentions.contains(&me.person) => "mentions you",
            Kind::Message { .. } => "wrote something",
            Kind::Case { .. } => "shared images",
            Kind::Poll { .. } => "asks for your opinion",
            _ => return,
        };
        let log = room.log.borrow();
        let Some(state) = log.as_ref().map(RoomLog::state) else {
            return;
        };
        let names: BTreeMap<Person, Profile> = people(state).into_iter().collect();
        let who = names.get(&event.person).and_then(Profile::label);
        let who = who.unwrap_or_else(|| event.person.short());
        platform::notification(&document().title(), &format!("{who} {what}"));
    }
}
