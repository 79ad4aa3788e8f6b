//! Keys from the key nodes: one lookup at all five at once, shares sealed to this browser (bare ones from nodes that know
//! no other, see `hosted`), any three good ones used.

use std::{cell::RefCell, collections::BTreeSet, rc::Rc};

use base64::{Engine, prelude::BASE64_STANDARD};
use healthsync_core::{DeviceToken, Scope, SignedDelegation};
use healthsync_lighthouse::{SealKeyPair, Share};

use crate::{
    api::{self, ApiError, KeyShareRequest, NodeResult},
    client::{
        browser::{
            http::within,
            platform::{now, random, sleep},
            runtime::{Me, Runtime, trouble},
        },
        model::{KeyNodeInfo, KeyProgress, NodeShare, ToastKind, Trouble},
    },
};

/// Shares needed to put a key together, of five.
pub(crate) const NEEDED: usize = 3;
const LOOKUP_MS: u32 = 30_000;
/// Times a lookup is sent that does not get through, with growing pauses between.
const TRIES: u32 = 3;
const PAUSE_MS: u32 = 500;

/// What the nodes said.
#[derive(Debug)]
pub(crate) struct Shares {
    /// Node number and share, of the nodes that gave one.
    pub good: Vec<(usize, Share)>,
    pub progress: KeyProgress,
}

/// What one node said.
#[derive(Debug)]
pub(crate) struct Said {
    pub node: u8,
    pub name: String,
    pub state: NodeShare,
    pub share: Option<Share>,
}

/// Why there are not enough shares.
#[derive(Debug)]
pub(crate) enum NoKey {
    /// The nodes say that this person may not have it.
    Denied,
    Failed(Trouble),
}

impl Runtime {
    /// All nodes as asked, for the first sight of a lookup.
    pub(crate) fn asked(&self) -> KeyProgress {
        let nodes = self
            .bootstrap
            .key_nodes
            .iter()
            .map(|node| (node.clone(), NodeShare::Asked))
            .collect();
        KeyProgress {
            needed: NEEDED as u8,
            nodes,
        }
    }

    pub(crate) fn node_name(&self, node: usize) -> String {
        let known = self
            .bootstrap
            .key_nodes
            .iter()
            .find(|known| usize::from(known.id) == node);
        known.map_or_else(|| format!("Node {node}"), |known| known.name.clone())
    }

    /// Asks all key nodes for their share of the key under `cid`. The shares are sealed to a key pair made for this
    /// lookup, so the server that passes them on cannot read them.
    pub(crate) async fn lookup(self: &Rc<Self>, cid: &str) -> Result<Shares, NoKey> {
        self.look_up(cid, false).await
    }

    /// The same once more, and every node gets the time that a node gets: for when a wrong share was among the first
    /// answers, so that not enough right ones were.
    pub(crate) async fn lookup_all(self: &Rc<Self>, cid: &str) -> Result<Shares, NoKey> {
        self.look_up(cid, true).await
    }

    async fn look_up(self: &Rc<Self>, cid: &str, all: bool) -> Result<Shares, NoKey> {
        let Some((me, delegation)) = self.signer() else {
            return Err(NoKey::Failed(trouble(
                "The key nodes ask for this browser's signature, and it may not sign for you yet.",
                None,
                Some("Sign in the wallet, then try again."),
            )));
        };
        let answers = match self.at_host() {
            Some(host) => host.ask(cid, all).await.map_err(|error| error.to_string()),
            None => ask(&me, &delegation, cid, all).await,
        };
        let answers = answers.map_err(|error| {
            NoKey::Failed(trouble(
                format!("The key nodes could not be asked: {error}."),
                None,
                Some("Try again."),
            ))
        })?;

        let mut progress = self.asked();
        let mut good = Vec::new();
        for said in answers {
            if let Some(share) = said.share {
                good.push((usize::from(said.node), share));
            }
            match progress
                .nodes
                .iter_mut()
                .find(|(node, _)| node.id == said.node)
            {
                Some((_, state)) => *state = said.state,
                None => progress
                    .nodes
                    .push((unknown_node(said.node, said.name), said.state)),
            }
        }
        for (_, state) in &mut progress.nodes {
            if *state == NodeShare::Asked {
                *state = NodeShare::Down {
                    reason: "no answer".into(),
                };
            }
        }
        if good.len() >= NEEDED {
            self.tell_of_silent_nodes(&progress);
            return Ok(Shares { good, progress });
        }
        Err(too_few(&progress))
    }

