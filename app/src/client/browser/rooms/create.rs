//! Creating a room: its key is split among the key nodes first (nobody can know the id before), then the transaction,
//! then its name as the first thing said in it. There is never a room on the chain whose key is lost.

use std::rc::Rc;

use alloy_primitives::{Address, FixedBytes};
use alloy_sol_types::SolCall;
use healthsync_core::{
    Kind, Person, RoomId, RoomKey, epoch, limits,
    registry::{RoomRegistry, room_id},
};
use healthsync_lighthouse::{generate, room_key_cid};
use leptos::prelude::*;

use super::{key::NEEDED, write::limit_trouble};
use crate::{
    api::{ChainRole, MemberFact, Retention, RoomFacts},
    client::{
        browser::{
            is_at,
            platform::{now, random},
            runtime::{Runtime, storage_trouble, trouble},
            storage::{
                drafts::{self, KnownRoom, PendingRoom},
                envelopes::{self, Author},
                keys,
            },
        },
        model::{NewRoom, ToastKind, Trouble, TxState},
    },
};

const NOT_CREATED: &str = "The room was not created.";

impl Runtime {
    fn set_new_room(&self, state: NewRoom) {
        self.client.new_room.set(state);
    }

    pub(crate) fn create_room(self: &Rc<Self>, name: String, members: Vec<Person>) {
        let runtime = self.clone();
        self.creating.run(async move {
            let name = name.trim().to_owned();
            let made = runtime.create(name.clone(), members).await;
            // Minutes may have passed: whoever has gone on to something else stays there, and is told.
            let waits = is_at("/rooms/new");
            match made {
                Ok(id) if waits => {
                    runtime.navigate(&format!("/rooms/{id}"));
                    runtime.set_new_room(NewRoom::Form);
                }
                Ok(_) => {
                    runtime.set_new_room(NewRoom::Form);
                    let text = format!("The room “{name}” was created. It is under Rooms.");
                    runtime.toast(ToastKind::Good, text);
                    if runtime.list.wanted.get() {
                        runtime.load_rooms();
                    }
                }
                Err(trouble) => {
                    if !waits {
                        runtime.toast_trouble(&trouble);
                    }
                    runtime.set_new_room(NewRoom::Failed(trouble));
                }
            }
        });
    }

    pub(crate) fn reset_new_room(self: &Rc<Self>) {
        // A transaction that is on its way goes on; what it makes is found in the list of rooms.
        self.creating.stop();
        self.set_new_room(NewRoom::Form);
    }

    /// Stops waiting for the wallet; what is on the chain already goes on.
    pub(crate) fn cancel_create(self: &Rc<Self>) {
        let waits = self.client.new_room.with_untracked(|state| {
            matches!(
                state,
                NewRoom::Chain(TxState::Wallet(_)) | NewRoom::StoringKey { .. }
            )
        });
        if waits {
            self.creating.stop();
            self.set_new_room(NewRoom::Failed(trouble(
                "The room was not created: this page stopped waiting for the wallet.",
                Some("The form is kept."),
                Some("Create it again when you are ready."),
            )));
        }
    }

