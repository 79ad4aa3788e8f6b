//! The browser's transports as dialers of a node that others have written: js-libp2p, listening in a process of its own
//! (`end2end/interop/echo.mjs`), whose addresses are `globalThis.others`. It answers gossip with each byte inverted, and
//! says over gossip what it has learnt of us by identify and ping.

use std::{collections::HashSet, time::Duration};

use futures::StreamExt;
use healthsync_net::{Keypair, Multiaddr, PeerId, browser, gossip};
use libp2p::{
    Swarm,
    core::{muxing::StreamMuxerBox, transport::Boxed},
    gossipsub::{self, IdentTopic, MessageAcceptance},
    identify, ping,
    swarm::{Config, NetworkBehaviour, SwarmEvent},
};
use wasm_bindgen::{JsCast, JsValue, prelude::wasm_bindgen};

const AGENT: &str = "browser-tests";
/// The longest is more than one message of a data channel and than one frame of noise.
const BYTES: [usize; 6] = [1, 200, 8_000, 17_000, 60_000, 200_000];

#[derive(NetworkBehaviour)]
struct Behaviour {
    identify: identify::Behaviour,
    ping: ping::Behaviour,
    gossip: gossip::Gossip,
}

/// What has to happen until the two understand each other.
#[derive(Default)]
struct Heard {
    identified: bool,
    pinged: bool,
    /// The other side has identified and pinged us.
    known_there: bool,
    answers: HashSet<usize>,
}

impl Heard {
    fn all(&self) -> bool {
        self.identified && self.pinged && self.known_there && self.answers.len() == BYTES.len()
    }

    fn take(&mut self, data: &[u8]) {
        match data.split_first() {
            Some((b'!', said)) => {
                let said: serde_json::Value = serde_json::from_slice(said).unwrap();
                assert_eq!(said["agent"], AGENT);
                assert!(said["ping"].as_f64().unwrap() >= 0.0);
                self.known_there = true;
            }
            _ => {
                assert!(data.iter().all(|byte| *byte == !7), "changed on the way");
                assert!(BYTES.contains(&data.len()), "{} bytes", data.len());
                assert!(self.answers.insert(data.len()), "it has come twice");
            }
        }
    }
}

/// The other node's address that has `part` in it.
fn address(part: &str) -> Multiaddr {
    let all = js_sys::Reflect::get(&js_sys::global(), &JsValue::from_str("others")).unwrap();
    all.unchecked_into::<js_sys::Array>()
        .iter()
        .filter_map(|address| address.as_string())
        .find(|address| address.contains(part))
        .unwrap()
        .parse()
        .unwrap()
}

/// Each test has a topic of its own: js-libp2p passes on to whoever comes later what others have said.
async fn understands(part: &str, keypair: Keypair, transport: Boxed<(PeerId, StreamMuxerBox)>) {
    let identify = identify::Config::new("browser-tests/1".to_owned(), keypair.public())
        .with_agent_version(AGENT.to_owned());
    let behaviour = Behaviour {
        identify: identify::Behaviour::new(identify),
        ping: ping::Behaviour::default(),
        gossip: gossip::behaviour(&keypair),
    };
    let config =
        Config::with_wasm_executor().with_idle_connection_timeout(Duration::from_secs(3_600));
    let mut swarm = Swarm::new(transport, behaviour, keypair.public().to_peer_id(), config);
    let topic = IdentTopic::new(part);
    swarm.behaviour_mut().gossip.subscribe(&topic).unwrap();
    swarm.dial(address(part)).unwrap();
    let mut heard = Heard::default();
    while !heard.all() {
        match swarm.select_next_some().await {
            SwarmEvent::Behaviour(BehaviourEvent::Identify(identify::Event::Received {
                info,
                ..
            })) => {
                assert!(info.agent_version.contains("js-libp2p"), "{info:?}");
                for protocol in ["/ipfs/ping/1.0.0", "/meshsub/1.1.0"] {
                    let speaks = info.protocols.iter().any(|one| *one == protocol);
                    assert!(speaks, "{info:?}");
                }
                heard.identified = true;
            }
            SwarmEvent::Behaviour(BehaviourEvent::Ping(event)) => {
                event.result.unwrap();
                heard.pinged = true;
            }
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Subscribed {
                peer_id,
                topic: theirs,
            })) if theirs == topic.hash() => {
                let gossip = &mut swarm.behaviour_mut().gossip;
                gossip.add_explicit_peer(&peer_id);
                for bytes in BYTES {
                    gossip.publish(topic.clone(), vec![7; bytes]).unwrap();
                }
            }
            SwarmEvent::Behaviour(BehaviourEvent::Gossip(gossipsub::Event::Message {
                propagation_source,
                message_id,
                message,
            })) => {
                heard.take(&message.data);
                swarm
                    .behaviour_mut()
                    .gossip
                    .report_message_validation_result(
                        &message_id,
                        &propagation_source,
                        MessageAcceptance::Accept,
                    );
            }
            SwarmEvent::ConnectionClosed { cause, .. } => panic!("cut: {cause:?}"),
            SwarmEvent::OutgoingConnectionError { error, .. } => panic!("{error}"),
            _ => {}
        }
    }
}

#[wasm_bindgen]
pub async fn test_a_js_libp2p_listener_is_understood_over_websocket() {
    let keypair = Keypair::generate_ed25519();
    let transport = browser::websocket(&keypair);
    understands("/ws/", keypair, transport).await;
}

/// It knows version 1 of WebRTC-direct only.
#[wasm_bindgen]
pub async fn test_a_js_libp2p_listener_is_understood_over_webrtc_direct() {
    let keypair = Keypair::generate_ed25519();
    let transport = browser::webrtc(keypair.clone());
    understands("/webrtc-direct/", keypair, transport).await;
}
