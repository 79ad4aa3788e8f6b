//! Who is here and who is typing: ephemeral messages, sealed with the room's key, passed on and never stored.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    rc::Rc,
};

use healthsync_core::{
    DeviceKey, Ephemeral, EphemeralKind, Person, Pointing, RoomId, seal_ephemeral,
};
use healthsync_net::{GossipKind, key_of_peer, peer_of_key};
use leptos::prelude::GetUntracked;
use wasm_bindgen_futures::spawn_local;

use super::OpenRoom;
use crate::client::browser::{
    platform::{now, random, sleep},
    runtime::Runtime,
};

/// A heartbeat each 10 s; away after two that did not come.
pub(crate) const HEARTBEAT_MS: u32 = 10_000;
const AWAY_MS: u64 = 25_000;
const TYPING_MS: u64 = 4_000;
/// A pointer that has not moved for so long is shown no more.
const POINTING_MS: u64 = 20_000;
/// How often at most this browser says that somebody types.
const TYPING_EVERY_MS: u64 = 2_500;
/// Older signs of life are replays or come from clocks that are far off.
const STALE_MS: u64 = 120_000;

#[derive(Clone, Copy, Debug)]
struct Seen {
    person: Person,
    at: u64,
    typing_until: u64,
    /// The sender's own time of its newest message: older ones are replays.
    said: u64,
    /// Where it points, and until when that holds.
    pointing: Option<(Pointing, u64)>,
}

/// By which node a device can be reached, as it said itself.
#[derive(Clone, Copy, Debug)]
struct Reachable {
    person: Person,
    /// When it said so, by its own clock, and when that came.
    said: u64,
    at: u64,
}

#[derive(Debug, Default)]
pub(crate) struct Presence {
    /// By device: one person may be here twice.
    seen: RefCell<BTreeMap<DeviceKey, Seen>>,
    /// A device may have several nodes: the tabs of a browser that cannot share one, and the one before a change.
    reachable: RefCell<BTreeMap<(DeviceKey, [u8; 32]), Reachable>>,
    typed: Cell<u64>,
}

impl Presence {
    pub(crate) fn clear(&self) {
        self.seen.borrow_mut().clear();
        self.reachable.borrow_mut().clear();
    }

    fn note_reachable(&self, ephemeral: &Ephemeral, key: [u8; 32]) {
        let now = now().0;
        let mut reachable = self.reachable.borrow_mut();
        reachable.retain(|_, one| now.saturating_sub(one.at) < AWAY_MS);
        if reachable.len() >= 1_000 {
            return;
        }
        let entry = reachable
            .entry((ephemeral.device, key))
            .or_insert(Reachable {
                person: ephemeral.person,
                said: 0,
                at: now,
            });
        // A replay does not keep a node alive that has gone.
        if ephemeral.at.0 > entry.said {
            entry.said = ephemeral.at.0;
            entry.at = now;
        }
    }

    pub(crate) fn is_here(&self, person: Person) -> bool {
        let now = now().0;
        self.seen
            .borrow()
            .values()
            .any(|seen| seen.person == person && now.saturating_sub(seen.at) < AWAY_MS)
    }

    pub(crate) fn is_typing(&self, person: Person) -> bool {
        let now = now().0;
        self.seen
            .borrow()
            .values()
            .any(|seen| seen.person == person && seen.typing_until > now)
    }

    /// Takes a sign of life; says whether it is new.
    fn note(&self, ephemeral: &Ephemeral) -> bool {
        let now = now().0;
        let mut seen = self.seen.borrow_mut();
        if seen
            .get(&ephemeral.device)
            .is_some_and(|seen| seen.said >= ephemeral.at.0)
        {
            return false;
        }
        if ephemeral.kind == EphemeralKind::Bye {
            seen.remove(&ephemeral.device);
            return true;
        }
        if seen.len() > 1_000 {
            seen.retain(|_, seen| now.saturating_sub(seen.at) < AWAY_MS);
        }
        let entry = seen.entry(ephemeral.device).or_insert(Seen {
            person: ephemeral.person,
            at: now,
            typing_until: 0,
            said: 0,
            pointing: None,
        });
        entry.at = now;
        entry.said = ephemeral.at.0;
        match ephemeral.kind {
            EphemeralKind::Typing => entry.typing_until = now + TYPING_MS,
            EphemeralKind::Pointing(pointing) => {
                entry.pointing = Some((pointing, now + POINTING_MS))
            }
            // Another tab of the same device may be here while one types.
            _ => {}
        }
        true
    }

    /// Who points where; the newest first.
    pub(crate) fn pointing(&self) -> Vec<(Person, Pointing)> {
        let now = now().0;
        let seen = self.seen.borrow();
        let mut all: Vec<(u64, Person, Pointing)> = seen
            .values()
            .filter_map(|seen| {
                let (pointing, until) = seen.pointing?;
                (until > now).then_some((until, seen.person, pointing))
            })
            .collect();
        all.sort_by_key(|(until, ..)| std::cmp::Reverse(*until));
        all.into_iter()
            .map(|(_, person, pointing)| (person, pointing))
            .collect()
    }

