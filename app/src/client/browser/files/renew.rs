//! New keys for the images of one's own case. Each image is opened, encrypted under a fresh key, stored, and the key's
//! shares saved for whoever is in the room now; then the room is told. Once the relay holds that, the key nodes give the old
//! keys to nobody but their owner. A page that closes in between does the rest when the room is opened again.

use std::rc::Rc;

use futures::future::join_all;
use healthsync_core::{EventId, ImageRef, Kind, Renewed, RoomId, limits, series::SeriesList};
use healthsync_lighthouse::{MasterKey, kavach::rules};
use serde_json::json;
use wasm_bindgen_futures::spawn_local;

use super::{open_series, upload::fresh_key};
use crate::client::{
    browser::{
        http::HttpError,
        rooms::{
            OpenRoom,
            key::{NEEDED, list_names},
        },
        runtime::{Runtime, trouble},
        storage::schema::SHARES,
    },
    model::{KeyNodeInfo, Readers, ToastKind, Trouble},
};

/// Times a node is told that a key is for its owner alone.
const TRIES: u32 = 3;

impl OpenRoom {
    /// Why a case keeps its keys, if it does: who agreed to a token agreed to these files.
    pub(super) fn keeps_keys(&self, case: EventId) -> Option<&'static str> {
        let log = self.log.borrow();
        let state = log.as_ref()?.state();
        let proposed = state
            .mints
            .iter()
            .any(|mint| mint.proposal.case == case && mint.declined().next().is_none());
        if proposed {
            return Some(
                "This case was proposed as a token, which opens the images with the key that they have now. So they keep it.",
            );
        }
        let renewed = state.case(&case).map_or(0, |view| view.new_keys.len());
        (renewed >= limits::NEW_KEYS)
            .then_some("The images of this case have had all the keys that they can have.")
    }
}

impl Runtime {
    pub(crate) fn renew_keys(self: &Rc<Self>, case: EventId) {
        let Some(room) = self.open_room().filter(|room| room.is_open()) else {
            return;
        };
        let (runtime, renewing) = (self.clone(), room.clone());
        room.renewing.run(async move {
            match runtime.renew(&renewing, case).await {
                Ok(()) => runtime.find_readers(case),
                Err(why) => runtime.tell_readers(case, Readers::Failed(why)),
            }
        });
    }

    async fn renew(self: &Rc<Self>, room: &Rc<OpenRoom>, case: EventId) -> Result<(), Trouble> {
        if let Some(why) = room.keeps_keys(case) {
            return Err(trouble(why, None, None));
        }
        let images: Vec<ImageRef> = {
            let log = room.log.borrow();
            let view = log.as_ref().and_then(|log| log.state().case(&case));
            let mine = view.filter(|view| Some(view.person) == room.person.get());
            mine.map(|view| view.images.clone()).unwrap_or_default()
        };
        let of = images.len();
        let mut renewed = Vec::new();
        let mut failed = None;
        for (done, image) in images.into_iter().enumerate() {
            self.tell_readers(case, Readers::Renewing { done, of });
            match self.renew_one(room, &image).await {
                Ok(one) => renewed.push(one),
                Err(why) => {
                    failed = Some(why);
                    break;
                }
            }
        }
        let done = renewed.len();
        self.tell_readers(case, Readers::Renewing { done: of, of });
        // Proposed meanwhile: the files of the proposal stay.
        if let Some(why) = room.keeps_keys(case) {
            return Err(trouble(why, None, None));
        }
        if done > 0 {
            let images = renewed;
            self.say(room, vec![Kind::NewKey { case, images }]).await?;
        }
        failed.map_or(Ok(()), |why| {
            Err(Trouble {
                what: format!("{done} of {of} images have a new key. {}", why.what),
                kept: Some("The others keep the key that they have.".into()),
                next: Some("Press again to give all of them a new one.".into()),
            })
        })
    }

    async fn renew_one(
        self: &Rc<Self>,
        room: &Rc<OpenRoom>,
        image: &ImageRef,
    ) -> Result<Renewed, Trouble> {
        let mut plain = self.plain_of(room, image).await?;
        if image.series.is_some() {
            plain = self.renew_pieces(room, &plain).await?;
        }
        let stored = self.store_split(room, plain, Rc::new(|_, _| ())).await?;
        self.split(room, &stored, &|_, _| ()).await?;
        Ok(Renewed {
            was: image.cid.clone(),
            cid: stored.cid,
            size: stored.size,
        })
    }

