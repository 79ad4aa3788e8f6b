//! The room on the registry, beside adding and removing people: moderators, handing over, leaving, archiving.

use std::rc::Rc;

use alloy_primitives::{Address, FixedBytes};
use alloy_sol_types::SolCall;
use healthsync_core::{DeviceToken, Person, Scope, registry::RoomRegistry};
use wasm_bindgen_futures::spawn_local;

use super::{OpenRoom, members::Change};
use crate::{
    api::{self, ChainRole, RoomFacts},
    client::{
        browser::{
            platform::{now, random},
            runtime::{Runtime, trouble},
        },
        model::{Absence, RegistryIntent, RoomAct, TxState},
    },
};

const NOT_MODERATOR: &str = "The role was not changed.";
const NOT_OFFERED: &str = "The room was not offered.";
const OFFER_STAYS: &str = "The offer was not withdrawn.";
const NOT_TAKEN: &str = "You did not take over the room.";
const NOT_LEFT: &str = "You did not leave the room.";
const NOT_ARCHIVED: &str = "The room was not archived.";

impl Runtime {
    pub(crate) fn take_registry_intent(self: &Rc<Self>, intent: RegistryIntent) {
        let Some(room) = self.open_room().filter(|room| room.is_open()) else {
            return;
        };
        let Some(me) = self.me() else { return };
        let (id, me) = (FixedBytes(room.id.0), me.person);
        match intent {
            RegistryIntent::SetModerator { person, on } => {
                let call = RoomRegistry::setModeratorCall {
                    room: id,
                    person: Address::from(person),
                    on,
                };
                let wanted = if on {
                    ChainRole::Moderator
                } else {
                    ChainRole::Member
                };
                let change = Change::of(vec![person], call.abi_encode(), NOT_MODERATOR);
                self.change_members(room, change, move |facts| {
                    role_of(facts, person) == Some(wanted)
                });
            }
            RegistryIntent::Offer(person) => {
                let call = RoomRegistry::transferOwnershipCall {
                    room: id,
                    to: Address::from(person),
                };
                let change = Change::of(vec![person], call.abi_encode(), NOT_OFFERED);
                self.change_members(room, change, move |facts| facts.offered == Some(person));
            }
            RegistryIntent::WithdrawOffer => {
                let call = RoomRegistry::transferOwnershipCall {
                    room: id,
                    to: Address::ZERO,
                };
                let call = call.abi_encode();
                self.act(room, RoomAct::WithdrawOffer, call, OFFER_STAYS, |facts| {
                    facts.offered.is_none()
                });
            }
            RegistryIntent::Accept => {
                let call = RoomRegistry::acceptOwnershipCall { room: id }.abi_encode();
                self.act(room, RoomAct::Accept, call, NOT_TAKEN, move |facts| {
                    facts.owner == Some(me) && facts.offered.is_none()
                });
            }
            RegistryIntent::Leave => {
                let call = RoomRegistry::leaveCall { room: id }.abi_encode();
                self.act(room, RoomAct::Leave, call, NOT_LEFT, move |facts| {
                    role_of(facts, me).is_none()
                });
            }
            RegistryIntent::Archive => {
                let call = RoomRegistry::archiveCall { room: id }.abi_encode();
                self.act(room, RoomAct::Archive, call, NOT_ARCHIVED, |facts| {
                    facts.archived
                });
            }
            RegistryIntent::Keep(days) => self.keep_room(room, days),
        }
    }

    /// The owner's word to the relay; the chain knows nothing of it.
    fn keep_room(self: &Rc<Self>, room: Rc<OpenRoom>, days: Option<u32>) {
        let Some((me, delegation)) = self.signer() else {
            return;
        };
        let scope = Scope::Retention {
            room: room.id,
            days,
        };
        let token = DeviceToken::sign(delegation, scope, now(), random::<16>(), &me.device);
        let runtime = self.clone();
        spawn_local(async move {
            match api::keep_room(token.to_bearer()).await {
                Ok(()) => runtime.tell_members_changed(&room),
                Err(error) => {
                    // The choice on the page goes back to what holds.
                    room.keep_failures.set(room.keep_failures.get() + 1);
                    runtime.repaint(&room);
                    runtime.toast_trouble(&trouble(
                        format!("How long the room is kept was not changed: {error}."),
                        None,
                        Some("Try again in a moment."),
                    ));
                }
            }
            // Also after an error: the relay may have taken it, and only its answer was lost.
            runtime.refresh_facts(&room);
        });
    }

    /// One transaction for the room as a whole at a time; `seen` says when the registry shows it.
    fn act(
        self: &Rc<Self>,
        room: Rc<OpenRoom>,
        act: RoomAct,
        call: Vec<u8>,
        what: &'static str,
        seen: impl Fn(&RoomFacts) -> bool + 'static,
    ) {
        let under_way = |(_, state): &(RoomAct, TxState)| !matches!(state, TxState::Failed(_));
        if room.act.borrow().as_ref().is_some_and(under_way) {
            return;
        }
        let runtime = self.clone();
        spawn_local(async move {
            let tell = |state| {
                room.act.replace(Some((act, state)));
                runtime.repaint(&room);
            };
            let sent = runtime.transact_registry(room.id, call, what, &seen, tell);
            match sent.await {
                Ok(block) => {
                    let facts = runtime.facts_that(&room, block, &seen).await;
                    if act == RoomAct::Leave {
                        // Closes the door, with what the registry says now. The act stays until then: it says why.
                        runtime.refresh_facts(&room);
                    } else {
                        if let Some(facts) = facts {
                            room.set_facts(facts);
                        }
                        room.act.take();
                    }
                    runtime.tell_members_changed(&room);
                    runtime.repaint(&room);
                    runtime.note_seen(&room);
                }
                Err(trouble) => tell(TxState::Failed(trouble)),
            }
        });
    }
}

fn role_of(facts: &RoomFacts, person: Person) -> Option<ChainRole> {
    let mut members = facts.members.iter();
    let found = members.find(|member| member.person == person)?;
    Some(found.role)
}

/// Why `person` is not on the list. Whoever was in and is not named as gone was removed a moment ago, or has just asked to
/// leave: the server's index is some blocks behind.
pub(crate) fn absence(room: &OpenRoom, facts: &RoomFacts, person: Person, was_in: bool) -> Absence {
    let leaves = |act: &(RoomAct, TxState)| act.0 == RoomAct::Leave;
    if room.act.borrow().as_ref().is_some_and(leaves) {
        return Absence::Left;
    }
    match facts.removed.iter().find(|gone| gone.person == person) {
        Some(gone) if gone.left => Absence::Left,
        Some(_) => Absence::Removed,
        None if was_in => Absence::Removed,
        None => Absence::NeverIn,
    }
}