    async fn create(
        self: &Rc<Self>,
        name: String,
        mut members: Vec<Person>,
    ) -> Result<RoomId, Trouble> {
        const KEPT: Option<&str> = Some("The form is kept.");
        limits::check_name(&name).map_err(|error| limit_trouble(&error))?;
        let Some((me, delegation)) = self.signer() else {
            return Err(trouble(
                "The room was not created: this browser may not sign for you yet.",
                KEPT,
                Some("Connect a wallet and sign, then create it again."),
            ));
        };
        if self.bootstrap.contracts.registry.is_none() {
            return Err(trouble(
                "The room was not created: no registry is configured on this server.",
                KEPT,
                Some("Ask whoever runs it."),
            ));
        }
        members.retain(|member| *member != me.person);
        members.sort();
        members.dedup();

        let salt = random::<32>();
        let id = room_id(&me.person, &salt);
        let (master, shares) = generate(NEEDED, self.bootstrap.key_nodes.len(), |bytes| {
            *bytes = random::<32>()
        })
        .map_err(|error| {
            trouble(
                format!("The room's key could not be made: {error}."),
                KEPT,
                None,
            )
        })?;
        let of = shares.len() as u8;
        self.set_new_room(NewRoom::StoringKey { stored: 0, of });
        let cid = room_key_cid(&id, epoch::FIRST);
        let runtime = self.clone();
        self.save_shares(id, &cid, &shares, &move |stored| {
            runtime.set_new_room(NewRoom::StoringKey { stored, of })
        })
        .await
        .map_err(|why| Trouble {
            what: format!("The room was not created. {}", why.what),
            kept: KEPT.map(str::to_owned),
            next: why.next,
        })?;

        let unkept = |error| {
            storage_trouble(
                "The room was not created: its key could not be kept",
                &error,
            )
        };
        keys::keep_room_key(&self.db, me.person, id, epoch::FIRST, &master)
            .await
            .map_err(unkept)?;
        let mut pending = PendingRoom {
            name: name.clone(),
            members: members.clone(),
            hash: None,
            at: now().0,
        };
        drafts::keep_pending_room(&self.db, me.person, id, &pending)
            .await
            .map_err(unkept)?;

        let persons: Vec<Address> = members
            .iter()
            .map(|member| Address::from(*member))
            .collect();
        let call = RoomRegistry::createRoomCall {
            salt: FixedBytes(salt),
            members: persons,
        };
        let exists = |facts: &RoomFacts| facts.exists;
        let runtime = self.clone();
        let sent = self
            .transact_registry(id, call.abi_encode(), NOT_CREATED, exists, |state| {
                if let TxState::Pending { hash, .. } = &state {
                    pending.hash = Some(hash.clone());
                    let (runtime, pending, person) = (runtime.clone(), pending.clone(), me.person);
                    wasm_bindgen_futures::spawn_local(async move {
                        // The entry itself is there; the hash is only for looking it up.
                        let _ = drafts::keep_pending_room(&runtime.db, person, id, &pending).await;
                    });
                }
                runtime.set_new_room(NewRoom::Chain(state));
            })
            .await;
        let block = match sent {
            Ok(block) => block,
            Err(mut trouble) => {
                trouble.kept.get_or_insert("The form is kept.".to_owned());
                return Err(trouble);
            }
        };

        let facts = facts_of(me.person, &members, block);
        let key = RoomKey::from_master(master.as_bytes(), &id, epoch::FIRST);
        let author = Author {
            room: id,
            key: (epoch::FIRST, key),
            person: me.person,
            device: me.device.clone(),
            delegation: delegation.clone(),
        };
        self.name_room(author, &name, Some(facts)).await?;
        Ok(id)
    }

    /// The name as the room's first event; with it the room is complete and no longer pending.
    async fn name_room(
        &self,
        author: Author,
        name: &str,
        facts: Option<RoomFacts>,
    ) -> Result<(), Trouble> {
        let unnamed = |what: String| {
            trouble(
                what,
                Some("The room is on the chain."),
                Some("It is named when you open your rooms again."),
            )
        };
        envelopes::append(
            &self.db,
            author.clone(),
            1,
            vec![Kind::Room {
                name: name.to_owned(),
            }],
        )
        .await
        .map_err(|error| unnamed(format!("The room's name could not be kept: {error}.")))?;
        let known = KnownRoom {
            name: Some(name.to_owned()),
            facts,
            last: Some(now().0),
            ..KnownRoom::default()
        };
        // Only so that the page opens at once.
        let _ = drafts::keep_known_room(&self.db, author.person, author.room, &known).await;
        drafts::drop_pending_room(&self.db, author.person, author.room)
            .await
            .map_err(|error| unnamed(format!("The room's name may be written twice: {error}.")))
    }

    /// Rooms whose transaction was confirmed while this page was away, or after its wait was cancelled: names them.
    /// `on_chain` says which rooms the registry lists for this person.
    pub(crate) async fn finish_pending_rooms(self: &Rc<Self>, on_chain: &[RoomId]) {
        let Some((me, delegation)) = self.signer() else {
            return;
        };
        let Ok(pending) = drafts::pending_rooms(&self.db, me.person).await else {
            return;
        };
        for (id, room) in pending {
            if !on_chain.contains(&id) {
                continue;
            }
            let ring = keys::room_keys(&self.db, me.person, id).await;
            let Some(key) = ring.ok().and_then(|ring| ring.newest()) else {
                continue;
            };
            let author = Author {
                room: id,
                key,
                person: me.person,
                device: me.device.clone(),
                delegation: delegation.clone(),
            };
            if let Err(trouble) = self.name_room(author, &room.name, None).await {
                self.toast_trouble(&trouble);
            }
        }
    }
}

fn facts_of(owner: Person, members: &[Person], block: u64) -> RoomFacts {
    let mut all = vec![MemberFact {
        person: owner,
        role: ChainRole::Owner,
    }];
    all.extend(members.iter().map(|person| MemberFact {
        person: *person,
        role: ChainRole::Member,
    }));
    RoomFacts {
        exists: true,
        owner: Some(owner),
        members: all,
        removed: Vec::new(),
        archived: false,
        offered: None,
        creator: Some(owner),
        kept: Retention::default(),
        block,
    }
}