    /// The list of a series with every piece under a key of its own again, one piece in memory at a time.
    async fn renew_pieces(
        self: &Rc<Self>,
        room: &OpenRoom,
        list: &[u8],
    ) -> Result<Vec<u8>, Trouble> {
        let mut list = SeriesList::read(list).ok_or_else(open_series::contradicts)?;
        let fetch = self.piece_of(room);
        for piece in &mut list.pieces {
            let plain = open_series::piece(piece, &fetch).await?;
            let (key, _): (MasterKey, _) = fresh_key(1, 1)?;
            piece.cid = self
                .store(room, plain, (&key, false), Rc::new(|_, _| ()))
                .await?;
            piece.key = key.hex().to_string();
        }
        serde_json::to_vec(&list).map_err(|_| open_series::contradicts())
    }

    /// Has the key nodes give the keys that were given up to their owner alone, as far as the room knows the new ones and
    /// this browser has not seen it done.
    pub(crate) fn retire_old_keys(self: &Rc<Self>, room: &Rc<OpenRoom>) {
        let old: Vec<String> = {
            let (log, unsent) = (room.log.borrow(), room.unsent.borrow());
            let cases = log.iter().flat_map(|log| &log.state().cases);
            let mine = cases.filter(|case| Some(case.person) == room.person.get());
            let known = mine
                .flat_map(|case| &case.new_keys)
                .filter(|new| !unsent.values().any(|unsent| unsent.id == new.id));
            let old = known.flat_map(|new| &new.images).map(|image| &image.was);
            let mut retired = room.retired.borrow_mut();
            old.filter(|cid| retired.insert((*cid).clone()))
                .cloned()
                .collect()
        };
        if old.is_empty() {
            return;
        }
        let (runtime, room) = (self.clone(), room.clone());
        spawn_local(async move {
            for cid in old {
                if !runtime.retire(&cid).await {
                    room.retired.borrow_mut().remove(&cid);
                }
            }
        });
    }

    /// Whether all nodes have confirmed, now or earlier.
    async fn retire(self: &Rc<Self>, cid: &str) -> bool {
        let Some(me) = self.me().filter(|_| !self.would_ask()) else {
            return false;
        };
        let entry = format!("retired/{}/{cid}", me.person);
        // Unreadable means that the nodes are told once more.
        if let Ok(Some(true)) = self.db.get_json(SHARES, &entry).await {
            return true;
        }
        let nodes = &self.bootstrap.key_nodes;
        let told = join_all(nodes.iter().map(|node| self.retire_at(node, cid))).await;
        let failed: Vec<String> = nodes
            .iter()
            .zip(told)
            .filter(|(_, told)| told.is_err())
            .map(|(node, _)| node.name.clone())
            .collect();
        if failed.is_empty() {
            // Not kept, they are told once more when the room is opened again.
            let _ = self.db.put_json(SHARES, &entry, &true).await;
            return true;
        }
        let more = if failed.len() < NEEDED {
            "That is not enough to open the image."
        } else {
            "Members can still open the image as it was encrypted before."
        };
        self.toast(
            ToastKind::Info,
            format!(
                "{} did not confirm that the old key is given to nobody any more. {more} It is told again when this room is opened.",
                list_names(&failed)
            ),
        );
        false
    }

    async fn retire_at(self: &Rc<Self>, node: &KeyNodeInfo, cid: &str) -> Result<(), HttpError> {
        let Some(me) = self.me() else {
            return Err(HttpError::NoSigner);
        };
        let hosted = self.bootstrap.hosted.is_some();
        let body = if hosted {
            // They know no such call: a room that cannot be leaves the key to its owner as well.
            rules(me.person, cid, &self.members_of(&RoomId([0; 32])), "([1])")
        } else {
            json!({ "address": me.person.to_string(), "cid": cid })
        };
        let call = ("retireSharedKey", cid);
        match self.tell_node(node, call, &body, None, TRIES).await {
            // It has never had a share of it, so it has none to give.
            Err(HttpError::Status { status: 400, .. }) if !hosted => Ok(()),
            told => told.map(|_| ()),
        }
    }
}
