//! What the rest of the page holds: typed requests to the actor, each with its own answer.

use std::{
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use futures::{
    SinkExt,
    channel::{mpsc, oneshot},
};
use healthsync_core::{
    DeviceSecret, RefusalCode, Request, Response, RoomId, SignedDelegation, VersionVector,
    join_message, limits,
};
use libp2p::PeerId;
use libp2p_stream::Control;

use super::{Joined, NetError, Page, Stored};
use crate::{
    GossipKind,
    blob::{self, fetch::Fetch},
    gossip,
};

/// Bytes of a push that are not envelopes: version, tag, room, count, and a length for each.
const PUSH_OVERHEAD: usize = 64;
const ENVELOPE_OVERHEAD: usize = 4;

/// Commands that wait for whoever passes them on.
const WAITING: usize = 256;

/// Takes the answer to a request.
pub type Reply = oneshot::Sender<Result<Response, NetError>>;

/// What a handle asks of the node.
#[derive(Debug)]
pub enum Command {
    /// Ask the relay. Dropping the reply says that there is no connection.
    Request(Box<Request>, Reply),
    /// Leave a room.
    Leave(RoomId),
    /// Send this gossip message to everybody in a room.
    Publish(RoomId, Vec<u8>),
    /// Who can be reached in a room.
    Members(RoomId, Vec<PeerId>),
    /// Who is linked in a room.
    Linked(RoomId, oneshot::Sender<Vec<PeerId>>),
    /// Look at the connection.
    Wake,
    /// End.
    Close,
}

/// The node that a handle speaks for.
#[derive(Clone)]
struct Home {
    peer_id: PeerId,
    /// `None` when it runs in another tab.
    streams: Option<Control>,
}

/// How the page talks to its node. Cheap to clone.
#[derive(Clone)]
pub struct NodeHandle {
    commands: mpsc::Sender<Command>,
    home: Arc<Mutex<Option<Home>>>,
}

impl std::fmt::Debug for NodeHandle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("NodeHandle")
            .field("peer_id", &self.peer_id())
            .finish_non_exhaustive()
    }
}

impl NodeHandle {
    pub(super) fn new(peer_id: PeerId, commands: mpsc::Sender<Command>, streams: Control) -> Self {
        let streams = Some(streams);
        Self {
            commands,
            home: Arc::new(Mutex::new(Some(Home { peer_id, streams }))),
        }
    }

    /// A handle for whichever node there is at a time; whoever holds the receiver passes on what it is asked.
    pub fn changing() -> (Self, mpsc::Receiver<Command>) {
        let (commands, receiver) = mpsc::channel(WAITING);
        let home = Arc::default();
        (Self { commands, home }, receiver)
    }

    /// From now on this handle speaks for the node of that one.
    pub fn follow(&self, node: &Self) {
        let home = node.home().clone();
        *self.home() = home;
    }

    /// From now on it speaks for a node that runs elsewhere, or for none.
    pub fn follow_elsewhere(&self, peer_id: Option<PeerId>) {
        *self.home() = peer_id.map(|peer_id| Home {
            peer_id,
            streams: None,
        });
    }

    /// Passes on what a handle from [`NodeHandle::changing`] was asked.
    pub fn carry_out(&self, command: Command) {
        // Err means that the node has ended; whoever waits for an answer hears it by the dropped reply.
        let _ = self.commands.clone().try_send(command);
    }

    fn home(&self) -> MutexGuard<'_, Option<Home>> {
        self.home.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The node's peer id, a fresh one for each start of a node; `None` while there is no node.
    pub fn peer_id(&self) -> Option<PeerId> {
        self.home().as_ref().map(|home| home.peer_id)
    }

