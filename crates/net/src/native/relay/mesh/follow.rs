//! The asking end: takes what the other relay tells live, and asks for what is missing here: at the beginning, when a
//! live message shows a gap, and now and then. Everything is checked as if a browser had brought it.

use std::{
    collections::{BTreeSet, HashMap},
    convert::Infallible,
    io,
    pin::pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures::{AsyncRead, AsyncReadExt, AsyncWrite, StreamExt, stream};
use healthsync_core::{
    DeviceKey, Envelope, MeshAnswer, MeshAsk, RefusalCode, Revocation, RoomId, SignedDelegation,
    SyncError, VersionVector, limits,
};
use tokio::{
    sync::mpsc::Sender,
    time::{Instant, MissedTickBehavior},
};

use super::super::{Command, Counted, RelayMetrics, jobs::names_room, lock, rate::Bucket};
use crate::{
    GossipKind,
    framing::{read_frame, write_frame},
    gossip,
    native::{Outcome, Policy, Refusal, Taken},
};

/// How often the rooms of both are compared.
pub(in super::super) const HEAL: Duration = Duration::from_secs(60);
/// For one answer.
const ANSWER: Duration = Duration::from_secs(30);
/// Between two questions about one room because of live messages that could not be kept.
const AGAIN: Duration = Duration::from_secs(5);
/// Devices that are passed over in one round of one room; the question must stay within its limit.
const PASSED_OVER: usize = 32;
/// Live messages: a burst, then so many per second.
const LIVE_RATE: (u32, u32) = (5_000, 1_000);

/// Why a relay is not followed any more.
#[derive(Debug, thiserror::Error)]
pub enum FollowError {
    /// This relay has stopped.
    #[error("this relay has stopped")]
    Stopped,
    /// The environment's: no connection.
    #[error("it cannot be reached: {0}")]
    Unreachable(String),
    /// The other operator's: this relay is not named there.
    #[error(
        "it has closed the connection at once, as it does when its HEALTHSYNC_RELAYS does not name this server"
    )]
    Refused,
    /// The environment's: the connection broke.
    #[error("the connection broke: {0}")]
    Lost(io::Error),
    /// The peer's: no answer in time.
    #[error("it does not answer")]
    Silent,
    /// The peer's: not readable, or beyond a limit.
    #[error("it says what cannot be read: {0}")]
    Unreadable(#[from] SyncError),
    /// The peer's: not an answer to what was asked.
    #[error("it {0}")]
    Wrong(&'static str),
}

/// What following needs of the relay.
#[derive(Clone)]
pub(in super::super) struct Follower {
    pub(in super::super) policy: Arc<dyn Policy>,
    pub(in super::super) commands: Sender<Command>,
    pub(in super::super) metrics: Arc<Mutex<RelayMetrics>>,
}

/// Where the comparison is.
#[derive(Default)]
struct Healing {
    /// Rooms after this one are to be listed.
    listing: Option<Option<RoomId>>,
    wanted: BTreeSet<RoomId>,
    /// The room that is being asked for, and devices of which nothing is taken this time.
    pulling: Option<(RoomId, BTreeSet<DeviceKey>)>,
}

impl Follower {
    /// Follows on this stream until it ends, which is the error.
    pub(in super::super) async fn follow<S>(
        &self,
        stream: S,
        every: Duration,
    ) -> Result<Infallible, FollowError>
    where
        S: AsyncRead + AsyncWrite + Send + Unpin,
    {
        let (reader, mut writer) = stream.split();
        // Reading goes on where it was when the clock came in between.
        let mut answers = pin!(stream::unfold(reader, async |mut reader| {
            let answer = read_frame(&mut reader, limits::RESPONSE_BYTES).await;
            Some((answer, reader))
        }));
        let mut clock = tokio::time::interval(every);
        clock.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let mut session = Session {
            follower: self,
            healing: Healing::default(),
            lately: HashMap::new(),
            soon: None,
            rate: Bucket::new(LIVE_RATE.0, LIVE_RATE.1, std::time::Instant::now()),
        };
        let mut asked: Option<(MeshAsk, Instant)> = None;
        // Whoever answers has let this relay in.
        let mut heard: Option<Counted> = None;
        loop {
            if asked.is_none()
                && let Some(ask) = session.next_ask().await
            {
                write_frame(&mut writer, &ask.encode(), limits::REQUEST_BYTES)
                    .await
                    .map_err(|error| lost(error, heard.is_some()))?;
                asked = Some((ask, Instant::now() + ANSWER));
            }
            tokio::select! {
                Some(answer) = answers.next() => {
                    let bytes = answer.map_err(|error| lost(error, heard.is_some()))?;
                    heard.get_or_insert_with(|| Counted::new(&self.metrics));
                    match MeshAnswer::decode(&bytes)? {
                        MeshAnswer::Live { room, message, proof } => session.live(room, message, proof).await?,
                        MeshAnswer::Behind => session.begin(),
                        MeshAnswer::Revoked(revocation) => {
                            let Revocation { person, device, .. } = revocation.revocation;
                            match self.policy.revoke(revocation).await {
                                Ok(()) => {
                                    let ended = self.commands.send(Command::Ended(person, device));
                                    ended.await.map_err(|_| FollowError::Stopped)?;
                                }
                                Err(refusal) => {
                                    tracing::debug!(%refusal, "a revocation of another relay was not taken");
                                }
                            }
                        }
                        answer => match asked.take() {
                            Some((ask, _)) => session.answered(ask, answer).await?,
                            None => return Err(FollowError::Wrong("answers what was not asked")),
                        },
                    }
                }
                _ = clock.tick() => session.begin(),
                () = until(session.soon) => {
                    session.soon = None;
                    session.begin();
                }
                () = until(asked.as_ref().map(|(_, late)| *late)) => return Err(FollowError::Silent),
            }
        }
    }

    async fn tell(&self, room: RoomId, message: Vec<u8>) -> Result<(), FollowError> {
        let told = self.commands.send(Command::Publish(room, message)).await;
        told.map_err(|_| FollowError::Stopped)
    }

    /// Checks and keeps; tells the room before, if `Taken::Now`, else after it.
    async fn take(
        &self,
        room: RoomId,
        envelope: Vec<u8>,
        proof: Option<&SignedDelegation>,
        taken: Taken,
    ) -> Result<Result<Outcome, Refusal>, FollowError> {
        let checked = self.policy.check_relayed(room, &envelope, proof, taken);
        let admitted = match checked.await {
            Ok(admitted) => admitted,
            Err(refusal) => return Ok(Err(refusal)),
        };
        let message = gossip::encode(GossipKind::Envelope, &envelope)
            .ok_or(FollowError::Wrong("sends envelopes that are too long"))?;
        if taken == Taken::Now {
            self.tell(room, message.clone()).await?;
        }
        let kept = self.policy.keep(admitted, envelope).await;
        if kept == Ok(Outcome::New) {
            lock(&self.metrics).relayed += 1;
            if taken == Taken::Before {
                self.tell(room, message).await?;
            }
        }
        Ok(kept)
    }
}

/// A follower on one stream.
struct Session<'a> {
    follower: &'a Follower,
    healing: Healing,
    /// When a live message last made a room be asked for.
    lately: HashMap<RoomId, Instant>,
    /// When to compare again before the clock says so.
    soon: Option<Instant>,
    rate: Bucket,
}

