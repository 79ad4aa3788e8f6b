//! The blob protocol on libp2p streams: one stream for each peer and content.
//!
//! Back-pressure is the streams' own: the giving side reads the next question only when the answer to
//! the last has been taken, the wanting side asks no more than its window.

use std::{collections::HashSet, io, sync::Arc, time::Duration};

use futures::{
    AsyncRead, AsyncReadExt, AsyncWrite, FutureExt, SinkExt, StreamExt,
    channel::mpsc,
    future::{BoxFuture, Either, select},
    stream::FuturesUnordered,
};
use futures_timer::Delay;
use libp2p::{PeerId, Stream};
use libp2p_stream::Control;
use web_time::Instant;

use super::{
    Layout, PROTOCOL, Shelf,
    fetch::{Effect, Fetch},
    serve::{Serve, Step},
    wire::{ANSWER_BYTES, ASK_BYTES, Answer, Ask, Refusal},
};
use crate::framing::{invalid, read_frame, write_frame};

/// A stream on which nobody asks for so long is closed.
const IDLE: Duration = Duration::from_secs(60);
/// How often peers and silences are looked at.
const TICK: Duration = Duration::from_millis(500);
/// After something has come, peers that are away get so long to return.
const RETURN: Duration = Duration::from_secs(3);
/// Without a hurry, peers that are not linked yet get so long to come: a link to a page that has just been opened, or to
/// the tab that goes on after another has closed, takes some seconds, and a few more when its first attempt fails.
const ARRIVAL: Duration = Duration::from_secs(8);

/// Answers the questions on one stream until it ends. `allowed` says whether the asker may have
/// anything of a room, at the moment of its question.
pub(crate) async fn give<S, F>(mut stream: S, shelf: Arc<dyn Shelf>, allowed: F) -> io::Result<()>
where
    S: AsyncRead + AsyncWrite + Unpin + Send,
    F: Fn(&healthsync_core::RoomId) -> bool + Send,
{
    let mut serve = Serve::default();
    loop {
        let Some(question) = next_question(&mut stream).await? else {
            return Ok(());
        };
        let step = match Ask::decode(&question) {
            Ok(ask) => serve.asked(ask),
            Err(_) => Step::End(Answer::No(Refusal::Malformed)),
        };
        let answer = match step {
            Step::Look { room, content } => {
                let found = match allowed(&room) {
                    true => shelf.layout(&room, &content).ok_or(Refusal::Unknown),
                    false => Err(Refusal::NotMember),
                };
                serve.found(found)
            }
            Step::Read { content, index } => match shelf.chunk(&content, index).await {
                Some(bytes) => Answer::Chunk(index, bytes),
                None => Answer::Missing(index),
            },
            Step::End(answer) => answer,
        };
        write_frame(&mut stream, &answer.encode(), ANSWER_BYTES).await?;
        if matches!(answer, Answer::No(_)) {
            return futures::AsyncWriteExt::close(&mut stream).await;
        }
    }
}

/// Says that too much is being given away already.
pub(crate) async fn decline<S: AsyncWrite + Unpin>(mut stream: S) -> io::Result<()> {
    let busy = Answer::No(Refusal::Busy).encode();
    write_frame(&mut stream, &busy, ANSWER_BYTES).await?;
    futures::AsyncWriteExt::close(&mut stream).await
}

/// `None` when the asker has closed the stream or asks nothing for too long.
async fn next_question<S>(stream: &mut S) -> io::Result<Option<Vec<u8>>>
where
    S: AsyncRead + Unpin + Send,
{
    let question = read_frame(stream, ASK_BYTES).boxed();
    match select(question, Delay::new(IDLE)).await {
        Either::Left((Ok(question), _)) => Ok(Some(question)),
        Either::Left((Err(error), _)) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(None),
        Either::Left((Err(error), _)) => Err(error),
        Either::Right(_) => Ok(None),
    }
}

/// What a peer's task reports.
enum Said {
    /// The stream is open; questions go in here.
    Opened(PeerId, mpsc::Sender<Ask>),
    Answer(PeerId, Answer),
    Malformed(PeerId),
    Ended(PeerId),
}