    /// Enters a room. Returns once the relay has let the device in and listens to the room, so that
    /// what is published next is heard. Then ask [`NodeHandle::pull`]: what the mailbox got before
    /// is in its answer, what it gets after comes by gossip.
    ///
    /// The node joins again by itself after each reconnect, until [`NodeHandle::leave`]; pull then
    /// as well, because gossip meanwhile is gone.
    pub async fn join(
        &self,
        room: RoomId,
        delegation: SignedDelegation,
        device: &DeviceSecret,
    ) -> Result<Joined, NetError> {
        // Signed and sent in one go: whoever changes the node drops what was asked before.
        let peer_id = self.peer_id().ok_or(NetError::Offline)?;
        let device_signature = device.sign(&join_message(&room, &peer_id.to_bytes()));
        let request = Request::Join {
            room,
            delegation,
            device_signature,
        };
        match self.request(request).await? {
            Response::Joined { topic, have } => Ok(Joined { topic, have }),
            other => Err(unexpected("join", other)),
        }
    }

    /// Hands envelopes to the relay's mailbox. `Ok` is the acknowledgement that they are durable,
    /// apart from those in `rejected`. Asks for nothing when they do not fit into one request; see
    /// [`NodeHandle::fitting`].
    pub async fn push(&self, room: RoomId, envelopes: Vec<Vec<u8>>) -> Result<Stored, NetError> {
        if Self::fitting(&envelopes) < envelopes.len() {
            return Err(NetError::Refused {
                code: RefusalCode::TooLarge,
                message: format!("{} envelopes do not fit into one request.", envelopes.len()),
            });
        }
        match self.request(Request::Push { room, envelopes }).await? {
            Response::Stored { have, rejected } => Ok(Stored { have, rejected }),
            other => Err(unexpected("push", other)),
        }
    }

    /// How many of `envelopes`, from the first on, fit into one push.
    pub fn fitting(envelopes: &[Vec<u8>]) -> usize {
        let mut left = limits::REQUEST_BYTES - PUSH_OVERHEAD;
        envelopes
            .iter()
            .take(limits::ENVELOPES)
            .take_while(|envelope| {
                let size = envelope.len() + ENVELOPE_OVERHEAD;
                let fits = envelope.len() <= limits::ENVELOPE_BYTES && size <= left;
                left = left.saturating_sub(size);
                fits
            })
            .count()
    }

    /// Asks for envelopes that `have` misses, at most `limit`.
    pub async fn pull(
        &self,
        room: RoomId,
        have: VersionVector,
        limit: u32,
    ) -> Result<Page, NetError> {
        match self.request(Request::Pull { room, have, limit }).await? {
            Response::Page { envelopes, more } => Ok(Page { envelopes, more }),
            other => Err(unexpected("pull", other)),
        }
    }

    /// Asks for envelopes beyond `after` and up to `upto`, the last that arrived first, at most `limit` and the first of
    /// each device of which `after` has nothing.
    pub async fn newest(
        &self,
        room: RoomId,
        (after, upto): (VersionVector, VersionVector),
        limit: u32,
    ) -> Result<Page, NetError> {
        let request = Request::Newest {
            room,
            after,
            upto,
            limit,
        };
        match self.request(request).await? {
            Response::Page { envelopes, more } => Ok(Page { envelopes, more }),
            other => Err(unexpected("newest", other)),
        }
    }

    /// Leaves a room; the node no longer joins it after a reconnect.
    pub async fn leave(&self, room: RoomId) -> Result<(), NetError> {
        self.send(Command::Leave(room)).await
    }

    /// Sends to everybody in a joined room, without promise: `Ok` even when nobody hears it. An
    /// error means that it is too long, or that so much waits already that it was dropped.
    pub fn publish(&self, room: RoomId, kind: GossipKind, bytes: &[u8]) -> Result<(), NetError> {
        let data = gossip::encode(kind, bytes).ok_or_else(|| NetError::Refused {
            code: RefusalCode::TooLarge,
            message: format!("{} bytes are too many to send at once.", bytes.len()),
        })?;
        self.commands
            .clone()
            .try_send(Command::Publish(room, data))
            .map_err(|_| NetError::Offline)
    }

