//! A guest's side: turns what its handle asks into messages, and gives answers to whoever waits for them. Dropping it
//! answers all that is under way with "no connection".

use std::collections::HashMap;

use futures::channel::{mpsc, oneshot};

use super::{
    Answer, Command, Found, Say, Wanted,
    messages::{self, TabId},
};
use crate::{NetError, client::Reply, key_of_peer};

/// Calls that may wait for an answer.
const MOST: usize = 256;

#[derive(Debug)]
enum Waiting {
    Response(Reply),
    Found(mpsc::Sender<(u64, u64)>, oneshot::Sender<Found>),
}

/// See the module.
#[derive(Debug)]
pub struct Calls {
    /// The tab whose node it is.
    pub holder: TabId,
    waiting: HashMap<u32, Waiting>,
    next: u32,
}

impl Calls {
    /// Nothing under way, to the node of `holder`.
    pub fn new(holder: TabId) -> Self {
        Self {
            holder,
            waiting: HashMap::new(),
            next: 0,
        }
    }

    /// What to tell the holder, and which call then waits for an answer.
    pub fn command(&mut self, command: Command) -> Option<(Say, Option<u32>)> {
        let say = match command {
            Command::Request(request, reply) => {
                let call = self.wait(Waiting::Response(reply))?;
                let request = request.encode();
                return Some((Say::Ask { call, request }, Some(call)));
            }
            Command::Leave(room) => Say::Leave(room),
            Command::Publish(room, data) => Say::Publish(room, data),
            Command::Members(room, members) => {
                Say::Members(room, members.iter().filter_map(key_of_peer).collect())
            }
            Command::Wake => Say::Wake,
            // A guest has neither links nor an end of the node to itself.
            Command::Linked(..) | Command::Close => return None,
        };
        Some((say, None))
    }

    /// As above, for content; and what ends when nobody waits for it any more.
    pub fn wanted(&mut self, wanted: Wanted) -> Option<(Say, u32, oneshot::Receiver<()>)> {
        let call = self.wait(Waiting::Found(wanted.progress, wanted.reply))?;
        let patience = wanted.patience.map(|patience| patience.as_millis());
        let say = Say::Fetch {
            call,
            room: wanted.room,
            content: wanted.content,
            limit: wanted.limit,
            patience_ms: patience.map(|ms| u32::try_from(ms).unwrap_or(u32::MAX)),
        };
        Some((say, call, wanted.stop))
    }

    /// The holder's answer; `bytes` came beside it.
    pub fn answered(&mut self, call: u32, answer: Answer, bytes: Option<Vec<u8>>) {
        if let Answer::Progress(have, all) = answer {
            if let Some(Waiting::Found(progress, _)) = self.waiting.get_mut(&call) {
                // Full: the next one says more.
                let _ = progress.try_send((have, all));
            }
            return;
        }
        // Err below means that nobody waits for it any more; what is dropped says "nothing" or "no connection".
        match (self.waiting.remove(&call), answer) {
            (Some(Waiting::Response(reply)), Answer::Response(bytes)) => {
                let _ = reply.send(messages::response(&bytes));
            }
            (Some(Waiting::Response(reply)), Answer::Failed(error)) => {
                let _ = reply.send(Err(error));
            }
            (Some(Waiting::Found(_, reply)), Answer::Found(layout, gaps)) => {
                if let Some(bytes) = bytes.filter(|bytes| bytes.len() as u64 == layout.size) {
                    let _ = reply.send(Found {
                        layout,
                        gaps,
                        bytes,
                    });
                }
            }
            _ => {}
        }
    }

    /// No answer has come in time, or nobody waits for it any more. Says whether it was still under way.
    pub fn give_up(&mut self, call: u32) -> bool {
        match self.waiting.remove(&call) {
            Some(Waiting::Response(reply)) => {
                let _ = reply.send(Err(NetError::Timeout));
                true
            }
            Some(Waiting::Found(..)) => true,
            None => false,
        }
    }

    fn wait(&mut self, waiting: Waiting) -> Option<u32> {
        if self.waiting.len() >= MOST {
            return None;
        }
        self.next = self.next.wrapping_add(1);
        self.waiting.insert(self.next, waiting);
        Some(self.next)
    }
}

#[cfg(test)]
mod tests {
    use futures::{FutureExt, StreamExt, executor::block_on};
    use healthsync_core::{RefusalCode, Response, RoomId};
    use libp2p::PeerId;
    use sha2::{Digest, Sha256};

    use super::*;
    use crate::{
        Layout, NodeHandle, Page,
        blob::{CHUNK, fetch::Fetch},
    };

    const ROOM: RoomId = RoomId([1; 32]);

    fn calls() -> Calls {
        Calls::new(TabId(9))
    }

    /// Runs `asks` on a guest's handle and answers its one request by `answer`.
    fn exchange<T>(
        asks: impl AsyncFnOnce(NodeHandle) -> T,
        answer: impl FnOnce(&mut Calls, u32),
    ) -> T {
        let (handle, mut commands, _) = NodeHandle::elsewhere(PeerId::random());
        block_on(async {
            let serves = async move {
                let mut calls = calls();
                let command = commands.next().await.unwrap();
                let (_, call) = calls.command(command).unwrap();
                answer(&mut calls, call.unwrap());
            };
            futures::join!(asks(handle), serves).0
        })
    }

