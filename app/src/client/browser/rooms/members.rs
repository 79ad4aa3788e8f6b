//! Who is in the room: what the registry says, and adding and removing people by transactions.

use std::rc::Rc;

use alloy_primitives::{Address, FixedBytes};
use alloy_sol_types::SolCall;
use futures::channel::oneshot;
use healthsync_core::{Person, RoomId, registry::RoomRegistry};
use wasm_bindgen_futures::spawn_local;

use super::{OpenRoom, registry::absence};
use crate::{
    api::RoomFacts,
    client::{
        browser::{
            platform::sleep,
            runtime::{Runtime, trouble, trouble_text},
            transact::Call,
        },
        model::{RoomAct, RoomPhase, Trouble, TxState},
    },
};

impl Runtime {
    pub(crate) fn knows_member(&self, room: &OpenRoom, person: Person) -> bool {
        let facts = room.facts.borrow();
        facts
            .as_ref()
            .is_none_or(|facts| facts.members.iter().any(|member| member.person == person))
    }

    /// Reads the registry's list again; at most one reading at a time.
    pub(crate) fn refresh_facts(self: &Rc<Self>, room: &Rc<OpenRoom>) {
        if room.closed.get() || room.log.borrow().is_none() || room.asking_facts.replace(true) {
            return;
        }
        let (runtime, room) = (self.clone(), room.clone());
        spawn_local(async move {
            let changed = runtime.read_facts(&room).await;
            room.asking_facts.set(false);
            if changed && !room.joined.get() {
                runtime.sync(&room);
            }
        });
    }

    /// Reads the registry's list in a task of its own: whoever waits for it may be stopped by what it says.
    pub(crate) async fn fresh_facts(self: &Rc<Self>, room: &Rc<OpenRoom>) {
        let (done, wait) = oneshot::channel();
        let (runtime, room) = (self.clone(), room.clone());
        spawn_local(async move {
            runtime.read_facts(&room).await;
            // Nobody waits any more when the room was left.
            let _ = done.send(());
        });
        // A dropped sender cannot be: the task runs to its end.
        let _ = wait.await;
    }

    /// Says whether anything has changed.
    async fn read_facts(self: &Rc<Self>, room: &Rc<OpenRoom>) -> bool {
        let known = room.facts.borrow().clone();
        // Without an answer the list stays as it was known; it is asked again before long.
        let Ok(facts) = self.facts(room.id, known.as_ref()).await else {
            return false;
        };
        let Some(me) = self.me() else { return false };
        if room.closed.get() || room.person.get() != Some(me.person) {
            return false;
        }
        if facts.exists && !is_in(&facts, me.person) {
            let why = absence(room, &facts, me.person, true);
            let phase = self.not_allowed(room, me.person, why).await;
            room.set_phase(phase);
            self.repaint(room);
            let (runtime, door) = (self.clone(), room.clone());
            room.loading
                .run(async move { runtime.watch_closed_door(&door).await });
            return false;
        }
        if facts.exists {
            room.turn.fresh.set(true);
        }
        let changed = facts.exists && known.as_ref() != Some(&facts);
        if changed {
            room.set_facts(facts);
            // Whoever was removed loses their direct link here.
            self.tell_members(room);
            self.repaint(room);
            self.note_seen(room);
        }
        self.mind_epoch(room);
        changed
    }

    pub(crate) fn add_members(self: &Rc<Self>, persons: Vec<Person>) {
        let Some(room) = self.open_room().filter(|room| room.is_open()) else {
            return;
        };
        room.member_error.take();
        // Whoever is on the list already stays as they are, and needs no gas.
        let new: Vec<Person> = {
            let facts = room.facts.borrow();
            let known = |person: &Person| facts.as_ref().is_some_and(|facts| is_in(facts, *person));
            persons
                .into_iter()
                .filter(|person| !known(person))
                .collect()
        };
        if new.is_empty() {
            return self.repaint(&room);
        }
        let call = RoomRegistry::addMembersCall {
            room: FixedBytes(room.id.0),
            persons: addresses(&new),
        };
        let change = Change {
            adds: true,
            ..Change::of(new.clone(), call.abi_encode(), ADDING)
        };
        self.change_members(room, change, move |facts| {
            new.iter().all(|person| is_in(facts, *person))
        });
    }

    pub(crate) fn remove_member(self: &Rc<Self>, person: Person) {
        let Some(room) = self.open_room().filter(|room| room.is_open()) else {
            return;
        };
        let call = RoomRegistry::removeMembersCall {
            room: FixedBytes(room.id.0),
            persons: addresses(&[person]),
        };
        let change = Change {
            turns_key: true,
            ..Change::of(vec![person], call.abi_encode(), REMOVING)
        };
        self.change_members(room, change, move |facts| !is_in(facts, person));
    }

    pub(crate) fn dismiss_member_error(self: &Rc<Self>) {
        let Some(room) = self.open_room() else { return };
        room.member_error.take();
        room.changes
            .borrow_mut()
            .retain(|_, change| !matches!(change, TxState::Failed(_)));
        let failed = |act: &mut (RoomAct, TxState)| matches!(act.1, TxState::Failed(_));
        room.act.borrow_mut().take_if(failed);
        self.repaint(&room);
    }

