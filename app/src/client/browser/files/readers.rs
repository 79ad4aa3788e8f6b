//! To whom the key nodes gave the key of a case. Each node notes that before it gives its share, and tells the owner of
//! the key alone.

use std::{
    collections::{BTreeMap, BTreeSet},
    rc::Rc,
};

use futures::{StreamExt, TryStreamExt, future::join_all, stream};
use healthsync_core::{DeviceToken, EventId, Millis, Person, Scope};
use leptos::prelude::{Set, Update, WithUntracked};
use serde::Deserialize;
use serde_json::json;
use wasm_bindgen_futures::spawn_local;

use crate::client::{
    browser::{
        http::{HttpError, post_json},
        platform::{now, random},
        rooms::OpenRoom,
        runtime::{Runtime, trouble},
    },
    model::{KeyNodeInfo, ReaderRow, Readers, Trouble},
};

const ANSWER_MS: u32 = 15_000;
/// Logs that each node is asked for at a time.
const AT_ONCE: usize = 3;
/// Nodes of Lighthouse's kind.
const UNLOGGED: &str = "These key nodes keep no record of whom they gave a key, so nobody can say. Whoever was in the room while it was shared may have it, and the image with it.";

/// A line of a node's log, as far as it is needed here.
#[derive(Deserialize)]
struct Logged {
    person: Person,
    action: String,
    first: Millis,
    last: Millis,
}

#[derive(Deserialize)]
struct Answer {
    log: Vec<Logged>,
}

impl Runtime {
    pub(crate) fn find_readers(self: &Rc<Self>, case: EventId) {
        let Some(room) = self.open_room() else { return };
        let renewing = self.client.readers.with_untracked(|all| {
            matches!(all, Some((of, Readers::Renewing { done, of: all })) if *of == case && done < all)
        });
        if renewing {
            return;
        }
        let (cids, before) = {
            let log = room.log.borrow();
            let Some(view) = log.as_ref().and_then(|log| log.state().case(&case)) else {
                return;
            };
            let given_up = view.new_keys.iter().flat_map(|new| &new.images);
            (
                view.images.iter().map(|image| image.cid.clone()).collect(),
                given_up.map(|image| image.was.clone()).collect(),
            )
        };
        self.client.readers.set(Some((case, Readers::Asking)));
        let runtime = self.clone();
        spawn_local(async move {
            let readers = runtime.readers(&room, case, cids, before).await;
            runtime.tell_readers(case, readers.unwrap_or_else(Readers::Failed));
        });
    }

    /// Shows this at the case, unless another one was asked about meanwhile.
    pub(super) fn tell_readers(&self, case: EventId, readers: Readers) {
        self.client.readers.update(|shown| {
            if let Some((of, shown)) = shown
                && *of == case
            {
                *shown = readers;
            }
        });
    }

    async fn readers(
        &self,
        room: &OpenRoom,
        case: EventId,
        cids: Vec<String>,
        given_up: Vec<String>,
    ) -> Result<Readers, Trouble> {
        if self.bootstrap.hosted.is_some() {
            return Ok(Readers::Known {
                rows: Vec::new(),
                before: Vec::new(),
                hint: UNLOGGED.to_owned(),
                keeps: room.keeps_keys(case),
            });
        }
        let (rows, silent) = self.readers_of(&cids).await?;
        let (mut before, silent_then) = self.readers_of(&given_up).await?;
        // Whoever gives an image a new key opens it with the old one.
        before.retain(|row| Some(row.person) != room.person.get());
        let silent = BTreeSet::from_iter(silent.into_iter().chain(silent_then));
        let mut hint = if !rows.is_empty() {
            "Who has had the key may have kept it, and the image with it."
        } else if before.is_empty() {
            "Nobody yet. Whoever shares a case sees it without the key nodes."
        } else {
            "Nobody yet has the key that it has now."
        }
        .to_owned();
        if !silent.is_empty() {
            let silent: Vec<String> = silent.into_iter().collect();
            hint = format!("{hint} {} did not answer.", silent.join(", "));
        }
        Ok(Readers::Known {
            rows,
            before,
            hint,
            keeps: room.keeps_keys(case),
        })
    }

    /// Who was given the key of any of these files, and which nodes did not say.
    async fn readers_of(&self, cids: &[String]) -> Result<(Vec<ReaderRow>, Vec<String>), Trouble> {
        let nodes = &self.bootstrap.key_nodes;
        let logs = join_all(nodes.iter().map(|node| async move {
            let logs = cids.iter().map(|cid| self.key_log(node, cid));
            let logs: Result<Vec<_>, _> = stream::iter(logs).buffered(AT_ONCE).try_collect().await;
            (node, logs)
        }))
        .await;
        let mut rows = BTreeMap::<Person, ReaderRow>::new();
        let mut silent = Vec::new();
        let mut reason = None;
        for (node, lines) in logs {
            let lines = match lines {
                Ok(lines) => lines,
                Err(error) => {
                    silent.push(node.name.clone());
                    reason = Some(error);
                    continue;
                }
            };
            let mut here = BTreeMap::<Person, (Millis, Millis)>::new();
            let given = |line: &Logged| line.action.starts_with("given_");
            for line in lines.into_iter().flatten().filter(given) {
                let (first, last) = here.entry(line.person).or_insert((line.first, line.last));
                *first = line.first.min(*first);
                *last = line.last.max(*last);
            }
            for (person, (first, last)) in here {
                let row = rows.entry(person).or_insert(ReaderRow {
                    person,
                    first,
                    last,
                    nodes: 0,
                });
                row.first = first.min(row.first);
                row.last = last.max(row.last);
                row.nodes += 1;
            }
        }
        match reason {
            Some(error) if silent.len() == nodes.len() => Err(trouble(
                format!("No key node says to whom it gave the key: {error}."),
                None,
                Some("Try again when there is a connection."),
            )),
            _ => {
                let mut rows: Vec<ReaderRow> = rows.into_values().collect();
                rows.sort_by_key(|row| row.first);
                Ok((rows, silent))
            }
        }
    }

    async fn key_log(&self, node: &KeyNodeInfo, cid: &str) -> Result<Vec<Logged>, HttpError> {
        let Some((me, delegation)) = self.signer() else {
            return Err(HttpError::NoSigner);
        };
        let scope = Scope::KeyLog {
            cid: cid.to_owned(),
        };
        let token = DeviceToken::sign(delegation, scope, now(), random::<16>(), &me.device);
        let url = format!("{}/api/keyLog/{}", node.url, node.id);
        let body = json!({ "address": me.person.to_string(), "cid": cid });
        let answer = post_json(&url, &body, Some(&token.to_bearer()), ANSWER_MS).await?;
        let answer: Answer = serde_json::from_value(answer)
            .map_err(|error| HttpError::Unreadable(error.to_string()))?;
        Ok(answer.log)
    }
}
