//! A follower, and at the other end of the stream a test that says what it likes.

use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
    time::Duration,
};

use async_trait::async_trait;
use futures::{AsyncReadExt, io::WriteHalf};
use healthsync_core::{
    Delegation, DeviceKey, DeviceSecret, Envelope, Event, Kind, MeshAnswer, MeshAsk, Millis,
    Person, RefusalCode, RoomId, RoomKey, Signature65, SignedDelegation, SignedEvent,
    SignedRevocation, VersionVector, limits,
};
use tokio::{io::DuplexStream, sync::mpsc, task::JoinHandle, time::timeout};
use tokio_util::compat::{Compat, TokioAsyncReadCompatExt};

use super::{FollowError, Follower};
use crate::{
    GossipKind,
    framing::{read_frame, write_frame},
    gossip,
    native::relay::{Command, RelayMetrics},
    native::{Admission, Outcome, Page, PeerIdBytes, Policy, Refusal, Taken},
};

const ROOM: RoomId = RoomId([7; 32]);
/// Reached only by a failure.
const PATIENCE: Duration = Duration::from_secs(120);

/// Heads and no more; takes what a device has signed, in order.
#[derive(Default)]
struct Heads(Mutex<BTreeMap<DeviceKey, u64>>);

fn refusal(text: &str) -> Refusal {
    Refusal::new(RefusalCode::NotAllowed, text)
}

#[async_trait]
impl Policy for Heads {
    async fn join(
        &self,
        _: PeerIdBytes,
        _: RoomId,
        _: &SignedDelegation,
        _: &[u8; 64],
    ) -> Result<Admission, Refusal> {
        Err(refusal("nobody joins here"))
    }

    async fn check(&self, _: (Person, DeviceKey), _: RoomId, _: &[u8]) -> Result<(), Refusal> {
        Err(refusal("nobody has joined"))
    }

    async fn keep(&self, _: (Person, DeviceKey), bytes: Vec<u8>) -> Result<Outcome, Refusal> {
        let envelope = Envelope::decode_unverified(&bytes).unwrap();
        let mut heads = self.0.lock().unwrap();
        let head = heads.entry(envelope.device).or_default();
        if envelope.seq > *head + 1 {
            return Err(refusal("a gap"));
        }
        if envelope.seq <= *head {
            return Ok(Outcome::Known);
        }
        *head = envelope.seq;
        Ok(Outcome::New)
    }

    async fn heads(&self, room: RoomId) -> Result<VersionVector, Refusal> {
        let heads = self.0.lock().unwrap().clone();
        Ok(VersionVector(if room == ROOM {
            heads
        } else {
            BTreeMap::new()
        }))
    }

    async fn page(&self, _: RoomId, _: VersionVector, _: u32) -> Result<Page, Refusal> {
        Err(refusal("nobody asks"))
    }

    async fn newest(
        &self,
        _: RoomId,
        _: VersionVector,
        _: VersionVector,
        _: u32,
    ) -> Result<Page, Refusal> {
        Err(refusal("nobody asks"))
    }

    async fn rooms(&self, _: Option<RoomId>, _: u32) -> Result<Vec<(RoomId, [u8; 32])>, Refusal> {
        Err(refusal("nobody asks"))
    }

    async fn delegation(&self, _: DeviceKey) -> Result<Option<SignedDelegation>, Refusal> {
        Err(refusal("nobody asks"))
    }

    async fn check_relayed(
        &self,
        _: RoomId,
        envelope: &[u8],
        _: Option<&SignedDelegation>,
        _: Taken,
    ) -> Result<(Person, DeviceKey), Refusal> {
        let envelope = Envelope::decode(envelope).map_err(|error| refusal(&error.to_string()))?;
        Ok((Person([1; 20]), envelope.device))
    }

    async fn revocations(&self) -> Result<Vec<SignedRevocation>, Refusal> {
        Err(refusal("nobody asks"))
    }

    async fn revoke(&self, _: SignedRevocation) -> Result<(), Refusal> {
        Err(refusal("not believed"))
    }
}

struct Other {
    reader: futures::io::ReadHalf<Compat<DuplexStream>>,
    writer: WriteHalf<Compat<DuplexStream>>,
    told: mpsc::Receiver<Command>,
    metrics: Arc<Mutex<RelayMetrics>>,
    follower: JoinHandle<FollowError>,
}