    #[test]
    fn answers_come_to_whoever_asked() {
        let pull = async |node: NodeHandle| node.pull(ROOM, Default::default(), 1).await;
        let page = Response::Page {
            envelopes: vec![vec![1]],
            more: true,
        };
        let found = exchange(pull, |calls, call| {
            calls.answered(call + 1, Answer::Nothing, None);
            calls.answered(call, Answer::Response(page.encode()), None);
        });
        assert_eq!(
            found,
            Ok(Page {
                envelopes: vec![vec![1]],
                more: true
            })
        );
        let refused = Response::Refused {
            code: RefusalCode::NotJoined,
            message: "no".to_owned(),
        };
        let found = exchange(pull, |calls, call| {
            calls.answered(call, Answer::Response(refused.encode()), None);
        });
        assert!(matches!(
            found,
            Err(NetError::Refused {
                code: RefusalCode::NotJoined,
                ..
            })
        ));
        let found = exchange(pull, |calls, call| {
            calls.answered(call, Answer::Failed(NetError::Timeout), None);
        });
        assert_eq!(found, Err(NetError::Timeout));
    }

    #[test]
    fn a_holder_that_says_nothing_is_a_timeout_and_one_that_is_gone_is_offline() {
        let leave = async |node: NodeHandle| node.pull(ROOM, Default::default(), 1).await;
        let found = exchange(leave, |calls, call| {
            assert!(calls.give_up(call));
            assert!(!calls.give_up(call));
        });
        assert_eq!(found, Err(NetError::Timeout));
        assert_eq!(exchange(leave, |_, _| ()), Err(NetError::Offline));
        let other = exchange(leave, |calls, call| {
            calls.answered(call, Answer::NotYours, None);
        });
        assert_eq!(other, Err(NetError::Offline));
    }

    fn proves(content: &[u8; 36], layout: &Layout) -> bool {
        content[4..] == Sha256::digest(layout.digests.concat())[..]
    }

    #[test]
    fn what_another_tab_has_fetched_is_proved_again() {
        let bytes: Vec<u8> = (0..CHUNK + 9).map(|i| i as u8).collect();
        let digests: Vec<[u8; 32]> = bytes
            .chunks(CHUNK)
            .map(|chunk| Sha256::digest(chunk).into())
            .collect();
        let layout = Layout {
            size: bytes.len() as u64,
            digests,
        };
        let mut content = [0; 36];
        content[4..].copy_from_slice(&Sha256::digest(layout.digests.concat()));
        let run = |bytes: Vec<u8>, gaps: Vec<std::ops::Range<u64>>| {
            let (handle, _commands, mut wants) = NodeHandle::elsewhere(PeerId::random());
            let mut fetch = Fetch::new(ROOM, content, 1 << 20, proves);
            let mut shown = Vec::new();
            let layout = layout.clone();
            block_on(async {
                let asks = handle.fetch(&mut fetch, None, |have, all| shown.push((have, all)));
                let serves = async move {
                    let mut calls = calls();
                    let wanted = wants.next().await.unwrap();
                    let (say, call, stop) = calls.wanted(wanted).unwrap();
                    assert!(matches!(
                        say,
                        Say::Fetch {
                            patience_ms: None,
                            ..
                        }
                    ));
                    calls.answered(call, Answer::Progress(1, 2), None);
                    assert!(stop.now_or_never().is_none());
                    calls.answered(call, Answer::Found(layout, gaps), Some(bytes));
                };
                futures::join!(asks, serves)
            });
            (fetch.progress().0, fetch.gaps(), fetch.is_done())
        };
        let (have, _, done) = run(bytes.clone(), Vec::new());
        assert_eq!((have, done), (bytes.len() as u64, true));
        let gap = 0..CHUNK as u64;
        let (have, gaps, done) = run(bytes.clone(), vec![gap.clone()]);
        assert_eq!((have, gaps, done), (9, Some(vec![gap]), false));
        let mut forged = bytes.clone();
        forged[0] ^= 1;
        assert!(!run(forged, Vec::new()).2);
        assert!(!run(bytes[1..].to_vec(), Vec::new()).2);
    }

    #[test]
    fn a_fetch_that_nobody_waits_for_says_so() {
        let (handle, _commands, mut wants) = NodeHandle::elsewhere(PeerId::random());
        let mut fetch = Fetch::new(ROOM, [0; 36], 1, proves);
        let mut calls = calls();
        let asked = {
            let mut asks = Box::pin(handle.fetch(&mut fetch, None, |_, _| ()));
            assert!((&mut asks).now_or_never().is_none());
            block_on(wants.next()).unwrap()
        };
        let (_, call, stop) = calls.wanted(asked).unwrap();
        assert!(stop.now_or_never().is_some());
        assert!(calls.give_up(call));
    }
}
