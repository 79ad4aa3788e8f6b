//! A page of ours without views, for `end2end/bench/net.mjs`: the browser's node as the app starts it, a wallet and a device
//! made up for it. JavaScript says what to send and is told what comes. Built for browsers only.

#![cfg(all(target_arch = "wasm32", target_os = "unknown"))]

use std::{
    cell::RefCell,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{
    FutureExt, StreamExt,
    channel::mpsc,
    future::{BoxFuture, ready},
};
use healthsync_core::{
    Delegation, DeviceSecret, Envelope, Event, EventId, Kind, Millis, RoomId, RoomKey,
    SignedDelegation, SignedEvent, VersionVector, eth,
};
use healthsync_lighthouse::{cid_and_leaves, cid_of_leaves};
use healthsync_net::{
    ContentId, GossipKind, Layout, NetEvent, Node, NodeConfig, NodeHandle, PeerId, Prefer, State,
    blob::{self, fetch::Fetch},
    websocket_multiaddr,
};
use js_sys::Function;
use wasm_bindgen::prelude::{JsError, JsValue, wasm_bindgen};

type Outcome<T> = Result<T, JsError>;

/// One content, in memory.
#[derive(Debug, Default)]
struct Shelf(Mutex<Option<(ContentId, Layout, Vec<u8>)>>);

impl blob::Shelf for Shelf {
    fn layout(&self, _: &RoomId, wanted: &ContentId) -> Option<Layout> {
        let there = self.0.lock().ok()?;
        let (content, layout, _) = there.as_ref()?;
        (content == wanted).then(|| layout.clone())
    }

    fn chunk(&self, _: &ContentId, index: u32) -> BoxFuture<'static, Option<Vec<u8>>> {
        let there = self.0.lock().ok();
        let bytes = there.as_ref().and_then(|there| there.as_ref());
        let chunk = bytes.and_then(|(_, _, bytes)| bytes.chunks(blob::CHUNK).nth(index as usize));
        ready(chunk.map(<[u8]>::to_vec)).boxed()
    }
}

/// Where this page's device stands in the room.
#[derive(Debug)]
struct Place {
    room: RoomId,
    delegation: SignedDelegation,
    last: RefCell<(u64, Option<EventId>)>,
}

/// One member's page.
#[wasm_bindgen]
#[derive(Debug)]
pub struct Page {
    node: NodeHandle,
    device: DeviceSecret,
    shelf: Arc<Shelf>,
    events: Option<mpsc::Receiver<NetEvent>>,
    place: Option<Place>,
}

#[wasm_bindgen]
impl Page {
    /// Dials a relay by `websocket` or `webrtc-direct`, and is there when the app would call it connected: a ping of ours and a
    /// question of the relay's were answered.
    pub async fn dial(port: u16, webrtc: &str, relay: &str, transport: &str) -> Outcome<Page> {
        let config = NodeConfig {
            ws_url_multiaddr: websocket_multiaddr("127.0.0.1", port, false, "/p2p"),
            webrtc: Some(webrtc.parse()?),
            prefer: match transport {
                "websocket" => Prefer::WebSocket,
                _ => Prefer::WebRtc,
            },
            relay: relay.parse()?,
        };
        let shelf = Arc::<Shelf>::default();
        let (node, mut events) = Node::start(config, Vec::new(), shelf.clone());
        loop {
            match events.next().await {
                Some(NetEvent::Status(status)) if status.state == State::Connected => break,
                Some(_) => {}
                None => return Err(JsError::new("the node has ended")),
            }
        }
        let mut seed = [0; 32];
        getrandom::fill(&mut seed)?;
        Ok(Page {
            node,
            device: DeviceSecret::from_bytes(seed),
            shelf,
            events: Some(events),
            place: None,
        })
    }

    /// Joins a room as the person of this wallet, and asks for what is there, as the app does. From then on `heard` is told of
    /// each message: an event's number, or the first four bytes of what is not kept.
    pub async fn enter(
        mut self,
        wallet: Vec<u8>,
        room: &str,
        chain: u64,
        heard: Function,
    ) -> Outcome<Page> {
        let wallet: [u8; 32] = wallet.as_slice().try_into()?;
        let room: RoomId = room.parse()?;
        let now = (js_sys::Date::now() / 1e3) as u64;
        let delegation = Delegation {
            person: eth::person_of_secret(&wallet)?,
            device: self.device.public(),
            issued_at: now - 60,
            expires_at: now + 3_600,
            chain_id: chain,
        };
        let signature = eth::sign_hash(&delegation.signing_hash(), &wallet)?;
        let delegation = SignedDelegation {
            delegation,
            signature,
        };
        let mut events = self
            .events
            .take()
            .ok_or_else(|| JsError::new("in a room already"))?;
        wasm_bindgen_futures::spawn_local(async move {
            while let Some(event) = events.next().await {
                let NetEvent::Gossip { kind, bytes, .. } = event else {
                    continue;
                };
                let number = match kind {
                    GossipKind::Envelope => Envelope::decode_unverified(&bytes)
                        .map_or(0.0, |envelope| envelope.seq as f64),
                    GossipKind::Ephemeral => bytes
                        .first_chunk()
                        .map_or(0.0, |number| f64::from(u32::from_be_bytes(*number))),
                };
                // A function that throws would only lose a number.
                let _ = heard.call1(&JsValue::NULL, &number.into());
            }
        });
        self.node
            .join(room, delegation.clone(), &self.device)
            .await?;
        self.node.pull(room, VersionVector::default(), 100).await?;
        self.place = Some(Place {
            room,
            delegation,
            last: RefCell::default(),
        });
        Ok(self)
    }