impl Other {
    /// Compares rooms once, and again after `every`.
    fn start(every: Duration) -> Self {
        let (here, there) = tokio::io::duplex(4 << 20);
        let (commands, told) = mpsc::channel(64);
        let metrics = Arc::<Mutex<RelayMetrics>>::default();
        let follower = Follower {
            policy: Arc::new(Heads::default()),
            commands,
            metrics: metrics.clone(),
        };
        let follower = tokio::spawn(async move {
            let Err(ended) = follower.follow(there.compat(), every).await;
            ended
        });
        let (reader, writer) = here.compat().split();
        Self {
            reader,
            writer,
            told,
            metrics,
            follower,
        }
    }

    async fn say(&mut self, answer: MeshAnswer) {
        let bytes = answer.encode();
        write_frame(&mut self.writer, &bytes, bytes.len())
            .await
            .unwrap();
    }

    async fn asked(&mut self) -> MeshAsk {
        let ask = read_frame(&mut self.reader, limits::REQUEST_BYTES);
        let bytes = timeout(PATIENCE, ask).await.expect("asks in time").unwrap();
        MeshAsk::decode(&bytes).unwrap()
    }

    /// Answers the first comparison: nothing to fetch.
    async fn has_nothing(&mut self) {
        assert_eq!(self.asked().await, MeshAsk::Rooms { after: None });
        self.say(rooms(vec![], false)).await;
    }

    async fn told(&mut self) -> Vec<u8> {
        let told = timeout(PATIENCE, self.told.recv());
        match told.await.expect("tells in time") {
            Some(Command::Publish(room, message)) if room == ROOM => message,
            _ => panic!("something else"),
        }
    }

    async fn ended(self) -> FollowError {
        timeout(PATIENCE, self.follower)
            .await
            .expect("ends in time")
            .unwrap()
    }
}

fn envelope(seq: u64) -> Vec<u8> {
    let device = DeviceSecret::from_bytes([3; 32]);
    let event = Event {
        v: 1,
        room: ROOM,
        person: Person([1; 20]),
        device: device.public(),
        seq,
        prev: None,
        lamport: seq,
        at: Millis(1),
        kind: Kind::message("said"),
    };
    let key = RoomKey::from_master(&[9; 32], &ROOM, 0);
    let event = SignedEvent::sign(event, &device);
    Envelope::seal(&event, &key, 0, [1; 12], &device).encode()
}

fn message(envelope: &[u8]) -> Vec<u8> {
    gossip::encode(GossipKind::Envelope, envelope).unwrap()
}

fn live(envelope: &[u8]) -> MeshAnswer {
    MeshAnswer::Live {
        room: ROOM,
        message: message(envelope),
        proof: None,
    }
}

fn rooms(rooms: Vec<RoomId>, more: bool) -> MeshAnswer {
    MeshAnswer::Rooms {
        rooms: rooms.into_iter().map(|room| (room, [0; 32])).collect(),
        more,
    }
}

fn page(envelopes: Vec<Vec<u8>>, more: bool) -> MeshAnswer {
    MeshAnswer::Page {
        envelopes,
        proofs: vec![],
        more,
    }
}

fn pull(seq: u64) -> MeshAsk {
    let device = DeviceSecret::from_bytes([3; 32]).public();
    let have = if seq == 0 {
        BTreeMap::new()
    } else {
        BTreeMap::from([(device, seq)])
    };
    MeshAsk::Pull {
        room: ROOM,
        have: VersionVector(have),
    }
}

#[tokio::test]
async fn a_gap_in_what_is_said_live_is_asked_for() {
    let mut other = Other::start(PATIENCE * 100);
    other.has_nothing().await;
    other.say(live(&envelope(1))).await;
    assert_eq!(other.told().await, message(&envelope(1)));
    other.say(live(&envelope(4))).await;
    assert_eq!(other.asked().await, pull(1));
    assert_eq!(other.told().await, message(&envelope(4)));
    other.say(page(vec![envelope(2), envelope(3)], true)).await;
    assert_eq!(other.asked().await, pull(3));
    other.say(page(vec![envelope(4)], false)).await;
    for seq in 2..=4 {
        assert_eq!(other.told().await, message(&envelope(seq)));
    }
    let relayed = super::super::lock(&other.metrics).relayed;
    assert_eq!(relayed, 4);
}