    /// What somebody has said at last ends their typing.
    pub(crate) fn stopped_typing(&self, device: DeviceKey) {
        if let Some(seen) = self.seen.borrow_mut().get_mut(&device) {
            seen.typing_until = 0;
        }
    }
}

impl Runtime {
    /// Says something passing in the room; without any connection nobody is there to hear it.
    pub(crate) fn hint(&self, room: &OpenRoom, kind: EphemeralKind) {
        if !room.joined.get() && !self.has_direct() {
            return;
        }
        let Some((me, _)) = self.signer() else { return };
        let Some((_, key)) = room.seal_with() else {
            return;
        };
        let ephemeral = Ephemeral::sign(&room.id, me.person, now(), kind, &me.device);
        let bytes = seal_ephemeral(&ephemeral, &room.id, &key, random::<12>());
        // Lost hints are repeated by the next heartbeat.
        let _ = self.node.publish(room.id, GossipKind::Ephemeral, &bytes);
    }

    /// Whether another member can be reached without the relay.
    pub(crate) fn has_direct(&self) -> bool {
        self.client.direct.get_untracked() > 0
    }

    /// This page leaves; a tab of the same device that stays says so after it.
    pub(crate) fn say_bye(&self, room: &OpenRoom) {
        self.hint(room, EphemeralKind::Bye);
        self.tabs.tell_left(room.id);
    }

    /// Another tab has said that this device has left the room.
    pub(crate) fn other_tab_left(&self, id: RoomId) {
        if let Some(room) = self.open_room().filter(|room| room.id == id) {
            self.hint(&room, EphemeralKind::Here { ask: false });
        }
    }

    /// Tells the room by which node this page can be reached for a direct link.
    pub(crate) fn say_reachable(&self, room: &OpenRoom) {
        if let Some(key) = self.node.peer_id().as_ref().and_then(key_of_peer) {
            self.hint(room, EphemeralKind::Reachable { key });
        }
    }

    /// Tells the node who is here and in the registry's list: it makes direct links to them and to nobody else.
    pub(crate) fn tell_members(&self, room: &OpenRoom) {
        let now = now().0;
        let facts = room.facts.borrow();
        let listed = |person| {
            facts
                .as_ref()
                .is_some_and(|facts| facts.members.iter().any(|member| member.person == person))
        };
        let members = room
            .presence
            .reachable
            .borrow()
            .iter()
            .filter(|(_, one)| now.saturating_sub(one.at) < AWAY_MS && listed(one.person))
            .filter_map(|((_, key), _)| peer_of_key(key))
            .collect();
        self.node.set_members(room.id, members);
    }

    pub(crate) fn typing(&self) {
        let Some(room) = self.open_room().filter(|room| room.is_open()) else {
            return;
        };
        let at = now().0;
        if at.saturating_sub(room.presence.typed.get()) >= TYPING_EVERY_MS {
            room.presence.typed.set(at);
            self.hint(&room, EphemeralKind::Typing);
        }
    }

    pub(crate) fn on_ephemeral(self: &Rc<Self>, room: &Rc<OpenRoom>, bytes: &[u8]) {
        let Some(ephemeral) = room.keys.borrow().open_ephemeral(bytes, &room.id) else {
            return;
        };
        if self
            .me()
            .is_some_and(|me| me.device.public() == ephemeral.device)
        {
            return;
        }
        if now().0.abs_diff(ephemeral.at.0) > STALE_MS {
            return;
        }
        let delegated =
            room.log.borrow().as_ref().is_some_and(|log| {
                log.delegated(&ephemeral.person, &ephemeral.device, ephemeral.at)
            });
        if !delegated {
            // Its delegation may be in the relay's log and not here yet.
            self.pull_soon(room);
            return;
        }
        if let EphemeralKind::Reachable { key } = ephemeral.kind {
            room.presence.note_reachable(&ephemeral, key);
            return self.tell_members(room);
        }
        if !room.presence.note(&ephemeral) {
            return;
        }
        match ephemeral.kind {
            EphemeralKind::Here { ask: true } => {
                self.hint(room, EphemeralKind::Here { ask: false });
                self.say_reachable(room);
            }
            EphemeralKind::MembersChanged => self.refresh_facts(room),
            EphemeralKind::Typing => {
                let (runtime, room) = (self.clone(), room.clone());
                spawn_local(async move {
                    sleep(TYPING_MS as u32 + 100).await;
                    runtime.repaint(&room);
                });
            }
            EphemeralKind::Pointing(_) => {
                self.show_pointers(room);
                // Many a second: the rest of the room's view does not depend on them.
                return;
            }
            EphemeralKind::Here { ask: false } | EphemeralKind::Bye => self.show_pointers(room),
            EphemeralKind::Reachable { .. } => {}
        }
        if !self.knows_member(room, ephemeral.person) {
            self.refresh_facts(room);
        }
        self.repaint(room);
    }
}