    /// A transaction about some people; `seen` says when the registry shows what it did.
    pub(super) fn change_members(
        self: &Rc<Self>,
        room: Rc<OpenRoom>,
        change: Change,
        seen: impl Fn(&RoomFacts) -> bool + 'static,
    ) {
        let runtime = self.clone();
        spawn_local(async move {
            let set = |state: Option<TxState>| {
                for person in &change.persons {
                    let mut changes = room.changes.borrow_mut();
                    match &state {
                        Some(state) => changes.insert(*person, state.clone()),
                        None => changes.remove(person),
                    };
                }
                runtime.repaint(&room);
            };
            let fail = |trouble: Trouble| {
                if change.adds {
                    room.member_error.replace(Some(trouble_text(&trouble)));
                    set(None);
                } else {
                    set(Some(TxState::Failed(trouble)));
                }
            };
            let tell = |state| match state {
                TxState::Failed(trouble) => fail(trouble),
                state => {
                    // It may have been said that nobody waits for the wallet, which has answered now.
                    if change.adds {
                        room.member_error.take();
                    }
                    set(Some(state));
                }
            };
            let done = runtime
                .transact_registry(room.id, change.call, change.what, &seen, tell)
                .await;
            match done {
                Ok(block) => {
                    if let Some(facts) = runtime.facts_that(&room, block, &seen).await {
                        room.set_facts(facts);
                    }
                    set(None);
                    runtime.note_seen(&room);
                    runtime.tell_members_changed(&room);
                    room.turn.mine.set(change.turns_key);
                    runtime.mind_epoch(&room);
                }
                Err(trouble) => fail(trouble),
            }
        });
    }

    /// What the registry says once it shows a transaction of `block`: the server's index follows the chain at its own
    /// pace. After a minute the regular look at the registry has to do.
    pub(super) async fn facts_that(
        &self,
        room: &OpenRoom,
        block: u64,
        seen: &impl Fn(&RoomFacts) -> bool,
    ) -> Option<RoomFacts> {
        for attempt in 0..80 {
            if let Ok(facts) = self.facts(room.id, None).await
                && facts.block >= block
                && seen(&facts)
            {
                return Some(facts);
            }
            sleep(if attempt < 20 { 250 } else { 1_000 }).await;
        }
        None
    }

    /// Sends a call to the registry and waits until it is in a block, or `seen` in what the registry says of the room.
    pub(super) async fn transact_registry(
        self: &Rc<Self>,
        room: RoomId,
        data: Vec<u8>,
        what: &'static str,
        seen: impl Fn(&RoomFacts) -> bool,
        tell: impl FnMut(TxState),
    ) -> Result<u64, Trouble> {
        let Some(registry) = self.bootstrap.contracts.registry else {
            return Err(trouble(
                format!("{what} No registry is configured on this server."),
                None,
                Some("Ask whoever runs it."),
            ));
        };
        let call = Call {
            to: registry,
            data,
            what,
            refused: "Check your role in the room, then try again.",
        };
        let effect = async || {
            let facts = self.facts(room, None).await.ok()?;
            seen(&facts).then_some(facts.block)
        };
        self.transact(call, effect, tell).await
    }

    /// The room's regular checks while it is on screen.
    pub(crate) fn check_room(self: &Rc<Self>) {
        let Some(room) = self.open_room() else { return };
        let phase = room.phase.borrow().clone();
        match phase {
            RoomPhase::Open | RoomPhase::Syncing => {
                self.refresh_facts(&room);
                if !room.joined.get() {
                    self.sync(&room);
                } else if room.turn.missing_keys() > 0 {
                    self.pull_soon(&room);
                }
            }
            RoomPhase::Failed(_) => self.load_room(&room),
            RoomPhase::Loading
            | RoomPhase::NeedsWallet
            | RoomPhase::NoSuchRoom
            | RoomPhase::NotAllowed { .. }
            | RoomPhase::Key(_) => {}
        }
    }
}

const ADDING: &str = "They were not added.";
const REMOVING: &str = "They were not removed.";

/// A transaction about some people of the room.
pub(super) struct Change {
    persons: Vec<Person>,
    call: Vec<u8>,
    /// What has not happened when it fails.
    what: &'static str,
    /// A failure is said at the form, as these people have no row.
    adds: bool,
    /// Whoever removes makes the room's new key.
    turns_key: bool,
}

impl Change {
    pub(super) fn of(persons: Vec<Person>, call: Vec<u8>, what: &'static str) -> Self {
        Self {
            persons,
            call,
            what,
            adds: false,
            turns_key: false,
        }
    }
}

fn is_in(facts: &RoomFacts, person: Person) -> bool {
    facts.members.iter().any(|member| member.person == person)
}

fn addresses(persons: &[Person]) -> Vec<Address> {
    persons
        .iter()
        .map(|person| Address::from(*person))
        .collect()
}