    /// The next event of this device, with a text of `size` bytes, sealed. The first brings the delegation.
    pub fn event(&self, size: usize) -> Outcome<Vec<u8>> {
        let place = self.place()?;
        let mut last = place.last.borrow_mut();
        let seq = last.0 + 1;
        let event = Event {
            v: 1,
            room: place.room,
            person: place.delegation.delegation.person,
            device: self.device.public(),
            seq,
            prev: last.1,
            lamport: seq,
            at: Millis(js_sys::Date::now() as u64),
            kind: match seq {
                1 => Kind::Delegation {
                    delegation: place.delegation.clone(),
                },
                _ => Kind::message("x".repeat(size)),
            },
        };
        let signed = SignedEvent::sign(event, &self.device);
        *last = (seq, Some(signed.id()));
        let key = RoomKey::from_master(&[9; 32], &place.room, 0);
        Ok(Envelope::seal_anew(&signed, &key, 0, &self.device).encode())
    }

    /// Sends live; `false` when so much waits that it was not taken.
    pub fn publish(&self, bytes: &[u8], kept: bool) -> Outcome<bool> {
        let kind = if kept {
            GossipKind::Envelope
        } else {
            GossipKind::Ephemeral
        };
        Ok(self.node.publish(self.place()?.room, kind, bytes).is_ok())
    }

    /// Hands events over as the app's outbox does, as many at a time as fit; gives how many were refused.
    pub async fn hand_over(&self, envelopes: Vec<js_sys::Uint8Array>) -> Outcome<usize> {
        let room = self.place()?.room;
        let mut waiting: Vec<Vec<u8>> = envelopes.iter().map(js_sys::Uint8Array::to_vec).collect();
        let mut refused = 0;
        while !waiting.is_empty() {
            let rest = waiting.split_off(NodeHandle::fitting(&waiting));
            refused += self.node.push(room, waiting).await?.rejected.len();
            waiting = rest;
        }
        Ok(refused)
    }

    pub fn peer_id(&self) -> String {
        self.node
            .peer_id()
            .map_or_else(String::new, |peer| peer.to_string())
    }

    /// Lets another member's node link directly, and says whether it has. To be asked again.
    pub async fn meet(&self, other: &str) -> Outcome<bool> {
        let other: PeerId = other.parse()?;
        let room = self.place()?.room;
        self.node.set_members(room, vec![other]);
        Ok(self.node.linked(room).await.contains(&other))
    }

    /// Puts content on the shelf; gives its id.
    pub async fn offer(&self, bytes: Vec<u8>) -> Vec<u8> {
        let (cid, digests) = cid_and_leaves(&bytes).await;
        let size = bytes.len() as u64;
        let content = (cid.to_bytes(), Layout { size, digests }, bytes);
        if let Ok(mut there) = self.shelf.0.lock() {
            *there = Some(content);
        }
        cid.to_bytes().to_vec()
    }

    /// Fetches content from linked members; gives how many bytes have come and were proved.
    pub async fn fetch(&self, content: Vec<u8>) -> Outcome<usize> {
        let proves = |content: &ContentId, layout: &Layout| {
            cid_of_leaves(layout.size, &layout.digests).to_bytes() == *content
        };
        let content = content.as_slice().try_into()?;
        let mut fetch = Fetch::new(self.place()?.room, content, 1 << 30, proves);
        let patience = Some(Duration::from_secs(10));
        self.node.fetch(&mut fetch, patience, |_, _| {}).await;
        Ok(fetch.take_bytes().map_or(0, |(_, bytes)| bytes.len()))
    }

    /// Ends the node.
    pub fn close(self) {
        self.node.close();
    }

    fn place(&self) -> Outcome<&Place> {
        self.place
            .as_ref()
            .ok_or_else(|| JsError::new("in no room"))
    }
}
