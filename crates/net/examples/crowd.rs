//! Many people at one relay, for `end2end/bench/rooms.mjs`.
//!
//! `crowd addresses N` prints the addresses of their wallets, one a line. `crowd talk HOST:PORT RELAY CHAIN ROOM N WRITERS EVENTS`,
//! with the room's master key in `MASTER` (hex), connects all of them, joins the room, says so on a line, and waits for a
//! line, so that the relay's memory can be read; then everybody hears what one says, and at last the writers hand EVENTS
//! over to the mailbox. Each step ends with a line of JSON.

use std::{
    collections::BTreeMap,
    error::Error,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, Instant, SystemTime},
};

use futures::{FutureExt, StreamExt, channel::mpsc, future};
use healthsync_core::{
    Delegation, DeviceSecret, Envelope, Event, EventId, Kind, Millis, RoomId, RoomKey,
    SignedDelegation, SignedEvent, eth,
};
use healthsync_net::{
    GossipKind, Keypair, NetEvent, NodeConfig, NodeHandle, Prefer, State, blob, client,
    native::Dialer, websocket_multiaddr,
};
use libp2p::{
    PeerId, Transport,
    core::{muxing::StreamMuxerBox, transport::Boxed, upgrade::Version},
    noise, yamux,
};

/// People who connect at the same time.
const AT_ONCE: usize = 20;
/// Messages that everybody is to hear.
const HEARD: usize = 50;

type Outcome<T> = Result<T, Box<dyn Error>>;

/// Where the talk is.
struct Place {
    config: NodeConfig,
    chain: u64,
    room: RoomId,
    key: RoomKey,
    /// The room's Lamport clock.
    clock: AtomicU64,
}

struct Someone {
    device: DeviceSecret,
    delegation: SignedDelegation,
    node: NodeHandle,
    events: mpsc::Receiver<NetEvent>,
    seq: u64,
    prev: Option<EventId>,
}

/// The secret of wallet and device `n`: the same in each run, worth nothing.
fn secret(n: usize) -> [u8; 32] {
    let mut secret = [7; 32];
    secret[..8].copy_from_slice(&(n as u64 + 1).to_be_bytes());
    secret
}

fn now() -> Millis {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH);
    Millis(since.map_or(0, |since| since.as_millis() as u64))
}

fn transport(keypair: &Keypair) -> Outcome<Boxed<(PeerId, StreamMuxerBox)>> {
    Ok(Dialer
        .upgrade(Version::V1Lazy)
        .authenticate(noise::Config::new(keypair)?)
        .multiplex(yamux::Config::default())
        .map(|(peer, muxer), _| (peer, StreamMuxerBox::new(muxer)))
        .boxed())
}

impl Someone {
    /// Connects and joins.
    async fn come(n: usize, place: &Place) -> Outcome<Self> {
        let (wallet, device) = (secret(n), DeviceSecret::from_bytes(secret(n)));
        let delegation = Delegation {
            person: eth::person_of_secret(&wallet)?,
            device: device.public(),
            issued_at: now().seconds() - 60,
            expires_at: now().seconds() + 3_600,
            chain_id: place.chain,
        };
        let signature = eth::sign_hash(&delegation.signing_hash(), &wallet)?;
        let delegation = SignedDelegation {
            delegation,
            signature,
        };
        let keypair = Keypair::generate_ed25519();
        let no_links = |_, _| {
            let unsupported = std::io::ErrorKind::Unsupported;
            future::ready(Err(unsupported.into())).boxed()
        };
        let parts = client::Parts {
            transport: transport(&keypair)?,
            finish: Arc::new(no_links),
            swarm: libp2p::swarm::Config::with_tokio_executor(),
            shelf: Arc::new(blob::Empty),
        };
        let (node, mut events, actor) = client::start(place.config.clone(), &keypair, parts);
        tokio::spawn(actor);
        while let Some(event) = events.next().await {
            if matches!(event, NetEvent::Status(status) if status.state == State::Connected) {
                break;
            }
        }
        node.join(place.room, delegation.clone(), &device).await?;
        Ok(Self {
            device,
            delegation,
            node,
            events,
            seq: 0,
            prev: None,
        })
    }

    /// The next event of this device, sealed. The first brings the delegation.
    fn say(&mut self, place: &Place) -> Vec<u8> {
        self.seq += 1;
        let lamport = place.clock.fetch_add(1, Ordering::Relaxed);
        let kind = if self.seq == 1 {
            Kind::Delegation {
                delegation: self.delegation.clone(),
            }
        } else {
            Kind::message(format!(
                "Finding {lamport}: solid nodule in the right upper lobe, found before a hip operation."
            ))
        };
        let event = Event {
            v: 1,
            room: place.room,
            person: self.delegation.delegation.person,
            device: self.device.public(),
            seq: self.seq,
            prev: self.prev,
            lamport,
            at: now(),
            kind,
        };
        let signed = SignedEvent::sign(event, &self.device);
        self.prev = Some(signed.id());
        Envelope::seal_anew(&signed, &place.key, 0, &self.device).encode()
    }

