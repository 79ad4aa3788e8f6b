//! Ending a device's right to write for this person, in every room that this browser knows; and noticing that another
//! device has ended this one's.

use std::rc::Rc;

use futures::future::{join, join_all};
use healthsync_core::{
    DeviceKey, Kind, Revocation, RoomId, RoomLog, SignedDelegation, SignedRevocation,
};
use wasm_bindgen_futures::spawn_local;

use super::OpenRoom;
use crate::{
    api,
    client::{
        browser::{
            http::post_json,
            platform::now,
            runtime::{Me, Runtime, storage_trouble, trouble},
            storage::{
                drafts,
                envelopes::{self, Author},
                keys,
            },
        },
        model::{ToastKind, Trouble},
    },
};

const WHAT: &str = "The device was not revoked.";
/// Key nodes get so long to confirm.
const ANSWER_MS: u32 = 15_000;

impl Runtime {
    /// Asks the wallet, then says it in this room and in all others that this browser can read.
    pub(crate) fn revoke_device(self: &Rc<Self>, device: DeviceKey) {
        let runtime = self.clone();
        spawn_local(async move {
            match runtime.revoke(device).await {
                Ok(rooms) => {
                    let plural = if rooms == 1 { "" } else { "s" };
                    let said = format!(
                        "The device is revoked in {rooms} room{plural}. What it writes from now on is left out by everybody."
                    );
                    runtime.toast(ToastKind::Good, said);
                    if runtime.bootstrap.hosted.is_some() {
                        runtime.toast(
                            ToastKind::Info,
                            "The key nodes know wallets and no devices: a browser that is signed in there can get keys until that ends by itself.",
                        );
                    }
                }
                Err(trouble) => runtime.toast_trouble(&trouble),
            }
        });
    }

    async fn revoke(self: &Rc<Self>, device: DeviceKey) -> Result<usize, Trouble> {
        let (Some((me, delegation)), Some(room)) = (self.signer(), self.open_room()) else {
            return Err(trouble(
                format!("{WHAT} This browser may not sign for you yet."),
                None,
                Some("Sign in the wallet, then try again."),
            ));
        };
        // It names the last event of that device that counts.
        room.needs_whole()?;
        let revocation = Revocation {
            person: me.person,
            device,
            revoked_at: now().seconds(),
            chain_id: self.bootstrap.chain.id,
        };
        let (text, hash) = (revocation.typed_data_json(), revocation.signing_hash());
        let signature = me.wallet.sign_typed_data(me.person, text, &hash).await;
        let signed = SignedRevocation {
            revocation,
            signature: signature.map_err(|error| error.trouble(WHAT, None))?,
        };
        signed.verify(self.bootstrap.chain.id).map_err(|error| {
            trouble(
                format!("{WHAT} The wallet's signature is not usable: {error}."),
                None,
                Some("Choose the right account in the wallet, then try again."),
            )
        })?;
        self.tell_server(signed.clone());
        let last = |log: &RoomLog| log.heads().get(&device);
        let here = room.log.borrow().as_ref().map(last).unwrap_or_default();
        let kind = Kind::Revocation {
            revocation: signed.clone(),
            last: here,
        };
        self.say(&room, vec![kind]).await?;

        let known = drafts::known_rooms(&self.db, me.person).await;
        let known = known
            .map_err(|error| storage_trouble("The device is revoked in this room only", &error))?;
        let mut rooms = 1;
        for (id, known) in known {
            let Some(maker) = known.facts.and_then(|facts| facts.named_by()) else {
                continue;
            };
            if id == room.id {
                continue;
            }
            let log = RoomLog::new(id, maker, self.bootstrap.chain.id);
            let said = self.revoke_in(log, &me, &delegation, &signed).await;
            rooms += usize::from(said.is_some());
        }
        // Visits them, and sends what was just written there.
        self.load_rooms();
        Ok(rooms)
    }