    /// Names the nodes that were not needed after all, each once a page: whoever runs them wants to know.
    fn tell_of_silent_nodes(&self, progress: &KeyProgress) {
        for (node, state) in &progress.nodes {
            let what = match state {
                NodeShare::Down { reason } => format!("gave no key share: {reason}"),
                NodeShare::Wrong => "gave a key share that cannot be read".to_owned(),
                NodeShare::Asked | NodeShare::Good { .. } | NodeShare::Denied { .. } => continue,
            };
            if TOLD.with_borrow_mut(|told| told.insert(node.id)) {
                self.toast(
                    ToastKind::Info,
                    format!("{} {what}. The other nodes were enough.", node.name),
                );
            }
        }
    }
}

/// Asks nodes of our kind, by way of the server.
async fn ask(
    me: &Me,
    delegation: &SignedDelegation,
    cid: &str,
    all: bool,
) -> Result<Vec<Said>, String> {
    let pair = SealKeyPair::from_seed(random::<32>());
    let ask = || {
        let scope = Scope::GetKey {
            cid: cid.to_owned(),
            seal_to: pair.digest(),
        };
        // Each node takes a token once, so each try has its own.
        let token = DeviceToken::sign(delegation.clone(), scope, now(), random::<16>(), &me.device);
        let request = KeyShareRequest {
            cid: cid.to_owned(),
            bearer: token.to_bearer(),
            seal_to: BASE64_STANDARD.encode(pair.public()),
            all,
        };
        within(LOOKUP_MS, api::key_shares(request))
    };
    let mut tried = 1;
    let answers = loop {
        let answered = ask()
            .await
            .unwrap_or_else(|| Err(ApiError::Transport("it did not answer in time".into())));
        match answered {
            Err(ApiError::Transport(_)) if tried < TRIES => {
                sleep(PAUSE_MS * tried).await;
                tried += 1;
            }
            other => break other,
        }
    };
    let said = answers
        .map_err(|error| error.to_string())?
        .into_iter()
        .map(|answer| {
            let mut share = None;
            let state = match answer.result {
                NodeResult::Share { sealed } => {
                    let sealed = BASE64_STANDARD.decode(sealed).ok();
                    share = sealed.and_then(|sealed| pair.open(&sealed, answer.node, cid).ok());
                    match share {
                        Some(_) => NodeShare::Good { ms: answer.ms },
                        None => NodeShare::Wrong,
                    }
                }
                NodeResult::Denied { reason } => NodeShare::Denied { reason },
                NodeResult::Failed { reason } => NodeShare::Down { reason },
            };
            Said {
                node: answer.node,
                name: answer.name,
                state,
                share,
            }
        });
    Ok(said.collect())
}

thread_local! {
    /// Nodes that were named on this page.
    static TOLD: RefCell<BTreeSet<u8>> = const { RefCell::new(BTreeSet::new()) };
}

fn unknown_node(id: u8, name: String) -> KeyNodeInfo {
    KeyNodeInfo {
        id,
        name,
        url: String::new(),
        embedded: false,
    }
}

fn too_few(progress: &KeyProgress) -> NoKey {
    let count = |wanted: fn(&NodeShare) -> bool| {
        progress
            .nodes
            .iter()
            .filter(|(_, state)| wanted(state))
            .count()
    };
    let denied = count(|state| matches!(state, NodeShare::Denied { .. }));
    // So many say no that the rest cannot make up for it.
    if denied > 0 && progress.nodes.len() - denied < NEEDED {
        return NoKey::Denied;
    }
    let silent: Vec<&str> = progress
        .nodes
        .iter()
        .filter(|(_, state)| !matches!(state, NodeShare::Good { .. }))
        .map(|(node, _)| node.name.as_str())
        .collect();
    NoKey::Failed(trouble(
        format!(
            "{} of {NEEDED} needed key shares came. No usable share from {}.",
            progress.good(),
            silent.join(", ")
        ),
        None,
        Some("Try again when the key nodes answer."),
    ))
}

/// "Node 4" or "Node 2 and Node 4".
pub(crate) fn list_names(names: &[String]) -> String {
    match names {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}