    /// Hands events over one by one; gives how long each took to be stored.
    async fn hand_over(&mut self, place: &Place, count: usize) -> Outcome<Vec<Duration>> {
        let mut took = Vec::with_capacity(count);
        for _ in 0..count {
            let envelope = self.say(place);
            let started = Instant::now();
            let stored = self.node.push(place.room, vec![envelope]).await?;
            if let Some((_, why)) = stored.rejected.first() {
                return Err(why.clone().into());
            }
            took.push(started.elapsed());
            // Live messages of the others are not what is measured.
            while self.events.try_recv().is_ok() {}
        }
        Ok(took)
    }
}

/// One speaks, all others hear: how long until the last of them has.
async fn heard(people: &mut [Someone], place: &Place) -> Outcome<Vec<Duration>> {
    let mut took = Vec::new();
    let Some((speaker, others)) = people.split_first_mut() else {
        return Ok(took);
    };
    for _ in 0..HEARD {
        let envelope = speaker.say(place);
        let started = Instant::now();
        speaker
            .node
            .publish(place.room, GossipKind::Envelope, &envelope)?;
        future::join_all(others.iter_mut().map(async |one| {
            while let Some(event) = one.events.next().await {
                if matches!(
                    event,
                    NetEvent::Gossip {
                        kind: GossipKind::Envelope,
                        ..
                    }
                ) {
                    break;
                }
            }
        }))
        .await;
        took.push(started.elapsed());
        speaker.node.push(place.room, vec![envelope]).await?;
    }
    Ok(took)
}

fn percentile(all: &mut [Duration], part: usize) -> f64 {
    all.sort_unstable();
    let at = (all.len() * part / 100).min(all.len().saturating_sub(1));
    all.get(at).map_or(0.0, |took| took.as_secs_f64() * 1e3)
}

async fn talk(words: &[String]) -> Outcome<()> {
    let [address, relay, chain, room, people, writers, events] = words else {
        return Err("talk HOST:PORT RELAY CHAIN ROOM N WRITERS EVENTS".into());
    };
    let (host, port) = address.split_once(':').ok_or("HOST:PORT")?;
    let (people, writers): (usize, usize) = (people.parse()?, writers.parse()?);
    let events: usize = events.parse()?;
    let room: RoomId = room.parse()?;
    let mut master = [0; 32];
    hex::decode_to_slice(std::env::var("MASTER")?, &mut master)?;
    let place = Arc::new(Place {
        config: NodeConfig {
            ws_url_multiaddr: websocket_multiaddr(host, port.parse()?, false, "/p2p"),
            webrtc: None,
            prefer: Prefer::WebSocket,
            relay: relay.parse()?,
        },
        chain: chain.parse()?,
        room,
        key: RoomKey::from_master(&master, &room, 0),
        clock: AtomicU64::new(10),
    });

    let started = Instant::now();
    let coming = futures::stream::iter(0..people).map(|n| Someone::come(n, &place));
    let mut came: BTreeMap<usize, Someone> = BTreeMap::new();
    let mut coming = coming.buffered(AT_ONCE).enumerate();
    while let Some((n, one)) = coming.next().await {
        came.insert(n, one?);
    }
    drop(coming);
    println!("{{\"joined_ms\": {}}}", started.elapsed().as_millis());
    let mut line = String::new();
    std::io::stdin().read_line(&mut line)?;

    let mut people: Vec<Someone> = came.into_values().collect();
    let mut took = heard(&mut people, &place).await?;
    println!(
        "{{\"heard_p50_ms\": {:.1}, \"heard_p95_ms\": {:.1}}}",
        percentile(&mut took, 50),
        percentile(&mut took, 95)
    );
    for one in people.drain(writers..) {
        one.node.close();
    }
    let started = Instant::now();
    let each = events / writers;
    let writing = people.iter_mut().map(|one| one.hand_over(&place, each));
    let mut took: Vec<Duration> = future::try_join_all(writing).await?.concat();
    let seconds = started.elapsed().as_secs_f64();
    println!(
        "{{\"events\": {}, \"per_second\": {:.0}, \"stored_p50_ms\": {:.1}, \"stored_p95_ms\": {:.1}}}",
        took.len(),
        took.len() as f64 / seconds,
        percentile(&mut took, 50),
        percentile(&mut took, 95)
    );
    Ok(())
}

#[tokio::main]
async fn main() -> Outcome<()> {
    let words: Vec<String> = std::env::args().skip(1).collect();
    match words.split_first() {
        Some((word, rest)) if word == "talk" => talk(rest).await,
        Some((word, [count])) if word == "addresses" => {
            for n in 0..count.parse()? {
                println!("{}", eth::person_of_secret(&secret(n))?);
            }
            Ok(())
        }
        _ => Err("addresses N, or talk …".into()),
    }
}