impl Session<'_> {
    /// Compares all rooms, from the first on.
    fn begin(&mut self) {
        self.healing.listing = Some(None);
        self.lately.retain(|_, at| at.elapsed() < AGAIN);
    }

    fn give_up(&mut self) {
        self.healing = Healing::default();
    }

    async fn next_ask(&mut self) -> Option<MeshAsk> {
        let healing = &mut self.healing;
        if healing.pulling.is_none()
            && let Some(room) = healing.wanted.pop_first()
        {
            healing.pulling = Some((room, BTreeSet::new()));
        }
        if let Some((room, passed_over)) = &healing.pulling {
            let room = *room;
            match self.follower.policy.heads(room).await {
                Ok(VersionVector(mut have)) => {
                    have.extend(passed_over.iter().map(|device| (*device, limits::CLOCK)));
                    let have = VersionVector(have);
                    return Some(MeshAsk::Pull { room, have });
                }
                Err(refusal) => {
                    tracing::warn!(%refusal, "what other relays have cannot be compared");
                    self.give_up();
                }
            }
        }
        self.healing.listing.map(|after| MeshAsk::Rooms { after })
    }

    async fn answered(&mut self, ask: MeshAsk, answer: MeshAnswer) -> Result<(), FollowError> {
        match (ask, answer) {
            (MeshAsk::Rooms { after }, MeshAnswer::Rooms { rooms, more }) => {
                self.listed(after, rooms, more).await
            }
            (
                MeshAsk::Pull { room, .. },
                MeshAnswer::Page {
                    envelopes,
                    proofs,
                    more,
                },
            ) => self.page(room, envelopes, proofs, more).await,
            (_, MeshAnswer::Unavailable) => {
                self.give_up();
                Ok(())
            }
            _ => Err(FollowError::Wrong("answers another question")),
        }
    }

    async fn listed(
        &mut self,
        after: Option<RoomId>,
        rooms: Vec<(RoomId, [u8; 32])>,
        more: bool,
    ) -> Result<(), FollowError> {
        let mut last = after;
        for (room, digest) in rooms {
            if last.is_some_and(|last| room <= last) {
                return Err(FollowError::Wrong("lists rooms out of order"));
            }
            last = Some(room);
            match self.follower.policy.heads(room).await {
                Ok(heads) if heads.digest() == digest => {}
                Ok(_) => {
                    self.healing.wanted.insert(room);
                }
                Err(_) => {
                    self.give_up();
                    return Ok(());
                }
            }
        }
        // Begun anew meanwhile: then the first part comes again, and only that is asked for which still differs.
        if self.healing.listing == Some(after) {
            self.healing.listing = (more && last > after).then_some(last);
        }
        Ok(())
    }

    async fn page(
        &mut self,
        room: RoomId,
        envelopes: Vec<Vec<u8>>,
        proofs: Vec<SignedDelegation>,
        more: bool,
    ) -> Result<(), FollowError> {
        let mut passed_over = match self.healing.pulling.take() {
            Some((pulled, passed_over)) if pulled == room => passed_over,
            _ => BTreeSet::new(),
        };
        let mut progress = false;
        for envelope in envelopes {
            let device = match Envelope::decode_unverified(&envelope) {
                Ok(envelope) if envelope.room == room => envelope.device,
                _ => return Err(FollowError::Wrong("sends what is no envelope of the room")),
            };
            if passed_over.contains(&device) {
                continue;
            }
            let proof = proofs.iter().find(|p| p.delegation.device == device);
            let taken = self.follower.take(room, envelope, proof, Taken::Before);
            match taken.await? {
                Ok(outcome) => progress |= outcome == Outcome::New,
                Err(refusal) if passes(refusal.code) => return Ok(()),
                Err(refusal) => {
                    self.refused(room, &refusal);
                    // What follows of this device would not be kept either.
                    progress |= passed_over.insert(device);
                }
            }
        }
        if more && progress && passed_over.len() <= PASSED_OVER {
            self.healing.pulling = Some((room, passed_over));
        }
        Ok(())
    }

    async fn live(
        &mut self,
        room: RoomId,
        message: Vec<u8>,
        proof: Option<SignedDelegation>,
    ) -> Result<(), FollowError> {
        if !self.rate.take(std::time::Instant::now()) {
            self.missing(room);
            return Ok(());
        }
        let envelope = match gossip::decode(&message) {
            Some((GossipKind::Ephemeral, _)) => return self.follower.tell(room, message).await,
            Some((GossipKind::Envelope, envelope)) if names_room(envelope, room) => {
                envelope.to_vec()
            }
            _ => return Err(FollowError::Wrong("sends what is no message of the room")),
        };
        let taken = self
            .follower
            .take(room, envelope, proof.as_ref(), Taken::Now);
        if let Err(refusal) = taken.await? {
            self.refused(room, &refusal);
            self.missing(room);
        }
        Ok(())
    }

    fn refused(&self, room: RoomId, refusal: &Refusal) {
        tracing::debug!(%room, %refusal, "an envelope of another relay was not taken");
        lock(&self.follower.metrics).relayed_refused += 1;
    }

    /// Something of this room is not here: asks for it, but not again and again.
    fn missing(&mut self, room: RoomId) {
        let now = Instant::now();
        let last = self.lately.get(&room);
        if last.is_some_and(|last| now.duration_since(*last) < AGAIN) {
            self.soon.get_or_insert(now + AGAIN);
        } else {
            self.lately.insert(room, now);
            self.healing.wanted.insert(room);
        }
    }
}

/// Whether it is about the moment and not about the envelope.
fn passes(code: RefusalCode) -> bool {
    match code {
        RefusalCode::Unavailable | RefusalCode::RateLimited => true,
        RefusalCode::NotAllowed
        | RefusalCode::NoSuchRoom
        | RefusalCode::BadDelegation
        | RefusalCode::NotJoined
        | RefusalCode::TooLarge
        | RefusalCode::Revoked => false,
    }
}

fn lost(error: io::Error, heard: bool) -> FollowError {
    if heard {
        FollowError::Lost(error)
    } else {
        FollowError::Refused
    }
}

async fn until(at: Option<Instant>) {
    match at {
        Some(at) => tokio::time::sleep_until(at).await,
        None => std::future::pending().await,
    }
}
