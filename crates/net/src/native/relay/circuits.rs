//! Circuit relay v2, the relay's side: puts calls through between people of a common room, for as long
//! and as much as two browsers need to agree on a direct link. Messages are in [`crate::circuit`].
//!
//! Written here rather than taken from libp2p-relay, because that relay cannot be told who may call
//! whom: here the rule is the room.

use std::{
    collections::{HashMap, HashSet},
    io,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use futures::{
    AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, FutureExt, StreamExt, future::BoxFuture,
    stream::FuturesUnordered,
};
use libp2p::{PeerId, Stream};
use libp2p_stream::{Control, IncomingStreams};
use tokio::time::timeout;

use crate::{
    circuit::{HOP, HopMessage, Limit, MESSAGE_BYTES, Reservation, STOP, Status, StopMessage},
    framing::{invalid, read_varint_frame, write_varint_frame},
};

/// What one circuit may carry: signalling takes about 10 kB and a second.
const LIMIT: Limit = Limit {
    seconds: 30,
    bytes: 128 * 1024,
};
/// A reservation ends with its connection, or after this long.
const RESERVED: Duration = Duration::from_secs(60 * 60);
/// Circuits that one peer may have open, called and calling.
const CIRCUITS_OF_PEER: usize = 16;
/// Circuits in all.
const CIRCUITS: usize = 512;
/// Questions that may be being read.
const QUESTIONS: usize = 256;
/// For one message of the protocol.
const ANSWER: Duration = Duration::from_secs(10);

/// A question of a client, read and waiting for the actor's word.
pub(super) struct Question {
    pub(super) from: PeerId,
    pub(super) message: HopMessage,
    stream: Stream,
}

enum Done {
    Asked(Question),
    Closed(PeerId, PeerId),
    Nothing,
}

/// Reservations and open circuits.
pub(super) struct Circuits {
    control: Control,
    incoming: IncomingStreams,
    tasks: FuturesUnordered<BoxFuture<'static, Done>>,
    reserved: HashSet<PeerId>,
    open: HashMap<PeerId, usize>,
    refused: u64,
    carried: Arc<AtomicU64>,
}

impl Circuits {
    pub(super) fn new(mut control: Control) -> Self {
        let incoming = control
            .accept(HOP)
            .expect("the relay takes each protocol once");
        Self {
            control,
            incoming,
            tasks: FuturesUnordered::new(),
            reserved: HashSet::new(),
            open: HashMap::new(),
            refused: 0,
            carried: Arc::default(),
        }
    }

    /// The next question; work on open circuits goes on meanwhile.
    pub(super) async fn next(&mut self) -> Question {
        loop {
            tokio::select! {
                Some((from, stream)) = self.incoming.next() => {
                    if self.tasks.len() < QUESTIONS + CIRCUITS {
                        self.tasks.push(read(from, stream).boxed());
                    }
                }
                Some(done) = self.tasks.next() => match done {
                    Done::Asked(question) => return question,
                    Done::Closed(a, b) => {
                        self.release(a);
                        self.release(b);
                    }
                    Done::Nothing => {}
                },
                else => std::future::pending().await,
            }
        }
    }

    /// Circuits that are open now.
    pub(super) fn open(&self) -> usize {
        self.open.values().sum::<usize>() / 2
    }

    /// Calls that were not put through, because the two share no room or because of the limits.
    pub(super) fn refused(&self) -> u64 {
        self.refused
    }

    /// Bytes that circuits have carried so far.
    pub(super) fn carried(&self) -> u64 {
        self.carried.load(Ordering::Relaxed)
    }

    /// The peer is gone.
    pub(super) fn forget(&mut self, peer: &PeerId) {
        self.reserved.remove(peer);
    }

    /// Answers a question. `in_a_room`: whether the asker is in any room; `together`: whether both are
    /// in one.
    pub(super) fn answer(
        &mut self,
        question: Question,
        in_a_room: bool,
        together: impl Fn(&PeerId) -> bool,
        addresses: Vec<Vec<u8>>,
    ) {
        let Question {
            from,
            message,
            stream,
        } = question;
        match message {
            HopMessage::Reserve if in_a_room => {
                self.reserved.insert(from);
                let expire = SystemTime::now()
                    .duration_since(UNIX_EPOCH)
                    .map_or(0, |now| (now + RESERVED).as_secs());
                let accepted = HopMessage::Status {
                    status: Status::Ok,
                    reservation: Some(Reservation { expire, addresses }),
                    limit: Some(LIMIT),
                };
                self.tasks.push(say(stream, accepted).boxed());
            }
            HopMessage::Connect(to) => match self.may_open(from, to, together(&to)) {
                Ok(()) => {
                    *self.open.entry(from).or_default() += 1;
                    *self.open.entry(to).or_default() += 1;
                    let (control, carried) = (self.control.clone(), self.carried.clone());
                    let bridge = async move {
                        if let Err(error) = bridge(from, stream, to, control, carried).await {
                            tracing::debug!(%from, %to, %error, "a circuit broke");
                        }
                        Done::Closed(from, to)
                    };
                    self.tasks.push(bridge.boxed());
                }
                Err(status) => {
                    self.refused += 1;
                    self.tasks.push(say(stream, no(status)).boxed());
                }
            },
            HopMessage::Reserve => {
                let refused = no(Status::PermissionDenied);
                self.tasks.push(say(stream, refused).boxed());
            }
            HopMessage::Status { .. } => {
                let refused = no(Status::UnexpectedMessage);
                self.tasks.push(say(stream, refused).boxed());
            }
        }
    }

    fn may_open(&self, from: PeerId, to: PeerId, together: bool) -> Result<(), Status> {
        if from == to || !together {
            return Err(Status::PermissionDenied);
        }
        if !self.reserved.contains(&to) {
            return Err(Status::NoReservation);
        }
        let full = |peer| self.open.get(peer).is_some_and(|n| *n >= CIRCUITS_OF_PEER);
        if full(&from) || full(&to) || self.open() >= CIRCUITS {
            return Err(Status::ResourceLimitExceeded);
        }
        Ok(())
    }

    fn release(&mut self, peer: PeerId) {
        if let Some(open) = self.open.get_mut(&peer) {
            *open -= 1;
            if *open == 0 {
                self.open.remove(&peer);
            }
        }
    }
}

async fn read(from: PeerId, mut stream: Stream) -> Done {
    match timeout(ANSWER, read_varint_frame(&mut stream, MESSAGE_BYTES)).await {
        Ok(Ok(bytes)) => match HopMessage::decode(&bytes) {
            Ok(message) => Done::Asked(Question {
                from,
                message,
                stream,
            }),
            Err(error) => {
                tracing::debug!(peer = %from, %error, "a circuit message is refused");
                say(stream, no(Status::MalformedMessage)).await
            }
        },
        Ok(Err(error)) => {
            tracing::debug!(peer = %from, %error, "a circuit message did not come");
            Done::Nothing
        }
        Err(_) => Done::Nothing,
    }
}

fn no(status: Status) -> HopMessage {
    HopMessage::Status {
        status,
        reservation: None,
        limit: None,
    }
}

/// A last word. An error means that nobody waits for it.
async fn say(mut stream: Stream, message: HopMessage) -> Done {
    let _ = timeout(ANSWER, async {
        write_varint_frame(&mut stream, &message.encode()).await?;
        stream.close().await
    })
    .await;
    Done::Nothing
}

/// Calls `to` for `from`, and passes bytes on in both directions until either side ends or the limit is
/// reached.
async fn bridge(
    from: PeerId,
    mut caller: Stream,
    to: PeerId,
    mut control: Control,
    carried: Arc<AtomicU64>,
) -> io::Result<()> {
    let call = async {
        let mut called = control
            .open_stream(to, STOP)
            .await
            .map_err(io::Error::other)?;
        let connect = StopMessage::Connect {
            from,
            limit: Some(LIMIT),
        };
        write_varint_frame(&mut called, &connect.encode()).await?;
        let bytes = read_varint_frame(&mut called, MESSAGE_BYTES).await?;
        let status = match StopMessage::decode(&bytes).map_err(invalid)? {
            StopMessage::Status(status) => status,
            StopMessage::Connect { .. } => Status::UnexpectedMessage,
        };
        io::Result::Ok((called, status))
    };
    let called = match timeout(ANSWER, call).await {
        Ok(Ok((called, Status::Ok))) => called,
        Ok(Ok((_, Status::PermissionDenied))) => {
            say(caller, no(Status::PermissionDenied)).await;
            return Ok(());
        }
        Ok(_) | Err(_) => {
            say(caller, no(Status::ConnectionFailed)).await;
            return Ok(());
        }
    };
    let accepted = HopMessage::Status {
        status: Status::Ok,
        reservation: None,
        limit: Some(LIMIT),
    };
    write_varint_frame(&mut caller, &accepted.encode()).await?;
    let (caller_reads, caller_writes) = caller.split();
    let (called_reads, called_writes) = called.split();
    let both = futures::future::try_join(
        pass_on(caller_reads, called_writes, carried.clone()),
        pass_on(called_reads, caller_writes, carried),
    );
    match timeout(Duration::from_secs(LIMIT.seconds), both).await {
        Ok(result) => result.map(drop),
        Err(_) => Ok(()),
    }
}

/// Passes on at most the limit's bytes, then closes.
async fn pass_on(
    reads: impl AsyncRead + Unpin,
    mut writes: impl AsyncWrite + Unpin,
    carried: Arc<AtomicU64>,
) -> io::Result<()> {
    let mut reads = reads.take(LIMIT.bytes);
    let mut buffer = vec![0; 4 * 1024];
    loop {
        let n = reads.read(&mut buffer).await?;
        if n == 0 {
            return writes.close().await;
        }
        writes.write_all(&buffer[..n]).await?;
        writes.flush().await?;
        carried.fetch_add(n as u64, Ordering::Relaxed);
    }
}
