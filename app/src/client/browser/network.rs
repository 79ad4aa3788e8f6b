//! The page's connection: its settings, its status on screen, its gossip to the open room. It begins with any page, before
//! a wallet is connected.

use std::{rc::Rc, sync::Arc};

use futures::{StreamExt, channel::mpsc};
use healthsync_net::{
    Multiaddr, NetEvent, Node, NodeConfig, NodeHandle, Prefer, State, Status,
    Transport as NetTransport, websocket_multiaddr,
};
use leptos::prelude::*;
use wasm_bindgen::{JsCast, closure::Closure};

use super::{
    files::shelf::Shelf,
    node::{self, Share},
    platform::{document, now, window},
    runtime::Runtime,
};
use crate::client::model::{Bootstrap, Client, Network, Transport};

/// `auto` (or nothing), `websocket` or `webrtc`: which transport this browser uses.
const TRANSPORT_SETTING: &str = "healthsync.transport";

pub(crate) type Started = (NodeHandle, mpsc::Receiver<NetEvent>, Share);

pub(crate) fn start(bootstrap: &Bootstrap) -> Result<Started, String> {
    let location = window().location();
    let text = |part: Result<String, _>| {
        part.map_err(|_| "The page's own address cannot be read.".to_owned())
    };
    let tls = text(location.protocol())? == "https:";
    let port = text(location.port())?
        .parse()
        .unwrap_or(if tls { 443 } else { 80 });
    let relay = bootstrap
        .peer_id
        .parse()
        .map_err(|_| "The server does not say who its relay is.".to_owned())?;
    let webrtc = bootstrap
        .addresses
        .iter()
        .filter_map(|address| address.parse::<Multiaddr>().ok())
        .find(|address| NetTransport::of(address) == Some(NetTransport::WebRtc));
    let config = NodeConfig {
        ws_url_multiaddr: websocket_multiaddr(&text(location.hostname())?, port, tls, "/p2p"),
        webrtc,
        prefer: preference(),
        relay,
    };
    let (stun, shelf) = (bootstrap.stun.clone(), Arc::new(Shelf::default()));
    let gives = shelf.clone();
    let begin = move || Node::start(config.clone(), stun.clone(), gives.clone());
    Ok(node::start(&bootstrap.peer_id, Box::new(begin), shelf))
}

fn preference() -> Prefer {
    let storage = window().local_storage().ok().flatten();
    let setting = storage.and_then(|storage| storage.get_item(TRANSPORT_SETTING).ok().flatten());
    match setting.as_deref() {
        Some("websocket") => Prefer::WebSocket,
        Some("webrtc") => Prefer::WebRtc,
        _ => Prefer::Auto,
    }
}

/// Follows the node as long as the page lives.
pub(crate) async fn follow(runtime: Rc<Runtime>, mut events: mpsc::Receiver<NetEvent>) {
    listen_to_browser(&runtime);
    let fetches = runtime.clone();
    runtime.shelf.serve(move |wanted| fetches.fetch_for(wanted));
    while let Some(event) = events.next().await {
        match event {
            NetEvent::Status(status) => runtime.network_changed(status),
            NetEvent::Gossip { room, kind, bytes } => runtime.on_gossip(room, kind, bytes),
            NetEvent::Missed => {
                if let Some(room) = runtime.open_room() {
                    runtime.pull_soon(&room);
                }
            }
        }
    }
}

/// Shows the node's status where there is no runtime, because the browser keeps nothing for this page.
pub(crate) async fn follow_status(client: Client, mut events: mpsc::Receiver<NetEvent>) {
    while let Some(event) = events.next().await {
        if let NetEvent::Status(status) = event {
            client.direct.set(status.direct_peers);
            client.network.set(network(&status));
        }
    }
}

fn network(status: &Status) -> Network {
    match (status.state, status.transport) {
        (State::Connected, Some(transport)) => Network::Connected {
            transport: match transport {
                NetTransport::WebRtc => Transport::WebRtc,
                NetTransport::WebSocket => Transport::WebSocket,
            },
            rtt_ms: status.rtt_ms,
            fallback: status.reason.clone(),
            since: status.since,
        },
        (State::Connecting, _) if status.reason.is_none() => Network::Starting,
        (State::Connecting | State::Offline | State::Connected, _) => Network::Offline {
            since: status.since,
            reason: status
                .reason
                .clone()
                .unwrap_or_else(|| "There is no connection to the relay.".into()),
        },
    }
}

impl Runtime {
    /// Shows what the node says. It says nothing twice, so its last word is kept for when the device is back.
    fn network_changed(self: &Rc<Self>, status: Status) {
        self.client.direct.set(status.direct_peers);
        self.show_network(network(&status));
        self.network_said.replace(Some(status));
    }

    fn show_network(self: &Rc<Self>, shown: Network) {
        let online = matches!(shown, Network::Connected { .. });
        let was = self.online.replace(online);
        self.client.network.set(shown);
        if online && !was {
            self.back_online();
        } else if !online && was {
            self.gone_offline();
        }
    }

    fn gone_offline(self: &Rc<Self>) {
        if let Some(room) = self.open_room() {
            room.joined.set(false);
            room.syncing.stop();
            self.repaint(&room);
        }
    }

    /// Everything that waited: the open room, the list, key shares that a node has not confirmed.
    fn back_online(self: &Rc<Self>) {
        if let Some(room) = self.open_room() {
            self.load_room(&room);
        }
        if self.list.wanted.get() && self.open_room().is_none() {
            self.load_rooms();
        }
        self.bring_leftover_shares();
    }
}

/// The browser's own signs: network back or gone, page shown again, page going away.
fn listen_to_browser(runtime: &Rc<Runtime>) {
    let on = |target: &web_sys::EventTarget,
              name: &str,
              runtime: &Rc<Runtime>,
              act: fn(&Rc<Runtime>)| {
        let runtime = runtime.clone();
        let listener = Closure::<dyn Fn()>::new(move || act(&runtime));
        // Fails only for a browser without events.
        let _ = target.add_event_listener_with_callback(name, listener.as_ref().unchecked_ref());
        listener.forget();
    };
    let window = window();
    on(&window, "online", runtime, |runtime| {
        // A WebRTC link may have lived through it; if not, the node finds out and says so.
        if let Some(status) = runtime.network_said.borrow().as_ref() {
            runtime.show_network(network(status));
        }
        runtime.node.wake();
    });
    on(&window, "pageshow", runtime, |runtime| runtime.node.wake());
    on(&document(), "visibilitychange", runtime, |runtime| {
        if super::is_visible() {
            runtime.node.wake();
            runtime.check_room();
        } else {
            // A phone may never show it again.
            runtime.keep_typed();
        }
    });
    on(&window, "offline", runtime, |runtime| {
        runtime.show_network(Network::Offline {
            since: now(),
            reason: "This device has no network.".into(),
        });
        runtime.node.wake();
    });
    on(&window, "pagehide", runtime, |runtime| {
        runtime.keep_typed();
        if let Some(room) = runtime.open_room() {
            runtime.say_bye(&room);
        }
    });
}
