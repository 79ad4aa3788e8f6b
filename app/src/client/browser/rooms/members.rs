//! Who is in the room: what the registry says, and changing it by transactions.

use std::rc::Rc;

use alloy_primitives::{Address, FixedBytes};
use alloy_sol_types::SolCall;
use futures::channel::oneshot;
use healthsync_core::{Person, registry::RoomRegistry};
use wasm_bindgen_futures::spawn_local;

use super::OpenRoom;
use crate::client::{
    browser::{
        chain::Receipt,
        platform::{now, sleep},
        runtime::{Runtime, trouble, trouble_text},
    },
    model::{RoomPhase, ToastKind, Trouble, TxState},
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
        if facts.exists
            && !facts
                .members
                .iter()
                .any(|member| member.person == me.person)
        {
            let phase = self.not_allowed(room, me.person, true).await;
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
        if let Some(known) = persons.iter().find(|person| {
            let facts = room.facts.borrow();
            facts
                .as_ref()
                .is_some_and(|facts| facts.members.iter().any(|member| member.person == **person))
        }) {
            room.member_error
                .replace(Some(format!("{} is in this room already.", known.short())));
            return self.repaint(&room);
        }
        if persons.is_empty() {
            return self.repaint(&room);
        }
        let call = RoomRegistry::addMembersCall {
            room: FixedBytes(room.id.0),
            persons: addresses(&persons),
        };
        self.change_members(room, persons, call.abi_encode(), true);
    }

    pub(crate) fn remove_member(self: &Rc<Self>, person: Person) {
        let Some(room) = self.open_room().filter(|room| room.is_open()) else {
            return;
        };
        let call = RoomRegistry::removeMembersCall {
            room: FixedBytes(room.id.0),
            persons: addresses(&[person]),
        };
        self.change_members(room, vec![person], call.abi_encode(), false);
    }

    pub(crate) fn dismiss_member_error(self: &Rc<Self>) {
        let Some(room) = self.open_room() else { return };
        room.member_error.take();
        room.changes
            .borrow_mut()
            .retain(|_, change| !matches!(change, TxState::Failed(_)));
        self.repaint(&room);
    }

    fn change_members(
        self: &Rc<Self>,
        room: Rc<OpenRoom>,
        persons: Vec<Person>,
        data: Vec<u8>,
        add: bool,
    ) {
        let runtime = self.clone();
        spawn_local(async move {
            let set = |state: Option<TxState>| {
                for person in &persons {
                    let mut changes = room.changes.borrow_mut();
                    match &state {
                        Some(state) => changes.insert(*person, state.clone()),
                        None => changes.remove(person),
                    };
                }
                runtime.repaint(&room);
            };
            let done = runtime
                .transact(data, if add { ADDING } else { REMOVING }, |state| {
                    set(Some(state))
                })
                .await;
            match done {
                Ok(block) => runtime.see_change(&room, &persons, add, block).await,
                Err(trouble) if add => {
                    set(None);
                    room.member_error.replace(Some(trouble_text(&trouble)));
                    runtime.repaint(&room);
                }
                Err(trouble) => set(Some(TxState::Failed(trouble))),
            }
        });
    }

    /// The transaction is in a block: waits until the server has seen it, then shows it and tells the others.
    async fn see_change(
        self: &Rc<Self>,
        room: &Rc<OpenRoom>,
        persons: &[Person],
        add: bool,
        block: u64,
    ) {
        for _ in 0..40 {
            if let Ok(facts) = self.facts(room.id, None).await {
                let seen = persons.iter().all(|person| {
                    facts.members.iter().any(|member| member.person == *person) == add
                });
                if seen && facts.block >= block {
                    room.set_facts(facts);
                    break;
                }
            }
            sleep(250).await;
        }
        for person in persons {
            room.changes.borrow_mut().remove(person);
        }
        self.repaint(room);
        self.note_seen(room);
        self.tell_members_changed(room);
        room.turn.mine.set(!add);
        self.mind_epoch(room);
    }

    /// Sends a call to the registry and waits until it is in a block. `tell` gets each state on the way.
    pub(crate) async fn transact(
        self: &Rc<Self>,
        data: Vec<u8>,
        what: &str,
        mut tell: impl FnMut(TxState),
    ) -> Result<u64, Trouble> {
        let Some(me) = self.me() else {
            return Err(trouble(
                what,
                None,
                Some("Connect a wallet, then try again."),
            ));
        };
        let Some(registry) = self.bootstrap.contracts.registry else {
            return Err(trouble(
                format!("{what} No registry is configured on this server."),
                None,
                Some("Ask whoever runs it."),
            ));
        };
        tell(TxState::Wallet);
        let hash = me
            .wallet
            .send(&self.chain, me.person, registry, &data)
            .await
            .map_err(|error| error.trouble(what, None))?;
        tell(TxState::Pending {
            hash: hash.clone(),
            since: now(),
        });
        let runtime = self.clone();
        let late = move || {
            runtime.toast(
                ToastKind::Info,
                "The chain has not confirmed the transaction yet. It is late, not failed; this page keeps looking.",
            );
        };
        match self.chain.wait_for(&hash, late).await {
            Receipt::Included { block } => {
                tell(TxState::Confirmed { hash, block });
                Ok(block)
            }
            Receipt::Reverted { block } => Err(trouble(
                format!("{what} The registry refused the transaction in block {block}."),
                Some("Nothing was changed."),
                Some("Check your role in the room, then try again."),
            )),
        }
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

fn addresses(persons: &[Person]) -> Vec<Address> {
    persons
        .iter()
        .map(|person| Address::from(*person))
        .collect()
}