#[tokio::test]
async fn rooms_are_compared_when_live_messages_were_lost() {
    let mut other = Other::start(PATIENCE * 100);
    other.has_nothing().await;
    other.say(MeshAnswer::Behind).await;
    assert_eq!(other.asked().await, MeshAsk::Rooms { after: None });
    other.say(rooms(vec![RoomId([1; 32]), ROOM], true)).await;
    let other_room = MeshAsk::Pull {
        room: RoomId([1; 32]),
        have: VersionVector::default(),
    };
    assert_eq!(other.asked().await, other_room);
    other.say(page(vec![], false)).await;
    assert_eq!(other.asked().await, pull(0));
    other.say(page(vec![], false)).await;
    assert_eq!(other.asked().await, MeshAsk::Rooms { after: Some(ROOM) });
}

#[tokio::test]
async fn rooms_are_compared_again_and_again_also_after_a_mailbox_did_not_answer() {
    let mut other = Other::start(Duration::from_millis(100));
    for _ in 0..3 {
        other.has_nothing().await;
        assert_eq!(other.asked().await, MeshAsk::Rooms { after: None });
        other.say(MeshAnswer::Unavailable).await;
    }
}

#[tokio::test]
async fn what_is_forged_is_told_to_nobody_and_not_asked_for_for_ever() {
    let mut other = Other::start(PATIENCE * 100);
    other.has_nothing().await;
    let mut forged = envelope(1);
    *forged.last_mut().unwrap() ^= 1;
    other.say(live(&forged)).await;
    assert_eq!(other.asked().await, pull(0));
    // The device is passed over, and the page that comes then brings nothing new: that was all.
    other
        .say(page(vec![forged.clone(), envelope(2)], true))
        .await;
    let passed_over = other.asked().await;
    assert_eq!(passed_over, pull(limits::CLOCK));
    other.say(page(vec![forged; 3], true)).await;
    other.say(live(&envelope(1))).await;
    assert_eq!(other.told().await, message(&envelope(1)));
    assert!(super::super::lock(&other.metrics).relayed_refused >= 2);
}

#[tokio::test]
async fn whoever_breaks_the_rules_is_followed_no_longer() {
    let device = DeviceSecret::from_bytes([3; 32]).public();
    let proof = SignedDelegation {
        delegation: Delegation {
            person: Person([1; 20]),
            device,
            issued_at: 1,
            expires_at: 2,
            chain_id: 1,
        },
        signature: Signature65([0; 65]),
    };
    let breaks: [MeshAnswer; 7] = [
        // Too long, too many, of no known form, of another room, not asked for, out of order.
        page(vec![vec![0; limits::ENVELOPE_BYTES + 1]], false),
        MeshAnswer::Page {
            envelopes: vec![],
            proofs: vec![proof],
            more: false,
        },
        MeshAnswer::Live {
            room: ROOM,
            message: vec![9, 9],
            proof: None,
        },
        MeshAnswer::Live {
            room: RoomId([8; 32]),
            message: message(&envelope(1)),
            proof: None,
        },
        page(vec![], false),
        rooms(vec![ROOM, RoomId([1; 32])], false),
        rooms(vec![ROOM, ROOM], true),
    ];
    for (n, wrong) in breaks.into_iter().enumerate() {
        let mut other = Other::start(PATIENCE * 100);
        assert_eq!(other.asked().await, MeshAsk::Rooms { after: None });
        other.say(wrong).await;
        let mut told = std::mem::replace(&mut other.told, mpsc::channel(1).1);
        let ended = other.ended().await;
        assert!(
            matches!(ended, FollowError::Unreadable(_) | FollowError::Wrong(_)),
            "{n}: {ended}"
        );
        assert!(told.try_recv().is_err(), "{n}");
    }
    let mut other = Other::start(PATIENCE * 100);
    other.asked().await;
    other.say(rooms(vec![ROOM], false)).await;
    assert_eq!(other.asked().await, pull(0));
    other.say(page(vec![b"noise".to_vec()], false)).await;
    assert!(matches!(other.ended().await, FollowError::Wrong(_)));
}

#[tokio::test]
async fn whoever_closes_at_once_has_not_named_this_relay() {
    let Other {
        reader,
        writer,
        follower,
        ..
    } = Other::start(PATIENCE * 100);
    drop((reader, writer));
    let ended = timeout(PATIENCE, follower).await.unwrap().unwrap();
    assert!(matches!(ended, FollowError::Refused), "{ended}");
}
