//! Saving the shares of a key, one at each key node, with the room's condition in the same call.
//!
//! What a node has not confirmed is kept in this browser and tried again, also after a reload: a file whose shares are
//! lost could never be opened.

use std::{cell::Cell, rc::Rc};

use alloy_primitives::Address;
use futures::{StreamExt, stream::FuturesUnordered};
use healthsync_core::{DeviceToken, RoomId, Scope};
use healthsync_lighthouse::{
    Share,
    kavach::{is_done, rules, with_share},
    room_member_condition,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use wasm_bindgen_futures::spawn_local;

use crate::client::{
    browser::{
        http::{HttpError, post_json},
        platform::{now, random, sleep},
        rooms::key::{NEEDED, list_names},
        runtime::{Runtime, storage_trouble, trouble},
        storage::schema::SHARES,
    },
    model::{KeyNodeInfo, ToastKind, Trouble},
};

const ANSWER_MS: u32 = 15_000;
/// Tries a node gets while somebody waits; later ones happen in the background.
const TRIES: u32 = 3;

/// Shares that some node has not confirmed.
#[derive(Serialize, Deserialize)]
struct Unconfirmed {
    room: RoomId,
    /// Node number and its share.
    shares: Vec<(u8, Share)>,
}

impl Runtime {
    /// Saves share `i` at the `i`-th key node, all at once. `stored` is told how many nodes have confirmed. Succeeds
    /// when enough nodes hold theirs to open the file; the others get theirs in the background.
    pub(crate) async fn save_shares(
        self: &Rc<Self>,
        room: RoomId,
        cid: &str,
        shares: &[Share],
        stored: &dyn Fn(u8),
    ) -> Result<(), Trouble> {
        let nodes: Vec<(u8, Share)> = self
            .bootstrap
            .key_nodes
            .iter()
            .map(|node| node.id)
            .zip(shares.iter().cloned())
            .collect();
        let person = self.me().map(|me| me.person);
        let Some(person) = person else {
            return Err(trouble(
                "Nobody is signed in.",
                None,
                Some("Connect a wallet, then try again."),
            ));
        };
        let entry = format!("{person}/{cid}");
        let unconfirmed = Unconfirmed {
            room,
            shares: nodes,
        };
        self.db
            .put_json(SHARES, &entry, &unconfirmed)
            .await
            .map_err(|error| storage_trouble("The key's shares could not be kept", &error))?;

        let count = Cell::new(0);
        let tell = || {
            count.set(count.get() + 1);
            stored(count.get());
        };
        let failed = self
            .save_at(room, cid, &unconfirmed.shares, TRIES, &tell)
            .await;
        if failed.is_empty() {
            // Left over, it would only be saved once more.
            let _ = self.db.delete(SHARES, &entry).await;
            return Ok(());
        }
        let names: Vec<String> = failed
            .iter()
            .map(|(node, _)| self.node_name(usize::from(*node)))
            .collect();
        if usize::from(count.get()) < NEEDED {
            let reason = failed.first().map(|(_, error)| error);
            let next = match reason {
                Some(HttpError::NoSigner) => "Sign in the wallet, then try again.",
                _ => "Try again when the key nodes answer.",
            };
            let reason = reason.map(HttpError::to_string).unwrap_or_default();
            return Err(trouble(
                format!(
                    "{} did not take its key share: {reason}.",
                    list_names(&names)
                ),
                None,
                Some(next),
            ));
        }
        self.toast(
            ToastKind::Info,
            format!(
                "{} did not take its key share yet. It is kept here and saved there later.",
                list_names(&names)
            ),
        );
        let left = unconfirmed
            .shares
            .iter()
            .filter(|(node, _)| failed.iter().any(|(failed, _)| failed == node))
            .cloned()
            .collect();
        let left = Unconfirmed { room, shares: left };
        self.db
            .put_json(SHARES, &entry, &left)
            .await
            .map_err(|error| storage_trouble("The key's shares could not be kept", &error))
    }

    /// Saves these shares, and says which nodes did not confirm.
    async fn save_at(
        self: &Rc<Self>,
        room: RoomId,
        cid: &str,
        shares: &[(u8, Share)],
        tries: u32,
        confirmed: &dyn Fn(),
    ) -> Vec<(u8, HttpError)> {
        let mut running: FuturesUnordered<_> = shares
            .iter()
            .filter_map(|(id, share)| {
                let node = self
                    .bootstrap
                    .key_nodes
                    .iter()
                    .find(|node| node.id == *id)?;
                Some(async move { (*id, self.save_one(node, room, cid, share, tries).await) })
            })
            .collect();
        let mut failed = Vec::new();
        while let Some((id, saved)) = running.next().await {
            match saved {
                Ok(()) => confirmed(),
                Err(error) => failed.push((id, error)),
            }
        }
        failed.sort_by_key(|(id, _)| *id);
        failed
    }

    async fn save_one(
        self: &Rc<Self>,
        node: &KeyNodeInfo,
        room: RoomId,
        cid: &str,
        share: &Share,
        tries: u32,
    ) -> Result<(), HttpError> {
        let Some(me) = self.me() else {
            return Err(HttpError::NoSigner);
        };
        let rules = rules(me.person, cid, &self.members_of(&room), "([1])");
        let call = ("fileAccessConditions", cid);
        let answer = self
            .tell_node(node, call, &rules, Some(share), tries)
            .await?;
        if is_done(&answer) {
            Ok(())
        } else {
            Err(HttpError::Unreadable("no confirmation".into()))
        }
    }

    /// Who may have a key: the members of this room.
    pub(crate) fn members_of(&self, room: &RoomId) -> Value {
        let registry = self.bootstrap.contracts.registry.map(Address::from);
        room_member_condition(
            &self.bootstrap.chain.name,
            registry.unwrap_or_default(),
            room,
        )
    }

    /// Sends a call about the key under `cid` to a node. One of Lighthouse's kind is told these rules and no call by name.
    pub(super) async fn tell_node(
        self: &Rc<Self>,
        node: &KeyNodeInfo,
        (call, cid): (&str, &str),
        rules: &Value,
        share: Option<&Share>,
        tries: u32,
    ) -> Result<Value, HttpError> {
        let url = format!("{}/api/{call}/{}", node.url, node.id);
        for attempt in 1.. {
            let Some((me, delegation)) = self.signer() else {
                break;
            };
            let answer = match self.at_host() {
                Some(host) => host.save(node.id, rules, share).await,
                None => {
                    // Each node takes a token once, so each try has its own.
                    let scope = Scope::SaveKey {
                        cid: cid.to_owned(),
                        node: node.id,
                    };
                    let token =
                        DeviceToken::sign(delegation, scope, now(), random::<16>(), &me.device);
                    let body = with_share(rules, share);
                    post_json(&url, &body, Some(&token.to_bearer()), ANSWER_MS).await
                }
            };
            match answer {
                Err(error) if attempt < tries && error.is_temporary() => sleep(400 * attempt).await,
                other => return other,
            }
        }
        Err(HttpError::NoSigner)
    }

    /// Saves shares that were left over from an earlier save or visit.
    pub(crate) fn bring_leftover_shares(self: &Rc<Self>) {
        let runtime = self.clone();
        spawn_local(async move { runtime.save_leftover_shares().await });
    }

    async fn save_leftover_shares(self: &Rc<Self>) {
        let Some((me, _)) = self.signer().filter(|_| !self.would_ask()) else {
            return;
        };
        let prefix = format!("{}/", me.person);
        let Ok(entries) = self.db.range(SHARES, &prefix).await else {
            return;
        };
        let hosted = self.bootstrap.hosted.is_some();
        for (key, value) in entries {
            let unconfirmed = value
                .as_string()
                .and_then(|text| serde_json::from_str::<Unconfirmed>(&text).ok());
            let (Some(cid), Some(unconfirmed)) = (key.strip_prefix(&prefix), unconfirmed) else {
                continue;
            };
            let failed = self
                .save_at(unconfirmed.room, cid, &unconfirmed.shares, 1, &|| ())
                .await;
            let left: Vec<(u8, Share)> = unconfirmed
                .shares
                .into_iter()
                .filter(|(node, _)| {
                    // What a refusal means is known of our own kind only.
                    failed
                        .iter()
                        .any(|(failed, error)| failed == node && (hosted || error.is_temporary()))
                })
                .collect();
            // On an error it stays as it was, and is saved once more later.
            let _ = if left.is_empty() {
                self.db.delete(SHARES, &key).await
            } else {
                self.db
                    .put_json(
                        SHARES,
                        &key,
                        &Unconfirmed {
                            room: unconfirmed.room,
                            shares: left,
                        },
                    )
                    .await
            };
        }
    }
}