    /// The relay sees sealed events only, and key nodes none: they are told apart from the rooms. What one does not hear
    /// now is told again when one of this person's browsers opens a room with the revocation in it.
    fn tell_server(&self, signed: SignedRevocation) {
        let told = self.told_revoked.clone();
        let device = signed.revocation.device;
        if !told.borrow_mut().insert(device) {
            return;
        }
        let nodes = self.bootstrap.clone();
        spawn_local(async move {
            let json = serde_json::to_value(&signed).unwrap_or_default();
            // Nodes of Lighthouse's kind know no devices.
            let ours = nodes.key_nodes.iter().filter(|_| nodes.hosted.is_none());
            let at_nodes = join_all(ours.map(|node| {
                let url = format!("{}/api/endDevice/{}", node.url, node.id);
                let json = &json;
                async move { post_json(&url, json, None, ANSWER_MS).await }
            }));
            let (relay, at_nodes) = join(api::end_device(signed), at_nodes).await;
            if relay.is_err() || at_nodes.iter().any(Result::is_err) {
                told.borrow_mut().remove(&device);
            }
        });
    }

    /// Tells the relay what the room knows of this person's revoked devices, once each.
    pub(crate) fn pass_on_revocations(&self, room: &OpenRoom) {
        let Some(me) = self.me() else { return };
        let log = room.log.borrow();
        let Some(log) = log.as_ref() else { return };
        let untold = log.state().people.get(&me.person).is_some_and(|person| {
            let told = self.told_revoked.borrow();
            let mut devices = person.devices.iter();
            devices.any(|(device, view)| view.revoked.is_some() && !told.contains(device))
        });
        if !untold {
            return;
        }
        for event in log.events() {
            if let Kind::Revocation { revocation, .. } = &event.event.kind
                && revocation.revocation.person == me.person
            {
                self.tell_server(revocation.clone());
            }
        }
    }

    /// In a room that is not open: kept in its outbox.
    async fn revoke_in(
        &self,
        mut log: RoomLog,
        me: &Me,
        delegation: &SignedDelegation,
        signed: &SignedRevocation,
    ) -> Option<()> {
        let id: RoomId = log.room();
        let ring = keys::room_keys(&self.db, me.person, id).await.ok()?;
        let key = ring.newest()?;
        for bytes in envelopes::of_room(&self.db, id).await.ok()? {
            if let Some(event) = ring.open_kept(&bytes, id) {
                // Only what was checked is kept.
                let _ = log.insert_kept(event);
            }
        }
        let author = Author {
            room: id,
            key,
            person: me.person,
            device: me.device.clone(),
            delegation: delegation.clone(),
        };
        let kind = Kind::Revocation {
            revocation: signed.clone(),
            last: log.heads().get(&signed.revocation.device),
        };
        envelopes::append(&self.db, author, log.next_lamport(), vec![kind])
            .await
            .ok()
            .map(|_| ())
    }

    /// Another device of this person has ended this browser's right to write: it forgets its key, and can ask the wallet
    /// for a new one.
    pub(crate) fn mind_revocation(self: &Rc<Self>, room: &OpenRoom) {
        self.pass_on_revocations(room);
        let Some(me) = self.me() else { return };
        let revoked = room.log.borrow().as_ref().is_some_and(|log| {
            let person = log.state().people.get(&me.person);
            let device = person.and_then(|person| person.devices.get(&me.device.public()));
            device.is_some_and(|device| device.revoked.is_some())
        });
        if revoked {
            self.forget_revoked_device();
        }
    }

    /// This browser's key speaks for nobody any more: it goes, and the wallet is asked for a new one when the person wants.
    pub(crate) fn forget_revoked_device(self: &Rc<Self>) {
        let Some(me) = self.me().filter(|me| me.delegation.is_some()) else {
            return;
        };
        let runtime = self.clone();
        spawn_local(async move {
            let forgotten =
                keys::forget_device(&runtime.db, runtime.bootstrap.chain.id, me.person).await;
            if let Err(error) = forgotten {
                runtime.storage_failed("This browser's old key could not be forgotten", &error);
            }
            let why = trouble(
                "Your wallet has revoked this browser's permission to write for you.",
                Some("What you write stays here."),
                Some("If this is your browser, sign again: it gets a new key."),
            );
            runtime.read_only(me.wallet.clone(), me.person, why).await;
        });
    }
}