    /// Says by which peer ids other members of a joined room can be reached now; the node makes direct
    /// links to them and to nobody else, and gives them what its shelf has for this room. Who is a
    /// member is the caller's to prove. Nobody ends the room's links.
    pub fn set_members(&self, room: RoomId, members: Vec<PeerId>) {
        // A full queue loses this; callers repeat it with each sign of life.
        let _ = self
            .commands
            .clone()
            .try_send(Command::Members(room, members));
    }

    /// The members of `room` with a direct link.
    pub async fn linked(&self, room: RoomId) -> Vec<PeerId> {
        let (reply, answer) = oneshot::channel();
        if self.send(Command::Linked(room, reply)).await.is_err() {
            return Vec::new();
        }
        answer.await.unwrap_or_default()
    }

    /// Fetches content of a room from members with a direct link, several at once. Returns when it is
    /// there, when nobody (any more) has it, or when nobody has answered for as long as `patience`
    /// says; what is proved by then is in `fetch`, and [`Fetch::gaps`] says what is missing. It can be
    /// called again. `progress` hears bytes proved and bytes in all. Dropping the future stops it.
    pub async fn fetch(
        &self,
        fetch: &mut Fetch<PeerId>,
        patience: Option<Duration>,
        progress: impl FnMut(u64, u64),
    ) {
        let streams = self.home().as_ref().and_then(|home| home.streams.clone());
        let Some(streams) = streams else { return };
        let room = fetch.room();
        let peers = || {
            let node = self.clone();
            Box::pin(async move { node.linked(room).await }) as _
        };
        blob::shell::run(fetch, streams, peers, patience, progress).await;
    }

    /// Tries to connect at once, or makes sure that the connection still lives: for when the
    /// browser says that it is online or that the page is shown again.
    pub fn wake(&self) {
        // A full queue is being worked on, which wakes the actor just as well.
        let _ = self.commands.clone().try_send(Command::Wake);
    }

    /// Closes the connection and ends the actor: for `pagehide`.
    pub fn close(&self) {
        let _ = self.commands.clone().try_send(Command::Close);
    }

    async fn request(&self, request: Request) -> Result<Response, NetError> {
        let (reply, answer) = oneshot::channel();
        self.send(Command::Request(Box::new(request), reply))
            .await?;
        match answer.await {
            Ok(Ok(Response::Refused { code, message })) => Err(NetError::Refused { code, message }),
            Ok(result) => result,
            Err(oneshot::Canceled) => Err(NetError::Offline),
        }
    }

    async fn send(&self, command: Command) -> Result<(), NetError> {
        self.commands
            .clone()
            .send(command)
            .await
            .map_err(|_| NetError::Offline)
    }
}

fn unexpected(request: &str, response: Response) -> NetError {
    let what = match response {
        Response::Joined { .. } => "Joined",
        Response::Stored { .. } => "Stored",
        Response::Page { .. } => "Page",
        Response::Left => "Left",
        Response::Refused { .. } => "Refused",
    };
    NetError::Protocol(format!("{request} was answered with {what}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_push_is_cut_where_the_request_is_full() {
        let room = RoomId([0; 32]);
        let envelopes = vec![vec![7; limits::ENVELOPE_BYTES]; 10];
        let fitting = NodeHandle::fitting(&envelopes);
        assert_eq!(fitting, 6);
        let request = |n: usize| {
            Request::Push {
                room,
                envelopes: envelopes[..n].to_vec(),
            }
            .encode()
        };
        assert!(request(fitting).len() <= limits::REQUEST_BYTES);
        assert!(request(fitting + 1).len() > limits::REQUEST_BYTES);
        assert_eq!(
            NodeHandle::fitting(&[vec![0; limits::ENVELOPE_BYTES + 1]]),
            0
        );
        let many = vec![vec![0; 1]; 300_000];
        assert!(NodeHandle::fitting(&many) <= limits::ENVELOPES);
    }
}
