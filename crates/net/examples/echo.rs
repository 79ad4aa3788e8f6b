//! The other end of `crates/browser-tests`' gossip: our listener and our gossipsub as a process. It says its
//! WebRTC-direct address on one line, and answers each message of its topic with the same bytes, each inverted.

use futures::StreamExt;
use healthsync_net::{Keypair, gossip, native::webrtc::WebRtcListener, new_certificate};
use libp2p::{
    Swarm, Transport as _,
    core::muxing::StreamMuxerBox,
    gossipsub::{Event, IdentTopic, MessageAcceptance, PublishError},
    multiaddr::Protocol,
    swarm::{Config, SwarmEvent},
};

#[tokio::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let keypair = Keypair::generate_ed25519();
    let peer = keypair.public().to_peer_id();
    let transport = WebRtcListener::new(keypair.clone(), &new_certificate()?)?
        .map(|(peer, connection), _| (peer, StreamMuxerBox::new(connection)))
        .boxed();
    let config =
        Config::with_tokio_executor().with_idle_connection_timeout(std::time::Duration::MAX);
    let mut swarm = Swarm::new(transport, gossip::behaviour(&keypair), peer, config);
    swarm.listen_on("/ip4/127.0.0.1/udp/0/webrtc-direct".parse()?)?;
    let topic = IdentTopic::new("echo");
    swarm.behaviour_mut().subscribe(&topic)?;
    loop {
        match swarm.select_next_some().await {
            SwarmEvent::NewListenAddr { address, .. } => {
                println!("{}", address.with(Protocol::P2p(peer)));
            }
            SwarmEvent::Behaviour(Event::Subscribed { peer_id, .. }) => {
                swarm.behaviour_mut().add_explicit_peer(&peer_id);
            }
            SwarmEvent::Behaviour(Event::Message {
                propagation_source,
                message_id,
                message,
            }) => {
                let answer: Vec<u8> = message.data.iter().map(|byte| !byte).collect();
                let gossip = swarm.behaviour_mut();
                gossip.report_message_validation_result(
                    &message_id,
                    &propagation_source,
                    MessageAcceptance::Accept,
                );
                match gossip.publish(topic.clone(), answer) {
                    // The peer has gone meanwhile.
                    Ok(_) | Err(PublishError::NoPeersSubscribedToTopic) => {}
                    Err(error) => return Err(error.into()),
                }
            }
            _ => {}
        }
    }
}