/// Runs `fetch` against the peers that `peers` names, now and later, until it is done or hopeless:
/// nobody has it, or whoever gave some of it has been away for a while. With a `patience`, it also ends
/// when nobody has answered for so long: a link whose far end has vanished looks alive for ten seconds
/// and more. Without one, it waits a while for somebody to come. What was proved by then stays in
/// `fetch`. Dropping the future stops everything.
pub(crate) async fn run(
    fetch: &mut Fetch<PeerId>,
    control: Control,
    mut peers: impl FnMut() -> BoxFuture<'static, Vec<PeerId>>,
    patience: Option<Duration>,
    mut progress: impl FnMut(u64, u64),
) {
    let (told, mut heard) = mpsc::channel::<Said>(8);
    let mut tasks = FuturesUnordered::new();
    let mut asking: Vec<(PeerId, mpsc::Sender<Ask>)> = Vec::new();
    let mut opening: HashSet<PeerId> = HashSet::new();
    let mut came = false;
    let mut answered = Instant::now();
    // When somebody was there last.
    let mut company = answered;
    let mut looked = false;
    let mut look = Delay::new(Duration::ZERO).fuse();
    loop {
        let now = Instant::now();
        let effects = futures::select! {
            () = look => {
                for peer in peers().await {
                    if fetch.wants(&peer) && opening.insert(peer) {
                        tasks.push(ask_one(peer, control.clone(), told.clone()).boxed());
                    }
                }
                looked = true;
                look = Delay::new(TICK).fuse();
                fetch.tick(now)
            }
            () = tasks.select_next_some() => Vec::new(),
            said = heard.select_next_some() => match said {
                Said::Opened(peer, questions) => {
                    asking.push((peer, questions));
                    fetch.joined(peer, now)
                }
                Said::Answer(peer, answer) => {
                    answered = now;
                    let before = fetch.progress();
                    let effects = fetch.received(peer, answer, now);
                    let after = fetch.progress();
                    if after != before {
                        came = true;
                        progress(after.0, after.1);
                    }
                    effects
                }
                Said::Malformed(peer) => fetch.malformed(peer, now),
                Said::Ended(peer) => {
                    opening.remove(&peer);
                    asking.retain(|(name, _)| *name != peer);
                    fetch.left(peer, now)
                }
            },
        };
        for effect in effects {
            match effect {
                Effect::Send(peer, ask) => {
                    let questions = asking.iter_mut().find(|(name, _)| *name == peer);
                    // The channel holds a whole window; an error means that the stream has just ended.
                    let sent = questions.is_some_and(|(_, q)| q.try_send(ask).is_ok());
                    if !sent {
                        tracing::debug!(%peer, "a question was not sent");
                    }
                }
                Effect::Drop(peer, fault) => {
                    tracing::debug!(%peer, %fault, "a peer is let go");
                    asking.retain(|(name, _)| *name != peer);
                }
            }
        }
        let nobody = looked && opening.is_empty() && !fetch.has_peers();
        if !nobody {
            company = now;
        }
        let waits = match (patience, came) {
            (None, _) => ARRIVAL,
            (Some(_), true) => RETURN,
            (Some(_), false) => Duration::ZERO,
        };
        let hopeless = nobody && now.saturating_duration_since(company) >= waits;
        let tired = patience.is_some_and(|most| now.saturating_duration_since(answered) >= most);
        if fetch.is_done() || tired || hopeless {
            fetch.left_all();
            return;
        }
    }
}

/// One peer: opens the stream, writes what is asked, reads what is answered. Ends when the questions
/// do, which closes the stream.
async fn ask_one(peer: PeerId, mut control: Control, mut told: mpsc::Sender<Said>) {
    if let Ok(stream) = control.open_stream(peer, PROTOCOL).await
        && let Err(error) = converse(peer, stream, &mut told).await
    {
        tracing::debug!(%peer, %error, "a stream for content broke");
        if error.kind() == io::ErrorKind::InvalidData {
            let _ = told.send(Said::Malformed(peer)).await;
        }
    }
    // Err means that nobody waits for it any more.
    let _ = told.send(Said::Ended(peer)).await;
}

async fn converse(peer: PeerId, stream: Stream, told: &mut mpsc::Sender<Said>) -> io::Result<()> {
    let (mut reader, mut writer) = stream.split();
    let (questions, mut asked) = mpsc::channel::<Ask>(super::fetch::WINDOW + 1);
    let gone = |_| io::Error::from(io::ErrorKind::BrokenPipe);
    told.send(Said::Opened(peer, questions))
        .await
        .map_err(gone)?;
    let write = async move {
        while let Some(ask) = asked.next().await {
            write_frame(&mut writer, &ask.encode(), ASK_BYTES).await?;
        }
        futures::AsyncWriteExt::close(&mut writer).await
    };
    let read = async {
        loop {
            let bytes = read_frame(&mut reader, ANSWER_BYTES).await?;
            let answer = Answer::decode(&bytes).map_err(invalid)?;
            told.send(Said::Answer(peer, answer)).await.map_err(gone)?;
        }
    };
    // Whichever ends first ends the stream.
    match select(std::pin::pin!(write), std::pin::pin!(read)).await {
        Either::Left((result, _)) => result,
        Either::Right((result, _)) => result,
    }
}

/// Content that has come, and how it is cut, so that it can be given on at once.
pub type Fetched = (Layout, Vec<u8>);
